package poll_test

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

func TestWhatAPolicyMakesOfWhoIsThere(t *testing.T) {
	const create, nothing = true, false
	type outcome struct {
		blocked bool
		links   string // "old", "young", "new": the record that is linked; "" for none
		created bool
		marked  bool // the old record got the code
	}
	for _, c := range []struct {
		there    string // the record that has the referral's e-mail
		creates  bool
		policy   rules.Duplicates
		expected outcome
	}{
		{"nobody", nothing, rules.DoNothing, outcome{}},
		{"nobody", create, rules.DoNothing, outcome{links: "new", created: true}},
		{"nobody", create, rules.Update, outcome{links: "new", created: true}},
		{"nobody", create, rules.CreateNew, outcome{links: "new", created: true}},

		{"old", nothing, rules.DoNothing, outcome{blocked: true}},
		{"old", nothing, rules.Update, outcome{links: "old"}},
		{"old", nothing, rules.CreateNew, outcome{}},
		{"old", create, rules.DoNothing, outcome{blocked: true}},
		{"old", create, rules.Update, outcome{links: "old", marked: true}},
		{"old", create, rules.CreateNew, outcome{links: "new", created: true}},

		{"old on the other object", nothing, rules.DoNothing, outcome{blocked: true}},
		{"old on the other object", nothing, rules.Update, outcome{}},
		{"old on the other object", create, rules.DoNothing, outcome{blocked: true}},
		{"old on the other object", create, rules.Update, outcome{links: "new", created: true}},
		{"old on the other object", create, rules.CreateNew, outcome{links: "new", created: true}},

		{"young", nothing, rules.DoNothing, outcome{links: "young"}},
		{"young", create, rules.DoNothing, outcome{links: "young"}},
		{"young", create, rules.Update, outcome{links: "young"}},
		{"young", create, rules.CreateNew, outcome{links: "young"}},

		// Entered this morning, before the sweep that did not have the referral yet.
		{"older by hours", nothing, rules.DoNothing, outcome{blocked: true}},
		{"older by hours", create, rules.Update, outcome{links: "old", marked: true}},
		{"older by hours", create, rules.CreateNew, outcome{links: "new", created: true}},
	} {
		for _, campaign := range []rules.Campaign{fieldCampaign(), contactCampaign()} {
			campaign.Duplicates = c.policy
			if c.creates {
				campaign = creating(campaign, c.policy)
			}
			t.Run(fmt.Sprintf("%s/%s/%s/%s", campaign.Object, c.there, campaign.Mode, c.policy), func(t *testing.T) {
				running(t, one(campaign), func(w *world) {
					got, want := w.joins(campaign, c.there), c.expected
					if got.blocked != want.blocked || got.links != want.links || got.created != want.created || got.marked != want.marked {
						t.Errorf("got %+v, want %+v", got, want)
					}
				})
			})
		}
	}
}

// joins has somebody join whose e-mail a record may have already, and tells what became of it.
func (w *world) joins(c rules.Campaign, there string) (got struct {
	blocked bool
	links   string
	created bool
	marked  bool
}) {
	w.t.Helper()
	object, other := "Lead", "Contact"
	if c.Object == rules.Contact {
		object, other = other, object
	}
	fields := sandbox.Fields{"LastName": "Ann", "Email": "Ann@Example.com "}
	company := func(on string) sandbox.Fields {
		if on == "Lead" {
			return sandbox.Fields{"Company": "Acme"}
		}
		return nil
	}
	record := ""
	switch there {
	case "old":
		record = w.org.Create(object, with(fields, []sandbox.Fields{company(object), Old()}))
	case "old on the other object":
		record = w.org.Create(other, with(fields, []sandbox.Fields{company(other), Old()}))
	case "young":
		record = w.org.Create(object, with(fields, []sandbox.Fields{company(object)}))
	case "older by hours":
		at := serviceTime().Add(-3 * time.Hour).Truncate(time.Second)
		record = w.org.Create(object, with(fields, []sandbox.Fields{company(object), {"CreatedDate": at}}))
	}
	before := len(w.org.IDs(object))
	u := w.rf.Refer(c.ID, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
	w.Passes(2)
	r := w.Referral(u)
	got.blocked = r.Verdict.Reason == rules.ExistingRecord
	got.created = len(w.org.IDs(object)) == before+1
	got.marked = there != "nobody" && w.org.Get(string(objectOf(record)), record)[codeField] == u.Code
	for _, l := range r.Links {
		switch {
		case l.RecordID != record:
			got.links += "new"
		case there == "young":
			got.links += "young"
		default:
			got.links += "old"
		}
	}
	return got
}

func objectOf(record string) rules.Object {
	if record[:3] == "003" {
		return rules.Contact
	}
	return rules.Lead
}

// A record that carries somebody's code or e-mail need not be theirs: it is ignored, or is of the other object. What is said of no_record is true then, too.
func TestWhoHasNoRecordIsNotToldThatNoneCarriesTheirCode(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.CreateNew
	running(t, one(c), func(w *world) {
		ann, bob := w.Refer("Ann"), w.Refer("Bob")
		w.Lead(ann, Old())
		w.Contact(bob)
		w.Passes(2)
		for _, u := range []sandbox.User{ann, bob} {
			w.WantNot(u, rules.NoRecord)
			if got, want := w.Referral(u).Verdict.Sentence, "no Lead that is newer than the referral is its own by code or e-mail"; got != want {
				t.Errorf("%s: got %q, want %q", u.FirstName, got, want)
			}
		}
	})
}

func TestACreatedRecordHasTheMappedFields(t *testing.T) {
	c := creating(fieldCampaign(), rules.DoNothing)
	c.Fields = []rules.Mapping{
		{To: "LastName", Dynamic: "meta.Last Name", Otherwise: "(unknown)"}, {To: "FirstName", Dynamic: "first_name"},
		{To: "Company", Fixed: "Referred"}, {To: "Description", Dynamic: "referrer.first_name"}, {To: "NumberOfEmployees", Dynamic: "meta.Staff"},
	}
	running(t, one(c), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Meta: []sandbox.Meta{{Field: "Last Name", Value: "O'Hara @{x}"}, {Field: "Staff", Value: "12"}}})
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob"})
		w.Passes(1)
		w.WantRecords("Lead", 2)
		for u, last := range map[int64]string{ann.ID: "O'Hara @{x}", bob.ID: "(unknown)"} {
			user := w.rf.User(u)
			lead := w.org.Get("Lead", w.Referral(user).Links[0].RecordID)
			for field, want := range map[string]any{"LastName": last, "FirstName": user.FirstName, "Company": "Referred", "Description": "Rita", "Email": user.Email, codeField: user.Code} {
				if lead[field] != want {
					t.Errorf("%s of %s's Lead: got %v, want %v", field, user.FirstName, lead[field], want)
				}
			}
		}
	})
}

