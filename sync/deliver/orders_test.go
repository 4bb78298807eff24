package deliver_test

// What operators order about what is owed, in every state: the table in sync/poll/orders_owed.go, cell by cell, until Referral Factory is as it was
// ordered to be.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// order is one of poll's orders about what is owed.
type order func(*store.Tx, rules.Referral, poll.Order) (string, error)

func byHand() poll.Order { return poll.Order{Who: "op", Why: "test", At: time.Now().UTC()} }

// order carries out an order as a command does.
func (w *world) order(id int64, do order) (words string, err error) {
	w.t.Helper()
	err = w.store.Update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		words, err = do(tx, r, byHand())
		return err
	})
	return words, err
}

func (w *world) must(id int64, do order) {
	w.t.Helper()
	if _, err := w.order(id, do); err != nil {
		w.t.Fatal(err)
	}
}

// pending has somebody join the campaign who does not qualify.
func (w *world) pending() (id int64) {
	w.t.Helper()
	u := w.rf.Refer(campaign, sandbox.NewUser{FirstName: "Ann"})
	w.update(func(tx *store.Tx) error {
		verdict := rules.Verdict{Outcome: rules.Not, Reason: rules.ValueNotReached, At: time.Now()}
		return tx.PutReferral(rules.Referral{ID: u.ID, CampaignID: campaign, Code: u.Code, Standing: rules.Pending, Verdict: verdict})
	})
	return u.ID
}

// braked has somebody join the campaign whom its brake holds.
func (w *world) braked() (id int64) {
	w.t.Helper()
	u := w.rf.Refer(campaign, sandbox.NewUser{FirstName: "Ann"})
	w.update(func(tx *store.Tx) error {
		held := rules.Verdict{Outcome: rules.Held, Reason: rules.HeldByBrake, At: time.Now()}
		return errors.Join(
			tx.PutReferral(rules.Referral{ID: u.ID, CampaignID: campaign, Code: u.Code, Standing: rules.Pending, Verdict: held}),
			tx.Hold(u.ID, rules.HeldByBrake), tx.Judge(u.ID))
	})
	return u.ID
}

// sweep has a sweep that begins now show the user as it is now.
func (w *world) sweep(id int64) {
	w.t.Helper()
	var begun uint64
	w.view(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil })
	w.hear(id, w.rf.User(id).QualifiedAt, begun)
}

// trying makes a run in which something goes wrong with the PUT.
func (w *world) trying(f sandbox.Fault) {
	w.t.Helper()
	w.faultOnPut(&f)
	w.run()
	w.faultOnPut(nil)
}

func TestWhatComesOfAnOrderInEachState(t *testing.T) {
	for _, state := range states {
		for name, do := range orders {
			want, known := cells[state.name][name]
			if !known {
				t.Errorf("%s, %s: no cell", state.name, name)
			}
			t.Run(state.name+": "+name, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					id := state.reach(w)
					puts := len(w.rf.Puts())
					if do != nil {
						w.wantSaid(id, do, want.said)
					}
					w.sweep(id) // sweeps go on meanwhile
					w.settled()
					w.wantEnd(id, want.ends, puts)
					w.sweep(id)
					if w.referral(id).AnsweredAt > 0 { // it was otherwise once, and a page that was read then is taken in now
						w.hear(id, map[bool]string{true: "", false: "2000-01-01"}[w.rf.User(id).QualifiedAt != ""], w.referral(id).AnsweredAt-1)
					}
					w.settled()
					w.wantEnd(id, want.ends, puts)
				})
			})
		}
	}
}

// wantSaid carries out an order, and checks what is said and that the ledger and the store are as before where it is refused.
func (w *world) wantSaid(id int64, do order, want string) {
	w.t.Helper()
	before, acts := w.referral(id), len(w.acts(id))
	words, err := w.order(id, do)
	refusal, refused := strings.CutPrefix(want, "!")
	switch {
	case refused && (err == nil || !strings.Contains(err.Error(), refusal) || !strings.Contains(err.Error(), fmt.Sprint("referral ", id))):
		w.t.Errorf("got %q, error %v, want it refused for referral %d with %q", words, err, id, refusal)
	case !refused && (err != nil || !strings.Contains(words, want)):
		w.t.Errorf("got %q, error %v, want %q", words, err, want)
	}
	if refused {
		same(w.t, "referral after a refusal", w.referral(id), before)
		same(w.t, "acts after a refusal", len(w.acts(id)), acts)
	}
}

