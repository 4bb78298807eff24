package sandbox

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// either reads a condition: terms joined by OR, or by AND. Mixing the two
// without parentheses is an error in SOQL.
func (p *parser) either() (func(*row) bool, *apiError) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	joiner := ""
	for p.peek().is("AND") || p.peek().is("OR") {
		t := p.next()
		if joiner != "" && !t.is(joiner) {
			return nil, p.unexpected(t)
		}
		joiner = strings.ToUpper(t.text)
		left := first
		right, err := p.term()
		if err != nil {
			return nil, err
		}
		if joiner == "OR" && p.object.kind == definition {
			return nil, unsupported("Disjunctions not supported")
		}
		if joiner == "AND" {
			first = func(r *row) bool { return left(r) && right(r) }
		} else {
			first = func(r *row) bool { return left(r) || right(r) }
		}
	}
	return first, nil
}

func (p *parser) term() (func(*row) bool, *apiError) {
	if p.take("NOT") {
		if p.object.kind == definition {
			return nil, unsupported("Only equals comparisons permitted")
		}
		inner, err := p.term()
		return func(r *row) bool { return !inner(r) }, err
	}
	if p.take("(") {
		inner, err := p.either()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return p.comparison()
}

func (p *parser) comparison() (func(*row) bool, *apiError) {
	name := p.next()
	if name.kind != tokenWord {
		return nil, p.unexpected(name)
	}
	way, err := p.resolve(name)
	if err != nil {
		return nil, err
	}
	if way.f.NoFilter {
		return nil, p.fail(name, "INVALID_FIELD", "field '%s' can not be filtered in a query call", name.text)
	}
	p.tested = append(p.tested, way)
	operator := p.next()
	if p.object.kind == definition && operator.text != "=" && !operator.is("IN") {
		return nil, unsupported("Only equals comparisons permitted")
	}
	switch text := strings.ToUpper(operator.text); {
	case operator.kind == tokenSymbol && text != "(" && text != ")" && text != ",":
		return p.compare(way, operator)
	case text == "LIKE":
		return p.like(way, operator)
	case text == "IN", text == "INCLUDES", text == "EXCLUDES":
		return p.membership(way, operator, false)
	case text == "NOT" && p.take("IN"):
		return p.membership(way, operator, true)
	}
	return nil, p.unexpected(operator)
}

func (p *parser) compare(way path, operator token) (func(*row) bool, *apiError) {
	lit, err := p.literal(way.f)
	if err != nil {
		return nil, err
	}
	op := operator.text
	equality := op == "=" || op == "!=" || op == "<>"
	if !equality && (way.f.Type == "boolean" || way.f.Type == "multipicklist") {
		return nil, p.fail(operator, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator")
	}
	org := p.org
	return func(r *row) bool {
		v := org.follow(way, r)
		if v == nil || lit.from == nil {
			return equality && (v == nil && lit.from == nil) == (op == "=")
		}
		switch op {
		case "=":
			return lit.holds(way.f, v)
		case "!=", "<>":
			return !lit.holds(way.f, v)
		case "<":
			return order(way.f, v, lit.from) < 0
		case "<=":
			return order(way.f, v, lit.to) <= 0
		case ">":
			return order(way.f, v, lit.to) > 0
		}
		return order(way.f, v, lit.from) >= 0
	}, nil
}

func (p *parser) membership(way path, operator token, negated bool) (func(*row) bool, *apiError) {
	multi := !operator.is("IN") && !negated
	if multi && way.f.Type != "multipicklist" {
		return nil, p.fail(operator, "INVALID_QUERY_FILTER_OPERATOR", "includes or excludes operator only valid on multipicklist field")
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []literal
	for {
		lit, err := p.literal(way.f)
		if err != nil {
			return nil, err
		}
		list = append(list, lit)
		if !p.take(",") {
			break
		}
	}
	negated = negated || operator.is("EXCLUDES")
	org := p.org
	if texts := textsOf(way.f, list); texts != nil && !multi {
		return func(r *row) bool {
			v := org.follow(way, r)
			return (v != nil && texts[sameText(way.f, word(v))]) != negated
		}, p.expect(")")
	}
	test := func(r *row) bool {
		v := org.follow(way, r)
		return slices.ContainsFunc(list, func(lit literal) bool {
			if v == nil || lit.from == nil {
				return v == nil && lit.from == nil
			}
			return multi && includes(v, lit.from) || !multi && lit.holds(way.f, v)
		}) != negated
	}
	return test, p.expect(")")
}

// textsOf are the literals of a list as texts that are the same when they are
// equal; nil where one is none. A long list would otherwise be gone through for
// every row.
func textsOf(f *FieldDef, list []literal) map[string]bool {
	texts := map[string]bool{}
	for _, lit := range list {
		text, ok := lit.from.(string)
		if !ok || lit.from != lit.to {
			return nil
		}
		texts[sameText(f, text)] = true
	}
	return texts
}

// sameText is how equal texts of a field are spelt: Ids are told apart by case,
// other texts are not.
func sameText(f *FieldDef, text string) string {
	if f.Type == "id" || f.Type == "reference" {
		return text
	}
	return strings.ToLower(text)
}

// includes says whether a multi-select value has all of wanted, "A;B".
func includes(v, wanted any) bool {
	have := strings.Split(strings.ToLower(word(v)), ";")
	for _, one := range strings.Split(strings.ToLower(word(wanted)), ";") {
		if !slices.Contains(have, one) {
			return false
		}
	}
	return true
}

func (p *parser) like(way path, operator token) (func(*row) bool, *apiError) {
	switch way.f.Type {
	case "string", "textarea", "picklist", "email", "phone", "url":
	default:
		return nil, p.fail(operator, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on %s field", way.f.Type)
	}
	lit, err := p.literal(way.f)
	if err != nil {
		return nil, err
	}
	org, pattern := p.org, []rune(strings.ToLower(word(lit.from)))
	return func(r *row) bool { return matches(pattern, []rune(strings.ToLower(word(org.follow(way, r))))) }, nil
}

// matches is LIKE: % is any text, _ any character, \ makes them plain.
func matches(pattern, s []rune) bool {
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			for cut := 0; cut <= len(s); cut++ {
				if matches(pattern[i+1:], s[cut:]) {
					return true
				}
			}
			return false
		case len(s) == 0:
			return false
		case c == '_':
			s = s[1:]
		default:
			if c == '\\' && i+1 < len(pattern) {
				i++
				c = pattern[i]
			}
			if s[0] != c {
				return false
			}
			s = s[1:]
		}
	}
	return len(s) == 0
}

// literal is a value in a query; TODAY and its like are a span of time, all
// others begin and end with themselves. null has no from.
type literal struct{ from, to any }

// holds says whether v is the literal's value or within its span.
func (l literal) holds(f *FieldDef, v any) bool {
	return order(f, v, l.from) >= 0 && order(f, v, l.to) <= 0
}

// maxLiteral is how many characters a string in a WHERE may have. That there is a limit is documented, the words of the refusal are not.
const maxLiteral = 4000

// literal reads a value and holds it against the type of the field.
func (p *parser) literal(f *FieldDef) (literal, *apiError) {
	t := p.next()
	if t.kind == tokenString && utf8.RuneCountInString(t.text) > maxLiteral {
		return literal{}, p.fail(t, "MALFORMED_QUERY", "a string in WHERE is longer than 4,000 characters")
	}
	if t.is("NULL") {
		return literal{}, nil
	}
	var v any
	fits, kind, quoted := false, f.Type, false
	switch f.Type {
	case "boolean":
		fits = t.is("TRUE") || t.is("FALSE")
		v = t.is("TRUE")
	case "int", "double", "currency", "percent":
		n, err := strconv.ParseFloat(t.text, 64)
		fits, v, kind = t.kind == tokenNumber && err == nil, n, "double"
	case "date":
		if span, ok := p.span(t); ok {
			return literal{span.from.Format(dateLayout), span.to.Format(dateLayout)}, nil
		}
		_, err := time.Parse(dateLayout, t.text)
		fits, v = t.kind == tokenNumber && err == nil, t.text
	case "datetime":
		if span, ok := p.span(t); ok {
			return literal{span.from, span.to}, nil
		}
		at, ok := parseStamp(t.text)
		fits, v, kind = t.kind == tokenNumber && ok && strings.Contains(t.text, "T"), stamp(at), "dateTime"
	case "id", "reference":
		fits, v, kind, quoted = t.kind == tokenString, longID(t.text), "ID", true
		if fits && v == "" {
			return literal{}, p.fail(t, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: %s", t.text)
		}
	default:
		fits, v, kind, quoted = t.kind == tokenString, t.text, "string", true
		if t.text == "" {
			v = nil // an empty text is null
		}
	}
	if fits {
		return literal{v, v}, nil
	}
	if t.kind == tokenSymbol || t.kind == tokenEnd {
		return literal{}, p.unexpected(t)
	}
	should := "should not be enclosed in quotes"
	if quoted {
		should = "should be enclosed in quotes"
	}
	return literal{}, p.fail(t, "INVALID_FIELD", "value of filter criterion for field '%s' must be of type %s and %s", f.Name, kind, should)
}

type span struct{ from, to time.Time }

// span reads a date literal. Days are UTC's.
func (p *parser) span(t token) (span, bool) {
	now := p.org.now().UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	ending := func(d time.Time) time.Time { return d.AddDate(0, 0, 1).Add(-time.Second) }
	name, count, counted := strings.Cut(strings.ToUpper(t.text), ":")
	n, err := strconv.Atoi(count)
	switch {
	case t.kind != tokenWord:
	case name == "TODAY" && !counted:
		return span{day, ending(day)}, true
	case name == "YESTERDAY" && !counted:
		return span{day.AddDate(0, 0, -1), ending(day.AddDate(0, 0, -1))}, true
	case name == "LAST_N_DAYS" && counted && err == nil:
		return span{day.AddDate(0, 0, -n), ending(day)}, true
	}
	return span{}, false
}

// follow reads the field that a path leads to from a row.
func (o *Org) follow(way path, r *row) any {
	from := way.object
	if len(way.lookups) > 0 {
		for i, by := range way.lookups {
			if r = way.objects[i].rows[word(r.values[by.Name])]; r == nil {
				return nil
			}
		}
	}
	return from.value(r, way.f)
}

// order compares two values of a field, neither of them null.
func order(f *FieldDef, a, b any) int {
	switch a := a.(type) {
	case bool:
		if a == b {
			return 0
		}
		return 1
	case float64:
		return cmp.Compare(a, b.(float64))
	case time.Time:
		return a.Compare(b.(time.Time))
	}
	return strings.Compare(sameText(f, word(a)), sameText(f, word(b)))
}
