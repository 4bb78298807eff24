package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// badFiles says of each testdata/bad-NAME.yaml everything that Load must say, in order.
var badFiles = map[string][]string{
	"anchor": {
		`not valid YAML: a value starts with * and is not in quotes`,
	},
	"duplicate-keys": {
		`3: salesforce.login_url: is set twice, first on line 2; keep one`,
		`8: log: is set twice, first on line 6; keep one`,
		`17: campaigns[2].id: 101 is already the id of campaigns[0] (line 11); a campaign has one rule`,
	},
	"durations": {
		`3: salesforce.daily_calls: "0" is neither a share nor a number of calls; write 20% or 20000`,
		`7: poll.overlap: 20 has no unit; write 20m for minutes`,
		`10: campaigns[0].brake: "50/1d" lacks a duration like 1h or 24h after its number; write it like 50/1h, or off`,
		`14: campaigns[1].brake: "0/1h" is not a brake; write it like 50/1h, or off`,
		`17: campaigns[2].id: "701e10" is not a whole number in plain digits`,
		`18: campaigns[2].effective_from: "yesterday" is neither a date nor an instant with its zone; write 2026-01-01 or 2026-01-01T09:00:00Z`,
		`21: campaigns[3].id: -5 is not a campaign's number; write one like 101`,
	},
	"empty": {
		`the file is empty; have qualifyd init --force write one`,
	},
	"fields": {
		`11: campaigns[0].fields[1].to: lastname is already filled by fields[0]; keep one`,
		`12: campaigns[0].fields[2]: has both dynamic and fixed; keep one`,
		`13: campaigns[0].fields[3]: has neither dynamic nor fixed; write one of them`,
		`14: campaigns[0].fields[4].to: is missing; write the API name of the field to fill, like LastName`,
		`15: campaigns[0].fields[5].dynamic: "town" is not known; write one of id, first_name, email, code, url, source, campaign_name, meta.<label>, or referrer. before any of these`,
		`16: campaigns[0].fields[6].dynamic: "meta." is not known; write one of id, first_name, email, code, url, source, campaign_name, meta.<label>, or referrer. before any of these`,
		`17: campaigns[0].fields[7].dynamic: "referrer.referrer.email" is not known; write one of id, first_name, email, code, url, source, campaign_name, meta.<label>, or referrer. before any of these`,
		`18: campaigns[0].fields[8].otherwise: has no effect with fixed; remove it`,
		`19: campaigns[0].fields[9].to: "Lead Source" is not an API name; Salesforce shows it as Field Name in the Object Manager, like Status or Referral_Code__c`,
		`20: campaigns[0].fields[10].to: this row writes Qualified, the value that qualifies, to STATUS itself: nobody could then reach it; write another value`,
		`21: campaigns[0].fields[11].to: referral_code__c is the referral_code_field, which qualifyd fills with the code; remove this row`,
		`22: campaigns[0].fields[12].fixed: is empty; write a value or remove the line`,
		`29: campaigns[1].fields: is a section; want a list, each item starting with a dash`,
		`40: campaigns[2].fields[1].to: this row writes 5, the value that qualifies, to Score__c itself: nobody could then reach it; write another value`,
	},
	"flow": {
		`2: salesforce.login_url: holds a user name or password; they do not belong here`,
		`4: salesforce.auth.flow: "password" is not one of client_credentials, jwt, web`,
	},
	"jwt": {
		`2: salesforce.login_url: acme.lightning.force.com is the address of the Lightning pages; want the org's My Domain, like https://acme.my.salesforce.com`,
		`3: salesforce.auth.username: is missing; write the integration user's name, like integration@example.com`,
		`3: salesforce.auth.private_key: is missing; name its file in salesforce.auth.private_key_file, or set $QUALIFYD_SALESFORCE_AUTH_PRIVATE_KEY, or the systemd credential salesforce-private-key`,
		`6: salesforce.auth.client_secret_file: has no effect with flow: jwt; remove it`,
		`7: salesforce.auth.audience: is not a web address; write one like https://host.example.com`,
	},
	"dates": {
		`7: campaigns[0].effective_from: 0001-01-01 is before everything; write 2000-01-01 to count from the beginning`,
		`11: campaigns[1].effective_from: "2026-02-30" is neither a date nor an instant with its zone; write 2026-01-01 or 2026-01-01T09:00:00Z`,
	},
	"kinds": {
		`2: salesforce.login_url: is a list; want one value`,
		`4: salesforce.auth.client_id: is a section; want one value`,
		`5: poll: is a single value; want keys with values`,
		`7: log.level: has no value; write one or remove the line`,
		`8: log.format: is empty; write a value or remove the line`,
		`10: store.path: has no value; write one or remove the line`,
		`11: console: is a list; want keys with values`,
		`13: campaigns: is a section; want a list, each item starting with a dash`,
	},
	"leaks": {
		`campaigns: is missing; list at least one campaign`,
		`1: salesforce.client_secret: unknown key; known here: login_url, api_version, ca_file, auth, daily_calls`,
		`1: salesforce.auth.client_id: is missing; write the consumer key of the Salesforce app`,
		`3: referral_factory.base_url: is not a web address; write one like https://host.example.com`,
		`4: referral_factory.api_key: unknown key; known here: base_url, api_key, api_key_file, ca_file, calls_per_minute, timezone, send_from_sandbox`,
	},
	"login-host": {
		`2: salesforce.login_url: login.salesforce.com does not serve client_credentials; use your My Domain, like https://acme.my.salesforce.com`,
		`3: salesforce.api_version: "67" is not an API version; write one from 41.0 to 99.0, like 67.0`,
		`6: salesforce.auth.username: has no effect with flow: client_credentials; remove it`,
		`7: salesforce.auth.private_key_file: has no effect with flow: client_credentials; remove it`,
		`8: salesforce.auth.audience: has no effect with flow: client_credentials; remove it`,
	},
	"nothing-set": {
		`1: salesforce.login_url: is missing; write the org's My Domain, like https://acme.my.salesforce.com`,
		`1: salesforce.auth.client_id: is missing; write the consumer key of the Salesforce app`,
		`2: campaigns: is missing; list at least one campaign`,
	},
	"only-comments": {
		`the file is empty; have qualifyd init --force write one`,
	},
	"rules": {
		`7: campaigns[0].qualify.field: is missing; write the field's API name, like Status`,
		`7: campaigns[0].qualify.value: is missing; write the value that qualifies, like Qualified`,
		`9: campaigns[0].qualify.stage: has no effect with method: lead_field_changes; remove it`,
		`13: campaigns[1].qualify.field: has no effect with method: none; remove it`,
		`14: campaigns[1].qualify.value: has no effect with method: none; remove it`,
		`16: campaigns[2].qualify.stage: is missing; write the opportunity stage that qualifies, like Closed Won`,
		`18: campaigns[2].qualify.value: has no effect with method: lead_converts_to_stage; remove it`,
		`21: campaigns[3].qualify.method: "lead_convert" is not one of none, lead_field_changes, contact_field_changes, lead_converts, lead_converts_to_stage; did you mean lead_converts?`,
		`22: campaigns[4].qualify.method: is missing; write one of none, lead_field_changes, contact_field_changes, lead_converts, lead_converts_to_stage`,
		`25: campaigns[5].qualify.method: contact_field_changes cannot happen: this campaign's records are Leads (object: Lead); write none, lead_field_changes, lead_converts or lead_converts_to_stage`,
		`26: campaigns[5].qualify.field: "Lead Source" is not an API name; Salesforce shows it as Field Name in the Object Manager, like Status or Referral_Code__c`,
		`31: campaigns[6].qualify.method: lead_converts cannot happen: this campaign's records are Contacts (object: Contact); write none or contact_field_changes`,
		`37: campaigns[7].qualify.method: lead_converts cannot happen: this campaign's records are Contacts (when_lead_joins: create_contact); write none or contact_field_changes`,
		`39: campaigns[8].object: "Account" is not one of Lead, Contact`,
		`40: campaigns[8].referral_code_field: "Referral Code" is not an API name; Salesforce shows it as Field Name in the Object Manager, like Status or Referral_Code__c`,
		`41: campaigns[8].fields: has no effect with when_lead_joins: nothing; remove it`,
		`47: campaigns[9].object: contradicts when_lead_joins: create_lead, which makes a Lead; remove it`,
		`53: campaigns[9].qualify.value: has no value; write one or remove the line`,
		`54: campaigns[10].id: is missing; write the campaign's number in Referral Factory, like 101`,
		`56: campaigns[11]: is a single value; want keys with values`,
	},
	"second-document": {
		`9: a second YAML document starts here (---); one file holds one`,
	},
	"syntax": {
		`2: not valid YAML: found character that cannot start any token`,
	},
	"unknown-keys": {
		`3: salesforce.login-url: unknown key; did you mean login_url?`,
		`6: salesforce.auth.private_key: unknown key; did you mean private_key_file?`,
		`7: Poll: unknown key; did you mean poll?`,
		`10: poll.shedule: unknown key; did you mean schedule?`,
		`11: poll.intervall: unknown key; known here: schedule, sweep, overlap, reconcile`,
		`13: poll.Overlap: unknown key; did you mean overlap?`,
		`14: colour: unknown key; known here: salesforce, referral_factory, poll, store, console, metrics, log, campaigns`,
		`17: campaigns[0].field: unknown key; it belongs under campaigns.qualify`,
		`20: campaigns[0].qualify.brake: unknown key; it belongs under campaigns`,
	},
	"values": {
		`2: salesforce.login_url: "https://acme.my.salesforce.com/home" has a path; write only https and the host`,
		`3: salesforce.api_version: "40.0" is not an API version; write one from 41.0 to 99.0, like 67.0`,
		`4: salesforce.daily_calls: "120%" is not a share; write one over 0% and up to 100%`,
		`5: salesforce.ca_file: reading TESTDATA/no-such-ca.pem: no such file or directory`,
		`9: referral_factory.base_url: "http://api.referral-factory.com/api/v2" does not start with https; http is for loopback only`,
		`10: referral_factory.calls_per_minute: 601 is out of range; write 1 to 600`,
		`11: referral_factory.timezone: "Europe/Berln" is not a time zone; write an IANA name, like UTC or Europe/Berlin`,
		`12: referral_factory.send_from_sandbox: "maybe" is neither true nor false`,
		`14: poll.schedule: schedule "@every 5s"...`,
		`15: poll.sweep: schedule "0 0 31 2 *"...`,
		`16: poll.overlap: 10m is too short: rows can appear that late; write 15m or more`,
		`17: poll.reconcile: schedule "daily"...`,
		`19: console.listen: "0.0.0.0:8321" is open to other machines, and the page shows names; write a loopback address, like 127.0.0.1:8321`,
		`21: metrics.listen: "9321" is not an address with a port; write one like 127.0.0.1:8321`,
		`22: metrics.textfile: "TESTDATA/metrics.txt" does not end in .prom, and node_exporter reads no other; write one like /var/lib/prometheus/node-exporter/qualifyd.prom`,
		`24: log.level: "warning" is not one of debug, info, warn, error`,
		`25: log.format: "text" is not one of auto, json, console`,
		`27: campaigns[0].id: "0123" is not a whole number in plain digits`,
		`28: campaigns[0].when_lead_joins: "create_leads" is not one of nothing, create_lead, create_contact; did you mean create_lead?`,
		`29: campaigns[0].duplicates: "ignore" is not one of do_nothing, update, create_new`,
		`30: campaigns[0].effective_from: "2026-01-01 09:00:00" is neither a date nor an instant with its zone; write 2026-01-01 or 2026-01-01T09:00:00Z`,
		`31: campaigns[0].brake: "50" lacks a duration like 1h or 24h after its number; write it like 50/1h, or off`,
	},
}