func TestAMarkFillsOnlyEmptyFields(t *testing.T) {
	c := creating(fieldCampaign(), rules.Update)
	c.Fields = append(c.Fields, rules.Mapping{To: "FirstName", Dynamic: "first_name"}, rules.Mapping{To: "LeadSource", Fixed: "Web"})
	running(t, one(c), func(w *world) {
		lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Jones", "FirstName": "Annabel", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		coded := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Burns", "Company": "Acme", "Email": "bob@example.com", codeField: "another"}, []sandbox.Fields{Old()}))
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"})
		w.Passes(2)
		w.WantRecords("Lead", 2)
		w.WantLinks(ann, lead)
		w.WantLinks(bob, coded)
		for _, want := range []struct {
			lead, field, value string
		}{
			{lead, "LastName", "Jones"}, {lead, "FirstName", "Annabel"}, {lead, "Company", "Acme"}, {lead, "LeadSource", "Web"}, {lead, codeField, ann.Code},
			{coded, "LastName", "Burns"}, {coded, "FirstName", "Bob"}, {coded, codeField, "another"},
		} {
			if got := w.org.Get("Lead", want.lead)[want.field]; got != want.value {
				t.Errorf("%s: got %v, want %q", want.field, got, want.value)
			}
		}
	})
}

// Nor when the mapping spells a field in another case than Salesforce does.
func TestAMarkFillsOnlyEmptyFieldsHoweverTheyAreSpelled(t *testing.T) {
	c := creating(fieldCampaign(), rules.Update)
	c.Fields = append(c.Fields, rules.Mapping{To: "leadsource", Fixed: "Web"}, rules.Mapping{To: "referral_code__C", Dynamic: "code"})
	running(t, one(c), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		lead := w.Lead(ann, Old(), sandbox.Fields{codeField: "another", "LeadSource": "Phone"})
		w.Passes(2)
		w.WantLinks(ann, lead)
		if got := w.org.Get("Lead", lead); got["LeadSource"] != "Phone" || got[codeField] != "another" {
			t.Errorf("got source %v and code %v, want what stood there", got["LeadSource"], got[codeField])
		}
	})
}

func TestARecordWithAnotherReferralsCodeIsTheirs(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(ann, sandbox.Fields{"Email": bob.Email})
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.WantLinks(bob)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestTwoReferralsWithOneEmailAreAmbiguousUntilAPin(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "shared@example.com"})
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "Shared@example.com"})
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.Passes(2)
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.Ambiguous)
		w.WantNot(bob, rules.Ambiguous)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, bob), lead, byHand()) })
		w.Passes(2)
		w.WantOnly(bob)
	})
}

func TestALinkFollowsTheCode(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(ann, sandbox.Fields{"Email": ""})
		w.Passes(1)
		w.WantLinks(ann, lead)
		w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code})
		w.Passes(1)
		w.WantLinks(ann)
		w.WantLinks(bob, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(bob)
	})
}

func TestACodeIsExactToTheLetter(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Lead(ann, sandbox.Fields{"Email": "", codeField: swapCase(ann.Code), "Status": goodValue})
		w.Passes(2)
		w.WantLinks(ann)
		w.WantNot(ann, rules.NoRecord)
	})
}

func swapCase(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= 0x20
	}
	return string(b)
}

func TestAChangedEmailIsLookedUp(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "right@example.com"})
		w.Passes(1)
		w.WantLinks(ann)
		w.rf.UpdateEmail(ann.ID, "right@example.com")
		w.Passes(1)
		w.WantLinks(ann, lead)
	})
}

// The Lead was Ann's, and is Bob's by its e-mail now. That he is qualified already makes it no less his: what becomes of it speaks for her no more.
func TestARecordBecomesTheirsWhoAreQualifiedAlready(t *testing.T) {
	c := fieldCampaign()
	c.CodeField, c.Duplicates = "", rules.Update
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		lead, other := w.Lead(ann), w.org.Create("Lead", sandbox.Fields{"LastName": "Bob", "Company": "Acme"})
		w.Passes(1)
		w.org.Update("Lead", lead, sandbox.Fields{"Email": "bob@example.com"})
		w.Passes(1)
		w.WantLinks(ann, lead)

		w.After(time.Hour)
		w.Passes(1) // the change is out of the overlap from now on
		bob := w.rf.Refer(c.ID, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"})
		w.rf.SetQualified(bob.ID, true)
		w.Passes(1)
		w.WantLinks(bob, lead)
		w.WantLinks(ann)
		w.org.Merge("Lead", other, lead)
		w.Passes(1)
		w.Status(other, goodValue)
		w.Passes(1)
		w.WantNot(ann, rules.NoRecord)
	})
}

// What the first complete sweep shows was there before us: it is linked, and nothing is written for it.
func TestReferralsOfTheFirstSweepAreLinkedAndNeverCreated(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		ann, bob := w.Refer("Ann"), w.Refer("Bob")
		lead := w.Lead(ann)
		w.After(time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.WantLinks(ann, lead)
		w.WantNot(bob, rules.NoRecord)

		w.Act(func(tx *store.Tx) error { return poll.AskJoin(tx, w.referralIn(tx, bob), byHand()) })
		w.Passes(2)
		w.WantRecords("Lead", 2)
		w.Status(w.Referral(bob).Links[0].RecordID, goodValue)
		w.Passes(1)
		w.WantOnly(bob)
	})
}

