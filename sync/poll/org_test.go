package poll_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/sandbox"
)

func TestDescribeIsKeptForADay(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Restart()
		w.Asked("")
		w.Passes(3)
		if got := w.Asked("/describe"); got != 0 {
			t.Errorf("within a day: got %d describes, want none", got)
		}
		w.After(24 * time.Hour)
		w.Passes(3)
		if got := w.Asked("/describe"); got != 2 {
			t.Errorf("after a day: got %d describes, want one of Lead and one of Contact", got)
		}
		w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Working - Contacted" })
		w.Passes(2)
		if got := w.Asked("/describe"); got != 2 {
			t.Errorf("when the config named something new: got %d describes, want two", got)
		}
	})
}

// A field that is taken away and given back is missing, never null: what it was when last seen is what the next value is compared with.
func TestAHiddenFieldKeepsItsLastSeenValue(t *testing.T) {
	running(t, []rules.Campaign{fieldCampaign(), contactCampaign()}, func(w *world) {
		ann, bob := w.Known("Ann", 101), w.Known("Bob", 102)
		a, b := w.Lead(ann), w.Contact(bob)
		w.Passes(1)

		w.org.HideField("Lead", "Status")
		w.Asked("")
		w.Passes(2)
		if got := w.Asked("Lead/describe"); got != 1 {
			t.Errorf("after INVALID_FIELD: got %d describes of Lead, want one", got)
		}
		w.WantNot(ann, rules.FieldUnreadable)
		w.Status(a, goodValue)
		w.org.Update("Contact", b, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.Passes(1)
		w.WantOnly(bob)

		w.After(time.Hour)
		w.org.ShowField("Lead", "Status")
		w.After(15 * time.Minute)
		w.Passes(2)
		w.WantOnly(ann, bob)
	})
}

func TestAValueThatDidNotChangeWhileHiddenIsNoTransition(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Lead(ann)
		w.Passes(1)
		w.org.HideField("Lead", "Status")
		w.Passes(2)
		w.org.ShowField("Lead", "Status")
		w.After(15 * time.Minute)
		w.Passes(2)
		w.WantNot(ann, rules.ValueNotReached)
		w.WantOnly()
	})
}

func TestAHiddenCodeFieldLeavesLinksAlone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann, sandbox.Fields{"Email": "another@example.com"})
		w.Passes(1)
		w.WantLinks(ann, lead)
		w.org.HideField("Lead", codeField)
		w.Status(lead, "Working - Contacted")
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestAnOrgWithoutLeadHistory(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.DropObject("LeadHistory")
		var log bytes.Buffer
		w.Configure(func(o *poll.Options) { o.Log = zerolog.New(&log) })
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
		w.Asked("")
		w.Passes(5)
		if got := w.Asked("FROM LeadHistory"); got != 0 {
			t.Errorf("an object that is gone: asked %d times, want not again for ten minutes", got)
		}
		bob := w.Known("Bob")
		b := w.Lead(bob)
		w.Passes(1)
		w.Status(b, goodValue)
		w.Passes(1)
		w.WantOnly(ann, bob)
		w.After(time.Hour)
		w.Passes(1)
		if got := strings.Count(log.String(), "shows no such history"); got != 1 {
			t.Errorf("an org without history: told %d times, want once", got)
		}
	})
}

