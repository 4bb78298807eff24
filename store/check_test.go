package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"qualifyd/rules"
	"qualifyd/store"
)

// furnishedStore makes a closed store with something of everything, and some more referrals.
func furnishedStore(t *testing.T, more int) (path string) {
	t.Helper()
	path = newPath(t)
	s, err := store.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) error {
		err := furnish(tx)
		for n := range more {
			r := rules.Referral{ID: int64(1000 + n), CampaignID: 101, Code: fmt.Sprint("c", n), Email: fmt.Sprint(n, "@example.com"), Standing: rules.Pending}
			err = errors.Join(err, tx.PutReferral(r), tx.Append(store.Entry{At: at, Act: store.ActJoinAsked, Referral: r.ID}))
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// referralIn reads a referral out of a closed store.
func referralIn(t *testing.T, path string, id int64) (r rules.Referral) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	view(t, s, func(tx *store.Tx) (err error) { r, _, err = tx.Referral(id); return err })
	return r
}

func check(t *testing.T, path string) store.Report {
	t.Helper()
	report, err := store.CheckFile(path, nil)
	if err != nil {
		t.Fatalf("check: got %v, want a report", err)
	}
	return report
}

func TestAWholeStoreHasNoProblems(t *testing.T) {
	path := furnishedStore(t, 2000)
	report := check(t, path)
	same(t, "problems", report.Problems, []string{})
	same(t, "counts", []int{report.Referrals, report.Records, report.Owed, int(report.Ledger.Length)}, []int{2011, 11, 5, 2020})

	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	told := map[string]int{}
	open, err := s.Check(func(work string, done, total int) {
		if told[work]++; done > total {
			t.Errorf("%s: got %d of %d", work, done, total)
		}
	})
	same(t, "the report of an open store", open, report)
	same(t, "its error", err, error(nil))
	same(t, "works told of", len(told), 3)
}

// A check of a store at work reads what is there at one instant, whatever is written meanwhile.
func TestAStoreIsCheckedWhileItIsWrittenTo(t *testing.T) {
	s, err := store.Open(furnishedStore(t, 500))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			s.Update(func(tx *store.Tx) error {
				return tx.PutReferral(rules.Referral{ID: int64(1000 + n%500), Code: fmt.Sprint("new", n), Standing: rules.Pending})
			})
		}
	}()
	for range 20 {
		report, err := s.Check(nil)
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("got %v, %v; want no problem", report.Problems, err)
		}
	}
	close(stop)
	<-stopped
}

// edit changes a closed store behind its back.
func edit(t *testing.T, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func key(id byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, id} }

