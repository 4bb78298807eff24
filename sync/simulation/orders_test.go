package simulation

import (
	"fmt"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// order has an operator order something about somebody, as the command does.
func (w *world) order() {
	if len(w.people.list) == 0 || !w.chance(w.ordering) {
		return
	}
	if w.disk.left != nil { // by an order before this one
		w.tell("the process dies between two commits")
		w.die()
	}
	if len(w.runs) == 0 {
		w.model.readBook(nil) // what a request did that arrived since
	}
	r := pick(w, w.people.list)
	kinds := []struct {
		name string
		do   func(*store.Tx, rules.Referral, poll.Order) (string, error)
		took func(*referral)
	}{
		{"qualify", poll.Qualify, w.model.orderedQualified},
		{"unqualify", poll.Unqualify, w.model.orderedBack},
		{"drop", poll.Drop, w.model.dropped},
		{"retry", poll.Retry, func(*referral) {}},
		{"resume", plain(poll.Resume), w.model.resumed},
		{"resume", plain(poll.Resume), w.model.resumed},
		{"rejudge", plain(poll.Rejudge), w.model.rejudged},
		{"rejudge", plain(poll.Rejudge), w.model.rejudged},
		{"join", plain(poll.AskJoin), func(r *referral) { r.joinAsked = true }},
	}
	if w.chance(0.25) {
		w.pin(r)
		return
	}
	k := pick(w, kinds)
	said, err := w.give(r, k.do)
	if err != nil {
		return
	}
	k.took(r)
	w.tell("order: %s #%d: %s", k.name, r.id, said)
	if k.name != "rejudge" && k.name != "join" && k.name != "resume" {
		w.deliverer.Hurry()
	}
}

func plain(do func(*store.Tx, rules.Referral, poll.Order) error) func(*store.Tx, rules.Referral, poll.Order) (string, error) {
	return func(tx *store.Tx, r rules.Referral, o poll.Order) (string, error) { return "done", do(tx, r, o) }
}

// give gives an order. One that is refused is an error, and changes nothing.
func (w *world) give(r *referral, do func(*store.Tx, rules.Referral, poll.Order) (string, error)) (said string, err error) {
	o := poll.Order{Who: "op", Why: "simulation", At: w.now()}
	err = w.store.Update(func(tx *store.Tx) error {
		known, found, err := tx.Referral(r.id)
		if err != nil || !found {
			return fmt.Errorf("not known: %w", err)
		}
		said, err = do(tx, known, o)
		return err
	})
	if err == nil {
		r.orderAct = w.truth.now()
	}
	return said, err
}

// pin pins a record of a referral's own kind to it.
func (w *world) pin(r *referral) {
	var fits []*record
	for _, object := range objects {
		fits = append(fits, w.truth.live(object, func(one *record) bool { return one.object == r.campaign.object })...)
	}
	if len(fits) == 0 {
		return
	}
	one := pick(w, fits)
	_, err := w.give(r, plain(func(tx *store.Tx, known rules.Referral, o poll.Order) error { return poll.Pin(tx, known, one.id, o) }))
	if err != nil {
		return
	}
	w.model.pinned(r, one)
	w.tell("order: pin #%d to %s %s", r.id, one.object, one.id)
}

// releaseAll releases what brakes hold, and reports whether there was anything.
func (w *world) releaseAll() bool {
	released := 0
	for _, c := range w.campaigns {
		err := w.store.Update(func(tx *store.Tx) error {
			n, err := poll.Release(tx, c.id, poll.Order{Who: "op", Why: "simulation", At: w.now()})
			released += n
			return err
		})
		if err != nil {
			w.fail(0, fmt.Sprintf("release: %v", err))
		}
	}
	return released > 0
}
