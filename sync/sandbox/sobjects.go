package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// sobjects answers everything below /sobjects.
func (o *Org) sobjects(c call) answer {
	if len(c.parts) == 1 {
		return o.describeGlobal(c)
	}
	obj := o.readable(c.parts[1])
	if obj == nil {
		return failed(notFound())
	}
	switch rest := c.parts[2:]; {
	case len(rest) == 0 && c.method == http.MethodPost:
		return o.createCall(c, obj)
	case len(rest) == 0 && c.method == http.MethodGet:
		return ok(orderedObject{{"objectDescribe", o.summary(obj, c.version)}, {"recentItems", []any{}}})
	case len(rest) == 0:
		return notAllowed(c, "HEAD,GET,POST")
	case len(rest) == 1 && strings.EqualFold(rest[0], "describe"):
		return o.describeCall(c, obj)
	case len(rest) == 1:
		return o.oneRecord(c, obj, rest[0])
	case len(rest) == 2:
		return o.byExternalID(c, obj, rest[0], rest[1])
	}
	return failed(notFound())
}

func (o *Org) byREST(c call) write {
	header := strings.ToLower(strings.ReplaceAll(c.header.Get("Sforce-Duplicate-Rule-Header"), " ", ""))
	return write{at: stamp(o.now()), rest: true, allowSave: strings.Contains(header, "allowsave=true")}
}

// given reads the fields of a record's body; attributes are no field.
func given(body []byte) (Fields, *apiError) {
	in := Fields{}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	delete(in, "attributes")
	return in, nil
}

func (o *Org) createCall(c call, obj *object) answer {
	in, err := given(c.body)
	if err != nil {
		return failed(err)
	}
	id := o.nextID(obj)
	if err := o.insert(o.byREST(c), obj, id, in); err != nil {
		return failed(err)
	}
	return created(c, obj, id, saved(id))
}

func created(c call, obj *object, id string, body any) answer {
	header := http.Header{"Location": {fmt.Sprintf("/services/data/v%d.0/sobjects/%s/%s", c.version, obj.name, id)}}
	return answer{status: http.StatusCreated, body: body, header: header}
}

func saved(id string) orderedObject {
	return orderedObject{{"id", id}, {"success", true}, {"errors", []any{}}}
}