func TestEachBadFileIsToldEverythingThatIsWrong(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "secret")
	files, err := filepath.Glob("testdata/bad-*.yaml")
	if err != nil || len(files) != len(badFiles) {
		t.Errorf("got %d bad files (%v), want the %d of the table", len(files), err, len(badFiles))
	}
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range badFiles {
		t.Run(name, func(t *testing.T) {
			path := "testdata/bad-" + name + ".yaml"
			_, _, err := Load(path)
			got := linesOf(t, err, path)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], testdata, "TESTDATA")
				if i < len(want) {
					got[i] = cutLike(got[i], want[i])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is in the error: %v", err)
			}
		})
	}
}

// cutLike shortens got to what want compares: what another package says is left out there as "...".
func cutLike(got, want string) string {
	if prefix, cut := strings.CutSuffix(want, "..."); cut && strings.HasPrefix(got, prefix) {
		return want
	}
	return got
}

// linesOf returns what a *Problems says, without the path that each line starts with.
func linesOf(t *testing.T, err error, path string) []string {
	t.Helper()
	var problems *Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got error %v, want *Problems", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, path+":")
		if !ok {
			t.Errorf("got line %q, want it to start with the path", line)
		}
		lines[i] = strings.TrimPrefix(rest, " ")
	}
	return lines
}

func TestAFileThatCannotBeReadIsAProblem(t *testing.T) {
	folder := t.TempDir()
	for _, test := range []struct{ name, path, want string }{
		{"missing", filepath.Join(folder, "config.yaml"), "no such file; name another with --config, or have qualifyd init write one"},
		{"a folder", folder, "is a directory"},
	} {
		_, _, err := Load(test.path)
		if diff := cmp.Diff([]string{test.want}, linesOf(t, err, test.path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
