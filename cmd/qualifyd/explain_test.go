package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/sync/sandbox"
)

// The campaigns of these tests, as their qualify and other keys.
const (
	toStatus = `{method: lead_field_changes, field: Status, value: Qualified}`
	toStage  = `{method: lead_converts_to_stage, stage: Closed Won}`
	converts = `{method: lead_converts}`
)

func campaignOf(qualify string, more ...string) string {
	keys := append([]string{"- id: 101", "name: Refer a friend", "referral_code_field: Referral_Code__c", "qualify: " + qualify}, more...)
	return "\n  " + strings.Join(keys, "\n    ") + "\n"
}

// told is a referral's story as a program reads it; and what a person reads is looked through for pieces of it.
func (w *world) told(u sandbox.User, reason string, pieces ...string) desk.Story {
	w.t.Helper()
	text := w.run("explain", u.Code).want(exitDone, fmt.Sprintf("referral %d (code %s) of campaign %d is ", u.ID, u.Code, u.CampaignID), reason+": ")
	var stories []desk.Story
	if err := json.Unmarshal([]byte(w.run("explain", u.Code, "-o", "json").want(exitDone).out), &stories); err != nil || len(stories) != 1 {
		w.t.Fatalf("explain %s: got %v and %d stories, want one", u.FirstName, err, len(stories))
	}
	s := stories[0]
	if string(s.Reason) != reason {
		w.t.Errorf("%s: got the reason %s (%s), want %s", u.FirstName, s.Reason, s.Sentence, reason)
	}
	if s.Next.What == "" || s.Next.Who == "" {
		w.t.Errorf("%s under %s: nothing says what comes next", u.FirstName, reason)
	}
	unbroken := strings.Join(strings.Fields(text.out), " ") // lines are broken between words
	for _, piece := range pieces {
		if !strings.Contains(unbroken, piece) {
			w.t.Errorf("%s under %s: got\n%s\nwant %q in it", u.FirstName, reason, text.out, piece)
		}
	}
	return s
}

func (w *world) wantNext(s desk.Story, who desk.Actor, what string) {
	w.t.Helper()
	if s.Next.Who != who || !strings.Contains(s.Next.What, what) {
		w.t.Errorf("next under %s: got %s: %s; want %s and %q", s.Reason, s.Next.Who, s.Next.What, who, what)
	}
}

func TestExplainTellsTheStoryOfAQualification(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.org.Track("Lead", "Status", false)
	w.open()
	ann, lead := w.known("Ann", 101)
	w.status(lead, "Working - Contacted")
	w.pass()
	w.status(lead, "Qualified")
	w.pass()
	s := w.told(ann, "qualified",
		"is delivered", "Ann <"+ann.Email+">, source Referred, referred by user", "signed up on 2032-11-01", "joined 2032-11-01 00:00:00Z: the start of the sign-up day",
		`campaign 101 Refer a friend qualifies when Status of a linked Lead becomes "Qualified"`,
		"changes count from 2032-11-01 09:31:15Z: the first pass that read Salesforce to the end",
		"Lead "+lead+", linked by the code it carries and its e-mail", `Status is "Qualified" as of 2032-11-01 11:35:15Z`,
		"no Lead or Contact of the person existed before",
		`Lead `+lead+`: Status was "Open - Not Contacted" when first seen`,
		`2032-11-01 11:33:15Z Lead `+lead+`: Status went from "Open - Not Contacted" to "Working - Contacted" (snapshot)`,
		`2032-11-01 11:34:15Z Lead `+lead+`: Status went from "Working - Contacted" to "Qualified" (snapshot) -> counts`,
		`expected: Lead.Status = "Qualified"`, `actual: Lead `+lead+`: Status = "Qualified"`, "judged at 2032-11-01 11:35:15Z",
		"judged to qualify: Status of Lead", "qualified at Referral Factory", "delivery: sent, and answered: qualified on 2032-11-01")
	if len(s.Seen) != 3 || s.Seen[0].Reaches || s.Seen[1].Reaches || !s.Seen[2].Counts {
		t.Errorf("seen: got %+v, want the first value, a change to another, and the one that counts", s.Seen)
	}
	if len(s.Done) != 2 || s.Done[0].Act != "judged" || s.Done[1].Act != "delivered" || s.Delivery.DeliveredAt.IsZero() {
		t.Errorf("done: got %+v, want judged and delivered, and when", s.Done)
	}
}

