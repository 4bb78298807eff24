package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/sync/sandbox"
)

func text(id int64) string { return fmt.Sprint(id) }

// team is a world with somebody in each situation that an operator asks about.
type team struct {
	*world
	ann, bob, cleo, dan, eve     sandbox.User
	annsLead, bobsLead, cleosOld string
}

// newTeam: Ann is qualified, Bob is pending with a Lead, Cleo is blocked by a Lead that existed before, Dan has no record; Eve was in the
// campaign that creates Leads before its first sweep.
func newTeam(t *testing.T) team {
	t.Helper()
	w := newWorld(t, watching+creating)
	s := team{world: w}
	s.eve = w.refer("Eve", 102)
	s.cleosOld = w.org.Create("Lead", sandbox.Fields{"LastName": "Cleo", "Company": "Acme", "Email": "cleo@example.com"})
	w.open()
	s.ann, s.bob, s.dan = w.refer("Ann", 101), w.refer("Bob", 101), w.refer("Dan", 101)
	s.cleo = w.rf.Refer(101, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
	w.pass()
	s.annsLead, s.bobsLead = w.lead(s.ann), w.lead(s.bob)
	w.status(s.annsLead, "Qualified")
	w.pass()
	w.wantQualified(s.ann)
	return s
}

func TestExplainFindsAReferralByWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	anns := []string{"referral " + text(w.ann.ID) + " (code " + w.ann.Code + ") of campaign 101 is delivered", "qualified: ", "Lead " + w.annsLead + ", linked by"}
	for _, name := range []string{text(w.ann.ID), "id:" + text(w.ann.ID), w.ann.Code, "code:" + w.ann.Code, w.annsLead, w.annsLead[:15], w.ann.Email, strings.ToUpper(w.ann.Email)} {
		w.run("explain", name).want(exitDone, anns...).wantNot(w.bob.Code)
	}
	w.run("explain", w.bob.Code).want(exitDone, "is pending", "value_not_reached: ", w.bobsLead)
	w.run("explain", w.cleo.Code).want(exitDone, "is pending", "existing_record: ", "blocked by Lead "+w.cleosOld)
	w.run("explain", w.dan.Code).want(exitDone, "no_record: ")
	for _, unknown := range []string{"4711", "id:4711", "id:Ann", "code:" + text(w.ann.ID), strings.ToLower(w.ann.Code), "nobody@example.com", "00Q000000000001AAA", ""} {
		w.run("explain", unknown).want(exitDone, "not_in_campaign: ", fmt.Sprintf("%q", unknown))
	}
	// Some people are in two campaigns.
	w.rf.Refer(102, sandbox.NewUser{FirstName: "Bob", Email: w.bob.Email})
	w.pass()
	r := w.run("explain", w.bob.Email).want(exitDone, "of campaign 101 is pending", "of campaign 102 is pending")
	if n := strings.Count(r.out, "referral "+text(w.bob.ID)); n != 1 {
		t.Errorf("got Bob of campaign 101 %d times, want once:\n%s", n, r.out)
	}
	w.run("referrals", "rejudge", w.bob.Email).want(exitFailed, "means several referrals", "id:"+text(w.bob.ID))
}

func TestExplainSpeaksJSON(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	got := parsed(t, w.run("explain", w.ann.Code, "-o", "json").want(exitDone))
	if len(got) != 1 || got[0].Sentence == "" {
		t.Fatalf("got %+v, want Ann with a sentence", got)
	}
	want := []desk.ReferralLine{{ID: w.ann.ID, Campaign: 101, Code: w.ann.Code, Standing: "delivered", Reason: "qualified", Sentence: got[0].Sentence, Records: []string{w.annsLead}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("explain -o json (-want +got):\n%s", d)
	}
	nobody := parsed(t, w.run("explain", "nobody", "-o", "json").want(exitDone))
	if len(nobody) != 1 || nobody[0].Reason != "not_in_campaign" || !strings.Contains(nobody[0].Sentence, `"nobody"`) || nobody[0].ID != 0 {
		t.Errorf("somebody unknown: got %+v, want one line that says not_in_campaign of nobody", nobody)
	}
}

func parsed(t *testing.T, r result) (lines []desk.ReferralLine) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &lines); err != nil {
		t.Fatalf("%s: %v in\n%s", r.command, err, r.out)
	}
	return lines
}

