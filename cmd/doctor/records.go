package doctor

import (
	"fmt"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/sync/salesforce"
)

// checkCodeField looks at the field that carries a campaign's referral codes.
func (c *checkup) checkCodeField(one rules.Campaign) {
	check, title := fmt.Sprintf("campaign.%d.code_field", one.ID), fmt.Sprintf("Campaign %d, referral code", one.ID)
	if one.CodeField == "" {
		c.green(Captured, check, title, fmt.Sprintf("no field carries it: records are found by e-mail only, on %ss", one.Object))
		return
	}
	d := c.describes[one.Object]
	f, ok := d.Field(one.CodeField)
	full := string(one.Object) + "." + one.CodeField
	if !ok {
		c.red(Captured, check, title, fmt.Sprintf("there is no field %s that the Salesforce user may read%s", full, didYouMean(rules.Near(fieldNames(d), one.CodeField))),
			"create it (text, External ID), correct its API name in the config, or give the user Read on it: "+where(one.Object, one.CodeField))
		return
	}
	settings := fmt.Sprintf("Setup, Object Manager, %s, Fields & Relationships, %s, Edit", one.Object, f.Label)
	switch {
	case one.Creates() && !f.Createable:
		c.red(Captured, check, title, fmt.Sprintf("the Salesforce user may not write %s, so that the records it makes carry no code", full),
			"give the user Edit on it: "+where(one.Object, f.Name))
	case !f.ExternalID && !f.Unique:
		c.yellow(Captured, check, title, full+" is no External ID, so it has no index: looking for a code goes through every record", "tick External ID: "+settings)
	case f.Unique && !f.CaseSensitive:
		c.yellow(Captured, check, title, full+" is unique without regard to letter case, and codes differ by case: one person's code can be refused as another's duplicate",
			"choose \"Treat ABC and abc as different values (case sensitive)\": "+settings)
	default:
		c.green(Captured, check, title, full+" carries it"+c.codeElsewhere(one))
	}
}

// codeElsewhere tells on which other objects the code field is.
func (c *checkup) codeElsewhere(one rules.Campaign) string {
	var also, not []string
	for _, object := range []rules.Object{rules.Lead, rules.Contact, rules.Opportunity} {
		d, described := c.describes[object]
		if object == one.Object || !described {
			continue
		}
		if _, ok := d.Field(one.CodeField); ok {
			also = append(also, string(object))
		} else {
			not = append(not, string(object))
		}
	}
	text := ""
	if len(also) > 0 {
		text += ", and so does the one of " + strings.Join(also, " and ")
	}
	if len(not) > 0 {
		text += "; there is none on " + strings.Join(not, " and ")
	}
	return text
}

func fieldNames(d salesforce.Describe) []string {
	var names []string
	for _, f := range d.Fields {
		names = append(names, f.Name)
	}
	return names
}

// checkMapping looks at whether the records that a campaign makes can be made with the fields that it fills.
func (c *checkup) checkMapping(one rules.Campaign) {
	check, title := fmt.Sprintf("campaign.%d.fields", one.ID), fmt.Sprintf("Campaign %d, the %s it makes", one.ID, one.Object)
	d := c.describes[one.Object]
	var unknown, locked, unmapped []string
	for _, m := range one.Fields {
		f, ok := d.Field(m.To)
		switch {
		case !ok:
			unknown = append(unknown, m.To+didYouMean(rules.Near(fieldNames(d), m.To)))
		case !f.Createable:
			locked = append(locked, f.Name)
		}
	}
	for _, f := range d.Fields {
		// The describe of a field that must be given a value by whoever creates a record.
		if f.Createable && !f.Nillable && !f.DefaultedOnCreate && !fills(one, f.Name) {
			unmapped = append(unmapped, f.Name)
		}
	}
	switch {
	case len(unknown) > 0:
		c.red(Captured, check, title, fmt.Sprintf("%s has no field %s that the Salesforce user may see", one.Object, some(unknown)),
			"correct fields.to in the config, or give the user Edit on it")
	case len(locked) > 0:
		c.red(Captured, check, title, fmt.Sprintf("the Salesforce user may not write %s", some(locked)), "give the user Edit on it: "+where(one.Object, locked[0]))
	case len(unmapped) > 0:
		c.yellow(Captured, check, title,
			fmt.Sprintf("Salesforce requires %s, and nothing fills it: referrals will wait as join_refused unless the org fills it by itself", some(unmapped)),
			"map it under fields of the campaign")
	default:
		c.green(Captured, check, title, "every required field is filled")
	}
}

func fills(one rules.Campaign, field string) bool {
	return strings.EqualFold(one.CodeField, field) ||
		slices.ContainsFunc(one.Fields, func(m rules.Mapping) bool { return strings.EqualFold(m.To, field) })
}
