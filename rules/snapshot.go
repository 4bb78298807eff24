package rules

import (
	"slices"
	"time"
)

// Names of the Salesforce fields that the rules themselves know.
const (
	StageName     = "StageName"
	IsConverted   = "IsConverted"
	LeadConverted = "leadConverted" // what Salesforce writes as Field into LeadHistory at a conversion
)

// Record is one Salesforce row as one answer showed it.
type Record struct {
	Object   Object
	ID       string // 18 characters
	Created  time.Time
	Modified time.Time // LastModifiedDate; zero when it was not readable
	Modstamp time.Time
	Deleted  bool
	MasterID string // the record it was merged into, for a deleted merge loser
	SeenAt   time.Time

	ConvertedOn   string // ConvertedDate: a day in a zone nobody tells
	ContactID     string // ConvertedContactId
	OpportunityID string // ConvertedOpportunityId

	// Fields holds the watched values by API name. A field that the answer did not have (hidden, not asked) is absent: missing is not null.
	Fields map[string]string
}

// Converted tells whether the row is a converted Lead.
func (r Record) Converted() bool { return r.Fields[IsConverted] == "true" }

// Value is what is known of one field of a linked record.
type Value struct {
	Text  string
	At    time.Time // when it was last seen to be so
	First string    // what the first observation showed
	Ours  bool      // the first value is one that we wrote: a baseline, no observation of somebody's change
	// Modified and Modstamp are those of the row that last showed it; zero as long as it was the newest row that did.
	Modified, Modstamp time.Time
}

// Change is a field's value that was one thing in an observation and another in the next.
type Change struct {
	Field, From, To string
	At              time.Time // SystemModstamp of the newer row; for a formula the answer's time
	Before, SeenAt  time.Time // when the older value was last seen, and the newer one first
	// Unmoved is set when LastModifiedDate stayed although the value changed: a value replaced in Setup looks so.
	Unmoved bool
}

// HistoryRow is a row of LeadHistory or ContactHistory.
type HistoryRow struct {
	ID              string
	Field, Old, New string
	At              time.Time
}

// StageRow is a row of OpportunityHistory. It says what the stage was then, not what it had been.
type StageRow struct {
	ID    string
	Stage string
	At    time.Time
}

// Snapshot is everything that is known of a linked record.
type Snapshot struct {
	Record
	Values  map[string]Value
	Changes []Change
	History []HistoryRow
	Stages  []StageRow // oldest first
	Wrote   []Written
	// Absent is set when the record was asked for by Id and no row came: it is gone for good, or not shared with us.
	Absent bool
	// ConvertedBy is the stamp of the first observation that showed the Lead converted: the conversion was not later.
	ConvertedBy time.Time
}

// changesKept bounds how many changes of one record are remembered. The oldest go first.
const changesKept = 200

// timeWasWrong is how far a look may lie in the future of a later one: beyond that, it is the earlier answer's time that was wrong. A pass reads again
// what changed in the last so many minutes at least, so what is passed over for it is seen once that look is past.
const timeWasWrong = 15 * time.Minute

// Schema tells the type of a record's fields, and which are formulas.
type Schema struct {
	Types    map[string]Type
	Formulas map[string]bool
}

// Observe adds one answer to what is known. An answer older than the last one changes nothing. Values of a deleted row are not
// compared: an undeleted record continues from its old snapshot.
//
//	last seen    now     |  outcome
//	nothing      V       |  first observation: the value's baseline
//	A            B       |  a change, between the two observations
//	A            a       |  a rewritten spelling: no change
//	A            absent  |  hidden: A stays the last seen value
func (s *Snapshot) Observe(rec Record, schema Schema) {
	if rec.SeenAt.Before(s.SeenAt) && s.SeenAt.Sub(rec.SeenAt) < timeWasWrong {
		return
	}
	old := s.Record
	s.Absent = false
	if rec.Deleted {
		s.Object, s.ID, s.SeenAt = rec.Object, rec.ID, rec.SeenAt
		s.Deleted, s.MasterID, s.Created = true, rec.MasterID, rec.Created
		return
	}
	s.Record = rec
	s.Fields = nil // held as Values
	if s.Values == nil {
		s.Values = map[string]Value{}
	}
	if rec.Converted() && s.ConvertedBy.IsZero() {
		s.ConvertedBy = rec.Modstamp
	}
	for field, v := range s.Values {
		if v.Modstamp.IsZero() {
			v.Modified, v.Modstamp = old.Modified, old.Modstamp
			s.Values[field] = v
		}
	}
	s.redate(rec, schema.Types)
	for field, text := range rec.Fields {
		s.observeField(field, text, schema)
	}
	if n := len(s.Changes); n > changesKept {
		s.Changes = slices.Clone(s.Changes[n-changesKept:])
	}
}

