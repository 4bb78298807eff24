package poll_test

// What an auditor of this code broke it with: parts of a pass that go unanswered, or are answered wrongly. Each test says which danger it holds. What
// changes while a pass is under way, or between two, is in meanwhile_test.go.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// customer is a Contact that was there ten days ago.
func (w *world) customer(email string) string {
	return w.org.Create("Contact", with(sandbox.Fields{"LastName": "Customer", "Email": email}, []sandbox.Fields{Old()}))
}

// The fraud guard: whether somebody was a customer before is not known while the look-up fails, and nobody is judged on half an answer.
func TestWhoCouldNotBeLookedUpIsNotJudged(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.customer("ann@example.com")
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Lead(ann, sandbox.Fields{"Status": goodValue})
		w.Fail("FROM Contact WHERE (Email IN", "UNKNOWN_EXCEPTION")
		w.Fail("FROM Contact WHERE Email IN", "UNKNOWN_EXCEPTION")
		mustContain(t, "a pass whose look-up fails", w.TryPass(), "look-up of Contacts by Email")
		w.WantNot(ann, rules.NoRecord)
		w.Heal()
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// A look-up that was not answered at all has not shown that there is nobody: no record is made a second time.
func TestNobodyIsCreatedOnALookUpThatWasNotAnswered(t *testing.T) {
	looksUp := func(r *http.Request) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(queriesIn(r))), func(soql string) bool { return strings.Contains(soql, "Email IN") })
	}
	for name, fails := range map[string]func(w *world){
		"the call fails":         func(w *world) { w.org.SetFault(always(looksUp, sandbox.HTML(http.StatusServiceUnavailable))) },
		"it may not read Leads":  func(w *world) { w.Fail(" FROM Lead WHERE (Email IN", "INSUFFICIENT_ACCESS") },
		"no calls are left then": func(w *world) { w.Fail(" FROM Lead WHERE (Email IN", "REQUEST_LIMIT_EXCEEDED") },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
				ann := w.Refer("Ann")
				lead := w.Lead(ann)
				fails(w)
				if err := w.TryPass(); err == nil {
					t.Error("a pass whose look-up fails: got no error")
				}
				w.WantRecords("Lead", 1)
				w.Heal()
				w.org.SetFault(nil)
				w.After(time.Minute)
				w.Passes(1)
				w.WantRecords("Lead", 1)
				w.WantLinks(ann, lead)
			})
		})
	}
}

// "None stops the other objects and campaigns": a campaign whose code field cannot be asked for waits alone.
func TestACodeFieldThatCannotBeFilteredOnStopsNoOtherCampaign(t *testing.T) {
	running(t, []rules.Campaign{fieldCampaign(), contactCampaign()}, func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Notes__c", Label: "Notes", Type: "textarea", Length: 32000, NoFilter: true})
		w.Configure(func(o *poll.Options) { o.Campaigns[0].CodeField = "Notes__c" })
		w.Refer("Ann", 101)
		bob, cleo := w.Refer("Bob", 102), w.Refer("Cleo", 102)
		contact := w.Contact(bob)
		w.customer(cleo.Email)
		mustContain(t, "a pass that cannot look codes up", w.TryPass(), "look-up of Leads by Notes__c")
		w.WantLinks(bob, contact)
		w.WantNot(cleo, rules.ExistingRecord)
		w.After(time.Minute)
		w.org.Update("Contact", contact, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.TryPass()
		w.WantOnly(bob)
	})
}

