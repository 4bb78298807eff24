package rules_test

import (
	"testing"
	"time"

	"qualifyd/rules"
)

// Of several requests to create a record the first may have made one too: between itself and the answer of the last, and only where there were several.
func TestWhatAnEarlierRequestMayHaveWritten(t *testing.T) {
	first := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return first.Add(d) }
	for name, c := range map[string]struct {
		created, last time.Time // the record that is looked at, and the one that the last request made
		answered      time.Time
		want          int
	}{
		"made by the first":                       {at(time.Second), at(5 * time.Minute), at(5 * time.Minute), 1},
		"there before the first":                  {at(-time.Second), at(5 * time.Minute), at(5 * time.Minute), 0},
		"made after the last was answered":        {at(6 * time.Minute), at(5 * time.Minute), at(5 * time.Minute), 0},
		"there was one request":                   {at(time.Second), at(2 * time.Second), at(3 * time.Second), 0},
		"the other was there before it was asked": {at(time.Second), at(-time.Hour), at(5 * time.Minute), 0},
	} {
		t.Run(name, func(t *testing.T) {
			other := rules.Snapshot{Record: rules.Record{Created: c.last}, Wrote: []rules.Written{{Field: "Title", Value: "Referred", From: first, To: c.answered}}}
			var s rules.Snapshot
			s.AskedBefore(other, c.created)
			if len(s.Wrote) != c.want {
				t.Errorf("got %v noted, want %d", s.Wrote, c.want)
			}
		})
	}
}
