package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrLocked is returned by Open when another process has the file.
	ErrLocked = errors.New("the store is in use by another process")
	// ErrNewer is returned by Open when a newer qualifyd wrote the file.
	ErrNewer = errors.New("the store was written by a newer version of qualifyd")
	// ErrMissing is returned by Open when there is no file.
	ErrMissing = errors.New("there is no store")
	// ErrDamaged is returned for a file that makes no sense, or whose parts do not agree.
	ErrDamaged = errors.New("the store is damaged")
	// ErrFull is returned by Update when there was no room on the disk. Nothing of the transaction was kept, and the store can be used on.
	ErrFull = errors.New("the disk has no room for the store")
	// ErrDoubtful is returned by Update when a commit failed otherwise, and from then on: only who opens the store anew knows what was kept.
	ErrDoubtful = errors.New("the store could not be written, and what it kept shows when it is opened again")
)

// lockWait is how long Open waits for another process to let go of the file: longer than a clean exit takes.
const lockWait = 2 * time.Second

// addressSpace is mapped up front, so that a growing file need not wait for its readers. It is address space, not memory.
const addressSpace = 1 << 30

// Store is one open bbolt file.
type Store struct {
	db       *bolt.DB
	atWork   bool        // by OpenToWork
	doubtful atomic.Bool // after ErrDoubtful
}

// Open opens the file at path. It returns ErrMissing, ErrLocked or ErrNewer where these apply; the file's owner and mode stay.
func Open(path string) (s *Store, err error) {
	// bbolt maps the file and trusts it: pages that are cut off are memory faults, others that make no sense are panics.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var db *bolt.DB
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("%s: %w (%v)", path, ErrDamaged, p)
			if db != nil {
				err = errors.Join(err, db.Close())
			}
		}
	}()
	if err := look(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if db, err = open(path); err != nil {
		return nil, err
	}
	if err = check(db); err == nil {
		err = complete(db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// look keeps bbolt from files that it would not survive, or make a store of. A file that another process has is let be.
func look(path string) error {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrMissing
	case err != nil:
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() == 0:
		return fmt.Errorf("%w: the file is empty", ErrDamaged)
	case inUse(file):
		return nil
	}
	return probe(file, info.Size())
}

// Create makes a new store at path and opens it. The file is complete before it gets its name: bbolt's very first write to an empty
// file is the one that a power cut can corrupt.
func Create(path string) (*Store, error) {
	path = resolved(path)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the store: %w", err)
	}
	f, err := newFile(path)
	if err != nil {
		return nil, fmt.Errorf("new store: %w", err)
	}
	temp := f.Name()
	defer os.Remove(temp)
	db, err := open(temp)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := errors.Join(layOut(db), db.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", temp, err)
	}
	// Link, unlike rename, refuses to replace a store that another process made meanwhile.
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("new store: %w", err)
	}
	if err := syncFolder(dir); err != nil {
		return nil, fmt.Errorf("new store: %w", err)
	}
	return Open(path)
}

// OpenOrCreate opens the store at path, or makes it.
func OpenOrCreate(path string) (*Store, error) {
	s, err := Open(path)
	if errors.Is(err, ErrMissing) {
		return Create(path)
	}
	return s, err
}

// Close closes the file. It waits for transactions that are under way.
func (s *Store) Close() error {
	s.rest()
	return s.db.Close()
}

// CopyTo writes a consistent copy of the store to a new file, and opens that one. It replaces no file.
func (s *Store) CopyTo(path string) (*Store, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("copy of the store: %w", err)
	}
	err = s.view(func(tx *bolt.Tx) error { _, err := tx.WriteTo(f); return err })
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("copy of the store: %w", err), os.Remove(path))
	}
	return Open(path)
}

func open(path string) (*bolt.DB, error) {
	var opened *os.File
	defer func() {
		if p := recover(); p != nil { // by a file that makes no sense; bbolt keeps it mapped, and so the lock would stay
			panic(errors.Join(fmt.Errorf("%v", p), syscall.Flock(int(opened.Fd()), syscall.LOCK_UN), opened.Close()))
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockWait, FreelistType: bolt.FreelistMapType, InitialMmapSize: addressSpace,
		OpenFile: func(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
			opened, err = os.OpenFile(name, flag, mode)
			return opened, err
		},
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%s: %w: the file begins like no store, or like one that was overwritten", path, ErrDamaged)
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", path, err)
	case replaced(opened, path): // by who had the lock until now: a restore, a compaction
		if err := db.Close(); err != nil {
			return nil, fmt.Errorf("open store %s: %w", path, err)
		}
		return open(path)
	}
	return db, nil
}

// replaced tells whether another file has taken the place of an open one.
func replaced(opened *os.File, path string) bool {
	was, err := opened.Stat()
	is, errNow := os.Stat(path)
	return err == nil && errNow == nil && !os.SameFile(was, is)
}

func layOut(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(schemaKey, []byte(strconv.Itoa(Schema)))
	})
}

// check makes sure that a file is a whole store which this version can read.
func check(db *bolt.DB) error {
	return db.View(func(tx *bolt.Tx) error {
		if info, err := os.Stat(db.Path()); err != nil || info.Size() < tx.Size() {
			return errors.Join(ErrDamaged, err)
		}
		b := tx.Bucket(metaBucket)
		if b == nil {
			return errors.New("this is no qualifyd store")
		}
		version, err := strconv.Atoi(string(b.Get(schemaKey)))
		switch {
		case err != nil:
			return fmt.Errorf("this is no qualifyd store: schema version %q", b.Get(schemaKey))
		case version > Schema:
			return fmt.Errorf("%w: its schema is %d, this one knows %d", ErrNewer, version, Schema)
		}
		return nil
	})
}

// complete adds the buckets that a store of this schema had not from the beginning. A bucket may also be missing because its name was damaged: then
// there is one of a name that no store has, or the pages make no sense, and nothing is added.
func complete(db *bolt.DB) error {
	var missing [][]byte
	unknown := ""
	err := db.View(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				missing = append(missing, name)
			}
		}
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if !slices.ContainsFunc(buckets, func(known []byte) bool { return bytes.Equal(known, name) }) {
				unknown = shown(name)
			}
			return nil
		})
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	if unknown != "" {
		return fmt.Errorf("%w: it lacks the bucket %s, and has one of the name %s", ErrDamaged, missing[0], unknown)
	}
	var p problems
	if _, err := (&Store{db: db}).checkPages(&p, nil, time.Time{}); err != nil || len(p.list) > 0 {
		return errors.Join(err, Report{Problems: p.list, More: p.more}.Err())
	}
	return db.Update(func(b *bolt.Tx) error {
		for _, name := range missing {
			if _, err := b.CreateBucket(name); err != nil {
				return err
			}
		}
		return newTx(b).indexLedger()
	})
}

// syncFolder makes a new name in a folder survive a power cut.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
