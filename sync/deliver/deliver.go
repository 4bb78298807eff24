// Package deliver drains the outbox: it tells Referral Factory which referrals qualified.
//
// Referral Factory has no idempotency key, and a time-out does not mean "not done". So each entry goes through
//
//	read      is the user pending still? Somebody may have been faster, or an earlier request of ours may have arrived after all
//	reserve   the intent is durable before the request
//	send      PUT /users/qualification, once
//	record    delivered; or parked, when it is refused for good; or left as it is, when nobody knows
//
// An entry with a reservation is read back before anything else, and sent again only if the user is still pending [ResendAfter] after the
// reservation by the service's clock. The effect is at most one qualification a referral, and nothing is lost by a crash at any point.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
)

// ResendAfter is how long after a request of unknown outcome a user who is still pending is qualified again.
const ResendAfter = 2 * time.Minute

var (
	// ErrOpen is returned while the outcome of a qualification is not known.
	ErrOpen = errors.New("the outcome of a qualification is not known yet")
	// ErrStore marks failures of the store itself; the caller stops.
	ErrStore = errors.New("store")
)

// Options are what a Deliverer works with.
type Options struct {
	Store           *store.Store
	ReferralFactory *referralfactory.Client
	// Ready tells whether the key is known to be of the store's account; until then nothing is sent, for the users would be somebody else's. May be
	// nil.
	Ready func() (bool, error)
	// SendFromSandbox lets what is owed go out although the org is a sandbox.
	SendFromSandbox bool
	// Preview makes deliveries dry: it is told what would be sent, and nothing is.
	Preview func(rules.Referral)
	Log     zerolog.Logger
}

// Deliverer drains the outbox. It is used by one goroutine at a time.
type Deliverer struct {
	Options
	waits map[int64]wait
}

// wait keeps an entry in trouble from being tried at every turn. It is not stored: the local clock only decides when to wake up.
type wait struct {
	until time.Time
	tries int
}

// New returns a Deliverer. Its calls go before those of a sweep.
func New(o Options) *Deliverer {
	o.ReferralFactory = o.ReferralFactory.Urgent()
	return &Deliverer{Options: o, waits: map[int64]wait{}}
}

// inARow is how many entries in a row may find the service unavailable before the rest is left for later.
const inARow = 3

// Run tries every entry of the outbox once. patient leaves out those that wait after trouble. It returns all that went wrong, joined: with
// ErrOpen where an outcome is not known, and with the error of a refused key, after which nothing else is tried.
func (d *Deliverer) Run(ctx context.Context, patient bool) error {
	var debts []store.Debt
	if err := d.Store.View(func(tx *store.Tx) (err error) { debts, err = tx.Debts(); return err }); err != nil {
		return errors.Join(ErrStore, err)
	}
	if ready, err := d.ready(len(debts)); err != nil || !ready {
		return err
	}
	var problems []error
	failures := 0
	for _, debt := range debts {
		if patient && time.Now().Before(d.waits[debt.Referral].until) {
			continue
		}
		err := d.deliver(ctx, debt.Referral)
		d.note(debt.Referral, err)
		if err == nil {
			failures = 0
			continue
		}
		problems = append(problems, fmt.Errorf("deliver referral %d: %w", debt.Referral, err))
		var refused *referralfactory.Refused
		var unavailable *referralfactory.Unavailable
		if errors.As(err, &unavailable) && (unavailable.Status == 0 || unavailable.Status >= 300) {
			failures++
		} else {
			failures = 0
		}
		if errors.As(err, &refused) || errors.Is(err, ErrStore) || ctx.Err() != nil || failures == inARow {
			break
		}
	}
	return errors.Join(problems...)
}

