package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qualifyd/rules"
	"qualifyd/store"
)

// found is everybody to whom a code, an e-mail and a record lead.
type found struct {
	ByCode            int64
	ByEmail, ByRecord []int64
}

func find(t *testing.T, s *store.Store, code, email, record string) (f found) {
	t.Helper()
	view(t, s, func(tx *store.Tx) error {
		f = found{tx.ReferralByCode(code), tx.ReferralsByEmail(email), tx.ReferralsByRecord(record)}
		return nil
	})
	return f
}

func aReferralIsFound(t *testing.T, s *store.Store) {
	ann := rules.Referral{ID: 1002, CampaignID: 101, Code: "ueONFmUp", Email: " Ann@Example.com ", Meta: []rules.Meta{{Field: "Last Name", Value: "Smith"}},
		Joined: at, Standing: rules.Pending, Links: links("00Q1", "00Q2")}
	put(t, s, ann)
	view(t, s, func(tx *store.Tx) error {
		got, there, err := tx.Referral(1002)
		same(t, "by id", got, ann)
		same(t, "is there", there, true)
		_, there, errOther := tx.Referral(1003)
		same(t, "another is there", there, false)
		return errors.Join(err, errOther)
	})
	same(t, "her", find(t, s, "ueONFmUp", "ann@example.com", "00Q2"), found{1002, []int64{1002}, []int64{1002}})
	same(t, "her in other spellings", find(t, s, "UEONFMUP", "ANN@EXAMPLE.COM\t", "00q2"), found{0, []int64{1002}, nil})
	same(t, "beginnings of hers", find(t, s, "ueONFmU", "ann@example.co", "00Q"), found{})
	same(t, "nobody", find(t, s, "", "", ""), found{})
}

func waysFollowChanges(t *testing.T, s *store.Store) {
	r := rules.Referral{ID: 1, Code: "aaa", Email: "ann@example.com", Links: links("00Q1", "00Q2")}
	put(t, s, r)
	r.Code, r.Email, r.Links = "bbb", "bob@example.com", links("00Q2", "00Q3")
	put(t, s, r)
	same(t, "the old ways", find(t, s, "aaa", "ann@example.com", "00Q1"), found{})
	same(t, "the new ways", find(t, s, "bbb", "bob@example.com", "00Q3"), found{1, []int64{1}, []int64{1}})
	same(t, "the record that stayed", find(t, s, "", "", "00Q2"), found{ByRecord: []int64{1}})
	r.Email = "BOB@example.com"
	put(t, s, r)
	same(t, "another spelling", find(t, s, "bbb", "bob@example.com", "00Q2"), found{1, []int64{1}, []int64{1}})
	put(t, s, rules.Referral{ID: 1})
	for _, record := range []string{"00Q2", "00Q3"} {
		same(t, "nothing is left", find(t, s, "bbb", "bob@example.com", record), found{})
	}
}

// A sweep stores one referral after the other, so that for a moment both have the code.
func swappedCodes(t *testing.T, s *store.Store) {
	one, two := rules.Referral{ID: 1, Code: "aaa"}, rules.Referral{ID: 2, Code: "bbb"}
	put(t, s, one, two)
	for _, order := range [][]int64{{1, 2}, {2, 1}} {
		one.Code, two.Code = two.Code, one.Code
		for _, id := range order {
			put(t, s, map[int64]rules.Referral{1: one, 2: two}[id])
		}
		same(t, one.Code, find(t, s, one.Code, "", "").ByCode, int64(1))
		same(t, two.Code, find(t, s, two.Code, "", "").ByCode, int64(2))
	}
}

func sharedEmailAndRecord(t *testing.T, s *store.Store) {
	ids := []int64{1, 255, 256, 70_000, 1 << 40}
	for _, id := range []int64{256, 1, 1 << 40, 70_000, 255} {
		put(t, s, rules.Referral{ID: id, Email: "ann@example.com", Links: links("00Q1")})
	}
	same(t, "all", find(t, s, "", "ann@example.com", "00Q1"), found{0, ids, ids})
	put(t, s, rules.Referral{ID: 256})
	same(t, "all but one", find(t, s, "", "ann@example.com", "00Q1"), found{0, slices.Delete(slices.Clone(ids), 2, 3), slices.Delete(ids, 2, 3)})
}

