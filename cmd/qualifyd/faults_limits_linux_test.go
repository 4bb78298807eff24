package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// withFiles lets a process have so many files open at once, connections included.
func (c *child) withFiles(n int) *child {
	c.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n), c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	return c
}

// goNeeds is the number of open files below which Go's own runtime cannot start.
const goNeeds = 8

// From the least with which Go starts at all, to what a run needs.
func TestTooFewFilesMayBeOpen(t *testing.T) {
	t.Parallel()
	failed, code := 0, exitFailed
	for n := goNeeds; code != exitDone && n < 30 && !t.Failed(); n++ {
		t.Run(fmt.Sprint(n, " files"), func(t *testing.T) {
			w, ann, bob := twoDue(t)
			few := func(c *child) *child { return c.withFiles(n) }
			r := w.process(few, "run", "--once")
			if code = r.code; code != exitDone {
				failed++
				r.wantFew(exitIncomplete, exitFailed)
			}
			for _, args := range [][]string{{"status"}, {"store", "check"}, {"store", "compact"}, {"outbox", "retry", "--all"}} {
				if r := w.process(few, args...); r.code != exitDone {
					r.wantFew(exitFailed)
				}
			}
			w.wantBoth(ann, bob)
		})
	}
	if failed == 0 || code != exitDone {
		t.Errorf("got %d runs that failed, and exit code %d in the end; want some, and %d", failed, code, exitDone)
	}
}

// wantFew wants a command to have failed for lack of files, and in no other way.
func (r result) wantFew(codes ...int) {
	r.t.Helper()
	r.wantNot("panic", "fatal", "damaged")
	if !slices.Contains(codes, r.code) || !strings.Contains(r.err, "too many open files") {
		r.t.Errorf("%s: got exit code %d, want one of %v and why:\n%s", r.command, r.code, codes, r.err)
	}
}

// During a run, at each of its requests in turn, no more files can be opened.
func TestNoMoreFilesCanBeOpenedInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	if err := exec.Command("prlimit", "--version").Run(); err != nil {
		t.Skipf("prlimit limits the files of a running process, and is not installed: %v", err)
	}
	failed, ran := 0, true
	for n := 1; ran && !t.Failed(); n++ {
		t.Run(fmt.Sprint("request ", n), func(t *testing.T) {
			w, ann, bob := twoDue(t)
			c := w.newChild("run", "--once")
			var seen atomic.Int32
			w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				if seen.Add(1) == int32(n) {
					<-c.started
					if out, err := exec.Command("prlimit", "--pid", fmt.Sprint(c.Process.Pid), "--nofile=1").CombinedOutput(); err != nil {
						t.Errorf("prlimit: got %v %s, want the limit set", err, out)
					}
				}
				next.ServeHTTP(rw, r)
			})
			r := c.told(t, "run --once", c.run(t))
			if ran = int(seen.Load()) >= n; r.code != exitDone {
				failed++
				r.wantFew(exitIncomplete, exitFailed)
			}
			w.between(nil)
			w.wantBoth(ann, bob)
		})
	}
	if failed == 0 {
		t.Error("no run failed, want some")
	}
}
