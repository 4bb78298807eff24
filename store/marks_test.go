package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

func marks(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.Join(7), tx.Judge(300), tx.Judge(2), tx.Judge(1), tx.Judge(2), tx.Judged(9), tx.Joined(9))
	})
	view(t, s, func(tx *store.Tx) error {
		same(t, "to join", tx.ToJoin(), []int64{7})
		same(t, "to judge", tx.ToJudge(-1, 0), []int64{1, 2, 300})
		same(t, "to judge, two at most", tx.ToJudge(-1, 2), []int64{1, 2})
		same(t, "to judge, ten at most", tx.ToJudge(-1, 10), []int64{1, 2, 300})
		return nil
	})
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.Joined(7), tx.Judged(2)) })
	view(t, s, func(tx *store.Tx) error {
		same(t, "to join", tx.ToJoin(), []int64(nil))
		same(t, "to judge", tx.ToJudge(-1, 0), []int64{1, 300})
		return nil
	})
}

func readsAddUp(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.Read("00Q1", rules.Lead, nil),
			tx.Read("00Q1", rules.Lead, map[int64]rules.Kinds{1: {rules.ByEmail}}),
			tx.Read("00Q1", rules.Lead, map[int64]rules.Kinds{1: {rules.ByCode, rules.ByEmail}, 2: {rules.Pinned}}),
			tx.Read("00Q1", rules.Lead, nil),
			tx.Read("0031", rules.Contact, map[int64]rules.Kinds{}),
			tx.Read("00Q0", rules.Lead, nil))
	})
	view(t, s, func(tx *store.Tx) error {
		all, err := tx.ToRead()
		same(t, "to read", all, map[rules.Object][]string{rules.Lead: {"00Q0", "00Q1"}, rules.Contact: {"0031"}})
		one, errOne := tx.Reading("00Q1")
		same(t, "claims", one, store.Reading{Object: rules.Lead, Claims: map[int64]rules.Kinds{1: {rules.ByEmail, rules.ByCode}, 2: {rules.Pinned}}})
		none, errNone := tx.Reading("00Q9")
		same(t, "claims to a record without mark", none, store.Reading{})
		return errors.Join(err, errOne, errNone)
	})
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.WasRead("00Q1"), tx.WasRead("00Q9")) })
	view(t, s, func(tx *store.Tx) error {
		all, err := tx.ToRead()
		same(t, "to read", all, map[rules.Object][]string{rules.Lead: {"00Q0"}, rules.Contact: {"0031"}})
		return err
	})
	update(t, s, func(tx *store.Tx) error { return tx.Read("00Q1", rules.Lead, nil) })
	view(t, s, func(tx *store.Tx) error {
		again, err := tx.Reading("00Q1")
		same(t, "claims after it was read", len(again.Claims), 0)
		return err
	})
}

func heldByReason(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.Hold(2, rules.HeldByBrake), tx.Hold(1, rules.HeldByBrake), tx.Hold(3, rules.InSandbox), tx.Hold(4, rules.InSandbox),
			tx.Hold(4, rules.ValueRewritten), tx.Unhold(3), tx.Unhold(9))
	})
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Held()
		same(t, "held", got, map[rules.Reason][]int64{rules.HeldByBrake: {1, 2}, rules.ValueRewritten: {4}})
		return err
	})
}

func intents(t *testing.T, s *store.Store) {
	want := store.Intent{Object: rules.Lead, Fields: map[string]any{"LastName": "Smith", "Newsletter__c": true}, Values: map[string]string{"LastName": "Smith"}, Since: at, At: at.Add(time.Minute)}
	read := func(id int64) (i store.Intent, found bool) {
		view(t, s, func(tx *store.Tx) (err error) { i, found, err = tx.Intent(id); return err })
		return i, found
	}
	update(t, s, func(tx *store.Tx) error { return tx.PutIntent(1, want) })
	got, found := read(1)
	same(t, "intent", got, want)
	same(t, "found", found, true)
	_, found = read(2)
	same(t, "of another found", found, false)
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.DropIntent(1), tx.DropIntent(1)) })
	_, found = read(1)
	same(t, "found once dropped", found, false)
}

