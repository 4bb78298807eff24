package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// predicament is a referral that does not qualify, for a reason; follow does what explain says has to happen next, as those would who are told.
type predicament struct {
	reason rules.Reason
	name   string
	keys   []string // of the campaign, its qualify first
	before func(w *world)
	reach  func(w *world) (u sandbox.User, lead string)
	follow func(w *world, u sandbox.User, lead string, says string)
}

var predicaments = []predicament{
	{rules.NoRecord, "", keys(toStatus), nothing, somebody, func(w *world, u sandbox.User, _, says string) {
		w.status(w.lead(w.userIn(says, u)), "Qualified")
	}},
	{rules.NoRecord, "one that was there before, by a pin", keys(toStatus, "duplicates: create_new"), nothing, older1, func(w *world, _ sandbox.User, lead, says string) {
		w.order(says, "referrals pin", "RECORD", lead)
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.NoRecord, "there from the start", keys(toStatus, creatingKeys...), func(w *world) { w.refer("Ann", 101) },
		func(w *world) (sandbox.User, string) { return w.called("Ann"), "" }, func(w *world, u sandbox.User, _, says string) {
			w.order(says, "referrals join")
			w.pass()
			w.status(w.org.IDs("Lead")[0], "Qualified")
		}},
	{rules.ValueNotReached, "", keys(toStatus), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) { w.status(lead, "Qualified") }},
	{rules.ValueNotReached, "of a converted Lead", keys(toStatus), nothing, func(w *world) (sandbox.User, string) {
		u, lead := w.known("Ann", 101)
		w.org.Convert(lead, sandbox.Conversion{})
		w.pass()
		return u, lead
	}, func(w *world, u sandbox.User, _, says string) { w.order(says, "qualify") }},
	{rules.ValueNotReached, "of a converted Lead, with another one", keys(toStatus), nothing, func(w *world) (sandbox.User, string) {
		u, lead := w.known("Ann", 101)
		w.org.Convert(lead, sandbox.Conversion{})
		w.pass()
		return u, lead
	}, func(w *world, u sandbox.User, _, says string) { w.status(w.lead(w.userIn(says, u)), "Qualified") }},
	{rules.ValueNotReached, "before the rule counts", keys(toStatus, "effective_from: 2032-11-05"), nothing, entered, func(w *world, _ sandbox.User, lead, says string) {
		if !strings.HasPrefix(says, "not before 2032-11-05 00:00Z") {
			w.t.Errorf("got %q, want that it is too early", says)
		}
		w.after(4 * 24 * time.Hour)
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ValuePredates, "", keys(toStatus, "duplicates: update"), nothing, func(w *world) (sandbox.User, string) {
		return older(w, sandbox.Fields{"Status": "Qualified"})
	}, func(w *world, _ sandbox.User, lead, _ string) {
		w.status(lead, "Working - Contacted")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ValuePredates, "of a conversion", keys(converts, "duplicates: update"), nothing, func(w *world) (sandbox.User, string) {
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
		w.org.Convert(lead, sandbox.Conversion{})
		w.after(48 * time.Hour)
		u := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.pass()
		return u, lead
	}, func(w *world, _ sandbox.User, _, says string) { w.order(says, "qualify") }},
	{rules.NotConverted, "", keys(converts), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) { w.org.Convert(lead, sandbox.Conversion{}) }},
	{rules.WithoutOpportunity, "", keys(converts), nothing, convertedWithout, func(w *world, u sandbox.User, _, says string) {
		w.org.Create("Opportunity", w.coded(says, u))
	}},
	{rules.WithoutOpportunity, "by a pin", keys(converts), nothing, convertedWithout, func(w *world, _ sandbox.User, _, says string) {
		deal := w.org.Create("Opportunity", sandbox.Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2033-01-31"})
		w.order(says, "referrals pin", "OPPORTUNITY", deal)
	}},
	{rules.StageNotReached, "", keys(toStage), nothing, func(w *world) (sandbox.User, string) {
		u, lead := w.known("Ann", 101)
		deal := w.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		w.pass()
		return u, deal
	}, func(w *world, _ sandbox.User, deal, _ string) {
		w.org.Update("Opportunity", deal, sandbox.Fields{"StageName": "Closed Won"})
	}},
	{rules.RecordDeleted, "", keys(toStatus), nothing, deleted, func(w *world, _ sandbox.User, lead, _ string) {
		w.org.Undelete("Lead", lead)
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.RecordDeleted, "another is made", keys(toStatus), nothing, deleted, func(w *world, u sandbox.User, _, says string) { w.status(w.lead(w.userIn(says, u)), "Qualified") }},
	{rules.ExistingRecord, "", keys(toStatus), nothing, older1, func(w *world, _ sandbox.User, lead, says string) {
		w.order(says, "referrals pin")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ExistingRecord, "the record is deleted", keys(toStatus), nothing, older1, func(w *world, u sandbox.User, lead, says string) {
		w.org.Delete("Lead", lead)
		w.order(says, "referrals rejudge")
		w.pass()
		w.status(w.lead(u), "Qualified")
	}},
	{rules.ExistingRecord, "the policy is changed", keys(toStatus, "duplicates: do_nothing"), nothing, older1, func(w *world, _ sandbox.User, lead, says string) {
		w.edit("duplicates: do_nothing", "duplicates: update")
		w.order(says, "referrals rejudge")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.Ambiguous, "", keys(toStatus), nothing, disputed, func(w *world, _ sandbox.User, lead, says string) {
		w.order(says, "referrals pin")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.Ambiguous, "by the code", keys(toStatus), nothing, disputed, func(w *world, u sandbox.User, lead, _ string) {
		w.org.Update("Lead", lead, sandbox.Fields{"Referral_Code__c": u.Code})
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ValueRewritten, "", keys(toStatus), nothing, rewritten, func(w *world, _ sandbox.User, _, says string) { w.order(says, "qualify") }},
	{rules.ValueRewritten, "it really changes", keys(toStatus), nothing, rewritten, func(w *world, _ sandbox.User, lead, _ string) {
		w.status(lead, "Working - Contacted")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ValueUnknown, "", keys(`{method: lead_field_changes, field: Status, value: Qualifeid}`), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) {
		w.edit("value: Qualifeid", "value: Qualified")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.ValueUnknown, "it is added", keys(`{method: lead_field_changes, field: Status, value: Qualifeid}`), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) {
		w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualifeid"})
		w.after(15 * time.Minute)
		w.pass()
		w.status(lead, "Qualifeid")
	}},
	{rules.FieldUnreadable, "", keys(toStatus), func(w *world) { w.org.HideField("Lead", "Status") }, entered, func(w *world, _ sandbox.User, lead, _ string) {
		w.org.ShowField("Lead", "Status")
		w.after(15 * time.Minute)
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.FieldUnreadable, "its name is corrected", keys(`{method: lead_field_changes, field: Statsu, value: Qualified}`), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) {
		w.edit("field: Statsu", "field: Status")
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.JoinRefused, "", keys(toStatus, "when_lead_joins: create_lead", "fields: [{to: LastName, dynamic: first_name}]"), nothing, somebody, func(w *world, _ sandbox.User, _, says string) {
		w.edit("fields: [{to: LastName, dynamic: first_name}]", "fields: [{to: LastName, dynamic: first_name}, {to: Company, fixed: Acme}]")
		w.order(says, "referrals rejudge")
		w.pass()
		w.status(w.org.IDs("Lead")[0], "Qualified")
	}},
	{rules.NoRule, "", keys("{method: none}"), nothing, entered, func(w *world, _ sandbox.User, lead, _ string) {
		w.edit("{method: none}", toStatus)
		w.pass()
		w.status(lead, "Qualified")
	}},
	{rules.NoRule, "by hand", keys("{method: none}"), nothing, entered, func(w *world, _ sandbox.User, _, says string) { w.order(says, "qualify") }},
	{rules.InSandbox, "", keys(toStatus), func(w *world) { w.org.SetSandbox(true) }, due, func(w *world, _ sandbox.User, _, _ string) {
		w.edit("referral_factory:", "referral_factory:\n  send_from_sandbox: true")
	}},
	{rules.HeldByBrake, "", keys(toStatus, "brake: 1/1h"), nothing, func(w *world) (sandbox.User, string) {
		w.due("Zoe", 101)
		w.pass()
		return due(w)
	}, func(w *world, _ sandbox.User, _, says string) { w.order(says, "release") }},
	{rules.OverriddenByHand, "", keys(toStatus), nothing, func(w *world) (sandbox.User, string) {
		u, lead := due(w)
		w.run("unqualify", u.Code, "--reason", "test").want(exitDone)
		w.pass()
		return u, lead
	}, func(w *world, _ sandbox.User, _, says string) { w.order(says, "resume") }},
	{rules.RejectedByService, "", keys(toStatus), func(w *world) {
		w.rf.SetFault(always("PUT /api/v2/users/qualification", &sandbox.Fault{Status: 422, Body: `{"message":"not launched"}`}))
	}, due, func(w *world, _ sandbox.User, _, says string) {
		w.rf.SetFault(nil)
		w.order(says, "outbox retry")
	}},
}

var creatingKeys = []string{"when_lead_joins: create_lead", "fields: [{to: LastName, dynamic: first_name}, {to: Company, fixed: Acme}]"}

func keys(qualify string, more ...string) []string { return append([]string{qualify}, more...) }

func nothing(*world) {}

func somebody(w *world) (sandbox.User, string) { u := w.refer("Ann", 101); w.pass(); return u, "" }
func entered(w *world) (sandbox.User, string)  { return w.known("Ann", 101) }
func due(w *world) (sandbox.User, string)      { u := w.due("Ann", 101); w.pass(); return u, "" }
func older1(w *world) (sandbox.User, string)   { return older(w) }

// older is a referral whose Lead was there two days before.
func older(w *world, more ...sandbox.Fields) (sandbox.User, string) {
	fields := sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"}
	for _, some := range more {
		for name, value := range some {
			fields[name] = value
		}
	}
	lead := w.org.Create("Lead", fields)
	w.after(48 * time.Hour)
	u := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
	w.pass()
	return u, lead
}

func convertedWithout(w *world) (sandbox.User, string) {
	u, lead := w.known("Ann", 101)
	w.org.Convert(lead, sandbox.Conversion{NoOpportunity: true})
	w.pass()
	return u, lead
}

func deleted(w *world) (sandbox.User, string) {
	u, lead := w.known("Ann", 101)
	w.org.Delete("Lead", lead)
	w.pass()
	return u, lead
}

func disputed(w *world) (sandbox.User, string) {
	u := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
	w.rf.Refer(101, sandbox.NewUser{FirstName: "Anna", Email: "ann@example.com"})
	w.pass()
	lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
	w.pass()
	return u, lead
}

func rewritten(w *world) (sandbox.User, string) {
	u, lead := w.known("Ann", 101)
	w.org.ReplaceValue("Lead", "Status", "Open - Not Contacted", "Qualified")
	w.pass()
	return u, lead
}

// called is the user with a first name.
func (w *world) called(name string) (u sandbox.User) {
	for _, one := range w.rf.Users() {
		if one.FirstName == name {
			u = one
		}
	}
	return u
}

// userIn is somebody as the advice names them: with the code that it says.
func (w *world) userIn(says string, u sandbox.User) sandbox.User {
	w.t.Helper()
	code := regexp.MustCompile(`with the code (\S+) in Referral_Code__c`).FindStringSubmatch(says)
	if code == nil {
		w.t.Fatalf("got %q, want the code in it", says)
	}
	return sandbox.User{FirstName: u.FirstName, Code: code[1]}
}

func (w *world) coded(says string, u sandbox.User) sandbox.Fields {
	w.t.Helper()
	if !strings.Contains(says, "with the code "+u.Code+" in its Referral_Code__c") {
		w.t.Fatalf("got %q, want the code in it", says)
	}
	return sandbox.Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2033-01-31", "Referral_Code__c": u.Code}
}

// order runs the command that the advice names, word by word; what it leaves open is filled in.
func (w *world) order(says, command string, fillIn ...string) {
	w.t.Helper()
	found := regexp.MustCompile(`qualifyd (` + command + `( [A-Za-z0-9]+\b)*( --yes)?( --reason TEXT)?)`).FindStringSubmatch(strings.ReplaceAll(says, "\n", " "))
	if found == nil {
		w.t.Fatalf("got %q, want the command %s in it", says, command)
	}
	text := found[1]
	if len(fillIn) > 0 {
		text = strings.Replace(text, fillIn[0], fillIn[1], 1)
	}
	w.run(strings.Fields(text)...).want(exitDone)
}

// Whoever does what explain says has to happen next, qualifies; and no reason is without its advice.
func TestWhoFollowsTheAdviceQualifies(t *testing.T) {
	t.Parallel()
	tried := map[rules.Reason]bool{
		// Nothing is left to do, or nobody is meant; and what passes do by themselves.
		rules.QualifiedByRule: true, rules.QualifiedByOperator: true, rules.QualifiedElsewhere: true, rules.NotInCampaign: true, rules.NotEffectiveYet: true,
	}
	for _, p := range predicaments {
		tried[p.reason] = true
		t.Run(strings.TrimSpace(fmt.Sprintf("%s %s", p.reason, p.name)), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, campaignOf(p.keys[0], p.keys[1:]...))
			w.rf.Refer(103, sandbox.NewUser{FirstName: "Of another campaign"})
			p.before(w)
			w.open()
			u, record := p.reach(w)
			s := w.told(u, string(p.reason))
			p.follow(w, u, record, s.Next.What)
			w.after(3 * time.Minute)
			w.pass()
			if w.rf.User(u.ID).QualifiedAt == "" {
				t.Errorf("got this after following %q, want the referral qualified:\n%s", s.Next.What, w.run("explain", u.Code).out)
			}
		})
	}
	for _, reason := range rules.Reasons() {
		if !tried[reason] {
			t.Errorf("%s: nobody has followed its advice", reason)
		}
	}
}
