package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong in a config file.
type Problem struct {
	Key  string // as the file spells it, like campaigns[0].qualify.field; "" for the file as a whole
	Line int    // of the key, or of the section that lacks it; 0 when there is no such line
	Text string // what is wrong, and what to do; reads on from "Key: "
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Text
	}
	return p.Key + ": " + p.Text
}

// Warning is something that works, but should not stay so.
type Warning Problem

func (w Warning) String() string { return Problem(w).String() }

// Problems is everything wrong in one config file, by line.
type Problems struct {
	Path string
	List []Problem
}

// Error is one line a problem, each starting with file and line.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		place := p.Path
		if problem.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.Path, problem.Line)
		}
		lines[i] = place + ": " + problem.String()
	}
	return strings.Join(lines, "\n")
}

// problem notes what is wrong with a key. Only the first problem of a key is
// kept: what follows from it would send people looking in the wrong place.
func (d *document) problem(key, format string, args ...any) {
	if !d.wrong(key) {
		d.problems = append(d.problems, Problem{Key: key, Line: d.line(key), Text: fmt.Sprintf(format, args...)})
	}
}

// problemsError returns what was noted so far, or nil.
func (d *document) problemsError() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Problems{Path: d.path, List: d.problems}
}

// wrong tells whether a key has a problem already.
func (d *document) wrong(key string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Key == key })
}
