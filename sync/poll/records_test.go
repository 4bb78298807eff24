package poll_test

import (
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

func TestAValueHeldForSecondsBetweenTwoPollsCounts(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.After(10 * time.Second)
		w.Status(lead, "Closed - Not Converted")
		w.Passes(2)
		w.WantQualified(ann)
	})
}

func TestAStageReachedAndLeftBetweenTwoPollsCounts(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		deal := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		w.After(5 * time.Second)
		w.Stage(deal, "Closed Won")
		w.After(5 * time.Second)
		w.Stage(deal, "Negotiation/Review")
		w.Passes(2)
		w.WantQualified(ann)
	})
}

func TestAConversionIntoAnOldOpportunityCountsFromTheNextMove(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		won := w.Opportunity(Old(), sandbox.Fields{"StageName": "Closed Won"})
		open := w.Opportunity(Old())
		w.Passes(1)
		w.org.Convert(a, sandbox.Conversion{OpportunityID: won})
		w.org.Convert(b, sandbox.Conversion{OpportunityID: open})
		w.Passes(2)
		w.WantOnly()
		w.Stage(open, "Closed Won")
		w.Passes(1)
		w.WantOnly(bob)
	})
}

func TestAConversionWithoutAnOpportunityTakesTheOneWithTheCode(t *testing.T) {
	running(t, []rules.Campaign{conversionCampaign(), stageCampaign()}, func(w *world) {
		ann, bob := w.Known("Ann", 103), w.Known("Bob", 104)
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.org.Convert(a, sandbox.Conversion{NoOpportunity: true})
		w.org.Convert(b, sandbox.Conversion{NoOpportunity: true})
		w.Passes(2)
		w.WantNot(ann, rules.WithoutOpportunity)
		w.WantNot(bob, rules.WithoutOpportunity)
		w.Opportunity(sandbox.Fields{codeField: ann.Code})
		deal := w.Opportunity(sandbox.Fields{codeField: bob.Code})
		w.Passes(2)
		w.WantOnly(ann)
		w.Stage(deal, "Closed Won")
		w.Passes(2)
		w.WantOnly(ann, bob)
	})
}

// An Opportunity that a person has pinned stands for such a Lead as well, and is not said to carry a code.
func TestAConversionWithoutAnOpportunityTakesTheOneThatIsPinned(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead, deal := w.Lead(ann), w.Opportunity()
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), deal, byHand()) })
		w.Passes(2)
		w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true})
		w.Passes(2)
		w.WantOnly(ann)
		if got := w.Referral(ann).Verdict.Sentence; strings.Contains(got, "code") || !strings.Contains(got, "pinned") {
			t.Errorf("got %q, want it said that the Opportunity is pinned", got)
		}
	})
}

// Where the Lead's own Opportunity is gone, the one that a person pins in its place counts.
func TestAPinnedOpportunityStandsForOneThatIsDeleted(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		own := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		w.Passes(2)
		w.org.Delete("Opportunity", own)
		w.Passes(1)
		w.WantNot(ann, rules.RecordDeleted)
		other := w.Opportunity()
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), other, byHand()) })
		w.Passes(1)
		w.WantNot(ann, rules.StageNotReached)
		w.Stage(other, "Closed Won")
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestAMergeMovesTheLinkAlongAChain(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		middle := w.org.Create("Lead", sandbox.Fields{"LastName": "Middle", "Company": "Acme"})
		last := w.org.Create("Lead", sandbox.Fields{"LastName": "Last", "Company": "Acme"})
		w.org.Merge("Lead", middle, lead)
		w.org.Merge("Lead", last, middle)
		w.Passes(2)
		w.WantLinks(ann, last)
		w.Status(last, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// Under do_nothing an existing customer does not become a referral by being merged with one.
func TestAMergeIntoAnOldRecordBlocks(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme"}, []sandbox.Fields{Old()}))
		w.Passes(1)
		w.org.Merge("Lead", old, lead)
		w.Status(old, goodValue)
		w.Passes(3)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// A pin goes with a merge: the survivor was there before, and has the referral's e-mail too, which would block anybody else. Rows of one stamp come by Id, so
// the survivor may be seen before the merge or after it.
func TestAMergeIntoAnOldRecordTakesThePinAlong(t *testing.T) {
	for name, seenFirst := range map[string]string{"the survivor is seen first": "survivor", "the loser is seen first": "loser"} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				lead := func(name string) string {
					return w.org.Create("Lead", with(sandbox.Fields{"LastName": name, "Company": "Acme"}, []sandbox.Fields{Old()}))
				}
				a, b := lead("A"), lead("B")
				loser, survivor := a, b
				if seenFirst == "survivor" {
					loser, survivor = b, a
				}
				ann := w.Known("Ann")
				w.Passes(1)
				w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), loser, byHand()) })
				w.Passes(1)
				w.org.Update("Lead", survivor, sandbox.Fields{"Email": ann.Email})
				w.Passes(1)
				w.org.Merge("Lead", survivor, loser)
				w.Passes(1)
				w.WantLinks(ann, survivor)
				w.WantNot(ann, rules.ValueNotReached)
				w.Status(survivor, goodValue)
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