// The campaign makes records now. Who joined while it made none gets one by an operator's order, like those who were there from the start.
func TestAnOrderToJoinReachesWhoJoinedWhileNothingWasMade(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Configure(func(o *poll.Options) { o.Campaigns[0] = creating(fieldCampaign(), rules.DoNothing) })
		w.Passes(2)
		w.WantRecords("Lead", 0)
		w.Act(func(tx *store.Tx) error { return poll.AskJoin(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.Status(w.leadOf(ann), goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// An interrupted first sweep must not make the second one's referrals look like newcomers.
func TestAFirstSweepThatBreaksOffCreatesNobody(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		w.rf.IgnorePerPage(true)
		for i := range 60 {
			w.Refer(fmt.Sprintf("P%d", i))
		}
		w.rf.SetFault(always(func(r *http.Request) bool { return r.URL.Query().Get("page") == "2" }, sandbox.HTML(http.StatusBadGateway)))
		mustContain(t, "a sweep that breaks off", w.TryPass(), "page 2")
		w.WantRecords("Lead", 0)
		w.rf.SetFault(nil)
		w.After(time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 0)
		late := w.Known("Late")
		w.WantRecords("Lead", 1)
		w.WantNot(late, rules.ValueNotReached)
	})
}

// The lost answer of a create is settled by looking, never by posting at once again.
func TestALostCreateNeverMakesTwoRecords(t *testing.T) {
	for name, c := range map[string]struct {
		fault *sandbox.Fault
		code  string
	}{
		"carried out, no answer":                     {&sandbox.Fault{Lost: true}, codeField},
		"carried out, no answer, known by e-mail":    {&sandbox.Fault{Lost: true}, ""},
		"carried out, answered after the time-out":   {&sandbox.Fault{Delay: 3 * time.Minute}, codeField},
		"carried out, the answer cut":                {&sandbox.Fault{Cut: 3}, codeField},
		"not carried out, no answer":                 {&sandbox.Fault{Refused: true}, codeField},
		"not carried out, no answer, known by email": {&sandbox.Fault{Refused: true}, ""},
		"not carried out, a page of a proxy":         {sandbox.HTML(http.StatusBadGateway), codeField},
	} {
		t.Run(name, func(t *testing.T) {
			campaign := creating(fieldCampaign(), rules.CreateNew)
			campaign.CodeField = c.code
			running(t, one(campaign), func(w *world) {
				ann := w.Refer("Ann")
				w.org.SetFault(once(isCreate, c.fault))
				if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
					t.Errorf("a create of unknown outcome: got %v, want ErrOpen", err)
				}
				w.Restart()
				for range 6 {
					w.After(time.Minute)
					w.TryPass()
				}
				w.WantRecords("Lead", 1)
				w.WantLinks(ann, w.org.IDs("Lead")[0])
				w.Status(w.org.IDs("Lead")[0], goodValue)
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// The record was given the e-mail of then, and may carry nothing else that tells whose it is.
func TestALostCreateIsFoundThoughTheReferralsEmailChanged(t *testing.T) {
	campaign := creating(fieldCampaign(), rules.CreateNew)
	campaign.CodeField = ""
	running(t, one(campaign), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(once(isCreate, &sandbox.Fault{Lost: true}))
		if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
			t.Errorf("a create of unknown outcome: got %v, want ErrOpen", err)
		}
		w.rf.UpdateEmail(ann.ID, "new@example.com")
		w.After(time.Minute)
		w.Passes(4)
		w.WantRecords("Lead", 1)
		w.WantLinks(ann, w.org.IDs("Lead")[0])
	})
}

// While the look-up by e-mail fails on the former object, what it has not found may be there all the same.
func TestALostCreateIsWaitedForWhileItsFormerObjectCannotBeLookedUp(t *testing.T) {
	c := creating(noRuleCampaign(), rules.Update)
	c.CodeField = ""
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.org.SetFault(nil)
		w.Fail("FROM Lead WHERE Email", "UNKNOWN_EXCEPTION")
		w.Configure(func(o *poll.Options) {
			o.Campaigns[0].Object, o.Campaigns[0].Mode = rules.Contact, rules.CreateContact
			o.Campaigns[0].Fields = o.Campaigns[0].Fields[:1]
		})
		for range 6 {
			w.After(time.Minute)
			mustContain(t, "a pass whose look-up fails", w.TryPass(), "look-up of Leads by Email")
		}
		w.Heal()
		w.After(time.Minute)
		w.Passes(1)
		w.WantRecords("Contact", 0)
		w.WantLinks(ann, w.org.IDs("Lead")...)
	})
}

// The Lead that we made is there, though the campaign has turned to Contacts since: as for who had an answer, nothing else is made.
func TestALostCreateIsFoundThoughTheCampaignsObjectChanged(t *testing.T) {
	c := creating(noRuleCampaign(), rules.Update)
	c.CodeField = ""
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.org.SetFault(nil)
		w.Configure(func(o *poll.Options) {
			o.Campaigns[0].Object, o.Campaigns[0].Mode = rules.Contact, rules.CreateContact
			o.Campaigns[0].Fields = o.Campaigns[0].Fields[:1]
		})
		for range 6 {
			w.After(time.Minute)
			w.TryPass()
		}
		w.WantRecords("Contact", 0)
		w.WantLinks(ann, w.org.IDs("Lead")...)
	})
}

// A person may make a record for the same person while the answer is missing. It has the e-mail, and not the code that was written into ours.
func TestALostCreateIsNotTakenForARecordThatAPersonMadeMeanwhile(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		ann := w.Refer("Ann")
		var byHand string
		w.org.SetFault(once(isCreate, &sandbox.Fault{Lost: true}))
		w.before = onFirst(isCreate, func() {
			byHand = w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": ann.Email})
		})
		if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
			t.Errorf("a create of unknown outcome: got %v, want ErrOpen", err)
		}
		w.After(time.Minute)
		w.Passes(2)
		ours := w.leadOf(ann)
		w.WantLinks(ann, ours, byHand)
		if l, _ := w.Referral(ann).LinkTo(ours); !l.Kinds.Has(rules.Created) {
			t.Errorf("the Lead that was made for %s is linked as %v, want it created", ann.FirstName, l.Kinds)
		}
		if l, _ := w.Referral(ann).LinkTo(byHand); l.Kinds.Has(rules.Created) {
			t.Errorf("the Lead that a person made is linked as %v, want it by its e-mail", l.Kinds)
		}
	})
}

// A record whose create had no answer, and that we could not see when we looked for it, has what we wrote also when it is shared with us later.
func TestAFirstRecordThatIsSeenAfterASecondOneWasMadeQualifiesNobody(t *testing.T) {
	for name, coded := range map[string]bool{"known by its code": true, "known by its e-mail": false} {
		t.Run(name, func(t *testing.T) {
			c := fillingIn(rules.CreateNew)
			if !coded {
				c.CodeField = ""
			}
			running(t, one(c), func(w *world) {
				ann := w.Refer("Ann")
				first := w.firstOfTwo(ann, func() {})
				for _, title := range []string{"Prospect", "Referred"} {
					w.org.Update("Lead", first, sandbox.Fields{"Title": title})
					w.After(time.Minute)
					w.Passes(1)
				}
				w.WantOnly(ann)
			})
		})
	}
}

