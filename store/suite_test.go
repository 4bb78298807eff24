package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
	"qualifyd/store"
)

func TestBboltKeepsTheContract(t *testing.T) { suite(t, newStore) }

// suite states what every implementation of store.Tx promises. open makes a new store and closes it when the test ends.
func suite(t *testing.T, open func(*testing.T) *store.Store) {
	for _, test := range []struct {
		promise string
		check   func(*testing.T, *store.Store)
	}{
		{"a referral is found by its code, e-mail and records", aReferralIsFound},
		{"the ways to a referral follow its changes", waysFollowChanges},
		{"two referrals that swap codes keep them", swappedCodes},
		{"referrals with one e-mail or record are all found", sharedEmailAndRecord},
		{"odd bytes are bytes like others", oddBytes},
		{"a long random history leaves the ways in step", randomHistory},
		{"referrals are told in the order of their ids", referralsInOrder},
		{"a snapshot stays while anybody links its record", snapshotsOfLinkedRecords},
		{"records come in the order of the links", recordsOfAReferral},
		{"marks are set once and taken away", marks},
		{"claims of several reads add up", readsAddUp},
		{"held referrals are listed by reason", heldByReason},
		{"an intent stays until it is dropped", intents},
		{"a referral has one debt at most", outbox},
		{"a debt to set somebody back is kept as it was put", undoneDebts},
		{"a watermark never moves back", watermarks},
		{"sweeps are numbered from 1", sweeps},
		{"a campaign starts with nothing but its id", campaigns},
		{"a new store has no owner", owner},
		{"a describe is kept as it was put", describes},
		{"calls are counted by the hour for a day", calls},
		{"counts of calls are forgotten after a day and an hour", callsForgotten},
		{"the ledger numbers its entries and reads on from any", ledgerNumbers},
		{"the ledger's hashes chain", ledgerChain},
		{"the ledger shows every changed field", ledgerTampering},
		{"the ledger can be verified whatever was typed", ledgerOddText},
		{"the ledger names nobody's e-mail", ledgerWithoutEmail},
		{"a referral's entries of the ledger are found", ledgerOfOne},
		{"a failed transaction leaves nothing", rollback},
		{"a panic leaves nothing, and the store usable", rollbackOfAPanic},
		{"values outlive their transaction", valuesOutlive},
	} {
		t.Run(test.promise, func(t *testing.T) { test.check(t, open(t)) })
	}
}

// at is the service time of most tests.
var at = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
	if err != nil {
		t.Fatalf("create: got %v, want a store", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t *testing.T, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Update(fn); err != nil {
		t.Fatalf("update: got %v, want no error", err)
	}
}

func view(t *testing.T, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatalf("view: got %v, want no error", err)
	}
}

// put stores referrals, each in a transaction of its own.
func put(t *testing.T, s *store.Store, referrals ...rules.Referral) {
	t.Helper()
	for _, r := range referrals {
		update(t, s, func(tx *store.Tx) error { return tx.PutReferral(r) })
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: got %+v, want %+v\n%s", what, got, want, diff)
	}
}

// links are links by e-mail to Leads.
func links(recordIDs ...string) []rules.Link {
	var out []rules.Link
	for _, id := range recordIDs {
		out = append(out, rules.Link{Object: rules.Lead, RecordID: id, Kinds: rules.Kinds{rules.ByEmail}})
	}
	return out
}

func watermarks(t *testing.T, s *store.Store) {
	mark := func(want store.Watermark) {
		t.Helper()
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Watermark("Lead")
			same(t, "watermark", got, want)
			return err
		})
	}
	set := func(w store.Watermark) {
		t.Helper()
		update(t, s, func(tx *store.Tx) error { return tx.SetWatermark("Lead", w) })
	}
	mark(store.Watermark{})
	set(store.Watermark{At: at})
	mark(store.Watermark{At: at})
	set(store.Watermark{At: at.Add(-time.Second)})
	mark(store.Watermark{At: at})

	middle := store.Watermark{At: at.Add(-time.Hour), ResumeStamp: at, ResumeID: "00Q1", Bound: at.Add(time.Minute)}
	same(t, "resuming", middle.Resuming(), true)
	set(middle)
	middle.At = at
	mark(middle)

	end := store.Watermark{At: at.Add(time.Minute)}
	same(t, "resuming", end.Resuming(), false)
	set(end)
	mark(end)
	view(t, s, func(tx *store.Tx) error {
		other, err := tx.Watermark("Contact")
		same(t, "watermark of another query", other, store.Watermark{})
		return err
	})
}

