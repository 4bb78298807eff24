package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"qualifyd/rules"
)

var update = flag.Bool("update", false, "write the generated files anew")

// upToDate wants a generated file to be what the code makes now; with -update it makes it so.
func upToDate(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(readFile(t, path), "\n")); diff != "" {
		t.Errorf("%s is not what the code makes; make docs writes it anew (-want +got):\n%s", path, diff)
	}
}

// schema is one of JSON Schema, as far as the config needs it.
type schema struct {
	Schema      string     `json:"$schema,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Type        any        `json:"type,omitempty"` // a name or several
	Const       any        `json:"const,omitempty"`
	Enum        []string   `json:"enum,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	MinLength   int        `json:"minLength,omitempty"`
	Minimum     int        `json:"minimum,omitempty"`
	Maximum     int        `json:"maximum,omitempty"`
	Default     any        `json:"default,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	Closed      *bool      `json:"additionalProperties,omitempty"`
	Items       *schema    `json:"items,omitempty"`
	MinItems    int        `json:"minItems,omitempty"`
	AnyOf       []*schema  `json:"anyOf,omitempty"`
	AllOf       []*schema  `json:"allOf,omitempty"`
	If          *schema    `json:"if,omitempty"`
	Then        *schema    `json:"then,omitempty"`
}

// properties keep the order of the file.
type properties []property

type property struct {
	name string
	is   any // a *schema, or false: the key may not be there
}

func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, one := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`"` + one.name + `":`)
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(one.is); err != nil {
			return nil, err
		}
	}
	return []byte("{" + out.String() + "}"), nil
}

// requiredKeys are those without which no config is right, whatever else it says.
var requiredKeys = map[string][]string{
	"":                  {"salesforce", "campaigns"},
	"salesforce":        {"login_url", "auth"},
	"salesforce.auth":   {"client_id"},
	"campaigns":         {"id", "qualify"},
	"campaigns.qualify": {"method"},
	"campaigns.fields":  {"to"},
}

// asWritten are texts that people may write as YAML's numbers and booleans.
var asWritten = []string{"salesforce.api_version", "campaigns.name", "campaigns.qualify.value"}

func schemaText(t *testing.T) string {
	t.Helper()
	texts := map[string]documented{}
	for _, k := range documentedKeys(t) {
		texts[k.path] = k
	}
	root := sectionSchema("", reflect.TypeFor[Config](), texts)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "The configuration of qualifyd"
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func sectionSchema(path string, section reflect.Type, texts map[string]documented) *schema {
	s := &schema{Type: []string{"object", "null"}, Closed: new(bool), Required: requiredKeys[path]} // null: all its keys are commented out
	if len(s.Required) > 0 {
		s.Type = "object"
	}
	for _, k := range keysOf(section) {
		s.Properties = append(s.Properties, property{k.name, keySchema(join(path, k.name), k.kind, texts)})
	}
	switch path {
	case "salesforce.auth":
		s.AllOf = flowsGoWith()
	case "campaigns":
		s.AllOf = joinsGoWith()
	case "campaigns.qualify":
		s.AllOf = methodsGoWith()
	}
	return s
}

func keySchema(path string, kind reflect.Type, texts map[string]documented) *schema {
	s := &schema{}
	switch {
	case kind.Kind() == reflect.Slice:
		s.Type, s.Items = []string{"array", "null"}, sectionSchema(path, kind.Elem(), texts)
		if path == "campaigns" {
			s.Type, s.MinItems = "array", 1
		}
	case len(keysOf(kind)) > 0:
		s = sectionSchema(path, kind, texts)
	case choicesOf(path) != nil:
		s.Enum = choicesOf(path)
	default:
		valueSchema(s, path, kind)
	}
	s.Description = texts[path].text
	if text := plainDefault(texts[path].field); text != "" {
		s.Default = text
		if kind.Kind() == reflect.Bool || kind.Kind() == reflect.Int {
			s.Default = texts[path].field.Interface()
		}
	}
	return s
}

func valueSchema(s *schema, path string, kind reflect.Type) {
	scalar := []string{"string", "number", "boolean"}
	switch kind {
	case reflect.TypeFor[DailyCalls]():
		s.AnyOf = []*schema{{Type: "string", Pattern: `^[0-9.]+ *%$|^[1-9][0-9]*$`}, {Type: "integer", Minimum: 1}}
	case reflect.TypeFor[Brake]():
		s.AnyOf = []*schema{{Type: "string", Pattern: `^[1-9][0-9]* */ *[0-9.]+[a-zµ]+[0-9a-zµ.]*$|^([Oo]ff|OFF|[Ff]alse|FALSE)$`}, {Const: false}}
	case reflect.TypeFor[EffectiveFrom]():
		s.Type, s.Pattern = "string", `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?$`
	case reflect.TypeFor[time.Duration]():
		s.Type, s.Pattern = "string", `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`
	case reflect.TypeFor[bool]():
		s.Type = "boolean"
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		s.Type, s.Minimum = "integer", 1
		if path == "referral_factory.calls_per_minute" {
			s.Maximum = mostCallsPerMinute
		}
	case reflect.TypeFor[any]():
		s.Type = scalar
	default:
		s.Type = "string"
		if slices.Contains(asWritten, path) {
			s.Type = scalar
		}
		s.MinLength = 1
		if strings.HasSuffix(path, ".listen") { // "", or nothing, is off there
			s.Type, s.MinLength = []string{"string", "null"}, 0
		}
		switch path {
		case "salesforce.api_version":
			s.Pattern = apiVersion.String()
		case "campaigns.referral_code_field", "campaigns.fields.to", "campaigns.qualify.field":
			s.Pattern = apiNames.String()
		case "salesforce.login_url", "salesforce.auth.audience", "referral_factory.base_url":
			s.Pattern = "^https?://[^/?#@]+"
		}
	}
}

// when is what holds where a key has a value: which keys have to be there, and which may not.
func when(key, value string, required []string, refused ...string) *schema {
	then := &schema{Required: required}
	for _, name := range refused {
		then.Properties = append(then.Properties, property{name, false})
	}
	return &schema{
		If:   &schema{Properties: properties{{key, &schema{Const: value}}}, Required: []string{key}},
		Then: then,
	}
}

func flowsGoWith() []*schema {
	return []*schema{
		when("flow", string(FlowClientCredentials), nil, "username", "private_key_file", "audience"),
		when("flow", string(FlowWeb), nil, "username", "private_key_file", "audience"),
		when("flow", string(FlowJWT), []string{"username"}, "client_secret", "client_secret_file"),
	}
}

func joinsGoWith() []*schema {
	return []*schema{when("when_lead_joins", string(rules.DoNothingOnJoin), nil, "fields")}
}

// methodsGoWith is methodKeys.
func methodsGoWith() (all []*schema) {
	for _, method := range choicesOf("campaigns.qualify.method") {
		var refused []string
		for _, name := range []string{"field", "value", "stage"} {
			if !slices.Contains(methodKeys[rules.Method(method)], name) {
				refused = append(refused, name)
			}
		}
		all = append(all, when("method", method, methodKeys[rules.Method(method)], refused...))
	}
	return all
}

// againstSchema is what a validator says of a config.
func againstSchema(t *testing.T, text string) error {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(asJSON(t, text))
}

func TestTheSchemaAcceptsConfigsThatAreRight(t *testing.T) {
	for _, name := range []string{exampleFile, "testdata/good-full.yaml", "testdata/good-minimal.yaml"} {
		if err := againstSchema(t, readFile(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An editor points at these before qualifyd does. Each is the example with one change.
func TestTheSchemaRefusesWhatLoadRefuses(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	example := readFile(t, exampleFile)
	for _, file := range []string{"    client_secret_file: /etc/qualifyd/salesforce-secret\n", "  api_key_file: /etc/qualifyd/referral-factory-key\n"} {
		example = strings.Replace(example, file, "", 1)
	}
	load(t, writeConfig(t, t.TempDir(), example))
	for _, bad := range []struct{ situation, is, becomes string }{
		{"an unknown key", "  schedule:", "  shedule:"},
		{"a missing login_url", "  login_url: https://acme.my.salesforce.com\n", ""},
		{"a missing client_id", "    client_id: 3MVG9...\n", ""},
		{"a flow that there is not", "flow: client_credentials", "flow: password"},
		{"a user name without jwt", "    # username:", "    username:"},
		{"jwt without a user name", "flow: client_credentials", "flow: jwt"},
		{"an API version without .0", `api_version: "67.0"`, `api_version: "67"`},
		{"a share that is none", "daily_calls: 20%", "daily_calls: a fifth"},
		{"an address without https", "login_url: https://acme", "login_url: acme"},
		{"calls over the limit", "calls_per_minute: 300", "calls_per_minute: 601"},
		{"text for a boolean", "send_from_sandbox: false", "send_from_sandbox: never"},
		{"a duration without a unit", "overlap: 20m", "overlap: 20"},
		{"a level that there is not", "level: info", "level: loud"},
		{"a section that is a list", "  path: /var", "  - path: /var"},
		{"a campaign without an id", "    id: 101\n", "\n"},
		{"a join mode that there is not", "when_lead_joins: nothing", "when_lead_joins: create_account"},
		{"fields that nothing is filled with", "    # fields:\n    #   -", "    fields:\n      -"},
		{"a field's label", "field: Status", "field: Lead Status"},
		{"a method without its value", "      value: Qualified\n", ""},
		{"a method with another's key", "      # stage:", "      stage:"},
		{"a brake without a time", "brake: 50/1h", "brake: 50"},
		{"a day that is none", "    # effective_from: 2026-01-01", "    effective_from: yesterday"},
		{"an empty value", "path: /var/lib/qualifyd/qualifyd.db", `path: ""`},
	} {
		text := strings.Replace(example, bad.is, bad.becomes, 1)
		if text == example {
			t.Errorf("%s: the example has no %q", bad.situation, bad.is)
		}
		if _, _, err := Load(writeFile(t, t.TempDir(), filepath.Base(exampleFile), text, 0o600)); err == nil {
			t.Errorf("%s: Load accepts it", bad.situation)
		}
		if err := againstSchema(t, text); err == nil {
			t.Errorf("%s: the schema accepts it", bad.situation)
		}
	}
}
