package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWriteRefusals(t *testing.T) {
	c := newClient(t)
	c.org.AddField("Lead", FieldDef{Name: "Referral_Code__c", Length: 20, ExternalID: true, Unique: true, CaseSensitive: true})
	c.org.AddField("Lead", FieldDef{Name: "Tier__c", Type: "picklist", Values: Picklist("Gold", "Silver"), Restricted: true})
	c.org.Require("Lead", "Title")
	c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "Referral_Code__c": "aBc"})
	gone := c.org.Create("Lead", Fields{"LastName": "Gone", "Company": "Acme"})
	c.org.Delete("Lead", gone)
	converted := c.org.Create("Lead", Fields{"LastName": "Con", "Company": "Acme"})
	c.org.Convert(converted, Conversion{})
	good := func(more Fields) Fields {
		f := Fields{"LastName": "New", "Company": "Acme", "Title": "CEO"}
		for name, v := range more {
			f[name] = v
		}
		return f
	}
	for _, test := range []struct {
		what, method, path string
		body               any
		status             int
		code, says         string
	}{
		{"required", "POST", "/sobjects/Lead", Fields{"FirstName": "x"}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName, Title, Company]"},
		{"required, to null", "PATCH", "/sobjects/Lead/" + c.org.IDs("Lead")[0], Fields{"LastName": ""}, 400, "REQUIRED_FIELD_MISSING", "LastName"},
		{"unknown field", "POST", "/sobjects/Lead", good(Fields{"foo": 1}), 400, "INVALID_FIELD", "No such column 'foo' on sobject of type Lead"},
		{"read-only field", "POST", "/sobjects/Lead", good(Fields{"MasterRecordId": nil}), 400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: MasterRecordId."},
		{"create-only field", "PATCH", "/sobjects/Lead/" + c.org.IDs("Lead")[0], Fields{"IsConverted": true}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", "IsConverted"},
		{"too long", "POST", "/sobjects/Lead", good(Fields{"LastName": strings.Repeat("x", 81)}), 400, "STRING_TOO_LONG", "(max length=80)"},
		{"e-mail", "POST", "/sobjects/Lead", good(Fields{"Email": "nobody"}), 400, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody"},
		{"restricted picklist", "POST", "/sobjects/Lead", good(Fields{"Tier__c": "Bronze"}), 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: Bronze"},
		{"number", "POST", "/sobjects/Lead", good(Fields{"NumberOfEmployees": "many"}), 400, "JSON_PARSER_ERROR", "int"},
		{"not JSON", "POST", "/sobjects/Lead", json.RawMessage(`"x"`), 400, "JSON_PARSER_ERROR", ""},
		{"unique", "POST", "/sobjects/Lead", good(Fields{"Referral_Code__c": "aBc"}), 400, "DUPLICATE_VALUE", "duplicate value found: Referral_Code__c duplicates value on record with id: 00Q"},
		{"deleted", "PATCH", "/sobjects/Lead/" + gone, Fields{"Title": "x"}, 404, "ENTITY_IS_DELETED", "entity is deleted"},
		{"read deleted", "GET", "/sobjects/Lead/" + gone, nil, 404, "ENTITY_IS_DELETED", ""},
		{"converted", "PATCH", "/sobjects/Lead/" + converted, Fields{"Title": "x"}, 400, "CANNOT_UPDATE_CONVERTED_LEAD", ""},
		{"unknown record", "GET", "/sobjects/Lead/00Q000000000001", nil, 404, "NOT_FOUND", "The requested resource does not exist"},
		{"no Id", "GET", "/sobjects/Lead/nonsense", nil, 404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: nonsense"},
		{"unknown object", "GET", "/sobjects/Foo/describe", nil, 404, "NOT_FOUND", "The requested resource does not exist"},
		{"Id in the body", "PATCH", "/sobjects/Lead/" + c.org.IDs("Lead")[0], Fields{"Id": "x"}, 400, "INVALID_FIELD", "The Id field should not be specified"},
		{"history is read-only", "POST", "/sobjects/LeadHistory", Fields{"Field": "x"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", ""},
		{"no external Id", "PATCH", "/sobjects/Lead/Title/CEO", Fields{}, 404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Title"},
		{"method", "PUT", "/sobjects/Lead/" + gone, Fields{}, 405, "METHOD_NOT_ALLOWED", "HTTP Method 'PUT' not allowed"},
	} {
		t.Run(test.what, func(t *testing.T) {
			status, body := c.do(test.method, test.path, test.body)
			code, message := errorOf(body)
			want(t, "answer", fmt.Sprintln(status, code), fmt.Sprintln(test.status, test.code))
			if !strings.Contains(message, test.says) {
				t.Errorf("message: got %q, want it to say %q", message, test.says)
			}
		})
	}
	if status, body := c.do("POST", "/sobjects/Lead", good(Fields{"Referral_Code__c": "ABC"})); status != 201 {
		t.Errorf("a code in another case: got %d %v, want 201", status, body)
	}
}

func TestAWriteTakesAnySpelling(t *testing.T) {
	c := newClient(t)
	status, body := c.do("POST", "/sobjects/lead/", Fields{"lastname": "Ann", "COMPANY": "Acme", "NumberOfEmployees": "10", "attributes": map[string]string{"type": "Lead"}})
	want(t, "create", status, 201)
	id := body.(map[string]any)["id"].(string)
	status, _ = c.do("PATCH", "/sobjects/lead/"+id[:15], Fields{"rating": "Hot"})
	want(t, "update", status, 204)
	_, body = c.do("GET", "/sobjects/Lead/"+id+"?fields=Name,Rating", nil)
	got := body.(map[string]any)
	delete(got, "attributes")
	if d := cmp.Diff(map[string]any{"Id": id, "Name": "Ann", "Rating": "Hot"}, got); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	status, _ = c.do("DELETE", "/sobjects/Lead/"+id, nil)
	want(t, "delete", status, 204)
}

func TestUpsertByExternalID(t *testing.T) {
	c := newClient(t)
	c.org.AddField("Lead", FieldDef{Name: "Code__c", ExternalID: true})
	path := "/sobjects/Lead/Code__c/a%2Fb"
	status, body := c.do("PATCH", path, Fields{"LastName": "Ann", "Company": "Acme"})
	want(t, "new", fmt.Sprintln(status, body.(map[string]any)["created"]), "201 true\n")
	status, body = c.do("PATCH", path, Fields{"Title": "CEO"})
	want(t, "known", fmt.Sprintln(status, body.(map[string]any)["created"]), "200 false\n")
	status, body = c.do("GET", path, nil)
	want(t, "read", fmt.Sprintln(status, body.(map[string]any)["Title"]), "200 CEO\n")
	c.org.Create("Lead", Fields{"LastName": "Bob", "Company": "B", "Code__c": "A/B"})
	status, body = c.do("PATCH", path, Fields{"Title": "CEO"})
	want(t, "several", fmt.Sprintln(status, len(body.([]any))), "300 2\n")
}

func TestDuplicateRules(t *testing.T) {
	c := newClient(t)
	known := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
	twin := Fields{"LastName": "Ann", "Company": "Acme", "Email": "ANN@example.com"}
	allow := []string{"Sforce-Duplicate-Rule-Header", "allowSave=true; includeRecordDetails=false"}
	c.org.DuplicateRule("Lead", true)
	status, _ := c.do("POST", "/sobjects/Lead", twin, allow...)
	want(t, "a rule that blocks", status, 400)
	c.org.DuplicateRule("Lead", false)
	status, body := c.do("POST", "/sobjects/Lead", twin)
	code, _ := errorOf(body)
	want(t, "a rule that alerts", fmt.Sprintln(status, code), "400 DUPLICATES_DETECTED\n")
	match := body.([]any)[0].(map[string]any)["duplicateResut"].(map[string]any)["matchResults"].([]any)[0].(map[string]any)["matchRecords"].([]any)[0]
	want(t, "the match", match.(map[string]any)["record"].(map[string]any)["Id"], any(known))
	status, _ = c.do("POST", "/sobjects/Lead", twin, allow...)
	want(t, "an alert that is passed", status, 201)
	status, _ = c.do("PATCH", "/sobjects/Lead/"+known, Fields{"Title": "CEO"})
	want(t, "an edit of something else", status, 204)
}

func composite(allOrNone bool, subs ...any) map[string]any {
	return map[string]any{"allOrNone": allOrNone, "compositeRequest": subs}
}

func get(ref, path string) map[string]any {
	return map[string]any{"method": "GET", "referenceId": ref, "url": "/services/data/v67.0" + path}
}

func subStatuses(body any) (list []string) {
	for _, s := range body.(map[string]any)["compositeResponse"].([]any) {
		s := s.(map[string]any)
		code, _ := errorOf(s["body"])
		list = append(list, strings.TrimSpace(fmt.Sprintln(s["referenceId"], s["httpStatusCode"], code)))
	}
	return list
}

func TestCompositeIsOneCallAndAlways200(t *testing.T) {
	c := newClient(t)
	c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "A&B"})
	before := c.org.Calls()
	status, body := c.do("POST", "/composite", composite(false,
		get("leads", "/queryAll?q="+url.QueryEscape("SELECT Id FROM Lead WHERE Company = 'A&B'")),
		get("bare", "/query/?q=SELECT Id FROM Lead"),
		get("bad", "/query?q=SELECT+Foo+FROM+Lead"),
		get("gone", "/sobjects/Foo")))
	want(t, "status", status, 200)
	want(t, "parts", strings.Join(subStatuses(body), ", "), "leads 200, bare 200, bad 400 INVALID_FIELD, gone 404 NOT_FOUND")
	want(t, "rows", body.(map[string]any)["compositeResponse"].([]any)[0].(map[string]any)["body"].(map[string]any)["totalSize"], any(1.0))
	want(t, "calls", c.org.Calls()-before, 1)
}

func TestCompositeLimits(t *testing.T) {
	c := newClient(t)
	var many, queries []any
	for i := range 26 {
		many = append(many, get(fmt.Sprint("r", i), "/limits"))
		queries = append(queries, get(fmt.Sprint("r", i), "/query?q=SELECT+Id+FROM+Lead"))
	}
	for what, subs := range map[string][]any{"26 subrequests": many, "6 queries": queries[:6], "one reference twice": {get("a", "/limits"), get("a", "/limits")}, "a reference with a dash": {get("a-b", "/limits")}} {
		status, _ := c.do("POST", "/composite", composite(false, subs...))
		want(t, what, status, 400)
	}
	status, _ := c.do("POST", "/composite", composite(false, many[:25]...))
	want(t, "25 subrequests", status, 200)
}

func TestCompositeAllOrNoneTakesEverythingBack(t *testing.T) {
	c := newClient(t)
	create := map[string]any{"method": "POST", "referenceId": "new", "url": "/services/data/v67.0/sobjects/Contact", "body": Fields{"LastName": "Ann"}}
	_, body := c.do("POST", "/composite", composite(true, create, get("bad", "/sobjects/Foo"), get("later", "/limits")))
	want(t, "parts", strings.Join(subStatuses(body), ", "), "new 400 PROCESSING_HALTED, bad 404 NOT_FOUND, later 400 PROCESSING_HALTED")
	want(t, "Contacts", len(c.query("SELECT Id FROM Contact")), 0)
	c.do("POST", "/composite", composite(false, create, get("bad", "/sobjects/Foo")))
	want(t, "Contacts without allOrNone", len(c.query("SELECT Id FROM Contact")), 1)
}

func TestCompositeAllOrNoneHoldsForItsCollections(t *testing.T) {
	c := newClient(t)
	collection := func(ref string, names ...any) map[string]any {
		var records []any
		for _, name := range names {
			records = append(records, Fields{"attributes": map[string]string{"type": "Contact"}, "LastName": name})
		}
		return map[string]any{"method": "POST", "referenceId": ref, "url": "/services/data/v67.0/composite/sobjects", "body": map[string]any{"allOrNone": false, "records": records}}
	}
	good, bad := collection("good", "Ann"), collection("bad", "Bob", nil)
	_, body := c.do("POST", "/composite", composite(true, good, bad))
	parts := body.(map[string]any)["compositeResponse"].([]any)
	code, _ := errorOf(parts[0].(map[string]any)["body"])
	want(t, "the good collection", code, "PROCESSING_HALTED")
	want(t, "the bad one", parts[1].(map[string]any)["httpStatusCode"], any(200.0))
	want(t, "Contacts", len(c.query("SELECT Id FROM Contact")), 0)
	c.do("POST", "/composite", composite(false, good, bad))
	want(t, "Contacts without allOrNone", names(c.query("SELECT LastName FROM Contact ORDER BY LastName"), "LastName"), "Ann,Bob")
}

func TestCompositeReferences(t *testing.T) {
	c := newClient(t)
	create := map[string]any{"method": "POST", "referenceId": "new", "url": "/services/data/v67.0/sobjects/Contact", "body": Fields{"LastName": "Ann"}}
	_, body := c.do("POST", "/composite", composite(false, create,
		get("made", "/sobjects/Contact/@{new.id}"),
		get("broken", "/query?q=SELECT+Id+FROM+Contact+WHERE+LastName='@{nobody.x}'"),
		get("encoded", "/query?q="+url.QueryEscape("SELECT Id FROM Contact WHERE LastName='@{nobody.x}'"))))
	want(t, "parts", strings.Join(subStatuses(body), ", "), "new 201, made 200, broken 400 PROCESSING_HALTED, encoded 200")
}

func TestBatchCountsEachSubrequest(t *testing.T) {
	c := newClient(t)
	before := c.org.Calls()
	_, body := c.do("POST", "/composite/batch", map[string]any{"batchRequests": []any{
		map[string]string{"method": "GET", "url": "v67.0/sobjects/Lead/describe"}, map[string]string{"method": "GET", "url": "v67.0/sobjects/Foo/describe"}}})
	want(t, "hasErrors", body.(map[string]any)["hasErrors"], any(true))
	want(t, "calls", c.org.Calls()-before, 2)
}

func TestCollections(t *testing.T) {
	c := newClient(t)
	of := func(kind string, f Fields) Fields { f["attributes"] = map[string]string{"type": kind}; return f }
	outcome := func(body any) string {
		var list []string
		for _, r := range body.([]any) {
			r := r.(map[string]any)
			line := fmt.Sprint(r["success"])
			if errs := r["errors"].([]any); len(errs) > 0 {
				line = errs[0].(map[string]any)["statusCode"].(string)
			}
			list = append(list, line)
		}
		return strings.Join(list, ",")
	}
	_, body := c.do("POST", "/composite/sobjects", map[string]any{"records": []any{of("Contact", Fields{"LastName": "Ann", "Email": "ann@example.com"}), of("Contact", Fields{}), of("Lead", Fields{"LastName": "L", "Company": "C"})}})
	want(t, "create", outcome(body), "true,REQUIRED_FIELD_MISSING,true")
	id := body.([]any)[0].(map[string]any)["id"].(string)
	_, body = c.do("POST", "/composite/sobjects", map[string]any{"allOrNone": true, "records": []any{of("Contact", Fields{"LastName": "Bob"}), of("Contact", Fields{})}})
	want(t, "all or none", outcome(body), "ALL_OR_NONE_OPERATION_ROLLED_BACK,REQUIRED_FIELD_MISSING")
	_, body = c.do("PATCH", "/composite/sobjects", map[string]any{"records": []any{of("Contact", Fields{"Id": id, "Title": "CEO"}), of("Contact", Fields{"Title": "x"}), of("Contact", Fields{"id": "bad"})}})
	want(t, "update", outcome(body), "true,MISSING_ARGUMENT,MALFORMED_ID")
	_, body = c.do("PATCH", "/composite/sobjects/Contact/Email", map[string]any{"records": []any{of("Contact", Fields{"Email": "ANN@example.com", "Title": "CTO"}), of("Contact", Fields{"Email": "new@example.com", "LastName": "New"})}})
	want(t, "upsert", fmt.Sprintln(body.([]any)[0].(map[string]any)["created"], body.([]any)[1].(map[string]any)["created"]), "false true\n")
	want(t, "Contacts", names(c.query("SELECT Title FROM Contact"), "Title"), "CTO,")
	_, body = c.do("DELETE", "/composite/sobjects?ids="+id+",x", nil)
	want(t, "delete", outcome(body), "true,MALFORMED_ID")
	status, body := c.do("POST", "/composite/sobjects", map[string]any{"records": []any{}})
	code, message := errorOf(body)
	want(t, "none", fmt.Sprintln(status, code, message), "400 REQUIRED_FIELD_MISSING At least 1 record is required\n")
}

func TestDescribeSaysWhenItChanged(t *testing.T) {
	c := newClient(t)
	since := c.clock.now().Format(http.TimeFormat)
	status, _ := c.do("GET", "/sobjects/Lead/describe", nil, "If-Modified-Since", since)
	want(t, "unchanged", status, 304)
	c.clock.pass(time.Minute)
	c.org.AddPicklistValue("Lead", "Status", PicklistValue{Value: "Qualified", Label: "Ready"})
	status, body := c.do("GET", "/sobjects/Lead/describe", nil, "If-Modified-Since", since)
	want(t, "changed", status, 200)
	want(t, "values", strings.HasSuffix(valuesOf(body, "Status"), ",Qualified"), true)
	_, body = c.do("GET", "/sobjects/", nil)
	want(t, "objects", len(body.(map[string]any)["sobjects"].([]any)), 17)
}

func TestLimits(t *testing.T) {
	c := newClient(t)
	c.org.DailyLimit(3)
	for range 3 {
		c.query("SELECT Id FROM Lead")
	}
	status, body := c.do("GET", "/limits", nil)
	code, _ := errorOf(body)
	want(t, "over the limit", fmt.Sprintln(status, code), "403 REQUEST_LIMIT_EXCEEDED\n")
	c.clock.pass(24 * time.Hour)
	c.login()
	r, _ := http.NewRequest("GET", host+"//services/data/v67.0/limits", nil) // as the Salesforce CLI writes it
	r.Header.Set("Authorization", "OAuth "+c.token)
	resp, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, "a day later", resp.StatusCode, 200)
	want(t, "Sforce-Limit-Info", resp.Header.Get("Sforce-Limit-Info"), "api-usage=1/3")
	want(t, "Date", resp.Header.Get("Date"), "Tue, 03 Nov 2026 09:30:15 GMT")
}

func TestResources(t *testing.T) {
	c := newClient(t)
	status, body := c.do("GET", "", nil)
	want(t, "status", status, 200)
	want(t, "identity", body.(map[string]any)["identity"], any(host+"/id/"+c.org.ID()+"/"+c.org.UserID()))
	want(t, "query", body.(map[string]any)["query"], any("/services/data/v67.0/query"))
}

func TestReadingSeveralByID(t *testing.T) {
	c := newClient(t)
	ann, bob := c.org.Create("Contact", Fields{"LastName": "Ann"}), c.org.Create("Contact", Fields{"LastName": "Bob"})
	c.org.Delete("Contact", bob)
	outcome := func(_ int, body any) string {
		var list []string
		for _, r := range body.([]any) {
			r, _ := r.(map[string]any)
			list = append(list, fmt.Sprint(r["LastName"]))
		}
		return strings.Join(list, ",")
	}
	ids := []string{ann, bob, "003000000000000AAA"}
	want(t, "by POST", outcome(c.do("POST", "/composite/sobjects/Contact", map[string]any{"ids": ids, "fields": []string{"LastName"}})), "Ann,<nil>,<nil>")
	want(t, "by GET", outcome(c.do("GET", "/composite/sobjects/Contact?fields=Id,LastName&ids="+strings.Join(ids, ","), nil)), "Ann,<nil>,<nil>")
	for path, expected := range map[string]int{"/composite/sobjects/Contact?fields=Foo&ids=" + ann: 400, "/composite/sobjects/Foo?fields=Id&ids=" + ann: 404} {
		status, _ := c.do("GET", path, nil)
		want(t, path, status, expected)
	}
}

func TestVersions(t *testing.T) {
	c := newClient(t)
	r, _ := http.NewRequest("GET", host+"/services/data", nil)
	_, body := c.send(r)
	list := body.([]any)
	want(t, "newest", fmt.Sprint(list[len(list)-1]), "map[label:Winter '27 url:/services/data/v68.0 version:68.0]")
	want(t, "oldest", list[0].(map[string]any)["label"], any("Summer '14"))
	for path, status := range map[string]int{"v30.0": 410, "v68.0": 200, "v69.0": 404, "latest": 404} {
		r, _ := http.NewRequest("GET", host+"/services/data/"+path+"/limits", nil)
		got, _ := c.send(r)
		want(t, path, got, status)
	}
}

func TestARequestMayBeCompressed(t *testing.T) {
	c := newClient(t)
	send := func(body []byte) int {
		r, _ := http.NewRequest("POST", host+"/services/data/v67.0/sobjects/Contact", bytes.NewReader(body))
		r.Header.Set("Content-Encoding", "gzip")
		status, _ := c.send(r)
		return status
	}
	want(t, "gzip", send(zipped([]byte(`{"LastName":"Ann"}`))), 201)
	want(t, "plain text that claims to be gzip", send([]byte(`{"LastName":"Bob"}`)), 400)
	want(t, "Contacts", names(c.query("SELECT LastName FROM Contact"), "LastName"), "Ann")
	status, _ := c.do("GET", "/limits", nil, "Content-Encoding", "gzip")
	want(t, "no body", status, 200)
}

func TestACreatedRecordHasALocation(t *testing.T) {
	c := newClient(t)
	r, _ := http.NewRequest("POST", host+"/services/data/v67.0/sobjects/Contact", strings.NewReader(`{"LastName":"Ann"}`))
	r.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want(t, "Location", resp.Header.Get("Location"), "/services/data/v67.0/sobjects/Contact/"+c.org.IDs("Contact")[0])
}

func TestALongURLIsRefused(t *testing.T) {
	c := newClient(t)
	status, _ := c.do("GET", "/query?q="+strings.Repeat("x", 17000), nil)
	want(t, "url", status, 414)
	status, _ = c.do("GET", "/query?q="+strings.Repeat("x", 16300), nil)
	want(t, "url and headers", status, 431)
}

func TestALongURLInsideACompositeIsTakenUnlessBound(t *testing.T) {
	c := newClient(t)
	ids := strings.Repeat(",'"+c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "A"})+"'", 2000)[1:]
	long := composite(false, get("long", "/query?q="+url.QueryEscape("SELECT Id FROM Lead WHERE Id IN ("+ids+")")), get("short", "/query?q=SELECT+Id+FROM+Lead"))
	_, body := c.do("POST", "/composite", long)
	want(t, "unbound", strings.Join(subStatuses(body), ", "), "long 200, short 200")
	c.org.BoundCompositeURLs(true)
	_, body = c.do("POST", "/composite", long)
	want(t, "bound", strings.Join(subStatuses(body), ", "), "long 414 URI_TOO_LONG, short 200")
}
