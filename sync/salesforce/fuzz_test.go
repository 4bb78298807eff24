package salesforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// wantSafe wants an error that can be logged: one line of bounded length, with no e-mail address and nothing that moves a terminal's cursor.
func wantSafe(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); text == "" || len(text) > 3*maxMessage || emailLike.MatchString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("got the error %q, want one short line without an e-mail address", text)
	}
}

// cutShort is a body that lost its end, at a place that depends on its length.
func cutShort(body []byte) []byte {
	whole := bytes.TrimSpace(body)
	return whole[:len(whole)*2/3]
}

// addRecorded adds the recorded answers of a folder as seeds, where there are any.
func addRecorded(f *testing.F, folder string) {
	f.Helper()
	if root := os.Getenv("QUALIFYD_RECORDED"); root != "" {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.json"))
		if err != nil || len(files) == 0 {
			f.Fatalf("%s has no recorded answers: %v", filepath.Join(root, folder), err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body)
		}
	}
}

// eachPage are pages as they come.
var eachPage = []string{
	onePage,
	`{"totalSize":0,"done":true,"records":[]}`,
	`{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/01g-1","records":[{"A":1,"b":null,"c":{"d":[]}}]}`,
	`{"totalSize":3,"done":true,"records":[{"attributes":{"type":"Lead"},"Id":"00Q000000000001EAA","Amount":50000.00,"Tiny":1e-7,"IsConverted":false,"Email":null}]}`,
	`{"totalSize":1,"done":true,"records":[{"A":"\ud800","B":"Zo\u00eb \"Z\" 😀\n"}]}`,
	`{"totalSize":1,"done":true,"records":[]}`,
	`{"totalSize":0,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/01g-1","records":[]}`,
	`[{"message":"x","errorCode":"INVALID_FIELD"}]`,
}

// FuzzPage: a page is either refused or whole, each value in it is the one that was sent, and a part of a page is none.
func FuzzPage(f *testing.F) {
	for _, page := range eachPage {
		f.Add([]byte(page))
	}
	addRecorded(f, "amp-connectors")
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodePage(body)
		if err != nil {
			wantSafe(t, malformed("ask", err))
			return
		}
		if part, err := decodePage(cutShort(body)); err == nil {
			t.Errorf("a part of %q was read as %+v, want an error", body, part)
		}
		if len(page.Rows) == 0 && (page.Total != 0 || page.Next != "") || page.Next != "" && checkNext(page.Next) != nil {
			t.Errorf("%q was read as %+v", body, page)
		}
		var sent struct{ Records []json.RawMessage }
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		var want, got []map[string]string
		for _, record := range sent.Records {
			want = append(want, textsOf(t, record))
		}
		for _, row := range page.Rows {
			got = append(got, row.Texts())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %q (-want +got):\n%s", body, diff)
		}
	})
}

// textsOf reads a record in another way than Row does.
func textsOf(t *testing.T, record []byte) map[string]string {
	t.Helper()
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	row := map[string]string{}
	for name, value := range fields {
		switch value := value.(type) {
		case nil:
			row[name] = ""
		case string:
			row[name] = value
		case json.Number:
			row[name] = value.String()
		case bool:
			row[name] = strconv.FormatBool(value)
		}
	}
	return row
}

