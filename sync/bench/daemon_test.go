package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
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
	"qualifyd/sync/schedule"
)

const (
	orgHost     = "acme.my.salesforce.com"
	factoryHost = "api.referral-factory.com"
	referralsOf = 101 // the campaign
	referralKey = "Referral_Code__c"
	wonStatus   = "Qualified"
	lateCommit  = 20 * time.Minute // poll.overlap
)

// plan is what of the config matters for time and calls.
type plan struct {
	poll, sweep    string
	callsPerMinute int
	campaigns      []rules.Campaign
	slow           bool // answers take as long as those of the services do
}

func usual() plan {
	return plan{poll: "@every 1m", sweep: "@every 10m", callsPerMinute: 300, campaigns: oneLeadCampaign()}
}

// daemon is both services, and qualifyd between them with its jobs, wired and scheduled as the command does it, on the time of a bubble.
type daemon struct {
	t         *testing.T
	plan      plan
	org       *sandbox.Org
	rf        *sandbox.ReferralFactory
	wire      *wire
	store     *store.Store
	poller    *poll.Poller
	deliverer *deliver.Deliverer
	leads     map[int64]string // by referral
	end       func()
}

// inBubble runs a test of a daemon that does not run yet.
func inBubble(t *testing.T, p plan, test func(*testing.T, *daemon)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(t, p)
		defer d.store.Close()
		test(t, d)
		if d.end != nil {
			d.end()
		}
	})
}

