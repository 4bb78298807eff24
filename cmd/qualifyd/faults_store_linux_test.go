package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"qualifyd/store"
)

// asItsOwner makes root in a child an owner of files like any other, who cannot write where the mode says no.
func (c *child) asItsOwner() *child {
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	}
	return c
}

// process runs the program in a process of its own, to its end.
func (w *world) process(change func(c *child) *child, args ...string) result {
	w.t.Helper()
	c := w.newChild(args...)
	if change != nil {
		c = change(c)
	}
	giveUp := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer giveUp.Stop()
	return c.told(w.t, strings.Join(args, " "), c.run(w.t))
}

// Who may not write to the store, or to its folder, is told so; nothing is taken for damage, and nothing changes.
func TestAStoreThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	w, ann, bob := twoDue(t)
	if err := os.Chmod(w.storePath(), 0o400); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, w.storePath())
	for _, args := range [][]string{{"run", "--once"}, {"run"}, {"status"}, {"store", "check"}, {"store", "compact"}, {"outbox", "retry", "--all"}} {
		w.process((*child).asItsOwner, args...).want(exitFailed, w.storePath()+": permission denied", "hint: run it as the user").wantNot("damaged", "panic")
	}
	if after := readFile(t, w.storePath()); !bytes.Equal(after, before) {
		t.Error("the store was changed")
	}
	if err := errors.Join(os.Chmod(w.storePath(), 0o600), os.Chmod(w.folder, 0o500)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"store", "compact"}, {"store", "backup", w.at("backup.db")}} {
		w.process((*child).asItsOwner, args...).want(exitFailed, "permission denied", "hint: run it as the user")
	}
	w.process((*child).asItsOwner, "store", "check").want(exitDone)
	w.process((*child).asItsOwner, "run", "--once").want(exitDone) // it needs no other file
	if err := os.Chmod(w.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	w.wantBoth(ann, bob)
}

func TestAFolderInWhichNoStoreCanBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	if err := os.Chmod(w.folder, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", "--once"}, {"run"}} {
		w.process((*child).asItsOwner, args...).want(exitFailed, "new store: ", "permission denied", "hint: run it as the user")
	}
	if err := os.Chmod(w.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	w.wantCount("qualifyd.db*", 0)
	w.open()
	ann := w.due("Ann", 101)
	w.pass()
	w.wantQualified(ann)
}

func TestADiskThatIsMountedReadOnly(t *testing.T) {
	if !withMounts(t) {
		return
	}
	w, ann, bob := twoDue(t)
	d := newDisk(t, 32<<20)
	w.moveStore(d)
	d.readOnly(true)
	for _, args := range [][]string{{"run", "--once"}, {"run"}, {"status"}, {"store", "check"}, {"store", "compact"}, {"outbox", "retry", "--all"}} {
		w.process(nil, args...).want(exitFailed, "read-only file system", "hint: the disk is mounted read-only").wantNot("damaged", "panic")
	}
	d.readOnly(false)
	w.wantBoth(ann, bob)
}

func (d disk) readOnly(on bool) {
	d.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("", d.path, "", flags, ""); err != nil {
		d.t.Fatal(err)
	}
}

// A newer version's store is refused by every command, and stays as it is.
func TestAStoreFromANewerVersionIsRefusedByEveryCommand(t *testing.T) {
	t.Parallel()
	w, ann, bob := twoDue(t)
	old := readFile(t, w.storePath())
	schema := func(version int) []byte { return fmt.Append([]byte("schema"), version) } // the key, and its value behind it
	newer := bytes.ReplaceAll(old, schema(store.Schema), schema(store.Schema+1))
	want := fmt.Sprintf("written by a newer version of qualifyd: its schema is %d, this one knows %d", store.Schema+1, store.Schema)
	w.write("qualifyd.db", string(newer))
	for _, args := range [][]string{{"run", "--once"}, {"run"}, {"run", "--dry-run"}, {"status"}, {"store", "check"}, {"store", "compact"}, {"store", "backup", w.at("b")},
		{"outbox", "retry", "--all"}, {"ledger", "verify"}} {
		w.process(nil, args...).want(exitFailed, want, "hint: install that version again")
	}
	if after := readFile(t, w.storePath()); !bytes.Equal(after, newer) {
		t.Error("the store was changed")
	}
	w.write("qualifyd.db", string(old))
	w.wantBoth(ann, bob)
}