// FuzzComposite: whatever a composite answers to two queries, each gets the page that was sent for it, or an error; never an empty page for want of
// an answer.
func FuzzComposite(f *testing.F) {
	for _, page := range eachPage {
		f.Add([]byte(composite(sub("one", "200", page), sub("two", "200", onePage))))
	}
	f.Add([]byte(composite(sub("one", "400", `[{"message":"No such column","errorCode":"INVALID_FIELD"}]`), sub("two", "200", onePage))))
	f.Add([]byte(composite(sub("one", "401", expired))))
	f.Add([]byte(composite(sub("one", "200", onePage), sub("one", "200", onePage), sub("two", "200", `null`))))
	f.Add([]byte(composite(sub("one", "500", onePage), sub("two", "204", onePage))))
	f.Add([]byte(`{"compositeResponse":[null,{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			fake := &fake{api: []reply{{body: string(body)}}}
			_, results, err := fake.client(t).Composite(t.Context(), []Query{{Name: "one", SOQL: leads}, {Name: "two", SOQL: leads}})
			if err != nil {
				wantSafe(t, err)
				return
			}
			if part, err := decodeComposite(cutShort(body)); err == nil {
				t.Errorf("a part of %q was read as %+v, want an error", body, part)
			}
			for i, name := range []string{"one", "two"} {
				wantResult(t, results[i], pagesFor(t, body, name))
			}
		})
	})
}

// pagesFor are the answers that a composite holds for a name, those that are no page as nil.
func pagesFor(t *testing.T, body []byte, name string) (pages []*Page) {
	t.Helper()
	var all struct {
		CompositeResponse []struct {
			Body           json.RawMessage
			HTTPStatusCode int
			ReferenceID    string
		}
	}
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for _, one := range all.CompositeResponse {
		if one.ReferenceID != name {
			continue
		}
		page, err := decodePage(one.Body)
		if one.HTTPStatusCode == http.StatusOK && err == nil {
			pages = append(pages, &page)
		} else {
			pages = append(pages, nil)
		}
	}
	return pages
}

func wantResult(t *testing.T, got Result, sent []*Page) {
	t.Helper()
	if len(sent) == 1 && sent[0] != nil {
		if diff := cmp.Diff(Result{Page: *sent[0]}, got, asTexts); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		return
	}
	if got.Err == nil {
		t.Fatalf("got %+v, want an error: %d answers, none or not one of them a page", got, len(sent))
	}
	wantSafe(t, got.Err)
}

// FuzzDescribe: a describe is either refused, or each field can be told and judged by its type; the store gives it back unchanged.
func FuzzDescribe(f *testing.F) {
	f.Add([]byte(leadDescribe))
	addRecorded(f, filepath.Join("restforce", "sobject"))
	addRecorded(f, "nifi")
	f.Add([]byte(`{"name":"Lead","fields":[{"name":"Status","type":"picklist","picklistValues":[{"value":"A","label":null,"active":true},null]}]}`))
	f.Add([]byte(`{"name":"Lead","fields":[{}]}`))
	f.Add([]byte(`{"name":"Lead","fields":[]}`))
	f.Add([]byte(`{"name":"Lead","fields":[{"name":"A","type":"double","length":1e3}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := decodeDescribe(body)
		if err != nil {
			wantSafe(t, malformed("describe", err))
			return
		}
		if part, err := decodeDescribe(cutShort(body)); err == nil {
			t.Errorf("a part of %q was read as %+v, want an error", body, part)
		}
		for _, field := range d.Fields {
			found, ok := d.Field(strings.ToUpper(field.Name))
			if field.Type == "" || !ok && strings.EqualFold(strings.ToUpper(field.Name), field.Name) || ok && !strings.EqualFold(found.Name, field.Name) {
				t.Errorf("%q has the field %+v, and by its name there is %+v", body, field, found)
			}
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeDescribe(text)
		if diff := cmp.Diff(d, again, cmp.Transformer("none", func(v []PicklistValue) []PicklistValue { return append([]PicklistValue{}, v...) })); err != nil || diff != "" {
			t.Errorf("read again: %v (-want +got):\n%s", err, diff)
		}
	})
}

// FuzzCatalog: what the org lists is refused, or not empty.
func FuzzCatalog(f *testing.F) {
	for _, body := range []string{
		`{"encoding":"UTF-8","maxBatchSize":200,"sobjects":[{"name":"Lead"},{"name":"Contact"}]}`, `{"sobjects":[]}`, `{"sobjects":[{}]}`, `{}`,
		`[{"label":"Winter '27","url":"/services/data/v68.0","version":"68.0"}]`, `[]`, `[null]`,
		`{"plans":[{"cardinality":1,"fields":["Email"],"leadingOperationType":"Index","relativeCost":0.5,"sobjectCardinality":4000,"sobjectType":"Lead"}]}`, `{"plans":[]}`, `{"plans":[{}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			c := (&fake{api: []reply{{body: string(body)}}}).client(t)
			names, err := c.Objects(t.Context())
			wantList(t, names, err)
			versions, err := c.Versions(t.Context())
			wantList(t, versions, err)
			if plan, err := c.Explain(t.Context(), leads); err != nil {
				wantSafe(t, err)
			} else if plan.Operation == "" {
				t.Errorf("%q was read as the plan %+v, want one that says what it does, or an error", body, plan)
			}
		})
	})
}

func wantList(t *testing.T, list []string, err error) {
	t.Helper()
	if err != nil {
		wantSafe(t, err)
		return
	}
	for _, one := range append([]string{}, list...) {
		if one == "" {
			t.Errorf("got %q, want no nameless one among them", list)
		}
	}
	if len(list) == 0 {
		t.Error("got an empty list, want an error")
	}
}

// FuzzToken: a login either fails, and says nothing of what it sent and got, or gives the token that was sent and a host that may have it.
func FuzzToken(f *testing.F) {
	f.Add(200, "application/json", []byte(tokenAnswer(1, myDomain)))
	f.Add(200, "application/json;charset=UTF-8", []byte(`{"access_token":"t","instance_url":"https://acme--full.sandbox.my.salesforce.com/","id":"https://test.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"}`))
	f.Add(200, "application/json", []byte(`{"access_token":"t","instance_url":"https://evil.example","id":"x"}`))
	f.Add(200, "application/json", []byte(`{"access_token":"","instance_url":"https://ann@example.com"}`))
	f.Add(200, "application/x-www-form-urlencoded", []byte(`access_token=t&instance_url=https%3A%2F%2Facme.my.salesforce.com`))
	f.Add(200, "text/html", []byte("<html>"))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant","error_description":"authentication failure of ann@example.com"}`))
	f.Add(503, "application/json", []byte(`[{"errorCode":"SERVER_UNAVAILABLE","message":"later"}]`))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no HTTP answer has this status")
		}
		synctest.Test(t, func(t *testing.T) {
			fake := &fake{login: []reply{{status: status, body: string(body), header: map[string]string{"Content-Type": contentType}}}}
			c := fake.client(t)
			who, err := c.Identity(t.Context())
			if err != nil {
				wantSafe(t, err)
				if strings.Contains(err.Error(), "hunter2secret") {
					t.Errorf("the secret is in the error %v", err)
				}
				return
			}
			wantSession(t, c, body)
			wantID(t, who.OrgID, "00D")
			wantID(t, who.UserID, "005")
		})
	})
}

