package salesforce

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 900e6, time.FixedZone("", 3600))

func TestQueryText(t *testing.T) {
	tests := []struct {
		name string
		q    Soql
		want string
	}{
		{"plain", Select("Id", "Status").From("Lead"), "SELECT Id,Status FROM Lead"},
		{"counted", CountBy("Status", 50).From("Lead").Where(Equal("City", "Rome")),
			"SELECT Status,COUNT(Id) n FROM Lead WHERE City = 'Rome' GROUP BY Status ORDER BY COUNT(Id) DESC LIMIT 50"},
		{"more groups than an answer holds", CountBy("Status", 9999).From("Lead"), "SELECT Status,COUNT(Id) n FROM Lead GROUP BY Status ORDER BY COUNT(Id) DESC LIMIT 2000"},
		{"a field of a parent", Select("Id").From("FieldDefinition").Where(Equal("EntityDefinition.QualifiedApiName", "Lead")),
			"SELECT Id FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Lead'"},
		{"a field named twice", Select("Id", "Status", "status", "Id").From("Lead"), "SELECT Id,Status FROM Lead"},
		{"changed since", Select("Id").From("Lead").Where(AtLeast("SystemModstamp", noon)).OrderBy("SystemModstamp", "Id"),
			"SELECT Id FROM Lead WHERE SystemModstamp >= 2026-11-22T11:00:00Z ORDER BY SystemModstamp,Id"},
		{"several conditions", Select("Id").From("LeadHistory").Where(After("CreatedDate", noon), In("Field", []string{"Status", "leadConverted"})),
			"SELECT Id FROM LeadHistory WHERE CreatedDate > 2026-11-22T11:00:00Z AND Field IN ('Status','leadConverted')"},
		{"either", Select("Id").From("Lead").Where(Or(Equal("Email", "a@b.c"), And(Equal("X__c", "1"), Equal("Y__c", "2")))),
			"SELECT Id FROM Lead WHERE (Email = 'a@b.c' OR (X__c = '1' AND Y__c = '2'))"},
		{"after a row", Select("Id").From("Lead").Where(KeysetAfter("SystemModstamp", noon, "00Q1")),
			"SELECT Id FROM Lead WHERE (SystemModstamp >= 2026-11-22T11:00:00Z AND (SystemModstamp > 2026-11-22T11:00:00Z OR (SystemModstamp = 2026-11-22T11:00:00Z AND Id > '00Q1')))"},
		{"a quote in a value", Select("Id").From("Lead").Where(Equal("Name", `O'Hara \ "x"`+"\n\r\t\b\f")),
			`SELECT Id FROM Lead WHERE Name = 'O\'Hara \\ \"x\"\n\r\t\b\f'`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.q.Build()
			if err != nil || got != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			if tt.q.String() != got {
				t.Errorf("String is %s", tt.q)
			}
		})
	}
}

func TestQueriesThatCannotBeBuilt(t *testing.T) {
	tests := []struct {
		name string
		q    Soql
	}{
		{"no fields", Select().From("Lead")},
		{"no object", Select("Id")},
		{"counting by a function", CountBy("toLabel(Status)", 5).From("Lead")},
		{"a path with a gap", Select("Id").From("Lead").Where(Equal("Owner..Name", "x"))},
		{"a path with a quote", Select("Id").From("Lead").Where(Equal("Owner.Name'", "x"))},
		{"a field with a space", Select("Id FROM User--").From("Lead")},
		{"an object with a quote", Select("Id").From("Lead'")},
		{"a field in a condition", leads.Where(Equal("Id = '' OR Name", "x"))},
		{"a field in IN", leads.Where(In("a b", []string{"x"}))},
		{"a field in a keyset", leads.Where(KeysetAfter("a b", noon, "x"))},
		{"a field deep inside", leads.Where(Or(Equal("A", "x"), And(AtLeast("b c", noon))))},
		{"an order", leads.OrderBy("Id LIMIT 1")},
		{"IN an empty list", leads.Where(In("Id", nil))},
		{"nothing to choose from", leads.Where(Or())},
		{"a condition that is none", leads.Where(Condition{})},
		{"no time", leads.Where(AtLeast("SystemModstamp", time.Time{}))},
		{"a time past all times", leads.Where(After("SystemModstamp", time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)))},
		{"NUL in a value", leads.Where(Equal("Name", "a\x00b"))},
		{"an escape character in a value", leads.Where(In("Name", []string{"ok", "a\x1bb"}))},
		{"bytes that are no text", leads.Where(Equal("Name", "a\xffb"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.q.Build(); err == nil {
				t.Errorf("built %s, want an error", got)
			}
			f := &fake{}
			c := f.client(t)
			if c.Fits(tt.q) {
				t.Error("Fits says that it can be sent")
			}
			_, _, err := c.QueryAll(t.Context(), tt.q)
			wantKind(t, err, Malformed)
			f.wantCalls(t, 0, 0)
		})
	}
}

