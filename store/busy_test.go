package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"qualifyd/rules"
	"qualifyd/store"
)

// BenchmarkABusyPass is what a pass does in the store for rows of linked records that all changed, 2,000 in a transaction, and then to have their
// referrals judged; a tenth of these get another verdict. The store has 100,000 of them, in a file: where that is in memory (TMPDIR), the disk's part
// is left out.
func BenchmarkABusyPass(b *testing.B) {
	const records, rows = 100_000, 2_000
	for _, test := range []struct {
		order string
		shift func([]string)
	}{
		{"by Id", func([]string) {}},
		{"in any order", func(ids []string) {
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		}},
	} {
		b.Run(test.order, func(b *testing.B) {
			s, ids := busyStore(b, newPath(b), records), make([]string, records)
			for i := range ids {
				ids[i] = busyLead(i)
			}
			test.shift(ids)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				takeRows(b, s, ids[n*rows%records:][:rows], n)
				judgeRows(b, s, rows)
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*rows), "ns/row")
		})
	}
}

func takeRows(b *testing.B, s *store.Store, ids []string, n int) {
	seen := at.Add(time.Duration(n+1) * time.Minute)
	status := []string{"Open - Not Contacted", "Working - Contacted"}[n%2]
	fields := map[string]string{"Status": status, "Rating": "Warm", "LeadSource": "Web", rules.IsConverted: "false"}
	err := s.Update(func(tx *store.Tx) error {
		for _, id := range ids {
			snapshot, _, err := tx.Snapshot(id)
			if err != nil {
				return err
			}
			snapshot.Observe(rules.Record{
				Object: rules.Lead, ID: id, Created: at, Modified: seen, Modstamp: seen, SeenAt: seen, Fields: fields,
			}, rules.Schema{})
			if err := tx.PutSnapshot(id, snapshot); err != nil {
				return err
			}
			for _, referral := range tx.ReferralsByRecord(id) {
				if err := tx.Judge(referral); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func judgeRows(b *testing.B, s *store.Store, rows int) {
	err := s.Update(func(tx *store.Tx) error {
		for n, id := range tx.ToJudge(-1, rows) {
			r, _, err := tx.Referral(id)
			if err != nil {
				return err
			}
			if _, err := tx.Records(r); err != nil {
				return err
			}
			if err := tx.Judged(id); err != nil {
				return err
			}
			if n%10 == 0 {
				r.Verdict.At = r.Verdict.At.Add(time.Minute)
				if err := tx.PutReferral(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func busyLead(i int) string { return fmt.Sprintf("00Q5f%010dAAA", i) }

// busyStore has referrals as they typically are, with a linked Lead each.
func busyStore(b testing.TB, path string, records int) *store.Store {
	s, err := store.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	err = s.Update(func(tx *store.Tx) error {
		var err error
		for i := range records {
			id := busyLead(i)
			err = errors.Join(err, tx.PutReferral(rules.Referral{
				ID: int64(1_000_000 + i), CampaignID: 101, FirstName: "Alexandra", Email: fmt.Sprintf("alexandra.%d@example.com", i), Code: fmt.Sprintf("AX%07d", i),
				URL: fmt.Sprintf("https://acme.referral-factory.com/AX%07d", i), Source: "email", ReferrerID: 999, SignedUpOn: "2026-11-02",
				Joined: at, DayEnds: at.Add(15 * time.Hour), FirstSweep: 1, Standing: rules.Pending, Settled: true,
				Verdict: rules.Verdict{Outcome: rules.Not, Reason: rules.ValueNotReached, At: at,
					Sentence: fmt.Sprintf("Status of Lead %s is %q, not %q", id, "Open - Not Contacted", "Qualified")},
				Links: []rules.Link{{Object: rules.Lead, RecordID: id, Kinds: rules.Kinds{rules.ByCode, rules.ByEmail}, Since: at}},
			}))
			value := func(text string) rules.Value { return rules.Value{Text: text, First: text, At: at} }
			err = errors.Join(err, tx.PutSnapshot(id, rules.Snapshot{
				Record:  rules.Record{Object: rules.Lead, ID: id, Created: at, Modified: at, Modstamp: at, SeenAt: at},
				Values:  map[string]rules.Value{"Status": value("Open - Not Contacted"), "Rating": value("Warm"), "LeadSource": value("Web"), rules.IsConverted: value("false")},
				History: []rules.HistoryRow{{ID: "0175f" + id[5:], Field: "Status", Old: "Open - Not Contacted", New: "Working - Contacted", At: at}},
			}))
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// A typical referral with its Lead takes at most 800 bytes of a compacted file, all told; the ledger is apart.
func TestWhatAReferralTakes(t *testing.T) {
	const referrals, most = 10_000, 800
	path := newPath(t)
	if err := busyStore(t, path, referrals).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Compact(path, nil); err != nil {
		t.Fatal(err)
	}
	total := 0
	edit(t, path, func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if s := b.Stats(); s.KeyN > 1 {
				pages := s.LeafAlloc + s.BranchAlloc
				t.Logf("%-16s %4d bytes a referral, of these %d of keys, values and their places", name, pages/referrals, s.LeafInuse/referrals)
				total += pages
			}
			return nil
		})
	})
	if total > most*referrals {
		t.Errorf("got %d bytes a referral, want at most %d", total/referrals, most)
	}
}
