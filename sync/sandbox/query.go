package sandbox

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxBatch   = 2000
	minBatch   = 200
	cursorLife = 48 * time.Hour
)

// cursor is a query whose answer has more pages. The rows were chosen when it
// ran; their values are read when a page is fetched.
type cursor struct {
	query   *query
	ids     []string
	deleted bool // of queryAll
	batch   int
	begun   time.Time
}

func (o *Org) queryCall(c call) answer {
	if c.method != http.MethodGet {
		return notAllowed(c, "GET")
	}
	if len(c.parts) > 1 {
		return o.more(c)
	}
	if c.query.Has("explain") {
		return o.explain(c.query.Get("explain"))
	}
	q, err := o.parse(c.query.Get("q"))
	if err != nil {
		return failed(err)
	}
	if c.query.Get("columns") == "true" {
		return ok(q.columnList())
	}
	if q.group != nil {
		return o.aggregate(q, c.parts[0] == "queryAll", o.batchSize(c))
	}
	cur := &cursor{query: q, deleted: c.parts[0] == "queryAll", batch: o.batchSize(c), begun: o.now()}
	cur.ids = o.run(q, cur.deleted)
	switch {
	case q.count:
		return ok(orderedObject{{"totalSize", len(cur.ids)}, {"done", true}, {"records", []any{}}})
	case q.object.kind == definition && len(cur.ids) > cur.batch:
		return failed(noMore(q.object.name))
	}
	return ok(o.page(c, cur, "", 0))
}

// more answers a nextRecordsUrl: /query/LOCATOR-ROW.
func (o *Org) more(c call) answer {
	name, at, found := strings.Cut(c.parts[1], "-")
	row, err := strconv.Atoi(at)
	if !found || err != nil {
		return failed(failure(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
	}
	cur := o.cursors[name]
	if cur == nil || o.now().Sub(cur.begun) > cursorLife || row >= len(cur.ids) {
		return failed(failure(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
	}
	return ok(o.page(c, cur, name, row))
}

// page shows the rows of a cursor from the at-th on.
func (o *Org) page(c call, cur *cursor, name string, at int) any {
	next := min(at+cur.batch, len(cur.ids))
	records := []any{}
	for _, id := range cur.ids[at:next] {
		if r := cur.query.object.rows[id]; r != nil { // else removed for good meanwhile
			records = append(records, o.show(cur.query.list, r, c.version))
		}
	}
	out := orderedObject{{"totalSize", len(cur.ids)}, {"done", next == len(cur.ids)}}
	if next < len(cur.ids) {
		if name == "" {
			maps.DeleteFunc(o.cursors, func(_ string, c *cursor) bool { return o.now().Sub(c.begun) > cursorLife })
			name = "0r8" + secret(6)
			o.cursors[name] = cur
		}
		out = append(out, pair{"nextRecordsUrl", fmt.Sprintf("/services/data/v%d.0/query/%s-%d", c.version, name, next)})
	}
	return append(out, pair{"records", records})
}

// show is a record with the selected fields, in their order.
func (o *Org) show(s *selection, r *row, version int) any {
	out := orderedObject{{"attributes", attributes(s.object, r, version)}}
	for i, f := range s.fields {
		if f != nil {
			out = append(out, pair{f.Name, shown(f, s.object.value(r, f))})
			continue
		}
		n := s.nested[i]
		var value any
		if parent := n.of.object.rows[word(r.values[n.by.Name])]; parent != nil {
			value = o.show(n.of, parent, version)
		}
		out = append(out, pair{n.name, value})
	}
	return out
}

func attributes(obj *object, r *row, version int) orderedObject {
	return orderedObject{{"type", obj.name}, {"url", fmt.Sprintf("/services/data/v%d.0/sobjects/%s/%s", version, obj.name, r.values["Id"])}}
}

// batchSize is the page size asked for; it is between 200 and 2,000 at the
// service, and a hint.
func (o *Org) batchSize(c call) int {
	_, asked, _ := strings.Cut(c.header.Get("Sforce-Query-Options"), "batchSize=")
	n, err := strconv.Atoi(strings.TrimSpace(asked))
	if err != nil {
		return o.batch
	}
	return min(max(n, minBatch), o.batch)
}

// SetPageSize makes query pages smaller than asked for, as wide rows do.
func (o *Org) SetPageSize(rows int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch = rows
}

// ExpireLocators kills every open query: its next page is an error.
func (o *Org) ExpireLocators() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.cursors)
}

// run lists the rows that a query answers.
func (o *Org) run(q *query, deleted bool) []string {
	var ids []string
	for _, id := range q.object.order {
		r := q.object.rows[id]
		if (q.where == nil || q.where(r)) && (deleted || r.values["IsDeleted"] != true) && o.seen(q.object, r) {
			ids = append(ids, id)
		}
	}
	if q.order != nil && q.group == nil {
		slices.SortStableFunc(ids, func(a, b string) int { return o.sort(q, a, b) })
	}
	if q.group != nil || q.object.kind == definition {
		return ids // LIMIT and OFFSET are the groups', or are ignored
	}
	return bounded(q, ids)
}

// bounded is the part of a list that LIMIT and OFFSET leave.
func bounded[T any](q *query, list []T) []T {
	list = list[min(q.offset, len(list)):]
	if q.limit >= 0 {
		list = list[:min(q.limit, len(list))]
	}
	return list
}

// seen says whether the integration user may see a row. A history row shows
// itself with its record and its field.
func (o *Org) seen(obj *object, r *row) bool {
	if obj.kind != history {
		return !r.invisible
	}
	lookup := obj.parentField()
	parents := o.objects[strings.ToLower(strings.TrimSuffix(lookup, "Id"))]
	if parents == nil || parents.hidden[word(r.values["Field"])] {
		return false
	}
	parent := parents.rows[word(r.values[lookup])]
	return parent != nil && !parent.invisible
}

// sort compares two rows by ORDER BY. Where that says nothing, the order is
// settled but looks like none: it is not by Id.
func (o *Org) sort(q *query, a, b string) int {
	x, y := q.object.rows[a], q.object.rows[b]
	for _, by := range q.order {
		if c := by.compare(o.follow(by.field, x), o.follow(by.field, y)); c != 0 {
			return c
		}
	}
	return int(scatter(a)) - int(scatter(b))
}

// compare puts two values of the field in order.
func (by ordering) compare(v, w any) int {
	switch {
	case v == nil && w == nil:
		return 0
	case (v == nil) != (w == nil):
		if (v == nil) == by.nullsLast {
			return 1
		}
		return -1
	}
	c := order(by.field.f, v, w)
	if by.desc {
		c = -c
	}
	return c
}

func scatter(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()
}

// columnList answers columns=true, by which the Salesforce CLI learns what a
// query selects.
func (q *query) columnList() any {
	list := []any{}
	for _, c := range q.columns {
		list = append(list, orderedObject{{"aggregate", false}, {"apexType", "String"}, {"booleanType", c.f.Type == "boolean"}, {"columnName", c.name},
			{"custom", c.f.custom()}, {"displayName", c.name}, {"foreignKeyName", nil}, {"insertable", !c.f.ReadOnly},
			{"joinColumns", []any{}}, {"numberType", c.f.Precision > 0}, {"textType", c.f.Length > 0}, {"updatable", !c.f.ReadOnly}})
	}
	return orderedObject{{"columnMetadata", list}, {"entityName", q.object.name}, {"groupBy", q.group != nil},
		{"idSelected", len(q.columns) > 0 && q.columns[0].name == "Id"}, {"keyPrefix", q.object.prefix}}
}
