package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stands tells whether a value that a record shows is the target's. Records show API values; the label may be another value's API name.
func (t Target) stands(text string) bool { return text != "" && Equal(t.Type, text, t.Value) }

// is tells the same of a value in a history row, which may be the label.
func (t Target) is(text string) bool {
	return t.stands(text) || text != "" && t.Label != "" && strings.EqualFold(text, t.Label)
}

// reading is what a snapshot says about one target.
type reading struct {
	counting  *Transition // the best proven transition that counts
	rewritten *Transition // the value came without anybody changing the record
	predates  bool        // the value stands, but nothing proves that it came after counts_from
	ours      bool        // it never came but by our own writing
}

// read weighs all that is known of a field's way to the target.
func (s Snapshot) read(t Target, during span) reading {
	r := reading{predates: t.stands(s.Values[t.Field].Text)}
	others := false
	for _, o := range s.observe(t, during) {
		others = others || o.Reaches && o.Why != writtenByUs
		switch {
		case o.Counts:
			r.offer(o.Transition)
		case o.Rewritten:
			r.rewritten = &o.Transition
		}
	}
	r.ours = s.wrote(t) && !others // what we wrote between two looks neither saw come
	return r
}

// offer keeps the better of two counting transitions: history before snapshot before created, then the earlier.
func (r *reading) offer(m Transition) {
	order := []Proof{ByHistory, BySnapshot, ByCreation}
	if r.counting == nil || slices.Index(order, m.Proof) < slices.Index(order, r.counting.Proof) ||
		m.Proof == r.counting.Proof && m.At.Before(r.counting.At) {
		r.counting = &m
	}
}

// observe tells everything that is known of a field's way to the target: history rows, changes between two of our looks, the first look.
func (s Snapshot) observe(t Target, during span) []Observation {
	history := s.historyOf(t)
	seen := slices.Clone(history)
	for i, o := range seen {
		if o.Reaches && o.Why == "" {
			seen[i].weigh(during.misses(o.At))
		}
	}
	for _, c := range s.Changes {
		if c.Field == t.Field && !knownBetter(history, c, t) {
			seen = append(seen, s.change(c, t, during))
		}
	}
	if first, ok := s.first(t, during); ok && !slices.ContainsFunc(seen, explains(first)) {
		seen = append(seen, first)
	}
	return seen
}

// knownBetter tells whether a history row is about the very change that two observations saw; its time is then the true one.
func knownBetter(history []Observation, c Change, t Target) bool {
	return slices.ContainsFunc(history, func(o Observation) bool {
		same := o.Reaches && o.Why == ""
		if !t.stands(c.To) {
			same = !o.Reaches && Equal(t.Type, o.To, c.To)
		}
		return same && !o.At.Before(c.Before) && !o.At.After(c.At)
	})
}

// change weighs what two looks saw.
func (s Snapshot) change(c Change, t Target, during span) Observation {
	o := Observation{Transition: s.transition(c.Field, c.From, c.To, c.At, BySnapshot, ""), Reaches: t.stands(c.To)}
	switch {
	case !o.Reaches:
	case s.wroteIt(c.Field, c.Before.Add(writeSlack), c.At, t): // looks and our writes go by one clock, stamps by another
		o.Why = writtenByUs
	case during.misses(c.At) != "":
		o.Why = during.misses(c.At)
	case during.sees(c.Before) != "":
		o.Why = during.sees(c.Before)
	case c.Unmoved:
		o.Rewritten, o.Why = true, replacedInSetup
	default:
		o.Counts = true
	}
	return o
}

// first weighs what the first look of the span saw: a value that the record was created with, where that counts.
func (s Snapshot) first(t Target, during span) (o Observation, seen bool) {
	c, ours, seen := s.firstSeen(t.Field, during)
	o = Observation{Transition: s.transition(t.Field, "", c.To, time.Time{}, "", ""), Reaches: t.stands(c.To)}
	switch {
	case ours || o.Reaches && s.wroteIt(t.Field, c.Before, c.At, t):
		o.Why = writtenByUs
	case o.Reaches && c.Unmoved && during.misses(c.At) == "": // while it was another's
		o.At, o.Proof, o.Rewritten, o.Why = c.At, BySnapshot, true, replacedInSetup
	case o.Reaches && during.misses(s.Created) == "":
		o.At, o.Proof, o.Counts = s.Created, ByCreation, true
	case o.Reaches:
		o.Why = fmt.Sprintf("it was so already, and the record was created at %s: %s", stamp(s.Created), during.misses(s.Created))
	}
	return o, seen
}

// explains tells whether something seen makes the value of the first look no news: how it came about is known.
func explains(first Observation) func(Observation) bool {
	return func(o Observation) bool {
		switch {
		case o.Proof != ByHistory:
			return false
		case !first.Reaches:
			return o.To == first.To
		}
		return o.Counts || o.Reaches && !first.Counts
	}
}

func (s Snapshot) transition(field, from, to string, at time.Time, proof Proof, row string) Transition {
	return Transition{Object: s.Object, RecordID: s.ID, Field: field, From: from, To: to, At: at, Proof: proof, RowID: row}
}

// historyOf is what history rows tell of the field, whenever it was. Why is set where a row that names the target proves nothing.
func (s Snapshot) historyOf(t Target) []Observation {
	if s.Object == Opportunity && t.Field == StageName {
		return s.stagesOf(t)
	}
	var seen []Observation
	for _, row := range s.History {
		if !strings.EqualFold(row.Field, t.Field) || t.is(row.New) && t.is(row.Old) {
			continue
		}
		o := Observation{Transition: s.transition(t.Field, row.Old, row.New, row.At, ByHistory, row.ID), Reaches: t.is(row.New)}
		switch {
		case row.Old == "" && row.New == "":
			o.Why = "the history row does not tell the values"
		case o.Reaches && s.wroteIt(row.Field, row.At, row.At, t):
			o.Why = writtenByUs
		}
		seen = append(seen, o)
	}
	return seen
}

