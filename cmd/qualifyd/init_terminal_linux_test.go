package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qualifyd/cmd/config"
	"qualifyd/rules"
)

// terminal is a pseudo-terminal with a person at it.
type terminal struct {
	t      *testing.T
	person *os.File // what is typed, and what the screen gets
	screen chan string
	shown  string // all of it
	read   int    // how much of it the person has read
}

// newTerminal opens one; program is the end at which the program reads and writes.
func newTerminal(t *testing.T) (person *terminal, program *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	var n int
	raw, err := master.SyscallConn() // Fd would make the reading below one that closing does not end
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			if err == nil {
				err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
			}
		})
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	person = &terminal{t: t, person: master, screen: make(chan string, 100)}
	go func() {
		defer close(person.screen)
		for {
			buffer := make([]byte, 4096)
			n, err := master.Read(buffer)
			person.screen <- string(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { master.Close(); program.Close() }) // in this order: the first ends a reading that was left behind
	return person, program
}

// await reads the screen until it shows a text, behind what was read before.
func (p *terminal) await(text string) {
	p.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		if at := strings.Index(p.shown[p.read:], text); at >= 0 {
			p.read += at + len(text)
			return
		}
		select {
		case more, open := <-p.screen:
			if !open {
				p.t.Fatalf("the screen ends with\n%s\nwant %q", p.shown, text)
			}
			p.shown += more
		case <-timeout:
			p.t.Fatalf("the screen shows\n%s\nand waits; want %q", p.shown, text)
		}
	}
}

// say is a question and the answer to it.
type say struct{ question, answer string }

func (p *terminal) answers(dialogue []say) {
	p.t.Helper()
	for _, one := range dialogue {
		p.await(one.question)
		if _, err := io.WriteString(p.person, one.answer+"\n"); err != nil {
			p.t.Fatal(err)
		}
	}
}

// initAt runs "qualifyd init" at the terminal, and hands over how it ends.
func (w *world) initAt(ctx context.Context, program *os.File, add bool, given map[string]string) <-chan error {
	i := &interview{given: given, used: map[string]bool{}, keyboard: program, out: program}
	a := &app{streams: streams{program, program}, configPath: w.config}
	ended := make(chan error, 1)
	go func() { ended <- a.newSetup(i, false).run(ctx, add) }()
	return ended
}

// conversation is everything that init asks, with the answers of somebody who errs now and then.
func (w *world) conversation(flags []string) []say {
	value := func(flag string) string {
		for n, f := range flags {
			if f == flag {
				return flags[n+1]
			}
		}
		return ""
	}
	_, secret := w.org.Credentials()
	return []say{
		{"My Domain, like https://acme.my.salesforce.com: ", ""},
		{": ", value("--login-url")},
		{"How to log in [client_credentials]: ", "1"},
		{"consumer key: ", value("--client-id")},
		{"consumer secret: ", "not-the-secret"},
		{"check client_id and client_secret", ""}, // Enter keeps the address
		{"How to log in [client_credentials]: ", ""},
		{"consumer key [" + value("--client-id") + "]: ", ""},
		{"consumer secret: ", secret},
		{"Webhooks and API): ", w.rf.Key()},
		{"counts its days [UTC]: ", "Mars"},
		{"no time zone", "Europe/Berlin"},
		{"remembers [/var/lib/qualifyd/qualifyd.db]: ", w.storePath()},
		{" 3  103  (Campaign 103; launched)", "103"},
		{"when a referral joins [nothing]: ", ""},
		{"records to watch [Lead]: ", "lead"},
		{"What qualifies a referral: ", "lead_field_changes"},
		{"search): ", "stauts"},
		{"did you mean State or Status?", "stat"},
		{"which of these?", "status"},
		{"5  Qualified  (0 records now)", "qualifed"},
		{"did you mean Qualified?", "5"},
		{"found by e-mail [Referral_Code__c]: ", ""},
		{"before the referral [do_nothing]: ", "update"},
		{"(Enter: the first pass): ", ""},
		{"Another campaign? (yes, no) [no]: ", "y"},
		{"The campaign: ", "1"},
		{"joins [nothing]: ", "create_contact"},
		{"What qualifies a referral: ", "2"},
		{"[Referral_Code__c]: ", "none"},
		{"[do_nothing]: ", ""},
		{"first pass): ", "2032-01-01"},
		{"Another campaign? (yes, no) [no]: ", ""},
	}
}

