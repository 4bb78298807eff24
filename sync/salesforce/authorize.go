package salesforce

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const opAuthorize = "connect to Salesforce"

// callbackPath is that of Salesforce's own example, as is port 1717.
const callbackPath = "/OauthRedirect"

// scopes are what a connection needs: to ask, and to go on without the person.
var scopes = []string{"api", "refresh_token"}

// Authorization is one login of a person at a browser, from the address that
// they open to the code that the browser brings back: to a [Receiver], or by
// way of the person ([Authorization.Pasted]).
type Authorization struct {
	URL      string // for the person to open
	Callback string // where the browser is sent back to; the app must have exactly this one registered

	client          *Client
	state, verifier string
}

// Authorize begins an authorization, after making sure that what comes of it
// can be kept. It sends nothing.
func (c *Client) Authorize(ctx context.Context, port int) (*Authorization, error) {
	if os.Geteuid() != 0 { // what root makes, the service could not use
		if err := os.MkdirAll(filepath.Dir(string(c.tokens)), 0o700); err != nil {
			return nil, c.tokens.trouble(err)
		}
	}
	unlock, err := c.tokens.lock(ctx)
	if err != nil {
		return nil, err
	}
	a := &Authorization{
		Callback: fmt.Sprintf("http://localhost:%d%s", port, callbackPath),
		client:   c, state: rand.Text(), verifier: oauth2.GenerateVerifier(),
	}
	a.URL = a.config().AuthCodeURL(a.state, oauth2.S256ChallengeOption(a.verifier))
	return a, unlock()
}

func (a *Authorization) config() *oauth2.Config {
	conf := a.client.creds.web(a.client.tokenURL())
	conf.Endpoint.AuthURL = a.client.login.JoinPath("services/oauth2/authorize").String()
	conf.RedirectURL, conf.Scopes = a.Callback, scopes
	return conf
}

// Pasted finds the code in the address that a person pasted. An error of kind
// Refused is Salesforce's and final; any other says what to paste instead.
func (a *Authorization) Pasted(address string) (code string, err error) {
	u, err := url.Parse(strings.Trim(address, " \t\r\n\"'<>"))
	if err != nil || u.RawQuery == "" { // not quoted: it may be part of a code
		return "", errors.New("that is not the whole address: copy all of it, from http to its end")
	}
	q := u.Query()
	switch {
	case q.Has("client_id"):
		return "", errors.New("that is the address to open; wanted is the one that the browser ends on after the login")
	case q.Has("error"): // also of Salesforce's own error page, which knows no state
		return "", a.refused(q)
	case !q.Has("state"):
		return "", errors.New("that address has no state: copy all of it, from http to its end")
	case !a.owns(q):
		return "", errors.New("that address is of another login (its state is not this one's): open the address above, and paste where that ends")
	case q.Get("code") == "":
		return "", errors.New("that address has no code: copy all of it, from http to its end")
	}
	return q.Get("code"), nil
}

// owns tells whether the browser comes from this authorization and no other.
func (a *Authorization) owns(back url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(back.Get("state")), []byte(a.state)) == 1
}

// refused is what Salesforce told the browser.
func (a *Authorization) refused(back url.Values) *APIError {
	e := &APIError{Op: opAuthorize, Kind: Refused, Code: back.Get("error"), Message: back.Get("error_description"), use: useLogin}
	e.Hint = a.client.loginHint(e)
	return e
}

// Grant is what a person's consent gave: a session, which the client uses from
// now on, and the refresh token that makes more of them.
type Grant struct {
	Identity
	Scopes []string

	refreshToken string
}

// Exchange turns the code into a grant: once, since a code works once. Nothing
// is kept yet.
func (a *Authorization) Exchange(ctx context.Context, code string) (*Grant, error) {
	c := a.client
	token, err := c.ask(ctx, func(ctx context.Context) oauth2.TokenSource {
		return tokenFunc(func() (*oauth2.Token, error) {
			return a.config().Exchange(ctx, code, oauth2.VerifierOption(a.verifier))
		})
	})
	if err != nil {
		return nil, err
	}
	s, err := c.newSession(token)
	if err != nil {
		return nil, err
	}
	scope, _ := token.Extra("scope").(string)
	g := &Grant{Identity: s.identity, Scopes: strings.Fields(scope), refreshToken: token.RefreshToken}
	if err := g.complete(); err != nil {
		c.Revoke(ctx, g)
		return nil, err
	}
	c.current.Store(s)
	return g, nil
}

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

// complete refuses a grant that could not be lived on. An answer need not name
// its scopes.
func (g *Grant) complete() error {
	lacks := func(what, scope string) error {
		return &APIError{Op: opAuthorize, Kind: Refused, Err: errors.New("the app gave " + what), use: useLogin,
			Hint: "add the scope " + scope + " to the app's OAuth settings, and run qualifyd connect again"}
	}
	switch {
	case g.refreshToken == "":
		return lacks("no refresh token", "Perform requests at any time (refresh_token, offline_access)")
	case len(g.Scopes) > 0 && !slices.Contains(g.Scopes, "api") && !slices.Contains(g.Scopes, "full"):
		return lacks("no access to the API", "Manage user data via APIs (api)")
	}
	return nil
}

// Keep makes the grant the connection, in place of any other. It renews the
// session first: an app that ends refresh tokens at once, or wants a secret for
// them, says so now and not when the session ends.
func (c *Client) Keep(ctx context.Context, g *Grant) error {
	token, err := c.ask(ctx, c.creds.refresh(c.tokenURL(), g.refreshToken))
	if err != nil {
		return cannotRenew(err)
	}
	g.refreshToken = token.RefreshToken
	s, err := c.newSession(token)
	if err != nil {
		return err
	}
	unlock, err := c.tokens.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = c.tokens.store(connection{
		RefreshToken: g.refreshToken, LoginURL: c.login.String(), ClientID: c.creds.ClientID, OrgID: g.OrgID,
		ConnectedAt: time.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	c.current.Store(s)
	return nil
}

// cannotRenew is about a token that is minutes old: it cannot have expired.
func cannotRenew(err error) error {
	var e *APIError
	if errors.As(err, &e) && e.Code == "invalid_grant" {
		e.Hint = "the app does not let a connection be renewed: set its refresh token policy to \"valid until revoked\", " +
			"not to \"immediately expire\", and run qualifyd connect again"
	}
	return err
}

// Revoke ends a grant that is not kept: a user has only a few for an app, and
// one too many pushes out the oldest. What goes wrong is only logged.
func (c *Client) Revoke(ctx context.Context, g *Grant) {
	c.forget(c.current.Load())
	if g.refreshToken == "" {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
	defer cancel()
	form := url.Values{"token": {g.refreshToken}} // its sessions end with it
	address := c.login.JoinPath("services/oauth2/revoke").String()
	req, err := http.NewRequestWithContext(bounded, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		var resp *http.Response
		if resp, err = c.transport.RoundTrip(req); err == nil {
			err = resp.Body.Close()
		}
	}
	if err != nil {
		c.log.Warn().Err(bareCause(err)).Msg("the grant that is not used could not be revoked; it can be in Setup, Connected Apps OAuth Usage")
	}
}