// stagesOf reads OpportunityHistory, whose rows tell the stage at an instant but not the one before: the predecessor decides. Rows of
// one second have no order among themselves, so a move is proven only where no row of the second before it can have been the target
// already. A row without predecessor counts only as the Opportunity's own creation.
func (s Snapshot) stagesOf(t Target) []Observation {
	var seen []Observation
	var before []StageRow // the rows of the preceding second
	for start := 0; start < len(s.Stages); {
		end := start
		for end < len(s.Stages) && s.Stages[end].At.Equal(s.Stages[start].At) {
			end++
		}
		if o, news := s.stageMove(t, before, s.Stages[start:end]); news {
			seen = append(seen, o)
		}
		before, start = s.Stages[start:end], end
	}
	return seen
}

// stageMove is what the rows of one second tell after those of the second before; news is false where the stage stayed as it was.
func (s Snapshot) stageMove(t Target, before, second []StageRow) (o Observation, news bool) {
	row, from := second[len(second)-1], ""
	if len(before) > 0 {
		from = before[len(before)-1].Stage
	}
	reached := slices.IndexFunc(second, func(r StageRow) bool { return t.is(r.Stage) })
	if reached >= 0 {
		row = second[reached]
	}
	o = Observation{Transition: s.transition(t.Field, from, row.Stage, row.At, ByHistory, row.ID), Reaches: reached >= 0}
	switch {
	case reached < 0:
		return o, !Equal(t.Type, from, row.Stage)
	case s.provenMove(t, before, row.At):
		return o, true
	}
	o.Why = "which stage it was at before is not known"
	return o, len(before) == 0
}

func (s Snapshot) provenMove(t Target, before []StageRow, at time.Time) bool {
	if len(before) == 0 {
		return at.Sub(s.Created).Abs() <= time.Minute
	}
	return !slices.ContainsFunc(before, func(r StageRow) bool { return t.is(r.Stage) })
}

// converted tells whether the record, as last seen, is a converted Lead.
func (s Snapshot) converted() bool { return s.Values[IsConverted].Text == "true" }

// conversion dates the Lead's conversion, as well as it can be told. contact and opportunity are the records it was converted into, nil where
// there is none or it could not be read. ConvertedDate is a day in an unknown zone, so it proves something only when it is later than the day
// after the span's beginning.
func (s Snapshot) conversion(contact, opportunity *Snapshot, during span) Observation {
	c := Observation{Transition: s.transition(IsConverted, "false", "true", time.Time{}, "", ""), Reaches: true}
	history := s.conversionRow()
	made := madeByConversion(s.ConvertedOn, contact, opportunity)
	seen := slices.IndexFunc(s.Changes, func(ch Change) bool {
		return ch.Field == IsConverted && ch.To == "true" && during.sees(ch.Before) == ""
	})
	switch {
	case seen >= 0:
		c.At, c.Proof = s.Changes[seen].At, BySnapshot
	case history >= 0:
		c.At, c.Proof, c.RowID = s.History[history].At, ByHistory, s.History[history].ID
	case !made.IsZero():
		c.At, c.Proof = made, ByCreation
	default:
		day, err := time.Parse(time.DateOnly, s.ConvertedOn)
		if err != nil || !day.After(utcDay(during.from).AddDate(0, 0, 1)) {
			c.Why = "nothing proves that it was at or after " + stamp(during.from) + ", from when changes count"
			return c
		}
		c.At, c.Proof = day, ByDate
	}
	c.weigh(during.misses(c.At))
	return c
}

// convertedBy is an instant by which the Lead was converted for certain. A Contact is no witness: one that a person made on the same day, and
// into which the Lead was converted later, looks as if the conversion had made it.
func (s Snapshot) convertedBy() time.Time {
	if row := s.conversionRow(); row >= 0 {
		return s.History[row].At
	}
	return s.ConvertedBy
}

// conversionRow is the index of the history row that Salesforce wrote at the conversion; -1 where there is none.
func (s Snapshot) conversionRow() int {
	return slices.IndexFunc(s.History, func(h HistoryRow) bool { return strings.EqualFold(h.Field, LeadConverted) })
}

// madeByConversion is the newest creation among the records whose CreatedDate lies on the conversion's day, or a day either side of it
// (the day's zone is not known); zero when none does. A conversion cannot be earlier than a record it names.
func madeByConversion(convertedOn string, records ...*Snapshot) time.Time {
	var made time.Time
	for _, r := range records {
		if r != nil && aroundDay(convertedOn, r.Created) && r.Created.After(made) {
			made = r.Created
		}
	}
	return made
}

// MadeByConversion tells whether a record created at created can have been made by a Lead's conversion. One that was there before the Lead was not,
// however short a time: somebody converted the Lead into it.
func MadeByConversion(lead Record, created time.Time) bool {
	return aroundDay(lead.ConvertedOn, created) && !created.Before(lead.Created)
}

// aroundDay tells whether an instant lies on a day (2006-01-02) in a zone nobody tells, or a day either side of it.
func aroundDay(text string, at time.Time) bool {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || at.IsZero() {
		return false
	}
	return utcDay(at).Sub(day).Abs() <= 24*time.Hour
}

func utcDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