// ready tells whether anything may be sent now.
func (d *Deliverer) ready(debts int) (bool, error) {
	if d.Ready != nil {
		if ready, err := d.Ready(); err != nil || !ready {
			return false, err
		}
	}
	var owner store.Owner
	if err := d.Store.View(func(tx *store.Tx) (err error) { owner, err = tx.Owner(); return err }); err != nil {
		return false, errors.Join(ErrStore, err)
	}
	if !owner.Sandbox || d.SendFromSandbox {
		return true, nil
	}
	if debts > 0 {
		d.Log.Warn().Int("owed", debts).Msg("the org is a sandbox: what is owed is kept, and not sent (referral_factory.send_from_sandbox)")
	}
	return false, nil
}

// note sets when an entry is tried again: soon after the first trouble, then less and less often.
func (d *Deliverer) note(id int64, err error) {
	if err == nil {
		delete(d.waits, id)
		return
	}
	w := d.waits[id]
	w.until = time.Now().Add(min(15*time.Second<<min(w.tries, 8), time.Hour))
	w.tries++
	d.waits[id] = w
}

// deliver settles one entry, or leaves it with what is known.
func (d *Deliverer) deliver(ctx context.Context, id int64) error {
	user, read, pending, err := d.readBack(ctx, id)
	if err != nil || !pending {
		return err
	}
	var debt store.Debt
	var r rules.Referral
	err = d.Store.View(func(tx *store.Tx) (err error) {
		if debt, _, err = tx.Debt(id); err == nil {
			r, _, err = tx.Referral(id)
		}
		return err
	})
	switch {
	case err != nil:
		return errors.Join(ErrStore, err)
	case !debt.SentAt.IsZero() && read.date().Sub(debt.SentAt) < ResendAfter:
		return fmt.Errorf("%w: user %d is pending still, and the request of %s may be under way; it is read again from %s on",
			ErrOpen, user.ID, debt.SentAt.Format(time.TimeOnly), debt.SentAt.Add(ResendAfter).Format(time.TimeOnly))
	case d.Preview != nil:
		d.Preview(r)
		return nil
	}
	return d.send(ctx, debt, read)
}

// reading is when a user was read: by the service's clock, and when that was begun by ours.
type reading struct {
	answer referralfactory.Answer
	begun  time.Time
}

func (r reading) date() time.Time { return r.answer.Date }

// now is the service's time now, in whole seconds not earlier than the true one: the answer may have been on its way back for as long as
// the call took.
func (r reading) now() time.Time { return r.answer.Date.Add(time.Since(r.begun)) }

// readBack reads the user of an entry and takes note of it. pending is false when that settled the entry.
func (d *Deliverer) readBack(ctx context.Context, id int64) (user referralfactory.User, read reading, pending bool, err error) {
	var begun uint64
	if err := d.Store.View(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil }); err != nil {
		return user, read, false, errors.Join(ErrStore, err)
	}
	started := time.Now()
	user, answer, err := d.ReferralFactory.User(ctx, id)
	read = reading{answer, started}
	switch {
	case errors.Is(err, referralfactory.ErrNotFound):
		return user, read, false, d.rejectGone(ctx, id, answer.Date)
	case err != nil:
		return user, read, false, err
	}
	err = d.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		before := r.Standing
		if err := poll.Hear(tx, &r, user.QualifiedAt, answer.Date, begun); err != nil {
			return err
		}
		pending = r.Standing == rules.Owed
		if r.Standing == before {
			return nil
		}
		d.Log.Info().Int64("referral", id).Str("standing", string(r.Standing)).Msg("read back from Referral Factory")
		return tx.PutReferral(r)
	})
	return user, read, pending, err
}

// rejectGone parks a referral whose user is gone; but where the list of users is gone as well, it is the address that is wrong.
func (d *Deliverer) rejectGone(ctx context.Context, id int64, at time.Time) error {
	if _, _, err := d.ReferralFactory.Users(ctx, 1); err != nil {
		return fmt.Errorf("user %d is not there; is anybody: %w", id, err)
	}
	return d.reject(id, at, "the user is gone at Referral Factory")
}

