//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"qualifyd/sync/sandbox"
)

// acmesCampaigns are those of "Why is my referral not qualified?".
const acmesCampaigns = `  - id: 101
    name: Refer a friend
    referral_code_field: Referral_Code__c
    qualify: {method: lead_field_changes, field: Status, value: Qualified}
  - id: 102
    name: Partner circle
    duplicates: update
    referral_code_field: Referral_Code__c
    qualify: {method: lead_field_changes, field: Status, value: Qualified}
  - id: 103
    name: Spring event
    referral_code_field: Referral_Code__c
    qualify: {method: lead_converts_to_stage, stage: Closed Won}
  - id: 104
    name: Newsletter
    qualify: {method: none}
`

// partners creates Leads, and has a brake that is soon reached.
const partners = `  - id: 102
    name: Partner circle
    when_lead_joins: create_lead
    referral_code_field: Referral_Code__c
    fields: [{to: LastName, dynamic: first_name}, {to: Email, dynamic: email}, {to: Company, fixed: Referred}]
    brake: 2/1h
    qualify: {method: lead_field_changes, field: Status, value: Qualified}
`

// scenes are what happens between the commands of the documents, by the words that stand there.
var scenes = map[string]func(*story){
	// Why is my referral not qualified?
	"Acme has run qualifyd since Monday, and it is Thursday": func(s *story) {
		s.install(acmesCampaigns)
		s.pass()
		s.goTo(3, "10:00")
		s.refer(101, "Ada", "Ben", "Cleo", "Dan")
		s.refer(102, "Eve")
		s.refer(103, "Finn", "Gia", "Hal")
		s.refer(104, "Ian")
		s.pass()
		s.goTo(3, "11:00")
		s.enterReferred("Ada", "Ben", "Finn", "Gia", "Hal")
		s.enter("Dan", sandbox.Fields{"Email": "dan@smith.example"})
		s.pass()
		s.goTo(4, "15:00")
		s.status("Working - Contacted", "Ada")
		s.status("Qualified", "Ben")
		s.org.Convert(s.lead["Finn"], sandbox.Conversion{NoOpportunity: true})
		s.org.Convert(s.lead["Gia"], sandbox.Conversion{Stage: "Negotiation/Review"})
		s.pass()
		s.goTo(5, "09:00")
		s.pass()
	},
	"somebody renews the consumer secret of the app in Salesforce": func(s *story) {
		s.org.RotateSecret()
		s.org.KillSessions()
		s.qualifyd("run", "--once")
		if s.code != exitRefused {
			s.t.Fatalf("a pass with a dead secret: got exit code %d, want %d", s.code, exitRefused)
		}
	},
	"the new secret is put into its file, and a pass goes by": func(s *story) {
		_, secret := s.org.Credentials()
		s.write("salesforce-secret", secret)
		s.pass()
	},
	"the config is written with a slip of the keyboard": func(s *story) { s.edit("value: Qualified}", "value: Qualifed}") },
	"the slip is mended": func(s *story) { s.edit("value: Qualifed}", "value: Qualified}") },
	"a pass goes by":     (*story).pass,

	"Dan's addresses are put into a file": func(s *story) { s.file("pins.csv", "code,email", s.who["Dan"].Code+",dan@smith.example") },

	// The commands.
	"a person answers": func(s *story) {
		id, secret := s.org.Credentials()
		s.dialogue = []say{
			{"like https://acme.my.salesforce.com: ", "acme.my.salesforce.com"}, {"[client_credentials]: ", ""}, {"consumer key: ", id}, {"consumer secret: ", secret},
			{"Webhooks and API): ", s.rf.Key()}, {"[UTC]: ", ""}, {"qualifyd.db]: ", s.lib + "/qualifyd.db"},
			{"The campaign: ", "1"}, {"joins [nothing]: ", ""}, {"watch [Lead]: ", ""},
			{"What qualifies a referral: ", "1"}, {"search): ", "status"}, {"become: ", "5"},
			{"[Referral_Code__c]: ", ""}, {"[do_nothing]: ", ""}, {"first pass): ", ""}, {"Another campaign? (yes, no) [no]: ", ""},
		}
	},
	"the config says flow: web": func(s *story) {
		s.edit("flow: client_credentials", "flow: web")
		s.edit("    client_secret_file: salesforce-secret\n", "")
	},
	"the user takes the app's access away": func(s *story) { s.org.RevokeGrants() },
	"Acme has written its config, and people have been referred before": func(s *story) {
		s.install(strings.SplitAfter(acmesCampaigns, "value: Qualified}\n")[0] + partners)
		s.org.Track("Lead", "Status", true)
		s.refer(102, "Kim", "Leo")
		s.refer(101, "Zoe")
	},
	"people are referred, and become Leads": func(s *story) {
		s.goTo(3, "10:00")
		s.refer(101, "Ada", "Ben", "Cleo", "Dan")
		s.pass()
		s.refer(102, "Max")
		s.enterReferred("Ada", "Ben")
		s.enter("Dan", sandbox.Fields{"Email": "dan@smith.example"})
		s.enter("Zoe", sandbox.Fields{"Email": "zoe@smith.example"})
		s.goTo(3, "11:00")
		s.status("Qualified", "Ben")
	},
	"Referral Factory gets a new API key": func(s *story) { s.rf.RotateKey() },
	"the new key is put into its file":    func(s *story) { s.write("referral-factory-key", s.rf.Key()) },
	"a file is made in a hurry": func(s *story) {
		s.file("pins.csv", "code,record", s.who["Dan"].Code+","+s.lead["Dan"], ","+s.lead["Zoe"], "nobody,"+s.lead["Zoe"])
	},
	"the file is put right": func(s *story) {
		s.file("pins.csv", "code,record", s.who["Dan"].Code+","+s.lead["Dan"], s.who["Zoe"].Code+","+s.lead["Zoe"])
	},
	"a bad Flow moves everybody to Qualified": func(s *story) {
		s.refer(102, "Nia", "Oli", "Pia")
		s.pass()
		for _, id := range s.org.IDs("Lead") {
			if code, _ := s.org.Get("Lead", id)["Referral_Code__c"].(string); code != "" {
				s.org.Update("Lead", id, sandbox.Fields{"Status": "Qualified"})
			}
		}
		s.pass()
	},
	"Referral Factory is down, and a pass goes by": func(s *story) {
		s.rf.SetFault(always("/users/", sandbox.HTML(http.StatusServiceUnavailable)))
		s.brokenPass()
	},
	"Referral Factory is back, and a pass goes by": func(s *story) {
		s.rf.SetFault(nil)
		s.pass()
	},
	"Dan's Lead becomes Qualified, somebody sets Ben back in Referral Factory, and a pass goes by": func(s *story) {
		s.status("Qualified", "Dan")
		s.rf.SetQualified(s.who["Ben"].ID, false)
		s.pass()
	},
	"a pass goes by, and Referral Factory refuses to qualify": func(s *story) {
		s.rf.SetFault(always("PUT", &sandbox.Fault{Status: http.StatusUnprocessableEntity,
			Body: `{"code":422,"message":"Validation errors in your request","errors":{"id":[{"field":"id","message":"The user is blocked."}]}}`}))
		time.Sleep(time.Minute)
		s.qualifyd("run", "--once")
		s.rf.SetFault(nil)
	},
}

// brokenPass is one that is incomplete.
func (s *story) brokenPass() {
	time.Sleep(time.Minute)
	if said := s.qualifyd("run", "--once"); s.code != exitIncomplete {
		s.t.Fatalf("a pass that cannot reach a service: got exit code %d, want %d\n%s", s.code, exitIncomplete, said)
	}
}

// file makes one where the person works.
func (s *story) file(name string, lines ...string) {
	if err := os.WriteFile(filepath.Join(s.home, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
