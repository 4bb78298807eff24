package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qualifyd/store"
)

func (w *world) at(name string) string { return filepath.Join(w.folder, name) }

func (w *world) wantCount(pattern string, n int) {
	w.t.Helper()
	if found, _ := filepath.Glob(w.at(pattern)); len(found) != n {
		w.t.Errorf("got %v, want %d files %s", found, n, pattern)
	}
}

// Through the socket of a running daemon and on the file of a stopped one, a store is kept by the same commands with the same answers.
func TestTheStoreIsKeptWhileTheDaemonRunsAndWhenItIsStopped(t *testing.T) {
	t.Parallel() // it waits for the lock twice
	w := newWorld(t, watching)
	w.open()
	ann := w.due("Ann", 101)
	w.shorten()
	w.seldom()
	d := w.serve()
	w.wantQualified(ann)
	questions := [][]string{{"store", "check"}, {"store", "check", "-o", "json"}, {"ledger", "verify"}, {"ledger", "verify", "-o", "json"},
		{"ledger", "verify", "--from", strings.Repeat("0", 64)}, {"ledger", "export"}, {"ledger", "export", "--after", "1"}}
	var live []result
	for _, q := range questions {
		live = append(live, w.run(q...))
	}
	live[0].want(exitDone, "the store is whole: ", " 1 referrals, 1 records, 0 owed, 2 ledger lines, the newest with the hash ")
	live[4].want(exitFailed, "no line of the ledger has the hash")
	w.run("store", "backup", w.at("live.db")).want(exitDone, " 1 referrals, ", " 2 ledger lines")
	for _, order := range [][]string{{"store", "compact"}, {"store", "restore", w.at("live.db")}} {
		w.run(order...).want(exitFailed, "stop the daemon first")
	}
	w.wantCount("qualifyd.db*", 1)
	if code := d.end(); code != exitDone {
		t.Errorf("the daemon ended with %d, want %d:\n%s", code, exitDone, d.log)
	}
	for i, q := range questions {
		stopped := w.run(q...)
		if i == 0 || i == 1 { // how much of the file is in use changes as the daemon stops
			continue
		}
		if stopped.out != live[i].out || stopped.err != live[i].err || stopped.code != live[i].code {
			t.Errorf("%s: got of the stopped daemon\n%d %s%s\nof the running one\n%d %s%s", stopped.command, stopped.code, stopped.out, stopped.err, live[i].code, live[i].out, live[i].err)
		}
	}
	w.run("store", "backup", w.at("stopped.db")).want(exitDone, " 2 ledger lines")
	w.run("store", "compact").want(exitDone, " bytes, and has ")
	w.run("store", "restore", w.at("live.db")).want(exitDone, "is the backup now", "the store that was there is", "0 ledger lines since")
	w.wantCount("qualifyd.db.replaced-*", 1)
	w.pass()
	w.wantQualified(ann)
}

// Whatever happened between a backup and the day it is put back, nobody is missed, nobody is qualified or created twice, and who was set back by
// hand stays so.
func TestAfterARestoreNobodyIsMissedAndNobodyTwice(t *testing.T) {
	w := newWorld(t, watching+creating)
	w.open()
	ann := w.due("Ann", 101)
	fin, finsLead := w.known("Fin", 101)
	eve, evesLead := w.known("Eve", 101)
	w.run("store", "backup", w.at("backup.db")).want(exitDone)

	bob := w.due("Bob", 101)
	w.status(evesLead, "Qualified")
	w.after(time.Hour)
	dan := w.refer("Dan", 102)
	w.pass()
	w.after(24 * time.Hour)
	w.rf.SetQualified(eve.ID, false)
	for _, lead := range w.org.IDs("Lead") {
		if strings.Contains(w.run("explain", dan.Code).out, lead) {
			w.status(lead, "Qualified")
		}
	}
	w.pass()
	w.after(24 * time.Hour)
	gus := w.due("Gus", 101) // seen by the last pass before
	hal := w.refer("Hal", 102)
	w.pass()
	w.wantQualified(ann, bob, dan, gus, eve)
	leads := len(w.org.IDs("Lead"))
	w.run("explain", eve.Code).want(exitDone, "overridden")

	w.run("store", "restore", w.at("backup.db")).want(exitDone, "was set back to pending since the backup, and stays so")
	w.status(finsLead, "Qualified")
	ida := w.due("Ida", 101) // of which the passes of due know as well
	for range 3 {
		w.after(3 * time.Minute)
		w.pass()
	}
	w.wantQualified(ann, bob, dan, gus, eve, fin, ida)
	w.wantPuts(7)
	if n := len(w.org.IDs("Lead")); n != leads+1 {
		t.Errorf("got %d leads, want %d: Ida's is the only new one", n, leads+1)
	}
	w.run("explain", eve.Code).want(exitDone, "overridden")
	w.run("explain", hal.Code).want(exitDone, "Lead ")
	w.run("store", "check").want(exitDone, "the store is whole")
}

