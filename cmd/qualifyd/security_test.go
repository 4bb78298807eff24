package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

// In docs/security.md a bullet is something that holds a threat. It names the test that shows it, or says that there is none.
func TestEveryThreatOfTheDocumentHasItsTest(t *testing.T) {
	exists := testsOfTheTree(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w*)`")
	threats := strings.Split(string(readFile(t, root+"/docs/security.md")), "\n## ")[1:]
	if len(threats) < 10 {
		t.Errorf("docs/security.md: got %d threats, want ten at least", len(threats))
	}
	for _, threat := range threats {
		title, text, _ := strings.Cut(threat, "\n")
		for _, name := range named.FindAllStringSubmatch(text, -1) {
			if !exists[name[1]] {
				t.Errorf("%s: there is no test %s", title, name[1])
			}
		}
		held, _, remains := strings.Cut(text, "\nWhat remains: ")
		if !remains {
			t.Errorf("%s: got no word of what remains", title)
		}
		holds := strings.Split(held, "\n- ")[1:]
		if len(holds) == 0 {
			t.Errorf("%s: nothing is said to hold it", title)
		}
		for _, hold := range holds {
			if !named.MatchString(hold) && !strings.Contains(hold, "no test yet") {
				t.Errorf("%s: got no test, and no word that there is none, for %q", title, hold)
			}
		}
	}
}

// docs/reliability.md names tests and fuzz targets that exist.
func TestEveryTestThatReliabilityNamesExists(t *testing.T) {
	exists := testsOfTheTree(t)
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w*)`").FindAllStringSubmatch(string(readFile(t, root+"/docs/reliability.md")), -1)
	if len(names) < 30 {
		t.Errorf("docs/reliability.md: got %d names of tests, want thirty at least", len(names))
	}
	for _, name := range names {
		if !exists[name[1]] {
			t.Errorf("docs/reliability.md: there is no test %s", name[1])
		}
	}
}

// testsOfTheTree are the names of all tests and fuzz targets.
func testsOfTheTree(t *testing.T) map[string]bool {
	found := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, one := range declared.FindAllStringSubmatch(string(readFile(t, path)), -1) {
			found[one[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A man in the middle has a certificate that nobody vouches for: he is told nothing, neither a secret nor a name.
func TestWhoeverCannotProveToBeTheServiceIsToldNothing(t *testing.T) {
	t.Parallel() // it waits between tries
	w := furnish(t, func() time.Time { return morning })
	var servers []*httptest.Server
	for _, service := range []http.Handler{w.org.Handler(), w.rf.Handler()} {
		server := httptest.NewUnstartedServer(w.through(service))
		server.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // it complains of handshakes
		server.StartTLS()
		t.Cleanup(server.Close)
		servers = append(servers, server)
	}
	w.configure(servers[0].URL, servers[1].URL+"/api/v2", watching)
	w.run("run", "--once").want(exitIncomplete, "certificate")
	if len(w.asked) > 0 {
		t.Errorf("without a proof: got the requests %q, want none", w.asked)
	}

	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: servers[0].Certificate().Raw})
	w.write("ca.pem", string(certificate))
	w.edit("  daily_calls", "  ca_file: ca.pem\n  daily_calls")
	w.edit("  api_key_file", "  ca_file: ca.pem\n  api_key_file")
	w.run("run", "--once").want(exitDone)
	if w.askedFor("/oauth2/token") == 0 || w.askedFor("/users") == 0 {
		t.Errorf("once ca_file vouches for them: got the requests %q, want both services to be asked", w.asked)
	}
}

// Whatever people call themselves, or give as their e-mail address, is a value: it finds nobody else's records, and changes no request.
func TestWhatAReferralSaysOfItselfStaysAValue(t *testing.T) {
	w := newWorld(t, watching+creating)
	w.open()
	ann, annsLead := w.known("Ann", 101)
	for _, email := range []string{
		`x'OR(Id!='')OR(Email='@example.com`, `\'OR(Id!='')OR(Email=\'@example.com`, `x'%20OR%20Id!='@example.com`, `x@{leads.records[0].Id}.example`,
	} {
		mallory := w.rf.Refer(101, sandbox.NewUser{FirstName: "Mallory", Email: email})
		w.after(time.Hour)
		w.pass()
		w.run("explain", mallory.Code).want(exitDone, "no_record")
	}
	w.status(annsLead, "Qualified")
	w.pass()
	w.wantQualified(ann)

	names := []string{`Robert'); DROP`, `@{leads.records[0].Id}`, `"}],"Status":"Qualified"`, `=HYPERLINK("https://evil.example")`}
	for n, name := range names {
		w.rf.Refer(102, sandbox.NewUser{FirstName: name, Email: fmt.Sprintf("m%d@example.com", n)})
	}
	w.after(time.Hour)
	w.pass()
	w.wantQualified(ann)
	got := map[string]bool{}
	for _, id := range w.org.IDs("Lead") {
		got[w.org.Get("Lead", id)["LastName"].(string)] = true
	}
	for _, name := range names {
		if !got[name] {
			t.Errorf("got Leads of %v, want one of %q, as it was given", got, name)
		}
	}
}

// Mallory was referred, and writes her code into the Leads of others, who would qualify her: of a customer from before her, and of another referral.
func TestACodeTypedIntoAnotherLeadQualifiesNobodyElse(t *testing.T) {
	w := newWorld(t, watching)
	old := w.org.Create("Lead", sandbox.Fields{"LastName": "Olga", "Company": "Acme", "Email": "olga@example.com"})
	w.open()
	ann := w.refer("Ann", 101)
	mallory := w.refer("Mallory", 101)
	w.pass()
	lead := w.lead(ann)
	w.pass()
	w.org.Update("Lead", old, sandbox.Fields{"Referral_Code__c": mallory.Code})
	w.pass()
	w.status(old, "Qualified")
	w.pass()
	w.wantQualified()
	w.run("explain", mallory.Code).want(exitDone, "existing_record")

	w.org.Update("Lead", lead, sandbox.Fields{"Email": mallory.Email})
	w.pass()
	w.status(lead, "Qualified")
	w.pass()
	w.wantQualified(ann)
}

// Secrets are named by files, or typed where nobody sees them: other users of the machine can read the arguments of a process.
func TestNoFlagTakesASecret(t *testing.T) {
	for _, command := range []string{"init", "connect", "run", "doctor", "config show"} {
		help, errs := &strings.Builder{}, &strings.Builder{}
		if code := run(t.Context(), append(strings.Fields(command), "--help"), streams{help, errs}); code != exitDone {
			t.Fatalf("%s --help: got code %d: %s", command, code, errs)
		}
		for _, flag := range regexp.MustCompile(`--(?:[a-z-]*(?:secret|key|token|password))(?:\s|=)`).FindAllString(help.String(), -1) {
			t.Errorf("%s has the flag %s, want one that names a file", command, flag)
		}
	}
}
