package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

func TestAReferralWhoseLeadChangesIsQualifiedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	early := w.refer("Early", 101)
	w.status(w.lead(early), "Qualified") // before the first pass: never counts
	w.open()

	ann := w.refer("Ann", 101)
	w.pass()
	w.run("explain", ann.Code).want(exitDone, "no_record")
	lead := w.lead(ann)
	w.pass()
	w.run("explain", ann.Code).want(exitDone, "value_not_reached", lead)
	w.wantQualified()

	w.status(lead, "Qualified")
	w.pass()
	w.wantQualified(ann)
	w.run("explain", ann.Code).want(exitDone, "delivered", "qualified")
	for range 3 {
		w.pass()
	}
	w.status(lead, "Working - Contacted")
	w.pass()
	w.status(lead, "Qualified")
	w.pass()
	w.wantQualified(ann)
	w.wantPuts(1)
}

// Without effective_from a first start never fires for the past; with it, what happened since then counts.
func TestEffectiveFromLetsTheFirstPassCountThePast(t *testing.T) {
	t.Parallel()
	for from, qualifies := range map[string]bool{"2032-11-01": true, "2032-11-01T09:30:00Z": true, "2032-11-02": false} {
		w := newWorld(t, watching)
		w.edit("brake: 50/1h", "effective_from: "+from)
		ann := w.refer("Ann", 101)
		w.status(w.lead(ann), "Qualified")
		w.pass()
		if got := len(w.rf.Qualifications()) == 1; got != qualifies {
			t.Errorf("effective_from %s: qualified %v, want %v", from, got, qualifies)
		}
	}
}

// An account's zone that is put right moves the start of the campaign's day, but does not have a rule that was changed since count from it.
func TestAnotherZoneGivesAChangedRuleNoPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.edit("brake: 50/1h", "effective_from: 2032-11-01")
	w.open()
	w.org.Track("Lead", "Status", true)
	ann, lead := w.known("Ann", 101)
	w.status(lead, "Working - Contacted")
	w.pass()
	w.edit("value: Qualified", "value: Working - Contacted")
	w.pass()
	w.edit("  base_url:", "  timezone: Europe/Berlin\n  base_url:")
	w.pass()
	w.told(ann, "value_predates")
	w.wantPuts(0)
}

func TestALeadIsCreatedForWhoeverIsReferred(t *testing.T) {
	t.Parallel()
	w := newWorld(t, creating)
	w.open()
	ann := w.refer("Ann", 102)
	w.pass()
	leads := w.org.IDs("Lead")
	if len(leads) != 1 || w.org.Get("Lead", leads[0])["Referral_Code__c"] != ann.Code {
		t.Fatalf("got %d leads, want one with the code %s", len(leads), ann.Code)
	}
	w.status(leads[0], "Qualified")
	w.pass()
	w.wantQualified(ann)
	w.pass()
	if leads := w.org.IDs("Lead"); len(leads) != 1 {
		t.Errorf("got %d leads, want one", len(leads))
	}
}

func TestWhatIsTypedWronglyExits64(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	for _, args := range [][]string{
		{"dance"}, {"run", "--twice"}, {"run", "now"}, {"explain"}, {"explain", "a", "b"}, {"referrals", "pin", "1001"},
		{"referrals", "list", "--campaign", "spring"}, {"referrals", "list", "-o", "xml"}, {"explain", "1001", "-o", "xml"},
		{"resume", "1001"}, {"release", "spring"}, {"referrals", "rejudge"}, {"referrals", "dance"}, {"config", "dance"},
	} {
		w.run(args...).want(exitUsage, "qualifyd: ", "hint: qualifyd --help")
	}
	if n := len(w.asked); n != 0 {
		t.Errorf("the services got %d requests, want none", n)
	}
}

