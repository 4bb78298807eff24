package poll_test

// What goes out of the pass's sight and comes back: a campaign that is out of the config for a while, an object or a field that the Salesforce user
// may not see; and rows that are older than what is known.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// A campaign that was out of the config for an hour counts what happened meanwhile, as if the daemon had been down.
func TestWhatHappenedWhileACampaignWasOutOfTheConfigIsSeen(t *testing.T) {
	other := contactCampaign()
	rating := fieldCampaign()
	rating.ID, rating.Field, rating.Value = 201, "LeadSource", "Partner Referral"
	running(t, []rules.Campaign{fieldCampaign(), other, rating}, func(w *world) {
		all := w.options.Campaigns
		ann, bob := w.Known("Ann", 201), w.Known("Bob", 201)
		a := w.Lead(ann)
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns = all[:2] })
		w.Passes(1)
		w.org.Update("Lead", a, sandbox.Fields{"LeadSource": "Partner Referral"})
		b := w.Lead(bob)
		w.After(time.Hour)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		w.Passes(1)
		w.WantOnly(ann)
		w.WantLinks(bob, b)
	})
}

// Records that existed before were ignored, and are the referrals' by another policy: what happens from then on counts.
func TestAPolicyThatTakesWhatWasIgnoredLooksForIt(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.CreateNew
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		lead := w.Lead(ann, Old())
		w.Passes(1)
		w.WantLinks(ann)
		w.After(time.Hour)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Duplicates = rules.Update })
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// Where the org shows no Contacts, a Lead's change counts all the same when the Lead is converted in the same minute.
func TestAConvertedLeadIsJudgedWhereTheOrgShowsNoContacts(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.Update
	story(t, one(c), func(w *world) {
		w.org.HideObject("Contact")
		w.TryPass()
		w.After(time.Minute)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true, Status: goodValue})
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// What a Lead was converted into stays known when the field that tells it is taken away.
func TestAConversionStaysKnownWhileItsFieldsAreHidden(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		made := w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.WantNot(ann, rules.StageNotReached)
		w.org.HideField("Lead", "ConvertedOpportunityId")
		w.Passes(2)
		w.Stage(made.OpportunityID, "Closed Won")
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// A converted Lead that becomes another referral's takes its Opportunity along, also while the field that tells it is hidden.
func TestAConversionMovesWithItsLeadWhileItsFieldsAreHidden(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(ann)
		w.Passes(1)
		made := w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.org.HideField("Lead", "ConvertedOpportunityId")
		w.Passes(2)
		w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code, "Email": bob.Email})
		w.Passes(2)
		w.WantLinks(ann)
		w.Stage(made.OpportunityID, "Closed Won")
		w.Passes(2)
		w.WantOnly(bob)
	})
}

