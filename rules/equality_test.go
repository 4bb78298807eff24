package rules_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

// DESIGN 4, Equality follows the field's type from describe.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		name      string
		fieldType rules.Type
		a, b      string
		want      bool
	}{
		// picklist, text and e-mail fold case;
		{"a picklist value in another case", "picklist", "Closed Won", "closed won", true},
		{"a text in another case", "string", "Straße", "STRAßE", true},
		{"a long text in another case", "textarea", "Yes", "yes", true},
		{"an e-mail in another case", "email", "Ann@Example.com", "ann@example.com", true},
		{"another picklist value", "picklist", "Closed Won", "Closed Lost", false},
		{"a text with a space more", "string", "Won", "Won ", false},
		{"texts that are numbers", "string", "5", "5.0", false},
		{"a type nobody has heard of", "hologram", "A", "a", true},
		// Ids are 18-character and exact;
		{"an Id in its short form", "reference", "00Q5g00000AbCdE", "00Q5g00000AbCdEEAV", true},
		{"a record's own Id in its short form", "id", "00Q5g00000AbCdE", "00Q5g00000AbCdEEAV", true},
		{"an Id in another case is another record's", "reference", "00Q5g00000AbCdE", "00Q5g00000abcde", false},
		{"an 18-character Id in another case", "id", "00Q5g00000AbCdEEAV", "00q5g00000abcdeEAV", false},
		// numbers by decimal value;
		{"a whole number with a point", "double", "5", "5.00", true},
		{"an amount with an exponent", "currency", "12000", "1.2E4", true},
		{"a percentage", "percent", "0.5", ".5", true},
		{"an integer", "int", "7", "+7", true},
		{"a long integer beyond a float's precision", "long", "9007199254740993", "9007199254740992", false},
		{"decimals beyond a float's precision", "currency", "0.1", "0.10000000000000001", false},
		{"a number and what is none", "double", "5", "five", false},
		{"two that are no numbers", "double", "five", "FIVE", false},
		{"zeros of either sign", "double", "0", "-0.0", true},
		// booleans as such;
		{"a tick", "boolean", "true", "true", true},
		{"a tick and none", "boolean", "true", "false", false},
		{"a tick as people write it", "boolean", "true", "True", true},
		// dates and datetimes as instants or days;
		{"an instant in another zone", "datetime", "2026-11-22T10:00:00.000+0000", "2026-11-22T12:00:00+02:00", true},
		{"an instant of another channel", "datetime", "2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:00Z", true},
		{"a second later", "datetime", "2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:01.000+0000", false},
		{"a time of day", "time", "10:00:00.000Z", "10:00", true},
		{"another time of day", "time", "10:00:00.000Z", "10:01", false},
		{"a time of day and what is none", "time", "10:00:00.000Z", "ten", false},
		{"an instant and what is none", "datetime", "2026-11-22T10:00:00.000+0000", "yesterday", false},
		{"the same day, with a time", "date", "2026-11-22", "2026-11-22T00:00:00.000+0000", true},
		{"the next day", "date", "2026-11-22", "2026-11-23", false},
		{"a day and what is none", "date", "2026-11-22", "2026", false},
		// multipicklist as a set;
		{"choices in another order", "multipicklist", "A;B;C", "C;A;B", true},
		{"choices in another case, with spaces", "multipicklist", "Red; Blue", "blue;RED", true},
		{"a choice twice", "multipicklist", "A;B", "A;B;A", true},
		{"a choice more", "multipicklist", "A;B", "A;B;C", false},
		{"a choice less", "multipicklist", "A;B", "A", false},
		{"another choice", "multipicklist", "A;B", "A;C", false},
		// null and "" are the same, and no other value.
		{"empty and empty", "double", "", "", true},
		{"empty and zero", "double", "", "0", false},
		{"empty and false", "boolean", "", "false", false},
		{"empty and no choice", "multipicklist", "", ";", false},
		{"empty and a text", "string", "", "x", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rules.Equal(c.fieldType, c.a, c.b); got != c.want {
				t.Errorf("%s %q and %q: got equal %v, want %v", c.fieldType, c.a, c.b, got, c.want)
			}
			if got := rules.Equal(c.fieldType, c.b, c.a); got != c.want {
				t.Errorf("%s %q and %q: got equal %v, want %v", c.fieldType, c.b, c.a, got, c.want)
			}
		})
	}
}

