package poll_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// world is both services, a store, and the passes over them, wired as the command wires them. Nothing in it moves but by its verbs: time
// belongs to the test's bubble, and the services are reached without a socket.
type world struct {
	t   *testing.T
	org *sandbox.Org
	rf  *sandbox.ReferralFactory

	options poll.Options // as the config would have them; Configure changes them
	path    string
	store   *store.Store

	poller    *poll.Poller
	deliverer *deliver.Deliverer
	ctx       context.Context
	counted   int      // API calls of the org that Calls has told
	requests  []string // everything asked of the services, queries as their text

	failing map[string]string // codes with which queries fail, by a text in them; see Fail
	// before and after, where set, are run around each request, on the way there and on the way back.
	noting        sync.Mutex // guards requests: several may be under way
	before, after func(*http.Request)
	ahead         time.Duration // how far ahead of the true time Salesforce's answers tell it
	aheadRF       time.Duration // the same of Referral Factory's
}

const (
	sfHost    = "acme.my.salesforce.com"
	rfHost    = "api.referral-factory.com"
	codeField = "Referral_Code__c"
	goodValue = "Qualified"
	overlap   = 20 * time.Minute
)

// serviceTime is the clock of both services, years from the local one: whatever is decided by the wrong clock goes wrong at once. It starts
// on a Monday morning in the middle of a second.
func serviceTime() time.Time {
	bubble := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return serviceTimeAtStart().Add(time.Since(bubble))
}

func serviceTimeAtStart() time.Time { return time.Date(2026, 11, 2, 9, 30, 15, 700_000_000, time.UTC) }

// told are the tests that have told a story: from the first on they run beside the others.
var told sync.Map

// story tells what happens in a new world with some campaigns, which has not seen a pass yet.
func story(t *testing.T, campaigns []rules.Campaign, tell func(w *world)) {
	t.Helper()
	if _, again := told.LoadOrStore(t, true); !again {
		t.Parallel()
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, campaigns)
		defer func() { w.store.Close() }()
		tell(w)
	})
}

// running tells what happens in a world that has been watched for two hours.
func running(t *testing.T, campaigns []rules.Campaign, tell func(w *world)) {
	t.Helper()
	story(t, campaigns, func(w *world) {
		w.Pass()
		w.After(2 * time.Hour)
		w.Pass()
		w.After(time.Minute)
		tell(w)
	})
}

func newWorld(t *testing.T, campaigns []rules.Campaign) *world {
	t.Helper()
	w := &world{t: t, org: sandbox.NewOrg(serviceTime), rf: sandbox.NewReferralFactory(serviceTime), path: filepath.Join(t.TempDir(), "qualifyd.db"), ctx: context.Background(), failing: map[string]string{}}
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		w.org.AddField(object, sandbox.FieldDef{Name: codeField, Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: goodValue})
	for _, c := range campaigns {
		w.rf.AddCampaign(c.ID, c.Name)
	}
	w.options = poll.Options{
		Zone: time.UTC, Log: zerolog.Nop(),
		Settings: poll.Settings{Campaigns: campaigns, Overlap: overlap, Reconcile: func(last time.Time) time.Time { return last.Add(24 * time.Hour) }},
	}
	w.open()
	return w
}

