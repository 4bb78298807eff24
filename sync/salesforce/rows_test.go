package salesforce

import (
	"encoding/json"
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
	var got Row
	if err := json.Unmarshal([]byte(record), &got); err != nil {
		t.Fatal(err)
	}
	want := Row{
		"Id": "00Q1", "Email": "", "Company": "", "Name": `Zoë "Z" 😀`,
		"IsConverted": "false", "HasOptedOut": "true",
		"Amount": "50000.00", "NumberOfEmployees": "15000", "Tiny": "1e-7",
		"CreatedDate": "2024-07-24T14:05:58.000+0000", "Picks__c": "four;six",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if _, asked := got["Status"]; asked {
		t.Error("a field that was not asked for is there")
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
