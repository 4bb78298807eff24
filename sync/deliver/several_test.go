package deliver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/sandbox"
)

// down has the service answer 503 for the users of which is says so.
func (w *world) down(is func(id int64) bool) {
	w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
		var id int64
		if fmt.Sscanf(r.URL.Path, "/api/v2/users/%d", &id); is(id) {
			return sandbox.HTML(503)
		}
		return nil
	})
}

// tries counts the debts that were tried while the service was down: it is asked three times for each.
func (w *world) tries() int { return len(w.requests) / 3 }

func TestAPatientRunTriesLessAndLessOften(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.down(func(int64) bool { return true })
		begun := time.Now()
		for time.Since(begun) < time.Hour {
			w.deliverer.Run(t.Context(), true)
			time.Sleep(time.Second)
		}
		// After 0 and about 15, 45, 105, 225, 465, 945 and 1,905 seconds.
		same(t, "tries in the first hour", w.tries(), 8)
		for time.Since(begun) < 25*time.Hour {
			w.deliverer.Run(t.Context(), true)
			time.Sleep(time.Minute)
		}
		if tries := w.tries(); tries < 8+20 || tries > 8+25 {
			t.Errorf("tries in the next day: got %d, want about one an hour", tries-8)
		}
		w.down(func(int64) bool { return false })
		time.Sleep(time.Hour)
		same(t, "run", w.deliverer.Run(t.Context(), true), error(nil))
		w.deliveredOnce("in the end", id)
	})
}

// An operator may let a referral be judged again, and it is owed anew.
func TestPatienceStartsAnewWithANewDebt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		patiently := func(d time.Duration) {
			w.requests = nil
			for begun := time.Now(); time.Since(begun) < d; time.Sleep(time.Second) {
				w.deliverer.Run(t.Context(), true)
			}
		}
		w.down(func(int64) bool { return true })
		patiently(10 * time.Minute)
		w.down(func(int64) bool { return false })
		w.settled()
		w.rf.SetQualified(id, false)
		w.update(func(tx *store.Tx) error {
			r, _, err := tx.Referral(id)
			r.Standing = rules.Owed
			return errors.Join(err, tx.PutReferral(r), tx.Owe(store.Debt{Referral: id, Campaign: campaign, Since: time.Now()}))
		})
		w.down(func(int64) bool { return true })
		patiently(time.Minute)
		same(t, "tries in the first minute", w.tries(), 3)
	})
}

// An operator orders it to be tried at once, while a try is under way that goes wrong.
func TestAHurryDuringATryIsForTheNextOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.down(func(int64) bool { return true })
		w.before = func(*http.Request) {
			if w.tries() == 0 {
				w.deliverer.Hurry()
			}
		}
		for range 3 {
			w.deliverer.Run(t.Context(), true)
		}
		same(t, "tries in three patient runs that follow each other", w.tries(), 2)
	})
}

func TestAnImpatientRunTriesEachTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.down(func(int64) bool { return true })
		for range 5 {
			same(t, "run", kind(w.run()), "trouble")
		}
		same(t, "tries", w.tries(), 5)
	})
}

func TestPatienceIsWithTheDebtInTroubleOnly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.owe()
		w.down(func(id int64) bool { return id == first })
		same(t, "run", kind(w.deliverer.Run(t.Context(), true)), "trouble")
		second := w.owe()
		w.requests = nil
		same(t, "run, in which the first waits", kind(w.deliverer.Run(t.Context(), true)), "trouble")
		same(t, "requests", w.requests, []string{get(second), "PUT"})
	})
}

func TestARefusedKeyStopsTheRest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ids := []int64{w.owe(), w.owe(), w.owe()}
		w.rf.RotateKey()
		same(t, "run", kind(w.run()), "refused")
		same(t, "requests", w.requests, []string{get(ids[0])})
		same(t, "debts", len(w.debts()), 3)
		if err := w.client.SetAPIKey(w.rf.Key()); err != nil {
			t.Fatal(err)
		}
		same(t, "run with the new key", w.run(), error(nil))
		for _, id := range ids {
			w.deliveredOnce("later", id)
		}
	})
}

