package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refusal(code, description string) reply {
	body, _ := json.Marshal(map[string]string{"error": code, "error_description": description})
	return reply{status: 400, body: string(body)}
}

func TestClientCredentialsLogin(t *testing.T) {
	f := &fake{api: []reply{{body: onePage}}}
	c := f.client(t)
	got, err := c.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Identity{OrgID: "00Dx0000000BV7zEAG", UserID: "005x00000012Q9PAAU", InstanceURL: myDomain}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	form := f.logins[0]
	if form.Get("grant_type") != "client_credentials" || form.Get("client_id") != "3MVG9" || form.Get("client_secret") != "hunter2secret" {
		t.Errorf("the login sent %v", form)
	}
	for range 2 {
		if err := askLeads(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	f.wantCalls(t, 2, 1) // one session for all
	if f.calls[0].token != "token-1" {
		t.Errorf("asked with token %q", f.calls[0].token)
	}
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	f := &fake{api: []reply{{body: onePage}, {status: 401, body: expired}, {body: onePage}}}
	c := f.client(t)
	for range 2 {
		if err := askLeads(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	f.wantCalls(t, 3, 2)
	if got := f.calls[2].token; got != "token-2" {
		t.Errorf("replayed with %q, want the new token", got)
	}
}

func TestFreshSessionRefusedAgain(t *testing.T) {
	f := &fake{api: []reply{{status: 401, body: expired}}}
	c := f.client(t)
	wantKind(t, askLeads(t.Context(), c), Refused)
	f.wantCalls(t, 2, 2)
	wantKind(t, askLeads(t.Context(), c), Refused)
	f.wantCalls(t, 4, 4) // the refused session was not kept
}

func TestEndedSessionIsNotUsedAgainAfterAFailedLogin(t *testing.T) {
	f := &fake{
		login: []reply{{body: tokenAnswer(1, myDomain)}, refusal("invalid_grant", "inactive user"), {body: tokenAnswer(3, myDomain)}},
		api:   []reply{{status: 401, body: expired}, {body: onePage}},
	}
	c := f.client(t)
	wantKind(t, askLeads(t.Context(), c), Refused)
	if err := askLeads(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.wantCalls(t, 2, 3)
}

func TestWriteIsReplayedAfterAnExpiredSession(t *testing.T) {
	f := &fake{api: []reply{{status: 401, body: expired}, {status: 201, body: `{"id":"00Q000000000001EAA","success":true,"errors":[]}`}}}
	id, _, err := f.client(t).Create(t.Context(), "Lead", map[string]any{"LastName": "Lee"}, false)
	if id != "00Q000000000001EAA" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	if f.calls[0].body != f.calls[1].body {
		t.Errorf("replayed %q, want %q", f.calls[1].body, f.calls[0].body)
	}
}

// TestManyExpireAtOnce lets five requests of one session be refused together.
func TestManyExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fake
		c := f.client(t, func(o *Options) { o.Transport = &mortal{fake: &f} })
		if _, err := c.Identity(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := askLeads(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(f.logins) != 2 {
			t.Errorf("logged in %d times, want 2: the first time, and once for all", len(f.logins))
		}
	})
}

// mortal refuses the first session, one request a second.
type mortal struct {
	fake  *fake
	mu    sync.Mutex
	asked int
}

func (m *mortal) RoundTrip(req *http.Request) (*http.Response, error) {
	switch req.Header.Get("Authorization") {
	case "": // a login
		time.Sleep(time.Second)
		return m.fake.RoundTrip(req)
	case "Bearer token-1":
		m.mu.Lock()
		m.asked++
		wait := time.Duration(m.asked) * time.Second
		m.mu.Unlock()
		time.Sleep(wait)
		return reply{status: 401, body: expired}.response(req), nil
	}
	return reply{body: onePage}.response(req), nil
}

func TestWaitingForAnothersLoginCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{login: []reply{{takes: 20 * time.Second, body: tokenAnswer(1, myDomain)}}}
		c := f.client(t)
		go c.Identity(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Identity(ctx)
		wantKind(t, err, Stopped)
		if took := time.Since(start); took != time.Second {
			t.Errorf("returned after %v, want 1 s", took)
		}
		time.Sleep(time.Minute)
	})
}

func TestJWTLoginCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{login: []reply{{takes: time.Hour}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := f.client(t, withJWT(t)).Identity(ctx)
		wantKind(t, err, Stopped)
		if took := time.Since(start); took != time.Second {
			t.Errorf("returned after %v, want 1 s", took)
		}
	})
}

// TestLoginAnswers lists what the token endpoint can say, for both flows.
func TestLoginAnswers(t *testing.T) {
	tests := []struct {
		name   string
		reply  reply
		want   Kind
		logins int
		says   string
	}{
		{"authentication failure", refusal("invalid_grant", "authentication failure"), Refused, 1, "authentication failure"},
		{"without a description", reply{status: 400, body: `{"error":"invalid_client"}`}, Refused, 1, "check client_id"},
		{"wrong secret", reply{status: 401, body: `{"error":"invalid_client","error_description":"invalid client credentials"}`}, Refused, 1, "check client_id"},
		{"login host with client credentials", refusal("invalid_grant", "request not supported on this domain"), Refused, 1, "My Domain"},
		{"no run-as user", refusal("invalid_grant", "no client credentials user enabled"), Refused, 1, "run-as user"},
		{"not approved", refusal("invalid_grant", "user hasn't approved this consumer"), Refused, 1, "pre-authorise"},
		{"inactive org", refusal("inactive_org", "organization is inactive"), Refused, 1, "active"},
		{"not Salesforce", reply{status: 404, body: "<html>", header: map[string]string{"Content-Type": "text/html"}}, Refused, 1, "check login_url"},
		{"unknown error", refusal("unknown_error", "retry your request"), Transient, 3, "retry your request"},
		{"500", reply{status: 500}, Transient, 3, "HTTP 500"},
		{"503 in HTML", reply{status: 503, body: "<html>"}, Transient, 3, "HTML page"},
		{"403 in HTML: a proxy's own page", reply{status: 403, body: "<html>"}, Transient, 3, "HTML page"},
		{"429", reply{status: 429}, Transient, 3, "429"},
		{"Retry-After of minutes", reply{status: 503, header: map[string]string{"Retry-After": "600"}}, Transient, 1, "503"},
		{"network", reply{err: errNetwork}, Transient, 3, "connection reset"},
		{"no answer", reply{takes: time.Hour}, Transient, 3, "log in"},
		{"cut body", reply{body: `{"access_token":"to`, cut: errNetwork}, Transient, 3, "log in"},
		{"HTML with 200", reply{body: "<html>"}, Transient, 3, "it may be a web page; is salesforce.login_url"},
		{"nothing with 200", reply{}, Transient, 3, "it may be a web page; is salesforce.login_url"},
		{"JSON of somebody else with 200", reply{body: `{"portal":"accept the terms"}`}, Transient, 3, "holds no token"},
		{"redirect", reply{status: 302, header: map[string]string{"Location": "https://new.my.salesforce.com/x"}}, Transient, 3, "new.my.salesforce.com"},
		{"no instance_url", reply{body: `{"access_token":"t"}`}, Refused, 1, "no instance_url"},
		{"an instance of somebody else", reply{body: tokenAnswer(1, "https://evil.example")}, Refused, 1, "not a Salesforce host"},
	}
	flows := map[string]func(*testing.T) func(*Options){
		"client_credentials": func(*testing.T) func(*Options) { return func(*Options) {} },
		"jwt":                withJWT,
	}
	for flow, change := range flows {
		for _, tt := range tests {
			t.Run(flow+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fake{login: []reply{tt.reply}}
					err := askLeads(t.Context(), f.client(t, change(t)))
					wantKind(t, err, tt.want)
					f.wantCalls(t, 0, tt.logins)
					if err == nil || !strings.Contains(err.Error(), tt.says) {
						t.Errorf("got %v, want it to say %q", err, tt.says)
					}
					wantNoSecret(t, err, f.logins[0].Get("assertion"))
				})
			})
		}
	}
}

