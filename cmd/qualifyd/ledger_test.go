package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The program that the document shows has to find what we find, knowing nothing of us.
func TestALedgerIsVerifiedByTheProgramInTheDocument(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here to run the program with")
	}
	block := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(readFile(t, root+"/docs/ledger.md"))
	if block == nil || strings.Count(string(block[1]), "\n") > 10 {
		t.Fatalf("docs/ledger.md: got %s, want a program of ten lines", block)
	}
	verify := func(lines string) (string, error) {
		c := exec.Command(python, "-c", string(block[1]))
		c.Stdin = strings.NewReader(lines)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	w := newWorld(t, watching)
	w.open()
	for _, name := range []string{"Ann", "Bob", "Cem"} {
		w.due(name, 101)
	}
	w.pass()
	w.run("unqualify", w.rf.Users()[1].Code, "--reason", "a mistake: \"ü\" \u2028 & <so>").want(exitDone)
	w.after(time.Minute)
	w.pass()
	export := w.run("ledger", "export").want(exitDone).out
	out, err := verify(export)
	if err != nil {
		t.Fatalf("a whole ledger: got %v, %s", err, out)
	}
	w.run("ledger", "verify").want(exitDone, "the ledger is whole: "+strings.TrimSpace(out))

	lines := strings.SplitAfter(export, "\n")
	for situation, broken := range map[string]string{
		"another reason": strings.Replace(export, "a mistake", "no mistake", 1),
		"a line less":    strings.Join(append(lines[:2:2], lines[3:]...), ""),
		"two swapped":    lines[0] + lines[2] + lines[1],
		"the first gone": strings.Join(lines[1:], ""),
	} {
		if out, err := verify(broken); err == nil || broken == export {
			t.Errorf("%s: got %s, want an error", situation, out)
		}
	}
}

func TestALedgerThatGoesOnFromAnEarlierHead(t *testing.T) {
	w := newWorld(t, watching)
	w.open()
	w.run("ledger", "verify").want(exitDone, "the ledger is empty")
	w.run("ledger", "export").want(exitDone).wantNot("{")
	w.due("Ann", 101)
	w.pass()
	head := regexp.MustCompile(`[0-9a-f]{64}`).FindString(w.run("ledger", "verify").want(exitDone, "2 lines").out)
	w.run("store", "backup", w.at("backup.db")).want(exitDone, head)
	w.due("Bob", 101)
	w.pass()
	w.run("ledger", "verify", "--from", head).want(exitDone, "4 lines", "it goes on from line 2")
	later := regexp.MustCompile(`[0-9a-f]{64}`).FindString(w.run("ledger", "verify").out)
	w.run("store", "restore", w.at("backup.db")).want(exitDone, "2 ledger lines since the backup")
	w.run("ledger", "verify", "--from", later).want(exitFailed, "does not go on from there")
	w.run("ledger", "verify", "--from", "abc").want(exitUsage, "64 digits")
	w.run("ledger", "export", "--after", "-1").want(exitUsage)
}