// An entry that was in trouble for long waits an hour. The refusal of a dead key, which it happened to find, is not told of again meanwhile: whoever runs
// this would rest, though the key is good.
func TestARefusedKeyIsNoTroubleOfTheEntrys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		patiently := func() error { return w.deliverer.Run(t.Context(), true) }
		first := w.owe()
		w.down(func(int64) bool { return true })
		for range 10 {
			same(t, "run while it is down", kind(patiently()), "trouble")
			time.Sleep(time.Hour)
		}
		w.rf.SetFault(func(*http.Request) *sandbox.Fault { return &sandbox.Fault{Status: http.StatusUnauthorized} })
		same(t, "run with a dead key", kind(patiently()), "refused")
		w.rf.SetFault(nil)
		second := w.owe()
		same(t, "run with a good one", patiently(), error(nil))
		w.deliveredOnce("who was in trouble", first)
		w.deliveredOnce("who came later", second)
	})
}

func TestThreeUnavailableInARowStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.owe()
		}
		w.down(func(int64) bool { return true })
		same(t, "run", kind(w.run()), "trouble")
		same(t, "tries", w.tries(), 3)
		same(t, "debts", len(w.debts()), 5)
	})
}

// Between the second and the third that cannot be read, one is read: it is open, but the service does answer.
func TestUnavailableNowAndThenDoesNotStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second, open := w.owe(), w.owe(), w.owe()
		w.update(func(tx *store.Tx) error {
			return tx.Owe(store.Debt{Referral: open, Campaign: campaign, SentAt: time.Now(), Attempts: 1})
		})
		third, fourth := w.owe(), w.owe()
		w.down(func(id int64) bool { return id == first || id == second || id == third })
		same(t, "run", kind(w.run()), "open")
		same(t, "the last", w.referral(fourth).Standing, rules.Delivered)
	})
}

// A pass that was begun before our answer shows users as they were then.
func TestASweepBegunBeforeOurAnswerDoesNotOverride(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		var begun uint64
		w.view(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil })
		same(t, "run", w.run(), error(nil))
		w.hear(id, "", begun)
		w.deliveredOnce("by the old sweep", id)
		w.view(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil })
		w.rf.SetQualified(id, false)
		w.hear(id, "", begun)
		same(t, "standing by a sweep begun later", w.referral(id).Standing, rules.Overridden)
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id), "PUT"})
	})
}

// hear has a sweep, begun when the ledger had a length, show a user.
func (w *world) hear(id int64, qualifiedOn string, begun uint64) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		if err := poll.Hear(tx, &r, qualifiedOn, referralfactory.Answer{Date: time.Now(), Since: time.Now()}, begun); err != nil {
			return err
		}
		return tx.PutReferral(r)
	})
}

// Sweeps have a schedule of their own: one may see the user qualified while the deliverer waits for its turn.
func TestASweepThatSettlesTheDebtBeforeTheRequestStopsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.connect(1) // the second call is made a minute after the first
		w.after = func(*http.Request) {
			time.AfterFunc(time.Second, func() {
				w.rf.SetQualified(id, true)
				w.hear(id, w.rf.User(id).QualifiedAt, 99)
			})
		}
		same(t, "run", w.run(), error(nil))
		same(t, "requests to qualify", w.puts(), 0)
		same(t, "standing", w.referral(id).Standing, rules.Elsewhere)
		same(t, "ledger", w.acts(id), []store.Act{store.ActElsewhere})
		same(t, "debts", len(w.debts()), 0)
	})
}

func TestASweepThatSeesOurEffectBeforeOurAnswerIsNotRecordedTwice(t *testing.T) {
	for what, fault := range map[string]*sandbox.Fault{"answered": nil, "answered with nothing": {Empty: true}, "answer lost": {Lost: true}} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				id := w.owe()
				w.faultOnPut(fault)
				w.after = func(r *http.Request) {
					if r.Method == http.MethodPut {
						w.hear(id, w.rf.User(id).QualifiedAt, 99)
					}
				}
				w.run()
				w.deliveredOnce(what, id)
			})
		})
	}
}

