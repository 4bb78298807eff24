package salesforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"
)

// Web is the flow in which a person logs in once, at a browser ([Client.Authorize]).
// What stays of it is a refresh token in Options.TokenFile.
//
// An app may rotate refresh tokens (it is the rule since 2026): each use gives
// another one and kills the former, and using that again revokes the whole
// grant. So, at each login and under a lock that other processes respect, the
// newest token is read from the file, used in exactly one request, and what
// replaces it is on disk before the session is used.
const Web Flow = "web"

// replacement is a rotated token that the disk did not take. It is stored at
// the next login, unless the file has moved on.
type replacement struct {
	spent string
	kept  connection
}

// logInWeb trades the refresh token for a session. Once the request is on its
// way it is not given up when ctx ends: the answer may hold the only token that
// lives.
func (c *Client) logInWeb(ctx context.Context, creds credentials) (*session, error) {
	unlock, err := c.tokens.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	kept, err := c.connection(creds)
	if err != nil {
		return nil, err
	}
	before := kept.Unanswered
	if before.IsZero() {
		kept.Unanswered = time.Now().UTC().Truncate(time.Second)
	}
	// This also shows, while nothing is lost yet, that the disk takes a new token.
	if err := c.tokens.store(kept); err != nil {
		return nil, err
	}
	token, err := c.fetch(context.WithoutCancel(ctx), creds.refresh(c.tokenURL(), kept.RefreshToken), neverReached)
	if err != nil {
		return nil, c.notRefreshed(kept, before, err)
	}
	spent := kept.RefreshToken
	kept.RefreshToken, kept.Unanswered = token.RefreshToken, time.Time{}
	if err := c.tokens.store(kept); err != nil {
		c.unstored = &replacement{spent, kept}
		return nil, fmt.Errorf("keep the new refresh token: %w", err)
	}
	c.unstored = nil
	return c.newSession(token)
}

// connection is the newest one, if it is of the app and the host that the
// config names.
func (c *Client) connection(creds credentials) (connection, error) {
	kept, err := c.tokens.load()
	if err != nil {
		return kept, err
	}
	if r := c.unstored; r != nil && r.spent == kept.RefreshToken {
		kept = r.kept
	}
	const again = "run qualifyd connect again, or put back what the config said"
	switch {
	case kept.ClientID != creds.ClientID:
		return kept, noConnection(fmt.Errorf("qualifyd was connected by the app %s, and client_id is %s", kept.ClientID, creds.ClientID), again)
	case kept.LoginURL != c.login.String():
		return kept, noConnection(fmt.Errorf("qualifyd was connected at %s, and login_url is %s", kept.LoginURL, c.login), again)
	}
	return kept, nil
}

// notRefreshed makes the error of a refresh that gave no token say what may
// have become of the one in the file. before is when an earlier one was sent of
// which no answer is known.
//
// Where nobody knows, the token is not sent again by this login. The next one
// does send it: no other exists, and what a replay would revoke is a
// replacement that never arrived.
func (c *Client) notRefreshed(kept connection, before time.Time, err error) error {
	var e *APIError
	if !errors.As(err, &e) {
		return err
	}
	lost := (e.Status == 0 || e.Status >= 500) && !neverReached(e)
	switch {
	case lost:
		e.Hint = "nobody knows whether Salesforce used up the refresh token; the next login shows: if it is refused, run qualifyd connect again"
		return err
	case before.IsZero():
		kept.Unanswered = time.Time{} // this one was answered, or never arrived
		return errors.Join(err, c.tokens.store(kept))
	case e.Code == "invalid_grant":
		e.Hint = fmt.Sprintf("the answer to a login of %s never arrived, and an app that rotates refresh tokens had used this one up with it: "+
			"run qualifyd connect again", before.Format(time.RFC3339))
	}
	return err
}

// neverReached reports whether a login failed before its request was sent.
func neverReached(e *APIError) bool { return e.Err != nil && neverSent(e.Err) }

func (c credentials) refresh(tokenURL, refreshToken string) grant {
	return func(ctx context.Context) oauth2.TokenSource {
		// Without an access token, the source asks for one with the refresh token, once.
		return c.web(tokenURL).TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken})
	}
}

// web is the app as oauth2 wants it. A secret is sent if there is one; PKCE
// does without.
func (c credentials) web(tokenURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		Endpoint:     oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams}, // detecting it could send a token twice
	}
}
