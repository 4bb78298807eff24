package salesforce

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRow(t *testing.T) {
	record := `{
		"attributes": {"type": "Lead", "url": "/services/data/v67.0/sobjects/Lead/00Q1"},
		"Id": "00Q1", "Email": null, "Company": "", "Name": "Zo\u00eb \"Z\" 😀",
		"IsConverted": false, "HasOptedOut": true,
		"Amount": 50000.00, "NumberOfEmployees": 15000, "Tiny": 1e-7,
		"CreatedDate": "2024-07-24T14:05:58.000+0000", "Picks__c": "four;six",
		"Address": {"city": null}, "Owner": {"Name": "x"}, "Tasks": {"records": []}, "List": [1]
	}`
	got := rowOf(t, record)
	want := map[string]string{
		"Id": "00Q1", "Email": "", "Company": "", "Name": `Zoë "Z" 😀`,
		"IsConverted": "false", "HasOptedOut": "true",
		"Amount": "50000.00", "NumberOfEmployees": "15000", "Tiny": "1e-7",
		"CreatedDate": "2024-07-24T14:05:58.000+0000", "Picks__c": "four;six",
	}
	if diff := cmp.Diff(want, got.Texts()); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	for field, text := range want {
		if got := got.Text(field); got != text {
			t.Errorf("%s: got %q, want %q", field, got, text)
		}
	}
	for _, field := range []string{"Status", "attributes", "Owner"} {
		if text, has := got.Lookup(field); has || text != "" {
			t.Errorf("%s, which was not asked for or is no text, is there: %q", field, text)
		}
	}
}

// rowOf reads a record.
func rowOf(t *testing.T, record string) Row {
	t.Helper()
	page, err := decodePage([]byte(`{"totalSize":1,"done":true,"records":[` + record + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return page.Rows[0]
}

// asTexts compares rows by what they say.
var asTexts = cmp.Transformer("texts", Row.Texts)

// The rows of a page need not have the same columns, nor in the same order.
func TestRowsThatDiffer(t *testing.T) {
	records := []string{
		`{"Id":"1","A":"a","B":"b"}`, `{"Id":"2","A":"c","B":"d"}`, `{ "Id" : "3" }`, `{"Id":"4","B":"e","A":"f"}`, `{}`,
		`{"Id":"5","A":"g","B":"h","C":{"x":["}\"",{}]},"D":true}`, `{"Id":"6","A":"i","\u0042":"j","A":"k"}`, `{"Id":"7","A":"\\\\","B":"\\\""}`,
	}
	want := []map[string]string{
		{"Id": "1", "A": "a", "B": "b"}, {"Id": "2", "A": "c", "B": "d"}, {"Id": "3"}, {"Id": "4", "B": "e", "A": "f"}, {},
		{"Id": "5", "A": "g", "B": "h", "D": "true"}, {"Id": "6", "A": "k", "B": "j"}, {"Id": "7", "A": `\\`, "B": `\"`},
	}
	page, err := decodePage([]byte(`{"totalSize":8,"done":true,"records":[` + strings.Join(records, ",\n") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]string
	for _, row := range page.Rows {
		got = append(got, row.Texts())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestPagesThatAreNone(t *testing.T) {
	for name, body := range map[string]string{
		"no totalSize":        `{"done":true,"records":[]}`,
		"no done":             `{"totalSize":0,"records":[]}`,
		"no records":          `{"totalSize":0,"done":true}`,
		"null records":        `{"totalSize":0,"done":true,"records":null}`,
		"a null record":       `{"totalSize":1,"done":true,"records":[null]}`,
		"a record of text":    `{"totalSize":1,"done":true,"records":["x"]}`,
		"more, but not where": `{"totalSize":1,"done":false,"records":[]}`,
		"two values":          onePage + onePage,
		"no rows of some":     `{"totalSize":1,"done":true,"records":[]}`,
		"more, but no rows":   `{"totalSize":0,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/01g-1","records":[]}`,
		"more rows than all":  `{"totalSize":0,"done":true,"records":[{"Id":"1"}]}`,
		"an array":            `[]`,
		"null":                `null`,
		"nothing":             ``,
	} {
		if page, err := decodePage([]byte(body)); err == nil {
			t.Errorf("%s: read as %+v, want an error", name, page)
		}
	}
}
