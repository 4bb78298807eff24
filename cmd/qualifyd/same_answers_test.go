package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// said is what a command printed and how it ended.
type said struct {
	Command, Out, Err string
	Code              int
}

var (
	instant = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z`)
	// What differs besides: the line about the daemon; how long ago something was; calls, of which each start costs one; and the disk's free space.
	besides = regexp.MustCompile(`(?m)^(the daemon \(version|no daemon runs;).*$|, \S+ ago\b|\d+ Salesforce calls|\d+ of the org's|` +
		`^ *"(since|lag_seconds|used|free_bytes)": .*\n|\d+ GB free|answered within \S+`)
)

// saying runs commands one after the other. What may differ between a daemon and its file is left out: times, and the line about the daemon.
func (w *world) saying(commands [][]string) (all []said) {
	w.t.Helper()
	for _, args := range commands {
		var out, errs bytes.Buffer
		code := run(w.t.Context(), append(args, "--config", w.config), streams{&out, &errs})
		one := said{Command: strings.Join(args, " "), Out: out.String(), Err: errs.String(), Code: code}
		w.wantNoSecret(result{w.t, one.Command, code, one.Out, one.Err})
		one.Out, one.Err = instant.ReplaceAllString(besides.ReplaceAllString(one.Out, ""), "TIME"), instant.ReplaceAllString(one.Err, "TIME")
		all = append(all, one)
	}
	return all
}

// wantSame wants a running daemon to say the same as the file of a stopped one, which holds what the daemon's held before.
func (w *world) wantSame(commands [][]string) {
	w.t.Helper()
	d := w.serve()
	if code := d.end(); code != exitDone {
		w.t.Fatalf("the daemon ended with %d:\n%s", code, d.log)
	}
	putBack := w.copied("qualifyd.db")
	d = w.serve()
	bySocket := w.saying(commands)
	d.end()
	putBack()
	byFile := w.saying(commands)
	for i, one := range bySocket {
		if diff := cmp.Diff(byFile[i], one); diff != "" {
			w.t.Errorf("%s: the daemon does not say what its file does (-file +daemon):\n%s", one.Command, diff)
		}
		if one.Out+one.Err == "" {
			w.t.Errorf("%s: got nothing said", one.Command)
		}
	}
}

func commands(lines ...string) (all [][]string) {
	for _, line := range lines {
		all = append(all, strings.Fields(line))
	}
	return all
}

// file writes a file for a command to read, and returns its path.
func (w *world) file(name, text string) string {
	w.write(name, text)
	return filepath.Join(w.folder, name)
}

func TestADaemonAnswersAsItsFileDoes(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	w.rf.Refer(102, sandbox.NewUser{FirstName: "Bob", Email: w.bob.Email})
	good := w.file("good.csv", fmt.Sprintf("code,record\n%s,%s\n", w.dan.Code, w.cleosOld))
	byEmail := w.file("email.csv", fmt.Sprintf("code,email\n%s,cleo@example.com\n%s,nobody@example.com\n", w.dan.Code, w.dan.Code))
	bad := w.file("bad.csv", fmt.Sprintf("code,record\n,%s\nnobody,%s\n%s,x\n%s,\n", w.bobsLead, w.bobsLead, w.dan.Code, w.dan.Code))
	asked := commands("status", "status -o json", "referrals list", "referrals list -o json", "outbox list", "outbox list -o json",
		"referrals list --campaign 101 --state pending --reason no_record", "referrals list --campaign 109", "referrals list --state waiting",
		"referrals list --reason bad_luck", "referrals list -o xml", "referrals list --campaign x", "referrals list --nonsense",
		"explain "+w.ann.Code, "explain "+w.bobsLead, "explain "+w.cleo.Code+" -o json", "explain "+w.dan.Code, "explain "+text(w.eve.ID),
		"explain nobody", "explain nobody -o json", "explain "+w.bob.Email, "explain",
		"campaigns", "campaigns -o json", "fields Lead", "fields Nothing", "values Lead.Status", "values Lead.Nothing", "values Lead", "stages -o json",
		"doctor -o json", "qualify nobody --reason x", "qualify "+w.bob.Email+" --reason x", "qualify "+w.bob.Code, "qualify "+w.ann.Code+" --reason x",
		"qualify "+w.bob.Code+" --reason ann@example.com", "unqualify "+w.bob.Code+" --reason x", "resume "+w.bob.Code+" --reason x", "release 109", "release x",
		"referrals join "+w.eve.Code, "referrals join "+w.bob.Code, "referrals rejudge "+w.ann.Code, "referrals rejudge",
		"referrals pin "+w.dan.Code+" 4711", "referrals pin nobody "+w.cleosOld, "referrals pin "+w.dan.Code,
		"referrals import --preview "+good, "referrals import --preview -o json "+byEmail, "referrals import "+bad, "referrals import "+bad+"x",
		"outbox retry", "outbox retry --all", "outbox retry "+w.bob.Code, "outbox retry --all x", "outbox drop "+w.bob.Code+" --reason x", "outbox drop nobody",
	)
	asked = append(asked, []string{"explain", ""}, []string{"qualify", "  ", "--reason", "x"}, []string{"qualify", w.bob.Code, "--reason", " "})
	w.wantSame(asked)
}

// The org is a sandbox, so that nothing of what is ordered is sent; else the daemon would do so at once.
func TestADaemonTakesOrdersAsItsFileDoes(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	w.becomeSandbox()
	pins := w.file("pins.csv", fmt.Sprintf("code,record\n%s,%s\n", w.dan.Code, w.cleosOld))
	w.wantSame(commands(
		"qualify "+w.bob.Code+" --reason won", "qualify "+w.bob.Code+" --reason won", "outbox list", "outbox retry --all", "outbox retry "+w.bob.Code+" -o json",
		"unqualify "+w.bob.Code+" --reason lost", "explain "+w.bob.Code, "resume "+w.bob.Code+" --reason again",
		"unqualify "+w.ann.Code+" --reason lost", "outbox drop "+w.ann.Code+" --reason kept", "unqualify "+w.ann.Code+" --reason lost -o json",
		"referrals join "+w.eve.Code+" --yes", "referrals rejudge "+w.cleo.Code+" "+w.dan.Code, "referrals import "+pins, "referrals import "+pins+" -o json",
		"referrals pin "+w.dan.Code+" "+w.cleosOld, "release 101 --reason looked", "referrals list", "outbox list -o json", "status", "explain "+w.dan.Code,
	))
}

// becomeSandbox makes the org a sandbox, and has the store know.
func (w *world) becomeSandbox() {
	w.t.Helper()
	w.org.SetSandbox(true)
	s := w.lock()
	defer s.Close()
	err := s.Update(func(tx *store.Tx) error {
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		owner.Sandbox = true
		return tx.SetOwner(owner)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
