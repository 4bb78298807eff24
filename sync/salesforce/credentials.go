package salesforce

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
)

// Flow is an OAuth flow.
type Flow string

// The flows that need nobody at a browser.
const (
	ClientCredentials Flow = "client_credentials"
	JWT               Flow = "jwt"
)

// credentials are the part of Options that a person may rotate.
type credentials struct {
	Flow         Flow
	ClientID     string
	ClientSecret string
	Username     string
	PrivateKey   []byte
}

func (o Options) credentials() credentials {
	return credentials{
		Flow:         o.Flow,
		ClientID:     o.ClientID,
		ClientSecret: o.ClientSecret,
		Username:     o.Username,
		PrivateKey:   o.PrivateKey,
	}
}

func (c credentials) equal(d credentials) bool {
	return c.Flow == d.Flow && c.ClientID == d.ClientID && c.ClientSecret == d.ClientSecret &&
		c.Username == d.Username && bytes.Equal(c.PrivateKey, d.PrivateKey)
}

func (c credentials) check() error {
	if c.ClientID == "" {
		return errors.New("Salesforce login: no client id")
	}
	switch c.Flow {
	case ClientCredentials:
		if c.ClientSecret == "" {
			return errors.New("Salesforce login: no client secret")
		}
		return nil
	case JWT:
		if c.Username == "" {
			return errors.New("Salesforce login: no username")
		}
		return checkKey(c.PrivateKey)
	case Web:
		return nil
	}
	return fmt.Errorf("Salesforce login: unknown flow %q", c.Flow)
}

// checkKey accepts what the jwt package will: the errors of that package come
// too late and quote nothing useful.
func checkKey(key []byte) error {
	block, _ := pem.Decode(key)
	if block == nil {
		return errors.New("Salesforce private key: not in PEM form")
	}
	if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return errors.New("Salesforce private key: it has a passphrase; store it without one")
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return errors.New("Salesforce private key: not a PKCS #8 or PKCS #1 key")
	}
	if _, ok := parsed.(*rsa.PrivateKey); !ok {
		return errors.New("Salesforce private key: not an RSA key, and Salesforce wants RS256")
	}
	return nil
}

func (c credentials) clientCredentials(tokenURL string) grant {
	conf := &clientcredentials.Config{
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		TokenURL:     tokenURL,
		AuthStyle:    oauth2.AuthStyleInParams, // detecting it would send each failing request twice
	}
	return conf.TokenSource
}

// assertionLife is within the 3 to 5 minutes that Salesforce allows.
const assertionLife = 3 * time.Minute

func (c credentials) jwt(tokenURL, audience string) grant {
	conf := &jwt.Config{
		Email:      c.ClientID, // the issuer
		Subject:    c.Username,
		PrivateKey: c.PrivateKey,
		TokenURL:   tokenURL,
		Audience:   audience,
		Expires:    assertionLife,
	}
	return conf.TokenSource
}

// logInJWT tries audiences until one is accepted, and keeps it. Which one an
// org takes depends on the kind of app and of org: older pages allow only login
// and test, and apps of 2026 refuse those and take the My Domain.
func (c *Client) logInJWT(ctx context.Context, creds credentials) (*session, error) {
	var first error
	for _, audience := range c.audiences() {
		s, err := c.open(ctx, creds.jwt(c.tokenURL(), audience))
		if err == nil {
			c.audience = audience
			return s, nil
		}
		if !wrongAudience(err) {
			return nil, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// audiences lists what to try, the likeliest first.
func (c *Client) audiences() []string {
	if c.opts.Audience != "" {
		return []string{c.opts.Audience}
	}
	generic := []string{"https://login.salesforce.com", "https://test.salesforce.com"}
	if host := c.login.Hostname(); strings.Contains(host, "--") || strings.Contains(host, ".sandbox.") || strings.HasPrefix(host, "test.") {
		slices.Reverse(generic)
	}
	all := append([]string{c.audience, c.login.String()}, generic...)
	var tries []string
	for _, audience := range all {
		if audience != "" && !slices.Contains(tries, audience) {
			tries = append(tries, audience)
		}
	}
	return tries
}

// wrongAudience recognises invalid_grant "audience is invalid" by its words,
// which are not translated, and app_not_found, the answer of External Client
// Apps.
func wrongAudience(err error) bool {
	var e *APIError
	if !errors.As(err, &e) || e.Kind != Refused {
		return false
	}
	return e.Code == "app_not_found" || strings.Contains(e.Message, "app_not_found") ||
		e.Code == "invalid_grant" && strings.Contains(e.Message, "audience")
}
