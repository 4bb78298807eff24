package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// OrderRequest is an act on some referrals, each named by id, code, record Id or e-mail.
type OrderRequest struct {
	Referrals []string `json:"referrals"`
	Reason    string   `json:"reason"`
}

// Done is what an order did about a referral.
type Done struct {
	Referral int64  `json:"referral"`
	Done     string `json:"done"` // a sentence
	// WaitsFor is "sandbox" where something is owed now and not sent, because the org is a sandbox.
	WaitsFor rules.Reason `json:"waits_for,omitempty"`
}

// act does what is ordered about a referral, and says it in words that follow the referral.
type act func(d *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error)

// nextPass is when an order takes effect that needs Salesforce. None makes a pass of its own: that would be a call for each of a hundred pins.
const nextPass = "the next pass (qualifyd poll makes one now)"

// The orders on referrals. Each is carried out for all that are named, or for none.
var (
	QualifyQuestion = orderQuestion("qualify", true, func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		return poll.Qualify(tx, r, o)
	})
	UnqualifyQuestion = orderQuestion("unqualify", true, func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		return poll.Unqualify(tx, r, o)
	})
	ResumeQuestion = orderQuestion("resume", true, func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		return "is judged again by " + nextPass, poll.Resume(tx, r, o)
	})
	RejudgeQuestion = orderQuestion("rejudge", false, func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		return "will be judged anew by " + nextPass, poll.Rejudge(tx, r, o)
	})
	JoinQuestion = orderQuestion("join", false, func(d *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		if _, err := d.creating(r); err != nil {
			return "", err
		}
		words := "will have its record created or marked by " + nextPass + ", unless it has one"
		if blocker, _ := poll.CheckJoin(r); blocker != nil {
			words = staysBlocked(*blocker)
		}
		return words, poll.AskJoin(tx, r, o)
	})
	DropQuestion = orderQuestion("outbox-drop", true, func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		return poll.Drop(tx, r, o)
	})
)

func orderQuestion(name string, needsReason bool, do act) Question[OrderRequest, []Done] {
	return Question[OrderRequest, []Done]{name: name,
		check: func(q OrderRequest) error {
			switch {
			case len(q.Referrals) == 0:
				return usage("%s: no referral is named", name)
			case needsReason && strings.TrimSpace(q.Reason) == "":
				return usage("--reason is required: the ledger keeps who ordered it, and why")
			}
			return nil
		},
		answer: func(_ context.Context, d *Desk, by Asker, q OrderRequest, _ Progress) ([]Done, error) {
			return d.order(q.Referrals, by.order(q.Reason), do)
		},
	}
}

// order carries out an act on each of some referrals, all or none.
func (d *Desk) order(names []string, o poll.Order, do act) (done []Done, err error) {
	err = d.update(func(tx *store.Tx) error { done, err = d.orderEach(tx, names, o, do); return err })
	return done, err
}

func (d *Desk) orderEach(tx *store.Tx, names []string, o poll.Order, do act) ([]Done, error) {
	done := []Done{}
	for _, name := range names {
		r, err := poll.FindOne(tx, name)
		if err != nil {
			return nil, err
		}
		one, err := d.orderOne(tx, r, o, do)
		if err != nil {
			return nil, err
		}
		done = append(done, one)
	}
	return done, nil
}

func (d *Desk) orderOne(tx *store.Tx, r rules.Referral, o poll.Order, do act) (Done, error) {
	words, err := do(d, tx, r, o)
	if err != nil {
		return Done{}, err
	}
	done := Done{Referral: r.ID, Done: fmt.Sprintf("referral %d %s", r.ID, words)}
	debt, owed, err := tx.Debt(r.ID)
	if err != nil || !owed || debt.Parked {
		return done, err
	}
	when, waitsFor, err := d.sending(tx, "it is")
	if debt.SentAt.IsZero() || waitsFor != "" {
		done.Done += "; " + when
	}
	done.WaitsFor = waitsFor
	return done, err
}

// sending says when what is owed by now is sent, and what it waits for; them is "it is" or "they are".
func (d *Desk) sending(tx *store.Tx, them string) (when string, waitsFor rules.Reason, err error) {
	kept, err := d.kept(tx)
	if err != nil || kept {
		return them + " not sent, because the org is a sandbox (referral_factory.send_from_sandbox)", rules.InSandbox, err
	}
	if unknown, err := d.orgUnknown(tx); err != nil || unknown {
		return them + " sent once a pass has found out that the org is no sandbox", "", err
	}
	if d.DeliverNow == nil {
		return them + " sent by the next run", "", nil
	}
	var s Status
	if err := d.fillRuns(tx, &s); err != nil {
		return "", "", err
	}
	if s.ReferralFactory.State == Refused || s.ReferralFactory.State == Trouble {
		return them + " sent once the trouble with Referral Factory is over (qualifyd status)", "", nil
	}
	return them + " sent now", "", nil
}

// kept tells whether what is owed is kept, because the org is a sandbox.
func (d *Desk) kept(tx *store.Tx) (bool, error) {
	owner, err := tx.Owner()
	return owner.Sandbox && !d.Config.ReferralFactory.SendFromSandbox, err
}

// orgUnknown tells whether what is owed waits until a pass has found out whether the org is a sandbox.
func (d *Desk) orgUnknown(tx *store.Tx) (bool, error) {
	owner, err := tx.Owner()
	return owner.OrgID == "" && !d.Config.ReferralFactory.SendFromSandbox, err
}

