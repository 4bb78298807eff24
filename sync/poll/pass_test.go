package poll_test

import (
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

func TestOneOfEachMethodQualifies(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		ann, bob, cleo, dev, eve := w.Known("Ann", 101), w.Known("Bob", 102), w.Known("Cleo", 103), w.Known("Dev", 104), w.Known("Eve", 105)
		a, b, c, d := w.Lead(ann), w.Contact(bob), w.Lead(cleo), w.Lead(dev)
		w.Lead(eve, sandbox.Fields{"Status": goodValue})
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.WantNot(bob, rules.ValueNotReached)
		w.WantNot(cleo, rules.NotConverted)
		w.WantNot(dev, rules.NotConverted)
		w.WantNot(eve, rules.NoRule)

		w.Status(a, goodValue)
		w.org.Update("Contact", b, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.org.Convert(c, sandbox.Conversion{})
		deal := w.org.Convert(d, sandbox.Conversion{}).OpportunityID
		w.Passes(1)
		w.WantQualified(ann, bob, cleo)
		w.WantNot(dev, rules.StageNotReached)

		w.Stage(deal, "Closed Won")
		w.Passes(3)
		w.WantQualified(ann, bob, cleo, dev)
		w.WantOnly(ann, bob, cleo, dev)
	})
}

// Whoever wants any conversion to count, with an Opportunity or without one, watches IsConverted like a field. Its history has no rows under that name.
func TestIsConvertedIsAFieldLikeOthers(t *testing.T) {
	for _, field := range []string{"IsConverted", "isconverted"} {
		t.Run(field, func(t *testing.T) {
			c := fieldCampaign()
			c.Field, c.Value = field, "true"
			running(t, one(c), func(w *world) {
				ann, bob := w.Known("Ann"), w.Known("Bob")
				a, b := w.Lead(ann), w.Lead(bob)
				w.Passes(1)
				w.WantNot(ann, rules.ValueNotReached)
				w.org.Convert(a, sandbox.Conversion{NoOpportunity: true})
				w.Status(b, goodValue)
				w.Passes(2)
				w.WantOnly(ann)
				w.WantNot(bob, rules.ValueNotReached)
			})
		})
	}
}

func TestIdlePassIsOneCall(t *testing.T) {
	for _, c := range []rules.Campaign{fieldCampaign(), contactCampaign(), conversionCampaign(), stageCampaign()} {
		t.Run(string(c.Method), func(t *testing.T) {
			running(t, one(c), func(w *world) {
				w.Lead(w.Known("Ann"))
				w.Passes(2)
				w.Calls()
				w.Poll()
				if got := w.Calls(); got != 1 {
					t.Errorf("an idle pass: got %d calls, want one", got)
				}
				w.After(time.Minute)
			})
		})
	}
}

func TestIdlePassWithSixQueriesIsTwoCalls(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		w.Calls()
		w.Poll()
		if got := w.Calls(); got != 2 {
			t.Errorf("an idle pass over all methods: got %d calls, want two", got)
		}
	})
}

func TestBusyPassAddsOneCall(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		lead := w.Lead(w.Known("Ann"))
		deal := ""
		for _, busy := range []struct {
			name string
			do   func()
		}{
			{"a record to be linked", func() {}},
			{"a change", func() { w.Status(lead, goodValue) }},
			{"a conversion", func() { deal = w.org.Convert(lead, sandbox.Conversion{}).OpportunityID }},
			{"a stage", func() { w.Stage(deal, "Qualification") }},
		} {
			busy.do()
			w.Calls()
			w.Poll()
			if got := w.Calls(); got > 2 {
				t.Errorf("a pass with %s: got %d calls, want two at most", busy.name, got)
			}
			w.After(time.Minute)
		}
	})
}

func TestChangedRuleNeverFiresForThePast(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Status(a, "Working - Contacted")
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" })
		w.Passes(3)
		w.WantNot(ann, rules.ValuePredates)
		w.Status(b, "Working - Contacted")
		w.Passes(2)
		w.WantOnly(bob)
	})
}

