package salesforce

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func sub(name, status, body string) string {
	return `{"body":` + body + `,"httpHeaders":{},"httpStatusCode":` + status + `,"referenceId":"` + name + `"}`
}

func composite(subs ...string) string {
	return `{"compositeResponse":[` + strings.Join(subs, ",") + `]}`
}

const fieldGone = `[{"message":"No such column 'Foo__c'","errorCode":"INVALID_FIELD"}]`

var threeQueries = []Query{
	{"leads", leads},
	{"contacts", Select("Id").From("Contact")},
	{"deals", Select("Id", "StageName").From("Opportunity")},
}

func TestCompositeAsksAllInOneCall(t *testing.T) {
	f := &fake{api: []reply{{body: composite(
		sub("deals", "200", `{"totalSize":0,"done":true,"records":[]}`),
		sub("leads", "200", onePage),
		sub("contacts", "200", `{"totalSize":3000,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/01g-2000","records":[{"Id":"003000000000001AAA"}]}`),
	)}}}
	a, got, err := f.client(t).Composite(t.Context(), threeQueries)
	if err != nil || a.Date.IsZero() {
		t.Fatalf("got %+v, %v", a, err)
	}
	want := []Result{
		{Page: Page{Rows: []Row{rowOf(t, `{"Id": "00Q000000000001EAA"}`)}, Total: 1}},
		{Page: Page{Rows: []Row{rowOf(t, `{"Id": "003000000000001AAA"}`)}, Total: 3000, Next: "/services/data/v67.0/query/01g-2000"}},
		{Page: Page{Rows: []Row{}}},
	}
	if diff := cmp.Diff(want, got, asTexts); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	f.wantCalls(t, 1, 1)
	if got := f.calls[0]; got.method != "POST" || got.path != "/services/data/v67.0/composite" {
		t.Errorf("sent %s %s", got.method, got.path)
	}
	wantBody := `{"allOrNone":false,"compositeRequest":[` +
		`{"method":"GET","url":"/services/data/v67.0/queryAll?q=SELECT%20Id%20FROM%20Lead","referenceId":"leads"},` +
		`{"method":"GET","url":"/services/data/v67.0/queryAll?q=SELECT%20Id%20FROM%20Contact","referenceId":"contacts"},` +
		`{"method":"GET","url":"/services/data/v67.0/queryAll?q=SELECT%20Id%2CStageName%20FROM%20Opportunity","referenceId":"deals"}]}`
	if diff := cmp.Diff(wantBody, f.calls[0].body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// TestFailedSubrequestLeavesItsSiblings names what can happen to one of three.
func TestFailedSubrequestLeavesItsSiblings(t *testing.T) {
	good := func(name string) string { return sub(name, "200", onePage) }
	tests := []struct {
		name     string
		contacts string // the whole subanswer, or several
		want     Kind
	}{
		{"field gone", sub("contacts", "400", fieldGone), FieldGone},
		{"object gone", sub("contacts", "400", `[{"message":"sObject type 'X' is not supported","errorCode":"INVALID_TYPE"}]`), ObjectGone},
		{"time-out", sub("contacts", "400", `[{"message":"Your query request was running for too long.","errorCode":"QUERY_TIMEOUT"}]`), Narrow},
		{"server error", sub("contacts", "500", `[{"message":"ErrorId: 1","errorCode":"UNKNOWN_EXCEPTION"}]`), Transient},
		{"halted by a sibling", sub("contacts", "400", `[{"message":"rolled back","errorCode":"PROCESSING_HALTED"}]`), Malformed},
		{"error without a body", sub("contacts", "503", `null`), Transient},
		{"200 with an error in it", sub("contacts", "200", fieldGone), Malformed},
		{"200 without a body", sub("contacts", "200", `null`), Malformed},
		{"204", sub("contacts", "204", `null`), Malformed},
		{"missing", sub("other", "200", onePage), Malformed},
		{"answered twice", good("contacts") + "," + good("contacts"), Malformed},
		{"session ended in between", sub("contacts", "401", expired), Transient},
		{"daily limit reached in between", sub("contacts", "403", `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`), Limit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{api: []reply{{body: composite(good("leads"), tt.contacts, good("deals"))}}}
			c := f.client(t)
			_, got, err := c.Composite(t.Context(), threeQueries)
			if err != nil {
				t.Fatalf("the composite failed whole: %v", err)
			}
			wantKind(t, got[1].Err, tt.want)
			if got[1].Rows != nil || got[1].Err != nil && !strings.Contains(got[1].Err.Error(), "query contacts") {
				t.Errorf("got %+v", got[1])
			}
			if got[0].Err != nil || got[2].Err != nil || len(got[0].Rows) != 1 || len(got[2].Rows) != 1 {
				t.Errorf("the siblings suffered: %+v, %+v", got[0], got[2])
			}
			f.wantCalls(t, 1, 1)
		})
	}
}

func TestSessionThatEndsInsideACompositeIsReplaced(t *testing.T) {
	f := &fake{api: []reply{{body: composite(sub("leads", "401", expired))}, {body: onePage}}}
	c := f.client(t)
	if _, _, err := c.Composite(t.Context(), threeQueries[:1]); err != nil {
		t.Fatal(err)
	}
	if err := askLeads(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.wantCalls(t, 2, 2)
}

func TestCompositeThatFailsWhole(t *testing.T) {
	tests := []struct {
		name  string
		reply reply
		want  Kind
	}{
		{"no answers in it", reply{body: `{"compositeResponse":null}`}, Malformed},
		{"an array", reply{body: `[]`}, Malformed},
		{"cut", reply{body: `{"compositeResponse":[{"body":`}, Transient},
		{"413", reply{status: 413}, Narrow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, got, err := (&fake{api: []reply{tt.reply}}).client(t).Composite(t.Context(), threeQueries)
				wantKind(t, err, tt.want)
				if got != nil {
					t.Errorf("results %+v beside an error", got)
				}
			})
		})
	}
}

