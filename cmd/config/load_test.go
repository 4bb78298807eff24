package config

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

var sameValues = cmp.Options{
	cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() && a.From() == b.From() }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
}

// writeConfig writes a config file that only its owner can read.
func writeConfig(t *testing.T, folder, text string) string {
	t.Helper()
	return writeFile(t, folder, "config.yaml", text, 0o600)
}

func writeFile(t *testing.T, folder, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) (Config, []Warning) {
	t.Helper()
	config, warnings, err := Load(path)
	if err != nil {
		t.Fatalf("loading %s:\n%v", path, err)
	}
	return config, warnings
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestValuesAreTakenAsPeopleWriteThem(t *testing.T) {
	key := testRSAKey(t)
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_PRIVATE_KEY", key)
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	t.Setenv("QUALIFYD_METRICS_PING", "https://switch.example.com/0123?up=1")
	got, warnings := load(t, "testdata/good-full.yaml")

	zone, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	apiKey, pingURL := "api-key", "https://switch.example.com/0123?up=1"
	fields := []Mapping{
		{To: "LastName", Dynamic: "meta.Last Name", Otherwise: "(unknown)"},
		{To: "Company", Fixed: "Referred"},
		{To: "Score__c", Fixed: json.Number("5.50")},
		{To: "PostalCode", Fixed: "0123"},
		{To: "Referred__c", Fixed: true},
		{To: "Since__c", Fixed: "2026-01-01"},
		{To: "Referrer__c", Dynamic: "referrer.meta.Last Name"},
		{To: "Referral_Code__c", Dynamic: "code"},
	}
	want := Config{
		Salesforce: Salesforce{
			LoginURL: "https://test.salesforce.com", APIVersion: "67.0", DailyCalls: DailyCalls{Calls: 20000},
			Auth: Auth{
				Flow: FlowJWT, ClientID: "3MVG9", Username: "integration@example.com", Audience: "https://test.salesforce.com",
				PrivateKey: Secret{&key, "$QUALIFYD_SALESFORCE_AUTH_PRIVATE_KEY"},
			},
		},
		ReferralFactory: ReferralFactory{
			BaseURL: "http://127.0.0.1:8322/api/v2", CallsPerMinute: 60, SendFromSandbox: true,
			APIKey:   Secret{&apiKey, "$QUALIFYD_REFERRAL_FACTORY_API_KEY"},
			Timezone: "America/Santiago", Location: zone,
		},
		Poll:    Poll{Schedule: "*/5 * * * *", Sweep: "@hourly", Overlap: 90 * time.Minute, Reconcile: "30 2 * * *"},
		Store:   Store{Path: filepath.Join(testdata, "state/qualifyd.db")},
		Console: Console{Listen: "[::1]:8321"},
		Metrics: Metrics{Listen: ":9321", Textfile: filepath.Join(testdata, "state/qualifyd.prom"),
			Ping: Secret{&pingURL, "$QUALIFYD_METRICS_PING"}},
		Log: Log{Level: "debug", Format: "json"},
		Campaigns: []Campaign{
			{
				ID: 101, Name: "2026", WhenLeadJoins: rules.DoNothingOnJoin, Object: rules.Contact, Duplicates: rules.Update,
				// That night the clocks of Santiago went from 24:00 to 1:00.
				EffectiveFrom: EffectiveFrom{Text: "2026-09-06", IsDate: true, Time: time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC)},
				Brake:         Brake{Off: true},
				Qualify:       Qualify{Method: rules.ContactFieldChanges, Field: "Is_Customer__c", Value: "true"},
			},
			{
				ID: 102, WhenLeadJoins: rules.CreateLead, Object: rules.Lead, ReferralCodeField: "Referral_Code__c",
				Fields: fields, Duplicates: rules.CreateNew,
				EffectiveFrom: EffectiveFrom{Text: "2026-01-01T09:00:00+01:00", Time: time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)},
				Brake:         Brake{Off: true},
				Qualify:       Qualify{Method: rules.LeadFieldChanges, Field: "Level__c", Value: "0123"},
			},
			{
				ID: 103, WhenLeadJoins: rules.CreateContact, Object: rules.Contact, Fields: fields, Duplicates: rules.DoNothing,
				Brake:   Brake{Count: 5, Window: 24 * time.Hour},
				Qualify: Qualify{Method: rules.None},
			},
			{
				ID: 104, WhenLeadJoins: rules.DoNothingOnJoin, Object: rules.Lead, Duplicates: rules.DoNothing,
				Brake:   Brake{Count: 50, Window: time.Hour},
				Qualify: Qualify{Method: rules.LeadConvertsToStage, Stage: "Closed Won"},
			},
		},
	}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if len(warnings) > 0 {
		t.Errorf("got warnings %v, want none", warnings)
	}
}

