package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// newcomer is a world whose config is still to be made, in a folder of its own, and the flags that every such command has.
func newcomer(t *testing.T) (w *world, flags []string) {
	t.Helper()
	w = newWorld(t, watching)
	text := string(readFile(t, w.config))
	pick := func(key string) string {
		_, rest, _ := strings.Cut(text, key+": ")
		return rest[:strings.IndexAny(rest, ",\n")]
	}
	w.config = filepath.Join(w.folder, "new", "config.yaml")
	if err := os.Mkdir(filepath.Dir(w.config), 0o755); err != nil {
		t.Fatal(err)
	}
	return w, []string{"init", "--login-url", pick("login_url"), "--client-id", pick("client_id"), "--client-secret-file", filepath.Join(w.folder, "salesforce-secret"),
		"--base-url", pick("base_url"), "--api-key-file", filepath.Join(w.folder, "referral-factory-key"), "--store", w.storePath()}
}

func with(flags []string, more ...string) []string { return append(slices.Clone(flags), more...) }

// files are the names in the folder of the config.
func (w *world) files() (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.config))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (w *world) wantFiles(names ...string) {
	w.t.Helper()
	if got := w.files(); !slices.Equal(got, names) {
		w.t.Errorf("the config's folder has %v, want %v", got, names)
	}
}

func TestInitWritesAConfigThatQualifies(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	w.run(with(flags, "--campaign", "101", "--method", "lead_field_changes", "--field", "status", "--value", "qualified", "--code-field", "Referral_Code__c")...).
		want(exitDone, w.config+" is written, and right", "qualifyd run --dry-run --config "+w.config)
	w.wantFiles("config.yaml")
	w.run("config", "check", "--online").want(exitDone, "is right: 1 campaign").wantNot("warning")
	w.open()
	ann := w.due("Ann", 101)
	w.pass()
	w.wantQualified(ann)
}

// What was answered is what config.Load reads, whatever YAML would make of it.
func TestInitWritesWhatWasAnswered(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Note__c", Label: "Note"})
	w.rf.AddCampaign(200, "Friends: \"50%\" off, #1\n[new] {x} é")
	w.org.AddPicklistValue("Opportunity", "StageName", sandbox.PicklistValue{Value: "No", Label: "Never: really"})
	w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "null"})
	campaign := func(change func(*config.Campaign)) config.Campaign {
		c := config.DefaultCampaign()
		c.ID, c.Name = 101, "Campaign 101"
		change(&c)
		return c
	}
	for name, test := range map[string]struct {
		flags []string
		want  config.Campaign
	}{
		"least": {[]string{"--campaign", "101", "--method", "none"}, campaign(func(c *config.Campaign) { c.Qualify.Method = rules.None })},
		"a stage by its label": {[]string{"--campaign", "101", "--method", "lead_converts_to_stage", "--stage", "never: REALLY"}, campaign(func(c *config.Campaign) {
			c.Qualify = config.Qualify{Method: rules.LeadConvertsToStage, Stage: "No"}
		})},
		"contacts": {[]string{"--campaign", "102", "--object", "Contact", "--method", "contact_field_changes", "--field", "Title", "--value", "2026-01-01",
			"--duplicates", "update", "--effective-from", "2026-02-03"}, campaign(func(c *config.Campaign) {
			c.ID, c.Name, c.Object, c.Duplicates = 102, "Campaign 102", rules.Contact, rules.Update
			c.EffectiveFrom.Text, c.EffectiveFrom.IsDate = "2026-02-03", true
			c.Qualify = config.Qualify{Method: rules.ContactFieldChanges, Field: "Title", Value: "2026-01-01"}
		})},
		"created Leads": {[]string{"--campaign", "101", "--when-lead-joins", "create_lead", "--code-field", "referral code", "--duplicates", "create_new",
			"--method", "lead_field_changes", "--field", "Status", "--value", "null"}, campaign(func(c *config.Campaign) {
			c.WhenLeadJoins, c.Duplicates, c.ReferralCodeField, c.Fields = rules.CreateLead, rules.CreateNew, "Referral_Code__c", usualMapping(rules.Lead)
			c.Qualify = config.Qualify{Method: rules.LeadFieldChanges, Field: "Status", Value: "null"}
		})},
		"created Contacts": {[]string{"--campaign", "101", "--when-lead-joins", "create_contact", "--method", "none"}, campaign(func(c *config.Campaign) {
			c.WhenLeadJoins, c.Object, c.Fields = rules.CreateContact, rules.Contact, usualMapping(rules.Contact)
			c.Qualify.Method = rules.None
		})},
		"odd words": {[]string{"--campaign", "200", "--method", "lead_field_changes", "--field", "Note__c", "--value", "- a: 'b' # {c}\t\"d\""}, campaign(func(c *config.Campaign) {
			c.ID, c.Name = 200, `Friends: "50%" off, #1 [new] {x} é`
			c.Qualify = config.Qualify{Method: rules.LeadFieldChanges, Field: "Note__c", Value: "- a: 'b' # {c}\t\"d\""}
		})},
	} {
		w.run(with(flags, append(test.flags, "--force")...)...).want(exitDone)
		c, warnings, err := config.Load(w.config)
		if err != nil || len(warnings) > 0 || len(c.Campaigns) != 1 {
			t.Errorf("%s: got %v, warnings %v and %d campaigns, want one and no complaint\n%s", name, err, warnings, len(c.Campaigns), readFile(t, w.config))
			continue
		}
		if diff := cmp.Diff(test.want, c.Campaigns[0], cmpopts.IgnoreFields(config.EffectiveFrom{}, "Time")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		w.run("config", "check", "--online").want(exitDone)
	}
}