func TestQueryTooLongIsNotSent(t *testing.T) {
	long := leads.Where(Equal("Name", strings.Repeat("x", 100_000)))
	f := &fake{api: []reply{{body: composite(sub("deals", "200", onePage))}}}
	c := f.client(t)
	_, got, err := c.Composite(t.Context(), []Query{{"leads", long}, {"deals", leads}, {"bad", Select("a b").From("Lead")}})
	if err != nil || len(got[1].Rows) != 1 {
		t.Fatalf("the others suffered: %+v, %v", got, err)
	}
	wantKind(t, got[0].Err, Narrow)
	wantKind(t, got[2].Err, Malformed)
	if !errors.Is(got[0].Err, ErrTooLong) || strings.Contains(f.calls[0].body, "xxx") {
		t.Errorf("got %v, want ErrTooLong and nothing sent", got[0].Err)
	}
	_, _, err = c.Composite(t.Context(), []Query{{"leads", long}})
	if !errors.Is(err, ErrTooLong) {
		t.Errorf("alone: got %v, want ErrTooLong", err)
	}
	f.wantCalls(t, 1, 1)
}

var longLeads = leads.Where(In("Id", ids(2000)))

// A query that is longer than a URL goes in a composite's body, also when it is asked by itself.
func TestALongQueryGoesInACompositesBody(t *testing.T) {
	f := &fake{api: []reply{{body: composite(sub("leads", "200", onePage))}, {body: composite(sub("Lead", "200", onePage))}, {body: onePage}}}
	c := f.client(t)
	if _, got, err := c.Composite(t.Context(), []Query{{"leads", longLeads}}); err != nil || len(got[0].Rows) != 1 {
		t.Errorf("in a composite: got %+v, %v, want one row", got, err)
	}
	if page, a, err := c.QueryAll(t.Context(), longLeads); err != nil || len(page.Rows) != 1 || a.Date.IsZero() {
		t.Errorf("by itself: got %+v of %v, %v, want one row with its time", page, a, err)
	}
	if page, _, err := c.QueryAll(t.Context(), leads); err != nil || len(page.Rows) != 1 {
		t.Errorf("a short one: got %+v, %v, want one row", page, err)
	}
	for i, want := range []string{"POST", "POST", "GET"} {
		if got := f.calls[i]; got.method != want || len(got.query) > maxEncoded {
			t.Errorf("call %d: got %s with %d bytes of query, want %s", i+1, got.method, len(got.query), want)
		}
	}
}

