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

// What sales do while a referral is not watched is caught up with.

func TestAConversionWhileOverriddenIsFollowedByAResume(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.rf.SetQualified(ann.ID, true)
		w.Passes(1)
		w.rf.SetQualified(ann.ID, false)
		w.Passes(1)
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(1)
		w.After(2 * overlap)
		w.Act(func(tx *store.Tx) error { return poll.Resume(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(1)
		if r := w.Referral(ann); r.Standing != rules.Delivered || w.putsFor(ann) != 1 {
			t.Errorf("got %s (%s: %s) by %d requests, want delivered by one", r.Standing, r.Verdict.Reason, r.Verdict.Sentence, w.putsFor(ann))
		}
	})
}

func TestAConversionWhileTheCampaignIsOutOfTheConfigIsFollowed(t *testing.T) {
	running(t, []rules.Campaign{conversionCampaign(), fieldCampaign()}, func(w *world) {
		ann := w.Known("Ann", 103)
		lead := w.Lead(ann)
		w.Passes(1)
		with := w.options.Campaigns
		w.Configure(func(o *poll.Options) { o.Campaigns = with[1:] })
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(1)
		w.After(2 * overlap)
		w.Configure(func(o *poll.Options) { o.Campaigns = with })
		w.After(24 * time.Hour) // the next reconciliation
		w.Passes(2)
		w.WantQualified(ann)
	})
}

// Under do_nothing nothing but the block is noted of somebody who is blocked.
func TestAPinThatLiftsABlockHasTheOtherRecordsLookedUp(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		old := w.org.Create("Contact", with(sandbox.Fields{"LastName": "Ann", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		lead := w.Lead(sandbox.User{FirstName: "Ann", Email: "ann@example.com"})
		w.After(2 * overlap)
		w.Poll() // the next one does not come upon the Lead any more
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)
		w.After(2 * overlap)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), old, byHand()) })
		w.Passes(1)
		w.WantLinks(ann, old, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// The conversion of somebody who is blocked is not followed. A pin that lifts the block has it followed at once, not by the daily look at everybody: by
// then the Opportunity may be gone.
func TestAPinThatLiftsABlockHasAConversionFollowed(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		at := Old()["CreatedDate"]
		old := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": ann.Email, "CreatedDate": at, "LastModifiedDate": at})
		w.Passes(1)
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.After(2 * overlap)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), old, byHand()) })
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A conversion copies the code, which is another's, from the Lead to its Opportunity. Whose that is the code says; a pin of the Lead alone does not help, and
// whoever waits is told so.
func TestAPinOfALeadWhoseOpportunityHasAnothersCode(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(bob)
		w.Passes(1)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), lead, byHand()) })
		w.Passes(1)
		deal := w.org.Convert(lead, sandbox.Conversion{OpportunityFields: sandbox.Fields{codeField: bob.Code}}).OpportunityID
		w.Passes(2)
		w.WantNot(ann, rules.NotConverted)
		if got := w.Referral(ann).Verdict.Sentence; !strings.Contains(got, deal) || !strings.Contains(got, "another referral's") {
			t.Errorf("an Opportunity with another's code: got %q, want it named, and said to be another's", got)
		}
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), deal, byHand()) })
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// With a Lead that a pin gives to another referral goes what the Lead was converted into: before it was read, while it is about to be, and after.
func TestAPinThatMovesAConvertedLeadMovesItsOpportunity(t *testing.T) {
	for name, when := range map[string]func(w *world, pin func()){
		"before it was read":           func(w *world, pin func()) { pin() },
		"while it is about to be read": func(w *world, pin func()) { w.before = onFirst(readsByID("Opportunity"), pin) },
		"after it was read":            func(w *world, pin func()) { w.Poll(); pin() },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(stageCampaign()), func(w *world) {
				ann, bob := w.Known("Ann", 104), w.Known("Bob", 104)
				lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Unknown", "Company": "Acme"})
				pinTo := func(u sandbox.User) {
					w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, u), lead, byHand()) })
				}
				pinTo(ann)
				w.Passes(1)
				deal := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
				when(w, func() { pinTo(bob) })
				w.Passes(2)
				w.org.Update("Opportunity", deal, sandbox.Fields{"StageName": "Closed Won"})
				w.Passes(2)
				w.WantOnly(bob)
			})
		})
	}
}

// A record that becomes another referral's while the brake holds what is due by it qualifies one of the two.
func TestWhatTheBrakeHoldsByARecordThatBecomesAnothersIsLetGoOf(t *testing.T) {
	for name, give := range map[string]func(w *world, bob sandbox.User, lead string){
		"by a pin": func(w *world, bob sandbox.User, lead string) {
			w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, bob), lead, byHand()) })
		},
		"by its code": func(w *world, bob sandbox.User, lead string) {
			w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code, "Email": bob.Email})
		},
		"by a merge": func(w *world, bob sandbox.User, lead string) {
			w.org.Merge("Lead", w.Lead(bob), lead)
			w.Passes(1)
			w.Status(w.org.IDs("Lead")[len(w.org.IDs("Lead"))-1], goodValue)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := fieldCampaign()
			c.Brake = rules.Brake{Count: 1, Window: time.Hour}
			running(t, one(c), func(w *world) {
				w.org.Track("Lead", "Status", true)
				zoe, ann, bob := w.Known("Zoe"), w.Known("Ann"), w.Known("Bob")
				z, a := w.Lead(zoe), w.Lead(ann)
				w.Status(z, goodValue)
				w.Passes(1)
				w.Status(a, goodValue)
				w.Passes(1)
				w.WantNot(ann, rules.HeldByBrake)
				give(w, bob, a)
				w.Passes(1)
				w.WantNot(ann, rules.NoRecord)
				w.Act(func(tx *store.Tx) error { _, err := poll.Release(tx, 101, byHand()); return err })
				w.Passes(1)
				w.WantOnly(zoe, bob)
			})
		})
	}
}

