package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSubrequests = 25
	maxQueries     = 5 // queries and collections, of the 25
	maxCollection  = 200
)

// subrequest is one entry of a composite, or of a batch.
type subrequest struct {
	Method      string
	URL         string
	ReferenceID string
	Body        json.RawMessage
	RichInput   json.RawMessage // what a batch calls the body
	HTTPHeaders map[string]string
}

func (o *Org) compositeCall(c call) answer {
	switch {
	case len(c.parts) == 1 && c.method == http.MethodPost:
		return o.composite(c)
	case len(c.parts) == 2 && c.parts[1] == "batch" && c.method == http.MethodPost:
		return o.batchCall(c)
	case len(c.parts) >= 2 && c.parts[1] == "sobjects":
		return o.collection(c)
	case len(c.parts) == 1, c.parts[1] == "batch":
		return notAllowed(c, "POST")
	}
	return failed(notFound())
}

// composite runs subrequests as one call. Its own status is 200 whatever
// became of them.
func (o *Org) composite(c call) answer {
	var in struct {
		AllOrNone        bool
		CompositeRequest []subrequest
	}
	if err := decode(c.body, &in); err != nil {
		return failed(err)
	}
	if err := checkComposite(in.CompositeRequest); err != nil {
		return failed(err)
	}
	var before map[*object]object
	if in.AllOrNone {
		before = o.snapshot()
	}
	answers, bodies, broken := make([]answer, len(in.CompositeRequest)), map[string]any{}, false
	c.allOrNone = in.AllOrNone
	for i, s := range in.CompositeRequest {
		answers[i] = o.sub(c, s, bodies)
		bodies[s.ReferenceID] = answers[i].body
		broken = broken || answers[i].status >= 400 || answers[i].rolledBack
		if broken && in.AllOrNone {
			o.restore(before)
			halt(answers, i)
			break
		}
	}
	list := []any{}
	for i, s := range in.CompositeRequest {
		a := answers[i]
		headers := map[string]string{}
		for name := range a.header {
			headers[name] = a.header.Get(name)
		}
		list = append(list, orderedObject{{"body", a.body}, {"httpHeaders", headers}, {"httpStatusCode", a.status}, {"referenceId", s.ReferenceID}})
	}
	return ok(orderedObject{{"compositeResponse", list}})
}

var referenceID = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func checkComposite(subs []subrequest) *apiError {
	queries, seen := 0, map[string]bool{}
	for _, s := range subs {
		if strings.Contains(s.URL, "/query") || strings.Contains(s.URL, "/composite/sobjects") {
			queries++
		}
		switch {
		case !referenceID.MatchString(s.ReferenceID):
			return failure(400, "JSON_PARSER_ERROR", "Invalid reference id: %q. Only letters, numbers and underscores are allowed", s.ReferenceID)
		case seen[s.ReferenceID]:
			return failure(400, "JSON_PARSER_ERROR", "Duplicate reference id: %s", s.ReferenceID)
		}
		seen[s.ReferenceID] = true
	}
	switch {
	case len(subs) == 0:
		return failure(400, "REQUIRED_FIELD_MISSING", "At least 1 subrequest is required")
	case len(subs) > maxSubrequests:
		return failure(400, "LIMIT_EXCEEDED", "Limit of %d subrequests exceeded", maxSubrequests)
	case queries > maxQueries:
		return failure(400, "LIMIT_EXCEEDED", "Limit of %d query and collection subrequests exceeded", maxQueries)
	}
	return nil
}

// halt gives the siblings of a failed subrequest the error of a rollback.
func halt(answers []answer, failing int) {
	for i := range answers {
		if i != failing {
			answers[i] = answer{status: 400, body: []any{orderedObject{{"errorCode", "PROCESSING_HALTED"},
				{"message", "The transaction was rolled back since another operation in the same transaction failed."}}}}
		}
	}
}

// BoundCompositeURLs has the url of a subrequest bound as that of a request is.
// No such bound is documented, nor that there is none: Salesforce's help advises
// to put a long query into a composite. A new org takes urls of any length. The
// words of the refusal are made up.
func (o *Org) BoundCompositeURLs(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.boundURLs = on
}

var reference = regexp.MustCompile(`@\{([^}]*)\}`)

