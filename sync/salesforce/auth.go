package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"qualifyd/sync/logged"
)

// session is one login. Its address tells one login from the next: whoever was
// refused with an old one takes the current one instead of logging in again.
type session struct {
	token    string
	instance string // "https://acme.my.salesforce.com", without a slash at the end
	identity Identity
}

// Identity is who we are logged in as, and where.
type Identity struct {
	OrgID, UserID string // 18 characters; "" when the token answer names none
	InstanceURL   string
}

// Identity logs in when there is no session.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	s, err := c.session(ctx)
	if err != nil {
		return Identity{}, err
	}
	return s.identity, nil
}

// session is the current one, or that of a new login.
func (c *Client) session(ctx context.Context) (*session, error) {
	if s := c.current.Load(); s != nil {
		return s, nil
	}
	return c.renew(ctx, nil)
}

// renew replaces the session that has ended. Of several callers one logs in and
// the others share its session.
func (c *Client) renew(ctx context.Context, ended *session) (*session, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, &APIError{Op: opLogin, Kind: Stopped, Err: ctx.Err(), use: useLogin}
	}
	if s := c.current.Load(); s != nil && s != ended {
		return s, nil
	}
	c.current.Store(nil)
	s, err := c.logIn(ctx)
	if err != nil {
		return nil, err
	}
	c.current.Store(s)
	c.log.Debug().Str(logged.Flow, string(c.creds.Flow)).Str(logged.Instance, s.instance).Msg("logged in to Salesforce")
	return s, nil
}

// forget drops a session, unless it has been replaced already.
func (c *Client) forget(s *session) {
	c.current.CompareAndSwap(s, nil)
}

// logIn tries the credentials, and once more with those read anew when they are
// refused and differ.
func (c *Client) logIn(ctx context.Context) (*session, error) {
	s, err := c.logInWith(ctx, c.creds)
	if KindOf(err) != Refused || c.opts.Reread == nil {
		return s, err
	}
	o, rereadErr := c.opts.Reread()
	if rereadErr != nil {
		return nil, fmt.Errorf("%w (and reading the credentials again: %w)", err, rereadErr)
	}
	fresh := o.credentials()
	if fresh.equal(c.creds) || fresh.check() != nil {
		return nil, err
	}
	c.creds = fresh
	return c.logInWith(ctx, fresh)
}

func (c *Client) logInWith(ctx context.Context, creds credentials) (*session, error) {
	switch creds.Flow {
	case JWT:
		return c.logInJWT(ctx, creds)
	case Web:
		return c.logInWeb(ctx, creds)
	}
	return c.open(ctx, creds.clientCredentials(c.tokenURL()))
}

// open begins a session by a grant that can be asked for as often as needed.
func (c *Client) open(ctx context.Context, g grant) (*session, error) {
	token, err := c.fetch(ctx, g, func(*APIError) bool { return true })
	if err != nil {
		return nil, err
	}
	return c.newSession(token)
}

// grant is a way to get one token; ctx holds the HTTP client to use. It is
// called for each try, because the sources of oauth2 keep the context that they
// were made with, and return the same token for ever: Salesforce sends no
// expires_in.
type grant func(ctx context.Context) oauth2.TokenSource

// fetch gets a token, trying again when the network or the server fails and
// the failure may be tried again.
func (c *Client) fetch(ctx context.Context, g grant, again func(*APIError) bool) (*oauth2.Token, error) {
	for try := 1; ; try++ {
		token, err := c.ask(ctx, g)
		if err == nil || KindOf(err) != Transient || try == maxTries {
			return token, err
		}
		var e *APIError
		if errors.As(err, &e) && (e.RetryAfter > maxPause || !again(e)) || !c.pause(ctx, try, err) {
			return nil, err
		}
	}
}

// ask sends one token request.
func (c *Client) ask(ctx context.Context, g grant) (*oauth2.Token, error) {
	bounded, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	hc := &http.Client{Transport: within{bounded, c}, CheckRedirect: noRedirect}
	token, err := g(context.WithValue(bounded, oauth2.HTTPClient, hc)).Token()
	if err != nil {
		return nil, c.loginError(ctx, err)
	}
	if token.AccessToken == "" { // of the two libraries the one for JWT lets it pass
		return nil, c.noToken()
	}
	return token, nil
}

