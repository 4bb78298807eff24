package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// outcome is the status of a token answer, and its error if any.
func outcome(status int, body any) string {
	b := body.(map[string]any)
	if b["error"] == nil {
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%d %v: %v", status, b["error"], b["error_description"])
}

func TestClientCredentials(t *testing.T) {
	c := newClient(t)
	id, secret := c.org.Credentials()
	form := func(id, secret string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	}
	want(t, "right", outcome(c.post("/services/oauth2/token", form(id, secret))), "200")
	want(t, "wrong secret", outcome(c.post("/services/oauth2/token", form(id, "x"))), "400 invalid_client: invalid client credentials")
	want(t, "wrong app", outcome(c.post("/services/oauth2/token", form("x", secret))), "400 invalid_client_id: client identifier invalid")
	want(t, "password flow", outcome(c.post("/services/oauth2/token", url.Values{"grant_type": {"password"}})), "400 unsupported_grant_type: grant type not supported")
	r, _ := http.NewRequest("POST", host+"/services/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	want(t, "by Basic", outcome(c.send(r)), "200")
	r, _ = http.NewRequest("POST", "https://login.salesforce.com/services/oauth2/token", strings.NewReader(form(id, secret).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	want(t, "not at My Domain", outcome(c.send(r)), "400 invalid_grant: request not supported on this domain")
	c.org.RotateSecret()
	want(t, "after a rotation", outcome(c.post("/services/oauth2/token", form(id, secret))), "400 invalid_client: invalid client credentials")
}

func TestATokenAnswer(t *testing.T) {
	c := newClient(t)
	id, secret := c.org.Credentials()
	_, body := c.post("/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	b := body.(map[string]any)
	want(t, "instance_url", b["instance_url"], any(host))
	want(t, "id", b["id"], any(host+"/id/"+c.org.ID()+"/"+c.org.UserID()))
	want(t, "issued_at", b["issued_at"], any("1793611815700"))
	want(t, "expires_in", b["expires_in"], any(nil))
	c.org.SetURL("http://127.0.0.1:8080")
	_, body = c.post("/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	want(t, "moved", body.(map[string]any)["instance_url"], any("http://127.0.0.1:8080"))
}

func TestJWTBearer(t *testing.T) {
	c := newClient(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.org.TrustKey("me+sf@example.com", &key.PublicKey)
	id, _ := c.org.Credentials()
	now := c.clock.now()
	sign := func(iss, sub, aud string, exp any) url.Values {
		if t, ok := exp.(time.Time); ok {
			exp = t.Unix()
		}
		b64 := base64.RawURLEncoding
		text := b64.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + b64.EncodeToString(encodeJSON(map[string]any{"iss": iss, "sub": sub, "aud": aud, "exp": exp}))
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {text + "." + b64.EncodeToString(signature)}}
	}
	login, soon := "https://login.salesforce.com", now.Add(3*time.Minute)
	forged := sign(id, "me+sf@example.com", login, soon)
	forged.Set("assertion", forged.Get("assertion")[:40]+"A"+forged.Get("assertion")[41:])
	for what, test := range map[string]struct {
		form url.Values
		want string
	}{
		"right":          {sign(id, "me+sf@example.com", login, soon), "200"},
		"My Domain":      {sign(id, "me+sf@example.com", host, soon), "200"},
		"sandbox host":   {sign(id, "me+sf@example.com", "https://test.salesforce.com", soon), "400 invalid_grant: audience is invalid"},
		"exp as a text":  {sign(id, "me+sf@example.com", login, fmt.Sprint(soon.Unix())), "200"},
		"without exp":    {sign(id, "me+sf@example.com", login, nil), "400 invalid_grant: expired authorization code"},
		"expired":        {sign(id, "me+sf@example.com", login, now), "400 invalid_grant: expired authorization code"},
		"for too long":   {sign(id, "me+sf@example.com", login, now.Add(time.Hour)), "400 invalid_grant: expired authorization code"},
		"not authorised": {sign(id, "you@example.com", login, soon), "400 invalid_grant: user hasn't approved this consumer"},
		"another app":    {sign("x", "me+sf@example.com", login, soon), "400 invalid_client_id: client identifier invalid"},
		"forged":         {forged, "400 invalid_grant: invalid assertion"},
		"nonsense":       {url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x"}}, "400 invalid_grant: invalid assertion"},
	} {
		want(t, what, outcome(c.post("/services/oauth2/token", test.form)), test.want)
	}
	c.org.SetSandbox(true)
	want(t, "a sandbox", outcome(c.post("/services/oauth2/token", sign(id, "me+sf@example.com", "https://test.salesforce.com", soon))), "200")
	c.org.Audiences(host)
	want(t, "only My Domain", outcome(c.post("/services/oauth2/token", sign(id, "me+sf@example.com", login, soon))), "400 invalid_grant: audience is invalid")
}

func TestSessionsDie(t *testing.T) {
	c := newClient(t)
	c.clock.pass(110 * time.Minute)
	status, _ := c.do("GET", "/limits", nil)
	want(t, "in use", status, 200)
	c.clock.pass(110 * time.Minute)
	status, _ = c.do("GET", "/limits", nil)
	want(t, "kept alive by use", status, 200)
	c.clock.pass(3 * time.Hour)
	status, body := c.do("GET", "/limits", nil)
	code, message := errorOf(body)
	want(t, "idle", fmt.Sprintln(status, code, message), "401 INVALID_SESSION_ID Session expired or invalid\n")
	c.login()
	c.org.KillSessions()
	status, _ = c.do("GET", "/limits", nil)
	want(t, "killed", status, 401)
}

func TestIdentity(t *testing.T) {
	c := newClient(t)
	for _, path := range []string{"/services/oauth2/userinfo", "/id/" + c.org.ID() + "/" + c.org.UserID()} {
		r, _ := http.NewRequest("GET", host+path, nil)
		status, body := c.send(r)
		want(t, path, status, 200)
		want(t, "organization_id", body.(map[string]any)["organization_id"], any(c.org.ID()))
	}
	want(t, "Organization", c.query("SELECT Id, IsSandbox FROM Organization")[0]["Id"], any(c.org.ID()))
	status, body := c.do("GET", "/sobjects/User/"+c.org.UserID(), nil)
	want(t, "User", fmt.Sprintln(status, body.(map[string]any)["Username"]), "200 integration@example.com\n")
}
