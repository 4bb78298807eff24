package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// ObjectRequest names a Salesforce object.
type ObjectRequest struct {
	Object string `json:"object"`
}

// FieldRequest names a field with its object, as in "Lead.Status".
type FieldRequest struct {
	Field string `json:"field"`
}

// FieldList is what an object has, as far as the Salesforce user may see it.
type FieldList struct {
	Object string      `json:"object"`
	Fields []FieldLine `json:"fields"` // in Salesforce's order
}

// FieldLine is a field in a list.
type FieldLine struct {
	Label   string `json:"label"`
	Name    string `json:"name"` // API name
	Type    string `json:"type"`
	Tracked *bool  `json:"history_tracked"` // null: the org does not tell
	Formula bool   `json:"formula"`         // its changes are seen later, as they move no stamp
}

// ValueList is what a field can hold, and what records hold besides.
type ValueList struct {
	Object string      `json:"object"`
	Field  string      `json:"field"`
	Values []ValueLine `json:"values"`
	Note   string      `json:"note,omitempty"` // what the list lacks, and why
}

// ValueLine is a value in a list.
type ValueLine struct {
	Label   string `json:"label"`
	Value   string `json:"value"`   // as the API has it, and the config too; "" is no value
	Active  bool   `json:"active"`  // people can choose it
	Listed  bool   `json:"listed"`  // the field's own list has it
	Records *int   `json:"records"` // that hold it now; null: not counted
}

// StageList is the org's Opportunity stages.
type StageList struct {
	Stages []StageLine `json:"stages"`
	Note   string      `json:"note,omitempty"`
}

// StageLine is a stage in a list.
type StageLine struct {
	Label   string `json:"label"`
	Name    string `json:"name"` // API name
	Active  bool   `json:"active"`
	Closed  bool   `json:"closed"`
	Won     bool   `json:"won"`
	Records *int   `json:"records"` // Opportunities at it now; null: not counted
}

// CampaignLine is a campaign in the list of those of the account and of the config.
type CampaignLine struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"` // launched, draft or paused
	StartsAt   string `json:"starts_at,omitempty"`
	EndsAt     string `json:"ends_at,omitempty"`
	InAccount  bool   `json:"in_account"`
	Configured bool   `json:"configured"`
	Rule       string `json:"rule,omitempty"` // of a configured one
}

// FieldsQuestion asks what fields an object has.
var FieldsQuestion = Question[ObjectRequest, FieldList]{name: "fields", online: true, storeless: true,
	answer: func(ctx context.Context, d *Desk, _ Asker, q ObjectRequest, _ Progress) (FieldList, error) {
		return listFields(ctx, d.Salesforce, q.Object)
	}}

// ValuesQuestion asks what a field can hold.
var ValuesQuestion = Question[FieldRequest, ValueList]{name: "values", online: true, storeless: true,
	answer: func(ctx context.Context, d *Desk, _ Asker, q FieldRequest, _ Progress) (ValueList, error) {
		return listValues(ctx, d.Salesforce, q.Field)
	}}

// StagesQuestion asks which Opportunity stages there are.
var StagesQuestion = Question[Nothing, StageList]{name: "stages", online: true, storeless: true,
	answer: func(ctx context.Context, d *Desk, _ Asker, _ Nothing, _ Progress) (StageList, error) {
		return listStages(ctx, d.Salesforce)
	}}

// CampaignsQuestion asks which campaigns the account has, and which of them are configured.
var CampaignsQuestion = Question[Nothing, []CampaignLine]{name: "campaigns", online: true, storeless: true,
	answer: func(ctx context.Context, d *Desk, _ Asker, _ Nothing, _ Progress) ([]CampaignLine, error) {
		return listCampaigns(ctx, d.ReferralFactory, d.Campaigns)
	}}

