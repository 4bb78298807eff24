package sandbox

import "strings"

// derive fills the fields that the platform computes when a record is saved.
// before is nil for a new one; given is what the writer asked for.
func (o *Org) derive(w write, obj *object, before, values, given Fields) {
	switch obj.name {
	case "Lead", "Contact":
		values["Name"] = strings.TrimSpace(word(values["FirstName"]) + " " + word(values["LastName"]))
	case "Opportunity":
		o.deriveStage(w, before, values, given)
	}
}

func (o *Org) deriveStage(w write, before, values, given Fields) {
	moved := before == nil || before["StageName"] != values["StageName"]
	if stage := o.stage(values["StageName"]); moved && stage != nil {
		if !has(given, "Probability") {
			values["Probability"] = stage["DefaultProbability"]
		}
		for _, name := range []string{"IsClosed", "IsWon", "ForecastCategory", "ForecastCategoryName"} {
			values[name] = stage[name]
		}
	}
	if before != nil && moved {
		values["LastStageChangeDate"] = w.at
	}
	values["ExpectedRevenue"] = nil
	amount, known := values["Amount"].(float64)
	probability, likely := values["Probability"].(float64)
	if known && likely {
		values["ExpectedRevenue"] = amount * probability / 100
	}
}

// stage finds the OpportunityStage row of a stage; nil when Setup has none.
func (o *Org) stage(name any) Fields {
	stages := o.object("OpportunityStage")
	for _, id := range stages.order {
		if values := stages.rows[id].values; strings.EqualFold(word(values["ApiName"]), word(name)) {
			return values
		}
	}
	return nil
}

func has(given Fields, field string) bool {
	for name := range given {
		if strings.EqualFold(name, field) {
			return true
		}
	}
	return false
}

func word(v any) string {
	s, _ := v.(string)
	return s
}

// record writes the history rows of a save: for tracked fields, and for the
// stage, amount, probability and close date of an Opportunity always.
func (o *Org) record(w write, obj *object, before, after Fields) {
	if obj.kind != data {
		return
	}
	if before == nil && len(obj.tracked) > 0 {
		o.fieldRow(w, obj, after, "created", nil, nil, nil)
	}
	for _, f := range obj.fields {
		if before != nil && obj.tracked[f.Name] && before[f.Name] != after[f.Name] {
			o.track(w, obj, f, before[f.Name], after)
		}
	}
	if obj.name == "Opportunity" {
		o.stageRow(w, before, after)
	}
}

// track writes the rows of one changed field. A lookup has two, with Ids and
// with names, a standard one under its relationship's name; long text and multi-select picklists have one without values.
func (o *Org) track(w write, obj *object, f *FieldDef, old any, after Fields) {
	switch {
	case f.ReferenceTo != "":
		name := f.relationship()
		if strings.HasSuffix(f.Name, "__c") {
			name = f.Name
		}
		o.fieldRow(w, obj, after, name, f, o.nameOf(f, old), o.nameOf(f, after[f.Name]))
		o.fieldRow(w, obj, after, name, f, old, after[f.Name])
	case f.Type == "multipicklist" || f.Length > 255:
		o.fieldRow(w, obj, after, f.Name, f, nil, nil)
	default:
		o.fieldRow(w, obj, after, f.Name, f, old, after[f.Name])
	}
}

func (o *Org) nameOf(f *FieldDef, id any) any {
	target := o.objects[strings.ToLower(f.ReferenceTo)]
	if target == nil || target.rows[word(id)] == nil {
		return nil
	}
	return target.rows[word(id)].values["Name"]
}

func (o *Org) fieldRow(w write, obj *object, parent Fields, field string, f *FieldDef, old, now any) {
	name := obj.name + "History"
	if obj.name == "Opportunity" {
		name = "OpportunityFieldHistory"
	}
	h := o.objects[strings.ToLower(name)]
	if h == nil {
		return // not in this org, or Account's, which nobody reads
	}
	o.append(h, Fields{obj.name + "Id": parent["Id"], "CreatedDate": w.at, "Field": field, "DataType": historyType(f),
		"OldValue": old, "NewValue": now})
}

func historyType(f *FieldDef) string {
	switch {
	case f == nil:
		return "Text"
	case f.ReferenceTo != "":
		return "EntityId"
	case f.Type == "picklist":
		return "DynamicEnum"
	case f.Type == "boolean":
		return "Boolean"
	case f.Type == "currency":
		return "Currency"
	case f.Type == "datetime":
		return "DateTime"
	}
	return "Text"
}

// stageRow writes an OpportunityHistory row with the then-current values, and
// stamps the row that it supersedes.
func (o *Org) stageRow(w write, before, after Fields) {
	h := o.objects["opportunityhistory"]
	changed := before == nil && o.first
	for _, name := range []string{"StageName", "Amount", "Probability", "CloseDate"} {
		changed = changed || before != nil && before[name] != after[name]
	}
	if h == nil || !changed {
		return
	}
	if earlier := h.children[word(after["Id"])]; len(earlier) > 0 {
		h.set(earlier[len(earlier)-1], Fields{"SystemModstamp": w.at})
	}
	fields := Fields{"OpportunityId": after["Id"], "CreatedDate": w.at, "SystemModstamp": w.at,
		"PrevAmount": before["Amount"], "PrevCloseDate": before["CloseDate"]}
	for _, name := range []string{"StageName", "Amount", "ExpectedRevenue", "CloseDate", "Probability", "ForecastCategory"} {
		fields[name] = after[name]
	}
	o.append(h, fields)
}

// append adds a history row.
func (o *Org) append(h *object, values Fields) {
	values["CreatedById"], values["IsDeleted"] = o.user, false
	o.appendAs(h, o.nextID(h), values)
}

func (o *Org) appendAs(h *object, id string, values Fields) {
	values["Id"] = id
	h.rows[id] = &row{values: values}
	h.order = append(h.order, id)
	parent := word(values[h.parentField()])
	h.children[parent] = append(h.children[parent], id)
}

// parentField is the lookup of a history object to its record.
func (h *object) parentField() string {
	for _, f := range h.fields {
		if f.ReferenceTo != "" {
			return f.Name
		}
	}
	return ""
}

// histories are the history objects of an object.
func (o *Org) histories(obj *object) []*object {
	var list []*object
	for _, name := range o.names {
		if h := o.objects[name]; h.kind == history && h.parentField() == obj.name+"Id" {
			list = append(list, h)
		}
	}
	return list
}
