package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"qualifyd/rules"
	"qualifyd/store"
)

func TestARestoreKeepsTheStoreThatItReplaces(t *testing.T) {
	path, target := furnishedStore(t, 10), filepath.Join(t.TempDir(), "backup.db")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	backedUp, err := backup(t, path, target, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) error {
		err := tx.Append(store.Entry{At: at, Act: store.ActPinned, Referral: 1})
		set := func(id int64, standing rules.Standing) {
			r, _, errRead := tx.Referral(id)
			r.ID, r.CampaignID, r.Standing, r.Verdict, r.AnsweredAt = id, 101, standing, rules.SetBack("ann"), 1000
			if id == 2000 {
				r.Links = links("00Q000000000099AAA")
			}
			err = errors.Join(err, errRead, tx.PutReferral(r))
		}
		set(1, rules.Overridden)    // was pending
		set(3, rules.Overridden)    // was owed
		set(2000, rules.Overridden) // was not there
		set(2, rules.Delivered)
		set(2001, rules.Elsewhere)
		owner, errOwner := tx.Owner()
		owner.Account = "by another key"
		return errors.Join(err, tx.Settle(3), tx.Settle(2), errOwner, tx.SetOwner(owner))
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	done, err := store.Restore(path, target, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "who stays set back, apart from 8, who was", done.SetBack, []int64{1, 3, 2000})
	same(t, "lost ledger lines, and whether that is known", []any{done.Lost, done.Since}, []any{uint64(1), true})
	same(t, "the store that was there", content(t, done.Replaced) == before, true)
	same(t, "its name", done.Replaced, path+".replaced-20261102T093000Z")
	restored := check(t, path)
	same(t, "problems", restored.Problems, []string{})
	same(t, "who stays qualified, apart from those who were", done.Qualified, []int64{2, 2001})
	same(t, "ledger lines", restored.Ledger.Length, backedUp.Ledger.Length+5)
	same(t, "the head that was told", done.Ledger, restored.Ledger)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", info.Mode(), fs.FileMode(0o640))
	same(t, "files", len(names(t, filepath.Dir(path))), 2)
	same(t, "the backup", check(t, target), backedUp)
	if s, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	view(t, s, func(tx *store.Tx) error {
		for _, id := range done.Qualified {
			r, _, err := tx.Referral(id)
			lines, errLines := tx.LedgerOf(id)
			if err := errors.Join(err, errLines); err != nil {
				return err
			}
			same(t, fmt.Sprint("qualified referral ", id), []any{r.Standing, r.AnsweredAt <= tx.LedgerLength(), lines[len(lines)-1].Act}, []any{rules.Elsewhere, true, store.ActElsewhere})
		}
		for _, id := range []int64{1, 3, 8, 2000} {
			r, _, _ := tx.Referral(id)
			_, owed, _ := tx.Debt(id)
			if id == 2000 { // what was seen of its records is not known
				same(t, "links of a referral that came since", len(r.Links), 0)
			}
			same(t, fmt.Sprint("referral ", id, ", and whether something is owed"), []any{r.Standing, owed, r.AnsweredAt <= tx.LedgerLength()}, []any{rules.Overridden, false, true})
			lines, err := tx.LedgerOf(id)
			if err != nil {
				return err
			}
			same(t, fmt.Sprint("referral ", id, ": when its newest ledger line is of"), lines[len(lines)-1].At, at)
		}
		return nil
	})
}

// What was under way, or ordered back, when the store was replaced is under way still: nobody is asked for twice within two minutes, and an order to set
// somebody back is not forgotten.
func TestARestoreGoesOnWithWhatIsUnderWay(t *testing.T) {
	path, target := furnishedStore(t, 10), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	debts := []store.Debt{
		{Referral: 1, Campaign: 101, Since: at, SentAt: at, Attempts: 1},                           // was pending
		{Referral: 3, Campaign: 101, Since: at, SentAt: at, Attempts: 1, Undo: true, By: "ann: x"}, // was owed
		{Referral: 2000, Campaign: 101, Since: at, Undo: true, By: "ann: x"},                       // was not there
	}
	standing := map[int64]rules.Standing{1: rules.Owed, 3: rules.Owed, 2000: rules.Delivered}
	update(t, s, func(tx *store.Tx) (err error) {
		for _, d := range debts {
			r, _, errRead := tx.Referral(d.Referral)
			r.ID, r.CampaignID, r.Standing, r.AnsweredAt = d.Referral, 101, standing[d.Referral], 1000
			r.Verdict = rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule, At: at}
			err = errors.Join(err, errRead, tx.PutReferral(r), tx.Owe(d))
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := store.Restore(path, target, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "who was set back", done.SetBack, []int64(nil))
	same(t, "about whom something is under way", done.UnderWay, []int64{1, 3, 2000})
	same(t, "problems", check(t, path).Problems, []string{})
	if s, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	view(t, s, func(tx *store.Tx) error {
		for _, want := range debts {
			r, _, err := tx.Referral(want.Referral)
			got, _, errDebt := tx.Debt(want.Referral)
			lines, errLines := tx.LedgerOf(want.Referral)
			if err := errors.Join(err, errDebt, errLines); err != nil {
				return err
			}
			same(t, fmt.Sprint("what is owed about ", want.Referral), got, want)
			wantStanding := standing[r.ID]
			if r.ID == 2000 { // that it was us is told by the replaced store only
				wantStanding = rules.Elsewhere
			}
			same(t, "its standing", []any{r.Standing, r.AnsweredAt <= tx.LedgerLength()}, []any{wantStanding, true})
			act := map[bool]store.Act{true: store.ActUnqualify, false: store.ActJudged}[want.Undo]
			same(t, "its newest ledger line", lines[len(lines)-1].Act, act)
		}
		return nil
	})
}

// changeClosed changes a store that nobody has open.
func changeClosed(t *testing.T, path string, fn func(*store.Tx) error) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, fn)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Otherwise a restore would let as many qualify again as the brake allows in its time.
func TestARestoreKeepsWhatTheBrakesHaveCounted(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	window := []time.Time{at.Add(time.Minute), at.Add(2 * time.Minute)}
	changeClosed(t, path, func(tx *store.Tx) error {
		c, err := tx.Campaign(101)
		c.Brake = window
		return errors.Join(err, tx.PutCampaign(c), tx.PutCampaign(store.Campaign{ID: 303, Brake: window}), tx.PutCampaign(store.Campaign{ID: 304}))
	})
	if _, err := store.Restore(path, target, at, nil); err != nil {
		t.Fatal(err)
	}
	changeClosed(t, path, func(tx *store.Tx) error {
		known, err := tx.Campaign(101)
		came, errCame := tx.Campaign(303)
		same(t, "the brake of a campaign that the backup has", known.Brake, window)
		same(t, "what the backup knows of it", known.Fingerprint != "", true)
		same(t, "one that came since", came, store.Campaign{ID: 303, Brake: window})
		return errors.Join(err, errCame)
	})
	same(t, "problems", check(t, path).Problems, []string{})
}

// The backup has an order to set somebody back, which was dropped since: what was ordered last holds.
func TestARestoreSetsNobodyBackWhoseOrderWasTakenBackSince(t *testing.T) {
	path, target := furnishedStore(t, 10), filepath.Join(t.TempDir(), "backup.db")
	const id = 1000
	changeClosed(t, path, func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		r.Standing = rules.Delivered
		return errors.Join(err, tx.PutReferral(r), tx.Append(store.Entry{At: at, Act: store.ActDelivered, Referral: id, Campaign: 101}),
			tx.Append(store.Entry{At: at, Act: store.ActUnqualify, Referral: id, Campaign: 101}),
			tx.Owe(store.Debt{Referral: id, Campaign: 101, Undo: true, Since: at, By: "ann: x"}))
	})
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	changeClosed(t, path, func(tx *store.Tx) error {
		return errors.Join(tx.Settle(id), tx.Append(store.Entry{At: at, Act: store.ActDropped, Referral: id, Campaign: 101}))
	})
	if _, err := store.Restore(path, target, at, nil); err != nil {
		t.Fatal(err)
	}
	changeClosed(t, path, func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		_, owed, errDebt := tx.Debt(id)
		same(t, "its standing, and whether it is to be set back", []any{r.Standing, owed}, []any{rules.Delivered, false})
		return errors.Join(err, errDebt)
	})
	same(t, "problems", check(t, path).Problems, []string{})
}