func TestInitWithAPrivateKeyOrAPerson(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.after(-time.Until(morning)) // the key's proofs bear this machine's time
	w.org.TrustKey("integration@example.com", &key.PublicKey)
	w.write("salesforce.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	flags = slices.Delete(flags, 5, 7) // the secret
	rule := []string{"--campaign", "101", "--method", "lead_converts"}
	w.run(with(flags, append(rule, "--flow", "jwt", "--username", "integration@example.com", "--private-key-file", filepath.Join(w.folder, "salesforce.key"))...)...).
		want(exitDone, "is written, and right")
	w.run("config", "check", "--online").want(exitDone)
	w.run(with(flags, append(rule, "--flow", "web", "--force")...)...).want(exitDone, "could not be checked", "qualifyd connect --config "+w.config)
	w.run("config", "check").want(exitDone)
	// An app may require its secret of this flow too.
	secret := filepath.Join(w.folder, "salesforce-secret")
	w.run(with(flags, append(rule, "--flow", "web", "--force", "--client-secret-file", secret)...)...).want(exitDone)
	w.run("config", "show").want(exitDone, "client_secret_file: "+secret)
}

func TestInitSaysBeforeTheFirstQuestionWhereItCannotWrite(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	folder := filepath.Dir(w.config)
	flags = with(flags, "--campaign", "101", "--method", "none")
	w.config = filepath.Join(folder, "none", "config.yaml")
	w.run(flags...).want(exitFailed, "there is no folder "+filepath.Dir(w.config)+"; make it")
	w.config = folder
	w.run(with(flags, "--force")...).want(exitUsage, folder+" is no ordinary file")
	w.config = filepath.Join(folder, "config.yaml")
	if os.Geteuid() != 0 { // root may write anywhere
		if err := os.Chmod(folder, 0o555); err != nil {
			t.Fatal(err)
		}
		w.run(flags...).want(exitFailed, "the folder "+folder+" cannot be written to")
	}
	if len(w.asked) > 0 {
		t.Errorf("got %d requests, want none", len(w.asked))
	}
}

func TestInitNamesTheFlagThatIsMissing(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	all := with(flags, "--campaign", "101", "--method", "lead_field_changes", "--field", "Status", "--value", "Qualified")
	for _, flag := range []string{"--login-url", "--client-id", "--client-secret-file", "--api-key-file", "--campaign", "--method", "--field", "--value"} {
		at := slices.Index(all, flag)
		w.run(slices.Delete(slices.Clone(all), at, at+2)...).want(exitUsage, flag+" is missing: ")
	}
	w.run(with(flags, "--campaign", "101", "--method", "lead_converts_to_stage")...).want(exitUsage, "--stage is missing")
	w.wantFiles()
}

func TestInitRefusesWrongAnswersAndWritesNothing(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	w.write("wrong", "no-such-secret")
	w.write("empty", "\n")
	rule := []string{"--campaign", "101", "--method", "lead_field_changes", "--field", "Status", "--value", "Qualified"}
	for _, test := range []struct {
		flag, value string
		code        int
		says        string
	}{
		{"--client-secret-file", filepath.Join(w.folder, "wrong"), exitRefused, "log in to Salesforce"},
		{"--client-secret-file", filepath.Join(w.folder, "empty"), exitUsage, "empty is empty"},
		{"--client-secret-file", filepath.Join(w.folder, "none"), exitUsage, "--client-secret-file: open "},
		{"--api-key-file", filepath.Join(w.folder, "wrong"), exitRefused, "Referral Factory refused the API key"},
		{"--login-url", "acme my domain", exitUsage, "--login-url: "},
		{"--login-url", "http://acme.my.salesforce.com", exitUsage, "--login-url: \"http://acme.my.salesforce.com\" does not start with https"},
		{"--login-url", "acme.lightning.force.com/lightning/page/home", exitUsage, "acme.lightning.force.com is the address of the Lightning pages"},
		{"--login-url", "https://acme.my.salesforce-setup.com/", exitUsage, "address of the Setup pages"},
		{"--login-url", "login.salesforce.com", exitUsage, "login.salesforce.com does not serve client_credentials"},
		{"--login-url", "http://127.0.0.1:1", exitIncomplete, "log in to Salesforce: dial tcp 127.0.0.1:1"},
		{"--base-url", "http://127.0.0.1:1/api/v2", exitIncomplete, "Referral Factory did not answer"},
		{"--base-url", "127.0.0.1:1/api/v2", exitUsage, "--base-url: is not a web address"},
		{"--campaign", "999", exitUsage, `--campaign: there is no "999"; there are 101, 102, 103`},
		{"--method", "lead_convert", exitUsage, "did you mean lead_converts"},
		{"--method", "contact_field_changes", exitUsage, "--method: there is no \"contact_field_changes\""}, // not of Leads
		{"--field", "Stauts", exitUsage, "did you mean State or Status?"},
		{"--value", "Qualifed", exitUsage, "did you mean Qualified?"},
		{"--flow", "password", exitUsage, "--flow: "},
		{"--timezone", "Mars/Olympus", exitUsage, "--timezone: "},
		{"--effective-from", "soon", exitUsage, "--effective-from: "},
		{"--code-field", "Code__c", exitUsage, "--code-field: "},
		{"--stage", "Closed Won", exitUsage, "--stage has no effect beside the other answers"},
		{"--object", "Contact", exitUsage, "there is no \"lead_field_changes\""},
	} {
		w.run(with(flags, append(rule, test.flag, test.value)...)...).want(test.code, test.says) // of a flag given twice the last counts
	}
	// What only the whole config shows: with flow web nobody has logged in with this secret before.
	w.write("two", "a secret\nand more\n")
	w.run(with(flags, "--flow", "web", "--client-secret-file", filepath.Join(w.folder, "two"), "--campaign", "101", "--method", "none")...).
		want(exitConfig, w.config+":", "salesforce.auth.client_secret_file: ", "holds more than one line")
	w.wantFiles()
}

func TestInitNeverReplacesAConfigUnasked(t *testing.T) {
	t.Parallel()
	w, flags := newcomer(t)
	if err := os.WriteFile(w.config, []byte("mine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	rule := []string{"--campaign", "101", "--method", "lead_converts"}
	w.run(with(flags, rule...)...).want(exitUsage, w.config+" is there already; --add adds a campaign to it, --force replaces it")
	if got := string(readFile(t, w.config)); got != "mine\n" || len(w.asked) > 0 {
		t.Errorf("got the config %q after %d requests, want it untouched and none", got, len(w.asked))
	}
	w.run(with(flags, append(rule, "--force")...)...).want(exitDone)
	info, err := os.Stat(w.config)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got mode %v, %v; want that of the file that was replaced", info.Mode(), err)
	}
	w.wantFiles("config.yaml")
}

func TestInitAddsACampaignAndLeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	text := string(readFile(t, w.config))
	head, _, _ := strings.Cut(text, "campaigns:")
	const item = "# %d\n%[2]s- id: %[1]d # mine\n%[2]s  qualify:\n%[2]s    method: none\n%[2]s    # the last of it\n"
	for name, test := range map[string]struct{ before, after string }{
		"at the end":            {head + "campaigns:\n" + fmt.Sprintf(item, 101, "  "), ""},
		"not indented":          {head + "campaigns:\n" + fmt.Sprintf(item, 101, ""), ""},
		"deeply, no newline":    {head + "campaigns:\n" + strings.TrimSpace(fmt.Sprintf(item, 101, "        ")), ""},
		"before something else": {"campaigns:\n" + fmt.Sprintf(item, 101, "  "), "\n# and then\n# comes this\n" + head},
	} {
		w.write("config.yaml", test.before+test.after)
		w.run("init", "--add", "--campaign", "102", "--method", "lead_converts").want(exitDone, "Campaigns: 2.")
		got := string(readFile(t, w.config))
		if !strings.HasPrefix(got, test.before) || !strings.HasSuffix(got, test.after) || strings.Count(got, "\n    - #")+strings.Count(got, "\n- #") > 1 {
			t.Errorf("%s: got\n%s\nwant what was there, and the new campaign between", name, got)
		}
		w.run("init", "--add", "--campaign", "103", "--method", "none").want(exitDone, "Campaigns: 3.")
		w.run("config", "check", "--online").want(exitDone, "is right: 3 campaigns")
	}
	w.run("init", "--add", "--campaign", "103", "--method", "none").want(exitUsage, "--campaign: 103 is in "+w.config+" already")
	w.run("init", "--add", "--campaign", "102", "--login-url", "x", "--method", "none").want(exitUsage)
}

func TestInitCannotAddToAListInOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, " [{id: 101, qualify: {method: none}}]\n")
	before := readFile(t, w.config)
	w.run("init", "--add", "--campaign", "102", "--method", "none").want(exitFailed, "add this by hand", "id: 102")
	if got := readFile(t, w.config); string(got) != string(before) {
		t.Errorf("got\n%s\nwant the config as it was", got)
	}
	w.write("config.yaml", "salesforce: {}\n")
	w.run("init", "--add", "--campaign", "102", "--method", "none").want(exitConfig)
}

