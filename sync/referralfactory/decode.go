package referralfactory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// decodePage reads a page of users.
func decodePage(body []byte, page int) (Page, error) {
	e, err := decodeEnvelope(body, page, "users")
	if err != nil {
		return Page{}, err
	}
	got := Page{Total: e.total, More: e.more}
	for i, row := range e.rows {
		user, err := decodeUser(row)
		if err != nil {
			got.Skipped = append(got.Skipped, fmt.Errorf("page %d, row %d: %w", page, i+1, err))
			continue
		}
		got.Users = append(got.Users, user)
	}
	return got, nil
}

// envelope is one page of a list of anything.
type envelope struct {
	rows  []json.RawMessage
	more  bool
	total int // -1: it does not say
}

// decodeEnvelope reads {"data": [...], "links": {...}, "meta": {...}}, the last
// two as far as they are there. No data is an error, not an empty page.
func decodeEnvelope(body []byte, page int, of string) (envelope, error) {
	var reply struct{ Data, Links, Meta json.RawMessage }
	if err := json.Unmarshal(body, &reply); err != nil {
		return envelope{}, fmt.Errorf("no JSON object: %w", err)
	}
	e := envelope{total: -1}
	if json.Unmarshal(reply.Data, &e.rows) != nil || e.rows == nil {
		return envelope{}, fmt.Errorf("no list of %s in it", of)
	}
	meta := object(reply.Meta)
	if current, _ := integer(meta["current_page"]); current > 0 && current != int64(page) {
		return envelope{}, fmt.Errorf("it sent page %d instead", current)
	}
	e.more = more(object(reply.Links), meta, len(e.rows))
	if total, err := integer(meta["total"]); err == nil && total >= 0 && !absent(meta["total"]) {
		e.total = int(total)
	}
	return e, nil
}

// more: where the page says nothing about a next one, only an empty page is
// the end. The link itself is never followed: it may name another host, and
// may forget per_page.
func more(links, meta map[string]json.RawMessage, rows int) bool {
	next, saysNext := links["next"]
	current, _ := integer(meta["current_page"])
	last, _ := integer(meta["last_page"])
	switch {
	case saysNext && text(next) != "":
		return true
	case current > 0 && last > 0:
		return current < last
	case saysNext:
		return false
	}
	return rows > 0
}

// decodeSingle reads {"data": user}, or a bare user.
func decodeSingle(body []byte) (User, error) {
	if data, ok := object(body)["data"]; ok {
		return decodeUser(data)
	}
	return decodeUser(body)
}

func decodeUser(raw []byte) (User, error) {
	r := row{fields: object(raw)}
	u := User{
		ID:          r.integer("id"),
		CampaignID:  r.integer("campaign_id"),
		ReferrerID:  r.integer("referrer_id"),
		FirstName:   text(r.fields["first_name"]),
		Email:       text(r.fields["email"]),
		Code:        text(r.fields["code"]),
		URL:         text(r.fields["url"]),
		Source:      text(r.fields["source"]),
		Type:        text(r.fields["type"]),
		SignedUpAt:  r.day("signed_up_at"),
		QualifiedAt: r.day("qualified_at"),
		Meta:        r.meta("meta"),
	}
	_, saysQualified := r.fields["qualified_at"]
	switch {
	case r.fields == nil:
		return User{}, errors.New("no user")
	case u.ID <= 0:
		return User{}, errors.New("a user without id")
	case r.err != nil:
		return User{}, fmt.Errorf("user %d: %w", u.ID, r.err)
	case u.CampaignID <= 0:
		return User{}, fmt.Errorf("user %d: no campaign_id", u.ID)
	case !saysQualified: // missing is not null: null is pending, and pending may be paid
		return User{}, fmt.Errorf("user %d: no qualified_at", u.ID)
	}
	return u, nil
}

// decodeQualifiedAt finds the day in the answer to a qualification, or "": the
// answer is not documented and may be about anything.
func decodeQualifiedAt(body []byte, id int64) string {
	user := object(body)
	if data, ok := user["data"]; ok {
		user = object(data)
	}
	if got, err := integer(user["id"]); err != nil || got != 0 && got != id {
		return ""
	}
	qualified, _ := day(user["qualified_at"])
	return qualified
}

// row reads the fields of a user and keeps the first error.
type row struct {
	fields map[string]json.RawMessage
	err    error
}

func (r *row) integer(name string) int64 {
	n, err := integer(r.fields[name])
	r.note(name, err)
	return n
}

func (r *row) day(name string) string {
	d, err := day(r.fields[name])
	r.note(name, err)
	return d
}

func (r *row) meta(name string) []Meta {
	var list []struct{ Field, Value json.RawMessage }
	if absent(r.fields[name]) {
		return nil
	}
	if json.Unmarshal(r.fields[name], &list) != nil {
		r.note(name, errors.New("no list of field and value"))
		return nil
	}
	var meta []Meta
	for _, m := range list {
		meta = append(meta, Meta{Field: text(m.Field), Value: text(m.Value)})
	}
	return meta
}

func (r *row) note(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// object is nil for anything that is no object.
func object(raw []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// integer reads 12, "12" and, as 0, null.
func integer(raw json.RawMessage) (int64, error) {
	if absent(raw) {
		return 0, nil
	}
	n, err := strconv.ParseInt(text(raw), 10, 64)
	if err != nil || compound(raw) {
		return 0, fmt.Errorf("%.40s is no whole number", oneLine(string(raw)))
	}
	return n, nil
}

// day reads a date, or the date of a date-time; null and "" are "".
func day(raw json.RawMessage) (string, error) {
	s := text(raw)
	if s == "" && !compound(raw) {
		return "", nil
	}
	if len(s) > 10 && (s[10] == 'T' || s[10] == ' ') {
		s = s[:10]
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil || compound(raw) {
		return "", fmt.Errorf("%.40s is no date", oneLine(string(raw)))
	}
	return s, nil
}

// compound tells a list or an object, of which text makes something: [12] is not 12, and [] is not null.
func compound(raw json.RawMessage) bool { return len(raw) > 0 && (raw[0] == '[' || raw[0] == '{') }

// text renders any value: a string as it is, null as nothing, a list with ", "
// between, all else as its JSON.
func text(raw json.RawMessage) string {
	if absent(raw) {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return string(raw)
	}
	parts := make([]string, len(list))
	for i, each := range list {
		parts[i] = string(each)
		var s string
		if json.Unmarshal(each, &s) == nil { // null, too, is no text
			parts[i] = s
		}
	}
	return strings.Join(parts, ", ")
}
