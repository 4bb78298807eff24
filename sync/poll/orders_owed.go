package poll

import (
	"errors"
	"fmt"

	"qualifyd/rules"
	"qualifyd/store"
)

// What an operator may order about what is owed to Referral Factory. "Sent" says that a request was reserved, so that it may have its effect; then
// nothing is decided before a read has shown it ([rules.Referral.Hear] says what becomes of it).
//
//	standing             owed                      qualify             unqualify           outbox drop
//	pending              -                         owed                refused             refused
//	pending, braked      -                         owed                overridden          overridden
//	overridden           -                         owed                refused             refused
//	rejected             -                         owed                refused             overridden
//	owed                 to be qualified           as it is            overridden          overridden
//	owed                 to be qualified, sent     as it is            to be set back [1]  refused
//	owed                 to be set back [1]        to be qualified     as it is            refused
//	delivered, elsewhere -                         refused             to be set back      refused
//	delivered, elsewhere to be set back            no longer owed      as it is            no longer owed
//	delivered, elsewhere to be set back, sent      to be qualified [1] as it is            refused
//	delivered, elsewhere to be qualified [1]       as it is            to be set back      refused
//
// [1] Crossed: the request under way is for the opposite, and nothing is sent until it can have no effect any more.

// Qualify has a referral qualified by an operator's word, whatever its records show, and says what comes of it. The brake does not hold it.
func Qualify(tx *store.Tx, r rules.Referral, o Order) (string, error) {
	debt, owed, err := tx.Debt(r.ID)
	qualified := r.Standing == rules.Delivered || r.Standing == rules.Elsewhere
	switch {
	case err != nil:
		return "", err
	case owed && !debt.Undo:
		return "is owed already", nil
	case owed && qualified && debt.SentAt.IsZero():
		return "stays qualified: the order to set it back is taken back", errors.Join(tx.Settle(r.ID), o.note(tx, r, store.ActQualified, ""))
	case owed:
		return "is to be qualified after all, once it is known what became of the request to set it back", o.turn(tx, r, debt, store.ActQualified)
	case qualified:
		return "", fmt.Errorf("referral %d is qualified since %s (%s)", r.ID, r.QualifiedOn, r.Standing)
	}
	r.Standing, r.Verdict = rules.Owed, rules.ByHand(o.by(), o.At)
	return "is owed", errors.Join(
		tx.Unhold(r.ID), tx.Judged(r.ID), tx.PutReferral(r), o.note(tx, r, store.ActQualified, ""),
		tx.Owe(store.Debt{Referral: r.ID, Campaign: r.CampaignID, Since: o.At, By: o.by()}))
}

// Unqualify has a referral set back to pending, where it then stays until it is resumed, and says what comes of it.
func Unqualify(tx *store.Tx, r rules.Referral, o Order) (string, error) {
	debt, owed, err := tx.Debt(r.ID)
	qualified := r.Standing == rules.Delivered || r.Standing == rules.Elsewhere
	switch {
	case err != nil:
		return "", err
	case owed && debt.Parked:
		return "was to be set back already, and Referral Factory refuses it; see outbox list", nil
	case owed && debt.Undo:
		return "is to be set back already", nil
	case r.Standing == rules.Owed && debt.SentAt.IsZero():
		return "is not owed any more: nothing was sent", o.takeBack(tx, r, store.ActUnqualify)
	case braked(r):
		return "is not held by the brake any more, and stays pending until it is resumed", o.takeBack(tx, r, store.ActUnqualify)
	case owed:
		return "is to be set back, once it is known what became of the request to qualify it", o.turn(tx, r, debt, store.ActUnqualify)
	case !qualified:
		return "", fmt.Errorf("referral %d is not qualified but %s; there is nothing to set back", r.ID, r.Standing)
	}
	return "is to be set back to pending", errors.Join(
		o.note(tx, r, store.ActUnqualify, ""),
		tx.Owe(store.Debt{Referral: r.ID, Campaign: r.CampaignID, Undo: true, Since: o.At, By: o.by()}))
}

// turn has the opposite of a debt owed.
func (o Order) turn(tx *store.Tx, r rules.Referral, debt store.Debt, act store.Act) error {
	debt.Undo = !debt.Undo
	debt.Since, debt.By, debt.Trouble = o.At, o.by(), ""
	return errors.Join(tx.Owe(debt), o.note(tx, r, act, ""))
}

// takeBack settles a qualification that was not sent. The referral stays as it is until it is resumed.
func (o Order) takeBack(tx *store.Tx, r rules.Referral, act store.Act) error {
	r.Standing, r.Verdict = rules.Overridden, rules.Dropped(o.by())
	return errors.Join(tx.Settle(r.ID), tx.Unhold(r.ID), tx.PutReferral(r), o.note(tx, r, act, ""))
}

// braked tells whether a qualification waits for the brake's release.
func braked(r rules.Referral) bool {
	return r.Standing == rules.Pending && r.Verdict.Reason == rules.HeldByBrake
}

// loosen has what the brake holds judged anew, once a record has become somebody else's, is claimed by somebody else as well, or is deleted, or the
// referral is blocked: it may be due by the very record, and a release would qualify both, or whoever cannot qualify.
func loosen(tx *store.Tx, r *rules.Referral) error {
	if !braked(*r) {
		return nil
	}
	r.Verdict = rules.Verdict{}
	return tx.Unhold(r.ID)
}

// Retry puts what Referral Factory refused for good back into the outbox. What waits there already is left as it is: the deliverer is to be hurried.
func Retry(tx *store.Tx, r rules.Referral, o Order) (string, error) {
	debt, owed, err := tx.Debt(r.ID)
	switch {
	case err != nil:
		return "", err
	case owed && debt.Parked:
		debt.Parked, debt.Since, debt.Trouble = false, o.At, ""
		return "is to be set back again", errors.Join(tx.Owe(debt), o.note(tx, r, store.ActRetried, ""))
	case owed && !debt.SentAt.IsZero():
		return "is read back at once", nil
	case owed:
		return "is tried at once", nil
	case r.Standing != rules.Rejected:
		return "", fmt.Errorf("referral %d is %s; nothing is owed about it", r.ID, r.Standing)
	}
	r.Standing, r.Verdict = rules.Owed, r.Verdict.Again(o.by())
	return "is owed again", errors.Join(
		tx.PutReferral(r), o.note(tx, r, store.ActRetried, ""),
		tx.Owe(store.Debt{Referral: r.ID, Campaign: r.CampaignID, Since: o.At, By: o.by()}))
}

// Drop takes out of the outbox what was not sent, and says what comes of it.
func Drop(tx *store.Tx, r rules.Referral, o Order) (string, error) {
	debt, owed, err := tx.Debt(r.ID)
	switch {
	case err != nil:
		return "", err
	case !debt.SentAt.IsZero():
		return "", fmt.Errorf("the request of %s for referral %d may have had its effect, and cannot be dropped before that is known; "+
			"order the opposite instead (qualify or unqualify), which waits for it", debt.SentAt.Format("2006-01-02 15:04:05Z"), r.ID)
	case r.Standing == rules.Owed, r.Standing == rules.Rejected, braked(r):
		return "is dropped, and stays pending until it is resumed", o.takeBack(tx, r, store.ActDropped)
	case !owed:
		return "", fmt.Errorf("referral %d is %s; nothing is owed about it", r.ID, r.Standing)
	}
	return "stays qualified: the order to set it back is dropped", errors.Join(tx.Settle(r.ID), o.note(tx, r, store.ActDropped, ""))
}
