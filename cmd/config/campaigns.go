package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"qualifyd/rules"
)

func (c *checker) campaignList(config *Config) {
	if len(config.Campaigns) == 0 {
		c.problem("campaigns", "is missing; list at least one campaign")
	}
	first := map[int64]int{}
	for i := range config.Campaigns {
		campaign := &config.Campaigns[i]
		key := fmt.Sprintf("campaigns[%d]", i)
		if c.wrong(key) {
			continue // it is no section
		}
		c.campaign(key+".", campaign)
		campaign.EffectiveFrom = campaign.EffectiveFrom.in(config.ReferralFactory.Location)
		if before, twice := first[campaign.ID]; twice && campaign.ID != 0 {
			c.problem(key+".id", "%d is already the id of campaigns[%d] (line %d); a campaign has one rule", campaign.ID, before, c.line(fmt.Sprintf("campaigns[%d].id", before)))
		} else {
			first[campaign.ID] = i
		}
	}
}

func (c *checker) campaign(key string, campaign *Campaign) {
	if !c.has(key + "id") {
		c.problem(key+"id", "is missing; write the campaign's number in Referral Factory, like 101")
	} else if campaign.ID <= 0 {
		c.problem(key+"id", "%d is not a campaign's number; write one like 101", campaign.ID)
	}
	c.choice(key+"duplicates", string(campaign.Duplicates))
	if campaign.ReferralCodeField != "" {
		c.apiName(key+"referral_code_field", campaign.ReferralCodeField)
	}
	if !c.joining(key, campaign) {
		return // without knowing the object, nothing can be said about the rule
	}
	c.rule(key+"qualify.", *campaign)
	for i := range campaign.Fields {
		c.mapping(key, i, *campaign)
	}
}

// joining checks what happens when a referral joins, and settles the campaign's object.
func (c *checker) joining(key string, campaign *Campaign) bool {
	if !c.choice(key+"when_lead_joins", string(campaign.WhenLeadJoins)) {
		return false
	}
	with := "with when_lead_joins: " + string(campaign.WhenLeadJoins)
	made := rules.Lead
	switch campaign.WhenLeadJoins {
	case rules.DoNothingOnJoin:
		c.noEffect(with, key+"fields")
		return c.choice(key+"object", string(campaign.Object))
	case rules.CreateLead:
		c.warnUnmapped(key+"fields", *campaign, "LastName", "Company")
	case rules.CreateContact:
		made = rules.Contact
		c.warnUnmapped(key+"fields", *campaign, "LastName")
	}
	if c.has(key+"object") && campaign.Object != made {
		c.problem(key+"object", "contradicts when_lead_joins: %s, which makes a %s; remove it", campaign.WhenLeadJoins, made)
	}
	campaign.Object = made
	return true
}

// warnUnmapped warns of fields that Salesforce requires of every such record.
// No error: an org can make them optional or fill them by itself.
func (c *checker) warnUnmapped(key string, campaign Campaign, required ...string) {
	for _, name := range required {
		mapped := slices.ContainsFunc(campaign.Fields, func(m Mapping) bool { return strings.EqualFold(m.To, name) })
		if !mapped {
			c.warn(key, "nothing fills %s, which Salesforce usually requires of a %s; referrals would wait as join_refused", name, campaign.Object)
		}
	}
}

// methodKeys lists what each method needs beside itself; the others are without effect.
var methodKeys = map[rules.Method][]string{
	rules.None:                {},
	rules.LeadFieldChanges:    {"field", "value"},
	rules.ContactFieldChanges: {"field", "value"},
	rules.LeadConverts:        {},
	rules.LeadConvertsToStage: {"stage"},
}

func (c *checker) rule(key string, campaign Campaign) {
	qualify := campaign.Qualify
	if !c.choice(key+"method", string(qualify.Method)) {
		return
	}
	c.methodFitsObject(key+"method", campaign)
	wants := map[string]string{
		"field": "the field's API name, like Status",
		"value": "the value that qualifies, like Qualified",
		"stage": "the opportunity stage that qualifies, like Closed Won",
	}
	values := map[string]string{"field": qualify.Field, "value": qualify.Value, "stage": qualify.Stage}
	for _, name := range []string{"field", "value", "stage"} {
		if slices.Contains(methodKeys[qualify.Method], name) {
			c.present(key+name, values[name], wants[name])
		} else {
			c.noEffect("with method: "+string(qualify.Method), key+name)
		}
	}
	if qualify.Field != "" {
		c.apiName(key+"field", qualify.Field)
	}
}