func wantSession(t *testing.T, c *Client, body []byte) {
	t.Helper()
	s, err := c.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	instance, err := url.Parse(s.instance)
	if err != nil || instance.Scheme != "https" || instance.User != nil || !strings.HasSuffix(instance.Hostname(), ".salesforce.com") && !officialHost(instance.Hostname()) {
		t.Errorf("the token is sent to %q, want one of Salesforce's hosts", s.instance)
	}
	var sent struct {
		Token string `json:"access_token"`
	}
	isJSON := json.Unmarshal(body, &sent) == nil
	if s.token == "" || isJSON && s.token != sent.Token {
		t.Errorf("got the token %q of %q", s.token, body)
	}
}

func officialHost(host string) bool {
	for _, domain := range salesforceDomains {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// wantID wants an Id of a kind in its long form, or none.
func wantID(t *testing.T, id, kind string) {
	t.Helper()
	if id != "" && (len(id) != 18 || !strings.HasPrefix(id, kind)) {
		t.Errorf("got the Id %q, want 18 characters that begin with %s, or none", id, kind)
	}
}

// FuzzCreated: a record counts as made only where the answer says so and names it; and what else it says leaves open whether it was made.
func FuzzCreated(f *testing.F) {
	for _, body := range []string{
		`{"id":"00Q000000000001EAA","success":true,"errors":[]}`, `{"id":"00Q000000000001","success":true}`, `{"id":"00Q000000000001EAA"}`, `{"success":true}`, `{"id":"00Q000000000001EAA","success":false}`,
		`{"id":null,"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x","fields":[]}]}`,
		`{"success":false,"errors":[{"statusCode":"MALFORMED_ID","message":"of ann@example.com","fields":["Email"]}]}`, `[]`, `null`, ``, `<html>`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		synctest.Test(t, func(t *testing.T) {
			fake := &fake{api: []reply{{status: http.StatusCreated, body: string(body)}}}
			id, err := createLead(t, fake)
			var sent struct {
				ID      string
				Success bool
			}
			_ = json.Unmarshal(body, &sent)
			switch long, ok := longID(sent.ID); {
			case err == nil && (!sent.Success || !ok || id != long):
				t.Errorf("%q made the record %q", body, id)
			case err != nil:
				wantSafe(t, err)
				if !json.Valid(body) && !UnknownOutcome(err) {
					t.Errorf("%q, which is no answer, is %v: want it left open whether the record was made", body, err)
				}
			}
		})
	})
}

// FuzzFailure: no answer may break the making of its error, and the error can be logged and waited for.
func FuzzFailure(f *testing.F) {
	f.Add(400, "application/json", "Fri, 27 Nov 2026 08:00:00 GMT", []byte(`[{"message":"x","errorCode":"INVALID_FIELD","fields":["A"]}]`))
	f.Add(400, "application/json", "3600", []byte(duplicates))
	f.Add(400, "application/json", "-1", []byte(`{"error":"invalid_grant"}`))
	f.Add(400, "application/json", "", []byte(`[{"message":"x","errorCode":"ann@example.com\u001b[2J"}]`))
	f.Add(200, "application/json", "", []byte(`{"success":false,"errors":[{"errors":[{}]}]}`))
	f.Add(503, "text/html", "Fri, 31 Dec 9999 08:00:00 GMT", []byte("<html>"))
	f.Add(302, "", "", []byte(nil))
	f.Add(401, "", "", []byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, status int, contentType, wait string, body []byte) {
		h := http.Header{"Content-Type": {contentType}, "Retry-After": {wait}, "Location": {wait}, "Date": {"Fri, 27 Nov 2026 07:00:00 GMT"}}
		for use := useQuery; use <= useLogin; use++ {
			e := failure(request{op: "ask", use: use}, status, h, body)
			if e.Kind == "" || e.RetryAfter < 0 || e.RetryAfter > longestWait {
				t.Errorf("%d %q: got %+v", status, body, e)
			}
			wantSafe(t, e)
		}
	})
}