// One field comes back into sight and another goes, in one describe: what came back is read all the same.
func TestAFieldThatComesBackWhenAnotherGoesIsReadAnew(t *testing.T) {
	source := fieldCampaign()
	source.ID, source.Field, source.Value = 201, "LeadSource", "Partner Referral"
	running(t, []rules.Campaign{fieldCampaign(), source}, func(w *world) {
		ann := w.Known("Ann", 101)
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideField("Lead", "Status")
		w.Passes(2)
		w.Status(lead, goodValue)
		for range 3 {
			w.Passes(1)
			w.After(15 * time.Minute)
		}
		w.org.ShowField("Lead", "Status")
		w.org.HideField("Lead", "LeadSource")
		w.After(15 * time.Minute)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// Somebody was looked up by a first pass that could not describe an object and was killed: the next one looks for them on it.
func TestAnObjectThatAKilledFirstPassCouldNotDescribeIsLookedAt(t *testing.T) {
	c := conversionCampaign()
	c.EffectiveFrom = serviceTimeAtStart().Add(-24 * time.Hour)
	story(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.org.Convert(w.Lead(ann), sandbox.Conversion{NoOpportunity: true})
		w.org.SetFault(always(isDescribeOf("Opportunity"), sandbox.HTML(http.StatusServiceUnavailable)))
		killed, composites := "", 0
		w.before = func(r *http.Request) {
			if isComposite(r) {
				if composites++; composites == 2 { // the first looks people up, the second asks what changed
					killed = w.copyStore()
				}
			}
		}
		w.TryPass()
		w.before = nil
		w.org.SetFault(nil)
		w.path = killed
		w.Restart()
		w.Opportunity(sandbox.Fields{codeField: ann.Code})
		w.After(2 * time.Hour)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A create is refused while a sweep changes the e-mail: the new one has not been looked up yet.
func TestAnEmailThatChangesDuringARefusedCreateIsLookedUp(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
		real := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "real@example.com"})
		w.After(2 * overlap)
		w.Pass()
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "typo@example.com"})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.org.SetFault(once(isCreate, sandbox.Refusal(http.StatusBadRequest, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no")))
		w.after = onFirst(isCreate, func() {
			w.rf.UpdateEmail(ann.ID, "real@example.com")
			if err := w.poller.Sweep(w.ctx); err != nil {
				t.Fatal(err)
			}
		})
		w.Poll()
		w.After(time.Minute)
		w.Passes(2)
		w.WantLinks(ann, real)
	})
}

// A later page shows a record as another's, and the row that was read by its Id in the same call as the first page is older: it moves nothing back.
func TestAnOlderRowMovesNoLinkBack(t *testing.T) {
	formula := fieldCampaign()
	formula.ID, formula.Field, formula.Value = 201, "Ready__c", "true"
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Ready__c", Label: "Ready", Type: "boolean", Formula: func(sandbox.Fields) any { return false }})
		w.rf.AddCampaign(201, "Ready")
		w.Configure(func(o *poll.Options) { o.Campaigns = append(o.Campaigns, formula) })
		w.Passes(1)
		w.org.SetPageSize(200)
		ann, bob, cleo := w.Known("Ann", 101), w.Known("Bob", 101), w.rf.Refer(201, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": cleo.Email, codeField: ann.Code})
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.WantLinks(cleo, lead)
		for i := range 250 {
			w.org.Create("Lead", sandbox.Fields{"LastName": fmt.Sprint("L", i), "Company": "Acme"})
		}
		w.After(time.Minute)
		w.org.Update("Lead", lead, sandbox.Fields{"Company": "Acme Inc"})
		w.before = onFirst(isNextPage, func() {
			w.After(3 * time.Second)
			w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code, "Status": goodValue})
		})
		w.Passes(1)
		if w.before == nil || w.Asked("/query/") == 0 {
			t.Error("there was no second page")
		}
		w.WantOnly(bob)
		w.Passes(2)
		w.WantOnly(bob)
		w.WantLinks(bob, lead)
		w.WantLinks(ann)
	})
}