func TestExplainTellsAHistoryRowsTimeAndProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.org.Track("Lead", "Status", true)
	w.open()
	ann, lead := w.known("Ann", 101)
	w.status(lead, "Qualified")
	w.status(lead, "Working - Contacted") // has moved on before anybody looked
	w.pass()
	s := w.told(ann, "qualified", `to "Qualified" (history) -> counts`, `actual: Lead `+lead+`: Status = "Working - Contacted"`)
	for _, o := range s.Seen {
		if o.Counts != (o.Proof == "history" && o.To == "Qualified" && o.Row != "") {
			t.Errorf("seen: got %+v in %+v, want that the history row to the value counts, and nothing else", o, s.Seen)
		}
	}
}

// The config may name a value by its label; what a record has to hold is the API value.
func TestExplainExpectsTheAPIValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(`{method: lead_field_changes, field: status, value: very GOOD}`))
	w.org.RelabelValue("Lead", "Status", "Qualified", "Very good")
	w.open()
	ann, _ := w.known("Ann", 101)
	w.told(ann, "value_not_reached", `expected: Lead.Status = "Qualified"`)
}

func TestExplainTellsWhatIsMissingInSalesforce(t *testing.T) {
	t.Parallel()
	t.Run("no record", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.open()
		ann := w.refer("Ann", 101)
		w.pass()
		s := w.told(ann, "no_record", "records none", "actual: no linked Lead", "nothing that bears on the rule", "delivery: nothing was sent")
		w.wantNext(s, desk.Sales, "make a Lead with the referral's e-mail, or with the code "+ann.Code+" in Referral_Code__c")
	})
	t.Run("the value is another", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.open()
		ann, lead := w.known("Ann", 101)
		s := w.told(ann, "value_not_reached", `actual: Lead `+lead+`: Status = "Open - Not Contacted"`)
		w.wantNext(s, desk.Sales, `set Status of the Lead to "Qualified"`)
	})
	t.Run("the value was there before", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus, "duplicates: update"))
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com", "Status": "Qualified"})
		w.open()
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.pass()
		s := w.told(ann, "value_predates", `Status was "Qualified" when first seen -> does not count: it was so already, and the record was created at 2032-11-01 09:30:15Z: before`,
			"existed before: Lead "+lead+", created 2032-11-01 09:30:15Z, before the sweep of 2032-11-01 09:31:14Z, which did not show the referral yet",
			"under do_nothing: the referral could not qualify, because of Lead "+lead,
			"under create_new: Lead "+lead+" would be left alone; only a Lead that is newer than the referral would count")
		w.wantNext(s, desk.Sales, `set Status of the Lead to another value and, after the next pass, to "Qualified" again`)
	})
	t.Run("the record is deleted", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.open()
		ann, lead := w.known("Ann", 101)
		w.org.Delete("Lead", lead)
		w.pass()
		w.wantNext(w.told(ann, "record_deleted", "deleted in Salesforce"), desk.Sales, "undelete")
	})
	t.Run("not converted, without an Opportunity", func(t *testing.T) {
		w := newWorld(t, campaignOf(converts))
		w.open()
		ann, lead := w.known("Ann", 101)
		w.wantNext(w.told(ann, "not_converted", "Lead "+lead+" is not converted"), desk.Sales, "convert the Lead, with an Opportunity")
		made := w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true})
		w.pass()
		s := w.told(ann, "converted_without_opportunity", "converted on 2032-11-01 into Contact "+made.ContactID+" and no Opportunity",
			"Lead "+lead+" was converted (snapshot) -> does not count: Lead "+lead+" was converted without an Opportunity")
		w.wantNext(s, desk.Sales, "make an Opportunity with the code "+ann.Code)
	})
	t.Run("the stage is another", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStage))
		w.open()
		ann, lead := w.known("Ann", 101)
		made := w.org.Convert(lead, sandbox.Conversion{Stage: "Prospecting"})
		w.pass()
		s := w.told(ann, "stage_not_reached", `Opportunity `+made.OpportunityID+`: StageName = "Prospecting"`,
			`expected: a Lead that is converted with an Opportunity, and Opportunity.StageName = "Closed Won"`)
		w.wantNext(s, desk.Sales, `move the Opportunity to the stage "Closed Won"`)
		w.org.Update("Opportunity", made.OpportunityID, sandbox.Fields{"StageName": "Closed Won"})
		w.pass()
		w.told(ann, "qualified", `to "Closed Won" (history) -> counts`)
	})
}

func TestExplainTellsWhatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	t.Run("the method is none", func(t *testing.T) {
		w := newWorld(t, campaignOf("{method: none}"))
		w.open()
		ann, _ := w.known("Ann", 101)
		w.wantNext(w.told(ann, "no_rule"), desk.Admin, "choose a qualify.method for campaign 101")
	})
	t.Run("the value is misspelt", func(t *testing.T) {
		w := newWorld(t, campaignOf(`{method: lead_field_changes, field: Status, value: Qualifeid}`))
		w.open()
		ann, _ := w.known("Ann", 101)
		w.wantNext(w.told(ann, "value_unknown", "the campaign is parked (value_unknown)", "did you mean Qualified?"), desk.Admin, "correct the campaign's value")
	})
	t.Run("a field is hidden", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.org.HideField("Lead", "Status")
		w.open()
		ann, _ := w.known("Ann", 101)
		w.wantNext(w.told(ann, "field_unreadable", "Status was never seen"), desk.SalesforceAdmin, "read access")
	})
	t.Run("whether Leads are converted is hidden", func(t *testing.T) {
		w := newWorld(t, campaignOf(converts))
		w.org.HideField("Lead", "IsConverted")
		w.open()
		ann, lead := w.known("Ann", 101)
		s := w.told(ann, "field_unreadable", "may not read Lead.IsConverted")
		if want := []string{"Lead " + lead + ": IsConverted was never seen"}; !slices.Equal(s.Condition.Actual, want) {
			t.Errorf("actual: got %q, want %q", s.Condition.Actual, want)
		}
	})
	t.Run("what Leads are converted into is hidden", func(t *testing.T) {
		w := newWorld(t, campaignOf(converts))
		w.org.HideField("Lead", "ConvertedOpportunityId")
		w.open()
		ann, lead := w.known("Ann", 101)
		w.org.Convert(lead, sandbox.Conversion{})
		w.pass()
		w.told(ann, "field_unreadable", "may not read Lead.ConvertedOpportunityId")
		w.run("explain", ann.Code).wantNot("no Opportunity")
	})
	t.Run("a record existed before, until a pin", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Cleo", "Company": "Acme", "Email": "cleo@example.com"})
		w.open()
		cleo := w.rf.Refer(101, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
		w.pass()
		s := w.told(cleo, "existing_record", "blocked by Lead "+lead+", created 2032-11-01 09:30:15Z, before the sweep of",
			"under update: Lead "+lead+" would be the referral's", "under create_new: Lead "+lead+" would be left alone", "older than the referral")
		w.wantNext(s, desk.Operator, fmt.Sprintf("qualifyd referrals pin %d %s", cleo.ID, lead))
		w.run("referrals", "pin", cleo.Code, lead, "--reason", "no customer: a typo of ours").want(exitDone)
		w.told(cleo, "existing_record", "note: a record waits to be read for it", "note: it waits to be judged anew")
		w.pass()
		w.told(cleo, "value_not_reached", "linked by a person (pinned)", "was pinned to it, by ", ": no customer: a typo of ours")
	})
	t.Run("two referrals claim the record", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.open()
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.pass()
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Anna", Email: "ann@example.com"})
		w.pass()
		w.pass()
		s := w.told(ann, "ambiguous", "another referral of the campaign claims it too")
		w.wantNext(s, desk.Operator, fmt.Sprintf("qualifyd referrals pin %d %s", ann.ID, lead))
		for _, name := range []string{"ann@example.com", lead} { // both are told
			w.run("explain", name).want(exitDone, fmt.Sprintf("referral %d ", ann.ID), fmt.Sprintf("referral %d ", ann.ID+1))
		}
	})
	t.Run("the value was rewritten in Setup", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.open()
		ann, _ := w.known("Ann", 101)
		w.org.ReplaceValue("Lead", "Status", "Open - Not Contacted", "Qualified")
		w.pass()
		s := w.told(ann, "value_rewritten", "does not count: the value was replaced in Setup", "held (value_rewritten)")
		w.wantNext(s, desk.Operator, fmt.Sprintf("qualifyd qualify %d", ann.ID))
	})
	t.Run("the brake holds it", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus, "brake: 1/1h"))
		w.open()
		for _, name := range []string{"Ann", "Bob"} {
			w.due(name, 101)
		}
		w.pass()
		w.wantNext(w.told(w.called("Bob"), "held_by_brake", "held (held_by_brake)", "-> counts"), desk.Operator, "qualifyd release 101")
	})
	t.Run("the org is a sandbox", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus))
		w.org.SetSandbox(true)
		w.open()
		ann := w.due("Ann", 101)
		w.pass()
		w.wantNext(w.told(ann, "sandbox", "-> counts", "delivery: nothing was sent"), desk.Admin, "send_from_sandbox")
	})
	t.Run("Salesforce refuses the record", func(t *testing.T) {
		w := newWorld(t, campaignOf(toStatus, "when_lead_joins: create_lead", "fields: [{to: Company, fixed: Acme}]"))
		w.open()
		ann := w.refer("Ann", 101)
		w.pass()
		w.wantNext(w.told(ann, "join_refused", "REQUIRED_FIELD_MISSING"), desk.SalesforceAdmin, fmt.Sprintf("qualifyd referrals rejudge %d", ann.ID))
	})
}

func TestExplainTellsWhatWasSentAndAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.open()
	ann := w.due("Ann", 101)
	w.rf.SetFault(always("PUT /api/v2/users/qualification", sandbox.HTML(503)))
	w.after(time.Minute)
	w.run("run", "--once").want(exitIncomplete)
	s := w.told(ann, "qualified", "is owed", "delivery: its qualification is owed since 2032-11-01 11:34Z; sent at")
	if !s.Delivery.Owed || s.Delivery.Attempts != 1 || s.Delivery.Trouble == "" {
		t.Errorf("delivery: got %+v, want one attempt with its trouble", s.Delivery)
	}
	w.wantNext(s, desk.Nobody, "reads it back")
	w.rf.SetFault(nil)
	w.after(3 * time.Minute)
	w.pass()
	w.told(ann, "qualified", "is delivered", "delivery: sent, and answered: qualified on 2032-11-01")

	w.rf.SetQualified(ann.ID, false)
	w.pass()
	s = w.told(ann, "overridden", "delivery: qualified at 2032-11-01", "set back to pending at Referral Factory")
	w.wantNext(s, desk.Operator, fmt.Sprintf("qualifyd resume %d --reason", ann.ID))

	bob := w.refer("Bob", 101)
	w.pass()
	w.rf.SetQualified(bob.ID, true)
	w.pass()
	w.wantNext(w.told(bob, "qualified_elsewhere", "nothing is sent: somebody else qualified it on 2032-11-01"), desk.Nobody, "nothing is left to do")

	cleo := w.due("Cleo", 101)
	w.run("explain", cleo.Code).want(exitDone, "no_record") // known by a sweep, and its Lead by none
	w.rf.SetFault(always("/api/v2/users/qualification", sandbox.HTML(503)))
	w.after(time.Minute)
	w.run("run", "--once").want(exitIncomplete)
	w.rf.SetFault(nil)
	w.rf.Remove(cleo.ID)
	w.pass()
	w.wantNext(w.told(cleo, "rejected", "the user is gone at Referral Factory", "delivery: refused by Referral Factory, and not tried again by itself"), desk.Operator, fmt.Sprintf("qualifyd outbox retry %d", cleo.ID))
}

// Whatever stands between a referral and its verdict is told as such.
func TestExplainTellsWhatPassesHaveStillToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	ann := w.refer("Ann", 101)
	w.org.SetFault(always("/composite", sandbox.HTML(503)))
	w.run("run", "--once").want(exitIncomplete)
	s := w.told(ann, "no_record", "it has not been looked up in Salesforce yet", "note: it waits to be looked up in Salesforce",
		"from when changes count is not known until a pass has read Salesforce to the end", "not checked yet")
	w.wantNext(s, desk.Nobody, "the next pass looks it up")
	w.org.SetFault(nil)
	w.open()
	w.told(ann, "no_record", "when the campaign was first swept")

	w.edit("value: Qualified", "value: Working - Contacted")
	w.told(ann, "no_record", "note: the campaign's rule was changed", `expected: Lead.Status = "Working - Contacted"`)
	w.pass()
	w.told(ann, "no_record", "the pass that first knew the campaign's present rule")

	w.edit("- id: 101", "- id: 103")
	s = w.told(ann, "no_record", "note: campaign 101 is not in the config")
	w.wantNext(s, desk.Admin, "put campaign 101 back into the config")
}

