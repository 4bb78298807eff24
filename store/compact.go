package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// Compacted is what a compaction did.
type Compacted struct {
	Report
	Before, After int64 // bytes of the file
}

// Compact writes the store at path, which nobody may have open, into a new file without what is free, and puts that in its place once it is
// found to hold the same. Until then, and when anything goes wrong, path has what it had before.
func Compact(path string, progress Progress) (done Compacted, err error) {
	path = resolved(path)
	s, err := Open(path) // as long as it is open nobody else has it
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if done.Report, err = s.Check(progress); err == nil {
		err = done.Err()
	}
	if err != nil {
		return done, fmt.Errorf("nothing is compacted: %w", err)
	}
	temp, err := fill(path, func(io.Writer) error { return nil })
	if err != nil {
		return done, fmt.Errorf("compact the store: %w", err)
	}
	defer os.Remove(temp)
	if done.Report, err = s.compactTo(temp, progress); err == nil {
		done.Before, done.After = size(path), size(temp)
		err = ownLike(temp, path)
	}
	if err == nil {
		err = name(temp, path, true)
	}
	if err != nil {
		return done, fmt.Errorf("compact the store: %w", err)
	}
	return done, nil
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// compactTo copies the store into an empty file, and makes sure that it then holds the same.
func (s *Store) compactTo(path string, progress Progress) (Report, error) {
	target, err := open(path)
	if err != nil {
		return Report{}, err
	}
	target.AllocSize = megabyte // by which the file grows
	sum, err := s.copyTo(target, progress.of("compacting"))
	if err = errors.Join(err, target.Close()); err != nil {
		return Report{}, err
	}
	report, err := CheckFile(path, progress)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return report, err
	}
	copied, err := Open(path)
	if err != nil {
		return report, err
	}
	again := digest{sha256.New()}
	err = copied.db.View(func(tx *bolt.Tx) error { return walk(tx, again.add) })
	if err == nil && !bytes.Equal(again.Sum(nil), sum) {
		err = errors.New("the copy does not hold what the store holds")
	}
	return report, errors.Join(err, copied.Close())
}

// copyTo copies everything into an empty file, and returns the digest of it.
func (s *Store) copyTo(target *bolt.DB, told func(done, total int)) ([]byte, error) {
	if err := layOut(target); err != nil {
		return nil, err
	}
	sum, c := digest{sha256.New()}, copier{target: target}
	err := s.db.View(func(tx *bolt.Tx) error {
		total := int(tx.Size() / megabyte)
		return walk(tx, func(bucket, k, v []byte) error {
			v, err := renewed(bucket, k, v)
			if err := errors.Join(err, sum.add(bucket, k, v), c.put(bucket, k, v)); err != nil {
				return err
			}
			told(int(c.copied/megabyte), total)
			return nil
		})
	})
	return sum.Sum(nil), errors.Join(err, c.end(err == nil))
}

// renewed is a value as it is written in this schema.
func renewed(bucket, k, v []byte) ([]byte, error) {
	var c coder
	switch {
	case bytes.Equal(bucket, metaBucket) && bytes.Equal(k, schemaKey):
		return []byte(strconv.Itoa(Schema)), nil
	case !ofSchema1(v):
	case bytes.Equal(bucket, referralBucket):
		r, err := c.readReferral(v)
		if err != nil {
			return nil, err
		}
		return c.writeReferral(&r)
	case bytes.Equal(bucket, snapshotBucket):
		s, err := c.readSnapshot(v)
		if err != nil {
			return nil, err
		}
		return c.writeSnapshot(&s)
	}
	return v, nil
}

// walk goes through all keys and values, in order.
func walk(tx *bolt.Tx, fn func(bucket, k, v []byte) error) error {
	return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error { return fn(name, k, v) })
	})
}

const megabyte = 1 << 20

// copier writes keys and values in large transactions.
type copier struct {
	target  *bolt.DB
	tx      *bolt.Tx
	pending int   // bytes of the transaction under way
	copied  int64 // bytes of all of them
}

const (
	// atOnce is how many bytes are copied in one transaction.
	atOnce = 64 * megabyte
	// filled is how full a page is made: a little room spares the first changes to it.
	filled = 0.9
)

// put writes a pair, whose bytes have to stay until end.
func (c *copier) put(bucket, k, v []byte) (err error) {
	if c.tx == nil {
		if c.tx, err = c.target.Begin(true); err != nil {
			return err
		}
	}
	b, err := c.tx.CreateBucketIfNotExists(bucket)
	if err != nil {
		return err
	}
	b.FillPercent = filled
	if err := b.Put(k, v); err != nil {
		return err
	}
	c.pending += len(k) + len(v)
	c.copied += int64(len(k) + len(v))
	if c.pending < atOnce {
		return nil
	}
	return c.end(true)
}

func (c *copier) end(keep bool) error {
	tx := c.tx
	c.tx, c.pending = nil, 0
	switch {
	case tx == nil:
		return nil
	case keep:
		return tx.Commit()
	}
	return tx.Rollback()
}

// digest is of keys and values: stores that hold the same have the same, wherever in their files it lies.
type digest struct{ hash.Hash }

func (d digest) add(bucket, k, v []byte) error {
	for _, part := range [][]byte{bucket, k, v} {
		d.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // a hash takes everything
		d.Write(part)
	}
	return nil
}
