package desk

import (
	"sync"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/schedule"
)

// Vitals are what a machine watches: what Status tells, in as far as that can be told without going through the referrals. Somebody asks for
// them every few seconds.
type Vitals struct {
	Runs            []Run
	Salesforce      ConnectionState
	ReferralFactory ConnectionState
	Calls           Calls
	OrgCalls        int                  // of everybody's in the rolling day, as Salesforce last told this process; -1: it has not
	ReadUpTo        map[string]time.Time // by query, of those whose changes a rule needs; zero before the first pass
	Parked          map[int64]bool       // by campaign: its rule cannot be judged by
	Held            map[int64]map[rules.Reason]int
	Outbox          OutboxStatus             // of Parked only the orders to set one back; Tally has the qualifications
	Intervals       map[string]time.Duration // between two runs of a job, as it is in force
	Bytes           int64
}

// Vitals reads the vitals in one transaction.
func (d *Desk) Vitals() (Vitals, error) {
	v := Vitals{OrgCalls: -1}
	err := d.Store.View(func(tx *store.Tx) error {
		s := Status{At: d.now().UTC()}
		for _, fill := range []func(*store.Tx, *Status) error{d.fillRuns, d.fillOrg, fillOutbox} {
			if err := fill(tx, &s); err != nil {
				return err
			}
		}
		v.Runs, v.Salesforce, v.ReferralFactory, v.Calls, v.Outbox = s.Runs, s.Salesforce.State, s.ReferralFactory.State, s.Calls, s.Outbox
		v.Bytes = tx.Bytes()
		return d.fillVitals(tx, &v)
	})
	if d.Salesforce != nil {
		if used, _, known := d.Salesforce.Usage(); known {
			v.OrgCalls = used
		}
	}
	return v, err
}

func (d *Desk) fillVitals(tx *store.Tx, v *Vitals) (err error) {
	if v.ReadUpTo, err = d.readUpTo(tx); err != nil {
		return err
	}
	last, err := tx.LastPass()
	if err != nil {
		return err
	}
	swept, err := tx.Run(SweepJob)
	if err != nil {
		return err
	}
	v.Intervals = map[string]time.Duration{
		SweepJob: max(d.interval(d.Config.Poll.Sweep), stretched(swept, d.Config.Poll.Sweep)),
		PollJob:  max(d.interval(d.Config.Poll.Schedule), poll.Apart(last, v.Calls.Used, v.Calls.Share)),
	}
	v.Parked, v.Held = map[int64]bool{}, map[int64]map[rules.Reason]int{}
	for _, c := range d.Campaigns {
		known, err := tx.Campaign(c.ID)
		if err != nil {
			return err
		}
		v.Parked[c.ID], v.Held[c.ID] = known.Parked != "", map[rules.Reason]int{}
	}
	held, err := tx.Held()
	if err != nil {
		return err
	}
	return d.whose.each(tx, held, func(campaign int64, reason rules.Reason) {
		if n := v.Held[campaign]; n != nil { // of a campaign that is not configured any more nobody has to look at anything
			n[reason]++
		}
	})
}

// interval is the time between the next two runs of a schedule.
func (d *Desk) interval(spec string) time.Duration {
	times, err := schedule.Parse(spec, 0)
	if err != nil {
		return 0
	}
	next := times.Next(d.now())
	return times.Next(next).Sub(next)
}

// Tally counts the referrals of each campaign. It goes through all of them, which takes about a second for 100,000.
func (d *Desk) Tally() ([]CampaignStatus, error) {
	var s Status
	err := d.Store.View(func(tx *store.Tx) error { return d.fillCampaigns(tx, &s) })
	return s.Campaigns, err
}

// whose remembers of which campaign each held referral is, so that thousands of them (a sandbox org's, say) are not read every few seconds.
type whose struct {
	mu       sync.Mutex
	campaign map[int64]int64
}

// each calls fn for each held referral.
func (w *whose) each(tx *store.Tx, held map[rules.Reason][]int64, fn func(campaign int64, reason rules.Reason)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[int64]int64{}
	for reason, ids := range held {
		for _, id := range ids {
			campaign, known := w.campaign[id]
			if !known {
				r, _, err := tx.Referral(id)
				if err != nil {
					return err
				}
				campaign = r.CampaignID
			}
			now[id] = campaign
			fn(campaign, reason)
		}
	}
	w.campaign = now
	return nil
}
