package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// beQualifyd is the environment variable that makes the test binary the program itself, for the tests that kill it.
const beQualifyd = "QUALIFYD_TEST_BE_QUALIFYD"

func TestMain(m *testing.M) {
	if os.Getenv(beQualifyd) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The campaigns that the tests configure.
const (
	watching = `
  - id: 101
    name: Refer a friend
    referral_code_field: Referral_Code__c
    brake: 50/1h
    qualify: {method: lead_field_changes, field: Status, value: Qualified}
`
	creating = `
  - id: 102
    name: Partner circle
    when_lead_joins: create_lead
    referral_code_field: Referral_Code__c
    fields: [{to: LastName, dynamic: first_name}, {to: Company, fixed: Referred}]
    qualify: {method: lead_field_changes, field: Status, value: Qualified}
`
)

// world is a Salesforce org, a Referral Factory account, and a folder with a config, its secrets and (after the first run) a store.
type world struct {
	t      *testing.T
	org    *sandbox.Org
	rf     *sandbox.ReferralFactory
	after  func(time.Duration) // lets the time of both services go by
	folder string
	config string                                    // path of the config file
	wired  func(*daemon)                             // is shown a daemon before it runs; nil where nobody looks
	reach  func(http.RoundTripper) http.RoundTripper // comes between a daemon in a bubble and its services; nil where nothing does

	mu        sync.Mutex
	asked     []string // every request of either service: method and path
	intercept func(w http.ResponseWriter, r *http.Request, next http.Handler)
	services  []*httptest.Server // none in a bubble
	connected int                // how many connections they have
	less      sync.Cond          // there is one connection less; of mu
}

// morning is when the services' clocks begin, years from this machine's: whatever is decided by the wrong clock goes wrong at once.
var morning = time.Date(2032, 11, 1, 9, 30, 15, 700_000_000, time.UTC)

// newWorld puts both services on loopback ports, under a clock that only the test moves.
func newWorld(t *testing.T, campaigns string) *world {
	t.Helper()
	var mu sync.Mutex
	now := morning
	w := furnish(t, func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	w.after = func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	w.listen(w.org.Handler())
	w.listen(w.rf.Handler())
	w.configure(w.services[0].URL, w.services[1].URL+"/api/v2", campaigns)
	return w
}

// listen puts a service on a loopback port.
func (w *world) listen(service http.Handler) {
	s := httptest.NewUnstartedServer(w.through(service))
	s.Config.ConnState = w.count
	s.Start()
	w.t.Cleanup(s.Close)
	w.services = append(w.services, s)
}

func (w *world) count(_ net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch state {
	case http.StateNew:
		w.connected++
	case http.StateClosed:
		w.connected--
		w.less.Broadcast()
	}
}

// settle waits until the services have done all that processes which are gone had asked of them. Connections are accepted in their order, so
// that after one of ours there is none of theirs left that the services do not know of.
func (w *world) settle() {
	w.t.Helper()
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, s := range w.services {
		resp, err := once.Get(s.URL)
		if err != nil {
			w.t.Fatal(err)
		}
		resp.Body.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.connected > 0 {
		w.less.Wait()
	}
}

// furnish makes the services and an empty folder.
func furnish(t *testing.T, now func() time.Time) *world {
	w := &world{t: t, org: sandbox.NewOrg(now), rf: sandbox.NewReferralFactory(now), folder: t.TempDir()}
	w.config = filepath.Join(w.folder, "config.yaml")
	w.less.L = &w.mu
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		w.org.AddField(object, sandbox.FieldDef{Name: "Referral_Code__c", Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualified"})
	for id := range int64(3) {
		w.rf.AddCampaign(101+id, fmt.Sprintf("Campaign %d", 101+id))
	}
	return w
}

func (w *world) configure(loginURL, baseURL, campaigns string) {
	w.t.Helper()
	id, _ := w.org.Credentials()
	w.writeSecrets()
	w.write("config.yaml", fmt.Sprintf(`salesforce:
  login_url: %s
  auth: {flow: client_credentials, client_id: %s, client_secret_file: salesforce-secret}
  daily_calls: 20%%
referral_factory:
  base_url: %s
  api_key_file: referral-factory-key
poll:
  schedule: "@every 1m"
  sweep: "@every 10m"
store:
  path: qualifyd.db
log:
  level: info
campaigns:%s`, loginURL, id, baseURL, campaigns))
}

// writeSecrets puts the live secrets of both services into the files where the config looks for them.
func (w *world) writeSecrets() {
	w.t.Helper()
	_, secret := w.org.Credentials()
	w.write("salesforce-secret", secret)
	w.write("referral-factory-key", w.rf.Key())
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces a piece of the config.
func (w *world) edit(old, new string) {
	w.t.Helper()
	text := string(readFile(w.t, w.config))
	if !strings.Contains(text, old) {
		w.t.Fatalf("the config has no %q:\n%s", old, text)
	}
	w.write("config.yaml", strings.Replace(text, old, new, 1))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) storePath() string { return filepath.Join(w.folder, "qualifyd.db") }

// through notes each request, and lets the test come between.
func (w *world) through(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Method+" "+r.URL.Path)
		intercept := w.intercept
		w.mu.Unlock()
		if intercept == nil {
			next.ServeHTTP(rw, r)
			return
		}
		intercept(rw, r, next)
	})
}

// between has f come between each request and its service; nil is nobody.
func (w *world) between(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept = f
}

// askedFor counts the requests so far whose method and path contain text.
func (w *world) askedFor(text string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.asked {
		if strings.Contains(one, text) {
			n++
		}
	}
	return n
}

// result is what a command left behind.
type result struct {
	t        *testing.T
	command  string
	code     int
	out, err string
}

// run runs the whole program once. No command may tell a secret; and no e-mail address, but one that was typed, that a dry run would write, or
// that a referral's story tells.
func (w *world) run(args ...string) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	code := run(w.t.Context(), append(args, "--config", w.config), streams{&out, &errs})
	r := result{w.t, strings.Join(args, " "), code, out.String(), errs.String()}
	w.wantNoSecret(r)
	if address := emailAddress.FindString(r.err + r.outThatNamesNobody()); address != "" && !strings.Contains(r.command, address) {
		w.t.Errorf("%s: got the e-mail address %s in its output, want none:\n%s%s", r.command, address, r.out, r.err)
	}
	return r
}

var emailAddress = regexp.MustCompile(`[\w.]+@[\w.]+`)

func (r result) outThatNamesNobody() string {
	if strings.Contains(r.command, "--dry-run") || strings.HasPrefix(r.command, "explain") {
		return ""
	}
	return r.out
}

// wantNoSecret looks for the live secrets, for those in the files, which may have been rotated, and for a session's token.
func (w *world) wantNoSecret(r result) {
	w.t.Helper()
	_, secret := w.org.Credentials()
	secrets := []string{secret, w.rf.Key(), "!AQ"} // every token of a session has !AQ behind the org's Id
	for _, name := range []string{"salesforce-secret", "referral-factory-key"} {
		if text, err := os.ReadFile(filepath.Join(w.folder, name)); err == nil && len(text) > 0 {
			secrets = append(secrets, string(text))
		}
	}
	for _, one := range secrets {
		if strings.Contains(r.out+r.err, one) {
			w.t.Errorf("%s: got a secret in its output, want none:\n%s%s", r.command, r.out, r.err)
		}
	}
}

// want wants an exit code, and texts somewhere in what was written.
func (r result) want(code int, texts ...string) result {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("%s: got exit code %d, want %d\n%s%s", r.command, r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			r.t.Errorf("%s: got\n%s%s\nwant %q in it", r.command, r.out, r.err, text)
		}
	}
	return r
}

func (r result) wantNot(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if strings.Contains(r.out+r.err, text) {
			r.t.Errorf("%s: got\n%s%s\nwant no %q in it", r.command, r.out, r.err, text)
		}
	}
	return r
}

