package rules_test

import (
	"strings"
	"testing"

	"qualifyd/rules"
)

// types are those that Equal tells apart.
var types = []rules.Type{"string", "picklist", "reference", "double", "boolean", "datetime", "date", "multipicklist"}

// Equality must be one: of a value with itself, either way round, and never of something with nothing.
func FuzzEqual(f *testing.F) {
	for _, seed := range [][2]string{
		{"A;B", "b;a"}, {"5", "5.0"}, {"1/2", "0.5"}, {"1e400", "-1e400"}, {"00Q5g00000AbCdE", "00Q5g00000AbCdEEAV"}, {"2026-11-22", "2026-11-22T00:00:00Z"},
		{"2026-11-22T10:00:00.000+0000", "2026-11-22T11:00:00+01:00"}, {"Straße", "STRASSE"}, {";", ";;"}, {"", " "}, {"\xff", "\xfe"}, {"İ", "i"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, fieldType := range types {
			if !rules.Equal(fieldType, a, a) {
				t.Errorf("%s: %q is not equal to itself", fieldType, a)
			}
			if there, back := rules.Equal(fieldType, a, b), rules.Equal(fieldType, b, a); there != back {
				t.Errorf("%s: %q equals %q: %v, the other way round: %v", fieldType, a, b, there, back)
			}
			if a != "" && (rules.Equal(fieldType, a, "") || rules.Equal(fieldType, "", a)) {
				t.Errorf("%s: %q equals nothing", fieldType, a)
			}
		}
	})
}

// What Resolve accepts is a value that Equal finds equal to itself as Salesforce would show it; a picklist never gets a value it does not have.
func FuzzResolve(f *testing.F) {
	for _, seed := range []string{"Open", "offen", "Qualifeid", "Open;Offen", ";", "", "true", "TRUE", "1e3", "2026-11-22", "2026-11-22T10:00:00Z", "\x00", strings.Repeat("long ", 50)} {
		f.Add(seed)
	}
	choices := []rules.Choice{{Value: "Open", Label: "Offen"}, {Value: "Qualified", Label: "Sehr gut"}, {Value: "İ", Label: ""}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fieldType := range types {
			value, _, near, ok := rules.Resolve(fieldType, choices, text)
			if !ok {
				continue
			}
			again, _, _, still := rules.Resolve(fieldType, choices, value)
			if !still || again != value {
				t.Errorf("%s: %q is resolved to %q, and that to %q, %v, want it to stay", fieldType, text, value, again, still)
			}
			if fieldType == "picklist" && value != "Open" && value != "Qualified" && value != "İ" {
				t.Errorf("picklist: %q is resolved to %q, which it does not have (near: %q)", text, value, near)
			}
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5-05:30", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-11-22", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rules.ParseTime(text)
		if err != nil {
			return
		}
		again, err := rules.ParseTime(got.Format("2006-01-02T15:04:05.999999999Z07:00"))
		if year := got.Year(); year >= 0 && year <= 9999 && (err != nil || !again.Equal(got)) {
			t.Errorf("%q is read as %v, and that as %v, %v", text, got, again, err)
		}
	})
}

// The 18-character form keeps the 15 characters, is final, and tells Ids apart that differ in case only.
func FuzzID18(f *testing.F) {
	for _, seed := range []string{"00Q5g00000AbCdE", "003000000000000", "ABCDEFGHIJKLMNO", "00Q5g00000AbCdEEAV", "", "äääääää1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		got := rules.ID18(id)
		if !strings.HasPrefix(got, id) || rules.ID18(got) != got {
			t.Errorf("%q: got %q, want it to begin with the Id and to stay as it is", id, got)
		}
		if len(id) == 15 && len(got) != 18 {
			t.Errorf("%q: got %q, want 18 characters", id, got)
		}
		if other := swapCase(id); len(id) == 15 && other != id && strings.EqualFold(rules.ID18(other), got) {
			t.Errorf("%q and %q: got %q for both in some case, want forms that differ in any case", id, other, got)
		}
	})
}

// swapCase turns each ASCII letter into its other case.
func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}