// Who joined since the backup joined when they did: which sweeps there were and which campaigns is carried over, and their records are found again.
func TestARestoreKeepsWhoJoinedSince(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) error { return tx.PutCampaign(store.Campaign{ID: 104, Fingerprint: "h"}) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	later := at.Add(time.Hour)
	joined := rules.Referral{
		ID: 3000, CampaignID: 103, Code: "c3000", Email: "new@example.com", Standing: rules.Owed, QualifiedOn: "2026-11-02", Joined: at, Lacked: later, FirstSweep: 4,
		Settled: true, JoinAsked: true, AnsweredAt: 1000, Blockers: []rules.Blocker{{Object: rules.Lead, ID: "00Q000000000098AAA"}},
		Verdict: rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule, At: at},
		Links: []rules.Link{
			{Object: rules.Lead, RecordID: "00Q000000000091AAA", Kinds: rules.Kinds{rules.Created, rules.ByEmail}},
			{Object: rules.Lead, RecordID: "00Q000000000092AAA", Kinds: rules.Kinds{rules.ByEmail}},
		},
	}
	added := store.Campaign{ID: 103, Fingerprint: "g", Effective: at, FirstSweep: 2, Sweeps: []time.Time{later}}
	if s, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) error {
		known, err := tx.Campaign(101)
		known.Fingerprint, known.Sweeps, known.CodeFields, known.CodesHidden = "another rule", []time.Time{at, later}, []string{"Lead.Code__c"}, true
		errs := []error{err, tx.PutReferral(joined), tx.PutCampaign(known), tx.PutCampaign(added), tx.PutCampaign(store.Campaign{ID: 104, Fingerprint: "h", FirstSweep: 3})}
		for range 3 {
			_, err := tx.BeginSweep()
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(path, target, at, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "problems", check(t, path).Problems, []string{})
	if s, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	update(t, s, func(tx *store.Tx) error {
		got, _, err := tx.Referral(joined.ID)
		want := joined
		want.Standing, want.Verdict, want.QualifiedOn, want.AnsweredAt = rules.Pending, rules.Verdict{}, "", tx.LedgerLength()
		want.Links, want.Blockers, want.JoinAsked = nil, nil, false
		same(t, "who joined since", got, want)
		reading, errReading := tx.Reading("00Q000000000091AAA")
		same(t, "what is read of the record that was created", reading, store.Reading{Object: rules.Lead, Claims: map[int64]rules.Kinds{joined.ID: {rules.Created}}})
		other, errOther := tx.Reading("00Q000000000092AAA")
		same(t, "what is read of one that is found by its e-mail", other, store.Reading{})
		same(t, "is looked up, and judged", []any{tx.Joining(joined.ID), tx.ToJudge(2999, 1)}, []any{true, []int64{joined.ID}})
		known, errKnown := tx.Campaign(101)
		same(t, "a campaign that was known, whose rule was changed since", known, store.Campaign{
			ID: 101, Fingerprint: "changed since the backup", Effective: at, FirstSweep: 1, Sweeps: []time.Time{at, later}, Brake: []time.Time{at}, CodeFields: []string{"Lead.Code__c"}, CodesHidden: true,
		})
		gotAdded, errAdded := tx.Campaign(added.ID)
		same(t, "a campaign that was added", gotAdded, added)
		swept, errSwept := tx.Campaign(104)
		same(t, "a campaign that was known and not swept yet", swept, store.Campaign{ID: 104, Fingerprint: "h", FirstSweep: 3})
		sweep, errSweep := tx.BeginSweep()
		same(t, "the next sweep", sweep, uint64(5))
		return errors.Join(err, errReading, errOther, errKnown, errAdded, errSwept, errSweep)
	})
}

// Where the backup has no ledger, only the org and the account tell whether the store goes on from it. One from before the first pass knows no org yet.
func TestWhetherAStoreGoesOnFromABackupWithoutALedger(t *testing.T) {
	for situation, c := range map[string]struct {
		then, now store.Owner
		since     bool
	}{
		"the same":                   {store.Owner{OrgID: "00D1", Account: "a"}, store.Owner{OrgID: "00D1", Account: "a"}, true},
		"before the first pass":      {store.Owner{Account: "a"}, store.Owner{OrgID: "00D1", Account: "a"}, true},
		"another org's":              {store.Owner{OrgID: "00D1", Account: "a"}, store.Owner{OrgID: "00D2", Account: "a"}, false},
		"another account's, perhaps": {store.Owner{OrgID: "00D1", Account: "a"}, store.Owner{OrgID: "00D1", Account: "b"}, false},
	} {
		path, target := newPath(t), filepath.Join(t.TempDir(), "backup.db")
		s, err := store.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx *store.Tx) error { return tx.SetOwner(c.then) })
		if _, err := store.Keep(target, false, s.Backup, nil); err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx *store.Tx) error { return tx.SetOwner(c.now) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		done, err := store.Restore(path, target, at, nil)
		same(t, situation+": error", err, error(nil))
		same(t, situation+": known", done.Since, c.since)
	}
}

