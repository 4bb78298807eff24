package simulation

import (
	"fmt"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// campaign is a campaign as its config says.
type campaign struct {
	id int64
	rule
	object     string
	create     bool
	coded      bool // referral_code_field is set
	codeField  string
	duplicates string
	braked     bool
	writes     *watched  // what it fills in besides, in a record that it makes or marks
	effective  time.Time // zero where the config does not say
	out        bool      // it is not in the config
	movedAct   int       // when it left the config, or came back
	restored   bool      // a backup was restored: its first sweep may have been another

	// What the model knows of the rule, as it is now.
	changed             bool      // it was another before
	former              []rule    // ... the last that qualifyd has known for certain, and those since that it may have known
	since               time.Time // ... until then, or out of the config
	perhaps             bool      // ... of which it is not certain that qualifyd has known it
	firstTry, firstDone time.Time // when the first poll under it began, and when the first whole one ended

	// ... and of the runs that it was in the config for.
	sweeps      []*run
	codesSeen   bool // the codes on its object could be read once, for certain
	missed      bool // whole passes have gone by while it was not
	backFrom    int  // when the first pass began since it is back
	deepAct     int  // acts until this one are known whatever their stamps
	dailyAct    int  // ... by a regular look at everybody
	dailyBefore int  // the same before the newest pass
	wholeBefore int  // when the newest whole pass before this one began
	wholeStart  time.Time
}

// rule is when a campaign's referrals qualify.
type rule struct {
	method  string
	watched watched // of the field methods
	stage   string
}

// same tells whether two rules ask for the same.
func (r rule) same(other rule) bool {
	return r.method == other.method && r.watched.field == other.watched.field && strings.EqualFold(r.watched.value, other.watched.value)
}

// watched is a field and the value that it has to become.
type watched struct {
	field, value string
	others       []any // what else it may hold
	good         any   // the value, as the org holds it
	formula      bool
}

const wonStage = "Closed Won"

var leadFields = []watched{
	{field: "Status", value: "Qualified", good: "Qualified", others: []any{"Open - Not Contacted", "Working - Contacted"}},
	{field: "Status", value: "Qualified", good: "Qualified", others: []any{"Open - Not Contacted", "Working - Contacted"}},
	{field: "Status", value: "qualified", good: "Qualified", others: []any{"Open - Not Contacted", "Working - Contacted"}},
	{field: "Score__c", value: "5", good: 5.0, others: []any{nil, 3.0, 5.5}},
	{field: "Keen__c", value: "true", good: true, others: []any{false}},
	{field: "Tags__c", value: "hot;big", good: "big;hot", others: []any{nil, "hot", "big;hot;old"}},
	{field: "Grade__c", value: "A", good: 5.0, others: []any{nil, 3.0}, formula: true}, // it follows Score__c
}

var contactFields = []watched{
	{field: "LeadSource", value: "Partner Referral", good: "Partner Referral", others: []any{"Web", "Other", nil}},
	{field: "Tier__c", value: "Gold", good: "Gold", others: []any{nil, "Silver", "Bronze"}},
}

// set is the field that people set to have the watched one change.
func (f watched) set() string {
	if f.formula {
		return "Score__c"
	}
	return f.field
}

// writtenAs is the value as the config fills it in.
func (f watched) writtenAs() string { return fmt.Sprint(f.good) }

// zones are those in which an account's days may be.
var zones = []*time.Location{time.UTC, time.UTC, time.FixedZone("Los Angeles", -8*3600), time.FixedZone("Tokyo", 9*3600)}

// setUp makes the org, the account and the config of this history.
func (w *world) setUp() {
	for _, object := range objects {
		w.org.AddField(object, sandbox.FieldDef{Name: codeField, Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
		w.org.AddField(object, sandbox.FieldDef{Name: otherCodeField, Label: "Partner Code", Type: "string", Length: 40, ExternalID: true})
	}
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualified", Label: "Sales qualified"})
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Nurtured"})
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Score__c", Type: "double", Precision: 5, Scale: 2})
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Keen__c", Type: "boolean"})
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Tags__c", Type: "multipicklist", Values: sandbox.Picklist("hot", "big", "old")})
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Grade__c", Type: "string", Formula: func(row sandbox.Fields) any {
		if n, _ := row["Score__c"].(float64); n >= 5 {
			return "A"
		}
		return "B"
	}})
	w.org.AddField("Contact", sandbox.FieldDef{Name: "Tier__c", Type: "picklist", Values: sandbox.Picklist("Gold", "Silver", "Bronze")})
	for _, object := range objects {
		if w.chance(0.08) {
			w.org.DropObject(object + "History")
			w.truth.noHistory[object] = true
			w.tell("the org has no %sHistory", object)
		}
	}
	for _, field := range []string{"Lead.Status", "Lead.Score__c", "Lead.Keen__c", "Lead.Tags__c", "Contact.LeadSource", "Contact.Tier__c"} {
		if w.chance(0.5) {
			w.track(field, true)
		}
	}
	for _, object := range []string{"Lead", "Contact"} {
		if w.chance(0.1) {
			w.org.DuplicateRule(object, w.chance(0.5))
		}
	}
	w.org.SetPageSize(pick(w, []int{3, 10, 2000}))
	w.zone = pick(w, zones)
	w.rf.SetZone(w.zone)
	w.rf.NewestFirst(w.chance(0.5))
	w.rf.IgnorePerPage(w.chance(0.3))
	rate := pick(w, []float64{0, 0.02, 0.06, 0.15})
	w.faultRate, w.meanwhile, w.ordering = rate, pick(w, []float64{0, 0.03, 0.1}), pick(w, []float64{0, 0.5, 1})
	w.requestDeath, w.commitDeath = pick(w, []float64{0, 0.01, 0.04}), pick(w, []float64{0, 0.01, 0.04})
	w.people = &people{w: w, refs: map[int64]*referral{}, fields: map[string]*field{}, passes: 20 + w.dice.IntN(40), leisure: pick(w, []float64{0, 0.1, 0.5}), firstRow: w.chance(0.7)}
	w.org.InitialStageRow(w.people.firstRow)
	for i := range 2 + w.dice.IntN(4) {
		c := w.randomCampaign(int64(101 + i))
		w.campaigns = append(w.campaigns, c)
		w.rf.AddCampaign(c.id, fmt.Sprintf("Campaign %d", c.id))
	}
}

