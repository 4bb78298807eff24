package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"qualifyd/sync/schedule"
)

// checker goes through loaded values, notes every problem, and completes what
// the file left to be worked out: absolute paths, zones, secrets.
type checker struct {
	*document
	folder   string // of the config file
	offline  bool   // leave the secrets alone
	warnings []Warning
}

func (c *checker) warn(key, format string, args ...any) {
	c.warnings = append(c.warnings, Warning{Key: key, Line: c.line(key), Text: fmt.Sprintf(format, args...)})
}

func (c *checker) config(config *Config) {
	c.salesforce(&config.Salesforce)
	c.auth(&config.Salesforce)
	c.referralFactory(&config.ReferralFactory)
	c.poll(config.Poll)
	config.Store.Path = c.absolute(config.Store.Path)
	c.listen("console.listen", config.Console.Listen, true)
	c.metrics(&config.Metrics)
	if collide(config.Console.Listen, config.Metrics.Listen) {
		c.problem("metrics.listen", "%q takes the port of console.listen; write another", config.Metrics.Listen)
	}
	c.choice("log.level", config.Log.Level)
	c.choice("log.format", config.Log.Format)
	c.campaignList(config)
}

var apiVersion = regexp.MustCompile(`^(4[1-9]|[5-9][0-9])\.0$`)

func (c *checker) salesforce(s *Salesforce) {
	if c.present("salesforce.login_url", s.LoginURL, "the org's My Domain, like https://acme.my.salesforce.com") {
		s.LoginURL = strings.TrimSuffix(s.LoginURL, "/")
		c.loginURL(s.LoginURL, s.Auth.Flow)
	}
	if !apiVersion.MatchString(s.APIVersion) {
		c.problem("salesforce.api_version", "%q is not an API version; write one from 41.0 to 99.0, like 67.0", s.APIVersion)
	}
	c.caFile("salesforce.ca_file", &s.CAFile)
}

func (c *checker) loginURL(text string, flow Flow) {
	if err := CheckLoginURL(text, flow); err != nil {
		c.problem("salesforce.login_url", "%v", err)
	}
}

// CheckLoginURL says what is wrong with a login URL for a flow ("": for any), reading on from "Key: ".
func CheckLoginURL(text string, flow Flow) error {
	address, err := parseWebAddress(text)
	if err != nil {
		return err
	}
	host := strings.ToLower(address.Hostname())
	switch {
	case strings.HasSuffix(host, ".lightning.force.com"):
		return fmt.Errorf("%s is the address of the Lightning pages; want the org's My Domain, like https://acme.my.salesforce.com", host)
	case strings.HasSuffix(host, ".my.salesforce-setup.com"):
		return fmt.Errorf("%s is the address of the Setup pages; want the org's My Domain, like https://acme.my.salesforce.com", host)
	case address.Path != "":
		return fmt.Errorf("%q has a path; write only https and the host", text)
	case flow == FlowClientCredentials && (host == "login.salesforce.com" || host == "test.salesforce.com"):
		// Salesforce answers "invalid_grant: request not supported on this domain".
		return fmt.Errorf("%s does not serve client_credentials; use your My Domain, like https://acme.my.salesforce.com", host)
	}
	return nil
}

// auth checks that the flow has what it needs and nothing that it ignores.
func (c *checker) auth(s *Salesforce) {
	const at = "salesforce.auth."
	auth := &s.Auth
	if !c.choice(at+"flow", string(auth.Flow)) {
		return
	}
	c.present(at+"client_id", auth.ClientID, "the consumer key of the Salesforce app")
	without := "with flow: " + string(auth.Flow)
	if auth.Flow != FlowJWT {
		c.noEffect(without, at+"username", at+"private_key_file", at+"audience")
		blamed := c.secret(secretPlace{
			key: at + "client_secret", credential: "salesforce-client-secret",
			value: &auth.ClientSecret, file: &auth.ClientSecretFile,
			optional: auth.Flow == FlowWeb, // PKCE stands in for it
		})
		c.oneLine(blamed, auth.ClientSecret)
		return
	}
	c.noEffect(without, at+"client_secret", at+"client_secret_file")
	c.present(at+"username", auth.Username, "the integration user's name, like integration@example.com")
	if auth.Audience != "" {
		c.webAddress(at+"audience", auth.Audience)
	}
	c.privateKey(auth)
}