// update carries out an order, and has what is owed by it sent where a daemon can do so at once.
func (d *Desk) update(fn func(*store.Tx) error) error {
	err := d.Store.Update(fn)
	if err == nil && d.DeliverNow != nil {
		d.DeliverNow()
	}
	return orderError(err)
}

// orderError tells wrong usage from what the store has against an order.
func orderError(err error) error {
	if errors.Is(err, poll.ErrEmail) {
		return usage("--reason: %v", err)
	}
	return err
}

// campaign finds a configured campaign.
func (d *Desk) campaign(id int64) (rules.Campaign, error) {
	i := slices.IndexFunc(d.Campaigns, func(c rules.Campaign) bool { return c.ID == id })
	if i >= 0 {
		return d.Campaigns[i], nil
	}
	var known []string
	for _, c := range d.Campaigns {
		known = append(known, fmt.Sprintf("%d (%s)", c.ID, c.Name))
	}
	return rules.Campaign{}, fmt.Errorf("campaign %d is not in the config; these are: %s", id, strings.Join(known, ", "))
}

// creating is a referral's campaign, which has to be one that creates or marks records.
func (d *Desk) creating(r rules.Referral) (rules.Campaign, error) {
	c, err := d.campaign(r.CampaignID)
	if err == nil && !c.Creates() {
		err = fmt.Errorf("when_lead_joins of campaign %d is nothing; there is nothing to create", r.CampaignID)
	}
	if err != nil {
		return c, fmt.Errorf("referral %d: %w", r.ID, err)
	}
	return c, nil
}

// JoinPreviewQuestion asks what JoinQuestion would do, and does nothing.
var JoinPreviewQuestion = view("join-preview", func(d *Desk, tx *store.Tx, q OrderRequest) ([]Done, error) {
	would := []Done{}
	for _, name := range q.Referrals {
		r, err := poll.FindOne(tx, name)
		if err != nil {
			return nil, err
		}
		c, err := d.creating(r)
		if err != nil {
			return nil, err
		}
		blocker, err := poll.CheckJoin(r)
		if err != nil {
			return nil, err
		}
		words := fmt.Sprintf("referral %d (%s, %d records linked) would be joined by %s, duplicates %s", r.ID, r.Standing, len(r.Links), c.Mode, c.Duplicates)
		if blocker != nil {
			words = fmt.Sprintf("referral %d %s", r.ID, staysBlocked(*blocker))
		}
		would = append(would, Done{Referral: r.ID, Done: words})
	}
	return would, nil
})

// staysBlocked follows a referral for which nothing is made.
func staysBlocked(by rules.Blocker) string {
	return fmt.Sprintf("stays blocked by %s %s, which existed before it, and nothing is made for it; a pin or referrals rejudge lifts that", by.Object, by.ID)
}

// PinRequest makes a record a referral's.
type PinRequest struct {
	Referral string `json:"referral"`
	Record   string `json:"record"`
	Reason   string `json:"reason"`
}

// PinQuestion makes a record a referral's.
var PinQuestion = Question[PinRequest, Done]{name: "pin", answer: func(_ context.Context, d *Desk, by Asker, q PinRequest, _ Progress) (Done, error) {
	done, err := d.order([]string{q.Referral}, by.order(q.Reason), func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
		link, pinned, err := poll.CheckPin(tx, r, q.Record)
		switch {
		case err != nil:
			return "", err
		case pinned:
			return fmt.Sprintf("is pinned to %s already", link.RecordID), nil
		}
		return fmt.Sprintf("is pinned to %s; the record is read by %s", link.RecordID, nextPass), poll.Pin(tx, r, link.RecordID, o)
	})
	if err != nil {
		return Done{}, err
	}
	return done[0], nil
}}

// ReleaseRequest lets go what a campaign's brake holds.
type ReleaseRequest struct {
	Campaign int64  `json:"campaign"`
	Reason   string `json:"reason"`
}

// Released is how many qualifications were let go.
type Released struct {
	Campaign int64 `json:"campaign"`
	Released int   `json:"released"`
	// OfEarlierRule is how many of them were held by a rule that the campaign has no more.
	OfEarlierRule int    `json:"of_earlier_rule"`
	Done          string `json:"done"`
}

// ReleaseQuestion lets go what a campaign's brake holds, and starts its window anew.
var ReleaseQuestion = Question[ReleaseRequest, Released]{name: "release", answer: func(_ context.Context, d *Desk, by Asker, q ReleaseRequest, _ Progress) (Released, error) {
	c, err := d.campaign(q.Campaign)
	if err != nil {
		return Released{}, err
	}
	released := Released{Campaign: q.Campaign}
	err = d.update(func(tx *store.Tx) (err error) {
		if released.OfEarlierRule, err = poll.HeldOfEarlierRule(tx, c); err != nil {
			return err
		}
		if released.Released, err = poll.Release(tx, q.Campaign, by.order(q.Reason)); err != nil {
			return err
		}
		when := "the brake held none, and counts anew"
		if released.Released > 0 {
			when, _, err = d.sending(tx, "they are")
		}
		released.Done = fmt.Sprintf("%d qualifications of campaign %d are released; %s", released.Released, q.Campaign, when)
		if n := released.OfEarlierRule; n > 0 {
			released.Done += fmt.Sprintf("; %d of them by a rule that the campaign has no more: whom it was wrong about is taken out with qualifyd unqualify REFERRAL "+
				"--reason TEXT, at once, and another time judged anew before a release (qualifyd referrals rejudge REFERRAL)", n)
		}
		return err
	})
	return released, err
}}