// open opens the store and builds clients and passes on it.
func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = store.OpenOrCreate(w.path); err != nil {
		w.t.Fatal(err)
	}
	o := w.options
	o.Store = w.store
	if o.ReferralFactory, err = referralfactory.New(referralfactory.Options{
		BaseURL: "https://" + rfHost + "/api/v2", APIKey: w.rf.Key(), CallsPerMinute: 300, Transport: w.transport(), Log: o.Log,
	}); err != nil {
		w.t.Fatal(err)
	}
	o.Account = rfHost + " " + w.rf.Key()
	id, secret := w.org.Credentials()
	o.Salesforce, err = salesforce.New(salesforce.Options{
		LoginURL: "https://" + sfHost, APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: w.transport(), Spend: func(ctx context.Context) error { return w.poller.Spend(ctx) }, Log: o.Log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.poller = poll.New(o)
	w.deliverer = deliver.New(deliver.Options{
		Store: w.store, ReferralFactory: o.ReferralFactory, Ready: w.poller.AccountKnown, SendFromSandbox: o.SendFromSandbox, Log: o.Log,
	})
}

func (w *world) transport() http.RoundTripper {
	return wire{w, sandbox.Transport(map[string]http.Handler{sfHost: w.org.Handler(), rfHost: w.rf.Handler()})}
}

// Restart ends the process between two requests and starts it again.
func (w *world) Restart() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// Configure restarts with another config.
func (w *world) Configure(change func(*poll.Options)) {
	w.t.Helper()
	w.options.Campaigns = slices.Clone(w.options.Campaigns)
	change(&w.options)
	w.Restart()
}

// After lets time go by.
func (w *world) After(d time.Duration) { time.Sleep(d) }

// TryPass sweeps, polls and delivers, as `run --once` does.
func (w *world) TryPass() error {
	return errors.Join(w.poller.Sweep(w.ctx), w.poller.Pass(w.ctx), w.deliverer.Run(w.ctx, false))
}

// Pass is a TryPass in which nothing may go wrong.
func (w *world) Pass() {
	w.t.Helper()
	if err := w.TryPass(); err != nil {
		w.t.Fatalf("pass at %s: %v", serviceTime().Format(time.DateTime), err)
	}
}

// Passes makes passes a minute apart.
func (w *world) Passes(n int) {
	w.t.Helper()
	for range n {
		w.Pass()
		w.After(time.Minute)
	}
}

// Poll is a pass over Salesforce alone, in which nothing may go wrong.
func (w *world) Poll() {
	w.t.Helper()
	if err := w.poller.Pass(w.ctx); err != nil {
		w.t.Fatalf("poll at %s: %v", serviceTime().Format(time.DateTime), err)
	}
}

// Calls is how many API calls the org has counted since Calls was last asked.
func (w *world) Calls() int {
	n := w.org.Calls() - w.counted
	w.counted += n
	return n
}

// Refer has somebody referred to the first campaign, or to the one given.
func (w *world) Refer(name string, campaign ...int64) sandbox.User {
	id := w.options.Campaigns[0].ID
	if len(campaign) > 0 {
		id = campaign[0]
	}
	return w.rf.Refer(id, sandbox.NewUser{FirstName: name})
}

// Known has somebody referred whom a pass has seen and joined.
func (w *world) Known(name string, campaign ...int64) sandbox.User {
	w.t.Helper()
	u := w.Refer(name, campaign...)
	w.Pass()
	w.After(time.Minute)
	return u
}

// Lead has the sales team enter a Lead with a referral's e-mail and code; more fields override those. Contact and Opportunity likewise.
func (w *world) Lead(u sandbox.User, more ...sandbox.Fields) string {
	return w.org.Create("Lead", with(sandbox.Fields{"LastName": u.FirstName, "Company": "Acme", "Email": u.Email, codeField: u.Code}, more))
}

func (w *world) Contact(u sandbox.User, more ...sandbox.Fields) string {
	return w.org.Create("Contact", with(sandbox.Fields{"LastName": u.FirstName, "Email": u.Email, codeField: u.Code}, more))
}

func (w *world) Opportunity(more ...sandbox.Fields) string {
	return w.org.Create("Opportunity", with(sandbox.Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2027-01-31"}, more))
}

func with(fields sandbox.Fields, more []sandbox.Fields) sandbox.Fields {
	for _, some := range more {
		for name, value := range some {
			fields[name] = value
		}
	}
	return fields
}

// Status sets a Lead's status.
func (w *world) Status(lead, status string) {
	w.org.Update("Lead", lead, sandbox.Fields{"Status": status})
}

// Stage sets an Opportunity's stage.
func (w *world) Stage(opportunity, stage string) {
	w.org.Update("Opportunity", opportunity, sandbox.Fields{"StageName": stage})
}

// Old makes a record's stamps those of an hour ten days ago, for a record that was there before.
func Old() sandbox.Fields {
	at := serviceTime().AddDate(0, 0, -10).Truncate(time.Second)
	return sandbox.Fields{"CreatedDate": at, "LastModifiedDate": at, "SystemModstamp": at}
}

// Act changes the store as an operator's order does.
func (w *world) Act(order func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(order); err != nil {
		w.t.Fatal(err)
	}
}

func byHand() poll.Order { return poll.Order{Who: "op", Why: "test", At: time.Now()} }

// Referral is what the store has of somebody.
func (w *world) Referral(u sandbox.User) (r rules.Referral) {
	w.t.Helper()
	err := w.store.View(func(tx *store.Tx) (err error) { r, _, err = tx.Referral(u.ID); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// Watermark is how far a query was polled.
func (w *world) Watermark(query string) (mark store.Watermark) {
	w.t.Helper()
	err := w.store.View(func(tx *store.Tx) (err error) { mark, err = tx.Watermark(query); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	return mark
}

// Ledger is how many entries the ledger has.
func (w *world) Ledger() (n uint64) {
	w.t.Helper()
	if err := w.store.View(func(tx *store.Tx) error { n = tx.LedgerLength(); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Snapshots is how many of some records the store keeps a snapshot of.
func (w *world) Snapshots(records ...string) (n int) {
	w.t.Helper()
	err := w.store.View(func(tx *store.Tx) error {
		for _, id := range records {
			_, found, err := tx.Snapshot(id)
			if err != nil {
				return err
			}
			if found {
				n++
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// WantQualified wants each to be qualified: with one effect, by one request, and nothing left to do.
func (w *world) WantQualified(users ...sandbox.User) {
	w.t.Helper()
	for _, u := range users {
		if puts := w.putsFor(u); puts != 1 {
			w.t.Errorf("%s: got %d PUT requests, want one", u.FirstName, puts)
		}
		w.wantEffect(u)
	}
}

func (w *world) wantEffect(u sandbox.User) {
	w.t.Helper()
	effects := 0
	for _, q := range w.rf.Qualifications() {
		if q.UserID == u.ID {
			effects++
		}
	}
	r := w.Referral(u)
	if effects != 1 || r.Standing != rules.Delivered {
		w.t.Errorf("%s: got %d qualifications, standing %q (%s: %s), want one and %q", u.FirstName, effects, r.Standing, r.Verdict.Reason, r.Verdict.Sentence, rules.Delivered)
	}
}

func (w *world) putsFor(u sandbox.User) (n int) {
	for _, p := range w.rf.Puts() {
		if p.UserID == u.ID {
			n++
		}
	}
	return n
}

// WantOnly wants each of some people to be qualified in effect once, however many requests it took, and nobody else.
func (w *world) WantOnly(users ...sandbox.User) {
	w.t.Helper()
	for _, u := range users {
		w.wantEffect(u)
	}
	for _, q := range w.rf.Qualifications() {
		if !slices.ContainsFunc(users, func(u sandbox.User) bool { return u.ID == q.UserID }) {
			w.t.Errorf("%s was qualified, want nobody but %s", w.rf.User(q.UserID).FirstName, namesOf(users))
		}
	}
}

func namesOf(users []sandbox.User) string {
	var names []string
	for _, u := range users {
		names = append(names, u.FirstName)
	}
	return strings.Join(names, ", ")
}

// WantNot wants somebody not to have been qualified, for a reason.
func (w *world) WantNot(u sandbox.User, reason rules.Reason) {
	w.t.Helper()
	if puts := w.putsFor(u); puts != 0 {
		w.t.Errorf("%s: got %d PUT requests, want none", u.FirstName, puts)
	}
	if r := w.Referral(u); r.Verdict.Reason != reason {
		w.t.Errorf("%s: got reason %q (%s), want %q", u.FirstName, r.Verdict.Reason, r.Verdict.Sentence, reason)
	}
}

// WantLinks wants somebody's links to be those to some records.
func (w *world) WantLinks(u sandbox.User, records ...string) {
	w.t.Helper()
	var got []string
	for _, l := range w.Referral(u).Links {
		got = append(got, l.RecordID)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(records))
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: got links to %v, want %v", u.FirstName, got, want)
	}
}

// WantRecords wants the org to have so many records of an object.
func (w *world) WantRecords(object string, n int) {
	w.t.Helper()
	if got := w.org.IDs(object); len(got) != n {
		w.t.Errorf("records of %s: got %d, want %d", object, len(got), n)
	}
}

// once lets a fault happen to the first request that fits, and to none after it.
func once(fits func(*http.Request) bool, f *sandbox.Fault) func(*http.Request) *sandbox.Fault {
	done := false
	return func(r *http.Request) *sandbox.Fault {
		if done || !fits(r) {
			return nil
		}
		done = true
		return f
	}
}

// always lets a fault happen to every request that fits.
func always(fits func(*http.Request) bool, f *sandbox.Fault) func(*http.Request) *sandbox.Fault {
	return func(r *http.Request) *sandbox.Fault {
		if fits(r) {
			return f
		}
		return nil
	}
}

func isComposite(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/composite") }
func isNextPage(r *http.Request) bool  { return strings.Contains(r.URL.Path, "/query/") }

// readsByID tells whether a composite asks for records of an object by their Ids.
func readsByID(object string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if !isComposite(r) {
			return false
		}
		body, err := r.GetBody()
		if err != nil {
			return false
		}
		raw, _ := io.ReadAll(body)
		text, _ := url.QueryUnescape(string(raw))
		return strings.Contains(text, " FROM "+object+" WHERE Id IN ")
	}
}
func isCreate(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/sobjects/")
}
func isPut(r *http.Request) bool { return r.Method == http.MethodPut }
func isDescribeOf(object string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/sobjects/"+object+"/describe") }
}

// The campaigns that the stories are about. All watch Leads, link by code and e-mail, and neither create nor mark.

func fieldCampaign() rules.Campaign {
	return rules.Campaign{ID: 101, Name: "Refer a friend", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField,
		Duplicates: rules.DoNothing, Method: rules.LeadFieldChanges, Field: "Status", Value: goodValue}
}

func contactCampaign() rules.Campaign {
	return rules.Campaign{ID: 102, Name: "Partner circle", Mode: rules.DoNothingOnJoin, Object: rules.Contact, CodeField: codeField,
		Duplicates: rules.DoNothing, Method: rules.ContactFieldChanges, Field: "LeadSource", Value: "Partner Referral"}
}

func conversionCampaign() rules.Campaign {
	return rules.Campaign{ID: 103, Name: "Spring event", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField,
		Duplicates: rules.DoNothing, Method: rules.LeadConverts}
}

func stageCampaign() rules.Campaign {
	return rules.Campaign{ID: 104, Name: "Enterprise", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField,
		Duplicates: rules.DoNothing, Method: rules.LeadConvertsToStage, Value: "Closed Won"}
}

func noRuleCampaign() rules.Campaign {
	return rules.Campaign{ID: 105, Name: "Newsletter", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField,
		Duplicates: rules.DoNothing, Method: rules.None}
}

// creating makes a campaign create Leads (Contacts, where that is its object) and fill the fields that the org requires.
func creating(c rules.Campaign, duplicates rules.Duplicates) rules.Campaign {
	c.Mode, c.Duplicates = rules.CreateLead, duplicates
	c.Fields = []rules.Mapping{{To: "LastName", Dynamic: "first_name"}}
	if c.Object == rules.Contact {
		c.Mode = rules.CreateContact
		return c
	}
	c.Fields = append(c.Fields, rules.Mapping{To: "Company", Fixed: "Referred"})
	return c
}

func one(c rules.Campaign) []rules.Campaign { return []rules.Campaign{c} }

func allMethods() []rules.Campaign {
	return []rules.Campaign{fieldCampaign(), contactCampaign(), conversionCampaign(), stageCampaign(), noRuleCampaign()}
}

func mustContain(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("%s: got error %v, want one with %q", what, err, text)
	}
}

// referralIn reads a referral inside a transaction.
func (w *world) referralIn(tx *store.Tx, u sandbox.User) rules.Referral {
	w.t.Helper()
	r, found, err := tx.Referral(u.ID)
	if err != nil || !found {
		w.t.Fatalf("%s: found %v, error %v", u.FirstName, found, err)
	}
	return r
}
