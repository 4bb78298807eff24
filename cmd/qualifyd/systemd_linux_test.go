package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// manager is what systemd is to the daemon: a socket that is told how it is.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	told []string // lines, as they came
	seen int      // of them, those that were waited for
}

func newManager(t *testing.T, folder string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn}
}

// waitFor returns once another line has come that begins so.
func (m *manager) waitFor(line string) {
	m.t.Helper()
	for {
		for m.seen < len(m.told) {
			m.seen++
			if strings.HasPrefix(m.told[m.seen-1], line) {
				return
			}
		}
		buffer := make([]byte, 4096)
		m.conn.SetReadDeadline(time.Now().Add(time.Minute)) // so that a failure ends
		n, err := m.conn.Read(buffer)
		if err != nil {
			m.t.Fatalf("the service manager waits for %s: %v; it was told %q", line, err, m.told)
		}
		m.told = append(m.told, strings.Split(string(buffer[:n]), "\n")...)
	}
}

// Whoever takes its log goes away: journald crashes, or the program behind a pipe ends. To write into that ends a Go program by SIGPIPE, which systemd takes for
// a clean end, after which it starts nothing anew. The daemon goes on without.
func TestTheDaemonOutlivesWhoeverTakesItsLog(t *testing.T) {
	w := newWorld(t, watching)
	w.shorten()
	m := newManager(t, w.folder)
	c := w.newChild("run")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.conn.LocalAddr().String(), "WATCHDOG_USEC=300000")
	journal, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	ended := make(chan int, 1)
	go func() { ended <- c.run(t) }()
	<-c.started
	log.Close()
	m.waitFor("READY=1")
	journal.Close()
	for range 2 {
		c.Process.Signal(syscall.SIGHUP) // of which the log has a line
		m.waitFor("RELOADING=1")
		m.waitFor("READY=1")
	}
	m.waitFor("WATCHDOG=1")
	c.Process.Signal(syscall.SIGTERM)
	if code := <-ended; code != exitDone {
		t.Errorf("got exit code %d, want %d", code, exitDone)
	}
}

// Whoever starts the daemon after an outage began must not see it fail: it is ready once it has its config and its store.
func TestTheServiceManagerIsToldHowTheDaemonIs(t *testing.T) {
	w := newWorld(t, watching)
	w.shorten()
	w.between(func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
		rw.WriteHeader(http.StatusServiceUnavailable)
	})
	m := newManager(t, w.folder)
	c := w.newChild("run")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.conn.LocalAddr().String(), "WATCHDOG_USEC=300000")
	ended := make(chan int, 1)
	go func() { ended <- c.run(t) }()

	<-c.started
	m.waitFor("READY=1")
	m.waitFor("WATCHDOG=1")
	m.waitFor("STATUS=In trouble: ")
	w.between(nil)
	w.edit("level: info", "level: debug")
	c.Process.Signal(syscall.SIGHUP)
	m.waitFor("RELOADING=1")
	m.waitFor("MONOTONIC_USEC=")
	m.waitFor("READY=1")
	c.Process.Signal(syscall.SIGTERM)
	m.waitFor("STOPPING=1")
	if code := <-ended; code != exitDone {
		t.Errorf("after SIGTERM: got exit code %d, want %d\n%s", code, exitDone, c.output.String())
	}
	for _, line := range m.told {
		for _, secret := range []string{"@", "token", w.rf.Key(), "503"} {
			if strings.Contains(line, secret) {
				t.Errorf("the service manager is told %q, which everybody on the machine can read", line)
			}
		}
	}
	if out := c.output.String(); !strings.Contains(out, "the config was loaded again") {
		t.Errorf("the log does not tell of the reload:\n%s", out)
	}
}

// A stop waits some seconds for a command that is being answered. Who has no patience gives the signal again.
func TestASecondSignalEndsTheDaemonAtOnce(t *testing.T) {
	w := newWorld(t, watching)
	w.shorten()
	m := newManager(t, w.folder)
	c := w.newChild("run")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.conn.LocalAddr().String())
	ended := make(chan int, 1)
	go func() { ended <- c.run(t) }()
	<-c.started
	m.waitFor("READY=1")
	asking, err := net.Dial("unix", filepath.Join(w.folder, "qualifyd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	fmt.Fprint(asking, "POST /ask/status HTTP/1.1\r\nHost: qualifyd\r\nContent-Length: 10\r\n\r\n") // and nothing of the ten
	w.run("status").want(exitDone)                                                                  // it has come by now
	c.Process.Signal(syscall.SIGTERM)
	m.waitFor("STOPPING=1")
	for {
		select {
		case code := <-ended:
			if code != -1 {
				t.Errorf("given the signal again: got exit code %d, want it ended by that\n%s", code, c.output.String())
			}
			return
		case <-time.After(20 * time.Millisecond): // the first may not have been heeded yet
			c.Process.Signal(syscall.SIGTERM)
		}
	}
}

// What the journal is given begins with the event's priority, so that journalctl -p warning shows what matters.
func TestTheJournalIsGivenPriorities(t *testing.T) {
	w := newWorld(t, watching)
	w.between(func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) {
		rw.WriteHeader(http.StatusServiceUnavailable)
	})
	out, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(out.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	c := w.newChild("run", "--once")
	c.Env = append(c.Env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
	c.Stderr = out
	if code := c.run(t); code != exitIncomplete {
		t.Errorf("got exit code %d, want %d", code, exitIncomplete)
	}
	var levels []string
	for line := range strings.Lines(string(readFile(t, out.Name()))) {
		switch {
		case strings.HasPrefix(line, `<3>{"level":"error"`), strings.HasPrefix(line, `<4>{"level":"warn"`), strings.HasPrefix(line, `<6>{"level":"info"`):
			levels = append(levels, line[:3])
		default:
			t.Errorf("got the line %q, want one with its priority before it", line)
		}
	}
	if !slices.Contains(levels, "<3>") {
		t.Errorf("no error is among the lines; got priorities %q", levels)
	}
}

// The watchdog is fed for as long as the jobs get on, however they go; it is not by a job that hangs, or by one that is not begun any more.
func TestADaemonIsAliveForAsLongAsItsJobsGetOn(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		alive := func(when string, want bool) {
			t.Helper()
			if err := d.daemon.alive(); (err == nil) != want {
				t.Errorf("%s: alive says %v, want alive %v", when, err, want)
			}
		}
		alive("at the start", true)
		d.after(3 * time.Hour)
		alive("after three hours", true)
		down := true
		d.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if down {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(rw, r)
		})
		d.after(3 * time.Hour)
		alive("after three hours without the services", true)
		down = false
		d.reload(`schedule: "@every 1m"`, `schedule: "0 6 * * *"`)
		d.after(20 * time.Hour)
		alive("twenty hours after a reload to one poll a day", true)

		hang := make(chan struct{})
		poll := d.daemon.job("poll")
		work := poll.work
		poll.work = func(ctx context.Context) error { <-hang; return work(ctx) }
		d.daemon.runner.Kick("poll")
		d.after(longestStep - time.Minute)
		alive("a poll that does nothing for minutes", true)
		d.after(2 * time.Minute)
		alive("a poll that hangs", false)
		close(hang)
		d.after(time.Minute)
		alive("once it got on", true)
		sweep := d.daemon.job("sweep")
		sweep.pulse.last = sweep.pulse.last.Add(-20 * time.Minute)
		alive("a sweep every ten minutes that was not begun for twenty", false)
		synctest.Wait()
	})
}
