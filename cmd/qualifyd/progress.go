package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"

	"qualifyd/sync/logged"
)

// progress tells how far long work has come: on a terminal as a bar with rate and time left, elsewhere as a line of the log now and then. It
// is also the writer of a log on the same terminal, so that bar and lines do not run into each other.
type progress struct {
	out io.Writer
	log zerolog.Logger

	mu     sync.Mutex
	work   map[string]*effort // under way, by name
	showed *effort            // whose bar is on the terminal
}

// effort is some work under way.
type effort struct {
	begun, last, told time.Time // last: its newest step; told: the log's newest line about it
	moved             time.Time // when its bar was
	done              int
	known             bool                     // the total is
	bar               *progressbar.ProgressBar // it is there from the beginning, for its rate
	curtain           curtain
}

// curtain hides a bar until it is drawn.
type curtain struct {
	out   io.Writer
	drawn bool
}

func (c *curtain) Write(b []byte) (int, error) {
	if !c.drawn {
		return len(b), nil
	}
	return c.out.Write(b)
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, log: zerolog.Nop(), work: map[string]*effort{}}
}

const (
	// tellEvery is how often the log has a line about work that goes on.
	tellEvery = 10 * time.Second
	// barAfter spares short work the bar.
	barAfter = 500 * time.Millisecond
	// moveEvery is how often a bar is drawn at most. The package's own throttle would leave it undrawn after a line of the log.
	moveEvery = 100 * time.Millisecond
	// stale is after how long without a step the bar makes room for another's: work that fails does not say so.
	stale = 3 * time.Second
	// forgotten is after how long without a step it is other work of the same name.
	forgotten = 10 * time.Minute
)

// step is told of each step: done of total, which is 0 while it is not known. Work has ended when all is done.
func (p *progress) step(work string, done, total int) {
	if p.show(work, done, total) {
		p.log.Info().Str(logged.Work, work).Int(logged.Done, done).Int(logged.Of, total).Msg("still at it")
	}
}

// show moves the bar, or tells that the log should have a line.
func (p *progress) show(work string, done, total int) (line bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	e := p.effort(work, done, total, now)
	e.done, e.last = done, now
	switch {
	case total > 0 && done >= total:
		p.hide(e)
		delete(p.work, work)
	case isTerminal(p.out):
		p.move(e, total, now)
	case now.Sub(e.told) >= tellEvery:
		e.told = now
		return true
	}
	return false
}

// effort is the work of a name: what is under way, or what begins with this step.
func (p *progress) effort(work string, done, total int, now time.Time) *effort {
	e := p.work[work]
	if e != nil && done >= e.done && now.Sub(e.last) < forgotten && e.known == (total > 0) {
		return e
	}
	if e != nil {
		p.hide(e)
	}
	e = &effort{begun: now, told: now, known: total > 0, curtain: curtain{out: p.out}}
	length := total
	if !e.known {
		length = -1
	}
	e.bar = progressbar.NewOptions(length,
		progressbar.OptionSetWriter(&e.curtain), progressbar.OptionSetDescription(work), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0)) // else it draws by itself, between the lines of the log
	p.work[work] = e
	return e
}

// move moves a bar, and draws it when the work has proved long and no other bar is on the terminal.
func (p *progress) move(e *effort, total int, now time.Time) {
	if p.showed != nil && p.showed != e && now.Sub(p.showed.last) >= stale {
		p.hide(p.showed)
	}
	if p.showed == nil && now.Sub(e.begun) >= barAfter {
		p.showed, e.curtain.drawn = e, true
	}
	if now.Sub(e.moved) < moveEvery {
		return
	}
	e.moved = now
	if e.known && total != e.bar.GetMax() {
		e.bar.ChangeMax(total)
	}
	_ = e.bar.Set(e.done)
}

// hide takes a bar away, if it is on the terminal.
func (p *progress) hide(e *effort) {
	if e == p.showed {
		_ = e.bar.Clear()
		e.curtain.drawn, p.showed = false, nil
	}
}

// end takes the bar away: a command is done.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.showed != nil {
		p.hide(p.showed)
	}
	clear(p.work)
}

// Write writes a line of the log, with the bar out of its way.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.showed != nil && time.Since(p.showed.last) >= stale {
		p.hide(p.showed)
	}
	if p.showed == nil {
		return p.out.Write(line)
	}
	_ = p.showed.bar.Clear()
	n, err := p.out.Write(line)
	_ = p.showed.bar.RenderBlank()
	return n, err
}