// A history that was out of sight for a moment is asked for again before long, and tells what no poll has seen.
func TestAHistoryThatWasOutOfSightIsAskedForAgain(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Fail("FROM LeadHistory", "INVALID_TYPE")
		w.TryPass()
		w.Heal()
		w.After(11 * time.Minute)
		w.Status(lead, goodValue)
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestAParkedCampaignLeavesOthersAlone(t *testing.T) {
	typo := fieldCampaign()
	typo.ID, typo.Value = 201, "Qualfied"
	unknownField := fieldCampaign()
	unknownField.ID, unknownField.Field = 202, "Statsu"
	running(t, []rules.Campaign{typo, unknownField, fieldCampaign()}, func(w *world) {
		ann, bob, cleo := w.Known("Ann", 101), w.Known("Bob", 201), w.Known("Cleo", 202)
		a, b, c := w.Lead(ann), w.Lead(bob), w.Lead(cleo)
		w.Passes(1)
		for _, lead := range []string{a, b, c} {
			w.Status(lead, goodValue)
		}
		w.Passes(2)
		w.WantOnly(ann)
		w.WantNot(bob, rules.ValueUnknown)
		w.WantNot(cleo, rules.FieldUnreadable)
		if got := w.Referral(bob).Verdict.Sentence; !strings.Contains(got, "did you mean "+goodValue) {
			t.Errorf("a misspelt value: got %q, want the near miss named", got)
		}

		w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualfied"})
		w.After(15 * time.Minute)
		w.Passes(2)
		w.WantNot(bob, rules.ValueNotReached)
		w.Status(b, "Qualfied")
		w.Passes(2)
		w.WantOnly(ann, bob)
	})
}

func TestALabelIsResolvedToItsAPIValue(t *testing.T) {
	c := fieldCampaign()
	c.Value = "sales accepted"
	story(t, one(c), func(w *world) {
		w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "SAL_01", Label: "Sales Accepted"})
		w.Passes(1)
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, "SAL_01")
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// Nobody sees the space at the end of a rule's value, and no record has it.
func TestASpaceAfterTheRulesValueHidesNobody(t *testing.T) {
	c := fieldCampaign()
	c.Field, c.Value = "Title", "Partner "
	running(t, one(c), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.Update("Lead", lead, sandbox.Fields{"Title": "Partner"})
		w.Passes(1)
		w.WantOnly(ann)
	})
}

// A rule about a lookup that names a record, and not its Id, can never be met: it says so.
func TestALookupThatNamesNoIdParksItsCampaign(t *testing.T) {
	c := fieldCampaign()
	c.Field, c.Value = "OwnerId", "Jane Doe"
	story(t, one(c), func(w *world) {
		w.Passes(2)
		ann := w.Known("Ann")
		w.Lead(ann)
		w.Passes(1)
		w.WantNot(ann, rules.ValueUnknown)
	})
}

// The history of a lookup goes by another name than its field, and has Ids and names.
func TestALookupThatWasMovedAndMovedBackBetweenTwoPassesQualifies(t *testing.T) {
	const partners = "005Hu0000000001IAA"
	for _, field := range []string{"OwnerId", "Partner__c"} {
		t.Run(field, func(t *testing.T) {
			c := fieldCampaign()
			c.Field, c.Value = field, partners
			story(t, one(c), func(w *world) {
				if field != "OwnerId" {
					w.org.AddField("Lead", sandbox.FieldDef{Name: field, Type: "reference", ReferenceTo: "User"})
				}
				w.org.Track("Lead", field, true)
				w.Passes(2)
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				before := w.org.Get("Lead", lead)[field]
				w.org.Update("Lead", lead, sandbox.Fields{field: partners})
				w.After(10 * time.Second)
				w.org.Update("Lead", lead, sandbox.Fields{field: before})
				w.Passes(1)
				w.WantOnly(ann)
			})
		})
	}
}

// A history row that names another value does not qualify anybody because that is called what the rule's value is labelled.
func TestALabelThatIsAnotherValueIsNoProof(t *testing.T) {
	c := fieldCampaign()
	c.Field, c.Value = "Heat__c", "H1"
	story(t, one(c), func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Heat__c", Label: "Heat", Type: "picklist", Values: []sandbox.PicklistValue{
			{Value: "Cold"}, {Value: "H1", Label: "Hot"}, {Value: "Hot", Label: "Hot until 2024"},
		}})
		w.org.Track("Lead", "Heat__c", true)
		w.Passes(2)
		ann := w.Known("Ann")
		lead := w.Lead(ann, sandbox.Fields{"Heat__c": "Cold"})
		w.Passes(1)
		w.org.Update("Lead", lead, sandbox.Fields{"Heat__c": "Hot"})
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.org.Update("Lead", lead, sandbox.Fields{"Heat__c": "H1"})
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestAValueReplacedInSetupIsHeld(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.Lead(ann, sandbox.Fields{"Status": "Working - Contacted"})
		w.Passes(1)
		w.org.ReplaceValue("Lead", "Status", "Working - Contacted", goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.ValueRewritten)
	})
}

