package rules_test

import (
	"strings"
	"testing"

	"qualifyd/rules"
)

// DESIGN 4, Methods: none never qualifies anybody.
func TestMethodNone(t *testing.T) {
	judgeAll(t, []told{
		{"whatever the records show", []step{method(rules.None), lead("L", "11 10:00"), look("11 10:05", status("Qualified"))}, "not no_rule"},
		{"without any record", []step{method(rules.None)}, "not no_rule"},
	})
}

// lead_field_changes and contact_field_changes: a linked Lead's (Contact's) field makes a counting transition. With several records, any
// one may qualify the referral.
func TestFieldChangesOnTheObjectOfTheRule(t *testing.T) {
	judgeAll(t, []told{
		{"a Contact's value under a Lead rule", []step{contact("C", "11 10:00"), look("11 10:05", status("Qualified"))}, "not no_record"},
		{"a Lead's value under a Contact rule", []step{method(rules.ContactFieldChanges), lead("L", "11 10:00"), look("11 10:05", status("Qualified"))}, "not no_record"},
		{"the Contact that a linked Lead became, under a Contact rule", []step{
			method(rules.ContactFieldChanges),
			lead("L", "10 08:00"), look("11 10:05", status("New"), converted("11", "C", ""), edited("11 10:00")),
			contact("C", "11 10:00", rules.Conversion), look("11 10:05", status("New")), look("12 10:05", status("Qualified"), edited("12 10:00")),
		}, "qualified 12 10:00:00 snapshot"},
		{"the second of two Leads reaches the value", []step{
			lead("L1", "10 08:00"), look("11 10:05", status("New")), lead("L2", "11 10:00"), look("11 10:05", status("Qualified")),
		}, "qualified 11 10:00:00 created"},
		{"both do: the earlier decides", []step{
			lead("L1", "12 10:00"), look("12 10:05", status("Qualified")), lead("L2", "11 10:00"), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:00:00 created"},
		{"one is deleted, the other reaches the value", []step{
			lead("L1", "12 10:00"), look("12 10:05", deleted), lead("L2", "11 10:00"), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:00:00 created"},
		{"one is ambiguous, the other reaches the value", []step{
			lead("L1", "12 10:00"), ambiguous, look("12 10:05", status("Qualified")), lead("L2", "11 10:00"), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:00:00 created"},
		{"one is held, the other reaches the value", []step{
			lead("L1", "01"), look("10 09:00", status("Warm")), look("11 10:05", status("Qualified"), touched("11 10:02")),
			lead("L2", "11 10:00"), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:00:00 created"},
		{"the only one is ambiguous", []step{lead("L", "11 10:00"), ambiguous, look("11 10:05", status("Qualified"))}, "not ambiguous"},
	})
}

// lead_converts: a linked Lead is converted with an Opportunity, any stage, at t >= counts_from. In these stories the Lead is converted on
// the 11th at 10:00 into a Contact and an Opportunity, made then unless they say otherwise.
func TestLeadConverts(t *testing.T) {
	intoO := func(seen string) step { return look(seen, converted("11", "C", "O"), edited("11 10:00")) }
	seenOpen := look("10 09:00", notConverted)
	c := func(created string) step { return both(contact("C", created, rules.Conversion), look("11 10:05")) }
	o := func(created string) step { return both(opportunity("O", created, rules.Conversion), look("11 10:05")) }
	l := lead("L", "01")

	// t is SystemModstamp where two observations saw it turn converted, the earlier one at or after counts_from;
	judgeAll(t, prefixed([]told{
		{"two looks saw it", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 snapshot"},
		{"two looks saw it go into records that were there for long", []step{l, seenOpen, intoO("11 10:05"), c("01"), o("01")}, "qualified 11 10:00:00 snapshot"},
		{"its Opportunity is not shared with us", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00"), opportunity("O", "11 10:00", rules.Conversion), notShared}, "qualified 11 10:00:00 snapshot"},
		{"its Contact is not linked", []step{l, seenOpen, intoO("11 10:05"), o("11 10:00")}, "qualified 11 10:00:00 snapshot"},
		{"the earlier look was at the instant from which changes count", []step{l, look("10 00:00", notConverted), intoO("11 10:05"), c("01"), o("01")}, "qualified 11 10:00:00 snapshot"},
		{"two looks saw it before the link was made", []step{l, linkedSince("12 00:00"), seenOpen, intoO("11 10:05"), c("01"), o("01")}, "not value_predates"},
	}, method(rules.LeadConverts)))

	// else a leadConverted history row,
	seenTooEarly := look("09 23:00", notConverted)
	judgeAll(t, prefixed([]told{
		{"the earlier look was before changes count, a history row tells", []step{l, seenTooEarly, intoO("11 10:05"), history("11 09:59:58", "leadConverted", "", ""), c("01"), o("01")}, "qualified 11 09:59:58 history"},
		{"no look before, a history row tells", []step{l, intoO("11 10:05"), history("11 09:59:58", "leadConverted", "", ""), c("01"), o("01")}, "qualified 11 09:59:58 history"},
		{"the history row spells it otherwise", []step{l, intoO("11 10:05"), history("11 09:59:58", "LeadConverted", "", ""), c("01"), o("01")}, "qualified 11 09:59:58 history"},
		{"the history row is from before changes count", []step{l, effective("11 12:00"), intoO("11 13:05"), history("11 10:00", "leadConverted", "", ""), c("11 10:00"), o("11 10:00")}, "not value_predates"},
		{"the history row is another field's", []step{l, intoO("11 10:05"), history("11 09:59:58", "Status", "", ""), c("01"), o("01")}, "not value_predates"},
	}, method(rules.LeadConverts)))

	// else the CreatedDate of the Contact or Opportunity that the conversion made (on ConvertedDate, a day either side),
	judgeAll(t, prefixed([]told{
		{"it made both", []step{l, intoO("11 10:05"), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"it made the Opportunity", []step{l, intoO("11 10:05"), c("01"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"it made the Contact", []step{l, intoO("11 10:05"), c("11 10:00"), o("01")}, "qualified 11 10:00:00 created"},
		{"the Contact was there the day before, it made the Opportunity", []step{l, intoO("11 10:05"), c("10 20:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"the earlier look was before changes count", []step{l, seenTooEarly, intoO("11 10:05"), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"made before changes count", []step{l, effective("11 12:00"), intoO("11 13:05"), c("11 10:00"), o("11 10:00")}, "not value_predates"},
		{"made at the instant from which changes count", []step{l, effective("11 10:00"), intoO("11 13:05"), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"ConvertedDate is a day later where the org is", []step{l, look("11 10:05", converted("12", "C", "O"), edited("11 10:00")), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"ConvertedDate is a day earlier where the org is", []step{l, look("11 10:05", converted("10", "C", "O"), edited("11 10:00")), c("11 10:00"), o("11 10:00")}, "qualified 11 10:00:00 created"},
		{"ConvertedDate is two days off: it did not make them", []step{l, look("13 10:05", converted("09", "C", "O"), edited("09 10:00")), c("11 10:00"), o("11 10:00")}, "not value_predates"},
		{"the Contact is deleted by now", []step{l, intoO("11 10:05"), contact("C", "11 10:00", rules.Conversion), look("11 10:05", deleted), o("01")}, "not value_predates"},
		{"two looks tell it better", []step{l, seenOpen, intoO("11 10:05"), c("11 09:59:59"), o("11 09:59:59")}, "qualified 11 10:00:00 snapshot"},
	}, method(rules.LeadConverts)))

	// else a ConvertedDate later than the day after counts_from's.
	on := func(day string) []step {
		return []step{method(rules.LeadConverts), l, look("20 10:05", converted(day, "C", "O"), edited(day+" 10:00")), c("01"), o("01")}
	}
	judgeAll(t, []told{
		{"ConvertedDate is the day from which changes count", on("10"), "not value_predates"},
		{"ConvertedDate is the day after", on("11"), "not value_predates"},
		{"ConvertedDate is later than that in any zone", on("12"), "qualified 12 00:00:00 date"},
		{"changes count from late in the day", append([]step{effective("10 23:59")}, on("12")...), "qualified 12 00:00:00 date"},
	})

	// Without an Opportunity: not yet.
	without := look("11 10:05", converted("11", "C", ""), edited("11 10:00"))
	judgeAll(t, prefixed([]told{
		{"not converted", []step{l, seenOpen, c("01")}, "not not_converted"},
		{"nobody saw whether it is", []step{l, look("10 09:00")}, "not not_converted"},
		{"converted without an Opportunity", []step{l, seenOpen, without, c("11 10:00")}, "not converted_without_opportunity"},
		{"its Opportunity is not linked yet", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00")}, "not not_converted"},
		{"its Opportunity has not been read yet", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00"), opportunity("O", "11 10:00", rules.Conversion), unread}, "not not_converted"},
		{"its Contact has not been read yet", []step{l, seenOpen, intoO("11 10:05"), contact("C", "11 10:00", rules.Conversion), unread, o("11 10:00")}, "not not_converted"},
		{"its Opportunity is deleted", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00"), opportunity("O", "11 10:00", rules.Conversion), look("11 10:05", deleted)}, "not record_deleted"},
		{"its Opportunity is another referral's too", []step{l, seenOpen, intoO("11 10:05"), c("11 10:00"), opportunity("O", "11 10:00", rules.Conversion), ambiguous, look("11 10:05")}, "not ambiguous"},
		{"the Lead itself is another referral's too", []step{l, ambiguous, seenOpen, intoO("11 10:05"), c("11 10:00"), o("11 10:00")}, "not ambiguous"},
		{"the Lead is deleted", []step{l, seenOpen, intoO("11 10:05"), look("11 11:00", deleted), c("11 10:00"), o("11 10:00")}, "not record_deleted"},
	}, method(rules.LeadConverts)))

	// A Lead converted without one takes the Opportunity that carries the referral's code: its CreatedDate.
	taken := func(created string, kinds ...rules.Kind) step {
		return both(opportunity("T", created, kinds...), look("13 10:05"))
	}
	judgeAll(t, prefixed([]told{
		{"an Opportunity carries the code", []step{l, seenOpen, without, taken("12 10:00", rules.ByCode)}, "qualified 12 10:00:00 created"},
		{"it was created at the instant from which changes count", []step{l, seenOpen, without, taken("10 00:00", rules.ByCode)}, "qualified 10 00:00:00 created"},
		{"it was created before changes count", []step{l, seenOpen, without, taken("09 23:59:59", rules.ByCode)}, "not value_predates"},
		{"of two the earlier that counts", []step{l, seenOpen, without, taken("09 10:00", rules.ByCode), both(opportunity("T2", "13 10:00", rules.ByCode), look("13 10:05")), both(opportunity("T3", "12 10:00", rules.ByCode), look("13 10:05"))}, "qualified 12 10:00:00 created"},
		{"a person pinned the Opportunity", []step{l, seenOpen, without, taken("12 10:00", rules.Pinned)}, "qualified 12 10:00:00 created"},
		{"the Opportunity is another Lead's", []step{l, seenOpen, without, taken("12 10:00", rules.Conversion)}, "not converted_without_opportunity"},
		{"it is deleted", []step{l, seenOpen, without, opportunity("T", "12 10:00", rules.ByCode), look("13 10:05", deleted)}, "not converted_without_opportunity"},
		{"it is another referral's too", []step{l, seenOpen, without, opportunity("T", "12 10:00", rules.ByCode), ambiguous, look("13 10:05")}, "not converted_without_opportunity"},
		{"it has not been read yet", []step{l, seenOpen, without, opportunity("T", "12 10:00", rules.ByCode), unread}, "not converted_without_opportunity"},
		{"it is not shared with us", []step{l, seenOpen, without, opportunity("T", "12 10:00", rules.Pinned), notShared}, "not converted_without_opportunity"},
		{"the Lead is not converted at all", []step{l, seenOpen, taken("12 10:00", rules.ByCode)}, "not not_converted"},
		{"the Lead has an Opportunity of its own: that one counts", []step{l, intoO("11 10:05"), c("01"), o("01"), taken("12 10:00", rules.ByCode)}, "not value_predates"},
	}, method(rules.LeadConverts)))
}

func both(steps ...step) step {
	return func(s *story) {
		for _, do := range steps {
			do(s)
		}
	}
}

// lead_converts_to_stage: a linked Lead is converted with an Opportunity, and that Opportunity makes a counting transition to the stage.
func TestLeadConvertsToStage(t *testing.T) {
	l := both(lead("L", "10 08:00"), look("10 09:00", notConverted))
	conversion := func(when string) step { return look("13 10:05", converted(when[:2], "C", "O"), edited(when)) }
	o := func(created string, kinds ...rules.Kind) step {
		if len(kinds) == 0 {
			kinds = []rules.Kind{rules.Conversion}
		}
		return opportunity("O", created, kinds...)
	}
	judgeAll(t, prefixed([]told{
		{"history", []step{l, conversion("11 10:00"), o("11 10:00"), stages("11 10:00 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"))}, "qualified 12 10:00:00 history"},
		{"snapshot", []step{l, conversion("11 10:00"), o("11 10:00"), look("11 10:05", stageIs("Open")), look("13 10:05", stageIs("Won"), edited("12 10:00"))}, "qualified 12 10:00:00 snapshot"},
		{"created at it", []step{l, conversion("11 10:00"), o("11 10:00"), look("13 10:05", stageIs("Won"))}, "qualified 11 10:00:00 created"},
		{"another stage", []step{l, conversion("11 10:00"), o("11 10:00"), stages("11 10:00 Open"), look("13 10:05", stageIs("Open"))}, "not stage_not_reached"},
		{"rewritten in Setup", []step{l, conversion("11 10:00"), o("11 10:00"), look("11 10:05", stageIs("Signed")), look("13 10:05", stageIs("Won"), touched("12 10:00"))}, "held value_rewritten"},
		{"reached before changes count", []step{effective("12 12:00"), l, conversion("11 10:00"), o("11 10:00"), stages("11 10:00 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"))}, "not value_predates"},
		// For an Opportunity that existed after joined, conversion and stage may come in either order, and a stage reached and left counts.
		{"the stage first, then the conversion", []step{l, conversion("13 10:00"), o("11 10:00"), stages("11 10:00 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"))}, "qualified 12 10:00:00 history"},
		{"the stage was reached and left before the conversion", []step{
			l, conversion("13 10:00"), o("11 10:00"), stages("11 10:00 Open", "12 10:00 Won", "12 11:00 Lost"), look("13 10:05", stageIs("Lost")),
		}, "qualified 12 10:00:00 history"},
		{"born at the stage before the conversion", []step{l, conversion("13 10:00"), o("11 10:00"), look("13 10:05", stageIs("Won"))}, "qualified 11 10:00:00 created"},
		// For one that existed before, only a move to the stage after the conversion counts.
		{"an old Opportunity reaches it after the conversion", []step{l, conversion("12 10:00"), o("01"), stages("01 Open", "12 10:00:01 Won"), look("13 10:05", stageIs("Won"))}, "qualified 12 10:00:01 history"},
		{"an old Opportunity reaches it in the second of the conversion", []step{l, conversion("12 10:00"), o("01"), stages("01 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"))}, "not value_predates"},
		{"an old Opportunity reached it before the conversion", []step{l, conversion("12 10:00"), o("01"), stages("01 Open", "11 10:00 Won"), look("13 10:05", stageIs("Won"))}, "not value_predates"},
		{"an old Opportunity reached it before the conversion and left it", []step{
			l, conversion("12 10:00"), o("01"), stages("01 Open", "11 10:00 Won", "11 11:00 Open"), look("13 10:05", stageIs("Open")),
		}, "not stage_not_reached"},
		{"two looks saw an old one move after the conversion", []step{
			l, conversion("12 10:00"), o("01"), look("12 10:00", stageIs("Open")), look("13 10:05", stageIs("Won"), edited("12 11:00")),
		}, "qualified 12 11:00:00 snapshot"},
		{"the earlier of two looks was before the conversion: the move may have been too, and the stamp be another change's", []step{
			l, conversion("12 10:00"), o("01"), look("12 09:59:59", stageIs("Open")), look("13 10:05", stageIs("Won"), edited("12 11:00")),
		}, "not value_predates"},
		{"two looks saw an old one move before the conversion", []step{l, conversion("12 10:00"), o("01"), look("11 10:05", stageIs("Open")), look("13 10:05", stageIs("Won"), edited("12 09:00"))}, "not value_predates"},
		{"a history row tells that an old one moved before the conversion, though its stamp is later", []step{
			l, conversion("12 10:00"), o("01"), look("12 08:00", stageIs("Open")), stages("01 Open", "12 09:00 Won"), look("13 10:05", stageIs("Won"), edited("12 11:00")),
		}, "not value_predates"},
		{"a history row tells that an old one moved in the second of the conversion, when a look saw it just before", []step{
			l, conversion("12 10:00"), o("01"), look("12 10:00", stageIs("Open")), stages("01 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"), edited("12 11:00")),
		}, "not value_predates"},
		{"a history row dates the conversion, the Lead was touched later", []step{
			l, conversion("12 12:00"), history("12 10:00", "leadConverted", "", ""), o("01"), stages("01 Open", "12 11:00 Won"), look("13 10:05", stageIs("Won")),
		}, "qualified 12 11:00:00 history"},
		{"an old one moved between the making of a Contact and the conversion into it", []step{
			l, conversion("12 12:00"), both(contact("C", "12 08:00", rules.Conversion), look("13 10:05")),
			o("01"), stages("01 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won")),
		}, "not value_predates"},
		{"the Lead was touched after the first look at its conversion", []step{
			l, look("12 10:01", converted("12", "C", "O"), edited("12 10:00")), look("13 10:05", edited("13 10:00")), o("01"), stages("01 Open", "12 11:00 Won"), look("13 10:05", stageIs("Won")),
		}, "qualified 12 11:00:00 history"},
		// Not yet.
		{"the stage without a conversion", []step{l, o("11 10:00", rules.ByCode), stages("11 10:00 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won"))}, "not not_converted"},
		{"converted without an Opportunity", []step{l, look("13 10:05", converted("12", "C", ""), edited("12 10:00"))}, "not converted_without_opportunity"},
		{"the Opportunity is not linked yet", []step{l, conversion("12 10:00")}, "not not_converted"},
		{"the Opportunity has not been read yet", []step{l, conversion("12 10:00"), o("11 10:00"), unread}, "not not_converted"},
		{"the Opportunity is not shared with us", []step{l, conversion("12 10:00"), o("11 10:00"), notShared}, "not record_deleted"},
		{"the Opportunity is deleted", []step{l, conversion("12 10:00"), o("11 10:00"), look("13 10:05", stageIs("Won")), look("13 10:10", deleted)}, "not record_deleted"},
		{"the Opportunity is another referral's too", []step{l, conversion("12 10:00"), o("11 10:00"), ambiguous, look("13 10:05", stageIs("Won"))}, "not ambiguous"},
		{"the Contact has not been read: the stage does not need it", []step{
			l, conversion("12 10:00"), both(contact("C", "12 10:00", rules.Conversion), unread), o("12 10:00"), look("13 10:05", stageIs("Won")),
		}, "qualified 12 10:00:00 created"},
		// A Lead converted without an Opportunity takes the one that carries the referral's code.
		{"taken by its code", []step{
			l, look("13 10:05", converted("12", "C", ""), edited("12 10:00")), o("11 10:00", rules.ByCode), stages("11 10:00 Open", "12 10:00 Won"), look("13 10:05", stageIs("Won")),
		}, "qualified 12 10:00:00 history"},
		{"taken by its code, at another stage", []step{
			l, look("13 10:05", converted("12", "C", ""), edited("12 10:00")), o("11 10:00", rules.ByCode), look("13 10:05", stageIs("Open")),
		}, "not stage_not_reached"},
		{"a second one carries the code, the Lead has its own", []step{
			l, conversion("12 10:00"), o("11 10:00"), look("13 10:05", stageIs("Open")), both(opportunity("T", "11 10:00", rules.ByCode), look("13 10:05", stageIs("Won"))),
		}, "not stage_not_reached"},
		{"a person pinned a second one", []step{
			l, conversion("12 10:00"), o("11 10:00"), look("13 10:05", stageIs("Open")), both(opportunity("T", "11 10:00", rules.Pinned), look("13 10:05", stageIs("Won"))),
		}, "qualified 11 10:00:00 created"},
		{"a person pinned a second one, for the Lead's own is deleted", []step{
			l, conversion("12 10:00"), o("11 10:00"), look("13 10:05", stageIs("Open")), look("13 10:10", deleted),
			both(opportunity("T", "11 10:00", rules.Pinned), look("13 10:05", stageIs("Won"))),
		}, "qualified 11 10:00:00 created"},
		{"a person pinned a second one, for the Lead's own is another referral's", []step{
			l, conversion("12 10:00"), both(opportunity("T", "11 10:00", rules.Pinned), look("13 10:05", stageIs("Won"))),
		}, "qualified 11 10:00:00 created"},
		{"a person pinned a second one, at another stage, and the Lead's own is deleted", []step{
			l, conversion("12 10:00"), o("11 10:00"), look("13 10:05", stageIs("Won")), look("13 10:10", deleted),
			both(opportunity("T", "11 10:00", rules.Pinned), look("13 10:05", stageIs("Open"))),
		}, "not stage_not_reached"},
		{"two Leads, one of them converted to the stage", []step{
			l, both(lead("L2", "11 08:00"), conversion("12 10:00")), o("12 10:00"), look("13 10:05", stageIs("Won")),
		}, "qualified 12 10:00:00 created"},
	}, method(rules.LeadConvertsToStage)))
}

// DESIGN 6: a Contact that a conversion made does not block. It has the day of the conversion, or one either side of it.
func TestMadeByConversion(t *testing.T) {
	for _, c := range []struct {
		name, lead, on, created string
		want                    bool
	}{
		{"on the day", "01", "2026-11-11", "11 23:59:59", true},
		{"the day before, at its start", "01", "2026-11-11", "10 00:00", true},
		{"the day after, at its end", "01", "2026-11-11", "12 23:59:59", true},
		{"two days before", "01", "2026-11-11", "09 23:59:59", false},
		{"two days after", "01", "2026-11-11", "13 00:00", false},
		{"not converted", "01", "", "11 10:00", false},
		{"in the second in which the Lead was entered", "11 10:00", "2026-11-11", "11 10:00", true},
		{"before there was the Lead", "11 10:00", "2026-11-11", "11 09:59:59", false},
	} {
		lead := rules.Record{ConvertedOn: c.on, Created: at(c.lead)}
		if got := rules.MadeByConversion(lead, at(c.created)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if rules.MadeByConversion(rules.Record{ConvertedOn: "0001-01-01"}, rules.Record{}.Created) {
		t.Error("a record whose creation is not known: got true, want false")
	}
}

// The ledger tells a conversion from the creation of the Opportunity that a converted Lead took.
func TestConversionsInWords(t *testing.T) {
	converted := rules.Transition{Object: rules.Lead, RecordID: "L", Field: rules.IsConverted, From: "false", To: "true", At: at("11 10:00"), Proof: rules.BySnapshot}
	if got, want := converted.String(), "Lead L was converted at 2026-11-11 10:00:00Z (proof: snapshot)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	taken := rules.Transition{Object: rules.Opportunity, RecordID: "O", Field: rules.IsConverted, To: "true", At: at("11 10:00"), Proof: rules.ByCreation}
	if got, want := taken.String(), "Opportunity O was created for the converted Lead at 2026-11-11 10:00:00Z (proof: created)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whoever asks why gets the values, the times and the proof.
func TestSentences(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"a move", []step{lead("L", "01"), look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))},
			[]string{"Status of Lead L", `"New"`, `"Qualified"`, "2026-11-11 10:02:00Z", "snapshot"}},
		{"a birth", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified"))}, []string{"Lead L was created", `"Qualified"`, "2026-11-11 10:00:00Z", "created"}},
		{"the old value is not known", []step{lead("L", "01"), look("11 10:05"), history("11 10:02", "Status", "", "Qualified")}, []string{`became "Qualified"`, "history"}},
		{"too early", []step{lead("L", "01"), look("11 10:05", status("Qualified"))}, []string{"Lead L", `"Qualified"`, "2026-11-10 00:00:00Z"}},
		{"we wrote it", []step{lead("L", "01"), look("10 09:00", status("")), wrote("Status", "Qualified", "10 09:01", "10 09:01:01"), look("10 09:05", status("Qualified"), edited("10 09:01"))},
			[]string{"because qualifyd wrote it", "only a change by somebody else counts"}},
		{"we wrote it after somebody had", []step{
			lead("L", "01"), history("02 10:00", "Status", "New", "Qualified"), look("10 09:00", status("")),
			wrote("Status", "Qualified", "10 09:01", "10 09:01:01"), look("10 09:05", status("Qualified"), edited("10 09:01")),
		}, []string{"nothing proves that it became so at or after 2026-11-10 00:00:00Z"}},
		{"a stage that was left within the second", []step{method(rules.LeadConvertsToStage), lead("L", "10 08:00"), look("13 10:05", converted("11", "", "O"), edited("11 10:00")),
			opportunity("O", "11 10:00", rules.Conversion), stages("11 10:00 Open", "12 10:00 Won", "12 10:00 Lost"), look("13 10:05", stageIs("Lost"))},
			[]string{`StageName of Opportunity O went from "Open" to "Won" at 2026-11-12 10:00:00Z`}},
		{"not there", []step{lead("L", "01"), look("11 10:05", status("Working"))}, []string{"Lead L", `"Working"`, `"Qualified"`}},
		{"not shared", []step{lead("L", "01"), notShared}, []string{"Lead L", "not shared"}},
		{"not read yet", []step{lead("L", "01"), unread}, []string{"Lead L has not been read yet"}},
		{"an Opportunity that is not shared", []step{method(rules.LeadConvertsToStage), lead("L", "01"), look("11 10:05", converted("11", "", "O")), opportunity("O", "11 10:00"), notShared},
			[]string{"Salesforce shows no Opportunity O", "not shared"}},
		{"blocked", []step{blockedBy(rules.Contact, "C", "01")}, []string{"Contact C", "2026-11-01", "2026-11-10", "do_nothing"}},
		{"a record of another object only", []step{contact("C", "11 10:00"), look("11 10:05", status("Qualified"))}, []string{"no Lead is the referral's by its code or e-mail"}},
		{"no Contact", []step{method(rules.ContactFieldChanges)}, []string{"no Contact is the referral's by its code or e-mail"}},
		{"older records are ignored", []step{func(s *story) { s.rule.Duplicates = rules.CreateNew }}, []string{"no Lead that is newer than the referral is its own by code or e-mail"}},
		{"refused", []step{refused("REQUIRED_FIELD_MISSING: LastName")}, []string{"REQUIRED_FIELD_MISSING: LastName"}},
		{"a conversion", []step{method(rules.LeadConverts), lead("L", "01"), look("11 10:05", converted("11", "", "O")), opportunity("O", "11 10:00", rules.Conversion), look("11 10:05")},
			[]string{"Lead L", "Opportunity O", "2026-11-11 10:00:00Z", "created"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := tell(c.steps...).judge(t).Sentence
			for _, part := range c.want {
				if !strings.Contains(got, part) {
					t.Errorf("sentence: got %q, want it to say %q", got, part)
				}
			}
		})
	}
}
