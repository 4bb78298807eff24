package schedule

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func spec(t *testing.T, text string) Spec {
	t.Helper()
	s, err := Parse(text, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// diary notes when a job began, since the test began.
type diary struct {
	mu    sync.Mutex
	start time.Time
	runs  []time.Duration
}

func newDiary() *diary { return &diary{start: time.Now()} }

func (d *diary) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = append(d.runs, time.Since(d.start))
}

func (d *diary) want(t *testing.T, situation string, runs int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.runs) != runs {
		t.Errorf("%s: ran at %v, want %d runs", situation, d.runs, runs)
	}
}

// running starts the jobs and gives what stops them; stop returns when Run has.
func running(t *testing.T, log zerolog.Logger, jobs ...Job) (r *Runner, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r = New(log, jobs...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	synctest.Wait()
	return r, func() { cancel(); <-done }
}

func TestAJobRunsAtStartAndThenWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eager, calm := newDiary(), newDiary()
		_, stop := running(t, zerolog.Nop(),
			Job{Name: "eager", Spec: spec(t, "@every 1m"), AtStart: true, Run: func(context.Context) { eager.note() }},
			Job{Name: "calm", Spec: spec(t, "@every 1m"), Run: func(context.Context) { calm.note() }})
		eager.want(t, "at start", 1)
		calm.want(t, "at start", 0)
		time.Sleep(10*time.Minute + maxJitter)
		eager.want(t, "after ten minutes", 11)
		calm.want(t, "after ten minutes", 10)
		stop()
		time.Sleep(time.Hour)
		eager.want(t, "an hour after the stop", 11)
	})
}

func TestJitterIsATenthOfTheGapAndAtMostFiveSeconds(t *testing.T) {
	for text, most := range map[string]time.Duration{"@every 10s": time.Second, "@every 10m": maxJitter, "*/20 * * * *": maxJitter} {
		synctest.Test(t, func(t *testing.T) {
			s := spec(t, text)
			var late []time.Duration
			due := s.Next(time.Now())
			gap := s.Next(due).Sub(due)
			_, stop := running(t, zerolog.Nop(), Job{Name: "job", Spec: s, Run: func(context.Context) {
				late = append(late, time.Since(due))
				due = s.Next(due)
			}})
			time.Sleep(100*gap + gap/2) // past the jitter of the hundredth
			stop()
			if len(late) != 100 {
				t.Fatalf("%s: got %d runs in a hundred gaps, want 100", text, len(late))
			}
			differ := false
			for _, d := range late {
				differ = differ || d != late[0]
				if d < 0 || d > most {
					t.Errorf("%s: a run came %v late, want 0 to %v", text, d, most)
				}
			}
			if !differ {
				t.Errorf("%s: every run came %v late, want them to differ", text, late[0])
			}
		})
	}
}

// A machine's clock that is set back by a day does not put off the runs by a day, and one that is set forward by a year does not have them made up
// for.
func TestAClockThatIsSetNeitherPutsOffNorMultipliesRuns(t *testing.T) {
	for text, anHour := range map[string]int{"@every 1m": 60, "*/5 * * * *": 12, "10,40 * * * *": 2} {
		for _, set := range []time.Duration{-24 * time.Hour, -time.Hour, -10 * time.Second, time.Hour, 366 * 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				d, ahead := newDiary(), atomic.Int64{}
				r := New(zerolog.Nop(), Job{Name: "job", Spec: spec(t, text), Run: func(context.Context) { d.note() }})
				r.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); r.Run(ctx) }()
				time.Sleep(time.Hour + 30*time.Second)
				ahead.Store(int64(set))
				time.Sleep(time.Hour)
				cancel()
				<-done
				if runs := len(d.runs); runs < 2*anHour-1 || runs > 2*anHour+1 {
					t.Errorf("%s, the clock set by %v after an hour: ran at %v, want about %d runs in two hours", text, set, d.runs, 2*anHour)
				}
			})
		}
	}
}

func TestAJobThatIsStillRunningIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		slow, other := newDiary(), newDiary()
		_, stop := running(t, zerolog.New(zerolog.SyncWriter(&logged)),
			Job{Name: "slow", Spec: spec(t, "@every 1m"), AtStart: true, Run: func(context.Context) {
				slow.note()
				time.Sleep(210 * time.Second)
			}},
			Job{Name: "other", Spec: spec(t, "@every 1m"), Run: func(context.Context) { other.note() }})
		time.Sleep(200 * time.Second)
		slow.want(t, "while the first run takes its time", 1)
		other.want(t, "beside it", 3)
		time.Sleep(60 * time.Second)
		slow.want(t, "after the first run", 2)
		stop()
		if got := strings.Count(logged.String(), `"job":"slow","message":"job skipped`); got != 3 {
			t.Errorf("logged %s; want three skips of slow", logged.String())
		}
	})
}

func TestAPanicDoesNotEndTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		d := newDiary()
		_, stop := running(t, zerolog.New(zerolog.SyncWriter(&logged)), Job{Name: "job", Spec: spec(t, "@every 1m"), AtStart: true, Run: func(context.Context) {
			d.note()
			panic("nil map")
		}})
		time.Sleep(3*time.Minute + maxJitter)
		stop()
		d.want(t, "after three minutes", 4)
		for _, want := range []string{`"job":"job"`, `"panic":"nil map"`, "schedule_test.go", "level\":\"error"} {
			if !strings.Contains(logged.String(), want) {
				t.Errorf("logged %s; want %s in it", logged.String(), want)
			}
		}
	})
}

