package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// FieldInfo is a field, and whether its changes are kept in the object's history.
type FieldInfo struct {
	Field
	Tracked *bool // nil: the org does not tell
}

// ValueCount is a value that a field can hold, or does.
type ValueCount struct {
	Value   string // "" is no value
	Label   string
	Active  bool // people can choose it
	Listed  bool // describe has it; picklists may also hold values that were since removed, or came in by API
	Records int  // rows that hold it now, as far as the user sees them, deleted ones apart
}

// Stage is an Opportunity stage.
type Stage struct {
	APIName, Label      string
	Active, Closed, Won bool
	SortOrder           int
	Records             int // Opportunities at it now, as [ValueCount.Records]
}

// ErrNotCounted is in the chain of an error beside a list that is whole but for
// its Records: Salesforce would not or could not count.
var ErrNotCounted = errors.New("the records that hold each value are not counted")

// UnknownField says that an object has no such field, or shows us none.
type UnknownField struct {
	Object, Field string
	Known         []Field // the fields that there are
}

func (e *UnknownField) Error() string {
	return fmt.Sprintf("%s has no field %s that the Salesforce user may read", e.Object, e.Field)
}

// Objects lists the API names of the objects that the user may see.
func (c *Client) Objects(ctx context.Context) ([]string, error) {
	var answer struct {
		Objects []struct{ Name string } `json:"sobjects"`
	}
	_, err := c.do(ctx, request{
		op: "list the objects", use: useDescribe, method: http.MethodGet, path: c.dataPath() + "/sobjects",
		decode: func(body []byte) error {
			answer.Objects = nil
			err := json.Unmarshal(body, &answer)
			if err == nil && (len(answer.Objects) == 0 || slices.Contains(answer.Objects, struct{ Name string }{})) {
				err = errors.New("a list without objects, or with one that has no name")
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range answer.Objects {
		names = append(names, o.Name)
	}
	return names, nil
}

// FieldInfos lists an object's fields in describe's order.
func (c *Client) FieldInfos(ctx context.Context, object string) ([]FieldInfo, error) {
	d, _, err := c.Describe(ctx, object)
	if err != nil {
		return nil, err
	}
	tracked, err := c.tracked(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	infos := make([]FieldInfo, len(d.Fields))
	for i, f := range d.Fields {
		infos[i].Field = f
		if is, told := tracked[strings.ToLower(f.Name)]; told {
			infos[i].Tracked = &is
		}
	}
	return infos, nil
}

// tracked tells by lower-case field name whether history tracking is on. It is
// empty where the org does not say: what a user needs to read FieldDefinition
// by REST is not documented (the Tooling API asks for View Setup), so being
// refused is no error. Parts of a compound field, like FirstName, have no row.
func (c *Client) tracked(ctx context.Context, object string) (map[string]bool, error) {
	page, _, err := c.QueryAll(ctx, Select("QualifiedApiName", "IsFieldHistoryTracked").From("FieldDefinition").
		Where(Equal("EntityDefinition.QualifiedApiName", object)).Living())
	switch KindOf(err) {
	case FieldGone, ObjectGone, Refused, Malformed:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tracked := map[string]bool{}
	for _, row := range page.Rows {
		if is, err := strconv.ParseBool(row.Text("IsFieldHistoryTracked")); err == nil {
			tracked[strings.ToLower(row.Text("QualifiedApiName"))] = is
		}
	}
	return tracked, nil
}

// Values lists what a field can hold in the order of its picklist, then what
// records hold besides, the commonest first. Of a field without a list these
// are the commonest values only. Beside an error of [ErrNotCounted] the
// picklist's values are there, and of an [*UnknownField] none.
func (c *Client) Values(ctx context.Context, object, field string) ([]ValueCount, error) {
	d, _, err := c.Describe(ctx, object)
	if err != nil {
		return nil, err
	}
	f, ok := d.Field(field)
	if !ok {
		return nil, &UnknownField{Object: d.Name, Field: field, Known: d.Fields}
	}
	values := listed(f)
	if !f.Groupable {
		return values, fmt.Errorf("%s.%s: Salesforce does not group by this field: %w", d.Name, f.Name, ErrNotCounted)
	}
	most := commonest
	if len(values) > 0 {
		most = maxGroups
	}
	page, _, err := c.QueryAll(ctx, CountBy(f.Name, most).From(d.Name).Living())
	if err != nil {
		return values, notCounted(err)
	}
	return addCounts(values, page.Rows, f.Name), nil
}

// commonest is how many values of a field without a list are shown.
const commonest = 50

// notCounted marks a failure to count, unless it would stop every other call too.
func notCounted(err error) error {
	switch KindOf(err) {
	case Narrow, Refused, FieldGone, ObjectGone, Malformed: // Narrow: counting a very large table takes too long
		return fmt.Errorf("%w: %w", ErrNotCounted, err)
	}
	return err
}

// listed are the values that describe knows of a field.
func listed(f Field) []ValueCount {
	if f.Type == "boolean" {
		return []ValueCount{{Value: "true", Label: "true", Active: true, Listed: true}, {Value: "false", Label: "false", Active: true, Listed: true}}
	}
	var values []ValueCount
	for _, v := range f.Values {
		values = append(values, ValueCount{Value: v.Value, Label: v.Label, Active: v.Active, Listed: true})
	}
	return values
}

// addCounts puts each group's number on its value. Letter case is no other
// value: whether Salesforce groups by it is not documented.
func addCounts(values []ValueCount, rows []Row, field string) []ValueCount {
	for _, row := range rows {
		n, _ := strconv.Atoi(row.Text(Counted))
		at := slices.IndexFunc(values, func(v ValueCount) bool { return strings.EqualFold(v.Value, row.Text(field)) })
		if at < 0 {
			at = len(values)
			values = append(values, ValueCount{Value: row.Text(field), Label: row.Text(field)})
		}
		values[at].Records += n
	}
	return values
}

// Stages lists the Opportunity stages in the org's order, inactive ones too,
// and behind them what Opportunities hold that is no stage any more. Beside an
// error of [ErrNotCounted] the stages are there.
func (c *Client) Stages(ctx context.Context) ([]Stage, error) {
	_, results, err := c.Composite(ctx, []Query{
		{Name: "stages", SOQL: Select("ApiName", "MasterLabel", "IsActive", "IsClosed", "IsWon", "SortOrder").From("OpportunityStage").OrderBy("SortOrder").Living()},
		{Name: "records", SOQL: CountBy("StageName", maxGroups).From("Opportunity").Living()},
	})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		return nil, err
	}
	var stages []Stage
	for _, row := range results[0].Rows {
		order, _ := strconv.Atoi(row.Text("SortOrder"))
		stages = append(stages, Stage{APIName: row.Text("ApiName"), Label: row.Text("MasterLabel"), SortOrder: order,
			Active: row.Text("IsActive") == "true", Closed: row.Text("IsClosed") == "true", Won: row.Text("IsWon") == "true"})
	}
	if err := results[1].Err; err != nil {
		return stages, notCounted(err)
	}
	return countStages(stages, results[1].Rows), nil
}

func countStages(stages []Stage, rows []Row) []Stage {
	for _, row := range rows {
		n, _ := strconv.Atoi(row.Text(Counted))
		at := slices.IndexFunc(stages, func(s Stage) bool { return strings.EqualFold(s.APIName, row.Text("StageName")) })
		if at < 0 {
			at = len(stages)
			stages = append(stages, Stage{APIName: row.Text("StageName"), Label: row.Text("StageName")})
		}
		stages[at].Records += n
	}
	return stages
}