// oneRecord answers for a record by its Id.
func (o *Org) oneRecord(c call, obj *object, asked string) answer {
	id := longID(asked)
	r := obj.rows[id]
	switch {
	case id == "":
		return failed(failure(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", asked))
	case r == nil || !o.seen(obj, r):
		return failed(notFound())
	}
	switch c.method {
	case http.MethodGet:
		return o.read(c, obj, r)
	case http.MethodPatch:
		return o.patch(c, obj, id, "Id")
	case http.MethodDelete:
		if err := o.remove(o.byREST(c), obj, id); err != nil {
			return failed(err)
		}
		return answer{status: http.StatusNoContent}
	}
	return notAllowed(c, "HEAD,GET,PATCH,DELETE")
}

func (o *Org) read(c call, obj *object, r *row) answer {
	if r.values["IsDeleted"] == true {
		return failed(entityIsDeleted())
	}
	fields := obj.visible()
	if asked := c.query.Get("fields"); asked != "" {
		var err *apiError
		if fields, err = obj.chosen(strings.Split(asked, ",")); err != nil {
			return failed(err)
		}
	}
	return ok(o.show(&selection{object: obj, fields: fields}, r, c.version))
}

// chosen finds the fields that a client names, and adds the Id.
func (obj *object) chosen(names []string) ([]*FieldDef, *apiError) {
	var fields []*FieldDef
	for _, name := range names {
		f := obj.field(strings.TrimSpace(name))
		if f == nil {
			return nil, failure(400, "INVALID_FIELD", "No such column '%s' on sobject of type %s", name, obj.name)
		}
		fields = append(fields, f)
	}
	if !slices.Contains(fields, obj.byName["id"]) {
		fields = append(fields, obj.byName["id"])
	}
	return fields, nil
}

// readMany answers /composite/sobjects/X: records by Id, null for each that
// there is none of.
func (o *Org) readMany(c call) answer {
	var in struct{ IDs, Fields []string }
	if c.method == http.MethodGet {
		in.IDs, in.Fields = strings.Split(c.query.Get("ids"), ","), strings.Split(c.query.Get("fields"), ",")
	} else if err := decode(c.body, &in); err != nil {
		return failed(err)
	}
	obj := o.readable(c.parts[2])
	if obj == nil {
		return failed(notFound())
	}
	fields, err := obj.chosen(in.Fields)
	if err != nil {
		return failed(err)
	}
	list := []any{}
	for _, id := range in.IDs {
		var found any
		if r := obj.rows[longID(id)]; r != nil && o.seen(obj, r) && r.values["IsDeleted"] != true {
			found = o.show(&selection{object: obj, fields: fields}, r, c.version)
		}
		list = append(list, found)
	}
	return ok(list)
}

func (o *Org) patch(c call, obj *object, id, key string) answer {
	in, err := given(c.body)
	if err == nil && has(in, key) {
		err = failure(400, "INVALID_FIELD", "The %s field should not be specified in the sobject data.", key)
	}
	if err == nil {
		err = o.update(o.byREST(c), obj, id, in)
	}
	if err != nil {
		return failed(err)
	}
	return answer{status: http.StatusNoContent}
}

// byExternalID reads a record, or upserts it, by a field that names it.
func (o *Org) byExternalID(c call, obj *object, field, value string) answer {
	f, found, err := o.lookUp(c, obj, field, value)
	if err != nil {
		return failed(err)
	}
	switch {
	case c.method == http.MethodGet && found == "":
		return failed(notFound())
	case c.method == http.MethodGet:
		return o.read(c, obj, obj.rows[found])
	case c.method != http.MethodPatch:
		return notAllowed(c, "HEAD,GET,PATCH")
	case found == "":
		return o.upsertNew(c, obj, f, value)
	}
	a := o.patch(c, obj, found, f.Name)
	if a.status == http.StatusNoContent && c.version >= 46 { // before, the answer has no body
		a = ok(append(saved(found), pair{"created", false}))
	}
	return a
}

func (o *Org) upsertNew(c call, obj *object, f *FieldDef, value string) answer {
	in, err := given(c.body)
	if err == nil && has(in, f.Name) {
		err = failure(400, "INVALID_FIELD", "The %s field should not be specified in the sobject data.", f.Name)
	}
	if err != nil {
		return failed(err)
	}
	in[f.Name] = value
	id := o.nextID(obj)
	if err := o.insert(o.byREST(c), obj, id, in); err != nil {
		return failed(err)
	}
	body := saved(id)
	if c.version >= 46 {
		body = append(body, pair{"created", true})
	}
	return created(c, obj, id, body)
}

// lookUp finds the record that an external Id names; several are a 300.
func (o *Org) lookUp(c call, obj *object, field, value string) (*FieldDef, string, *apiError) {
	f := obj.field(field)
	if f == nil || !f.ExternalID && !f.IDLookup {
		return nil, "", failure(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", field)
	}
	v, err := coerce(f, value)
	if err != nil {
		return nil, "", err
	}
	found := obj.find(f, v)
	found = slices.DeleteFunc(found, func(id string) bool { return !o.seen(obj, obj.rows[id]) })
	switch len(found) {
	case 0:
		return f, "", nil
	case 1:
		return f, found[0], nil
	}
	e := failure(http.StatusMultipleChoices, "DUPLICATE_EXTERNAL_ID", "more than one record found for external id field: %v", found)
	for _, id := range found {
		e.urls = append(e.urls, fmt.Sprintf("/services/data/v%d.0/sobjects/%s/%s", c.version, obj.name, id))
	}
	return f, "", e
}
