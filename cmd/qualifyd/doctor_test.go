package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"qualifyd/cmd/doctor"
)

// doctor runs the check-up. It names the Salesforce user, whose name looks like an e-mail address.
func (w *world) doctor(args ...string) result {
	w.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"doctor"}, args...)
	code := run(w.t.Context(), append(args, "--config", w.config), streams{&out, &errs})
	r := result{w.t, strings.Join(args, " "), code, out.String(), errs.String()}
	w.wantNoSecret(r)
	return r
}

func TestDoctorExits0UnlessSomethingFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.org.Track("Lead", "Status", true)
	w.known("Ann", 101)
	r := w.doctor().want(exitDone, "Is it connected, and may it see everything?\n", "  ok    Salesforce login: as integration@example.com",
		"Does the machinery run?\n", " green, ", " 0 red (the check-up cost ").wantNot("FAIL", "\x1b")
	// The world's services are years ahead of this machine.
	if !strings.Contains(r.out, "  warn  Clock, against Salesforce: ") || !strings.Contains(r.out, "\n        -> set this machine's clock") {
		t.Errorf("got\n%s\nwant a warning of the clock, and what to do", r.out)
	}
	for line := range strings.Lines(r.out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > reportWidth && !strings.Contains(line, w.folder) {
			t.Errorf("a line of %d characters, want at most %d: %s", n, reportWidth, line)
		}
	}

	w.edit("value: Qualified}", "value: Qualifed}")
	r = w.doctor().want(exitFailed, "  FAIL  Campaign 101, value of Lead.Status: ", `has no value "Qualifed"`, " 1 red ")
	if r.err != "" {
		t.Errorf("got %q on the error output, want nothing: the report has told it", r.err)
	}
}

func TestDoctorTellsProgramsInJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.rf.RotateKey()
	r := w.doctor("-o", "json").want(exitFailed)
	var report doctor.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("the answer is no JSON: %v\n%s", err, r.out)
	}
	for _, f := range report.Findings {
		if f.Check == "referral_factory.key" && f.Colour == doctor.Red && report.Red == 1 {
			return
		}
	}
	t.Errorf("got\n%s\nwant the key to be the one thing that is red", r.out)
}

func TestDoctorNeedsNoStoreAndMakesNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.doctor().want(exitDone, "  warn  Store: there is none yet", "qualifyd run")
	w.doctor().want(exitDone, "Store: there is none yet") // the first one made none
	w.pass()
	held := w.lock()
	defer held.Close()
	w.doctor().want(exitDone, "  warn  Store: another process has")
}

func TestDoctorWithAWrongConfigOrUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.doctor("-o", "yaml").want(exitUsage, "only json is known")
	w.doctor("Lead").want(exitUsage)
	w.edit("daily_calls: 20%", "daily_calls: lots")
	w.doctor().want(exitConfig, "salesforce.daily_calls")
}

func TestDoctorWarnsOfWhatTheConfigWarnsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strings.Replace(creating, "{to: Company, fixed: Referred}", "{to: Title, fixed: Referred}", 1))
	w.doctor().want(exitDone, "  warn  Config: campaigns[0].fields: nothing fills Company")
}

func TestAReportIsWrappedColouredAndCleanOfControlCharacters(t *testing.T) {
	long := strings.Repeat("word ", 40)
	report := doctor.Report{Red: 1, At: time.Now(), Findings: []doctor.Finding{
		{Group: doctor.RuleChosen, Check: "campaign.1", Colour: doctor.Red, Title: "Campaign 1 Evil\x1b[2J\nname", Text: long, Do: long},
	}}
	var plain, coloured bytes.Buffer
	if err := printReport(&plain, report, false); err != nil {
		t.Fatal(err)
	}
	if err := printReport(&coloured, report, true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || strings.Contains(coloured.String(), "\x1b[2J") || !strings.Contains(plain.String(), "Evil[2J name: word") {
		t.Errorf("got %q\nwant the control characters of the campaign's name left out", coloured.String())
	}
	if !strings.Contains(coloured.String(), "  \x1b[1;31mFAIL\x1b[0m  Campaign 1") {
		t.Errorf("got %q\nwant FAIL in red", coloured.String())
	}
	for line := range strings.Lines(plain.String()) {
		if n := len(strings.TrimRight(line, "\n")); n > reportWidth {
			t.Errorf("a line of %d characters, want at most %d: %s", n, reportWidth, line)
		}
	}
	if want := "        -> word word"; !strings.Contains(plain.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", plain.String(), want)
	}
}
