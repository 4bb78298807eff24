package poll_test

import (
	"encoding/json"
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

// order carries out an order that has something to say.
func (w *world) order(u sandbox.User, do func(*store.Tx, rules.Referral, poll.Order) (string, error)) string {
	w.t.Helper()
	words := ""
	w.Act(func(tx *store.Tx) (err error) { words, err = do(tx, w.referralIn(tx, u), byHand()); return err })
	return words
}

// Whatever keeps somebody from qualifying, an operator's word does not; and the rule that is met later changes nothing.
func TestAnOperatorQualifiesWhomTheRuleDoesNot(t *testing.T) {
	braked := fieldCampaign()
	braked.Brake = rules.Brake{Count: 1, Window: time.Hour}
	none := fieldCampaign()
	none.Method = rules.None
	for _, test := range []struct {
		reason   rules.Reason
		campaign rules.Campaign
		reach    func(w *world) (u sandbox.User, lead string)
	}{
		{rules.NoRecord, fieldCampaign(), func(w *world) (sandbox.User, string) { return w.Known("Ann"), "" }},
		{rules.NoRule, none, func(w *world) (sandbox.User, string) { u := w.Known("Ann"); return u, w.Lead(u) }},
		{rules.ExistingRecord, fieldCampaign(), func(w *world) (sandbox.User, string) {
			old := w.org.Create("Lead", with(sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}, []sandbox.Fields{Old()}))
			return w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"}), old
		}},
		{rules.HeldByBrake, braked, func(w *world) (sandbox.User, string) {
			first, u := w.Known("First"), w.Known("Ann")
			w.Status(w.Lead(first), goodValue)
			w.Passes(1)
			w.rf.SetQualified(first.ID, false)
			lead := w.Lead(u)
			w.Passes(1)
			w.Status(lead, goodValue)
			return u, lead
		}},
		{rules.ValueNotReached, fieldCampaign(), func(w *world) (sandbox.User, string) { u := w.Known("Ann"); return u, w.Lead(u) }},
	} {
		t.Run(string(test.reason), func(t *testing.T) {
			running(t, one(test.campaign), func(w *world) {
				ann, lead := test.reach(w)
				w.Passes(1)
				w.WantNot(ann, test.reason)
				if got := w.order(ann, poll.Qualify); got != "is owed" {
					t.Errorf("got %q, want that it is owed", got)
				}
				w.Passes(1)
				w.WantQualified(ann)
				if got := w.Referral(ann).Verdict.Reason; got != rules.QualifiedByOperator {
					t.Errorf("reason: got %q, want %q", got, rules.QualifiedByOperator)
				}
				if lead != "" {
					w.Status(lead, "Working - Contacted")
					w.Passes(1)
					w.Status(lead, goodValue)
				}
				released := 0
				w.Act(func(tx *store.Tx) (err error) { released, err = poll.Release(tx, 101, byHand()); return err })
				if released != 0 {
					t.Errorf("released: got %d, want none, for the operator's word has settled it", released)
				}
				w.Passes(3)
				w.WantQualified(ann)
			})
		})
	}
}

func TestWhomAnOperatorSetsBackStaysPendingUntilAResume(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
		w.order(ann, poll.Unqualify)
		if err := w.poller.Sweep(w.ctx); err != nil { // between the order and its delivery
			t.Fatal(err)
		}
		w.Passes(3)
		if r := w.Referral(ann); r.Standing != rules.Overridden || w.rf.User(ann.ID).QualifiedAt != "" || w.putsFor(ann) != 2 {
			t.Errorf("got %s, qualified at %q, %d requests, want it overridden, pending there, and two", r.Standing, w.rf.User(ann.ID).QualifiedAt, w.putsFor(ann))
		}
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(2)
		if got := w.putsFor(ann); got != 2 {
			t.Errorf("after a change while overridden: got %d requests, want two still", got)
		}
		w.Act(func(tx *store.Tx) error { return poll.Resume(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(2)
		if got := w.rf.User(ann.ID).QualifiedAt; got == "" || w.putsFor(ann) != 3 {
			t.Errorf("after a resume: got qualified at %q, %d requests, want a day and three", got, w.putsFor(ann))
		}
	})
}

// A sweep's page that was asked for before the setting back, and comes after it, shows what was.
func TestAPageFromBeforeASettingBackQualifiesNobody(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		w.order(ann, poll.Qualify)
		w.Passes(1)
		w.order(ann, poll.Unqualify)
		isUsers := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/users") }
		w.after = onFirst(isUsers, func() { // the page is on its way
			if err := w.deliverer.Run(w.ctx, false); err != nil {
				t.Fatal(err)
			}
		})
		if err := w.poller.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		if got := w.Referral(ann).Standing; got != rules.Overridden {
			t.Errorf("standing: got %s, want %s", got, rules.Overridden)
		}
	})
}

