package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qualifyd/cmd/config"
	"qualifyd/sync/sandbox"
)

func TestAWrongConfigExits78WithAllProblemsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.edit("daily_calls: 20%", "daily_calls: lots")
	w.edit("sweep: \"@every 10m\"", "sweep: \"@every 1s\"\n  intervall: 5m")
	w.edit("method: lead_field_changes", "method: lead_field_change")
	w.edit("client_secret_file: salesforce-secret", "client_secret_file: nowhere")
	for _, args := range []string{"config check", "config check --online", "config show", "run --once", "run --dry-run", "run", "doctor", "poll", "fields Lead"} {
		w.run(strings.Fields(args)...).want(exitConfig, "config.yaml:4: salesforce.daily_calls: ", "poll.sweep: ", "poll.intervall: ",
			"campaigns[0].qualify.method: ", "salesforce.auth.client_secret_file: reading the file "+filepath.Join(w.folder, "nowhere"))
	}
	// These need no secret, and are for people who may not read it.
	for _, args := range []string{"explain 1001", "status", "referrals list", "release 101"} {
		w.run(strings.Fields(args)...).want(exitConfig, "config.yaml:4: salesforce.daily_calls: ", "poll.sweep: ").wantNot("nowhere")
	}
	if n := len(w.asked); n != 0 {
		t.Errorf("the services got %d requests, want none", n)
	}
	if _, err := os.Stat(w.storePath()); err == nil {
		t.Error("a store was made, want none")
	}
}

func TestAConfigThatIsNotThereExits78(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.config = filepath.Join(w.folder, "none.yaml")
	w.run("run", "--once").want(exitConfig, w.config)
	w.run("config", "show").want(exitConfig, w.config)
}

func TestConfigCheckTellsWarningsAndHowManyCampaigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching+creating)
	w.run("config", "check").want(exitDone, w.config+" is right: 2 campaigns").wantNot("warning")
	if err := os.Chmod(filepath.Join(w.folder, "salesforce-secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run("config", "check").want(exitDone, "warning: ", "everybody can read ", "is right: 2 campaigns")
	w.run("run", "--once").want(exitDone, `"level":"warn"`, "everybody can read ")
}

func TestConfigCheckOnlineNamesNearMisses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching+creating)
	w.run("config", "check", "--online").want(exitDone, "is right: 2 campaigns")
	w.edit("value: Qualified}", "value: Qualifed}")
	w.run("config", "check").want(exitDone)
	w.run("config", "check", "--online").want(exitConfig, "campaign 101: value_unknown: ", "did you mean Qualified?").wantNot("campaign 102", "is right")
	w.edit("value: Qualifed}", "value: qualified}") // in another case it is the same value
	w.edit("field: Status", "field: Stauts")
	w.run("config", "check", "--online").want(exitConfig, "campaign 101: field_unreadable: ", "Stauts", "Status")
	w.edit("field: Stauts", "field: Status")
	w.edit("referral_code_field: Referral_Code__c", "referral_code_field: Referal_Code__c")
	w.run("config", "check", "--online").want(exitConfig, "campaign 101: field_unreadable: ", "Referal_Code__c", "Referral_Code__c")
	w.edit("referral_code_field: Referal_Code__c", "referral_code_field: Referral_Code__c")
	w.edit("to: Company", "to: Compony")
	w.run("config", "check", "--online").want(exitConfig, "campaign 102: join_refused: fields fills Compony, and Lead has no such field that the Salesforce user may see; did you mean Company?")
	w.edit("to: Compony", "to: Company")
	w.edit("id: 102", "id: 999")
	w.run("config", "check", "--online").want(exitConfig, "campaigns[1].id: the Referral Factory account has no campaign 999").wantNot("campaigns[0]")
	w.rf.SetFault(always("/campaigns", sandbox.HTML(503))) // no pass needs the list
	w.run("config", "check", "--online").want(exitDone, "is right: 2 campaigns")
	if n := len(w.org.IDs("Lead")) + len(w.rf.Puts()); n != 0 {
		t.Errorf("a check wrote %d times, want never", n)
	}
}

func TestConfigCheckOnlineTellsWhichServiceIsInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.org.SetFault(always("/describe", sandbox.HTML(503)))
	w.run("config", "check", "--online").want(exitIncomplete, "qualifyd: describe Lead", "503")
	w.org.SetFault(nil)
	w.edit("  daily_calls: 20%", "  api_version: \"99.0\"\n  daily_calls: 20%")
	w.run("config", "check", "--online").want(exitConfig, "set api_version to one that the org lists")
	w.edit("  api_version: \"99.0\"\n", "")
	w.rf.RotateKey()
	w.run("config", "check", "--online").want(exitRefused, "qualifyd: ", "Referral Factory refused the API key")
	w.org.RotateSecret()
	w.run("config", "check", "--online").want(exitRefused, "qualifyd: log in to Salesforce", "check client_id and client_secret")
}

func TestConfigShowMasksSecretsWhereverTheyAre(t *testing.T) {
	w := newWorld(t, watching)
	shown := w.run("config", "show").want(exitDone, "daily_calls: 20%", "overlap: 20m", "when_lead_joins: nothing",
		"# salesforce.auth.client_secret: ******** from the file "+filepath.Join(w.folder, "salesforce-secret"))
	w.write("shown.yaml", shown.out)
	w.config = filepath.Join(w.folder, "shown.yaml")
	w.run("config", "check").want(exitDone) // what is shown is a config

	w.config = filepath.Join(w.folder, "config.yaml")
	w.edit("  api_key_file: referral-factory-key", "  api_key: "+w.rf.Key())
	w.edit(", client_secret_file: salesforce-secret", "")
	_, secret := w.org.Credentials()
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", secret)
	w.run("config", "show").want(exitDone, "api_key: '********'", "******** from $QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET")
}

// The sample config is what people start from: it loads once its secrets are there, and each default that it shows is the default.
func TestTheSampleConfigLoads(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sample := string(readFile(t, filepath.Join("..", "..", "config.example.yaml")))
	sample = strings.ReplaceAll(sample, "/etc/qualifyd/", folder+"/")
	for _, name := range []string{"salesforce-secret", "referral-factory-key"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("secret-"+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(path, []byte(sample), 0o644); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(path)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the sample: got error %v and warnings %v, want neither", err, warnings)
	}
	if c.Salesforce.Auth.ClientSecret.Reveal() != "secret-salesforce-secret" || c.ReferralFactory.APIKey.Reveal() != "secret-referral-factory-key" {
		t.Error("the sample does not read the secrets from the files that it names")
	}
	want, got := config.Default(), c
	if got.Poll != want.Poll || got.Log != want.Log || got.Store != want.Store || got.Salesforce.DailyCalls != want.Salesforce.DailyCalls ||
		got.ReferralFactory.BaseURL != want.ReferralFactory.BaseURL || got.ReferralFactory.CallsPerMinute != want.ReferralFactory.CallsPerMinute {
		t.Errorf("the sample does not show the defaults:\n%s", c.Show())
	}
	if one, want := c.Campaigns[0], config.DefaultCampaign(); one.Brake != want.Brake || one.Duplicates != want.Duplicates || one.WhenLeadJoins != want.WhenLeadJoins {
		t.Errorf("the sample's campaign does not show the defaults: %+v", one)
	}
}
