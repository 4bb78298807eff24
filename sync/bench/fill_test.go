package bench

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// filledAt is when the referrals of fill were last looked at, by the services' time. Clocks of the services begin later.
var filledAt = time.Date(2026, 3, 2, 9, 30, 15, 700_000_000, time.UTC)

// filledCampaigns are those of fill's referrals, a third each. They watch four fields of a Lead: Status, Rating, LeadSource and IsConverted.
func filledCampaigns() []rules.Campaign {
	var out []rules.Campaign
	for i, target := range []struct{ field, value string }{{"Status", "Qualified"}, {"Rating", "Hot"}, {"LeadSource", "Partner Referral"}} {
		out = append(out, rules.Campaign{
			ID: int64(101 + i), Name: "Refer a friend", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: "Referral_Code__c", Duplicates: rules.DoNothing,
			Method: rules.LeadFieldChanges, Field: target.field, Value: target.value,
		})
	}
	return out
}

// firstReferral is the id of fill's first referral; the others follow it.
const firstReferral = 1_000_001

// leadOf is the Id of the Lead of fill's i-th referral, from 0. Ids ascend as the referrals do.
func leadOf(i int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	id := []byte("00Q5f0000000000")
	for at := len(id) - 1; i > 0; at, i = at-1, i/len(digits) {
		id[at] = digits[i%len(digits)]
	}
	return rules.ID18(string(id))
}

// codeOf is the code of fill's i-th referral.
func codeOf(i int) string { return fmt.Sprintf("AX%07d", i) }

// fill makes a store with so many pending referrals, as sweeps and passes leave it: each has a code, an e-mail address, and a linked Lead with four
// watched values and one row of history. Nothing is left to do for any of them.
func fill(t testing.TB, path string, referrals int) {
	t.Helper()
	s, err := store.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const atOnce = 10_000
	for from := 0; from < referrals && err == nil; from += atOnce {
		err = s.Update(func(tx *store.Tx) error {
			for i := from; i < min(from+atOnce, referrals); i++ {
				if err := fillOne(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = s.Update(fillCampaigns)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// fillCampaigns notes of the campaigns that they are in force, and all that is linked was read since.
func fillCampaigns(tx *store.Tx) error {
	number, err := tx.BeginSweep()
	for _, c := range filledCampaigns() {
		if err == nil {
			err = tx.PutCampaign(store.Campaign{
				ID: c.ID, Fingerprint: c.Fingerprint(), Effective: filledEffective, FirstWhole: filledEffective, RereadFor: filledEffective,
				FirstSweep: number, Sweeps: []time.Time{filledAt},
			})
		}
	}
	return err
}

// filledEffective is from when the campaigns of fill count.
var filledEffective = filledAt.AddDate(0, -2, 0)

func fillOne(tx *store.Tx, i int) error {
	c := filledCampaigns()[i%3]
	id := leadOf(i)
	created := filledAt.Add(-time.Duration(i%40*24+i%24) * time.Hour).Truncate(time.Second)
	moved := created.Add(90 * time.Minute)
	r := rules.Referral{
		ID: firstReferral + int64(i), CampaignID: c.ID, FirstName: "Alexandra", Email: fmt.Sprintf("alexandra.%d@example.com", i), Code: codeOf(i),
		URL: "https://acme.referral-factory.com/" + codeOf(i), Source: "email", ReferrerID: firstReferral - 1 - int64(i%5000),
		SignedUpOn: created.Format(time.DateOnly), FirstSweep: 1, Standing: rules.Pending, Settled: true,
		Links: []rules.Link{{Object: rules.Lead, RecordID: id, Kinds: rules.Kinds{rules.ByCode, rules.ByEmail}, Since: created.Add(time.Minute)}},
	}
	r.JoinTimes(time.UTC, created, []time.Time{created.Add(-2 * time.Hour)})
	var s rules.Snapshot
	for _, look := range []struct {
		status   string
		modified time.Time
	}{{"Open - Not Contacted", created}, {"Working - Contacted", moved}} {
		s.Observe(rules.Record{
			Object: rules.Lead, ID: id, Created: created, Modified: look.modified, Modstamp: look.modified, SeenAt: look.modified.Add(40*time.Second + 700*time.Millisecond),
			Fields: map[string]string{"Status": look.status, "Rating": "Warm", "LeadSource": "Web", rules.IsConverted: "false"},
		}, rules.Schema{Types: map[string]rules.Type{"Status": "picklist", "Rating": "picklist", "LeadSource": "picklist", rules.IsConverted: "boolean"}})
	}
	s.AddHistory(rules.HistoryRow{ID: "017" + id[3:], Field: "Status", Old: "Open - Not Contacted", New: "Working - Contacted", At: moved})
	rule := rules.Rule{Campaign: c, Target: rules.Target{Field: c.Field, Type: "picklist", Value: c.Value}, Effective: filledEffective}
	r.Verdict = rules.Judge(rule, r, []rules.Linked{{Link: r.Links[0], Snapshot: s}})
	r.Verdict.At = s.SeenAt
	if err := tx.PutReferral(r); err != nil {
		return err
	}
	return tx.PutSnapshot(id, s)
}

// A store that fill made is whole, and has nothing left to do.
func TestTheFilledStoreIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qualifyd.db")
	fill(t, path, 25)
	report, err := store.CheckFile(path, nil)
	if err != nil || report.Err() != nil || report.Referrals != 25 || report.Records != 25 {
		t.Fatalf("got %+v (%v), want 25 referrals with a record each, and no problem", report, err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(func(tx *store.Tx) error {
		if judge, join := tx.ToJudge(-1, 0), tx.ToJoin(); len(judge) > 0 || len(join) > 0 {
			t.Errorf("got %d to judge and %d to join, want none", len(judge), len(join))
		}
		return tx.Referrals(func(r rules.Referral) error {
			if r.Verdict.Reason != rules.ValueNotReached {
				t.Errorf("referral %d: got %s (%s), want %s", r.ID, r.Verdict.Reason, r.Verdict.Sentence, rules.ValueNotReached)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