func TestABackupHoldsNoSecret(t *testing.T) {
	w := newWorld(t, watching)
	w.open()
	w.write("salesforce-token", `{"refresh_token":"5Aep861secret"}`)
	w.run("store", "backup", w.at("backup.db")).want(exitDone)
	text := readFile(t, w.at("backup.db"))
	_, secret := w.org.Credentials()
	for _, one := range []string{secret, w.rf.Key(), "!AQ", "5Aep861secret"} {
		if bytes.Contains(text, []byte(one)) {
			t.Errorf("the backup holds %q", one)
		}
	}
}

func TestWhereABackupMayGo(t *testing.T) {
	w := newWorld(t, watching)
	w.open()
	w.write("there", "something else")
	w.run("store", "backup", w.at("there")).want(exitFailed, "is there already; --force replaces it")
	if text := readFile(t, w.at("there")); string(text) != "something else" {
		t.Errorf("without --force: got %q", text)
	}
	w.run("store", "backup", w.at("there"), "--force").want(exitDone, "bytes")
	w.run("store", "backup", w.storePath(), "--force").want(exitUsage, "is the store itself")
	w.run("store", "restore", w.storePath()).want(exitUsage, "is the store itself")
	w.run("store", "backup", "/nowhere/backup.db").want(exitFailed, "no backup was made")
	w.run("store", "restore", w.at("nothing")).want(exitFailed, "no such file")
	w.wantCount("*.new-*", 0)

	r := w.run("store", "backup", "-").want(exitDone)
	w.write("by-stdout.db", r.out)
	report, err := store.CheckFile(w.at("by-stdout.db"), nil)
	if err := errors.Join(err, report.Err()); err != nil || report.Ledger.Length != 0 || !strings.Contains(r.err, "ledger lines") {
		t.Errorf("on standard output: got %+v, %v, and said %q; want a whole store", report, err, r.err)
	}
	if err := os.Remove(w.storePath()); err != nil {
		t.Fatal(err)
	}
	w.run("store", "backup", w.at("new.db")).want(exitFailed, "there is no store")
	w.run("store", "check").want(exitFailed, "there is no store")
	w.run("store", "restore", w.at("there")).want(exitDone, "is the backup now").wantNot("that was there")
	w.pass()
}

// A store whose pages were damaged: each command says so, the daemon does not start on it after a crash, and a backup puts it right.
func TestADamagedStoreIsNamedAndPutRight(t *testing.T) {
	w := newWorld(t, watching)
	w.open()
	ann := w.due("Ann", 101)
	w.run("store", "backup", w.at("backup.db")).want(exitDone)
	c := w.newChild("run", "--once")
	w.killAt(c, 3, false)
	if code := c.run(t); code != -1 {
		t.Fatalf("got exit code %d, want it killed", code)
	}
	w.between(nil)
	whole := readFile(t, w.storePath())
	for _, c := range []struct {
		situation string
		damaged   []byte
	}{
		{"a page is empty", append(append(bytes.Clone(whole[:8<<12]), make([]byte, 4<<12)...), whole[12<<12:]...)},
		{"it is cut off", whole[:5<<12]}, // the last: of such a store nothing can be told when another is put in its place
	} {
		situation, damaged := c.situation, c.damaged
		w.write("qualifyd.db", string(damaged))
		w.run("store", "check").want(exitFailed, "the store is damaged: ", "qualifyd store restore FILE")
		r := w.run("store", "check", "-o", "json").want(exitFailed)
		var report store.Report
		if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Problems) == 0 {
			t.Errorf("%s: got %+v, %v; want problems", situation, report, err)
		}
		w.run("run", "--once").want(exitFailed, "the store is damaged", "hint: ")
		w.run("store", "compact").want(exitFailed, "the store is damaged")
		w.run("store", "backup", w.at("bad.db")).want(exitFailed, "the store is damaged")
		w.run("store", "restore", w.storePath()+"x").want(exitFailed)
		w.wantCount("bad.db", 0)
		if text := readFile(t, w.storePath()); !bytes.Equal(text, damaged) {
			t.Errorf("%s: the damaged store was changed", situation)
		}
	}
	w.run("store", "restore", w.at("backup.db")).want(exitDone, "can qualify again")
	w.pass()
	w.wantQualified(ann)
}
