package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/salesforce"
)

// checkRules looks, campaign by campaign, at whether what the rule waits for exists, can be seen, and happens.
func (c *checkup) checkRules(context.Context) {
	if !c.loggedIn {
		return
	}
	stages := false
	for _, rule := range c.outline.Rules {
		if rule.Method == rules.None {
			continue // told with the campaigns
		}
		if rule.NeedsConversion() {
			c.checkConversions(rule)
		}
		if object, _ := rule.WatchedField(); object == "" {
			continue
		}
		if c.checkValue(rule) {
			c.checkReached(rule)
			c.checkWatching(rule)
		}
		stages = stages || rule.Method == rules.LeadConvertsToStage
	}
	if stages {
		c.checkStageHistory()
	}
}

// named makes the stable name and the title of a finding about a rule's field.
func named(rule rules.Rule, check, what string) (id, title string) {
	object, field := rule.WatchedField()
	return fmt.Sprintf("campaign.%d.%s", rule.ID, check), fmt.Sprintf("Campaign %d, %s %s.%s", rule.ID, what, object, field)
}

// checkValue tells whether the rule's field and value exist, and reports whether the field does.
func (c *checkup) checkValue(rule rules.Rule) bool {
	check, title := named(rule, "value", "value of")
	object, name := rule.WatchedField()
	d, described := c.describes[object]
	if !described {
		return false // told with the object
	}
	f, ok := d.Field(name)
	if !ok {
		c.red(Reaches, check, title, rule.ParkedWhy, "correct the field's API name in the config, or give the user Read on it: "+where(object, name))
		return false
	}
	if rule.Parked == rules.ValueUnknown {
		c.red(Reaches, check, title, rule.ParkedWhy, fmt.Sprintf("write the value as `qualifyd values %s.%s` lists it; the campaign waits until then", object, f.Name))
		return false
	}
	asked := rule.Campaign.Value
	text := fmt.Sprintf("the %s %q exists (%s)", valueWord(object), rule.Target.Value, f.Type)
	switch {
	case len(f.Values) == 0:
		text = fmt.Sprintf("%q can be a value of %s, a field of the type %s without a list of values", rule.Target.Value, f.Name, f.Type)
	case rule.Target.Label != "" && strings.EqualFold(asked, rule.Target.Label) && !strings.EqualFold(asked, rule.Target.Value):
		text = fmt.Sprintf("%q is the label of the API value %q, which is what is compared", asked, rule.Target.Value)
	case asked != rule.Target.Value:
		text = fmt.Sprintf("%q is spelled %q in Salesforce; letter case does not matter", asked, rule.Target.Value)
	}
	if inactive(f, rule.Target.Value) {
		c.yellow(Reaches, check, title, text+", but it is inactive: nobody can choose it any more",
			fmt.Sprintf("activate it (Setup, Object Manager, %s, Fields & Relationships, %s), or name in the config the value that took its place", object, f.Label))
		return true
	}
	c.green(Reaches, check, title, text)
	return true
}

func valueWord(object rules.Object) string {
	if object == rules.Opportunity {
		return "stage"
	}
	return "value"
}

func inactive(f salesforce.Field, value string) bool {
	for _, v := range f.Values {
		if strings.EqualFold(v.Value, value) {
			return !v.Active
		}
	}
	return false
}

// checkReached tells how many records have ever reached the value.
func (c *checkup) checkReached(rule rules.Rule) {
	check, title := named(rule, "reached", "data in")
	object, _ := rule.WatchedField()
	standing, moved := c.evidence.standing[targetKey(rule)], c.evidence.moved[targetKey(rule)]
	var known []string
	if standing.asked && standing.err == nil {
		known = append(known, fmt.Sprintf("%s at %q now", records(standing.hits, object), rule.Target.Value))
	}
	if moved.asked && moved.err == nil {
		known = append(known, fmt.Sprintf("%s of the last year's history with it", count(moved.hits, "row")))
	}
	f := Finding{Group: Reaches, Check: check, Colour: Green, Title: title, Text: strings.Join(known, "; "),
		Details: map[string]any{"records_now": standing.hits, "history_rows": moved.hits}}
	switch {
	case len(known) == 0:
		f.Colour, f.Text = Yellow, fmt.Sprintf("whether any %s was ever at %q cannot be counted%s", object, rule.Target.Value, because(standing.err, moved.err))
		f.Do = fmt.Sprintf("look for one in a report on %s", object)
	case standing.hits+moved.hits == 0:
		history := "nor does the last year's history show one that was"
		if moved.err != nil || moved.rows == 0 && object != rules.Opportunity { // OpportunityHistory was searched for the stage itself
			history = "and no history tells whether one ever was"
		}
		f.Colour, f.Text = Yellow, fmt.Sprintf("no %s is at %q now, %s: is it the %s that your process sets?", object, rule.Target.Value, history, valueWord(object))
		f.Do = fmt.Sprintf("compare with what the records hold: qualifyd values %s.%s", object, rule.Target.Field)
	}
	c.add(f)
}

