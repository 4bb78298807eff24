package sandbox

import (
	"slices"
	"strings"
	"time"
)

// FieldDef defines a field. Type is the name describe gives it: string,
// picklist, multipicklist, double, checkbox as "boolean", date, datetime, ...
type FieldDef struct {
	Name, Label, Type string

	Length           int // of text; 0 is the type's usual one
	Precision, Scale int // of numbers
	Values           []PicklistValue
	Restricted       bool // a value outside Values is refused
	ReferenceTo      string

	Required      bool
	Default       any
	ReadOnly      bool // the platform writes it
	CreateOnly    bool
	NoFilter      bool // not usable in WHERE, as OldValue of a history row
	ExternalID    bool
	Unique        bool
	CaseSensitive bool // of a unique field: "ab" and "AB" may both exist
	IDLookup      bool

	// Formula makes a calculated field. It is computed when the row is read,
	// so its result changes without moving a stamp. It must not call the Org.
	Formula func(row Fields) any

	compound string // the compound field that shows this one
	filled   bool   // the platform gives it a value when nobody does
	bare     bool   // a lookup that queries cannot follow
}

// PicklistValue is one entry of a picklist: rows hold Value, people see Label.
type PicklistValue struct {
	Value, Label      string
	Inactive, Default bool
}

// Picklist makes values whose labels are the same as their API values.
func Picklist(values ...string) []PicklistValue {
	var list []PicklistValue
	for _, v := range values {
		list = append(list, PicklistValue{Value: v, Label: v})
	}
	return list
}

// relationship is the name by which a query follows a lookup: Owner for
// OwnerId, Parent__r for Parent__c; "" for every other field.
func (f *FieldDef) relationship() string {
	switch {
	case f.ReferenceTo == "" || f.bare:
		return ""
	case strings.HasSuffix(f.Name, "__c"):
		return strings.TrimSuffix(f.Name, "c") + "r"
	}
	return strings.TrimSuffix(f.Name, "Id")
}

// plain says whether queries can sort by a field.
func (f *FieldDef) plain() bool { return !f.NoFilter && f.Type != "address" }

// aggregatable says whether COUNT takes a field.
func (f *FieldDef) aggregatable() bool { return f.plain() && f.Type != "boolean" }

// groupable says whether GROUP BY takes a field. Salesforce documents that
// formulas cannot be grouped, and of the rest only that describe tells.
func (f *FieldDef) groupable() bool {
	switch f.Type {
	case "datetime", "double", "currency", "percent", "multipicklist":
		return false
	}
	return f.plain() && f.Formula == nil
}

func (f *FieldDef) custom() bool { return strings.HasSuffix(f.Name, "__c") }

// kind of an object: what may be done to its rows.
type kind int

const (
	data       kind = iota // people and REST write it
	history                // the platform writes it, rows have no SystemModstamp
	setup                  // Setup writes it: stages, statuses, users, the organization
	definition             // the schema itself, shown as rows to queries: see definitions.go
)

// object is a table and its definition.
type object struct {
	name, label, plural, prefix string
	kind                        kind
	undeletable, mergeable      bool

	fields  []*FieldDef
	byName  map[string]*FieldDef // by lower-case name
	hidden  map[string]bool      // field-level security, by canonical name
	tracked map[string]bool      // field history tracking
	changed time.Time            // of the definition, for If-Modified-Since
	scanned bool                 // query plans begin with a table scan

	rows  map[string]*row
	order []string // Ids in the order of creation

	children map[string][]string // of a history object: rows by the Id of their record
}

// row is a record. It is replaced, never changed, so that a copy of the row
// map is a copy of the table.
type row struct {
	values    Fields
	invisible bool // sharing hides it from the integration user
}

func (o *object) add(defs ...FieldDef) {
	for _, def := range defs {
		f := &def
		if f.Label == "" {
			f.Label = strings.ReplaceAll(strings.TrimSuffix(f.Name, "__c"), "_", " ")
		}
		if f.Type == "" {
			f.Type = "string"
		}
		if f.Length == 0 {
			f.Length = usualLength[f.Type]
		}
		if v, err := coerce(f, f.Default); err == nil { // a checkbox without one is false
			f.Default = v
		}
		o.fields = append(o.fields, f)
		o.byName[strings.ToLower(f.Name)] = f
	}
}

var usualLength = map[string]int{
	"id": 18, "reference": 18, "string": 255, "textarea": 255, "picklist": 255, "multipicklist": 4099,
	"email": 80, "phone": 40, "url": 255, "anyType": 0,
}

// field finds a field by any spelling of its name that the integration user
// may see; nil when there is none.
func (o *object) field(name string) *FieldDef {
	f := o.byName[strings.ToLower(name)]
	if f == nil || o.hidden[f.Name] {
		return nil
	}
	return f
}

// visible are the fields that field-level security leaves to see.
func (o *object) visible() []*FieldDef {
	return slices.DeleteFunc(slices.Clone(o.fields), func(f *FieldDef) bool { return o.hidden[f.Name] })
}

// value reads a field of a row, computing it where it is a formula.
func (o *object) value(r *row, f *FieldDef) any {
	switch {
	case f.Formula != nil:
		v, err := coerce(f, f.Formula(r.values))
		if err != nil {
			return nil // a formula error shows as an empty field
		}
		return v
	case f.Type == "address":
		return address(f, o.fields, r.values)
	}
	return r.values[f.Name]
}

// address is the compound of its parts, null when all are.
func address(compound *FieldDef, fields []*FieldDef, values Fields) any {
	parts, any := orderedObject{}, false
	prefix := strings.TrimSuffix(compound.Name, "Address")
	for _, f := range fields {
		if f.compound != compound.Name {
			continue
		}
		name := strings.TrimPrefix(f.Name, prefix)
		parts = append(parts, pair{strings.ToLower(name[:1]) + name[1:], values[f.Name]})
		any = any || values[f.Name] != nil
	}
	if !any {
		return nil
	}
	return parts
}