func (s *Snapshot) observeField(field, text string, schema Schema) {
	v, seen := s.Values[field]
	switch {
	case !seen:
		v = Value{First: text}
	case !Equal(schema.Types[field], v.Text, text):
		c := Change{Field: field, From: v.Text, To: text, At: s.Modstamp, Before: v.At, SeenAt: s.SeenAt, Unmoved: s.unmovedSince(v)}
		if schema.Formulas[field] {
			c.At, c.Unmoved = s.SeenAt, false
		}
		s.Changes = append(s.Changes, c)
	}
	v.Text, v.At, v.Modified, v.Modstamp = text, s.SeenAt, time.Time{}, time.Time{}
	s.Values[field] = v
}

// unmovedSince tells whether the record has changed since a value was last seen, and neither its LastModifiedDate nor a conversion tells why. Rows that
// did not show the field may have come in between. Stamps have whole seconds: where neither moved, a person may have changed the record within the
// second of that look.
func (s *Snapshot) unmovedSince(v Value) bool {
	return !s.Modified.IsZero() && s.Modified.Equal(v.Modified) && s.Modstamp.After(v.Modstamp) && !s.ConvertedBy.After(v.Modstamp)
}

// firstSeen is how a field became what the first look at or after the making of the link showed it to be; seen is false where none has shown it since
// then, because it was hidden. ours is set when that is a value we wrote ourselves.
func (s Snapshot) firstSeen(field string, during span) (first Change, ours, seen bool) {
	v, known := s.Values[field]
	first, ours = Change{Field: field, To: v.First, Before: s.Created, At: v.At}, v.Ours
	changed := false
	for _, c := range s.Changes {
		if c.Field != field {
			continue
		}
		if !changed { // it stood when it was last seen before that
			first.At, changed = c.Before, true
		}
		if !c.SeenAt.After(during.since) || !during.linked(c.Before) {
			first, ours = c, false
		}
	}
	return first, ours, known && during.linked(v.At)
}

// AddHistory keeps history rows that are new and reports whether any was.
func (s *Snapshot) AddHistory(rows ...HistoryRow) bool {
	added := false
	for _, row := range rows {
		if !slices.ContainsFunc(s.History, func(h HistoryRow) bool { return h.ID == row.ID }) {
			s.History, added = append(s.History, row), true
		}
	}
	return added
}

// HasStage tells whether a row of OpportunityHistory is known already.
func (s *Snapshot) HasStage(rowID string) bool {
	return slices.ContainsFunc(s.Stages, func(r StageRow) bool { return r.ID == rowID })
}

// Outdated tells whether a history row is later than the record as last seen: whoever wrote the row changed the record as well.
func (s Snapshot) Outdated() bool {
	return slices.ContainsFunc(s.History, func(h HistoryRow) bool { return h.At.After(s.Modstamp) }) ||
		slices.ContainsFunc(s.Stages, func(r StageRow) bool { return r.At.After(s.Modstamp) })
}

// AddStages takes in a reading of the record's OpportunityHistory and reports whether any row is new. Rows that it does not show stay (a history
// row that somebody deleted still happened), and those that it shows twice, as after a page that had to be asked for again, are one.
func (s *Snapshot) AddStages(rows ...StageRow) bool {
	added := false
	for _, row := range rows {
		if i := slices.IndexFunc(s.Stages, func(r StageRow) bool { return r.ID == row.ID }); i >= 0 {
			s.Stages[i] = row
		} else {
			s.Stages, added = append(s.Stages, row), true
		}
	}
	slices.SortStableFunc(s.Stages, func(a, b StageRow) int { return a.At.Compare(b.At) })
	return added
}
