package poll

import (
	"context"
	"fmt"

	"qualifyd/rules"
)

// CheckRules asks Salesforce whether it has what the campaigns name, and returns their rules as a pass would see them: parked where a field
// or value is missing. It needs no store and writes nowhere.
func CheckRules(ctx context.Context, o Options) ([]rules.Rule, error) {
	t := &pass{Poller: New(o), Settings: o.Settings, described: describes{}, rules: map[int64]rules.Rule{}}
	if _, err := t.Salesforce.Identity(ctx); err != nil {
		return nil, err
	}
	// A wrong api_version and a missing object are one answer to a describe; of this query only the version can be wrong.
	if _, _, err := t.Salesforce.Organization(ctx); err != nil {
		return nil, fmt.Errorf("read the organization: %w", err)
	}
	for _, object := range t.objects() {
		d, _, err := t.Salesforce.Describe(ctx, string(object))
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", object, err)
		}
		t.described[object] = described{Describe: d}
	}
	var out []rules.Rule
	for _, c := range t.Campaigns {
		rule := t.described.resolve(c)
		if rule.Parked == "" && c.CodeField != "" && t.codeField(c, c.Object) == "" {
			rule.Parked = rules.FieldUnreadable
			rule.ParkedWhy = fmt.Sprintf("%s has no field %s that the Salesforce user may read%s", c.Object, c.CodeField,
				didYouMean(rules.Near(names(t.described[c.Object]), c.CodeField)))
		}
		if d := t.described[c.Object]; rule.Parked == "" && c.Mode != rules.DoNothingOnJoin {
			for _, m := range c.Fields {
				if _, known := d.Field(m.To); !known {
					rule.Parked = rules.JoinRefused
					rule.ParkedWhy = fmt.Sprintf("fields fills %s, and %s has no such field that the Salesforce user may see%s",
						m.To, c.Object, didYouMean(rules.Near(names(d), m.To)))
					break
				}
			}
		}
		out = append(out, rule)
	}
	return out, nil
}