func (w *world) track(name string, on bool) {
	object, field, _ := strings.Cut(name, ".")
	if w.truth.noHistory[object] {
		return
	}
	w.org.Track(object, field, on)
	w.truth.tracked[name] = on
	w.tell("history tracking of %s: %v", name, on)
}

func (w *world) randomCampaign(id int64) *campaign {
	c := &campaign{id: id, object: "Lead", coded: w.chance(0.75), duplicates: pick(w, []string{"do_nothing", "update", "create_new"}), braked: w.chance(0.15)}
	if c.codeField = codeField; w.chance(0.25) {
		c.codeField = otherCodeField
	}
	c.method = pick(w, []string{"lead_field_changes", "lead_field_changes", "contact_field_changes", "lead_converts", "lead_converts", "lead_converts_to_stage", "lead_converts_to_stage"})
	switch c.method {
	case "contact_field_changes":
		c.object, c.watched = "Contact", pick(w, contactFields)
	case "lead_field_changes":
		c.watched = pick(w, leadFields)
	case "lead_converts_to_stage":
		c.stage = wonStage
	}
	if w.chance(0.02) {
		c.method = "none"
	}
	c.create = w.chance(0.4)
	if c.create && w.chance(0.4) {
		fields := leadFields
		if c.object == "Contact" {
			fields = contactFields
		}
		if f := pick(w, fields); !f.formula {
			c.writes = &f
		}
	}
	switch {
	case w.chance(0.15):
		c.effective = birth.Truncate(time.Hour).Add(-w.between(0, 10*24*time.Hour)).Truncate(24 * time.Hour)
	case w.chance(0.15):
		c.effective = birth.Add(w.between(0, 10*24*time.Hour)).Truncate(time.Second)
	}
	w.tell("campaign %d: %s %s object=%s create=%v coded=%v (%s) duplicates=%s braked=%v effective=%v", id, c.method, c.watched.field, c.object, c.create, c.coded, c.codeField, c.duplicates, c.braked, c.effective)
	if c.writes != nil {
		w.tell("campaign %d fills in %s=%s", id, c.writes.field, c.writes.writtenAs())
	}
	return c
}

// configured is the campaign as qualifyd takes it.
func (c *campaign) configured() rules.Campaign {
	out := rules.Campaign{
		ID: c.id, Name: fmt.Sprintf("Campaign %d", c.id), Mode: rules.DoNothingOnJoin, Object: rules.Object(c.object), Duplicates: rules.Duplicates(c.duplicates),
		Method: rules.Method(c.method), Field: c.watched.field, Value: c.watched.value, EffectiveFrom: c.effective,
	}
	if c.method == "lead_converts_to_stage" {
		out.Value = c.stage
	}
	if c.coded {
		out.CodeField = c.codeField
	}
	if c.braked {
		out.Brake = rules.Brake{Count: 2, Window: time.Hour}
	}
	if c.create {
		out.Mode, out.Fields = rules.CreateLead, []rules.Mapping{{To: "LastName", Dynamic: "code"}}
		if c.object == "Contact" {
			out.Mode = rules.CreateContact
		} else {
			out.Fields = append(out.Fields, rules.Mapping{To: "Company", Fixed: "Referred"})
		}
		if c.writes != nil {
			out.Fields = append(out.Fields, rules.Mapping{To: c.writes.field, Fixed: c.writes.writtenAs()})
		}
	}
	return out
}