func TestInitAtATerminal(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	person, program := newTerminal(t)
	ended := w.initAt(t.Context(), program, false, map[string]string{"base-url": flags[8]})
	person.answers(w.conversation(flags))
	person.await("is written, and right")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, secret := w.org.Credentials(); strings.Contains(person.shown, secret) || strings.Contains(person.shown, w.rf.Key()) || strings.Contains(person.shown, "not-the-secret") {
		t.Errorf("the screen shows a secret:\n%s", person.shown)
	}
	w.wantFiles("config.yaml", "referral-factory-key", "salesforce-secret")
	for _, name := range []string{"referral-factory-key", "salesforce-secret"} {
		if info, err := os.Stat(filepath.Join(filepath.Dir(w.config), name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	w.run("config", "check", "--online").want(exitDone, "is right: 2 campaigns").wantNot("warning")
	c, _, err := config.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	first, second := c.Campaigns[0], c.Campaigns[1]
	if first.ID != 103 || first.Qualify != (config.Qualify{Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified"}) ||
		first.ReferralCodeField != "Referral_Code__c" || first.Duplicates != rules.Update {
		t.Errorf("the first campaign: got %+v", first)
	}
	if second.ID != 101 || second.Object != rules.Contact || second.Qualify.Method != rules.None || second.EffectiveFrom.Text != "2032-01-01" {
		t.Errorf("the second campaign: got %+v", second)
	}

	ended = w.initAt(t.Context(), program, true, map[string]string{})
	person.answers([]say{{"The campaign: ", ""}, {": ", "102"}, {"joins [nothing]: ", ""}, {"watch [Lead]: ", ""}, {"What qualifies a referral: ", "3"},
		{"9  Closed Won", "closed"}, {"which of these?", "1"}, {"[Referral_Code__c]: ", ""}, {"[do_nothing]: ", ""}, {"first pass): ", ""}})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.run("config", "check", "--online").want(exitDone, "is right: 3 campaigns")
}

// However far somebody came who then leaves, nothing is left behind; and a secret that stands beside the config is taken, not overwritten.
func TestInitLeftInTheMiddle(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	dialogue := w.conversation(flags)
	for n := 0; n < len(dialogue); n += 3 {
		person, program := newTerminal(t)
		ctx, interrupt := context.WithCancel(t.Context())
		ended := w.initAt(ctx, program, false, map[string]string{"base-url": flags[8]})
		person.answers(dialogue[:n])
		person.await(dialogue[n].question)
		if n%2 == 0 {
			interrupt()
		} else if _, err := io.WriteString(person.person, "\x04"); err != nil { // Ctrl-D
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Errorf("left before %q: got no error", dialogue[n].question)
		}
		wantEcho(t, program)
		w.wantFiles()
		interrupt()
	}
}

// wantEcho wants what is typed to be shown again.
func wantEcho(t *testing.T, terminal *os.File) {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ECHO == 0 {
		t.Errorf("the terminal does not show what is typed any more (%v)", err)
	}
}

func TestInitTakesASecretThatIsThere(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	w.write("new/salesforce-secret", string(readFile(t, filepath.Join(w.folder, "salesforce-secret")))+"\n")
	person, program := newTerminal(t)
	ended := w.initAt(t.Context(), program, false, map[string]string{"login-url": flags[2], "client-id": flags[4], "flow": "client_credentials",
		"base-url": flags[8], "api-key-file": flags[10], "store": flags[12], "timezone": "UTC", "campaign": "101", "when-lead-joins": "nothing",
		"object": "Lead", "method": "lead_converts", "code-field": "none", "duplicates": "update"})
	person.answers([]say{{"taken from " + filepath.Join(w.folder, "new", "salesforce-secret"), ""}, // Enter is for the earliest change
		{"Another campaign?", "no"}})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.wantFiles("config.yaml", "salesforce-secret")
	w.run("config", "check", "--online").want(exitDone)
}

// Who has typed a secret, and then takes a flow without one, is not left with it in the end.
func TestInitForgetsASecretThatIsNotOfTheFlow(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	person, program := newTerminal(t)
	ended := w.initAt(t.Context(), program, false, map[string]string{"api-key-file": flags[10], "base-url": flags[8], "store": flags[12], "timezone": "UTC",
		"campaign": "101", "when-lead-joins": "nothing", "object": "Lead", "method": "none", "code-field": "none", "duplicates": "update", "effective-from": "2032-01-01"})
	person.answers([]say{{"acme.my.salesforce.com: ", flags[2]}, {"How to log in", ""}, {"consumer key: ", flags[4]}, {"consumer secret: ", "not-the-secret"},
		{"Once more:", flags[2]}, {"How to log in", "web"}, {"consumer key [", ""}, {"(Enter: none): ", ""}, {"Another campaign?", "no"}})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.wantFiles("config.yaml")
	w.run("config", "check").want(exitDone)
}

// An address at which nothing answers is asked for again: the key was not even looked at.
func TestInitAsksForTheAddressThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	person, program := newTerminal(t)
	ended := w.initAt(t.Context(), program, false, map[string]string{"login-url": flags[2], "client-id": flags[4], "client-secret-file": flags[6], "flow": "client_credentials",
		"api-key-file": flags[10], "base-url": "http://127.0.0.1:1/api/v2", "store": flags[12], "timezone": "UTC", "campaign": "101", "when-lead-joins": "nothing",
		"object": "Lead", "method": "none", "code-field": "none", "duplicates": "update", "effective-from": "2032-01-01"})
	person.answers([]say{{"did not answer", ""}, {"API is [http://127.0.0.1:1/api/v2]: ", "127.0.0.1:1"}, {"is not a web address", flags[8]},
		{"Another campaign?", "no"}})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.run("config", "check", "--online").want(exitDone)
}
