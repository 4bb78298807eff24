package salesforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Row is one record of an answer: values by API name, in Salesforce's spelling.
// It is read from the answer's bytes when it is asked for a value, and keeps
// them alive.
type Row struct {
	columns []string // shared with the rows around it, where they have the same
	record  []byte   // as in the answer
	values  []span   // where in it, by column
}

// span is a part of a record.
type span struct{ begin, end uint32 }

// Text is a field's value; "" where the row does not have the field. null and
// "" are both "" (Salesforce stores no empty strings). Booleans are "true" and
// "false", numbers as Salesforce wrote them ("50000.00").
func (r Row) Text(field string) string {
	text, _ := r.Lookup(field)
	return text
}

// Lookup is Text, and whether the row has the field at all. One that was not
// asked for it does not have; nor one with a value of its own fields
// (attributes, relationships, compound fields).
func (r Row) Lookup(field string) (text string, has bool) {
	for i := len(r.columns) - 1; i >= 0; i-- { // of two with one name the latter counts
		if r.columns[i] == field {
			return textOf(r.record[r.values[i].begin:r.values[i].end])
		}
	}
	return "", false
}

// Texts is the whole row, by field.
func (r Row) Texts() map[string]string {
	texts := map[string]string{}
	for _, field := range r.columns {
		if text, has := r.Lookup(field); has {
			texts[field] = text
		}
	}
	return texts
}

// textOf reads a value of valid JSON.
func textOf(value []byte) (text string, has bool) {
	switch value[0] {
	case '{', '[':
		return "", false
	case 'n':
		return "", true
	case '"':
		return unquoted(value), true
	}
	return string(value), true
}

// unquoted reads a string of valid JSON. Most have nothing to unescape.
func unquoted(value []byte) string {
	if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		return string(value[1 : len(value)-1])
	}
	var text string
	_ = json.Unmarshal(value, &text) // valid, as jsontext told
	return text
}

// Page is part of a query's rows, or all.
type Page struct {
	Rows  []Row
	Total int    // rows of the whole query
	Next  string // for [Client.More]; "" when this is the last page. It dies with time: never store it
}

// decodePage reads a query's answer. What says whether there is more must be
// there: a page without it could be any part of an answer.
func decodePage(body []byte) (Page, error) {
	p := parser{body: body, decoder: newDecoder(body)}
	if err := p.page(); err != nil {
		return Page{}, err
	}
	if p.total == nil || p.done == nil || p.rows == nil {
		return Page{}, errors.New("a query answer without totalSize, done or records")
	}
	// A watermark moves over what an answer does not show, so one that speaks of rows has to show some.
	if got := len(p.rows); got > *p.total || got == 0 && (*p.total > 0 || !*p.done) {
		return Page{}, fmt.Errorf("a query answer with %d of %d records", got, *p.total)
	}
	if *p.done {
		return Page{Rows: p.rows, Total: *p.total}, nil
	}
	if err := checkNext(p.next); err != nil {
		return Page{}, err
	}
	return Page{Rows: p.rows, Total: *p.total, Next: p.next}, nil
}

// parser goes through a query's answer once. encoding/json takes some eight
// times as long to make maps of it.
type parser struct {
	body    []byte
	decoder *jsontext.Decoder

	total *int
	done  *bool
	next  string
	rows  []Row

	columns []string // of the newest row
	room    []span   // for the rows to come
}

// newDecoder is as lenient as encoding/json is.
func newDecoder(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (p *parser) page() error {
	if err := p.open('{'); err != nil {
		return err
	}
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := p.member(name.String()); err != nil {
			return err
		}
	}
	return p.end()
}

func (p *parser) member(name string) error {
	if name == "records" {
		return p.records()
	}
	value, err := p.decoder.ReadValue()
	if err != nil {
		return err
	}
	switch name {
	case "totalSize":
		return json.Unmarshal(value, &p.total)
	case "done":
		return json.Unmarshal(value, &p.done)
	case "nextRecordsUrl":
		return json.Unmarshal(value, &p.next)
	}
	return nil
}

