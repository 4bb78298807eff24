package rules_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

// The stories of this file follow DESIGN 4, "Transition of a watched field to the value V, at time t, by the best proof there is".

// history: a row that says the field became V and was not V before; t is its CreatedDate.
func TestHistoryRowProves(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"the row's time is the time of the change", []step{
			look("10 09:00", status("New")), history("11 10:02", "Status", "New", "Qualified"), look("11 10:30", status("Qualified"), edited("11 10:20")),
		}, "qualified 11 10:02:00 history"},
		{"the value has since moved on", []step{
			look("10 09:00", status("New")), history("11 10:02", "Status", "New", "Qualified"), look("11 10:30", status("Lost"), edited("11 10:20")),
		}, "qualified 11 10:02:00 history"},
		{"the row came before any look", []step{history("11 10:02", "Status", "New", "Qualified"), look("11 10:30", status("Lost"))}, "qualified 11 10:02:00 history"},
		{"the field itself cannot be seen", []step{look("11 10:30"), history("11 10:02", "Status", "New", "Qualified")}, "qualified 11 10:02:00 history"},
		{"of two moves the earlier one that counts", []step{
			history("13 10:00", "Status", "New", "Qualified"), history("09 10:00", "Status", "New", "Qualified"),
			history("12 10:00", "Status", "New", "Qualified"), look("14 10:00", status("Qualified")),
		}, "qualified 12 10:00:00 history"},
		{"reached before changes count, left, and reached again", []step{
			history("09 10:00", "Status", "New", "Qualified"), history("11 10:00", "Status", "Qualified", "New"),
			history("12 10:00", "Status", "New", "Qualified"), look("14 10:00", status("Qualified")),
		}, "qualified 12 10:00:00 history"},
		{"the value was V before: a row of a rewritten spelling", []step{
			look("10 09:00", status("qualified")), history("11 10:02", "Status", "qualified", "Qualified"), look("11 10:30", status("Qualified")),
		}, "not value_predates"},
		{"the row is another field's", []step{look("11 10:30", status("New")), history("11 10:02", "Rating", "New", "Qualified")}, "not value_not_reached"},
		{"the row spells the field in another case", []step{look("11 10:30", status("New")), history("11 10:02", "status", "New", "Qualified")}, "qualified 11 10:02:00 history"},
		{"the row spells the value in another case", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "New", "QUALIFIED")}, "qualified 11 10:02:00 history"},
		{"the row leaves the value", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "Qualified", "New")}, "not value_not_reached"},
		// A row without values (multipicklist, long text) is no proof.
		{"the row has no values", []step{look("11 10:30", status("Qualified")), history("11 10:02", "Status", "", "")}, "not value_predates"},
		// That a row is missing proves nothing.
		{"other changes have rows, this one has none", []step{
			look("10 09:00", status("New")), history("11 09:00", "Status", "New", "Working"), look("11 10:30", status("Qualified"), edited("11 10:20")),
		}, "qualified 11 10:20:00 snapshot"},
	}, lead("L", "01")))
}

// A picklist's NewValue matches by API value or label.
func TestHistoryRowMayHoldTheLabel(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"the new value is the label", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "Neu", "Sehr gut")}, "qualified 11 10:02:00 history"},
		{"the new value is the label in another case", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "Neu", "sehr GUT")}, "qualified 11 10:02:00 history"},
		{"the new value is the API value", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "New", "Qualified")}, "qualified 11 10:02:00 history"},
		{"from the label to the API value: the same value", []step{look("11 10:30", status("Qualified")), history("11 10:02", "Status", "Sehr gut", "Qualified")}, "not value_predates"},
		// Records show API values. A label may be the API value of another choice, after years of relabelling.
		{"a look shows another value's API name, which is this one's label", []step{
			look("10 09:00", status("New")), look("11 10:30", status("Sehr gut"), edited("11 10:20")),
		}, "not value_not_reached"},
		{"the first look shows it", []step{lead("N", "11"), look("11 10:30", status("Sehr gut"))}, "not value_not_reached"},
	}, lead("L", "01"), labelled("Sehr gut")))
	judgeAll(t, prefixed([]told{
		{"no label, and a row without a new value", []step{look("11 10:30", status("New")), history("11 10:02", "Status", "New", "")}, "not value_not_reached"},
	}, lead("L", "01"), labelled("")))
}

