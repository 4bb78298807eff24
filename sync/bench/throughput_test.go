package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// newPoller is what makes passes over a store, wired as the daemon wires it, and against a Salesforce on loopback.
func newPoller(t testing.TB, s *store.Store, c *canned) *poll.Poller {
	t.Helper()
	var poller *poll.Poller
	id, secret := c.org.Credentials()
	client, err := salesforce.New(salesforce.Options{
		LoginURL: c.URL, APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Spend: func(ctx context.Context) error { return poller.Spend(ctx) }, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	poller = poll.New(poll.Options{
		Store: s, Salesforce: client, Zone: time.UTC, Log: zerolog.Nop(),
		Settings: poll.Settings{Campaigns: filledCampaigns(), Overlap: 20 * time.Minute, Reconcile: func(last time.Time) time.Time { return last.Add(24 * time.Hour) }},
	})
	return poller
}

// A mass update: many Leads changed, a few of them linked, or all.
func TestThroughput(t *testing.T) {
	rows := size(6_000, 200_000)
	for _, linked := range []int{1, 100} {
		pages := changedLeads(rows, linked)
		c := newCanned(t, pages)
		floor := rate(rows, func() { readAndDiscard(t, c) })
		ours, calls := passOver(t, c, rows)
		if want := int64(len(pages)); calls != want {
			t.Errorf("%d %% linked: got %d calls, want %d, one a page", linked, calls, want)
		}
		part := fmt.Sprintf("throughput, %d %% linked", linked)
		show(figure{part: part, what: "read and thrown away", value: floor, unit: "rows/s"})
		show(figure{part: part, what: "our whole pass", value: ours, unit: "rows/s"})
		maps := rate(rows, func() {
			for _, page := range pages {
				var answer struct{ Records []map[string]any }
				if err := json.Unmarshal(page, &answer); err != nil {
					t.Fatal(err)
				}
			}
		})
		show(figure{part: part, what: "decoded by encoding/json into maps", value: maps, unit: "rows/s"})
	}
}

// rate is how many rows a second something takes.
func rate(rows int, do func()) float64 {
	runtime.GC()
	began := time.Now()
	do()
	return float64(rows) / time.Since(began).Seconds()
}

func readAndDiscard(t *testing.T, c *canned) {
	c.on.Store(true)
	defer c.on.Store(false)
	for i := range c.pages {
		resp, err := http.Get(fmt.Sprintf("%s%s%d", c.URL, nextPage, i*rowsAPage))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// passOver makes an idle pass, and then one in which the prepared rows changed.
func passOver(t *testing.T, c *canned, rows int) (perSecond float64, calls int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qualifyd.db")
	fill(t, path, rows)
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := newPoller(t, s, c)
	pass := func() {
		if err := p.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	c.on.Store(true)
	defer c.on.Store(false)
	c.calls.Store(0)
	return rate(rows, pass), c.calls.Load()
}