// firstOfTwo has two Leads made for a referral: the answer about the first is lost, and it is hidden when we look for it. meanwhile comes between the two. Once the
// first is shared, both are the referral's, and what we wrote into them qualifies nobody.
func (w *world) firstOfTwo(u sandbox.User, meanwhile func()) (first string) {
	w.t.Helper()
	w.org.SetFault(lostAndDown(isCreate))
	w.TryPass()
	w.org.SetFault(nil)
	first = w.org.IDs("Lead")[0]
	w.org.HideRecord("Lead", first)
	meanwhile()
	w.After(3 * time.Minute)
	w.Passes(2)
	w.WantRecords("Lead", 2)
	w.org.ShowRecord("Lead", first)
	w.org.Update("Lead", first, sandbox.Fields{"Description": "seen again"})
	w.After(time.Minute)
	w.Passes(3)
	w.WantLinks(u, w.org.IDs("Lead")...)
	w.WantOnly()
	return first
}

// What the first request wrote stays ours, though the mapping was another when the second was sent.
func TestAFirstRecordOfAFormerMappingQualifiesNobody(t *testing.T) {
	c := fillingIn(rules.CreateNew)
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.firstOfTwo(ann, func() {
			w.Configure(func(o *poll.Options) { o.Campaigns[0].Fields = creating(c, c.Duplicates).Fields })
		})
	})
}

// The former e-mail may have become somebody else's, and so may have the record that carries it.
func TestALostCreateIsNotTakenForTheRecordOfWhoeverHasTheFormerEmail(t *testing.T) {
	campaign := creating(fieldCampaign(), rules.CreateNew)
	campaign.CodeField = ""
	running(t, one(campaign), func(w *world) {
		ann := w.Refer("Ann")
		w.org.SetFault(once(isCreate, &sandbox.Fault{Refused: true}))
		if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
			t.Errorf("a create of unknown outcome: got %v, want ErrOpen", err)
		}
		w.rf.UpdateEmail(ann.ID, "new@example.com")
		ben := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ben", Email: ann.Email})
		for range 6 {
			w.After(time.Minute)
			w.TryPass() // ErrOpen, until the first request can have no effect any more
		}
		w.WantRecords("Lead", 2)
		w.WantLinks(ann, w.org.IDs("Lead")[1])
		w.WantLinks(ben, w.org.IDs("Lead")[0])
	})
}

func TestALostMarkIsSettledByTheNextPass(t *testing.T) {
	for name, fault := range map[string]*sandbox.Fault{"carried out": {Lost: true}, "not carried out": {Refused: true}} {
		t.Run(name, func(t *testing.T) {
			running(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
				lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
				ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.org.SetFault(once(func(r *http.Request) bool { return r.Method == http.MethodPatch }, fault))
				if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
					t.Errorf("a mark of unknown outcome: got %v, want ErrOpen", err)
				}
				w.Restart()
				w.After(time.Minute)
				w.Passes(2)
				w.WantRecords("Lead", 1)
				w.WantLinks(ann, lead)
				if got := w.org.Get("Lead", lead)[codeField]; got != ann.Code {
					t.Errorf("code of the marked Lead: got %v, want %s", got, ann.Code)
				}
			})
		})
	}
}

// A mark of one campaign whose answer was lost writes what another campaign's rule asks for: that is our own doing, and qualifies nobody.
func TestALostMarkQualifiesNobodyInAnotherCampaign(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		lead := w.Lead(ann, Old(), sandbox.Fields{codeField: ""})
		w.Passes(2)
		w.WantLinks(ann, lead)
		again := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.org.SetFault(once(func(r *http.Request) bool { return r.Method == http.MethodPatch }, &sandbox.Fault{Lost: true}))
		if err := w.TryPass(); !errors.Is(err, poll.ErrOpen) {
			t.Errorf("a mark of unknown outcome: got %v, want ErrOpen", err)
		}
		w.After(time.Minute)
		w.Passes(2)
		w.WantLinks(again, lead)
		w.WantOnly()
	})
}

// The answer of a mark is lost, and before it can be settled the record becomes another's of the campaign. Who has it in another campaign is not qualified
// by what we wrote.
func TestALostMarkOfARecordThatBecomesAnothersQualifiesNobody(t *testing.T) {
	marking := creating(fieldCampaign(), rules.Update)
	marking.CodeField, marking.Fields = "", append(marking.Fields, rules.Mapping{To: "LeadSource", Fixed: "Partner Referral"})
	watching := fieldCampaign()
	watching.ID, watching.Duplicates, watching.Field, watching.Value = 201, rules.Update, "LeadSource", "Partner Referral"
	for _, tracked := range []bool{false, true} {
		t.Run(fmt.Sprintf("tracked %v", tracked), func(t *testing.T) {
			running(t, []rules.Campaign{marking, watching}, func(w *world) {
				w.org.Track("Lead", "LeadSource", tracked)
				w.Known("Bob")
				ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				lead := w.Lead(ann, Old(), sandbox.Fields{codeField: ""})
				w.Passes(2)
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				marked := false
				w.org.SetFault(func(r *http.Request) *sandbox.Fault {
					switch {
					case r.Method == http.MethodPatch:
						marked = true
						return &sandbox.Fault{Lost: true}
					case marked:
						return &sandbox.Fault{Refused: true} // nothing is seen in the rest of the pass
					}
					return nil
				})
				w.TryPass()
				if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
					t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
				}
				w.org.SetFault(nil)
				w.After(time.Hour)
				w.org.Update("Lead", lead, sandbox.Fields{"Email": "bob@example.com"})
				w.Passes(3)
				w.WantOnly()
			})
		})
	}
}

// While a create is under way, whose answer is lost, a person makes a Lead with the same e-mail. Without codes the two are told apart by what we wrote, so
// that ours is not taken for a person's.
func TestALeadOfThatMinuteIsNotTakenForTheOneThatWeMade(t *testing.T) {
	c := creating(fieldCampaign(), rules.CreateNew)
	c.CodeField, c.Field, c.Value = "", "LeadSource", "Partner Referral"
	c.Fields = append(c.Fields, rules.Mapping{To: "LeadSource", Fixed: "Partner Referral"})
	running(t, one(c), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		lost := once(isCreate, &sandbox.Fault{Lost: true})
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			fault := lost(r)
			if fault != nil {
				w.After(time.Second)
				w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
			}
			return fault
		})
		for range 4 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.WantRecords("Lead", 2)
		w.WantLinks(ann, w.org.IDs("Lead")...)
		w.WantOnly()
	})
}