func listFields(ctx context.Context, sf *salesforce.Client, object string) (FieldList, error) {
	infos, err := sf.FieldInfos(ctx, object)
	if err != nil {
		return FieldList{}, nameNearObjects(ctx, sf, object, err)
	}
	list := FieldList{Object: object, Fields: []FieldLine{}}
	for _, f := range infos {
		list.Fields = append(list.Fields, FieldLine{Label: f.Label, Name: f.Name, Type: f.Type, Tracked: f.Tracked, Formula: f.Calculated})
	}
	return list, nil
}

func listValues(ctx context.Context, sf *salesforce.Client, path string) (ValueList, error) {
	object, field, ok := strings.Cut(path, ".")
	if !ok || object == "" || field == "" {
		return ValueList{}, usage("%q is not an object and its field; write them like Lead.Status", path)
	}
	values, err := sf.Values(ctx, object, field)
	if err != nil && !errors.Is(err, salesforce.ErrNotCounted) {
		return ValueList{}, nameNearObjects(ctx, sf, object, nameNearFields(err))
	}
	list := ValueList{Object: object, Field: field, Values: []ValueLine{}, Note: note(err)}
	for _, v := range values {
		list.Values = append(list.Values, ValueLine{Label: v.Label, Value: v.Value, Active: v.Active, Listed: v.Listed, Records: counted(v.Records, err)})
	}
	return list, nil
}

func listStages(ctx context.Context, sf *salesforce.Client) (StageList, error) {
	stages, err := sf.Stages(ctx)
	if err != nil && !errors.Is(err, salesforce.ErrNotCounted) {
		return StageList{}, err
	}
	list := StageList{Stages: []StageLine{}, Note: note(err)}
	for _, s := range stages {
		list.Stages = append(list.Stages, StageLine{Label: s.Label, Name: s.APIName, Active: s.Active, Closed: s.Closed, Won: s.Won, Records: counted(s.Records, err)})
	}
	return list, nil
}

// counted is a number of records, or nil where err says that there was no counting.
func counted(records int, err error) *int {
	if err != nil {
		return nil
	}
	return &records
}

func note(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// nameNearObjects adds to the error for an unknown object what may have been meant.
func nameNearObjects(ctx context.Context, sf *salesforce.Client, object string, err error) error {
	if salesforce.KindOf(err) != salesforce.ObjectGone {
		return err
	}
	names, listErr := sf.Objects(ctx)
	if listErr != nil {
		return err
	}
	return fmt.Errorf("the org has no object %s that the Salesforce user may see%s", object, perhaps(rules.Near(names, object)))
}

// nameNearFields adds to the error for an unknown field what may have been meant; a person may also have written its label.
func nameNearFields(err error) error {
	var unknown *salesforce.UnknownField
	if !errors.As(err, &unknown) {
		return err
	}
	var names, labelled []string
	for _, f := range unknown.Known {
		names = append(names, f.Name)
		if strings.EqualFold(f.Label, unknown.Field) {
			labelled = append(labelled, f.Name)
		}
	}
	if len(labelled) == 0 {
		labelled = rules.Near(names, unknown.Field)
	}
	return fmt.Errorf("%w%s", err, perhaps(labelled))
}

func perhaps(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

func listCampaigns(ctx context.Context, rf *referralfactory.Client, configured []rules.Campaign) ([]CampaignLine, error) {
	all, _, err := rf.Campaigns(ctx)
	if err != nil {
		return nil, err
	}
	lines := []CampaignLine{}
	for _, c := range all {
		lines = append(lines, CampaignLine{ID: c.ID, Name: c.Name, Status: c.Status, StartsAt: c.StartsAt, EndsAt: c.EndsAt, InAccount: true})
	}
	for _, c := range configured {
		at := slices.IndexFunc(lines, func(l CampaignLine) bool { return l.ID == c.ID })
		if at < 0 {
			at = len(lines)
			lines = append(lines, CampaignLine{ID: c.ID, Name: c.Name})
		}
		lines[at].Configured, lines[at].Rule = true, c.InWords()
	}
	return lines, nil
}
