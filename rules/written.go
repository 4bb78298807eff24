package rules

import (
	"slices"
	"strings"
	"time"
)

// Written is a value that we wrote to the record ourselves.
type Written struct {
	Field, Value string    // the field as the one who wrote it spells it
	From, To     time.Time // between these instants of the service; To is zero while the answer is not known
}

// to is by when it was written, at the latest.
func (w Written) to() time.Time {
	if w.To.IsZero() {
		return w.From.Add(lostWriteWithin)
	}
	return w.To
}

// answered tells whether it is known to have been written: an answer came sooner than we wait for the effect of what has none.
func (w Written) answered() bool { return w.to().Sub(w.From) < lostWriteWithin }

const (
	writeSlack      = 2 * time.Second // how far a stamp may lie outside the time between our request and its answer
	lostWriteWithin = 2 * time.Minute // a write whose answer was lost is applied by then, or never
)

// Write notes values that we wrote ourselves, by field. Those of watched fields become the baseline; to is when the write was answered, zero if it never
// was.
func (s *Snapshot) Write(values map[string]string, watched []string, from, to time.Time) {
	if s.Values == nil {
		s.Values = map[string]Value{}
	}
	if !to.IsZero() && to.Before(from) {
		to = from // the answer told a wrong time
	}
	for field, text := range values {
		s.Wrote = append(s.Wrote, Written{field, text, from, to})
		i := slices.IndexFunc(watched, func(name string) bool { return strings.EqualFold(name, field) })
		if i < 0 {
			continue // the field may be watched later, by a campaign that comes back into the config
		}
		at := to
		if at.IsZero() {
			at = from
		}
		v, seen := s.Values[watched[i]]
		switch {
		case !seen:
			v = Value{First: text, Ours: true}
		case v.At.After(at) && to.IsZero(): // a look has shown since what became of it
			continue
		}
		v.Text, v.At = text, at
		s.Values[watched[i]] = v
	}
}

// Asked notes values that we asked to be written, between two instants, and have no answer about: what becomes so by then is our doing. Requests that
// follow each other closely, as while no answer comes for hours, are noted as one.
func (s *Snapshot) Asked(values map[string]string, from, to time.Time) {
	for field, text := range values {
		s.noteWritten(Written{field, text, from, to.Add(lostWriteWithin)})
	}
}

// Copied notes that Salesforce has copied into the record, at an instant, what another one has, by a merge or a conversion: what we wrote there, and was not
// seen to be something else since, is our doing here as well. Salesforce may show it in another spelling than we wrote it in: 5 as 5.0. Whether it is one
// cannot be told of a field without a type, which is hidden.
func (s *Snapshot) Copied(from Snapshot, types map[string]Type, at time.Time) {
	for _, w := range from.Wrote {
		v, seen := from.Values[w.Field]
		if t := types[w.Field]; !seen || t == "" || Equal(t, v.Text, w.Value) {
			s.noteWritten(Written{w.Field, w.Value, at, at})
		}
	}
}

// AskedBefore notes what an earlier request may have written into the record, created at an instant, than the one that made other: where several were sent, what
// was written into other is told from the first request to the answer of the last.
func (s *Snapshot) AskedBefore(other Snapshot, created time.Time) {
	for _, w := range other.Wrote {
		within := func(at time.Time) bool { return !at.Before(w.From) && !at.After(w.to()) }
		if !w.answered() && within(created) && within(other.Created) {
			s.noteWritten(Written{w.Field, w.Value, w.From, w.to()})
		}
	}
}

// noteWritten adds what may have been written between two instants, to what overlaps it.
func (s *Snapshot) noteWritten(now Written) {
	i := slices.IndexFunc(s.Wrote, func(w Written) bool {
		return w.Field == now.Field && w.Value == now.Value && !now.From.After(w.to()) && !w.From.After(now.To)
	})
	if i < 0 {
		s.Wrote = append(s.Wrote, now)
		return
	}
	w := &s.Wrote[i]
	if w.To = w.to(); w.To.Before(now.To) {
		w.To = now.To
	}
	if now.From.Before(w.From) {
		w.From = now.From
	}
}

// redate puts right when we wrote what we did, where a wrong time was told then. A write moves the record's stamp: it was before that of a row that has what
// we wrote, or has it for certain where the row does not show the field. And it was before any look that came after it.
func (s *Snapshot) redate(rec Record, types map[string]Type) {
	for i, w := range s.Wrote {
		text, shown := rec.Fields[w.Field]
		has := !rec.SeenAt.Before(w.From) && (shown && Equal(types[w.Field], text, w.Value) || !shown && w.answered())
		if w.From.After(rec.SeenAt.Add(timeWasWrong)) || has && w.From.After(rec.Modstamp.Add(timeWasWrong)) {
			s.Wrote[i].From, s.Wrote[i].To = rec.Created, w.to()
		}
		if w.to().After(rec.SeenAt.Add(timeWasWrong)) {
			s.Wrote[i].To = rec.SeenAt
		}
	}
}

// wrote tells whether we wrote the target's value at some time.
func (s Snapshot) wrote(t Target) bool {
	return slices.ContainsFunc(s.Wrote, func(w Written) bool { return strings.EqualFold(w.Field, t.Field) && t.is(w.Value) })
}

// wroteIt tells whether a field's becoming the target's value, between two instants, is the trace of our own write, whichever of the two was noted
// first. Two looks may be long apart, and the stamp of the newer is that of the last change, whoever made it, of whatever field.
func (s Snapshot) wroteIt(field string, after, by time.Time, t Target) bool {
	if after.After(by) {
		after = by // a look that came too early for a change that committed late
	}
	return slices.ContainsFunc(s.Wrote, func(w Written) bool {
		return strings.EqualFold(w.Field, field) && t.is(w.Value) &&
			!by.Before(w.From.Add(-writeSlack)) && !after.After(w.to().Add(writeSlack))
	})
}