func TestReferralsAreListedByCampaignStateAndReason(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	tests := []struct {
		filters string
		want    []int64
	}{
		{"", []int64{w.eve.ID, w.ann.ID, w.bob.ID, w.dan.ID, w.cleo.ID}},
		{"--campaign 101", []int64{w.ann.ID, w.bob.ID, w.dan.ID, w.cleo.ID}},
		{"--campaign 102", []int64{w.eve.ID}},
		{"--state delivered", []int64{w.ann.ID}},
		{"--state pending --campaign 101", []int64{w.bob.ID, w.dan.ID, w.cleo.ID}},
		{"--reason existing_record", []int64{w.cleo.ID}},
		{"--reason no_record", []int64{w.eve.ID, w.dan.ID}},
		{"--reason no_record --campaign 102", []int64{w.eve.ID}},
	}
	for _, tt := range tests {
		args := append([]string{"referrals", "list"}, strings.Fields(tt.filters)...)
		var ids []int64
		for _, l := range parsed(t, w.run(append(args, "-o", "json")...).want(exitDone)) {
			ids = append(ids, l.ID)
		}
		if d := cmp.Diff(tt.want, ids); d != "" {
			t.Errorf("list %s (-want +got):\n%s", tt.filters, d)
		}
		table := w.run(args...).want(exitDone, "ID", "CAMPAIGN", "CODE", "STATE", "REASON", "WHY")
		if n := strings.Count(table.out, "\n"); n != 1+len(tt.want) {
			t.Errorf("list %s: got %d lines, want a head and %d:\n%s", tt.filters, n, len(tt.want), table.out)
		}
	}
	if r := w.run("referrals", "list", "--state", "owed", "-o", "json").want(exitDone); r.out != "[]\n" {
		t.Errorf("nobody: got %q, want an empty list", r.out)
	}
	w.run("referrals", "list", "--campaign", "109").want(exitFailed, "campaign 109 is not in the config; these are: 101")
	w.run("referrals", "list", "--state", "waiting").want(exitUsage, `no referral has the state "waiting"; known are: pending, owed`)
	w.run("referrals", "list", "--reason", "no_reason").want(exitUsage, `no referral has the reason "no_reason"`, "no_record")
}

func TestAPinMakesARecordTheReferrals(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	lead := w.org.Create("Lead", sandbox.Fields{"LastName": "D", "Company": "Acme", "Email": "private@example.com"})
	for _, wrong := range []string{"4711", "00Q", "001000000000001AAA", lead[:14], lead + "x"} {
		w.run("referrals", "pin", w.dan.Code, wrong).want(exitFailed, "is not the Id of a Lead (00Q...), Contact (003...) or Opportunity (006...)")
	}
	w.run("referrals", "pin", "nobody", lead).want(exitFailed, `"nobody"`)
	w.run("referrals", "pin", w.ann.Code, lead).want(exitFailed, "is delivered; only a pending one")

	w.run("referrals", "pin", w.dan.Code, lead[:15], "--reason", "he uses two addresses").want(exitDone, "is pinned to")
	w.run("referrals", "pin", w.cleo.Code, w.cleosOld).want(exitDone, "is pinned to "+w.cleosOld)
	w.pass()
	w.run("explain", w.dan.Code).want(exitDone, lead, "pinned")
	w.run("explain", w.cleo.Code).want(exitDone, w.cleosOld, "pinned").wantNot("existing_record", "blocked")
	w.status(lead, "Qualified")
	w.status(w.cleosOld, "Qualified")
	w.pass()
	w.wantQualified(w.ann, w.dan, w.cleo)
}

func TestRejudgeLiftsABlockWhoseCauseIsGone(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.run("referrals", "rejudge", w.cleo.Code).want(exitDone, "referral "+text(w.cleo.ID)+" will be judged anew")
	w.pass()
	w.run("explain", w.cleo.Code).want(exitDone, "existing_record") // its cause is there still

	w.org.Delete("Lead", w.cleosOld)
	w.run("referrals", "rejudge", w.cleo.Code, w.dan.Code, "--reason", "a test record").want(exitDone, text(w.cleo.ID)+" will", text(w.dan.ID)+" will")
	w.pass()
	w.run("explain", w.cleo.Code).want(exitDone, "no_record")

	// All or none: Ann is qualified, so nothing is done for Bob either.
	w.run("referrals", "rejudge", w.bob.Code, w.ann.Code).want(exitFailed, "is delivered; only a pending one").wantNot("will be judged")
	w.run("explain", w.bob.Code).want(exitDone, "value_not_reached")
}

