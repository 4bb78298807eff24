// Package deliver drains the outbox: it tells Referral Factory which referrals qualified, and which an operator wants set back to pending.
//
// Referral Factory has no idempotency key, and a time-out does not mean "not done". So each entry goes through
//
//	read      is it to be done still? Somebody may have been faster, or an earlier request of ours may have arrived after all
//	reserve   the intent is durable before the request
//	send      PUT /users/qualification, once
//	record    done; or parked, when it is refused for good; or left as it is, when nobody knows
//
// An entry with a reservation is read back before anything else, and sent again only if the user still is as before [ResendAfter] after the
// reservation by the service's clock. Several entries are under way at once, each in one pair of hands. An order may turn an entry into its opposite
// at any moment; while the outcome of a request for what was wanted before is open, nothing is sent. So each verdict and each order has its effect at
// most once, and nothing is lost by a crash at any point.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
)

// ResendAfter is how long after a request of unknown outcome a user who is as before is sent another.
const ResendAfter = store.OpenFor

var (
	// ErrOpen is returned while the outcome of a request is not known.
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
	// Preview makes deliveries dry: it is told what would be sent, and nothing is: an owed referral would be qualified, another one set back to
	// pending.
	Preview func(rules.Referral)
	Log     zerolog.Logger
}

// Deliverer drains the outbox. Run is used by one goroutine at a time, Hurry by any.
type Deliverer struct {
	Options
	rf      *referralfactory.Client // of the run under way: with the key that it began with
	kept    kept                    // of the newest run that might not send
	mu      sync.Mutex              // guards what follows
	waits   map[int64]wait
	hurries int // calls of Hurry
}

// wait keeps an entry in trouble from being tried at every turn. It is not stored: the local clock only decides when to wake up.
type wait struct {
	since   time.Time // of the debt; another debt of the referral has a patience of its own
	until   time.Time
	tries   int
	trouble error
}

// New returns a Deliverer. Its calls go before those of a sweep.
func New(o Options) *Deliverer {
	o.ReferralFactory = o.ReferralFactory.Urgent()
	return &Deliverer{Options: o, waits: map[int64]wait{}}
}

// Run tries every entry of the outbox once. patient leaves out those that wait after trouble, which is then still theirs. It returns all that went
// wrong, joined: with ErrOpen where an outcome is not known, and with the error of a refused key, after which nothing else is tried.
func (d *Deliverer) Run(ctx context.Context, patient bool) error {
	d.rf = d.ReferralFactory.Steady() // before Ready is asked: another key that comes later may be another account's
	var debts []store.Debt
	if err := d.Store.View(func(tx *store.Tx) (err error) { debts, err = tx.Debts(); return err }); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	if ready, err := d.ready(len(debts)); err != nil || !ready {
		return err
	}
	// Those in trouble come last: a few of whom the service always stumbles would else end every run before the rest was tried.
	inTrouble := func(debt store.Debt) int {
		if debt.Trouble == "" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(debts, func(a, b store.Debt) int { return inTrouble(a) - inTrouble(b) })
	r := &round{Deliverer: d, debts: debts, patient: patient, problems: make([]error, len(debts))}
	r.run(ctx)
	return errors.Join(r.problems...)
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
		return false, fmt.Errorf("%w: %w", ErrStore, err)
	}
	switch {
	case d.SendFromSandbox, owner.OrgID != "" && !owner.Sandbox:
		return true, nil
	case !d.news(kept{debts, owner.Sandbox}):
	case owner.Sandbox:
		d.Log.Warn().Int(logged.Owed, debts).Msg("the org is a sandbox: what is owed is kept, and not sent (referral_factory.send_from_sandbox)")
	default: // only an order can have come before the first pass that reached Salesforce
		d.Log.Warn().Int(logged.Owed, debts).Msg("it is not known yet whether the org is a sandbox: what is owed is not sent before a pass has found out (qualifyd status tells why none has)")
	}
	return false, nil
}

// kept is what is owed and not sent.
type kept struct {
	debts   int
	sandbox bool
}

// news tells whether the log is to have a line about what is kept: a daemon looks into the outbox four times a minute.
func (d *Deliverer) news(now kept) bool {
	before := d.kept
	d.kept = now
	return now.debts > 0 && now != before
}

// waiting is the trouble after which an entry waits; nil when it does not wait.
func (d *Deliverer) waiting(debt store.Debt) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.waits[debt.Referral]; w.since.Equal(debt.Since) && time.Now().Before(w.until) {
		return w.trouble
	}
	return nil
}

// note sets when an entry is tried again: soon after the first trouble, then less and less often. A refused key is no trouble of the entry's: kept, it
// would be told of again when the key is good. hurries is how often somebody was in a hurry when the try began: who was since then wants another one.
func (d *Deliverer) note(debt store.Debt, err error, hurries int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var refused *referralfactory.Refused
	if err == nil || errors.As(err, &refused) {
		delete(d.waits, debt.Referral)
		return
	}
	w := d.waits[debt.Referral]
	if !w.since.Equal(debt.Since) {
		w = wait{since: debt.Since}
	}
	w.until = time.Now()
	if d.hurries == hurries {
		w.until = w.until.Add(min(15*time.Second<<min(w.tries, 8), time.Hour))
	}
	w.tries++
	w.trouble = err
	d.waits[debt.Referral] = w
}