// The documentation names two addresses. The one that answers is taken.
func TestInitFindsTheAddressThatAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers   string // the host that does
		given     string
		want, err string
	}{
		"api":                {answers: "api.referral-factory.com", want: apiHost},
		"bare":               {answers: "referral-factory.com", want: bareHost},
		"neither":            {err: "check the base URL"},
		"given":              {answers: "referral-factory.com", given: bareHost + "/", want: bareHost},
		"given the other":    {answers: "api.referral-factory.com", given: bareHost, err: apiHost + " answers: give --base-url " + apiHost},
		"given another host": {answers: "referral-factory.com", given: "https://elsewhere.example/api/v2", err: "did not answer"},
	} {
		synctest.Test(t, func(t *testing.T) { // who does not answer is asked again after a while
			rf := sandbox.NewReferralFactory(nil)
			hosts := map[string]http.Handler{}
			for _, host := range []string{"api.referral-factory.com", "referral-factory.com"} {
				hosts[host] = rf.Handler()
				if host != test.answers {
					hosts[host] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
						w.WriteHeader(http.StatusNotFound)
					})
				}
			}
			key := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(key, []byte(rf.Key()), 0o600); err != nil {
				t.Fatal(err)
			}
			i := &interview{given: map[string]string{"api-key-file": key}, used: map[string]bool{}}
			if test.given != "" {
				i.given["base-url"] = test.given
			}
			s := (&app{configPath: filepath.Join(t.TempDir(), "config.yaml")}).newSetup(i, false)
			s.via.referralFactory = sandbox.Transport(hosts)
			err := s.askReferralFactory(t.Context())
			switch {
			case test.err == "" && (err != nil || s.config.ReferralFactory.BaseURL != test.want):
				t.Errorf("%s: got %s, %v; want %s", name, s.config.ReferralFactory.BaseURL, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("%s: got %v, want %q", name, err, test.err)
			}
		})
	}
}

// As root writes them into the /etc/qualifyd of the packages, the service's group may read the secrets; nowhere else may a group.
func TestTheGroupMayReadASecretOnlyInAFolderThatIsTheGroups(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{
		fs.ModeSetgid | 0o750: 0o640,
		fs.ModeSetgid | 0o755: 0o600, // others may enter
		0o750:                 0o600,
	} {
		folder := t.TempDir()
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		if got := secretMode(folder); got != want {
			t.Errorf("a folder of mode %v: got %v, want %v", mode, got, want)
		}
	}
}

func TestEachServicesConfigHasAStoreOfItsOwn(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/qualifyd/config.yaml": "/var/lib/qualifyd/qualifyd.db",
		"/etc/qualifyd/acme.yaml":   "/var/lib/qualifyd-acme/qualifyd.db",
		"/etc/qualifyd/old/a.yaml":  "/var/lib/qualifyd/qualifyd.db",
		"/home/maria/acme.yaml":     "/var/lib/qualifyd/qualifyd.db",
	} {
		if got := usualStore(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