// How Salesforce would refuse a query for being longer than a URL is not documented. Whatever it says, no more such queries are sent.
func TestALongQueryThatIsRefusedIsNotSentAgain(t *testing.T) {
	said := func(code string) string { return `[{"message":"no","errorCode":"` + code + `"}]` }
	for _, tt := range []struct {
		name  string
		reply reply
		fits  bool // still
	}{
		{"taken", reply{body: composite(sub("leads", "200", onePage))}, true},
		{"414 for the whole", reply{status: 414, body: "<h1>Bad Message 414</h1>"}, false},
		{"413 for the whole", reply{status: 413}, false},
		{"431 for the whole", reply{status: 431}, false},
		{"400 for the whole", reply{status: 400, body: "<h1>Bad Message 400</h1>"}, false},
		{"500 for the whole", reply{status: 500}, false},
		{"414 for the query", reply{body: composite(sub("leads", "414", said("URI_TOO_LONG")))}, false},
		{"431 for the query", reply{body: composite(sub("leads", "431", `null`))}, false},
		{"too complicated", reply{body: composite(sub("leads", "400", said("QUERY_TOO_COMPLICATED")))}, false},
		{"malformed", reply{body: composite(sub("leads", "400", said("MALFORMED_QUERY")))}, false},
		{"a code that is new to us", reply{body: composite(sub("leads", "400", said("URL_BOUND")))}, false},
		{"an error inside Salesforce", reply{body: composite(sub("leads", "500", said("UNKNOWN_EXCEPTION")))}, false},
		{"another reason: it took too long", reply{body: composite(sub("leads", "400", said("QUERY_TIMEOUT")))}, true},
		{"another reason: a field", reply{body: composite(sub("leads", "400", said("INVALID_FIELD")))}, true},
		{"another reason: the session ended", reply{body: composite(sub("leads", "401", expired))}, true},
		{"another reason: no calls left", reply{status: 403, body: said("REQUEST_LIMIT_EXCEEDED")}, true},
		{"another reason: maintenance", reply{status: 503, body: "<html>"}, true},
		{"no answer", reply{err: errNetwork}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{api: []reply{tt.reply}}
				c := f.client(t)
				_, got, err := c.Composite(t.Context(), []Query{{"leads", longLeads}})
				if err == nil {
					err = got[0].Err
				}
				if got := errors.Is(err, ErrTooLong) && KindOf(err) == Narrow; got == tt.fits {
					t.Errorf("told to be too long: got %v (%v), want %v", got, err, !tt.fits)
				}
				if got := c.Fits(longLeads); got != tt.fits {
					t.Errorf("such queries fit from now on: got %v, want %v", got, tt.fits)
				}
				if !c.Fits(leads) {
					t.Error("a short query does not fit any more")
				}
			})
		})
	}
}

// Once a long query was answered, an error that says nothing of its length is no refusal of all of them.
func TestLongQueriesThatWereTakenAreTakenAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{body: composite(sub("leads", "200", onePage))}, {status: 503}, {status: 503}, {status: 503}, {status: 414}}}
		c := f.client(t)
		ask := func() error {
			_, _, err := c.Composite(t.Context(), []Query{{"leads", longLeads}})
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		wantKind(t, ask(), Transient)
		if !c.Fits(longLeads) {
			t.Error("after an outage: long queries do not fit any more")
		}
		wantKind(t, ask(), Narrow)
		if c.Fits(longLeads) {
			t.Error("after a 414: long queries still fit")
		}
	})
}

func TestTooLongBySalesforcesMeasure(t *testing.T) {
	f := &fake{api: []reply{{status: 431, body: "<h1>Bad Message 431</h1>"}}}
	if err := askLeads(t.Context(), f.client(t)); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

func TestCompositeRefusesBadNames(t *testing.T) {
	six := make([]Query, 6)
	for i := range six {
		six[i] = Query{string(rune('a' + i)), leads}
	}
	for name, queries := range map[string][]Query{
		"none":           {},
		"six":            six,
		"the same twice": {{"a", leads}, {"a", leads}},
		"a hyphen":       {{"a-b", leads}},
		"no name":        {{"", leads}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			_, _, err := f.client(t).Composite(t.Context(), queries)
			wantKind(t, err, Malformed)
			f.wantCalls(t, 0, 0)
		})
	}
}

