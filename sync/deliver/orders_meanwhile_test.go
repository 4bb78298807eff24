package deliver_test

// Orders that come while something is under way, crashes around a setting back, and all of it at random.

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// An order may come at any moment of a delivery: whatever it crosses, the last order holds in the end.
func TestAnOrderDuringADelivery(t *testing.T) {
	type moment struct {
		name   string
		before bool
		method string
	}
	for _, m := range []moment{{"before the read", true, "GET"}, {"after the read", false, "GET"}, {"after the reservation", true, "PUT"}, {"after the request", false, "PUT"}} {
		for what, fault := range map[string]*sandbox.Fault{"answered": nil, "lost": &arrives, "never arrives": &neverDoes, "refused": &isRefused, "too many": {Status: 429}, "empty": {Empty: true}} {
			for _, first := range []string{"qualify", "unqualify"} {
				t.Run(fmt.Sprint(first, " ", what, ", the opposite ", m.name), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						id, opposite := w.owe(), poll.Unqualify
						if first == "unqualify" {
							w.settled()
							w.must(id, poll.Unqualify)
							opposite = poll.Qualify
						}
						done := false
						strike := func(before bool) func(*http.Request) {
							return func(r *http.Request) {
								if r.Method == m.method && before == m.before && !done {
									done = true
									w.order(id, opposite)
								}
							}
						}
						w.before, w.after = strike(true), strike(false)
						w.faultOnPut(fault)
						w.run()
						w.faultOnPut(nil)
						w.settled()
						want := first == "unqualify"
						same(t, "qualified at Referral Factory", w.rf.User(id).QualifiedAt != "", want)
						same(t, "standing", w.referral(id).Standing, map[bool]rules.Standing{true: rules.Delivered, false: rules.Overridden}[want])
						same(t, "debts", len(w.debts()), 0)
						w.atMostOnce(id)
					})
				})
			}
		}
	}
}

// Between the read and the request a call may wait for its turn: an order that comes then is heeded.
func TestAnOrderWhileTheRequestWaitsForItsTurn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.trying(neverDoes)
		wasAllOver(w)
		w.connect(1) // the second call is made a minute after the first
		w.after = func(*http.Request) {
			time.AfterFunc(time.Second, func() { w.order(id, poll.Unqualify) })
			w.after = nil
		}
		same(t, "run", w.run(), error(nil))
		w.settled()
		w.wantEnd(id, "overridden", 0)
	})
}

// Once the outcome of the request that was taken back is known, its opposite is sent without the two minutes.
func TestAnOrderDuringARequestThatIsAnsweredNeedNotWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.before = func(r *http.Request) {
			if r.Method == http.MethodPut {
				w.before = nil
				w.order(id, poll.Unqualify)
			}
		}
		same(t, "run", w.run(), error(nil))
		same(t, "standing", w.referral(id).Standing, rules.Delivered)
		same(t, "run", w.run(), error(nil))
		w.wantEnd(id, "overridden -", 1)
	})
}

func TestWhatWasCrossedCanBeDroppedOnceItIsKnown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.trying(arrives)
		w.must(id, poll.Unqualify)
		wasAllOver(w)
		w.sweep(id)
		same(t, "standing", w.referral(id).Standing, rules.Delivered)
		w.must(id, poll.Drop)
		w.settled()
		w.wantEnd(id, "delivered", 1)
	})
}

// Sweeps settle a debt while the answer to its request is on its way: the answer is old news then.
func TestAnAnswerThatIsOldNews(t *testing.T) {
	for what, test := range map[string]struct {
		fault *sandbox.Fault
		then  []bool // what somebody sets by hand meanwhile, each seen by a sweep
		ends  string
	}{
		"set back since":                     {nil, []bool{false}, "overridden +"},
		"refused, and qualified by a person": {&isRefused, []bool{true}, "delivered"}, // whose it was cannot be told
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				id := w.owe()
				w.faultOnPut(test.fault)
				w.after = func(r *http.Request) {
					if r.Method != http.MethodPut {
						return
					}
					w.sweep(id)
					for _, qualified := range test.then {
						w.rf.SetQualified(id, qualified)
						w.sweep(id)
					}
				}
				same(t, "run", w.run(), error(nil))
				w.wantEnd(id, test.ends, 0)
			})
		})
	}
}

// atMostOnce checks that there were no more effects than orders and verdicts.
func (w *world) atMostOnce(id int64) {
	w.t.Helper()
	effects, wanted := 0, 1 // the verdict
	for _, q := range w.rf.Qualifications() {
		if q.UserID == id && q.By == "api" {
			effects++
		}
	}
	for _, act := range w.acts(id) {
		if act == store.ActQualified {
			wanted++
		}
	}
	if effects > wanted {
		w.t.Errorf("referral %d: got %d qualifications, want %d at most", id, effects, wanted)
	}
}

