package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

// child is the real program in a process of its own.
type child struct {
	*exec.Cmd
	started chan struct{} // closed once Process is there
	ended   chan struct{} // closed once it is gone
	output  bytes.Buffer
}

// newChild prepares a process that is this test binary and behaves as qualifyd.
func (w *world) newChild(args ...string) *child {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self, append(args, "--config", w.config)...), started: make(chan struct{}), ended: make(chan struct{})}
	c.Env = append(os.Environ(), beQualifyd+"=1", "GORACE=atexit_sleep_ms=0") // the race detector's runtime else waits a second at the end
	c.Stdout, c.Stderr = &c.output, &c.output
	return c
}

// run runs the process to its end, which the exit code (-1: it was killed) tells.
func (c *child) run(t *testing.T) int {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	close(c.started)
	c.Wait() // the exit code says it all
	close(c.ended)
	return c.ProcessState.ExitCode()
}

// told is what the process said and ended with.
func (c *child) told(t *testing.T, command string, code int) result {
	return result{t, command, code, "", c.output.String()} // in one, as they came
}

// killAt has the nth request kill the process: before the service does what it asks, or after, but before the process learns of it.
func (w *world) killAt(c *child, n int, applied bool) {
	var seen atomic.Int32
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if seen.Add(1) != int32(n) {
			next.ServeHTTP(rw, r)
			return
		}
		if applied {
			next.ServeHTTP(discard{http.Header{}}, r)
		}
		<-c.started
		c.Process.Kill()
		<-c.ended
		panic(http.ErrAbortHandler)
	})
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// killStory kills a run of the program at each of its requests in turn, in a new world each time that prepare has made, and lets then tell
// what has to be true after it. It ends with the run that is over before its turn comes. The request that kills is applied by the service,
// or not, or once so and once so.
func killStory(t *testing.T, request []bool, prepare func(t *testing.T) *world, then func(w *world)) {
	t.Helper()
	for _, applied := range request {
		for n, killed := 1, true; killed && !t.Failed(); n++ {
			t.Run(fmt.Sprintf("request %d, applied %v", n, applied), func(t *testing.T) {
				w := prepare(t)
				c := w.newChild("run", "--once")
				w.killAt(c, n, applied)
				code := c.run(t)
				killed = code == -1
				if !killed && code != exitDone {
					t.Fatalf("undisturbed, the program ended with %d:\n%s", code, &c.output)
				}
				if !killed && n < 6 {
					t.Fatalf("got only %d requests in a run, want more:\n%s", n-1, &c.output)
				}
				w.between(nil)
				then(w)
			})
		}
	}
}

// Whenever the process dies, nobody is missed and nobody is qualified, or created, twice.
func TestKilledAtAnyRequestNobodyIsMissedAndNobodyTwice(t *testing.T) {
	t.Parallel()
	var ann, bob sandbox.User
	prepare := func(t *testing.T) *world {
		w := newWorld(t, watching+creating)
		w.open()
		ann = w.due("Ann", 101)   // the run that is killed qualifies her
		bob = w.refer("Bob", 102) // and creates a Lead for him
		w.after(30 * time.Second) // the run begins
		return w
	}
	killStory(t, []bool{false, true}, prepare, func(w *world) {
		w.after(3 * time.Minute) // an outcome that is not known is settled by then
		w.pass()
		leads := w.org.IDs("Lead")
		if len(leads) != 2 {
			w.t.Fatalf("got %d leads, want Ann's and the one created for Bob", len(leads))
		}
		w.status(leads[1], "Qualified")
		w.pass()
		w.wantQualified(ann, bob)
		w.wantPuts(2)
		for _, u := range []sandbox.User{ann, bob} { // by us, not by somebody else
			w.run("explain", u.Code).want(exitDone, "is delivered", "qualified: ")
		}
		w.run("explain", bob.Code).want(exitDone, "Lead "+leads[1]+", linked by its creation by qualifyd")
		if n := len(w.org.IDs("Lead")); n != 2 {
			w.t.Errorf("in the end: got %d leads, want two", n)
		}
	})
}

// The first run makes the store and learns what was there from the start: nobody of those may come to qualify for the past.
func TestKilledInItsFirstRunThePastStaysThePast(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *world {
		w := newWorld(t, watching)
		w.status(w.lead(w.refer("Early", 101)), "Qualified")
		w.after(time.Minute)
		return w
	}
	killStory(t, []bool{true}, prepare, func(w *world) { // it only reads
		ann := w.due("Ann", 101)
		w.pass()
		w.wantQualified(ann)
	})
}

func TestSIGTERMEndsTheDaemonWithExitCode0(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	c := w.newChild("run")
	asked := make(chan struct{}, 100)
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(rw, r)
		asked <- struct{}{}
	})
	go func() {
		<-c.started
		<-asked
		c.Process.Signal(syscall.SIGTERM)
	}()
	if code := c.run(t); code != exitDone {
		t.Errorf("got exit code %d, want %d:\n%s", code, exitDone, &c.output)
	}
	w.run("referrals", "list").want(exitDone) // it let go of the store
}