// The process dies around each request; the next one finds the store as it was then.
func TestACrashAtAnyPointHasOneEffect(t *testing.T) {
	for what, fault := range map[string]*sandbox.Fault{"two requests": nil, "three requests": {Empty: true}, "a request that never arrives": {Refused: true}} {
		points := 4
		if what == "three requests" {
			points = 6
		}
		for point := range points {
			t.Run(fmt.Sprint(what, ", point ", point), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					id := w.owe()
					crashed := w.crashAt(point)
					w.faultOnPut(fault)
					w.run()
					if *crashed == nil {
						t.Fatalf("got %d requests, want more", len(w.requests))
					}
					w.rf.SetFault(nil)
					next := newWorld(t, w.rf, *crashed)
					next.settled()
					next.deliveredOnce("after the crash", id)
					same(t, "requests to qualify that arrived", len(w.rf.Puts()), 1)
				})
			})
		}
	}
}

// crashAt copies the store at a point, which is before (even) or after (odd) a request, and lets no later request through.
func (w *world) crashAt(point int) (copied **store.Store) {
	copied = new(*store.Store)
	steps := 0
	step := func(*http.Request) {
		if steps == point {
			s, err := w.store.CopyTo(filepath.Join(w.t.TempDir(), "crashed.db"))
			if err != nil {
				w.t.Fatal(err)
			}
			*copied = s
			w.store.Close()
		}
		steps++
		if *copied != nil && steps%2 == 1 {
			w.rf.SetFault(func(*http.Request) *sandbox.Fault { return &sandbox.Fault{Refused: true} })
		}
	}
	w.before, w.after = step, step
	return copied
}

// qualifies is whom a PUT is about.
func qualifies(r *http.Request) int64 {
	var in struct{ ID int64 }
	body, err := r.GetBody()
	if err == nil {
		err = json.NewDecoder(body).Decode(&in)
	}
	if err != nil {
		panic(err)
	}
	return in.ID
}

func TestManyDebtsWithAllSortsOfTroubleAreSettledOnceEach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var ids []int64
		for range 40 {
			ids = append(ids, w.owe())
		}
		random := rand.New(rand.NewPCG(3, 4))
		troubles := []*sandbox.Fault{nil, nil, nil, {Lost: true}, {Refused: true}, {Empty: true}, {Cut: 20}, {NoDate: true}, {Status: 500}, {Status: 429}, {Delay: 40 * time.Second}, sandbox.HTML(200)}
		until := time.Now().Add(20 * time.Minute)
		mayHaveHadItsEffect := map[int64]time.Time{}
		var one sync.Mutex // several are under way at once
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			one.Lock()
			defer one.Unlock()
			if time.Now().After(until) {
				return nil
			}
			trouble := troubles[random.IntN(len(troubles))]
			if r.Method != http.MethodPut {
				return trouble
			}
			id := qualifies(r)
			if before, again := mayHaveHadItsEffect[id]; again && time.Since(before) < deliver.ResendAfter {
				t.Errorf("referral %d was sent again after %v, want two minutes at least", id, time.Since(before))
			}
			if trouble == nil || trouble.Status != http.StatusTooManyRequests {
				mayHaveHadItsEffect[id] = time.Now()
			}
			return trouble
		})
		for begun := time.Now(); time.Since(begun) < 4*time.Hour && len(w.debts()) > 0; {
			w.deliverer.Run(t.Context(), true)
			time.Sleep(15 * time.Second)
		}
		for _, id := range ids {
			w.deliveredOnce(fmt.Sprint("referral ", id), id)
		}
		same(t, "effects", len(w.rf.Qualifications()), len(ids))
		same(t, "calls too many", w.rf.Throttled(), 0)
	})
}

