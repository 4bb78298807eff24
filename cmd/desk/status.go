package desk

import (
	"context"
	"fmt"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/schedule"
)

// The daemon's jobs, as their runs are kept in the store.
const (
	SweepJob   = "sweep"
	PollJob    = "poll"
	DeliverJob = "deliver"
)

// Status is how everything stands.
type Status struct {
	Version         string           `json:"version"`          // of the program that answers
	Since           time.Time        `json:"since,omitzero"`   // when the daemon started; absent where none runs
	At              time.Time        `json:"at"`               // this machine's time of the answer
	Salesforce      Connection       `json:"salesforce"`       //
	ReferralFactory Connection       `json:"referral_factory"` //
	Org             Org              `json:"org"`              //
	Calls           Calls            `json:"calls"`            //
	Runs            []Run            `json:"runs"`             // sweep, poll, deliver
	ReadUpTo        time.Time        `json:"read_up_to"`       // what committed in Salesforce before it has been seen; service time, zero before the first pass
	LagSeconds      int64            `json:"lag_seconds"`      // how long ago that was
	Campaigns       []CampaignStatus `json:"campaigns"`        //
	Outbox          OutboxStatus     `json:"outbox"`           //
}

// Connection is how it stands with one of the two services.
type Connection struct {
	State    ConnectionState `json:"state"`
	Sentence string          `json:"sentence"` // what is wrong; or how well it is
}

// ConnectionState is the colour of the badge.
type ConnectionState string

// The states of a connection.
const (
	Connected ConnectionState = "connected"
	Never     ConnectionState = "never"   // it was never asked
	Silent    ConnectionState = "silent"  // the daemon should have asked long ago
	Trouble   ConnectionState = "trouble" // it is asked again and again
	Refused   ConnectionState = "refused" // the credentials are; a person is needed
)

// Org is whom the store belongs to.
type Org struct {
	ID       string `json:"id"` // "" before the first pass
	Sandbox  bool   `json:"sandbox"`
	LoginURL string `json:"login_url"`
	// Sends is false where what qualifies is kept and not sent, because the org is a sandbox.
	Sends bool `json:"sends"`
}

// Calls are the Salesforce API requests of the rolling day.
type Calls struct {
	Used  int `json:"used"`
	Share int `json:"share"` // 0: the org has not told its limit
	Limit int `json:"limit"`
}

// Stretched tells whether so much of the share is used that polls are rarer than scheduled.
func (c Calls) Stretched() bool { return c.Share > 0 && 2*c.Used > c.Share }

// Run is how a job last went, by this machine's clock.
type Run struct {
	Job     string    `json:"job"`
	Begun   time.Time `json:"begun"`
	Ended   time.Time `json:"ended"`
	Well    time.Time `json:"well"` // when it last ended well
	Trouble string    `json:"trouble,omitempty"`
	Since   time.Time `json:"trouble_since,omitzero"`
	TooLong string    `json:"too_long,omitempty"` // of a sweep that does not fit its schedule: a sentence
}

// CampaignStatus counts a campaign's referrals: each is one of Pending, Owed, Qualified, Elsewhere, Overridden and Rejected.
type CampaignStatus struct {
	ID         int64          `json:"id"`
	Name       string         `json:"name"`
	Rule       string         `json:"rule"` // in words
	Effective  time.Time      `json:"effective"`
	Parked     string         `json:"parked,omitempty"` // a reason code
	ParkedWhy  string         `json:"parked_why,omitempty"`
	Referrals  int            `json:"referrals"`
	Pending    int            `json:"pending"`   // of these Blocked and Held
	Owed       int            `json:"owed"`      // judged qualified, not yet delivered
	Qualified  int            `json:"qualified"` // by us
	Elsewhere  int            `json:"elsewhere"` // by somebody else
	Blocked    int            `json:"blocked"`   // existing_record
	Held       int            `json:"held"`      // waits for a person
	Overridden int            `json:"overridden"`
	Rejected   int            `json:"rejected"`
	Reasons    map[string]int `json:"reasons"` // of the pending ones; "" for those not judged yet
}

// OutboxStatus counts what is owed.
type OutboxStatus struct {
	Owed   int       `json:"owed"`
	Oldest time.Time `json:"oldest,omitzero"` // of the verdict or order that has waited longest
	Open   int       `json:"open"`            // sent with an outcome that is not known yet
	Parked int       `json:"parked"`          // refused for good: qualifications, and orders to set one back
}

// StatusQuestion asks how everything stands.
var StatusQuestion = view("status", func(d *Desk, tx *store.Tx, _ Nothing) (Status, error) { return d.status(tx) })

func (d *Desk) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