// So is whoever gets the record afterwards: that they see it so from the first does not make anybody have changed it.
func TestAValueReplacedInSetupIsHeldForWhoeverGetsTheRecord(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.Lead(ann, sandbox.Fields{"Status": "Working - Contacted"})
		w.Passes(1)
		w.org.ReplaceValue("Lead", "Status", "Working - Contacted", goodValue)
		w.Passes(1)
		w.WantNot(ann, rules.ValueRewritten)
		w.org.Update("Lead", lead, sandbox.Fields{"Email": bob.Email, codeField: bob.Code})
		w.Passes(2)
		w.WantLinks(bob, lead)
		w.WantNot(bob, rules.ValueRewritten)
	})
}

func TestAFormulaFieldIsReadEachPass(t *testing.T) {
	score := 10.0
	c := fieldCampaign()
	c.Field, c.Value = "Ready__c", "true"
	story(t, one(c), func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Ready__c", Label: "Ready", Type: "boolean", Formula: func(sandbox.Fields) any { return score > 50 }})
		w.Passes(1)
		ann := w.Known("Ann")
		w.Lead(ann)
		w.Passes(1)
		w.WantNot(ann, rules.ValueNotReached)
		w.After(overlap + time.Hour)
		score = 80
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestAnotherOrgIsRefused(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Lead(w.Known("Ann"), sandbox.Fields{"Status": goodValue})
		w.Act(func(tx *store.Tx) error {
			owner, err := tx.Owner()
			owner.OrgID = "00D000000000001EAA"
			return errors.Join(err, tx.SetOwner(owner))
		})
		w.Restart()
		before := w.Watermark("Lead")
		if err := w.poller.Pass(w.ctx); !errors.Is(err, poll.ErrOtherOrg) {
			t.Errorf("a pass with another org's credentials: got %v, want ErrOtherOrg", err)
		}
		if got := w.Watermark("Lead"); got != before {
			t.Errorf("watermark: got %v, want %v untouched", got, before)
		}
		w.WantOnly()
	})
}

func TestAnotherAccountIsRefused(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.rf.RotateKey()
		w.Restart()
		w.Pass() // a new key of the same account is welcome

		mine := w.rf
		w.rf = sandbox.NewReferralFactory(serviceTime)
		w.rf.AddCampaign(101, "Refer a friend")
		for range 5 { // with the numbers that ours have
			w.rf.Refer(101, sandbox.NewUser{FirstName: "Somebody"})
		}
		w.Act(func(tx *store.Tx) error { // the codes of the sandbox's accounts are the same
			r, _, err := tx.Referral(ann.ID)
			r.Code = "ours"
			return errors.Join(err, tx.PutReferral(r))
		})
		if got, want := w.rf.User(ann.ID).CampaignID, ann.CampaignID; got != want {
			t.Fatalf("the other account's user %d: got campaign %d, want %d", ann.ID, got, want)
		}
		w.Restart()
		if err := w.poller.Sweep(w.ctx); !errors.Is(err, poll.ErrOtherAccount) {
			t.Errorf("a sweep of another account: got %v, want ErrOtherAccount", err)
		}
		w.rf = mine
		w.Restart()
		w.Pass()
		w.WantNot(ann, rules.NoRecord)
	})
}

// Those who were known first have been deleted at Referral Factory over the years; then the key becomes another.
func TestAnAccountIsKnownThoughItsFirstReferralsAreGone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		var gone []int64
		for _, name := range []string{"G", "H", "I", "J", "K", "L"} {
			gone = append(gone, w.Known(name).ID)
		}
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		for _, id := range gone {
			w.rf.Remove(id)
		}
		w.rf.RotateKey()
		w.Restart()
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(ann)
	})
}

func TestASandboxOrgQualifiesNobodyForReal(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.SetSandbox(true)
		w.Passes(1)
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a := w.Lead(ann)
		w.Lead(bob)
		w.Passes(1)
		w.Status(a, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.InSandbox)
		w.WantNot(bob, rules.ValueNotReached)

		w.Configure(func(o *poll.Options) { o.SendFromSandbox = true })
		w.Passes(2)
		w.WantQualified(ann)
		w.WantOnly(ann)
	})
}

