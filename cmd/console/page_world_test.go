package console_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// world is a store as a daemon leaves it, and the page about it.
type world struct {
	t    *testing.T
	desk *desk.Desk
	now  time.Time
	next int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := config.Default()
	c.Store.Path = filepath.Join(t.TempDir(), "qualifyd.db")
	c.Salesforce.LoginURL = "https://acme.my.salesforce.com"
	s, err := store.Create(c.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	campaigns := []rules.Campaign{
		{ID: 101, Name: "Refer a friend", Object: rules.Lead, Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified"},
		{ID: 104, Name: "Enterprise", Object: rules.Lead, Method: rules.LeadConvertsToStage, Value: "Closed Won"},
	}
	w := &world{t: t, now: time.Now().UTC(), next: 1000}
	w.desk = &desk.Desk{Version: "1.2.3", Config: c, Campaigns: campaigns, Store: s,
		Poll: poll.Options{Store: s, Settings: poll.Settings{Campaigns: campaigns, DailyCalls: poll.DailyCalls{Percent: 20}}}}
	return w
}

// open serves the page.
func (w *world) open() *console.Page {
	w.t.Helper()
	page, err := console.OpenPage(w.desk, "127.0.0.1:0", zerolog.New(w.t.Output()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(page.Close)
	return page
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.desk.Store.Update(fn); err != nil {
		w.t.Fatal(err)
	}
}

// refer makes a referral of the first campaign that stands as it is told to.
func (w *world) refer(name string, change func(*rules.Referral)) int64 {
	w.t.Helper()
	w.next++
	r := rules.Referral{ID: w.next, CampaignID: 101, FirstName: name, Email: fmt.Sprintf("person%d@example.com", w.next), Code: fmt.Sprintf("code%d", w.next),
		Standing: rules.Pending, Joined: w.now.AddDate(0, 0, -20),
		Verdict: rules.Verdict{Outcome: rules.Not, Reason: rules.NoRecord, Sentence: "no Lead has its code or e-mail"}}
	change(&r)
	w.update(func(tx *store.Tx) error { return tx.PutReferral(r) })
	return r.ID
}

// qualify makes a referral that was qualified so long ago, and so long after its Lead's change.
func (w *world) qualify(name string, ago, took time.Duration) int64 {
	w.t.Helper()
	at := w.now.Add(-ago)
	id := w.refer(name, func(r *rules.Referral) {
		r.Standing, r.QualifiedOn = rules.Delivered, at.Format(time.DateOnly)
		t := rules.Transition{Object: rules.Lead, RecordID: fmt.Sprintf("00Q%012dAAA", r.ID), Field: "Status", From: "Working", To: "Qualified", At: at.Add(-took), Proof: rules.ByHistory}
		r.Verdict = rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule, Sentence: t.String(), Evidence: []rules.Transition{t}, At: at}
		w.update(func(tx *store.Tx) error {
			if err := tx.Append(store.Entry{At: at, Act: store.ActJudged, Campaign: 101, Referral: r.ID, Outcome: rules.Qualified, Reason: rules.QualifiedByRule, Evidence: r.Verdict.Evidence}); err != nil {
				return err
			}
			return tx.Append(store.Entry{At: at, Act: store.ActDelivered, Campaign: 101, Referral: r.ID})
		})
	})
	return id
}

// polled makes the daemon's jobs have run a moment ago, on a live org.
func (w *world) polled() {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		for _, job := range []string{desk.SweepJob, desk.PollJob, desk.DeliverJob} {
			ended := w.now.Add(-20 * time.Second)
			if err := tx.PutRun(store.Run{Job: job, Begun: ended.Add(-time.Second), Ended: ended, Well: ended}); err != nil {
				return err
			}
		}
		for _, query := range []string{"Lead", "Opportunity"} {
			if err := tx.SetWatermark(query, store.Watermark{At: w.now.Add(-30 * time.Second)}); err != nil {
				return err
			}
		}
		if err := tx.AddCalls(w.now.Add(-30*time.Second), 1234); err != nil {
			return err
		}
		return tx.SetOwner(store.Owner{OrgID: "00D5g000004ABCDEA4", CallLimit: 100_000})
	})
}

// busy fills the world with what a fortnight brings.
func (w *world) busy() {
	w.t.Helper()
	w.polled()
	for day := 12; day >= 0; day-- {
		for n := range (day*7 + 3) % 9 {
			took := time.Duration(20+day*37+n*n*90) * time.Second
			w.qualify([]string{"Ada", "Ben", "Cleo", "Dev", "Ella"}[n%5], time.Duration(day)*24*time.Hour+time.Duration(10-n)*time.Second, took)
		}
	}
	for n := range 20 {
		w.refer("Pia", func(r *rules.Referral) {
			switch n % 4 {
			case 0:
				r.Blockers = []rules.Blocker{{Object: rules.Contact, ID: "0035g00000ABCDEAA4", Created: w.now.AddDate(-1, 0, 0)}}
				r.Verdict.Reason = rules.ExistingRecord
			case 1:
				r.Verdict.Reason = rules.ValueNotReached
			case 2:
				r.CampaignID = 104
				r.Verdict = rules.Verdict{Outcome: rules.Held, Reason: rules.HeldByBrake}
			}
		})
	}
}

// get asks the page, and returns the answer with its body.
func get(t *testing.T, page *console.Page, path string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(page.URL, "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(request)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}
