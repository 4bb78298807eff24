package poll

import (
	"qualifyd/rules"
	"qualifyd/store"
)

// KnownRules are the campaigns' rules as a pass would begin with them: worked out, without asking Salesforce, from the describes and the campaigns
// that the store remembers. A rule that no pass has known yet has no Effective.
func KnownRules(tx *store.Tx, campaigns []rules.Campaign) (map[int64]rules.Rule, error) {
	ds := describes{}
	for _, object := range []rules.Object{rules.Lead, rules.Contact, rules.Opportunity} {
		var d described
		found, err := tx.Describe(string(object), &d)
		if err != nil {
			return nil, err
		}
		if found {
			ds[object] = d
		}
	}
	known := map[int64]rules.Rule{}
	for _, c := range campaigns {
		remembered, err := tx.Campaign(c.ID)
		if err != nil {
			return nil, err
		}
		known[c.ID] = ds.rule(c, remembered)
	}
	return known, nil
}
