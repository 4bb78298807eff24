package poll_test

// What changes while a pass is under way (sweep, poll and deliver have schedules of their own), and what an admin changes between two passes.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// The fraud guard: who is swept after a pass has joined its referrals is not judged in it, though its poll links the record.
func TestWhoIsSweptDuringAPassIsNotJudgedInIt(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.customer("ann@example.com")
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Lead(ann, sandbox.Fields{"Status": goodValue})
		w.before = onFirst(isComposite, func() {
			if err := w.poller.Sweep(w.ctx); err != nil {
				t.Fatal(err)
			}
		})
		w.Poll()
		w.WantNot(ann, rules.NoRecord)
		if err := w.deliverer.Run(w.ctx, false); err != nil {
			t.Fatal(err)
		}
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
	})
}

// An e-mail that a sweep changes after the look-up has not been looked up: the referral waits for a look-up of its own.
func TestAnEmailThatChangesDuringThePassIsLookedUp(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.customer("real@example.com")
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "typo@example.com"})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.after = onFirst(isComposite, func() {
			w.rf.UpdateEmail(ann.ID, "real@example.com")
			if err := w.poller.Sweep(w.ctx); err != nil {
				t.Fatal(err)
			}
		})
		w.Poll()
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.WantRecords("Lead", 0)
	})
}

// Two have signed up with one e-mail, and a Lead with it is disputed. When the e-mail of one is corrected, the other qualifies by what the Lead became.
func TestAnEmailThatIsCorrectedSettlesWhatItDisputed(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		shared := func(name string) sandbox.User {
			return w.rf.Refer(101, sandbox.NewUser{FirstName: name, Email: "shared@example.com"})
		}
		ann, bob := shared("Ann"), shared("Bob")
		w.Passes(1)
		lead := w.Lead(bob, sandbox.Fields{codeField: ""})
		w.Passes(1)
		w.Status(lead, goodValue)
		w.After(time.Hour)
		w.Passes(1)
		w.WantNot(bob, rules.Ambiguous)
		w.rf.UpdateEmail(ann.ID, "ann@example.com")
		w.Passes(1)
		w.WantOnly(bob)
	})
}

// The same between the create and its answer: what was created stays linked, and the guard looks all the same.
func TestAnEmailThatChangesDuringTheCreateIsLookedUp(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.customer("real@example.com")
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "typo@example.com"})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.after = onFirst(isCreate, func() {
			w.rf.UpdateEmail(ann.ID, "real@example.com")
			if err := w.poller.Sweep(w.ctx); err != nil {
				t.Fatal(err)
			}
		})
		w.Poll()
		w.After(time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.WantRecords("Lead", 1)
	})
}

// "The store belongs to one Referral Factory account": the daemon delivers as soon as it starts, and with another account's key the users would be
// somebody else's.
func TestNothingIsSentToAnotherAccount(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Poll() // owed
		mine := w.rf
		w.rf = sandbox.NewReferralFactory(serviceTime)
		w.rf.AddCampaign(101, "Refer a friend")
		w.Restart()
		w.Asked("")
		if err := w.deliverer.Run(w.ctx, true); err != nil {
			t.Errorf("a delivery before the account is known: got %v, want it left for later", err)
		}
		if got := w.Asked("/users/"); got != 0 {
			t.Errorf("before the account is known: got %d requests about users, want none", got)
		}
		mustContain(t, "a sweep of another account", w.poller.Sweep(w.ctx), poll.ErrOtherAccount.Error())
		w.deliverer.Run(w.ctx, true)
		w.rf = mine
		w.Restart()
		w.Passes(2)
		w.WantQualified(ann)
	})
}

// A key that a reload brings while a sweep finds out about the one before is not known by that.
func TestAKeyThatComesDuringASweepIsNotKnownByIt(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Known("Ann")
		w.Passes(1)
		w.rf.RotateKey()
		w.Restart()
		w.before = onFirst(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/users") }, func() {
			if err := w.poller.SetKey("another account", "another"); err != nil {
				t.Error(err)
			}
		})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Errorf("the sweep: got %v, want that it ends with the key that it began with", err)
		}
		if known, err := w.poller.AccountKnown(); known || err != nil {
			t.Errorf("the account of the new key: got known %v, %v, want it unknown before a sweep with it", known, err)
		}
	})
}