// snapshot: the last observation was not V and this one is, and the last observation was at or after counts_from; t is SystemModstamp.
func TestTwoLooksProve(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"the value came between two looks", []step{look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "qualified 11 10:02:00 snapshot"},
		{"the field was empty before", []step{look("10 09:00", status("")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "qualified 11 10:02:00 snapshot"},
		{"the earlier look was at the instant from which changes count", []step{look("10 00:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "qualified 11 10:02:00 snapshot"},
		{"the earlier look was before changes count: nobody knows when the value came", []step{look("09 23:59:59", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "not value_predates"},
		{"the value was confirmed old by a look since", []step{
			look("09 09:00", status("New")), look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"the stamp is from before changes count, though it was seen later", []step{look("10 00:01", status("New")), look("10 00:05", status("Qualified"), edited("09 23:59:59"))}, "not value_predates"},
		{"the stamp is of the instant from which changes count", []step{look("10 00:00", status("New")), look("10 00:05", status("Qualified"), edited("10 00:00"))}, "qualified 10 00:00:00 snapshot"},
		{"the value has since moved on", []step{
			look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")), look("12 10:05", status("Lost"), edited("12 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"reached twice: the first time counts", []step{
			look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
			look("12 10:05", status("Lost"), edited("12 10:02")), look("13 10:05", status("Qualified"), edited("13 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"it stood from the start and was left and reached again", []step{
			look("10 09:00", status("Qualified")), look("11 10:05", status("Lost"), edited("11 10:02")), look("12 10:05", status("Qualified"), edited("12 10:02")),
		}, "qualified 12 10:02:00 snapshot"},
		{"the field was emptied: nothing is no value", []step{watching("Status", "picklist", ""), look("10 09:00", status("New")), look("11 10:05", status(""), edited("11 10:02"))}, "not value_not_reached"},
		{"another value came", []step{look("10 09:00", status("New")), look("11 10:05", status("Working"), edited("11 10:02"))}, "not value_not_reached"},
		{"the change has a history row: its time, not the later stamp", []step{
			look("10 09:00", status("New")), history("11 10:02", "Status", "New", "Qualified"), look("11 10:30", status("Qualified"), edited("11 10:20")),
		}, "qualified 11 10:02:00 history"},
		{"reached once without a history row, and later with one: the better proof", []step{
			look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")), look("12 10:05", status("Lost"), edited("12 10:02")),
			history("13 10:02", "Status", "Lost", "Qualified"), look("13 10:05", status("Qualified"), edited("13 10:02")),
		}, "qualified 13 10:02:00 history"},
		{"the change has a history row from before changes count", []step{
			look("10 00:00", status("New")), history("09 23:59:59", "Status", "New", "Qualified"), look("10 00:05", status("Qualified"), edited("10 00:03")),
		}, "qualified 10 00:03:00 snapshot"},
		{"an older answer comes late", []step{
			look("11 09:00", status("Qualified")), look("11 08:45:01", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "not value_predates"},
		{"an answer whose time was far in the future does not blind us until then", []step{
			look("28 09:00", status("New")), look("11 10:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"a look that is a quarter of an hour older is not taken for a late one", []step{
			look("11 10:00", status("Qualified")), look("11 09:45", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		// A rewritten spelling (case, order in a multipicklist) is no transition.
		{"the spelling was rewritten", []step{look("10 09:00", status("QUALIFIED")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "not value_predates"},
	}, lead("L", "01")))

	judgeAll(t, prefixed([]told{
		{"a multipicklist in another order", []step{look("10 09:00", is("Interests", "B;A")), look("11 10:05", is("Interests", "A;B"), edited("11 10:02"))}, "not value_predates"},
		{"a multipicklist gains the choice", []step{look("10 09:00", is("Interests", "B")), look("11 10:05", is("Interests", "B;A"), edited("11 10:02"))}, "qualified 11 10:02:00 snapshot"},
	}, lead("L", "01"), watching("Interests", "multipicklist", "A;B")))

	judgeAll(t, []told{
		{"a Contact's field under a Contact rule", []step{
			method(rules.ContactFieldChanges), contact("C", "01"), look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"a checkbox is ticked", []step{
			watching("Approved__c", "boolean", "true"), lead("L", "01"), look("10 09:00", is("Approved__c", "false")), look("11 10:05", is("Approved__c", "true"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"an amount is the same number, written otherwise", []step{
			watching("Budget__c", "currency", "5000"), lead("L", "01"), look("10 09:00", is("Budget__c", "4999.99")), look("11 10:05", is("Budget__c", "5000.0"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
	})
}

// What two looks saw before the link was made happened to a record that was somebody else's then: the record is judged like any newly linked.
func TestLooksBeforeTheLinkProveNothing(t *testing.T) {
	reachedOnThe11th := []step{look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))}
	judgeAll(t, []told{
		{"linked before the value came", append([]step{lead("L", "01"), linkedSince("10 09:00")}, reachedOnThe11th...), "qualified 11 10:02:00 snapshot"},
		{"linked after the value came", append([]step{lead("L", "01"), linkedSince("12 09:00")}, reachedOnThe11th...), "not value_predates"},
		{"linked by the look that showed the value", append([]step{lead("L", "01"), linkedSince("11 10:05")}, reachedOnThe11th...), "not value_predates"},
		{"linked after the value came, to a record born since changes count", append([]step{lead("L", "10 08:00"), linkedSince("12 09:00")}, append(slices.Clone(reachedOnThe11th), look("12 09:00", status("Qualified"), edited("11 10:02")))...), "qualified 10 08:00:00 created"},
		{"linked by an answer whose time is some seconds ahead of that of the first look", []step{lead("L", "10 08:00"), linkedSince("11 10:05:03"), look("11 10:05", status("Qualified"))}, "qualified 10 08:00:00 created"},
		{"linked by such an answer, and the value comes later", []step{lead("L", "01"), linkedSince("11 10:05:03"), look("11 10:05", status("New")), look("12 10:05", status("Qualified"), edited("12 10:00"))}, "qualified 12 10:00:00 snapshot"},
		{"linked while the field is hidden, which was at the value before and is not when it comes back", append([]step{lead("L", "10 08:00"), linkedSince("12 09:00")},
			append(slices.Clone(reachedOnThe11th), look("12 09:00", hidden("Status"), edited("12 08:00")), look("13 09:00", status("Lost"), edited("12 08:00")))...), "not value_not_reached"},
		{"linked while the field is hidden, which was at the value before and still is when it comes back", append([]step{lead("L", "10 08:00"), linkedSince("12 09:00")},
			append(slices.Clone(reachedOnThe11th), look("12 09:00", hidden("Status"), edited("12 08:00")), look("13 09:00", status("Qualified"), edited("12 08:00")))...), "qualified 10 08:00:00 created"},
		{"linked by the look that showed the value, to a record born since changes count", append([]step{lead("L", "10 08:00"), linkedSince("11 10:05")}, reachedOnThe11th...), "qualified 10 08:00:00 created"},
		{"linked after it was left, and it is reached again", append(append([]step{lead("L", "01"), linkedSince("12 09:00")}, reachedOnThe11th...),
			look("12 09:00", status("Lost"), edited("12 08:00")), look("13 09:00", status("Qualified"), edited("13 08:00"))), "qualified 13 08:00:00 snapshot"},
		{"linked while the record is hidden, which was at the value before", append([]step{lead("L", "01"), linkedUnseen}, reachedOnThe11th...), "not value_predates"},
		{"linked while the record is hidden, which was at the value from the start", append([]step{lead("L", "10 08:00"), linkedUnseen},
			look("11 10:05", status("Qualified"))), "not value_predates"},
		{"linked while the record is hidden, and its history tells", []step{lead("L", "01"), linkedUnseen, look("11 10:05", status("Qualified")), history("11 10:02", "Status", "New", "Qualified")},
			"qualified 11 10:02:00 history"},
		{"history rows are the record's own, whoever had it", append([]step{lead("L", "01"), linkedSince("12 09:00"), history("11 10:02", "Status", "New", "Qualified")},
			reachedOnThe11th...), "qualified 11 10:02:00 history"},
	})
}

// created: the first observation is V and CreatedDate >= counts_from; t is CreatedDate. A record born at the value counts.
func TestCreatedAtTheValue(t *testing.T) {
	judgeAll(t, []told{
		{"born at the value after the referral joined", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified"))}, "qualified 11 10:00:00 created"},
		{"born at the instant from which changes count", []step{lead("L", "10 00:00"), look("11 10:05", status("Qualified"))}, "qualified 10 00:00:00 created"},
		{"born a second before", []step{lead("L", "09 23:59:59"), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"born at it and moved on since", []step{
			lead("L", "11 10:00"), look("11 10:05", status("Qualified")), look("12 10:05", status("Lost"), edited("12 10:00")),
		}, "qualified 11 10:00:00 created"},
		{"born at another value", []step{lead("L", "11 10:00"), look("11 10:05", status("New"))}, "not value_not_reached"},
		{"a history row tells it better", []step{
			lead("L", "11 10:00"), history("11 10:03", "Status", "New", "Qualified"), look("11 10:05", status("Qualified")),
		}, "qualified 11 10:03:00 history"},
		{"two looks tell it better than the birth at it before", []step{
			lead("L", "11 10:00"), look("11 10:05", status("Qualified")), look("12 10:05", status("Lost"), edited("12 10:00")), look("13 10:05", status("Qualified"), edited("13 10:00")),
		}, "qualified 13 10:00:00 snapshot"},
		// First observation is V, the record is older, no history row: no transition.
		{"older than the referral, and at the value when first seen", []step{lead("L", "01"), look("11 10:05", status("Qualified"), edited("11 10:00"))}, "not value_predates"},
	})
}

// A field that was hidden keeps its last seen value (A, hidden, V is a transition); one never seen has no old value.
func TestHiddenField(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"old value, hidden, value", []step{
			look("10 09:00", status("New")), look("10 10:00", hidden("Status"), edited("10 09:30")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"old value seen before changes count, hidden, value", []step{
			look("09 09:00", status("New")), look("10 10:00", hidden("Status"), edited("10 09:30")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "not value_predates"},
		{"hidden from the first look on, then the value", []step{look("10 09:00"), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "not value_predates"},
		{"value, hidden, value", []step{
			look("10 09:00", status("Qualified")), look("10 10:00", hidden("Status"), edited("10 09:30")), look("11 10:05", status("Qualified"), edited("11 10:02")),
		}, "not value_predates"},
		{"hidden is not empty", []step{look("10 09:00", status("New")), look("11 10:05", hidden("Status"), edited("11 10:02"))}, "not value_not_reached"},
		{"never seen", []step{look("11 10:05")}, "not value_not_reached"},
	}, lead("L", "01")))
}

// Deleted records do not qualify; an undeleted one continues from its old snapshot.
func TestDeletedAndUndeleted(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"deleted before the value came", []step{look("10 09:00", status("New")), look("11 10:05", deleted)}, "not record_deleted"},
		{"deleted after the value came", []step{
			look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02")), look("11 11:00", deleted),
		}, "not record_deleted"},
		{"the values of a deleted row are not compared", []step{look("10 09:00", status("New")), look("11 10:05", deleted, status("Qualified"), edited("11 10:02")), look("11 11:00", undeleted, status("New"))}, "not value_not_reached"},
		{"undeleted with the value", []step{
			look("10 09:00", status("New")), look("11 10:05", deleted), look("12 10:05", undeleted, status("Qualified"), edited("12 10:00")),
		}, "qualified 12 10:00:00 snapshot"},
		{"undeleted as it was", []step{look("10 09:00", status("Qualified")), look("11 10:05", deleted), look("12 10:05", undeleted, edited("12 10:00"))}, "not value_predates"},
		{"an older answer does not undelete it", []step{look("10 09:00", status("New")), look("11 10:05", deleted), look("11 10:00", undeleted)}, "not record_deleted"},
		{"Salesforce showed no row for its Id", []step{notShared}, "not record_deleted"},
		{"it is shared with us later", []step{notShared, look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:02"))}, "qualified 11 10:02:00 snapshot"},
		{"not read yet", []step{unread}, "not value_not_reached"},
	}, lead("L", "01")))
}

// What somebody created a record with stays theirs, though we have filled it in again after it was taken out.
func TestWhatARecordWasCreatedWithIsNotWhatWeWroteLater(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"seen, taken out, and written by us", []step{
			look("11 09:05", status("Qualified"), edited("11 09:00")), look("11 10:00", status("New"), edited("11 09:30")),
			wrote("Status", "Qualified", "11 11:00", "11 11:00"), look("11 12:00", status("Qualified"), edited("11 11:00")),
		}, "qualified 11 09:00:00 created"},
	}, lead("L", "11 09:00")))
}

// A value that we wrote is the baseline, never a transition.
func TestOurOwnWriteIsTheBaseline(t *testing.T) {
	weWrote := wrote("Status", "Qualified", "11 10:00:10", "11 10:00:12")
	judgeAll(t, prefixed([]told{
		{"seen afterwards", []step{look("10 09:00", status("New")), weWrote, look("11 10:05", status("Qualified"), edited("11 10:00:11"))}, "not value_predates"},
		{"seen before the write was noted", []step{look("10 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:00:11")), weWrote}, "not value_predates"},
		{"it has a history row", []step{look("10 09:00", status("New")), weWrote, history("11 10:00:11", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"the row's clock is two seconds off, before", []step{weWrote, history("11 10:00:08", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"the row's clock is two seconds off, after", []step{weWrote, history("11 10:00:14", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"somebody wrote it seconds before us", []step{weWrote, history("11 10:00:07", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"), edited("11 10:00:11"))}, "qualified 11 10:00:07 history"},
		{"somebody wrote it seconds after us", []step{weWrote, history("11 10:00:15", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, "qualified 11 10:00:15 history"},
		{"somebody changed it at once, and back a day later", []step{
			wrote("Status", "Qualified", "11 10:00:10", "11 10:00:10"), look("11 10:00:11", edited("11 10:00:10"), status("New")),
			look("12 10:05", status("Qualified"), edited("12 10:00")),
		}, "qualified 12 10:00:00 snapshot"},
		{"the answer was lost, and a row shows it within two minutes", []step{
			wrote("Status", "Qualified", "11 10:00", ""), history("11 10:02:02", "Status", "New", "Qualified"), look("11 10:05", status("Qualified")),
		}, "not value_predates"},
		{"the answer was lost, and a row is later than any write of ours", []step{
			wrote("Status", "Qualified", "11 10:00", ""), history("11 10:02:03", "Status", "New", "Qualified"), look("11 10:05", status("Qualified")),
		}, "qualified 11 10:02:03 history"},
		{"we wrote another field", []step{
			wrote("Rating", "Qualified", "11 10:00:10", "11 10:00:12"), history("11 10:00:11", "Status", "New", "Qualified"), look("11 10:05", status("Qualified")),
		}, "qualified 11 10:00:11 history"},
		{"we wrote another value, and somebody wrote this one at once", []step{
			wrote("Status", "Working", "11 10:00:10", "11 10:00:12"), history("11 10:00:11", "Status", "Working", "Qualified"), look("11 10:05", status("Qualified")),
		}, "qualified 11 10:00:11 history"},
		{"we wrote another value, and somebody changes it to this one", []step{
			wrote("Status", "Working", "11 10:00:10", "11 10:00:12"), look("11 10:05", edited("11 10:00:11"), status("Working")), look("12 10:05", status("Qualified"), edited("12 10:00")),
		}, "qualified 12 10:00:00 snapshot"},
		{"we wrote another value, seen as this one at the next look", []step{
			wrote("Status", "Working", "11 10:00:10", "11 10:00:12"), look("11 10:05", status("Qualified"), edited("11 10:03")),
		}, "qualified 11 10:03:00 snapshot"},
		{"we wrote another value before changes count", []step{
			wrote("Status", "Working", "09 23:59:50", "09 23:59:59"), look("11 10:05", status("Qualified"), edited("11 10:03")),
		}, "not value_predates"},
		{"we wrote another value, and the answer came when changes counted", []step{
			wrote("Status", "Working", "09 23:59:59", "10 00:00"), look("11 10:05", status("Qualified"), edited("11 10:03")),
		}, "qualified 11 10:03:00 snapshot"},
		{"we wrote another value over it, and somebody sets it back", []step{
			look("10 09:00", status("Qualified")), wrote("Status", "Working", "11 10:00:10", "11 10:00:12"), look("11 10:05", status("Qualified"), edited("11 10:03")),
		}, "qualified 11 10:03:00 snapshot"},
		{"to a record that is newer than the referral, before we ever saw it", []step{
			lead("N", "10 08:00"), weWrote, look("11 10:05", status("Qualified"), edited("11 10:00:11")),
		}, "not value_predates"},
		{"ours, left by somebody and reached again", []step{
			weWrote, look("11 10:05", status("Qualified"), edited("11 10:00:11")), look("12 10:05", status("Lost"), edited("12 10:00")), look("13 10:05", status("Qualified"), edited("13 10:00")),
		}, "qualified 13 10:00:00 snapshot"},
	}, lead("L", "01")))

	judgeAll(t, prefixed([]told{
		{"we created the record at it", []step{weWrote, look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"the record was seen before its creation was noted as ours", []step{look("11 10:05", status("Qualified")), weWrote}, "not value_predates"},
		{"we created the record at another value", []step{wrote("Status", "New", "11 10:00:10", "11 10:00:12"), look("11 10:05", status("Qualified"), edited("11 10:03"))}, "qualified 11 10:03:00 snapshot"},
		{"we created the record, and the org gave it the value", []step{wrote("Rating", "Hot", "11 10:00:10", "11 10:00:12"), look("11 10:05", status("Qualified"))}, "qualified 11 10:00:11 created"},
	}, lead("L", "11 10:00:11", rules.Created)))
}

// A value that changed while LastModifiedDate did not, with no history row, conversion or formula to explain it, was rewritten in Setup.
func TestValueReplacedInSetup(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"only SystemModstamp moved", []step{look("10 09:00", status("Warm")), look("11 10:05", status("Qualified"), touched("11 10:02"))}, "held value_rewritten"},
		{"a history row explains it", []step{
			look("10 09:00", status("Warm")), history("11 10:02", "Status", "Warm", "Qualified"), look("11 10:05", status("Qualified"), touched("11 10:02")),
		}, "qualified 11 10:02:00 history"},
		{"a conversion explains it", []step{
			look("10 09:00", status("Warm"), notConverted), look("11 10:05", status("Qualified"), converted("11", "C", "O"), touched("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
		{"a conversion that was seen before does not", []step{
			look("10 09:00", status("Warm"), notConverted), look("10 10:05", converted("10", "C", "O"), touched("10 10:02")), look("11 10:05", status("Qualified"), touched("11 10:02")),
		}, "held value_rewritten"},
		{"a conversion from before the first look does not", []step{
			look("10 09:00", status("Warm"), converted("10", "C", "O")), look("11 10:05", status("Qualified"), touched("11 10:02")),
		}, "held value_rewritten"},
		{"neither stamp moved: somebody changed it within the second of the last look", []step{
			look("10 09:00", status("Warm"), edited("10 09:00")), look("10 09:05", status("Qualified")),
		}, "qualified 10 09:00:00 snapshot"},
		{"before changes count", []step{look("08 09:00", status("Warm")), look("09 10:05", status("Qualified"), touched("09 10:02"))}, "not value_predates"},
		{"seen old before changes count", []step{look("08 09:00", status("Warm")), look("11 10:05", status("Qualified"), touched("11 10:02"))}, "not value_predates"},
		{"rewritten to another value, then changed to this one by somebody", []step{
			look("10 09:00", status("Warm")), look("11 10:05", status("Hot"), touched("11 10:02")), look("12 10:05", status("Qualified"), edited("12 10:02")),
		}, "qualified 12 10:02:00 snapshot"},
		{"rewritten, and later left and reached by somebody", []step{
			look("10 09:00", status("Warm")), look("11 10:05", status("Qualified"), touched("11 10:02")),
			look("12 10:05", status("Lost"), edited("12 10:02")), look("13 10:05", status("Qualified"), edited("13 10:02")),
		}, "qualified 13 10:02:00 snapshot"},
		{"rewritten while the field was hidden, and the record was seen", []step{
			look("10 09:00", status("Warm")), look("11 10:05", hidden("Status"), touched("11 10:02")), look("11 11:05", hidden("Status")), look("12 10:05", status("Qualified")),
		}, "held value_rewritten"},
		{"changed by somebody while the field was hidden, and the record was seen", []step{
			look("10 09:00", status("Warm")), look("11 10:05", hidden("Status"), edited("11 10:02")), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:02:00 snapshot"},
		{"a conversion explains it, that was seen while the field was hidden", []step{
			look("10 09:00", status("Warm"), notConverted), look("11 10:05", hidden("Status"), converted("11", "C", "O"), touched("11 10:02")), look("12 10:05", status("Qualified")),
		}, "qualified 11 10:02:00 snapshot"},
		{"LastModifiedDate cannot be read", []step{
			look("10 09:00", status("Warm"), unreadableModified), look("11 10:05", status("Qualified"), touched("11 10:02")),
		}, "qualified 11 10:02:00 snapshot"},
	}, lead("L", "01")))
}

func unreadableModified(r *record) { r.row.Modified = time.Time{} }

// A formula field moves no stamp: t is the answer's time.
func TestFormulaField(t *testing.T) {
	judgeAll(t, prefixed([]told{
		{"no stamp moved", []step{look("10 09:00", status("No")), look("11 10:05", status("Qualified"))}, "qualified 11 10:05:00 snapshot"},
		{"SystemModstamp moved for another reason", []step{look("10 09:00", status("No")), look("11 10:05", status("Qualified"), touched("11 10:02"))}, "qualified 11 10:05:00 snapshot"},
		{"the earlier look was before changes count", []step{look("09 09:00", status("No")), look("11 10:05", status("Qualified"))}, "not value_predates"},
		{"true from the birth of the record", []step{lead("N", "11 10:00"), look("11 10:05", status("Qualified"))}, "qualified 11 10:00:00 created"},
	}, lead("L", "01"), calculated))
}

// OpportunityHistory has no previous stage and writes rows for amounts too: the predecessor decides; a row without one counts only as the
// Opportunity's creation. Order inside a second is no proof.
func TestStageRows(t *testing.T) {
	convertedLead := []step{method(rules.LeadConvertsToStage), lead("L", "10 08:00"), look("12 09:00", converted("10", "C", "O"), edited("10 09:00"))}
	judgeAll(t, prefixed([]told{
		{"the stage came after another", []step{stages("10 09:00 Open", "11 10:02 Won"), look("12 09:00", stageIs("Won"))}, "qualified 11 10:02:00 history"},
		{"the stage was reached and left", []step{stages("10 09:00 Open", "11 10:02 Won", "11 10:04 Lost"), look("12 09:00", stageIs("Lost"))}, "qualified 11 10:02:00 history"},
		{"a row for an amount is no move", []step{effective("11 12:00"), stages("10 09:00 Open", "11 10:02 Won", "11 14:00 Won"), look("12 09:00", stageIs("Won"))}, "not value_predates"},
		{"reached again after it was left", []step{effective("11 12:00"), stages("10 09:00 Won", "11 10:02 Open", "11 14:00 Won"), look("12 09:00", stageIs("Won"))}, "qualified 11 14:00:00 history"},
		{"the first row is the creation's", []step{stages("10 09:00 Won"), look("12 09:00", stageIs("Lost"))}, "qualified 10 09:00:00 history"},
		{"the first row is a minute after the creation", []step{stages("10 09:01 Won"), look("12 09:00", stageIs("Lost"))}, "qualified 10 09:01:00 history"},
		{"the first row is later than that: rows before it are missing", []step{stages("10 09:01:01 Won"), look("12 09:00", stageIs("Lost"))}, "not stage_not_reached"},
		{"two rows of one second, the stage among them", []step{stages("10 09:00 Open", "11 10:02 Won", "11 10:02 Open"), look("12 09:00", stageIs("Open"))}, "qualified 11 10:02:00 history"},
		{"two rows of one second before it, the stage among them", []step{
			effective("11 12:00"), stages("10 09:00 Open", "11 10:02 Won", "11 10:02 Open", "11 14:00 Won"), look("12 09:00", stageIs("Won")),
		}, "not value_predates"},
		{"a row of another stage after that second makes it certain", []step{
			effective("11 12:00"), stages("10 09:00 Open", "11 10:02 Won", "11 10:02 Open", "11 13:00 Open", "11 14:00 Won"), look("12 09:00", stageIs("Won")),
		}, "qualified 11 14:00:00 history"},
		{"rows come in any order", []step{stages("11 10:02 Won", "10 09:00 Open"), look("12 09:00", stageIs("Won"))}, "qualified 11 10:02:00 history"},
		{"the stage in another case", []step{stages("10 09:00 Open", "11 10:02 WON"), look("12 09:00", stageIs("Lost"))}, "qualified 11 10:02:00 history"},
	}, append(convertedLead, opportunity("O", "10 09:00", rules.Conversion))...))
}

// A history row that somebody deleted still happened; one that is read again is the same row.
func TestHistoryIsKeptOnce(t *testing.T) {
	var s rules.Snapshot
	won := rules.StageRow{ID: "1", Stage: "Won", At: at("11 10:00")}
	opened := rules.StageRow{ID: "0", Stage: "Open", At: at("10 10:00")}
	if !s.AddStages(won, opened, won, opened) {
		t.Error("a first reading that shows two rows twice: got nothing new")
	}
	if !s.AddStages(rules.StageRow{ID: "2", Stage: "Lost", At: at("12 10:00")}) {
		t.Error("a reading that shows one other row: got nothing new")
	}
	if s.AddStages(opened, won) {
		t.Error("a reading of what is known: got something new")
	}
	var got []string
	for _, r := range s.Stages {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, got); diff != "" {
		t.Errorf("stage rows after a reading that lacks two of them (-want +got):\n%s", diff)
	}
	if !s.HasStage("1") || s.HasStage("3") {
		t.Errorf("HasStage: got %v for a known row and %v for an unknown one, want true and false", s.HasStage("1"), s.HasStage("3"))
	}

	first, second := rules.HistoryRow{ID: "a"}, rules.HistoryRow{ID: "b"}
	if !s.AddHistory(first) || s.AddHistory(first) || !s.AddHistory(first, second) || len(s.History) != 2 {
		t.Errorf("adding a, a, then a and b: got %v, want each row once, and a report of what is new", s.History)
	}
}

// A field that flips at every look must not grow its record in the store for ever; what is newest stays.
func TestOldChangesAreForgotten(t *testing.T) {
	steps := []step{lead("L", "01")}
	for i := range 302 {
		steps = append(steps, look(at("11").Add(time.Duration(i)*time.Minute).Format("02 15:04"), status(fmt.Sprint(i))))
	}
	changes := tell(steps...).now.snapshot.Changes
	if len(changes) != 200 || changes[0].To != "102" || changes[199].To != "301" {
		t.Errorf("after 301 changes: got %d of them, from %q to %q, want the newest 200", len(changes), changes[0].To, changes[len(changes)-1].To)
	}
}