// One answer in ten takes half a minute. Those behind it do not wait for it.
func TestASlowAnswerHoldsUpNoneOfTheOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answering := w.owe() // alone, so that it is known that the service answers
		slow, others := w.owe(), []int64{w.owe(), w.owe(), w.owe()}
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			if strings.HasSuffix(r.URL.Path, fmt.Sprint("/", slow)) {
				return &sandbox.Fault{Delay: 25 * time.Second}
			}
			return nil
		})
		ended := make(chan error)
		go func() { ended <- w.run() }()
		time.Sleep(time.Second)
		for _, id := range append(others, answering) {
			same(t, "after a second", w.referral(id).Standing, rules.Delivered)
		}
		same(t, "the slow one after a second", w.referral(slow).Standing, rules.Owed)
		same(t, "run", <-ended, error(nil))
		w.deliveredOnce("in the end", slow)
	})
}

func TestWhatIsAnsweredSoonGoesInItsOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var want []string
		for range 40 {
			want = append(want, get(w.owe()), "PUT")
		}
		w.before = func(*http.Request) { time.Sleep(time.Millisecond) }
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, want)
	})
}

// However much is owed, a service that does not answer has a few requests to let go by, and not as many as are owed.
func TestNoMoreThanTenAreUnderWayAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var ids []int64
		for range 50 {
			ids = append(ids, w.owe())
		}
		var now, most atomic.Int32
		w.before = func(*http.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
		}
		w.after = func(*http.Request) { now.Add(-1) }
		same(t, "run", w.run(), error(nil))
		same(t, "requests at once", most.Load(), int32(10))
		for _, id := range ids {
			w.deliveredOnce(fmt.Sprint("referral ", id), id)
		}
		same(t, "requests to qualify", w.puts(), len(ids))
	})
}

// A fault of the program is the daemon's to tell of, wherever it happens.
func TestAPanicOverOneEntryReachesTheCaller(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		second := w.owe()
		w.deliverer.Preview = func(r rules.Referral) {
			if r.ID == second {
				panic("nil map")
			}
		}
		defer func() {
			if got := fmt.Sprint(recover()); !strings.Contains(got, "nil map") || !strings.Contains(got, "several_test.go") {
				t.Errorf("got the panic %q, want the entry's own, and where it began", got)
			}
		}()
		w.run()
		t.Error("no panic")
	})
}

// A key that a reload brings while a delivery is under way may be another account's: nothing is asked with it before it is known to be the store's.
func TestADeliveryEndsWithTheKeyThatItBeganWith(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var known atomic.Bool
		known.Store(true)
		w.deliverer = deliver.New(deliver.Options{
			Store: w.store, ReferralFactory: w.client, Ready: func() (bool, error) { return known.Load(), nil }, Log: zerolog.Nop(),
		})
		ann, bob := w.owe(), w.owe()
		others := 0
		w.before = func(r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer another" {
				others++
			}
		}
		w.after = func(*http.Request) {
			w.after = nil
			known.Store(false)
			if err := w.client.SetAPIKey("another"); err != nil {
				t.Fatal(err)
			}
		}
		w.run()
		same(t, "requests with a key that is not known", others, 0)
		for _, id := range []int64{ann, bob} {
			same(t, "standing", w.referral(id).Standing, rules.Delivered)
		}
		w.owe()
		w.run()
		same(t, "requests with a key that is not known, by the next delivery", others, 0)
	})
}

// Three users of whom the service always stumbles stop every run that tries them first; each run of run --once would.
func TestWhoIsInTroubleDoesNotKeepTheRestFromBeingTried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bad := []int64{w.owe(), w.owe(), w.owe()}
		good := w.owe()
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			for _, id := range bad {
				if strings.HasSuffix(r.URL.Path, fmt.Sprint("/", id)) {
					return &sandbox.Fault{Status: http.StatusInternalServerError}
				}
			}
			return nil
		})
		for range 3 {
			if err := w.run(); err == nil {
				t.Error("got no error, want the trouble")
			}
		}
		same(t, "standing of the fourth", w.referral(good).Standing, rules.Delivered)
	})
}
