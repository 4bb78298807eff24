package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// compositeAnswer is what a composite gives back, a body as it came.
type compositeAnswer struct {
	CompositeResponse []struct {
		Body           any
		HTTPHeaders    map[string]string
		HTTPStatusCode int
		ReferenceID    string
	}
}

// composite makes a lead, reads it by a reference to the answer before, asks a
// query, and sends one subrequest that fails without touching the others.
func (s *session) composite() (string, error) {
	base := "/services/data/" + s.sf.GetAPIVersion()
	var answer compositeAnswer
	err := s.ask(http.MethodPost, "/composite", []byte(`{"allOrNone": false, "compositeRequest": [
		{"method": "POST", "referenceId": "made", "url": "`+base+`/sobjects/Lead", "body": {"LastName": "Cy", "Company": "`+company+`"}},
		{"method": "GET", "referenceId": "read", "url": "`+base+`/sobjects/Lead/@{made.id}?fields=LastName,Company"},
		{"method": "GET", "referenceId": "asked", "url": "`+base+`/query?q=SELECT+Id+FROM+Lead+WHERE+Id='@{made.id}'"},
		{"method": "GET", "referenceId": "wrong", "url": "`+base+`/query?q=SELECT+Nonsense__c+FROM+Lead"},
		{"method": "DELETE", "referenceId": "gone", "url": "`+base+`/sobjects/Lead/@{made.id}"}]}`), &answer)
	if err != nil {
		return "", err
	}
	var got []string
	for _, sub := range answer.CompositeResponse {
		got = append(got, fmt.Sprint(sub.ReferenceID, " ", sub.HTTPStatusCode))
	}
	line, want := strings.Join(got, ", "), "made 201, read 200, asked 200, wrong 400, gone 204"
	if line != want {
		return "", fmt.Errorf("got %s; want %s: %+v", line, want, answer)
	}
	made, read := answer.CompositeResponse[0], answer.CompositeResponse[1]
	if id := made.Body.(map[string]any)["id"]; made.HTTPHeaders["Location"] != fmt.Sprint(base, "/sobjects/Lead/", id) {
		return "", fmt.Errorf("made %v: got the headers %v, want its Location", id, made.HTTPHeaders)
	}
	if name := read.Body.(map[string]any)["LastName"]; name != "Cy" {
		return "", fmt.Errorf("read by reference: got %v, want Cy", name)
	}
	return line, nil
}

// collections is a composite whose subrequests are collections, the way this
// client changes many records in one call.
func (s *session) collections() (string, error) {
	made, err := s.sf.InsertComposite("Lead", leads(4, "Open - Not Contacted"), 2, false)
	if err != nil {
		return "", err
	}
	var changes, ids []map[string]any
	for _, r := range made.Results {
		changes = append(changes, map[string]any{"Id": r.Id, "Status": "Working - Contacted"})
		ids = append(ids, map[string]any{"Id": r.Id})
	}
	changed, err := s.sf.UpdateComposite("Lead", changes, 2, true)
	if err != nil {
		return "", err
	}
	status, err := s.status(made.Results[3].Id)
	if err != nil {
		return "", err
	}
	deleted, err := s.sf.DeleteComposite("Lead", ids, 2, true)
	if err != nil {
		return "", err
	}
	if made.HasSalesforceErrors || changed.HasSalesforceErrors || deleted.HasSalesforceErrors || len(deleted.Results) != 4 {
		return "", fmt.Errorf("got %+v, %+v, %+v; want no errors", made, changed, deleted)
	}
	return "4 leads made, " + status + ", deleted", nil
}

// allOrNone: the composite's flag holds for the collections in it, whatever
// theirs says, and one bad record takes back the collection before its own.
func (s *session) allOrNone() (string, error) {
	before, err := s.count()
	if err != nil {
		return "", err
	}
	bad := append(leads(2, "Open - Not Contacted"), map[string]any{"LastName": "Without a company"})
	results, err := s.sf.InsertComposite("Lead", bad, 2, true)
	if err != nil {
		return "", err
	}
	after, err := s.count()
	if err != nil {
		return "", err
	}
	if !results.HasSalesforceErrors || after != before {
		return "", fmt.Errorf("got %+v and %d new leads, want errors and none", results, after-before)
	}
	return "nothing made", nil
}

// refusals: what people write programs around. The client gives the body as
// the error's text.
func (s *session) refusals() (string, error) {
	_, incomplete := s.sf.InsertOne("Lead", map[string]any{"LastName": "Without a company"})
	var none []row
	var codes []string
	for _, refusal := range []struct {
		code string
		err  error
	}{
		{"REQUIRED_FIELD_MISSING", incomplete},
		{"INVALID_FIELD", s.sf.Query("SELECT Nonsense__c FROM Lead", &none)},
		{"MALFORMED_QUERY", s.sf.Query("SELECT FROM Lead", &none)},
		{"INVALID_TYPE", s.sf.Query("SELECT Id FROM Nonsense__c", &none)},
		{"NOT_FOUND", s.sf.UpdateOne("Lead", map[string]any{"Id": "00Q000000000000EAA", "Status": "Open - Not Contacted"})},
	} {
		if refusal.err == nil || !strings.Contains(refusal.err.Error(), `"errorCode":"`+refusal.code+`"`) {
			return "", fmt.Errorf("got %w, want %s", errors.Join(refusal.err), refusal.code)
		}
		codes = append(codes, refusal.code)
	}
	return strings.Join(codes, ", "), nil
}