func undoneDebts(t *testing.T, s *store.Store) {
	want := store.Debt{Referral: 1, Campaign: 101, Undo: true, Since: at, By: "op: test", SentAt: at.Add(time.Second), SentUndo: true, Attempts: 1, Trouble: "no", Parked: true}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.Owe(store.Debt{Referral: 1, Campaign: 101, Since: at}), tx.Owe(want))
	})
	view(t, s, func(tx *store.Tx) error {
		got, _, err := tx.Debt(1)
		same(t, "debt", got, want)
		return err
	})
	for _, test := range []struct {
		debt    store.Debt
		crossed bool
		until   time.Time
	}{
		{store.Debt{}, false, time.Time{}},
		{store.Debt{Undo: true}, false, time.Time{}},
		{store.Debt{SentAt: at}, false, at.Add(2 * time.Minute)},
		{store.Debt{SentAt: at, Undo: true}, true, at.Add(2 * time.Minute)},
		{store.Debt{SentAt: at, Undo: true, SentUndo: true}, false, at.Add(2 * time.Minute)},
		{store.Debt{SentAt: at, SentUndo: true}, true, at.Add(2 * time.Minute)},
	} {
		same(t, "crossed", test.debt.Crossed(), test.crossed)
		same(t, "open until", test.debt.OpenUntil(), test.until)
	}
}

func outbox(t *testing.T, s *store.Store) {
	one := store.Debt{Referral: 1, Campaign: 101, Since: at}
	sent := store.Debt{Referral: 1, Campaign: 101, Since: at, SentAt: at.Add(time.Second), Attempts: 1, Trouble: "no answer"}
	two := store.Debt{Referral: 2, Campaign: 101, Since: at}
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.Owe(two), tx.Owe(one), tx.Owe(sent)) })
	view(t, s, func(tx *store.Tx) error {
		all, err := tx.Debts()
		same(t, "outbox", all, []store.Debt{sent, two})
		got, found, errOne := tx.Debt(1)
		same(t, "debt", got, sent)
		same(t, "found", found, true)
		_, found, errNone := tx.Debt(3)
		same(t, "another found", found, false)
		return errors.Join(err, errOne, errNone)
	})
	update(t, s, func(tx *store.Tx) error { return errors.Join(tx.Settle(1), tx.Settle(3)) })
	view(t, s, func(tx *store.Tx) error {
		all, err := tx.Debts()
		same(t, "outbox", all, []store.Debt{two})
		return err
	})
}

// Thousands of intents are open while Salesforce answers no request to write. What they ask of each of a page's records is found without going through
// them for every one.
func TestIntentsAreGoneThroughOnceATransaction(t *testing.T) {
	s := newStore(t)
	record := func(i int64) string { return fmt.Sprintf("00Q%d", i) }
	update(t, s, func(tx *store.Tx) (err error) {
		for i := range int64(1000) {
			err = errors.Join(err, tx.PutIntent(i, store.Intent{Object: rules.Lead, RecordID: record(i), Values: map[string]string{"Status": "Open"}}))
		}
		return err
	})
	look := func(rows int64) float64 {
		return testing.AllocsPerRun(1, func() {
			view(t, s, func(tx *store.Tx) error {
				for i := range rows {
					marks, err := tx.Marks(record(i))
					if err != nil || len(marks) != 1 {
						t.Fatalf("marks of %s: got %v, %v, want one", record(i), marks, err)
					}
				}
				return nil
			})
		})
	}
	if one, many := look(1), look(100); many > 2*one {
		t.Errorf("allocations for 100 records: got %v, want not much more than the %v for one", many, one)
	}
	update(t, s, func(tx *store.Tx) error { // what is begun and dropped meanwhile is heeded
		before, _ := tx.Marks(record(1))
		err := errors.Join(tx.DropIntent(1), tx.PutIntent(2000, store.Intent{RecordID: record(2)}), tx.PutIntent(3, store.Intent{RecordID: record(2)}))
		for i, want := range map[int64]int{1: 0, 2: 3, 3: 0} {
			marks, errMarks := tx.Marks(record(i))
			same(t, "marks of "+record(i), len(marks), want)
			err = errors.Join(err, errMarks)
		}
		same(t, "marks before", len(before), 1)
		return err
	})
}
