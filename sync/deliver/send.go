package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/referralfactory"
)

// send asks for what is owed: reserved before, recorded after.
func (d *Deliverer) send(ctx context.Context, debt store.Debt, read reading) error {
	id := debt.Referral
	shown, known, answer, err := d.request(ctx, debt, func() error {
		return d.change(id, func(now *store.Debt) bool {
			now.SentAt, now.SentUndo, now.Trouble = read.now(), debt.Undo, ""
			now.Attempts++
			return now.Undo == debt.Undo
		})
	})
	var rejected *referralfactory.Rejected
	switch {
	case err == nil && known:
		return d.answered(id, shown, answer)
	case err == nil:
		return d.confirm(ctx, id)
	case errors.Is(err, errChanged):
		return nil
	case errors.Is(err, ErrStore):
		return err
	case errors.As(err, &rejected):
		return d.reject(id, true, read.now(), err.Error())
	case errors.Is(err, referralfactory.ErrNotFound): // while a new version of the service is put in place, say; the next read tells whether the user is gone
		err = fmt.Errorf("the user was there a moment before: %w", err)
	}
	sentAt, sentUndo := debt.SentAt, debt.SentUndo // as before: this request certainly had no effect
	trouble := err.Error()
	if ctx.Err() != nil { // the run was stopped before it was sent, which is nothing that the entry waits for
		trouble = debt.Trouble
	}
	if referralfactory.UnknownOutcome(err) {
		sentAt, sentUndo = read.now(), debt.Undo // it was sent at some time up to now
		err = fmt.Errorf("%w: %w", ErrOpen, err)
		trouble = err.Error()
	}
	kept := d.change(id, func(now *store.Debt) bool {
		now.SentAt, now.SentUndo, now.Trouble = sentAt, sentUndo, trouble
		return true
	})
	if errors.Is(kept, errChanged) {
		return err
	}
	return errors.Join(err, kept)
}

// request sends what is owed. known is set when the answer shows how the user is now: qualified on a day, or "" for pending.
func (d *Deliverer) request(ctx context.Context, debt store.Debt, reserve func() error) (shown string, known bool, a referralfactory.Answer, err error) {
	if debt.Undo {
		known, a, err = d.rf.Unqualify(ctx, debt.Referral, reserve)
		return "", known, a, err
	}
	result, a, err := d.rf.Qualify(ctx, debt.Referral, reserve)
	return result.QualifiedAt, result.QualifiedAt != "", a, err
}

// errChanged says that a debt is gone, or its opposite owed by now: a sweep may have shown it settled, or an order come.
var errChanged = errors.New("changed meanwhile")

// change changes what is stored of a debt that is still there, unless fn says not to.
func (d *Deliverer) change(id int64, fn func(*store.Debt) bool) error {
	changed := false
	err := d.update(func(tx *store.Tx) error {
		debt, owed, err := tx.Debt(id)
		if err != nil || !owed {
			return err
		}
		if changed = fn(&debt); !changed {
			return nil
		}
		return tx.Owe(debt)
	})
	if err == nil && !changed {
		return errChanged
	}
	return err
}

// trouble keeps, for those who look into the outbox, why an entry could not be read.
func (d *Deliverer) trouble(ctx context.Context, id int64, err error) error {
	if ctx.Err() != nil {
		return err
	}
	kept := d.change(id, func(debt *store.Debt) bool { debt.Trouble = err.Error(); return true })
	if errors.Is(kept, errChanged) {
		return err
	}
	return errors.Join(err, kept)
}

// answered records what the answer to a request shows.
func (d *Deliverer) answered(id int64, qualifiedOn string, answer referralfactory.Answer) error {
	return d.update(func(tx *store.Tx) error {
		debt, owed, err := tx.Debt(id)
		if err != nil || !owed { // a sweep saw it before our answer came
			return err
		}
		if debt.Crossed() { // an order came meanwhile: what it wants is owed, and nothing is open
			debt.SentAt = time.Time{}
			if err := tx.Owe(debt); err != nil {
				return err
			}
		}
		return d.hear(tx, id, qualifiedOn, answer, tx.LedgerLength())
	})
}

// confirm reads the user back after an answer that did not show how the user is now.
func (d *Deliverer) confirm(ctx context.Context, id int64) error {
	read, due, err := d.readBack(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrOpen, err)
	case due:
		return fmt.Errorf("%w: Referral Factory took the request, but shows user %d as %s", ErrOpen, id, read.shown())
	}
	return nil
}

// reject parks what Referral Factory will not do. asked is set when that is the answer to a request.
func (d *Deliverer) reject(id int64, asked bool, at time.Time, why string) error {
	return d.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		debt, owed, err := tx.Debt(id)
		if err != nil || !owed { // a sweep settled it before the answer came
			return err
		}
		if asked && debt.SentAt.IsZero() { // and an order came after that: what it wants was not asked for yet
			return nil
		}
		d.Log.Error().Int64(logged.Referral, id).Bool(logged.Unqualify, debt.Undo).Str(logged.Answer, why).Msg("Referral Factory refuses it for good; it is parked")
		entry := store.Entry{At: at, Act: store.ActRejected, Campaign: r.CampaignID, Referral: id, Reason: rules.RejectedByService}
		switch {
		case debt.Undo && r.Standing == rules.Owed: // never qualified, and by a later order not to be
			r.Standing, r.Verdict = rules.Overridden, rules.SetBack(debt.By)
			entry.Act, entry.Reason = store.ActOverridden, r.Verdict.Reason
		case debt.Undo:
			debt.SentAt, debt.Parked, debt.Trouble = time.Time{}, true, why
			return errors.Join(tx.Append(entry), tx.Owe(debt))
		case r.Standing != rules.Owed: // never set back, and by a later order not to be
			return tx.Settle(id)
		default:
			r.Standing = rules.Rejected
			r.Verdict.Outcome, r.Verdict.Reason, r.Verdict.Sentence = rules.Not, rules.RejectedByService, "Referral Factory refuses the qualification: "+why
		}
		return errors.Join(tx.Append(entry), tx.Settle(id), tx.PutReferral(r))
	})
}