func records(n int, object rules.Object) string {
	if n == 1 {
		return "1 " + string(object) + " is"
	}
	return count(n, string(object)) + " are"
}

func because(errs ...error) string {
	for _, err := range errs {
		if err != nil {
			return ": " + err.Error()
		}
	}
	return ""
}

// checkWatching tells whether a value that was there between two polls is seen.
func (c *checkup) checkWatching(rule rules.Rule) {
	object, _ := rule.WatchedField()
	if object == rules.Opportunity {
		return // OpportunityHistory is always written
	}
	check, title := named(rule, "history", "history of")
	full := string(object) + "." + rule.Target.Field
	moved := c.evidence.moved[targetKey(rule)]
	missable := fmt.Sprintf("values held for less than the poll interval (%s) can be missed", c.Config.Poll.Schedule)
	turnOn := fmt.Sprintf("switch on field history for %s: Setup, Object Manager, %s, Fields & Relationships, Set History Tracking", full, object)
	tracked := c.tracked(object, rule.Target.Field)
	switch {
	case rule.Target.Field == rules.IsConverted:
		c.green(Reaches, check, title, "a conversion is for good: none is missed between two polls")
	case rule.Target.Calculated:
		c.yellow(Reaches, check, title, full+" is a formula: no stamp moves and no history is kept when its result changes, so its records are read by Id in every pass; "+missable,
			"let a Flow copy the formula's result to a plain field, and name that one in the rule")
	case rule.Target.Type == "multipicklist" || rule.Target.Type == "textarea":
		c.yellow(Reaches, check, title, fmt.Sprintf("Salesforce keeps no values in the history of a field of the type %s; %s", rule.Target.Type, missable),
			"choose a picklist for the rule if it matters")
	case c.noHistory[string(object)+"History"]:
		c.yellow(Reaches, check, title, fmt.Sprintf("Salesforce shows no %sHistory to this user; %s", object, missable), turnOn)
	case moved.rows > 0 && (tracked == nil || *tracked):
		c.green(Reaches, check, title, "field history is on: values held between two polls are seen")
	case tracked == nil:
		c.yellow(Reaches, check, title, "whether field history is on for "+full+" cannot be told, and there is no row of it; if it is off, "+missable, turnOn)
	case !*tracked:
		c.yellow(Reaches, check, title, "field history is off for "+full+": "+missable, turnOn)
	default:
		c.green(Reaches, check, title, "field history is on, with no row yet: values held between two polls are seen")
	}
}

func (c *checkup) tracked(object rules.Object, field string) *bool {
	for _, info := range c.fields[object] {
		if strings.EqualFold(info.Name, field) {
			return info.Tracked
		}
	}
	return nil
}

// checkConversions tells whether Leads are converted at all, and with an Opportunity.
func (c *checkup) checkConversions(rule rules.Rule) {
	check, title := fmt.Sprintf("campaign.%d.conversions", rule.ID), fmt.Sprintf("Campaign %d, converted Leads", rule.ID)
	t := c.evidence.conversions
	switch {
	case t.err != nil || !t.asked:
		c.yellow(Reaches, check, title, "converted Leads could not be asked for"+because(t.err), "look at the user's access to Lead.IsConverted")
	case t.rows == 0:
		c.yellow(Reaches, check, title, "no Lead was converted in the last year: does your team convert Leads?",
			"choose another method if they work in another way, e.g. lead_field_changes")
	case t.hits == 0:
		c.yellow(Reaches, check, title, fmt.Sprintf("none of the newest %s made an Opportunity, and only a conversion with one counts", count(t.rows, "conversion")),
			"have the team leave \"Don't create an opportunity\" unticked when they convert")
	default:
		c.green(Reaches, check, title, fmt.Sprintf("%d of the newest %s made an Opportunity", t.hits, count(t.rows, "conversion")))
	}
}

// checkStageHistory tells whether the newest Opportunity's history begins with its creation. That Salesforce writes such a row is not
// documented, and a first row means something only if it does: OpportunityHistory tells no previous stage.
func (c *checkup) checkStageHistory() {
	const check, title = "opportunity.history", "OpportunityHistory"
	d := c.evidence.deal
	switch {
	case c.noHistory["OpportunityHistory"]:
		c.yellow(Reaches, check, title, "Salesforce shows no OpportunityHistory to this user; stages held for less than the poll interval can be missed",
			"give the user Read on the object Opportunity, and on its field StageName")
	case d == nil:
		c.green(Reaches, check, title, "readable; there is no Opportunity of the last 90 days to look at closer")
	case d.err != nil:
		text, do := inWords(d.err)
		c.yellow(Reaches, check, title, "the newest Opportunity could not be looked at: "+text, do)
	case d.first.IsZero() || d.first.Sub(d.created).Abs() > time.Minute:
		c.yellow(Reaches, check, title,
			fmt.Sprintf("the history of the newest Opportunity (%s) does not begin with its creation, so its first stage change there has no stage before it and is no proof", d.id),
			"nothing to do in Salesforce; such a change is seen by comparing what two polls saw, so poll often")
	default:
		c.green(Reaches, check, title, "readable, and an Opportunity's history begins with its creation")
	}
}
