package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/sync/salesforce"
)

// askCampaigns asks for a campaign, and a person for as many as they want.
func (s *setup) askCampaigns(ctx context.Context) error {
	for {
		c, err := s.askCampaign(ctx)
		if err != nil {
			return err
		}
		s.config.Campaigns = append(s.config.Campaigns, c)
		if flag := s.unused(); flag != "" {
			return usageError{fmt.Errorf("--%s has no effect beside the other answers; remove it", flag)}
		}
		clear(s.given) // what was given was for this campaign
		if s.keyboard == nil || len(s.unconfigured()) == 0 {
			return nil
		}
		if more, err := s.confirm(ctx, "Another campaign?", "no"); err != nil || !more {
			return err
		}
	}
}

// unconfigured are the account's campaigns that the config does not have yet.
func (s *setup) unconfigured() (left []choice) {
	for _, c := range s.account {
		if !slices.ContainsFunc(s.config.Campaigns, func(one config.Campaign) bool { return one.ID == c.ID }) {
			left = append(left, choice{value: strconv.FormatInt(c.ID, 10), label: c.Name, note: c.Status})
		}
	}
	return left
}

func (s *setup) askCampaign(ctx context.Context) (config.Campaign, error) {
	c := config.DefaultCampaign()
	for _, step := range []func(context.Context, *config.Campaign) error{s.askWhich, s.askJoining, s.askRule, s.askCodeField, s.askPolicy} {
		if err := step(ctx, &c); err != nil {
			return c, err
		}
	}
	if c.WhenLeadJoins != rules.DoNothingOnJoin {
		c.Fields = usualMapping(c.Object)
		return c, s.tellRequired(ctx, c)
	}
	return c, nil
}

func (s *setup) askWhich(ctx context.Context, c *config.Campaign) error {
	given := s.given["campaign"]
	if slices.ContainsFunc(s.config.Campaigns, func(one config.Campaign) bool { return strconv.FormatInt(one.ID, 10) == given }) {
		return usageError{fmt.Errorf("--campaign: %s is in %s already", given, s.path)}
	}
	left := s.unconfigured()
	if len(left) == 0 {
		return errors.New("the Referral Factory account has no campaign that is not in the config already")
	}
	id, err := s.choose(ctx, question{flag: "campaign", text: "The campaign"}, left)
	if err != nil {
		return err
	}
	c.ID, err = strconv.ParseInt(id, 10, 64)
	for _, one := range s.account {
		if one.ID == c.ID {
			c.Name = strings.Join(strings.Fields(one.Name), " ")
		}
	}
	return err
}

func (s *setup) askJoining(ctx context.Context, c *config.Campaign) error {
	mode, err := s.choose(ctx, question{flag: "when-lead-joins", text: "What happens in Salesforce when a referral joins", otherwise: string(c.WhenLeadJoins)}, []choice{
		{value: string(rules.DoNothingOnJoin), note: "people or other tools enter the records"},
		{value: string(rules.CreateLead), note: "qualifyd creates a Lead"},
		{value: string(rules.CreateContact), note: "qualifyd creates a Contact"},
	})
	c.WhenLeadJoins = rules.JoinMode(mode)
	switch {
	case err != nil:
		return err
	case c.WhenLeadJoins == rules.CreateContact:
		c.Object = rules.Contact
		return nil
	case c.WhenLeadJoins == rules.CreateLead:
		c.Object = rules.Lead
		return nil
	}
	object, err := s.choose(ctx, question{flag: "object", text: "The records to watch", otherwise: string(c.Object)},
		[]choice{{value: string(rules.Lead)}, {value: string(rules.Contact)}})
	c.Object = rules.Object(object)
	return err
}

func (s *setup) askRule(ctx context.Context, c *config.Campaign) error {
	methods := []choice{
		{value: string(rules.LeadFieldChanges), note: "a field of the Lead becomes a value"},
		{value: string(rules.LeadConverts), note: "the Lead is converted with an Opportunity"},
		{value: string(rules.LeadConvertsToStage), note: "the Lead is converted, and its Opportunity reaches a stage"},
		{value: string(rules.None), note: "nothing qualifies"},
	}
	if c.Object == rules.Contact {
		methods = []choice{{value: string(rules.ContactFieldChanges), note: "a field of the Contact becomes a value"}, {value: string(rules.None), note: "nothing qualifies"}}
	}
	method, err := s.choose(ctx, question{flag: "method", text: "What qualifies a referral"}, methods)
	c.Qualify.Method = rules.Method(method)
	switch {
	case err != nil:
		return err
	case c.Qualify.Method == rules.LeadConvertsToStage:
		return s.askStage(ctx, c)
	case c.Qualify.Method == rules.LeadFieldChanges, c.Qualify.Method == rules.ContactFieldChanges:
		return s.askFieldAndValue(ctx, c)
	}
	return nil
}

func (s *setup) askStage(ctx context.Context, c *config.Campaign) error {
	var choices []choice
	if s.salesforce != nil {
		stages, err := s.salesforce.Stages(ctx)
		if err != nil && !errors.Is(err, salesforce.ErrNotCounted) {
			return err
		}
		for _, one := range stages {
			choices = append(choices, choice{value: one.APIName, label: one.Label, note: noteOf(one.Active, one.Records, err)})
		}
	}
	stage, err := s.choose(ctx, question{flag: "stage", text: "The stage that the Opportunity must reach"}, choices)
	c.Qualify.Stage = stage
	return err
}