func wantNoSecret(t *testing.T, err error, assertion string) {
	t.Helper()
	for _, secret := range []string{"hunter2secret", "token-1", assertion} {
		if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
}

func TestWrongClockIsNamed(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration // of Salesforce's clock from ours
		want string
	}{
		{"ours is ahead", -7 * time.Minute, "7m0s ahead of"},
		{"ours is behind", 10 * time.Minute, "10m0s behind"},
		{"near enough", time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := refusal("invalid_grant", "expired authorization code")
				r.header = map[string]string{"Date": time.Now().Add(tt.off).UTC().Format(http.TimeFormat)}
				_, err := (&fake{login: []reply{r}}).client(t, withJWT(t)).Identity(t.Context())
				wantKind(t, err, Refused)
				if got := strings.Contains(err.Error(), "clock"); got != (tt.want != "") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want it to say %q", err, tt.want)
				}
			})
		})
	}
}

func TestWrongClockIsNoExplanationForASecret(t *testing.T) {
	r := refusal("invalid_client", "invalid client credentials")
	r.header = map[string]string{"Date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}
	_, err := (&fake{login: []reply{r}}).client(t).Identity(t.Context())
	if strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v, want no word of the clock: only a JWT depends on it", err)
	}
}

func TestInstanceIsTakenFromEveryLogin(t *testing.T) {
	f := &fake{
		login: []reply{{body: tokenAnswer(1, myDomain)}, {body: tokenAnswer(2, "https://acme2.my.salesforce.com")}},
		api:   []reply{{status: 401, body: expired}, {body: onePage}},
	}
	if err := askLeads(t.Context(), f.client(t)); err != nil {
		t.Fatal(err)
	}
	if got := f.calls[1].host; got != "acme2.my.salesforce.com" {
		t.Errorf("asked %s after the second login", got)
	}
}

func TestIdentityURL(t *testing.T) {
	tests := map[string]Identity{
		"https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU": {OrgID: "00Dx0000000BV7zEAG", UserID: "005x00000012Q9PAAU"},
		"https://test.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P":        {OrgID: "00Dx0000000BV7zEAG", UserID: "005x00000012Q9PAAU"},
		"https://login.salesforce.com/id/foo/bar":                               {},
		"x": {},
		"":  {},
	}
	for id, want := range tests {
		if diff := cmp.Diff(want, parseIdentity(id)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", id, diff)
		}
	}
}