// within binds requests to a context; the jwt package sends its own without one.
type within struct {
	ctx context.Context
	c   *Client
}

func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(w.ctx)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "qualifyd")
	resp, err := w.c.transport.RoundTrip(req)
	if err == nil {
		w.c.noteClock(resp.Header)
	}
	return resp, err
}

func (c *Client) newSession(token *oauth2.Token) (*session, error) {
	raw, _ := token.Extra("instance_url").(string)
	instance, err := c.checkInstance(raw)
	if err != nil {
		return nil, loginRefusal(&APIError{Op: opLogin, Kind: Refused, Err: err})
	}
	id, _ := token.Extra("id").(string)
	who := parseIdentity(id)
	who.InstanceURL = instance
	return &session{token: token.AccessToken, instance: instance, identity: who}, nil
}

// parseIdentity reads the token answer's identity URL, which ends in
// "/id/<org>/<user>".
func parseIdentity(id string) Identity {
	parts := strings.Split(strings.TrimRight(id, "/"), "/")
	if len(parts) < 2 {
		return Identity{}
	}
	var who Identity
	if org, ok := longID(parts[len(parts)-2]); ok && strings.HasPrefix(org, "00D") {
		who.OrgID = org
	}
	if user, ok := longID(parts[len(parts)-1]); ok && strings.HasPrefix(user, "005") {
		who.UserID = user
	}
	return who
}

func (c *Client) tokenURL() string {
	return c.login.JoinPath("services/oauth2/token").String()
}

const opLogin = "log in to Salesforce"

// loginError makes an APIError of what the oauth2 packages return. Only their
// RetrieveError carries an answer, and its text would hold the whole body.
func (c *Client) loginError(ctx context.Context, err error) *APIError {
	r := request{op: opLogin, use: useLogin}
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		e := noAnswer(ctx, r, err)
		if errors.Is(err, context.DeadlineExceeded) && e.Kind == Transient {
			e.Err = fmt.Errorf("no answer within %s", loginTimeout)
		}
		if e.Kind == Transient && holdsNoToken(err) {
			return c.noToken()
		}
		return e
	}
	e := failure(r, answer.Response.StatusCode, answer.Response.Header, answer.Body)
	if hint := c.loginHint(e); hint != "" {
		e.Hint = hint
	}
	if skew, ok := clockSkew(answer.Response.Header); ok && c.creds.Flow == JWT && e.Kind == Refused {
		e.Hint = fmt.Sprintf("this machine's clock is %s Salesforce's, and a JWT depends on it: set the clock", skew)
	}
	return e
}

// noToken is the error for a 2xx that is somebody else's: Salesforce's would hold a token.
func (c *Client) noToken() *APIError {
	return &APIError{Op: opLogin, Kind: Transient, Err: errors.New("the answer holds no token; it may be a web page"), use: useLogin,
		Hint: fmt.Sprintf("is salesforce.login_url (%s) the org's My Domain, and not another server's address or a proxy's?", c.opts.LoginURL)}
}

// holdsNoToken recognises such an answer by the libraries' words, as they keep no more of their cause. For the flow jwt these are encoding/json's.
func holdsNoToken(err error) bool {
	return slices.ContainsFunc([]string{"cannot parse", "missing access_token", "invalid character", "JSON input", "cannot unmarshal"},
		func(words string) bool { return strings.Contains(err.Error(), words) })
}

func loginRefusal(e *APIError) *APIError {
	e.use = useLogin
	return e
}

// maxSkew is less than the life of our assertions (3 minutes), so that a skew
// that invalidates one is always named.
const maxSkew = 2 * time.Minute

// clockSkew compares the local clock with an answer's Date.
func clockSkew(h http.Header) (string, bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return "", false
	}
	ahead := time.Since(date).Round(time.Second)
	switch {
	case ahead > maxSkew:
		return ahead.String() + " ahead of", true
	case ahead < -maxSkew:
		return (-ahead).String() + " behind", true
	}
	return "", false
}
