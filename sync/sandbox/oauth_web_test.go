package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"
)

const (
	callback = "http://localhost:1717/OauthRedirect"
	verifier = "a-verifier-of-at-least-forty-three-characters-long"
)

// asking is a right authorization request, with changes in pairs.
func (c *client) asking(changes ...string) url.Values {
	id, _ := c.org.Credentials()
	digest := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {callback}, "scope": {"api refresh_token"}, "state": {"s&t"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
	}
	return q
}

// consent opens the authorization page and follows a link. It gives the values that the app's callback gets.
func (c *client) consent(q url.Values, link string) url.Values {
	c.t.Helper()
	r, _ := http.NewRequest("GET", host+"/services/oauth2/authorize?"+q.Encode(), nil)
	resp, err := c.http.Transport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	target := resp.Header.Get("Location")
	if target == "" {
		page, _ := io.ReadAll(resp.Body)
		found := regexp.MustCompile(`href="([^"]*)">` + link).FindSubmatch(page)
		if found == nil {
			c.t.Fatalf("got status %d and %s, want a link %s", resp.StatusCode, page, link)
		}
		target = html.UnescapeString(string(found[1]))
	}
	u, err := url.Parse(target)
	if err != nil {
		c.t.Fatal(err)
	}
	want(c.t, "sent to", u.Scheme+"://"+u.Host+u.Path, callback)
	return u.Query()
}

func (c *client) redeem(code string, changes ...string) (int, any) {
	c.t.Helper()
	id, _ := c.org.Credentials()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "redirect_uri": {callback}, "code": {code}, "code_verifier": {verifier}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return c.post("/services/oauth2/token", form)
}

func (c *client) refresh(token string) (int, any) {
	c.t.Helper()
	id, _ := c.org.Credentials()
	return c.post("/services/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {token}})
}

func (c *client) limits() int {
	c.t.Helper()
	status, _ := c.do("GET", "/limits", nil)
	return status
}

func TestAPersonsConsentGivesACodeForOneGrant(t *testing.T) {
	c := newClient(t)
	back := c.consent(c.asking(), "Allow")
	want(t, "state", back.Get("state"), "s&t")
	status, body := c.redeem(back.Get("code"))
	b := body.(map[string]any)
	want(t, "status", status, 200)
	want(t, "scope", b["scope"], any("api refresh_token"))
	c.token = b["access_token"].(string)
	want(t, "its session", c.limits(), 200)
	want(t, "its refresh token", outcome(c.refresh(b["refresh_token"].(string))), "200")
	want(t, "the code again", outcome(c.redeem(back.Get("code"))), "400 invalid_grant: expired authorization code")
}

func TestACodeIsRedeemedOnlyByWhoAskedForIt(t *testing.T) {
	c := newClient(t)
	for what, test := range map[string]struct {
		changes []string
		want    string
	}{
		"another verifier": {[]string{"code_verifier", "x"}, "400 invalid_grant: invalid code verifier"},
		"no verifier":      {[]string{"code_verifier", ""}, "400 invalid_grant: invalid code verifier"},
		"another callback": {[]string{"redirect_uri", "http://127.0.0.1:1717/OauthRedirect"}, "400 redirect_uri_mismatch: redirect_uri must match configuration"},
		"another app":      {[]string{"client_id", "x"}, "400 invalid_client_id: client identifier invalid"},
		"a wrong secret":   {[]string{"client_secret", "x"}, "400 invalid_client: invalid client credentials"},
	} {
		want(t, what, outcome(c.redeem(c.consent(c.asking(), "Allow").Get("code"), test.changes...)), test.want)
	}
	late := c.consent(c.asking(), "Allow").Get("code")
	c.clock.pass(16 * time.Minute)
	want(t, "too late", outcome(c.redeem(late)), "400 invalid_grant: expired authorization code")
}

func TestWhatIsWrongWithARequestIsToldToTheAppOrOnlyShown(t *testing.T) {
	c := newClient(t)
	for what, test := range map[string]struct {
		asking url.Values
		want   string
	}{
		"no challenge":     {c.asking("code_challenge", ""), "invalid_request: missing required code challenge"},
		"a plain one":      {c.asking("code_challenge_method", "plain"), "invalid_request: missing required code challenge"},
		"too much":         {c.asking("scope", "api full"), "invalid_scope: the requested scope is not allowed"},
		"for a token":      {c.asking("response_type", "token"), "unsupported_response_type: response type not supported"},
		"the person minds": {c.asking(), "access_denied: end-user denied authorization"},
	} {
		back := c.consent(test.asking, "Deny")
		want(t, what, back.Get("error")+": "+back.Get("error_description"), test.want)
		want(t, what+": state", back.Get("state"), "s&t")
	}
	for what, test := range map[string]struct{ key, value, want string }{
		"another app":      {"client_id", "x", "400 invalid_client_id: client identifier invalid"},
		"another callback": {"redirect_uri", "http://127.0.0.1:1717/OauthRedirect", "400 redirect_uri_mismatch: redirect_uri must match configuration"},
	} {
		r, _ := http.NewRequest("GET", host+"/services/oauth2/authorize?"+c.asking(test.key, test.value).Encode(), nil)
		want(t, what, outcome(c.send(r)), test.want)
	}
}

func TestAnAppWithoutTheScopeGetsNoRefreshToken(t *testing.T) {
	c := newClient(t)
	_, body := c.redeem(c.consent(c.asking("scope", "api"), "Allow").Get("code"))
	want(t, "refresh_token", body.(map[string]any)["refresh_token"], any(nil))
}

func TestAReplayedRefreshTokenRevokesItsGrant(t *testing.T) {
	c := newClient(t)
	steady := c.org.RefreshToken()
	want(t, "without rotation", outcome(c.refresh(steady))+outcome(c.refresh(steady)), "200200")

	c.org.RotateRefreshTokens(true)
	others, first := c.org.RefreshToken(), c.org.RefreshToken()
	_, body := c.refresh(first)
	second := body.(map[string]any)["refresh_token"].(string)
	_, body = c.refresh(second)
	c.token = body.(map[string]any)["access_token"].(string)
	third := body.(map[string]any)["refresh_token"].(string)
	want(t, "its session before", c.limits(), 200)
	want(t, "the first again", outcome(c.refresh(first)), "400 invalid_grant: expired access/refresh token")
	want(t, "its session after", c.limits(), 401)
	want(t, "and then the newest", outcome(c.refresh(third)), "400 invalid_grant: expired access/refresh token")
	want(t, "another grant", outcome(c.refresh(others)), "200")
}

func TestARevokedTokenIsOfNoUse(t *testing.T) {
	c := newClient(t)
	revoke := func(token string) int {
		status, _ := c.post("/services/oauth2/revoke", url.Values{"token": {token}})
		return status
	}
	want(t, "no token at all", revoke("x"), 400)
	want(t, "the session before", c.limits(), 200)
	want(t, "a session", revoke(c.token), 200)
	want(t, "the session after", c.limits(), 401)

	refresh := c.org.RefreshToken()
	_, body := c.refresh(refresh)
	c.token = body.(map[string]any)["access_token"].(string)
	want(t, "a refresh token", revoke(refresh), 200)
	want(t, "its session", c.limits(), 401)
	want(t, "its use", outcome(c.refresh(refresh)), "400 invalid_grant: expired access/refresh token")

	kept := c.org.RefreshToken()
	c.org.RevokeGrants()
	want(t, "after Setup revoked all", outcome(c.refresh(kept)), "400 invalid_grant: expired access/refresh token")
}
