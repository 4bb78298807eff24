package metrics

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// world is a store with metrics that watch it. Two campaigns are configured, 101 and 102.
type world struct {
	*Metrics
	t     *testing.T
	desk  *desk.Desk
	log   *logBook
	stuck error // what alive says
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := config.Default()
	c.Store.Path = filepath.Join(t.TempDir(), "qualifyd.db")
	log := &logBook{}
	w := &world{t: t, log: log, Metrics: New("1.2.3", "abc", zerolog.New(log)), desk: &desk.Desk{
		Config: c, Store: s, Poll: poll.Options{Settings: poll.Settings{DailyCalls: poll.DailyCalls{Percent: 20}}},
		Campaigns: []rules.Campaign{
			{ID: 101, Method: rules.LeadFieldChanges, Object: rules.Lead, Field: "Status", Value: "Qualified"},
			{ID: 102, Method: rules.LeadConvertsToStage, Object: rules.Lead, Value: "Closed Won"},
		},
	}}
	return w
}

// watching is a world whose store is being watched.
func watching(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.Watch(w.desk, func() error { return w.stuck }); err != nil {
		t.Fatal(err)
	}
	w.watched = true
	return w
}

// asks has Salesforce asked once, so that it has told the calls of the org: one, of 5,000.
func (w *world) asks() {
	w.t.Helper()
	org := sandbox.NewOrg(time.Now)
	id, secret := org.Credentials()
	client, err := salesforce.New(salesforce.Options{
		LoginURL: "https://acme.my.salesforce.com", APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: sandbox.Transport(map[string]http.Handler{"acme.my.salesforce.com": org.Handler()}), Log: zerolog.Nop(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := client.Organization(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.desk.Salesforce = client
	w.update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{OrgID: "00D", CallLimit: 5000}) })
}

// busy is a world in which every metric there is has a value.
func busy(t *testing.T) *world {
	t.Helper()
	w := watching(t)
	w.asks()
	w.ran(desk.SweepJob, nil)
	return w
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.desk.Store.Update(fn); err != nil {
		w.t.Fatal(err)
	}
}

// ran has a run recorded as the daemon does, now.
func (w *world) ran(job string, err error) {
	w.t.Helper()
	now := time.Now().UTC()
	w.update(func(tx *store.Tx) error {
		r, readErr := tx.Run(job)
		r.Begun, r.Ended, r.Trouble = now, now, ""
		if err == nil {
			r.Well = now
		} else {
			r.Trouble = err.Error()
			r.Refused = faultsOf(err)[fault{ofSalesforce, refused}] || faultsOf(err)[fault{ofReferralFactory, refused}]
		}
		if readErr != nil {
			return readErr
		}
		return tx.PutRun(r)
	})
	w.Ran(w.t.Context(), job, now, err)
}

// logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mustMakeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func mustList(t *testing.T, folder string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