func TestTwoReferralsMergedIntoOneRecordAreAmbiguous(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.org.Merge("Lead", a, b)
		w.org.Update("Lead", a, sandbox.Fields{codeField: "", "Email": "third@example.com", "Status": goodValue})
		w.Passes(3)
		w.WantNot(ann, rules.Ambiguous)
		w.WantNot(bob, rules.Ambiguous)
		w.WantOnly()
	})
}

// A pin that settles whose a Lead is settles whose its Opportunity is too.
func TestAPinOfADisputedLeadThatWasConvertedQualifies(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.org.Merge("Lead", a, b)
		w.org.Update("Lead", a, sandbox.Fields{codeField: "", "Email": "third@example.com"})
		w.Passes(1)
		w.org.Convert(a, sandbox.Conversion{})
		w.Passes(1)
		w.WantNot(ann, rules.Ambiguous)
		w.WantNot(bob, rules.Ambiguous)
		w.After(time.Hour)
		w.Passes(1)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), a, byHand()) })
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// Two pins may come together by a merge. A pin to one of the two settles it, though that one has a pin already, with what the Lead was converted into.
func TestAPinSettlesWhatTwoPinsDispute(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.org.Create("Lead", sandbox.Fields{"LastName": "A", "Company": "Acme"}), w.org.Create("Lead", sandbox.Fields{"LastName": "B", "Company": "Acme"})
		pin := func(u sandbox.User, lead string) {
			w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, u), lead, byHand()) })
		}
		pin(ann, a)
		pin(bob, b)
		w.Passes(1)
		w.org.Merge("Lead", b, a)
		w.Passes(1)
		w.org.Convert(b, sandbox.Conversion{})
		w.Passes(1)
		w.WantNot(ann, rules.Ambiguous)
		w.WantNot(bob, rules.Ambiguous)
		w.After(time.Hour)
		w.Passes(1)
		pin(ann, b)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestAnUndeletedRecordGoesOnFromItsOldSnapshot(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.org.Delete("Lead", a)
		w.org.Delete("Lead", b)
		w.Passes(1)
		w.WantNot(ann, rules.RecordDeleted)
		w.After(time.Hour)
		w.org.Undelete("Lead", a)
		w.org.Undelete("Lead", b)
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.Status(a, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestARecordRemovedForGoodChangesNothing(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.HardDelete("Lead", lead)
		w.After(24 * time.Hour)
		w.Passes(2)
		w.WantNot(ann, rules.ValueNotReached)
	})
}

func TestARecordBornAtTheValueCounts(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		ann, bob := w.Known("Ann", 101), w.Known("Bob", 102)
		w.Lead(ann, sandbox.Fields{"Status": goodValue})
		w.Contact(bob, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.Passes(1)
		w.WantOnly(ann, bob)
	})
}

// A Lead that becomes somebody else's and reaches the value between two looks was not created at it: it had been seen at another one.
func TestALeadThatWasAnothersIsNotSaidToBeBornAtTheValue(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", false)
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(bob)
		w.Passes(1)
		w.org.Update("Lead", lead, sandbox.Fields{"Status": goodValue, codeField: ann.Code})
		w.Passes(1)
		w.WantOnly(ann)
		if got := w.Referral(ann).Verdict.Sentence; strings.Contains(got, "created with") || !strings.Contains(got, "first seen as the referral's") {
			t.Errorf("got %q, want it said how the Lead was first seen", got)
		}
	})
}

func TestSnapshotsAreKeptForLinkedRecordsOnly(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.crowd(5)
		w.Passes(2)
		if got := w.Snapshots(w.org.IDs("Lead")...); got != 1 {
			t.Errorf("got %d snapshots, want that of %s alone", got, lead)
		}
	})
}

