package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"qualifyd/rules"
)

// key is one key of a section, from the yaml tag of its struct field.
type key struct {
	name      string
	kind      reflect.Type
	field     int
	omitEmpty bool
}

// keysOf lists the keys of a section in their order; none for a type that is
// written as one value, like Brake.
func keysOf(t reflect.Type) []key {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []key
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			keys = append(keys, key{name, t.Field(i).Type, i, option == "omitempty"})
		}
	}
	return keys
}

func keyOf(t reflect.Type, name string) (key, bool) {
	for _, k := range keysOf(t) {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// choices are the values that a key may have, where they are few.
var choices = map[string][]string{
	"salesforce.auth.flow":      names(FlowClientCredentials, FlowJWT, FlowWeb),
	"log.level":                 {"debug", "info", "warn", "error"},
	"log.format":                {"auto", "json", "console"},
	"campaigns.when_lead_joins": names(rules.DoNothingOnJoin, rules.CreateLead, rules.CreateContact),
	"campaigns.object":          names(rules.Lead, rules.Contact),
	"campaigns.duplicates":      names(rules.DoNothing, rules.Update, rules.CreateNew),
	"campaigns.qualify.method": names(rules.None, rules.LeadFieldChanges, rules.ContactFieldChanges, rules.LeadConverts,
		rules.LeadConvertsToStage),
}

func names[T ~string](values ...T) (all []string) {
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

var position = regexp.MustCompile(`\[\d+\]`)

// choicesOf are those of a key as the file spells it, like campaigns[0].object.
func choicesOf(path string) []string { return choices[position.ReplaceAllString(path, "")] }

// hintFor says what an unknown key of section t was probably meant to be.
func hintFor(name string, t reflect.Type) string {
	var names []string
	for _, k := range keysOf(t) {
		names = append(names, k.name)
	}
	if homes := homesOf(name, reflect.TypeFor[Config](), ""); len(homes) > 0 {
		return "; it belongs under " + strings.Join(homes, " or ")
	}
	if near := nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return fmt.Sprintf("; known here: %s", strings.Join(names, ", "))
}

// homesOf lists the sections, from t down, that have a key of that name.
// A wrong indentation is the commonest mistake in YAML.
func homesOf(name string, t reflect.Type, path string) (homes []string) {
	for _, k := range keysOf(t) {
		below := k.kind
		if below.Kind() == reflect.Slice {
			below = below.Elem()
		}
		if k.name == name && path != "" {
			homes = append(homes, path)
		}
		homes = append(homes, homesOf(name, below, join(path, k.name))...)
	}
	return homes
}

// nearest is the candidate that name is a slip of, or "".
func nearest(name string, candidates []string) string {
	plain := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(name))
	best, bestSlips := "", 3 // two slips of the finger at most, and fewer than half the letters
	for _, candidate := range candidates {
		slips := rules.Slips(plain, strings.ToLower(candidate))
		if candidate == plain+"_file" { // a secret that may not stand in the config
			slips = 0
		}
		if slips < bestSlips && 2*slips < len(candidate) {
			best, bestSlips = candidate, slips
		}
	}
	return best
}
