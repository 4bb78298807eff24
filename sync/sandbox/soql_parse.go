package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// query is a parsed SELECT.
type query struct {
	object  *object
	alias   string
	count   bool      // COUNT()
	group   *grouping // of a query that counts
	tested  []path    // what WHERE asks about
	list    *selection
	columns []column
	where   func(*row) bool
	order   []ordering
	limit   int // -1 is none
	offset  int
}

// selection is what a query shows of a record, and of those it looks up.
type selection struct {
	object *object
	fields []*FieldDef // nil marks the place of a nested one in order
	nested map[int]*lookedUp
}

type lookedUp struct {
	name string // of the relationship
	by   *FieldDef
	of   *selection
}

type column struct {
	name string
	f    *FieldDef
}

type ordering struct {
	field     path
	count     *counting // instead of field, in a grouped query
	desc      bool
	nullsLast bool
}

// path is a field of the record, or of one that lookups lead to.
type path struct {
	lookups []*FieldDef
	objects []*object // of each lookup's target
	object  *object   // that has f
	f       *FieldDef
}

type parser struct {
	org    *Org
	text   string
	tokens []token
	at     int
	counts []counting // in the select list
	query
}

// parse reads SOQL against the org's schema.
func (o *Org) parse(text string) (*query, *apiError) {
	if len(text) > 100_000 {
		return nil, failure(400, "QUERY_TOO_COMPLICATED", "SOQL query length limit of 100,000 characters exceeded")
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{org: o, text: text, tokens: tokens, query: query{limit: -1}}
	if err := p.statement(); err != nil {
		return nil, err
	}
	return &p.query, nil
}

func (p *parser) statement() *apiError {
	if err := p.expect("SELECT"); err != nil {
		return err
	}
	selected, err := p.names()
	if err != nil {
		return err
	}
	if err := p.from(); err != nil {
		return err
	}
	if len(p.counts) == 0 {
		if err := p.selectList(selected); err != nil {
			return err
		}
	}
	if p.take("WHERE") {
		if p.where, err = p.either(); err != nil {
			return err
		}
	}
	if p.peek().is("GROUP") || len(p.counts) > 0 {
		if err := p.groupBy(selected); err != nil {
			return err
		}
	}
	if p.take("ORDER") {
		if err := p.orderBy(); err != nil {
			return err
		}
	}
	if err := p.bounds(); err != nil {
		return err
	}
	if err := p.checkTotals(); err != nil {
		return err
	}
	return p.checkStorage()
}

// names reads the select list before FROM tells what it is about.
func (p *parser) names() ([]token, *apiError) {
	var list []token
	for {
		t := p.next()
		switch {
		case t.kind != tokenWord || t.is("FROM"):
			return nil, p.unexpected(t)
		case t.is("COUNT") && p.peek().is("("):
			if err := p.countIn(t, len(list) == 0); err != nil || p.count {
				return nil, err
			}
		default:
			list = append(list, t)
		}
		if !p.take(",") {
			return list, nil
		}
	}
}

func (p *parser) from() *apiError {
	if err := p.expect("FROM"); err != nil {
		return err
	}
	t := p.next()
	if t.kind != tokenWord {
		return p.unexpected(t)
	}
	p.object = p.org.readable(t.text)
	if p.object == nil {
		return p.fail(t, "INVALID_TYPE", "sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' "+
			"after the entity name. Please reference your WSDL or the describe call for the appropriate names.", t.text)
	}
	if p.object.kind == definition {
		p.org.refreshDefinitions()
	}
	if p.object.kind == setup {
		p.org.refreshPermissions()
	}
	p.take("AS")
	if t := p.peek(); t.kind == tokenWord && !t.is("WHERE") && !t.is("GROUP") && !t.is("ORDER") && !t.is("LIMIT") && !t.is("OFFSET") {
		p.alias = p.next().text
	}
	return nil
}

func (p *parser) selectList(names []token) *apiError {
	p.list = &selection{object: p.object, nested: map[int]*lookedUp{}}
	seen := map[string]bool{}
	for _, t := range names {
		way, err := p.resolve(t)
		if err != nil {
			return err
		}
		name := way.name()
		if seen[name] {
			return p.fail(t, "INVALID_FIELD", "duplicate field selected: %s", t.text)
		}
		seen[name] = true
		p.list.add(way)
		p.columns = append(p.columns, column{name, way.f})
	}
	return nil
}

func (s *selection) add(way path) {
	if len(way.lookups) == 0 {
		s.fields = append(s.fields, way.f)
		return
	}
	by, target := way.lookups[0], way.objects[0]
	way.lookups, way.objects = way.lookups[1:], way.objects[1:]
	for _, n := range s.nested {
		if n.by == by {
			n.of.add(way)
			return
		}
	}
	n := &lookedUp{name: by.relationship(), by: by, of: &selection{object: target, nested: map[int]*lookedUp{}}}
	n.of.add(way)
	s.nested[len(s.fields)] = n
	s.fields = append(s.fields, nil)
}

func (w path) name() string {
	var parts []string
	for _, l := range w.lookups {
		parts = append(parts, l.relationship())
	}
	return strings.Join(append(parts, w.f.Name), ".")
}

// resolve finds the field that a name means: Email, Lead.Email, l.Email,
// Owner.Name.
func (p *parser) resolve(t token) (path, *apiError) {
	parts := strings.Split(t.text, ".")
	if len(parts) > 1 && (strings.EqualFold(parts[0], p.object.name) || p.alias != "" && strings.EqualFold(parts[0], p.alias)) {
		parts = parts[1:]
	}
	way := path{object: p.object}
	for _, name := range parts[:len(parts)-1] {
		by := way.object.relation(name)
		if by == nil || p.org.readable(by.ReferenceTo) == nil {
			return way, p.fail(t, "INVALID_FIELD", "Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, "+
				"be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", name)
		}
		way.object = p.org.readable(by.ReferenceTo)
		way.lookups, way.objects = append(way.lookups, by), append(way.objects, way.object)
	}
	name := parts[len(parts)-1]
	if way.f = way.object.field(name); way.f == nil {
		return way, p.fail(t, "INVALID_FIELD", "No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' "+
			"after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", name, way.object.name)
	}
	return way, nil
}

func (o *object) relation(name string) *FieldDef {
	for _, f := range o.visible() {
		if f.ReferenceTo != "" && !f.bare && strings.EqualFold(f.relationship(), name) {
			return f
		}
	}
	return nil
}

func (p *parser) orderBy() *apiError {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		by, err := p.orderedBy()
		if err != nil {
			return err
		}
		if !p.take("ASC") {
			by.desc = p.take("DESC")
		}
		if p.take("NULLS") {
			if by.nullsLast = p.take("LAST"); !by.nullsLast && !p.take("FIRST") {
				return p.unexpected(p.peek())
			}
		}
		p.order = append(p.order, by)
		if !p.take(",") {
			return nil
		}
	}
}

