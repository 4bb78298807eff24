package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"qualifyd/cmd/config"
)

// newLogger builds the logger; nowhere else picks a writer or a level. The auto format is for people on a terminal and JSON elsewhere, with
// the journal's priorities where the journal takes it. What is logged can be changed by least.
func newLogger(w io.Writer, c config.Log, least *leastLevel) zerolog.Logger {
	least.set(c.Level)
	switch {
	case c.Format == "console" || c.Format == "auto" && isTerminal(w):
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	case isJournal(w):
		w = journal{w}
	}
	return zerolog.New(w).Sample(least).With().Timestamp().Logger()
}

// leastLevel is the least that is logged, by all loggers that come of one; a reload may change it.
type leastLevel struct{ level atomic.Int32 }

func (l *leastLevel) set(name string) {
	level, err := zerolog.ParseLevel(name)
	if err != nil {
		level = zerolog.InfoLevel
	}
	l.level.Store(int32(level))
}

// Sample is zerolog's name for the question whether an event is logged.
func (l *leastLevel) Sample(level zerolog.Level) bool { return int32(level) >= l.level.Load() }

// journal writes each event as a line that begins with its priority, as systemd's journal understands it (sd-daemon(3)).
type journal struct{ out io.Writer }

func (j journal) Write(line []byte) (int, error) { return j.WriteLevel(zerolog.InfoLevel, line) }

// WriteLevel is zerolog's way to write an event of a level.
func (j journal) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	priority := map[zerolog.Level]int{
		zerolog.TraceLevel: 7, zerolog.DebugLevel: 7, zerolog.WarnLevel: 4, zerolog.ErrorLevel: 3, zerolog.FatalLevel: 2, zerolog.PanicLevel: 2,
	}
	p, known := priority[level]
	if !known {
		p = 6
	}
	if _, err := j.out.Write(append(fmt.Appendf(nil, "<%d>", p), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// isJournal tells whether what is written to w goes to systemd's journal, which says so by device and inode in $JOURNAL_STREAM (systemd.exec(5)).
func isJournal(w io.Writer) bool {
	var stat syscall.Stat_t
	f, ok := file(w)
	if !ok || syscall.Fstat(int(f.Fd()), &stat) != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

func isTerminal(w io.Writer) bool {
	f, ok := file(w)
	return ok && term.IsTerminal(int(f.Fd())) // /dev/null is a device as well
}

// file is the file that is written to in the end.
func file(w io.Writer) (*os.File, bool) {
	if shown, ok := w.(*progress); ok {
		w = shown.out
	}
	f, ok := w.(*os.File)
	return f, ok
}
