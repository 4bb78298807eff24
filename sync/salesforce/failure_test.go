package salesforce

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestErrorBodies lists the shapes in which Salesforce complains.
func TestErrorBodies(t *testing.T) {
	tests := []struct {
		name, body    string
		code, message string
	}{
		{"REST", `[{"message":"words","errorCode":"A"}]`, "A", "words"},
		{"several", `[{"message":"one","errorCode":"A","fields":["F"]},{"message":"two","errorCode":"B"}]`, "A", "one; two"},
		{"OAuth", `{"error":"invalid_grant","error_description":"authentication failure"}`, "invalid_grant", "authentication failure"},
		{"OAuth without a description", `{"error":"invalid_grant"}`, "invalid_grant", ""},
		{"OAuth with a null description", `{"error":"invalid_grant","error_description":null}`, "invalid_grant", ""},
		{"one object", `{"message":"words","errorCode":"A"}`, "A", "words"},
		{"statusCode for errorCode", `{"id":"x","success":false,"errors":[{"statusCode":"MALFORMED_ID","message":"bad","fields":[]}]}`, "MALFORMED_ID", "bad"},
		{"fields of another type", `[{"message":"words","errorCode":"A","fields":{"x":1}}]`, "A", "words"},
		{"a list of paths (300)", `["/services/data/v67.0/sobjects/Lead/1","/services/data/v67.0/sobjects/Lead/2"]`, "", "an answer that is not understood"},
		{"cut", `[{"message":"wor`, "", "an answer that is not understood"},
		{"text", `Bad_OAuth_Token`, "", "an answer that is not understood"},
		{"HTML", `<html><body>down</body></html>`, "", "an HTML page instead of an answer"},
		{"empty", ``, "", "an empty answer"},
		{"empty list", `[]`, "", "an answer that is not understood"},
		{"null", `null`, "", "an answer that is not understood"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := failure(request{op: "ask"}, 400, nil, []byte(tt.body))
			if got.Code != tt.code || got.Message != tt.message {
				t.Errorf("got %q, %q; want %q, %q", got.Code, got.Message, tt.code, tt.message)
			}
		})
	}
}

func TestLongMessageIsCut(t *testing.T) {
	e := &APIError{Op: "ask", Message: strings.Repeat("ä", 1000)}
	if got := len(e.Error()); got > 420 {
		t.Errorf("the error has %d bytes", got)
	}
}

func TestOtherErrorsHaveNoKind(t *testing.T) {
	for _, err := range []error{nil, errNetwork} {
		if got := KindOf(err); got != "" || UnknownOutcome(err) {
			t.Errorf("%v: got kind %q", err, got)
		}
	}
}

func TestLongID(t *testing.T) {
	tests := map[string]string{
		"00Dx0000000BV7z":    "00Dx0000000BV7zEAG",
		"0015500001QdQWf":    "0015500001QdQWfAAN",
		"0015500001QdQWfAAN": "0015500001QdQWfAAN",
		"0015500001QdQW":     "",
		"0015500001QdQWfAA":  "",
		"0015500001QdQWf99!": "",
		"":                   "",
	}
	for id, want := range tests {
		if got, ok := longID(id); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

// TestMatchedRecordsAreNamed: the key is duplicateResult in the documentation,
// and duplicateResut in what many versions send.
func TestMatchedRecordsAreNamed(t *testing.T) {
	misspelt := strings.Replace(duplicates, "duplicateResult", "duplicateResut", 1)
	for name, body := range map[string]string{"as documented": duplicates, "as sent": misspelt} {
		t.Run(name, func(t *testing.T) {
			e := failure(request{op: "create Lead", use: useWrite}, 400, nil, []byte(body))
			if diff := cmp.Diff([]string{"00Q000000000001EAA", "00Q000000000002EAA"}, e.Matched); diff != "" {
				t.Errorf("matched (-want +got):\n%s", diff)
			}
			if e.Kind != Rejected || e.Code != "DUPLICATES_DETECTED" {
				t.Errorf("got %s %s, want %s DUPLICATES_DETECTED", e.Kind, e.Code, Rejected)
			}
		})
	}
}
