package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// withMounts runs a test once more in a process that may mount file systems, which nobody else sees and which are gone with it. It is true in that
// process.
func withMounts(t *testing.T) bool {
	t.Helper()
	const inside = "QUALIFYD_TEST_MAY_MOUNT"
	if os.Getenv(inside) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &ended):
		t.Errorf("got %v:\n%s", err, out)
	default:
		t.Skipf("this test mounts file systems of its own, which this machine does not let it do: %v", err)
	}
	return false
}

// disk is a file system of its own in memory.
type disk struct {
	t    *testing.T
	path string
}

func newDisk(t *testing.T, bytes int) disk {
	t.Helper()
	d := disk{t, t.TempDir()}
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(d.path, syscall.MNT_DETACH) })
	return d
}

func (d disk) ballast() string { return filepath.Join(d.path, "ballast") }

// leave fills the disk up to so many free pages.
func (d disk) leave(pages int) {
	d.t.Helper()
	f, err := os.Create(d.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("got %v, want the disk full", err)
	}
	info, err := f.Stat()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - int64(pages*os.Getpagesize())); err != nil {
		d.t.Fatal(err)
	}
}

// clear makes room again.
func (d disk) clear() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// moveStore moves the store of a world onto a disk, with nothing free in its file and holes where nothing is: whatever is written needs room.
func (w *world) moveStore(d disk) {
	w.t.Helper()
	w.run("store", "compact").want(exitDone)
	path, text := filepath.Join(d.path, "qualifyd.db"), readFile(w.t, w.storePath())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	size := os.Getpagesize()
	for at := 0; at < len(text); at += size {
		if page := text[at:min(at+size, len(text))]; bytes.ContainsFunc(page, func(r rune) bool { return r != 0 }) {
			_, errPage := f.WriteAt(page, int64(at))
			err = errors.Join(err, errPage)
		}
	}
	if err := errors.Join(err, f.Truncate(int64(len(text))), f.Close(), os.Remove(w.storePath())); err != nil {
		w.t.Fatal(err)
	}
	w.edit("path: qualifyd.db", "path: "+path)
}

// The disk is full, but for more pages each time, until a run finds room for everything it writes.
func TestADiskThatIsFullAtAnyWriteLosesNothing(t *testing.T) {
	if !withMounts(t) {
		return
	}
	full := 0
	for free, code := 0, exitFailed; code != exitDone && !t.Failed(); free++ {
		t.Run(fmt.Sprintf("%d pages free", free), func(t *testing.T) {
			w, ann, bob := twoDue(t)
			d := newDisk(t, 32<<20)
			w.moveStore(d)
			d.leave(free)
			c := w.newChild("run", "--once")
			if code = c.run(t); code != exitDone {
				full++
				c.told(t, "run --once", code).want(exitFailed, "the disk has no room for the store", "no space left on device", "hint: make room").wantNot("panic")
			}
			d.clear()
			w.run("store", "check").want(exitDone)
			w.wantBoth(ann, bob)
		})
	}
	if full < 4 {
		t.Errorf("the disk was full at %d writes, want at more of them", full)
	}
}

// A daemon does not end, for nothing is uncertain: it says so once, tries at its times, and goes on once there is room.
func TestADaemonOnAFullDiskGoesOnOnceThereIsRoom(t *testing.T) {
	if !withMounts(t) {
		return
	}
	var full disk
	prepare := func(w *world) {
		full = newDisk(w.t, 32<<20)
		w.edit("path: qualifyd.db", "path: "+filepath.Join(full.path, "qualifyd.db"))
	}
	daemonStory(t, watching, prepare, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		full.leave(0)
		for n := range 300 { // more than fits into what is free in the store itself
			d.refer(fmt.Sprint("Guest", n), 101)
		}
		d.status(lead, "Qualified")
		sweeps, polls := d.askedFor("GET /api/v2/users"), d.askedFor("/composite")
		d.after(time.Hour)
		select {
		case err := <-d.ended:
			t.Fatalf("the daemon ended with %v, want it to go on", err)
		default:
		}
		d.wantBetween("sweeps on a full disk, and a few reads of Ann", d.askedFor("GET /api/v2/users")-sweeps, 5, 15)
		d.wantBetween("polls on a full disk", d.askedFor("/composite")-polls, 58, 68)
		d.wantTroubles(desk.SweepJob, began)
		if log := d.log.String(); !strings.Contains(log, "the disk has no room for the store") {
			t.Errorf("got the log\n%s\nwant it to say that the disk is full", log)
		}
		full.clear()
		d.after(15 * time.Minute)
		d.wantQualified(ann)
		d.wantPuts(1)
		d.wantTroubles(desk.SweepJob, began, ended)
		n := 0
		err := d.store.View(func(tx *store.Tx) error { return tx.Referrals(func(rules.Referral) error { n++; return nil }) })
		if n != 301 || err != nil {
			t.Errorf("got %d referrals, %v; want all 301", n, err)
		}
	})
}

