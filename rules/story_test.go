package rules_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
)

// A story is what happened to one referral's records, told in order: each step is an answer of Salesforce, a history row, or a write of ours.
// All stories play in November 2026; "11 10:02" is the 11th at 10:02 UTC.
//
// Unless a step says otherwise the campaign watches Lead.Status for "Qualified", its rule is effective from the 5th, and the referral
// signed up on the 10th: changes count from "10 00:00".
type story struct {
	rule     rules.Rule
	referral rules.Referral
	records  []*record
	now      *record // the record that the steps are about
}

type record struct {
	link     rules.Link
	row      rules.Record // the row as the next look will find it
	snapshot rules.Snapshot
	stages   []rules.StageRow
	unread   bool
}

type step func(*story)

func at(text string) time.Time {
	for _, layout := range []string{"02 15:04:05", "02 15:04", "02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.AddDate(2026, 10, 0)
		}
	}
	panic("no instant of the story: " + text)
}

func tell(steps ...step) *story {
	s := &story{
		rule: rules.Rule{
			Campaign:  rules.Campaign{ID: 101, Object: rules.Lead, Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified"},
			Target:    rules.Target{Field: "Status", Type: "picklist", Value: "Qualified"},
			Effective: at("05"),
		},
		referral: rules.Referral{ID: 1, CampaignID: 101, Joined: at("10"), DayEnds: at("11")},
	}
	for _, do := range steps {
		do(s)
	}
	return s
}

func (s *story) linked() []rules.Linked {
	var out []rules.Linked
	for _, r := range s.records {
		l := rules.Linked{Link: r.link, Snapshot: r.snapshot}
		if r.unread {
			l.Snapshot = rules.Snapshot{}
		}
		out = append(out, l)
	}
	return out
}

// judge also holds what is true of every verdict: it does not depend on the order of the records, and what qualifies has evidence from
// when changes count.
func (s *story) judge(t *testing.T) rules.Verdict {
	t.Helper()
	records := s.linked()
	v := rules.Judge(s.rule, s.referral, records)
	slices.Reverse(records)
	if again := rules.Judge(s.rule, s.referral, records); verdict(again) != verdict(v) {
		t.Errorf("the records in another order: got %s, want %s", verdict(again), verdict(v))
	}
	if v.Sentence == "" {
		t.Errorf("%s: no sentence says why", verdict(v))
	}
	s.observed(t, v)
	if v.Outcome == rules.Qualified && v.EventAt().Before(s.referral.CountsFrom(s.rule)) {
		t.Errorf("qualified by what was at %v, before changes count", v.EventAt())
	}
	return v
}

// observed holds that what was seen of the records agrees with the verdict: something counts exactly where it says qualified, and what decided is
// among that; a value replaced in Setup is named where it holds the referral; and whatever the rule asks for and does not count says why.
func (s *story) observed(t *testing.T, v rules.Verdict) []rules.Observation {
	t.Helper()
	seen := rules.Observed(s.rule, s.referral, s.linked())
	counts := slices.ContainsFunc(seen, func(o rules.Observation) bool { return o.Counts })
	if counts != (v.Outcome == rules.Qualified) {
		t.Errorf("%s, and something counts: got %v: %+v", verdict(v), counts, seen)
	}
	for _, decided := range v.Evidence {
		if !slices.ContainsFunc(seen, func(o rules.Observation) bool { return o.Transition == decided && (o.Counts || o.Rewritten) }) {
			t.Errorf("%s by %+v: got no such observation that counts in %+v", verdict(v), decided, seen)
		}
	}
	for i, o := range seen {
		if o.Reaches && !o.Counts && o.Why == "" || o.Counts && (!o.Reaches || o.Why != "") {
			t.Errorf("an observation that contradicts itself: %+v", o)
		}
		if i > 0 && !o.At.IsZero() && o.At.Before(seen[i-1].At) {
			t.Errorf("%+v is told after %+v, which was later", o, seen[i-1])
		}
	}
	return seen
}

// verdict tells a verdict in one line: "not value_predates", "held value_rewritten", "qualified 11 10:02:00 history".
func verdict(v rules.Verdict) string {
	switch {
	case v.Outcome != rules.Qualified:
		return string(v.Outcome) + " " + string(v.Reason)
	case v.Reason != rules.QualifiedByRule || len(v.Evidence) != 1:
		return fmt.Sprintf("qualified with the reason %s and %d pieces of evidence", v.Reason, len(v.Evidence))
	}
	return fmt.Sprintf("qualified %s %s", v.Evidence[0].At.Format("02 15:04:05"), v.Evidence[0].Proof)
}

type told struct {
	name  string
	steps []step
	want  string
}

func judgeAll(t *testing.T, stories []told) {
	t.Helper()
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			v := tell(c.steps...).judge(t)
			if got := verdict(v); got != c.want {
				t.Errorf("got %s (%s), want %s", got, v.Sentence, c.want)
			}
		})
	}
}

// prefixed puts steps before those of each story.
func prefixed(stories []told, before ...step) []told {
	out := slices.Clone(stories)
	for i := range out {
		out[i].steps = slices.Concat(before, out[i].steps)
	}
	return out
}

// The rule.

func watching(field string, fieldType rules.Type, value string) step {
	return func(s *story) {
		s.rule.Field, s.rule.Value = field, value
		s.rule.Target = rules.Target{Field: field, Type: fieldType, Value: value}
	}
}

func labelled(label string) step { return func(s *story) { s.rule.Target.Label = label } }

func calculated(s *story) { s.rule.Target.Calculated = true }

func method(m rules.Method) step {
	return func(s *story) {
		s.rule.Method = m
		if m == rules.LeadConvertsToStage {
			s.rule.Value = "Won"
			s.rule.Target = rules.Target{Field: rules.StageName, Type: "picklist", Value: "Won"}
		}
	}
}

