package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// client talks to an org as the integration user.
type client struct {
	t     *testing.T
	org   *Org
	clock *clock
	token string
	http  *http.Client
}

const host = "https://acme.my.salesforce.com"

func newClient(t *testing.T) *client {
	c := &clock{t: time.Date(2026, 11, 2, 9, 30, 15, 700_000_000, time.UTC)}
	org := NewOrg(c.now)
	cl := &client{t: t, org: org, clock: c, http: &http.Client{Transport: Transport(map[string]http.Handler{"acme.my.salesforce.com": org.Handler(), "login.salesforce.com": org.Handler()})}}
	cl.login()
	return cl
}

func (c *client) login() {
	c.t.Helper()
	id, secret := c.org.Credentials()
	_, body := c.post("/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	c.token, _ = body.(map[string]any)["access_token"].(string)
	if c.token == "" {
		c.t.Fatalf("login: got %v, want an access token", body)
	}
}

func (c *client) post(path string, form url.Values) (int, any) {
	c.t.Helper()
	r, _ := http.NewRequest("POST", host+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.send(r)
}

// do sends a request below /services/data/v67.0; headers come in pairs.
func (c *client) do(method, path string, body any, headers ...string) (int, any) {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(encodeJSON(body))
	}
	r, err := http.NewRequest(method, host+"/services/data/v67.0"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) (int, any) {
	c.t.Helper()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var v any
	json.Unmarshal(text, &v)
	return resp.StatusCode, v
}

// query runs SOQL and gives the records.
func (c *client) query(soql string) []map[string]any {
	c.t.Helper()
	return c.ask("/query?q=", soql)
}

func (c *client) queryAll(soql string) []map[string]any {
	c.t.Helper()
	return c.ask("/queryAll/?q=", soql)
}

func (c *client) ask(path, soql string) []map[string]any {
	c.t.Helper()
	status, body := c.do("GET", path+url.QueryEscape(soql), nil)
	if status != 200 {
		c.t.Fatalf("%s: got %d %v, want 200", soql, status, body)
	}
	var records []map[string]any
	for _, r := range body.(map[string]any)["records"].([]any) {
		records = append(records, r.(map[string]any))
	}
	return records
}

// refused runs SOQL that fails, and gives code and message.
func (c *client) refused(soql string) (code, message string) {
	c.t.Helper()
	status, body := c.do("GET", "/query?q="+url.QueryEscape(soql), nil)
	if status != 400 {
		c.t.Fatalf("%s: got %d %v, want 400", soql, status, body)
	}
	return errorOf(body)
}

func errorOf(body any) (code, message string) {
	list, _ := body.([]any)
	if len(list) == 0 {
		return "", ""
	}
	e := list[0].(map[string]any)
	return e["errorCode"].(string), e["message"].(string)
}

// want fails unless got is as expected.
func want[T comparable](t *testing.T, what string, got, expected T) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: got %v, want %v", what, got, expected)
	}
}

func names(records []map[string]any, field string) string {
	var list []string
	for _, r := range records {
		s, _ := r[field].(string)
		list = append(list, s)
	}
	return strings.Join(list, ",")
}