// wantEnd checks the standing, that Referral Factory and the outbox fit it, and the requests that arrived after the first some.
func (w *world) wantEnd(id int64, want string, puts int) {
	w.t.Helper()
	standing, requests, _ := strings.Cut(want, " ")
	var got string
	for _, p := range w.rf.Puts()[puts:] {
		got += map[bool]string{true: "+", false: "-"}[p.Qualified]
	}
	r := w.referral(id)
	same(w.t, "standing", string(r.Standing), standing)
	same(w.t, "requests after the order", got, requests)
	same(w.t, "qualified on", r.QualifiedOn, w.rf.User(id).QualifiedAt)
	for _, debt := range w.debts() {
		same(w.t, "parked "+fmt.Sprint(debt), debt.Parked, true)
	}
	if s := r.Verdict.Sentence; r.Standing == rules.Overridden && r.Verdict.Reason != rules.OverriddenByHand || len(w.held()) > 0 && r.Standing != rules.Pending {
		w.t.Errorf("got reason %s (%s), held %v, want it overridden and not held", r.Verdict.Reason, s, w.held())
	}
}

func (w *world) held() (ids []int64) {
	w.t.Helper()
	w.view(func(tx *store.Tx) error {
		held, err := tx.Held()
		for _, some := range held {
			ids = append(ids, some...)
		}
		return err
	})
	return ids
}

func TestWhoAndWhyAreInTheSentenceAndTheLedger(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.pending()
		w.must(id, poll.Qualify)
		same(t, "held", w.held(), []int64(nil))
		w.view(func(tx *store.Tx) error { same(t, "to judge", tx.ToJudge(-1, 0), []int64(nil)); return nil })
		same(t, "verdict", w.referral(id).Verdict, rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByOperator, Sentence: "qualified by hand by op: test", At: time.Now().UTC()})
		w.settled()
		w.must(id, poll.Unqualify)
		w.settled()
		if got, want := w.referral(id).Verdict.Sentence, "set back to pending by op: test"; !strings.HasPrefix(got, want) {
			t.Errorf("sentence: got %q, want %q", got, want)
		}
		same(t, "acts", w.acts(id), []store.Act{store.ActQualified, store.ActDelivered, store.ActUnqualify, store.ActOverridden})
		w.view(func(tx *store.Tx) error {
			return tx.Ledger(0, func(e store.Entry) error {
				if e.Act == store.ActQualified || e.Act == store.ActUnqualify {
					same(t, "who and why of "+string(e.Act), e.Who+" "+e.Note, "op test")
				}
				return nil
			})
		})
	})
}

// What a person sets by hand in Referral Factory wins.
func TestWhoIsQualifiedThereAfterOurSettingBackIsElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.settled()
		w.must(id, poll.Unqualify)
		w.settled()
		w.rf.SetQualified(id, true)
		w.sweep(id)
		w.settled()
		w.wantEnd(id, "elsewhere", 2)
	})
}

// The answer to our setting back is lost, and before it is read back somebody qualifies the person again: the day tells.
func TestWhoIsQualifiedAgainOnAnotherDayIsNotSetBackAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.settled()
		w.must(id, poll.Unqualify)
		w.trying(arrives)
		time.Sleep(24 * time.Hour)
		w.rf.SetQualified(id, true)
		w.settled()
		w.wantEnd(id, "elsewhere", 2)
		same(t, "last act", w.acts(id)[len(w.acts(id))-1], store.ActElsewhere)
	})
}

func TestSomebodyElseSetBackFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.settled()
		w.must(id, poll.Unqualify)
		w.rf.SetQualified(id, false)
		w.settled()
		w.wantEnd(id, "overridden", 1)
	})
}

// qualify, unqualify, qualify are three acts of a person, each with its effect once.
func TestThreeOrdersOneAfterTheOther(t *testing.T) {
	for what, wait := range map[string]func(*world){"each delivered": (*world).settled, "in one breath": func(*world) {}, "each tried once": func(w *world) { w.run() }} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				id := w.pending()
				for _, do := range []order{poll.Qualify, poll.Unqualify, poll.Qualify} {
					w.must(id, do)
					wait(w)
				}
				w.settled()
				same(t, "standing", w.referral(id).Standing, rules.Delivered)
				same(t, "qualified at Referral Factory", w.rf.User(id).QualifiedAt, "2000-01-01")
			})
		})
	}
}