// orderedBy reads what to sort by: a field, or in a grouped query also COUNT(field).
func (p *parser) orderedBy() (ordering, *apiError) {
	t := p.next()
	if t.kind != tokenWord {
		return ordering{}, p.unexpected(t)
	}
	if t.is("COUNT") && p.peek().is("(") && p.group != nil {
		return p.byCount()
	}
	way, err := p.resolve(t)
	switch {
	case err != nil:
		return ordering{}, err
	case way.f.NoFilter || way.f.Type == "address":
		return ordering{}, p.fail(t, "INVALID_FIELD", "field '%s' can not be sorted in a query call", t.text)
	case p.group != nil && !p.group.has(way):
		return ordering{}, p.fail(t, "MALFORMED_QUERY", "Ordered field must be grouped or aggregated: %s", way.name())
	}
	return ordering{field: way}, nil
}

func (p *parser) bounds() *apiError {
	var err *apiError
	if p.take("LIMIT") {
		if p.limit, err = p.natural(); err != nil {
			return err
		}
	}
	if p.take("OFFSET") {
		t := p.peek()
		if p.offset, err = p.natural(); err != nil {
			return err
		}
		if p.offset > 2000 {
			return p.fail(t, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
		}
	}
	if t := p.peek(); t.kind != tokenEnd {
		return p.unexpected(t)
	}
	return nil
}

func (p *parser) natural() (int, *apiError) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokenNumber || err != nil || n < 0 {
		return 0, p.unexpected(t)
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

func (p *parser) take(keyword string) bool {
	if p.peek().is(keyword) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(keyword string) *apiError {
	if !p.take(keyword) {
		return p.unexpected(p.peek())
	}
	return nil
}

func (p *parser) unexpected(t token) *apiError {
	return p.fail(t, "MALFORMED_QUERY", "unexpected token: '%s'", t.text)
}

func (p *parser) fail(t token, code, format string, args ...any) *apiError {
	return complain(p.text, t.pos, code, fmt.Sprintf(format, args...))
}
