//go:build linux

package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

// story is the world in which the commands of a document are run: an org, an account, a machine with qualifyd, and a clock that all share.
type story struct {
	t              *testing.T
	org            *sandbox.Org
	rf             *sandbox.ReferralFactory
	via            transports
	etc, lib, home string // folders: of the config, of the store, and where the person works
	backups        string // and of backups
	config         string
	bubble         bool  // time goes by only when everybody waits
	code           int   // the last command's exit code
	dialogue       []say // with the next command
	who            map[string]sandbox.User
	lead           map[string]string // the Lead of each, by first name
}

const (
	acmeURL = "https://acme.my.salesforce.com"
	acmeRF  = "https://api.referral-factory.com/api/v2"
)

// newStory begins with what Acme had before it had qualifyd. In a bubble that was in February 2026, and it is Monday, 2 March.
func newStory(t *testing.T, bubble bool) *story {
	if bubble {
		time.Sleep(time.Until(time.Date(2026, 2, 2, 9, 0, 0, 0, time.UTC)))
	}
	s := &story{t: t, bubble: bubble, org: sandbox.NewOrg(nil), rf: sandbox.NewReferralFactory(nil), etc: folder(t, shownEtc), lib: folder(t, shownLib), home: t.TempDir(),
		backups: folder(t, shownBackups),
		who:     map[string]sandbox.User{}, lead: map[string]string{}}
	s.config = filepath.Join(s.etc, "config.yaml")
	via := sandbox.Transport(map[string]http.Handler{strings.TrimPrefix(acmeURL, "https://"): s.org.Handler(), "api.referral-factory.com": s.rf.Handler()})
	s.via = transports{via, via}
	s.org.Update("Organization", s.org.ID(), sandbox.Fields{"Name": "Acme Ltd"})
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		s.org.AddField(object, sandbox.FieldDef{Name: "Referral_Code__c", Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	s.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Qualified"})
	for n, name := range []string{"Refer a friend", "Partner circle", "Spring event", "Newsletter", "Summer party"} {
		s.rf.AddCampaign(int64(101+n), name)
	}
	s.rf.SetStatus(105, "draft")
	for _, name := range []string{"Cleo", "Eve"} {
		s.enter(name, sandbox.Fields{"Email": email(name), "Status": "Working - Contacted"})
	}
	s.org.Update("Lead", s.lead["Eve"], sandbox.Fields{"Status": "Qualified"})
	for n, name := range []string{"Olga", "Paul", "Rosa", "Stan", "Tara"} { // whom nobody referred
		s.enter(name, sandbox.Fields{"Email": email(name)})
		if n%2 == 0 {
			s.org.Update("Lead", s.lead[name], sandbox.Fields{"Status": "Qualified"})
		}
	}
	if bubble {
		s.goTo(2, "09:00")
	}
	return s
}

// untilNextMinute is what a person takes to type a command, and makes up for retries, which wait for as long as chance has it.
func (s *story) untilNextMinute() {
	if s.bubble {
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	}
}

func email(name string) string { return strings.ToLower(name) + "@example.com" }

// goTo lets time go by until an hour of a day of March.
func (s *story) goTo(day int, hour string) {
	at, err := time.Parse("2006-01-02 15:04", fmt.Sprintf("2026-03-%02d %s", day, hour))
	if err != nil || time.Until(at) < 0 {
		s.t.Fatalf("%d March %s is over", day, hour)
	}
	time.Sleep(time.Until(at))
}

// play lets a scene happen.
func (s *story) play(name string) {
	scene := scenes[name]
	if scene == nil {
		s.t.Fatalf("there is no scene %q", name)
	}
	scene(s)
}

func (s *story) write(name, text string) {
	if err := os.WriteFile(filepath.Join(s.etc, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// install puts the config and its secrets into place.
func (s *story) install(campaigns string) {
	id, secret := s.org.Credentials()
	s.write("salesforce-secret", secret)
	s.write("referral-factory-key", s.rf.Key())
	s.write("config.yaml", fmt.Sprintf(`salesforce:
  login_url: %s
  auth: {flow: client_credentials, client_id: %s, client_secret_file: salesforce-secret}
referral_factory:
  api_key_file: referral-factory-key
store:
  path: %s/qualifyd.db
log:
  level: error
campaigns:
%s`, acmeURL, id, s.lib, campaigns))
}

// edit replaces a piece of the config.
func (s *story) edit(old, new string) {
	text := string(readFile(s.t, s.config))
	if !strings.Contains(text, old) {
		s.t.Fatalf("the config has no %q:\n%s", old, text)
	}
	s.write("config.yaml", strings.Replace(text, old, new, 1))
}

// pass has qualifyd do everything once, a minute later.
func (s *story) pass() {
	time.Sleep(time.Minute)
	if said := s.qualifyd("run", "--once"); s.code != exitDone {
		s.t.Fatalf("a pass went wrong (%d):\n%s", s.code, said)
	}
}

// refer has people join campaigns by a referral link.
func (s *story) refer(campaign int64, names ...string) {
	for _, name := range names {
		s.who[name] = s.rf.Refer(campaign, sandbox.NewUser{FirstName: name, Email: email(name)})
	}
}

// enter has the sales team make somebody's Lead.
func (s *story) enter(name string, fields sandbox.Fields) {
	fields["FirstName"], fields["LastName"], fields["Company"] = name, "Smith", "Smith & Co"
	s.lead[name] = s.org.Create("Lead", fields)
}

// enterReferred has the sales team make the Leads of referrals, as they come in.
func (s *story) enterReferred(names ...string) {
	for _, name := range names {
		s.enter(name, sandbox.Fields{"Email": s.who[name].Email, "Referral_Code__c": s.who[name].Code})
	}
}

func (s *story) status(status string, names ...string) {
	for _, name := range names {
		s.org.Update("Lead", s.lead[name], sandbox.Fields{"Status": status})
	}
}

// pasting is a person who opens the address that connect shows on another machine, allows the app there, and pastes where the browser ends.
type pasting struct {
	*story
	shown *transcript
	done  bool
}

func (p *pasting) Read(typed []byte) (int, error) {
	if p.done {
		return 0, io.EOF
	}
	p.done = true
	invited := regexp.MustCompile(`(?s)\n  (https://\S+)\n.*paste the address`)
	req, err := http.NewRequest(http.MethodGet, p.shown.await(invited)[1], nil)
	if err != nil {
		return 0, err
	}
	resp, err := p.via.salesforce.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	allow := regexp.MustCompile(`href="([^"]*)">Allow`).FindSubmatch(page)
	if allow == nil {
		return 0, fmt.Errorf("the page has no link to allow the app: %s", page)
	}
	line := html.UnescapeString(string(allow[1])) + "\n"
	fmt.Fprint(p.shown, line) // a terminal shows what is typed
	return copy(typed, line), nil
}