func TestSharedBeginningIsNotOverwritten(t *testing.T) {
	base := Select("Id").From("Lead").Where(Equal("A", "1")).Where(Equal("B", "2")).Where(Equal("C", "3"))
	x, y := base.Where(Equal("X", "1")), base.Where(Equal("Y", "2"))
	if !strings.HasSuffix(x.String(), "AND X = '1'") || !strings.HasSuffix(y.String(), "AND Y = '2'") {
		t.Errorf("got\n%s\n%s", x, y)
	}
}

func TestFits(t *testing.T) {
	c := (&fake{}).client(t)
	if q := leads.Where(In("Id", ids(2000))); !c.Fits(q) {
		t.Error("2,000 Ids do not fit")
	}
	if q := leads.Where(In("Id", ids(5000))); c.Fits(q) {
		t.Error("5,000 Ids fit, want more than 100,000 characters to be refused")
	}
	c.long.Store(longRefused)
	if q := leads.Where(In("Id", ids(500))); !c.Fits(q) {
		t.Error("where a URL is the limit: 500 Ids do not fit")
	}
	if q := leads.Where(In("Id", ids(1000))); c.Fits(q) {
		t.Error("where a URL is the limit: 1,000 Ids fit, want more than 15,000 bytes to be refused")
	}
}

func ids(n int) []string { return slices.Repeat([]string{"00Q000000000001EAA"}, n) }

// FuzzQuote checks that no value can end its literal early or leave the query.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "'", `\`, `\'`, "@{leads.records[0].Id}", "a' OR Id != '", "\n", "ä😀", "%27", "a&q=b#c", "\x00", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, err := leads.Where(Equal("Name", value)).Build()
		if err != nil {
			return
		}
		literal, ok := strings.CutPrefix(text, "SELECT Id FROM Lead WHERE Name = ")
		if !ok || unquote(t, literal) != value {
			t.Errorf("%q became %s", value, literal)
		}
		encoded := encode(text)
		if back, err := url.QueryUnescape(encoded); err != nil || back != text {
			t.Errorf("%q became %q when encoded", text, back)
		}
		if strings.ContainsAny(encoded, "@{}'\"&#+ ") {
			t.Errorf("reserved bytes are left in %q", encoded)
		}
	})
}

// unquote reads a literal as Salesforce documents it, and fails on anything
// after its end.
func unquote(t *testing.T, literal string) string {
	t.Helper()
	if len(literal) < 2 || literal[0] != '\'' || literal[len(literal)-1] != '\'' {
		t.Fatalf("no literal: %s", literal)
	}
	inner, value := literal[1:len(literal)-1], strings.Builder{}
	for i := 0; i < len(inner); i++ {
		switch ch := inner[i]; {
		case ch == '\'' || ch < ' ':
			t.Fatalf("a bare %q inside %s", ch, literal)
		case ch != '\\':
			value.WriteByte(ch)
		default:
			i++
			if i == len(inner) {
				t.Fatalf("the last quote is escaped: %s", literal)
			}
			named := strings.IndexByte("nrtbf", inner[i])
			if named >= 0 {
				value.WriteByte("\n\r\t\b\f"[named])
			} else {
				value.WriteByte(inner[i])
			}
		}
	}
	if !utf8.ValidString(value.String()) {
		t.Fatalf("not text: %s", literal)
	}
	return value.String()
}
