package salesforce

import (
	"strings"
	"testing"
)

// TestEachRefusalSaysWhatToDo lists what people meet when they connect, and where its words come from: Salesforce's documentation, its
// users' questions, or (unverified) reports of single ones.
func TestEachRefusalSaysWhatToDo(t *testing.T) {
	const (
		login = "https://login.salesforce.com"
		test  = "https://test.salesforce.com"
	)
	tests := []struct {
		name              string
		flow              Flow
		host              string
		code, description string
		says              string
	}{
		{"revoked or expired", Web, myDomain, "invalid_grant", "expired access/refresh token", "the connection was revoked, or not used for too long"},
		{"lived its time", Web, myDomain, "invalid_grant", "token validity expired", "live only so long"},
		{"password changed", Web, myDomain, "invalid_grant", "authentication failure", "password was changed"},
		{"not approved", JWT, myDomain, "invalid_grant", "user hasn't approved this consumer", "pre-authorise the user"},
		{"not approved at an external client app", Web, myDomain, "OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app", "pre-authorise the user"},
		{"not installed", Web, myDomain, "invalid_client", "app must be installed into org", "is not installed in this org"},
		{"not installed, in general", Web, myDomain, "OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occured during authentication. Please try again.", "the org's policies stop this app"},
		{"blocked", Web, myDomain, "OAUTH_APP_BLOCKED", "this app is blocked by admin", "unblock it"},
		{"denied", Web, myDomain, "access_denied", "end-user denied authorization", "choose Allow"},
		{"scope not allowed", Web, myDomain, "invalid_scope", "the requested scope is not allowed", "add the scopes"},
		{"callback", Web, myDomain, "redirect_uri_mismatch", "redirect_uri must match configuration", "localhost is not 127.0.0.1"},
		{"callback, in other words", Web, myDomain, "invalid_grant", "redirect uri does not match configuration", "localhost is not 127.0.0.1"},
		{"code used", Web, myDomain, "invalid_grant", "expired authorization code", "the code was used before"},
		{"code cut", Web, myDomain, "invalid_grant", "invalid authorization code", "not copied whole"},
		{"verifier", Web, myDomain, "invalid_grant", "invalid code verifier", "another qualifyd connect"},
		{"challenge", Web, myDomain, "invalid_request", "missing required code challenge", "PKCE"},
		{"inactive user", Web, myDomain, "invalid_grant", "inactive user", "the user is not active"},
		{"inactive user, by its code", Web, myDomain, "inactive_user", "user is inactive", "the user is not active"},
		{"locked user", Web, myDomain, "invalid_grant", "user is locked", "locked out or frozen"},
		{"inactive org", Web, myDomain, "inactive_org", "organization is inactive", "the org itself is inactive"},
		{"address", Web, myDomain, "invalid_grant", "ip restricted", "allow this machine's address"},
		{"unknown app", Web, myDomain, "invalid_client_id", "client identifier invalid", "the org where the app was made"},
		{"unknown external client app", Web, myDomain, "OAUTH_EC_APP_NOT_FOUND", "External client app is not installed in this org", "this org does not know the app"},
		{"secret", ClientCredentials, myDomain, "invalid_client", "invalid client credentials", "check client_id and client_secret"},
		{"secret of a public client", Web, myDomain, "invalid_client", "invalid client credentials", "untick its two settings Require Secret"},
		{"flow not enabled", Web, myDomain, "unsupported_grant_type", "grant type not supported", "enable this flow"},
		{"client credentials at a login host", ClientCredentials, login, "invalid_grant", "request not supported on this domain", "use the org's My Domain"},
		{"sandbox user at login", JWT, login, "invalid_grant", "user hasn't approved this consumer", "a sandbox's users log in at https://test.salesforce.com"},
		{"sandbox app at login", Web, login, "invalid_client_id", "client identifier invalid", "a sandbox's users log in at https://test.salesforce.com"},
		{"live user at test", JWT, test, "invalid_grant", "invalid assertion", "a live org's users log in at https://login.salesforce.com"},
		{"words nobody knows, at login", Web, login, "invalid_grant", "something new", "a sandbox's users log in at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{login: []reply{refusal(tt.code, tt.description)}}
			change := func(o *Options) {
				o.Flow, o.LoginURL, o.TokenFile = tt.flow, tt.host, t.TempDir()+"/token"
				o.Username, o.PrivateKey, o.Audience = "u@example.com", nil, tt.host
				if tt.flow == JWT {
					o.PrivateKey = pemKey(t, rsaKey())
				}
			}
			c := f.client(t, change)
			if tt.flow == Web {
				if err := c.tokens.store(connection{RefreshToken: "5Aep861", LoginURL: tt.host, ClientID: "3MVG9"}); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.Identity(t.Context())
			wantKind(t, err, Refused)
			if err == nil || !strings.Contains(err.Error(), tt.description+"; ") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to quote %q and to say %q", err, tt.description, tt.says)
			}
		})
	}
}

func TestAnAPIThatMayNotBeUsedSaysWhy(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		says   string
	}{
		{"edition", 403, `[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]`, "this edition has no API access (Professional needs an add-on"},
		{"user", 403, `[{"message":"API is disabled for this User","errorCode":"API_CURRENTLY_DISABLED"}]`, "give them the permission API Enabled"},
		{"scope", 401, `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`, "Manage user data via APIs (api)"},
		{"agents", 401, `[{"message":"Connected app is not attached to Agent","errorCode":"INVALID_SESSION_ID"}]`, "one for agents"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{api: []reply{{status: tt.status, body: tt.body}}}
			_, _, err := f.client(t).Organization(t.Context())
			wantKind(t, err, Refused)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
}
