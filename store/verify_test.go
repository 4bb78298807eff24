package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"qualifyd/store"
)

// forged is a line with a change, and with the hash that fits it then.
func forged(t *testing.T, line []byte, old, new string) []byte {
	t.Helper()
	text := string(line)
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in %s", old, text)
	}
	text = strings.Replace(text, old, new, 1)
	text = text[:len(text)-66] + `"}`
	sum := sha256.Sum256([]byte(text))
	return []byte(text[:len(text)-2] + hex.EncodeToString(sum[:]) + `"}`)
}

// Who can write the file can give a line the hash that fits it. The lines around it tell.
func TestALedgerLineThatWasForgedIsNamed(t *testing.T) {
	for _, test := range []struct{ situation, old, new, want string }{
		{"another outcome", `"qualified"`, `"not"`, "ledger line 4: it does not follow from the line before"},
		{"another number", `"Number":3`, `"Number":5`, "ledger line 3: it says that it is line 5"},
		{"another line before", `"Previous":"`, `"Previous":"0`, "ledger line 3: it does not follow from the line before"},
		{"two hashes", `"Number":3`, `"Number":3,"Hash":"","Hash ":""`, "ledger line 4: it does not follow from the line before"},
		{"a hash of another name", `"Hash":"`, `"Hush":"`, "ledger line 3: its hash is not that of its text"},
		{"no JSON", `{"Number"`, `{"Number`, "ledger line 3: it cannot be read"},
	} {
		path := furnishedStore(t, 0)
		edit(t, path, func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("ledger"))
			return b.Put(key(3), forged(t, b.Get(key(3)), test.old, test.new))
		})
		s, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(func(tx *store.Tx) error { _, err := tx.VerifyLedger(nil); return err })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.situation, err, test.want)
		}
		s.Close()
	}
}

// A program that does not know what a later version writes into a line can verify it all the same.
func TestALineWithFieldsOfALaterVersionIsWhole(t *testing.T) {
	path := furnishedStore(t, 0)
	edit(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("ledger"))
		return b.Put(key(20), forged(t, b.Get(key(20)), `"Previous"`, `"Later":{"x":1},"Previous"`))
	})
	same(t, "problems", check(t, path).Problems, []string{})
}