// A person puts somebody else's code into a record that we made, before we have found it: what it was made with is our doing still. Later on, the record is
// found for the one for whom it was made, and not taken for it because of the code.
func TestARecordThatWeMadeIsOursAlsoWithAnothersCode(t *testing.T) {
	for name, until := range map[string]time.Duration{"while it may be under way": time.Minute, "when that is over": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			all := markingAndWatching()
			all[0].Duplicates, all[1].Duplicates = rules.CreateNew, rules.CreateNew
			running(t, all, func(w *world) {
				bob := w.rf.Refer(201, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"})
				w.Passes(1)
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.org.SetFault(lostAndDown(isCreate))
				w.TryPass()
				w.org.SetFault(nil)
				lead := w.org.IDs("Lead")[0]
				w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code})
				w.After(until)
				for range 4 {
					w.TryPass()
					w.After(time.Minute)
				}
				w.WantLinks(bob, lead)
				w.WantOnly()
			})
		})
	}
}

// A create of unknown outcome is repeated, and refused for good. The record that a person makes by hand the day after is theirs, not ours.
func TestALeadOfTheDayAfterIsNotTakenForTheOneThatWasRefused(t *testing.T) {
	c := creating(fieldCampaign(), rules.CreateNew)
	c.CodeField, c.Field, c.Value = "", "LeadSource", "Partner Referral"
	c.Fields = append(c.Fields, rules.Mapping{To: "LeadSource", Fixed: "Partner Referral"})
	running(t, one(c), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		faults := []*sandbox.Fault{{Refused: true}, sandbox.Refusal(http.StatusBadRequest, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no")}
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if !isCreate(r) || len(faults) == 0 {
				return nil
			}
			fault := faults[0]
			faults = faults[1:]
			return fault
		})
		for range 5 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.WantNot(ann, rules.JoinRefused)
		w.After(20 * time.Hour)
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com", "LeadSource": "Partner Referral"})
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.WantOnly(ann)
	})
}

// The first of the two had its effect after all, and its record is shown only now: it is known for ours.
func TestARecordThatIsShownAfterTheRepeatedCreateWasRefusedIsOurs(t *testing.T) {
	c := creating(fieldCampaign(), rules.CreateNew)
	c.Field, c.Value = "LeadSource", "Partner Referral"
	c.Fields = append(c.Fields, rules.Mapping{To: "LeadSource", Fixed: "Partner Referral"})
	running(t, one(c), func(w *world) {
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		faults := []*sandbox.Fault{{Lost: true}, sandbox.Refusal(http.StatusBadRequest, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no")}
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			for _, made := range w.org.IDs("Lead") {
				w.org.HideRecord("Lead", made)
			}
			if !isCreate(r) || len(faults) == 0 {
				return nil
			}
			fault := faults[0]
			faults = faults[1:]
			return fault
		})
		for range 5 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.WantNot(ann, rules.JoinRefused)
		w.org.SetFault(nil)
		lead := w.org.IDs("Lead")[0]
		w.org.ShowRecord("Lead", lead)
		w.After(25 * time.Hour) // the daily look finds it
		w.Passes(3)
		w.WantLinks(ann, lead)
		w.WantOnly()
	})
}

// A record that a person has pinned to somebody else of the campaign is not marked for another who has its e-mail.
func TestWhatIsPinnedToAnotherIsNotMarked(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
		bob := w.Known("Bob")
		lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		w.Passes(1)
		w.Act(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, bob), lead, byHand()) })
		w.Passes(1)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(3)
		if got := w.org.Get("Lead", lead)[codeField]; got != nil {
			t.Errorf("code of the Lead that is pinned to Bob: got %v, want none", got)
		}
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(bob)
		w.WantRecords("Lead", 3) // Bob's, the one that is pinned to him, and Ann's own
		w.WantLinks(ann, w.org.IDs("Lead")[2])
	})
}

// Before we find the Lead that we asked for and had no answer about, somebody gives it the e-mail of a referral of another campaign, and no code was written into
// it. What it was made with is our doing, also where it can be read by its Id only after another was made in its place; what a person makes of it then is not.
func TestALeadThatBecameAnothersBeforeWeFoundItIsStillOurs(t *testing.T) {
	for name, late := range map[string]bool{"read at once": false, "read when another was made": true} {
		t.Run(name, func(t *testing.T) {
			all := markingAndWatching()
			all[0].CodeField = ""
			running(t, all, func(w *world) {
				bob := w.Known("Bob", 201)
				w.Passes(2)
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.org.SetFault(lostAndDown(isCreate))
				w.TryPass()
				w.org.SetFault(nil)
				lead := w.org.IDs("Lead")[0]
				w.org.Update("Lead", lead, sandbox.Fields{"Email": bob.Email})
				if late {
					w.Fail(" FROM Lead WHERE Id IN", "UNKNOWN_EXCEPTION")
				}
				for range 5 {
					w.TryPass()
					w.After(time.Minute)
				}
				w.WantRecords("Lead", 2) // Ann has one of her own again
				w.WantLinks(bob, lead)
				w.Heal()
				w.Passes(2)
				w.WantOnly()
				for _, source := range []string{"Web", "Partner Referral"} {
					w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": source})
					w.Passes(1)
				}
				w.WantOnly(bob)
			})
		})
	}
}

// In the minute of a lost create a person makes a Lead for somebody else, and then gives it the very value that we asked for: that is theirs.
func TestALeadThatAPersonMakesInTheMinuteOfALostCreateIsTheirs(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		bob := w.Known("Bob", 201)
		w.Passes(2)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.org.SetFault(nil)
		w.org.HideRecord("Lead", w.org.IDs("Lead")[0])
		w.After(10 * time.Second)
		lead := w.Lead(bob, sandbox.Fields{codeField: "", "LeadSource": "Web"})
		w.TryPass()
		w.After(20 * time.Second)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.After(5 * time.Minute)
		w.Passes(2)
		w.WantOnly(bob)
	})
}