// A rule that is changed before the campaign's effective_from has come does not begin earlier than that.
func TestAChangedRuleWaitsForAnEffectiveFromThatIsToCome(t *testing.T) {
	c := fieldCampaign()
	c.EffectiveFrom = serviceTimeAtStart().Add(12 * time.Hour)
	running(t, one(c), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" })
		w.Passes(1)
		w.Status(a, "Working - Contacted")
		w.Passes(1)
		w.WantNot(ann, rules.ValuePredates)
		w.After(12 * time.Hour)
		w.Passes(1)
		w.Status(b, "Working - Contacted")
		w.Passes(1)
		w.WantOnly(bob)
	})
}

// Another zone for the account is no other effective_from: where that is a day, its start moves with the zone, and a rule that was changed since, or is
// changed with the zone, fires for the past as little as ever.
func TestAnotherZoneGivesAChangedRuleNoPast(t *testing.T) {
	day := serviceTimeAtStart().AddDate(0, 0, -3)
	c := fieldCampaign()
	c.EffectiveFrom, c.EffectiveDay = day, day.Format(time.DateOnly)
	other := func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" }
	east := func(o *poll.Options) { o.Campaigns[0].EffectiveFrom = day.Add(-time.Hour) }
	for name, changes := range map[string][]func(*poll.Options){
		"after the rule":  {other, east},
		"with the rule":   {func(o *poll.Options) { other(o); east(o) }},
		"before the rule": {east, other},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(c), func(w *world) {
				w.org.Track("Lead", "Status", true)
				ann, bob := w.Known("Ann"), w.Known("Bob")
				a, b := w.Lead(ann), w.Lead(bob)
				w.Passes(1)
				w.Status(a, "Working - Contacted")
				w.Passes(1)
				for _, change := range changes {
					w.Configure(change)
					w.Passes(2)
				}
				w.WantNot(ann, rules.ValuePredates)
				w.Status(b, "Working - Contacted")
				w.Passes(2)
				w.WantOnly(bob)
			})
		})
	}
}

// Where the rule is what it was, the campaign's day begins as it does in the account's zone.
func TestACampaignsDayBeginsInTheAccountsZone(t *testing.T) {
	day := serviceTimeAtStart().Add(6 * time.Hour)
	c := fieldCampaign()
	c.EffectiveFrom, c.EffectiveDay = day, day.Format(time.DateOnly)
	running(t, one(c), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.After(90 * time.Minute)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantNot(ann, rules.ValuePredates)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].EffectiveFrom = day.Add(-4 * time.Hour) })
		w.Passes(2)
		w.WantOnly(ann)
	})
}

func TestAnEffectiveFromOfThePastReachesBack(t *testing.T) {
	c := fieldCampaign()
	c.EffectiveFrom = serviceTimeAtStart().Add(-time.Hour)
	story(t, one(c), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann := w.Refer("Ann")
		lead := w.Lead(ann)
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestOneFailingQueryLeavesTheOthersAlone(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		ann, bob := w.Known("Ann", 101), w.Known("Bob", 102)
		a, b := w.Lead(ann), w.Contact(bob)
		w.Passes(1)
		stuck, moving := w.Watermark("Lead"), w.Watermark("Contact")

		w.Fail(" FROM Lead ", "QUERY_TIMEOUT")
		w.Status(a, goodValue)
		w.org.Update("Contact", b, sandbox.Fields{"LeadSource": "Partner Referral"})
		for range 5 {
			w.After(10 * time.Minute)
			mustContain(t, "a pass with a failing query", w.TryPass(), "QUERY_TIMEOUT")
		}
		w.WantQualified(bob)
		w.WantNot(ann, rules.ValueNotReached)
		if got := w.Watermark("Lead"); got != stuck {
			t.Errorf("watermark of the failing query: got %v, want %v still", got.At, stuck.At)
		}
		if got := w.Watermark("Contact"); !got.At.After(moving.At) {
			t.Errorf("watermark of the other query: got %v, want later than %v", got.At, moving.At)
		}

		w.Heal()
		w.Passes(1)
		w.WantOnly(ann, bob)
	})
}

