package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"strconv"
	"strings"
	"time"
)

// Fields are the values of a record by API name. Salesforce's types are Go's
// string (also for dates, "2006-01-02"), bool, float64, time.Time and nil;
// what is put in may also be any integer or a text that reads as the type.
type Fields map[string]any

const (
	dateLayout  = "2006-01-02"
	stampLayout = "2006-01-02T15:04:05.000-0700" // the offset has no colon: time.RFC3339 does not read it
)

// coerce turns what was given for a field into what the field holds. "" is null.
func coerce(f *FieldDef, v any) (any, *apiError) {
	if s, ok := v.(string); ok {
		v = strings.TrimRight(s, " \t\r\n")
	}
	if v == nil || v == "" {
		if f.Type == "boolean" {
			return false, nil // a checkbox is never null
		}
		return nil, nil
	}
	switch f.Type {
	case "boolean":
		return coerceBool(f, v)
	case "int", "double", "currency", "percent":
		return coerceNumber(f, v)
	case "date":
		return coerceDate(f, v)
	case "datetime":
		return coerceStamp(f, v)
	case "id", "reference":
		id := longID(fmt.Sprint(v))
		if id == "" {
			return nil, refusal("MALFORMED_ID", fmt.Sprintf("%s: id value of incorrect type: %v", f.Label, v), f.Name)
		}
		return id, nil
	case "anyType":
		return v, nil
	}
	return coerceText(f, v)
}

func coerceBool(f *FieldDef, v any) (any, *apiError) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	switch strings.ToLower(fmt.Sprint(v)) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, unparsable(f, v)
}

func coerceNumber(f *FieldDef, v any) (any, *apiError) {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, unparsable(f, v)
	}
	scale := math.Pow10(f.Scale)
	return math.Round(n*scale) / scale, nil
}

func coerceDate(f *FieldDef, v any) (any, *apiError) {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(dateLayout), nil
	}
	if t, err := time.Parse(dateLayout, fmt.Sprint(v)); err == nil && known(t) {
		return t.Format(dateLayout), nil
	}
	if t, ok := parseStamp(fmt.Sprint(v)); ok {
		return t.Format(dateLayout), nil
	}
	return nil, unparsable(f, v)
}

func coerceStamp(f *FieldDef, v any) (any, *apiError) {
	if t, ok := v.(time.Time); ok {
		return stamp(t), nil
	}
	if t, ok := parseStamp(fmt.Sprint(v)); ok {
		return stamp(t), nil
	}
	return nil, unparsable(f, v)
}

func coerceText(f *FieldDef, v any) (any, *apiError) {
	s := fmt.Sprint(v)
	switch {
	case f.Length > 0 && len([]rune(s)) > f.Length:
		return nil, refusal("STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.Label, s, f.Length), f.Name)
	case f.Type == "email" && !emailLike(s):
		return nil, refusal("INVALID_EMAIL_ADDRESS", fmt.Sprintf("%s: invalid email address: %s", f.Label, s), f.Name)
	}
	if f.Restricted {
		for _, one := range strings.Split(s, ";") {
			if !f.offers(one) {
				return nil, refusal("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", fmt.Sprintf("%s: bad value for restricted picklist field: %s", f.Label, s), f.Name)
			}
		}
	}
	return s, nil
}

func (f *FieldDef) offers(value string) bool {
	for _, v := range f.Values {
		if strings.EqualFold(v.Value, value) && !v.Inactive {
			return true
		}
	}
	return false
}

func emailLike(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && strings.Contains(s[strings.LastIndex(s, "@"):], ".")
}

func unparsable(f *FieldDef, v any) *apiError {
	kind := f.Type
	if kind == "currency" || kind == "percent" {
		kind = "double"
	}
	return refusal("JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from VALUE_STRING value %v or request may be missing a required field", kind, v))
}

// stamp is how the org keeps a time: in whole seconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func parseStamp(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && known(t.UTC()) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// known tells a time that Salesforce can hold: of the years 1700 to 4000.
func known(t time.Time) bool { return t.Year() >= 1700 && t.Year() <= 4000 }

// shown is the JSON form of a stored value.
func shown(f *FieldDef, v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(stampLayout)
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if f.Scale > 0 && !strings.Contains(text, ".") {
			text += ".0"
		}
		return json.Number(text)
	}
	return v
}

// orderedObject is a JSON object that keeps the order of its keys.
type orderedObject []pair

type pair struct {
	key   string
	value any
}

func (o orderedObject) MarshalJSON() ([]byte, error) { return encodeJSON(o), nil }

// encodeJSON writes v as Salesforce does, which leaves <, > and & as they are.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	writeJSON(&b, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case orderedObject:
		b.WriteByte('{')
		for i, p := range v {
			separate(b, i)
			writeJSON(b, p.key)
			b.WriteByte(':')
			writeJSON(b, p.value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			separate(b, i)
			writeJSON(b, one)
		}
		b.WriteByte(']')
	default:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(fmt.Sprintf("sandbox: encoding its own answer: %v", err))
		}
		b.Truncate(b.Len() - 1) // the line's end
	}
}

func separate(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID is the 18-character Id of the serial-th record. Neighbours differ in
// the case of a letter only, as real ones do.
func newID(prefix string, serial uint64) string {
	digits := []byte("000000000")
	for i := len(digits) - 1; serial > 0; i-- {
		digits[i] = base62[serial%62]
		serial /= 62
	}
	return longID(prefix + "Hu0" + string(digits))
}

// longID is the 18-character form of an Id of 15 or 18 characters, or "" when
// it is none. The three more characters say which letters are capitals.
func longID(id string) string {
	if len(id) != 15 && len(id) != 18 {
		return ""
	}
	const suffix = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	long := id[:15]
	for part := 0; part < 15; part += 5 {
		bits := 0
		for i := range 5 {
			c := id[part+i]
			switch {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return ""
			}
		}
		long += suffix[bits : bits+1]
	}
	if len(id) == 18 && !strings.EqualFold(long, id) {
		return ""
	}
	return long
}