// The process dies around each request of a setting back; the next one finds the store as it was then.
func TestACrashAtAnyPointOfASettingBack(t *testing.T) {
	for what, fault := range map[string]*sandbox.Fault{"two requests": nil, "three requests": {Empty: true}, "a request that never arrives": {Refused: true}} {
		points := 4
		if what == "three requests" {
			points = 6
		}
		for point := range points {
			t.Run(fmt.Sprint(what, ", point ", point), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					id := w.owe()
					w.settled()
					w.must(id, poll.Unqualify)
					crashed := w.crashAt(point)
					w.faultOnPut(fault)
					w.run()
					if *crashed == nil {
						t.Fatalf("got %d requests, want more", len(w.requests))
					}
					w.rf.SetFault(nil)
					next := newWorld(t, w.rf, *crashed)
					next.settled()
					next.wantEnd(id, "overridden -", 1)
				})
			})
		}
	}
}

// Random orders, troubles, sweeps, crashes and people at Referral Factory: in the end everything fits together, and without people at Referral
// Factory the last order holds.
func TestRandomOrdersAndTroublesEndAsOrdered(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { w.random(seed) })
		})
	}
}

func (w *world) random(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	people := seed%3 == 0
	id := w.owe()
	wants := true // the last order, or the verdict
	act := func() {
		switch name := []string{"qualify", "unqualify", "retry"}[random.IntN(3)]; name {
		case "qualify":
			w.order(id, poll.Qualify) // refused where it is qualified already
			wants = true
		case "unqualify":
			if _, err := w.order(id, poll.Unqualify); err == nil {
				wants = false
			}
		default:
			w.order(id, poll.Retry)
		}
	}
	troubles := []*sandbox.Fault{nil, nil, {Lost: true}, {Refused: true}, {Empty: true}, {Status: 500}, {Status: 429}, {Delay: 40 * time.Second}}
	well := false
	w.rf.SetFault(func(*http.Request) *sandbox.Fault {
		if well {
			return nil
		}
		return troubles[random.IntN(len(troubles))]
	})
	now := func(*http.Request) {
		if !well && random.IntN(6) == 0 {
			act()
		}
	}
	w.before, w.after = now, now
	for range 30 {
		switch random.IntN(8) {
		case 0:
			act()
		case 1:
			w.sweep(id)
		case 2:
			w.restart()
		case 3:
			if people {
				w.rf.SetQualified(id, random.IntN(2) == 0)
			}
		default:
			w.run()
		}
		time.Sleep(time.Duration(random.IntN(90)) * time.Second)
	}
	well = true
	w.settled()
	w.sweep(id)
	w.settled()
	r := w.referral(id)
	shown := w.rf.User(id).QualifiedAt != ""
	same(w.t, "standing says qualified", slices.Contains([]rules.Standing{rules.Delivered, rules.Elsewhere}, r.Standing), shown)
	same(w.t, "debts", len(w.debts()), 0)
	if !people {
		same(w.t, "qualified", shown, wants)
		w.atMostOnce(id)
	}
}

// While a request is under way a sweep may show that what it is for is so already, and an order may come for the opposite: that the request is then
// refused says nothing about the order.
func TestARefusalOfWhatIsNoLongerOwedIsNotTheOrders(t *testing.T) {
	for _, first := range []string{"qualify", "unqualify"} {
		t.Run(first, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				id, opposite, want := w.owe(), poll.Unqualify, rules.Overridden
				if first == "unqualify" {
					w.settled()
					w.must(id, poll.Unqualify)
					opposite, want = poll.Qualify, rules.Delivered
				}
				w.before = func(r *http.Request) {
					if r.Method != http.MethodPut {
						return
					}
					w.before = nil
					w.rf.SetQualified(id, first == "qualify") // by a person
					w.sweep(id)
					w.must(id, opposite)
				}
				w.faultOnPut(&isRefused)
				w.run()
				w.faultOnPut(nil)
				w.settled()
				same(t, "standing", w.referral(id).Standing, want)
				same(t, "qualified at Referral Factory", w.rf.User(id).QualifiedAt != "", want == rules.Delivered)
				same(t, "debts", len(w.debts()), 0)
			})
		})
	}
}

// An answer that took long may show how the user was when it began: while the request that was taken back could still have its effect.
func TestASlowAnswerDoesNotSettleWhatWasCrossed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.trying(neverDoes)
		w.must(id, poll.Unqualify)
		open := w.debt().OpenUntil()
		time.Sleep(time.Until(open.Add(-10 * time.Second)))
		w.rf.SetFault(func(*http.Request) *sandbox.Fault {
			w.rf.SetFault(nil)
			time.AfterFunc(5*time.Second, func() { w.rf.SetQualified(id, true) }) // by the request, which arrives at last
			return &sandbox.Fault{Delay: 20 * time.Second}
		})
		w.run()
		w.settled()
		same(t, "standing", w.referral(id).Standing, rules.Overridden)
		same(t, "qualified at Referral Factory", w.rf.User(id).QualifiedAt, "")
	})
}
