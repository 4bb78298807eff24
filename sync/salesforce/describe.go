package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Describe is what the user we log in as may see of an object: a field that is
// hidden from them is absent. It is written to JSON and read back unchanged.
type Describe struct {
	Name   string  `json:"name"`
	Fields []Field `json:"fields"`
}

// Field is one field of an object.
type Field struct {
	Name               string          `json:"name"`
	Label              string          `json:"label"`
	Type               string          `json:"type"` // "picklist", "email", "datetime", ...
	Length             int             `json:"length"`
	Calculated         bool            `json:"calculated"` // a formula or roll-up: its changes move no stamp
	Filterable         bool            `json:"filterable"`
	Groupable          bool            `json:"groupable"` // GROUP BY takes it; describes that were kept by older versions lack this
	Createable         bool            `json:"createable"`
	Updateable         bool            `json:"updateable"`
	Nillable           bool            `json:"nillable"`
	DefaultedOnCreate  bool            `json:"defaultedOnCreate"`
	ExternalID         bool            `json:"externalId"`
	Unique             bool            `json:"unique"`
	CaseSensitive      bool            `json:"caseSensitive"`
	RestrictedPicklist bool            `json:"restrictedPicklist"`
	Values             []PicklistValue `json:"picklistValues,omitempty"` // all of the object's, whatever the record type
	RelationshipName   string          `json:"relationshipName"`         // of a lookup: "Owner" for OwnerId; describes that were kept by older versions lack this
}

// HistoryName is what LeadHistory and ContactHistory call the field: a lookup of Salesforce's own goes by the name of what it leads to, "Owner" for
// OwnerId. That it does is not documented, but how such rows are asked for everywhere; not verified against a live org.
func (f Field) HistoryName() string {
	if f.RelationshipName == "" || strings.HasSuffix(f.Name, "__c") {
		return f.Name
	}
	return f.RelationshipName
}

// PicklistValue is one value of a picklist. Records hold Value, people see Label.
type PicklistValue struct {
	Value  string `json:"value"`
	Label  string `json:"label"`
	Active bool   `json:"active"`
}

// Field finds a field by its API name in any case.
func (d Describe) Field(name string) (Field, bool) {
	for _, f := range d.Fields {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return Field{}, false
}

// Describe asks for an object's fields. An object that is unknown or hidden is
// an error of the kind ObjectGone.
func (c *Client) Describe(ctx context.Context, object string) (Describe, Answer, error) {
	op := "describe " + object
	if err := checkName(object); err != nil {
		return Describe{}, Answer{}, malformed("describe an object", err)
	}
	var d Describe
	a, err := c.do(ctx, request{
		op:     op,
		use:    useDescribe,
		method: http.MethodGet,
		path:   c.dataPath() + "/sobjects/" + object + "/describe",
		decode: func(body []byte) (err error) {
			d, err = decodeDescribe(body)
			return err
		},
	})
	if err != nil {
		return Describe{}, Answer{}, err
	}
	return d, a, nil
}

func decodeDescribe(body []byte) (Describe, error) {
	var d Describe
	if err := json.Unmarshal(body, &d); err != nil {
		return Describe{}, err
	}
	if d.Name == "" || len(d.Fields) == 0 {
		return Describe{}, errors.New("a describe without name or fields")
	}
	if slices.ContainsFunc(d.Fields, func(f Field) bool { return f.Name == "" || f.Type == "" }) {
		return Describe{}, errors.New("a describe with a field that has no name or no type")
	}
	return d, nil
}
