package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// OutboxLine is something that is owed to Referral Factory, or that it refused.
type OutboxLine struct {
	Referral int64       `json:"referral"`
	Campaign int64       `json:"campaign"`
	Code     string      `json:"code"`
	Kind     string      `json:"kind"` // qualify or unqualify
	State    OutboxState `json:"state"`
	Since    time.Time   `json:"since"`            // of the verdict or the order
	By       string      `json:"by,omitempty"`     // who ordered it, and why; absent for a rule's verdict
	Attempts int         `json:"attempts"`         // requests made
	SentAt   time.Time   `json:"sent_at,omitzero"` // of the newest request whose outcome is open, by Referral Factory's clock
	Trouble  string      `json:"trouble,omitempty"`
	WaitsFor string      `json:"waits_for"` // a sentence
}

// OutboxState is why something is in the outbox still.
type OutboxState string

// The states of what is owed.
const (
	Waiting OutboxState = "waiting" // for the next delivery
	Open    OutboxState = "open"    // a request was sent, and its outcome is not known
	Sandbox OutboxState = "sandbox" // nothing is sent for a sandbox org
	Parked  OutboxState = "parked"  // Referral Factory refuses it for good
)

// OutboxQuestion lists what is owed, oldest first, and then what is parked.
var OutboxQuestion = view("outbox-list", func(d *Desk, tx *store.Tx, _ Nothing) ([]OutboxLine, error) { return d.outbox(tx) })

func (d *Desk) outbox(tx *store.Tx) ([]OutboxLine, error) {
	kept, err := d.kept(tx)
	unknown, errUnknown := d.orgUnknown(tx)
	if err := errors.Join(err, errUnknown); err != nil {
		return nil, err
	}
	debts, err := tx.Debts()
	if err != nil {
		return nil, err
	}
	lines := []OutboxLine{}
	for _, debt := range debts {
		r, _, err := tx.Referral(debt.Referral)
		if err != nil {
			return nil, err
		}
		lines = append(lines, owedLine(debt, r, kept, unknown))
	}
	err = tx.Referrals(func(r rules.Referral) error {
		if r.Standing == rules.Rejected { // a qualification that is refused has left the outbox
			lines = append(lines, OutboxLine{Referral: r.ID, Campaign: r.CampaignID, Code: r.Code, Kind: "qualify", State: Parked,
				Since: r.Verdict.At, Trouble: r.Verdict.Sentence, WaitsFor: parkedWaitsFor})
		}
		return nil
	})
	slices.SortStableFunc(lines, func(a, b OutboxLine) int {
		switch {
		case a.State == b.State || a.State != Parked && b.State != Parked:
			return a.Since.Compare(b.Since)
		case a.State == Parked:
			return 1
		}
		return -1
	})
	return lines, err
}

const parkedWaitsFor = "an operator: outbox retry, or outbox drop"

func owedLine(debt store.Debt, r rules.Referral, kept, unknown bool) OutboxLine {
	l := OutboxLine{
		Referral: debt.Referral, Campaign: debt.Campaign, Code: r.Code, Kind: "qualify", Since: debt.Since, By: debt.By,
		Attempts: debt.Attempts, SentAt: debt.SentAt, Trouble: debt.Trouble,
	}
	if debt.Undo {
		l.Kind = "unqualify"
	}
	until := debt.OpenUntil().UTC().Format("15:04:05Z")
	switch {
	case debt.Parked:
		l.State, l.WaitsFor = Parked, parkedWaitsFor
	case kept:
		l.State, l.WaitsFor = Sandbox, "referral_factory.send_from_sandbox: the org is a sandbox"
	case debt.Crossed():
		l.State, l.WaitsFor = Open, fmt.Sprintf("the outcome of the request before, which was for the opposite; nothing is sent before %s by Referral Factory's clock", until)
	case !debt.SentAt.IsZero():
		l.State, l.WaitsFor = Open, fmt.Sprintf("a read that shows what became of the request; it is not sent again before %s by Referral Factory's clock", until)
	case unknown:
		l.State, l.WaitsFor = Waiting, "a pass that finds out whether the org is a sandbox"
	case debt.Trouble != "":
		l.State, l.WaitsFor = Waiting, "the next try, after the trouble"
	default:
		l.State, l.WaitsFor = Waiting, "the next delivery"
	}
	return l
}

// RetryRequest has what waits in the outbox tried again: some referrals, or all.
type RetryRequest struct {
	OrderRequest
	All bool `json:"all"`
}

// RetryQuestion puts what Referral Factory refused back into the outbox, and has what waits there tried at once.
var RetryQuestion = Question[RetryRequest, []Done]{name: "outbox-retry", check: checkRetry, answer: func(_ context.Context, d *Desk, by Asker, q RetryRequest, _ Progress) ([]Done, error) {
	done := []Done{}
	err := d.update(func(tx *store.Tx) (err error) {
		names := q.Referrals
		if q.All {
			if names, err = d.owing(tx); err != nil {
				return err
			}
		}
		done, err = d.orderEach(tx, names, by.order(q.Reason), func(_ *Desk, tx *store.Tx, r rules.Referral, o poll.Order) (string, error) {
			return poll.Retry(tx, r, o)
		})
		return err
	})
	return done, err
}}

func checkRetry(q RetryRequest) error {
	switch {
	case q.All && len(q.Referrals) > 0:
		return usage("outbox retry: name referrals or say --all, not both")
	case !q.All && len(q.Referrals) == 0:
		return usage("outbox retry: name the referrals, or say --all")
	}
	return nil
}

// owing names the referrals in the outbox.
func (d *Desk) owing(tx *store.Tx) (names []string, err error) {
	lines, err := d.outbox(tx)
	for _, l := range lines {
		names = append(names, fmt.Sprintf("id:%d", l.Referral))
	}
	return names, err
}
