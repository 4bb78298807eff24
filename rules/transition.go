package rules

import (
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
}

// read weighs all that is known of a field's way to the target. It counts what happened at or after from; where after is not zero, only
// what happened later than that as well. Of our own looks only those count that were taken at or after since.
func (s Snapshot) read(t Target, from, after, since time.Time) reading {
	var r reading
	counts := func(at time.Time) bool { return !at.Before(from) && (after.IsZero() || at.After(after)) }
	history := s.historyMoves(t)
	for _, m := range history {
		if counts(m.At) {
			r.offer(m)
		}
	}
	for _, c := range s.Changes {
		if c.Field != t.Field || !t.stands(c.To) || s.wroteIt(c.Field, c.At, t) || knownBetter(history, c) {
			continue
		}
		m := s.transition(c.Field, c.From, c.To, c.At, BySnapshot, "")
		switch {
		case !counts(c.At) || c.Before.Before(from) || c.Before.Before(since) || c.Before.Before(after):
		case c.Unmoved:
			r.rewritten = &m
		default:
			r.offer(m)
		}
	}
	if first, ours, seen := s.firstSeen(t.Field, since); seen && t.stands(first) && !ours && !s.wroteIt(t.Field, s.Created, t) && counts(s.Created) {
		r.offer(s.transition(t.Field, "", first, s.Created, ByCreation, ""))
	}
	r.predates = t.stands(s.Values[t.Field].Text)
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

// knownBetter tells whether a history row is about the very change that two observations saw; its time is then the true one.
func knownBetter(history []Transition, c Change) bool {
	return slices.ContainsFunc(history, func(m Transition) bool { return !m.At.Before(c.Before) && !m.At.After(c.At) })
}

func (s Snapshot) transition(field, from, to string, at time.Time, proof Proof, row string) Transition {
	return Transition{Object: s.Object, RecordID: s.ID, Field: field, From: from, To: to, At: at, Proof: proof, RowID: row}
}

// historyMoves are the moves to the target that history rows prove, whenever they were.
func (s Snapshot) historyMoves(t Target) []Transition {
	if s.Object == Opportunity && t.Field == StageName {
		return s.stageMoves(t)
	}
	var moves []Transition
	for _, row := range s.History {
		if strings.EqualFold(row.Field, t.Field) && t.is(row.New) && !t.is(row.Old) && !s.wroteIt(row.Field, row.At, t) {
			moves = append(moves, s.transition(t.Field, row.Old, row.New, row.At, ByHistory, row.ID))
		}
	}
	return moves
}

const (
	writeSlack      = 2 * time.Second // how far a stamp may lie outside the time between our request and its answer
	lostWriteWithin = 2 * time.Minute // a write whose answer was lost is applied by then, or never
)

// wroteIt tells whether a field's becoming the target's value at an instant is the trace of our own write, whichever of the two was noted
// first.
func (s Snapshot) wroteIt(field string, at time.Time, t Target) bool {
	return slices.ContainsFunc(s.Wrote, func(w Written) bool {
		to := w.To
		if to.IsZero() {
			to = w.From.Add(lostWriteWithin)
		}
		return strings.EqualFold(w.Field, field) && t.is(w.Value) &&
			!at.Before(w.From.Add(-writeSlack)) && !at.After(to.Add(writeSlack))
	})
}

// stageMoves reads OpportunityHistory, whose rows tell the stage at an instant but not the one before: the predecessor decides. Rows of
// one second have no order among themselves, so a move is proven only where no row of the second before it can have been the target
// already. A row without predecessor counts only as the Opportunity's own creation.
func (s Snapshot) stageMoves(t Target) []Transition {
	var moves []Transition
	var before []StageRow // the rows of the preceding second
	for start := 0; start < len(s.Stages); {
		end := start
		for end < len(s.Stages) && s.Stages[end].At.Equal(s.Stages[start].At) {
			end++
		}
		second := s.Stages[start:end]
		start = end
		reached := slices.IndexFunc(second, func(r StageRow) bool { return t.is(r.Stage) })
		if reached >= 0 && s.provenMove(t, before, second[reached].At) {
			from := ""
			if len(before) > 0 {
				from = before[len(before)-1].Stage
			}
			row := second[reached]
			moves = append(moves, s.transition(t.Field, from, row.Stage, row.At, ByHistory, row.ID))
		}
		before = second
	}
	return moves
}

func (s Snapshot) provenMove(t Target, before []StageRow, at time.Time) bool {
	if len(before) == 0 {
		return at.Sub(s.Created).Abs() <= time.Minute
	}
	return !slices.ContainsFunc(before, func(r StageRow) bool { return t.is(r.Stage) })
}

// conversion is when a Lead was converted, as well as it can be told.
type conversion struct {
	Transition
	counts bool
}

// conversion dates the Lead's conversion. contact and opportunity are the records it was converted into, nil where there is none or it
// could not be read; of our own looks only those since since count. ConvertedDate is a day in an unknown zone, so it proves something only when it is later than the day after from.
func (s Snapshot) conversion(contact, opportunity *Snapshot, from, since time.Time) conversion {
	c := conversion{Transition: s.transition(IsConverted, "false", "true", s.ConvertedBy, "", "")}
	history := s.conversionRow()
	made := madeByConversion(s.ConvertedOn, contact, opportunity)
	seen := slices.IndexFunc(s.Changes, func(ch Change) bool {
		return ch.Field == IsConverted && ch.To == "true" && !ch.Before.Before(from) && !ch.Before.Before(since)
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
		if err != nil || !day.After(utcDay(from).AddDate(0, 0, 1)) {
			return c
		}
		c.At, c.Proof = day, ByDate
	}
	c.counts = !c.At.Before(from)
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
		if r != nil && MadeByConversion(convertedOn, r.Created) && r.Created.After(made) {
			made = r.Created
		}
	}
	return made
}

// MadeByConversion tells whether a record created at created can have been made by a conversion on a day (2006-01-02).
func MadeByConversion(convertedOn string, created time.Time) bool {
	day, err := time.Parse(time.DateOnly, convertedOn)
	if err != nil || created.IsZero() {
		return false
	}
	return utcDay(created).Sub(day).Abs() <= 24*time.Hour
}

func utcDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