// What keeps anybody else from qualifying keeps those too whom the brake holds: a release lets nobody go who was known before, or whose record is deleted
// by now or claimed by somebody else as well.
func TestWhatTheBrakeHoldsIsLetGoOfWhenItsReferralCannotQualifyAnyMore(t *testing.T) {
	for reason, happens := range map[rules.Reason]func(w *world, ann sandbox.User, a, b string){
		rules.ExistingRecord: func(w *world, ann sandbox.User, _, _ string) {
			old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme"}, []sandbox.Fields{Old()}))
			w.org.Update("Lead", old, sandbox.Fields{"Email": ann.Email})
		},
		rules.RecordDeleted: func(w *world, _ sandbox.User, a, _ string) { w.org.Delete("Lead", a) },
		rules.Ambiguous: func(w *world, _ sandbox.User, a, b string) {
			w.org.Merge("Lead", a, b)
			w.org.Update("Lead", a, sandbox.Fields{codeField: "", "Email": "third@example.com"})
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			c := fieldCampaign()
			c.Brake = rules.Brake{Count: 1, Window: time.Hour}
			running(t, one(c), func(w *world) {
				zoe, ann, bob := w.Known("Zoe"), w.Known("Ann"), w.Known("Bob")
				z, a, b := w.Lead(zoe), w.Lead(ann), w.Lead(bob)
				w.Passes(1)
				w.Status(z, goodValue)
				w.Passes(1)
				w.Status(a, goodValue)
				if reason == rules.Ambiguous {
					w.Status(b, goodValue)
				}
				w.Passes(1)
				w.WantNot(ann, rules.HeldByBrake)
				happens(w, ann, a, b)
				w.Passes(2)
				w.WantNot(ann, reason)
				w.Act(func(tx *store.Tx) error { _, err := poll.Release(tx, 101, byHand()); return err })
				w.Passes(1)
				w.WantOnly(zoe)
			})
		})
	}
}

// A bad Flow moved everybody; those who did not earn it are sorted out before the rest is released.
func TestWhomTheBrakeHoldsAnOperatorMaySetAside(t *testing.T) {
	for name, order := range map[string]func(*store.Tx, rules.Referral, poll.Order) (string, error){"unqualify": poll.Unqualify, "drop": poll.Drop} {
		t.Run(name, func(t *testing.T) {
			c := fieldCampaign()
			c.Brake = rules.Brake{Count: 1, Window: time.Hour}
			running(t, one(c), func(w *world) {
				zoe, ann, bob := w.Known("Zoe"), w.Known("Ann"), w.Known("Bob")
				z, a, b := w.Lead(zoe), w.Lead(ann), w.Lead(bob)
				w.Status(z, goodValue)
				w.Passes(1)
				w.Status(a, goodValue)
				w.Status(b, goodValue)
				w.Passes(1)
				w.Act(func(tx *store.Tx) error { _, err := order(tx, w.referralIn(tx, ann), byHand()); return err })
				w.WantNot(ann, rules.OverriddenByHand)
				w.Act(func(tx *store.Tx) error { _, err := poll.Release(tx, 101, byHand()); return err })
				w.Passes(2)
				w.WantOnly(zoe, bob)
			})
		})
	}
}

func TestAnOpportunityThatIsNotSharedIsSaidToBe(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		deal := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		w.org.HideRecord("Opportunity", deal)
		w.Passes(2)
		w.WantNot(ann, rules.RecordDeleted)
		w.org.ShowRecord("Opportunity", deal)
		w.Stage(deal, "Closed Won")
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// Whom an order qualifies before anybody was looked up for them has what is theirs all the same: what becomes of it speaks for who had it before no more.
func TestARecordBecomesTheirsWhoAreQualifiedByHandAtOnce(t *testing.T) {
	c := stageCampaign()
	c.CodeField, c.Duplicates = "", rules.Update
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann", c.ID)
		lead := w.Lead(ann)
		w.Passes(1)
		deal := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		w.Passes(1)
		w.After(2 * overlap)
		w.Passes(1)
		w.rf.UpdateEmail(ann.ID, "new@example.com")
		bob := w.rf.Refer(c.ID, sandbox.NewUser{FirstName: "Bob", Email: ann.Email})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.order(bob, poll.Qualify)
		w.Passes(2)
		w.org.Update("Opportunity", deal, sandbox.Fields{"StageName": "Closed Won"})
		w.Passes(2)
		w.WantOnly(bob)
	})
}