func effective(when string) step { return func(s *story) { s.rule.Effective = at(when) } }

func notYetEffective(s *story) { s.rule.Effective = time.Time{} }

func parked(reason rules.Reason) step {
	return func(s *story) { s.rule.Parked, s.rule.ParkedWhy = reason, "parked in this story" }
}

// The referral.

func joined(when string) step {
	return func(s *story) {
		s.referral.Joined = at(when)
		s.referral.DayEnds = s.referral.Joined.Truncate(24*time.Hour).AddDate(0, 0, 1)
	}
}

func refused(words string) step { return func(s *story) { s.referral.Refused = words } }

func blockedBy(object rules.Object, id, created string) step {
	return func(s *story) {
		s.referral.Blockers = append(s.referral.Blockers, rules.Blocker{Object: object, ID: id, Created: at(created)})
	}
}

// The records. Each begins the steps about a record of its own.

func lead(id, created string, kinds ...rules.Kind) step {
	return linkedRecord(rules.Lead, id, created, kinds)
}

func contact(id, created string, kinds ...rules.Kind) step {
	return linkedRecord(rules.Contact, id, created, kinds)
}

func opportunity(id, created string, kinds ...rules.Kind) step {
	return linkedRecord(rules.Opportunity, id, created, kinds)
}

func linkedRecord(object rules.Object, id, created string, kinds rules.Kinds) step {
	if len(kinds) == 0 {
		kinds = rules.Kinds{rules.ByEmail}
	}
	return func(s *story) {
		s.now = &record{
			link: rules.Link{Object: object, RecordID: id, Kinds: kinds, Since: at("01")}, // before anything else, unless linkedSince says otherwise
			row: rules.Record{
				Object: object, ID: id, Created: at(created), Modified: at(created), Modstamp: at(created), Fields: map[string]string{},
			},
			snapshot: rules.Snapshot{Record: rules.Record{Object: object, ID: id}},
		}
		s.records = append(s.records, s.now)
	}
}

func ambiguous(s *story) { s.now.link.Ambiguous = true }

// linkedUnseen is a link to a record that could not be seen since it was made.
func linkedUnseen(s *story) { s.now.link.Since = time.Time{} }

func linkedSince(when string) step { return func(s *story) { s.now.link.Since = at(when) } }

// unread: the record is linked, and no answer about it has come yet.
func unread(s *story) { s.now.unread = true }

// notShared: the record was asked for by its Id, and no row came.
func notShared(s *story) { s.now.snapshot.Absent = true }

// look is an answer of Salesforce at an instant. What a fact does not change is as the look before found it.
func look(when string, facts ...fact) step {
	return func(s *story) {
		for _, f := range facts {
			f(s.now)
		}
		row := s.now.row
		row.SeenAt, row.Fields = at(when), maps.Clone(row.Fields)
		s.now.snapshot.Observe(row, s.schema())
	}
}

func (s *story) schema() rules.Schema {
	field := s.rule.Target.Field
	return rules.Schema{
		Types:    map[string]rules.Type{field: s.rule.Target.Type, rules.IsConverted: "boolean"},
		Formulas: map[string]bool{field: s.rule.Target.Calculated},
	}
}

type fact func(*record)

// is: a field's value, changed by somebody when the look says edited or touched.
func is(field, value string) fact { return func(r *record) { r.row.Fields[field] = value } }

func status(value string) fact { return is("Status", value) }

func stageIs(value string) fact { return is(rules.StageName, value) }

// edited moves both stamps, as a user's change does.
func edited(when string) fact {
	return func(r *record) { r.row.Modified, r.row.Modstamp = at(when), at(when) }
}

// touched moves SystemModstamp only, as a replaced picklist value does.
func touched(when string) fact { return func(r *record) { r.row.Modstamp = at(when) } }

// hidden: the answer does not have the field.
func hidden(field string) fact { return func(r *record) { delete(r.row.Fields, field) } }

func deleted(r *record) { r.row.Deleted = true }

func undeleted(r *record) { r.row.Deleted = false }

func notConverted(r *record) { r.row.Fields[rules.IsConverted] = "false" }

// converted: ConvertedDate is a day. "" stands for no Contact or no Opportunity.
func converted(day, contactID, opportunityID string) fact {
	return func(r *record) {
		r.row.Fields[rules.IsConverted] = "true"
		r.row.ConvertedOn, r.row.ContactID, r.row.OpportunityID = at(day).Format(time.DateOnly), contactID, opportunityID
	}
}

// history adds a row of LeadHistory or ContactHistory.
func history(when, field, from, to string) step {
	return func(s *story) {
		id := fmt.Sprintf("017%d", len(s.now.snapshot.History))
		s.now.snapshot.AddHistory(rules.HistoryRow{ID: id, Field: field, Old: from, New: to, At: at(when)})
	}
}

// stages adds rows of OpportunityHistory: "11 10:02 Won".
func stages(rows ...string) step {
	return func(s *story) {
		for _, row := range rows {
			i := strings.LastIndex(row, " ")
			id := fmt.Sprintf("008%d", len(s.now.stages))
			s.now.stages = append(s.now.stages, rules.StageRow{ID: id, Stage: row[i+1:], At: at(row[:i])})
		}
		s.now.snapshot.AddStages(s.now.stages...)
	}
}

// wrote: we wrote the value ourselves, between two instants of the service. to is "" when the answer was lost.
func wrote(field, value, from, to string) step {
	return func(s *story) {
		var answered time.Time
		if to != "" {
			answered = at(to)
		}
		s.now.snapshot.Write(map[string]string{field: value}, []string{field}, at(from), answered)
	}
}