// A mark whose answer was lost qualifies nobody either when it is not repeated: another Lead is marked by then, or none. The Lead was never looked at
// before, for nothing was to be had from Salesforce any more.
func TestALostMarkThatIsNotRepeatedQualifiesNobodyInAnotherCampaign(t *testing.T) {
	for name, then := range map[string]func(w *world, lead, other string){
		"the Lead is converted": func(w *world, lead, _ string) { w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true}) },
		"another Lead is marked": func(w *world, _, other string) {
			w.org.Update("Lead", other, sandbox.Fields{"Company": "Acme Inc"})
		},
		"what existed before blocks": func(w *world, _, _ string) {
			w.Configure(func(o *poll.Options) { o.Campaigns[0].Duplicates = rules.DoNothing })
		},
		"nothing is written any more": func(w *world, _, _ string) {
			w.Configure(func(o *poll.Options) { o.Campaigns[0].Mode = rules.DoNothingOnJoin })
		},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, markingAndWatching(), func(w *world) {
				ann := w.Known("Ann", 201)
				other, lead := w.twoLeadsAndALostMark(ann, "")
				then(w, lead, other)
				w.After(time.Minute)
				w.Passes(3)
				if w.putsFor(ann) > 0 {
					t.Errorf("Ann: qualified (%s), want not", w.Referral(ann).Verdict.Sentence)
				}
			})
		})
	}
}

// What a person wrote into one Lead is theirs, though we had the same written into another.
func TestALostMarkMakesNothingOursInAnotherLead(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		ann := w.Known("Ann", 201)
		other, _ := w.twoLeadsAndALostMark(ann, "Partner Referral")
		w.org.Update("Lead", other, sandbox.Fields{"Company": "Acme Inc"})
		w.After(time.Minute)
		w.Passes(3)
		w.WantOnly(ann)
	})
}

// Nor does a create whose answer was lost, while the campaign that made the record is out of the config.
func TestALostCreateQualifiesNobodyInAnotherCampaign(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		ann := w.Known("Ann", 201)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.org.SetFault(nil)
		w.WantRecords("Lead", 1)
		w.Configure(func(o *poll.Options) { o.Campaigns = all[1:] })
		w.After(10 * time.Minute)
		w.Passes(2)
		w.WantLinks(ann, w.org.IDs("Lead")...)
		w.WantOnly()
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		w.Passes(2)
		w.WantOnly()
		w.WantRecords("Lead", 1)
	})
}

// markingAndWatching are a campaign that writes a source into the Leads that it marks, and one whose rule is about it.
func markingAndWatching() []rules.Campaign {
	marking := creating(fieldCampaign(), rules.Update)
	marking.Fields = append(marking.Fields, rules.Mapping{To: "LeadSource", Fixed: "Partner Referral"})
	watching := fieldCampaign()
	watching.ID, watching.Duplicates, watching.Field, watching.Value = 201, rules.Update, "LeadSource", "Partner Referral"
	return []rules.Campaign{marking, watching}
}

// twoLeadsAndALostMark has two Leads entered with somebody's e-mail, the first with a source. A day later the person joins the first campaign as well, whose
// mark of the second Lead is the last that Salesforce takes, and tells nobody, for ten minutes.
func (w *world) twoLeadsAndALostMark(u sandbox.User, source string) (first, marked string) {
	w.t.Helper()
	first = w.Lead(u, sandbox.Fields{codeField: "", "LeadSource": source})
	w.After(time.Minute)
	marked = w.Lead(u, sandbox.Fields{codeField: ""})
	w.After(26 * time.Hour)
	w.rf.Refer(w.options.Campaigns[0].ID, sandbox.NewUser{FirstName: u.FirstName, Email: u.Email})
	w.org.SetFault(lostAndDown(func(r *http.Request) bool { return r.Method == http.MethodPatch }))
	w.TryPass()
	w.org.SetFault(nil)
	if got := w.org.Get("Lead", marked)["LeadSource"]; got != "Partner Referral" {
		w.t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
	}
	w.After(10 * time.Minute)
	return first, marked
}

// lostAndDown has the answer to a request lost, and none to any request after it.
func lostAndDown(fits func(*http.Request) bool) func(*http.Request) *sandbox.Fault {
	down := false
	return func(r *http.Request) *sandbox.Fault {
		switch {
		case down:
			return sandbox.HTML(http.StatusServiceUnavailable)
		case fits(r):
			down = true
			return &sandbox.Fault{Lost: true}
		}
		return nil
	}
}

// What we wrote into a field that no rule was about then is our own doing as well for a campaign that comes back into the config.
func TestWhatWeWroteQualifiesNobodyInACampaignThatWasAway(t *testing.T) {
	for name, test := range map[string]struct {
		marked bool
		faults []*sandbox.Fault // of the requests that write it, in turn
	}{
		"marked":                   {marked: true},
		"marked, the answer lost":  {marked: true, faults: []*sandbox.Fault{{Lost: true}}},
		"created":                  {},
		"created, the answer lost": {faults: []*sandbox.Fault{{Lost: true}}},
		"created by a second request, whose answer was lost": {faults: []*sandbox.Fault{{Refused: true}, {Lost: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			all := markingAndWatching()
			running(t, all, func(w *world) {
				w.org.Track("Lead", "LeadSource", true)
				ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				if test.marked {
					w.Lead(ann, Old(), sandbox.Fields{codeField: ""})
				}
				w.Passes(2)
				w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
				w.Passes(1)
				again := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.org.SetFault(func(r *http.Request) *sandbox.Fault {
					if !isCreate(r) && r.Method != http.MethodPatch || len(test.faults) == 0 {
						return nil
					}
					fault := test.faults[0]
					test.faults = test.faults[1:]
					return fault
				})
				for range 8 {
					w.TryPass()
					w.After(time.Minute)
				}
				lead := w.org.IDs("Lead")[0]
				w.WantLinks(again, lead)
				if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
					t.Fatalf("source of the Lead that we wrote: got %v, want Partner Referral", got)
				}
				w.Configure(func(o *poll.Options) { o.Campaigns = all })
				w.Passes(3)
				w.WantLinks(ann, lead)
				w.WantOnly()
			})
		})
	}
}

