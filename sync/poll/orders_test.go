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

// blocked is a world in which Ann is blocked by a Lead of hers that is older than her referral.
func blocked(t *testing.T, c rules.Campaign, tell func(w *world, ann sandbox.User, old string)) {
	t.Helper()
	running(t, one(c), func(w *world) {
		old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		ann := w.rf.Refer(c.ID, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.Status(old, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		tell(w, ann, old)
	})
}

func TestAPinLiftsABlock(t *testing.T) {
	blocked(t, fieldCampaign(), func(w *world, ann sandbox.User, old string) {
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), old[:15], byHand()) })
		w.Passes(1)
		w.WantNot(ann, rules.ValuePredates)
		w.Status(old, "Working - Contacted")
		w.Passes(1)
		w.Status(old, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// Another policy does not look at the other object any more; what is said about a block by a record of it is put right all the same.
func TestABlockByTheOtherObjectIsSaidToBeOfAFormerPolicy(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Create("Contact", with(sandbox.Fields{"LastName": "Ann", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Duplicates = rules.Update })
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)
		if got := w.Referral(ann).Verdict.Sentence; !strings.Contains(got, "duplicates was do_nothing") {
			t.Errorf("a block when duplicates is update by now: got %q, want it said that it was do_nothing", got)
		}
	})
}

// Another policy lifts no block by itself; what is said about it is true all the same.
func TestABlockOfAFormerPolicyIsSaidToBeOne(t *testing.T) {
	blocked(t, fieldCampaign(), func(w *world, ann sandbox.User, _ string) {
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Duplicates = rules.Update })
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)
		if got := w.Referral(ann).Verdict.Sentence; !strings.Contains(got, "duplicates was do_nothing") {
			t.Errorf("a block when duplicates is update by now: got %q, want it said that it was do_nothing", got)
		}
		w.Act(func(tx *store.Tx) error { return poll.Rejudge(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(1)
		w.WantNot(ann, rules.ValuePredates)
	})
}

// Only a pin lets somebody qualify who was a customer before. When the pinned record becomes another's by a pin, what blocked blocks again at once.
func TestABlockIsBackWhenThePinIsTakenAway(t *testing.T) {
	blocked(t, fieldCampaign(), func(w *world, ann sandbox.User, _ string) {
		other := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme"})
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, ann), other, byHand()) })
		bob := w.Known("Bob")
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.After(time.Hour)
		w.Passes(1) // what blocked is no news any more
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, bob), other, byHand()) })
		w.Lead(ann)
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

func TestABlockStaysWhileItsCauseDoes(t *testing.T) {
	blocked(t, creating(fieldCampaign(), rules.DoNothing), func(w *world, ann sandbox.User, old string) {
		rejudge := func() {
			w.Act(func(tx *store.Tx) error { return poll.Rejudge(tx, w.referralIn(tx, ann), byHand()) })
			w.Passes(1)
		}
		rejudge()
		w.WantNot(ann, rules.ExistingRecord)
		w.WantRecords("Lead", 1)
		w.org.Delete("Lead", old)
		rejudge()
		w.WantRecords("Lead", 2)
		w.Status(w.org.IDs("Lead")[1], goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A record was made for her before the other one turned up. That she has another e-mail by now, by which it is not found, is no reason to make a second.
func TestWhoHasARecordGetsNoOtherByARejudge(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Known("Ann")
		made := w.Referral(ann).Links[0].RecordID
		old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": ann.Email}, []sandbox.Fields{Old()}))
		w.org.Touch("Lead", old)
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)

		w.org.Delete("Lead", old)
		w.org.Update("Lead", made, sandbox.Fields{codeField: ""})
		w.rf.UpdateEmail(ann.ID, "ann@example.org")
		w.Act(func(tx *store.Tx) error { return poll.Rejudge(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(2)
		w.WantRecords("Lead", 2)
		w.Status(made, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestTheBrakeHoldsUntilARelease(t *testing.T) {
	c := fieldCampaign()
	c.Brake = rules.Brake{Count: 3, Window: time.Hour}
	running(t, one(c), func(w *world) {
		var users []sandbox.User
		var leads []string
		for _, name := range []string{"Ann", "Bob", "Cleo", "Dev", "Eve"} {
			users = append(users, w.Refer(name))
			leads = append(leads, w.Lead(users[len(users)-1]))
		}
		w.Passes(2)
		for _, lead := range leads {
			w.Status(lead, goodValue)
		}
		w.After(time.Minute)
		w.Passes(5)
		if got := len(w.rf.Qualifications()); got != 3 {
			t.Errorf("with a brake of 3 an hour: got %d qualifications, want 3", got)
		}
		w.WantNot(users[3], rules.HeldByBrake)
		w.WantNot(users[4], rules.HeldByBrake)
		w.After(3 * time.Hour)
		w.org.Update("Lead", leads[4], sandbox.Fields{"Title": "Buyer"}) // what is new about who is held does not let go of them
		w.Passes(2)
		w.WantNot(users[4], rules.HeldByBrake)

		released := 0
		w.Act(func(tx *store.Tx) (err error) { released, err = poll.Release(tx, c.ID, byHand()); return err })
		if released != 2 {
			t.Errorf("got %d released, want 2", released)
		}
		w.Passes(2)
		w.WantOnly(users...)
	})
}

// What a person sets by hand in Referral Factory wins and stays.
func TestWhoIsSetBackStaysPendingUntilAResume(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)

		w.rf.SetQualified(ann.ID, false)
		w.Passes(2)
		if r := w.Referral(ann); r.Standing != rules.Overridden || w.putsFor(ann) != 1 {
			t.Errorf("set back by hand: got standing %q and %d PUT requests, want %q and one", r.Standing, w.putsFor(ann), rules.Overridden)
		}
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(2)
		if got := w.putsFor(ann); got != 1 {
			t.Errorf("after a change while overridden: got %d PUT requests, want one still", got)
		}

		w.Act(func(tx *store.Tx) error { return poll.Resume(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(2)
		if got := w.rf.User(ann.ID).QualifiedAt; got == "" || w.putsFor(ann) != 2 {
			t.Errorf("after a resume: got qualified_at %q and %d PUT requests, want a day and two", got, w.putsFor(ann))
		}
	})
}

func TestWhoIsQualifiedByHandIsLeftAlone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.rf.SetQualified(ann.ID, true)
		w.Status(a, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.QualifiedElsewhere)

		w.Status(b, goodValue)
		w.Poll() // judged, and before it is delivered somebody is faster
		w.rf.SetQualified(bob.ID, true)
		w.Passes(2)
		w.WantNot(bob, rules.QualifiedElsewhere)
	})
}

func TestWhoIsGoneAtReferralFactoryIsParked(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Status(a, goodValue)
		w.Status(b, goodValue)
		w.Poll()
		w.rf.Remove(ann.ID)
		w.Passes(2)
		w.WantNot(ann, rules.RejectedByService)
		w.WantOnly(bob)
	})
}
