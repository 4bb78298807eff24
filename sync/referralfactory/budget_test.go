package referralfactory

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNoMinuteSeesMoreCallsThanTheBudget(t *testing.T) {
	const perMinute, callers, each = 300, 6, 500
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(perMinute)
		var mu sync.Mutex
		var sent []time.Time
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for call := range each {
					if err := b.wait(t.Context(), caller%2 == 0); err != nil {
						t.Error(err)
					}
					mu.Lock()
					sent = append(sent, time.Now())
					mu.Unlock()
					time.Sleep(time.Duration((call*caller)%7) * 10 * time.Millisecond) // the service answers
				}
			})
		}
		all.Wait()

		slices.SortFunc(sent, time.Time.Compare)
		for i := perMinute; i < len(sent); i++ {
			if apart := sent[i].Sub(sent[i-perMinute]); apart <= time.Minute {
				t.Fatalf("calls %d to %d went within %v, want more than a minute", i-perMinute, i, apart)
			}
		}
		took := sent[len(sent)-1].Sub(sent[0])
		if rate := float64(len(sent)) / took.Minutes(); rate < 0.95*perMinute {
			t.Errorf("%d calls took %v: %.0f a minute, want at least 95%% of %d", len(sent), took, rate, perMinute)
		}
	})
}

func TestUrgentCallsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		if err := b.wait(t.Context(), false); err != nil { // spends it
			t.Fatal(err)
		}
		var mu sync.Mutex
		var got []string
		var all sync.WaitGroup
		for _, name := range []string{"sweep 1", "sweep 2", "deliver 1", "deliver 2"} {
			all.Go(func() {
				if err := b.wait(t.Context(), name > "d" && name < "e"); err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, name)
				mu.Unlock()
			})
			synctest.Wait()
		}
		all.Wait()
		want := []string{"deliver 1", "deliver 2", "sweep 1", "sweep 2"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// A sweep of many pages, on a service that answers at once, takes all the calls there are and leaves each next one to a delivery.
func TestUrgentCallsDoNotWaitForTheEndOfASweepsMinute(t *testing.T) {
	const perMinute = 300
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(perMinute)
		ctx, cancel := context.WithCancel(t.Context())
		var pages atomic.Int32
		var sweep sync.WaitGroup
		sweep.Go(func() {
			for b.wait(ctx, false) == nil {
				pages.Add(1)
			}
		})
		time.Sleep(10 * time.Minute)
		if got, want := int(pages.Load()), int(0.95*10*perMinute); got < want {
			t.Errorf("a sweep by itself: got %d pages in ten minutes, want %d at least", got, want)
		}
		// A delivery now and then, of two calls: each has the next place.
		var longest time.Duration
		for n := range 200 {
			time.Sleep(time.Duration(1000+n*37%2000) * time.Millisecond)
			for range 2 {
				asked := time.Now()
				if err := b.wait(ctx, true); err != nil {
					t.Fatal(err)
				}
				longest = max(longest, time.Since(asked))
			}
		}
		if most := 2 * window / perMinute; longest > most {
			t.Errorf("beside a sweep an urgent call waited %v, want at most %v", longest, most)
		}
		cancel()
		sweep.Wait()
	})
}

// Deliveries of thousands, as after a release of the brake, take all calls for hours. A sweep gets on all the same: one that makes no call for a quarter of
// an hour would be taken to hang, and the daemon started anew.
func TestASweepGetsOnBesideDeliveriesThatTakeAllCalls(t *testing.T) {
	for _, perMinute := range []int{1, 60, 300} {
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(perMinute)
			ctx, cancel := context.WithCancel(t.Context())
			var hands sync.WaitGroup
			var delivering atomic.Int32
			for range 10 {
				hands.Go(func() {
					for b.wait(ctx, true) == nil {
						delivering.Add(1)
						time.Sleep(200 * time.Millisecond) // the service answers
					}
				})
			}
			time.Sleep(time.Minute)
			before := delivering.Load()
			for page := range 6 {
				asked := time.Now()
				bounded, stop := context.WithTimeout(ctx, time.Hour)
				err := b.wait(bounded, false)
				stop()
				if took := time.Since(asked); err != nil || took > longestPassedOver+window {
					t.Fatalf("%d a minute, page %d: got a turn after %v (%v), want one within %v", perMinute, page+1, took, err, longestPassedOver+window)
				}
				time.Sleep(200 * time.Millisecond)
			}
			if got, want := int(delivering.Load()-before), 20*perMinute; got < want {
				t.Errorf("%d a minute: deliveries had %d calls meanwhile, want %d at least", perMinute, got, want)
			}
			cancel()
			hands.Wait()
		})
	}
}

func TestGivingUpTheWaitGivesUpTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		start := time.Now()
		if err := b.wait(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := b.wait(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		if err := b.wait(t.Context(), false); err != nil || time.Since(start) != window {
			t.Errorf("the next went after %v (%v), want %v", time.Since(start), err, window)
		}
	})
}

func TestRepeatsSpendTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(500, ""), nil }}
		c := newClient(t, s)
		c.budget = newBudget(2)
		if _, _, err := c.User(t.Context(), 7); kind(err) != "unavailable" || len(s.at) != 3 {
			t.Fatalf("got %v after %d calls, want three", err, len(s.at))
		}
		if apart := s.at[2].Sub(s.at[0]); apart < window {
			t.Errorf("the third call went %v after the first, want %v or more with a budget of 2", apart, window)
		}
	})
}

func TestACallTooManyStopsEverybody(t *testing.T) {
	for retryAfter, want := range map[string]time.Duration{
		"":            window, // the rest of the minute in which there were too many
		"20":          20 * time.Second,
		"86400":       window, // the service blocks addresses for days; we go on asking now and then
		"99999999999": window, // no less than for days
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(call int, _ *http.Request) (*http.Response, error) {
				if call == 1 {
					return reply(429, "", "Retry-After", retryAfter), nil
				}
				return reply(200, ""), nil
			}}
			c := newClient(t, s)
			c.Qualify(t.Context(), 7, nil)
			if _, _, err := c.Urgent().Qualify(t.Context(), 8, nil); err != nil {
				t.Error(err)
			}
			if apart := s.at[1].Sub(s.at[0]); apart != want {
				t.Errorf("Retry-After %q: the next call went %v later, want %v", retryAfter, apart, want)
			}
		})
	}
}

// Somebody else uses the account's calls up, and the service does not say how long to wait: there is one call in a minute then, and not ten of too many.
func TestWhileThereAreTooManyCallsThereIsOneAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(429, ""), nil }}
		c := newClient(t, s)
		for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(15 * time.Second) {
			for id := range int64(3) {
				c.Urgent().User(t.Context(), id)
			}
		}
		if most := int(s.at[len(s.at)-1].Sub(s.at[0])/time.Minute) + 1; len(s.at) > most {
			t.Errorf("got %d calls in %v, want at most %d", len(s.at), s.at[len(s.at)-1].Sub(s.at[0]), most)
		}
	})
}

func TestTheBudgetIsSharedWithUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(200, ""), nil }}
		c := newClient(t, s)
		c.budget = newBudget(3)
		for i := range 4 {
			client := c
			if i%2 == 0 {
				client = c.Urgent()
			}
			if _, _, err := client.Unqualify(t.Context(), int64(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		// The second is patient and keeps the pace of three in a window; the fourth is one too many.
		var got []time.Duration
		for _, at := range s.at {
			got = append(got, at.Sub(s.at[0]).Truncate(time.Second))
		}
		if diff := cmp.Diff([]time.Duration{0, 20 * time.Second, 20 * time.Second, 61 * time.Second}, got); diff != "" {
			t.Errorf("calls after (-want +got):\n%s", diff)
		}
	})
}

// The budget changes while calls wait: those of the last minute count, whatever was allowed when they were made.
func TestAnotherBudgetCountsTheCallsOfTheLastMinute(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after int
		want          []int // calls that have gone at once, after the change, and after each of two more windows
	}{
		{"a smaller one", 20, 5, []int{20, 20, 25, 30}},
		{"a larger one", 5, 20, []int{5, 20, 40, 60}},
		{"the same", 5, 5, []int{5, 5, 10, 15}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				b := newBudget(c.before)
				var gone atomic.Int32
				var all sync.WaitGroup
				for range 100 {
					all.Go(func() {
						if b.wait(ctx, true) == nil {
							gone.Add(1)
						}
					})
				}
				synctest.Wait()
				got := []int{int(gone.Load())}
				time.Sleep(time.Second)
				b.allow(c.after)
				synctest.Wait()
				got = append(got, int(gone.Load()))
				for range 2 {
					time.Sleep(window)
					synctest.Wait()
					got = append(got, int(gone.Load()))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("calls that have gone (-want +got):\n%s", diff)
				}
				cancel()
				all.Wait()
			})
		})
	}
}