func TestNothingIsCarriedOverFromAStoreThatDoesNotGoOnFromTheBackup(t *testing.T) {
	target := filepath.Join(t.TempDir(), "backup.db")
	path := furnishedStore(t, 0)
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	for situation, change := range map[string]func(*bolt.Tx) error{
		"another org's": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("org"), []byte(`{"OrgID":"00Dother"}`))
		},
		"another ledger":          func(tx *bolt.Tx) error { return tx.Bucket([]byte("ledger")).Delete(key(20)) },
		"one that cannot be read": func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("org"), []byte("?")) },
	} {
		other := written(t, []byte(content(t, path)))
		edit(t, other, change)
		done, err := store.Restore(other, target, at, nil)
		same(t, situation+": error", err, error(nil))
		same(t, situation+": known", done.Since, false)
		same(t, situation+": set back", done.SetBack, []int64(nil))
	}
}

func TestARestoreThatCannotBeLeavesEverything(t *testing.T) {
	good := filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, furnishedStore(t, 0), good, false); err != nil {
		t.Fatal(err)
	}
	newer := written(t, []byte(content(t, good)))
	setSchema(t, newer, "meta", fmt.Sprint(store.Schema+1))
	for _, test := range []struct{ situation, backup, want string }{
		{"no such backup", "/nowhere/backup.db", "no such file"},
		{"a damaged one", written(t, []byte(content(t, good)[:20_000])), "is not restored: the file is cut off"},
		{"one of a newer version", newer, "newer version"},
		{"some other file", written(t, []byte("hello")), "begins like no store"},
	} {
		path := furnishedStore(t, 3)
		before := content(t, path)
		if _, err := store.Restore(path, test.backup, at, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.situation, err, test.want)
		}
		same(t, test.situation+": the store is as before", content(t, path) == before, true)
		same(t, test.situation+": files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
	}
}

