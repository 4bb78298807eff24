package store_test

import (
	"errors"
	"fmt"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// furnish puts something of everything into a new store, as passes, orders and deliveries do. The files in testdata were made by it, so it stays
// as it is: what a later version adds goes into a later fixture.
func furnish(tx *store.Tx) error {
	_, err := tx.BeginSweep()
	errs := []error{err,
		tx.SetOwner(store.Owner{OrgID: "00D000000000001EAA", CallLimit: 100_000, Account: "abc", AccountKey: []byte{0, 255}}),
		tx.PutCampaign(store.Campaign{ID: 101, Fingerprint: "f", Effective: at, FirstSweep: 1, Sweeps: []time.Time{at}, Brake: []time.Time{at}}),
		tx.PutCampaign(store.Campaign{ID: 102, Parked: "value_unknown", ParkedWhy: "nothing is called so"}),
		tx.SetWatermark("Lead", store.Watermark{At: at}),
		tx.SetWatermark("LeadHistory", store.Watermark{At: at, ResumeStamp: at, ResumeID: "017", Bound: at.Add(time.Hour)}),
		tx.PutDescribe("Lead", map[string]string{"Status": "picklist"}), tx.AddCalls(at, 7),
		tx.PutRun(store.Run{Job: "poll", Begun: at, Ended: at.Add(time.Second), Trouble: "no answer", Since: at}),
		tx.Read("00Q000000000009AAA", rules.Lead, map[int64]rules.Kinds{1: {rules.ByCode}}),
		tx.PutIntent(1, store.Intent{Object: rules.Lead, Fields: map[string]any{"Company": "Acme"}, Values: map[string]string{"Company": "Acme"}, Since: at, At: at}),
		tx.Join(1), tx.Judge(1), tx.Judge(2),
	}
	for _, r := range furnished {
		evidence := []rules.Transition{{Object: rules.Lead, RecordID: fmt.Sprintf("00Q%012dAAA", r.id), Field: "Status", From: "Open", To: "Qualified", At: at, Proof: rules.ByHistory, RowID: "0171"}}
		errs = append(errs, tx.PutReferral(referral(r.id, r.standing, r.verdict, evidence)))
		errs = append(errs, tx.PutSnapshot(evidence[0].RecordID, rules.Snapshot{
			Record: rules.Record{Object: rules.Lead, ID: evidence[0].RecordID, Created: at, Modstamp: at, SeenAt: at},
			Values: map[string]rules.Value{"Status": {Text: "Qualified", At: at, First: "Open"}},
		}))
		for _, act := range r.acts {
			errs = append(errs, tx.Append(store.Entry{At: at, Act: act, Campaign: 101, Referral: r.id, Outcome: r.verdict, Reason: rules.QualifiedByRule, Evidence: evidence}))
		}
		if r.debt != nil {
			debt := *r.debt
			debt.Referral, debt.Campaign, debt.Since = r.id, 101, at
			errs = append(errs, tx.Owe(debt))
		}
	}
	errs = append(errs, tx.Hold(2, rules.HeldByBrake), tx.Append(store.Entry{At: at, Act: store.ActReleased, Campaign: 102, Who: "ann", Note: "looked <at> & agreed"}))
	return errors.Join(errs...)
}

// furnished are the referrals of furnish: one of each standing, and one of each kind of debt.
var furnished = []struct {
	id       int64
	standing rules.Standing
	verdict  rules.Outcome
	acts     []store.Act
	debt     *store.Debt
}{
	{1, rules.Pending, rules.Not, nil, nil},
	{2, rules.Pending, rules.Held, []store.Act{store.ActJudged}, nil},
	{3, rules.Owed, rules.Qualified, []store.Act{store.ActJudged}, &store.Debt{}},
	{4, rules.Owed, rules.Qualified, []store.Act{store.ActQualified}, &store.Debt{By: "ann: a mistake", SentAt: at, Attempts: 1, Trouble: "no answer"}},
	{5, rules.Delivered, rules.Qualified, []store.Act{store.ActJudged, store.ActDelivered}, nil},
	{6, rules.Delivered, rules.Qualified, []store.Act{store.ActJudged, store.ActDelivered, store.ActUnqualify}, &store.Debt{Undo: true, By: "ann"}},
	{7, rules.Elsewhere, rules.Not, []store.Act{store.ActElsewhere}, nil},
	{8, rules.Overridden, rules.Not, []store.Act{store.ActJudged, store.ActDelivered, store.ActOverridden}, nil},
	{9, rules.Rejected, rules.Not, []store.Act{store.ActJudged, store.ActRejected}, nil},
	{10, rules.Owed, rules.Qualified, []store.Act{store.ActJudged, store.ActUnqualify}, &store.Debt{Undo: true, By: "ann", SentAt: at}}, // crossed
	{11, rules.Delivered, rules.Qualified, []store.Act{store.ActDelivered, store.ActUnqualify, store.ActRejected}, &store.Debt{Undo: true, Parked: true}},
}

func referral(id int64, standing rules.Standing, outcome rules.Outcome, evidence []rules.Transition) rules.Referral {
	return rules.Referral{
		ID: id, CampaignID: 101, FirstName: "Ann", Email: fmt.Sprintf("Ann%d@Example.com", id), Code: fmt.Sprint("code", id), ReferrerID: 99,
		Meta: []rules.Meta{{Field: "Last Name", Value: "Müller"}}, SignedUpOn: "2026-11-01", Joined: at.Add(-time.Hour), FirstSweep: 1, Standing: standing,
		Verdict: rules.Verdict{Outcome: outcome, Reason: rules.QualifiedByRule, Sentence: "so it is", Evidence: evidence, At: at},
		Links:   []rules.Link{{Object: rules.Lead, RecordID: evidence[0].RecordID, Kinds: rules.Kinds{rules.ByCode, rules.Pinned}, Since: at}},
	}
}