// One look-up asks by e-mail and code at once. Where it fails for its code field, a campaign that has none goes on.
func TestALookUpThatFailsForItsCodeFieldStopsNoCampaignWithoutOne(t *testing.T) {
	byEmail := conversionCampaign()
	byEmail.CodeField = ""
	for name, fails := range map[string]func(w *world){
		"it cannot be filtered on": func(w *world) {
			w.org.AddField("Lead", sandbox.FieldDef{Name: "Notes__c", Label: "Notes", Type: "textarea", Length: 32000, NoFilter: true})
		},
		"Salesforce stumbles over it": func(w *world) {
			w.org.AddField("Lead", sandbox.FieldDef{Name: "Notes__c", Label: "Notes", Type: "string", Length: 40})
			w.Fail("Notes__c IN (", "UNKNOWN_EXCEPTION")
		},
		"it takes too long": func(w *world) {
			w.org.AddField("Lead", sandbox.FieldDef{Name: "Notes__c", Label: "Notes", Type: "string", Length: 40})
			w.Fail("Notes__c IN (", "QUERY_TIMEOUT")
		},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, []rules.Campaign{fieldCampaign(), byEmail}, func(w *world) {
				fails(w)
				w.Configure(func(o *poll.Options) { o.Campaigns[0].CodeField = "Notes__c" })
				ann, bob := w.Refer("Ann", 101), w.Refer("Bob", 103)
				w.Lead(ann)
				lead := w.Lead(bob)
				mustContain(t, "a pass that cannot look codes up", w.TryPass(), "look-up of Leads by Notes__c")
				w.WantLinks(bob, lead)
				w.WantNot(bob, rules.NotConverted)
				if sentence := w.Referral(ann).Verdict.Sentence; sentence != "it has not been looked up in Salesforce yet" {
					t.Errorf("Ann, of the campaign with the code field: got %q, want her not to be judged", sentence)
				}
			})
		})
	}
}

// What takes Salesforce too long by e-mail and code at once is asked by one at a time, and nothing was wrong.
func TestALookUpThatTakesTooLongFallsApart(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Refer("Ann"), w.Refer("Bob")
		a, b := w.Lead(ann, sandbox.Fields{codeField: nil}), w.Lead(bob, sandbox.Fields{"Email": "work@example.com"})
		w.Fail(" FROM Lead WHERE (Email IN", "QUERY_TIMEOUT")
		w.Passes(1)
		w.WantLinks(ann, a)
		w.WantLinks(bob, b)
	})
}

// One answer that says INVALID_TYPE, as while a package is installed, does not make Leads gone for a day: they would be neither polled nor looked up,
// and records would be made twice.
func TestAnObjectIsNotGoneBecauseOneAnswerSaysSo(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Known("Ann")
		w.Passes(1)
		w.Fail(" FROM Lead WHERE SystemModstamp", "INVALID_TYPE")
		mustContain(t, "a pass without Leads", w.TryPass(), "INVALID_TYPE")
		w.Heal()
		w.Status(w.leadOf(ann), goodValue)
		w.org.Create("Lead", with(sandbox.Fields{"LastName": "Bob", "Company": "Acme", "Email": "bob@example.com"}, []sandbox.Fields{Old()}))
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"})
		w.After(time.Minute)
		w.Passes(2)
		w.WantQualified(ann)
		w.WantNot(bob, rules.ExistingRecord)
		w.WantRecords("Lead", 2)
	})
}

// The fraud guard looks for customers on Leads and Contacts both: while it does not know what a Contact has, nobody joins, and none is created.
func TestNobodyJoinsBeforeEveryObjectIsDescribed(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.customer("ann@example.com")
		w.customer("bob@example.com")
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.org.SetFault(always(isDescribeOf("Contact"), sandbox.HTML(http.StatusServiceUnavailable)))
		mustContain(t, "a first pass without a describe", w.TryPass(), "describe Contact")
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"}) // after the first sweep: somebody to create a Lead for
		w.After(time.Minute)
		mustContain(t, "another", w.TryPass(), "describe Contact")
		w.WantRecords("Lead", 0)

		w.org.SetFault(nil)
		w.After(time.Hour)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.WantNot(bob, rules.ExistingRecord)
		w.WantRecords("Lead", 0)
	})
}

