package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what a person's consent gives an app: a refresh token, and the sessions that it opened.
type grant struct {
	scopes   []string
	current  string // refresh token; "" without the scope for one
	tell     bool   // the next token answer names it
	sessions []string
}

// authCode is an authorization code on its way from the browser to the token endpoint.
type authCode struct {
	challenge, redirect string
	scopes              []string
	expires             time.Time
}

// codeLife is how long an authorization code may be redeemed.
const codeLife = 15 * time.Minute

// SetCallback registers the app's only callback URL. In a new org it is http://localhost:1717/OauthRedirect.
func (o *Org) SetCallback(address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.callback = address
}

// AllowScopes says which scopes the app may ask for: api, id and refresh_token in a new org.
func (o *Org) AllowScopes(scopes ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scopes = scopes
}

// RotateRefreshTokens has each use of a refresh token replace it, from now on. A second use of an old one revokes its grant, with the
// newest token and all sessions. A new org does not rotate.
func (o *Org) RotateRefreshTokens(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rotate = on
}

// RefreshToken grants a refresh token, as the end of a browser login would.
func (o *Org) RefreshToken() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.newGrant(o.scopes).current
}

// RevokeGrants takes from the app whatever people granted it, as Setup and each of them can.
func (o *Org) RevokeGrants() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range o.refresh {
		o.end(g)
	}
}

func (o *Org) newGrant(scopes []string) *grant {
	g := &grant{scopes: scopes}
	if slices.Contains(scopes, "refresh_token") {
		o.renewToken(g)
	}
	return g
}

func (o *Org) renewToken(g *grant) {
	g.current, g.tell = "5Aep861"+secret(24), true
	o.refresh[g.current] = g
}

// end revokes a grant. Its tokens are forgotten: using one again gets the same answer as inventing one.
func (o *Org) end(g *grant) {
	for token, owner := range o.refresh {
		if owner == g {
			delete(o.refresh, token)
		}
	}
	for _, session := range g.sessions {
		delete(o.sessions, session)
	}
}

// authorize answers /services/oauth2/authorize. There is no login: the page has two links, Allow and Deny, which are the redirects that
// Salesforce would send the browser to. What is wrong with the app itself is shown here and redirected nowhere.
func (o *Org) authorize(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := r.URL.Query()
	switch {
	case q.Get("client_id") != o.clientID:
		writeAnswer(w, denied("invalid_client_id", "client identifier invalid"))
		return
	case q.Get("redirect_uri") != o.callback:
		writeAnswer(w, denied("redirect_uri_mismatch", "redirect_uri must match configuration"))
		return
	}
	asked := strings.Fields(q.Get("scope"))
	back := func(values url.Values) string {
		values.Set("state", q.Get("state"))
		return o.callback + "?" + values.Encode()
	}
	refuse := func(code, description string) {
		http.Redirect(w, r, back(url.Values{"error": {code}, "error_description": {description}}), http.StatusFound)
	}
	switch {
	case q.Get("response_type") != "code":
		refuse("unsupported_response_type", "response type not supported")
	case q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256":
		refuse("invalid_request", "missing required code challenge")
	case slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(o.scopes, s) }):
		refuse("invalid_scope", "the requested scope is not allowed")
	default:
		fresh := "aPrx" + secret(24) + "=="
		o.codes[fresh] = authCode{q.Get("code_challenge"), o.callback, asked, o.now().Add(codeLife)}
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		fmt.Fprintf(w, "<!DOCTYPE html><title>Allow Access?</title><p>The app asks for: %s</p><p><a href=\"%s\">Allow</a> <a href=\"%s\">Deny</a></p>\n",
			html.EscapeString(strings.Join(asked, ", ")), html.EscapeString(back(url.Values{"code": {fresh}})),
			html.EscapeString(back(url.Values{"error": {"access_denied"}, "error_description": {"end-user denied authorization"}})))
	}
}

// redeem turns an authorization code into a grant, once.
func (o *Org) redeem(form url.Values) (*grant, *answer) {
	if refused := o.client(form, false); refused != nil {
		return nil, refused
	}
	c, known := o.codes[form.Get("code")]
	delete(o.codes, form.Get("code"))
	digest := sha256.Sum256([]byte(form.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(digest[:])
	switch {
	case !known || o.now().After(c.expires):
		return nil, refuse("invalid_grant", "expired authorization code")
	case form.Get("redirect_uri") != c.redirect:
		return nil, refuse("redirect_uri_mismatch", "redirect_uri must match configuration")
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(c.challenge)) != 1:
		return nil, refuse("invalid_grant", "invalid code verifier")
	}
	return o.newGrant(c.scopes), nil
}

func (o *Org) refreshGrant(form url.Values) (*grant, *answer) {
	if refused := o.client(form, false); refused != nil {
		return nil, refused
	}
	token := form.Get("refresh_token")
	g := o.refresh[token]
	switch {
	case g == nil:
		return nil, refuse("invalid_grant", "expired access/refresh token")
	case g.current != token: // a replay: somebody has a copy
		o.end(g)
		return nil, refuse("invalid_grant", "expired access/refresh token")
	}
	g.tell = false
	if o.rotate {
		o.renewToken(g)
	}
	return g, nil
}

// revoke answers /services/oauth2/revoke: logging out. A revoked refresh token takes its sessions with it.
func (o *Org) revoke(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	token := r.FormValue("token")
	_, isSession := o.sessions[token]
	switch {
	case isSession:
		delete(o.sessions, token)
	case o.refresh[token] != nil:
		o.end(o.refresh[token])
	default:
		writeAnswer(w, denied("invalid_token", "invalid token"))
	}
}
