package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// How far back the data is searched, so that the searches can use an index on the stamp and end.
const (
	lookBack      = 365 * 24 * time.Hour
	lookBackShort = 90 * 24 * time.Hour
	mostRows      = 2000 // one page
	newestRows    = 200
)

// evidence is what the org's data tell about the rules.
type evidence struct {
	standing    map[string]tally // records that hold a rule's value now, by targetKey
	moved       map[string]tally // history rows in which a record reached it
	conversions tally            // the newest converted Leads; hits are those with an Opportunity
	deal        *deal            // the newest Opportunity; nil: none was looked at
	codes       []code           // of the newest records that carry one
	codesUntold []string         // code fields whose records could not be asked for
}

// tally counts hits among rows.
type tally struct {
	hits, rows int
	err        error // nothing was counted
	asked      bool
}

// deal is an Opportunity with the first row of its OpportunityHistory.
type deal struct {
	id      string
	created time.Time
	first   time.Time // zero: it has none
	err     error
}

// code is a referral code that a record carries.
type code struct {
	object   rules.Object
	recordID string
	text     string
}

// inquiry is a query with what to do with its answer.
type inquiry struct {
	soql salesforce.Soql
	take func(rows []salesforce.Row, err error)
}

// gatherEvidence looks in the org's data for what the rules wait for.
func (c *checkup) gatherEvidence(ctx context.Context) {
	c.evidence = evidence{standing: map[string]tally{}, moved: map[string]tally{}}
	if !c.loggedIn {
		return
	}
	now, _ := c.Salesforce.Now()
	var inquiries []inquiry
	asked := map[string]bool{}
	for _, rule := range c.outline.Rules {
		key := targetKey(rule)
		if asked[key] {
			continue
		}
		asked[key] = true
		inquiries = append(inquiries, c.ruleInquiries(rule, now)...)
	}
	inquiries = append(inquiries, c.codeInquiries(now)...)
	c.inquire(ctx, inquiries)
	if d := c.evidence.deal; d != nil && d.err == nil {
		c.inquire(ctx, []inquiry{firstRow(d)})
	}
}

// inquire asks, five to a call.
func (c *checkup) inquire(ctx context.Context, inquiries []inquiry) {
	for some := range slices.Chunk(inquiries, queriesACall) {
		var queries []salesforce.Query
		for i, q := range some {
			queries = append(queries, salesforce.Query{Name: "q" + strconv.Itoa(i), SOQL: q.soql})
		}
		c.report.Calls.Salesforce++
		_, results, err := c.Salesforce.Composite(ctx, queries)
		for i, q := range some {
			if err != nil {
				q.take(nil, err)
			} else {
				q.take(results[i].Rows, results[i].Err)
			}
		}
	}
}

// targetKey names what a rule waits for.
func targetKey(rule rules.Rule) string {
	object, _ := rule.WatchedField()
	return fmt.Sprintf("%s %s.%s=%s", rule.Method, object, rule.Target.Field, strings.ToLower(rule.Target.Value))
}

func (c *checkup) ruleInquiries(rule rules.Rule, now time.Time) (out []inquiry) {
	if rule.NeedsConversion() {
		out = append(out, c.conversionInquiry(now))
	}
	object, _ := rule.WatchedField()
	field, ok := c.describes[object].Field(rule.Target.Field)
	if !ok || rule.Parked == rules.ValueUnknown {
		return out
	}
	if soql, ok := standingSoql(object, field, rule.Target); ok {
		out = append(out, c.standingInquiry(rule, soql))
	}
	if object == rules.Opportunity {
		return append(out, c.stageInquiry(rule, now), c.dealInquiry(now))
	}
	if history := string(object) + "History"; !c.noHistory[history] && !field.Calculated {
		out = append(out, c.historyInquiry(rule, history, field.HistoryName(), now))
	}
	return out
}

// standingSoql counts the records that hold a value; ok is false for a field that Salesforce cannot count by.
func standingSoql(object rules.Object, f salesforce.Field, target rules.Target) (soql salesforce.Soql, ok bool) {
	if !f.Groupable {
		return soql, false
	}
	soql = salesforce.CountBy(f.Name, mostRows).From(string(object)).Living()
	switch f.Type {
	case "picklist", "string", "email", "phone", "url", "combobox", "id", "reference":
		return soql.Where(salesforce.Equal(f.Name, target.Value)), true
	case "boolean":
		return soql.Where(salesforce.Is(f.Name, target.Value == "true")), true
	}
	return soql, true // a literal of its type is not at hand: the groups are compared here
}