// A hidden field is missing, not empty: that no Contact has the e-mail cannot be known while Contact.Email is hidden.
func TestNobodyJoinsWhileEmailsAreHidden(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.customer("ann@example.com")
		w.org.HideField("Contact", "Email")
		w.After(25 * time.Hour) // the describe is asked anew
		w.Passes(1)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.WantRecords("Lead", 0)
		w.WantNot(ann, rules.FieldUnreadable)

		w.org.ShowField("Contact", "Email")
		w.After(15 * time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 0)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// "do_nothing holds at every link": a Lead that was converted into a customer's Contact qualifies nobody, also when that Contact cannot be read in the
// pass that sees the conversion.
func TestAConversionIsNotJudgedBeforeItsContactIsRead(t *testing.T) {
	for name, c := range map[string]rules.Campaign{"lead_converts": conversionCampaign(), "lead_converts_to_stage": stageCampaign()} {
		t.Run(name, func(t *testing.T) {
			running(t, one(c), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				w.org.Convert(lead, sandbox.Conversion{ContactID: w.customer("customer@example.com"), Stage: "Closed Won"})
				w.Fail(" FROM Contact WHERE Id IN", "UNKNOWN_EXCEPTION")
				mustContain(t, "a pass that cannot read Contacts", w.TryPass(), "Contact by Id")
				w.WantOnly()
				w.Heal()
				w.After(time.Minute)
				w.Passes(2)
				w.WantNot(ann, rules.ExistingRecord)
			})
		})
	}
}

// mergedLeads are the Leads of Ann and Bob made one, by a merge that leaves nobody's code or e-mail, and at the value of the rule. Ann's survives, or,
// where that is wanted, Bob's.
func (w *world) mergedLeads(survivor string) (ann, bob sandbox.User) {
	ann, bob = w.Known("Ann"), w.Known("Bob")
	into, from := w.Lead(ann), w.Lead(bob)
	if survivor == "Bob" {
		into, from = from, into
	}
	w.Passes(1)
	w.org.Merge("Lead", into, from)
	w.org.Update("Lead", into, sandbox.Fields{codeField: "", "Email": "third@example.com", "Status": goodValue})
	return ann, bob
}

// "Two records merged into one, and no code on it decides: neither qualifies by it", also when the survivor cannot be read in the pass that sees the
// merge.
func TestAMergeIsNotJudgedBeforeItsSurvivorIsRead(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.mergedLeads("Ann")
		w.Fail(" FROM Lead WHERE Id IN", "UNKNOWN_EXCEPTION")
		mustContain(t, "a pass that cannot read Leads", w.TryPass(), "Lead by Id")
		w.WantOnly()
		w.Heal()
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.Ambiguous)
		w.WantNot(bob, rules.Ambiguous)
	})
}

// A reconciliation reads both Leads of a merge together. That the one is gone has the other read anew, whichever of them came first: were it done with
// because it was in the same answer, its link would be lost.
func TestBothLeadsOfAMergeInOneAnswer(t *testing.T) {
	for _, survivor := range []string{"Ann", "Bob"} {
		t.Run(survivor+"'s survives", func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann, bob := w.mergedLeads(survivor)
				w.Fail(" FROM Lead WHERE SystemModstamp", "UNKNOWN_EXCEPTION")
				w.After(25 * time.Hour)
				mustContain(t, "a pass that only reads by Id", w.TryPass(), "poll Lead")
				w.Heal()
				w.After(time.Minute)
				w.Passes(2)
				w.WantNot(ann, rules.Ambiguous)
				w.WantNot(bob, rules.Ambiguous)
			})
		})
	}
}

// "None stops the other objects and campaigns": one object that the user may not read is no refused session.
func TestOneObjectThatMayNotBeReadStopsNoOther(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		ann := w.Known("Ann", 101)
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Fail(" FROM OpportunityHistory ", "INSUFFICIENT_ACCESS")
		mustContain(t, "a pass without stages", w.TryPass(), "INSUFFICIENT_ACCESS")
		w.WantQualified(ann)
	})
}

