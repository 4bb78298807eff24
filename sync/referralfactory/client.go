// Package referralfactory speaks to the Referral Factory API, version 2: who
// was referred ([Client.Users], [Client.User]), and marking a referral as
// qualified or pending again ([Client.Qualify], [Client.Unqualify]).
//
// Promises to its callers:
//   - No rolling minute sees more calls than the budget allows, repeats included.
//   - A read is repeated a little when the service stumbles; a change never is.
//     After a change that went wrong, [UnknownOutcome] says whether the user
//     has to be read back.
//   - Every answer comes with the service's own time ([Answer]); no local
//     clock decides anything.
//   - Something missing or cut is an error, never an empty value.
//   - The API key goes to one host over TLS and appears in no error and no log.
//
// The service's documentation is thin, so what it leaves open (paging, the
// shape of errors, numbers as strings) is read leniently.
package referralfactory

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// callTimeout bounds one call. The service usually answers within a second,
// but one call in ten was seen to take more than 25.
const callTimeout = 30 * time.Second

// Options say how to reach the account.
type Options struct {
	BaseURL        string            // https, or http on loopback; ends in /api/v2
	APIKey         string            // an account has one live key; making a new one ends it
	CallsPerMinute int               // at least 1; the service blocks addresses that go over 600 too often
	Transport      http.RoundTripper // nil: the default, which honours HTTPS_PROXY
	// Count is called before each call; from any goroutine. May be nil.
	Count func()
	// Jitter varies how long a pause before another try is. nil: by half either
	// way, at random; a history that has to be the same again may not have that.
	Jitter func(time.Duration) time.Duration
	Log    zerolog.Logger
}

// Client calls one Referral Factory account. It is safe for concurrent use.
type Client struct {
	base   string
	key    *atomic.Pointer[string]
	http   *http.Client
	budget *budget
	urgent bool
	count  func()
	jitter func(time.Duration) time.Duration
	log    zerolog.Logger
}

// New checks the options; it calls nobody.
func New(o Options) (*Client, error) {
	base, err := checkBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if err := checkCalls(o.CallsPerMinute); err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = NewTransport(nil)
	}
	if o.Jitter == nil {
		o.Jitter = halfOrMore
	}
	if o.Count == nil {
		o.Count = func() {}
	}
	c := &Client{
		base:   base,
		key:    new(atomic.Pointer[string]),
		http:   &http.Client{Transport: o.Transport, Timeout: callTimeout, CheckRedirect: neverFollow},
		budget: newBudget(o.CallsPerMinute),
		count:  o.Count,
		jitter: o.Jitter,
		log:    o.Log,
	}
	if err := c.SetAPIKey(o.APIKey); err != nil {
		return nil, err
	}
	return c, nil
}

// Urgent is the same client with the same budget, except that its calls go
// before all waiting ones that are not urgent.
func (c *Client) Urgent() *Client {
	urgent := *c
	urgent.urgent = true
	return &urgent
}

// Steady is the same client with the same budget, except that its key stays
// what it is now.
func (c *Client) Steady() *Client {
	steady, key := *c, *c.key.Load()
	steady.key = new(atomic.Pointer[string])
	steady.key.Store(&key)
	return &steady
}

// SetCallsPerMinute changes how many calls may be made in any minute, those of Urgent included. On error it stays as it was.
func (c *Client) SetCallsPerMinute(n int) error {
	if err := checkCalls(n); err != nil {
		return err
	}
	c.budget.allow(n)
	return nil
}

func checkCalls(perMinute int) error {
	if perMinute < 1 {
		return fmt.Errorf("%d calls per minute: want at least 1", perMinute)
	}
	return nil
}

// SetAPIKey replaces the key for all later calls, those of Urgent included, not those of a client that is Steady:
// a refused key is replaced while the daemon runs. On error the old one stays.
func (c *Client) SetAPIKey(key string) error {
	if key == "" {
		return errors.New("the Referral Factory API key is empty; copy it from Settings, Webhooks and API")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the Referral Factory API key contains a space, a line break or a character outside ASCII; copy it again")
	}
	c.key.Store(&key)
	return nil
}

func checkBase(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The parser's own error repeats the text, which may hold a password.
		return "", errors.New("the base URL is no URL; for example https://api.referral-factory.com/api/v2")
	}
	switch {
	case u.User != nil:
		return "", errors.New("the base URL holds a user name or password; the API key is all that is needed")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("base URL %q: want a host and a path only, as in https://api.referral-factory.com/api/v2", text)
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return strings.TrimRight(text, "/"), nil
	}
	return "", fmt.Errorf("base URL %q: want https, because the API key travels with every call (http only for loopback)", text)
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// neverFollow: a redirect may lead the key to another host, turns a PUT into a
// GET, and would be a call outside the budget.
func neverFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NewTransport returns what a Client sends its requests with where its Options name nothing else. roots are the authorities to trust; nil: the
// system's.
func NewTransport(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.Proxy = proxy
	t.IdleConnTimeout = time.Minute
	// Firewalls forget connections silently; without pings an HTTP/2
	// connection that died so takes every call with it for many minutes.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

// proxy hides the standard library's error, which repeats the proxy's URL with
// its password.
func proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("HTTPS_PROXY is no usable URL; want http://host:port")
	}
	return u, nil
}
