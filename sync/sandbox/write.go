package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// write is who writes, and when.
type write struct {
	at        time.Time
	rest      bool // through the API: permissions, required fields and duplicate rules hold
	allowSave bool // Sforce-Duplicate-Rule-Header: allowSave=true
}

func (o *Org) byPerson() write { return write{at: stamp(o.now())} }

// insert makes the record id.
func (o *Org) insert(w write, obj *object, id string, in Fields) *apiError {
	values, err := obj.accept(w, in, true)
	if err != nil {
		return err
	}
	for _, f := range obj.fields {
		if _, given := values[f.Name]; !given {
			values[f.Name] = f.Default
		}
	}
	if err := o.check(w, obj, id, nil, values); err != nil {
		return err
	}
	values["Id"] = id
	for name, v := range map[string]any{"CreatedDate": w.at, "LastModifiedDate": w.at, "SystemModstamp": w.at,
		"CreatedById": o.user, "LastModifiedById": o.user, "OwnerId": o.user} {
		if obj.byName[strings.ToLower(name)] != nil && values[name] == nil {
			values[name] = v
		}
	}
	o.derive(w, obj, nil, values, in)
	obj.rows[id] = &row{values: values}
	obj.order = append(obj.order, id)
	o.record(w, obj, nil, values)
	return nil
}

