package sandbox

import "slices"

// definitionObjects are EntityDefinition and FieldDefinition, which show the
// schema to queries. They are stored in another way than records: much of SOQL
// is not for them, and some is ignored without a word.
func definitionObjects() []*object {
	entity := newObject("EntityDefinition", "Entity Definition", "Entity Definitions", "4ie", definition,
		text("DurableId", "Durable ID", 255), text("QualifiedApiName", "Qualified API Name", 255), text("DeveloperName", "Developer Name", 255),
		text("Label", "Label", 255), choice("InternalSharingModel", "Internal Sharing Model", "Private", "Read", "ReadWrite", "ReadWriteTransfer", "ControlledByParent"))
	of := text("EntityDefinitionId", "Entity Definition ID", 255)
	of.ReferenceTo = "EntityDefinition"
	field := newObject("FieldDefinition", "Field Definition", "Field Definitions", "4fe", definition,
		text("DurableId", "Durable ID", 255), text("QualifiedApiName", "Qualified API Name", 255), text("DeveloperName", "Developer Name", 255),
		text("Label", "Label", 255), of, flag("IsCalculated", "Calculated"), flag("IsFieldHistoryTracked", "Track Field History"))
	return []*object{entity, field}
}

// refreshDefinitions makes the rows anew from the schema as it stands. Part of
// a compound field, like FirstName, is no row. Nor is a field that field-level
// security hides, which is not documented.
func (o *Org) refreshDefinitions() {
	entities, fields := o.objects["entitydefinition"], o.objects["fielddefinition"]
	for _, table := range []*object{entities, fields} {
		if table != nil {
			table.rows, table.order = map[string]*row{}, nil
		}
	}
	for _, name := range o.names {
		obj := o.objects[name]
		entities.define(obj.name, Fields{"QualifiedApiName": obj.name, "DeveloperName": obj.name, "Label": obj.label,
			"InternalSharingModel": o.sharingModel(obj.name)})
		for _, f := range obj.visible() {
			if f.compound == "" {
				fields.define(obj.name+"."+f.Name, Fields{"QualifiedApiName": f.Name, "DeveloperName": f.Name, "Label": f.Label,
					"EntityDefinitionId": obj.name, "IsCalculated": f.Formula != nil, "IsFieldHistoryTracked": obj.tracked[f.Name]})
			}
		}
	}
}

// define adds a row under its durable Id; the Id is the same of all.
func (t *object) define(durableID string, values Fields) {
	if t == nil {
		return // the user may not see this table
	}
	values["Id"], values["DurableId"] = "000000000000000AAA", durableID
	t.rows[durableID] = &row{values: values}
	t.order = append(t.order, durableID)
}

// checkStorage refuses what definitions cannot be asked.
func (p *parser) checkStorage() *apiError {
	if p.object.kind != definition {
		return nil
	}
	if p.count || p.group != nil {
		return unsupported("The requested operation is not yet supported by this SObject storage type, contact salesforce.com support for more information.")
	}
	byKey := func(way path) bool {
		return slices.Contains([]string{"EntityDefinitionId", "DurableId", "EntityDefinition.QualifiedApiName", "EntityDefinition.DurableId"}, way.name())
	}
	if p.object.name == "FieldDefinition" && !slices.ContainsFunc(p.tested, byKey) {
		return failure(400, "MALFORMED_QUERY", "FieldDefinition: a filter on a reified column is required [EntityDefinitionId,DurableId]")
	}
	return nil
}

// unsupported has the documented words; of the code only SOAP's answers are known.
func unsupported(says string) *apiError {
	return failure(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "%s", says)
}
