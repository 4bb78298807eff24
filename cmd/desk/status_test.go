package desk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

func TestWhatStatusCountsAddsUp(t *testing.T) {
	o := newOffice(t)
	o.Store.Update(func(tx *store.Tx) error {
		blocked := rules.Referral{ID: 2001, CampaignID: 101, Standing: rules.Pending, Blockers: []rules.Blocker{{}}}
		blocked.Verdict.Reason = rules.ExistingRecord
		held := rules.Referral{ID: 2002, CampaignID: 101, Standing: rules.Pending, Verdict: rules.Verdict{Outcome: rules.Held, Reason: rules.HeldByBrake}}
		return errors.Join(tx.PutReferral(blocked), tx.PutReferral(held),
			tx.PutReferral(rules.Referral{ID: 2003, CampaignID: 101, Standing: rules.Pending}),
			tx.PutReferral(rules.Referral{ID: 2004, CampaignID: 101, Standing: rules.Overridden}),
			tx.PutReferral(rules.Referral{ID: 2005, CampaignID: 101, Standing: rules.Elsewhere}),
			tx.Owe(store.Debt{Referral: 1004, Campaign: 101, Undo: true, Parked: true, Since: noon.Add(-24 * time.Hour)}))
	})
	s := must[desk.Status](o, "status", desk.Nothing{})
	for _, c := range s.Campaigns {
		if sum := c.Pending + c.Owed + c.Qualified + c.Elsewhere + c.Overridden + c.Rejected; sum != c.Referrals {
			t.Errorf("campaign %d: got %+v, which add up to %d of %d referrals", c.ID, c, sum, c.Referrals)
		}
		sum := 0
		for _, n := range c.Reasons {
			sum += n
		}
		if sum != c.Pending {
			t.Errorf("campaign %d: got the reasons %v, want them to add up to the %d pending", c.ID, c.Reasons, c.Pending)
		}
	}
	c := s.Campaigns[0]
	same(t, "of 101", []int{c.Referrals, c.Pending, c.Blocked, c.Held, c.Owed, c.Qualified, c.Elsewhere, c.Overridden, c.Rejected},
		[]int{11, 5, 1, 1, 2, 1, 1, 1, 1})
	same(t, "not judged yet", c.Reasons[""], 1)
	same(t, "outbox", s.Outbox, desk.OutboxStatus{Owed: 2, Oldest: noon.Add(-time.Hour), Open: 1, Parked: 2})
}

func TestAConnectionIsAsItsNewestTroubleSays(t *testing.T) {
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	well := func(job string, ended int) store.Run { return store.Run{Job: job, Ended: at(ended), Well: at(ended)} }
	bad := func(job string, ended int, refused bool) store.Run {
		return store.Run{Job: job, Ended: at(ended), Trouble: "no answer", Since: at(0), Refused: refused}
	}
	for _, tt := range []struct {
		situation string
		runs      []store.Run
		want      desk.ConnectionState
	}{
		{"never asked", nil, desk.Never},
		{"a sweep went well", []store.Run{well(desk.SweepJob, 5)}, desk.Connected},
		{"and a delivery after it", []store.Run{well(desk.SweepJob, 5), well(desk.DeliverJob, 6)}, desk.Connected},
		{"the key died after the sweep", []store.Run{well(desk.SweepJob, 5), bad(desk.DeliverJob, 6, true)}, desk.Refused},
		{"the service went down after the sweep", []store.Run{well(desk.SweepJob, 5), bad(desk.DeliverJob, 6, false)}, desk.Trouble},
		{"a sweep went well after the trouble", []store.Run{well(desk.SweepJob, 7), bad(desk.DeliverJob, 6, true)}, desk.Connected},
		{"a sweep is refused", []store.Run{bad(desk.SweepJob, 5, true), well(desk.DeliverJob, 6)}, desk.Refused},
		{"no sweep for an hour", []store.Run{well(desk.SweepJob, -52)}, desk.Silent},
	} {
		o := newOffice(t)
		o.Now = func() time.Time { return at(8) }
		o.Config.Poll.Sweep, o.Config.Poll.Schedule = "@every 10m", "@every 1m"
		o.Store.Update(func(tx *store.Tx) (err error) {
			for _, r := range tt.runs {
				err = errors.Join(err, tx.PutRun(r))
			}
			return err
		})
		if got := must[desk.Status](o, "status", desk.Nothing{}).ReferralFactory; got.State != tt.want {
			t.Errorf("%s: got %s (%s), want %s", tt.situation, got.State, got.Sentence, tt.want)
		}
		if tt.want == desk.Refused {
			done := must[[]desk.Done](o, "qualify", orderOf("x", "1001"))[0].Done
			if !strings.HasSuffix(done, "it is sent once the trouble with Referral Factory is over (qualifyd status)") {
				t.Errorf("%s: an order says %q, want that it waits for the end of the trouble", tt.situation, done)
			}
		}
	}
}