// methodFitsObject refuses a rule about records that the campaign never has.
func (c *checker) methodFitsObject(key string, campaign Campaign) {
	method := campaign.Qualify.Method
	onContacts := method == rules.ContactFieldChanges
	if method == rules.None || onContacts == (campaign.Object == rules.Contact) {
		return
	}
	why := "object: " + string(campaign.Object)
	if campaign.WhenLeadJoins != rules.DoNothingOnJoin {
		why = "when_lead_joins: " + string(campaign.WhenLeadJoins)
	}
	allowed := "none, lead_field_changes, lead_converts or lead_converts_to_stage"
	if campaign.Object == rules.Contact {
		allowed = "none or contact_field_changes"
	}
	c.problem(key, "%s cannot happen: this campaign's records are %ss (%s); write %s", method, campaign.Object, why, allowed)
}

// mapping checks row i of a campaign's fields.
func (c *checker) mapping(key string, i int, campaign Campaign) {
	row := campaign.Fields[i]
	key = fmt.Sprintf("%sfields[%d]", key, i)
	if c.present(key+".to", row.To, "the API name of the field to fill, like LastName") && c.apiName(key+".to", row.To) {
		c.mappingTarget(key+".to", i, campaign)
	}
	dynamic, fixed := c.has(key+".dynamic"), c.has(key+".fixed")
	switch {
	case dynamic && fixed:
		c.problem(key, "has both dynamic and fixed; keep one")
	case fixed:
		c.noEffect("with fixed", key+".otherwise")
	case !dynamic:
		c.problem(key, "has neither dynamic nor fixed; write one of them")
	case row.Dynamic != "" && !knownDynamic(row.Dynamic):
		c.problem(key+".dynamic", "%q is not known; write one of %s, meta.<label>, or referrer. before any of these", row.Dynamic, strings.Join(dynamicNames, ", "))
	}
}

// mappingTarget checks where row i writes, apart from the spelling.
func (c *checker) mappingTarget(key string, i int, campaign Campaign) {
	row := campaign.Fields[i]
	for before := range i {
		if strings.EqualFold(campaign.Fields[before].To, row.To) {
			c.problem(key, "%s is already filled by fields[%d]; keep one", row.To, before)
			return
		}
	}
	if strings.EqualFold(row.To, campaign.ReferralCodeField) && row.Dynamic != "code" {
		c.problem(key, "%s is the referral_code_field, which qualifyd fills with the code; remove this row", row.To)
	}
	if writesRuleValue(row, campaign.Qualify) {
		c.problem(key, "this row writes %s, the value that qualifies, to %s itself: nobody could then reach it; write another value", campaign.Qualify.Value, row.To)
	}
}

func writesRuleValue(row Mapping, rule Qualify) bool {
	if rule.Field == "" || rule.Value == "" || !strings.EqualFold(row.To, rule.Field) {
		return false
	}
	written := row.Fixed
	if written == nil {
		written = row.Otherwise
	}
	return written != nil && strings.EqualFold(strings.TrimSpace(fmt.Sprint(written)), strings.TrimSpace(rule.Value))
}

// dynamicNames are the values that every referral has.
var dynamicNames = []string{"id", "first_name", "email", "code", "url", "source", "campaign_name"}

// knownDynamic accepts a name, meta. with the label of a campaign's question, and either after referrer.
func knownDynamic(name string) bool {
	name = strings.TrimPrefix(name, "referrer.")
	label, isMeta := strings.CutPrefix(name, "meta.")
	return slices.Contains(dynamicNames, name) || isMeta && strings.TrimSpace(label) != ""
}

var apiNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

func (c *checker) apiName(key, name string) bool {
	if apiNames.MatchString(name) {
		return true
	}
	c.problem(key, "%q is not an API name; Salesforce shows it as Field Name in the Object Manager, like Status or Referral_Code__c", name)
	return false
}