// Hurry has whatever waits after trouble be tried by the next run. A request of unknown outcome keeps its two minutes.
func (d *Deliverer) Hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.waits)
	d.hurries++
}

func (d *Deliverer) hurried() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hurries
}

// deliver settles one entry, or leaves it with what is known.
func (d *Deliverer) deliver(ctx context.Context, id int64) error {
	read, due, err := d.readBack(ctx, id)
	if err != nil || !due {
		return err
	}
	var debt store.Debt
	var r rules.Referral
	err = d.Store.View(func(tx *store.Tx) (err error) {
		if debt, due, err = tx.Debt(id); err == nil {
			r, _, err = tx.Referral(id)
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrStore, err)
	case !due:
		return nil
	case read.answer.Since.Before(debt.OpenUntil()): // a slow answer may show how the user was when it began
		return fmt.Errorf("%w: user %d is %s, and the request of %s may be under way; it is read again from %s on",
			ErrOpen, id, read.shown(), debt.SentAt.Format(time.TimeOnly), debt.OpenUntil().Format(time.TimeOnly))
	case !debt.Undo && read.user.CampaignID != debt.Campaign: // whose reward would be another
		return d.reject(id, false, read.date(), fmt.Sprintf("the user is in campaign %d by now, and it was earned in campaign %d", read.user.CampaignID, debt.Campaign))
	case d.Preview != nil:
		d.Preview(r)
		return nil
	}
	return d.send(ctx, debt, read)
}

// reading is what a user was read as and when: by the service's clock, and when that was begun by ours.
type reading struct {
	user   referralfactory.User
	answer referralfactory.Answer
	begun  time.Time
}

func (r reading) date() time.Time { return r.answer.Date }

// now is the service's time now, in whole seconds not earlier than the true one: the answer may have been on its way back for as long as
// the call took.
func (r reading) now() time.Time { return r.answer.Date.Add(time.Since(r.begun)) }

func (r reading) shown() string {
	if r.user.QualifiedAt == "" {
		return "pending"
	}
	return "qualified"
}

// readBack reads the user of an entry and takes note of it. due is false when that settled the entry.
func (d *Deliverer) readBack(ctx context.Context, id int64) (read reading, due bool, err error) {
	var begun uint64
	if err := d.Store.View(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil }); err != nil {
		return read, false, fmt.Errorf("%w: %w", ErrStore, err)
	}
	read.begun = time.Now()
	read.user, read.answer, err = d.rf.User(ctx, id)
	switch {
	case errors.Is(err, referralfactory.ErrNotFound):
		return read, false, d.gone(ctx, id, read.date())
	case err != nil:
		return read, false, d.trouble(ctx, id, err)
	}
	err = d.update(func(tx *store.Tx) error {
		if err := sentAhead(tx, id, read.now()); err != nil {
			return err
		}
		if err := d.hear(tx, id, read.user.QualifiedAt, read.answer, begun); err != nil {
			return err
		}
		_, due, err = tx.Debt(id)
		return err
	})
	return read, due, err
}

// sentAhead has the two minutes of a request begin now that was sent when the service told a time far ahead of the true one: they would not pass before
// that has come.
func sentAhead(tx *store.Tx, id int64, now time.Time) error {
	debt, owed, err := tx.Debt(id)
	if err != nil || !owed || !debt.SentAt.After(now.Add(ResendAfter)) {
		return err
	}
	debt.SentAt = now
	return tx.Owe(debt)
}

// hear takes note of how a user was shown.
func (d *Deliverer) hear(tx *store.Tx, id int64, qualifiedOn string, answer referralfactory.Answer, begun uint64) error {
	r, _, err := tx.Referral(id)
	if err != nil {
		return err
	}
	before := r.Standing
	if err := poll.Hear(tx, &r, qualifiedOn, answer, begun); err != nil {
		return err
	}
	if r.Standing != before {
		d.Log.Info().Int64(logged.Referral, id).Int64(logged.Campaign, r.CampaignID).Str(logged.Standing, string(r.Standing)).Msg("heard from Referral Factory")
	}
	return tx.PutReferral(r)
}

// gone parks an entry whose user is gone; but where the list of users is gone as well, or has nobody, it is the address that is wrong, or the service.
func (d *Deliverer) gone(ctx context.Context, id int64, at time.Time) error {
	page, _, err := d.rf.Users(ctx, 1)
	if err == nil && len(page.Users)+len(page.Skipped) == 0 {
		err = errors.New("Referral Factory shows no users at all")
	}
	if err != nil {
		return d.trouble(ctx, id, fmt.Errorf("user %d is not there; is anybody: %w", id, err))
	}
	return d.reject(id, false, at, "the user is gone at Referral Factory")
}

func (d *Deliverer) update(fn func(*store.Tx) error) error {
	if err := d.Store.Update(fn); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}