func TestWhateverDoesNotAgreeIsNamed(t *testing.T) {
	put := func(bucket string, key []byte, value string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, []byte(value)) }
	}
	cut := func(bucket string, key []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			was := b.Get(key)
			return b.Put(key, was[:len(was)-1])
		}
	}
	remove := func(bucket string, key []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete(key) }
	}
	replace := func(bucket string, key []byte, old, new string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			was := b.Get(key)
			if !bytes.Contains(was, []byte(old)) {
				return fmt.Errorf("no %q in %s", old, was)
			}
			return b.Put(key, bytes.Replace(was, []byte(old), []byte(new), 1))
		}
	}
	// referral changes a referral; it is put as schema 1 would, which can be read as well.
	whole := furnishedStore(t, 0)
	referral := func(id byte, change func(*rules.Referral)) func(*bolt.Tx) error {
		r := referralIn(t, whole, int64(id))
		change(&r)
		raw, err := json.Marshal(r)
		return func(tx *bolt.Tx) error { return errors.Join(err, put("referral", key(id), string(raw))(tx)) }
	}
	stands := func(id byte, standing rules.Standing) func(*bolt.Tx) error {
		return referral(id, func(r *rules.Referral) { r.Standing = standing })
	}
	pair := func(text string, id byte) []byte { return append(append([]byte(text), 0), key(id)...) }
	for _, test := range []struct {
		situation string
		edit      func(*bolt.Tx) error
		want      string
	}{
		{"a referral that cannot be read", put("referral", key(1), `{"ID":`), "referral 1 cannot be read"},
		{"one under another's id", referral(1, func(r *rules.Referral) { r.ID = 77 }), "referral 77 is filed under another"},
		{"one that stands nowhere", stands(1, "lost"), `referral 1 stands where none can: "lost"`},
		{"one that breaks off", cut("referral", key(1)), "referral 1 cannot be read: it breaks off"},
		{"one of a schema that is not known", put("referral", key(1), "\x01"), "referral 1 cannot be read: it begins like no value"},
		{"a snapshot that breaks off", cut("snapshot", []byte("00Q000000000005AAA")), `snapshot "00Q000000000005AAA" cannot be read: it breaks off`},
		{"a code that is not found", remove("referral_code", []byte("code5")), "referral 5 is not found by its code"},
		{"a code that leads to another", put("referral_code", []byte("code5"), string(key(1))), "referral 5 is not found by its code"},
		{"a code of nobody", put("referral_code", []byte("old"), string(key(1))), "a code that leads to referral 1 is not its own"},
		{"a code that leads to nobody", put("referral_code", []byte("old"), string(key(77))), "a code that leads to referral 77 is not its own"},
		{"a code that leads nowhere", put("referral_code", []byte("old"), "x"), "referral_code has an entry that leads nowhere"},
		{"an e-mail that is not found", remove("referral_email", pair("ann5@example.com", 5)), "referral 5 is not found by its e-mail address"},
		{"an e-mail of somebody else", put("referral_email", pair("ann5@example.com", 6), ""), "an e-mail address that leads to referral 6 is not its own"},
		{"an e-mail that leads nowhere", put("referral_email", []byte("short"), ""), "referral_email has an entry that leads nowhere"},
		{"a record that is not found", remove("record_referral", pair("00Q000000000005AAA", 5)), "referral 5 is not found by its record 00Q000000000005AAA"},
		{"a record of somebody else", put("record_referral", pair("00Q000000000005AAA", 6), ""), "a record that leads to referral 6 is not its own"},
		{"a snapshot of nobody's record", put("snapshot", []byte("00Q000000000077AAA"), `{"ID":"00Q000000000077AAA"}`), `what was seen of record "00Q000000000077AAA" belongs to no referral`},
		{"a snapshot of another record", put("snapshot", []byte("00Q000000000005AAA"), `{"ID":"00Q000000000006AAA"}`), `what was seen of record "00Q000000000006AAA" is filed under "00Q000000000005AAA"`},
		{"a snapshot that cannot be read", put("snapshot", []byte("00Q000000000005AAA"), "{"), `snapshot "00Q000000000005AAA" cannot be read`},
		{"a qualification that is not in the outbox", remove("outbox", key(3)), "referral 3 is to be qualified, and the outbox has nothing about it"},
		{"a debt without a reason", func(tx *bolt.Tx) error {
			return errors.Join(stands(1, rules.Owed)(tx), put("outbox", key(1), `{"Referral":1,"Campaign":101}`)(tx))
		}, "something is owed about referral 1, and the ledger has no line of why"},
		{"a debt of a pending referral", put("outbox", key(2), `{"Referral":2,"Campaign":101}`), "what is owed about referral 2 does not agree with where it stands (pending)"},
		{"a setting back that is parked", stands(11, rules.Overridden), "what is owed about referral 11 does not agree with where it stands (overridden)"},
		{"a debt of nobody", put("outbox", key(77), `{"Referral":77}`), "something is owed about referral 77, which is not known"},
		{"a debt under another's id", put("outbox", key(77), `{"Referral":5}`), "what is owed about referral 5 is filed under another"},
		{"a debt of another campaign", replace("outbox", key(3), "101", "102"), "what is owed about referral 3 is of campaign 102, and the referral of 101"},
		{"a delivery that the ledger does not know", stands(1, rules.Delivered), "referral 1 was qualified by us, and the ledger has no line of it"},
		{"somebody held who is not listed", remove("held", key(2)), "referral 2 is held, and is not listed among those that wait for a person"},
		{"somebody listed who does not wait", put("held", key(5), `"held_by_brake"`), "referral 5 is listed among those that wait for a person, and is delivered"},
		{"a mark of nobody", put("tojudge", key(77), ""), "tojudge has referral 77, which is not known"},
		{"an odd mark", put("held", []byte("x"), `"held_by_brake"`), "held has an entry that leads nowhere"},
		{"a watermark in the future", put("watermark", []byte("Lead"), `{"At":"2126-11-02T09:30:00Z"}`), "the query Lead was read up to 2126-11-02T09:30:00Z, and Salesforce was last asked at 2026-11-02T09:00:00Z"},
		{"a place to resume that is lost", put("watermark", []byte("Lead"), `{"At":"2026-11-02T09:30:00Z","ResumeStamp":"2026-11-02T09:30:00Z"}`), "the query Lead was left in the middle, and where is not known"},
		{"a campaign that cannot be read", put("campaign", key(101), "?"), "campaign 101 cannot be read"},
		{"an owner that cannot be read", put("meta", []byte("org"), "?"), "cannot be read"},
		{"a ledger line that was changed", replace("ledger", key(3), "Qualified", "Disqualified"), "ledger line 3: its hash is not that of its text"},
		{"a ledger line that is gone", remove("ledger", key(3)), "ledger line 3 is missing"},
		{"a ledger line that is not in the index", remove("ledger_of", append(key(2), key(1)...)), "ledger line 1 is not found by its referral 2"},
		{"an index of lines that are not there", put("ledger_of", append(key(2), key(77)...), ""), "the index of the ledger has"},
	} {
		t.Run(test.situation, func(t *testing.T) {
			path := furnishedStore(t, 0)
			edit(t, path, test.edit)
			got := check(t, path).Problems
			if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, test.want) }) {
				t.Errorf("got %q, want %q among them", got, test.want)
			}
			if address := strings.Index(strings.Join(got, " "), "@"); address >= 0 {
				t.Errorf("got an e-mail address in %q", got)
			}
		})
	}
}

