package store_test

import (
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"qualifyd/store"
)

var makeFixture = flag.Bool("make-fixture", false, "make the store of this schema in testdata")

// A store of each version that there was can be read, and is whole.
func TestStoresOfEarlierVersionsCanBeRead(t *testing.T) {
	fixture := filepath.Join("testdata", "schema-1.db.gz")
	fresh := furnishedStore(t, 0)
	if *makeFixture {
		pack(t, fresh, fixture)
	}
	path := newPath(t)
	unpack(t, fixture, path)
	got, want := check(t, path), check(t, fresh)
	got.Bytes, want.Bytes = 0, 0
	same(t, "report", got, want)
	same(t, "everything in it", everythingIn(t, path), everythingIn(t, fresh))
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
		return tx.Ledger(0, func(e store.Entry) error { add(e, nil); return nil })
	})
	return all
}
