package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each key is either taken over or named: a key that is added later is named until somebody decides otherwise.
func TestAReloadTakesOverWhatMayChangeAndNamesTheRest(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Config)
		waiting []string
		taken   bool
	}{
		{name: "nothing", change: func(*Config) {}, taken: true},
		{name: "the schedules", change: func(c *Config) {
			c.Poll = Poll{Schedule: "@every 5m", Sweep: "@hourly", Overlap: time.Hour, Reconcile: "@weekly"}
		}, taken: true},
		{name: "budgets", change: func(c *Config) { c.Salesforce.DailyCalls.Percent, c.ReferralFactory.CallsPerMinute = 5, 60 }, taken: true},
		{name: "campaigns", change: func(c *Config) { c.Campaigns = append(c.Campaigns, DefaultCampaign()) }, taken: true},
		{name: "the log's level", change: func(c *Config) { c.Log.Level = "debug" }, taken: true},
		{name: "rotated secrets", change: func(c *Config) {
			c.ReferralFactory.APIKey, c.Salesforce.Auth.ClientSecret = NewSecret("other"), NewSecret("other")
		}, taken: true},
		{name: "secrets in other files", change: func(c *Config) {
			c.ReferralFactory.APIKeyFile, c.Salesforce.Auth.ClientSecretFile = "/other/key", "/other/secret"
		}, taken: true},
		{name: "the org", change: func(c *Config) {
			c.Salesforce.LoginURL, c.Salesforce.Auth.ClientID = "https://b.my.salesforce.com", "other"
		},
			waiting: []string{"salesforce.login_url", "salesforce.auth.client_id"}},
		{name: "the account and the store", change: func(c *Config) { c.ReferralFactory.BaseURL, c.Store.Path = "https://other/api/v2", "/other.db" },
			waiting: []string{"referral_factory.base_url", "store.path"}},
		{name: "addresses and the log's form", change: func(c *Config) { c.Console.Listen, c.Metrics.Listen, c.Log.Format = "127.0.0.1:1", ":2", "json" },
			waiting: []string{"console.listen", "metrics.listen", "log.format"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, next := Default(), Default()
			c.change(&next)
			inForce, waiting := old.Reload(next)
			if diff := cmp.Diff(c.waiting, waiting); diff != "" {
				t.Errorf("keys that wait for a start (-want +got):\n%s", diff)
			}
			want := old
			if c.taken {
				want = next
			}
			if diff := cmp.Diff(want, inForce, cmp.Comparer(func(a, b *time.Location) bool { return a == b }),
				cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })); diff != "" {
				t.Errorf("in force (-want +got):\n%s", diff)
			}
		})
	}
}

// What a date means goes by the zone that is in force. A zone that waits for a start would otherwise move the beginning of a campaign at once, while
// the days that people signed up on are those of the zone before.
func TestAReloadReadsDatesInTheZoneInForce(t *testing.T) {
	from, err := parseEffectiveFrom("2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string, zone *time.Location) Config {
		c := Default()
		c.ReferralFactory.Timezone, c.ReferralFactory.Location = name, zone
		c.Campaigns = []Campaign{DefaultCampaign()}
		c.Campaigns[0].EffectiveFrom = from.in(zone)
		return c
	}
	next := in("Europe/Berlin", berlin)
	inForce, waiting := in("UTC", time.UTC).Reload(next)
	if diff := cmp.Diff([]string{"referral_factory.timezone"}, waiting); diff != "" {
		t.Errorf("keys that wait for a start (-want +got):\n%s", diff)
	}
	if got, want := inForce.Campaigns[0].EffectiveFrom.Time, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("effective_from is %s, want %s: the start of that day in the zone in force", got, want)
	}
	if got, want := next.Campaigns[0].EffectiveFrom.Time, time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("the config that was read has %s now, want %s", got, want)
	}
}