// A referrer who left Referral Factory has no values any more; the referral joins all the same.
func TestARecordIsCreatedThoughTheReferrerIsGone(t *testing.T) {
	c := creating(fieldCampaign(), rules.DoNothing)
	c.Fields = append(c.Fields, rules.Mapping{To: "Description", Dynamic: "referrer.first_name"})
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.rf.Remove(ann.ReferrerID)
		w.Passes(1)
		if got := w.org.Get("Lead", w.leadOf(ann))["Description"]; got != nil && got != "" {
			t.Errorf("Description: got %q, want it empty", got)
		}
	})
}

// A look-up is as old as its beginning: what it has not shown may have been made before its last answer came.
func TestALookUpThatTakesItsTimeDoesNotProveThatNothingWasMade(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(once(isCreate, &sandbox.Fault{Status: http.StatusServiceUnavailable, Body: "[]", Delay: time.Second}))
		mustContain(t, "a create without an answer", w.TryPass(), poll.ErrOpen.Error())
		w.After(100 * time.Second)
		w.org.SetFault(once(isComposite, &sandbox.Fault{Delay: 30 * time.Second}))
		time.AfterFunc(10*time.Second, func() {
			w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Referred", "Email": ann.Email, codeField: ann.Code})
		})
		mustContain(t, "a pass whose look-up takes its time", w.TryPass(), poll.ErrOpen.Error())
		w.Passes(2)
		w.WantRecords("Lead", 1)
	})
}

// The two minutes in which a create is not sent again begin when it was sent, however long before that Salesforce last said what time it is.
func TestACreateThatWasSentLateInAPassIsNotSentAgainTooSoon(t *testing.T) {
	c := creating(fieldCampaign(), rules.DoNothing)
	c.Fields = append(c.Fields, rules.Mapping{To: "Description", Dynamic: "referrer.first_name"})
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		ctx, kill := context.WithCancel(w.ctx)
		w.ctx = ctx
		var killed string
		w.rf.SetFault(once(func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, fmt.Sprintf("/users/%d", ann.ReferrerID))
		}, &sandbox.Fault{Delay: 25 * time.Second}))
		w.org.SetFault(once(isCreate, &sandbox.Fault{Refused: true}))
		w.after = onFirst(isCreate, func() {
			killed = w.copyStore()
			kill()
		})
		w.TryPass()
		w.ctx, w.path = context.Background(), killed
		w.Restart()
		w.After(100 * time.Second)
		mustContain(t, "a pass before the two minutes are over", w.TryPass(), poll.ErrOpen.Error())
		w.After(25 * time.Second)
		w.Passes(1)
		w.WantRecords("Lead", 1)
	})
}

// A record that cannot be made for one referral does not keep the others of a new campaign waiting: Salesforce was read for them.
func TestACreateThatAlwaysFailsKeepsNobodyElseWaiting(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Refer("Ann")
		lead := w.Lead(ann)
		w.org.SetFault(always(isComposite, sandbox.HTML(http.StatusServiceUnavailable)))
		w.TryPass()
		w.After(time.Minute)
		w.org.SetFault(always(isCreate, sandbox.Refusal(http.StatusBadRequest, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")))
		w.Refer("Bob")
		w.TryPass()
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.TryPass()
		w.WantOnly(ann)
	})
}

// During maintenance an org may be read and not written. That is one trouble and one request, however many wait; what is read goes on.
func TestAReadOnlyOrgIsAskedOnceAPass(t *testing.T) {
	running(t, []rules.Campaign{creating(fieldCampaign(), rules.DoNothing), contactCampaign()}, func(w *world) {
		known := w.Known("Old")
		lead := w.leadOf(known)
		w.Passes(1)
		waiting := []sandbox.User{w.Refer("Ann"), w.Refer("Bob"), w.Refer("Cid")}
		w.org.SetFault(always(isCreate, sandbox.Refusal(http.StatusServiceUnavailable, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "Updates can't be made during maintenance.")))
		w.Status(lead, goodValue)
		w.Asked("")
		err := w.TryPass()
		mustContain(t, "a pass over a read-only org", err, "takes no writes just now")
		if got := strings.Count(err.Error(), "\n"); got != 0 {
			t.Errorf("a pass over a read-only org: got %d troubles, want one:\n%v", got+1, err)
		}
		if got := w.Asked("POST /services/data/v67.0/sobjects/Lead"); got != 1 {
			t.Errorf("asked %d times for a record, want once", got)
		}
		w.WantOnly(known)
		w.org.SetFault(nil)
		w.After(time.Minute)
		w.Passes(1)
		for _, u := range waiting {
			w.leadOf(u)
		}
		w.WantRecords("Lead", 4)
	})
}

// A create that hung until the client gave it up may commit later still: the two minutes in which it is not sent again begin then, not when it was sent.
func TestACreateThatCommitsAfterItWasGivenUpIsNotSentAgain(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(once(isCreate, &sandbox.Fault{Status: http.StatusServiceUnavailable, Body: "[]", Delay: 3 * time.Minute}))
		mustContain(t, "a create that hangs", w.TryPass(), "no answer within")
		tx := w.org.Begin()
		tx.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Referred", "Email": ann.Email, codeField: ann.Code})
		w.After(5 * time.Second)
		mustContain(t, "a pass before it committed", w.TryPass(), poll.ErrOpen.Error())
		tx.Commit()
		w.After(time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 1)
	})
}