// An Opportunity that somebody pinned to a referral whose campaign follows no conversions is read by no pass: nobody waits for it.
func TestAPinnedOpportunityThatNoCampaignReadsKeepsNobodyWaiting(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		opportunity := w.Opportunity()
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), opportunity, byHand()) })
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// The rule became another while an Opportunity was still to be read: what the new rule asks for counts without it.
func TestAnOpportunityThatTheNewRuleDoesNotReadKeepsNobodyWaiting(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Fail("FROM Opportunity WHERE Id", "UNKNOWN_EXCEPTION")
		w.org.Convert(lead, sandbox.Conversion{})
		w.TryPass()
		w.Heal()
		w.After(time.Minute)
		w.Configure(func(o *poll.Options) { o.Campaigns[0] = fieldCampaign(); o.Campaigns[0].ID = 103 })
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// Whatever somebody's code and e-mail look like, others are looked up.
func TestOddCodesAndEMailsKeepNobodyElseWaiting(t *testing.T) {
	for name, odd := range map[string]string{
		"quotes": `a'b"c\`, "wildcards": "a%b_c", "a NUL": "a\x00b", "a new line": "a\nb", "a reference": "@{Lead_0.id}", "invalid UTF-8": "a\xff",
		"a thousand": strings.Repeat("x", 1_000), "longer than a query": strings.Repeat("x", 120_000), "longer than a URL": strings.Repeat("x", 17_000), "emoji": "😀", "a colon": ":a", "braces": "{!x}",
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Odd", Email: odd + "@example.com"})
				w.Pass()
				ann := w.Refer("Ann")
				lead := w.Lead(ann)
				w.Pass()
				w.Status(lead, goodValue)
				w.After(time.Minute)
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// A mapping names a field that is not there: who has a record already is judged by it all the same, as where a create is refused.
func TestAMarkThatCannotBeMadeKeepsNobodyWaiting(t *testing.T) {
	c := creating(fieldCampaign(), rules.Update)
	c.Fields = append(c.Fields, rules.Mapping{To: "Nope__c", Fixed: "x"})
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		lead := w.Lead(ann, Old())
		w.TryPass()
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.TryPass()
		w.After(time.Minute)
		w.TryPass()
		w.WantOnly(ann)
	})
}

// An object that goes out of sight is found to be gone by the first pass that asks for it, not when its describe has grown old: it stops nobody whose
// campaign does not depend on it.
func TestAnObjectThatGoesOutOfSightStopsNobodyElse(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.Update
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		a := w.Lead(ann)
		w.Passes(1)
		w.org.HideObject("Contact")
		w.Status(a, goodValue)
		w.org.Convert(a, sandbox.Conversion{NoOpportunity: true, Status: goodValue})
		bob := w.Refer("Bob")
		b := w.Lead(bob)
		w.TryPass()
		w.After(time.Minute)
		w.Status(b, goodValue)
		w.TryPass()
		w.After(time.Minute)
		w.TryPass()
		w.WantOnly(ann, bob)
	})
}

// Opportunities come back into sight: whose Lead was converted meanwhile qualifies within minutes, and not when the describe has grown old.
func TestAnObjectThatComesBackIsReadWithinMinutes(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideObject("Opportunity")
		w.TryPass()
		w.org.Convert(lead, sandbox.Conversion{})
		w.After(time.Minute)
		w.TryPass()
		w.org.ShowObject("Opportunity")
		w.After(10 * time.Minute)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// The permission set is taken from the Salesforce user, and given back: a pass that may read nothing at all finds that out too, also where not even the
// answer of a login told the time.
func TestWhereNothingMayBeReadIsFoundToBeOver(t *testing.T) {
	everything := []string{"Lead", "Contact", "Opportunity"}
	for situation, meanwhile := range map[string]func(*world){
		"the time is known": func(*world) {},
		"a restart, and a login without a Date": func(w *world) {
			w.org.SetFault(always(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }, &sandbox.Fault{NoDate: true}))
			w.Restart()
		},
	} {
		t.Run(situation, func(t *testing.T) {
			running(t, one(conversionCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				for _, object := range everything {
					w.org.HideObject(object)
				}
				w.TryPass()
				meanwhile(w)
				w.org.Convert(lead, sandbox.Conversion{})
				w.After(time.Minute)
				w.TryPass()
				for _, object := range everything {
					w.org.ShowObject(object)
				}
				w.After(10 * time.Minute)
				w.TryPass()
				w.Passes(2)
				w.WantOnly(ann)
			})
		})
	}
}

// An object comes back into sight, and its history with it: what is held for seconds between two polls counts again.
func TestTheHistoryOfAnObjectComesBackWithIt(t *testing.T) {
	running(t, []rules.Campaign{fieldCampaign(), stageCampaign()}, func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann, bob := w.Known("Ann", 101), w.Known("Bob", 104)
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		deal := w.org.Convert(b, sandbox.Conversion{}).OpportunityID
		w.Passes(1)
		w.org.HideObject("Lead")
		w.org.HideObject("Opportunity")
		w.TryPass()
		w.org.ShowObject("Lead")
		w.org.ShowObject("Opportunity")
		w.After(10 * time.Minute)
		w.TryPass()
		w.Passes(2)
		w.Status(a, goodValue)
		w.Stage(deal, "Closed Won")
		w.After(2 * time.Second)
		w.Status(a, "Working - Contacted")
		w.Stage(deal, "Closed Lost")
		w.Passes(1)
		w.WantOnly(ann, bob)
	})
}

// The code field is hidden from the Salesforce user, from the start or later, and then shown: whose record has nothing but the code is found within minutes.
func TestACodeFieldThatComesIntoSightIsReadWithinMinutes(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, []rules.Campaign, func(*world)){"never seen": story, "seen before": running} {
		t.Run(name, func(t *testing.T) {
			begin(t, one(fieldCampaign()), func(w *world) {
				w.org.HideField("Lead", codeField)
				ann := w.Refer("Ann")
				w.TryPass()
				w.After(time.Minute)
				lead := w.Lead(ann, sandbox.Fields{"Email": "else@example.com"})
				w.Passes(2)
				w.org.ShowField("Lead", codeField)
				w.After(10 * time.Minute)
				w.Passes(2)
				w.Status(lead, goodValue)
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// So is an Opportunity that has nothing but the code.
func TestTheCodesOfOpportunitiesThatComeBackAreReadWithinMinutes(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideField("Opportunity", codeField)
		w.Passes(1)
		w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true})
		w.Opportunity(sandbox.Fields{codeField: ann.Code})
		w.Passes(2)
		w.org.ShowField("Opportunity", codeField)
		w.After(10 * time.Minute)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// And what a Lead was converted into, when the field that tells it comes back.
func TestAConversionFieldThatComesBackIsReadWithinMinutes(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideField("Lead", "ConvertedOpportunityId")
		w.Passes(1)
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.WantNot(ann, rules.FieldUnreadable)
		w.org.ShowField("Lead", "ConvertedOpportunityId")
		w.After(10 * time.Minute)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// Nor is a Lead said to be converted without an Opportunity, or not at all, by whoever never could read that. Access that is given is seen within minutes.
func TestAConversionFieldThatNobodyEverSawIsSaid(t *testing.T) {
	for _, field := range []string{"ConvertedOpportunityId", rules.IsConverted} {
		t.Run(field, func(t *testing.T) {
			story(t, []rules.Campaign{conversionCampaign(), stageCampaign()}, func(w *world) {
				w.org.HideField("Lead", field)
				w.Passes(2)
				ann, bob := w.Known("Ann", 103), w.Known("Bob", 104)
				a, b := w.Lead(ann), w.Lead(bob)
				w.Passes(2)
				for _, lead := range []string{a, b} {
					w.org.Convert(lead, sandbox.Conversion{Stage: "Closed Won"})
				}
				w.Passes(2)
				w.WantNot(ann, rules.FieldUnreadable)
				w.WantNot(bob, rules.FieldUnreadable)
				w.org.ShowField("Lead", field)
				w.After(10 * time.Minute)
				w.Passes(2)
				w.WantOnly(ann, bob)
			})
		})
	}
}

// Nor is a Lead said not to be converted while no Opportunity may be read, and what it was converted into therefore neither.
func TestAConversionIntoWhatMayNotBeReadIsNotDenied(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideObject("Opportunity")
		for range 2 { // a describe is asked for after ten minutes, and fails
			w.After(11 * time.Minute)
			mustContain(t, "a pass without Opportunities", w.TryPass(), "Opportunity")
		}
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.WantNot(ann, rules.FieldUnreadable)
		w.org.ShowObject("Opportunity")
		w.After(10 * time.Minute)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// Nor is the stage said to be misspelt then.
func TestAStageOfWhatMayNotBeReadIsNotTakenForMisspelt(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Lead(ann)
		w.Passes(1)
		w.org.HideObject("Opportunity")
		for range 2 { // a describe is asked for after ten minutes, and fails
			w.After(11 * time.Minute)
			mustContain(t, "a pass without Opportunities", w.TryPass(), "Opportunity")
		}
		w.WantNot(ann, rules.FieldUnreadable)
		if got := w.Referral(ann).Verdict.Sentence; !strings.Contains(got, "may not read Opportunities") {
			t.Errorf("got %q, want it said that no Opportunity may be read", got)
		}
	})
}

// Leads come back into sight of a campaign that watches Contacts: what one with the code was converted into is found within minutes.
func TestLeadsThatComeBackLeadToTheirContactsWithinMinutes(t *testing.T) {
	c := contactCampaign()
	c.Duplicates = rules.Update
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideObject("Lead")
		w.TryPass()
		contact := w.org.Convert(lead, sandbox.Conversion{}).ContactID
		w.org.Update("Contact", contact, sandbox.Fields{"Email": "else@example.com", codeField: ""})
		w.After(time.Minute)
		w.TryPass()
		w.org.ShowObject("Lead")
		w.After(10 * time.Minute)
		w.Passes(2)
		w.org.Update("Contact", contact, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// One answer tells a time that is somewhat ahead of the true one, a Lead is linked in it and changes right after.
func TestAnAnswerFromSomewhatInTheFutureHidesNoChange(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Minute, 14 * time.Minute, 16 * time.Minute, 25 * time.Minute, 40 * time.Minute, 59 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann, bob := w.Known("Ann"), w.Known("Bob")
				a := w.Lead(ann)
				w.Passes(1)
				w.ahead = ahead
				b := w.Lead(bob)
				w.Passes(1)
				w.ahead = 0
				w.Status(a, goodValue)
				w.Status(b, goodValue)
				for range 30 {
					w.Passes(1)
					w.After(time.Minute)
				}
				w.WantOnly(ann, bob)
			})
		})
	}
}

// One answer tells a time a year ago, and a Lead is linked in it, or is seen at another value. It changes right after, and no history tells when.
func TestALookFromThePastHidesNoChange(t *testing.T) {
	for name, linked := range map[string]bool{"the Lead is linked in it": false, "the Lead was linked before": true} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				if linked {
					w.Passes(1)
					w.Status(lead, "Working - Contacted")
				}
				w.ahead = -365 * 24 * time.Hour
				w.TryPass()
				w.ahead = 0
				w.After(time.Minute)
				w.Status(lead, goodValue)
				w.After(time.Minute)
				w.Passes(2)
				w.WantOnly(ann)
			})
		})
	}
}

// A describe that was answered with a time far in the future grows old all the same: what was added in Setup for a parked campaign is found.
func TestADescribeFromTheFutureGrowsOld(t *testing.T) {
	c := fieldCampaign()
	c.Value = "Signed"
	story(t, one(c), func(w *world) {
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.WantNot(ann, rules.ValueUnknown)
		w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Signed"})
		w.After(15 * time.Minute)
		w.Passes(2)
		w.Status(lead, "Signed")
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A history that was found to be gone by an answer from the future is asked for again before that.
func TestAHistoryThatWasGoneInTheFutureIsAskedForAgain(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.ahead = 365 * 24 * time.Hour
		w.Fail("FROM LeadHistory", "INVALID_TYPE")
		w.TryPass()
		w.Heal()
		w.ahead = 0
		w.After(25 * time.Hour)
		w.Passes(1)
		w.Asked("")
		w.Passes(1)
		if got := w.Asked("FROM LeadHistory"); got != 1 {
			t.Errorf("got %d queries for LeadHistory, want one", got)
		}
	})
}

// In the pass in which a rule changes the first answer tells a time some seconds ahead. The look of that pass seems to be before the rule counts; the next
// pass looks again, so that the change after it is dated.
func TestARuleThatChangesWhileAnAnswerIsSecondsAheadHasABaseline(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Rating", false)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.After(25 * time.Hour)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Field, o.Campaigns[0].Value = "Rating", "Hot" })
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			w.ahead = 0
			if strings.Contains(r.URL.Path, "/describe") {
				w.ahead = 5 * time.Second
			}
			return nil
		})
		w.Passes(1)
		w.org.SetFault(nil)
		w.ahead = 0
		w.After(time.Minute)
		w.Passes(2)
		w.org.Update("Lead", lead, sandbox.Fields{"Rating": "Hot"})
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// A pass whose answers told a time far in the future puts the passes after it off no longer than any other, when calls have to last.
func TestAPassFromTheFuturePutsNoOtherOff(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.After(26 * time.Hour)
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Calls: 7} })
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.Restart()
		w.After(2 * time.Hour)
		if err := w.TryPass(); errors.Is(err, poll.ErrStretched) {
			t.Errorf("two hours later: got %v, want a pass", err)
		}
	})
}

// Calls that were counted at a time a year ahead use up no day's share until then.
func TestCallsFromTheFutureAreNotOfToday(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.ahead = 365 * 24 * time.Hour
		for range 20 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.ahead = 0
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Calls: 20} })
		w.After(26 * time.Hour)
		w.Pass()
	})
}

// A create whose answer was lost in a pass that was told a time a year ahead is settled within minutes: till then nobody would be created nor judged.
func TestALostCreateFromTheFutureIsSettledSoon(t *testing.T) {
	for name, fault := range map[string]*sandbox.Fault{"carried out": {Lost: true}, "not carried out": {Refused: true}} {
		t.Run(name, func(t *testing.T) {
			running(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
				ann := w.Refer("Ann")
				w.org.SetFault(once(isCreate, fault))
				w.ahead = 365 * 24 * time.Hour
				mustContain(t, "a create of unknown outcome", w.TryPass(), poll.ErrOpen.Error())
				w.ahead = 0
				for range 5 {
					w.After(time.Minute)
					w.TryPass() // ErrOpen, until the request can have no effect any more
				}
				w.WantRecords("Lead", 1)
				lead := w.leadOf(ann)
				w.WantLinks(ann, lead)
				w.Status(lead, goodValue)
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// What we wrote in a pass that was told a time a year ahead is our own doing as well, whenever a history row or a look says that it came.
func TestWhatWeWroteInTheFutureQualifiesNobody(t *testing.T) {
	for _, tracked := range []bool{true, false} {
		for _, marked := range []bool{true, false} {
			for _, away := range []bool{true, false} {
				t.Run(fmt.Sprint("tracked ", tracked, ", marked ", marked, ", away ", away), func(t *testing.T) {
					all := markingAndWatching()
					running(t, all, func(w *world) {
						w.org.Track("Lead", "LeadSource", tracked)
						ann := w.Known("Ann", 201)
						if marked {
							w.Lead(ann, sandbox.Fields{codeField: ""})
							w.After(26 * time.Hour)
							w.Passes(1)
						}
						if away {
							w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
						}
						w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
						w.ahead = 365 * 24 * time.Hour
						w.TryPass()
						w.ahead = 0
						w.After(time.Minute)
						w.Passes(2)
						lead := w.org.IDs("Lead")[0]
						w.org.Update("Lead", lead, sandbox.Fields{"Company": "Acme Inc"})
						w.Passes(1)
						w.Configure(func(o *poll.Options) { o.Campaigns = all })
						w.Passes(2)
						if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
							t.Fatalf("source of the Lead that we wrote: got %v, want Partner Referral", got)
						}
						w.WantLinks(ann, lead)
						w.WantOnly()
						w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Web"})
						w.Passes(1)
						w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"})
						w.Passes(1)
						w.WantOnly(ann)
					})
				})
			}
		}
	}
}

// A link that was made by an answer from the future is taken to be as old as the first look after it: what two looks see from then on counts.
func TestALinkFromTheFutureDoesNotBlindTheLooksAfterIt(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.Update
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann, Old())
		w.ahead = 365 * 24 * time.Hour
		w.org.Touch("Lead", lead)
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		w.Status(lead, "Working - Contacted")
		w.Passes(2)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// While the code field is hidden, a Lead with one's code and another's e-mail is made and qualified: it is the one's whose code it has, and not the other's.
func TestALeadThatIsMadeWhileCodesAreHiddenIsNotLinkedByItsEMail(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		w.Passes(1)
		w.org.HideField("Lead", codeField)
		lead := w.Lead(bob, sandbox.Fields{codeField: ann.Code})
		w.Passes(1)
		w.customer("carl@example.com")
		carl := w.rf.Refer(101, sandbox.NewUser{FirstName: "Carl", Email: "carl@example.com"})
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantNot(carl, rules.ExistingRecord) // who was there before is found all the same
		w.WantOnly()
		w.Restart()
		w.Passes(1)
		w.WantOnly()
		w.org.ShowField("Lead", codeField)
		w.After(25 * time.Hour)
		w.Passes(2)
		w.WantOnly(ann)
		w.WantLinks(bob)
	})
}

// While the code field is hidden, no Lead that has somebody's e-mail is marked for them: it may have another's code.
func TestNoLeadIsMarkedWhileCodesAreHidden(t *testing.T) {
	c := creating(fieldCampaign(), rules.Update)
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		w.Passes(1)
		w.org.HideField("Lead", codeField)
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Bob", "Company": "Acme", "Email": "bob@example.com", codeField: ann.Code})
		w.After(25 * time.Hour) // the describe is asked anew
		w.Passes(1)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"})
		w.Passes(2)
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantOnly()
		w.org.ShowField("Lead", codeField)
		w.After(25 * time.Hour)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// A code field that the object never had keeps nobody from being known by the e-mail.
func TestWithoutACodeFieldLeadsAreLinkedByTheirEMail(t *testing.T) {
	c := fieldCampaign()
	c.CodeField = "Voucher__c"
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		w.Passes(1)
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// Opportunities come into sight in the last pass before days at rest, so that the first pass after them has a query that there was not before. Killed before it has
// made a call, it leaves a store that is whole: that Salesforce was asked by then is known with the query's watermark.
func TestAPassThatIsKilledAfterDaysAtRestLeavesTheStoreWhole(t *testing.T) {
	c := fieldCampaign()
	c.Method, c.Field, c.Value = rules.LeadConverts, "", ""
	story(t, one(c), func(w *world) {
		w.org.HideObject("Opportunity")
		w.TryPass()
		w.org.ShowObject("Opportunity")
		w.After(11 * time.Minute)
		w.TryPass()
		w.After(72 * time.Hour)
		checked := false
		w.before = onFirst(isComposite, func() {
			checked = true
			if got := w.Watermark("Opportunity").At; got.IsZero() {
				t.Error("Opportunities are not asked for yet")
			}
			if report, err := store.CheckFile(w.Backup(), nil); err != nil || report.Err() != nil {
				t.Errorf("the store as the first query goes out: got %v, %v, want it whole", err, report.Err())
			}
		})
		w.TryPass()
		if !checked {
			t.Error("no query went out")
		}
	})
}
