package salesforce

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	created = `{"id":"00Q000000000001EAA","success":true,"errors":[]}`

	duplicates = `[{"duplicateResult":{"allowSave":true,"duplicateRule":"Standard_Lead_Duplicate_Rule","duplicateRuleEntityType":"Lead",` +
		`"errorMessage":"Use one of these records?","matchResults":[{"entityType":"Lead","errors":[],"matchEngine":"FuzzyMatchEngine","matchRecords":[` +
		`{"additionalInformation":[],"fieldDiffs":[],"matchConfidence":100.0,"record":{"attributes":{"type":"Lead","url":"/x"},"Id":"00Q000000000001EAA"}},` +
		`{"additionalInformation":[],"fieldDiffs":[],"matchConfidence":90.0,"record":{"attributes":{"type":"Lead","url":"/y"},"Id":"00Q000000000002EAA"}}` +
		`],"rule":"Standard","size":2,"success":true}]},"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`
)

func createLead(t *testing.T, f *fake) (string, error) {
	id, _, err := f.client(t).Create(t.Context(), "Lead", map[string]any{"LastName": "Lee", "Company": "@{x}"}, false)
	return id, err
}

func TestCreate(t *testing.T) {
	f := &fake{api: []reply{{status: 201, body: created}}}
	id, a, err := f.client(t).Create(t.Context(), "Lead", map[string]any{"LastName": "Lee", "Company": nil}, true)
	if err != nil || id != "00Q000000000001EAA" || a.Date.IsZero() {
		t.Fatalf("got %q, %+v, %v", id, a, err)
	}
	got := f.calls[0]
	if got.method != "POST" || got.path != "/services/data/v67.0/sobjects/Lead" || got.body != `{"Company":null,"LastName":"Lee"}` {
		t.Errorf("sent %s %s %s", got.method, got.path, got.body)
	}
	if got := got.header.Get("Sforce-Duplicate-Rule-Header"); got != "allowSave=true" {
		t.Errorf("duplicate header %q", got)
	}
}

func TestCreateMindsDuplicateRulesUnlessTold(t *testing.T) {
	f := &fake{api: []reply{{status: 201, body: created}}}
	if _, err := createLead(t, f); err != nil {
		t.Fatal(err)
	}
	if got, sent := f.calls[0].header["Sforce-Duplicate-Rule-Header"]; sent {
		t.Errorf("sent the duplicate header %q", got)
	}
}

func TestUpdate(t *testing.T) {
	f := &fake{api: []reply{{status: 204}}}
	a, err := f.client(t).Update(t.Context(), "Contact", "003000000000001", map[string]any{"Code__c": "ueONFmUp"})
	if err != nil || a.Date.IsZero() {
		t.Fatalf("got %+v, %v", a, err)
	}
	got := f.calls[0]
	if got.method != "PATCH" || got.path != "/services/data/v67.0/sobjects/Contact/003000000000001AAA" || got.body != `{"Code__c":"ueONFmUp"}` {
		t.Errorf("sent %s %s %s", got.method, got.path, got.body)
	}
}

