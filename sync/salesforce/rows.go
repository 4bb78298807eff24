package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Row is one record of an answer: field by API name, in Salesforce's spelling,
// as text. null and "" are both "" (Salesforce stores no empty strings).
// Booleans are "true" and "false", numbers as Salesforce wrote them ("50000.00").
// Nested objects (attributes, relationships, compound fields) are left out. A
// field that was not asked for is absent.
type Row map[string]string

// UnmarshalJSON reads a record.
func (r *Row) UnmarshalJSON(record []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(record, &fields); err != nil {
		return err
	}
	if fields == nil {
		return errors.New("a record is null")
	}
	*r = make(Row, len(fields))
	for field, raw := range fields {
		switch raw[0] {
		case '{', '[':
		case 'n':
			(*r)[field] = ""
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
			(*r)[field] = text
		default:
			(*r)[field] = string(raw)
		}
	}
	return nil
}

// Page is part of a query's rows, or all.
type Page struct {
	Rows  []Row
	Total int    // rows of the whole query
	Next  string // for [Client.More]; "" when this is the last page. It dies with time: never store it
}

// decodePage reads a query's answer. What says whether there is more must be
// there: a page without it could be any part of an answer.
func decodePage(body []byte) (Page, error) {
	var p struct {
		TotalSize *int   `json:"totalSize"`
		Done      *bool  `json:"done"`
		Next      string `json:"nextRecordsUrl"`
		Records   *[]Row `json:"records"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Page{}, err
	}
	if p.TotalSize == nil || p.Done == nil || p.Records == nil {
		return Page{}, errors.New("a query answer without totalSize, done or records")
	}
	// A watermark moves over what an answer does not show, so one that speaks of rows has to show some.
	if got := len(*p.Records); got > *p.TotalSize || got == 0 && (*p.TotalSize > 0 || !*p.Done) {
		return Page{}, fmt.Errorf("a query answer with %d of %d records", got, *p.TotalSize)
	}
	if *p.Done {
		return Page{Rows: *p.Records, Total: *p.TotalSize}, nil
	}
	if err := checkNext(p.Next); err != nil {
		return Page{}, err
	}
	return Page{Rows: *p.Records, Total: *p.TotalSize, Next: p.Next}, nil
}

// checkNext accepts the path of a next page and nothing that could lead the
// token to another host once it is put behind the instance's.
func checkNext(next string) error {
	if !strings.HasPrefix(next, "/services/data/") || strings.ContainsAny(next, "\\@#") || strings.Contains(next, "..") {
		return errors.New("nextRecordsUrl is not a path of the REST API")
	}
	return nil
}