func TestJoinShowsWhomItIsAboutAndDoesItWithYes(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	leads := len(w.org.IDs("Lead"))
	before := w.state()
	w.run("referrals", "join", w.eve.Code).want(exitDone, "referral "+text(w.eve.ID), "0 records linked", "create_lead", "do_nothing", "say --yes")
	w.run("referrals", "join", w.bob.Code).want(exitFailed, "there is nothing to create")
	if d := cmp.Diff(before, w.state()); d != "" {
		t.Errorf("a preview changed something (-before +after):\n%s", d)
	}
	w.pass()
	if n := len(w.org.IDs("Lead")); n != leads {
		t.Errorf("after a preview: got %d leads, want %d as before", n, leads)
	}

	w.run("referrals", "join", w.eve.Code, "--yes").want(exitDone, text(w.eve.ID)+" will have its record created or marked")
	w.run("run", "--dry-run").want(exitDone, "would create a Lead for referral "+text(w.eve.ID))
	w.pass()
	w.pass()
	if n := len(w.org.IDs("Lead")); n != leads+1 {
		t.Errorf("after join --yes: got %d leads, want one more than %d", n, leads)
	}
}

// Whom nothing is made for is told so at once, in the preview too: who is blocked stays so, and who is qualified needs no record.
func TestJoinPromisesNoRecordToWhomItMakesNone(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	old := w.org.Create("Lead", sandbox.Fields{"LastName": "Fay", "Company": "Acme", "Email": "fay@example.com"})
	w.pass()
	w.after(2 * time.Hour)
	fay := w.rf.Refer(102, sandbox.NewUser{FirstName: "Fay", Email: "fay@example.com"})
	gus := w.refer("Gus", 102)
	w.pass()
	w.told(fay, "existing_record")
	w.run("qualify", gus.Code, "--reason", "a fair").want(exitDone)
	w.pass()
	leads := len(w.org.IDs("Lead"))
	for _, yes := range [][]string{nil, {"--yes"}} {
		w.run(append([]string{"referrals", "join", fay.Code}, yes...)...).want(exitDone, "referral "+text(fay.ID)+" stays blocked by Lead "+old, "rejudge").wantNot("created", "joined by")
		w.run(append([]string{"referrals", "join", gus.Code}, yes...)...).want(exitFailed, "is delivered; nothing is created for it")
	}
	w.pass()
	if n := len(w.org.IDs("Lead")); n != leads {
		t.Errorf("got %d leads, want %d as before", n, leads)
	}
}

func TestThePreviewOfAJoinSpeaksJSON(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	var would []desk.Done
	r := w.run("referrals", "join", w.eve.Code, "-o", "json").want(exitDone)
	if err := json.Unmarshal([]byte(r.out), &would); err != nil || len(would) != 1 || would[0].Referral != w.eve.ID {
		t.Errorf("got %+v, error %v of\n%s\nwant one line, about Eve", would, err, r.out)
	}
	w.run("referrals", "join", w.eve.Code, "-o", "yaml").want(exitUsage)
}

func TestResumeLetsASetBackReferralQualifyAgain(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.run("resume", w.ann.Code).want(exitUsage, "--reason is required")
	w.run("resume", w.ann.Code, "--reason", "typo").want(exitFailed, "is delivered, not overridden")
	w.rf.SetQualified(w.ann.ID, false)
	w.pass()
	w.run("explain", w.ann.Code).want(exitDone, "is overridden")
	w.status(w.annsLead, "Working - Contacted")
	w.pass()
	w.status(w.annsLead, "Qualified")
	w.pass()
	w.wantPuts(1) // what a person set by hand stays

	w.run("resume", w.ann.Code, "--reason", "set back by mistake").want(exitDone, text(w.ann.ID)+" is judged again")
	w.pass()
	w.wantPuts(2)
	w.run("explain", w.ann.Code).want(exitDone, "is delivered")
}

func TestReleaseLetsGoWhatTheBrakeHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.edit("brake: 50/1h", "brake: 1/1h")
	w.open()
	ann, bob := w.refer("Ann", 101), w.refer("Bob", 101)
	w.pass()
	for _, u := range []sandbox.User{ann, bob} {
		w.status(w.lead(u), "Qualified")
	}
	w.pass()
	w.after(24 * time.Hour)
	w.pass()
	w.wantPuts(1) // what is held stays held, though the hour is over
	w.run("release", "109").want(exitFailed, "campaign 109 is not in the config")
	w.run("release", "101", "--reason", "looked at each").want(exitDone, "1 qualifications of campaign 101 are released")
	w.run("release", "101").want(exitDone, "0 qualifications")
	w.pass()
	w.wantQualified(ann, bob)
}

// The rule was wrong and moved too many, the brake held them, and the admin has corrected it: a release goes by the verdicts that there are, which are of the
// wrong rule. Whoever orders it, or asks about one of them, is told, and how to have them judged anew.
func TestWhatTheBrakeHoldsByAnEarlierRuleIsSaidToBe(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what    string
		passes  int // since the rule was corrected
		rejudge bool
		want    []string
	}{
		{"no pass has known the new rule yet", 0, false, []string{"1 qualifications of campaign 101 are released", "1 of them by a rule that the campaign has no more", "rejudge"}},
		{"a pass has", 2, false, []string{"1 qualifications of campaign 101 are released", "1 of them by a rule that the campaign has no more", "rejudge"}},
		{"and they were judged anew", 2, true, []string{"0 qualifications of campaign 101 are released; the brake held none, and counts anew\n"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, watching)
			w.edit("brake: 50/1h", "brake: 1/1h")
			w.open()
			users := []sandbox.User{w.refer("Ann", 101), w.refer("Bob", 101)}
			w.pass()
			for _, u := range users {
				w.status(w.lead(u), "Qualified")
			}
			w.pass()
			held := w.called("Bob")
			w.wantNext(w.told(held, "held_by_brake"), desk.Operator, "then let go of the others: qualifyd release 101")
			w.edit("value: Qualified", "value: Working - Contacted")
			for range test.passes {
				w.after(time.Minute)
				w.pass()
			}
			next := w.told(held, "held_by_brake")
			w.wantNext(next, desk.Operator, "the campaign's rule was changed since this verdict")
			w.wantNext(next, desk.Operator, "qualifyd referrals rejudge "+text(held.ID))
			if test.rejudge {
				w.run("referrals", "rejudge", held.Code).want(exitDone)
				w.pass()
			}
			w.run("release", "101").want(exitDone, test.want...)
		})
	}
}

// The first run makes the store; an order to the wrong store.path must not make a second one that nobody looks at.
func TestNoOrderMakesAStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching+creating)
	for _, args := range []string{
		"explain 1001", "referrals list", "referrals pin 1001 00Q000000000001AAA", "referrals rejudge 1001", "referrals join 1001",
		"referrals join 1001 --yes", "resume 1001 --reason x", "release 101",
	} {
		w.run(strings.Fields(args)...).want(exitFailed, "there is no store", "hint: qualifyd run makes the store")
	}
	w.run("config", "check", "--online").want(exitDone)
	if _, err := os.Stat(w.storePath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the store: got %v, want that there is none", err)
	}
}

func TestAStoreThatAnotherProcessHasAndNobodyListens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.open()
	s := w.lock()
	defer s.Close()
	w.run("explain", "1001").want(exitFailed, "in use by another process", "no running qualifyd listens for this store", "qualifyd.sock", "hint: another qualifyd has the store")
}

// A daemon that is just starting has the store before it listens. Whoever comes in between is answered as soon as it does.
func TestWhoComesWhileADaemonStartsIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.open()
	w.known("Ann", 101)
	for _, command := range [][]string{{"referrals", "list"}, {"ledger", "export"}, {"store", "backup", filepath.Join(w.folder, "backup.db")}} {
		s := w.lock()
		c, err := config.LoadOffline(w.config)
		if err != nil {
			t.Fatal(err)
		}
		listening := make(chan *console.Socket)
		time.AfterFunc(500*time.Millisecond, func() {
			socket, err := console.Listen(&desk.Desk{Config: c, Store: s}, exitCode, zerolog.Nop())
			if err != nil {
				t.Error(err)
			}
			listening <- socket
		})
		w.run(command...).want(exitDone)
		if err := errors.Join((<-listening).Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
