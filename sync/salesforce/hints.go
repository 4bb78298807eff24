package salesforce

import (
	"fmt"
	"strings"
)

// hint says what to do about words of Salesforce's.
type hint struct {
	words string // in the code or the description, in lower case
	flow  Flow   // "" is any
	text  string
}

// loginHints are about refused logins, the narrower words first. Salesforce
// has one code (invalid_grant) for most, so its words decide; they are not
// translated. This is advice only, and nothing depends on it.
var loginHints = []hint{
	{"request not supported on this domain", "", "use the org's My Domain as login_url: client credentials work nowhere else"},
	{"no client credentials user enabled", "", "choose a run-as user in the app's client credentials settings"},
	{"hasn't approved this consumer", "", "pre-authorise the user: assign the app to their profile or permission set"},
	{"user is not admin approved", "", "pre-authorise the user: assign the app to their profile or permission set"},
	{"oauth_app_access_denied", "", "pre-authorise the user: assign the app to their profile or permission set"},

	// Since September 2025, for apps that were made in another org.
	{"app must be installed into org", "", "the app is not installed in this org: an administrator installs it in Setup, Connected Apps OAuth Usage; better, make an app in this very org and use its client_id"},
	{"oauth_approval_error_generic", "", "the org's policies stop this app before the user is asked, mostly because it is not installed: " +
		"an administrator installs it in Setup, Connected Apps OAuth Usage; the address of the browser's error page tells more"},
	{"blocked", "", "an administrator has blocked the app: unblock it in Setup, Connected Apps OAuth Usage"},

	{"expired access/refresh token", Web, "the connection was revoked, or not used for too long, or the user made too many newer ones (five for an app): run qualifyd connect again"},
	{"token validity expired", Web, "the app's policy lets a connection live only so long, and that time is over: run qualifyd connect again"},
	{"authentication failure", Web, "the user's password was changed or the user is no longer active: check the user in Setup, then run qualifyd connect again"},
	{"authentication failure", "", "check that the user may log in, and by this flow"},
	{"expired authorization code", Web, "the code was used before, or is too old: run qualifyd connect again"},
	{"invalid authorization code", Web, "the code was used before, or was not copied whole: run qualifyd connect again"},
	{"code verifier", "", "the answer belongs to another qualifyd connect: run it again, and use the address that it prints"},
	{"code challenge", "", "the app asks for PKCE by S256, and something on the way took it off the address: open the address exactly as printed"},
	{"access_denied", Web, "somebody chose Deny: run qualifyd connect again, and choose Allow"},
	{"redirect_uri", "", "register the callback URL that qualifyd connect prints, to the letter: localhost is not 127.0.0.1, and the port counts"},
	{"redirect uri", "", "register the callback URL that qualifyd connect prints, to the letter: localhost is not 127.0.0.1, and the port counts"},
	{"invalid_scope", "", "add the scopes Manage user data via APIs (api) and Perform requests at any time (refresh_token, offline_access) to the app's OAuth settings"},

	{"audience is invalid", "", "set the audience to the host that the app accepts"},
	{"app_not_found", JWT, "check client_id, and set the audience to the org's My Domain"},
	{"app_not_found", "", "this org does not know the app: check client_id and login_url"},
	{"invalid_client_id", "", "check client_id, and that login_url is the org where the app was made: a sandbox has apps of its own; a new app may take some minutes to work"},
	{"client identifier invalid", "", "check client_id, and that login_url is the org where the app was made: a sandbox has apps of its own; a new app may take some minutes to work"},
	{"invalid_client", Web, wrongSecret},
	{"invalid client", Web, wrongSecret},
	{"invalid_client", "", "check client_id and client_secret; a new app may take some minutes to work"},
	{"invalid client", "", "check client_id and client_secret; a new app may take some minutes to work"},
	{"invalid assertion", "", "check that the app holds the certificate of this private key"},
	{"unsupported_grant_type", "", "enable this flow in the app's OAuth settings"},

	{"ip restricted", "", "allow this machine's address: in the login IP ranges of the user's profile, or relax the app's IP policy"},
	{"inactive_org", "", "the org itself is inactive (expired, locked or moved): its administrator or Salesforce has to make it active"},
	{"organization is inactive", "", "the org itself is inactive (expired, locked or moved): its administrator or Salesforce has to make it active"},
	{"locked", "", "the user is locked out or frozen: unlock or unfreeze them in Setup"},
	{"inactive", "", "the user is not active: activate them in Setup, or choose another"},
}

const wrongSecret = "check client_id and client_secret; without a client_secret, the app must not require one " +
	"(untick its two settings Require Secret, for the web server flow and for the refresh token flow)"

func (c *Client) loginHint(e *APIError) string {
	if e.Kind != Refused {
		return ""
	}
	said := strings.ToLower(e.Code + " " + e.Message)
	for _, h := range loginHints {
		if strings.Contains(said, h.words) && (h.flow == "" || h.flow == c.creds.Flow) {
			return h.text + c.wrongHost(e)
		}
	}
	if e.Code == "" {
		return "check login_url: " + c.login.Host + " does not answer like Salesforce"
	}
	return strings.TrimPrefix(c.wrongHost(e), "; ")
}

// wrongHost adds what a user who is unknown at one login host may mean: live
// users and sandbox users have different ones, and the refusal does not say so.
func (c *Client) wrongHost(e *APIError) string {
	here, there, whose := "login.salesforce.com", "test.salesforce.com", "a sandbox's"
	if c.login.Host == there {
		here, there, whose = there, here, "a live org's"
	}
	if c.login.Host != here || e.Code != "invalid_grant" && e.Code != "invalid_client_id" {
		return ""
	}
	return fmt.Sprintf("; login_url is https://%s, and %s users log in at https://%s or at their My Domain", here, whose, there)
}

// apiHints are about an API that a session may not use.
var apiHints = []hint{
	{"api_disabled_for_org", "", "this edition has no API access (Professional needs an add-on; Enterprise and above have it), or the user lacks the permission API Enabled"},
	{"api_currently_disabled", "", "the user has no API access: give them the permission API Enabled, by profile or permission set"},
	{"not valid for use with the rest api", "", "add the scope Manage user data via APIs (api) to the app's OAuth settings, and log in anew"},
	{"not attached to agent", "", "this app is one for agents: use an app of its own for qualifyd"},
}

func apiHint(e *APIError) string {
	if e.Kind != Refused || e.use == useLogin {
		return ""
	}
	said := strings.ToLower(e.Code + " " + e.Message)
	for _, h := range apiHints {
		if strings.Contains(said, h.words) {
			return h.text
		}
	}
	return ""
}
