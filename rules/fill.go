package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ReferrerPrefix begins the dynamic values that are the referrer's, such as "referrer.first_name".
const ReferrerPrefix = "referrer."

// NeedsReferrer tells whether filling a record takes the referrer's own data.
func (c Campaign) NeedsReferrer() bool {
	for _, m := range c.Fields {
		if strings.HasPrefix(m.Dynamic, ReferrerPrefix) {
			return true
		}
	}
	return false
}

// Fill works out a record's fields for a referral: every mapping that gives a value, in the field's own type (types is by API name; a field
// that it lacks takes text). referrer is looked at only where a mapping says so.
func (c Campaign) Fill(r, referrer Referral, types map[string]Type) map[string]any {
	fields := map[string]any{}
	for _, m := range c.Fields {
		value := stored(m.Fixed)
		if m.Dynamic != "" {
			value = stored(c.dynamic(m.Dynamic, r, referrer))
		}
		if value == nil {
			value = stored(m.Otherwise)
		}
		if value != nil {
			fields[m.To] = typed(types[m.To], value)
		}
	}
	return fields
}

func (c Campaign) dynamic(name string, r, referrer Referral) string {
	if rest, ok := strings.CutPrefix(name, ReferrerPrefix); ok {
		return c.dynamic(rest, referrer, Referral{})
	}
	if label, ok := strings.CutPrefix(name, "meta."); ok {
		for _, m := range r.Meta {
			if strings.EqualFold(m.Field, label) {
				return m.Value
			}
		}
		return ""
	}
	switch name {
	case "id":
		return strconv.FormatInt(r.ID, 10)
	case "first_name":
		return r.FirstName
	case "email":
		return strings.TrimSpace(r.Email)
	case "code":
		return r.Code
	case "url":
		return r.URL
	case "source":
		return r.Source
	case "campaign_name":
		return c.Name
	}
	return ""
}

// stored is a value as Salesforce stores it: without the spaces around a text, and nil where nothing is left of it. Otherwise what we wrote would look
// like somebody's change of it.
func stored(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return text
}

// typed makes text a boolean or a number where the field wants one, and text of those where it wants neither: Salesforce does not take "5" for a number,
// and wants the values of texts and picklists as texts.
func typed(t Type, value any) any {
	text, isText := value.(string)
	switch t {
	case "": // not known
		return value
	case "boolean":
		if b, err := strconv.ParseBool(strings.ToLower(text)); isText && err == nil {
			return b
		}
		return value
	case "int", "long":
		if n, err := strconv.ParseInt(text, 10, 64); isText && err == nil {
			return n
		}
		return value
	case "double", "currency", "percent":
		// "inf" and "nan" read as numbers, but no record holds them, nor can they be written down.
		if f, err := strconv.ParseFloat(text, 64); isText && err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
		return value
	}
	return Text(value)
}

// Text is how Salesforce shows a value that was written.
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
