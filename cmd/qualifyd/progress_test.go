package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"qualifyd/cmd/config"
)

// work has p told of a hundred steps of long work.
func work(p *progress, name string, steps int, each time.Duration) {
	for n := range steps {
		time.Sleep(each)
		p.step(name, n+1, 100)
	}
}

func TestLongWorkIsToldInTheLogWhereThereIsNoTerminal(t *testing.T) {
	for _, tt := range []struct {
		situation string
		do        func(p *progress)
		lines     int
	}{
		{"short work", func(p *progress) { work(p, "reading", 100, 50*time.Millisecond) }, 0},
		{"half a minute of it", func(p *progress) { work(p, "reading", 100, 310*time.Millisecond) }, 2},
		{"two at once", func(p *progress) {
			for n := range 99 {
				time.Sleep(310 * time.Millisecond)
				p.step("reading", n, 100)
				p.step("writing", n, 0)
			}
		}, 4},
		{"work that broke off, and begins anew the next day", func(p *progress) {
			work(p, "reading", 5, time.Second)
			time.Sleep(24 * time.Hour)
			p.step("reading", 50, 100)
		}, 0},
		{"work that broke off, and is repeated at once", func(p *progress) {
			work(p, "reading", 8, time.Second)
			work(p, "reading", 8, time.Second)
		}, 0},
	} {
		t.Run(tt.situation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := &logBook{}
				p := newProgress(book)
				p.log = newLogger(p, config.Log{Level: "info", Format: "auto"}, new(leastLevel))
				tt.do(p)
				p.end()
				got := book.String()
				if n := strings.Count(got, "\n"); n != tt.lines || strings.Count(got, `"message":"still at it"`) != tt.lines {
					t.Errorf("got %d lines, want %d of JSON:\n%s", n, tt.lines, got)
				}
			})
		})
	}
}
