package rules_test

import (
	"testing"

	"qualifyd/rules"
)

// Every reason that Judge gives, in the order of its precedence. Each situation is weaker than those above it: where two of them hold at
// once, the reason of the upper one is given (DESIGN 4: one precedence, documented).
func TestReasonsAndTheirPrecedence(t *testing.T) {
	// What the campaign and the referral are like; applied after the records.
	about := []told{
		{"the method is none", []step{method(rules.None)}, "not no_rule"},
		{"describe does not have the value", []step{parked(rules.ValueUnknown)}, "not value_unknown"},
		{"a record existed before", []step{blockedBy(rules.Lead, "B", "01")}, "not existing_record"},
		{"no whole pass yet", []step{notYetEffective}, "not not_effective_yet"},
	}
	// What a record shows, under one of the rules that look at it.
	records := []told{
		{"the value came", []step{lead("qualified", "11 10:00"), look("11 10:05", status("Qualified"))}, "qualified 11 10:00:00 created"},
		{"the value was rewritten", []step{lead("rewritten", "01"), look("10 09:00", status("Warm")), look("11 10:05", status("Qualified"), touched("11 10:02"))}, "held value_rewritten"},
		{"the field cannot be read", []step{parked(rules.FieldUnreadable)}, "not field_unreadable"},
		{"the record is another referral's too", []step{lead("ambiguous", "11 10:00"), ambiguous, look("11 10:05", status("Qualified"))}, "not ambiguous"},
		{"the value was there before", []step{lead("predates", "01"), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"the value is another", []step{lead("other", "01"), look("11 10:05", status("New"))}, "not value_not_reached"},
		{"the record is deleted", []step{lead("deleted", "01"), look("11 10:05", deleted)}, "not record_deleted"},
		{"Salesforce refused the record", []step{refused("DUPLICATES_DETECTED")}, "not join_refused"},
		{"there is no record", nil, "not no_record"},
	}
	precede(t, append(about, records...))

	conversion := func(id string, o ...step) []step {
		return append([]step{lead(id, "10 08:00"), look("10 09:00", notConverted), look("11 10:05", converted("11", "", "O"+id), edited("11 10:00")),
			opportunity("O"+id, "11 10:00", rules.Conversion)}, o...)
	}
	before := effective("11 12:00")
	precede(t, prefixed([]told{
		{"the stage came", conversion("qualified", stages("11 10:00 Open", "11 13:00 Won"), look("11 14:00", stageIs("Won"))), "qualified 11 13:00:00 history"},
		{"the stage was rewritten", conversion("rewritten", look("11 12:00", stageIs("Signed")), look("11 14:00", stageIs("Won"), touched("11 13:00"))), "held value_rewritten"},
		{"the Opportunity is another referral's too", conversion("ambiguous", ambiguous, look("11 14:00", stageIs("Won"))), "not ambiguous"},
		{"the stage is another", conversion("other", look("11 14:00", stageIs("Open"))), "not stage_not_reached"},
		{"converted without an Opportunity", []step{lead("without", "10 08:00"), look("11 14:00", converted("11", "", ""))}, "not converted_without_opportunity"},
		{"the stage was there before", conversion("predates", stages("11 10:00 Open", "11 11:00 Won"), look("11 14:00", stageIs("Won"))), "not value_predates"},
		{"not converted", []step{lead("open", "10 08:00"), look("11 14:00", notConverted)}, "not not_converted"},
		{"the Lead is deleted", []step{lead("deleted", "10 08:00"), look("11 14:00", deleted)}, "not record_deleted"},
		{"there is no record", nil, "not no_record"},
	}, method(rules.LeadConvertsToStage), before))
}

// precede tells each situation alone, and together with each one below it.
func precede(t *testing.T, situations []told) {
	t.Helper()
	for i, upper := range situations {
		for _, lower := range situations[i:] {
			t.Run(upper.name+", and "+lower.name, func(t *testing.T) {
				v := tell(append(append([]step{}, lower.steps...), upper.steps...)...).judge(t)
				if got := verdict(v); got != upper.want {
					t.Errorf("got %s (%s), want %s", got, v.Sentence, upper.want)
				}
			})
		}
	}
}
