package schedule

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Spec says at which times, in UTC, a job is due. Make one with Parse.
type Spec struct {
	text  string
	times cron.Schedule
}

// runsLookedAt is how far Parse looks for two runs that are too close: a
// month's worth when they are 20 minutes apart.
const runsLookedAt = 2000

// reference is where Parse starts to look, so that a text means the same on
// every day; it is the start of a leap year.
var reference = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Parse reads five cron fields or a descriptor such as @daily or @every 1m.
// It refuses what cron would silently take for something else: a text that
// never comes, an @every with parts of a second, a time zone. It also refuses
// a text whose runs are less than least apart.
func Parse(text string, least time.Duration) (Spec, error) {
	spec := Spec{text: strings.TrimSpace(text)}
	if err := spec.parse(least); err != nil {
		return Spec{}, fmt.Errorf("schedule %q: %w", text, err)
	}
	return spec, nil
}

func (s *Spec) parse(least time.Duration) error {
	if strings.HasPrefix(s.text, "TZ=") || strings.HasPrefix(s.text, "CRON_TZ=") {
		return errors.New("schedules are in UTC; leave the time zone out")
	}
	times, err := cron.ParseStandard(s.text)
	if err != nil {
		return fmt.Errorf(`%w; want minute, hour, day, month and weekday, as in "*/5 * * * *", or "@every 1m" or "@daily"`, err)
	}
	s.times = times
	tooOften := fmt.Errorf(`runs more often than every %v; for example "@every %v"`, least, least)
	if every, ok := strings.CutPrefix(s.text, "@every "); ok {
		d, err := time.ParseDuration(every)
		switch {
		case err != nil:
			return err
		case d < least:
			return tooOften
		case d%time.Second != 0:
			return fmt.Errorf(`parts of a second do not count; for example "@every %v"`, d.Truncate(time.Second))
		}
		return nil
	}
	if s.Next(reference).IsZero() {
		return errors.New(`there is no such day, so it never runs; for example "@daily"`)
	}
	if s.shortestGap() < least {
		return tooOften
	}
	return nil
}

func (s Spec) shortestGap() time.Duration {
	gap := time.Duration(math.MaxInt64)
	last := s.Next(reference)
	for range runsLookedAt {
		next := s.Next(last)
		if next.IsZero() { // cron looks five years ahead; 29 February skips 2100
			break
		}
		gap = min(gap, next.Sub(last))
		last = next
	}
	return gap
}

// Next is the first time after t that the job is due.
func (s Spec) Next(t time.Time) time.Time { return s.times.Next(t.UTC()) }

// String is the text that was parsed.
func (s Spec) String() string { return s.text }
