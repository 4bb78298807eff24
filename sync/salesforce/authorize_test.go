package salesforce

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/sync/sandbox"
)

// freePort is a port that nobody listens on, on either loopback address.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// authorize begins an authorization at an org to which nobody is connected yet.
func authorize(t *testing.T) (*connected, *Client, *Authorization) {
	t.Helper()
	k := connect(t, true)
	if err := os.Remove(string(k.file)); err != nil {
		t.Fatal(err)
	}
	c := k.client()
	a, err := c.Authorize(t.Context(), 1717)
	if err != nil {
		t.Fatal(err)
	}
	return k, c, a
}

// follow opens the authorization address and takes the link; the result is where the browser is then sent.
func (k *connected) follow(address, link string) string {
	k.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	resp, err := k.RoundTrip(req)
	if err != nil {
		k.t.Fatal(err)
	}
	if to := resp.Header.Get("Location"); to != "" {
		return to
	}
	page, _ := io.ReadAll(resp.Body)
	found := regexp.MustCompile(`href="([^"]*)">` + link).FindSubmatch(page)
	if found == nil {
		k.t.Fatalf("the page has no link %s:\n%s", link, page)
	}
	return html.UnescapeString(string(found[1]))
}

func TestAPersonConnects(t *testing.T) {
	k, c, a := authorize(t)
	code, err := a.Pasted(" '" + k.follow(a.URL, "Allow") + "'\n")
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if g.OrgID != k.org.ID() || g.UserID != k.org.UserID() || !cmp.Equal(g.Scopes, scopes) {
		t.Errorf("got the grant %+v, want the org's, its user's, and %v", g, scopes)
	}
	if _, err := os.Stat(string(k.file)); err == nil {
		t.Error("the connection was kept before anybody said so")
	}
	org, _, err := c.Organization(t.Context())
	if want := (Organization{ID: k.org.ID(), Name: "Sandbox Ltd"}); err != nil || org != want {
		t.Errorf("got %+v, %v, want %+v", org, err, want)
	}
	if name, err := c.Username(t.Context()); name != "integration@example.com" || err != nil {
		t.Errorf("got user %q, %v", name, err)
	}
	if err := c.Keep(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	got := k.kept()
	if got.RefreshToken == "" || got.ConnectedAt.IsZero() {
		t.Errorf("kept %+v, want a token and a time", got)
	}
	got.RefreshToken, got.ConnectedAt = "", time.Time{}
	id, _ := k.org.Credentials()
	if diff := cmp.Diff(connection{LoginURL: myDomain, ClientID: id, OrgID: k.org.ID()}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	k.wantLogin(c)
	k.wantLogin(k.client())
}

func TestTheAuthorizationAddress(t *testing.T) {
	k, _, a := authorize(t)
	u, err := url.Parse(a.URL)
	if err != nil || !strings.HasPrefix(a.URL, myDomain+"/services/oauth2/authorize?") {
		t.Fatalf("got %q, %v", a.URL, err)
	}
	q := u.Query()
	id, _ := k.org.Credentials()
	for name, want := range map[string]string{"response_type": "code", "client_id": id, "redirect_uri": "http://localhost:1717/OauthRedirect",
		"scope": "api refresh_token", "code_challenge_method": "S256"} {
		if got := q.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(q.Get("state")) < 26 || len(q.Get("code_challenge")) != 43 { // 5 bits a character; 256 bits in base64
		t.Errorf("got state %q and challenge %q, want 128 and 256 random bits", q.Get("state"), q.Get("code_challenge"))
	}
	if q.Has("client_secret") || q.Has("code_verifier") {
		t.Errorf("the address holds a secret: %s", a.URL)
	}
	_, _, other := authorize(t)
	if other.state == a.state || other.verifier == a.verifier {
		t.Error("two authorizations share a state or a verifier")
	}
}

func TestWhatAPersonMayPaste(t *testing.T) {
	k, _, a := authorize(t)
	_, _, other := authorize(t)
	good := k.follow(a.URL, "Allow")
	without := func(name string) string {
		u, _ := url.Parse(good)
		q := u.Query()
		q.Del(name)
		u.RawQuery = q.Encode()
		return u.String()
	}
	errorPage := myDomain + "/setup/secur/RemoteAccessErrorPage.apexp?error=invalid_client&error_description=app+must+be+installed+into+org"
	tests := []struct {
		name, pasted, says string
		kind               Kind
	}{
		{"the whole address", good, "", ""},
		{"from a browser that hides http", strings.TrimPrefix(good, "http://"), "", ""},
		{"in quotes", `"` + good + `"`, "", ""},
		{"only the code", "aPrxgqE8d==", "not the whole address", ""},
		{"without its end", strings.SplitN(good, "?", 2)[0], "not the whole address", ""},
		{"without the code", without("code"), "no code", ""},
		{"without the state", without("state"), "no state", ""},
		{"of another run", strings.Replace(good, a.state, other.state, 1), "of another login", ""},
		{"the address to open", a.URL, "the address to open", ""},
		{"no address at all", "yes", "not the whole address", ""},
		{"a control character", "http://localhost\x7f/?code=x", "not the whole address", ""},
		{"denied", k.follow(a.URL, "Deny"), "choose Allow", Refused},
		{"somebody's own words", errorPage + "%1b%5b2J%0a", "into org[2J; ", Refused},
		{"Salesforce's error page", errorPage, "is not installed in this org", Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, err := a.Pasted(tt.pasted)
			if tt.says == "" {
				if err != nil || code == "" {
					t.Errorf("got %q, %v, want the code", code, err)
				}
				return
			}
			if code != "" || err == nil || !strings.Contains(err.Error(), tt.says) || KindOf(err) != tt.kind {
				t.Errorf("got %q, %v of kind %q; want it to say %q, of kind %q", code, err, KindOf(err), tt.says, tt.kind)
			}
			if u, _ := url.Parse(good); err != nil && strings.Contains(err.Error(), u.Query().Get("code")) {
				t.Errorf("the error holds the code: %v", err)
			}
		})
	}
}

// visit has a browser go where it is sent, and gives the status and the page.
func visit(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp, string(page)
}

func TestTheBrowserComesBack(t *testing.T) {
	_, _, a := authorize(t)
	port := freePort(t)
	r, err := a.Receive(port)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("http://localhost:%d", port)
	for path, want := range map[string]int{
		"/":                             404,
		"/favicon.ico":                  404,
		"/OauthRedirect":                400,
		"/OauthRedirect?code=x":         400,
		"/OauthRedirect?code=x&state=x": 400,
		"/OauthRedirect?error=access_denied&state=x": 400,
	} {
		if resp, page := visit(t, at+path); resp.StatusCode != want || strings.Contains(page, "code=x") {
			t.Errorf("%s: got %d and %s, want %d", path, resp.StatusCode, page, want)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, page := visit(t, at+"/OauthRedirect?code=a%2Bb&state="+a.state)
		if resp.StatusCode != 200 || !strings.Contains(page, "<p>Connected as &lt;b&gt;.</p>") || strings.Contains(page, "<script") {
			t.Errorf("got %d and the page\n%s", resp.StatusCode, page)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}()
	v := <-r.Visits
	if v.Code != "a+b" || v.Err != nil {
		t.Errorf("got code %q, %v", v.Code, v.Err)
	}
	v.Tell("Connected as <b>.")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	<-done
	if _, err := http.Get(at); err == nil {
		t.Error("the port is still open")
	}
}

// A browser loads a page twice, by a reload or to be fast; a code works once.
func TestOnlyTheFirstVisitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, a := authorize(t)
		r := &Receiver{authorization: a, visits: make(chan *Visit), closed: make(chan struct{}), server: new(http.Server)}
		visit := func() *httptest.ResponseRecorder {
			page := httptest.NewRecorder()
			go r.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/OauthRedirect?code=x&state="+a.state, nil))
			synctest.Wait()
			return page
		}
		first, second := visit(), visit()
		v := <-r.visits
		v.Tell("Connected.")
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		codes := []int{first.Code, second.Code}
		slices.Sort(codes) // which one was taken is the scheduler's choice
		if diff := cmp.Diff([]int{http.StatusOK, http.StatusGone}, codes); diff != "" {
			t.Errorf("the answers of two visits (-want +got):\n%s", diff)
		}
	})
}

func TestTheBrowserBringsARefusal(t *testing.T) {
	_, _, a := authorize(t)
	port := freePort(t)
	r, err := a.Receive(port)
	if err != nil {
		t.Fatal(err)
	}
	go visit(t, fmt.Sprintf("http://localhost:%d/OauthRedirect?error=OAUTH_APP_BLOCKED&error_description=this+app+is+blocked+by+admin&state=%s", port, a.state))
	v := <-r.Visits
	wantKind(t, v.Err, Refused)
	if !strings.Contains(v.Err.Error(), "unblock it") {
		t.Errorf("got %v, want it to say what to do", v.Err)
	}
	v.Tell("no")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever holds one of the two addresses of localhost could get the code.
func TestATakenPortIsRefused(t *testing.T) {
	_, _, a := authorize(t)
	for _, ip := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Logf("%s: %v", ip, err)
			continue
		}
		if r, err := a.Receive(l.Addr().(*net.TCPAddr).Port); err == nil {
			t.Errorf("%s is taken: got a receiver, want an error", ip)
			r.Close()
		}
		l.Close()
	}
}

