package sandbox

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Credentials are those of the app that the client credentials flow and the
// refresh tokens belong to.
func (o *Org) Credentials() (clientID, clientSecret string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clientID, o.clientSecret
}

// RotateSecret gives the app another secret; the former is refused.
func (o *Org) RotateSecret() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clientSecret = secret(32)
}

// TrustKey lets a user in by JWTs that are signed with the key's private half.
func (o *Org) TrustKey(username string, key *rsa.PublicKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys[username] = key
}

// Audiences restricts the JWT audiences that the org takes. A new one takes
// its own host and login.salesforce.com, or test.salesforce.com if a sandbox.
func (o *Org) Audiences(only ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.audiences = only
}

// SetURL says where the org answers; token answers name it as instance_url. ""
// is the address that was asked.
func (o *Org) SetURL(base string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.url = strings.TrimSuffix(base, "/")
}

// KillSessions ends every session: the next request with one is a 401.
func (o *Org) KillSessions() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.sessions)
}

// SessionLife sets after how much idle time a session dies. It is two hours in
// a new org.
func (o *Org) SessionLife(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sessionLife = d
}

func (o *Org) kill(session string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.sessions, session)
}

func bearer(r *http.Request) string {
	for _, scheme := range []string{"Bearer ", "OAuth "} {
		if token, found := strings.CutPrefix(r.Header.Get("Authorization"), scheme); found {
			return token
		}
	}
	return ""
}

// alive says whether a session lives, and keeps it alive.
func (o *Org) alive(session string) bool {
	used, known := o.sessions[session]
	if !known || o.now().Sub(used) > o.sessionLife {
		delete(o.sessions, session)
		return false
	}
	o.sessions[session] = o.now()
	return true
}

// token answers /services/oauth2/token.
func (o *Org) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		writeAnswer(w, denied("invalid_request", "must use HTTP POST"))
		return
	}
	form := r.PostForm
	if id, pass, given := r.BasicAuth(); given {
		form.Set("client_id", id)
		form.Set("client_secret", pass)
	}
	var refused *answer
	var g *grant
	switch form.Get("grant_type") {
	case "client_credentials":
		refused = o.clientCredentials(r, form)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		refused = o.jwtBearer(r, form)
	case "authorization_code":
		g, refused = o.redeem(form)
	case "refresh_token":
		g, refused = o.refreshGrant(form)
	default:
		a := denied("unsupported_grant_type", "grant type not supported")
		refused = &a
	}
	if refused != nil {
		writeAnswer(w, *refused)
		return
	}
	writeAnswer(w, ok(o.session(r, g)))
}

// session opens a session; g is the grant that it belongs to, nil for the flows without a person. Salesforce sends no expires_in.
func (o *Org) session(r *http.Request, g *grant) any {
	token := o.id[:15] + "!AQ" + secret(40)
	o.sessions[token] = o.now()
	base, scope := o.base(r), "api id refresh_token"
	out := orderedObject{{"access_token", token}, {"signature", base64.StdEncoding.EncodeToString([]byte(secret(16)))}}
	if g != nil {
		g.sessions = append(g.sessions, token)
		scope = strings.Join(g.scopes, " ")
		if g.tell {
			out = append(out, pair{"refresh_token", g.current})
		}
	}
	return append(out, pair{"scope", scope}, pair{"instance_url", base}, pair{"id", base + "/id/" + o.id + "/" + o.user},
		pair{"token_type", "Bearer"}, pair{"issued_at", fmt.Sprint(o.now().UnixMilli())}, pair{"api_instance_url", "https://api.salesforce.com"})
}

func (o *Org) base(r *http.Request) string {
	if o.url != "" {
		return o.url
	}
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func denied(code, description string) answer {
	return answer{status: http.StatusBadRequest, body: orderedObject{{"error", code}, {"error_description", description}}}
}

func refuse(code, description string) *answer {
	a := denied(code, description)
	return &a
}

func (o *Org) clientCredentials(r *http.Request, form url.Values) *answer {
	if r.Host == "login.salesforce.com" || r.Host == "test.salesforce.com" {
		return refuse("invalid_grant", "request not supported on this domain")
	}
	return o.client(form, true)
}

// client checks the app of a token request.
func (o *Org) client(form url.Values, needsSecret bool) *answer {
	switch {
	case form.Get("client_id") != o.clientID:
		return refuse("invalid_client_id", "client identifier invalid")
	case form.Get("client_secret") != o.clientSecret && (needsSecret || form.Has("client_secret")):
		return refuse("invalid_client", "invalid client credentials")
	}
	return nil
}

// jwtBearer checks an assertion: its signature by a trusted key, the app, the
// audience, and that it ends within five minutes.
func (o *Org) jwtBearer(r *http.Request, form url.Values) *answer {
	parts := strings.Split(form.Get("assertion"), ".")
	var claims struct {
		Iss, Sub, Prn, Aud string
		Exp                json.Number // also as a text: go-salesforce sends one
	}
	if len(parts) != 3 || !decodePart(parts[1], &claims) {
		return refuse("invalid_grant", "invalid assertion")
	}
	user := claims.Sub
	if user == "" {
		user = claims.Prn
	}
	key := o.keys[user]
	if key == nil {
		return refuse("invalid_grant", "user hasn't approved this consumer")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return refuse("invalid_grant", "invalid assertion")
	}
	exp, _ := claims.Exp.Float64() // none is 1970
	left := time.Unix(int64(exp), 0).Sub(o.now())
	switch {
	case claims.Iss != o.clientID:
		return refuse("invalid_client_id", "client identifier invalid")
	case !slices.Contains(o.audienceList(r), strings.TrimSuffix(claims.Aud, "/")):
		return refuse("invalid_grant", "audience is invalid")
	case left <= 0 || left > 5*time.Minute:
		return refuse("invalid_grant", "expired authorization code")
	}
	return nil
}

func (o *Org) audienceList(r *http.Request) []string {
	if o.audiences != nil {
		return o.audiences
	}
	shared := "https://login.salesforce.com"
	if o.object("Organization").rows[o.id].values["IsSandbox"] == true {
		shared = "https://test.salesforce.com"
	}
	return []string{o.base(r), shared}
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// identity answers the identity URL and userinfo, which name the same things.
func (o *Org) identity(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.alive(bearer(r)) {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "Bad_OAuth_Token")
		return
	}
	user, base := o.object("User").rows[o.user].values, o.base(r)
	data := base + "/services/data/v{version}/"
	writeAnswer(w, ok(orderedObject{
		{"id", base + "/id/" + o.id + "/" + o.user}, {"sub", base + "/id/" + o.id + "/" + o.user}, {"user_id", o.user}, {"organization_id", o.id},
		{"username", user["Username"]}, {"preferred_username", user["Username"]}, {"display_name", user["Name"]}, {"name", user["Name"]},
		{"email", user["Email"]}, {"email_verified", true}, {"active", true}, {"is_app_installed", true}, {"language", "en_US"}, {"locale", "en_US"},
		{"user_type", "STANDARD"}, {"zoneinfo", user["TimeZoneSidKey"]},
		{"urls", orderedObject{{"rest", data}, {"sobjects", data + "sobjects/"}, {"query", data + "query/"}, {"enterprise", base + "/services/Soap/c/{version}/" + o.id[:15]}}},
	}))
}
