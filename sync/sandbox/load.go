package sandbox

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// LoadReport is what became of the files of a directory.
type LoadReport struct {
	Files    []LoadedFile
	Added    []string // fields that the org did not have, now text: "Lead.Region__c"
	Problems []Problem
}

// LoadedFile counts the records that a file gave.
type LoadedFile struct {
	Name    string
	Records int
}

// Problem is something in a file that was not loaded. Row is the line of a CSV
// file, or the number of a record in a JSON file; 0 is the whole file. Column
// is "" for the whole row.
type Problem struct {
	File   string
	Row    int
	Column string
	What   string
}

func (p Problem) String() string {
	text := p.File
	if p.Row > 0 {
		text += fmt.Sprintf(", row %d", p.Row)
	}
	if p.Column != "" {
		text += ", column " + p.Column
	}
	return text + ": " + p.What
}

// loading is a record on its way into the org.
type loading struct {
	file   string
	row    int
	object *object
	ref    string // by which other records of a JSON tree mean it
	id     string
	fields Fields
}

type loader struct {
	org     *Org
	report  LoadReport
	records []loading
}

// Load fills the org from Salesforce's export forms: Lead.csv and its like, as
// Data Export writes them, and the JSON tree files of the Salesforce CLI. Ids
// and stamps in the files are kept. A column that the org does not know
// becomes a text field, a picklist value that it does not know is added. What
// cannot be loaded is a Problem, and the rest is loaded all the same; the
// error is for a directory that cannot be read.
func Load(org *Org, dir string) (LoadReport, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return LoadReport{}, fmt.Errorf("reading the exports: %w", err)
	}
	org.mu.Lock()
	defer org.mu.Unlock()
	l := &loader{org: org}
	for _, e := range entries {
		kind := strings.ToLower(filepath.Ext(e.Name()))
		if e.IsDir() || kind != ".csv" && kind != ".json" {
			l.problem(e.Name(), 0, "", "is neither a CSV nor a JSON file; left out")
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return l.report, fmt.Errorf("reading the exports: %w", err)
		}
		if kind == ".csv" {
			l.readCSV(e.Name(), content)
		} else {
			l.readTree(e.Name(), content)
		}
	}
	l.insert()
	return l.report, nil
}

func (l *loader) problem(file string, row int, column, format string, args ...any) {
	l.report.Problems = append(l.report.Problems, Problem{file, row, column, fmt.Sprintf(format, args...)})
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// column finds the field of a column, or makes one of text; nil, with a
// problem, when its name cannot be a field's.
func (l *loader) column(file string, row int, obj *object, name string) *FieldDef {
	if f := obj.byName[strings.ToLower(name)]; f != nil {
		return f
	}
	if !fieldName.MatchString(name) {
		l.problem(file, row, name, "is not the API name of a field; left out")
		return nil
	}
	obj.add(FieldDef{Name: name, Type: "textarea", Length: 131072})
	obj.changed = stamp(l.org.now())
	l.report.Added = append(l.report.Added, obj.name+"."+name)
	return obj.byName[strings.ToLower(name)]
}

// insert gives every record its Id, then makes them: a tree may refer to a
// record of a later file.
func (l *loader) insert() {
	refs := map[string]string{}
	for i := range l.records {
		r := &l.records[i]
		given := pop(r.fields, "Id")
		if r.id = l.org.nextID(r.object); given != nil {
			r.id = longID(fmt.Sprint(given))
		}
		if r.ref != "" {
			refs["@"+r.ref] = r.id
		}
	}
	first := l.org.first
	l.org.first = false // histories are loaded, or made below with the time of creation
	for _, r := range l.records {
		if l.insertOne(r, refs) {
			at := slices.IndexFunc(l.report.Files, func(f LoadedFile) bool { return f.Name == r.file })
			l.report.Files[at].Records++
		}
	}
	if l.org.first = first; first {
		l.stageRows()
	}
}

func (l *loader) insertOne(r loading, refs map[string]string) bool {
	switch {
	case r.id == "":
		l.problem(r.file, r.row, "Id", "is not an Id of 15 or 18 characters; the record is left out")
		return false
	case r.object.rows[r.id] != nil:
		l.problem(r.file, r.row, "Id", "%s is there already; the record is left out", r.id)
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		v := r.fields[name]
		f := l.column(r.file, r.row, r.object, name)
		if f == nil || f.Type == "address" { // its parts are columns of their own
			delete(r.fields, name)
			continue
		}
		if id, known := refs[word(v)]; known && f.ReferenceTo != "" {
			r.fields[name], v = id, id
		}
		if _, err := coerce(f, v); err != nil {
			l.problem(r.file, r.row, f.Name, "%s; the value is left out", err.message)
			delete(r.fields, name)
			continue
		}
		l.offer(r, f, word(v))
	}
	if err := l.save(r); err != nil {
		l.problem(r.file, r.row, strings.Join(err.fields, ", "), "%s; the record is left out", err.message)
		return false
	}
	return true
}

func (l *loader) save(r loading) *apiError {
	w := l.org.byPerson()
	if r.object.kind != history {
		return l.org.insert(w, r.object, r.id, r.fields)
	}
	values, err := r.object.accept(w, r.fields, true)
	if err != nil {
		return err
	}
	l.org.appendAs(r.object, r.id, values)
	return nil
}

// offer adds a picklist value that the org does not know. A stage is closed or
// won as its first record says.
func (l *loader) offer(r loading, f *FieldDef, value string) {
	if f.Type != "picklist" || value == "" || f.offers(value) || r.object.kind != data {
		return
	}
	if r.object.name+"."+f.Name != "Opportunity.StageName" {
		l.org.addValue(r.object, f.Name, PicklistValue{Value: value})
		return
	}
	says := func(field string) bool {
		for name, v := range r.fields {
			if strings.EqualFold(name, field) {
				return strings.EqualFold(fmt.Sprint(v), "true") || v == "1"
			}
		}
		return false
	}
	l.org.addStage(PicklistValue{Value: value, Label: value}, "Pipeline", 50, says("IsClosed"), says("IsWon"))
}

// stageRows gives Opportunities that came without history the row of their
// creation.
func (l *loader) stageRows() {
	h := l.org.objects["opportunityhistory"]
	for _, r := range l.records {
		made := r.object.rows[r.id]
		if r.object.name == "Opportunity" && made != nil && h != nil && len(h.children[r.id]) == 0 {
			l.org.stageRow(write{at: made.values["CreatedDate"].(time.Time)}, nil, made.values)
		}
	}
}