// Also when somebody has changed something else of the record since, or nobody had looked at it before: the stamp and the creation tell nothing of when our
// value came.
func TestWhatWeWroteWhileACampaignWasAwayStaysOurs(t *testing.T) {
	for _, tracked := range []bool{true, false} {
		for name, linkedBefore := range map[string]bool{"changed since": true, "not looked at before": false} {
			t.Run(fmt.Sprint(name, ", tracked ", tracked), func(t *testing.T) {
				all := markingAndWatching()
				running(t, all, func(w *world) {
					w.org.Track("Lead", "LeadSource", tracked)
					ann := w.Known("Ann", 201)
					enter := func() string { return w.Lead(ann, sandbox.Fields{codeField: ""}) }
					lead := ""
					if linkedBefore {
						lead = enter()
					}
					w.Passes(2)
					w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
					w.Passes(1)
					if !linkedBefore {
						lead = enter()
					}
					w.After(26 * time.Hour)
					w.Passes(1)
					w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
					w.Passes(3)
					if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
						t.Fatalf("source of the Lead that we wrote: got %v, want Partner Referral", got)
					}
					w.After(time.Hour)
					w.org.Update("Lead", lead, sandbox.Fields{"Company": "Acme Inc"})
					w.Passes(1)
					w.Configure(func(o *poll.Options) { o.Campaigns = all })
					w.Passes(3)
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

// Nor is it anybody's doing when the record becomes another referral's.
func TestWhatWeWroteStaysOursWhenTheRecordBecomesAnothers(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		bob := w.Known("Bob", 201)
		ann := w.Known("Ann", 101)
		lead := w.org.IDs("Lead")[0]
		w.Passes(1)
		w.WantLinks(ann, lead)
		again := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: bob.Email})
		w.org.Update("Lead", lead, sandbox.Fields{"Email": bob.Email, codeField: again.Code})
		w.Passes(2)
		w.WantLinks(ann)
		w.WantLinks(again, lead)
		w.WantLinks(bob, lead)
		w.WantOnly()
	})
}

// So is what we wrote from an answer with spaces around it, which Salesforce stores without them.
func TestSpacesAroundWhatWeWroteMakeItNobodyElsesDoing(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "created": false} {
		t.Run(name, func(t *testing.T) {
			writing := creating(fieldCampaign(), rules.Update)
			writing.Fields = append(writing.Fields, rules.Mapping{To: "LeadSource", Dynamic: "meta.How"})
			watching := fieldCampaign()
			watching.ID, watching.Duplicates, watching.Field, watching.Value = 201, rules.Update, "LeadSource", "Partner Referral"
			running(t, []rules.Campaign{writing, watching}, func(w *world) {
				ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				if marked {
					w.Lead(ann, sandbox.Fields{codeField: ""})
				}
				w.After(26 * time.Hour)
				w.Passes(2)
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com", Meta: []sandbox.Meta{{Field: "How", Value: "Partner Referral "}}})
				w.Passes(3)
				lead := w.org.IDs("Lead")[0]
				w.WantLinks(ann, lead)
				if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
					t.Fatalf("source of the Lead that we wrote: got %v, want Partner Referral", got)
				}
				w.WantOnly()
			})
		})
	}
}

// Somebody whose name is nothing but spaces gets a record with what the mapping has for such a case.
func TestANameOfSpacesIsNone(t *testing.T) {
	c := creating(fieldCampaign(), rules.DoNothing)
	c.Fields[0].Otherwise = "(unknown)"
	running(t, one(c), func(w *world) {
		w.rf.Refer(101, sandbox.NewUser{FirstName: " ", Email: "ann@example.com"})
		w.Passes(1)
		w.WantRecords("Lead", 1)
	})
}

// DUPLICATE_VALUE after a lost answer says that the first request made the record after all.
func TestDuplicateValueOnARetryMeansItWasMade(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Key__c", Label: "Key", Type: "string", Length: 40, Unique: true, CaseSensitive: true, ExternalID: true})
		w.Configure(func(o *poll.Options) {
			o.Campaigns[0].Fields = append(o.Campaigns[0].Fields, rules.Mapping{To: "Key__c", Dynamic: "code"})
		})
		ann := w.Refer("Ann")
		lost := once(isCreate, &sandbox.Fault{Lost: true})
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			for _, made := range w.org.IDs("Lead") {
				w.org.HideRecord("Lead", made) // what was made is not shown at once
			}
			return lost(r)
		})
		w.TryPass()
		w.Asked("")
		w.After(time.Minute)
		w.TryPass()
		if got := w.Asked("POST /services/data/v67.0/sobjects/Lead"); got != 0 {
			t.Errorf("within two minutes of a lost answer: got %d more creates, want none", got)
		}
		w.After(2 * time.Minute)
		mustContain(t, "a repeated create", w.TryPass(), "DUPLICATE_VALUE")
		w.org.SetFault(nil)
		hidden := w.org.IDs("Lead")[0]
		w.org.ShowRecord("Lead", hidden)
		w.After(time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.WantLinks(ann, hidden)
	})
}

func TestABlockingDuplicateRuleLeavesTheReferralWaiting(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		w.org.DuplicateRule("Lead", true)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		bob := w.Refer("Bob")
		w.Passes(2)
		w.WantRecords("Lead", 2) // the old one, and Bob's
		w.WantNot(ann, rules.JoinRefused)
		for _, want := range []string{"DUPLICATES_DETECTED", old} {
			mustContain(t, "why Ann waits", errors.New(w.Referral(ann).Verdict.Sentence), want)
		}
		w.WantNot(bob, rules.ValueNotReached)
		w.Passes(3)
		w.WantRecords("Lead", 2)
	})
}

func TestAnAlertingDuplicateRuleDoesNotStopCreateNew(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.CreateNew)), func(w *world) {
		w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		w.org.DuplicateRule("Lead", false)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(2)
		w.WantRecords("Lead", 2)
		w.WantLinks(ann, w.org.IDs("Lead")[1])
	})
}

