package sandbox

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// readCSV reads a Data Export file: its name is the object, its first row the
// API names of the fields.
func (l *loader) readCSV(file string, content []byte) {
	obj := l.org.objects[strings.ToLower(strings.TrimSuffix(file, filepath.Ext(file)))]
	if obj == nil || obj.kind == setup || obj.kind == definition {
		l.problem(file, 0, "", "is not named for an object that can be loaded, such as Lead.csv; left out")
		return
	}
	content = asUTF8(content)
	r, before := csvReader(content), 0 // before: lines of the file that r does not have
	header, err := r.Read()
	if err != nil {
		l.problem(file, 0, "", "has no header row: %v", err)
		return
	}
	l.report.Files = append(l.report.Files, LoadedFile{Name: file})
	columns := make([]*FieldDef, len(header))
	for i, name := range header {
		columns[i] = l.column(file, 1, obj, strings.TrimSpace(name))
	}
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			l.problem(file, before+bad.StartLine, "", "%v; the record is left out", bad.Err)
			// A quote that is never closed swallows the rows behind it: they are read again.
			content = afterLines(content, bad.StartLine)
			r, before = csvReader(content), before+bad.StartLine
			continue
		}
		row, _ := r.FieldPos(0)
		row += before
		if len(values) != len(header) {
			l.problem(file, row, "", "has %d values for %d columns; the record is left out", len(values), len(header))
			continue
		}
		fields := Fields{}
		for i, f := range columns {
			if f != nil && values[i] != "" {
				fields[f.Name] = values[i]
			}
		}
		l.records = append(l.records, loading{file: file, row: row, object: obj, fields: fields})
	}
}

func csvReader(content []byte) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1 // a short row is one problem, not the end of the file
	return r
}

func afterLines(content []byte, n int) []byte {
	for range n {
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	return content
}

// asUTF8 reads what Data Export may write: UTF-8 with or without a mark, or
// ISO 8859-1.
func asUTF8(content []byte) []byte {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if utf8.Valid(content) {
		return content
	}
	text := make([]rune, len(content))
	for i, b := range content {
		text[i] = rune(b)
	}
	return []byte(string(text))
}

// readTree reads a JSON tree file. The plan that the CLI writes beside the
// files has no records and is passed over.
func (l *loader) readTree(file string, content []byte) {
	var tree struct{ Records []Fields }
	var plan []struct{ SObject string }
	if err := decode(content, &tree); err != nil {
		if decode(content, &plan) != nil || len(plan) == 0 || plan[0].SObject == "" {
			l.problem(file, 0, "", "is not a JSON tree: %s; left out", err.message)
		}
		return
	}
	if !json.Valid(content) {
		l.problem(file, 0, "", "is not a JSON tree: there is something behind its end; left out")
		return
	}
	l.report.Files = append(l.report.Files, LoadedFile{Name: file})
	for i, fields := range tree.Records {
		l.branch(file, i+1, fields, nil)
	}
}

// branch takes one record of a tree and, below it, its children.
func (l *loader) branch(file string, row int, fields Fields, parent *loading) {
	about, _ := fields["attributes"].(map[string]any)
	obj := l.org.objects[strings.ToLower(word(about["type"]))]
	if obj == nil || obj.kind == setup || obj.kind == definition {
		l.problem(file, row, "attributes.type", "%q is not an object that can be loaded; the record is left out", word(about["type"]))
		return
	}
	delete(fields, "attributes")
	r := loading{file: file, row: row, object: obj, ref: word(about["referenceId"]), fields: fields}
	if parent != nil {
		for _, f := range obj.fields {
			if f.ReferenceTo == parent.object.name && f.Name != "MasterRecordId" {
				fields[f.Name] = "@" + parent.ref
				break
			}
		}
	}
	var below []any
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if nested, ok := fields[name].(map[string]any); ok {
			delete(fields, name)
			list, isTree := nested["records"].([]any)
			if !isTree {
				l.problem(file, row, name, "is not a value; left out")
			}
			below = append(below, list...)
		}
	}
	l.records = append(l.records, r)
	for _, child := range below {
		if child, ok := child.(map[string]any); ok {
			l.branch(file, row, child, &r)
		}
	}
}
