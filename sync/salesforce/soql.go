package salesforce

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Soql is a query under construction. It is a value: each method returns a
// longer copy, so a common beginning can be shared. Names and values are
// checked and quoted as they are added; [Soql.Build] reports the first that
// cannot be.
type Soql struct {
	fields []string
	object string
	where  []Condition
	order  []string
	count  int  // over 0: so many groups at most, each with its number of records
	living bool // leaves deleted and archived records out
	newest int  // over 0: sorted downwards, and so many rows at most
	batch  int  // over 0: rows wanted in a page
}

// Counted is where a row of a [CountBy] query holds its number of records.
const Counted = "n"

// Select begins a query. A field named twice (in any case) is asked for once,
// because Salesforce refuses duplicates.
func Select(fields ...string) Soql {
	var q Soql
	for _, f := range fields {
		if !slices.ContainsFunc(q.fields, func(g string) bool { return strings.EqualFold(f, g) }) {
			q.fields = append(q.fields, f)
		}
	}
	return q
}

// CountBy begins a query for how many records hold each value of a field, the
// commonest values first, at most so many. A row has the value under the
// field's name, and the number under [Counted]. Salesforce gives 2,000 groups
// at most and no next page.
func CountBy(field string, most int) Soql {
	return Soql{fields: []string{field}, count: min(most, maxGroups)}
}

const maxGroups = 2000

// Living leaves out what is in the recycle bin or archived.
func (q Soql) Living() Soql {
	q.living = true
	return q
}

// From names the object.
func (q Soql) From(object string) Soql {
	q.object = object
	return q
}

// Where adds conditions, all of which must hold.
func (q Soql) Where(conds ...Condition) Soql {
	q.where = slices.Concat(q.where, conds)
	return q
}

// OrderBy sorts ascending. It has no effect on a [CountBy] query.
func (q Soql) OrderBy(fields ...string) Soql {
	q.order = slices.Concat(q.order, fields)
	return q
}

// Newest sorts descending by a stamp, and leaves out all but so many rows. It
// has no effect on a [CountBy] query.
func (q Soql) Newest(stamp string, most int) Soql {
	q.order, q.newest = []string{stamp}, most
	return q
}

// Batch asks a composite for pages of so many rows, 200 at least; Salesforce
// takes it as a hint.
func (q Soql) Batch(rows int) Soql {
	q.batch = rows
	return q
}

// header is what goes with the query as a composite's subrequest.
func (q Soql) header() map[string]string {
	if q.batch == 0 {
		return nil
	}
	return map[string]string{"Sforce-Query-Options": fmt.Sprintf("batchSize=%d", q.batch)}
}

// Build is the query's text, or what is wrong with it.
func (q Soql) Build() (string, error) {
	if len(q.fields) == 0 {
		return "", errors.New("query without fields")
	}
	for _, name := range slices.Concat(q.fields, []string{q.object}, q.order) {
		if err := checkName(name); err != nil {
			return "", err
		}
	}
	text := "SELECT " + strings.Join(q.fields, ",")
	if q.count > 0 {
		text += ",COUNT(Id) " + Counted
	}
	text += " FROM " + q.object
	if len(q.where) > 0 {
		all := join(" AND ", q.where)
		if all.err != nil {
			return "", all.err
		}
		text += " WHERE " + all.text
	}
	if q.count > 0 {
		return fmt.Sprintf("%s GROUP BY %s ORDER BY COUNT(Id) DESC LIMIT %d", text, q.fields[0], q.count), nil
	}
	if q.newest > 0 {
		return fmt.Sprintf("%s ORDER BY %s DESC LIMIT %d", text, strings.Join(q.order, " DESC,"), q.newest), nil
	}
	if len(q.order) > 0 {
		text += " ORDER BY " + strings.Join(q.order, ",")
	}
	return text, nil
}

// String is for diagnosis; it shows values, and so may hold personal data.
func (q Soql) String() string {
	text, err := q.Build()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return text
}

const (
	// maxEncoded keeps a query well below the 16,384 bytes that Salesforce allows
	// for a URL with its headers.
	maxEncoded = 15_000

	// maxText keeps a query below the 100,000 characters that Salesforce allows
	// for SOQL. What it adds to a query itself (formulas, currencies, sharing)
	// counts too, so something is left for that.
	maxText = 90_000
)

// Fits reports whether q is short enough to be sent. Where it is not, the
// caller asks in several queries with fewer values each. What fits can become
// less: see [Client.Composite].
func (c *Client) Fits(q Soql) bool {
	_, _, err := c.queryPath(q)
	return err == nil
}

// encode escapes every reserved byte. "@{" must not survive: it is a reference
// to another answer inside a composite.
func encode(soql string) string {
	return strings.ReplaceAll(url.QueryEscape(soql), "+", "%20")
}

