package rules_test

import (
	"testing"
	"time"
	_ "time/tzdata" // a test machine need not have the zones

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

// DESIGN 4, When: joined is the start of the sign-up day in the configured zone, but never later than the sweep that first showed the referral.
func TestJoined(t *testing.T) {
	newYork := time.FixedZone("five hours behind", -5*3600)
	sydney := time.FixedZone("eleven hours ahead", 11*3600)
	for _, c := range []struct {
		name    string
		day     string
		zone    *time.Location
		sweep   string
		lacking []string
		joined  string
		ends    string
		lacked  string
	}{
		{name: "the day starts before the sweep", day: "2026-11-10", zone: time.UTC, sweep: "10 09:30", joined: "10 00:00", ends: "11 00:00"},
		{name: "the day starts later where the service counts its days", day: "2026-11-10", zone: newYork, sweep: "10 09:30", joined: "10 05:00", ends: "11 05:00"},
		{name: "the day starts earlier where the service counts its days", day: "2026-11-10", zone: sydney, sweep: "10 09:30", joined: "09 13:00", ends: "10 13:00"},
		{name: "the sweep was before the day starts in the zone", day: "2026-11-10", zone: newYork, sweep: "10 04:00", joined: "10 04:00", ends: "11 05:00"},
		{name: "found days later", day: "2026-11-10", zone: time.UTC, sweep: "13 09:30", joined: "10 00:00", ends: "11 00:00"},
		{name: "the sign-up day is not told", zone: time.UTC, sweep: "10 09:30", joined: "10 09:30"},
		{name: "the sign-up day is no day", day: "soon", zone: time.UTC, sweep: "10 09:30", joined: "10 09:30"},
		{
			name: "the newest sweep that lacked it counts", day: "2026-11-10", zone: time.UTC, sweep: "10 09:30",
			lacking: []string{"10 07:00", "10 08:00", "10 06:00"}, joined: "10 00:00", ends: "11 00:00", lacked: "10 08:00",
		},
		{
			name: "a sweep less than an hour before does not count", day: "2026-11-10", zone: time.UTC, sweep: "10 09:30",
			lacking: []string{"10 07:00", "10 08:30:01", "10 09:20"}, joined: "10 00:00", ends: "11 00:00", lacked: "10 07:00",
		},
		{
			name: "a sweep exactly an hour before counts", day: "2026-11-10", zone: time.UTC, sweep: "10 09:30",
			lacking: []string{"10 08:30"}, joined: "10 00:00", ends: "11 00:00", lacked: "10 08:30",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lacking []time.Time
			for _, sweep := range c.lacking {
				lacking = append(lacking, at(sweep))
			}
			r := rules.Referral{SignedUpOn: c.day}
			r.JoinTimes(c.zone, at(c.sweep), lacking)
			got := []time.Time{r.Joined, r.DayEnds, r.Lacked}
			want := []time.Time{at(c.joined), {}, {}}
			if c.ends != "" {
				want[1] = at(c.ends)
			}
			if c.lacked != "" {
				want[2] = at(c.lacked)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("joined, end of the day, lacked (-want +got):\n%s", diff)
			}
		})
	}
}

// Summer time may skip the midnight with which a day begins: in Santiago the 6th of September 2026 starts at one o'clock.
func TestDayThatBeginsWithoutMidnight(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	r := rules.Referral{SignedUpOn: "2026-09-06"}
	r.JoinTimes(santiago, at("10"), nil)
	got := []time.Time{r.Joined, r.DayEnds}
	want := []time.Time{time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC), time.Date(2026, 9, 7, 3, 0, 0, 0, time.UTC)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("joined, end of the day (-want +got):\n%s", diff)
	}
}

// A day begins where its date does, whatever the zone does to its clocks: it has 23 or 25 hours then, or no midnight, or two.
func TestEveryDayBeginsWithItsDate(t *testing.T) {
	lengths := map[time.Duration]int{}
	for _, name := range []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Havana", "America/Santiago", "America/Asuncion", "America/Sao_Paulo",
		"America/Nuuk", "Atlantic/Azores", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Asia/Gaza", "Asia/Amman", "Asia/Tehran", "Asia/Kathmandu",
		"Australia/Lord_Howe", "Australia/Sydney", "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll",
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
		for ; day.Year() < 2036; day = day.AddDate(0, 0, 1) {
			begins, next := rules.StartOfDay(day, zone), rules.StartOfDay(day.AddDate(0, 0, 1), zone)
			date := day.Format(time.DateOnly)
			if first := begins.In(zone).Format(time.DateOnly); first != date {
				t.Errorf("%s in %s begins at %v, which is on the %s there", date, name, begins, first)
			}
			if before := begins.Add(-time.Second).In(zone).Format(time.DateOnly); before >= date {
				t.Errorf("%s in %s begins at %v, and the second before is on the %s there", date, name, begins, before)
			}
			lengths[next.Sub(begins)]++
		}
	}
	if lengths[23*time.Hour] < 100 || lengths[25*time.Hour] < 100 {
		t.Errorf("got days of these lengths: %v; want many of 23 and of 25 hours", lengths)
	}
}