// A pass that is put off, so that the day's calls last, asks nothing; status does not say that it did. Where passes need not be further apart than they are
// scheduled, none is put off.
func TestAPassThatIsPutOffHasNotAsked(t *testing.T) {
	for _, tt := range []struct {
		used, share int
		last        time.Time
		want        string
	}{
		{10, 100, noon, "last asked at " + noon.Format("2006-01-02 15:04Z")},
		{90, 100, noon.Add(-40 * time.Minute), "last asked at " + noon.Add(-40*time.Minute).Format("2006-01-02 15:04Z") + "; passes are put off, so that the day's calls last"},
		{5001, 10000, noon, "last asked at " + noon.Format("2006-01-02 15:04Z")},
	} {
		o := newOffice(t)
		o.Now = func() time.Time { return noon }
		o.Config.Poll.Sweep, o.Config.Poll.Schedule = "@every 10m", "@every 1m"
		o.Poll.DailyCalls = poll.DailyCalls{Calls: tt.share}
		o.Store.Update(func(tx *store.Tx) error {
			return errors.Join(tx.SetOwner(store.Owner{OrgID: "00D", CallLimit: 15000}), tx.AddCalls(tt.last, tt.used),
				tx.SetLastPass(store.LastPass{At: tt.last, Calls: 1}),
				tx.PutRun(store.Run{Job: desk.PollJob, Begun: noon, Ended: noon, Well: noon}))
		})
		same(t, "with calls made", must[desk.Status](o, "status", desk.Nothing{}).Salesforce, desk.Connection{State: desk.Connected, Sentence: tt.want})
	}
}

// 200,000 users every five minutes: the sweep is rarer than scheduled, which is neither silence nor trouble.
func TestASweepThatDoesNotFitItsScheduleIsRarer(t *testing.T) {
	for took, want := range map[time.Duration]struct {
		tooLong string
		apart   time.Duration
		state   desk.ConnectionState
	}{
		4 * time.Minute:  {"", 5 * time.Minute, desk.Silent},
		42 * time.Minute: {"took 42m0s, longer than poll.sweep (@every 5m) leaves it: sweeps are rarer than that", 47 * time.Minute, desk.Connected},
	} {
		o := newOffice(t)
		o.Now = func() time.Time { return noon }
		o.Config.Poll.Sweep, o.Config.Poll.Schedule = "@every 5m", "@every 1m"
		ended := noon.Add(-40 * time.Minute)
		o.Store.Update(func(tx *store.Tx) error {
			return tx.PutRun(store.Run{Job: desk.SweepJob, Begun: ended.Add(-took), Ended: ended, Well: ended})
		})
		s := must[desk.Status](o, "status", desk.Nothing{})
		same(t, "what is said of a sweep of "+took.String(), s.Runs[0].TooLong, want.tooLong)
		same(t, "connection 40 minutes after it", s.ReferralFactory.State, want.state)
		v, err := o.Vitals()
		if err != nil {
			t.Fatal(err)
		}
		same(t, "time between two sweeps", v.Intervals[desk.SweepJob], want.apart)
	}
}

// A pass that fails for days moves no watermark; the calls of its beginning are not today's.
func TestTheDaysCallsAreTodays(t *testing.T) {
	o := newOffice(t)
	o.Salesforce = nil
	o.Now = func() time.Time { return noon.Add(72 * time.Hour) }
	o.Campaigns[0].Method, o.Campaigns[1].Method = rules.LeadFieldChanges, rules.None
	o.Store.Update(func(tx *store.Tx) error {
		return errors.Join(tx.AddCalls(noon, 1000), tx.SetWatermark("Lead", store.Watermark{At: noon}))
	})
	s := must[desk.Status](o, "status", desk.Nothing{})
	if s.Calls.Used != 0 || s.LagSeconds != 72*3600 || !s.ReadUpTo.Equal(noon) {
		t.Errorf("got %d calls, read up to %v, %d seconds behind; want 0, %v and three days", s.Calls.Used, s.ReadUpTo, s.LagSeconds, noon)
	}
	o.Now = func() time.Time { return noon.Add(-72 * time.Hour) } // a clock that is behind Salesforce's
	if got := must[desk.Status](o, "status", desk.Nothing{}); got.Calls.Used != 1000 || got.LagSeconds != 0 {
		t.Errorf("by a clock that is behind: got %d calls and a lag of %d s, want the 1000 of the day and none", got.Calls.Used, got.LagSeconds)
	}
}