// What an operator qualifies in a sandbox org is kept like everything else.
func TestAnOperatorsWordIsKeptInASandbox(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.SetSandbox(true)
		w.Passes(1)
		ann := w.Known("Ann")
		w.order(ann, poll.Qualify)
		w.Passes(2)
		w.WantOnly()
		if got := w.Referral(ann).Standing; got != rules.Owed {
			t.Errorf("standing: got %s, want %s", got, rules.Owed)
		}
		w.Configure(func(o *poll.Options) { o.SendFromSandbox = true })
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// What Referral Factory refused is judged anew by a rejudge.
func TestARejudgeLeadsOutOfARefusal(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.rf.SetFault(always(isPut, &sandbox.Fault{Status: 422}))
		w.Passes(1)
		w.rf.SetFault(nil)
		if got := w.Referral(ann).Standing; got != rules.Rejected {
			t.Fatalf("standing: got %s, want %s", got, rules.Rejected)
		}
		w.Act(func(tx *store.Tx) error { return poll.Rejudge(tx, w.referralIn(tx, ann), byHand()) })
		w.Passes(1)
		w.WantQualified(ann)
		if got := w.Referral(ann).Verdict.Reason; got != rules.QualifiedByRule {
			t.Errorf("reason: got %q, want %q", got, rules.QualifiedByRule)
		}
	})
}

func TestAPinThatIsThereAlreadyChangesNothing(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "X", "Company": "Acme"})
		pin := func(u sandbox.User) error {
			return w.store.Update(func(tx *store.Tx) error { return poll.Pin(tx, w.referralIn(tx, u), lead, byHand()) })
		}
		if err := pin(ann); err != nil {
			t.Fatal(err)
		}
		w.Passes(1)
		lines := w.Ledger()
		if err := pin(ann); err != nil || w.Ledger() != lines {
			t.Errorf("a second time: got error %v, %d ledger lines more, want nothing", err, w.Ledger()-lines)
		}
		// A pin moves, while nobody has qualified by it.
		if err := pin(bob); err != nil {
			t.Fatal(err)
		}
		w.Passes(1)
		w.WantLinks(ann)
		w.WantLinks(bob, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantOnly(bob)
		if err := pin(ann); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is pinned to referral %d of the campaign, which is delivered", bob.ID)) {
			t.Errorf("the record by which Bob qualified: got %v, want it refused", err)
		}
	})
}

