package store

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// atRestKey in meta is true from when a process that had worked on the store closed it to when the next begins: after a crash or a power cut it is not,
// nor where a damage has hit it.
var atRestKey = []byte("at_rest")

// quickWithin is how long the check at a start may take; what it did not come to is taken to be whole. A store of a million referrals (740 MB)
// takes a second or two.
const quickWithin = 20 * time.Second

// OpenToWork opens the store at path, or makes it, for the process that polls and delivers. Where the process before it did not close the store,
// it is checked first; a damaged one is refused, and stays as it is.
func OpenToWork(path string) (*Store, error) {
	s, err := OpenOrCreate(path)
	if err != nil {
		return nil, err
	}
	return s.toWork(path)
}

// OpenThereToWork is OpenToWork for a store that has to be there.
func OpenThereToWork(path string) (*Store, error) {
	s, err := Open(path)
	if err != nil {
		return nil, err
	}
	return s.toWork(path)
}

func (s *Store) toWork(path string) (*Store, error) {
	err := s.checkAfterCrash()
	if err == nil {
		err = s.Update(func(tx *Tx) error { return tx.write(metaBucket, atRestKey, []byte("false")) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	s.atWork = true
	return s, nil
}

// checkAfterCrash checks a store that was not closed: its pages, and what of the rest costs little.
func (s *Store) checkAfterCrash() error {
	var p problems
	err := guarded(func() error {
		closed := false
		if err := s.View(func(tx *Tx) error { closed = string(tx.value(metaBucket, atRestKey)) == "true"; return nil }); err != nil || closed {
			return err
		}
		if _, err := s.checkPages(&p, nil, time.Now().Add(quickWithin)); err != nil || len(p.list) > 0 {
			return err
		}
		return s.View(func(tx *Tx) error {
			(&consistency{tx: tx, problems: &p, report: &Report{}}).quick()
			return nil
		})
	})
	if err == nil {
		err = Report{Problems: p.list, More: p.more}.Err()
	}
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("qualifyd ended without closing the store, and then: %w; nothing was changed, and qualifyd store check says more", err)
	}
	return err
}

// rest notes that whoever worked on the store closes it. One whose last commit may have failed gets no such mark, nor one that cannot be written: that only
// costs a check at the next start.
func (s *Store) rest() {
	if s.atWork && !s.doubtful.Load() {
		_ = s.update(func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Put(atRestKey, []byte("true")) })
	}
}
