package doctor_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/doctor"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

const (
	sfHost    = "acme.my.salesforce.com"
	rfHost    = "api.referral-factory.com"
	otherHost = "referral-factory.com"
	codeField = "Referral_Code__c"
)

// refer is the campaign of most stories.
var refer = rules.Campaign{
	ID: 101, Name: "Refer a friend", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField, Duplicates: rules.DoNothing,
	Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified",
}

// won is a campaign that follows conversions.
var won = rules.Campaign{
	ID: 102, Name: "Won deals", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField, Duplicates: rules.Update,
	Method: rules.LeadConvertsToStage, Value: "Closed Won",
}

// makes is a campaign that makes Leads.
var makes = rules.Campaign{
	ID: 103, Name: "Partners", Mode: rules.CreateLead, Object: rules.Lead, CodeField: codeField, Duplicates: rules.DoNothing,
	Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified",
	Fields: []rules.Mapping{{To: "LastName", Dynamic: "first_name"}, {To: "Company", Fixed: "Referred"}},
}

// ward is both services, a store, and what the check-up is given of them. Time belongs to the test's bubble.
type ward struct {
	t       *testing.T
	org     *sandbox.Org
	rf      *sandbox.ReferralFactory
	patient doctor.Patient
	options salesforce.Options
	poller  *poll.Poller
	closed  map[string]bool // hosts that cannot be reached
	// stripped is a header that every answer comes without.
	stripped string
}

// now is the time of both services and of this machine. It starts on a Monday morning.
func now() time.Time {
	return time.Date(2026, 11, 2, 9, 30, 15, 0, time.UTC).Add(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// newWard makes a world in which everything is well: the first pass was two hours ago, and since then somebody was referred and entered.
func newWard(t *testing.T, campaigns ...rules.Campaign) *ward {
	t.Helper()
	w := &ward{t: t, org: sandbox.NewOrg(now), rf: sandbox.NewReferralFactory(now), closed: map[string]bool{}}
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		w.org.AddField(object, sandbox.FieldDef{Name: codeField, Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualified"})
	w.org.Track("Lead", "Status", true)
	w.patient = doctor.Patient{Campaigns: campaigns, Now: now, OtherBaseURL: w.tryBaseURL}
	c := &w.patient.Config
	*c = config.Default()
	c.Salesforce.LoginURL, c.Salesforce.Auth.Flow = "https://"+sfHost, config.FlowClientCredentials
	c.Store.Path = filepath.Join(t.TempDir(), "qualifyd.db")
	for _, one := range campaigns {
		w.rf.AddCampaign(one.ID, one.Name)
	}
	w.connect()
	w.pass()
	time.Sleep(2 * time.Hour)
	for _, one := range campaigns {
		w.referred(one.ID)
	}
	w.org.Update("Lead", w.org.Create("Lead", sandbox.Fields{"LastName": "Somebody", "Company": "Acme"}), sandbox.Fields{"Status": "Qualified"})
	w.org.Convert(w.org.Create("Lead", sandbox.Fields{"LastName": "Customer", "Company": "Acme"}), sandbox.Conversion{Stage: "Closed Won"})
	w.pass()
	return w
}

// referred has somebody referred, and entered as a Lead a minute later.
func (w *ward) referred(campaign int64) {
	u := w.rf.Refer(campaign, sandbox.NewUser{FirstName: "Ann"})
	time.Sleep(time.Minute)
	w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": u.Email, codeField: u.Code})
}

// connect opens the store and makes the clients.
func (w *ward) connect() {
	w.t.Helper()
	p, c := &w.patient, w.patient.Config
	s, err := store.OpenOrCreate(c.Store.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	id, secret := w.org.Credentials()
	w.options = salesforce.Options{LoginURL: c.Salesforce.LoginURL, APIVersion: c.Salesforce.APIVersion, Flow: salesforce.ClientCredentials,
		ClientID: id, ClientSecret: secret, Transport: w, Log: zerolog.Nop(), Spend: func(ctx context.Context) error { return w.poller.Spend(ctx) }}
	w.login()
	if p.ReferralFactory, err = w.client(c.ReferralFactory.BaseURL); err != nil {
		w.t.Fatal(err)
	}
	p.Store = s
	p.Poll = poll.Options{
		Store: s, Salesforce: p.Salesforce, ReferralFactory: p.ReferralFactory, Account: rfHost, Zone: time.UTC, Log: zerolog.Nop(),
		Settings: poll.Settings{
			Campaigns: p.Campaigns, Overlap: 20 * time.Minute, DailyCalls: poll.DailyCalls{Percent: 20},
			Reconcile: func(last time.Time) time.Time { return last.Add(24 * time.Hour) },
		},
	}
	w.poller = poll.New(p.Poll)
}

// login makes a new Salesforce client of the options.
func (w *ward) login() {
	w.t.Helper()
	client, err := salesforce.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.patient.Salesforce = client
}

func (w *ward) client(baseURL string) (*referralfactory.Client, error) {
	return referralfactory.New(referralfactory.Options{BaseURL: baseURL, APIKey: w.rf.Key(), CallsPerMinute: 300, Transport: w, Log: zerolog.Nop()})
}

func (w *ward) tryBaseURL(ctx context.Context, baseURL string) error {
	client, err := w.client(baseURL)
	if err != nil {
		return err
	}
	_, _, err = client.Campaigns(ctx)
	return err
}

// RoundTrip reaches the services without a socket.
func (w *ward) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.closed[r.URL.Host] {
		return nil, errors.New("no route to host")
	}
	resp, err := sandbox.Transport(map[string]http.Handler{sfHost: w.org.Handler(), rfHost: w.rf.Handler(), otherHost: w.rf.Handler()}).RoundTrip(r)
	if err == nil {
		resp.Header.Del(w.stripped)
	}
	return resp, err
}

// many has so many Leads change their status now.
func (w *ward) many(leads int) {
	for range leads {
		id := w.org.Create("Lead", sandbox.Fields{"LastName": "Crowd", "Company": "Acme"})
		w.org.Update("Lead", id, sandbox.Fields{"Status": "Working - Contacted"})
	}
}

// pass sweeps and polls as the daemon does; nothing may go wrong.
func (w *ward) pass() {
	w.t.Helper()
	err := errors.Join(w.poller.Sweep(w.t.Context()), w.poller.Pass(w.t.Context()))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, job := range []string{"sweep", "poll", "deliver"} {
		w.run(store.Run{Job: job, Begun: now(), Ended: now(), Well: now()})
	}
}

func (w *ward) run(r store.Run) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error { return tx.PutRun(r) })
}

func (w *ward) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.patient.Store.Update(fn); err != nil {
		w.t.Fatal(err)
	}
}

// configure changes the configured campaign.
func (w *ward) configure(change func(c *rules.Campaign)) {
	w.patient.Campaigns = slices.Clone(w.patient.Campaigns)
	change(&w.patient.Campaigns[0])
	w.patient.Poll.Campaigns = w.patient.Campaigns
}

// story is one thing that is not as it should be, and all the findings that are not green for it.
type story struct {
	name      string
	campaigns []rules.Campaign // refer, unless set
	change    func(w *ward)
	want      map[string]doctor.Colour
	// says are pieces of the first wanted finding's texts, by check.
	says map[string]string
}

func tell(t *testing.T, stories []story) {
	t.Helper()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if s.campaigns == nil {
					s.campaigns = []rules.Campaign{refer}
				}
				w := newWard(t, s.campaigns...)
				if s.change != nil {
					s.change(w)
				}
				report := doctor.CheckUp(t.Context(), w.patient, nil)
				s.check(t, report)
			})
		})
	}
}