// DESIGN 4: a label, or a value in another case, typed in the config is resolved to its API value. What describe does not have is not, and
// near misses are named.
func TestResolve(t *testing.T) {
	status := []rules.Choice{
		{Value: "Open", Label: "Offen", Active: true},
		{Value: "Qualified", Label: "Sehr gut", Active: true},
		{Value: "Working", Label: "Qualifizierung", Active: true},
		{Value: "Retired", Label: "Retired", Active: false},
		{Value: "Sehr gut", Label: "Bestens", Active: true},
		{Value: "VIP", Label: "VIP"}, {Value: "vip", Label: "vip (old)"},
		{Value: "Won_2019", Label: "Gewonnen", Active: false},
		{Value: "Won_2024", Label: "Gewonnen", Active: true},
	}
	for _, c := range []struct {
		name      string
		fieldType rules.Type
		text      string
		value     string
		label     string
		near      []string
		ok        bool
	}{
		{"an API value", "picklist", "Working", "Working", "Qualifizierung", nil, true},
		{"an API value in another case", "picklist", "working", "Working", "Qualifizierung", nil, true},
		{"an API value whose label is another's API value", "picklist", "Qualified", "Qualified", "", nil, true},
		{"a label", "picklist", "Offen", "Open", "Offen", nil, true},
		{"a label in another case", "picklist", "OFFEN", "Open", "Offen", nil, true},
		{"a label that is another value's API value", "picklist", "Sehr gut", "Sehr gut", "Bestens", nil, true},
		{"a label that a value had which is not offered any more", "picklist", "Gewonnen", "Won_2024", "Gewonnen", nil, true},
		{"two values that differ in case only: the exact one", "picklist", "vip", "vip", "vip (old)", nil, true},
		{"a value that is not offered any more still stands on records", "picklist", "Retired", "Retired", "Retired", nil, true},
		{"two letters off", "picklist", "Qualifeid", "", "", []string{"Qualified"}, false},
		{"three letters off", "picklist", "Qxxxified", "", "", nil, false},
		{"a part of a value", "picklist", "Work", "", "", []string{"Working"}, false},
		{"a value and more", "picklist", "Working on it", "", "", []string{"Working"}, false},
		{"like a label", "picklist", "Qualifizierun", "", "", []string{"Working"}, false},
		{"like nothing", "picklist", "Closed Won", "", "", nil, false},

		{"a set of values and labels", "multipicklist", "offen; Qualified", "Open;Qualified", "", nil, true},
		{"a set with one that is unknown", "multipicklist", "Open;Qualifeid", "", "", []string{"Qualified"}, false},

		{"a tick in another case", "boolean", "True", "true", "", []string{"true", "false"}, true},
		{"no tick", "boolean", "false", "false", "", []string{"true", "false"}, true},
		{"a tick in another language", "boolean", "ja", "ja", "", []string{"true", "false"}, false},
		{"a number", "currency", "1200.50", "1200.50", "", nil, true},
		{"an integer", "int", "-3", "-3", "", nil, true},
		{"a number with a unit", "currency", "1200 EUR", "1200 EUR", "", nil, false},
		{"a day", "date", "2026-11-22", "2026-11-22", "", nil, true},
		{"a day that does not exist", "date", "2026-02-30", "2026-02-30", "", nil, false},
		{"an instant", "datetime", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "", nil, true},
		{"a time of day", "time", "10:00", "10:00", "", nil, true},
		{"what is no time of day", "time", "ten", "ten", "", nil, false},
		{"an instant without its zone", "datetime", "2026-11-22T10:00:00", "2026-11-22T10:00:00", "", nil, false},
		{"an Id", "reference", "005Hu0000001000IAA", "005Hu0000001000IAA", "", nil, true},
		{"an Id in its form of 15 characters", "reference", "005Hu0000001000", "005Hu0000001000IAA", "", nil, true},
		{"the name of a record, where its Id is meant", "reference", "Jane Doe", "Jane Doe", "", nil, false},
		{"a text with spaces around it", "string", " whatever ", "whatever", "", nil, true},
		{"a value with spaces around it", "picklist", "Working ", "Working", "Qualifizierung", nil, true},
		{"any text", "string", "whatever", "whatever", "", nil, true},
		{"an address has no one value", "address", "Main St", "", "", nil, false},
		{"a place has no one value", "location", "1,2", "", "", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, label, near, ok := rules.Resolve(c.fieldType, status, c.text)
			if value != c.value || label != c.label || ok != c.ok {
				t.Errorf("%s %q: got value %q, label %q, ok %v, want %q, %q, %v", c.fieldType, c.text, value, label, ok, c.value, c.label, c.ok)
			}
			if diff := cmp.Diff(c.near, near); diff != "" {
				t.Errorf("near misses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNearNames(t *testing.T) {
	fields := []string{"Status", "LeadSource", "Rating", "Status__c", "Name"}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"Statsu", []string{"Status"}},
		{"status", []string{"Status", "Status__c"}},
		{"Source", []string{"LeadSource"}},
		{"Nmae", []string{"Name"}},
		{"Ratting", []string{"Rating"}},
		{"Raxyting", []string{"Rating"}},
		{"Rang", []string{"Rating"}},
		{"Revenue", nil},
	} {
		if diff := cmp.Diff(c.want, rules.Near(fields, c.text)); diff != "" {
			t.Errorf("near %q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestParseTime(t *testing.T) {
	ten := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-22T10:00:00.000+0000": ten, // REST: no colon in the offset
		"2026-11-22T12:00:00.000+0200": ten,
		"2026-11-22T10:00:00.000Z":     ten,
		"2026-11-22T10:00:00Z":         ten,
		"2026-11-22T05:00:00-05:00":    ten,
		"2026-11-22T10:00:00+0000":     ten,
		"2026-11-22T10:00:00.250+0000": ten.Add(250 * time.Millisecond),
	} {
		got, err := rules.ParseTime(text)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2026-11-22", "2026-11-22T10:00:00", "2026-13-22T10:00:00Z", "now"} {
		if got, err := rules.ParseTime(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestID18(t *testing.T) {
	for _, c := range []struct{ name, id, want string }{
		{"case in each third", "00Q5g00000AbCdE", "00Q5g00000AbCdEEAV"},
		{"no upper case", "003000000000000", "003000000000000AAA"},
		{"upper case only", "ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNO555"},
		{"18 characters already", "00Q5g00000AbCdEEAV", "00Q5g00000AbCdEEAV"},
		{"no Id", "", ""},
	} {
		if got := rules.ID18(c.id); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFoldEmail(t *testing.T) {
	if got, want := rules.FoldEmail(" Ann+Referral@Example.COM\n"), "ann+referral@example.com"; got != want {
		t.Errorf("got %q, want %q: trimmed, case folded, plus tags stay", got, want)
	}
}
