package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Options say which org to talk to and as whom.
type Options struct {
	LoginURL   string // "https://acme.my.salesforce.com"; http only for loopback
	APIVersion string // "67.0"

	Flow         Flow
	ClientID     string
	ClientSecret string // client_credentials
	Username     string // jwt
	PrivateKey   []byte // jwt: an RSA key in PEM, PKCS #8 or PKCS #1, without a passphrase
	Audience     string // jwt; "" tries what Salesforce accepts for LoginURL and remembers it while the process lives

	// Transport sends the requests; nil is a transport of our own that honours
	// HTTPS_PROXY.
	Transport http.RoundTripper
	// Reread is asked once when a login is refused, so that a secret that was
	// rotated on disk is picked up. Only its credentials are taken over. May be nil.
	Reread func() (Options, error)
	// Count is called before each request that Salesforce counts as an API call
	// (logins are not). May be nil.
	Count func(calls int)
	Log   zerolog.Logger
}

// Client is a session with one org. It may be used by several goroutines.
type Client struct {
	opts      Options
	login     *url.URL
	transport http.RoundTripper
	log       zerolog.Logger

	// turn holds one value while somebody logs in. A channel and not a mutex, so
	// that a waiting caller can still be cancelled.
	turn     chan struct{}
	current  atomic.Pointer[session] // nil: nobody is logged in
	creds    credentials             // guarded by turn
	audience string                  // the one that worked last; guarded by turn
	usage    atomic.Pointer[usage]
	clock    atomic.Pointer[reading]
}

var apiVersion = regexp.MustCompile(`^[1-9][0-9]*\.0$`)

// New checks the options. It does not connect.
func New(o Options) (*Client, error) {
	login, err := parseOrigin(o.LoginURL)
	if err != nil {
		return nil, fmt.Errorf("Salesforce login URL: %w", err)
	}
	if !apiVersion.MatchString(o.APIVersion) {
		return nil, fmt.Errorf("Salesforce API version %q: want a form like 67.0", o.APIVersion)
	}
	creds := o.credentials()
	if err := creds.check(); err != nil {
		return nil, err
	}
	c := &Client{
		opts:      o,
		login:     login,
		transport: o.Transport,
		log:       o.Log,
		turn:      make(chan struct{}, 1),
		creds:     creds,
		audience:  o.Audience,
	}
	if c.transport == nil {
		c.transport = defaultTransport()
	}
	return c, nil
}

// defaultTransport starts from Go's own (proxy from the environment, dial and
// TLS time-outs) and adds pings, so that a connection which a firewall dropped
// silently is noticed before a ten-minute time-out is.
func defaultTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
}

// dataPath is where the REST API of the configured version begins.
func (c *Client) dataPath() string {
	return "/services/data/v" + c.opts.APIVersion
}

// noRedirect hands a redirect back as the answer: following one could carry the
// token to another host or turn a POST into a GET.
func noRedirect(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}

// Organization is the row that says which org this is.
type Organization struct {
	ID      string // 18 characters
	Sandbox bool
}

// Organization reads the org's own row. Whether an org is a sandbox cannot be
// told from its URL.
func (c *Client) Organization(ctx context.Context) (Organization, Answer, error) {
	page, a, err := c.QueryAll(ctx, Select("Id", "IsSandbox").From("Organization"))
	if err != nil {
		return Organization{}, a, err
	}
	if len(page.Rows) != 1 {
		return Organization{}, a, malformed("read the organization", fmt.Errorf("%d rows, want one", len(page.Rows)))
	}
	row := page.Rows[0]
	id, ok := longID(row["Id"])
	sandbox := row["IsSandbox"]
	if !ok || sandbox != "true" && sandbox != "false" {
		return Organization{}, a, malformed("read the organization", fmt.Errorf("Id %q, IsSandbox %q", row["Id"], sandbox))
	}
	return Organization{ID: id, Sandbox: sandbox == "true"}, a, nil
}
