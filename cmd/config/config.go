// Package config turns the YAML file into one checked [Config] of plain values.
//
// [Load] is strict: an unknown key, a key without effect, a value of the wrong
// kind or a missing secret is a problem, and all problems of a file are
// reported at once, each with the key as the file spells it and its line.
// [Default] holds every default, and [Config.Show] writes the effective values
// back in the file's own shape, with secrets masked.
//
// The file is looked at twice. document.go walks its YAML tree, which knows the
// lines; viper then loads what the walk understood into Config. The keys
// themselves stand in one place: the yaml tags below.
package config

import (
	"path/filepath"
	"slices"
	"time"

	"qualifyd/rules"
)

// Config is a whole configuration. Paths are absolute and secrets are read.
type Config struct {
	Salesforce      Salesforce      `yaml:"salesforce"`
	ReferralFactory ReferralFactory `yaml:"referral_factory"`
	Poll            Poll            `yaml:"poll"`
	Store           Store           `yaml:"store"`
	Console         Console         `yaml:"console"`
	Metrics         Metrics         `yaml:"metrics"`
	Log             Log             `yaml:"log"`
	Campaigns       []Campaign      `yaml:"campaigns"`
}

// Salesforce says which org to ask, and how.
type Salesforce struct {
	LoginURL   string     `yaml:"login_url"`   // without a trailing slash
	APIVersion string     `yaml:"api_version"` // like "67.0"
	CAFile     string     `yaml:"ca_file,omitempty"`
	Auth       Auth       `yaml:"auth"`
	DailyCalls DailyCalls `yaml:"daily_calls"`
}

// Flow is an OAuth flow.
type Flow string

// The flows that an unattended daemon can use.
const (
	FlowClientCredentials Flow = "client_credentials"
	FlowJWT               Flow = "jwt"
	FlowWeb               Flow = "web"
)

// Auth is how qualifyd logs in to Salesforce. Only what the flow uses is set.
type Auth struct {
	Flow             Flow   `yaml:"flow"`
	ClientID         string `yaml:"client_id"`
	ClientSecret     Secret `yaml:"client_secret,omitempty"`
	ClientSecretFile string `yaml:"client_secret_file,omitempty"`
	Username         string `yaml:"username,omitempty"`
	PrivateKey       Secret `yaml:"-"` // PEM; it never stands in the config itself
	PrivateKeyFile   string `yaml:"private_key_file,omitempty"`
	Audience         string `yaml:"audience,omitempty"` // "": whatever works for LoginURL
}

// ReferralFactory says which account to ask, and how fast.
type ReferralFactory struct {
	BaseURL         string `yaml:"base_url"` // without a trailing slash
	APIKey          Secret `yaml:"api_key,omitempty"`
	APIKeyFile      string `yaml:"api_key_file,omitempty"`
	CAFile          string `yaml:"ca_file,omitempty"`
	CallsPerMinute  int    `yaml:"calls_per_minute"`
	Timezone        string `yaml:"timezone"`
	SendFromSandbox bool   `yaml:"send_from_sandbox"`

	Location *time.Location `yaml:"-"` // Timezone, loaded
}

// Poll says when to look. The three schedules were accepted by schedule.Parse.
type Poll struct {
	Schedule  string        `yaml:"schedule"`
	Sweep     string        `yaml:"sweep"`
	Overlap   time.Duration `yaml:"overlap"`
	Reconcile string        `yaml:"reconcile"`
}

// LeastGap is the shortest time between two runs that a schedule may ask for.
const LeastGap = 10 * time.Second

// Store names the file that remembers.
type Store struct {
	Path string `yaml:"path"`
}

// Console is the page for people; "" is off. It shows names, so Listen is always a loopback address.
type Console struct {
	Listen string `yaml:"listen"`
}

// Metrics is how a monitoring system hears of qualifyd; "" is off.
type Metrics struct {
	Listen   string `yaml:"listen"`             // of metrics and health
	Textfile string `yaml:"textfile,omitempty"` // for node_exporter's textfile collector
	Ping     Secret `yaml:"ping,omitempty"`     // URL of a dead-man switch; who knows it can say that all is well
	PingFile string `yaml:"ping_file,omitempty"`
}