// One answer with a Date a year ahead, as from a proxy with a wrong clock: the watermark would be there for a year, and nothing seen until then.
func TestOneAnswerFromTheFutureLosesNothing(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, "Working - Contacted") // the look at it is dated wrong, too
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Passes(2)
		w.WantQualified(ann)
		for _, query := range []string{"Lead", "LeadHistory", "reconcile"} {
			if got := w.Watermark(query); got.At.After(serviceTime()) {
				t.Errorf("watermark of %s: got %v, want one not after %v", query, got.At, serviceTime())
			}
		}
	})
}

// A campaign's first pass decides from when its rule counts: told a time a year ahead, it would count nothing for a year.
func TestAFirstPassInTheFutureDoesNotPutTheRuleOff(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		w.Passes(1)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// So would a rule that changes in such a pass, also where the config says from when it counts.
func TestARuleThatChangesInTheFutureIsNotPutOff(t *testing.T) {
	c := fieldCampaign()
	c.EffectiveFrom = serviceTimeAtStart().AddDate(0, -1, 0)
	running(t, one(c), func(w *world) {
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" })
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		w.Passes(1)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// Salesforce's machines do not agree on the second: a pass right after another may be told a time shortly before that. The rule that it changes has its
// baseline from it all the same, and what changes next counts.
func TestARuleThatChangesSecondsBeforeThePassBeforeHasItsBaseline(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(2)
		w.Pass()
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Field, o.Campaigns[0].Value = "LeadSource", "Web" })
		w.ahead = -3 * time.Second
		w.Poll()
		w.ahead = 0
		w.After(20 * time.Second)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Web"})
		w.After(20 * time.Second)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// Nor is what the brake holds by such a rule, set to reach back, taken for an earlier rule's for a year.
func TestARuleThatChangesAfterATimeInTheFutureIsTheOneThatHolds(t *testing.T) {
	c := fieldCampaign()
	c.Brake = rules.Brake{Count: 1, Window: time.Hour}
	running(t, one(c), func(w *world) {
		w.ahead = 365 * 24 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		changed := c
		changed.Value, changed.EffectiveFrom = "Working - Contacted", serviceTimeAtStart().AddDate(0, -1, 0)
		w.Configure(func(o *poll.Options) { o.Campaigns = one(changed) })
		w.Passes(2)
		for _, name := range []string{"Ann", "Bob"} {
			w.Status(w.Lead(w.Known(name)), "Working - Contacted")
		}
		w.Passes(2)
		w.Act(func(tx *store.Tx) error {
			held, err := tx.Held()
			if n := len(held[rules.HeldByBrake]); n != 1 {
				t.Errorf("got %d held by the brake, want 1", n)
			}
			if n, _ := poll.HeldOfEarlierRule(tx, changed); n != 0 {
				t.Errorf("got %d held by an earlier rule, want none", n)
			}
			return err
		})
	})
}

// A pass that is told a time hours ago makes nothing count that was before the campaign was known, nor before a rule that changes in that very pass.
func TestAPassFromThePastGivesARuleNoPast(t *testing.T) {
	for name, changes := range map[string]bool{"the rule stays": false, "the rule changes": true} {
		t.Run(name, func(t *testing.T) {
			story(t, one(fieldCampaign()), func(w *world) {
				w.org.Track("Lead", "Status", true)
				ann := w.Refer("Ann")
				w.After(2 * time.Hour)
				lead := w.Lead(ann)
				w.Status(lead, goodValue)
				w.After(time.Hour)
				w.Passes(2)
				w.WantNot(ann, rules.ValuePredates)
				if changes {
					w.Status(lead, "Working - Contacted")
					w.After(time.Minute)
					w.Passes(1)
					w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" })
				}
				w.ahead = -6 * time.Hour
				w.TryPass()
				w.ahead = 0
				w.After(time.Minute)
				w.Passes(2)
				w.WantNot(ann, rules.ValuePredates)
			})
		})
	}
}

// A create whose answer was lost in a pass that was told a time far in the future is settled like any other: nothing was made, or it is there.
func TestALostCreateInTheFutureIsSettled(t *testing.T) {
	for name, fault := range map[string]*sandbox.Fault{"carried out": {Lost: true}, "not carried out": {Refused: true}} {
		t.Run(name, func(t *testing.T) {
			running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
				ann := w.Refer("Ann")
				w.org.SetFault(once(isCreate, fault))
				w.ahead = 365 * 24 * time.Hour
				w.TryPass()
				w.ahead = 0
				for range 4 {
					w.After(time.Minute)
					w.TryPass()
				}
				w.WantRecords("Lead", 1)
				for _, lead := range w.org.IDs("Lead") {
					w.Status(lead, goodValue)
				}
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// "Only a move to the stage after the conversion counts" for an Opportunity that existed before: two looks prove one only when the earlier of them came
// after the conversion, too. The history, which knows better, is not to be had in this pass.
func TestAStageReachedBeforeTheConversionIsNotProvedByALaterLook(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		deal := w.Opportunity(Old())
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.org.Update("Opportunity", deal, sandbox.Fields{codeField: ann.Code})
		w.Passes(2)
		w.Stage(deal, "Closed Won")
		w.After(10 * time.Second)
		w.org.Convert(lead, sandbox.Conversion{OpportunityID: deal})
		w.After(10 * time.Second)
		w.org.Update("Opportunity", deal, sandbox.Fields{"Amount": 5}) // its stamp is later than the conversion
		w.After(10 * time.Second)
		w.Fail(" FROM OpportunityHistory ", "UNKNOWN_EXCEPTION")
		mustContain(t, "a pass without stages", w.TryPass(), "OpportunityHistory")
		w.WantOnly()
		w.Heal()
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ValuePredates)
	})
}

// "When a hidden field comes back the linked records are re-read": where that fails in the pass that sees it come back, the search for their codes and
// e-mails shows them.
func TestAFieldThatComesBackInAPassThatCannotReadByID(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", false)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HideField("Lead", "Status")
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.After(2 * time.Hour) // no poll reaches back to the change
		w.Passes(1)
		w.org.ShowField("Lead", "Status")
		w.Fail(" FROM Lead WHERE Id IN", "UNKNOWN_EXCEPTION")
		w.After(20 * time.Minute)
		mustContain(t, "the pass in which it comes back", w.TryPass(), "Lead by Id")
		w.Heal()
		w.After(time.Minute)
		w.Passes(2)
		w.WantQualified(ann)
	})
}

// History rows come by a query of their own: what they tell of a record that is deleted by now is no reason to qualify anybody.
func TestAHistoryRowDecidesNothingWhileItsRecordCannotBeRead(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Status(a, goodValue)
		w.Status(b, goodValue)
		w.org.Delete("Lead", a)
		w.Fail(" FROM Lead ", "QUERY_TIMEOUT")
		mustContain(t, "a pass that cannot read Leads", w.TryPass(), "QUERY_TIMEOUT")
		w.Heal()
		w.Passes(1)
		w.WantNot(ann, rules.RecordDeleted)
		w.WantOnly(bob)
	})
}