var damages = flag.Int("damages", 30, "how many damaged stores TestAStoreThatIsDamagedAnywhere tries")

// However a store is damaged, the commands say so, or do not come upon it; none crashes. What shows in the pages is found before anything is written,
// where the process before did not close the store. A backup puts everything right.
func TestAStoreThatIsDamagedAnywhere(t *testing.T) {
	t.Parallel()
	w, ann, bob := twoDue(t)
	w.run("store", "backup", w.at("backup.db")).want(exitDone)
	c := w.newChild("run", "--once")
	w.killAt(c, 3, false) // it leaves the store open
	if code := c.run(t); code != -1 {
		t.Fatalf("got exit code %d, want it killed", code)
	}
	w.between(nil)
	whole := readFile(t, w.storePath())
	found, refused := 0, 0
	want := uint64(*damages)
	for seed := uint64(0); seed < want || refused == 0 && seed < 10*want; seed++ { // where a damage shows is by chance
		damaged := damage(whole, rand.New(rand.NewPCG(seed, 0)))
		w.write("qualifyd.db", string(damaged))
		check := w.process(nil, "store", "check")
		status := w.process(nil, "status")
		run := w.process(nil, "run", "--once")
		for _, r := range []result{check, status, run} {
			r.wantNot("panic", "fatal", "goroutine")
			mayBe := []int{exitDone, exitFailed}
			if r.command == run.command { // whose store it is may be what was damaged
				mayBe = append(mayBe, exitConfig, exitIncomplete)
			}
			if !slices.Contains(mayBe, r.code) {
				t.Errorf("%s: got exit code %d, want one of %v\n%s", r.command, r.code, mayBe, r.err)
			}
		}
		if check.code != exitDone {
			found++
			check.want(exitFailed, "the store is damaged: ", "hint: qualifyd store check")
		}
		if strings.HasPrefix(check.err, "page ") {
			refused++
			run.want(exitFailed, "the store is damaged", "hint: qualifyd store check")
			if after := readFile(t, w.storePath()); !bytes.Equal(after, damaged) {
				t.Error("the damaged store was changed")
			}
		}
		if t.Failed() {
			t.Fatalf("with the damage of seed %d", seed)
		}
	}
	t.Logf("of %d damages, %d were found by store check, and %d of those in the pages", *damages, found, refused)
	if found < *damages/4 || refused == 0 {
		t.Errorf("got %d damages found, %d of them in the pages, want more", found, refused)
	}
	w.process(nil, "store", "restore", w.at("backup.db")).want(exitDone)
	w.wantBoth(ann, bob)
}

// damage turns some bits of the pages that are in use, or of what they begin with, cuts the file off, or has a piece of it be zeros.
func damage(whole []byte, dice *rand.Rand) []byte {
	damaged, page := bytes.Clone(whole), os.Getpagesize()
	used := len(bytes.TrimRight(damaged, "\x00"))
	switch dice.IntN(6) {
	case 0:
		return damaged[:dice.IntN(used)]
	case 1:
		at := dice.IntN(used)
		clear(damaged[at:min(at+dice.IntN(2*page), len(damaged))])
		return damaged
	case 2:
		damaged[dice.IntN(used/page)*page+dice.IntN(64)] ^= 1 << dice.IntN(8)
		return damaged
	}
	for range 1 + dice.IntN(6) {
		damaged[dice.IntN(used)] ^= 1 << dice.IntN(8)
	}
	return damaged
}
