package config

import (
	"reflect"
	"slices"
	"strings"
)

// reloadable are the keys, and sections, that a running daemon takes over from a changed file. All others are read at the start only: they say
// which org, which account, which store and which addresses, and to change those is to start another daemon.
//
// A client secret is taken over when Salesforce next refuses the one before.
var reloadable = []string{
	"salesforce.auth.client_secret", "salesforce.auth.client_secret_file", "salesforce.daily_calls",
	"referral_factory.api_key", "referral_factory.api_key_file", "referral_factory.calls_per_minute",
	"poll", "log.level", "campaigns",
}

// Reloadable tells whether a running daemon takes over a key, given by its path like poll.schedule.
func Reloadable(path string) bool {
	for _, one := range reloadable {
		if path == one || strings.HasPrefix(path, one+".") {
			return true
		}
	}
	return false
}

// Reload returns what is in force after the file of a running daemon was found to hold next, and the keys that changed and wait for a start.
func (c Config) Reload(next Config) (inForce Config, waiting []string) {
	inForce = c
	takeOver(reflect.ValueOf(&inForce).Elem(), reflect.ValueOf(next), "", &waiting)
	inForce.Campaigns = slices.Clone(inForce.Campaigns)
	for i := range inForce.Campaigns { // a date in them begins in the zone that is in force, not in one that waits
		one := &inForce.Campaigns[i]
		one.EffectiveFrom = one.EffectiveFrom.in(c.ReferralFactory.Location)
	}
	return inForce, waiting
}

func takeOver(old, next reflect.Value, path string, waiting *[]string) {
	for _, k := range keysOf(old.Type()) {
		below, was, is := join(path, k.name), old.Field(k.field), next.Field(k.field)
		switch {
		case Reloadable(below):
			was.Set(is)
		case len(keysOf(k.kind)) > 0:
			takeOver(was, is, below, waiting)
		case !reflect.DeepEqual(was.Interface(), is.Interface()):
			*waiting = append(*waiting, below)
		}
	}
}
