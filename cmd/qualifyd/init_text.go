package main

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"qualifyd/cmd/config"
	"qualifyd/rules"
)

var configTemplate = template.Must(template.New("config").Funcs(template.FuncMap{"yaml": scalar}).Parse(`# yaml-language-server: $schema=file:///usr/share/qualifyd/config.schema.json
# The configuration of qualifyd, begun by "qualifyd init". What is not set here has its default; config.example.yaml
# explains every key. "qualifyd config show" tells what is in force, "qualifyd config check --online" whether it is right.

salesforce:
  # The org's My Domain.
  login_url: {{yaml .Salesforce.LoginURL}}
  auth:
{{- with .Salesforce.Auth}}
    # How to log in: client_credentials, jwt, or web (after "qualifyd connect").
    flow: {{.Flow}}
    # The consumer key of the app in Salesforce.
    client_id: {{yaml .ClientID}}
{{- with .ClientSecretFile}}
    # The file with the app's consumer secret. Nobody but qualifyd's user needs to read it.
    client_secret_file: {{yaml .}}
{{- end}}
{{- with .Username}}
    # The Salesforce user to work as.
    username: {{yaml .}}
{{- end}}
{{- with .PrivateKeyFile}}
    # The file with the RSA private key (PEM) to the app's certificate.
    private_key_file: {{yaml .}}
{{- end}}
{{- end}}
  # How many of the org's API requests qualifyd may use in any 24 hours: a share, or a number.
  # daily_calls: 20%

referral_factory:
  # Where the Referral Factory API is.
  base_url: {{yaml .ReferralFactory.BaseURL}}
  # The file with the API key. An account has one live key: making a new one ends it.
  api_key_file: {{yaml .ReferralFactory.APIKeyFile}}
  # The time zone of sign-up days, and of effective_from below.
  timezone: {{yaml .ReferralFactory.Timezone}}
  # Whether a sandbox org qualifies referrals for real.
  # send_from_sandbox: false

poll:
  # When to ask Salesforce what changed, and Referral Factory who joined.
  # schedule: "@every 1m"
  # sweep: "@every 10m"

store:
  # The file in which qualifyd remembers. One service at a time uses it.
  path: {{yaml .Store.Path}}

console:
  # The address of the page for people, like 127.0.0.1:8321; "" is off. Loopback only: it shows names.
  # listen: ""

metrics:
  # The address of metrics and health, like :9321; "" is off.
  # listen: ""

# The campaigns, one list item each. "qualifyd init --add" adds one.
campaigns:
`))

var campaignTemplate = template.Must(template.New("campaign").Funcs(template.FuncMap{"yaml": scalar, "creates": creates}).Parse(`- # The campaign's number in Referral Factory.
  id: {{.ID}}
{{- with .Name}}
  name: {{yaml .}}
{{- end}}
  # What happens in Salesforce when a referral joins: nothing, create_lead or create_contact.
  when_lead_joins: {{.WhenLeadJoins}}
{{- if creates .}}
  # How the new record is filled, one row a field.
  fields:
{{- range .Fields}}
    - {to: {{.To}}, {{if .Dynamic}}dynamic: {{yaml .Dynamic}}{{else}}fixed: {{yaml .Fixed}}{{end}}{{with .Otherwise}}, otherwise: {{yaml .}}{{end}}}
{{- end}}
{{- else}}
  # The records to watch: Lead or Contact.
  object: {{.Object}}
{{- end}}
  # The text field with the referral code, on Leads, Contacts and Opportunities alike. Without it, records are found by e-mail.
{{- if .ReferralCodeField}}
  referral_code_field: {{yaml .ReferralCodeField}}
{{- else}}
  # referral_code_field: Referral_Code__c
{{- end}}
  # What a Lead or Contact means that existed before the referral: do_nothing (it cannot qualify), update or create_new.
  duplicates: {{.Duplicates}}
{{- with .EffectiveFrom.Text}}
  # The earliest change that counts.
  effective_from: {{yaml .}}
{{- end}}
  # The most qualifications in a time; what exceeds it is held until "qualifyd release {{.ID}}".
  brake: {{.Brake}}
  qualify:
    # What qualifies a referral: none, lead_field_changes, lead_converts, lead_converts_to_stage or contact_field_changes.
    method: {{.Qualify.Method}}
{{- with .Qualify.Field}}
    field: {{yaml .}}
{{- end}}
{{- with .Qualify.Value}}
    value: {{yaml .}}
{{- end}}
{{- with .Qualify.Stage}}
    stage: {{yaml .}}
{{- end}}
`))

func creates(c config.Campaign) bool { return c.WhenLeadJoins != rules.DoNothingOnJoin }

// scalar writes a value so that YAML reads back the same text.
func scalar(value any) (string, error) {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprint(value)}
	if strings.ContainsAny(node.Value, "\n\r\t,[]{}") { // a row of fields is in braces
		node.Style = yaml.DoubleQuotedStyle
	}
	text, err := yaml.Marshal(node)
	return strings.TrimSuffix(string(text), "\n"), err
}

// configText writes a new config.
func configText(c config.Config) (string, error) {
	var text strings.Builder
	if err := configTemplate.Execute(&text, c); err != nil {
		return "", err
	}
	items, err := campaignItems(c.Campaigns, "  ")
	return text.String() + items, err
}

// campaignItems writes items of the list of campaigns.
func campaignItems(campaigns []config.Campaign, indent string) (string, error) {
	var items strings.Builder
	for _, c := range campaigns {
		var text strings.Builder
		if err := campaignTemplate.Execute(&text, c); err != nil {
			return "", err
		}
		for line := range strings.Lines(text.String()) {
			items.WriteString(indent + line)
		}
	}
	return items.String(), nil
}

// withItems puts campaigns behind the last one of a config, and leaves every line of it as it is. It does nothing where the campaigns are not
// written as a list with a line for each dash.
func withItems(text string, campaigns []config.Campaign) (string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil || len(root.Content) == 0 {
		return text, err
	}
	keys := root.Content[0].Content
	at := slices.IndexFunc(keys, func(n *yaml.Node) bool { return n.Value == "campaigns" && n.Column == 1 })
	if at < 0 || keys[at+1].Kind != yaml.SequenceNode || keys[at+1].Style&yaml.FlowStyle != 0 {
		return text, nil
	}
	items, err := campaignItems(campaigns, strings.Repeat(" ", keys[at+1].Column-1))
	if err != nil {
		return "", err
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1] // what follows the last newline
	end := len(lines)
	if at+2 < len(keys) {
		for end = keys[at+2].Line - 1; aboveKey(lines[end-1]); end-- {
		}
	}
	return strings.Join(lines[:end], "") + items + strings.Join(lines[end:], ""), nil
}

// aboveKey says whether a line belongs to the key below it: a comment at the margin, or nothing.
func aboveKey(line string) bool {
	return strings.TrimSpace(line) == "" || line[0] == '#'
}