func (s story) check(t *testing.T, report doctor.Report) {
	t.Helper()
	got := map[string]doctor.Colour{}
	for _, f := range report.Findings {
		if f.Colour != doctor.Green {
			got[f.Check] = f.Colour
			if f.Do == "" {
				t.Errorf("%s is %s and says nothing to do: %s", f.Check, f.Colour, f.Text)
			}
		} else if f.Do != "" {
			t.Errorf("%s is green and says to do: %s", f.Check, f.Do)
		}
		if f.Text == "" || f.Title == "" || f.Check == "" || f.Group == "" {
			t.Errorf("a finding without words: %+v", f)
		}
	}
	want := map[string]doctor.Colour{}
	maps.Copy(want, s.want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings that are not green (-want +got):\n%s%s", diff, text(report))
	}
	for check, says := range s.says {
		if f := find(report, check); !strings.Contains(f.Text+"|"+f.Do, says) {
			t.Errorf("%s: got %q, do %q\nwant %q in it", check, f.Text, f.Do, says)
		}
	}
}

func find(r doctor.Report, check string) doctor.Finding {
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	return doctor.Finding{Text: "(there is no such finding)"}
}

// text is a report for a failure's message.
func text(r doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(string(f.Colour) + " " + f.Check + ": " + f.Text)
		if f.Do != "" {
			b.WriteString(" -> " + f.Do)
		}
		b.WriteString("\n")
	}
	return b.String()
}
