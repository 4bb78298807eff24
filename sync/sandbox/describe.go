package sandbox

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"time"
)

// describeGlobal answers /sobjects.
func (o *Org) describeGlobal(c call) answer {
	list := []any{}
	for _, name := range o.names {
		if obj := o.readable(name); obj != nil {
			list = append(list, o.summary(obj, c.version))
		}
	}
	return ok(orderedObject{{"encoding", "UTF-8"}, {"maxBatchSize", 200}, {"sobjects", list}})
}

func (o *Org) summary(obj *object, version int) map[string]any {
	writable := obj.kind == data
	base := fmt.Sprintf("/services/data/v%d.0/sobjects/%s", version, obj.name)
	urls := map[string]any{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"}
	if writable {
		for _, name := range []string{"compactLayouts", "approvalLayouts", "layouts"} {
			urls[name] = base + "/describe/" + name
		}
		urls["listviews"], urls["quickActions"] = base+"/listviews", base+"/quickActions"
	}
	return map[string]any{
		"activateable": false, "associateEntityType": nil, "associateParentEntity": nil, "createable": writable, "custom": false, "customSetting": false,
		"deepCloneable": false, "deletable": writable, "deprecatedAndHidden": false, "feedEnabled": writable, "hasSubtypes": false, "isInterface": false,
		"isSubtype": false, "keyPrefix": obj.prefix, "label": obj.label, "labelPlural": obj.plural, "layoutable": writable, "mergeable": obj.mergeable,
		"mruEnabled": writable, "name": obj.name, "queryable": true, "replicateable": obj.kind == data, "retrieveable": true, "searchable": writable,
		"triggerable": writable, "undeletable": obj.undeletable, "updateable": writable, "urls": urls,
	}
}

// describeCall answers /sobjects/X/describe, or 304 when nothing of the
// definition changed since the time that the client names.
func (o *Org) describeCall(c call, obj *object) answer {
	if c.method != http.MethodGet {
		return notAllowed(c, "HEAD,GET")
	}
	tag := fnv.New32a()
	fmt.Fprint(tag, obj.name, obj.changed)
	header := http.Header{}
	header.Set("Last-Modified", obj.changed.UTC().Format(http.TimeFormat))
	header["ETag"] = []string{fmt.Sprintf(`"%x"`, tag.Sum32())}
	if since, err := time.Parse(http.TimeFormat, c.header.Get("If-Modified-Since")); err == nil && !obj.changed.After(since) {
		return answer{status: http.StatusNotModified, header: header}
	}
	d := o.summary(obj, c.version)
	fields := []any{}
	for _, f := range obj.visible() {
		fields = append(fields, describeField(f, obj.kind == data))
	}
	for name, v := range map[string]any{
		"actionOverrides": []any{}, "childRelationships": o.children(obj), "compactLayoutable": obj.kind == data, "defaultImplementation": nil,
		"extendedBy": nil, "extendsInterfaces": nil, "fields": fields, "implementedBy": nil, "implementsInterfaces": nil, "listviewable": nil,
		"lookupLayoutable": nil, "namedLayoutInfos": []any{}, "networkScopeFieldName": nil, "recordTypeInfos": o.recordTypes(obj, c.version),
		"searchLayoutable": obj.kind == data, "sobjectDescribeOption": "FULL",
		"supportedScopes": []any{map[string]string{"label": "All " + obj.plural, "name": "everything"}},
	} {
		d[name] = v
	}
	urls := d["urls"].(map[string]any)
	for name, path := range map[string]string{"uiDetailTemplate": "/{ID}", "uiEditTemplate": "/{ID}/e", "uiNewRecord": "/" + obj.prefix + "/e"} {
		urls[name] = o.url + path
	}
	return answer{status: http.StatusOK, body: d, header: header}
}

// recordTypes is the one that every object has.
func (o *Org) recordTypes(obj *object, version int) []any {
	const master = "012000000000000AAA"
	return []any{map[string]any{"active": true, "available": true, "defaultRecordTypeMapping": true, "developerName": "Master", "master": true, "name": "Master",
		"recordTypeId": master, "urls": map[string]string{"layout": fmt.Sprintf("/services/data/v%d.0/sobjects/%s/describe/layouts/%s", version, obj.name, master)}}}
}

// children are the lookups of other objects to obj.
func (o *Org) children(obj *object) []any {
	list := []any{}
	for _, name := range o.names {
		for _, f := range o.objects[name].visible() {
			if f.ReferenceTo != obj.name {
				continue
			}
			list = append(list, map[string]any{"cascadeDelete": o.objects[name].kind == history, "childSObject": o.objects[name].name, "deprecatedAndHidden": false,
				"field": f.Name, "junctionIdListNames": []any{}, "junctionReferenceTo": []any{}, "relationshipName": nil, "restrictedDelete": false})
		}
	}
	return list
}

var soapTypes = map[string]string{
	"id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double", "currency": "xsd:double",
	"percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime", "address": "urn:address", "anyType": "xsd:anyType",
}

// describeField has every key that a describe of today has.
func describeField(f *FieldDef, writable bool) map[string]any {
	soap := soapTypes[f.Type]
	isText := soap == ""
	if isText {
		soap = "xsd:string"
	}
	locked := f.ReadOnly || f.Formula != nil || f.Type == "id" || !writable
	bytes, digits, precision := 0, 0, f.Precision
	switch {
	case f.Type == "id" || f.Type == "reference":
		bytes = f.Length
	case isText:
		bytes = 3 * f.Length
	case f.Type == "int":
		digits, precision = f.Precision, 0
	}
	values := []any{}
	for _, v := range f.Values {
		values = append(values, map[string]any{"active": !v.Inactive, "defaultValue": v.Default || f.Default == v.Value, "label": v.Label, "validFor": nil, "value": v.Value})
	}
	targets := []string{}
	var relationship, compound any
	if f.ReferenceTo != "" {
		targets = append(targets, f.ReferenceTo)
	}
	if name := f.relationship(); name != "" {
		relationship = name
	}
	if f.compound != "" {
		compound = f.compound
	}
	var defaultValue any
	if f.Type != "boolean" || writable {
		defaultValue = f.Default
	}
	always := f.Type == "id" || f.Type == "boolean" || f.ReadOnly && (f.Type == "datetime" && f.Name != "LastStageChangeDate" || f.Name == "CreatedById" || f.Name == "LastModifiedById") || f.Name == "OwnerId"
	name := f.Name == "Name" || f.Name == "Username"
	return map[string]any{
		"aggregatable": f.aggregatable(), "aiPredictionField": false, "autoNumber": false, "byteLength": bytes, "calculated": f.Formula != nil,
		"calculatedFormula": nil, "cascadeDelete": false, "caseSensitive": f.CaseSensitive, "compoundFieldName": compound, "controllerName": nil,
		"createable": !locked, "custom": f.custom(), "defaultValue": defaultValue, "defaultValueFormula": nil, "defaultedOnCreate": always || f.filled || f.Default != nil,
		"dependentPicklist": false, "deprecatedAndHidden": false, "digits": digits, "displayLocationInDecimal": false, "encrypted": false,
		"externalId": f.ExternalID, "extraTypeInfo": nil, "filterable": !f.NoFilter, "filteredLookupInfo": nil, "formulaTreatNullNumberAsZero": false,
		"groupable": f.groupable(), "highScaleNumber": false, "htmlFormatted": false,
		"idLookup": f.IDLookup || f.ExternalID, "inlineHelpText": nil, "label": f.Label, "length": f.Length, "mask": nil, "maskType": nil, "name": f.Name,
		"nameField": name, "namePointing": false, "nillable": !f.Required && !always && !name, "permissionable": !f.Required && !always && !name,
		"picklistValues": values, "polymorphicForeignKey": false, "precision": precision, "queryByDistance": f.Type == "address", "referenceTargetField": nil,
		"referenceTo": targets, "relationshipName": relationship, "relationshipOrder": nil, "restrictedDelete": false, "restrictedPicklist": f.Restricted,
		"scale": f.Scale, "searchPrefilterable": false, "soapType": soap, "sortable": f.plain(), "type": f.Type, "unique": f.Unique,
		"updateable": !locked && !f.CreateOnly, "writeRequiresMasterRead": false,
	}
}
