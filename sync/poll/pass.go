package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
)

// pass is one run of Poller.Pass and what it has found out so far.
type pass struct {
	*Poller
	Settings
	owner     store.Owner
	orgID     string // by the login; "" where it did not tell
	described describes
	rules     map[int64]rules.Rule // by campaign id
	codeless  map[int64]bool       // campaigns whose codes could once be read on their object, and cannot now
	deltas    []*delta
	problems  []error // what the pass goes on from

	first, now time.Time // Dates of the pass's first answer and of its newest
	before     time.Time // when the pass before this one last asked; zero where there was none
	cost       int       // API calls that are counted in the store
	allowance  allowance

	// What is to be done in this pass besides what is marked in the store.
	reading     map[string]demand // records to be read by Id
	reconciling bool              // the regular look at every pending referral is due
	again       map[int64]bool    // referrals that this pass has marked to be joined once more, of whom all is known that they are judged by
	overtaken   map[string]bool   // records read by Id in the call of the first pages, and whether a later page has shown them since

	// What was not to be had.
	failed   map[string]bool // queries that were not read to their end, by name
	gone     map[string]bool // history objects that the org does not have
	inVain   map[string]bool // records that could not be read
	readOnly bool            // the org takes no writes
	unjoined map[int64]bool  // campaigns whose new referrals could not be looked up

	received, toReceive int // records read by Id, of those to be

	pending *pending         // nil while they are not counted
	made    map[string]bool  // object and e-mail of the records created
	given   map[int64]string // e-mails of the records that were asked for, and may have been made, by referral
	braked  map[int64]int    // qualifications that the brake held, by campaign
}

// demand is a record to be read by Id in this pass.
type demand struct {
	object rules.Object
	force  bool // note the observation even when nothing changed
}

// Pass runs one pass: join, poll, read, judge. It goes on past what fails, and returns all of it joined; what did not fail is committed.
func (p *Poller) Pass(ctx context.Context) error {
	t := &pass{
		Poller: p, Settings: *p.settings.Load(),
		failed: map[string]bool{}, gone: map[string]bool{}, unjoined: map[int64]bool{}, reading: map[string]demand{}, braked: map[int64]int{},
		again: map[int64]bool{}, overtaken: map[string]bool{}, inVain: map[string]bool{}, made: map[string]bool{}, given: map[int64]string{},
	}
	err := t.run(t.allowance.on(ctx))
	return errors.Join(append(t.problems, err, t.countCalls())...)
}

// run is the pass, step by step. Only what makes every later step pointless ends it early.
func (t *pass) run(ctx context.Context) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{
		t.readRules, t.plan, t.joinNew, t.poll, t.refreshRules, t.takeEffect, t.reconcile, t.readRecords, t.settle, t.judge,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// problem takes note of a failure that the pass can go on from. It returns what it cannot go on from: the store's failures, a refused
// session, limits, and the caller's wish to stop. A permission that is missing for one object (403) does not stop the others.
func (t *pass) problem(ctx context.Context, err error) error {
	var e *salesforce.APIError
	forbidden := errors.As(err, &e) && e.Kind == salesforce.Refused && e.Status == http.StatusForbidden
	switch kind := salesforce.KindOf(err); {
	case err == nil:
		return nil
	case errors.Is(err, ErrStore), errors.Is(err, ErrBudget), ctx.Err() != nil, kind == salesforce.Refused && !forbidden, kind == salesforce.Limit, kind == salesforce.Gone:
		return err
	}
	t.problems = append(t.problems, err)
	return nil
}

// heard takes note of an answer's time.
func (t *pass) heard(a salesforce.Answer) {
	if a.Date.IsZero() {
		return
	}
	if t.first.IsZero() {
		t.first = a.Date
	}
	if a.Date.After(t.now) {
		t.now = a.Date
	}
}

// open makes sure that the org is the store's own, and that there is a call left to spend.
func (t *pass) open(ctx context.Context) error {
	who, err := t.Salesforce.Identity(ctx)
	if err != nil {
		return err
	}
	err = t.view(func(tx *store.Tx) (err error) {
		if t.owner, err = tx.Owner(); err != nil {
			return err
		}
		last, err := tx.LastPass()
		t.before = last.At
		return err
	})
	if err != nil {
		return err
	}
	if err := t.budget(); err != nil {
		return err
	}
	t.orgID = who.OrgID
	if t.orgID == "" || t.owner.OrgID == "" {
		return t.readOrganization(ctx)
	}
	return t.checkOrg(t.orgID)
}

func (t *pass) checkOrg(id string) error {
	if t.owner.OrgID != "" && t.owner.OrgID != id {
		return fmt.Errorf("%w: it is %s's, and these credentials lead to %s; use that org's credentials, or another store.path",
			ErrOtherOrg, t.owner.OrgID, id)
	}
	return nil
}

// readOrganization asks the org who it is. Live or sandbox cannot be told from its URL.
func (t *pass) readOrganization(ctx context.Context) error {
	org, answer, err := t.Salesforce.Organization(ctx)
	if err != nil {
		return fmt.Errorf("read the organization: %w", err)
	}
	t.heard(answer)
	id := t.orgID
	if id == "" {
		id = org.ID
	}
	if err := t.checkOrg(id); err != nil {
		return err
	}
	return t.update(func(tx *store.Tx) error {
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		owner.OrgID, owner.Sandbox = id, org.Sandbox
		t.owner = owner
		return tx.SetOwner(owner)
	})
}

// sandboxed tells whether verdicts stay here because the org is a sandbox.
func (t *pass) sandboxed() bool { return t.owner.Sandbox && !t.SendFromSandbox }