// sub runs one subrequest, after filling its references to earlier answers.
func (o *Org) sub(outer call, s subrequest, bodies map[string]any) answer {
	target, err := fill(s.URL, bodies)
	body := string(s.Body)
	if err == nil && o.boundURLs && len(target) > maxURL {
		err = failure(http.StatusRequestURITooLong, "URI_TOO_LONG", "URI Too Long")
	}
	if err == nil {
		body, err = fill(body, bodies)
	}
	if err != nil {
		return failed(err)
	}
	// A query may stand unencoded in a composite's url: what is an escape is
	// decoded, what is not stays.
	path, query, _ := strings.Cut(target, "?")
	parts := segments(path)
	if len(parts) < 4 || parts[0] != "services" || parts[1] != "data" {
		return failed(notFound())
	}
	version, err := apiVersion(parts[2])
	if err != nil {
		return failed(err)
	}
	header := http.Header{}
	for name, v := range s.HTTPHeaders {
		header.Set(name, v)
	}
	if parts[3] == "composite" && len(parts) == 4 {
		return failed(failure(400, "INVALID_REQUEST", "A composite cannot hold a composite"))
	}
	return o.answer(call{method: strings.ToUpper(s.Method), version: version, parts: parts[3:], query: looseQuery(query), header: header, body: []byte(body), allOrNone: outer.allOrNone})
}

func looseQuery(query string) url.Values {
	values := url.Values{}
	for _, part := range strings.Split(query, "&") {
		name, v, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(v); err == nil {
			v = decoded
		}
		values.Add(name, v)
	}
	return values
}

// fill replaces @{id.field} by the field of an earlier answer. That it does so
// anywhere is why nobody's input may stand unencoded in a composite.
func fill(text string, bodies map[string]any) (string, *apiError) {
	var bad *apiError
	filled := reference.ReplaceAllStringFunc(text, func(ref string) string {
		v := dig(bodies, ref[2:len(ref)-1])
		if v == nil {
			bad = failure(400, "PROCESSING_HALTED", "Invalid reference specified. No value for %s found", ref[2:len(ref)-1])
		}
		return fmt.Sprint(v)
	})
	return filled, bad
}

// dig follows "ref.records[0].Id" through the answer named ref.
func dig(bodies map[string]any, path string) any {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	if len(steps) == 0 {
		return nil
	}
	at := plain(bodies[steps[0]])
	for _, step := range steps[1:] {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(v) {
				return nil
			}
			at = v[n]
		default:
			return nil
		}
	}
	return at
}

// plain is a body as its reader decodes it.
func plain(body any) any {
	var v any
	if body != nil && decode(encodeJSON(body), &v) != nil {
		return nil
	}
	return v
}

// batchCall runs independent subrequests, of which each counts as a call.
func (o *Org) batchCall(c call) answer {
	var in struct{ BatchRequests []subrequest }
	if err := decode(c.body, &in); err != nil {
		return failed(err)
	}
	if len(in.BatchRequests) > maxSubrequests {
		return failed(failure(400, "LIMIT_EXCEEDED", "Limit of %d subrequests exceeded", maxSubrequests))
	}
	if err := o.spend(max(0, len(in.BatchRequests)-1)); err != nil { // the first is the request's own
		return failed(err)
	}
	list, broken := []any{}, false
	for _, s := range in.BatchRequests {
		s.Body = s.RichInput
		s.URL = "/services/data/" + strings.TrimPrefix(strings.TrimPrefix(s.URL, "/"), "services/data/")
		a := o.sub(c, s, nil)
		broken = broken || a.status >= 400
		list = append(list, orderedObject{{"statusCode", a.status}, {"result", a.body}})
	}
	return ok(orderedObject{{"hasErrors", broken}, {"results", list}})
}