func (s *setup) askFieldAndValue(ctx context.Context, c *config.Campaign) error {
	fields, err := s.fieldsOf(ctx, c.Object)
	if err != nil {
		return err
	}
	var choices []choice
	for _, f := range fields {
		note := ""
		if f.Calculated {
			note = "formula"
		}
		if !slices.Contains([]string{"id", "reference", "address", "location", "base64"}, f.Type) {
			choices = append(choices, choice{value: f.Name, label: f.Label, note: note})
		}
	}
	if c.Qualify.Field, err = s.choose(ctx, question{flag: "field", text: fmt.Sprintf("The field of the %s that is watched", c.Object)}, choices); err != nil {
		return err
	}
	if choices, err = s.valuesOf(ctx, c.Object, c.Qualify.Field); err != nil {
		return err
	}
	c.Qualify.Value, err = s.choose(ctx, question{flag: "value", text: "The value that it must become"}, choices)
	return err
}

// fieldsOf lists an object's fields; none before somebody has connected.
func (s *setup) fieldsOf(ctx context.Context, object rules.Object) ([]salesforce.Field, error) {
	if s.salesforce == nil {
		return nil, nil
	}
	d, _, err := s.salesforce.Describe(ctx, string(object))
	return d.Fields, err
}

// valuesOf are the values that a picklist or checkbox can become, and those that records hold besides. Of other fields there are none to
// choose from.
func (s *setup) valuesOf(ctx context.Context, object rules.Object, field string) (choices []choice, err error) {
	if s.salesforce == nil {
		return nil, nil
	}
	values, err := s.salesforce.Values(ctx, string(object), field)
	if err != nil && !errors.Is(err, salesforce.ErrNotCounted) {
		return nil, err
	}
	if !slices.ContainsFunc(values, func(v salesforce.ValueCount) bool { return v.Listed }) {
		return nil, nil
	}
	for _, v := range values {
		if v.Value != "" {
			choices = append(choices, choice{value: v.Value, label: v.Label, note: noteOf(v.Active || !v.Listed, v.Records, err)})
		}
	}
	return choices, nil
}

func noteOf(active bool, records int, notCounted error) string {
	var notes []string
	if !active {
		notes = append(notes, "inactive")
	}
	if notCounted == nil {
		notes = append(notes, fmt.Sprintf("%d records now", records))
	}
	return strings.Join(notes, ", ")
}

// noField is what people type for no field.
const noField = "none"

func (s *setup) askCodeField(ctx context.Context, c *config.Campaign) error {
	fields, err := s.fieldsOf(ctx, c.Object)
	if err != nil {
		return err
	}
	q := question{flag: "code-field", text: "The field with the referral code; without one, records are found by e-mail", otherwise: noField}
	var choices []choice
	for _, f := range fields {
		if f.Type != "string" || f.Calculated || !strings.HasSuffix(f.Name, "__c") {
			continue
		}
		choices = append(choices, choice{value: f.Name, label: f.Label})
		if name := strings.ToLower(f.Name); s.keyboard != nil && strings.Contains(name, "refer") && strings.Contains(name, "code") {
			q.otherwise = f.Name
		}
	}
	if s.salesforce != nil {
		choices = append(choices, choice{value: noField})
	}
	field, err := s.choose(ctx, q, choices)
	if field != noField {
		c.ReferralCodeField = field
	}
	return err
}

func (s *setup) askPolicy(ctx context.Context, c *config.Campaign) error {
	policy, err := s.choose(ctx, question{flag: "duplicates", text: "Who was a Lead or Contact before the referral", otherwise: string(c.Duplicates)}, []choice{
		{value: string(rules.DoNothing), note: "cannot qualify: an existing customer"},
		{value: string(rules.Update), note: "can: what changes from now on counts"},
		{value: string(rules.CreateNew), note: "can by a newer record only"},
	})
	c.Duplicates = rules.Duplicates(policy)
	if err != nil {
		return err
	}
	c.EffectiveFrom.Text, err = s.ask(ctx, question{flag: "effective-from", text: "The earliest change that counts, like 2026-01-01 (Enter: the first pass)", optional: true, check: dayOrInstant})
	return err
}

func dayOrInstant(text string) (string, error) {
	_, notDay := time.Parse(time.DateOnly, text)
	_, notInstant := time.Parse(time.RFC3339, text)
	if notDay != nil && notInstant != nil {
		return "", fmt.Errorf("%q is neither a date nor an instant; write 2026-01-01 or 2026-01-01T09:00:00Z", text)
	}
	return text, nil
}

// usualMapping fills what Salesforce itself requires, and what a referral always has.
func usualMapping(object rules.Object) []config.Mapping {
	fields := []config.Mapping{
		{To: "FirstName", Dynamic: "first_name"},
		{To: "LastName", Dynamic: "meta.Last Name", Otherwise: "(unknown)"},
		{To: "Email", Dynamic: "email"},
	}
	if object == rules.Lead {
		fields = append(fields, config.Mapping{To: "Company", Fixed: "Referred"})
	}
	return fields
}

// tellRequired names the fields that this org requires besides: without them every referral would wait.
func (s *setup) tellRequired(ctx context.Context, c config.Campaign) error {
	fields, err := s.fieldsOf(ctx, c.Object)
	var missing []string
	for _, f := range fields {
		mapped := slices.ContainsFunc(c.Fields, func(m config.Mapping) bool { return m.To == f.Name })
		if f.Createable && !f.Nillable && !f.DefaultedOnCreate && !mapped {
			missing = append(missing, f.Name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(s.app.err, "note: Salesforce also requires %s of a new %s; add them to the campaign's fields\n", strings.Join(missing, ", "), c.Object)
	}
	return err
}