func oddBytes(t *testing.T, s *store.Store) {
	odd := []string{"a", "a\x00", "a\x00\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00\x05", "a\x00b", `a"\`, "ä", "a\u0308", "🙂", "\ufffd", "a b", "\x7f", strings.Repeat("x", 400)}
	for i, text := range odd {
		put(t, s, rules.Referral{ID: int64(i + 1), Code: text, Email: text, Links: links(text)})
	}
	for i, text := range odd {
		id := int64(i + 1)
		same(t, fmt.Sprintf("%q", text), find(t, s, text, text, text), found{id, []int64{id}, []int64{id}})
	}
	for i, text := range odd {
		put(t, s, rules.Referral{ID: int64(i + 1)})
		same(t, fmt.Sprintf("%q, gone", text), find(t, s, text, text, text), found{})
	}
}

// randomHistory changes a few referrals that share e-mails and records over and over, and compares each step with a look at all of them.
func randomHistory(t *testing.T, s *store.Store) {
	random := rand.New(rand.NewPCG(1, 2))
	emails := []string{"", "a@x.org", "A@x.org", "b@x.org"}
	records := []string{"00Q1", "00Q2", "00Q3"}
	all := map[int64]rules.Referral{}
	for step := range 100 {
		id := random.Int64N(5) + 1
		r := rules.Referral{ID: id, Email: emails[random.IntN(len(emails))]}
		for _, record := range records {
			if random.IntN(2) == 0 {
				r.Links = append(r.Links, links(record)...)
			}
		}
		all[id] = r
		update(t, s, func(tx *store.Tx) error {
			err := tx.PutReferral(r)
			for _, l := range r.Links {
				err = errors.Join(err, tx.PutSnapshot(l.RecordID, rules.Snapshot{Absent: true}))
			}
			return err
		})
		for i := range max(len(emails), len(records)) {
			if compare(t, s, all, emails[i], records[min(i, len(records)-1)]); t.Failed() {
				t.Fatalf("after step %d, which put %+v", step, r)
			}
		}
	}
}

func compare(t *testing.T, s *store.Store, all map[int64]rules.Referral, email, record string) {
	t.Helper()
	var want found
	for id := range int64(6) {
		r := all[id]
		if email != "" && strings.EqualFold(r.Email, email) {
			want.ByEmail = append(want.ByEmail, id)
		}
		if _, linked := r.LinkTo(record); linked {
			want.ByRecord = append(want.ByRecord, id)
		}
	}
	same(t, email+" "+record, find(t, s, "", email, record), want)
	view(t, s, func(tx *store.Tx) error {
		_, kept, err := tx.Snapshot(record)
		same(t, "snapshot of "+record, kept, len(want.ByRecord) > 0)
		return err
	})
}

func referralsInOrder(t *testing.T, s *store.Store) {
	for _, id := range []int64{300, 2, 70_000, 1} {
		put(t, s, rules.Referral{ID: id})
	}
	var ids []int64
	enough := errors.New("enough")
	tell := func(upTo int64) error {
		ids = nil
		return s.View(func(tx *store.Tx) error {
			return tx.Referrals(func(r rules.Referral) error {
				if ids = append(ids, r.ID); r.ID == upTo {
					return enough
				}
				return nil
			})
		})
	}
	same(t, "error", tell(0), error(nil))
	same(t, "all", ids, []int64{1, 2, 300, 70_000})
	same(t, "the error of fn comes back", errors.Is(tell(300), enough), true)
	same(t, "until an error", ids, []int64{1, 2, 300})
}

func snapshotsOfLinkedRecords(t *testing.T, s *store.Store) {
	snapshot := rules.Snapshot{Record: rules.Record{Object: rules.Lead, ID: "00Q1", Modstamp: at}, Values: map[string]rules.Value{"Status": {Text: "Working", At: at}}}
	there := func() (found bool) {
		view(t, s, func(tx *store.Tx) error {
			got, is, err := tx.Snapshot("00Q1")
			if found = is; is {
				same(t, "snapshot", got, snapshot)
			}
			return err
		})
		return found
	}
	one, two := rules.Referral{ID: 1, Links: links("00Q1", "00Q2")}, rules.Referral{ID: 2, Links: links("00Q1")}
	same(t, "nobody linked it yet", there(), false)
	put(t, s, one, two)
	update(t, s, func(tx *store.Tx) error { return tx.PutSnapshot("00Q1", snapshot) })
	one.FirstName = "Ann"
	put(t, s, one)
	same(t, "both link it", there(), true)
	one.Links = links("00Q2")
	put(t, s, one)
	same(t, "one links it", there(), true)
	two.Links = nil
	put(t, s, two)
	same(t, "nobody links it", there(), false)
	one.Links = links("00Q1")
	put(t, s, one)
	same(t, "it is linked anew", there(), false)
}

func recordsOfAReferral(t *testing.T, s *store.Store) {
	r := rules.Referral{ID: 1, Links: links("00Q2", "00Q1")}
	put(t, s, r)
	update(t, s, func(tx *store.Tx) error { return tx.PutSnapshot("00Q1", rules.Snapshot{Absent: true}) })
	view(t, s, func(tx *store.Tx) error {
		got, err := tx.Records(r)
		same(t, "records", got, []rules.Linked{{Link: r.Links[0]}, {Link: r.Links[1], Snapshot: rules.Snapshot{Absent: true}}})
		return err
	})
}

func valuesOutlive(t *testing.T, s *store.Store) {
	const many = 150
	kept := make([]rules.Referral, many)
	wants := make([]rules.Referral, many)
	for i := range wants {
		wants[i] = rules.Referral{ID: int64(i + 1), Code: fmt.Sprint("code", i), FirstName: strings.Repeat("n", i), Links: links(fmt.Sprint("00Q", i))}
	}
	update(t, s, func(tx *store.Tx) error {
		for _, r := range wants {
			if err := tx.PutReferral(r); err != nil {
				return err
			}
		}
		return nil
	})
	var reads map[rules.Object][]string
	view(t, s, func(tx *store.Tx) (err error) {
		for i := range kept {
			r, _, errOne := tx.Referral(int64(i + 1))
			kept[i], err = r, errors.Join(err, errOne)
		}
		return err
	})
	update(t, s, func(tx *store.Tx) error { return tx.Read("00Q1", rules.Lead, nil) })
	view(t, s, func(tx *store.Tx) (err error) { reads, err = tx.ToRead(); return err })
	for range 3 { // the pages that held them are written over
		update(t, s, func(tx *store.Tx) error {
			err := tx.WasRead("00Q1")
			for i := range kept {
				err = errors.Join(err, tx.PutReferral(rules.Referral{ID: int64(i + 1), FirstName: strings.Repeat("x", 500)}))
			}
			return err
		})
	}
	same(t, "referrals read before", kept, wants)
	same(t, "reads listed before", reads, map[rules.Object][]string{rules.Lead: {"00Q1"}})
	kept[0].Links = append(kept[0].Links[:0], links("00QX")...)
	same(t, "a changed copy changes nothing stored", find(t, s, "", "", "00QX"), found{})
}
