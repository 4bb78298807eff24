package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/sync/sandbox"
)

// connected is an org, and a folder with a connection to it.
type connected struct {
	t    *testing.T
	org  *sandbox.Org
	file tokenFile
	via  func(*http.Request) // sees each request before the org does; nil is nobody
}

func connect(t *testing.T, rotate bool) *connected {
	t.Helper()
	k := &connected{t: t, org: sandbox.NewOrg(nil), file: tokenFile(filepath.Join(t.TempDir(), "salesforce-token"))}
	k.org.RotateRefreshTokens(rotate)
	id, _ := k.org.Credentials()
	k.put(connection{RefreshToken: k.org.RefreshToken(), LoginURL: myDomain, ClientID: id})
	return k
}

func (k *connected) RoundTrip(req *http.Request) (*http.Response, error) {
	if k.via != nil {
		k.via(req)
	}
	return sandbox.Transport(map[string]http.Handler{"acme.my.salesforce.com": k.org.Handler()}).RoundTrip(req)
}

// client is another process, as far as the connection is concerned.
func (k *connected) client(change ...func(*Options)) *Client {
	k.t.Helper()
	id, _ := k.org.Credentials()
	o := Options{LoginURL: myDomain, APIVersion: "67.0", Flow: Web, ClientID: id, TokenFile: string(k.file), Transport: k}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func (k *connected) put(c connection) {
	k.t.Helper()
	if err := k.file.store(c); err != nil {
		k.t.Fatal(err)
	}
}

func (k *connected) kept() connection {
	k.t.Helper()
	c, err := readConnection(string(k.file))
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

// logIn begins a new session and uses it.
func (k *connected) logIn(c *Client) error {
	c.forget(c.current.Load())
	return askLeads(k.t.Context(), c)
}

func (k *connected) wantLogin(c *Client) {
	k.t.Helper()
	if err := k.logIn(c); err != nil {
		k.t.Errorf("logging in: got %v, want a session", err)
	}
}

// wantRefused wants a sentence for a person, and no token in it.
func (k *connected) wantRefused(err error, says string) {
	k.t.Helper()
	wantKind(k.t, err, Refused)
	if err == nil || !strings.Contains(err.Error(), says) {
		k.t.Errorf("got %v, want it to say %q", err, says)
	}
	if err != nil && strings.Contains(err.Error(), "5Aep861") {
		k.t.Errorf("the error holds a refresh token: %v", err)
	}
}

func isLogin(req *http.Request) bool { return req.URL.Path == "/services/oauth2/token" }

func TestARefreshTokenGivesASession(t *testing.T) {
	for name, rotate := range map[string]bool{"as it is": false, "rotated": true} {
		t.Run(name, func(t *testing.T) {
			k := connect(t, rotate)
			before, logins := k.kept(), 0
			k.via = func(req *http.Request) {
				if isLogin(req) {
					logins++
				} else if changed := k.kept().RefreshToken != before.RefreshToken; changed != rotate {
					t.Errorf("when the session is used, a new token is in the file: %v, want %v", changed, rotate)
				}
			}
			c := k.client()
			for range 3 {
				k.wantLogin(c)
				before = k.kept()
			}
			if logins != 3 {
				t.Errorf("got %d token requests for 3 logins", logins)
			}
			if got := k.kept().Unanswered; !got.IsZero() {
				t.Errorf("the file tells of an unanswered refresh at %v, want none", got)
			}
			if text, _ := os.ReadFile(string(k.file)); strings.Contains(string(text), "!AQ") {
				t.Error("the file holds an access token")
			}
		})
	}
}

func TestAConnectionThatCannotBeUsedSaysWhatToDo(t *testing.T) {
	k := connect(t, false)
	good := k.kept()
	text, _ := json.Marshal(good)
	with := func(change func(*connection)) string {
		c := good
		change(&c)
		text, _ := json.Marshal(c)
		return string(text)
	}
	tests := []struct{ name, content, says string }{
		{"none", "", "nobody has connected qualifyd to Salesforce yet; run qualifyd connect"},
		{"cut off", string(text[:len(text)/2]), "is damaged: it is not the JSON that connect writes; run qualifyd connect again"},
		{"another file", `{"a": 1}`, "is damaged: it lacks refresh_token"},
		{"of another app", with(func(c *connection) { c.ClientID = "3MVG9other" }), "connected by the app 3MVG9other, and client_id is " + good.ClientID},
		{"of another host", with(func(c *connection) { c.LoginURL = "https://test.salesforce.com" }), "connected at https://test.salesforce.com, and login_url is " + myDomain},
		{"revoked", with(func(c *connection) { c.RefreshToken = "5Aep861gone" }), "expired access/refresh token; the connection was revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			os.Remove(string(k.file))
			if tt.content != "" {
				if err := os.WriteFile(string(k.file), []byte(tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := k.client()
			k.wantRefused(k.logIn(c), tt.says)
			k.wantRefused(k.logIn(c), tt.says) // and stays what it was
			k.put(good)
			k.wantLogin(c) // by itself, once somebody has connected
		})
	}
}

func TestALostAnswerIsNotAskedForAgainByTheSameLogin(t *testing.T) {
	for name, rotate := range map[string]bool{"the token is still good": false, "the token is used up": true} {
		t.Run(name, func(t *testing.T) {
			k := connect(t, rotate)
			c, logins := k.client(), 0
			k.org.SetFault(func(req *http.Request) *sandbox.Fault {
				if !isLogin(req) {
					return nil
				}
				logins++
				return &sandbox.Fault{Lost: true}
			})
			err := k.logIn(c)
			wantKind(t, err, Transient)
			if logins != 1 || !strings.Contains(err.Error(), "nobody knows whether Salesforce used up the refresh token") {
				t.Errorf("got %d token requests and %v, want one and a warning", logins, err)
			}
			if k.kept().Unanswered.IsZero() {
				t.Error("the file does not tell of the lost answer")
			}
			k.org.SetFault(nil)
			later := k.client() // even a process that was started after it knows
			if rotate {
				for range 2 {
					k.wantRefused(k.logIn(later), "never arrived, and an app that rotates refresh tokens had used this one up with it: run qualifyd connect again")
				}
				return
			}
			k.wantLogin(later)
			if !k.kept().Unanswered.IsZero() {
				t.Error("after an answer the file still tells of a lost one")
			}
		})
	}
}

func TestAServerErrorLeavesOpenWhetherTheTokenIsUsedUp(t *testing.T) {
	k := connect(t, false)
	logins := 0
	k.org.SetFault(func(req *http.Request) *sandbox.Fault { logins++; return sandbox.HTML(503) })
	err := k.logIn(k.client())
	wantKind(t, err, Transient)
	if logins != 1 || k.kept().Unanswered.IsZero() {
		t.Errorf("got %d token requests, lost answer noted: %v; want one and a note", logins, !k.kept().Unanswered.IsZero())
	}
}

func TestAnOrgThatIsNotReachedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := connect(t, false)
		f := &fake{login: []reply{{err: &net.OpError{Op: "dial", Err: errNetwork}}}}
		err := k.logIn(k.client(func(o *Options) { o.Transport = f }))
		wantKind(t, err, Transient)
		f.wantCalls(t, 0, maxTries)
		if !k.kept().Unanswered.IsZero() {
			t.Error("the file tells of a lost answer, and no request was sent")
		}
	})
}

// At each step of a login the process may die or the disk fail. What is then
// lost is only what could not be had.
func TestNothingIsLostThatCouldBeKept(t *testing.T) {
	block := func(k *connected) { // the next store fails
		if err := os.MkdirAll(filepath.Join(k.file.newPath(), "x"), 0o700); err != nil {
			k.t.Fatal(err)
		}
	}
	free := func(k *connected) {
		if err := os.RemoveAll(k.file.newPath()); err != nil {
			k.t.Fatal(err)
		}
	}
	t.Run("the disk fails before the refresh", func(t *testing.T) {
		k := connect(t, true)
		k.via = func(*http.Request) { t.Error("a request was sent, whose token could not have been kept") }
		block(k)
		wantKind(t, k.logIn(k.client()), Transient)
		k.via = nil
		free(k)
		k.wantLogin(k.client())
	})
	t.Run("the disk fails after the refresh", func(t *testing.T) {
		k := connect(t, true)
		c := k.client()
		k.via = func(req *http.Request) { block(k) }
		err := k.logIn(c)
		wantKind(t, err, Transient)
		if !strings.Contains(err.Error(), "keep the new refresh token") {
			t.Errorf("got %v, want it to say what could not be done", err)
		}
		k.via = nil
		free(k)
		k.wantLogin(c) // it still had the token
		k.wantLogin(k.client())
	})
	t.Run("the disk failed, and somebody connected anew", func(t *testing.T) {
		k := connect(t, true)
		c := k.client()
		k.via = func(req *http.Request) { block(k) }
		k.logIn(c)
		k.via = nil
		free(k)
		fresh := k.kept()
		fresh.RefreshToken, fresh.Unanswered, fresh.ConnectedAt = k.org.RefreshToken(), time.Time{}, time.Unix(1800000000, 0).UTC()
		k.put(fresh)
		k.wantLogin(c)
		k.wantLogin(k.client())
		if got := k.kept().ConnectedAt; !got.Equal(fresh.ConnectedAt) {
			t.Errorf("the connection is that of %v, want the newer one", got)
		}
	})
	t.Run("the process dies between the answer and the file", func(t *testing.T) {
		k := connect(t, true)
		var then connection
		k.via = func(req *http.Request) {
			if isLogin(req) {
				then = k.kept()
			}
		}
		k.wantLogin(k.client())
		k.put(then)
		k.wantRefused(k.logIn(k.client()), "never arrived")
		if got := k.kept().RefreshToken; got != then.RefreshToken {
			t.Errorf("the token in the file was replaced by %q", got)
		}
	})
	t.Run("the process dies between the file and its name", func(t *testing.T) {
		k := connect(t, true)
		before := k.kept()
		k.wantLogin(k.client())
		if err := os.Rename(string(k.file), k.file.newPath()); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(before)
		if err := os.WriteFile(string(k.file), text, 0o600); err != nil {
			t.Fatal(err)
		}
		k.wantLogin(k.client())
	})
	t.Run("the process dies in the middle of the file", func(t *testing.T) {
		k := connect(t, true)
		if err := os.WriteFile(k.file.newPath(), []byte(`{"refresh_token": "5Aep8`), 0o600); err != nil {
			t.Fatal(err)
		}
		k.wantLogin(k.client())
		k.wantLogin(k.client())
	})
	t.Run("told to stop while the answer is on its way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := connect(t, true)
			ctx, cancel := context.WithCancel(t.Context())
			k.org.SetFault(func(req *http.Request) *sandbox.Fault { cancel(); return &sandbox.Fault{Delay: 5 * time.Second} })
			k.client().Identity(ctx)
			k.org.SetFault(nil)
			k.wantLogin(k.client())
		})
	})
}