func TestACopiedOrgThatBecomesASandboxHolds(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.SetSandbox(true)
		w.After(24 * time.Hour)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantNot(ann, rules.InSandbox)
	})
}

func TestTheBudgetOfCallsIsKept(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Calls: 20} })
		var refused error
		for range 40 {
			refused = w.TryPass()
			w.After(time.Minute)
		}
		if !errors.Is(refused, poll.ErrBudget) && !errors.Is(refused, poll.ErrStretched) {
			t.Errorf("after 40 passes with a budget of 20 calls: got %v, want it put off", refused)
		}
		if got := w.org.Calls(); got > 20 {
			t.Errorf("got %d calls in all, want 20", got)
		}
		w.After(26 * time.Hour)
		w.Passes(1)
	})
}

// A daemon that is started again and again must not spend a call at each start for as long as there are any, nor forget what it has spent.
func TestTheBudgetOfCallsIsKeptOverRestarts(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Calls: 50} })
		var most, window []int
		for range 3 * 24 * 12 {
			before := w.org.Calls()
			w.Restart()
			if err := w.TryPass(); err != nil && !errors.Is(err, poll.ErrStretched) {
				t.Fatalf("a pass: got %v, want at most that it is put off", err)
			}
			window = append(window, w.org.Calls()-before)
			if n := len(window); n >= 24*12 {
				spent := 0
				for _, calls := range window[n-24*12:] {
					spent += calls
				}
				most = append(most, spent)
			}
			w.After(5 * time.Minute)
		}
		if got := slices.Max(most); got > 50 || got < 40 {
			t.Errorf("got up to %d calls in 24 hours of a start every five minutes, want 50 at most, and most of them used", got)
		}
	})
}

// What a pass has to read may be more than what is left. It stops there, and the next that may goes on from where it was.
func TestTheBudgetOfCallsIsKeptWithinAPass(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.Pass()
		w.After(25 * time.Hour) // what was spent counts no more
		ann := w.Known("Ann")
		w.org.SetPageSize(500)
		for i := range 5_900 {
			w.org.Create("Lead", sandbox.Fields{"LastName": fmt.Sprint("Lead ", i), "Company": "Acme"})
		}
		lead := w.Lead(ann)
		w.Status(lead, goodValue)
		w.After(25 * time.Hour)
		already := w.org.Calls()
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Calls: 7} })
		if err := w.TryPass(); !errors.Is(err, poll.ErrBudget) {
			t.Errorf("a pass over twelve pages of Leads with seven calls left: got %v, want ErrBudget", err)
		}
		if got := w.org.Calls() - already; got != 7 {
			t.Errorf("got %d calls, want the 7 that were left", got)
		}
		for range 150 {
			w.After(time.Hour)
			w.TryPass()
		}
		w.WantQualified(ann)
	})
}

func TestAShareOfTheOrgsLimitIsKept(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.DailyLimit(200)
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Percent: 10} })
		for range 30 {
			w.TryPass()
			w.After(time.Minute)
		}
		if got := w.Calls(); got > 21 {
			t.Errorf("10%% of 200: got %d calls, want 20 or so", got)
		}
	})
}

func TestAShareOfLessThanACallIsNotNoLimit(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.DailyLimit(200)
		w.Configure(func(o *poll.Options) { o.DailyCalls = poll.DailyCalls{Percent: 0.1} })
		for range 10 {
			w.TryPass()
			w.After(time.Minute)
		}
		if got := w.Calls(); got > 5 {
			t.Errorf("0.1%% of 200: got %d calls, want those of the first pass at most", got)
		}
	})
}

