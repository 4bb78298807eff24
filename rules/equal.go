package rules

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Type is a field's type as describe names it ("picklist", "boolean", "double", ...).
type Type string

// Equal compares two values of a field as Salesforce means them: text, e-mail and picklist values fold case, Ids are exact in
// their 18-character form, numbers compare by value, dates as days, datetimes as instants, times of day as such, a multipicklist
// as a set. Null and "" are the same.
func Equal(t Type, a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	switch t {
	case "id", "reference":
		return ID18(a) == ID18(b)
	case "int", "long", "double", "currency", "percent":
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		return okX && okY && x.Cmp(y) == 0
	case "datetime":
		x, errX := ParseTime(a)
		y, errY := ParseTime(b)
		return errX == nil && errY == nil && x.Equal(y)
	case "date":
		return len(a) >= 10 && len(b) >= 10 && a[:10] == b[:10]
	case "time":
		x, errX := parseClock(a)
		y, errY := parseClock(b)
		return errX == nil && errY == nil && x.Equal(y)
	case "multipicklist":
		return slices.Equal(choices(a), choices(b))
	}
	return strings.EqualFold(a, b)
}

// choices are the values of a multipicklist ("B;A"), folded and in one order.
func choices(s string) []string {
	var out []string
	for _, part := range strings.Split(s, ";") {
		if part = strings.ToLower(strings.TrimSpace(part)); part != "" {
			out = append(out, part)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stampLayouts are the forms in which Salesforce writes a datetime: REST has no colon in the offset, other channels do.
var stampLayouts = []string{"2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05-0700"}

// ParseTime reads a Salesforce datetime, such as 2026-11-22T10:00:00.000+0000, into UTC.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range stampLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no Salesforce datetime", s)
}

// parseClock reads a time of day: 10:00:00.000Z as Salesforce writes it, or as people do.
func parseClock(s string) (time.Time, error) {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, strings.TrimSuffix(s, "Z")); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time of day", s)
}

// ID18 is the 18-character form of a record Id. The 15-character form is case-sensitive; the three added characters carry the
// case, so that 18 characters may be compared anywhere. Anything that is not 15 characters long is returned as it is.
func ID18(id string) string {
	if len(id) != 15 {
		return id
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	suffix := make([]byte, 0, 3)
	for chunk := 0; chunk < 15; chunk += 5 {
		var bits byte
		for i := range 5 {
			if c := id[chunk+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		suffix = append(suffix, alphabet[bits])
	}
	return id + string(suffix)
}

// FoldEmail is the form in which two e-mail addresses are the same: trimmed, case folded. Plus tags stay.
func FoldEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// Choice is one picklist value as describe lists it.
type Choice struct {
	Value, Label string
	Active       bool
}

var anID = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Z0-5]{3})?$`)

// Resolve finds what the config calls text among a field's values: an API value in any case, or a label. Where describe lists no
// values (any type but picklists), it checks that text can be a value of the type at all. label is what a history row may hold in the
// value's place. ok is false when there is no such value, and near then names those that look alike.
func Resolve(t Type, values []Choice, text string) (value, label string, near []string, ok bool) {
	text = strings.TrimSpace(text) // as Salesforce stores it: with spaces around it no record would ever have it
	switch t {
	case "boolean":
		lower := strings.ToLower(text)
		return lower, "", []string{"true", "false"}, lower == "true" || lower == "false"
	case "int", "long", "double", "currency", "percent":
		_, ok := new(big.Rat).SetString(text)
		return text, "", nil, ok
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return text, "", nil, err == nil
	case "datetime":
		_, err := ParseTime(text)
		return text, "", nil, err == nil
	case "time":
		_, err := parseClock(text)
		return text, "", nil, err == nil
	case "id", "reference": // a lookup holds an Id, not the name that people see
		return ID18(text), "", nil, anID.MatchString(text)
	case "multipicklist":
		return resolveSet(values, text)
	case "picklist":
		return resolveChoice(values, text)
	case "address", "location", "base64":
		return "", "", nil, false
	}
	return text, "", nil, true
}

func resolveChoice(values []Choice, text string) (value, label string, near []string, ok bool) {
	for _, same := range []func(Choice) bool{
		func(c Choice) bool { return c.Value == text },
		func(c Choice) bool { return strings.EqualFold(c.Value, text) },
		func(c Choice) bool { return c.Active && strings.EqualFold(c.Label, text) },
		func(c Choice) bool { return strings.EqualFold(c.Label, text) },
	} {
		if i := slices.IndexFunc(values, same); i >= 0 {
			return values[i].Value, ownLabel(values, i), nil, true
		}
	}
	var names []string
	valueOf := map[string]string{}
	for _, c := range values {
		for _, name := range []string{c.Value, c.Label} {
			if _, known := valueOf[name]; !known && name != "" {
				names, valueOf[name] = append(names, name), c.Value
			}
		}
	}
	for _, name := range Near(names, text) {
		near = append(near, valueOf[name])
	}
	near = slices.Compact(near)
	return "", "", near, false
}

// ownLabel is the label of one of some values; "" where it is another's API value too: in a history row it may be that.
func ownLabel(values []Choice, i int) string {
	for j, other := range values {
		if j != i && strings.EqualFold(other.Value, values[i].Label) {
			return ""
		}
	}
	return values[i].Label
}

// resolveSet resolves each part of a multipicklist value ("A;B") by itself.
func resolveSet(values []Choice, text string) (value, label string, near []string, ok bool) {
	var apiNames []string
	for _, part := range strings.Split(text, ";") {
		v, _, n, ok := resolveChoice(values, strings.TrimSpace(part))
		if !ok {
			return "", "", n, false
		}
		apiNames = append(apiNames, v)
	}
	return strings.Join(apiNames, ";"), "", nil, true
}

// looksLike tells whether two names differ by little: one holds the other, or at most two letters are off.
func looksLike(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(b) >= 3 && (strings.Contains(a, b) || strings.Contains(b, a) && len(a) >= 3) {
		return true
	}
	return Slips(a, b) <= 2
}

// beginsLike tells whether as much of a name as text is long differs from it by little: "Workng" for "Working - Contacted".
func beginsLike(name, text string) bool {
	beginning := len(text) + 1
	return len(text) >= 4 && len(name) > beginning && looksLike(name[:beginning], text)
}

// Near names those of names that look like text, or where none does begin like it, for "did you mean".
func Near(names []string, text string) []string {
	for _, near := range []func(a, b string) bool{looksLike, beginsLike} {
		var found []string
		for _, name := range names {
			if near(name, text) {
				found = append(found, name)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// Slips is the number of letters to insert, delete or replace to make b of a.
func Slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