func TestAServiceThatIsDownExits75(t *testing.T) {
	down := &sandbox.Fault{Refused: true}
	tests := map[string]func(w *world){
		"Salesforce refuses connections":          func(w *world) { w.org.SetFault(always("", down)) },
		"Salesforce is in maintenance":            func(w *world) { w.org.SetFault(always("", sandbox.HTML(503))) },
		"Referral Factory refuses connections":    func(w *world) { w.rf.SetFault(always("", down)) },
		"Referral Factory is in maintenance":      func(w *world) { w.rf.SetFault(always("", sandbox.HTML(503))) },
		"a page of the sweep is cut":              func(w *world) { w.rf.SetFault(always("GET /api/v2/users", &sandbox.Fault{Cut: 40})) },
		"the org's daily requests are used up":    func(w *world) { w.org.SetFault(always("", sandbox.OverLimit())) },
		"our share of those requests is used up":  func(w *world) { w.edit("daily_calls: 20%", "daily_calls: 2") },
		"the answers come without their time":     func(w *world) { w.rf.SetFault(always("", &sandbox.Fault{NoDate: true})) },
		"queries are cut":                         func(w *world) { w.org.SetFault(always("/composite", &sandbox.Fault{Cut: 40})) },
		"the describe fails and the rest goes on": func(w *world) { w.after(25 * time.Hour); w.org.SetFault(always("/describe", sandbox.HTML(503))) },
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, watching)
			w.open()
			ann := w.due("Ann", 101)
			happens(w)
			w.run("run", "--once").want(exitIncomplete, "the pass is incomplete").wantNot("qualifyd: ", "hint: ") // the log has told it
			w.org.SetFault(nil)
			w.rf.SetFault(nil)
			w.after(time.Minute)
			if text := string(readFile(t, w.config)); strings.Contains(text, "daily_calls: 2\n") {
				w.edit("daily_calls: 2\n", "daily_calls: 20%\n")
			}
			w.pass()
			w.wantQualified(ann)
		})
	}
}

func TestAnOpenOutcomeExits75UntilItIsKnown(t *testing.T) {
	t.Parallel()
	t.Run("it was done", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		ann := w.due("Ann", 101)
		w.rf.SetFault(always("PUT", &sandbox.Fault{Lost: true}))
		w.run("run", "--once").want(exitIncomplete, "outcome of a qualification is not known")
		w.rf.SetFault(nil)
		w.pass()
		w.wantQualified(ann)
		w.wantPuts(1)
	})
	t.Run("it was not done", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		ann := w.due("Ann", 101)
		w.rf.SetFault(always("PUT", sandbox.HTML(502)))
		w.run("run", "--once").want(exitIncomplete, "outcome of a qualification is not known")
		w.rf.SetFault(nil)
		w.after(time.Minute)
		w.run("run", "--once").want(exitIncomplete, "is read again from") // the read-back is waited for, even by --once
		w.wantPuts(0)
		w.after(2 * time.Minute)
		w.pass()
		w.wantQualified(ann)
		w.wantPuts(1)
	})
}

func TestRefusedCredentialsExit77AndTheOtherServiceIsWorkedWith(t *testing.T) {
	t.Parallel()
	t.Run("Salesforce refuses the secret, and deliveries go on", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		ann := w.due("Ann", 101)
		w.rf.SetFault(always("PUT", sandbox.HTML(502)))
		w.run("run", "--once").want(exitIncomplete)
		w.rf.SetFault(nil)
		w.after(3 * time.Minute)
		w.org.RotateSecret()
		bob := w.refer("Bob", 101)
		w.run("run", "--once").want(exitRefused, "log in to Salesforce", "check client_id and client_secret")
		w.wantQualified(ann)
		w.run("explain", bob.Code).want(exitDone, "pending") // the sweep went on too
		w.writeSecrets()
		w.pass()
	})
	t.Run("Salesforce refuses every fresh session", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		w.org.SetFault(always("/services/data/", &sandbox.Fault{SessionDeath: true}))
		w.run("run", "--once").want(exitRefused, "fresh session was refused")
	})
	t.Run("Referral Factory refuses the key, and the Salesforce side goes on", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		ann := w.due("Ann", 101)
		w.rf.RotateKey()
		w.run("run", "--once").want(exitRefused, "Referral Factory refused the API key")
		w.run("explain", ann.Code).want(exitDone, "is owed")
		w.wantPuts(0)
		w.writeSecrets()
		w.pass()
		w.wantQualified(ann)
	})
}

