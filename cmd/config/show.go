package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"qualifyd/rules"
)

// Show writes the effective values in the file's own shape: loading them again
// gives the same config, secrets that stood in the file apart. Those are
// masked, and the head says where each secret comes from.
func (c Config) Show() string {
	var text strings.Builder
	c.showSecrets(&text)

	c.Campaigns = slices.Clone(c.Campaigns)
	for i := range c.Campaigns {
		if c.Campaigns[i].WhenLeadJoins != rules.DoNothingOnJoin {
			c.Campaigns[i].Object = "" // follows from when_lead_joins, and is refused beside it
		}
	}
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.Encode(nodeOf(reflect.ValueOf(c))) // a string builder takes everything
	encoder.Close()
	return text.String()
}

func (c Config) showSecrets(text *strings.Builder) {
	for _, secret := range []struct {
		key   string
		value Secret
	}{
		{"salesforce.auth.client_secret", c.Salesforce.Auth.ClientSecret},
		{"salesforce.auth.private_key", c.Salesforce.Auth.PrivateKey},
		{"referral_factory.api_key", c.ReferralFactory.APIKey},
		{"metrics.ping", c.Metrics.Ping},
	} {
		if secret.value.Reveal() != "" {
			fmt.Fprintf(text, "# %s: %s from %s\n", secret.key, mask, secret.value.From())
		}
	}
}

// nodeOf is the YAML of a value of Config.
func nodeOf(v reflect.Value) *yaml.Node {
	node := &yaml.Node{}
	switch keys := keysOf(v.Type()); {
	case len(keys) > 0:
		node.Kind = yaml.MappingNode
		for _, k := range keys {
			if field := v.Field(k.field); !(k.omitEmpty && isUnset(field)) {
				node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: k.name}, nodeOf(field))
			}
		}
	case v.Kind() == reflect.Slice:
		node.Kind = yaml.SequenceNode
		for i := range v.Len() {
			node.Content = append(node.Content, nodeOf(v.Index(i)))
		}
	default:
		node = scalarOf(v.Interface())
	}
	return node
}

// isUnset includes a secret that is not the file's: it must not become a second source.
func isUnset(v reflect.Value) bool {
	if secret, ok := v.Interface().(Secret); ok {
		return !strings.HasPrefix(secret.From(), inConfig)
	}
	return v.IsZero()
}

func scalarOf(value any) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode}
	switch value := value.(type) {
	case json.Number:
		node.Value = value.String()
	case bool, int, int64:
		node.Value = fmt.Sprint(value)
	case time.Duration:
		node.Value = shortDuration(value)
	default: // text, and types with a String method
		node.SetString(fmt.Sprint(value))
	}
	return node
}
