package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/sync/salesforce"
)

const (
	queriesACall = 5   // Salesforce's limit of queries in a composite
	smallPage    = 200 // the least that Salesforce takes for a page: the likeliest to have a next one
	// slowAnswer is what Salesforce calls a long request: only 25 of those may be under way at a time, of all the org's clients.
	slowAnswer = 20 * time.Second
	// largeTable is from how many records on a scan of all of them is worth a word. In a smaller one Salesforce scans rather than use an index.
	largeTable = 100_000
)

// since is from when on a pass asks what changed.
func (c *checkup) since() time.Time {
	now, _ := c.Salesforce.Now()
	return now.Add(-c.Poll.Overlap).Add(-time.Minute)
}

// tryQueries asks once what a pass asks, and how Salesforce runs it.
func (c *checkup) tryQueries(ctx context.Context) {
	if !c.loggedIn || len(c.outline.Queries) == 0 {
		return
	}
	var rows []string
	var took time.Duration
	for queries := range slices.Chunk(c.outline.Queries, queriesACall) {
		queries = slices.Clone(queries)
		queries[0].SOQL = queries[0].SOQL.Batch(smallPage)
		c.report.Calls.Salesforce++
		began := time.Now()
		_, results, err := c.Salesforce.Composite(ctx, queries)
		took = max(took, time.Since(began))
		if err != nil {
			text, do := inWords(err)
			c.red(Machinery, "queries", "What a pass asks", text, do)
			return
		}
		for i, result := range results {
			rows = append(rows, c.takeTrial(ctx, queries[i].Name, result)...)
		}
	}
	text := fmt.Sprintf("answered within %s: %s of the last %s", took.Round(10*time.Millisecond), orNothing(rows), long(c.Poll.Overlap+time.Minute))
	if took >= slowAnswer {
		c.yellow(Machinery, "queries", "What a pass asks", text+"; Salesforce counts that as a long request, of which the whole org may have 25 at a time",
			"poll when less is loaded into the org, or ask Salesforce Support for an index on SystemModstamp")
	} else {
		c.green(Machinery, "queries", "What a pass asks", text)
	}
	c.explainQueries(ctx)
}

func orNothing(rows []string) string {
	if len(rows) == 0 {
		return "nothing"
	}
	return strings.Join(rows, ", ")
}

// takeTrial looks at the answer to one query, and at whether its next page can be had.
func (c *checkup) takeTrial(ctx context.Context, name string, r salesforce.Result) (rows []string) {
	check, title := "query."+name, "Reading "+name
	switch kind := salesforce.KindOf(r.Err); {
	case r.Err == nil:
	case kind == salesforce.ObjectGone || kind == salesforce.Refused && strings.HasSuffix(name, "History"):
		c.noHistory[name] = true // told with the rules that would use it
		return nil
	case kind == salesforce.Narrow:
		c.yellow(Machinery, check, title, "too much for one answer: "+r.Err.Error()+"; passes read the linked records by Id instead",
			"look who changes so many records at once")
		return nil
	default:
		text, do := inWords(r.Err)
		c.red(Machinery, check, title, text, do)
		return nil
	}
	if r.Next != "" {
		c.report.Calls.Salesforce++
		if _, _, err := c.Salesforce.More(ctx, r.Next); err != nil {
			c.yellow(Machinery, check, title,
				"the second page of a composite's answer cannot be had: "+err.Error()+"; passes ask such a query again by itself, which costs calls",
				"nothing, unless poll.schedule then uses too many calls")
		}
	}
	return []string{count(r.Total, "row") + " of " + name}
}

// explainQueries warns of queries that go through a large table record by record.
func (c *checkup) explainQueries(ctx context.Context) {
	var scans, untold []string
	for _, q := range c.outline.Queries {
		if c.noHistory[q.Name] {
			continue
		}
		c.report.Calls.Salesforce++
		plan, err := c.Salesforce.Explain(ctx, q.SOQL)
		switch {
		case err != nil:
			untold = append(untold, q.Name)
		case plan.Operation == "TableScan" && plan.Table >= largeTable:
			scans = append(scans, fmt.Sprintf("%s (%d records)", q.Name, plan.Table))
		}
	}
	const check, title = "query_plans", "How Salesforce reads"
	switch {
	case len(scans) > 0:
		c.yellow(Machinery, check, title, "by going through all records of "+strings.Join(scans, ", ")+", which may end in QUERY_TIMEOUT",
			"ask Salesforce Support to look at the index on the stamp of that object (SystemModstamp, and CreatedDate for histories)")
	case len(untold) > 0:
		c.green(Machinery, check, title, "nothing speaks against it; Salesforce does not tell of "+strings.Join(untold, ", "))
	default:
		c.green(Machinery, check, title, "by an index, or in tables small enough to do without")
	}
}