func TestAStoreThatIsAnothersExits78(t *testing.T) {
	t.Parallel()
	t.Run("another org's", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		ann := w.due("Ann", 101)
		w.belongTo("00D000000000001EAA")
		w.run("run", "--once").want(exitConfig, "qualifyd: ", "belongs to another Salesforce org", "00D000000000001EAA", w.org.ID())
		w.belongTo(w.org.ID())
		w.pass()
		w.wantQualified(ann)
	})
	t.Run("another account's", func(t *testing.T) {
		w := newWorld(t, watching)
		w.open()
		w.due("Ann", 101)
		account := sandbox.NewReferralFactory(nil)
		account.AddCampaign(101, "Of somebody else")
		w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasPrefix(r.URL.Path, "/api/v2/") { // one address serves all accounts; the key decides
				next = account.Handler()
			}
			next.ServeHTTP(rw, r)
		})
		w.write("referral-factory-key", account.Key())
		w.run("run", "--once").want(exitConfig, "qualifyd: ", "belongs to another Referral Factory account")
		w.wantPuts(0)
		if puts := account.Puts(); len(puts) != 0 {
			t.Errorf("the other account got %v, want nothing", puts)
		}
	})
}

func TestAStoreThatCannotBeUsedExits1(t *testing.T) {
	t.Parallel()
	t.Run("another process has it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, watching)
		w.open()
		s := w.lock()
		defer s.Close()
		w.run("run", "--once").want(exitFailed, "in use by another process", "hint: another qualifyd has the store")
	})
	t.Run("it is no store", func(t *testing.T) {
		w := newWorld(t, watching)
		w.write("qualifyd.db", strings.Repeat("a letter to somebody\n", 2000))
		w.run("run", "--once").want(exitFailed, w.storePath())
		w.run("explain", "1001").want(exitFailed, w.storePath())
	})
	t.Run("it is a folder", func(t *testing.T) {
		w := newWorld(t, watching)
		if err := os.Mkdir(w.storePath(), 0o700); err != nil {
			t.Fatal(err)
		}
		w.run("run", "--once").want(exitFailed, w.storePath())
	})
	t.Run("its folder cannot be made", func(t *testing.T) {
		w := newWorld(t, watching)
		w.edit("path: qualifyd.db", "path: salesforce-secret/qualifyd.db")
		w.run("run", "--once").want(exitFailed, filepath.Join(w.folder, "salesforce-secret"))
	})
}

// What waits for a person is no failure: the exit code stays 0, and the log warns.
func TestHeldReferralsExit0WithAWarning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.edit("brake: 50/1h", "brake: 1/1h")
	w.open()
	ann, annsLead := w.known("Ann", 101)
	bob, bobsLead := w.known("Bob", 101)
	w.status(annsLead, "Qualified")
	w.status(bobsLead, "Qualified")
	w.after(time.Minute)
	w.run("run", "--once").want(exitDone, "referrals wait for a person", "held_by_brake", `"level":"warn"`, `"held":1`)
	if n := len(w.rf.Qualifications()); n != 1 {
		t.Errorf("got %d qualifications, want one of %s and %s", n, ann.FirstName, bob.FirstName)
	}
}

func TestASandboxOrgQualifiesNobodyForReal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.org.SetSandbox(true)
	w.open()
	ann := w.due("Ann", 101)
	w.run("run", "--once").want(exitDone, "referrals wait for a person", `"reason":"sandbox"`)
	w.run("explain", ann.Code).want(exitDone, "sandbox")
	w.wantPuts(0)
}