func TestTheStopWaitsForTheRunningJobWhichSeesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := false
		_, stop := running(t, zerolog.Nop(), Job{Name: "job", Spec: spec(t, "@every 1m"), AtStart: true, Run: func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(20 * time.Second) // commits what it holds
			finished = true
		}})
		start := time.Now()
		stop()
		if took := time.Since(start); !finished || took != 20*time.Second {
			t.Errorf("stopped after %v, finished %v; want 20s, true", took, finished)
		}
	})
}

func TestAStopDuringTheJitterStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		_, stop := running(t, zerolog.Nop(), Job{Name: "job", Spec: spec(t, "@every 1h"), Run: func(context.Context) { d.note() }})
		time.Sleep(time.Hour + time.Nanosecond)
		synctest.Wait()
		before := len(d.runs) // 1 if there happened to be no jitter
		stop()
		if took := time.Since(d.start); took > time.Hour+time.Nanosecond {
			t.Errorf("the stop took until %v", took)
		}
		d.want(t, "after the stop", before)
	})
}

func TestAKickRunsTheJobNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r, stop := running(t, zerolog.Nop(), Job{Name: "job", Spec: spec(t, "@daily"), Run: func(context.Context) { d.note() }})
		r.Kick("job")
		synctest.Wait()
		d.want(t, "after the kick", 1)
		stop()
		r.Kick("job")
		synctest.Wait()
		d.want(t, "after the stop", 1)
	})
}

// What a delivery is kicked for may have become owed when the delivery under way had looked into the outbox already.
func TestAKickDuringARunIsHeededOnceAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r, stop := running(t, zerolog.Nop(), Job{Name: "slow", Spec: spec(t, "@daily"), Run: func(context.Context) {
			d.note()
			time.Sleep(time.Minute)
		}})
		defer stop()
		r.Kick("slow")
		for range 3 {
			time.Sleep(10 * time.Second)
			r.Kick("slow")
		}
		d.want(t, "while the first run takes its time", 1)
		time.Sleep(time.Hour)
		d.wantAbout(t, "after three kicks during the first run", minutes(0, 1))
	})
}

func TestDoWaitsForTheRunInProgressAndThenForItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r, stop := running(t, zerolog.Nop(), Job{Name: "slow", Spec: spec(t, "@every 1h"), AtStart: true, Run: func(context.Context) {
			d.note()
			time.Sleep(time.Minute)
		}})
		defer stop()
		time.Sleep(30 * time.Second)
		if err := r.Do(t.Context(), "slow"); err != nil {
			t.Fatalf("Do: got %v, want none", err)
		}
		d.want(t, "after Do", 2)
		if took := time.Since(d.start); took != 2*time.Minute {
			t.Errorf("Do returned after %s, want when its own run had ended, after 2m", took)
		}
	})
}

func TestDoGivesUpWithItsCallerAndWithTheRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r, stop := running(t, zerolog.Nop(), Job{Name: "stuck", Spec: spec(t, "@every 1h"), AtStart: true, Run: func(context.Context) { <-release }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Do(ctx, "stuck"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller gave up: got %v, want its deadline", err)
		}
		close(release)
		stop()
		if err := r.Do(t.Context(), "stuck"); !errors.Is(err, ErrStopped) {
			t.Errorf("after the stop: got %v, want ErrStopped", err)
		}
	})
}

func TestAnotherPlanCountsFromWhenTheJobWasDueLast(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		at                  time.Duration // of the change
		want                []time.Duration
	}{
		{"to more often", "@every 1h", "@every 10m", 5 * time.Minute, minutes(10, 20, 30, 40, 50, 60)},
		{"to more often, when it would have been due", "@every 1h", "@every 10m", 25 * time.Minute, minutes(25, 35, 45, 55)},
		{"to more seldom", "@every 10m", "@every 30m", 15 * time.Minute, minutes(10, 40)},
		{"to the same", "@every 25m", "@every 25m", 20 * time.Minute, minutes(25, 50)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				r, stop := running(t, zerolog.Nop(), Job{Name: "poll", Spec: spec(t, c.before), Run: func(context.Context) { d.note() }})
				time.Sleep(c.at)
				r.Plan("poll", spec(t, c.after))
				time.Sleep(time.Hour + time.Minute - c.at)
				stop()
				d.wantAbout(t, c.name, c.want)
			})
		})
	}
}

// An operator who reloads every half minute must not put off a poll that is due every minute.
func TestPlansThatFollowEachOtherPutNothingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r, stop := running(t, zerolog.Nop(), Job{Name: "poll", Spec: spec(t, "@every 1m"), Run: func(context.Context) { d.note() }})
		for i := range 40 {
			time.Sleep(30 * time.Second)
			r.Plan("poll", spec(t, []string{"@every 59s", "@every 1m"}[i%2]))
		}
		synctest.Wait()
		stop()
		if n := len(d.runs); n < 18 || n > 21 {
			t.Errorf("in 20 minutes with 40 changes: got %d runs, want one a minute", n)
		}
	})
}

func minutes(some ...int) (out []time.Duration) {
	for _, n := range some {
		out = append(out, time.Duration(n)*time.Minute)
	}
	return out
}

// wantAbout allows for the jitter.
func (d *diary) wantAbout(t *testing.T, situation string, want []time.Duration) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	fits := len(d.runs) == len(want)
	for i := 0; fits && i < len(want); i++ {
		late := d.runs[i] - want[i]
		fits = late >= -maxJitter && late <= time.Duration(i+1)*maxJitter
	}
	if !fits {
		t.Errorf("%s: ran at %v, want %v", situation, d.runs, want)
	}
}
