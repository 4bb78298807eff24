package rules

import (
	"slices"
	"strings"
	"time"
)

// is tells whether a value is the target's, by its API value or, as history rows may have it, its label.
func (t Target) is(text string) bool {
	return text != "" && (Equal(t.Type, text, t.Value) || t.Label != "" && strings.EqualFold(text, t.Label))
}

// reading is what a snapshot says about one target.
type reading struct {
	counting  *Transition // the best proven transition that counts
	rewritten *Transition // the value came without anybody changing the record
	predates  bool        // the value stands, but nothing proves that it came after counts_from
}

// read weighs all that is known of a field's way to the target. It counts what happened at or after from; where after is not zero, only
// what happened later than that as well.
func (s Snapshot) read(t Target, from, after time.Time) reading {
	var r reading
	counts := func(at time.Time) bool { return !at.Before(from) && (after.IsZero() || at.After(after)) }
	history := s.historyMoves(t)
	for _, m := range history {
		if counts(m.At) {
			r.offer(m)
		}
	}
	for _, c := range s.Changes {
		if c.Field != t.Field || !t.is(c.To) || knownBetter(history, c) {
			continue
		}
		m := s.transition(c.Field, c.From, c.To, c.At, BySnapshot, "")
		switch {
		case !counts(c.At) || c.Before.Before(from):
		case c.Unmoved:
			r.rewritten = &m
		default:
			r.offer(m)
		}
	}
	v, seen := s.Values[t.Field]
	if seen && t.is(v.First) && !v.Ours && counts(s.Created) {
		r.offer(s.transition(t.Field, "", v.First, s.Created, ByCreation, ""))
	}
	r.predates = seen && t.is(v.Text)
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
		if strings.EqualFold(row.Field, t.Field) && t.is(row.New) && !t.is(row.Old) && !s.wroteIt(row, t) {
			moves = append(moves, s.transition(t.Field, row.Old, row.New, row.At, ByHistory, row.ID))
		}
	}
	return moves
}

// writeSlack is how far a history row's stamp may lie outside the time between our request and its answer.
const (
	writeSlack      = 2 * time.Second
	lostWriteWithin = 2 * time.Minute // a write whose answer was lost is applied by then, or never
)

// wroteIt tells whether a history row is the trace of our own write.
func (s Snapshot) wroteIt(row HistoryRow, t Target) bool {
	return slices.ContainsFunc(s.Wrote, func(w Written) bool {
		to := w.To
		if to.IsZero() {
			to = w.From.Add(lostWriteWithin)
		}
		return strings.EqualFold(w.Field, row.Field) && t.is(w.Value) &&
			!row.At.Before(w.From.Add(-writeSlack)) && !row.At.After(to.Add(writeSlack))
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
	after  time.Time // it was not later than this
}

// conversion dates the Lead's conversion. contact and opportunity are the records it was converted into, nil where there is none or it
// could not be read. ConvertedDate is a day in an unknown zone, so it proves something only when it is later than the day after from.
func (s Snapshot) conversion(contact, opportunity *Snapshot, from time.Time) conversion {
	c := conversion{Transition: s.transition(IsConverted, "false", "true", s.ConvertedBy, "", ""), after: s.ConvertedBy}
	history := slices.IndexFunc(s.History, func(h HistoryRow) bool { return strings.EqualFold(h.Field, LeadConverted) })
	made := madeByConversion(s.ConvertedOn, contact, opportunity)
	switch {
	case history >= 0:
		c.after = s.History[history].At
	case contact != nil && !madeByConversion(s.ConvertedOn, contact).IsZero():
		c.after = contact.Created
	}
	seen := slices.IndexFunc(s.Changes, func(ch Change) bool { return ch.Field == IsConverted && ch.To == "true" && !ch.Before.Before(from) })
	switch {
	case seen >= 0:
		c.At, c.Proof = s.Changes[seen].At, BySnapshot
	case history >= 0:
		c.At, c.Proof, c.RowID = s.History[history].At, ByHistory, s.History[history].ID
	case !made.IsZero():
		c.At, c.Proof = made, ByCreation
	default:
		day, err := time.Parse(time.DateOnly, s.ConvertedOn)
		if err != nil || !day.After(startOfDay(from).AddDate(0, 0, 1)) {
			return c
		}
		c.At, c.Proof = day, ByDate
	}
	c.counts = !c.At.Before(from)
	return c
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
	return startOfDay(created).Sub(day).Abs() <= 24*time.Hour
}

func startOfDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