// TestReferenceInAValueStaysAValue: "@{x}" in a composite is a reference.
func TestReferenceInAValueStaysAValue(t *testing.T) {
	f := &fake{api: []reply{{body: composite(sub("leads", "200", onePage))}}}
	value := "@{leads.records[0].Id}"
	if _, _, err := f.client(t).Composite(t.Context(), []Query{{"leads", leads.Where(Equal("Code__c", value))}}); err != nil {
		t.Fatal(err)
	}
	var sent struct {
		CompositeRequest []struct{ URL string }
	}
	if err := json.Unmarshal([]byte(f.calls[0].body), &sent); err != nil {
		t.Fatal(err)
	}
	asked := sent.CompositeRequest[0].URL
	if strings.ContainsAny(asked, "@{}[]") {
		t.Errorf("sent %s", asked)
	}
	u, err := url.Parse(asked)
	if err != nil || !strings.HasSuffix(u.Query().Get("q"), "'"+value+"'") {
		t.Errorf("Salesforce would read %q, %v", u.Query().Get("q"), err)
	}
}

func TestPagesAreFollowedVerbatim(t *testing.T) {
	f := &fake{api: []reply{
		{body: `{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/0r8xx5R2yF2gs3VASQ-2000","records":[{"Id":"1"}]}`},
		{body: `{"totalSize":2,"done":true,"records":[{"Id":"2"}]}`},
	}}
	c := f.client(t)
	page, _, err := c.QueryAll(t.Context(), leads)
	if err != nil {
		t.Fatal(err)
	}
	last, _, err := c.More(t.Context(), page.Next)
	if err != nil || last.Next != "" || last.Rows[0].Text("Id") != "2" {
		t.Errorf("last page: got %+v, %v", last, err)
	}
	if f.calls[0].query != "q=SELECT%20Id%20FROM%20Lead" || f.calls[1].path != "/services/data/v67.0/query/0r8xx5R2yF2gs3VASQ-2000" {
		t.Errorf("asked %+v", f.calls)
	}
}

func TestExpiredLocator(t *testing.T) {
	for name, r := range map[string]reply{
		"by its code":   {status: 400, body: `[{"message":"invalid query locator","errorCode":"INVALID_QUERY_LOCATOR"}]`},
		"as not found":  {status: 404, body: `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`},
		"as its expiry": {status: 400, body: `[{"message":"x","errorCode":"QUERY_LOCATOR_EXPIRED"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := (&fake{api: []reply{r}}).client(t).More(t.Context(), "/services/data/v67.0/query/01g-2000")
			wantKind(t, err, Locator)
		})
	}
}

func TestMoreStaysOnTheInstance(t *testing.T) {
	for _, next := range []string{
		"", "https://evil.example/services/data/v67.0/query/1", "//evil.example/services/data/", "@evil.example/",
		".evil.example/", ":80@evil.example/services/data/", "/services/oauth2/token", "/services/data/../oauth2", "/services/data/@x", "services/data/v67.0",
	} {
		f := &fake{}
		_, _, err := f.client(t).More(t.Context(), next)
		if KindOf(err) != Malformed || len(f.calls) != 0 {
			t.Errorf("next %q: got %v and %d calls, want it refused unsent", next, err, len(f.calls))
		}
	}
}

func TestOrganization(t *testing.T) {
	row := func(members string) string {
		return `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Organization"},` + members + `}]}`
	}
	tests := []struct {
		name, body string
		want       Organization
		kind       Kind
	}{
		{"sandbox", row(`"Id":"00Dx0000000BV7z","Name":"Acme","IsSandbox":true`), Organization{"00Dx0000000BV7zEAG", "Acme", true}, ""},
		{"production", row(`"Id":"00Dx0000000BV7zEAG","IsSandbox":false`), Organization{"00Dx0000000BV7zEAG", "", false}, ""},
		{"does not say whether it is a sandbox", row(`"Id":"00Dx0000000BV7zEAG","Name":"Acme"`), Organization{}, Malformed},
		{"no row", `{"totalSize":0,"done":true,"records":[]}`, Organization{}, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := (&fake{api: []reply{{body: tt.body}}}).client(t).Organization(t.Context())
			wantKind(t, err, tt.kind)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
