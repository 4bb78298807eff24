package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// ledger reads all entries after a number.
func ledger(t *testing.T, s *store.Store, after uint64) (entries []store.Entry) {
	t.Helper()
	view(t, s, func(tx *store.Tx) error {
		return tx.Ledger(after, func(e store.Entry) error { entries = append(entries, e); return nil })
	})
	return entries
}

// broken is the number of the first entry that does not fit what it says of itself or the one before, as anybody can work it out from an
// export: the hash is that of the entry's JSON with an empty Hash. 0: the chain is whole.
func broken(entries []store.Entry) uint64 {
	previous := ""
	for i, e := range entries {
		want := e.Hash
		e.Hash = ""
		raw, err := json.Marshal(e)
		if sum := sha256.Sum256(raw); err != nil || hex.EncodeToString(sum[:]) != want || e.Previous != previous || e.Number != uint64(i)+1 {
			return uint64(i) + 1
		}
		previous = want
	}
	return 0
}

func anEntry(n int) store.Entry {
	return store.Entry{
		At: at.Add(time.Duration(n) * time.Hour), Act: store.ActJudged, Campaign: 101, Referral: int64(n), Outcome: rules.Qualified, Reason: rules.QualifiedByRule,
		Evidence: []rules.Transition{{Object: rules.Lead, RecordID: "00Q1", Field: "Status", From: "Working", To: "Qualified", At: at, Proof: rules.ByHistory, RowID: "0171"}},
		Record:   "00Q1", Who: "ann", Note: "<seen & agreed>",
	}
}

// write appends entries in transactions of two.
func write(t *testing.T, s *store.Store, entries ...store.Entry) {
	t.Helper()
	for len(entries) > 0 {
		n := min(2, len(entries))
		update(t, s, func(tx *store.Tx) error {
			var err error
			for _, e := range entries[:n] {
				err = errors.Join(err, tx.Append(e))
			}
			return err
		})
		entries = entries[n:]
	}
}

func length(t *testing.T, s *store.Store) (n uint64) {
	view(t, s, func(tx *store.Tx) error { n = tx.LedgerLength(); return nil })
	return n
}

func ledgerNumbers(t *testing.T, s *store.Store) {
	same(t, "length of a new ledger", length(t, s), uint64(0))
	for n := range 300 { // beyond one byte
		write(t, s, store.Entry{Act: store.ActPinned, Referral: int64(n)})
	}
	same(t, "length", length(t, s), uint64(300))
	for _, after := range []uint64{0, 1, 255, 256, 299} {
		entries := ledger(t, s, after)
		same(t, fmt.Sprint("entries after ", after), len(entries), int(300-after))
		same(t, fmt.Sprint("first entry after ", after), entries[0].Number, after+1)
	}
	same(t, "entries after the last", len(ledger(t, s, 300)), 0)

	enough, told := errors.New("enough"), 0
	err := s.View(func(tx *store.Tx) error {
		return tx.Ledger(10, func(store.Entry) error { told++; return enough })
	})
	same(t, "the error of fn comes back", errors.Is(err, enough), true)
	same(t, "entries until an error", told, 1)
}

func ledgerChain(t *testing.T, s *store.Store) {
	local := anEntry(3)
	local.At = at.In(time.FixedZone("", 2*3600)).Add(123456789)
	write(t, s, anEntry(1), anEntry(2), local, store.Entry{}, store.Entry{Evidence: []rules.Transition{}})
	s.Update(func(tx *store.Tx) error { return errors.Join(tx.Append(anEntry(9)), errors.New("broken off")) })
	foreign := anEntry(4) // taken from somewhere else: it gets a place of its own
	foreign.Number, foreign.Previous, foreign.Hash = 77, "77", "77"
	write(t, s, foreign)
	entries := ledger(t, s, 0)
	same(t, "entries", len(entries), 6)
	same(t, "first broken entry", broken(entries), uint64(0))
	got := entries[1]
	got.Number, got.Previous, got.Hash = 0, "", ""
	same(t, "an entry, apart from its place", got, anEntry(2))
}