func (c *checkup) standingInquiry(rule rules.Rule, soql salesforce.Soql) inquiry {
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		t := tally{err: err, asked: true}
		for _, row := range rows {
			if rules.Equal(rule.Target.Type, row.Text(rule.Target.Field), rule.Target.Value) {
				n, _ := strconv.Atoi(row.Text(salesforce.Counted))
				t.hits += n
			}
		}
		c.evidence.standing[targetKey(rule)] = t
	}}
}

// historyInquiry counts how often a record of LeadHistory or ContactHistory reached the value. NewValue cannot be filtered on.
func (c *checkup) historyInquiry(rule rules.Rule, history, field string, now time.Time) inquiry {
	soql := salesforce.Select("Id", "NewValue", "CreatedDate").From(history).
		Where(salesforce.Equal("Field", field), salesforce.AtLeast("CreatedDate", now.Add(-lookBack))).Newest("CreatedDate", mostRows)
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		t := tally{err: err, rows: len(rows), asked: true}
		for _, row := range rows {
			if text := row.Text("NewValue"); rules.Equal(rule.Target.Type, text, rule.Target.Value) || rule.Target.Label != "" && strings.EqualFold(text, rule.Target.Label) {
				t.hits++
			}
		}
		c.evidence.moved[targetKey(rule)] = t
	}}
}

// stageInquiry counts the rows of OpportunityHistory that show the stage. They are written for amounts and dates too, so this is at least
// how often it was reached and at most a few times as many.
func (c *checkup) stageInquiry(rule rules.Rule, now time.Time) inquiry {
	soql := salesforce.CountBy(rules.StageName, mostRows).From("OpportunityHistory").
		Where(salesforce.Equal(rules.StageName, rule.Target.Value), salesforce.AtLeast("CreatedDate", now.Add(-lookBack))).Living()
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		t := tally{err: err, asked: true}
		for _, row := range rows {
			n, _ := strconv.Atoi(row.Text(salesforce.Counted))
			t.hits += n
		}
		c.evidence.moved[targetKey(rule)] = t
	}}
}

func (c *checkup) conversionInquiry(now time.Time) inquiry {
	soql := salesforce.Select("Id", "ConvertedOpportunityId").From("Lead").
		Where(salesforce.Is(rules.IsConverted, true), salesforce.AtLeast("SystemModstamp", now.Add(-lookBack))).Newest("SystemModstamp", newestRows).Living()
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		t := tally{err: err, rows: len(rows), asked: true}
		for _, row := range rows {
			if row.Text("ConvertedOpportunityId") != "" {
				t.hits++
			}
		}
		c.evidence.conversions = t
	}}
}

func (c *checkup) dealInquiry(now time.Time) inquiry {
	soql := salesforce.Select("Id", "CreatedDate").From("Opportunity").
		Where(salesforce.AtLeast("CreatedDate", now.Add(-lookBackShort))).Newest("CreatedDate", 1).Living()
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		if err != nil {
			c.evidence.deal = &deal{err: err}
		} else if len(rows) > 0 {
			created, _ := rules.ParseTime(rows[0].Text("CreatedDate"))
			c.evidence.deal = &deal{id: rows[0].Text("Id"), created: created}
		}
	}}
}

func firstRow(d *deal) inquiry {
	soql := salesforce.Select("Id", "CreatedDate").From("OpportunityHistory").Where(salesforce.Equal("OpportunityId", d.id)).OrderBy("CreatedDate", "Id")
	return inquiry{soql, func(rows []salesforce.Row, err error) {
		d.err = err
		if len(rows) > 0 {
			d.first, _ = rules.ParseTime(rows[0].Text("CreatedDate"))
		}
	}}
}

// codeInquiries ask for the newest records that carry a code, on every object that has a code field.
func (c *checkup) codeInquiries(now time.Time) (out []inquiry) {
	for _, object := range poll.Described(c.Poll) {
		asked := map[string]bool{}
		for _, one := range c.Campaigns {
			f, ok := c.describes[object].Field(one.CodeField)
			if !ok || one.CodeField == "" || asked[f.Name] {
				continue
			}
			asked[f.Name] = true
			if !f.Filterable {
				c.evidence.codesUntold = append(c.evidence.codesUntold, string(object)+"."+f.Name)
				continue
			}
			soql := salesforce.Select("Id", f.Name, "CreatedDate").From(string(object)).
				Where(salesforce.AtLeast("CreatedDate", now.Add(-lookBackShort)), salesforce.Filled(f.Name)).Newest("CreatedDate", newestRows).Living()
			out = append(out, inquiry{soql, func(rows []salesforce.Row, err error) {
				if err != nil {
					c.evidence.codesUntold = append(c.evidence.codesUntold, string(object)+"."+f.Name)
				}
				for _, row := range rows {
					c.evidence.codes = append(c.evidence.codes, code{object, row.Text("Id"), row.Text(f.Name)})
				}
			}})
		}
	}
	return out
}
