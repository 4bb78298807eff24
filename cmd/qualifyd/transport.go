package main

import (
	"crypto/x509"
	"fmt"
	"os"

	"qualifyd/cmd/config"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// trusting makes the transports trust the config's ca_files besides the system's authorities. Without one the clients' own are used.
func (t transports) trusting(c config.Config) (transports, error) {
	if t.salesforce == nil && c.Salesforce.CAFile != "" {
		roots, err := trust(c.Salesforce.CAFile)
		if err != nil {
			return t, fmt.Errorf("salesforce.ca_file: %w", err)
		}
		t.salesforce = salesforce.NewTransport(roots)
	}
	if t.referralFactory == nil && c.ReferralFactory.CAFile != "" {
		roots, err := trust(c.ReferralFactory.CAFile)
		if err != nil {
			return t, fmt.Errorf("referral_factory.ca_file: %w", err)
		}
		t.referralFactory = referralfactory.NewTransport(roots)
	}
	return t, nil
}

// trust returns the system's authorities and those of files; "" is no file.
func trust(paths ...string) (*x509.CertPool, error) {
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
	return pool, nil
}