// A record whose history Salesforce cannot give in time is looked at without it: it would never be looked at otherwise.
func TestARecordWhoseHistoryAlwaysTakesTooLongIsLookedAt(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Fail(" FROM LeadHistory WHERE LeadId IN", "QUERY_TIMEOUT")
		lead := w.Lead(ann)
		mustContain(t, "a pass that links the Lead", w.TryPass(), "QUERY_TIMEOUT")
		w.WantNot(ann, rules.ValueNotReached)
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.TryPass()
		w.WantQualified(ann)
		for range 10 {
			w.TryPass()
		}
		w.Passes(1) // a history that cannot be had does not trouble every pass
	})
}

// What the history tells may be all that qualifies: the next pass asks for it again, not the daily look only.
func TestAHistoryThatTookTooLongOnceIsAskedForAgain(t *testing.T) {
	campaign := fieldCampaign()
	campaign.Duplicates = rules.Update
	running(t, one(campaign), func(w *world) {
		w.org.Track("Lead", "Status", true)
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
		w.After(time.Minute)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Status(lead, "Working - Contacted")
		w.After(time.Hour)
		w.Passes(1)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Fail(" FROM LeadHistory WHERE LeadId IN", "QUERY_TIMEOUT")
		mustContain(t, "a pass that links the Lead", w.TryPass(), "QUERY_TIMEOUT")
		w.WantNot(ann, rules.ValueNotReached)
		w.Heal()
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// While an object cannot be described nothing is asked about it, and nobody knows since when: once it can be, everybody is looked at.
func TestWhatChangesWhileAnObjectCannotBeDescribedIsSeen(t *testing.T) {
	c := conversionCampaign()
	c.EffectiveFrom = serviceTimeAtStart().Add(-24 * time.Hour)
	story(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.org.Convert(w.Lead(ann), sandbox.Conversion{NoOpportunity: true})
		w.org.SetFault(always(isDescribeOf("Opportunity"), sandbox.HTML(http.StatusServiceUnavailable)))
		mustContain(t, "a pass that cannot describe Opportunity", w.TryPass(), "503")
		w.org.SetFault(nil)
		w.Opportunity(sandbox.Fields{codeField: ann.Code})
		w.After(2 * time.Hour)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A page is on its way while the one before it is taken in. When the store fails over that one, the pass ends only once nothing of it is under way any
// more: the daemon closes what the rest would use.
func TestAPassThatEndsLeavesNoRequestUnderWay(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		z := w.Lead(w.Known("Zoe"))
		w.Passes(1)
		w.After(overlap + time.Minute)
		w.Passes(1)
		w.crowd(10)
		w.After(time.Second)
		w.Status(z, goodValue) // the first of the second page
		w.After(time.Second)
		w.crowd(20)
		w.org.SetPageSize(10)
		w.damageSnapshot(z)
		second, third := make(chan bool), make(chan bool)
		pages := 0
		var underWay atomic.Int32
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if !isNextPage(r) {
				return nil
			}
			if pages++; pages == 1 {
				go func() { // has the second page wait until the third is on its way
					err := w.store.Update(func(*store.Tx) error { second <- true; <-third; return nil })
					if err != nil {
						t.Error(err)
					}
				}()
				<-second
				return nil
			}
			underWay.Add(1)
			defer underWay.Add(-1)
			third <- true
			<-r.Context().Done()
			time.Sleep(time.Second) // until it notices
			return nil
		})
		if err := w.poller.Pass(w.ctx); !errors.Is(err, poll.ErrStore) {
			t.Errorf("got %v, want the failure of the store", err)
		}
		if n := underWay.Load(); pages != 2 || n > 0 {
			t.Errorf("after the pass: got %d of %d requests for pages under way, want none of two", n, pages)
		}
	})
}

// damageSnapshot has a record's snapshot begin like no value, wherever it stands in the store's file.
func (w *world) damageSnapshot(recordID string) {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	file, err := os.ReadFile(w.path)
	damaged := bytes.ReplaceAll(file, append([]byte(recordID), store.Schema), append([]byte(recordID), 0xff))
	if err = errors.Join(err, os.WriteFile(w.path, damaged, 0o600)); err != nil || bytes.Equal(damaged, file) {
		w.t.Fatalf("got %v, and the snapshot not found", err)
	}
	w.open()
}

// A cache or a proxy that forgets which page was asked for answers with the first one for ever. A sweep then ends with that, and so does finding out
// whose the account is.
func TestAListThatDoesNotTurnItsPagesEndsTheSweep(t *testing.T) {
	for name, rows := range map[string]string{
		"somebody": `{"id":1001,"campaign_id":101,"referrer_id":1000,"code":"abc","signed_up_at":"2026-11-01","qualified_at":null}`, "unreadable": `{"id":"x"}`,
	} {
		for when, known := range map[string]bool{"at first": false, "with another key": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				story(t, one(fieldCampaign()), func(w *world) {
					if known {
						w.Known("Ann")
						w.rf.RotateKey()
						w.Restart()
					}
					w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
						return &sandbox.Fault{Status: http.StatusOK, Body: `{"data":[` + rows + `],"links":{"next":"https://api.referral-factory.com/api/v2/users?page=2"}}`}
					})
					ctx, cancel := context.WithTimeout(w.ctx, time.Hour)
					defer cancel()
					err := w.poller.Sweep(ctx)
					if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "page 2 of the users is page 1 again") {
						t.Errorf("got %v, want that the pages do not turn", err)
					}
				})
			})
		}
	}
}