func ledgerTampering(t *testing.T, s *store.Store) {
	first := anEntry(1)
	first.Number, first.Previous = 5, "somebody's" // filled in anew, in an empty ledger too
	write(t, s, first, anEntry(2), anEntry(3))
	entries := ledger(t, s, 0)
	same(t, "first broken entry", broken(entries), uint64(0))
	for i := range reflect.TypeFor[store.Entry]().NumField() {
		changed := append([]store.Entry(nil), entries...)
		field := reflect.ValueOf(&changed[1]).Elem().Field(i)
		field.Set(another(field))
		same(t, "first broken entry when another "+reflect.TypeFor[store.Entry]().Field(i).Name+" is in the second", broken(changed), uint64(2))
	}
	same(t, "first broken entry when the second is gone", broken([]store.Entry{entries[0], entries[2]}), uint64(2))
	same(t, "first broken entry when the first is gone", broken(entries[1:]), uint64(1))
	same(t, "first broken entry when two changed places", broken([]store.Entry{entries[0], entries[2], entries[1]}), uint64(2))
}

// another is a value of the same type that differs in as little as can be.
func another(v reflect.Value) reflect.Value {
	switch v := v.Interface().(type) {
	case time.Time:
		return reflect.ValueOf(v.Add(1))
	case []rules.Transition:
		changed := append([]rules.Transition(nil), v...)
		changed[0].To += "!"
		return reflect.ValueOf(changed)
	}
	next := reflect.New(v.Type()).Elem()
	switch {
	case v.CanInt():
		next.SetInt(v.Int() + 1)
	case v.CanUint():
		next.SetUint(v.Uint() + 1)
	default:
		next.SetString(v.String() + "!")
	}
	return next
}

// A terminal of another encoding hands over bytes that are no UTF-8; JSON writes them differently the first and the second time.
func ledgerOddText(t *testing.T, s *store.Store) {
	write(t, s, store.Entry{Act: store.ActPinned, Who: "J\xfcrgen", Note: "gepr\xfcft \x00 \u2028 \ufffd <>&"}, anEntry(2))
	entries := ledger(t, s, 0)
	same(t, "first broken entry", broken(entries), uint64(0))
	same(t, "note", entries[0].Note, "gepr\ufffdft \x00 \u2028 \ufffd <>&")
}

func ledgerWithoutEmail(t *testing.T, s *store.Store) {
	r := rules.Referral{ID: 1, CampaignID: 101, FirstName: "Ann", Email: "ann@example.com", Code: "ueONFmUp", Verdict: rules.Verdict{Outcome: rules.Qualified, Evidence: anEntry(1).Evidence}}
	put(t, s, r)
	write(t, s, store.Entry{At: at, Act: store.ActJudged, Campaign: r.CampaignID, Referral: r.ID, Outcome: r.Verdict.Outcome, Reason: r.Verdict.Reason, Evidence: r.Verdict.Evidence})
	raw, err := json.Marshal(ledger(t, s, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"@", "Ann", r.Code} {
		same(t, fmt.Sprintf("%q in %s", personal, raw), strings.Contains(string(raw), personal), false)
	}
}

func ledgerOfOne(t *testing.T, s *store.Store) {
	of := func(id int64) (numbers []uint64) {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			entries, err := tx.LedgerOf(id)
			for _, e := range entries {
				numbers = append(numbers, e.Number)
				same(t, "whose the entry is", e.Referral, id)
			}
			return err
		})
		return numbers
	}
	same(t, "in an empty ledger", of(1), []uint64(nil))
	for n := range 300 {
		write(t, s, store.Entry{Act: store.ActPinned, Referral: []int64{1, 2, 256, 0}[n%4]})
	}
	same(t, "entries of 1", len(of(1)), 75)
	same(t, "the first entries of 2", of(2)[:3], []uint64{2, 6, 10})
	same(t, "the last entry of 256", of(256)[74], uint64(299))
	same(t, "entries about no referral are nobody's", of(0), []uint64(nil))
	same(t, "entries of somebody unknown", of(3), []uint64(nil))
	// As the store stands within a transaction that is not committed yet.
	update(t, s, func(tx *store.Tx) error {
		err := tx.Append(store.Entry{Act: store.ActJudged, Referral: 3})
		entries, err2 := tx.LedgerOf(3)
		same(t, "entries in the transaction that appends", len(entries), 1)
		return errors.Join(err, err2)
	})
}