func TestWhoJoinsAfterTheChangeDoesNotQualifyByIt(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.Update
	running(t, one(c), func(w *world) {
		w.org.Track("Lead", "Status", true)
		lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		w.Status(lead, goodValue)
		w.After(48 * time.Hour)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.WantNot(ann, rules.ValuePredates)
	})
}

// The survivor of a merge may be hidden when the merge is seen, and be known all the same, as the record of somebody in another campaign. It is as old as
// it was: what it became does not qualify the referral that it is merged with.
func TestAMergeIntoAnOldRecordThatIsHiddenQualifiesNobody(t *testing.T) {
	for policy, reason := range map[rules.Duplicates]rules.Reason{rules.DoNothing: rules.ExistingRecord, rules.CreateNew: rules.NoRecord} {
		t.Run(string(policy), func(t *testing.T) {
			mine, other := fieldCampaign(), conversionCampaign()
			mine.Duplicates, other.Duplicates = policy, rules.Update
			running(t, []rules.Campaign{mine, other}, func(w *world) {
				w.org.Track("Lead", "Status", true)
				bob, ann := w.Known("Bob", other.ID), w.Known("Ann")
				old, lead := w.Lead(bob, Old()), w.Lead(ann)
				w.Passes(1)
				w.Status(old, goodValue)
				w.Passes(1)
				w.org.Merge("Lead", old, lead)
				w.org.HideRecord("Lead", old)
				w.Passes(2)
				w.WantLinks(bob, old)
				w.WantLinks(ann)
				w.WantNot(ann, reason)
			})
		})
	}
}

// A record that nobody has ever seen may be linked all the same, by a merge. Whoever sees it first, it is weighed for each referral when it is seen as
// that one's.
func TestAnOldRecordThatIsLinkedUnseenIsWeighedOnceItIsSeen(t *testing.T) {
	mine, other := fieldCampaign(), conversionCampaign()
	other.Duplicates = rules.Update
	running(t, []rules.Campaign{mine, other}, func(w *world) {
		w.org.Track("Lead", "Status", true)
		bob, ann := w.Known("Bob", other.ID), w.Known("Ann")
		old, lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Bob", "Company": "Acme"}, []sandbox.Fields{Old()})), w.Lead(ann)
		w.org.HideRecord("Lead", old)
		w.Passes(1)
		w.org.Merge("Lead", old, lead)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.Referral(bob), old, byHand()) })
		w.Passes(1)
		w.WantLinks(ann, old)

		w.Configure(func(o *poll.Options) { o.Campaigns = o.Campaigns[1:] })
		w.org.ShowRecord("Lead", old)
		w.org.Touch("Lead", old)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = []rules.Campaign{mine, other} })
		w.Status(old, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// The survivor of a merge is another's of the campaign, who qualified by it, and cannot be read when the merge is seen: it qualifies nobody a second time.
func TestAMergeIntoAnothersRecordThatIsHiddenQualifiesNobody(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Status(b, goodValue)
		w.Passes(1)
		w.org.Merge("Lead", b, a)
		w.org.HideRecord("Lead", b)
		w.Passes(2)
		w.WantOnly(bob)
		w.WantNot(ann, rules.NoRecord)
	})
}

// A pinned record that could not be seen is read with its history once a change shows it: what happened out of sight counts.
func TestTheHistoryOfAPinnedRecordThatComesIntoSightIsRead(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann := w.Known("Ann")
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme"})
		w.org.HideRecord("Lead", lead)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), lead, byHand()) })
		w.Passes(1)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Status(lead, "Closed - Not Converted")
		w.After(2 * overlap)
		w.Passes(1)
		w.org.ShowRecord("Lead", lead)
		w.org.Touch("Lead", lead)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// What a Lead was converted into stays with its referral by the code it carries, when the Lead becomes another's.
func TestAnOpportunityWithTheCodeStaysWhenItsLeadGoes(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(ann, sandbox.Fields{codeField: nil})
		w.Passes(1)
		w.rf.SetQualified(bob.ID, true) // so that no conversion is followed for him
		// A conversion of today counts for nobody.
		w.Configure(func(o *poll.Options) { o.Campaigns[0].EffectiveFrom = serviceTime().AddDate(0, 0, 3) })
		into := w.org.Convert(lead, sandbox.Conversion{OpportunityFields: sandbox.Fields{codeField: ann.Code}})
		w.Passes(2)
		w.WantLinks(ann, lead, into.ContactID, into.OpportunityID)
		w.After(2 * overlap)
		w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code})
		w.Passes(2)
		w.WantLinks(ann, into.OpportunityID)
		w.WantLinks(bob, lead)
	})
}
