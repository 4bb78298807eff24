package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded reads an answer recorded from a real org, out of the folder that
// QUALIFYD_RECORDED names.
func recorded(t *testing.T, file string) any {
	t.Helper()
	dir := os.Getenv("QUALIFYD_RECORDED")
	if dir == "" {
		t.Skip("QUALIFYD_RECORDED does not name a folder of answers recorded from real orgs")
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if exchange, ok := v.(map[string]any); ok && exchange["response"] != nil && exchange["request"] != nil {
		return exchange["response"]
	}
	return v
}

// shape is the keys of every object in an answer and the kinds of its values,
// "$.records[].Id string". Null is left out: it may stand for any kind.
func shape(v any) map[string]bool {
	found := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				walk(path+"."+key, inner)
			}
		case []any:
			found[path+"[]"] = true
			for _, inner := range v {
				walk(path+"[]", inner)
			}
		case nil:
		default:
			found[fmt.Sprintf("%s %T", path, v)] = true
		}
	}
	walk("$", v)
	return found
}

// sameShape fails where ours lacks something of theirs, or has more.
func sameShape(t *testing.T, ours, theirs any) {
	t.Helper()
	a, b := shape(ours), shape(theirs)
	for _, path := range slices.Sorted(maps.Keys(b)) {
		if !a[path] {
			t.Errorf("the real answer has %s, ours does not", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(a)) {
		list, _, inList := cutLast(path, "[]")
		empty := inList && b[list] && !hasPrefix(b, list+".") && !hasPrefix(b, list+" ") // theirs says nothing of its items
		if !b[path] && !empty {
			t.Errorf("ours has %s, the real answer does not", path)
		}
	}
}

// cutLast cuts s behind the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i+len(sep)], s[i+len(sep):], true
}

func hasPrefix(paths map[string]bool, prefix string) bool {
	for path := range paths {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func TestAnswersHaveTheShapeOfRecordedOnes(t *testing.T) {
	c := newClient(t)
	account := c.org.Create("Account", Fields{"Name": "Smith Corp."})
	c.org.Create("Opportunity", Fields{"Name": "Test", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 50000, "AccountId": account})
	body := func(method, path string, in any) any {
		t.Helper()
		_, out := c.do(method, path, in)
		return out
	}
	soql := func(q string) any { return body("GET", "/query?q="+url.QueryEscape(q), nil) }
	contact := func(f Fields) Fields { f["attributes"] = map[string]string{"type": "Contact"}; return f }
	id, secret := c.org.Credentials()
	_, token := c.post("/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	for _, documented := range []string{"scope", "token_type", "api_instance_url"} { // newer than the recording
		delete(token.(map[string]any), documented)
	}
	_, refused := c.post("/services/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {"x"}})
	for _, test := range []struct {
		file string
		ours any
	}{
		{"restforce/auth_success_response.json", token},
		{"restforce/refresh_error_response.json", refused},
		{"restforce/services_data_success_response.json", versions3()},
		{"restforce/sobject/query_empty_response.json", soql("SELECT Id FROM Lead")},
		{"amp-connectors/read-opportunity-with-account.json", soql("SELECT Id, Name, AccountId, Amount, StageName FROM Opportunity")},
		{"cumulusci/json/TestSnowfakery.test_run_until_records_in_org__none_needed__1.json", soql("select count(Id) from Account")},
		{"amp-connectors/create-ok.json", body("POST", "/sobjects/Account", Fields{"Name": "New"})},
		{"amp-connectors/unknown-object.json", soql("SELECT Id,Name,BillingCity,IsDeleted FROM Accout")},
		{"amp-connectors/unknown-field.json", body("POST", "/sobjects/Account", Fields{"AccountNumer": "1"})},
		{"amp-connectors/invalid-field-upsert.json", body("POST", "/sobjects/Account", Fields{"MasterRecordId": account})},
		{"amp-connectors/batch_create_contacts_success.json", body("POST", "/composite/sobjects", map[string]any{"records": []any{contact(Fields{"LastName": "Dyer"})}})},
		{"amp-connectors/batch_create_contacts_err-bad-request.json", body("POST", "/composite/sobjects", map[string]any{"records": []any{}})},
		{"amp-connectors/batch_create_contacts_partial-but-allOrNone.json", body("POST", "/composite/sobjects", map[string]any{"allOrNone": true, "records": []any{contact(Fields{}), contact(Fields{"LastName": "x"})}})},
		{"amp-connectors/batch_update_contacts_err-each-no-ids.json", body("PATCH", "/composite/sobjects", map[string]any{"records": []any{contact(Fields{})}})},
		{"cumulusci/json/TestUpsert.test_upsert_complex_external_id_field__rest__9.json", body("PATCH", "/composite/sobjects/Account/Id", map[string]any{"records": []any{Fields{"Name": "Bluth", "Id": nil, "attributes": map[string]string{"type": "Account"}}}})},
		{"cumulusci/json/TestCompositeParallelSalesforce.test_errors__0.json", body("POST", "/composite", composite(false, get("CCI__RefId__0__", "/sobjects/Foo")))},
		{"cumulusci/json/TestCountSObjects.test_count_sobjects__errors__0.json", body("POST", "/composite", composite(false, get("a", "/query/?q=select count() from Account"), get("b", "/query/?q=select count() from XYZZY")))},
		{"camel/composite_response_example_failure.json", body("POST", "/composite", composite(true,
			map[string]any{"method": "POST", "referenceId": "a", "url": "/services/data/v67.0/sobjects/Account", "body": Fields{"Name": "x"}},
			map[string]any{"method": "POST", "referenceId": "b", "url": "/services/data/v67.0/sobjects/Account", "body": Fields{}}))},
	} {
		t.Run(filepath.Base(test.file), func(t *testing.T) { sameShape(t, test.ours, recorded(t, test.file)) })
	}
	c.org.KillSessions()
	t.Run("expired session", func(t *testing.T) {
		sameShape(t, body("GET", "/limits", nil), recorded(t, "restforce/expired_session_response.json"))
	})
}

// versions3 is the list of versions as a client decodes it.
func versions3() any { return plain(versions()) }

func TestErrorTextsAreTheRecordedOnes(t *testing.T) {
	c := newClient(t)
	message := func(body any) string { _, m := errorOf(body); return m }
	_, m := c.refused("SELECT Id,Name,BillingCity,IsDeleted FROM Accout")
	want(t, "unknown object", m, message(recorded(t, "amp-connectors/unknown-object.json")))
	_, body := c.do("POST", "/sobjects/Account", Fields{"AccountNumer": "1"})
	want(t, "unknown field", message(body), message(recorded(t, "amp-connectors/unknown-field.json")))
	_, body = c.do("POST", "/sobjects/Account", Fields{"MasterRecordId": "x"})
	want(t, "read-only field", message(body), message(recorded(t, "amp-connectors/invalid-field-upsert.json")))
	gone := c.org.Create("Contact", Fields{"LastName": "x"})
	c.org.Delete("Contact", gone)
	_, body = c.do("DELETE", "/sobjects/Contact/"+gone, nil)
	want(t, "deleted", message(body), message(recorded(t, "amp-connectors/crm_delete_not-found.json")))
}

// TestDescribesHaveEveryRecordedKey compares keys of the object, of its
// fields by name, and of picklist values, with describes of a real org.
func TestDescribesHaveEveryRecordedKey(t *testing.T) {
	c := newClient(t)
	for _, name := range []string{"Lead", "Contact", "Opportunity"} {
		theirs := recorded(t, "cumulusci/json/GET_sobjects_"+name+"_describe__0.json").(map[string]any)
		_, body := c.do("GET", "/sobjects/"+name+"/describe", nil)
		ours := body.(map[string]any)
		want(t, name+" keys", keys(ours), keys(theirs))
		want(t, name+" url keys", keys(ours["urls"]), keys(theirs["urls"]))
		want(t, name+" record type keys", keys(ours["recordTypeInfos"].([]any)[0]), keys(theirs["recordTypeInfos"].([]any)[0]))
		want(t, name+" child keys", keys(ours["childRelationships"].([]any)[0]), keys(theirs["childRelationships"].([]any)[0]))
		real := map[any]map[string]any{}
		for _, f := range theirs["fields"].([]any) {
			real[f.(map[string]any)["name"]] = f.(map[string]any)
		}
		for _, f := range ours["fields"].([]any) {
			f := f.(map[string]any)
			sameField(t, name, f, real[f["name"]])
		}
	}
}

// sameField compares what a client goes by.
func sameField(t *testing.T, object string, ours, theirs map[string]any) {
	t.Helper()
	what := fmt.Sprint(object, ".", ours["name"])
	if theirs == nil {
		t.Errorf("%s: the real object has no such field", what)
		return
	}
	want(t, what+" keys", keys(ours), keys(theirs))
	for _, key := range []string{"type", "label", "soapType", "length", "byteLength", "precision", "scale", "digits", "nillable", "createable", "updateable", "filterable",
		"sortable", "defaultedOnCreate", "idLookup", "relationshipName", "compoundFieldName", "restrictedPicklist", "nameField"} {
		// An org may restrict picklists as it likes; Owner may be a queue too.
		if key == "restrictedPicklist" && theirs[key] == true {
			continue
		}
		if fmt.Sprint(ours[key]) != fmt.Sprint(theirs[key]) {
			t.Errorf("%s.%s: got %v, want %v as recorded", what, key, ours[key], theirs[key])
		}
	}
	if values, ok := theirs["picklistValues"].([]any); ok && len(values) > 0 {
		if mine := ours["picklistValues"].([]any); len(mine) == 0 {
			t.Errorf("%s: has no values, the real one has", what)
		} else {
			want(t, what+" value keys", keys(mine[0]), keys(values[0]))
		}
	}
}

func keys(v any) string {
	m, _ := v.(map[string]any)
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}