// Who is known keeps the day as it was when a sweep first showed them; explain does not claim that it is the day in another zone.
func TestExplainSaysInWhichZoneTheDayWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.open()
	ann := w.refer("Ann", 101)
	w.pass()
	w.told(ann, "no_record", ": the start of the sign-up day in referral_factory.timezone")
	w.edit("  base_url:", "  timezone: Europe/Berlin\n  base_url:")
	w.pass()
	w.told(ann, "no_record", "joined 2032-11-01 00:00:00Z: the start of the sign-up day in the zone that")
	bob := w.refer("Bob", 101)
	w.pass()
	w.told(bob, "no_record", "joined 2032-10-31 23:00:00Z: the start of the sign-up day in referral_factory.timezone")
}

func TestExplainOfNobodySaysWhyThatMayBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.open()
	w.run("explain", "nobody@example.com").want(exitDone, `not_in_campaign: nobody of a configured campaign has the id, code, record or e-mail "nobody@example.com"`,
		"not captured through a referral link", "the config does not have", "newer than the last sweep")
	late := w.refer("Late", 101)
	w.run("explain", late.Code).want(exitDone, "not_in_campaign")
	w.pass()
	w.told(late, "no_record")
}

// Whoever mistypes an Id pins a Lead that nobody has seen: nothing is known of its conversion.
func TestExplainDoesNotSayHowALeadStandsThatWasNeverSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(converts))
	w.open()
	ann, lead := w.known("Ann", 101)
	const nowhere = "00Q000000000009EAA"
	w.run("referrals", "pin", ann.Code, nowhere).want(exitDone)
	w.pass()
	s := w.told(ann, "not_converted", "not there: deleted for good, or not shared with the Salesforce user")
	want := []string{"Lead " + lead + " is not converted", "Lead " + nowhere + " was never seen"}
	if got := slices.Sorted(slices.Values(s.Condition.Actual)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("actual: got %q, want %q", got, want)
	}
}

// A name is whatever somebody typed into a form.
func TestExplainPrintsNoControlCharacters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf(toStatus))
	w.open()
	eve := w.rf.Refer(101, sandbox.NewUser{FirstName: "Eve\x1b[2J\x1b]0;owned\x07\nreferral 1 (code x) of campaign 101 is delivered", Email: "eve@example.com"})
	w.pass()
	r := w.run("explain", eve.Code).want(exitDone, "Eve")
	for _, c := range r.out {
		if c < ' ' && c != '\n' || c == 0x7f {
			t.Fatalf("got the control character %q in\n%q", c, r.out)
		}
	}
	if strings.Contains(r.out, "\nreferral 1 ") {
		t.Errorf("a name made a line of its own:\n%s", r.out)
	}
}

func TestLongLinesAreBrokenBetweenWords(t *testing.T) {
	p := &sheet{}
	p.line(4, "Status is %q %s", "Closed  Won", strings.Repeat("word ", 40)+strings.Repeat("x", 120))
	lines := strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[0], `    Status is "Closed  Won" word`) {
		t.Errorf("got %q, want broken lines with the value as it is", lines)
	}
	for _, l := range lines[:len(lines)-1] {
		if len(l) > sheetWidth {
			t.Errorf("got a line of %d columns, want at most %d: %q", len(l), sheetWidth, l)
		}
	}
	for _, l := range lines[1:] {
		if !strings.HasPrefix(l, "        ") {
			t.Errorf("got %q, want what is broken off further in", l)
		}
	}
}

// A rule that watches IsConverted like a field has first looks and creations like any other.
func TestExplainDoesNotCallALeadConvertedThatIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, campaignOf("{method: lead_field_changes, field: IsConverted, value: true}"))
	w.open()
	ann, lead := w.known("Ann", 101)
	w.told(ann, "value_not_reached", `Lead `+lead+`: IsConverted was "false" when first seen`)
	w.org.Convert(lead, sandbox.Conversion{})
	w.pass()
	w.told(ann, "qualified", "Lead "+lead+" was converted at ")

	bob := w.refer("Bob", 101)
	w.pass()
	born := w.lead(bob)
	w.org.Convert(born, sandbox.Conversion{})
	w.pass()
	w.told(bob, "qualified", "Lead "+born+" was created at ", `its IsConverted was "true" when it was first seen`)
}