// FuzzHeaders: what the headers of an answer say is either taken as it is said, or not known.
func FuzzHeaders(f *testing.F) {
	f.Add("api-usage=25/5000; per-app-api-usage=17/250(appName=qualifyd)", "Fri, 27 Nov 2026 08:00:00 GMT", int64(time.Second))
	f.Add("per-app-api-usage=17/250(appName=qualifyd);api-usage=18446744073709551616/1", "Friday, 27-Nov-26 08:00:00 GMT", int64(0))
	f.Add("api-usage=-1/0", "Fri, 31 Dec 9999 23:59:59 GMT", int64(time.Hour))
	f.Fuzz(func(t *testing.T, limits, date string, took int64) {
		if u, ok := parseUsage(limits); ok {
			again, ok := parseUsage("api-usage=" + strconv.Itoa(u.used) + "/" + strconv.Itoa(u.max))
			if u.used < 0 || u.max <= 0 || !ok || again != u {
				t.Errorf("%q is read as %+v, and that as %+v", limits, u, again)
			}
		}
		passed := time.Duration(max(0, took) % int64(readTimeout))
		a, err := answerAt(http.Header{"Date": {date}}, passed)
		if err != nil {
			if !errors.Is(err, ErrNoDate) || a != (Answer{}) {
				t.Errorf("%q: got %+v, %v", date, a, err)
			}
			return
		}
		if a.Since.After(a.Date) || a.Bound.After(a.Since) || a.Date.Sub(a.Bound) != passed+boundMargin {
			t.Errorf("%q after %s: got %+v, want Bound before Since before Date", date, passed, a)
		}
	})
}

