package salesforce

import (
	"testing"
)

func TestInstanceURL(t *testing.T) {
	tests := []struct {
		name, login, instance, want string
	}{
		{"the login host", myDomain, myDomain, myDomain},
		{"a slash at the end", myDomain, myDomain + "/", myDomain},
		{"another Salesforce host after a migration", myDomain, "https://na139.salesforce.com", "https://na139.salesforce.com"},
		{"a government host", myDomain, "https://acme.my.salesforce.mil", "https://acme.my.salesforce.mil"},
		{"a host of our own", "https://crm.example.com", "https://crm.example.com", "https://crm.example.com"},
		{"loopback, another port", "http://127.0.0.1:8080", "http://localhost:9090", "http://localhost:9090"},
		{"IPv6 loopback", "http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080"},
		{"plain http", myDomain, "http://acme.my.salesforce.com", ""},
		{"somebody else", myDomain, "https://evil.example", ""},
		{"a name that only ends alike", myDomain, "https://evilsalesforce.com", ""},
		{"Salesforce in front", myDomain, "https://acme.salesforce.com.evil.example", ""},
		{"a user in front", myDomain, "https://acme.salesforce.com@evil.example", ""},
		{"loopback for a real login", myDomain, "http://127.0.0.1:8080", ""},
		{"a scheme twice", myDomain, "https://https://acme.my.salesforce.com", ""},
		{"with a path", myDomain, "https://acme.my.salesforce.com/x", ""},
		{"with a query", myDomain, "https://acme.my.salesforce.com?x", ""},
		{"empty", myDomain, "", ""},
		{"only a path", myDomain, "/services", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := (&fake{}).client(t, func(o *Options) { o.LoginURL = tt.login })
			got, err := c.checkInstance(tt.instance)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("instance_url %q: got %q, %v; want %q", tt.instance, got, err, tt.want)
			}
		})
	}
}
