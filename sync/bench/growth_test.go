package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// grown is what a store with so many referrals costs.
type grown struct {
	referrals                int
	fill                     time.Duration
	start, startKilled, pass time.Duration
	heap, anonymous          int // bytes in use, at most
	changed                  int // rows of a busy pass
	busyAnonymous            int // bytes in use in it, at most
	filled, compacted        int // bytes of the file
	written                  int // bytes that an idle pass writes
}

// idlePasses is of how many passes the time is told: that of the one in the middle.
const idlePasses = 21

// What a start, an idle pass, memory and the file cost does not depend on how many referrals there are, but for the file's size.
func TestGrowth(t *testing.T) {
	if path := os.Getenv(grownStore); path != "" {
		passIdly(t, path)
		return
	}
	sizes := []int{1_000, 3_000}
	if *full {
		sizes = []int{1_000, 100_000, 1_000_000}
	}
	var all []grown
	for _, referrals := range sizes {
		g := grow(t, referrals)
		t.Logf("%+v", g)
		all = append(all, g)
	}
	for _, g := range all {
		showGrown(g, all[0])
	}
}

// floor is below which a time is noise, and no ratio says anything.
const floor = 5 * time.Millisecond

func showGrown(g, least grown) {
	line := func(what string, value float64, unit string, limit bound, most float64) {
		show(figure{"growth", fmt.Sprintf("%s, %d referrals", what, g.referrals), value, unit, limit, most})
	}
	flat := func(what string, took, of time.Duration) {
		line(what, ms(took), "ms", atMost, 1.5*ms(max(of, floor)))
	}
	line("filled at", float64(g.referrals)/g.fill.Seconds(), "referrals/s", noLimit, 0)
	flat("start", g.start, least.start)
	line("start after kill -9", ms(g.startKilled), "ms", atMost, 20_000)
	flat("idle pass", g.pass, least.pass)
	line("written by an idle pass", float64(g.written)/1024, "KB", noLimit, 0)
	line("heap in use, idle", mb(g.heap), "MB", atMost, 64)
	line("anonymous memory, idle", mb(g.anonymous), "MB", atMost, 64)
	line(fmt.Sprintf("anonymous memory, %d linked rows changed", g.changed), mb(g.busyAnonymous), "MB", atMost, 64)
	line("file as filled", float64(g.filled)/float64(g.referrals), "bytes/referral", noLimit, 0)
	if perReferral := float64(g.compacted) / float64(g.referrals); g.referrals < 100_000 { // the file grows by megabytes
		line("file after store compact", perReferral, "bytes/referral", noLimit, 0)
	} else {
		line("file after store compact", perReferral, "bytes/referral", atMost, 800)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mb(n int) float64 { return float64(n) / (1 << 20) }

func grow(t *testing.T, referrals int) grown {
	t.Helper()
	g, path := grown{referrals: referrals}, filepath.Join(t.TempDir(), "qualifyd.db")
	begun := time.Now()
	fill(t, path, referrals)
	g.fill, g.filled = time.Since(begun), fileSize(t, path)
	done, err := store.Compact(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.compacted = int(done.After)
	g.start = middle(size(3, 9), func() time.Duration { return start(t, path) })
	killed := filepath.Join(t.TempDir(), "killed.db")
	kill(t, path, killed)
	g.startKilled = start(t, killed)
	os.Remove(killed)
	g.pass, g.heap, g.anonymous, g.written = idle(t, path)
	g.changed = min(referrals/2, 200_000) // of more than half, it would cost fewer calls to read them by Id
	g.busyAnonymous = busy(t, path, g.changed)
	return g
}

func fileSize(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

// middle is the time in the middle of several.
func middle(times int, one func() time.Duration) time.Duration {
	var all []time.Duration
	for range times {
		all = append(all, one())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// start opens a store to work on it, and closes it.
func start(t *testing.T, path string) time.Duration {
	t.Helper()
	begun := time.Now()
	s, err := store.OpenToWork(path)
	took := time.Since(begun)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return took
}

// kill copies a store as a process that is killed leaves it.
func kill(t *testing.T, path, killed string) {
	t.Helper()
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(killed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
}

// asTheDaemon has a process collect its garbage as often as the daemon does (cmd/qualifyd/main.go).
const asTheDaemon = "GOGC=50"

// grownStore names, in the environment, the store for a process that makes idle passes.
const grownStore = "QUALIFYD_GROWN_STORE"

// idle has a process of its own make idle passes, and tells what they took and what it held in memory at most.
func idle(t *testing.T, path string) (pass time.Duration, heap, anonymous, written int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestGrowth$", "-test.v")
	child.Env = append(os.Environ(), asTheDaemon, grownStore+"="+path)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	_, told, _ := strings.Cut(string(out), "idle: ")
	var nanoseconds int
	if _, err := fmt.Sscan(told, &nanoseconds, &heap, &anonymous, &written); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return time.Duration(nanoseconds), heap, anonymous, written
}

// busyAt and busyWith name, in the environment, the org for a process that makes a busy pass, and its app's Id and secret.
const busyAt, busyWith = "QUALIFYD_BUSY_ORG", "QUALIFYD_BUSY_APP"

// busy has a process of its own make a pass over so many linked Leads that changed, and tells what it held in memory at most. The answers are made
// in this process.
func busy(t *testing.T, path string, rows int) (anonymous int) {
	t.Helper()
	c := newCanned(t, changedLeads(rows, 100, rows, true))
	id, secret := c.org.Credentials()
	child := exec.Command(os.Args[0], "-test.run=^TestABusyPass$", "-test.v")
	child.Env = append(os.Environ(), asTheDaemon, grownStore+"="+path, busyAt+"="+c.URL, busyWith+"="+id+" "+secret)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if got, want := c.calls.Load(), int64(len(c.pages)); got != want {
		t.Errorf("got %d calls in a busy pass, want %d, one a page", got, want)
	}
	_, told, _ := strings.Cut(string(out), "busy: ")
	if _, err := fmt.Sscan(told, &anonymous); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return anonymous
}

// TestABusyPass is that process. In the ordinary tests it makes a pass over few rows.
func TestABusyPass(t *testing.T) {
	path, url, app := os.Getenv(grownStore), os.Getenv(busyAt), os.Getenv(busyWith)
	if url == "" {
		path = filepath.Join(t.TempDir(), "qualifyd.db")
		fill(t, path, 10)
		busy(t, path, 10)
		return
	}
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, secret, _ := strings.Cut(app, " ")
	p := pollerOver(t, s, salesforce.Options{LoginURL: url, ClientID: id, ClientSecret: secret})
	pass := func() {
		if err := p.Pass(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	if _, err := http.Post(url+beginCanned, "", nil); err != nil {
		t.Fatal(err)
	}
	most, stop := 0, make(chan bool)
	go func() {
		for {
			most = max(most, anonymousMemory(t))
			select {
			case <-time.After(5 * time.Millisecond):
			case stop <- true:
				return
			}
		}
	}()
	pass()
	<-stop
	t.Logf("busy: %d", most)
}

// passIdly is that process. Its store is opened as by a daemon; nothing changes in the org.
func passIdly(t *testing.T, path string) {
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	org, p := idleOrg(t, s)
	pass := func() time.Duration {
		begun := time.Now()
		if err := p.Pass(context.Background()); err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	pass() // the first asks the org who it is, and for its describes
	heap, anonymous := 0, 0
	took := middle(idlePasses, func() time.Duration {
		took := pass()
		heap, anonymous = max(heap, heapInUse()), max(anonymous, anonymousMemory(t))
		return took
	})
	calls, before := org.Calls(), snapshotOf(t, path)
	pass()
	written, commits := changedIn(t, path, before)
	if got := org.Calls() - calls; got != 1 || commits != 1 {
		t.Errorf("an idle pass: got %d calls and %d commits, want 1 and 1", got, commits)
	}
	t.Logf("idle: %d %d %d %d", took.Nanoseconds(), heap, anonymous, written)
}

// idleOrg is a sandbox org in which nothing happens, and what makes passes over it.
func idleOrg(t *testing.T, s *store.Store) (*sandbox.Org, *poll.Poller) {
	t.Helper()
	org := sandbox.NewOrg(nil)
	prepare(org)
	via := sandbox.Transport(map[string]http.Handler{orgHost: org.Handler()})
	id, secret := org.Credentials()
	return org, pollerOver(t, s, salesforce.Options{LoginURL: "https://" + orgHost, ClientID: id, ClientSecret: secret, Transport: via})
}

// snapshotOf is the whole of a file.
func snapshotOf(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// changedIn tells in how many bytes of pages a store's file is another than before, and in how many commits, up to 2: each writes one of the first
// two pages, in turn.
func changedIn(t *testing.T, path string, before []byte) (changed, commits int) {
	t.Helper()
	now, page := snapshotOf(t, path), os.Getpagesize()
	for at := 0; at < len(now); at += page {
		if at < len(before) && bytes.Equal(now[at:at+page], before[at:at+page]) {
			continue
		}
		changed += page
		if at < 2*page {
			commits++
		}
	}
	return changed, commits
}

// heapInUse is what the heap's live and not yet swept objects take.
func heapInUse() int {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// anonymousMemory is what of the process is in memory and in no file: without the store's file, which is mapped and the system's to drop. 0 where the
// system does not tell.
func anonymousMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
