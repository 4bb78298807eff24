package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// grouping is what GROUP BY makes of the rows of a query: one for each
// combination of the keys' values, or one in all without keys.
type grouping struct {
	keys   []path
	shown  []path // the selected ones
	counts []counting
}

// counting is COUNT(field): in how many rows it is not null.
type counting struct {
	field token
	as    string // what the answer calls it
	of    path
}

// group is one row of the answer.
type group struct {
	first *row // any of its rows: they have the keys in common
	rows  []*row
}

func (g *grouping) has(way path) bool {
	return slices.ContainsFunc(g.keys, func(k path) bool { return k.name() == way.name() })
}

// countIn reads what follows COUNT in the select list: (), which must be alone
// in it, or (field) with the name that the answer shall give it.
func (p *parser) countIn(t token, first bool) *apiError {
	if err := p.expect("("); err != nil {
		return err
	}
	if p.take(")") {
		if !first || len(p.counts) > 0 || !p.peek().is("FROM") {
			return p.unexpected(t)
		}
		p.count = true
		return nil
	}
	c := counting{field: p.next(), as: fmt.Sprintf("expr%d", len(p.counts))}
	if c.field.kind != tokenWord {
		return p.unexpected(c.field)
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	if t := p.peek(); t.kind == tokenWord && !t.is("FROM") {
		c.as = p.next().text
	}
	p.counts = append(p.counts, c)
	return nil
}

// groupBy reads GROUP BY, where it is there, and checks the select list against it.
func (p *parser) groupBy(selected []token) *apiError {
	p.group = &grouping{}
	if p.take("GROUP") {
		if err := p.keys(); err != nil {
			return err
		}
	}
	for _, t := range selected {
		way, err := p.resolve(t)
		if err != nil {
			return err
		}
		if !p.group.has(way) {
			return p.fail(t, "MALFORMED_QUERY", "Field must be grouped or aggregated: %s", way.name())
		}
		p.group.shown = append(p.group.shown, way)
	}
	for _, c := range p.counts {
		if err := p.counted(&c); err != nil {
			return err
		}
		p.group.counts = append(p.group.counts, c)
	}
	return nil
}

func (p *parser) keys() *apiError {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		t := p.next()
		if t.kind != tokenWord {
			return p.unexpected(t)
		}
		way, err := p.resolve(t)
		if err != nil {
			return err
		}
		if !way.f.groupable() {
			return p.fail(t, "MALFORMED_QUERY", "field '%s' can not be grouped in a query call", t.text)
		}
		p.group.keys = append(p.group.keys, way)
		if !p.take(",") {
			return nil
		}
	}
}

// counted finds the field of a COUNT.
func (p *parser) counted(c *counting) (err *apiError) {
	if c.of, err = p.resolve(c.field); err != nil {
		return err
	}
	if !c.of.f.aggregatable() {
		return p.fail(c.field, "MALFORMED_QUERY", "field %s does not support aggregate operator COUNT", c.of.f.Name)
	}
	return nil
}

// byCount reads the (field) of a COUNT to sort by.
func (p *parser) byCount() (ordering, *apiError) {
	if err := p.expect("("); err != nil {
		return ordering{}, err
	}
	c := counting{field: p.next()}
	if err := p.counted(&c); err != nil {
		return ordering{}, err
	}
	return ordering{count: &c}, p.expect(")")
}

// checkTotals refuses bounds where there is one row in all.
func (p *parser) checkTotals() *apiError {
	if p.group == nil || len(p.group.keys) > 0 {
		return nil
	}
	const says = "Non-grouped query that uses overall aggregate functions cannot also use %s"
	switch {
	case len(p.order) > 0:
		return failure(400, "MALFORMED_QUERY", says, "ORDER BY")
	case p.limit >= 0:
		return failure(400, "MALFORMED_QUERY", says, "LIMIT")
	}
	return nil
}

// aggregate answers a query that counts. It has no next page.
func (o *Org) aggregate(q *query, deleted bool, batch int) answer {
	groups := o.groups(q, o.run(q, deleted))
	slices.SortStableFunc(groups, func(a, b group) int { return o.sortGroups(q, a, b) })
	groups = bounded(q, groups)
	if len(groups) > batch {
		return failed(noMore("Aggregate query"))
	}
	records := []any{}
	for _, g := range groups {
		r := orderedObject{{"attributes", map[string]string{"type": "AggregateResult"}}}
		for _, way := range q.group.shown {
			r = append(r, pair{way.f.Name, shown(way.f, o.follow(way, g.first))})
		}
		for _, c := range q.group.counts {
			r = append(r, pair{c.as, o.tally(c.of, g)})
		}
		records = append(records, r)
	}
	return ok(orderedObject{{"totalSize", len(records)}, {"done", true}, {"records", records}})
}

// groups divides rows. Text groups without regard to letter case, as it is
// compared; that Salesforce does so here too is not documented.
func (o *Org) groups(q *query, ids []string) []group {
	var list []group
	if len(q.group.keys) == 0 {
		list = append(list, group{}) // also of no rows at all
	}
	at := map[string]int{}
	for _, id := range ids {
		r := q.object.rows[id]
		key := ""
		for _, way := range q.group.keys {
			key += strings.ToLower(fmt.Sprintf("%v\x00", o.follow(way, r)))
		}
		i, known := at[key]
		if !known && len(q.group.keys) > 0 {
			i = len(list)
			at[key] = i
			list = append(list, group{first: r})
		}
		list[i].rows = append(list[i].rows, r)
	}
	return list
}

func (o *Org) tally(of path, g group) (n int) {
	for _, r := range g.rows {
		if o.follow(of, r) != nil {
			n++
		}
	}
	return n
}

func (o *Org) sortGroups(q *query, a, b group) int {
	for _, by := range q.order {
		c := 0
		if by.count != nil {
			c = cmp.Compare(o.tally(by.count.of, a), o.tally(by.count.of, b))
			if by.desc {
				c = -c
			}
		} else {
			c = by.compare(o.follow(by.field, a.first), o.follow(by.field, b.first))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// noMore is the refusal of an answer that would need a second page and cannot have one.
func noMore(what string) *apiError {
	return failure(400, "EXCEEDED_ID_LIMIT", "%s does not support queryMore(), use LIMIT to restrict the results to a single batch", what)
}
