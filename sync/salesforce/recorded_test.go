package salesforce

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recorded is a folder of answers from real orgs that other projects published
// with their tests. The project holds no copy; QUALIFYD_RECORDED names one.
func recorded(t *testing.T, path ...string) string {
	t.Helper()
	root := os.Getenv("QUALIFYD_RECORDED")
	if root == "" {
		t.Skip("QUALIFYD_RECORDED is not set: recorded answers are not checked")
	}
	return filepath.Join(append([]string{root}, path...)...)
}

func readRecorded(t *testing.T, path ...string) []byte {
	t.Helper()
	body, err := os.ReadFile(recorded(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRecordedTokenAnswers(t *testing.T) {
	tests := map[string]Identity{
		"auth_success_response.json":    {OrgID: "00Dx0000000BV7zEAG", UserID: "005x00000012Q9PAAU", InstanceURL: "https://na1.salesforce.com"},
		"reauth_success_response.json":  {InstanceURL: "https://na1.salesforce.com"}, // its id is ".../id/foo/bar"
		"refresh_success_response.json": {InstanceURL: "https://na1.salesforce.com"},
	}
	for file, want := range tests {
		f := &fake{login: []reply{{body: string(readRecorded(t, "restforce", file))}}}
		got, err := f.client(t).Identity(t.Context())
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", file, got, err, want)
		}
	}
}

func TestRecordedErrors(t *testing.T) {
	tests := []struct {
		file   string
		use    use
		status int
		code   string
		want   Kind
	}{
		{"restforce/auth_error_response.json", useLogin, 400, "invalid_grant", Refused},
		{"restforce/refresh_error_response.json", useLogin, 400, "invalid_grant", Refused},
		{"restforce/expired_session_response.json", useQuery, 401, "INVALID_SESSION_ID", Refused},
		{"restforce/sobject/query_error_response.json", useQuery, 400, "INVALID_FIELD", FieldGone},
		{"restforce/sobject/sobject_describe_error_response.json", useDescribe, 404, "NOT_FOUND", ObjectGone},
		{"restforce/sobject/write_error_response.json", useWrite, 400, "INVALID_FIELD", FieldGone},
		{"restforce/sobject/delete_error_response.json", useWrite, 404, "NOT_FOUND", Rejected},
		{"restforce/sobject/upsert_error_response.json", useWrite, 404, "NOT_FOUND", Rejected},
		{"amp-connectors/unknown-field.json", useQuery, 400, "INVALID_FIELD", FieldGone},
		{"amp-connectors/unknown-object.json", useQuery, 400, "INVALID_TYPE", ObjectGone},
		{"amp-connectors/crm_delete_not-found.json", useWrite, 404, "ENTITY_IS_DELETED", Rejected},
		{"amp-connectors/invalid-field-upsert.json", useWrite, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", Rejected},
		{"amp-connectors/batch_create_contacts_err-bad-request.json", useWrite, 400, "REQUIRED_FIELD_MISSING", Rejected},
		{"amp-connectors/metadata_write_err-duplicate-permission-assignment.json", useWrite, 400, "DUPLICATE_VALUE", Rejected},
		{"amp-connectors/success-with-errors.json", useWrite, 400, "MALFORMED_ID", Rejected},
	}
	for _, tt := range tests {
		e := failure(request{op: "ask", use: tt.use}, tt.status, nil, readRecorded(t, tt.file))
		if e.Code != tt.code || e.Kind != tt.want || e.Message == "" {
			t.Errorf("%s: got %s, %q, %q; want %s, %q", tt.file, e.Kind, e.Code, e.Message, tt.want, tt.code)
		}
	}
}

func TestRecordedPages(t *testing.T) {
	tests := []struct {
		file  string
		rows  int
		total int
		next  string
	}{
		{"restforce/sobject/query_success_response.json", 1, 1, ""},
		{"restforce/sobject/query_empty_response.json", 0, 0, ""},
		{"restforce/sobject/query_aggregate_success_response.json", 3, 3, ""},
		{"restforce/sobject/query_paginated_first_page_response.json", 1, 2, "/services/data/v26.0/query/01gD"},
		{"restforce/sobject/query_paginated_last_page_response.json", 1, 2, ""},
		{"restforce/sobject/org_query_response.json", 1, 1, ""},
		{"nifi/query_sobject.json", 1, 1, ""},
		{"amp-connectors/read-opportunity-with-account.json", 2, 2, ""},
		{"amp-connectors/read-opportunity-with-contacts.json", 1, 1, ""},
		{"amp-connectors/read-list-leads.json", 8, 8, ""},
		{"amp-connectors/read-list-contacts.json", 20, 20, ""},
	}
	for _, tt := range tests {
		page, err := decodePage(readRecorded(t, tt.file))
		if err != nil || len(page.Rows) != tt.rows || page.Total != tt.total || page.Next != tt.next {
			t.Errorf("%s: got %d rows of %d, next %q, %v; want %d of %d, next %q",
				tt.file, len(page.Rows), page.Total, page.Next, err, tt.rows, tt.total, tt.next)
		}
		checkRows(t, tt.file, page.Rows)
	}
}

// checkRows: nested values are left out, and every stamp has the form that
// readers of rows expect.
func checkRows(t *testing.T, file string, rows []Row) {
	t.Helper()
	for _, row := range rows {
		for field, value := range row.Texts() {
			if field == "attributes" || strings.HasPrefix(value, "{") {
				t.Errorf("%s: %s is %q, want nested values left out", file, field, value)
			}
			if field != "SystemModstamp" && field != "CreatedDate" {
				continue
			}
			if _, err := time.Parse("2006-01-02T15:04:05.000-0700", value); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestRecordedCompositeFailure(t *testing.T) {
	f := &fake{api: []reply{{body: string(readRecorded(t, "camel", "composite_response_example_failure.json"))}}}
	_, got, err := f.client(t).Composite(t.Context(), []Query{{"NewPayment1", leads}, {"NewPayment2", leads}})
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range []string{"PROCESSING_HALTED", "INVALID_FIELD"} {
		var e *APIError
		if !errors.As(got[i].Err, &e) || e.Code != code || e.Status != 400 {
			t.Errorf("result %d: got %v, want %s", i, got[i].Err, code)
		}
	}
}

func TestRecordedDescribes(t *testing.T) {
	for _, file := range []string{"nifi/describe_sobject.json", "restforce/sobject/sobject_describe_success_response.json"} {
		if d, err := decodeDescribe(readRecorded(t, file)); err != nil || d.Fields[0].Type == "" {
			t.Errorf("%s: got %+v, %v", file, d, err)
		}
	}
}

func TestRecordedCreates(t *testing.T) {
	id, err := decodeCreated(request{}, readRecorded(t, "amp-connectors", "create-ok.json"))
	if id != "001ak00000OQTieAAH" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	_, err = decodeCreated(request{use: useWrite}, readRecorded(t, "amp-connectors", "success-with-errors.json"))
	wantKind(t, err, Rejected)
}

// exchange is a request with its answer, as one of the projects kept them.
type exchange struct {
	Request struct {
		Method string
		URI    string
	}
	Status   struct{ Code int }
	Response json.RawMessage
}

// TestRecordedExchanges decodes each answer by what was asked, and counts, so
// that a folder that has changed does not pass by being empty.
func TestRecordedExchanges(t *testing.T) {
	files, err := filepath.Glob(recorded(t, "cumulusci", "json", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	decoded := map[string]int{}
	for _, file := range files {
		var x exchange
		if err := json.Unmarshal(readRecorded(t, "cumulusci", "json", filepath.Base(file)), &x); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		decoded[decodeExchange(t, filepath.Base(file), x)]++
	}
	for what, least := range map[string]int{"page": 50, "describe": 9, "composite": 10, "created": 2, "server error": 1} {
		if decoded[what] < least {
			t.Errorf("decoded %d of %q, want at least %d", decoded[what], what, least)
		}
	}
}

func decodeExchange(t *testing.T, file string, x exchange) string {
	t.Helper()
	path, _, _ := strings.Cut(x.Request.URI, "?")
	switch {
	case x.Status.Code >= 500:
		if e := failure(request{op: "ask"}, x.Status.Code, nil, x.Response); e.Kind != Transient {
			t.Errorf("%s: got %s, want transient", file, e.Kind)
		}
		return "server error"
	case strings.HasSuffix(path, "/query/"):
		page, err := decodePage(x.Response)
		if err != nil || len(page.Rows) != page.Total {
			t.Errorf("%s: got %d rows of %d, %v", file, len(page.Rows), page.Total, err)
		}
		checkRows(t, file, page.Rows)
		return "page"
	case strings.HasSuffix(path, "/describe"):
		checkDescribe(t, file, x.Response)
		return "describe"
	case strings.HasSuffix(path, "/composite"):
		checkComposite(t, file, x.Response)
		return "composite"
	case x.Status.Code == 201:
		if _, err := decodeCreated(request{}, x.Response); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		return "created"
	}
	return "something we never ask"
}

func checkDescribe(t *testing.T, file string, body []byte) {
	t.Helper()
	d, err := decodeDescribe(body)
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return
	}
	if id, ok := d.Field("id"); !ok || id.Type != "id" || id.Nillable {
		t.Errorf("%s: Id is %+v", file, id)
	}
	for _, f := range d.Fields {
		if f.Name == "" || f.Type == "" {
			t.Errorf("%s: field %+v", file, f)
		}
	}
	if d.Name != "Lead" {
		return
	}
	if status, ok := d.Field("Status"); !ok || status.Type != "picklist" || len(status.Values) == 0 || status.Values[0].Value == "" || !status.Values[0].Active {
		t.Errorf("%s: Lead.Status is %+v", file, status)
	}
}

func checkComposite(t *testing.T, file string, body []byte) {
	t.Helper()
	var answer struct{ CompositeResponse []subanswer }
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.CompositeResponse) == 0 {
		t.Errorf("%s: got %d answers, %v", file, len(answer.CompositeResponse), err)
	}
	c := (&fake{}).client(t)
	for _, sub := range answer.CompositeResponse {
		if sub.ReferenceID == "" || sub.HTTPStatusCode == 0 {
			t.Errorf("%s: an answer without referenceId or status", file)
		}
		if sub.HTTPStatusCode < 400 {
			continue
		}
		result := c.result(Query{Name: sub.ReferenceID}, []subanswer{sub})
		var e *APIError
		if !errors.As(result.Err, &e) || e.Code == "" || e.Message == "" {
			t.Errorf("%s: %s: got %v", file, sub.ReferenceID, result.Err)
		}
	}
}
