package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Report is what a check found.
type Report struct {
	Bytes     int64    `json:"bytes"` // of the file that are in use
	Schema    int      `json:"schema"`
	Referrals int      `json:"referrals"`
	Records   int      `json:"records"` // of which there is a snapshot
	Owed      int      `json:"owed"`
	Ledger    Head     `json:"ledger"`
	Problems  []string `json:"problems"`      // what is wrong, a sentence each; none in a whole store
	More      int      `json:"more_problems"` // that are not in the list
}

// Err is nil for a whole store; otherwise ErrDamaged, with the first of the problems.
func (r Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDamaged, r.summary())
}

// summary is the first problem, and how many more there are.
func (r Report) summary() string {
	if n := len(r.Problems) + r.More; n > 1 {
		return fmt.Sprintf("%s (and %d more problems)", r.Problems[0], n-1)
	}
	return r.Problems[0]
}

// Progress tells how far long work has come: done of total, 0 where the total is not known.
type Progress func(work string, done, total int)

func (p Progress) of(work string) func(done, total int) {
	return func(done, total int) {
		if p != nil {
			p(work, done, total)
		}
	}
}

// CheckFile checks the file of a store that nobody has open, however damaged it is. An error is that it could not be checked.
func CheckFile(path string, progress Progress) (Report, error) {
	report, err := checkFilePages(path, progress)
	if err != nil || len(report.Problems) > 0 {
		return report, err
	}
	s, err := Open(path)
	switch {
	case errors.Is(err, ErrLocked), errors.Is(err, ErrNewer), ofTheSystem(err):
		return report, err
	case err != nil:
		report.Problems = []string{err.Error()}
		return report, nil
	}
	report, err = s.Check(progress)
	return report, errors.Join(err, s.Close())
}

// ofTheSystem tells whether the system does not let a file be opened, which says nothing about what is in it.
func ofTheSystem(err error) bool {
	var number syscall.Errno
	return !errors.Is(err, ErrDamaged) && errors.As(err, &number)
}

// checkFilePages looks at a file's pages before bbolt does.
func checkFilePages(path string, progress Progress) (Report, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Report{}, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return Report{}, fmt.Errorf("check the store: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Report{}, fmt.Errorf("check the store: %w", err)
	}
	if inUse(file) { // what is read of it then is not of one moment
		return Report{}, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	var p problems
	err = guarded(func() error {
		if r, valid := newestRoot(file); valid {
			checkPages(file, info.Size(), r, &p, progress.of("checking the pages"), time.Time{})
		} else {
			p.add("the file begins like no store, or like one that was overwritten")
		}
		return nil
	})
	if err != nil {
		p.add("%v", err)
	}
	return Report{Bytes: info.Size(), Problems: p.list, More: p.more}, nil
}

// inUse tells whether another process has a file locked, as bbolt does. Until it is closed, none can lock it then.
func inUse(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// Check goes through everything: the pages of the file, what bbolt says of them, whether each value can be read and agrees with the others, and
// the ledger's chain. The store may be at work meanwhile; its writers wait for a part of it.
func (s *Store) Check(progress Progress) (Report, error) {
	report := Report{Problems: []string{}}
	var p problems
	err := guarded(func() error {
		if _, err := s.checkPages(&p, progress.of("checking the pages"), time.Time{}); err != nil || len(p.list) > 0 {
			return err
		}
		if err := s.checkBolt(&p); err != nil || len(p.list) > 0 {
			return err
		}
		return s.View(func(tx *Tx) error {
			report.Bytes, report.Schema = tx.bolt.Size(), tx.schema()
			(&consistency{tx: tx, problems: &p, report: &report, progress: progress}).check()
			return nil
		})
	})
	if errors.Is(err, ErrDamaged) {
		p.add("%v", err)
		err = nil
	}
	report.Problems, report.More = append(report.Problems, p.list...), p.more
	return report, err
}

// checkPages looks at the pages of an open store as they are on the disk. It reports whether it came to their end in time.
func (s *Store) checkPages(p *problems, progress func(done, total int), until time.Time) (whole bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		file, err := os.Open(s.db.Path())
		if err != nil {
			return err
		}
		defer file.Close()
		var first firstBytes      // bbolt tells the transaction's root nowhere but in the first page of a copy
		_, _ = tx.WriteTo(&first) // ends with errEnough
		r, ok := parseRoot(first.page)
		if !ok {
			p.add("the root of the store makes no sense")
			return nil
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		whole = checkPages(file, info.Size(), r, p, progress, until)
		return nil
	})
	return whole, err
}

// errEnough ends a copy of which no more is wanted.
var errEnough = errors.New("enough")

// firstBytes takes what is written to it first.
type firstBytes struct{ page []byte }

func (f *firstBytes) Write(p []byte) (int, error) {
	f.page = bytes.Clone(p)
	return 0, errEnough
}

// checkBolt has bbolt check its pages. It does so in a transaction that writes, though it writes nothing: its list of free pages may not change
// meanwhile.
func (s *Store) checkBolt(p *problems) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		for problem := range tx.Check() {
			p.add("bbolt says: %s", strings.TrimPrefix(problem.Error(), "panic: ")) // which it survives
		}
		return errUnchanged
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// guarded runs what reads a file that may be damaged: pages that are cut off are memory faults, others that make no sense are panics.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, cause)
		}
	}()
	return fn()
}