// One sweep is told a time far from the true one. Who was a customer before the next referral joined, on the same day, is known for one all the same.
func TestASweepThatIsToldAWrongTimeForgetsNoOther(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Hour, 24 * time.Hour, -2 * time.Hour, -365 * 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
				w.After(2 * time.Hour)
				for range 12 {
					w.Passes(1)
					w.After(9 * time.Minute)
				}
				w.aheadRF = by
				w.TryPass()
				w.aheadRF = 0
				w.After(10 * time.Minute)
				ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.Passes(2)
				w.Status(lead, goodValue)
				w.Passes(2)
				w.WantNot(ann, rules.ExistingRecord)
			})
		})
	}
}

// Nor is somebody taken for having joined a year ago whom a sweep shows that was told so.
func TestASweepFromThePastMakesNobodyJoinThen(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Refer("Ann")
		w.Lead(ann, Old())
		w.aheadRF = -365 * 24 * time.Hour
		w.TryPass()
		w.aheadRF = 0
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// A service that shows nobody at all for a moment has not shown a campaign's first sweep: else all who were there already would be taken for newcomers
// afterwards, and a Lead be made for each.
func TestAListOfNobodyIsNoWholeSweep(t *testing.T) {
	added := creating(fieldCampaign(), rules.DoNothing)
	added.ID = 201
	running(t, one(fieldCampaign()), func(w *world) {
		w.Known("Ann")
		w.rf.AddCampaign(added.ID, "Partner circle")
		w.Refer("Bob", added.ID)
		w.Configure(func(o *poll.Options) { o.Campaigns = append(o.Campaigns, added) })
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			return &sandbox.Fault{Status: http.StatusOK, Body: `{"data":[],"links":{"next":null},"meta":{"current_page":1,"last_page":1,"total":0}}`}
		})
		if err := w.TryPass(); err == nil || !strings.Contains(err.Error(), "shows no users at all") {
			t.Errorf("got %v, want that nobody is shown", err)
		}
		w.rf.SetFault(nil)
		w.Passes(2)
		w.WantRecords("Lead", 0)
	})
}