func TestAGrantThatIsOfNoUseIsRevoked(t *testing.T) {
	answer := func(refresh, scope string) reply {
		return reply{body: strings.Replace(tokenAnswer(1, myDomain), `"scope":"api"`, `"refresh_token":"`+refresh+`","scope":"`+scope+`"`, 1)}
	}
	tests := []struct {
		name    string
		answer  reply
		says    string
		revoked int
	}{
		{"no refresh token", answer("", "api"), "Perform requests at any time (refresh_token, offline_access)", 0},
		{"no API", answer("5Aep861", "id refresh_token"), "Manage user data via APIs (api)", 1},
		{"full is more than api", answer("5Aep861", "full refresh_token"), "", 0},
		{"scopes are not told", answer("5Aep861", ""), "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{login: []reply{tt.answer}, api: []reply{{}}}
			c := f.client(t, func(o *Options) { o.Flow, o.TokenFile = Web, filepath.Join(t.TempDir(), "token") })
			a, err := c.Authorize(t.Context(), 1717)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Exchange(t.Context(), "code")
			if tt.says == "" && err != nil || tt.says != "" && (KindOf(err) != Refused || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
			if len(f.calls) != tt.revoked || len(f.calls) == 1 && (f.calls[0].path != "/services/oauth2/revoke" || f.calls[0].body != "token=5Aep861") {
				t.Errorf("sent %+v, want %d revocations", f.calls, tt.revoked)
			}
			if got := f.logins[0].Get("client_secret"); got != "hunter2secret" {
				t.Errorf("sent the secret %q, want the configured one", got)
			}
		})
	}
}

