package desk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// office is a desk over a store with some referrals, beside an org.
type office struct {
	*desk.Desk
	t       *testing.T
	org     *sandbox.Org
	hurried int // how often the outbox was to be looked through at once
	told    []string
}

// Who is where: 1001 and 1002 are pending in 101 (Leads), 1003 in 102 (Contacts, created), 1004 is delivered in 101, 1005 rejected, 1006 owed, 1007 owed
// with a request under way, 1008 of a campaign that is not configured any more, 1009 has the e-mail of 1001 in 102.
func newOffice(t *testing.T) *office {
	t.Helper()
	s := newStore(t, func(tx *store.Tx) error {
		errs := []error{tx.SetOwner(store.Owner{OrgID: "00D"})}
		for id, standing := range map[int64]rules.Standing{
			1001: rules.Pending, 1002: rules.Pending, 1003: rules.Pending, 1004: rules.Delivered, 1005: rules.Rejected, 1006: rules.Owed, 1007: rules.Owed,
			1008: rules.Pending, 1009: rules.Pending,
		} {
			r := rules.Referral{ID: id, CampaignID: 101, Code: fmt.Sprint("code", id), Email: fmt.Sprintf("r%d@example.com", id), Standing: standing,
				Verdict: rules.Verdict{Outcome: rules.Not, Reason: rules.NoRecord, Sentence: "no record", At: noon}}
			switch id {
			case 1003, 1009:
				r.CampaignID = 102
			case 1004:
				r.QualifiedOn = "2032-10-30"
			case 1005:
				r.Verdict = rules.Verdict{Outcome: rules.Not, Reason: rules.RejectedByService, Sentence: "Referral Factory refuses the qualification: no", At: noon}
			case 1006:
				errs = append(errs, tx.Owe(store.Debt{Referral: id, Campaign: 101, Since: noon}))
			case 1007:
				errs = append(errs, tx.Owe(store.Debt{Referral: id, Campaign: 101, Since: noon.Add(-time.Hour), SentAt: noon, Attempts: 1, Trouble: "no answer"}))
			case 1008:
				r.CampaignID = 109
			}
			if id == 1009 {
				r.Email = "r1001@example.com"
			}
			errs = append(errs, tx.PutReferral(r))
		}
		return errors.Join(errs...)
	})
	lead := rules.Campaign{ID: 101, Name: "Refer a friend", Object: rules.Lead, Mode: rules.DoNothingOnJoin, Duplicates: rules.DoNothing}
	contact := rules.Campaign{ID: 102, Name: "Partners", Object: rules.Contact, Mode: rules.CreateContact, Duplicates: rules.Update}
	o := &office{t: t, org: sandbox.NewOrg(nil)}
	id, secret := o.org.Credentials()
	client, err := salesforce.New(salesforce.Options{
		LoginURL: "https://acme.my.salesforce.com", APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: sandbox.Transport(map[string]http.Handler{"acme.my.salesforce.com": o.org.Handler()}), Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Desk = &desk.Desk{Store: s, Campaigns: []rules.Campaign{lead, contact}, Salesforce: client, DeliverNow: func() { o.hurried++ }}
	return o
}

func (o *office) progress(work string, done, total int) {
	o.told = append(o.told, fmt.Sprintf("%s: %d of %d", work, done, total))
}

// ask asks by JSON, as the control socket does, and reads the answer.
func ask[A any](o *office, name string, request any) (answer A, err error) {
	o.t.Helper()
	q := desk.Find(name)
	if q == nil {
		o.t.Fatalf("no question is called %q", name)
	}
	raw, err := json.Marshal(request)
	if err != nil {
		o.t.Fatal(err)
	}
	got, err := q.AnswerJSON(o.t.Context(), o.Desk, desk.Asker{Name: "ann"}, raw, o.progress)
	if err != nil {
		return answer, err
	}
	if raw, err = json.Marshal(got); err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return answer, nil
}

func must[A any](o *office, name string, request any) A {
	o.t.Helper()
	answer, err := ask[A](o, name, request)
	if err != nil {
		o.t.Fatalf("%s %+v: %v", name, request, err)
	}
	return answer
}

func (o *office) referral(id int64) (r rules.Referral) {
	o.t.Helper()
	if err := o.Store.View(func(tx *store.Tx) (err error) { r, _, err = tx.Referral(id); return err }); err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *office) ledger() (lines []store.Entry) {
	o.t.Helper()
	err := o.Store.View(func(tx *store.Tx) error {
		return tx.Ledger(0, func(e store.Entry) error { lines = append(lines, e); return nil })
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return lines
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func refused(t *testing.T, what string, err error, text string, byUsage bool) {
	t.Helper()
	var usage desk.UsageError
	if err == nil || !strings.Contains(err.Error(), text) || errors.As(err, &usage) != byUsage {
		t.Errorf("%s: got error %v (usage %v), want %q (usage %v)", what, err, errors.As(err, &usage), text, byUsage)
	}
}

func orderOf(reason string, referrals ...string) desk.OrderRequest {
	return desk.OrderRequest{Referrals: referrals, Reason: reason}
}

func TestAnOrderSaysWhatItDid(t *testing.T) {
	o := newOffice(t)
	same(t, "qualify", must[[]desk.Done](o, "qualify", orderOf("she called", "code1001", "1006")), []desk.Done{
		{Referral: 1001, Done: "referral 1001 is owed; it is sent now"}, {Referral: 1006, Done: "referral 1006 is owed already; it is sent now"},
	})
	same(t, "times the outbox was looked through", o.hurried, 1)
	same(t, "unqualify", must[[]desk.Done](o, "unqualify", orderOf("refunded", "r1004@example.com")), []desk.Done{
		{Referral: 1004, Done: "referral 1004 is to be set back to pending; it is sent now"}})
	same(t, "rejudge", must[[]desk.Done](o, "rejudge", orderOf("", "1002", "1005")), []desk.Done{
		{Referral: 1002, Done: "referral 1002 will be judged anew by the next pass (qualifyd poll makes one now)"}, {Referral: 1005, Done: "referral 1005 will be judged anew by the next pass (qualifyd poll makes one now)"}})
	same(t, "join preview", must[[]desk.Done](o, "join-preview", orderOf("", "1003")), []desk.Done{
		{Referral: 1003, Done: "referral 1003 (pending, 0 records linked) would be joined by create_contact, duplicates update"}})
	same(t, "joined by the preview", o.referral(1003).JoinAsked, false)
	same(t, "join", must[[]desk.Done](o, "join", orderOf("", "1003")), []desk.Done{{Referral: 1003, Done: "referral 1003 will have its record created or marked by the next pass (qualifyd poll makes one now), unless it has one"}})
	same(t, "release", must[desk.Released](o, "release", desk.ReleaseRequest{Campaign: 101}),
		desk.Released{Campaign: 101, Done: "0 qualifications of campaign 101 are released; the brake held none, and counts anew"})
	var acts []string
	for _, e := range o.ledger() {
		acts = append(acts, fmt.Sprintf("%s %d %s %s", e.Act, e.Referral, e.Who, e.Note))
	}
	same(t, "ledger", acts, []string{"qualified_by_hand 1001 ann she called", "unqualified_by_hand 1004 ann refunded", "rejudged 1002 ann ", "rejudged 1005 ann ",
		"join_asked 1003 ann ", "released 0 ann "})
}

func TestAnOrderWithoutADaemonWaitsForTheNextRun(t *testing.T) {
	o := newOffice(t)
	o.DeliverNow = nil
	same(t, "qualify", must[[]desk.Done](o, "qualify", orderOf("x", "1001")), []desk.Done{{Referral: 1001, Done: "referral 1001 is owed; it is sent by the next run"}})
}

func TestInASandboxAnOrderSaysThatNothingIsSent(t *testing.T) {
	o := newOffice(t)
	o.Store.Update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{Sandbox: true}) })
	got := must[[]desk.Done](o, "qualify", orderOf("x", "1001"))
	same(t, "qualify", got, []desk.Done{{Referral: 1001, WaitsFor: rules.InSandbox,
		Done: "referral 1001 is owed; it is not sent, because the org is a sandbox (referral_factory.send_from_sandbox)"}})
	for _, l := range must[[]desk.OutboxLine](o, "outbox-list", desk.Nothing{}) {
		if want := map[bool]desk.OutboxState{true: desk.Parked, false: desk.Sandbox}[l.Referral == 1005]; l.State != want {
			t.Errorf("referral %d: got state %s, want %s", l.Referral, l.State, want)
		}
	}
	o.Config.ReferralFactory.SendFromSandbox = true
	same(t, "once it may be sent", must[[]desk.Done](o, "qualify", orderOf("x", "1001"))[0].Done, "referral 1001 is owed already; it is sent now")
}

func TestAnOrderThatCannotBeSaysWhy(t *testing.T) {
	o := newOffice(t)
	for _, test := range []struct {
		name    string
		request any
		text    string
		usage   bool
	}{
		{"qualify", orderOf("", "1001"), "--reason is required", true},
		{"qualify", orderOf(" \t", "1001"), "--reason is required", true},
		{"unqualify", orderOf("", "1004"), "--reason is required", true},
		{"resume", orderOf("", "1004"), "--reason is required", true},
		{"outbox-drop", orderOf("", "1006"), "--reason is required", true},
		{"qualify", orderOf("x"), "no referral is named", true},
		{"rejudge", orderOf("ask bob@example.com", "1001"), "--reason: the reason holds an e-mail address", true},
		{"release", desk.ReleaseRequest{Campaign: 101, Reason: "ask bob@example.com"}, "--reason: the reason holds an e-mail address", true},
		{"qualify", orderOf("x", "nobody"), `"nobody"`, false},
		{"qualify", orderOf("x", "r1001@example.com"), "means several referrals; say which: id:1001 (campaign 101), id:1009 (campaign 102)", false},
		{"qualify", orderOf("x", "1002", "1004"), "referral 1004 is qualified since 2032-10-30", false},
		{"unqualify", orderOf("x", "1001"), "referral 1001 is not qualified but pending", false},
		{"resume", orderOf("x", "1001"), "is pending, not overridden", false},
		{"rejudge", orderOf("", "1004"), "is delivered; only a pending one", false},
		{"join", orderOf("", "1001"), "referral 1001: when_lead_joins of campaign 101 is nothing", false},
		{"join-preview", orderOf("", "1008"), "referral 1008: campaign 109 is not in the config; these are: 101 (Refer a friend), 102 (Partners)", false},
		{"release", desk.ReleaseRequest{Campaign: 109}, "campaign 109 is not in the config", false},
		{"outbox-drop", orderOf("x", "1007"), "may have had its effect", false},
		{"outbox-drop", orderOf("x", "1001"), "nothing is owed about it", false},
		{"outbox-retry", desk.RetryRequest{}, "name the referrals, or say --all", true},
		{"outbox-retry", desk.RetryRequest{OrderRequest: orderOf("", "1006"), All: true}, "not both", true},
		{"outbox-retry", desk.RetryRequest{OrderRequest: orderOf("", "1001")}, "nothing is owed about it", false},
		{"pin", desk.PinRequest{Referral: "1001", Record: "4711"}, "is not the Id of a Lead", false},
		{"pin", desk.PinRequest{Referral: "1004", Record: "00Q000000000001"}, "is delivered; only a pending one", false},
		{"referrals", desk.Filter{Campaign: 109}, "campaign 109 is not in the config", false},
		{"referrals", desk.Filter{State: "qualified"}, `no referral has the state "qualified"; known are: pending, owed, delivered`, true},
		{"referrals", desk.Filter{Reason: "norecord"}, `no referral has the reason "norecord"; known are: `, true},
	} {
		_, err := ask[any](o, test.name, test.request)
		refused(t, fmt.Sprintf("%s %+v", test.name, test.request), err, test.text, test.usage)
	}
	same(t, "standing of who was named beside one that cannot be", o.referral(1002).Standing, rules.Pending)
	same(t, "ledger lines", len(o.ledger()), 0)
	same(t, "times the outbox was looked through", o.hurried, 0)
}

func TestAPinSaysWhetherItWasThere(t *testing.T) {
	o := newOffice(t)
	pin := desk.PinRequest{Referral: "1001", Record: "00Q000000000001"}
	same(t, "pin", must[desk.Done](o, "pin", pin), desk.Done{Referral: 1001, Done: "referral 1001 is pinned to 00Q000000000001EAA; the record is read by the next pass (qualifyd poll makes one now)"})
	same(t, "again", must[desk.Done](o, "pin", pin), desk.Done{Referral: 1001, Done: "referral 1001 is pinned to 00Q000000000001EAA already"})
	same(t, "ledger lines", len(o.ledger()), 1)
}

func TestTheOutboxSaysWhatItWaitsFor(t *testing.T) {
	o := newOffice(t)
	o.Store.Update(func(tx *store.Tx) error {
		return errors.Join(
			tx.Owe(store.Debt{Referral: 1004, Campaign: 101, Undo: true, Since: noon.Add(time.Hour), By: "ann: refunded", SentAt: noon}),
			tx.Owe(store.Debt{Referral: 1006, Campaign: 101, Since: noon, Trouble: "Referral Factory refused the API key (401)"}))
	})
	line := func(id int64, kind string, state desk.OutboxState, waits string) desk.OutboxLine {
		return desk.OutboxLine{Referral: id, Campaign: 101, Code: fmt.Sprint("code", id), Kind: kind, State: state, Since: noon, WaitsFor: waits}
	}
	sent := line(1007, "qualify", desk.Open, "a read that shows what became of the request; it is not sent again before 12:02:00Z by Referral Factory's clock")
	sent.Since, sent.SentAt, sent.Attempts, sent.Trouble = noon.Add(-time.Hour), noon, 1, "no answer"
	troubled := line(1006, "qualify", desk.Waiting, "the next try, after the trouble")
	troubled.Trouble = "Referral Factory refused the API key (401)"
	crossed := line(1004, "unqualify", desk.Open, "the outcome of the request before, which was for the opposite; nothing is sent before 12:02:00Z by Referral Factory's clock")
	crossed.Since, crossed.By, crossed.SentAt = noon.Add(time.Hour), "ann: refunded", noon
	parked := line(1005, "qualify", desk.Parked, "an operator: outbox retry, or outbox drop")
	parked.Trouble = "Referral Factory refuses the qualification: no"
	same(t, "outbox", must[[]desk.OutboxLine](o, "outbox-list", desk.Nothing{}), []desk.OutboxLine{sent, troubled, crossed, parked})
}

func TestRetryAndDrop(t *testing.T) {
	o := newOffice(t)
	same(t, "retry all", must[[]desk.Done](o, "outbox-retry", desk.RetryRequest{All: true}), []desk.Done{
		{Referral: 1007, Done: "referral 1007 is read back at once"},
		{Referral: 1006, Done: "referral 1006 is tried at once; it is sent now"},
		{Referral: 1005, Done: "referral 1005 is owed again; it is sent now"}})
	same(t, "times the outbox was looked through", o.hurried, 1)
	same(t, "standing of who was refused", o.referral(1005).Standing, rules.Owed)
	same(t, "drop", must[[]desk.Done](o, "outbox-drop", orderOf("a test", "1005", "1006")), []desk.Done{
		{Referral: 1005, Done: "referral 1005 is dropped, and stays pending until it is resumed"},
		{Referral: 1006, Done: "referral 1006 is dropped, and stays pending until it is resumed"}})
	same(t, "why", o.referral(1006).Verdict.Sentence, "its qualification was taken back before it was delivered, by ann: a test (it stays so until an operator says resume)")
	same(t, "resume", must[[]desk.Done](o, "resume", orderOf("x", "1006"))[0].Done, "referral 1006 is judged again by the next pass (qualifyd poll makes one now)")
	same(t, "left in the outbox", len(must[[]desk.OutboxLine](o, "outbox-list", desk.Nothing{})), 1)
	empty := newOffice(t)
	empty.Store.Update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(1005)
		r.Standing = rules.Pending
		return errors.Join(err, tx.PutReferral(r), tx.Settle(1006), tx.Settle(1007))
	})
	same(t, "retry all of an empty outbox", must[[]desk.Done](empty, "outbox-retry", desk.RetryRequest{All: true}), []desk.Done{})
}

func TestReferralsAreListed(t *testing.T) {
	o := newOffice(t)
	for _, test := range []struct {
		filter desk.Filter
		want   []int64
	}{
		{desk.Filter{}, []int64{1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009}},
		{desk.Filter{Campaign: 102}, []int64{1003, 1009}},
		{desk.Filter{State: "pending", Campaign: 101}, []int64{1001, 1002}},
		{desk.Filter{Reason: "rejected"}, []int64{1005}},
		{desk.Filter{Reason: "rejected", State: "pending"}, nil},
	} {
		var got []int64
		for _, l := range must[[]desk.ReferralLine](o, "referrals", test.filter) {
			got = append(got, l.ID)
		}
		same(t, fmt.Sprintf("%+v", test.filter), got, test.want)
	}
	raw, err := json.Marshal(must[json.RawMessage](o, "referrals", desk.Filter{Reason: "rejected"}))
	same(t, "as JSON", string(raw), `[{"id":1005,"campaign":101,"code":"code1005","standing":"rejected","reason":"rejected","sentence":"Referral Factory refuses the qualification: no","records":[]}]`)
	if err != nil {
		t.Error(err)
	}
}