func TestAMinimalFileGetsTheDefaults(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	got, _ := load(t, "testdata/good-minimal.yaml")

	want := Default()
	want.Salesforce.LoginURL = "https://acme.my.salesforce.com"
	want.Salesforce.Auth.ClientID = "3MVG9"
	want.Salesforce.Auth.ClientSecret = got.Salesforce.Auth.ClientSecret
	want.ReferralFactory.APIKey = got.ReferralFactory.APIKey
	campaign := DefaultCampaign()
	campaign.ID = 101
	campaign.Qualify.Method = rules.LeadConverts
	want.Campaigns = []Campaign{campaign}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// exampleIn copies config.example.yaml to a folder and puts its secret files there too.
func exampleIn(t *testing.T, folder string) string {
	t.Helper()
	writeFile(t, folder, "salesforce-secret", "salesforce-secret\n", 0o600)
	writeFile(t, folder, "referral-factory-key", "referral-factory-key\n", 0o600)
	return writeConfig(t, folder, strings.ReplaceAll(readFile(t, "../../config.example.yaml"), "/etc/qualifyd/", folder+"/"))
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	folder := t.TempDir()
	path := exampleIn(t, folder)
	got, warnings := load(t, path)

	want := Default()
	want.Salesforce.LoginURL = "https://acme.my.salesforce.com"
	want.Salesforce.Auth.ClientID = "3MVG9..."
	want.Salesforce.Auth.ClientSecretFile = filepath.Join(folder, "salesforce-secret")
	want.Salesforce.Auth.ClientSecret = got.Salesforce.Auth.ClientSecret
	want.ReferralFactory.APIKeyFile = filepath.Join(folder, "referral-factory-key")
	want.ReferralFactory.APIKey = got.ReferralFactory.APIKey
	campaign := DefaultCampaign()
	campaign.ID, campaign.Name, campaign.ReferralCodeField = 101, "Refer a friend", "Referral_Code__c"
	campaign.Qualify = Qualify{Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified"}
	want.Campaigns = []Campaign{campaign}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("config.example.yaml and the defaults (-want +got):\n%s", diff)
	}
	if len(warnings) > 0 {
		t.Errorf("got warnings %v, want none", warnings)
	}
}

// The comparison above cannot see a default that the example leaves out, or a key that it never mentions.
func TestTheExampleNamesEveryKey(t *testing.T) {
	text := readFile(t, "../../config.example.yaml")
	doc := readDocument("../../config.example.yaml")
	var check func(path string, section reflect.Type)
	check = func(path string, section reflect.Type) {
		for _, k := range keysOf(section) {
			at, below := join(path, k.name), k.kind
			inRows := strings.Contains(at, "fields[0]") // commented out
			if !k.omitEmpty && !inRows && !doc.has(at) {
				t.Errorf("got no %s in config.example.yaml, want it shown", at)
			}
			if !strings.Contains(text, k.name+":") && !strings.Contains(text, "Or: "+k.name+",") {
				t.Errorf("got no mention of %s in config.example.yaml", at)
			}
			if below.Kind() == reflect.Slice {
				at, below = at+"[0]", below.Elem()
			}
			check(at, below)
		}
	}
	check("", reflect.TypeFor[Config]())
}

// uncommented turns the example's commented-out keys on, and what contradicts them off.
func uncommented(text string) string {
	for _, line := range []string{
		"# fields:", "#   - {to: LastName", "#   - {to: Email", "#   - {to: Company", "# effective_from:",
	} {
		text = strings.Replace(text, line, strings.Replace(line, "# ", "", 1), 1)
	}
	text = strings.Replace(text, "    object: Lead\n", "", 1)
	return strings.Replace(text, "when_lead_joins: nothing", "when_lead_joins: create_lead", 1)
}

func TestTheExampleHoldsWithItsCommentsTurnedOn(t *testing.T) {
	folder := t.TempDir()
	path := exampleIn(t, folder)
	writeConfig(t, folder, uncommented(readFile(t, path)))
	config, warnings := load(t, path)
	if got := len(config.Campaigns[0].Fields); got != 3 {
		t.Errorf("got %d rows of fields, want 3", got)
	}
	if got := config.Campaigns[0].EffectiveFrom.Text; got != "2026-01-01" {
		t.Errorf("got effective_from %q, want 2026-01-01", got)
	}
	if len(warnings) > 0 {
		t.Errorf("got warnings %v, want none", warnings)
	}
}

func TestUnmappedRequiredFieldsAreAWarning(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	path := writeConfig(t, t.TempDir(), strings.Replace(readFile(t, "testdata/good-minimal.yaml"),
		"  - id: 101\n", "  - id: 101\n    when_lead_joins: create_lead\n    fields: [{to: lastname, dynamic: first_name}]\n", 1))
	_, warnings := load(t, path)
	want := []Warning{{
		Key: "campaigns[0].fields", Line: 8,
		Text: "nothing fills Company, which Salesforce usually requires of a Lead; referrals would wait as join_refused",
	}}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestWhatShowWritesLoadsAsTheSameConfig(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_PRIVATE_KEY", testRSAKey(t))
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	want, _ := load(t, "testdata/good-full.yaml")
	got, _ := load(t, writeConfig(t, t.TempDir(), want.Show()))
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("config (-want +got):\n%s\nshown as:\n%s", diff, want.Show())
	}
	if got.Show() != want.Show() {
		t.Errorf("got %s\nwant %s", got.Show(), want.Show())
	}
}

func TestThePageAndTheMetricsCannotShareAPort(t *testing.T) {
	const fixed = "127.0.0.1:8321"
	for listen, refused := range map[[2]string]bool{
		{fixed, fixed}: true, {fixed, ":8321"}: true, {fixed, "0.0.0.0:8321"}: true, {fixed, "[::]:8321"}: true, {fixed, "localhost:8321"}: true,
		{"[::1]:8321", "0.0.0.0:8321"}: false, {"[::1]:8321", "[::]:8321"}: true, {"[::1]:8321", "[::1]:8321"}: true, {fixed, "prometheus.example:8321"}: false,
		{fixed, "127.0.0.1:9321"}: false, {fixed, "10.0.0.5:8321"}: false, {fixed, ""}: false, {"127.0.0.1:0", ":0"}: false,
	} {
		page, metrics := listen[0], listen[1]
		t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
		t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
		path := writeConfig(t, t.TempDir(), minimal("", "")+fmt.Sprintf("console: {listen: %q}\nmetrics: {listen: %q}\n", page, metrics))
		_, _, err := Load(path)
		said := fmt.Sprintf("metrics.listen: %q takes the port of console.listen", metrics)
		if got := err != nil && strings.Contains(err.Error(), said); got != refused || !refused && err != nil {
			t.Errorf("metrics.listen %q beside the page's %q: got %v, want it refused: %v", metrics, page, err, refused)
		}
	}
}

func TestAFileThatMayNotBeReadSaysWhoMay(t *testing.T) {
	err := withoutPath(&fs.PathError{Op: "open", Path: "/etc/qualifyd/config.yaml", Err: syscall.EACCES}) // root, as which tests may run, reads everything
	const want = "permission denied; let the service's user read it, and run this as that user or as root"
	if got := err.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