var eachCall = flag.Bool("each-call", false, "TestADiskThatFailsAtAnyCallLosesNothing has each call fail, not some of them")

// injection is a system call that fails when it is made for the nth time by a thread.
type injection struct {
	call, failure string
	n             int
}

func (i injection) String() string { return fmt.Sprintf("%s %s %d", i.call, i.failure, i.n) }

func needsStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "--seccomp-bpf", "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace makes calls to the disk fail, and is not installed or may not: %v %s", err, out)
	}
}

// under has strace make a call of the process fail, and returns the file that tells whether one did.
func (c *child) under(t *testing.T, i injection) (trace string) {
	t.Helper()
	trace = filepath.Join(t.TempDir(), "trace")
	c.Args = append([]string{"strace", "-f", "--seccomp-bpf", "-o", trace, "-e", "trace=" + i.call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", i.call, i.failure, i.n), c.Path}, c.Args[1:]...)
	c.Path, c.Err = exec.LookPath("strace")
	return trace
}

// A call to the disk fails, each in turn, whether that is to write, to make it durable, or to grow the file. What the failed commit kept is not known,
// and shows when the store is opened again.
func TestADiskThatFailsAtAnyCallLosesNothing(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	for _, sweep := range []struct {
		call, failure, says string
		prepare             func(t *testing.T) (w *world, ann, bob sandbox.User)
		step                int // to the next call, where not each is to fail
	}{
		{"fdatasync", "EIO", "hint: the disk fails", twoDue, 4},
		{"pwrite64", "EIO", "hint: the disk fails", twoDue, 8},
		{"pwrite64", "ENOSPC", "hint: make room", twoDue, 8},
		{"fdatasync", "EIO", "hint: the disk fails", nobodyYet, 6},
		{"ftruncate", "EIO", "input/output error", nobodyYet, 1},
		{"fsync", "EIO", "input/output error", nobodyYet, 1},
	} {
		failed, step := 0, sweep.step
		if *eachCall {
			step = 1
		}
		for n, injected := 1+rand.N(step), true; injected && !t.Failed(); n += step {
			i := injection{sweep.call, sweep.failure, n}
			t.Run(i.String(), func(t *testing.T) {
				w, ann, bob := sweep.prepare(t)
				c := w.newChild("run", "--once")
				trace := c.under(t, i)
				code := c.run(t)
				if injected = strings.Contains(string(readFile(t, trace)), "INJECTED"); !injected {
					return
				}
				failed++
				if code != exitDone { // it was not the mark of a store that is closed, which may be missed
					c.told(t, "run --once", code).want(exitFailed, sweep.says).wantNot("panic")
				}
				w.wantBoth(ann, bob)
			})
		}
		if t.Logf("%s failed with %s at %d calls", sweep.call, sweep.failure, failed); failed == 0 {
			t.Errorf("%s never failed with %s", sweep.call, sweep.failure)
		}
	}
}

// A running daemon cannot know what the failed commit kept, and ends: who starts it again opens the store anew.
func TestADaemonWhoseDiskFailsEnds(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	w, ann, bob := twoDue(t)
	c := w.newChild("run")
	c.under(t, injection{"fdatasync", "EIO", 8})
	giveUp := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer giveUp.Stop()
	c.told(t, "run", c.run(t)).want(exitFailed, "qualifyd has stopped", "what it kept shows when it is opened again", "hint: the disk fails")
	w.wantBoth(ann, bob)
}