func (d *Desk) status(tx *store.Tx) (Status, error) {
	s := Status{Version: d.Version, Since: d.Since, At: d.now().UTC()}
	for _, fill := range []func(*store.Tx, *Status) error{d.fillRuns, d.fillOrg, d.fillCampaigns, fillOutbox} {
		if err := fill(tx, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// fillRuns tells how the jobs went, and from that how it stands with the services: a poll asks Salesforce, a sweep Referral Factory. So does a
// delivery where anything is owed: its trouble counts until a later sweep has gone well.
func (d *Desk) fillRuns(tx *store.Tx, s *Status) error {
	runs := map[string]store.Run{}
	for _, job := range []string{SweepJob, PollJob, DeliverJob} {
		r, err := tx.Run(job)
		if err != nil {
			return err
		}
		runs[job] = r
		s.Runs = append(s.Runs, Run{Job: r.Job, Begun: r.Begun, Ended: r.Ended, Well: r.Well, Trouble: r.Trouble, Since: r.Since})
	}
	if swept := runs[SweepJob]; stretched(swept, d.Config.Poll.Sweep) > 0 {
		s.Runs[0].TooLong = fmt.Sprintf("took %s, longer than poll.sweep (%s) leaves it: sweeps are rarer than that",
			swept.Ended.Sub(swept.Begun).Round(time.Second), d.Config.Poll.Sweep)
	}
	s.Salesforce = d.connection(runs[PollJob], s.At, d.Config.Poll.Schedule)
	heard := runs[SweepJob]
	if delivered := runs[DeliverJob]; heard.Trouble == "" && delivered.Trouble != "" && delivered.Ended.After(heard.Ended) {
		heard = delivered
	}
	s.ReferralFactory = d.connection(heard, s.At, d.Config.Poll.Sweep)
	return nil
}

// stretched is how far apart two runs of a job may be whose newest one took longer than its schedule leaves it: it is due again when it has ended. 0
// where it fits.
func stretched(r store.Run, spec string) time.Duration {
	times, err := schedule.Parse(spec, 0)
	if err != nil || r.Begun.IsZero() || !r.Ended.After(times.Next(r.Begun)) {
		return 0
	}
	return times.Next(r.Ended).Sub(r.Begun)
}

// lateRuns is how many turns a job may miss before it is called silent.
const lateRuns = 3

func (d *Desk) connection(r store.Run, now time.Time, spec string) Connection {
	switch {
	case r.Ended.IsZero():
		return Connection{Never, "not asked yet"}
	case r.Refused:
		return Connection{Refused, "the credentials are refused since " + clock(r.Since) + ": " + r.Trouble}
	case r.Trouble != "":
		return Connection{Trouble, "since " + clock(r.Since) + ": " + r.Trouble}
	}
	due := r.Ended.Add(lateRuns * stretched(r, spec))
	if times, err := schedule.Parse(spec, 0); err == nil {
		for range lateRuns {
			due = times.Next(due)
		}
		if now.After(due) {
			return Connection{Silent, fmt.Sprintf("last asked at %s, %s ago, though it is due %s; does the daemon run?", clock(r.Ended), ago(now.Sub(r.Ended)), spec)}
		}
	}
	return Connection{Connected, "last asked at " + clock(r.Ended)}
}

func (d *Desk) fillOrg(tx *store.Tx, s *Status) error {
	owner, err := tx.Owner()
	if err != nil {
		return err
	}
	s.Org = Org{ID: owner.OrgID, Sandbox: owner.Sandbox, LoginURL: d.Config.Salesforce.LoginURL,
		Sends: !owner.Sandbox || d.Config.ReferralFactory.SendFromSandbox}
	s.Calls.Limit = owner.CallLimit
	s.Calls.Share = d.Poll.DailyCalls.Share(owner.CallLimit)
	marks, err := d.readUpTo(tx)
	if err != nil {
		return err
	}
	var newest time.Time
	for _, at := range marks {
		if s.ReadUpTo.IsZero() || !at.IsZero() && at.Before(s.ReadUpTo) {
			s.ReadUpTo = at
		}
		if at.After(newest) {
			newest = at
		}
	}
	now := d.serviceNow()
	if !s.ReadUpTo.IsZero() {
		s.LagSeconds = int64(max(0, now.Sub(s.ReadUpTo)).Seconds())
	}
	if newest.After(now) { // this machine's clock is behind Salesforce's, by which calls are counted
		now = newest
	}
	if s.Calls.Used, err = tx.Calls(now); err != nil {
		return err
	}
	last, err := tx.LastPass()
	apart := poll.Apart(last, s.Calls.Used, s.Calls.Share)
	if s.Salesforce.State == Connected && apart > d.interval(d.Config.Poll.Schedule) { // a pass that is put off goes well, and asks nothing
		s.Salesforce.Sentence = "last asked at " + clock(last.At) + "; passes are put off, so that the day's calls last"
	}
	return err
}

// readUpTo are the watermarks of the queries whose changes a rule needs.
func (d *Desk) readUpTo(tx *store.Tx) (map[string]time.Time, error) {
	marks := map[string]time.Time{}
	for _, c := range d.Campaigns {
		for _, query := range watched(c) {
			mark, err := tx.Watermark(query)
			if err != nil {
				return nil, err
			}
			marks[query] = mark.At
		}
	}
	return marks, nil
}

// serviceNow is Salesforce's time where a client of ours has heard it, else this machine's.
func (d *Desk) serviceNow() time.Time {
	if d.Salesforce != nil {
		if now, known := d.Salesforce.Now(); known {
			return now
		}
	}
	return d.now()
}

// watched are the objects whose changes a campaign's rule needs; the queries for them have their names.
func watched(c rules.Campaign) []string {
	switch {
	case c.Method == rules.None:
		return nil
	case c.NeedsConversion():
		return []string{string(c.Object), string(rules.Opportunity)}
	}
	return []string{string(c.Object)}
}

func (d *Desk) fillCampaigns(tx *store.Tx, s *Status) error {
	counts := map[int64]*CampaignStatus{}
	for _, c := range d.Campaigns {
		known, err := tx.Campaign(c.ID)
		if err != nil {
			return err
		}
		counts[c.ID] = &CampaignStatus{ID: c.ID, Name: c.Name, Rule: c.InWords(), Effective: known.Effective,
			Parked: known.Parked, ParkedWhy: known.ParkedWhy, Reasons: map[string]int{}}
	}
	err := tx.Referrals(func(r rules.Referral) error {
		if n := counts[r.CampaignID]; n != nil {
			n.add(r)
		}
		return nil
	})
	for _, c := range d.Campaigns {
		s.Campaigns = append(s.Campaigns, *counts[c.ID])
	}
	return err
}

func (n *CampaignStatus) add(r rules.Referral) {
	n.Referrals++
	switch r.Standing {
	case rules.Owed:
		n.Owed++
	case rules.Delivered:
		n.Qualified++
	case rules.Elsewhere:
		n.Elsewhere++
	case rules.Overridden:
		n.Overridden++
	case rules.Rejected:
		n.Rejected++
	case rules.Pending:
		n.Pending++
		n.Reasons[string(r.Verdict.Reason)]++
		if len(r.Blockers) > 0 {
			n.Blocked++
		}
		if r.Verdict.Outcome == rules.Held {
			n.Held++
		}
	}
}

func fillOutbox(tx *store.Tx, s *Status) error {
	for _, c := range s.Campaigns {
		s.Outbox.Parked += c.Rejected
	}
	debts, err := tx.Debts()
	for _, debt := range debts {
		if debt.Parked {
			s.Outbox.Parked++
			continue
		}
		s.Outbox.Owed++
		if !debt.SentAt.IsZero() {
			s.Outbox.Open++
		}
		if s.Outbox.Oldest.IsZero() || debt.Since.Before(s.Outbox.Oldest) {
			s.Outbox.Oldest = debt.Since
		}
	}
	return err
}

// PollAnswer is what came of polling at once.
type PollAnswer struct {
	Runs      []Run          `json:"runs"`
	Acts      map[string]int `json:"acts"` // ledger lines by act: created, judged, delivered...
	Qualified []int64        `json:"qualified"`
}

// PollQuestion has everything done at once: sweep, poll, deliver.
var PollQuestion = Question[Nothing, PollAnswer]{name: "poll", online: true, works: true, answer: func(ctx context.Context, d *Desk, _ Asker, _ Nothing, _ Progress) (a PollAnswer, err error) {
	a.Acts, a.Qualified = map[string]int{}, []int64{}
	var before uint64
	if err := d.Store.View(func(tx *store.Tx) error { before = tx.LedgerLength(); return nil }); err != nil {
		return a, err
	}
	trouble := d.PollNow(ctx)
	err = d.Store.View(func(tx *store.Tx) error {
		var s Status
		if err := d.fillRuns(tx, &s); err != nil {
			return err
		}
		a.Runs = s.Runs
		return tx.Ledger(before, func(e store.Entry) error {
			a.Acts[string(e.Act)]++
			if e.Act == store.ActDelivered {
				a.Qualified = append(a.Qualified, e.Referral)
			}
			return nil
		})
	})
	if trouble != nil {
		return a, trouble
	}
	return a, err
}}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// ago tells a duration in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}