// The daily look has whoever Salesforce refused a record for tried again. Who has a record by then, which has just reached the value, does not wait for that: a
// minute later something else may stand there.
func TestWhoIsTriedAgainIsJudgedByWhatIsThere(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.org.Require("Lead", "Industry")
		ann := w.Refer("Ann")
		w.Passes(2)
		w.WantNot(ann, rules.JoinRefused)
		lead := w.Lead(ann, sandbox.Fields{"Industry": "Other"})
		w.Passes(2)
		w.WantNot(ann, rules.ValueNotReached)
		w.After(25 * time.Hour) // the daily look is due
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestARequiredFieldUnmappedIsSaidAndTriedAgain(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		w.org.Require("Lead", "Industry")
		ann, bob := w.Refer("Ann"), w.Refer("Bob")
		w.Passes(2)
		w.WantRecords("Lead", 0)
		w.WantNot(ann, rules.JoinRefused)
		mustContain(t, "why Ann waits", errors.New(w.Referral(ann).Verdict.Sentence), "Industry")

		w.Configure(func(o *poll.Options) {
			o.Campaigns[0].Fields = append(o.Campaigns[0].Fields, rules.Mapping{To: "Industry", Fixed: "Other"})
		})
		w.Act(func(tx *store.Tx) error { return poll.Rejudge(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(1)
		w.WantRecords("Lead", 1)
		w.WantNot(ann, rules.ValueNotReached)
		w.After(25 * time.Hour) // the reconciliation tries the rest
		w.Passes(2)
		w.WantRecords("Lead", 2)
		w.WantNot(bob, rules.ValueNotReached)
	})
}

// Somebody's answer that reads as a number which there is none of is refused like any other that is none, and keeps nobody else waiting.
func TestAnAnswerThatIsNoNumberKeepsNobodyElseWaiting(t *testing.T) {
	for _, answer := range []string{"nan", "-Infinity", "1e999", "a lot"} {
		t.Run(answer, func(t *testing.T) {
			c := creating(fieldCampaign(), rules.DoNothing)
			c.Fields = append(c.Fields, rules.Mapping{To: "Revenue__c", Dynamic: "meta.Revenue"})
			story(t, one(c), func(w *world) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Revenue__c", Label: "Revenue", Type: "currency"})
				w.Passes(2)
				odd := w.rf.Refer(101, sandbox.NewUser{FirstName: "Odd", Email: "odd@example.com", Meta: []sandbox.Meta{{Field: "Revenue", Value: answer}}})
				w.Passes(1)
				ann := w.Refer("Ann")
				w.Passes(1)
				w.WantNot(odd, rules.JoinRefused)
				for _, lead := range w.org.IDs("Lead") {
					w.Status(lead, goodValue)
				}
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// fillingIn makes Leads with the very value that its rule is about: everybody's source.
func fillingIn(duplicates rules.Duplicates) rules.Campaign {
	c := creating(fieldCampaign(), duplicates)
	c.Field, c.Value = "Title", "Referred"
	c.Fields = append(c.Fields, rules.Mapping{To: "Title", Dynamic: "source"})
	return c
}

func TestAValueThatWeWroteIsNoTransition(t *testing.T) {
	for name, fault := range map[string]*sandbox.Fault{"answered": nil, "answer lost": {Lost: true}} {
		for _, tracked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, tracked %v", name, tracked), func(t *testing.T) {
				c := fillingIn(rules.DoNothing)
				running(t, one(c), func(w *world) {
					w.org.Track("Lead", "Title", tracked)
					ann := w.Refer("Ann")
					if fault != nil {
						w.org.SetFault(once(isCreate, fault))
					}
					for range 4 {
						w.TryPass()
						w.After(time.Minute)
					}
					w.WantRecords("Lead", 1)
					w.WantNot(ann, rules.ValuePredates)
					if got := w.Referral(ann).Verdict.Sentence; !strings.Contains(got, "qualifyd wrote it") {
						t.Errorf("got %q, want it said that qualifyd wrote it", got)
					}

					lead := w.org.IDs("Lead")[0]
					w.org.Update("Lead", lead, sandbox.Fields{"Title": "Prospect"})
					w.Passes(1)
					w.WantOnly()
					w.org.Update("Lead", lead, sandbox.Fields{"Title": "Referred"})
					w.Passes(1)
					w.WantOnly(ann)
				})
			})
		}
	}
}

// A record that we made is nobody's while it carries the code of somebody who joined after it. When the code is put right, it is not news that it has
// what we wrote.
func TestWhatWeWroteStaysOursWhileTheRecordIsNobodys(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		t.Run(fmt.Sprintf("tracked %v", tracked), func(t *testing.T) {
			c := fillingIn(rules.CreateNew)
			running(t, one(c), func(w *world) {
				w.org.Track("Lead", "Title", tracked)
				ann := w.Refer("Ann")
				w.Passes(2)
				lead := w.leadOf(ann)
				w.WantLinks(ann, lead)
				w.After(26 * time.Hour)
				bob := w.Refer("Bob")
				w.Passes(2)
				his := w.leadOf(bob)
				w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code})
				w.Passes(1)
				w.WantLinks(ann)
				w.WantLinks(bob, his)
				w.org.Update("Lead", lead, sandbox.Fields{codeField: ann.Code})
				w.Passes(2)
				w.WantLinks(ann, lead)
				w.WantOnly()
				for _, title := range []string{"Prospect", "Referred"} {
					w.org.Update("Lead", lead, sandbox.Fields{"Title": title})
					w.After(time.Minute)
					w.Passes(1)
				}
				w.WantOnly(ann)
			})
		})
	}
}

func TestAMarkThatWritesTheValueIsNoTransition(t *testing.T) {
	c := fillingIn(rules.Update)
	running(t, one(c), func(w *world) {
		w.org.Track("Lead", "Title", true)
		lead := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(4)
		if got := w.org.Get("Lead", lead)["Title"]; got != "Referred" {
			t.Errorf("title of the marked Lead: got %v, want Referred", got)
		}
		w.WantNot(ann, rules.ValuePredates)
	})
}

func TestAContactThatAConversionMadeDoesNotBlock(t *testing.T) {
	running(t, one(conversionCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.Convert(lead, sandbox.Conversion{})
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// One that was there before blocks, even if it is a customer's of yesterday: found by the e-mail, or only because the Lead was converted into it.
func TestAContactOfYesterdayThatALeadIsConvertedIntoBlocks(t *testing.T) {
	for name, email := range map[string]string{"with the e-mail": "ann@example.com", "with another e-mail": "ann@work.example.com"} {
		t.Run(name, func(t *testing.T) {
			running(t, one(conversionCampaign()), func(w *world) {
				contact := w.org.Create("Contact", sandbox.Fields{"LastName": "Ann", "Email": email})
				w.After(20 * time.Hour)
				w.Passes(1)
				ann := w.rf.Refer(103, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.org.Convert(w.Lead(ann), sandbox.Conversion{ContactID: contact})
				w.Passes(3)
				w.WantNot(ann, rules.ExistingRecord)
			})
		})
	}
}

func TestPreviewWritesNothing(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		var told []poll.Write
		w.Configure(func(o *poll.Options) { o.Preview = func(p poll.Write) { told = append(told, p) } })
		ann := w.Refer("Ann")
		w.Passes(1)
		w.WantRecords("Lead", 0)
		if len(told) != 1 || told[0].Referral.ID != ann.ID || told[0].Fields["LastName"] != "Ann" {
			t.Errorf("got preview %+v, want Ann's Lead", told)
		}
	})
}