func sweeps(t *testing.T, s *store.Store) {
	for want := range uint64(3) {
		update(t, s, func(tx *store.Tx) error {
			got, err := tx.BeginSweep()
			same(t, "sweep", got, want+1)
			return err
		})
	}
}

func campaigns(t *testing.T, s *store.Store) {
	campaign := store.Campaign{ID: 101, Fingerprint: "f", Effective: at, FirstSweep: 1, Sweeps: []time.Time{at}, Brake: []time.Time{at}, Parked: "value_unknown"}
	update(t, s, func(tx *store.Tx) error { return tx.PutCampaign(campaign) })
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Campaign(101)
		same(t, "campaign 101", got, campaign)
		fresh, errFresh := tx.Campaign(102)
		same(t, "campaign 102", fresh, store.Campaign{ID: 102})
		return errors.Join(err, errFresh)
	})
}

func owner(t *testing.T, s *store.Store) {
	theirs := store.Owner{OrgID: "00D000000000001EAA", Sandbox: true, CallLimit: 100_000, Account: "abc", AccountKey: []byte{0, 255}}
	for _, want := range []store.Owner{{}, theirs} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Owner()
			same(t, "owner", got, want)
			return err
		})
		update(t, s, func(tx *store.Tx) error { return tx.SetOwner(theirs) })
	}
}

func describes(t *testing.T, s *store.Store) {
	type described struct {
		At     time.Time
		Fields map[string]string
	}
	want := described{at, map[string]string{"Status": "picklist"}}
	update(t, s, func(tx *store.Tx) error { return tx.PutDescribe("Lead", want) })
	view(t, s, func(tx *store.Tx) error {
		var got, none described
		found, err := tx.Describe("Lead", &got)
		same(t, "Lead", got, want)
		same(t, "Lead is there", found, true)
		found, errNone := tx.Describe("Contact", &none)
		same(t, "Contact is there", found, false)
		return errors.Join(err, errNone)
	})
}

func calls(t *testing.T, s *store.Store) {
	add := func(when time.Time, n int) {
		update(t, s, func(tx *store.Tx) error { return tx.AddCalls(when, n) })
	}
	add(at, 2)
	add(at.Add(time.Minute), 3) // the same hour
	add(at.In(time.FixedZone("", 7200)), 5)
	add(at.Add(23*time.Hour), 10)
	for _, test := range []struct {
		when time.Time
		want int
	}{
		{at, 20}, // to the hour, and whatever came after
		{at.Add(23 * time.Hour), 20},
		{at.Add(24*time.Hour + 29*time.Minute), 20},
		{at.Add(24*time.Hour + 30*time.Minute), 10},
		{at.Add(48 * time.Hour), 0},
		{at.Add(-3 * 24 * time.Hour), 0}, // told by a wrong clock
	} {
		view(t, s, func(tx *store.Tx) error {
			got, err := tx.Calls(test.when)
			same(t, "calls in the day before "+test.when.Format(time.DateTime), got, test.want)
			return err
		})
	}
}

func callsForgotten(t *testing.T, s *store.Store) {
	const days = 3
	for hour := range days * 24 {
		update(t, s, func(tx *store.Tx) error { return tx.AddCalls(at.Add(time.Duration(hour)*time.Hour), 1) })
	}
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Calls(at.Add(47 * time.Hour)) // the whole history, if it is there
		same(t, "counts kept", got, 26)
		return err
	})
}

func rollback(t *testing.T, s *store.Store) {
	put(t, s, rules.Referral{ID: 1, Code: "aaa", Email: "ann@example.com", Links: links("00Q1")})
	update(t, s, func(tx *store.Tx) error { return tx.PutSnapshot("00Q1", rules.Snapshot{Absent: true}) })
	failure := errors.New("broken off")
	err := s.Update(func(tx *store.Tx) error { return errors.Join(everything(tx), failure) })
	same(t, "the error comes back", errors.Is(err, failure), true)
	nothingOfEverything(t, s)
}

