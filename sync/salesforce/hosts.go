package salesforce

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// salesforceDomains are where Salesforce serves orgs: commercial, government
// and China, with older names that still redirect.
var salesforceDomains = []string{
	".salesforce.com", ".force.com", ".cloudforce.com",
	".salesforce.mil", ".crmforce.mil",
	".sfcrmproducts.cn",
}

// parseOrigin reads scheme and host, and refuses anything more. Plain http is
// for loopback only.
func parseOrigin(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL", raw)
	}
	extra := strings.Trim(u.Path, "/") + u.RawQuery + u.Fragment
	switch {
	case u.Hostname() == "" || u.User != nil || extra != "" || u.Opaque != "":
		return nil, fmt.Errorf("%q: want only a scheme and a host", raw)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, fmt.Errorf("%q: want https", raw)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// checkInstance decides whether the token may be sent to the instance_url of a
// token answer. It may change from one login to the next (a migration, a
// renamed My Domain), but never to somebody else's host.
func (c *Client) checkInstance(raw string) (string, error) {
	if raw == "" {
		return "", errors.New("the token answer has no instance_url")
	}
	u, err := parseOrigin(raw)
	if err != nil {
		return "", fmt.Errorf("instance_url: %w", err)
	}
	known := slices.ContainsFunc(salesforceDomains, func(d string) bool { return strings.HasSuffix(u.Hostname(), d) })
	local := isLoopback(u.Hostname()) && isLoopback(c.login.Hostname())
	if u.Host != c.login.Host && !known && !local {
		return "", fmt.Errorf("instance_url %q is not a Salesforce host: the token is not sent there", raw)
	}
	return u.String(), nil
}