// DESIGN 4, Existed before: created earlier than joined; or, on the sign-up day itself, earlier than the newest complete sweep that lacked
// the referral.
func TestExistedBefore(t *testing.T) {
	r := rules.Referral{Joined: at("10"), DayEnds: at("11"), Lacked: at("10 08:00")}
	foundNextDay := rules.Referral{Joined: at("10"), DayEnds: at("11"), Lacked: at("12 08:00")}
	never := rules.Referral{Joined: at("10"), DayEnds: at("11")}
	for _, c := range []struct {
		name     string
		referral rules.Referral
		created  string
		want     bool
	}{
		{"created the day before", r, "09 23:59:59", true},
		{"created on the day, before a sweep that lacked the referral", r, "10 07:59:59", true},
		{"created at the very sweep that lacked the referral", r, "10 08:00", false},
		{"created on the day, after that sweep", r, "10 08:00:01", false},
		{"created on the day, and no sweep lacked the referral", never, "10 00:00", false},
		{"created on the day, before a sweep of a later day that lacked the referral", foundNextDay, "10 23:59:59", true},
		{"created the day after, before a sweep that lacked the referral", foundNextDay, "11 00:00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.referral.ExistedBefore(at(c.created)); got != c.want {
				t.Errorf("existed before: got %v, want %v", got, c.want)
			}
		})
	}
}

// DESIGN 4, When: counts_from = max(joined, effective); a first start never fires for the past.
func TestCountsFrom(t *testing.T) {
	turns := func(when string) step {
		return func(s *story) {
			lead("L", "01")(s)
			look("05 00:00", status("New"))(s)
			history(when, "Status", "New", "Qualified")(s)
			look("20 00:00", status("Qualified"), edited(when))(s)
		}
	}
	judgeAll(t, []told{
		{"after both", []step{joined("10"), effective("05"), turns("10 00:00:01")}, "qualified 10 00:00:01 history"},
		{"at the instant of joining", []step{joined("10"), effective("05"), turns("10 00:00")}, "qualified 10 00:00:00 history"},
		{"after the rule took effect, before the referral joined", []step{joined("10"), effective("05"), turns("09 23:59:59")}, "not value_predates"},
		{"after the referral joined, before the rule took effect", []step{joined("10"), effective("12"), turns("11 23:59:59")}, "not value_predates"},
		{"at the instant the rule takes effect", []step{joined("10"), effective("12"), turns("12 00:00")}, "qualified 12 00:00:00 history"},
		{"the rule is effective in the future", []step{joined("10"), effective("25"), turns("11 00:00")}, "not value_predates"},
		{"no pass has read Salesforce for the campaign to the end", []step{notYetEffective, turns("11 00:00")}, "not not_effective_yet"},
	})
}

// DESIGN 4, When: a changed rule (method, object, field, value, stage, code field) is effective from the pass that first knew it.
func TestFingerprintChangesWithTheRuleOnly(t *testing.T) {
	base := rules.Campaign{ID: 1, Name: "a", Method: rules.LeadFieldChanges, Object: rules.Lead, Field: "Status", Value: "Qualified", CodeField: "Code__c"}
	change := func(edit func(*rules.Campaign)) rules.Campaign { c := base; edit(&c); return c }
	for name, c := range map[string]rules.Campaign{
		"method":             change(func(c *rules.Campaign) { c.Method = rules.ContactFieldChanges }),
		"object":             change(func(c *rules.Campaign) { c.Object = rules.Contact }),
		"field":              change(func(c *rules.Campaign) { c.Field = "Rating" }),
		"value":              change(func(c *rules.Campaign) { c.Value = "Working" }),
		"code field":         change(func(c *rules.Campaign) { c.CodeField = "" }),
		"letters move along": change(func(c *rules.Campaign) { c.Field, c.Value = "StatusQ", "ualified" }),
	} {
		if c.Fingerprint() == base.Fingerprint() {
			t.Errorf("another %s: got the fingerprint of the old rule, want another", name)
		}
	}
	same := change(func(c *rules.Campaign) {
		c.Name, c.Duplicates, c.Mode, c.Brake.Count, c.EffectiveFrom = "b", rules.Update, rules.CreateLead, 7, at("01")
		c.Fields = []rules.Mapping{{To: "LastName", Fixed: "x"}}
	})
	if got, want := same.Fingerprint(), base.Fingerprint(); got != want {
		t.Errorf("another name, policy, mode, brake and mapping: got %s, want the fingerprint %s of the same rule", got, want)
	}
}

// The field that a rule compares, and which rules follow a conversion, tell the pollers what to read.
func TestWhatARuleReads(t *testing.T) {
	for _, c := range []struct {
		method     rules.Method
		object     rules.Object
		field      string
		conversion bool
	}{
		{rules.None, "", "", false},
		{rules.LeadFieldChanges, rules.Lead, "Status", false},
		{rules.ContactFieldChanges, rules.Contact, "Status", false},
		{rules.LeadConverts, "", "", true},
		{rules.LeadConvertsToStage, rules.Opportunity, rules.StageName, true},
	} {
		campaign := rules.Campaign{Method: c.method, Field: "Status"}
		object, field := campaign.WatchedField()
		if object != c.object || field != c.field || campaign.NeedsConversion() != c.conversion {
			t.Errorf("%s: got %s.%s, conversion %v, want %s.%s, %v", c.method, object, field, campaign.NeedsConversion(), c.object, c.field, c.conversion)
		}
	}
}