// A sandbox org "qualifies nobody for real unless send_from_sandbox": also not what was owed when it was taken away.
func TestWhatASandboxOwesStaysWhenItMayNotBeSentAnyMore(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.SetSandbox(true)
		w.Configure(func(o *poll.Options) { o.SendFromSandbox = true })
		w.Passes(1)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Poll() // owed
		w.Configure(func(o *poll.Options) { o.SendFromSandbox = false })
		w.Passes(1)
		w.WantOnly()
		w.Configure(func(o *poll.Options) { o.SendFromSandbox = true })
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// A campaign that is out of the config for a while: what its records did meanwhile is judged when it is back.
func TestACampaignThatLeavesTheConfigAndComesBack(t *testing.T) {
	other := fieldCampaign()
	other.ID = 201
	running(t, []rules.Campaign{fieldCampaign(), other}, func(w *world) {
		ann := w.Known("Ann", 101)
		lead := w.Lead(ann)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = one(other) })
		w.Status(lead, goodValue)
		w.Passes(2)
		w.After(2 * time.Hour) // no poll reaches back to the change
		w.Passes(1)
		w.WantOnly()
		w.Configure(func(o *poll.Options) { o.Campaigns = []rules.Campaign{fieldCampaign(), other} })
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// What a linked Lead is merged into meanwhile is the referral's when the campaign is back.
func TestAMergeWhileTheCampaignIsOutOfTheConfigIsFollowed(t *testing.T) {
	mine, other := fieldCampaign(), conversionCampaign()
	running(t, []rules.Campaign{mine, other}, func(w *world) {
		ann := w.Known("Ann")
		lead, middle := w.Lead(ann), w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme"})
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns = []rules.Campaign{other} })
		w.org.Merge("Lead", middle, lead)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = []rules.Campaign{mine, other} })
		w.Passes(2)
		w.WantLinks(ann, middle)
		w.Status(middle, "Working - Contacted")
		w.Passes(1)
		w.Status(middle, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// A code field that the config names later has its codes looked up at once: no poll shows the records that carried them all along. Where that
// look-up fails, the next pass makes it: the config has not changed again by then.
func TestACodeFieldThatIsNamedLaterLinksWhatIsThere(t *testing.T) {
	for name, fails := range map[string]bool{"at once": false, "after a pass in which the look-up failed": true} {
		t.Run(name, func(t *testing.T) { namedLater(t, fails) })
	}
}

func namedLater(t *testing.T, fails bool) {
	byEmail := fieldCampaign()
	byEmail.CodeField = ""
	running(t, one(byEmail), func(w *world) {
		w.org.Track("Lead", "Status", false)
		ann := w.Known("Ann")
		lead := w.Lead(ann, sandbox.Fields{"Email": "work@example.com"})
		w.Passes(1)
		w.WantLinks(ann)
		w.After(2 * time.Hour)
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns = one(fieldCampaign()) })
		if fails {
			w.Fail(" FROM Lead WHERE (Email IN", "UNKNOWN_EXCEPTION")
			w.Fail(" FROM Lead WHERE "+codeField+" IN", "UNKNOWN_EXCEPTION")
			w.TryPass()
			w.Heal()
			w.After(time.Minute)
		}
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// A pinned record that is not shared with us has a snapshot without a value. When it is shared, the first look is taken with its history, and is what
// the next is compared with.
func TestAPinnedRecordThatIsSharedLaterIsLookedAt(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", false)
		lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme"}, []sandbox.Fields{Old()}))
		w.org.HideRecord("Lead", lead)
		ann := w.Known("Ann")
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.Referral(ann), lead, byHand()) })
		w.Passes(1)
		w.org.ShowRecord("Lead", lead)
		w.org.Touch("Lead", lead)
		w.Passes(2)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// One person who is referred to two campaigns in one pass gets one record: the second campaign finds what the first had made.
func TestOnePersonInTwoCampaignsGetsOneRecord(t *testing.T) {
	first, second := creating(fieldCampaign(), rules.DoNothing), creating(fieldCampaign(), rules.DoNothing)
	second.ID = 201
	running(t, []rules.Campaign{first, second}, func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		again := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.WantRecords("Lead", 1)
		lead := w.org.IDs("Lead")[0]
		w.WantLinks(ann, lead)
		w.WantLinks(again, lead)
	})
}