// queryPath is where q is asked, and whether that is too long for a URL, so that
// it can only go in a composite's body. queryAll shows deleted and merged records
// too, query does not.
func (c *Client) queryPath(q Soql) (path string, long bool, err error) {
	text, err := q.Build()
	if err != nil {
		return "", false, err
	}
	escaped := encode(text)
	long = len(escaped) > maxEncoded
	if len(text) > maxText || long && c.long.Load() == longRefused {
		return "", long, ErrTooLong
	}
	resource := "/queryAll"
	if q.living {
		resource = "/query"
	}
	return c.dataPath() + resource + "?q=" + escaped, long, nil
}

// Condition is one part of a WHERE clause.
type Condition struct {
	text string
	err  error
}

var apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

func checkName(s string) error {
	if !apiName.MatchString(s) {
		return fmt.Errorf("%q is not the API name of a field or object", s)
	}
	return nil
}

// checkPath accepts a field, also one of a record that lookups lead to: "Owner.Name".
func checkPath(s string) error {
	for name := range strings.SplitSeq(s, ".") {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// compare makes "field op literal"; literal is quoted already.
func compare(field, op, literal string, err error) Condition {
	return Condition{text: field + op + literal, err: errors.Join(checkPath(field), err)}
}

// AtLeast is field >= t, for a datetime field.
func AtLeast(field string, t time.Time) Condition {
	literal, err := datetime(t)
	return compare(field, " >= ", literal, err)
}

// After is field > t, for a datetime field. Stamps have whole seconds and t is
// cut to one.
func After(field string, t time.Time) Condition {
	literal, err := datetime(t)
	return compare(field, " > ", literal, err)
}

// Equal is field = value, for a field that holds text or an Id. Salesforce
// ignores case in text.
func Equal(field, value string) Condition {
	literal, err := quote(value)
	return compare(field, " = ", literal, err)
}

// Is is field = true or field = false, for a checkbox.
func Is(field string, on bool) Condition {
	return compare(field, " = ", strconv.FormatBool(on), nil)
}

// Filled holds for records whose field is not empty.
func Filled(field string) Condition {
	return compare(field, " != ", "null", nil)
}

// In is field IN (values). Without values it is an error and not "all" or "none".
func In(field string, values []string) Condition {
	literals := make([]string, len(values))
	var err error
	if len(values) == 0 {
		err = fmt.Errorf("%s IN an empty list", field)
	}
	for i, v := range values {
		literal, quoteErr := quote(v)
		literals[i] = literal
		err = errors.Join(err, quoteErr)
	}
	return compare(field, " IN ", "("+strings.Join(literals, ",")+")", err)
}

// And holds when all do.
func And(conds ...Condition) Condition {
	return parenthesised(join(" AND ", conds))
}

// Or holds when one does.
func Or(conds ...Condition) Condition {
	return parenthesised(join(" OR ", conds))
}

// KeysetAfter holds for the rows that come after (t, lastID) when sorted by
// stampField and Id. Rows of one second share a stamp, so the Id decides among
// them. The first comparison adds nothing but lets Salesforce use its index.
func KeysetAfter(stampField string, t time.Time, lastID string) Condition {
	literal, err := datetime(t)
	same := compare(stampField, " = ", literal, err)
	id, err := quote(lastID)
	return And(
		AtLeast(stampField, t),
		Or(After(stampField, t), And(same, compare("Id", " > ", id, err))),
	)
}

func join(word string, conds []Condition) Condition {
	var texts []string
	var err error
	if len(conds) == 0 {
		err = errors.New("empty condition")
	}
	for _, c := range conds {
		if c.text == "" && c.err == nil {
			c.err = errors.New("empty condition")
		}
		texts = append(texts, c.text)
		err = errors.Join(err, c.err)
	}
	return Condition{text: strings.Join(texts, word), err: err}
}

func parenthesised(c Condition) Condition {
	c.text = "(" + c.text + ")"
	return c
}

// datetime is an unquoted literal in UTC; SOQL ignores fractions of a second.
// Salesforce knows the years 1700 to 4000.
func datetime(t time.Time) (string, error) {
	t = t.UTC()
	if t.Year() < 1700 || t.Year() > 4000 {
		return "", fmt.Errorf("%s is not a time that Salesforce knows", t)
	}
	return t.Format("2006-01-02T15:04:05Z"), nil
}

var escapes = strings.NewReplacer(
	`\`, `\\`, `'`, `\'`, `"`, `\"`,
	"\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`,
)

// quote makes a string literal. SOQL has no escape for the other control
// characters and no record holds one, so a value with one is refused. The error
// does not repeat the value: it may be personal.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("a value in a query is not valid UTF-8")
	}
	escaped := escapes.Replace(s)
	if strings.ContainsFunc(escaped, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("a value in a query has a control character")
	}
	return "'" + escaped + "'", nil
}