// FuzzConnection: a file is either refused without a word of what is in it, or a connection that is written and read back unchanged.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		`{"refresh_token":"5Aep861secret","login_url":"https://acme.my.salesforce.com","client_id":"3MVG9","org_id":"00Dx0000000BV7zEAG","connected_at":"2026-11-27T08:00:00Z"}`,
		`{"refresh_token":"t","login_url":"l","client_id":"c","connected_at":"2026-11-27T08:00:00.123+01:00","unanswered_since":"2026-11-27T09:00:00Z"}`,
		`{"refresh_token":"5Aep861secret"`, `{"refresh_token":5,"login_url":"l","client_id":"c"}`, `{"connected_at":"5Aep861secret"}`, `{"login_url":"l","client_id":"c"}`, `null`, ``,
	} {
		f.Add([]byte(text))
	}
	file := tokenFile(filepath.Join(f.TempDir(), "salesforce-token"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(string(file), text, 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := file.load()
		if err != nil {
			wantKind(t, err, Refused)
			wantNothingOf(t, text, err)
			return
		}
		if kept.RefreshToken == "" || kept.LoginURL == "" || kept.ClientID == "" {
			t.Errorf("%q was read as %+v", text, kept)
		}
		encoded, err := json.MarshalIndent(kept, "", "  ")
		if err != nil || len(encoded) > maxConnection {
			t.Skip("connect writes no such file")
		}
		if err := os.WriteFile(string(file), encoded, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := file.load()
		if diff := cmp.Diff(kept, again); err != nil || diff != "" {
			t.Errorf("%q read again: %v (-want +got):\n%s", text, err, diff)
		}
	})
}

// wantNothingOf wants an error without the words of a file, but for those that it has of its own.
func wantNothingOf(t *testing.T, text []byte, err error) {
	t.Helper()
	for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		own := strings.Contains("refresh_token login_url client_id salesforce-token /tmp/ qualifyd connect again, which replaces it is damaged: not the JSON that writes lacks or log in to Salesforce", word)
		if len(word) > 8 && !own && strings.Contains(err.Error(), word) {
			t.Errorf("the error %q has %q of the file", err, word)
		}
	}
}

// FuzzCallback: only the browser of this login brings a code, its own; what a person pastes is read as what the browser brings; no error repeats a code.
func FuzzCallback(f *testing.F) {
	const state = "own-state"
	for _, query := range []string{
		"code=aPrx-secret&state=own-state", "state=own-state&code=aPrx%2Bsecret%3D%3D", "code=aPrx-secret&state=another", "code=aPrx-secret", "state=own-state",
		"error=access_denied&error_description=end-user+denied+ann%40example.com&state=own-state", "error=access_denied%1b%5b2J&state=another", "code=aPrx-secret&state=own-state&state=another",
		"client_id=3MVG9", "code=%zz&state=own-state", "code=a;state=own-state", "",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsAny(query, "<>") {
			t.Skip("a browser escapes these")
		}
		a := &Authorization{client: (&fake{}).client(t), state: state}
		sent, _, _ := strings.Cut(query, "#") // what stands behind it a browser keeps to itself
		back, _ := url.ParseQuery(sent)
		code, err := a.Pasted("http://localhost:1717" + callbackPath + "?" + query)
		if err == nil && (code == "" || back.Get("state") != state || code != back.Get("code")) {
			t.Errorf("%q pasted: got the code %q", query, code)
		}
		if err != nil {
			wantSafe(t, err)
			if secret := back.Get("code"); len(secret) > 8 && !back.Has("error") && strings.Contains(err.Error(), secret) {
				t.Errorf("%q pasted: the code is in the error %q", query, err)
			}
		}
		brought, status := bring(a, sent)
		switch own := back.Get("state") == state; {
		case own != (brought != nil) || own != (status == http.StatusOK):
			t.Errorf("%q brought by a browser: got %+v with status %d", query, brought, status)
		case brought == nil:
		case code != "" && brought.Code != code, (brought.Err == nil) != (brought.Code != ""), brought.Code != back.Get("code"):
			t.Errorf("%q brought by a browser: got %+v; pasted it is %q", query, brought, code)
		case brought.Err != nil:
			wantSafe(t, brought.Err)
		}
	})
}

// bring has a browser come back with a query. It returns the visit, nil where the browser was turned away, and the page's status.
func bring(a *Authorization, query string) (*Visit, int) {
	r := &Receiver{authorization: a, visits: make(chan *Visit)}
	answer := httptest.NewRecorder()
	served := make(chan struct{})
	go func() {
		defer close(served)
		r.ServeHTTP(answer, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: callbackPath, RawQuery: query}})
	}()
	select {
	case v := <-r.visits:
		v.Tell("Done.")
		<-served
		return v, answer.Code
	case <-served:
		return nil, answer.Code
	}
}