func TestAFailingHistoryDoesNotKeepTheRecordsFromBeingRead(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		deal := w.org.Convert(w.Lead(ann), sandbox.Conversion{}).OpportunityID
		w.Passes(2)
		stuck := w.Watermark("OpportunityHistory")
		w.Fail(" FROM OpportunityHistory ", "QUERY_TIMEOUT")
		w.Stage(deal, "Closed Won")
		w.After(time.Hour)
		mustContain(t, "a pass with a failing history", w.TryPass(), "OpportunityHistory")
		if got := w.Watermark("OpportunityHistory"); got != stuck {
			t.Errorf("watermark of the failing history: got %v, want %v still", got.At, stuck.At)
		}
		w.Heal()
		w.Passes(2)
		w.WantQualified(ann)
	})
}

func TestAFirstPassThatFailsInPartIsNoBaseline(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		ann := w.Refer("Ann")
		lead := w.Lead(ann)
		w.Fail(" FROM Lead ", "QUERY_TIMEOUT")
		w.TryPass()
		w.WantNot(ann, rules.NoRecord) // nobody knows yet whether there is one
		w.After(time.Hour)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Heal()
		w.Passes(2)
		w.WantNot(ann, rules.ValuePredates)
		w.WantOnly()
	})
}

// crowd makes Leads of people that nobody referred.
func (w *world) crowd(n int) {
	for range n {
		w.org.Create("Lead", sandbox.Fields{"LastName": "Crowd", "Company": "Many", "Email": "crowd@example.org"})
	}
}

func TestAVeryLongAnswerIsLeftAlone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob, cleo := w.Known("Ann"), w.Known("Bob"), w.Known("Cleo")
		a, c := w.Lead(ann), w.Lead(cleo)
		w.Passes(1)
		w.org.SetPageSize(200) // as wide rows have it: what decides is how many rows there are
		w.crowd(12_001)
		w.Status(a, goodValue)
		w.Lead(bob, sandbox.Fields{"Status": goodValue})
		w.After(time.Minute)
		for range 3 {
			w.Calls()
			w.Pass()
			if got := w.Calls(); got > 3 {
				t.Errorf("a pass over 12,000 changed Leads: got %d calls, want three: to poll, to search and to read by Id", got)
			}
			if got := w.Asked("FROM Contact WHERE " + codeField); got != 0 {
				t.Errorf("a pass over 12,000 changed Leads: got %d searches of Contacts, want none for Leads' sake", got)
			}
			w.After(time.Minute)
		}
		w.WantOnly(ann, bob)
		w.After(overlap)
		w.Status(c, goodValue)
		w.Passes(1)
		w.WantOnly(ann, bob, cleo)
	})
}

func TestReconcileFindsWhatNoDeltaShows(t *testing.T) {
	for name, appear := range map[string]func(w *world, u sandbox.User) (lead string, appears func()){
		"a record that committed hours late": func(w *world, u sandbox.User) (string, func()) {
			tx := w.org.Begin()
			lead := tx.Create("Lead", sandbox.Fields{"LastName": "Late", "Company": "Late", "Email": u.Email, codeField: u.Code})
			return lead, tx.Commit
		},
		"a record that was shared later": func(w *world, u sandbox.User) (string, func()) {
			lead := w.Lead(u)
			w.org.HideRecord("Lead", lead)
			return lead, func() { w.org.ShowRecord("Lead", lead) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead, appears := appear(w, ann)
				w.Passes(1)
				w.After(3 * time.Hour)
				w.Passes(1)
				appears()
				w.Passes(2)
				w.WantNot(ann, rules.NoRecord)
				w.After(20 * time.Hour)
				w.Passes(2)
				w.WantLinks(ann, lead)
				w.Status(lead, goodValue)
				w.Passes(1)
				w.WantQualified(ann)
			})
		})
	}
}

func TestReconcileSeesAChangeThatCommittedHoursLate(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		tx := w.org.Begin()
		tx.Update("Lead", lead, sandbox.Fields{"Status": goodValue})
		w.After(2 * time.Hour)
		w.Passes(1)
		tx.Commit()
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.After(24 * time.Hour)
		w.Passes(1)
		w.WantQualified(ann)
	})
}
