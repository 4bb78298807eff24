package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"qualifyd/cmd/config"
)

// trusting makes the transports trust the config's ca_files besides the system's authorities. Without one the clients' own are used.
func (t transports) trusting(c config.Config) (transports, error) {
	var err error
	if t.salesforce == nil && c.Salesforce.CAFile != "" {
		if t.salesforce, err = trust(c.Salesforce.CAFile); err != nil {
			return t, fmt.Errorf("salesforce.ca_file: %w", err)
		}
	}
	if t.referralFactory == nil && c.ReferralFactory.CAFile != "" {
		if t.referralFactory, err = trust(c.ReferralFactory.CAFile); err != nil {
			return t, fmt.Errorf("referral_factory.ca_file: %w", err)
		}
	}
	return t, nil
}

// trust is a transport that trusts the certificates of files besides the system's authorities; "" is no file.
func trust(paths ...string) (http.RoundTripper, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // it honours HTTPS_PROXY
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}