func TestTheWebFlowNeedsAFile(t *testing.T) {
	_, err := New(Options{LoginURL: myDomain, APIVersion: "67.0", Flow: Web, ClientID: "3MVG9"})
	if err == nil || !strings.Contains(err.Error(), "no file for the refresh token") {
		t.Errorf("got %v, want it refused", err)
	}
}

// An answer that is wrong in some way may hold what a right one holds.
func TestNoTokenCodeOrSecretIsLoggedOrSaid(t *testing.T) {
	secrets := []string{"hunter2secret", "5Aep861", "!AQtoken", "aPrxcode", "theverifier"}
	tokens := `"access_token":"00D!AQtoken","refresh_token":"5Aep861new"`
	for name, r := range map[string]reply{
		"no JSON":               {body: `{` + tokens + `,`},
		"no object":             {body: `["00D!AQtoken"]`},
		"no access token":       {body: `{"refresh_token":"5Aep861new"}`},
		"somebody else's host":  {body: `{` + tokens + `,"instance_url":"https://evil.example"}`},
		"no host":               {body: `{` + tokens + `,"scope":"api"}`},
		"a refusal with tokens": {status: 400, body: `{"error":"invalid_grant","error_description":"expired",` + tokens + `}`},
		"an error page":         {status: 500, body: `<html>client_secret=hunter2secret refresh_token=5Aep861 code=aPrxcode</html>`},
		"a redirect":            {status: 302, header: map[string]string{"Location": "https://evil.example/?code=aPrxcode"}},
		"cut off":               {body: `{` + tokens, cut: errNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				file := tokenFile(filepath.Join(t.TempDir(), "token"))
				f := &fake{login: []reply{r}, api: []reply{{status: 500}}}
				c := f.client(t, func(o *Options) {
					o.Flow, o.TokenFile, o.Log = Web, string(file), zerolog.New(&said).Level(zerolog.TraceLevel)
				})
				a, err := c.Authorize(t.Context(), 1717)
				if err != nil {
					t.Fatal(err)
				}
				a.verifier = "theverifier"
				_, err = a.Exchange(t.Context(), "aPrxcode")
				fmt.Fprintf(&said, "%v\n", err)
				err = c.Keep(t.Context(), &Grant{refreshToken: "5Aep861"})
				fmt.Fprintf(&said, "%v\n", err)
				c.Revoke(t.Context(), &Grant{refreshToken: "5Aep861"})
				if err := file.store(connection{RefreshToken: "5Aep861", LoginURL: myDomain, ClientID: c.creds.ClientID}); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&said, "%v\n", askLeads(t.Context(), c))
				for _, secret := range secrets {
					if strings.Contains(said.String(), secret) {
						t.Errorf("%s is in what was logged or said:\n%s", secret, said.String())
					}
				}
				if strings.Count(said.String(), opLogin) < 2 {
					t.Errorf("got no errors of logins, want some:\n%s", said.String())
				}
			})
		})
	}
}
