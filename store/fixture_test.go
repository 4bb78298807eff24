package store_test

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"qualifyd/store"
)

var makeFixture = flag.Bool("make-fixture", false, "make the store of this schema in testdata")

// fixture is the file of a store that a version with some schema furnished.
func fixture(schema int) string {
	return filepath.Join("testdata", fmt.Sprintf("schema-%d.db.gz", schema))
}

// A store of each version that there was can be read, and is whole. Who only reads leaves it as it is.
func TestStoresOfEarlierVersionsCanBeRead(t *testing.T) {
	fresh := furnishedStore(t, 0)
	if *makeFixture {
		pack(t, fresh, fixture(store.Schema))
	}
	for schema := 1; schema <= store.Schema; schema++ {
		path := newPath(t)
		unpack(t, fixture(schema), path)
		before := content(t, path)
		got, want := check(t, path), check(t, fresh)
		got.Bytes, want.Bytes, want.Schema = 0, 0, schema
		same(t, "report", got, want)
		same(t, "everything in it", everythingIn(t, path), everythingIn(t, fresh))
		same(t, "it is as it was", content(t, path) == before, true)
	}
}

// What is changed in a store of schema 1 is written as now, in the transaction that also says so: an earlier version refuses it from then on. The
// rest stays as it was, and can be read.
func TestAStoreOfSchema1IsTakenOverAsItIsChanged(t *testing.T) {
	path := newPath(t)
	unpack(t, fixture(1), path)
	change := func(fn func(*store.Tx) error) {
		t.Helper()
		s, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		update(t, s, fn)
	}
	ofSchema1 := map[string]int{"referral": 11, "snapshot": 11}
	change(func(tx *store.Tx) error { _, _, err := tx.Referral(5); return err })
	same(t, "nothing was changed: schema", check(t, path).Schema, 1)

	changed := referralIn(t, path, 5)
	changed.FirstName = "Anna"
	change(func(tx *store.Tx) error { return tx.PutReferral(changed) })
	ofSchema1["referral"]--
	same(t, "one was changed: schema", check(t, path).Schema, store.Schema)
	same(t, "values of schema 1", valuesOfSchema1(t, path), ofSchema1)
	same(t, "the one that was changed", referralIn(t, path, 5), changed)
	same(t, "problems", check(t, path).Problems, []string{})

	changed.FirstName = "Ann"
	change(func(tx *store.Tx) error { return tx.PutReferral(changed) })
	same(t, "everything in it", everythingIn(t, path), everythingIn(t, furnishedStore(t, 0)))
}

func TestAStoreOfSchema1IsTakenOverByWhoWorksOnIt(t *testing.T) {
	path := newPath(t)
	unpack(t, fixture(1), path)
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "schema", check(t, path).Schema, store.Schema)
	same(t, "values of schema 1", valuesOfSchema1(t, path), map[string]int{"referral": 11, "snapshot": 11})
}

func TestACompactionTakesAStoreOfSchema1Over(t *testing.T) {
	path := newPath(t)
	unpack(t, fixture(1), path)
	done, err := store.Compact(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "schema", done.Schema, store.Schema)
	same(t, "values of schema 1", valuesOfSchema1(t, path), map[string]int{})
	same(t, "everything in it", everythingIn(t, path), everythingIn(t, furnishedStore(t, 0)))
}

// valuesOfSchema1 counts, by bucket, the referrals and snapshots that are JSON.
func valuesOfSchema1(t *testing.T, path string) map[string]int {
	t.Helper()
	n := map[string]int{}
	edit(t, path, func(tx *bolt.Tx) error {
		for _, name := range []string{"referral", "snapshot"} {
			err := tx.Bucket([]byte(name)).ForEach(func(_, v []byte) error {
				if v[0] == '{' {
					n[name]++
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n
}

func pack(t *testing.T, path, fixture string) {
	small := filepath.Join(t.TempDir(), "small.db")
	if _, err := backup(t, path, small, false); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fixture, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, content(t, small))
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, fixture, path string) {
	f, err := os.Open(fixture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err := errors.Join(err, os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// everythingIn reads a store by all that a Tx can be asked.
func everythingIn(t *testing.T, path string) (all []any) {
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	view(t, s, func(tx *store.Tx) error {
		add := func(value any, err error) {
			if err != nil {
				t.Error(err)
			}
			all = append(all, value)
		}
		add(tx.Owner())
		add(tx.Campaign(101))
		add(tx.Campaign(102))
		add(tx.Watermark("Lead"))
		add(tx.Watermark("LeadHistory"))
		var described map[string]string
		_, err := tx.Describe("Lead", &described)
		add(described, err)
		add(tx.Calls(at))
		add(tx.Run("poll"))
		add(tx.ToRead())
		add(tx.Reading("00Q000000000009AAA"))
		intent, _, err := tx.Intent(1)
		add(intent, err)
		add(tx.Held())
		add(tx.Debts())
		add([][]int64{tx.ToJoin(), tx.ToJudge(-1, 0)}, nil)
		for _, r := range furnished {
			one, _, err := tx.Referral(r.id)
			add(one, err)
			add(tx.Records(one))
			add(tx.LedgerOf(r.id))
			add([]any{tx.ReferralByCode(one.Code), tx.ReferralsByEmail(one.Email), tx.ReferralsByRecord(one.Links[0].RecordID)}, nil)
		}
		add(nil, tx.Outlines(func(o store.Outline) error { add(o, nil); return nil }))
		return tx.Ledger(0, func(e store.Entry) error { add(e, nil); return nil })
	})
	return all
}