// TestWriteAnswers lists how a create can end: its kind, how often it was sent,
// and whether the record may exist nevertheless.
func TestWriteAnswers(t *testing.T) {
	fault := func(status int, code string) reply {
		return reply{status: status, body: `[{"message":"words","errorCode":"` + code + `","fields":["LastName"]}]`}
	}
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	tests := []struct {
		name    string
		reply   reply
		want    Kind
		calls   int
		unknown bool
	}{
		{"required field missing", fault(400, "REQUIRED_FIELD_MISSING"), Rejected, 1, false},
		{"validation rule", fault(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), Rejected, 1, false},
		{"picklist value", fault(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"), Rejected, 1, false},
		{"value of the wrong type", fault(400, "JSON_PARSER_ERROR"), Rejected, 1, false},
		{"field not writable", fault(400, "INVALID_FIELD_FOR_INSERT_UPDATE"), Rejected, 1, false},
		{"duplicates", reply{status: 400, body: duplicates}, Rejected, 1, false},
		{"duplicate value", fault(400, "DUPLICATE_VALUE"), Rejected, 1, false},
		{"storage full", fault(400, "STORAGE_LIMIT_EXCEEDED"), Rejected, 1, false},
		{"no access to the record", fault(403, "INSUFFICIENT_ACCESS_OR_READONLY"), Rejected, 1, false},
		{"record deleted", fault(404, "ENTITY_IS_DELETED"), Rejected, 1, false},
		{"record not found", fault(404, "NOT_FOUND"), Rejected, 1, false},
		{"an undocumented refusal", fault(400, "BRAND_NEW_CODE"), Rejected, 1, false},
		{"too large", reply{status: 413}, Rejected, 1, false},
		{"field gone", fault(400, "INVALID_FIELD"), FieldGone, 1, false},
		{"object gone", fault(404, "INVALID_TYPE"), ObjectGone, 1, false},
		{"API disabled", fault(403, "API_DISABLED_FOR_ORG"), Refused, 1, false},
		{"daily limit", reply{status: 403, body: `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`}, Limit, 1, false},
		{"read-only org", fault(503, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"), ReadOnly, 1, false},
		{"row locked", fault(400, "UNABLE_TO_LOCK_ROW"), Transient, 3, false},
		{"too many Apex requests", fault(503, "TOO_MANY_APEX_REQUESTS"), Transient, 3, false},
		{"server unavailable, in its own words", fault(503, "SERVER_UNAVAILABLE"), Transient, 3, false},
		{"429", reply{status: 429}, Transient, 3, false},
		{"429 that asks for minutes", reply{status: 429, header: map[string]string{"Retry-After": "300"}}, Transient, 1, false},
		{"redirect", reply{status: 307, header: map[string]string{"Location": "https://x.salesforce.com/"}}, Transient, 1, false},
		{"never connected", reply{err: dial}, Transient, 1, false},
		{"name does not resolve", reply{err: &net.DNSError{Err: "no such host"}}, Transient, 1, false},

		{"403 of a proxy, in HTML", reply{status: 403, body: "<html>"}, Transient, 1, false},
		{"404 in HTML", reply{status: 404, body: "<html>"}, Transient, 1, false},
		{"405 of a proxy, in HTML", reply{status: 405, body: "<html>"}, Transient, 1, false},

		{"network error", reply{err: errNetwork}, Transient, 1, true},
		{"no answer in time", reply{takes: time.Hour}, Transient, 1, true},
		{"500", fault(500, "UNKNOWN_EXCEPTION"), Transient, 1, true},
		{"503 in HTML", reply{status: 503, body: "<html>"}, Transient, 1, true},
		{"502 of a proxy", reply{status: 502}, Transient, 1, true},
		{"408", reply{status: 408}, Transient, 1, true},
		{"201 that is cut", reply{status: 201, body: `{"id":"00Q`, cut: io.ErrUnexpectedEOF}, Transient, 1, true},
		{"201 with half a JSON", reply{status: 201, body: `{"id":"00Q`}, Transient, 1, true},
		{"HTML with 200", reply{body: "<html>", header: map[string]string{"Content-Type": "text/html"}}, Transient, 1, true},
		{"201 without an Id", reply{status: 201, body: `{"success":true}`}, Malformed, 1, true},
		{"201 without a Date", reply{status: 201, body: created, header: map[string]string{"Date": ""}}, Malformed, 1, true},

		{"200 that says no", reply{body: `{"id":null,"success":false,"errors":[{"statusCode":"MALFORMED_ID","message":"bad id","fields":[]}]}`}, Rejected, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{api: []reply{tt.reply}}
				_, err := createLead(t, f)
				wantKind(t, err, tt.want)
				f.wantCalls(t, tt.calls, 1)
				if got := UnknownOutcome(err); got != tt.unknown {
					t.Errorf("unknown outcome: got %v, want %v: %v", got, tt.unknown, err)
				}
			})
		})
	}
}

func TestWriteThatTheCallerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{takes: time.Hour}}}
		c := f.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.Create(ctx, "Lead", map[string]any{"LastName": "Lee"}, false)
		wantKind(t, err, Stopped)
		if !UnknownOutcome(err) {
			t.Errorf("got a known outcome, want unknown: %v", err)
		}
	})
}

func TestWriteWaitsTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := createLead(t, &fake{api: []reply{{takes: time.Hour}}})
		if took := time.Since(start); took != writeTimeout || !strings.Contains(err.Error(), "2m0s") {
			t.Errorf("gave up after %v with %v", took, err)
		}
	})
}

func TestLockedRowIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{status: 400, body: `[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW"}]`}, {status: 201, body: created}}}
		if id, err := createLead(t, f); id != "00Q000000000001EAA" || err != nil {
			t.Errorf("got %q, %v", id, err)
		}
	})
}

func TestLoginFailureLeavesAWriteUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{login: []reply{{status: 503}}}
		_, err := createLead(t, f)
		wantKind(t, err, Transient)
		f.wantCalls(t, 0, 3)
		if UnknownOutcome(err) {
			t.Error("got an unknown outcome, want a known one: nothing was sent")
		}
	})
}

func TestUpdateThatIsAnsweredByAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{body: "<html>welcome</html>", header: map[string]string{"Content-Type": "text/html"}}}}
		_, err := f.client(t).Update(t.Context(), "Lead", "00Q000000000001EAA", map[string]any{"A__c": 1})
		wantKind(t, err, Transient)
		if !UnknownOutcome(err) {
			t.Errorf("got a known outcome, want unknown: %v", err)
		}
	})
}

func TestIdIsKnownBesideAnError(t *testing.T) {
	f := &fake{api: []reply{{status: 201, body: created, header: map[string]string{"Date": ""}}}}
	if id, err := createLead(t, f); id != "00Q000000000001EAA" || !errors.Is(err, ErrNoDate) {
		t.Errorf("got %q, %v", id, err)
	}
}

func TestWritesThatAreNotSent(t *testing.T) {
	f := &fake{}
	c := f.client(t)
	_, _, badObject := c.Create(t.Context(), "Lead/../User", map[string]any{"A": 1}, false)
	_, _, badField := c.Create(t.Context(), "Lead", map[string]any{"A b": 1}, false)
	_, _, badValue := c.Create(t.Context(), "Lead", map[string]any{"A": func() {}}, false)
	_, badID := c.Update(t.Context(), "Lead", "../User/005", map[string]any{"A": 1})
	for _, err := range []error{badObject, badField, badValue, badID} {
		wantKind(t, err, Malformed)
	}
	f.wantCalls(t, 0, 0)
}

func TestRefusalKeepsSalesforcesWordsAndFields(t *testing.T) {
	f := &fake{api: []reply{{status: 400, body: `[{"message":"Required fields are missing: [Company]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Company"]}]`}}}
	_, err := createLead(t, f)
	var e *APIError
	if !errors.As(err, &e) || !cmp.Equal(e.Fields, []string{"Company"}) {
		t.Fatalf("got %#v", err)
	}
	if want := "create Lead: HTTP 400 REQUIRED_FIELD_MISSING: Required fields are missing: [Company]"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