func (c *checker) privateKey(auth *Auth) {
	blamed := c.secret(secretPlace{
		key: "salesforce.auth.private_key", credential: "salesforce-private-key",
		value: &auth.PrivateKey, file: &auth.PrivateKeyFile,
	})
	if auth.PrivateKey.Reveal() == "" {
		return
	}
	if wrong := rsaKeyProblem(auth.PrivateKey.Reveal()); wrong != "" {
		c.problem(blamed, "%s %s", auth.PrivateKey.From(), wrong)
	}
}

// mostCallsPerMinute is Referral Factory's own limit.
const mostCallsPerMinute = 600

func (c *checker) referralFactory(r *ReferralFactory) {
	r.BaseURL = strings.TrimSuffix(r.BaseURL, "/")
	c.webAddress("referral_factory.base_url", r.BaseURL)
	blamed := c.secret(secretPlace{
		key: "referral_factory.api_key", credential: "referral-factory-api-key",
		value: &r.APIKey, file: &r.APIKeyFile,
	})
	c.oneLine(blamed, r.APIKey)
	c.caFile("referral_factory.ca_file", &r.CAFile)
	if r.CallsPerMinute < 1 || r.CallsPerMinute > mostCallsPerMinute {
		c.problem("referral_factory.calls_per_minute", "%d is out of range; write 1 to %d", r.CallsPerMinute, mostCallsPerMinute)
	}
	location, err := time.LoadLocation(r.Timezone)
	if err != nil || r.Timezone == "Local" { // "Local" would mean another zone on the next machine
		c.problem("referral_factory.timezone", "%q is not a time zone; write an IANA name, like UTC or Europe/Berlin", r.Timezone)
		location = time.UTC
	}
	r.Location = location
}

func (c *checker) poll(p Poll) {
	c.schedule("poll.schedule", p.Schedule)
	c.schedule("poll.sweep", p.Sweep)
	c.schedule("poll.reconcile", p.Reconcile)
	switch {
	case p.Overlap < 15*time.Minute: // Salesforce commits some rows about 10 minutes after their stamp
		c.problem("poll.overlap", "%s is too short: rows can appear that late; write 15m or more", shortDuration(p.Overlap))
	case p.Overlap > 24*time.Hour:
		c.problem("poll.overlap", "%s is too long: every pass reads all of it again; write 24h or less", shortDuration(p.Overlap))
	}
}

func (c *checker) schedule(key, text string) {
	if _, err := schedule.Parse(text, LeastGap); err != nil {
		c.problem(key, "%v", err)
	}
}

// listen checks an address to listen on; "" is off.
func (c *checker) listen(key, address string, loopbackOnly bool) {
	if address == "" {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		c.problem(key, "%q is not an address with a port; write one like 127.0.0.1:8321", address)
		return
	}
	if loopbackOnly && !isLoopback(host) {
		c.problem(key, "%q is open to other machines, and the page shows names; write a loopback address, like 127.0.0.1:%s", address, port)
	}
}

// collide tells whether the page's address, which is on loopback, and that of the metrics cannot both be listened at. Port 0 is a free one each time; 0.0.0.0 takes
// no port of ::1.
func collide(page, metrics string) bool {
	pageHost, pagePort, err := net.SplitHostPort(page)
	host, port, metricsErr := net.SplitHostPort(metrics)
	if err != nil || metricsErr != nil || port != pagePort || port == "0" {
		return false
	}
	pageIP, ip := addressOf(pageHost), addressOf(host)
	if ip.IsUnspecified() && ip.To4() != nil {
		return pageIP.To4() != nil
	}
	return host == "" || ip.IsUnspecified() || ip.Equal(pageIP)
}