// qualifyd poll does a daemon's work where none runs: on a store that was not closed, it looks first whether that is whole, and it makes none.
func TestAPollChecksAStoreThatWasNotClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.run("poll").want(exitFailed, "there is no store")
	w.open()
	s, err := store.OpenToWork(w.storePath())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(func(tx *store.Tx) error { return tx.Owe(store.Debt{Referral: 999, Campaign: 101}) })
	killed := readFile(t, w.storePath())
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	w.write("qualifyd.db", string(killed))
	for _, command := range [][]string{{"run", "--once"}, {"poll"}} {
		w.run(command...).want(exitFailed, "ended without closing the store", "something is owed about referral 999, which is not known")
	}
}

// Whether an org is a sandbox only Salesforce tells. Where it has not been reached yet, an order to qualify somebody waits for it.
func TestNothingIsSentBeforeItIsKnownWhetherTheOrgIsASandbox(t *testing.T) {
	t.Parallel()
	for name, isSandbox := range map[string]bool{"a sandbox": true, "a live org": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, watching)
			w.org.SetSandbox(isSandbox)
			w.org.SetFault(always("/", sandbox.HTML(503)))
			ann := w.refer("Ann", 101)
			w.run("run", "--once").want(exitIncomplete)
			w.run("qualify", ann.Code, "--reason", "won by phone").want(exitDone, "is owed; it is sent once a pass has found out that the org is no sandbox")
			w.run("run", "--once").want(exitIncomplete, "it is not known yet whether the org is a sandbox")
			w.run("outbox", "list").want(exitDone, "waits for: a pass that finds out whether the org is a sandbox")
			w.wantPuts(0)
			w.org.SetFault(nil)
			w.pass()
			if isSandbox {
				w.wantPuts(0)
				return
			}
			w.wantQualified(ann)
		})
	}
}

// Every run of the other tests is looked through for secrets at info; here the log tells all it can.
func TestTheLogTellsNoSecretEvenAtDebug(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching+creating)
	w.edit("level: info", "level: debug")
	w.open()
	w.due("Ann", 101)
	w.org.KillSessions()
	w.refer("Bob", 102)
	w.org.SetFault(always("/composite", sandbox.HTML(503)))
	w.run("run", "--once").want(exitIncomplete, `"level":"debug"`)
	w.org.SetFault(nil)
	w.org.RotateSecret()
	w.rf.RotateKey()
	w.run("run", "--once").want(exitRefused)
}

func TestTheConfigIsNamedByFlagOrEnvironment(t *testing.T) {
	w := newWorld(t, watching)
	t.Setenv("QUALIFYD_CONFIG", w.config)
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"config", "check"}, streams{&out, &errs}); code != exitDone || !strings.Contains(out.String(), w.config) {
		t.Errorf("by environment: got code %d, %q and %q; want %d and the path", code, out.String(), errs.String(), exitDone)
	}
	t.Setenv("QUALIFYD_CONFIG", filepath.Join(w.folder, "none.yaml"))
	w.run("config", "check").want(exitDone)
}

// A proxy or a captive portal that answers in the place of Salesforce is no refusal of the credentials.
func TestAWebPageInPlaceOfTheLoginExits75(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	for _, status := range []int{http.StatusBadGateway, http.StatusForbidden} { // 403: a proxy that does not let it through
		w.org.SetFault(always("/oauth2/token", sandbox.HTML(status)))
		w.run("run", "--once").want(exitIncomplete, "log in to Salesforce")
	}
}

// A pass that is put off is no trouble, of the daemon's as of others.
func TestAPassThatIsPutOffIsNoTroubleOfSalesforces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.edit("daily_calls: 20%", "daily_calls: 6")
	w.pass()
	w.run("run", "--once").want(exitIncomplete, "the pass is put off, so that the calls of salesforce.daily_calls last the day")
	if status := w.run("status").want(exitDone, "of a share of 6").out; strings.Contains(status, "trouble") {
		t.Errorf("got a status with trouble, want none:\n%s", status)
	}
}