func rollbackOfAPanic(t *testing.T, s *store.Store) {
	put(t, s, rules.Referral{ID: 1, Code: "aaa", Email: "ann@example.com", Links: links("00Q1")})
	update(t, s, func(tx *store.Tx) error { return tx.PutSnapshot("00Q1", rules.Snapshot{Absent: true}) })
	func() {
		defer func() { same(t, "the panic comes through", recover(), any("broken off")) }()
		s.Update(func(tx *store.Tx) error {
			if err := everything(tx); err != nil {
				t.Error(err)
			}
			panic("broken off")
		})
	}()
	nothingOfEverything(t, s)
}

// everything changes referral 1, which unlinks its record, and whatever else a Tx can change.
func everything(tx *store.Tx) error {
	_, err := tx.BeginSweep()
	return errors.Join(err,
		tx.PutReferral(rules.Referral{ID: 1, Code: "bbb", Email: "bob@example.com"}),
		tx.PutReferral(rules.Referral{ID: 2, Code: "ccc"}),
		tx.Join(1), tx.Judge(1), tx.Hold(1, rules.HeldByBrake), tx.Read("00Q1", rules.Lead, nil),
		tx.PutIntent(1, store.Intent{}), tx.Owe(store.Debt{Referral: 1}), tx.Append(store.Entry{}),
		tx.SetWatermark("Lead", store.Watermark{At: at}), tx.PutCampaign(store.Campaign{ID: 101, Fingerprint: "f"}),
		tx.SetOwner(store.Owner{OrgID: "00D"}), tx.PutDescribe("Lead", 1), tx.AddCalls(at, 1))
}

// nothingOfEverything checks that everything was undone.
func nothingOfEverything(t *testing.T, s *store.Store) {
	t.Helper()
	view(t, s, func(tx *store.Tx) error {
		r, _, err := tx.Referral(1)
		_, kept, errKept := tx.Snapshot("00Q1")
		_, two, errTwo := tx.Referral(2)
		same(t, "referral 1", r.Code, "aaa")
		same(t, "by code", []int64{tx.ReferralByCode("aaa"), tx.ReferralByCode("bbb"), tx.ReferralByCode("ccc")}, []int64{1, 0, 0})
		same(t, "by e-mail", append(tx.ReferralsByEmail("ann@example.com"), tx.ReferralsByEmail("bob@example.com")...), []int64{1})
		same(t, "by record", tx.ReferralsByRecord("00Q1"), []int64{1})
		same(t, "snapshot kept", kept, true)
		same(t, "referral 2", two, false)
		same(t, "marks", append(tx.ToJoin(), tx.ToJudge(-1, 0)...), []int64(nil))
		same(t, "ledger", tx.LedgerLength(), uint64(0))
		return errors.Join(err, errKept, errTwo)
	})
	view(t, s, func(tx *store.Tx) error {
		held, errHeld := tx.Held()
		read, errRead := tx.ToRead()
		_, intent, errIntent := tx.Intent(1)
		debts, errDebts := tx.Debts()
		mark, errMark := tx.Watermark("Lead")
		campaign, errCampaign := tx.Campaign(101)
		owner, errOwner := tx.Owner()
		described, errDescribed := tx.Describe("Lead", new(int))
		calls, errCalls := tx.Calls(at)
		same(t, "held, to read, debts", []int{len(held), len(read), len(debts), calls}, []int{0, 0, 0, 0})
		same(t, "intent, describe", []bool{intent, described}, []bool{false, false})
		same(t, "watermark", mark, store.Watermark{})
		same(t, "campaign", campaign, store.Campaign{ID: 101})
		same(t, "owner", owner, store.Owner{})
		return errors.Join(errHeld, errRead, errIntent, errDebts, errMark, errCampaign, errOwner, errDescribed, errCalls)
	})
	update(t, s, func(tx *store.Tx) error {
		sweep, err := tx.BeginSweep()
		same(t, "sweep", sweep, uint64(1))
		return err
	})
}
