package bench

import (
	"math/rand/v2"
	"testing"
	"time"

	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// owe has so many people qualify at once, as after a mass update in the org. What is owed has not gone out yet.
func (d *daemon) owe(n int) {
	d.t.Helper()
	people := d.refer(n)
	d.once()
	time.Sleep(time.Minute)
	for _, u := range people {
		d.org.Update("Lead", d.leads[u.ID], sandbox.Fields{"Status": wonStatus})
	}
	d.pass()
	if owed := d.owed(); owed != n {
		d.t.Fatalf("owed after the pass: got %d, want %d", owed, n)
	}
}

func (d *daemon) pass() {
	d.t.Helper()
	if err := d.poller.Pass(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) deliver() {
	d.t.Helper()
	if err := d.deliverer.Run(d.t.Context(), false); err != nil {
		d.t.Error(err)
	}
}

func (d *daemon) owed() (n int) {
	d.t.Helper()
	err := d.store.View(func(tx *store.Tx) error {
		debts, err := tx.Debts()
		n = len(debts)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Each qualification costs two calls: one to read the user, one to qualify. They go out as fast as the budget lets them, however long answers take.
func TestDeliveryUsesTheCallsThatItMay(t *testing.T) {
	const perMinute, callsEach = 300, 2
	for _, c := range []struct {
		name string
		slow bool
	}{{"answers at once", false}, {"answers of 0.2 to 1 s", true}} {
		t.Run(c.name, func(t *testing.T) {
			p := usual()
			p.callsPerMinute, p.slow = perMinute, c.slow
			inBubble(t, p, func(t *testing.T, d *daemon) {
				n := size(450, 10_000)
				d.owe(n)
				time.Sleep(2 * time.Minute) // so that no other call counts
				d.wire.calls = nil
				d.deliver()

				if calls := len(d.wire.calls); calls != callsEach*n {
					t.Errorf("calls: got %d for %d qualifications, want %d each", calls, n, callsEach)
				}
				if effects, puts := len(d.rf.Qualifications()), len(d.rf.Puts()); effects != n || puts != n || d.owed() != 0 {
					t.Errorf("got %d qualified by %d requests, and %d still owed; want %d, once each", effects, puts, d.owed(), n)
				}
				if busiest := d.wire.busiest(); busiest > perMinute || d.rf.Throttled() != 0 {
					t.Errorf("the busiest minute: got %d calls, %d of them refused; want at most %d", busiest, d.rf.Throttled(), perMinute)
				}
				// The first minute's calls may go at once, so they are no measure.
				calls := d.wire.calls[perMinute-1:]
				rate := float64(len(calls)-1) / calls[len(calls)-1].Sub(calls[0]).Minutes()
				if rate < 0.95*perMinute {
					t.Errorf("got %.0f calls a minute, want 95%% of %d at least", rate, perMinute)
				}
				show(figure{"delivery", "calls of calls_per_minute used, " + c.name, 100 * rate / perMinute, "%", atLeast, 95})
				show(figure{"delivery", "calls in the busiest minute, " + c.name, float64(d.wire.busiest()), "calls", atMost, perMinute})
				show(figure{part: "delivery", what: "qualifications a minute, " + c.name, value: rate / callsEach, unit: "a minute"})
			})
		})
	}
}

// A sweep that takes all the calls there are is under way when something becomes owed.
func TestDeliveryDoesNotWaitForASweep(t *testing.T) {
	for _, c := range []struct {
		name string
		slow bool
	}{{"answers at once", false}, {"answers of 0.2 to 1 s", true}} {
		t.Run(c.name, func(t *testing.T) {
			p := usual()
			p.callsPerMinute, p.slow = size(20, 300), c.slow
			inBubble(t, p, func(t *testing.T, d *daemon) {
				d.rf.IgnorePerPage(true) // 25 a page: as many pages as a service may make of it
				people := d.refer(size(1000, 10_000))
				d.once()
				time.Sleep(2 * time.Minute)
				swept := make(chan error, 1)
				go func() { swept <- d.poller.Sweep(t.Context()) }()

				const times = 5
				dice := rand.New(rand.NewPCG(1, 2))
				var longest time.Duration
				for _, u := range people[:times] {
					time.Sleep(3*time.Second + time.Duration(dice.Int64N(int64(10*time.Second))))
					d.org.Update("Lead", d.leads[u.ID], sandbox.Fields{"Status": wonStatus})
					d.pass()
					owed := time.Now()
					d.deliver()
					longest = max(longest, time.Since(owed))
				}
				// For each of two calls: the time from one call that the budget lets go to the next, and the answer.
				most := 2 * (61*time.Second/time.Duration(p.callsPerMinute) + time.Second)
				if longest > most {
					t.Errorf("owed during a sweep: the longest took %v, want at most %v", longest, most)
				}
				if len(swept) > 0 || len(d.rf.Qualifications()) != times {
					t.Fatalf("got the sweep at its end %v, and %d qualified; want it under way, and %d", len(swept) > 0, len(d.rf.Qualifications()), times)
				}
				if err := <-swept; err != nil {
					t.Error(err)
				}
				if busiest := d.wire.busiest(); busiest > p.callsPerMinute {
					t.Errorf("the busiest minute: got %d calls, want at most %d", busiest, p.callsPerMinute)
				}
				show(figure{"delivery", "longest, owed during a sweep, " + c.name, longest.Seconds(), "s", atMost, most.Seconds()})
			})
		})
	}
}