func TestADamagedOrMissingStoreCanBeReplaced(t *testing.T) {
	good := filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, furnishedStore(t, 0), good, false); err != nil {
		t.Fatal(err)
	}
	for situation, damaged := range map[string]string{"cut off": content(t, good)[:20_000], "empty": "", "text": "hello", "missing": "-"} {
		path := newPath(t)
		if damaged != "-" {
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done, err := store.Restore(path, good, at, nil)
		if err != nil {
			t.Errorf("%s: got %v, want the backup", situation, err)
			continue
		}
		same(t, situation+": referrals", check(t, path).Referrals, 11)
		if damaged != "-" {
			same(t, situation+": what was there", content(t, done.Replaced), damaged)
		}
	}
}

// Done by root, the daemon's user can open the file still.
func TestAStoreThatIsReplacedKeepsItsOwner(t *testing.T) {
	path, good := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, good, false); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 12346); err != nil {
		t.Skipf("only root can give files away: %v", err)
	}
	owner := func() [2]int {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		return [2]int{int(stat.Uid), int(stat.Gid)}
	}
	if _, err := store.Compact(path, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "owner after a compaction", owner(), [2]int{12345, 12346})
	if _, err := store.Restore(path, good, at, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "owner after a restore", owner(), [2]int{12345, 12346})
	if err := errors.Join(os.Remove(path), os.Chown(filepath.Dir(path), 12347, 12348)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(path, good, at, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "owner where there was none", owner(), [2]int{12347, 12348})
}

// What was seen of one record cannot be read any more in the store that is replaced: everything else is carried over all the same.
func TestARecordThatIsDamagedKeepsNothingElseFromBeingCarriedOver(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	const damaged, written = "00Q000000000001AAA", "00Q000000000002AAA"
	ours := []rules.Written{{Field: "Status", Value: "Qualified", From: at, To: at.Add(time.Second)}}
	changeClosed(t, path, func(tx *store.Tx) error {
		back, _, err := tx.Referral(5)
		back.Standing, back.Verdict = rules.Overridden, rules.SetBack("ann")
		snapshot, _, errSnapshot := tx.Snapshot(written)
		snapshot.Wrote = ours
		return errors.Join(err, errSnapshot, tx.PutReferral(back), tx.PutSnapshot(written, snapshot))
	})
	edit(t, path, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("snapshot")).Put([]byte(damaged), []byte{store.Schema, 255})
	})
	done, err := store.Restore(path, target, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "that it goes on from the backup, and who stays set back", []any{done.Since, done.SetBack}, []any{true, []int64{5}})
	changeClosed(t, path, func(tx *store.Tx) error {
		snapshot, _, err := tx.Snapshot(written)
		same(t, "what we wrote", snapshot.Wrote, ours)
		return err
	})
	same(t, "problems", check(t, path).Problems, []string{})
}