// addressOf is a host's address; nil for a name other than localhost.
func addressOf(host string) net.IP {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return net.ParseIP(host)
}

func (c *checker) metrics(m *Metrics) {
	c.listen("metrics.listen", m.Listen, false)
	if m.Textfile != "" {
		m.Textfile = c.absolute(m.Textfile)
		if filepath.Ext(m.Textfile) != ".prom" {
			c.problem("metrics.textfile", "%q does not end in .prom, and node_exporter reads no other; write one like /var/lib/prometheus/node-exporter/qualifyd.prom", m.Textfile)
		}
	}
	blamed := c.secret(secretPlace{key: "metrics.ping", credential: "metrics-ping", value: &m.Ping, file: &m.PingFile, optional: true})
	c.oneLine(blamed, m.Ping)
	if text := m.Ping.Reveal(); text != "" && !isPingURL(text) {
		c.problem(blamed, "%s holds no https URL; want the one that the dead-man switch gave you, like https://host.example.com/...", m.Ping.From())
	}
}

// isPingURL tells whether a text is a URL that can be called, whatever is in it: a dead-man switch makes its own.
func isPingURL(text string) bool {
	address, err := url.Parse(text)
	return err == nil && address.Hostname() != "" && (address.Scheme == "https" || address.Scheme == "http" && isLoopback(address.Hostname()))
}

// webAddress notes a problem with what is no web address.
func (c *checker) webAddress(key, text string) {
	if err := CheckWebAddress(text); err != nil {
		c.problem(key, "%v", err)
	}
}

// CheckWebAddress says what is wrong with the address of a service, reading on from "Key: ".
func CheckWebAddress(text string) error {
	_, err := parseWebAddress(text)
	return err
}

// parseWebAddress takes an https URL (http for loopback only). Its error does not repeat what cannot be parsed: it may hold a password.
func parseWebAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	switch {
	case err != nil || address.Hostname() == "":
		return nil, errors.New("is not a web address; write one like https://host.example.com")
	case address.User != nil:
		return nil, errors.New("holds a user name or password; they do not belong here")
	case address.RawQuery != "" || address.Fragment != "":
		return nil, errors.New("has something after ? or #; leave it out")
	case address.Scheme == "https", address.Scheme == "http" && isLoopback(address.Hostname()):
		return address, nil
	}
	return nil, fmt.Errorf("%q does not start with https; http is for loopback only", text)
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// caFile checks that a named file holds certificates, and makes its path absolute.
func (c *checker) caFile(key string, path *string) {
	if *path == "" {
		return
	}
	*path = c.absolute(*path)
	text, err := os.ReadFile(*path)
	if err != nil {
		c.problem(key, "reading %s: %v", *path, withoutPath(err))
	} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
		c.problem(key, "%s holds no certificate in PEM", *path)
	}
}

func (c *checker) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.folder, path)
}

// present complains about a required key that is missing.
func (c *checker) present(key, value, want string) bool {
	if value == "" {
		c.problem(key, "is missing; write %s", want)
	}
	return value != ""
}

// noEffect complains about each of keys that is set: somebody expects it to do something.
func (c *checker) noEffect(why string, keys ...string) {
	for _, key := range keys {
		if c.has(key) {
			c.problem(key, "has no effect %s; remove it", why)
		}
	}
}

// choice checks that got is one of the key's choices.
func (c *checker) choice(key, got string) bool {
	names := choicesOf(key)
	if slices.Contains(names, got) {
		return true
	}
	all := strings.Join(names, ", ")
	near := nearest(got, names)
	switch {
	case got == "":
		c.problem(key, "is missing; write one of %s", all)
	case near != "":
		c.problem(key, "%q is not one of %s; did you mean %s?", got, all, near)
	default:
		c.problem(key, "%q is not one of %s", got, all)
	}
	return false
}