// While the request that was taken back may still arrive nothing is sent; it could arrive after its opposite.
func TestNothingIsSentWhileTheOppositeMayBeUnderWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.trying(arrives)
		w.must(id, poll.Unqualify)
		for begun := time.Now(); time.Since(begun) < deliver.ResendAfter-time.Second; time.Sleep(10 * time.Second) {
			same(t, fmt.Sprint("run after ", time.Since(begun)), kind(w.run()), "open")
			w.sweep(id)
			same(t, "requests", w.puts(), 1)
			same(t, "standing", w.referral(id).Standing, rules.Owed)
		}
		time.Sleep(10 * time.Second)
		same(t, "run when it is over", w.run(), error(nil))
		w.wantEnd(id, "overridden -", 1)
	})
}

func TestAHurryEndsTheWaitingAndNotTheTwoMinutes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		open := w.owe()
		w.trying(neverDoes)
		unread := w.owe()
		w.down(func(id int64) bool { return id == unread })
		for range 5 {
			w.run() // both wait for long
		}
		w.down(func(int64) bool { return false })
		w.requests = nil
		w.deliverer.Run(t.Context(), true)
		same(t, "requests of a patient run", w.requests, []string(nil))
		w.deliverer.Hurry()
		same(t, "run after a hurry", kind(w.deliverer.Run(t.Context(), true)), "open")
		same(t, "requests", w.requests, []string{get(open), get(unread), "PUT"})
	})
}

func TestAnOrderDoesNotInheritTheWaitingOfAnEarlierDebt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.down(func(int64) bool { return true })
		for range 8 {
			w.run()
		}
		w.must(id, poll.Drop)
		w.down(func(int64) bool { return false })
		time.Sleep(time.Second)
		w.must(id, poll.Qualify)
		w.deliverer.Run(t.Context(), true)
		w.wantEnd(id, "delivered +", 0)
	})
}

// Somebody who looks into the outbox sees why nothing happens.
func TestWhyAUserCannotBeReadIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.rf.RotateKey()
		w.run()
		if got := w.debt().Trouble; !strings.Contains(got, "refused the API key") {
			t.Errorf("trouble: got %q, want that the key is refused", got)
		}
		if err := w.client.SetAPIKey(w.rf.Key()); err != nil {
			t.Fatal(err)
		}
		w.faultOnPut(&sandbox.Fault{Refused: true})
		w.run()
		if got := w.debt().Trouble; got == "" || strings.Contains(got, "API key") {
			t.Errorf("trouble: got %q, want what came last", got)
		}
	})
}

func TestARetryRestsOnWhatTheQualificationRestedOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		rule, hand := w.owe(), w.pending()
		became := rules.Transition{Object: rules.Lead, RecordID: "00Q1", Field: "Status", To: "Qualified", At: time.Now().UTC(), Proof: rules.ByHistory}
		w.update(func(tx *store.Tx) error {
			r, _, err := tx.Referral(rule)
			r.Verdict.Evidence = []rules.Transition{became}
			return errors.Join(err, tx.PutReferral(r))
		})
		w.must(hand, poll.Qualify)
		w.trying(isRefused)
		for id, reason := range map[int64]rules.Reason{rule: rules.QualifiedByRule, hand: rules.QualifiedByOperator} {
			same(t, "standing", w.referral(id).Standing, rules.Rejected)
			w.must(id, poll.Retry)
			v := w.referral(id).Verdict
			same(t, "reason", v.Reason, reason)
			same(t, "sentence says who and why", strings.HasSuffix(v.Sentence, "; refused once by Referral Factory, and tried again by op: test"), true)
			same(t, "sentence says what it rests on", strings.HasPrefix(v.Sentence, map[bool]string{true: became.String(), false: "qualified by hand;"}[id == rule]), true)
		}
		same(t, "acts", w.acts(rule), []store.Act{store.ActRejected, store.ActRetried})
	})
}

func TestWhoIsGoneCannotBeSetBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.settled()
		w.must(id, poll.Unqualify)
		w.rf.Remove(id)
		same(t, "run", w.run(), error(nil))
		same(t, "parked, with the reason", []any{w.debt().Parked, w.debt().Trouble}, []any{true, "the user is gone at Referral Factory"})
		same(t, "standing", w.referral(id).Standing, rules.Delivered)
		w.requests = nil
		same(t, "run", w.run(), error(nil))
		same(t, "requests about what is parked", w.requests, []string(nil))
	})
}

func TestAPreviewTellsWhoWouldBeSetBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.settled()
		w.must(id, poll.Unqualify)
		var told []rules.Standing
		w.deliverer.Preview = func(r rules.Referral) { told = append(told, r.Standing) }
		same(t, "run", w.run(), error(nil))
		same(t, "told", told, []rules.Standing{rules.Delivered})
		same(t, "requests", w.puts(), 1)
	})
}