// send qualifies the user: reserved before, recorded after.
func (d *Deliverer) send(ctx context.Context, debt store.Debt, read reading) error {
	before := debt.SentAt
	reserve := func() error {
		debt.SentAt = read.now()
		debt.Attempts++
		return d.keep(debt)
	}
	result, answer, err := d.ReferralFactory.Qualify(ctx, debt.Referral, reserve)
	var rejected *referralfactory.Rejected
	switch {
	case err == nil && result.QualifiedAt != "":
		return d.delivered(debt.Referral, result.QualifiedAt, answer.Date)
	case err == nil:
		return d.confirm(ctx, debt.Referral)
	case errors.Is(err, errSettled):
		return nil
	case errors.Is(err, ErrStore):
		return err
	case errors.Is(err, referralfactory.ErrNotFound), errors.As(err, &rejected):
		return d.reject(debt.Referral, read.now(), err.Error())
	case referralfactory.UnknownOutcome(err):
		debt.SentAt = read.now() // it was sent at some time up to now
		err = fmt.Errorf("%w: %w", ErrOpen, err)
	default:
		debt.SentAt = before // this request certainly had no effect
	}
	debt.Trouble = err.Error()
	if kept := d.keep(debt); !errors.Is(kept, errSettled) {
		err = errors.Join(err, kept)
	}
	return err
}

// errSettled says that a debt is gone: sweeps have a schedule of their own, and one may have shown the user qualified.
var errSettled = errors.New("settled meanwhile")

// keep stores what is known of a debt that is still there.
func (d *Deliverer) keep(debt store.Debt) error {
	owed := false
	err := d.update(func(tx *store.Tx) (err error) {
		if _, owed, err = tx.Debt(debt.Referral); err != nil || !owed {
			return err
		}
		return tx.Owe(debt)
	})
	if err == nil && !owed {
		return errSettled
	}
	return err
}

// confirm reads the user back after an answer that did not say when it was qualified.
func (d *Deliverer) confirm(ctx context.Context, id int64) error {
	_, _, pending, err := d.readBack(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrOpen, err)
	case pending:
		return fmt.Errorf("%w: Referral Factory took the qualification, but shows the user as pending", ErrOpen)
	}
	return nil
}

func (d *Deliverer) delivered(id int64, on string, at time.Time) error {
	return d.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil || r.Standing == rules.Delivered { // a sweep saw it before our answer came
			return err
		}
		err = tx.Append(store.Entry{At: at, Act: store.ActDelivered, Campaign: r.CampaignID, Referral: id, Reason: r.Verdict.Reason})
		if err != nil {
			return err
		}
		r.Standing, r.QualifiedOn, r.AnsweredAt = rules.Delivered, on, tx.LedgerLength()
		d.Log.Info().Int64("referral", id).Int64("campaign", r.CampaignID).Msg("qualified at Referral Factory")
		return errors.Join(tx.Settle(id), tx.PutReferral(r))
	})
}

// reject parks a referral that Referral Factory will not qualify.
func (d *Deliverer) reject(id int64, at time.Time, why string) error {
	d.Log.Error().Int64("referral", id).Str("answer", why).Msg("Referral Factory refuses the qualification for good; it is parked")
	return d.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		r.Standing = rules.Rejected
		r.Verdict.Outcome, r.Verdict.Reason, r.Verdict.Sentence = rules.Not, rules.RejectedByService, "Referral Factory refuses the qualification: "+why
		return errors.Join(
			tx.Append(store.Entry{At: at, Act: store.ActRejected, Campaign: r.CampaignID, Referral: id, Reason: rules.RejectedByService}),
			tx.Settle(id), tx.PutReferral(r))
	})
}

func (d *Deliverer) update(fn func(*store.Tx) error) error {
	if err := d.Store.Update(fn); err != nil {
		return errors.Join(ErrStore, err)
	}
	return nil
}