// update changes the record id. Every update moves the stamps, also one that
// changes no value.
func (o *Org) update(w write, obj *object, id string, in Fields) *apiError {
	r := obj.rows[id]
	switch {
	case r == nil || w.rest && r.invisible:
		return notFound()
	case r.values["IsDeleted"] == true:
		return entityIsDeleted()
	case w.rest && o.locked[id]:
		return rowLocked()
	case w.rest && r.values["IsConverted"] == true:
		return refusal("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	changes, err := obj.accept(w, in, false)
	if err != nil {
		return err
	}
	values := maps.Clone(r.values)
	if obj.byName["lastmodifieddate"] != nil {
		values["LastModifiedDate"], values["LastModifiedById"], values["SystemModstamp"] = w.at, o.user, w.at
	}
	maps.Copy(values, changes)
	if err := o.check(w, obj, id, r.values, values); err != nil {
		return err
	}
	o.derive(w, obj, r.values, values, in)
	obj.rows[id] = &row{values: values, invisible: r.invisible}
	o.record(w, obj, r.values, values)
	return nil
}

// remove puts a record and its history into the recycle bin.
func (o *Org) remove(w write, obj *object, id string) *apiError {
	r := obj.rows[id]
	switch {
	case r == nil || w.rest && r.invisible:
		return notFound()
	case r.values["IsDeleted"] == true:
		return entityIsDeleted()
	case w.rest && o.locked[id]:
		return rowLocked()
	}
	o.mark(obj, id, true, w.at)
	return nil
}

func (o *Org) undelete(w write, obj *object, id string) {
	o.mustRow(obj, id)
	o.mark(obj, id, false, w.at)
	obj.set(id, Fields{"MasterRecordId": nil})
}

// mark deletes or undeletes. A deletion moves both stamps: the time it
// happened is read from SystemModstamp.
func (o *Org) mark(obj *object, id string, deleted bool, at time.Time) {
	obj.set(id, Fields{"IsDeleted": deleted, "LastModifiedDate": at, "SystemModstamp": at})
	for _, h := range o.histories(obj) {
		for _, child := range h.children[id] {
			h.set(child, Fields{"IsDeleted": deleted})
		}
	}
}

// accept resolves field names and values of a write.
func (obj *object) accept(w write, in Fields, creating bool) (Fields, *apiError) {
	out := Fields{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		f := obj.byName[strings.ToLower(name)]
		if f == nil || w.rest && obj.hidden[f.Name] {
			return nil, failure(400, "INVALID_FIELD", "No such column '%s' on sobject of type %s", name, obj.name)
		}
		if locked := f.ReadOnly || f.Formula != nil || f.Type == "id" || f.CreateOnly && !creating || obj.kind != data; locked && w.rest {
			return nil, refusal("INVALID_FIELD_FOR_INSERT_UPDATE", fmt.Sprintf("Unable to create/update fields: %s. Please check the security settings of this field "+
				"and verify that it is read/write for your profile or permission set.", f.Name), f.Name)
		}
		v, err := coerce(f, in[name])
		if err != nil {
			return nil, err
		}
		out[f.Name] = v
	}
	return out, nil
}

// check holds what the org demands of a record as it would become. before is
// nil for a new one.
func (o *Org) check(w write, obj *object, id string, before, values Fields) *apiError {
	if w.rest {
		var missing []string
		for _, f := range obj.fields {
			if f.Required && !f.ReadOnly && values[f.Name] == nil {
				missing = append(missing, f.Name)
			}
		}
		if missing != nil {
			return refusal("REQUIRED_FIELD_MISSING", fmt.Sprintf("Required fields are missing: [%s]", strings.Join(missing, ", ")), missing...)
		}
	}
	for _, f := range obj.fields {
		if !f.Unique || values[f.Name] == nil {
			continue
		}
		if twin := obj.find(f, values[f.Name]); len(twin) > 0 && twin[0] != id {
			return refusal("DUPLICATE_VALUE", fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", f.Name, twin[0][:15]))
		}
	}
	// An edit that leaves the matched field alone does not run the rule.
	if rule, ok := o.duplicates[obj.name]; ok && w.rest && before["Email"] != values["Email"] && (rule.block || !w.allowSave) {
		return obj.duplicate(rule, id, values)
	}
	return nil
}

// find lists the records, deleted ones apart, that hold v in f.
func (obj *object) find(f *FieldDef, v any) []string {
	var found []string
	for _, id := range obj.order {
		r := obj.rows[id]
		if r.values["IsDeleted"] != true && same(f, r.values[f.Name], v) {
			found = append(found, id)
		}
	}
	return found
}

func same(f *FieldDef, a, b any) bool {
	if x, ok := a.(string); ok && !f.CaseSensitive && f.Type != "id" && f.Type != "reference" {
		y, ok := b.(string)
		return ok && strings.EqualFold(x, y)
	}
	return a == b
}

// duplicate applies a duplicate rule on Email.
func (obj *object) duplicate(rule rule, id string, values Fields) *apiError {
	if values["Email"] == nil {
		return nil
	}
	var matches []any
	for _, twin := range obj.find(obj.byName["email"], values["Email"]) {
		if twin != id {
			matches = append(matches, map[string]any{"additionalInformation": []any{}, "fieldDiffs": []any{}, "matchConfidence": 100.0,
				"record": map[string]any{"attributes": map[string]any{"type": obj.name, "url": "/services/data/v" + latest + "/sobjects/" + obj.name + "/" + twin}, "Id": twin}})
		}
	}
	if matches == nil {
		return nil
	}
	e := failure(400, "DUPLICATES_DETECTED", "Use one of these records?")
	e.duplicate = map[string]any{
		"allowSave": !rule.block, "duplicateRule": "Standard_" + obj.name + "_Duplicate_Rule", "duplicateRuleEntityType": obj.name,
		"errorMessage": e.message,
		"matchResults": []any{map[string]any{"entityType": obj.name, "errors": []any{}, "matchEngine": "ExactMatchEngine", "matchRecords": matches,
			"rule": "Email_Matching_Rule", "size": len(matches), "success": true}},
	}
	return e
}

// set changes values of a row without any of the consequences.
func (obj *object) set(id string, changes Fields) {
	r := obj.rows[id]
	values := maps.Clone(r.values)
	for name, v := range changes {
		if obj.byName[strings.ToLower(name)] != nil {
			values[name] = v
		}
	}
	obj.rows[id] = &row{values: values, invisible: r.invisible}
}

func (obj *object) drop(id string) {
	delete(obj.rows, id)
	obj.order = slices.DeleteFunc(obj.order, func(other string) bool { return other == id })
}
