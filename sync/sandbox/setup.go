package sandbox

import (
	"slices"
	"strings"
)

// AddField gives an object a field. Rows that exist have its default.
func (o *Org) AddField(object string, f FieldDef) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	obj.add(f)
	for _, id := range obj.order {
		obj.rows[id].values[f.Name] = f.Default
	}
	obj.changed = stamp(o.now())
}

// AddPicklistValue gives a picklist one more value. For Opportunity.StageName
// that is an open stage, for Lead.Status one that is not a converted status.
func (o *Org) AddPicklistValue(object, field string, v PicklistValue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addValue(o.object(object), field, v)
}

func (o *Org) addValue(obj *object, field string, v PicklistValue) {
	f := obj.mustField(field)
	if v.Label == "" {
		v.Label = v.Value
	}
	switch obj.name + "." + f.Name {
	case "Opportunity.StageName":
		o.addStage(v, "Pipeline", 50, false, false)
	case "Lead.Status":
		f.Values = append(f.Values, v)
		o.addStatus(v, false)
	default:
		f.Values = append(f.Values, v)
	}
	obj.changed = stamp(o.now())
}

// AddStage adds an Opportunity stage. probability is in percent.
func (o *Org) AddStage(name string, probability int, closed, won bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	forecast := "Pipeline"
	switch {
	case won:
		forecast = "Closed"
	case closed:
		forecast = "Omitted"
	}
	o.addStage(PicklistValue{Value: name, Label: name}, forecast, probability, closed, won)
}

func (o *Org) addStage(v PicklistValue, forecast string, probability int, closed, won bool) {
	f := o.object("Opportunity").byName["stagename"]
	f.Values = append(f.Values, v)
	o.object("Opportunity").changed = stamp(o.now())
	o.create("OpportunityStage", Fields{"MasterLabel": v.Label, "ApiName": v.Value, "IsActive": !v.Inactive, "SortOrder": len(f.Values),
		"IsClosed": closed, "IsWon": won, "ForecastCategory": forecast, "ForecastCategoryName": forecast, "DefaultProbability": probability})
}

func (o *Org) addStatus(v PicklistValue, converted bool) {
	statuses := o.object("LeadStatus")
	o.create("LeadStatus", Fields{"MasterLabel": v.Label, "ApiName": v.Value, "SortOrder": len(statuses.order) + 1,
		"IsDefault": len(statuses.order) == 0, "IsConverted": converted})
}

// RelabelValue renames the label of a picklist value. Rows hold the API value
// and are not touched.
func (o *Org) RelabelValue(object, field, value, label string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	f := obj.mustField(field)
	f.Values = slices.Clone(f.Values)
	for i := range f.Values {
		if f.Values[i].Value == value {
			f.Values[i].Label = label
		}
	}
	obj.changed = stamp(o.now())
	if setup, id := o.setupRow(obj, f, value); id != "" {
		setup.set(id, Fields{"MasterLabel": label})
	}
}

// ReplaceValue is "replace" in Setup, or the renaming of an API value where the
// picklist has no to yet: every row that holds from gets to, and describe loses
// from. SystemModstamp moves; LastModifiedDate does not, but on converted
// Leads; history rows are not written.
func (o *Org) ReplaceValue(object, field, from, to string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	f := obj.mustField(field)
	o.replaceInPicklist(obj, f, from, to)
	at := stamp(o.now())
	obj.changed = at
	for _, id := range obj.order {
		r := obj.rows[id]
		if !strings.EqualFold(word(r.values[f.Name]), from) {
			continue
		}
		obj.set(id, Fields{f.Name: to, "SystemModstamp": at})
		if r.values["IsConverted"] == true {
			obj.set(id, Fields{"LastModifiedDate": at})
		}
	}
}

func (o *Org) replaceInPicklist(obj *object, f *FieldDef, from, to string) {
	setup, id := o.setupRow(obj, f, from)
	at := slices.IndexFunc(f.Values, func(v PicklistValue) bool { return v.Value == from })
	f.Values = slices.Clone(f.Values)
	switch {
	case at < 0:
		panic("sandbox: " + obj.name + "." + f.Name + " has no value " + from)
	case f.offers(to):
		f.Values = slices.Delete(f.Values, at, at+1)
		if id != "" {
			setup.drop(id)
		}
	default:
		f.Values[at].Value, f.Values[at].Label = to, to
		if id != "" {
			setup.set(id, Fields{"ApiName": to, "MasterLabel": to})
		}
	}
	if f.Default == from {
		f.Default = to
	}
}

// setupRow finds the OpportunityStage or LeadStatus of a picklist value.
func (o *Org) setupRow(obj *object, f *FieldDef, value string) (setup *object, id string) {
	switch obj.name + "." + f.Name {
	case "Opportunity.StageName":
		setup = o.object("OpportunityStage")
	case "Lead.Status":
		setup = o.object("LeadStatus")
	default:
		return nil, ""
	}
	for _, id := range setup.order {
		if setup.rows[id].values["ApiName"] == value {
			return setup, id
		}
	}
	return setup, ""
}

// HideField takes a field from the integration user by field-level security:
// it is gone from describe and an INVALID_FIELD in queries.
func (o *Org) HideField(object, field string) { o.security(object, field, true) }

// ShowField gives the field back. No stamp moves.
func (o *Org) ShowField(object, field string) { o.security(object, field, false) }

func (o *Org) security(object, field string, hidden bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	obj.hidden[obj.mustField(field).Name] = hidden
	obj.changed = stamp(o.now())
}

// HideRecord takes a record from the integration user by sharing: no query
// answers it, and its Id is not found.
func (o *Org) HideRecord(object, id string) { o.share(object, id, true) }

// ShowRecord shares the record again. No stamp moves.
func (o *Org) ShowRecord(object, id string) { o.share(object, id, false) }

func (o *Org) share(object, id string, invisible bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	id = longID(id)
	obj.rows[id] = &row{values: o.mustRow(obj, id).values, invisible: invisible}
}

// Track turns history tracking of a field on or off.
func (o *Org) Track(object, field string, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	name := obj.mustField(field).Name
	delete(obj.tracked, name)
	if on {
		obj.tracked[name] = true
	}
}

// InitialStageRow says whether creating an Opportunity writes an
// OpportunityHistory row. It does in a new org.
func (o *Org) InitialStageRow(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.first = on
}

// DropObject takes an object out of the org, as an edition without it.
func (o *Org) DropObject(object string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := strings.ToLower(o.object(object).name)
	delete(o.objects, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// DuplicateRule turns on a duplicate rule for records with the same Email: one
// that blocks, or one that only alerts, which a client may pass.
func (o *Org) DuplicateRule(object string, block bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.duplicates[o.object(object).name] = rule{block: block}
}

// Require makes a field required.
func (o *Org) Require(object, field string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	obj.mustField(field).Required = true
	obj.changed = stamp(o.now())
}

func (o *object) mustField(name string) *FieldDef {
	f := o.byName[strings.ToLower(name)]
	if f == nil {
		panic("sandbox: " + o.name + " has no field " + name)
	}
	return f
}
