package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
)

// progress tells how far long work has come: on a terminal as a bar with rate and time left, elsewhere as a line of the log now and then. It
// is also the writer of a log on the same terminal, so that bar and lines do not run into each other.
type progress struct {
	out io.Writer
	log zerolog.Logger

	mu    sync.Mutex
	begun map[string]time.Time // when each work under way was begun
	told  map[string]time.Time // when the log last had a line about it
	work  string               // what the bar is about
	bar   *progressbar.ProgressBar
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, log: zerolog.Nop(), begun: map[string]time.Time{}, told: map[string]time.Time{}}
}

const (
	// tellEvery is how often the log has a line about work that goes on.
	tellEvery = 10 * time.Second
	// barAfter spares short work the bar.
	barAfter = 500 * time.Millisecond
)

// step is told of each step: done of total, which is 0 while it is not known. Work has ended when all is done.
func (p *progress) step(work string, done, total int) {
	if p.show(work, done, total) {
		p.log.Info().Str("work", work).Int("done", done).Int("of", total).Msg("still at it")
	}
}

// show moves the bar, or tells that the log should have a line.
func (p *progress) show(work string, done, total int) (line bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.begun[work].IsZero() {
		p.begun[work], p.told[work] = now, now
	}
	if work != p.work || total > 0 && done >= total {
		p.endBar()
	}
	switch {
	case total > 0 && done >= total:
		delete(p.begun, work)
	case !isTerminal(p.out):
		line = now.Sub(p.told[work]) >= tellEvery
	case now.Sub(p.begun[work]) >= barAfter:
		p.work = work
		p.showBar(done, total)
	}
	if line {
		p.told[work] = now
	}
	return line
}

func (p *progress) showBar(done, total int) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions(max(total, 1),
			progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(p.work), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	if total > 0 {
		p.bar.ChangeMax(total)
	}
	_ = p.bar.Set(done)
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endBar()
}

func (p *progress) endBar() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// Write writes a line of the log, with the bar out of its way.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return p.out.Write(line)
	}
	_ = p.bar.Clear()
	n, err := p.out.Write(line)
	_ = p.bar.RenderBlank()
	return n, err
}