// collection answers /composite/sobjects: up to 200 records in one call, their
// results in the order of the request. The allOrNone of a composite around it
// overrides its own.
func (o *Org) collection(c call) answer {
	switch {
	case c.method == http.MethodDelete:
		return o.deleteMany(c)
	case len(c.parts) == 3 && (c.method == http.MethodPost || c.method == http.MethodGet):
		return o.readMany(c)
	}
	var in struct {
		AllOrNone bool
		Records   []Fields
	}
	if err := decode(c.body, &in); err != nil {
		return failed(err)
	}
	switch {
	case c.method != http.MethodPost && c.method != http.MethodPatch:
		return notAllowed(c, "POST,PATCH,DELETE")
	case len(in.Records) == 0:
		return failed(failure(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required"))
	case len(in.Records) > maxCollection:
		return failed(failure(400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than %d records into this call", maxCollection))
	}
	return o.many(len(in.Records), in.AllOrNone || c.allOrNone, func(i int) (any, *apiError) { return o.oneOfMany(c, in.Records[i]) })
}

func (o *Org) deleteMany(c call) answer {
	ids := strings.Split(c.query.Get("ids"), ",")
	return o.many(len(ids), c.allOrNone || c.query.Get("allOrNone") == "true", func(i int) (any, *apiError) {
		id := longID(ids[i])
		for _, name := range o.names {
			if obj := o.objects[name]; obj.kind == data && strings.HasPrefix(id, obj.prefix) {
				return saved(id), o.remove(o.byREST(c), obj, id)
			}
		}
		return nil, refusal("MALFORMED_ID", "malformed id "+ids[i])
	})
}

// many runs n writes. With allOrNone, one failure takes all of them back.
func (o *Org) many(n int, allOrNone bool, one func(i int) (any, *apiError)) answer {
	before, list, bad := o.snapshot(), make([]any, n), make([]bool, n)
	for i := range n {
		result, err := one(i)
		if err != nil {
			result, bad[i] = err.result(), true
		}
		list[i] = result
	}
	rollBack := allOrNone && slices.Contains(bad, true)
	if rollBack {
		o.restore(before)
		rolledBack := refusal("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid and the request was using AllOrNone header")
		for i := range list {
			if !bad[i] {
				list[i] = rolledBack.result()
			}
		}
	}
	return answer{status: http.StatusOK, body: list, rolledBack: rollBack}
}

// oneOfMany creates, updates or upserts one record of a collection.
func (o *Org) oneOfMany(c call, in Fields) (any, *apiError) {
	about, _ := in["attributes"].(map[string]any)
	name := word(about["type"])
	if len(c.parts) > 2 {
		name = c.parts[2]
	}
	obj := o.readable(name)
	if obj == nil {
		return nil, refusal("INVALID_TYPE", "sObject type '"+name+"' is not supported.")
	}
	in = maps.Clone(in)
	delete(in, "attributes")
	w := o.byREST(c)
	switch {
	case c.method == http.MethodPost:
		id := o.nextID(obj)
		return saved(id), o.insert(w, obj, id, in)
	case len(c.parts) == 4:
		return o.upsertOne(c, w, obj, c.parts[3], in)
	}
	id := word(pop(in, "Id"))
	switch {
	case id == "":
		return nil, refusal("MISSING_ARGUMENT", "Id not specified in an update call")
	case longID(id) == "":
		return nil, refusal("MALFORMED_ID", "malformed id "+id)
	}
	err := o.update(w, obj, longID(id), in)
	if err != nil && err.code == "NOT_FOUND" {
		err = refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return saved(longID(id)), err
}

func (o *Org) upsertOne(c call, w write, obj *object, field string, in Fields) (any, *apiError) {
	value := pop(in, field)
	f := obj.field(field)
	if f == nil || !f.ExternalID && !f.IDLookup {
		return nil, refusal("NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+field)
	}
	found := ""
	if value != nil {
		var err *apiError
		if _, found, err = o.lookUp(c, obj, field, fmt.Sprint(value)); err != nil {
			return nil, refusal(err.code, err.message)
		}
	}
	if found != "" {
		return append(saved(found), pair{"created", false}), o.update(w, obj, found, in)
	}
	if f.Type == "id" && value != nil {
		return nil, refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if f.Type != "id" {
		in[f.Name] = value
	}
	id := o.nextID(obj)
	return append(saved(id), pair{"created", true}), o.insert(w, obj, id, in)
}

// pop takes a field out of in, by any spelling of its name.
func pop(in Fields, field string) any {
	for name, v := range in {
		if strings.EqualFold(name, field) {
			delete(in, name)
			return v
		}
	}
	return nil
}

// snapshot copies the tables, so that a failed all-or-none can be taken back.
// Rows are replaced and never changed, so copying the maps is enough.
func (o *Org) snapshot() map[*object]object {
	copies := map[*object]object{}
	for _, obj := range o.objects {
		if obj.kind != setup {
			children := make(map[string][]string, len(obj.children))
			for id, list := range obj.children {
				children[id] = slices.Clip(list)
			}
			copies[obj] = object{rows: maps.Clone(obj.rows), order: slices.Clone(obj.order), children: children}
		}
	}
	return copies
}

func (o *Org) restore(copies map[*object]object) {
	for obj, was := range copies {
		obj.rows, obj.order, obj.children = was.rows, was.order, was.children
	}
}