// We wrote into a record once more since the backup, and then it became nobody's. In the backup it is somebody's still, with what was seen of it; what we wrote is
// ours all the same.
func TestWhatWasWrittenIntoARecordBeforeItBecameNobodysIsCarriedOver(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	const recordID = "00Q000000000002AAA"
	var ours []rules.Written
	var seen map[string]rules.Value
	write := func(value string) {
		ours = append(ours, rules.Written{Field: "Status", Value: value, From: at, To: at.Add(time.Second)})
		changeClosed(t, path, func(tx *store.Tx) error {
			snapshot, _, err := tx.Snapshot(recordID)
			snapshot.Wrote, seen = ours, snapshot.Values
			return errors.Join(err, tx.PutSnapshot(recordID, snapshot))
		})
	}
	write("Working")
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	write("Qualified")
	changeClosed(t, path, func(tx *store.Tx) error {
		var err error
		for _, id := range tx.ReferralsByRecord(recordID) {
			r, _, errRead := tx.Referral(id)
			r.Unlink(recordID)
			err = errors.Join(err, errRead, tx.PutReferral(r))
		}
		return err
	})
	if _, err := store.Restore(path, target, at, nil); err != nil {
		t.Fatal(err)
	}
	changeClosed(t, path, func(tx *store.Tx) error {
		snapshot, _, err := tx.Snapshot(recordID)
		same(t, "that it is somebody's", tx.Linked(recordID), true)
		same(t, "what we wrote, and what was seen", []any{snapshot.Wrote, snapshot.Values}, []any{ours, seen})
		return err
	})
	same(t, "problems", check(t, path).Problems, []string{})
}

// The calls that were made since the backup have been made: a restore does not give them back to the day.
func TestARestoreKeepsTheCallsThatWereMade(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	last := store.LastPass{At: at.Add(time.Hour), Calls: 3}
	changeClosed(t, path, func(tx *store.Tx) error {
		return errors.Join(tx.AddCalls(at, 500), tx.AddCalls(at.Add(time.Hour), 30), tx.SetLastPass(last))
	})
	if _, err := store.Restore(path, target, at, nil); err != nil {
		t.Fatal(err)
	}
	changeClosed(t, path, func(tx *store.Tx) error {
		calls, err := tx.Calls(at.Add(time.Hour))
		pass, errPass := tx.LastPass()
		same(t, "calls of the day, and the newest pass", []any{calls, pass}, []any{537, last})
		return errors.Join(err, errPass)
	})
	same(t, "problems", check(t, path).Problems, []string{})
}

// One referral cannot be read any more in the store that is replaced, as where that is why a backup is restored: of all others everything is carried over, and
// this one is named.
func TestAReferralThatIsDamagedKeepsNothingElseFromBeingCarriedOver(t *testing.T) {
	for what, bucket := range map[string]string{"itself": "referral", "what is owed about it": "outbox", "what was begun for it": "intent"} {
		t.Run(what, func(t *testing.T) {
			path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
			if _, err := backup(t, path, target, false); err != nil {
				t.Fatal(err)
			}
			changeClosed(t, path, func(tx *store.Tx) error {
				back, _, err := tx.Referral(5)
				back.Standing, back.Verdict = rules.Overridden, rules.SetBack("ann")
				return errors.Join(err, tx.PutReferral(back))
			})
			edit(t, path, func(tx *bolt.Tx) error {
				return tx.Bucket([]byte(bucket)).Put(key(4), []byte{store.Schema, 255})
			})
			done, err := store.Restore(path, target, at, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "that it goes on from the backup, who stays set back, and of whom nothing is known",
				[]any{done.Since, done.SetBack, done.Unread}, []any{true, []int64{5}, []int64{4}})
			same(t, "problems", check(t, path).Problems, []string{})
		})
	}
}