// Log says what is logged. Level is a zerolog level, Format one of json, console, auto.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Campaign is one Referral Factory campaign and its rule.
type Campaign struct {
	ID                int64            `yaml:"id"`
	Name              string           `yaml:"name,omitempty"`
	WhenLeadJoins     rules.JoinMode   `yaml:"when_lead_joins"`
	Object            rules.Object     `yaml:"object,omitempty"` // watched, and with create_* also made
	ReferralCodeField string           `yaml:"referral_code_field,omitempty"`
	Fields            []Mapping        `yaml:"fields,omitempty"`
	Duplicates        rules.Duplicates `yaml:"duplicates"`
	EffectiveFrom     EffectiveFrom    `yaml:"effective_from,omitempty"`
	Brake             Brake            `yaml:"brake"`
	Qualify           Qualify          `yaml:"qualify"`
}

// Mapping fills one field of a created record, from Dynamic or with Fixed; the other is "" or nil.
type Mapping struct {
	To        string `yaml:"to"`
	Dynamic   string `yaml:"dynamic,omitempty"`   // id, meta.Last Name, referrer.email, ...
	Fixed     any    `yaml:"fixed,omitempty"`     // string, bool or json.Number
	Otherwise any    `yaml:"otherwise,omitempty"` // the same; written when Dynamic yields nothing
}

// Qualify is a campaign's rule. Field, Value and Stage are "" where Method does not use them.
type Qualify struct {
	Method rules.Method `yaml:"method"`
	Field  string       `yaml:"field,omitempty"`
	Value  string       `yaml:"value,omitempty"` // as written: 0123 and 67.0 keep their digits
	Stage  string       `yaml:"stage,omitempty"`
}

// Default returns every value that holds when the file does not say otherwise.
// A campaign's defaults are in [DefaultCampaign].
func Default() Config {
	return Config{
		Salesforce: Salesforce{
			APIVersion: "67.0",
			Auth:       Auth{Flow: FlowClientCredentials},
			DailyCalls: DailyCalls{Percent: 20},
		},
		ReferralFactory: ReferralFactory{
			BaseURL:        "https://api.referral-factory.com/api/v2",
			CallsPerMinute: 300,
			Timezone:       "UTC",
			Location:       time.UTC,
		},
		Poll: Poll{
			Schedule:  "@every 1m",
			Sweep:     "@every 10m",
			Overlap:   20 * time.Minute,
			Reconcile: "@daily",
		},
		Store: Store{Path: "/var/lib/qualifyd/qualifyd.db"},
		Log:   Log{Level: "info", Format: "auto"},
	}
}

// DefaultCampaign returns what holds for a campaign that does not say otherwise.
// Its id and its method have no default; Object holds for when_lead_joins: nothing.
func DefaultCampaign() Campaign {
	return Campaign{
		WhenLeadJoins: rules.DoNothingOnJoin,
		Object:        rules.Lead,
		Duplicates:    rules.DoNothing,
		Brake:         Brake{Count: 50, Window: time.Hour},
	}
}

// Load reads the file at path and every secret it needs. The error is always
// a [*Problems]; the warnings hold for a config that is otherwise right.
// Relative paths in the file are relative to the file's folder.
func Load(path string) (Config, []Warning, error) { return read(path, false) }

// LoadOffline is Load without the secrets, for those who may read the config and not them, and talk to neither service.
func LoadOffline(path string) (Config, error) {
	config, _, err := read(path, true)
	return config, err
}

func read(path string, offline bool) (Config, []Warning, error) {
	doc := readDocument(path)
	if doc.values == nil {
		return Config{}, nil, doc.problemsError()
	}
	config := Default()
	config.Campaigns = slices.Repeat([]Campaign{DefaultCampaign()}, doc.campaigns())
	doc.decode(&config)

	c := checker{document: doc, folder: folderOf(path), offline: offline}
	c.config(&config)
	if err := doc.problemsError(); err != nil {
		return Config{}, nil, err
	}
	return config, c.warnings, nil
}

func folderOf(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return filepath.Dir(path)
}
