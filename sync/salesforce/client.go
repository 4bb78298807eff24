package salesforce

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
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
	ClientSecret string // client_credentials; web, where the app wants one
	Username     string // jwt
	PrivateKey   []byte // jwt: an RSA key in PEM, PKCS #8 or PKCS #1, without a passphrase
	Audience     string // jwt; "" tries what Salesforce accepts for LoginURL and remembers it while the process lives

	// TokenFile is where flow web keeps its refresh token, in a folder that is
	// ours; its lock file stands beside it. Other clients, of other processes
	// too, may use the same.
	TokenFile string

	// Transport sends the requests; nil is a transport of our own that honours
	// HTTPS_PROXY.
	Transport http.RoundTripper
	// Reread is asked once when a login is refused, so that a secret that was
	// rotated on disk is picked up. Only its credentials are taken over. May be nil.
	Reread func() (Options, error)
	// Spend is called before each request that Salesforce counts as an API call (a login is none). Its error keeps the request from being sent.
	// nil: nothing does.
	Spend func(context.Context) error
	// Jitter varies how long a pause before another try is. nil: by half either
	// way, at random; a history that has to be the same again may not have that.
	Jitter func(time.Duration) time.Duration
	Log    zerolog.Logger
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
	tokens   tokenFile               // web
	unstored *replacement            // web; guarded by turn
	usage    atomic.Pointer[usage]
	clock    atomic.Pointer[reading]
	long     atomic.Int32 // what became of long queries: longUnknown and so on
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
		tokens:    tokenFile(o.TokenFile),
	}
	if creds.Flow == Web && c.tokens == "" {
		return nil, errors.New("Salesforce login: no file for the refresh token")
	}
	if c.opts.Jitter == nil {
		c.opts.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d) }
	}
	if c.transport == nil {
		c.transport = NewTransport(nil)
	}
	return c, nil
}

// NewTransport returns what a Client sends its requests with where its Options name nothing else. It starts from Go's own (proxy from the
// environment, dial and TLS time-outs) and adds pings, so that a connection which a firewall dropped silently is noticed before a ten-minute
// time-out is. roots are the authorities to trust; nil: the system's.
func NewTransport(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
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
	Name    string
	Sandbox bool
}

// Organization reads the org's own row. Whether an org is a sandbox cannot be
// told from its URL.
func (c *Client) Organization(ctx context.Context) (Organization, Answer, error) {
	const op = "read the organization"
	page, a, err := c.QueryAll(ctx, Select("Id", "Name", "IsSandbox").From("Organization"))
	if err != nil {
		return Organization{}, a, err
	}
	if len(page.Rows) != 1 {
		return Organization{}, a, malformed(op, fmt.Errorf("%d rows, want one", len(page.Rows)))
	}
	row := page.Rows[0]
	id, ok := longID(row.Text("Id"))
	sandbox := row.Text("IsSandbox")
	if !ok || sandbox != "true" && sandbox != "false" {
		return Organization{}, a, malformed(op, fmt.Errorf("Id %q, IsSandbox %q", row.Text("Id"), sandbox))
	}
	return Organization{ID: id, Name: row.Text("Name"), Sandbox: sandbox == "true"}, a, nil
}

// Username is the name that the user whom we are logged in as logs in by; ""
// where the token answer names no user, or that user cannot read its own row.
func (c *Client) Username(ctx context.Context) (string, error) {
	who, err := c.Identity(ctx)
	if err != nil || who.UserID == "" {
		return "", err
	}
	page, _, err := c.QueryAll(ctx, Select("Username").From("User").Where(Equal("Id", who.UserID)))
	if err != nil || len(page.Rows) == 0 {
		return "", err
	}
	return page.Rows[0].Text("Username"), nil
}
