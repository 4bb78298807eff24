package deliver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/sandbox"
)

const (
	host     = "api.referral-factory.com"
	campaign = 101
)

// world is a Referral Factory, a store and a deliverer between them, on the time of a bubble.
type world struct {
	t         *testing.T
	rf        *sandbox.ReferralFactory
	store     *store.Store
	client    *referralfactory.Client
	deliverer *deliver.Deliverer
	asking    sync.Mutex
	requests  []string // "GET 1002", "PUT", in the order they were made; guarded by asking
	// before and after are run around each request, on the way there and on the way back.
	before, after func(*http.Request)
}

// inWorld runs a test in a new world, where the time does not pass but for waiting.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rf := sandbox.NewReferralFactory(time.Now)
		rf.AddCampaign(campaign, "Refer a friend")
		s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, rf, s)
		defer w.ledgerNamesNoEmail()
		test(t, w)
	})
}

func newWorld(t *testing.T, rf *sandbox.ReferralFactory, s *store.Store) *world {
	t.Helper()
	w := &world{t: t, rf: rf, store: s}
	t.Cleanup(func() { w.store.Close() })
	w.update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{OrgID: "00D"}) })
	w.connect(300)
	return w
}

// connect makes a client, and a deliverer that uses it.
func (w *world) connect(callsPerMinute int) {
	w.t.Helper()
	inner := sandbox.Transport(map[string]http.Handler{host: w.rf.Handler()})
	client, err := referralfactory.New(referralfactory.Options{
		BaseURL: "https://" + host + "/api/v2", APIKey: w.rf.Key(), CallsPerMinute: callsPerMinute, Log: zerolog.Nop(),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			w.asking.Lock()
			w.requests = append(w.requests, strings.TrimSuffix(r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v2/users/"), " qualification"))
			w.asking.Unlock()
			if w.before != nil {
				w.before(r)
			}
			resp, err := inner.RoundTrip(r)
			if w.after != nil {
				w.after(r)
			}
			return resp, err
		}),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.client = client
	w.restart()
}

// restart makes a new deliverer, which knows what is stored and no more.
func (w *world) restart() {
	w.deliverer = deliver.New(deliver.Options{Store: w.store, ReferralFactory: w.client, Log: zerolog.Nop()})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// owe has somebody join the campaign and be judged qualified.
func (w *world) owe() (id int64) {
	w.t.Helper()
	u := w.rf.Refer(campaign, sandbox.NewUser{FirstName: "Ann"})
	w.update(func(tx *store.Tx) error {
		verdict := rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule, Sentence: "Status became Qualified", At: time.Now()}
		r := rules.Referral{ID: u.ID, CampaignID: campaign, FirstName: u.FirstName, Email: u.Email, Code: u.Code, Standing: rules.Owed, Verdict: verdict}
		return errors.Join(
			tx.PutReferral(r), tx.Owe(store.Debt{Referral: u.ID, Campaign: campaign, Since: time.Now()}),
			tx.Append(store.Entry{At: time.Now(), Act: store.ActJudged, Campaign: campaign, Referral: u.ID, Outcome: rules.Qualified}))
	})
	return u.ID
}

// run tries every debt once.
func (w *world) run() error { return w.deliverer.Run(w.t.Context(), false) }

// settled runs until nothing goes wrong any more, every half minute for an hour at most.
func (w *world) settled() {
	w.t.Helper()
	var err error
	for range 120 {
		if err = w.run(); err == nil {
			return
		}
		time.Sleep(30 * time.Second)
	}
	w.t.Fatalf("after an hour: got %v, want nothing owed", err)
}

// faultOnPut has one thing go wrong with every PUT; nil ends it.
func (w *world) faultOnPut(f *sandbox.Fault) {
	w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
		if r.Method == http.MethodPut {
			return f
		}
		return nil
	})
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) referral(id int64) (r rules.Referral) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) { r, _, err = tx.Referral(id); return err })
	return r
}

func (w *world) debts() (debts []store.Debt) {
	w.t.Helper()
	w.view(func(tx *store.Tx) (err error) { debts, err = tx.Debts(); return err })
	return debts
}

// debt is the one debt that there is.
func (w *world) debt() store.Debt {
	w.t.Helper()
	debts := w.debts()
	if len(debts) != 1 {
		w.t.Fatalf("outbox: got %+v, want one debt", debts)
	}
	return debts[0]
}

func (w *world) view(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.View(fn); err != nil {
		w.t.Fatal(err)
	}
}

// acts are what the ledger says of a referral after its verdict.
func (w *world) acts(id int64) (acts []store.Act) {
	w.t.Helper()
	w.view(func(tx *store.Tx) error {
		return tx.Ledger(0, func(e store.Entry) error {
			if e.Referral == id && e.Act != store.ActJudged {
				acts = append(acts, e.Act)
			}
			return nil
		})
	})
	return acts
}

func (w *world) ledgerNamesNoEmail() {
	w.t.Helper()
	w.store.View(func(tx *store.Tx) error {
		return tx.Ledger(0, func(e store.Entry) error {
			if raw, err := json.Marshal(e); err != nil || strings.Contains(string(raw), "@") {
				w.t.Errorf("ledger: got %s, want no e-mail", raw)
			}
			return nil
		})
	})
}

// puts counts the requests that would qualify somebody, also those that never arrived.
func (w *world) puts() (n int) {
	for _, r := range w.requests {
		if r == "PUT" {
			n++
		}
	}
	return n
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: got %+v, want %+v\n%s", what, got, want, diff)
	}
}

// deliveredOnce checks that a referral was qualified by us, that this is known, and that it happened once.
func (w *world) deliveredOnce(what string, id int64) {
	w.t.Helper()
	r := w.referral(id)
	same(w.t, what+": standing", r.Standing, rules.Delivered)
	same(w.t, what+": qualified on", r.QualifiedOn, w.rf.User(id).QualifiedAt)
	same(w.t, what+": ledger", w.acts(id), []store.Act{store.ActDelivered})
	same(w.t, what+": debts", len(w.debts()), 0)
	effects := 0
	for _, q := range w.rf.Qualifications() {
		if q.UserID == id {
			effects++
		}
	}
	same(w.t, what+": effects", effects, 1)
}

// kind says in a word what Run returned.
func kind(err error) string {
	var refused *referralfactory.Refused
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, deliver.ErrStore):
		return "store"
	case errors.As(err, &refused):
		return "refused"
	case errors.Is(err, deliver.ErrOpen):
		return "open"
	}
	return "trouble"
}

func get(id int64) string { return fmt.Sprint("GET ", id) }
