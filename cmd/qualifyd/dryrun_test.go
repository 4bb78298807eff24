package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"qualifyd/sync/sandbox"
)

func TestADryRunPrintsEachWriteAndMakesNone(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w := newWorld(t, watching+creating)
	w.edit("    when_lead_joins: create_lead\n", "    when_lead_joins: create_lead\n    duplicates: update\n")
	old := w.org.Create("Lead", sandbox.Fields{"LastName": "Cleo", "Company": "Acme", "Email": "cleo@example.com"})
	w.open()
	ann := w.due("Ann", 101)
	bob := w.refer("Bob", 102)
	cleo := w.rf.Refer(102, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
	before := w.state()

	r := w.run("run", "--dry-run").want(exitDone,
		"would create a Lead for referral "+text(bob.ID)+" of campaign 102:", `Company="Referred"`, `LastName="Bob"`, `Referral_Code__c="`+bob.Code+`"`,
		"would mark Lead "+old+" for referral "+text(cleo.ID)+" of campaign 102:", `Referral_Code__c="`+cleo.Code+`"`,
		"would qualify referral "+text(ann.ID)+" (code "+ann.Code+") of campaign 101: ")
	if n := strings.Count(r.out, "would "); n != 3 {
		t.Errorf("got %d announcements, want 3:\n%s", n, r.out)
	}
	if d := cmp.Diff(before, w.state()); d != "" {
		t.Errorf("a dry run changed something (-before +after):\n%s", d)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the temporary folder: got %v, %v; want it empty", left, err)
	}

	if again := w.run("run", "--dry-run").want(exitDone); again.out != r.out {
		t.Errorf("a second dry run (-first +second):\n%s", cmp.Diff(r.out, again.out))
	}
	w.pass() // and the real pass does just that
	w.wantQualified(ann)
	if got := w.org.Get("Lead", old)["Referral_Code__c"]; got != cleo.Code {
		t.Errorf("the lead to mark: got code %v, want %s", got, cleo.Code)
	}
	if got := len(w.org.IDs("Lead")); got != 3 {
		t.Errorf("got %d leads, want three: Cleo's, Ann's and the one created for Bob", got)
	}
}

// state is all that a dry run could have changed.
type state struct {
	Records   []sandbox.Fields
	Puts      []sandbox.Put
	Qualified []sandbox.Qualification
	Files     map[string]string
}

func (w *world) state() state {
	w.t.Helper()
	s := state{Puts: w.rf.Puts(), Qualified: w.rf.Qualifications(), Files: map[string]string{}}
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		for _, id := range w.org.IDs(object) {
			s.Records = append(s.Records, w.org.Get(object, id))
		}
	}
	files, err := os.ReadDir(w.folder)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		s.Files[f.Name()] = string(readFile(w.t, w.folder+"/"+f.Name()))
	}
	return s
}

// Without a code field nothing of a full record is filled; it is its referral's all the same, from then on.
func TestADryRunSaysOfARecordThatIsFullThatNothingIsFilled(t *testing.T) {
	w := newWorld(t, creating)
	w.edit("    when_lead_joins: create_lead\n    referral_code_field: Referral_Code__c\n", "    when_lead_joins: create_lead\n    duplicates: update\n")
	old := w.org.Create("Lead", sandbox.Fields{"LastName": "Cleo", "Company": "Acme", "Email": "cleo@example.com"})
	w.open()
	cleo := w.rf.Refer(102, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
	w.run("run", "--dry-run").want(exitDone, "would mark Lead "+old+" for referral "+text(cleo.ID)+" of campaign 102: nothing of it is empty that would be filled\n")
}

// Whoever is about to change the rule of a campaign that runs looks first, with the service at work: it hands out a copy of its store.
func TestADryRunBesideTheDaemonWorksOnACopyOfItsStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.open()
	ann, lead := w.known("Ann", 101)
	d := w.serve()
	w.org.Track("Lead", "Status", true)
	w.status(lead, "Working - Contacted")
	w.run("poll").want(exitDone)
	w.told(ann, "value_not_reached")
	w.edit("value: Qualified", "value: Working - Contacted")
	w.edit("brake: 50/1h", "effective_from: 2032-01-01")
	w.run("run", "--dry-run").want(exitDone, "would qualify referral "+text(ann.ID)+" (code "+ann.Code+") of campaign 101: ")
	w.told(ann, "value_not_reached")
	w.wantPuts(0)
	d.end()
}

func TestADryRunNeedsNoStoreAndLeavesNone(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w := newWorld(t, creating)
	w.refer("Early", 102)
	w.run("run", "--dry-run").want(exitDone).wantNot("would")
	if _, err := os.Stat(w.storePath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the store: got %v, want that there is none", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the temporary folder: got %v, %v; want it empty", left, err)
	}
}

// What was sent before the crash is not announced again: its outcome has to be read back first.
func TestADryRunAnnouncesNothingWhoseOutcomeIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.open()
	w.due("Ann", 101)
	w.rf.SetFault(always("PUT", sandbox.HTML(502)))
	w.run("run", "--once").want(exitIncomplete)
	stored := readFile(t, w.storePath())
	w.run("run", "--dry-run").want(exitIncomplete, "is read again from").wantNot("would")
	if !bytes.Equal(stored, readFile(t, w.storePath())) {
		t.Error("the store was changed, want it as it was")
	}
	w.wantPuts(0)
}

func TestADryRunFailsWithTheSameCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.open()
	w.rf.RotateKey()
	w.run("run", "--dry-run").want(exitRefused)
	w.belongTo("00D000000000001EAA")
	w.writeSecrets()
	w.run("run", "--dry-run").want(exitConfig, "belongs to another Salesforce org")
}