func TestOnlyAWholeIdIsPinned(t *testing.T) {
	for text, want := range map[string]string{
		"00Q000000000001EAA": "", "00Q000000000001AAA": "is not a whole Id", "003000000000001": "", "006000000000001AAA": "",
		"": "is not the Id", "00Q": "is not the Id", "001000000000001AAA": "is not the Id", "00Q0000000000'1AAA": "is not the Id", "00Q00000000000é": "is not the Id",
		"ann@example.com": "is not the Id", "00q000000000001AAA": "is not the Id", "00Qaaaaaaaaaaaaaaa": "is not the Id",
		"00Qabc000000001EAA": "", "00QABC000000001AAA": "is not a whole Id",
	} {
		id, object, err := poll.RecordID(text)
		switch {
		case want == "" && (err != nil || len(id) != 18 || object == ""):
			t.Errorf("%q: got %q of %q, error %v, want an Id of 18 characters", text, id, object, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %q, error %v, want %q", text, id, err, want)
		}
	}
}

// "Never e-mails in the ledger's chained lines", whichever order would bring them there.
func TestNoOrderBringsAnEmailIntoTheLedger(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		ann := w.Known("Ann")
		lines, before := w.Ledger(), w.Referral(ann)
		o := poll.Order{Who: `ann@corp.example`, Why: "as ann.b@example.com said", At: time.Now()}
		said := func(do func(*store.Tx, rules.Referral, poll.Order) (string, error)) func(*store.Tx, rules.Referral, poll.Order) error {
			return func(tx *store.Tx, r rules.Referral, o poll.Order) error { _, err := do(tx, r, o); return err }
		}
		pin := func(tx *store.Tx, r rules.Referral, o poll.Order) error {
			return poll.Pin(tx, r, "00Q000000000009EAA", o)
		}
		release := func(tx *store.Tx, r rules.Referral, o poll.Order) error {
			_, err := poll.Release(tx, r.CampaignID, o)
			return err
		}
		for name, do := range map[string]func(*store.Tx, rules.Referral, poll.Order) error{
			"qualify": said(poll.Qualify), "rejudge": poll.Rejudge, "join": poll.AskJoin, "pin": pin, "release": release,
		} {
			err := w.store.Update(func(tx *store.Tx) error { return do(tx, w.referralIn(tx, ann), o) })
			if !errors.Is(err, poll.ErrEmail) || strings.Contains(err.Error(), "example.com") || w.Ledger() != lines {
				t.Errorf("%s: got error %v, want %v", name, err, poll.ErrEmail)
			}
		}
		if after := w.Referral(ann); after.Standing != before.Standing || len(after.Links) != len(before.Links) || after.JoinAsked {
			t.Errorf("after orders that were refused: got %+v, want %+v", after, before)
		}
		o.Why = "as @ann said, 5 @ 3"
		w.Act(func(tx *store.Tx) error { return said(poll.Qualify)(tx, w.referralIn(tx, ann), o) })
		err := w.store.View(func(tx *store.Tx) error {
			return tx.Ledger(lines, func(e store.Entry) error {
				if raw, _ := json.Marshal(e); e.Who != "ann" || e.Note != o.Why {
					t.Errorf("ledger: got %s, want it to be ann's, without where she works", raw)
				}
				return nil
			})
		})
		if got := w.Referral(ann).Verdict.Sentence; err != nil || strings.Contains(got, "corp") {
			t.Errorf("sentence: got %q, want the name only", got)
		}
	})
}

// A release starts the brake's window anew, also where it holds nobody: that is an act like others.
func TestAReleaseOfNobodyIsInTheLedger(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		lines := w.Ledger()
		w.Act(func(tx *store.Tx) error { _, err := poll.Release(tx, 101, byHand()); return err })
		if got := w.Ledger() - lines; got != 1 {
			t.Errorf("ledger: got %d lines, want one", got)
		}
	})
}

func TestRecordsAreFoundByEmail(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		create := func(email string) string {
			return w.org.Create("Lead", sandbox.Fields{"LastName": "X", "Company": "Acme", "Email": email})
		}
		ann, two, twin, gone := create("Ann@Example.com"), create("two@example.com"), create("two@example.com"), create("gone@example.com")
		w.org.Delete("Lead", gone)
		emails := []string{"ann@example.com", "two@example.com", "gone@example.com", "o'neil@example.com", "odd\x00@example.com"}
		for i := range 900 {
			emails = append(emails, fmt.Sprintf("nobody%d@example.com", i))
		}
		for name, begin := range worlds {
			begin(w)
			w.Restart() // a client that does not know yet
			found, err := poll.RecordsByEmail(w.ctx, w.poller.Salesforce, rules.Lead, emails)
			if err != nil || len(found) != 2 || len(found["ann@example.com"]) != 1 || found["ann@example.com"][0] != ann || len(found["two@example.com"]) != 2 {
				t.Errorf("%s: got %v, error %v, want %s for ann, and %s and %s for two", name, found, err, ann, two, twin)
			}
		}
		w.org.SetFault(always(func(*http.Request) bool { return true }, &sandbox.Fault{Status: 400, Body: `[{"errorCode":"INVALID_FIELD","message":"No such column 'Email'"}]`}))
		if _, err := poll.RecordsByEmail(w.ctx, w.poller.Salesforce, rules.Lead, emails); err == nil || strings.Contains(err.Error(), "@") {
			t.Errorf("a look-up that fails: got %v, want an error that names nobody", err)
		}
	})
}