// An org whose requests are used up must not be asked on, and what could not be asked must not be taken for nothing new.
func TestAnOrgWithoutCallsLeftIsLeftAlone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		before := w.Watermark("Lead")
		w.org.SetFault(always(isComposite, sandbox.OverLimit()))
		w.Status(lead, goodValue)
		for range 3 {
			w.After(time.Hour)
			w.Asked("")
			mustContain(t, "a pass without calls left", w.TryPass(), "REQUEST_LIMIT_EXCEEDED")
			if got := w.Asked("FROM Lead "); got != 1 {
				t.Errorf("without calls left: asked %d times in a pass, want once", got)
			}
		}
		if got := w.Watermark("Lead"); got != before {
			t.Errorf("watermark: got %v, want %v untouched", got, before)
		}
		w.org.SetFault(nil)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

func TestARefusedKeyParksDeliveryAlone(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.rf.RotateKey()
		w.Status(lead, goodValue)
		err := w.TryPass()
		if refused := new(referralfactory.Refused); !errors.As(err, &refused) {
			t.Errorf("with a dead key: got %v, want *referralfactory.Refused", err)
		}
		if got := w.Referral(ann).Standing; got != rules.Owed {
			t.Errorf("while the key is dead: got standing %q, want %q", got, rules.Owed)
		}
		w.After(time.Minute)
		w.Restart() // with the new key
		w.Pass()
		w.WantQualified(ann)
	})
}

func TestASessionThatDiesBetweenPassesIsRenewed(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		for range 3 {
			w.After(3 * time.Hour)
			w.org.KillSessions()
			w.Pass()
		}
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// A code field that was never there, be it misspelled or hidden from the start, is said once, and so is that it came, and went.
func TestACodeFieldThatNobodyEverSawIsSaid(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		var log bytes.Buffer
		w.org.HideField("Lead", codeField)
		w.Configure(func(o *poll.Options) { o.Log = zerolog.New(&log) })
		told := func(when string, never, lost, read int) {
			t.Helper()
			got := []int{strings.Count(log.String(), "there is no such field"), strings.Count(log.String(), "any more"), strings.Count(log.String(), "can be read")}
			if want := []int{never, lost, read}; !slices.Equal(got, want) {
				t.Errorf("%s: told %v times that there is no such field, that it is gone, and that it can be read; want %v:\n%s", when, got, want, log.String())
			}
		}
		w.Pass()
		told("the first pass", 1, 0, 0)
		w.After(25 * time.Hour)
		w.Restart()
		w.Passes(3)
		told("a day later", 1, 0, 0)
		ann := w.Known("Ann")
		w.Passes(1)
		lead := w.Lead(ann)
		w.Passes(1)
		w.WantLinks(ann, lead) // by her e-mail, as where no field is configured
		w.org.ShowField("Lead", codeField)
		w.After(25 * time.Hour)
		w.Passes(2)
		told("the field came", 1, 0, 1)
		w.org.HideField("Lead", codeField)
		w.Passes(3)
		told("the field went", 1, 1, 1)
	})
}

func TestHowFarApartPassesAreKept(t *testing.T) {
	for _, tt := range []struct {
		situation         string
		cost, used, share int
		want              time.Duration
	}{
		{"the org has not told its limit", 2, 700, 0, 0},
		{"no pass was made yet", 0, 700, 1000, 0},
		{"half of the share is used", 2, 500, 1000, 0},
		{"300 calls are left, for passes of two", 2, 700, 1000, 576 * time.Second},
		{"very few are left", 2, 999, 1000, time.Hour},
		{"none is left", 2, 1000, 1000, time.Hour},
		{"the share was made smaller than what is used", 2, 1000, 100, time.Hour},
	} {
		if got := poll.Apart(store.LastPass{Calls: tt.cost}, tt.used, tt.share); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.situation, got, tt.want)
		}
	}
}

// A value that is waited for is looked for where it may turn up, and nowhere else.
func TestAMissingStageHasOnlyOpportunitiesDescribedAgain(t *testing.T) {
	c := stageCampaign()
	c.Value = "Closed Wno"
	running(t, one(c), func(w *world) {
		w.Known("Ann")
		w.Passes(1)
		w.Asked("")
		w.After(11 * time.Minute)
		w.Passes(1)
		if got := w.Asked("/describe"); got != 1 {
			t.Errorf("got %d describes, want one of Opportunity", got)
		}
	})
}