// Bits flip, pages are lost, files are cut, at any place: that is said, or does not matter; and whatever is done with such a file, nothing crashes.
func TestADamagedStoreIsASentenceAndNoCrash(t *testing.T) {
	whole, err := os.ReadFile(furnishedStore(t, 400))
	if err != nil {
		t.Fatal(err)
	}
	used := int(check(t, written(t, whole)).Bytes)
	dice := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		damaged, what := damage(dice, bytes.Clone(whole[:used]))
		path := written(t, damaged)
		report, err := store.CheckFile(path, nil)
		if err != nil {
			t.Errorf("%d, %s: got %v, want a report", n, what, err)
			continue
		}
		if n%20 > 0 {
			continue // the rest is slow: it waits for the disk
		}
		target := filepath.Join(t.TempDir(), "qualifyd.db")
		_, restored := store.Restore(target, path, at, nil)
		_, compacted := store.Compact(path, nil)
		bad := len(report.Problems) > 0
		if bad == (restored == nil) || bad == (compacted == nil) {
			t.Errorf("%d, %s: got problems %q, but restored: %v, compacted: %v", n, what, report.Problems, restored, compacted)
		}
		if s, err := store.OpenToWork(path); err == nil {
			s.Close()
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%d, %s: got %v, want an error with the path", n, what, err)
		}
	}
}

// damage spoils a file somewhere, more often where pages begin, for there it hurts most.
func damage(dice *rand.Rand, file []byte) (damaged []byte, what string) {
	page := os.Getpagesize()
	at := dice.IntN(len(file))
	if dice.IntN(2) == 0 {
		at = at/page*page + dice.IntN(64)
	}
	switch dice.IntN(8) {
	case 0:
		return file[:at], fmt.Sprintf("cut at %d", at)
	case 1:
		clear(file[at/page*page : at/page*page+page])
		return file, fmt.Sprintf("page %d empty", at/page)
	case 2:
		from := dice.IntN(len(file)/page) * page
		copy(file[at/page*page:at/page*page+page], file[from:])
		return file, fmt.Sprintf("page %d in the place of %d", from/page, at/page)
	}
	bit := dice.IntN(8)
	file[at] ^= 1 << bit
	return file, fmt.Sprintf("bit %d of byte %d (of page %d: %d)", bit, at, at/page, at%page)
}

func written(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = newPath(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