// pass runs everything once, a minute after what happened last; nothing may go wrong.
func (w *world) pass() {
	w.t.Helper()
	w.after(time.Minute)
	w.run("run", "--once").want(exitDone)
}

// open is the first pass of a world, and two hours in which nothing happens.
func (w *world) open() {
	w.t.Helper()
	w.pass()
	w.after(2 * time.Hour)
}

func (w *world) refer(name string, campaign int64) sandbox.User {
	return w.rf.Refer(campaign, sandbox.NewUser{FirstName: name})
}

// lead has the sales team enter a Lead with a referral's e-mail and code, at the first status.
func (w *world) lead(u sandbox.User) string {
	return w.org.Create("Lead", sandbox.Fields{"LastName": u.FirstName, "Company": "Acme", "Email": u.Email, "Referral_Code__c": u.Code})
}

func (w *world) status(lead, status string) {
	w.org.Update("Lead", lead, sandbox.Fields{"Status": status})
}

// known has somebody referred and entered as a Lead, both of which passes have seen.
func (w *world) known(name string, campaign int64) (sandbox.User, string) {
	w.t.Helper()
	u := w.refer(name, campaign)
	w.pass()
	lead := w.lead(u)
	w.pass()
	return u, lead
}

// due has somebody referred, which a pass has seen, and qualified by the sales team, which the next pass will see.
func (w *world) due(name string, campaign int64) sandbox.User {
	w.t.Helper()
	u := w.refer(name, campaign)
	w.pass()
	w.status(w.lead(u), "Qualified")
	w.after(time.Minute)
	return u
}

// wantQualified wants these people to have been qualified, once each, and nobody else.
func (w *world) wantQualified(users ...sandbox.User) {
	w.t.Helper()
	times := map[int64]int{}
	for _, q := range w.rf.Qualifications() {
		times[q.UserID]++
	}
	for _, u := range users {
		if times[u.ID] != 1 {
			w.t.Errorf("%s: qualified %d times, want once", u.FirstName, times[u.ID])
		}
		delete(times, u.ID)
	}
	for id := range times {
		w.t.Errorf("%s was qualified, want not", w.rf.User(id).FirstName)
	}
}

// wantPuts wants so many requests to qualify somebody, whatever became of them.
func (w *world) wantPuts(n int) {
	w.t.Helper()
	if got := w.rf.Puts(); len(got) != n {
		w.t.Errorf("got %d requests to qualify, want %d: %v", len(got), n, got)
	}
}

// lock opens the store as another process would.
func (w *world) lock() *store.Store {
	w.t.Helper()
	s, err := store.Open(w.storePath())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// belongTo makes the store another org's.
func (w *world) belongTo(orgID string) {
	w.t.Helper()
	s := w.lock()
	err := s.Update(func(tx *store.Tx) error {
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		owner.OrgID = orgID
		return tx.SetOwner(owner)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// always lets a fault happen to every request whose method and path contain text.
func always(text string, f *sandbox.Fault) func(*http.Request) *sandbox.Fault {
	return func(r *http.Request) *sandbox.Fault {
		if strings.Contains(r.Method+" "+r.URL.Path, text) {
			return f
		}
		return nil
	}
}
