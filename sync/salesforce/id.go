package salesforce

import "regexp"

var anyID = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Z0-5]{3})?$`)

// longID is the 18-character form of a record Id. The last three characters
// say, five bits each, which of the first fifteen are capitals.
func longID(id string) (string, bool) {
	if !anyID.MatchString(id) {
		return "", false
	}
	if len(id) == 18 {
		return id, true
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	long := []byte(id)
	for start := 0; start < 15; start += 5 {
		bits := 0
		for i := range 5 {
			if ch := id[start+i]; ch >= 'A' && ch <= 'Z' {
				bits |= 1 << i
			}
		}
		long = append(long, digits[bits])
	}
	return string(long), true
}