func (p *parser) records() error {
	if err := p.open('['); err != nil {
		return err
	}
	p.rows = []Row{}
	for p.decoder.PeekKind() != ']' {
		value, err := p.decoder.ReadValue()
		if err != nil {
			return err
		}
		if value.Kind() != '{' {
			return fmt.Errorf("a record is a %s", value.Kind())
		}
		end := int(p.decoder.InputOffset())
		p.rows = append(p.rows, p.row(p.body[end-len(value):end]))
	}
	_, err := p.decoder.ReadToken()
	return err
}

// open takes the token that a value of a kind begins with.
func (p *parser) open(kind jsontext.Kind) error {
	token, err := p.decoder.ReadToken()
	if err == nil && token.Kind() != kind {
		err = fmt.Errorf("%s where %s was to begin", token.Kind(), kind)
	}
	return err
}

// end takes the last token, and makes sure that nothing is behind it.
func (p *parser) end() error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	_, err := p.decoder.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = errors.New("something stands behind the answer")
	}
	return err
}

// rowsOfRoom is for how many rows room is made at once. For each by itself it took half of the time that a row takes.
const rowsOfRoom = 100

// row reads a record. It is likely to have the columns of the one before.
func (p *parser) row(record []byte) Row {
	if cap(p.room) < len(p.columns) {
		p.room = make([]span, 0, rowsOfRoom*len(p.columns))
	}
	row := Row{columns: p.columns, record: record, values: p.room}
	row.read()
	taken := min(len(row.values), cap(p.room))
	p.columns, p.room = row.columns, p.room[taken:taken]
	return row
}

// read finds the values of the record, which is valid JSON.
func (r *Row) read() {
	for rest := afterSpace(r.record[1:]); rest[0] != '}'; {
		quoted, after := cutValue(rest)
		value, next := cutValue(afterSpace(afterSpace(after)[1:])) // behind the colon
		end := len(r.record) - len(next)
		r.add(quoted, span{uint32(end - len(value)), uint32(end)})
		if rest = afterSpace(next); rest[0] == ',' {
			rest = afterSpace(rest[1:])
		}
	}
	r.columns, r.values = r.columns[:len(r.values):len(r.values)], r.values[:len(r.values):len(r.values)]
}

// add adds a value. Where its name is not the next of the columns, the row gets columns of its own.
func (r *Row) add(quoted []byte, value span) {
	n := len(r.values)
	if n >= len(r.columns) || string(quoted[1:len(quoted)-1]) != r.columns[n] {
		r.columns = append(slices.Clone(r.columns[:n]), unquoted(quoted))
	}
	r.values = append(r.values, value)
}

func afterSpace(text []byte) []byte {
	for text[0] == ' ' || text[0] == '\n' || text[0] == '\r' || text[0] == '\t' {
		text = text[1:]
	}
	return text
}

// cutValue cuts off the value that valid JSON begins with.
func cutValue(text []byte) (value, rest []byte) {
	end := 0
	switch text[0] {
	case '"':
		end = stringEnd(text)
	case '{', '[':
		for depth := 0; ; {
			switch text[end] {
			case '"':
				end += stringEnd(text[end:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if end++; depth == 0 {
				break
			}
		}
	default:
		for end = 1; text[end] != ',' && text[end] > ' ' && text[end] != '}' && text[end] != ']'; {
			end++
		}
	}
	return text[:end], text[end:]
}

// stringEnd is where the string ends that valid JSON begins with.
func stringEnd(text []byte) int {
	end := 1
	for {
		end += bytes.IndexByte(text[end:], '"') + 1
		backslashes := 0
		for text[end-2-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return end
		}
	}
}

// checkNext accepts the path of a next page and nothing that could lead the
// token to another host once it is put behind the instance's.
func checkNext(next string) error {
	if !strings.HasPrefix(next, "/services/data/") || strings.ContainsAny(next, "\\@#") || strings.Contains(next, "..") {
		return errors.New("nextRecordsUrl is not a path of the REST API")
	}
	return nil
}