func TestACodeIsExchangedOnce(t *testing.T) {
	k, _, a := authorize(t)
	code, err := a.Pasted(k.follow(a.URL, "Allow"))
	if err != nil {
		t.Fatal(err)
	}
	logins := 0
	k.org.SetFault(func(*http.Request) *sandbox.Fault { logins++; return &sandbox.Fault{Lost: true} })
	_, err = a.Exchange(t.Context(), code)
	wantKind(t, err, Transient)
	k.org.SetFault(nil)
	if logins != 1 {
		t.Errorf("got %d requests, want one", logins)
	}
	_, err = a.Exchange(t.Context(), code)
	k.wantRefused(err, "the code was used before")
}

func TestAConnectionThatDoesNotRenewIsNotKept(t *testing.T) {
	k, c, a := authorize(t)
	code, err := a.Pasted(k.follow(a.URL, "Allow"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	k.org.RevokeGrants() // as an app does whose refresh tokens end at once
	k.wantRefused(c.Keep(t.Context(), g), `"valid until revoked"`)
	if _, err := os.Stat(string(k.file)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a connection was kept (%v), want none", err)
	}
}

func TestAFolderThatIsMissing(t *testing.T) {
	k := connect(t, false)
	folder := filepath.Join(filepath.Dir(string(k.file)), "var", "lib")
	c := k.client(func(o *Options) { o.TokenFile = filepath.Join(folder, "token") })
	_, err := c.Authorize(t.Context(), 1717)
	if os.Geteuid() == 0 {
		k.wantRefused(err, "there is no folder "+folder+"; make it, for the user that the service runs as")
		return
	}
	if info, statErr := os.Stat(folder); err != nil || statErr != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v, want the folder made for its owner only", err, statErr)
	}
}
