package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"qualifyd/cmd/config"
)

// screen is what a terminal shows of what was written to it: a carriage return begins the line anew.
func screen(written string) (lines []string) {
	for line := range strings.SplitSeq(strings.ReplaceAll(written, "\r\n", "\n"), "\n") {
		var shown []rune
		at := 0
		for _, r := range line {
			switch {
			case r == '\r':
				at = 0
				continue
			case at < len(shown):
				shown[at] = r
			default:
				shown = append(shown, r)
			}
			at++
		}
		lines = append(lines, strings.TrimRight(string(shown), " "))
	}
	return lines
}

// overdue makes work that has begun look long, so that its bar is drawn at the next step.
func (p *progress) overdue(work string) {
	p.work[work].begun, p.work[work].moved = time.Now().Add(-time.Minute), time.Time{}
}

func TestABarAndTheLogShareATerminal(t *testing.T) {
	person, program := newTerminal(t)
	p := newProgress(program)
	log := newLogger(p, config.Log{Level: "info", Format: "auto"}, new(leastLevel))
	p.step("reading records", 100, 1000)
	log.Info().Msg("before the bar")
	p.overdue("reading records")
	p.step("reading records", 400, 1000)
	person.await("(400/1000")
	log.Info().Msg("in between")
	person.await("(400/1000") // drawn again below the line
	p.step("sweeping", 7, 0)
	p.overdue("sweeping")
	p.step("sweeping", 9, 0) // one bar at a time
	p.showed.last = time.Now().Add(-stale)
	p.overdue("sweeping")
	p.step("sweeping", 12, 0) // the other one has not moved for long
	person.await("sweeping")
	person.await("(12/-")
	p.step("reading records", 1000, 1000)
	p.end()
	log.Info().Msg("the end")
	person.await("the end")
	want := regexp.MustCompile(`^\S+ .*INF\S* (before the bar|in between|the end)$`)
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, line := range screen(person.shown) {
		if line = escapes.ReplaceAllString(line, ""); line != "" && !want.MatchString(line) && line != "the end" {
			t.Errorf("the screen has the line %q, want whole lines of the log and nothing of a bar\n%q", line, person.shown)
		}
	}
}
