package console

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"qualifyd/cmd/desk"
)

// overview is a desk's overview, with what the page makes of it.
type overview struct {
	desk.Overview
	Refreshes bool
	Mode      badge
	ModeText  string
	Tiles     []tile
	Share     meter
	Plots     []plot // none before the first qualification
}

// tile is a number in large.
type tile struct {
	Label string
	Count int
	Hint  string
	Class string
}

// meter is how much of something is used up.
type meter struct {
	Percent int // 0 to 100, for the drawing
	Text    string
	Class   string
}

func newOverview(o desk.Overview, refreshes bool) overview {
	v := overview{Overview: o, Refreshes: refreshes, Tiles: tiles(o.Campaigns), Share: callsMeter(o.Calls)}
	v.Mode, v.ModeText = mode(o.Org)
	if len(o.Days) > 0 {
		days := untilToday(o.Days, o.At)
		v.Plots = []plot{countPlot(days), delayPlot(days)}
	}
	return v
}

// daysShown is how many days the plots show at most.
const daysShown = 90

// untilToday adds the days since the newest qualification, so that a standstill is seen as one.
func untilToday(days []desk.Day, now time.Time) []desk.Day {
	days = slices.Clone(days)
	last, err := time.Parse(time.DateOnly, days[len(days)-1].Date)
	for day := last.AddDate(0, 0, 1); err == nil && !day.After(now); day = day.AddDate(0, 0, 1) {
		days = append(days, desk.Day{Date: day.Format(time.DateOnly)})
	}
	return days[max(0, len(days)-daysShown):]
}

// mode says whether people are qualified for real.
func mode(o desk.Org) (badge, string) {
	switch {
	case o.ID == "":
		return badge{"quiet", "–", "Mode not known yet"}, "The first pass asks the org whether it is a sandbox."
	case o.Sandbox && o.Sends:
		return badge{"warn", "!", "Test (sandbox)"}, "The org is a sandbox, but send_from_sandbox is on: who qualifies there is qualified for real."
	case o.Sandbox:
		return badge{"warn", "!", "Test (sandbox)"}, "The org is a sandbox: who qualifies is shown as sandbox, and nobody is qualified for real."
	}
	return badge{"good", "✓", "Live"}, "Who qualifies is qualified at Referral Factory."
}

func tiles(campaigns []desk.CampaignStatus) []tile {
	var all desk.CampaignStatus
	for _, c := range campaigns {
		all.Referrals += c.Referrals
		all.Pending += c.Pending
		all.Qualified += c.Qualified
		all.Elsewhere += c.Elsewhere
		all.Owed += c.Owed
		all.Held += c.Held
		all.Blocked += c.Blocked
	}
	qualified := "by qualifyd"
	if all.Elsewhere > 0 {
		qualified += ", and " + number(all.Elsewhere) + " elsewhere"
	}
	colour := func(n int, class string) string {
		if n == 0 {
			return ""
		}
		return class
	}
	return []tile{
		{"Referrals", all.Referrals, "in " + plural(len(campaigns), "campaign"), ""},
		{"Qualified", all.Qualified, qualified, colour(all.Qualified, "good")},
		{"Pending", all.Pending, "held and blocked included", ""},
		{"Owed", all.Owed, "on their way", ""},
		{"Held", all.Held, "wait for a person", colour(all.Held, "warn")},
		{"Blocked", all.Blocked, "existed before", ""},
	}
}

func callsMeter(c desk.Calls) meter {
	switch {
	case c.Share == 0:
		return meter{Text: plural(c.Used, "call") + " in the last 24 hours; the org has not told its limit yet"}
	case c.Used >= c.Share:
		return meter{100, fmt.Sprintf("all of the day's share of %s calls; polls wait until older ones are a day ago", number(c.Share)), "bad"}
	}
	m := meter{c.Used * 100 / c.Share, fmt.Sprintf("%s of the day's share of %s calls", number(c.Used), number(c.Share)), ""}
	if c.Stretched() {
		m.Text += "; polls are rarer, so that the rest lasts"
	}
	if m.Percent >= 80 {
		m.Class = "warn"
	}
	return m
}

// campaignRow is a campaign in the table.
type campaignRow struct{ desk.CampaignStatus }

// count is a number of referrals in the table.
type count struct {
	Label string
	Count int
}

// Counts are the campaign's numbers, in the order of the table's columns.
func (c campaignRow) Counts() []count {
	return []count{{"Referrals", c.Referrals}, {"Pending", c.Pending}, {"Qualified", c.Qualified}, {"Blocked", c.Blocked}, {"Held", c.Held}, {"Owed", c.Owed}}
}

// Others counts, in words, the referrals that stand where few do.
func (c campaignRow) Others() string {
	var parts []string
	for _, one := range []struct {
		n    int
		what string
	}{{c.Elsewhere, "qualified elsewhere"}, {c.Overridden, "set back to pending by hand"}, {c.Rejected, "rejected by Referral Factory"}} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(parts, ", ")
}

// Rows are the campaigns.
func (o overview) Rows() []campaignRow {
	var out []campaignRow
	for _, c := range o.Campaigns {
		out = append(out, campaignRow{c})
	}
	return out
}

// Why are the reasons of pending referrals, the commonest first.
func (c campaignRow) Why() string {
	reasons := slices.SortedFunc(maps.Keys(c.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.Reasons[b], c.Reasons[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, reason := range reasons {
		what := spoken(reason)
		if reason == "" {
			what = "not judged yet"
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.Reasons[reason], what))
	}
	return strings.Join(parts, ", ")
}

// Lag is how far behind Salesforce what has been read is.
func (o overview) Lag() string { return lasting(seconds(float64(o.LagSeconds))) }

// Work says what a job does.
func (o overview) Work(job string) string {
	return map[string]string{
		desk.SweepJob:   "asks Referral Factory who was referred",
		desk.PollJob:    "asks Salesforce what changed, and judges",
		desk.DeliverJob: "tells Referral Factory who qualified",
	}[job]
}

// qualification is one in the list of the newest.
type qualification struct {
	desk.Qualification
	CampaignName string
	Now          time.Time
}

// listed is how many of the newest qualifications are seen at once; the rest is folded.
const listed = 8

// Latest are those that are seen at once.
func (o overview) Latest() []qualification { return o.qualifications(0, listed) }

// Earlier are those that are folded.
func (o overview) Earlier() []qualification { return o.qualifications(listed, len(o.Newest)) }

func (o overview) qualifications(from, to int) []qualification {
	names := map[int64]string{}
	for _, c := range o.Campaigns {
		names[c.ID] = c.Name
	}
	var out []qualification
	for _, q := range o.Newest[min(from, len(o.Newest)):min(to, len(o.Newest))] {
		out = append(out, qualification{q, cmp.Or(names[q.Campaign], fmt.Sprintf("campaign %d", q.Campaign)), o.At})
	}
	return out
}
