package salesforce

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestQueriesOfACheckUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    Soql
		want string
	}{
		{"the newest", Select("Id", "CreatedDate").From("Lead").Where(Filled("Code__c")).Newest("CreatedDate", 20),
			"SELECT Id,CreatedDate FROM Lead WHERE Code__c != null ORDER BY CreatedDate DESC LIMIT 20"},
		{"a checkbox", Select("Id").From("Lead").Where(Is("IsConverted", true), Is("IsDeleted", false)),
			"SELECT Id FROM Lead WHERE IsConverted = true AND IsDeleted = false"},
		{"a page size is no part of the text", Select("Id").From("Lead").Batch(200), "SELECT Id FROM Lead"},
	} {
		if got, err := tt.q.Build(); err != nil || got != tt.want {
			t.Errorf("%s: got  %s, %v\nwant %s", tt.name, got, err, tt.want)
		}
	}
	if _, err := Select("Id").From("Lead").Newest("CreatedDate DESC,Id", 5).Build(); err == nil {
		t.Error("a stamp that is no name: got a query, want an error")
	}
}

func TestACompositeAsksForSmallPagesOfOneQuery(t *testing.T) {
	f := &fake{api: []reply{{body: composite(sub("leads", "200", `{"totalSize":0,"done":true,"records":[]}`), sub("deals", "200", `{"totalSize":0,"done":true,"records":[]}`))}}}
	_, _, err := f.client(t).Composite(t.Context(), []Query{{"leads", leads.Batch(200)}, {"deals", Select("Id").From("Opportunity")}})
	if err != nil {
		t.Fatal(err)
	}
	want := `"referenceId":"leads","httpHeaders":{"Sforce-Query-Options":"batchSize=200"}}`
	if body := f.calls[0].body; !strings.Contains(body, want) || strings.Count(body, "httpHeaders") != 1 {
		t.Errorf("got body %s\nwant %s in it, and no other header", body, want)
	}
}

func TestExplainTellsThePlanThatWouldBeUsed(t *testing.T) {
	// As documented: sorted from most to least optimal; fields may be null.
	const plans = `{"plans":[
		{"cardinality":1,"fields":["SystemModstamp"],"leadingOperationType":"Index","notes":[],"relativeCost":0.65,"sobjectCardinality":3,"sobjectType":"Lead"},
		{"cardinality":1,"fields":null,"leadingOperationType":"TableScan","notes":[],"relativeCost":2.8,"sobjectCardinality":3,"sobjectType":"Lead"}]}`
	f := &fake{api: []reply{{body: plans}}}
	got, err := f.client(t).Explain(t.Context(), leads.Where(Equal("Name", "a b")))
	if want := (Plan{Operation: "Index", Cost: 0.65, Table: 3}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	sent, _ := url.ParseQuery(f.calls[0].query)
	if f.calls[0].path != "/services/data/v67.0/query" || sent.Get("explain") != "SELECT Id FROM Lead WHERE Name = 'a b'" {
		t.Errorf("asked %s?%s", f.calls[0].path, f.calls[0].query)
	}
	f = &fake{api: []reply{{body: `{"plans":[]}`}}}
	if _, err := f.client(t).Explain(t.Context(), leads); err == nil {
		t.Error("no plans: got no error")
	}
	if _, err := f.client(t).Explain(t.Context(), Select().From("Lead")); KindOf(err) != Malformed {
		t.Errorf("a query that cannot be built: got %v, want it to be malformed", err)
	}
}

func TestVersionsThatTheOrgServes(t *testing.T) {
	f := &fake{api: []reply{{body: `[{"label":"Spring '26","url":"/services/data/v66.0","version":"66.0"},{"label":"Summer '26","url":"/services/data/v67.0","version":"67.0"}]`}}}
	got, err := f.client(t).Versions(t.Context())
	if want := []string{"66.0", "67.0"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if f.calls[0].path != "/services/data" {
		t.Errorf("asked %s", f.calls[0].path)
	}
	f = &fake{api: []reply{{body: `[]`}}}
	if got, err := f.client(t).Versions(t.Context()); err == nil {
		t.Errorf("no versions: got %v, want an error", got)
	}
}

func TestTheAudienceThatWasAcceptedIsTold(t *testing.T) {
	f := &fake{api: []reply{{body: onePage}}, login: []reply{{status: 400, body: `{"error":"invalid_grant","error_description":"audience is invalid"}`},
		{body: tokenAnswer(1, myDomain)}}}
	c := f.client(t, withJWT(t))
	if got := c.Audience(); got != "" {
		t.Errorf("before any login: got %q, want nothing", got)
	}
	if err := askLeads(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Audience(), "https://login.salesforce.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
