package salesforce

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemKey(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func withJWT(t *testing.T) func(*Options) {
	return func(o *Options) {
		o.Flow, o.ClientSecret = JWT, ""
		o.Username = "integration+qualifyd@example.com"
		o.PrivateKey = pemKey(t, rsaKey())
	}
}

func TestJWTLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		if _, err := f.client(t, withJWT(t)).Identity(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.logins[0].Get("grant_type"); got != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("grant_type %q", got)
		}
		claims := verifiedClaims(t, f.logins[0].Get("assertion"))
		if claims.Iss != "3MVG9" || claims.Sub != "integration+qualifyd@example.com" || claims.Aud != myDomain {
			t.Errorf("claims %+v", claims)
		}
		if life := time.Until(time.Unix(claims.Exp, 0)); life != 3*time.Minute {
			t.Errorf("the assertion lives %v, want 3 min", life)
		}
	})
}

type claimSet struct {
	Iss, Sub, Aud string
	Exp           int64
}

func verifiedClaims(t *testing.T, assertion string) (claims claimSet) {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Fatalf("assertion %q has %d parts", assertion, len(parts))
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("signature: %v", err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAudienceIsTriedAndRemembered(t *testing.T) {
	badAudience := refusal("invalid_grant", "audience is invalid")
	notFound := refusal("app_not_found", "External client app is not found")
	ok := reply{body: tokenAnswer(1, myDomain)}
	tests := []struct {
		name, login, audience string
		replies               []reply
		want                  []string
		kind                  Kind
	}{
		{"My Domain works", myDomain, "", []reply{ok}, []string{myDomain}, ""},
		{"production falls back to login", myDomain, "", []reply{badAudience, ok},
			[]string{myDomain, "https://login.salesforce.com"}, ""},
		{"sandbox falls back to test, then login", "https://acme--uat.sandbox.my.salesforce.com", "", []reply{badAudience, notFound, ok},
			[]string{"https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com", "https://login.salesforce.com"}, ""},
		{"login host is tried once", "https://login.salesforce.com", "", []reply{notFound, ok},
			[]string{"https://login.salesforce.com", "https://test.salesforce.com"}, ""},
		{"none works", myDomain, "", []reply{badAudience},
			[]string{myDomain, "https://login.salesforce.com", "https://test.salesforce.com"}, Refused},
		{"another refusal ends it", myDomain, "", []reply{refusal("invalid_grant", "user hasn't approved this consumer")}, []string{myDomain}, Refused},
		{"a configured one is the only one", myDomain, "https://test.salesforce.com", []reply{badAudience}, []string{"https://test.salesforce.com"}, Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{login: tt.replies}
			c := f.client(t, withJWT(t), func(o *Options) { o.LoginURL, o.Audience = tt.login, tt.audience })
			_, err := c.Identity(t.Context())
			wantKind(t, err, tt.kind)
			if diff := cmp.Diff(tt.want, f.audiences(t)); diff != "" {
				t.Errorf("audiences tried (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			c.forget(c.current.Load())
			if _, err := c.Identity(t.Context()); err != nil {
				t.Fatal(err)
			}
			all := f.audiences(t)
			if got, want := all[len(tt.want):], tt.want[len(tt.want)-1:]; !cmp.Equal(got, want) {
				t.Errorf("second login tried %v, want %v at once", got, want)
			}
		})
	}
}

func (f *fake) audiences(t *testing.T) (tried []string) {
	for _, form := range f.logins {
		tried = append(tried, verifiedClaims(t, form.Get("assertion")).Aud)
	}
	return tried
}

func TestAudienceErrorOfClientCredentialsIsJustRefused(t *testing.T) {
	f := &fake{login: []reply{refusal("app_not_found", "")}}
	_, err := f.client(t).Identity(t.Context())
	wantKind(t, err, Refused)
	f.wantCalls(t, 0, 1)
}

func TestRotatedSecretIsPickedUp(t *testing.T) {
	refused := refusal("invalid_client", "invalid client credentials")
	tests := []struct {
		name   string
		secret string
		err    error
		logins []string
		want   Kind
	}{
		{"new on disk", "rotated", nil, []string{"hunter2secret", "rotated"}, ""},
		{"the same on disk", "hunter2secret", nil, []string{"hunter2secret"}, Refused},
		{"not readable", "", errors.New("permission denied"), []string{"hunter2secret"}, Refused},
		{"empty", "", nil, []string{"hunter2secret"}, Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{login: []reply{refused, {body: tokenAnswer(2, myDomain)}}}
			var configured Options
			c := f.client(t, func(o *Options) {
				configured = *o
				o.Reread = func() (Options, error) {
					fresh := configured
					fresh.ClientSecret = tt.secret
					return fresh, tt.err
				}
			})
			_, err := c.Identity(t.Context())
			wantKind(t, err, tt.want)
			var used []string
			for _, form := range f.logins {
				used = append(used, form.Get("client_secret"))
			}
			if diff := cmp.Diff(tt.logins, used); diff != "" {
				t.Errorf("secrets tried (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	jwtWith := func(key []byte) func(*Options) {
		return func(o *Options) { o.Flow, o.Username, o.PrivateKey = JWT, "u@example.com", key }
	}
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no login URL", func(o *Options) { o.LoginURL = "" }, "login URL"},
		{"plain http", func(o *Options) { o.LoginURL = "http://acme.my.salesforce.com" }, "want https"},
		{"a user in front", func(o *Options) { o.LoginURL = "https://ann@acme.my.salesforce.com" }, "only a scheme and a host"},
		{"a path", func(o *Options) { o.LoginURL = myDomain + "/services" }, "only a scheme and a host"},
		{"version with a v", func(o *Options) { o.APIVersion = "v67.0" }, "67.0"},
		{"version without a point", func(o *Options) { o.APIVersion = "67" }, "67.0"},
		{"no client id", func(o *Options) { o.ClientID = "" }, "client id"},
		{"no secret", func(o *Options) { o.ClientSecret = "" }, "client secret"},
		{"unknown flow", func(o *Options) { o.Flow = "password" }, "unknown flow"},
		{"no username", func(o *Options) { o.Flow = JWT }, "username"},
		{"a key that is no PEM", jwtWith([]byte("key")), "PEM"},
		{"a key with a passphrase", jwtWith(encrypted), "passphrase"},
		{"a key that is not RSA", jwtWith(pemKey(t, ec)), "RS256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{LoginURL: myDomain, APIVersion: "67.0", Flow: ClientCredentials, ClientID: "3MVG9", ClientSecret: "s"}
			tt.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestOldFormOfAPrivateKey(t *testing.T) {
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey())})
	f := &fake{}
	if _, err := f.client(t, withJWT(t), func(o *Options) { o.PrivateKey = key }).Identity(t.Context()); err != nil {
		t.Error(err)
	}
}
