package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// pollerOver is what makes passes over a store that fill has filled; org says where the org is, and with what to log in.
func pollerOver(t testing.TB, s *store.Store, org salesforce.Options) *poll.Poller {
	t.Helper()
	return newPoller(t, org, poll.Options{Store: s, Settings: poll.Settings{
		Campaigns: filledCampaigns(), Overlap: lateCommit, Reconcile: func(last time.Time) time.Time { return last.AddDate(0, 0, 1) },
	}})
}

// A mass update: many Leads changed, and few of them are linked, or all. The limits are ratios of one run.
func TestThroughput(t *testing.T) {
	rows := size(6_000, 200_000)
	many := 2 * rows // with fewer referrals, it would cost fewer calls to read all of them by Id
	for _, m := range []massUpdate{
		{"1 % linked, nobody else referred", changedLeads(rows, 1, rows/100, true), rows / 100, 3, 10},
		{"1 % linked, and as if all rows had to be read", changedLeads(rows, 1, many, true), many, 3, 10},
		{"all linked", changedLeads(rows, 100, many, false), many, 0.5, 0},
		{"all linked, Ids in no order", changedLeads(rows, 100, many, true), many, 0, 0},
	} {
		c := newCanned(t, m.pages)
		floor := rate(rows, func() { readAndDiscard(t, c) })
		most := len(m.pages)
		if m.referrals < rows {
			c.findOneByOne(t, m.referrals)
			most = min(most, 4)
		}
		ours, calls := passOver(t, c, rows, m.referrals)
		if calls > int64(most) {
			t.Errorf("%s: got %d calls, want %d at most", m.name, calls, most)
		}
		part := "throughput, " + m.name
		show(figure{part: part, what: "read and thrown away", value: floor, unit: "rows/s"})
		if m.slower > 0 {
			show(figure{part: part, what: "our whole pass", value: ours, unit: "rows/s", bound: atLeast, limit: floor / m.slower})
		} else {
			show(figure{part: part, what: "our whole pass", value: ours, unit: "rows/s"})
		}
		if !*full || m.faster == 0 {
			continue
		}
		var fastest peer
		for _, p := range peers(t, m.pages) {
			show(figure{part: part, what: "decoded alone by " + p.name, value: p.rows, unit: "rows/s"})
			if p.rows > fastest.rows {
				fastest = p
			}
		}
		show(figure{part: part, what: "our pass / decoding by " + fastest.name, value: ours / fastest.rows, unit: "times", bound: atLeast, limit: m.faster})
		if m.slower > 0 {
			continue
		}
		for _, p := range measured(t, exec.Command("go", "-C", "peers", "run", "./kept", t.TempDir(), strconv.Itoa(rows))) {
			show(figure{part: part, what: "two values a row kept anew by " + p.name, value: p.rows, unit: "rows/s"})
			show(figure{part: part, what: p.name + " / decoding by " + fastest.name, value: p.rows / fastest.rows, unit: "times", bound: atLeast, limit: m.faster})
		}
	}
}

// massUpdate is an answer of many rows, with how many times as fast our pass should be over it as the fastest of the others only decodes it, and
// how many times slower at most than reading it; 0: no limit.
type massUpdate struct {
	name      string
	pages     [][]byte
	referrals int // in the store
	faster    float64
	slower    float64
}

// peer is how many rows a second another program takes.
type peer struct {
	name string
	rows float64
}

// peers runs the programs in the folder peers that decode an answer.
func peers(t *testing.T, pages [][]byte) []peer {
	folder := t.TempDir()
	for i, page := range pages {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.json", i)), page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	jsforce, err := filepath.Abs("peers/jsforce.mjs")
	if err != nil {
		t.Fatal(err)
	}
	return append(
		measured(t, exec.Command("go", "-C", "peers", "run", ".", folder)),
		measured(t, exec.Command("sh", "-c",
			`cd "$(mktemp -d)" && npm install --silent --no-audit --no-fund jsforce@3.10.16 >&2 && node "$0" "$1"`, jsforce, folder))...)
}

// measured is what a program prints of itself. One that this machine cannot run is named, and left out.
func measured(t *testing.T, program *exec.Cmd) (out []peer) {
	said, err := program.Output()
	if err != nil {
		t.Logf("not measured: %s: %v", program, err)
	}
	for line := range strings.Lines(string(said)) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), "\t")
		perSecond, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Errorf("%s said %q", program, line)
		}
		out = append(out, peer{name, perSecond})
	}
	return out
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

// passOver makes an idle pass, and then one in which the prepared rows changed, with so many referrals in the store.
func passOver(t *testing.T, c *canned, rows, referrals int) (perSecond float64, calls int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qualifyd.db")
	fill(t, path, referrals)
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, secret := c.org.Credentials()
	p := pollerOver(t, s, salesforce.Options{LoginURL: c.URL, ClientID: id, ClientSecret: secret})
	pass := func() {
		if err := p.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	c.on.Store(true)
	defer c.on.Store(false)
	c.calls.Store(0)
	perSecond = rate(rows, pass)
	wantTakenIn(t, s)
	return perSecond, c.calls.Load()
}

// wantTakenIn makes sure that the pass has taken in what changed: the first of fill's referrals is linked in every mass update.
func wantTakenIn(t *testing.T, s *store.Store) {
	t.Helper()
	err := s.View(func(tx *store.Tx) error {
		lead, _, err := tx.Snapshot(leadOf(0))
		if got, want := lead.Values["Status"].Text, "Closed - Not Converted"; got != want {
			t.Errorf("the first Lead's status after the pass: got %q, want %q", got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
