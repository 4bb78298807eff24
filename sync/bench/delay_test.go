package bench

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

// needed is what comes on top of the time between two polls: five seconds of jitter, a pass of at most three calls of two seconds, a delivery that is
// under way, and one of two calls of a second that begins alone.
const needed = 5*time.Second + 3*2*time.Second + 2*time.Second + 4*time.Second

// delays are how long it took from each change's commit in the org to the qualification in Referral Factory's book, the shortest first.
type delays []time.Duration

// at is the delay that a share of all do not exceed.
func (d delays) at(share float64) time.Duration { return d[min(int(share*float64(len(d))), len(d)-1)] }

func (d delays) largest() time.Duration { return d[len(d)-1] }

// changes has people's Leads reach the status that qualifies, each at a random instant of some hours, and waits until all are qualified. Late ones are
// stamped by a transaction up to 15 minutes before it commits; what counts is the commit.
func (d *daemon) changes(people []sandbox.User, hours time.Duration, late bool) delays {
	d.t.Helper()
	dice := rand.New(rand.NewPCG(uint64(len(people)), uint64(hours)))
	begun := time.Now()
	type act struct {
		at time.Duration // since the beginning
		do func()
	}
	var acts []act
	committed := map[int64]time.Time{}
	for _, u := range people {
		at, open := time.Duration(dice.Int64N(int64(hours))), time.Duration(0)
		if late {
			open = min(at, time.Duration(dice.Int64N(int64(15*time.Minute))))
		}
		tx := d.org.Begin()
		acts = append(acts,
			act{at - open, func() { tx.Update("Lead", d.leads[u.ID], sandbox.Fields{"Status": wonStatus}) }},
			act{at, func() { tx.Commit(); committed[u.ID] = time.Now() }})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	for _, a := range acts {
		time.Sleep(a.at - time.Since(begun))
		a.do()
	}
	for waited := time.Duration(0); len(d.rf.Qualifications()) < len(people) && waited < 3*time.Hour; waited += time.Minute {
		time.Sleep(time.Minute)
	}
	var took delays
	for _, q := range d.rf.Qualifications() {
		took = append(took, q.At.Sub(committed[q.UserID]))
	}
	if len(took) != len(people) {
		d.t.Fatalf("got %d qualifications of %d changes", len(took), len(people))
	}
	slices.Sort(took)
	return took
}

// A change is seen by the next poll, whenever its record was stamped, and what a poll finds goes out at once.
func TestDelayAtAPollAMinute(t *testing.T) {
	for _, c := range []struct {
		name       string
		late, slow bool
	}{
		{"answers at once", false, false},
		{"answers of 1 to 2 s, and 0.2 to 1 s", false, true},
		{"the same, and commits up to 15 minutes late", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := usual()
			p.slow = c.slow
			inBubble(t, p, func(t *testing.T, d *daemon) {
				people := d.refer(size(50, 2000))
				d.start()
				time.Sleep(time.Hour)
				took := d.changes(people, time.Duration(size(1, 24))*time.Hour, c.late)
				if most := time.Minute + needed; took.largest() > most {
					t.Errorf("largest delay: got %v, want at most %v", took.largest(), most)
				}
				line := func(what string, at time.Duration, bound bound, limit time.Duration) {
					show(figure{"delay", what + ", " + c.name, at.Seconds(), "s", bound, limit.Seconds()})
				}
				line("median", took.at(.5), atMost, 45*time.Second)
				line("95 %", took.at(.95), noLimit, 0)
				line("99 %", took.at(.99), noLimit, 0)
				line("largest", took.largest(), atMost, time.Minute+lateCommit)
			})
		})
	}
}

// What an admin pays for a shorter delay, by what poll.schedule says. docs/performance.md has the table.
func TestDelayAndCallsByInterval(t *testing.T) {
	intervals := []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	for _, every := range intervals[size(7, 0):size(8, 9)] {
		t.Run(every.String(), func(t *testing.T) {
			p := usual()
			p.poll, p.slow = "@every "+every.String(), true
			inBubble(t, p, func(t *testing.T, d *daemon) {
				people := d.refer(size(40, 500))
				d.start()
				time.Sleep(2 * time.Hour)
				took := d.changes(people, max(12*time.Hour, time.Duration(size(0, 200))*every), false)
				if most := every + needed; took.largest() > most {
					t.Errorf("largest delay: got %v, want at most %v", took.largest(), most)
				}
				idle, polls := d.callsOfADay(nil), int(24*time.Hour/every)
				if idle < polls || idle > polls+idleBesides {
					t.Errorf("calls of an idle day: got %d, want the %d polls and at most %d more", idle, polls, idleBesides)
				}
				working := d.callsOfADay(d.workingDay())
				line := func(what string, value float64, unit string) {
					show(figure{part: "delay", what: what + ", a poll every " + every.String(), value: value, unit: unit})
				}
				line("median", took.at(.5).Seconds(), "s")
				line("95 %", took.at(.95).Seconds(), "s")
				line("largest", took.largest().Seconds(), "s")
				line("Salesforce calls, idle", float64(idle), "a day")
				line("Salesforce calls, working day", float64(working), "a day")
				line("of an Enterprise org's 100,000, working day", float64(working)/1000, "%")
			})
		})
	}
}

// idleBesides are the calls of a day besides the polls: descriptions of objects, and a look at the records of all pending referrals.
const idleBesides = 10

// callsOfADay is how many API calls the org counts in 24 hours in which people do things, each at its time of the day.
func (d *daemon) callsOfADay(does map[time.Duration]func()) int {
	before, begun := d.org.Calls(), time.Now()
	for _, at := range slices.Sorted(maps.Keys(does)) {
		time.Sleep(at - time.Since(begun))
		does[at]()
	}
	time.Sleep(24*time.Hour - time.Since(begun))
	return d.org.Calls() - before
}

// workingDay is what a sales team does between nine and five: 3,000 changes of Leads that are nobody's referral, and 100 people who sign up and get a
// Lead within the hour, which qualifies two hours later.
func (d *daemon) workingDay() map[time.Duration]func() {
	dice := rand.New(rand.NewPCG(9, 17))
	does := map[time.Duration]func(){}
	atWork := func(most time.Duration) time.Duration { return 9*time.Hour + time.Duration(dice.Int64N(int64(most))) }
	var others []string
	for range 500 {
		others = append(others, d.org.Create("Lead", sandbox.Fields{"LastName": "Other", "Company": "Acme"}))
	}
	for n := range size(100, 3000) {
		does[atWork(8*time.Hour)] = func() {
			d.org.Update("Lead", others[n%len(others)], sandbox.Fields{"Title": fmt.Sprint("Buyer ", n)})
		}
	}
	for range size(10, 100) {
		at := atWork(5 * time.Hour)
		var u sandbox.User
		does[at] = func() { u = d.rf.Refer(referralsOf, sandbox.NewUser{FirstName: "Eve"}) }
		does[at+time.Duration(dice.Int64N(int64(time.Hour)))] = func() { d.lead(u) }
		does[at+3*time.Hour] = func() { d.org.Update("Lead", d.leads[u.ID], sandbox.Fields{"Status": wonStatus}) }
	}
	return does
}
