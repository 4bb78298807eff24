package salesforce

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a Salesforce behind a RoundTripper, so that a test's clock can move
// while it "answers". It serves its replies in order and repeats the last.
type fake struct {
	api   []reply
	login []reply // nil: every login succeeds, with token-1, token-2, ...

	mu     sync.Mutex
	calls  []call
	logins []url.Values
}

type reply struct {
	status int
	body   string
	header map[string]string // "" leaves a header out
	err    error             // instead of an answer
	cut    error             // ends the body
	takes  time.Duration
}

type call struct {
	method, host, path, query, body, token string
	header                                 http.Header
}

const (
	myDomain = "https://acme.my.salesforce.com"
	onePage  = `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Lead","url":"/x"},"Id":"00Q000000000001EAA"}]}`
	expired  = `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`
)

func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	r := f.next(req, string(body))
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(r.takes):
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.response(req), nil
}

func (f *fake) next(req *http.Request, body string) reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.URL.Path == "/services/oauth2/token" {
		form, _ := url.ParseQuery(body)
		f.logins = append(f.logins, form)
		if f.login == nil {
			return reply{body: tokenAnswer(len(f.logins), myDomain)}
		}
		return f.login[min(len(f.logins), len(f.login))-1]
	}
	f.calls = append(f.calls, call{
		method: req.Method, host: req.URL.Host, path: req.URL.Path, query: req.URL.RawQuery, body: body,
		token: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), header: req.Header.Clone(),
	})
	return f.api[min(len(f.calls), len(f.api))-1]
}

func tokenAnswer(n int, instance string) string {
	return `{"access_token":"token-` + string(rune('0'+n)) + `","signature":"s","scope":"api","instance_url":"` + instance +
		`","id":"https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P","token_type":"Bearer","issued_at":"1278448384422"}`
}

func (r reply) response(req *http.Request) *http.Response {
	h := http.Header{}
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Content-Type", "application/json;charset=UTF-8")
	for name, value := range r.header {
		h.Del(name)
		if value != "" {
			h.Set(name, value)
		}
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	var body io.Reader = strings.NewReader(r.body)
	if r.cut != nil {
		body = io.MultiReader(body, broken{r.cut})
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(body), Request: req}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// client is a Client of the fake, by client credentials.
func (f *fake) client(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{
		LoginURL: myDomain, APIVersion: "67.0",
		Flow: ClientCredentials, ClientID: "3MVG9", ClientSecret: "hunter2secret",
		Transport: f,
	}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	errNetwork = errors.New("connection reset by peer")
	leads      = Select("Id").From("Lead")
)

// askLeads is the simplest read.
func askLeads(ctx context.Context, c *Client) error {
	_, _, err := c.QueryAll(ctx, leads)
	return err
}

func (f *fake) wantCalls(t *testing.T, api, logins int) {
	t.Helper()
	if len(f.calls) != api || len(f.logins) != logins {
		t.Errorf("got %d API calls and %d logins, want %d and %d", len(f.calls), len(f.logins), api, logins)
	}
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if got := KindOf(err); got != want {
		t.Errorf("got kind %q, want %q: %v", got, want, err)
	}
}
