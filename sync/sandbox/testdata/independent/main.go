// Command independent drives a Salesforce org with go-salesforce, a client
// that knows nothing of qualifyd: what this client takes for granted about
// Salesforce is what an org has to do. It prints one line a step, and exits
// with 1 when an answer is not as a real org's.
//
// It has a module of its own, so that qualifyd does not depend on that client.
// It leaves no records behind, and runs against a scratch org too, given a
// unique external Id field Referral_Code__c on Lead:
//
//	CLIENT_SECRET=... go run . -url https://acme.my.salesforce.com -client-id ... -username ... -key app.key
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/k-capehart/go-salesforce/v3"
)

// session is the work with one org, and what the steps hand on.
type session struct {
	url, clientID, clientSecret, username, key string

	sf     *salesforce.Salesforce // logged in as an app
	zipped *salesforce.Salesforce // logged in by a key; both its directions are compressed
	pages  int                    // query pages fetched
	lead   string                 // the one that is created, changed and deleted
	many   []map[string]any       // Ids of the 5,000
}

// RoundTrip counts the pages of queries.
func (s *session) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/query/") {
		s.pages++
	}
	return http.DefaultTransport.RoundTrip(r)
}

func main() {
	s := &session{clientSecret: os.Getenv("CLIENT_SECRET")}
	flag.StringVar(&s.url, "url", "", "the org")
	flag.StringVar(&s.clientID, "client-id", "", "the app's consumer key; $CLIENT_SECRET is its secret")
	flag.StringVar(&s.username, "username", "", "whom the app logs in by key")
	keyFile := flag.String("key", "", "the app's RSA key, a PEM file")
	flag.Parse()
	key, err := os.ReadFile(*keyFile)
	if err == nil {
		s.key = string(key)
		err = s.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// step is one thing that people do with Salesforce; what it found is its line.
type step struct {
	name string
	do   func(*session) (found string, err error)
}

func (s *session) run() error {
	for _, step := range []step{
		{"log in as an app", (*session).logIn},
		{"log in by key", (*session).logInByKey},
		{"create many", (*session).createMany},
		{"page through", (*session).pageThrough},
		{"describe", (*session).describe},
		{"create", (*session).create},
		{"update", (*session).update},
		{"upsert", (*session).upsert},
		{"composite", (*session).composite},
		{"composite of collections", (*session).collections},
		{"all or none", (*session).allOrNone},
		{"refusals", (*session).refusals},
		{"query by struct", (*session).queryStruct},
		{"session ends", (*session).endSession},
		{"delete", (*session).delete},
		{"delete many", (*session).deleteMany},
	} {
		found, err := step.do(s)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("%s: %s\n", step.name, found)
	}
	return nil
}

func (s *session) logIn() (found string, err error) {
	creds := salesforce.Creds{Domain: s.url, ConsumerKey: s.clientID, ConsumerSecret: s.clientSecret}
	if s.sf, err = salesforce.Init(creds, salesforce.WithRoundTripper(s)); err != nil {
		return "", err
	}
	return s.sf.GetAuthFlow().String(), nil
}

// logInByKey: this client sends the assertion's exp as a text.
func (s *session) logInByKey() (found string, err error) {
	creds := salesforce.Creds{Domain: s.url, Username: s.username, ConsumerKey: s.clientID, ConsumerRSAPem: s.key}
	if s.zipped, err = salesforce.Init(creds, salesforce.WithCompressionHeaders(true)); err != nil {
		return "", err
	}
	return s.zipped.GetAuthFlow().String(), nil
}

// endSession revokes the session; the client logs in again by itself, for
// which it has to recognise the refusal.
func (s *session) endSession() (string, error) {
	before := s.sf.GetAccessToken()
	answer, err := http.PostForm(s.url+"/services/oauth2/revoke", map[string][]string{"token": {before}})
	if err != nil {
		return "", err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("revoking the session: got %s, want 200", answer.Status)
	}
	if _, err := s.count(); err != nil {
		return "", err
	}
	if s.sf.GetAccessToken() == before {
		return "", errors.New("the revoked session still answers")
	}
	return "logged in again", nil
}