func newDaemon(t *testing.T, p plan) *daemon {
	t.Helper()
	d := &daemon{t: t, plan: p, org: sandbox.NewOrg(time.Now), rf: sandbox.NewReferralFactory(time.Now), leads: map[int64]string{}}
	d.org.DailyLimit(100_000)
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		d.org.AddField(object, sandbox.FieldDef{Name: referralKey, Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	d.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: wonStatus})
	for _, c := range p.campaigns {
		d.rf.AddCampaign(c.ID, c.Name)
	}
	d.wire = &wire{
		slow: p.slow, dice: rand.New(rand.NewPCG(6, 5)),
		next: sandbox.Transport(map[string]http.Handler{orgHost: d.org.Handler(), factoryHost: d.rf.Handler()}),
	}
	var err error
	if d.store, err = store.OpenToWork(filepath.Join(inMemory(t), "qualifyd.db")); err != nil {
		t.Fatal(err)
	}
	rf, err := referralfactory.New(referralfactory.Options{
		BaseURL: "https://" + factoryHost + "/api/v2", APIKey: d.rf.Key(), CallsPerMinute: p.callsPerMinute, Transport: d.wire, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	id, secret := d.org.Credentials()
	d.poller = newPoller(t, salesforce.Options{LoginURL: "https://" + orgHost, ClientID: id, ClientSecret: secret, Transport: d.wire}, poll.Options{
		Store: d.store, ReferralFactory: rf, Account: factoryHost + " " + d.rf.Key(),
		Settings: poll.Settings{
			Campaigns: p.campaigns, Overlap: lateCommit, Reconcile: d.spec("@daily").Next, DailyCalls: poll.DailyCalls{Percent: 20},
		},
	})
	d.deliverer = deliver.New(deliver.Options{Store: d.store, ReferralFactory: rf, Ready: d.poller.AccountKnown, Log: zerolog.Nop()})
	return d
}

// newPoller is what makes passes, wired as the daemon wires it. org says where the org is, and with what to log in; o says all that is not the same in
// every measurement.
func newPoller(t testing.TB, org salesforce.Options, o poll.Options) *poll.Poller {
	t.Helper()
	var poller *poll.Poller
	org.APIVersion, org.Flow, org.Log = "67.0", salesforce.ClientCredentials, zerolog.Nop()
	org.Spend = func(ctx context.Context) error { return poller.Spend(ctx) }
	client, err := salesforce.New(org)
	if err != nil {
		t.Fatal(err)
	}
	o.Salesforce, o.Zone, o.Log = client, time.UTC, zerolog.Nop()
	poller = poll.New(o)
	return poller
}

// inMemory is a folder in memory where there is one: by the time of a bubble a disk takes none, and is only waited for.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bench")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (d *daemon) spec(text string) schedule.Spec {
	d.t.Helper()
	s, err := schedule.Parse(text, 10*time.Second)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// start has the jobs run by their schedules, until the end of the test.
func (d *daemon) start() {
	d.t.Helper()
	var runner *schedule.Runner
	swept := false
	runner = schedule.New(zerolog.Nop(),
		schedule.Job{Name: "sweep", Spec: d.spec(d.plan.sweep), AtStart: true, Run: func(ctx context.Context) {
			d.well(ctx, d.poller.Sweep(ctx))
			waiting, err := d.poller.Waiting()
			d.well(ctx, err)
			if waiting || !swept {
				runner.Kick("poll")
			}
			swept = true
		}},
		schedule.Job{Name: "poll", Spec: d.spec(d.plan.poll), Run: func(ctx context.Context) {
			d.well(ctx, d.poller.Pass(ctx))
			runner.Kick("deliver")
		}},
		schedule.Job{Name: "deliver", Spec: d.spec("@every 15s"), AtStart: true, Run: func(ctx context.Context) {
			d.well(ctx, d.deliverer.Run(ctx, true))
		}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runner.Run(ctx)
	}()
	d.end = func() { stop(); <-ended }
}

func (d *daemon) well(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		d.t.Error(err)
	}
}

// once does what the jobs do, one after the other.
func (d *daemon) once() {
	d.t.Helper()
	ctx := d.t.Context()
	if err := errors.Join(d.poller.Sweep(ctx), d.poller.Pass(ctx), d.deliverer.Run(ctx, false)); err != nil {
		d.t.Fatal(err)
	}
}

// refer has people referred, each with a Lead. Nobody is known to qualifyd yet.
func (d *daemon) refer(n int) (users []sandbox.User) {
	for range n {
		u := d.rf.Refer(referralsOf, sandbox.NewUser{FirstName: "Ann"})
		d.lead(u)
		users = append(users, u)
	}
	return users
}

// lead has the sales team enter somebody's Lead.
func (d *daemon) lead(u sandbox.User) {
	d.leads[u.ID] = d.org.Create("Lead", sandbox.Fields{"LastName": u.FirstName, "Company": "Acme", "Email": u.Email, referralKey: u.Code})
}

// wire is the way to the services. Answers may take as long as theirs do: Salesforce's to a composite one to two seconds, Referral Factory's 0.2
// to one, half of it before the service counts the call.
type wire struct {
	next     http.RoundTripper
	slow     bool
	answered func(r *http.Request, body []byte) // nil, or told each answer of the org

	mu    sync.Mutex
	dice  *rand.Rand
	calls []time.Time // when Referral Factory counted each call
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	there, back := w.takes(r)
	time.Sleep(there)
	if r.URL.Host == factoryHost {
		w.mu.Lock()
		w.calls = append(w.calls, time.Now())
		w.mu.Unlock()
	}
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	if back > 0 {
		time.Sleep(back)
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat)) // of the answer's end
	}
	if w.answered != nil && r.URL.Host == orgHost {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		w.answered(r, body)
	}
	return resp, nil
}

func (w *wire) takes(r *http.Request) (there, back time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	least, most := 200*time.Millisecond, time.Second
	if strings.HasSuffix(r.URL.Path, "/composite") {
		least, most = time.Second, 2*time.Second
	}
	if !w.slow {
		return 0, 0
	}
	took := least + time.Duration(w.dice.Int64N(int64(most-least)))
	return took / 2, took - took/2
}

// busiest is the most calls that Referral Factory counted within any minute, however it is laid.
func (w *wire) busiest() (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := 0
	for i, at := range w.calls {
		for at.Sub(w.calls[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
