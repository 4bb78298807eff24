package poll

import (
	"context"
	"errors"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
)

// judgedAtOnce is how many referrals are judged in one transaction.
const judgedAtOnce = 200

// judge judges every referral about which something is new. What was held because the org is a sandbox is judged again once that may be sent.
func (t *pass) judge(context.Context) error {
	if !t.sandboxed() {
		if err := t.markHeld(rules.InSandbox); err != nil {
			return err
		}
	}
	for {
		left := 0
		err := t.update(func(tx *store.Tx) error {
			ids := tx.ToJudge(judgedAtOnce)
			left = len(ids)
			for _, id := range ids {
				if err := t.judgeOne(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || left < judgedAtOnce {
			t.alarm()
			return err
		}
	}
}

// alarm says for which campaigns the brake held something in this pass.
func (t *pass) alarm() {
	for campaign, n := range t.braked {
		t.Log.Error().Int64("campaign", campaign).Int("held", n).Msg("the brake holds qualifications of a campaign; look at them, then: qualifyd release")
	}
}

func (t *pass) markHeld(reason rules.Reason) error {
	return t.update(func(tx *store.Tx) error {
		held, err := tx.Held()
		for _, id := range held[reason] {
			err = errors.Join(err, tx.Judge(id))
		}
		return err
	})
}

func (t *pass) judgeOne(tx *store.Tx, id int64) error {
	if err := tx.Judged(id); err != nil {
		return err
	}
	r, found, err := tx.Referral(id)
	rule, ours := t.rules[r.CampaignID]
	if err != nil || !found || !ours || r.Standing != rules.Pending || r.Verdict.Reason == rules.HeldByBrake {
		return err
	}
	records, err := tx.Records(r)
	if err != nil {
		return err
	}
	v := rules.Judge(rule, r, records)
	v.At = t.now
	return t.pronounce(tx, r, rule, v)
}

// pronounce puts a verdict into effect: verdict, owed qualification and ledger line together. What qualifies may still be held, by the brake
// or because the org is a sandbox.
func (t *pass) pronounce(tx *store.Tx, r rules.Referral, rule rules.Rule, v rules.Verdict) error {
	if v.Outcome == rules.Qualified {
		var err error
		if v, err = t.holdBack(tx, rule, v); err != nil {
			return err
		}
	}
	if v.Outcome == r.Verdict.Outcome && v.Reason == r.Verdict.Reason && v.Sentence == r.Verdict.Sentence {
		return nil
	}
	news := v.Outcome != rules.Not || r.Verdict.Outcome == rules.Held
	r.Verdict = v
	errs := []error{tx.Unhold(r.ID)}
	switch v.Outcome {
	case rules.Held:
		errs = append(errs, tx.Hold(r.ID, v.Reason))
		t.Log.Warn().Int64("referral", r.ID).Int64("campaign", r.CampaignID).Str("reason", string(v.Reason)).Msg("referral is held: it waits for a person")
	case rules.Qualified:
		r.Standing = rules.Owed
		errs = append(errs, tx.Owe(store.Debt{Referral: r.ID, Campaign: r.CampaignID, Since: v.At}))
		t.Log.Info().Int64("referral", r.ID).Int64("campaign", r.CampaignID).Time("event", v.EventAt()).Msg("referral qualifies")
	}
	if news {
		errs = append(errs, tx.Append(store.Entry{
			At: v.At, Act: store.ActJudged, Campaign: r.CampaignID, Referral: r.ID, Outcome: v.Outcome, Reason: v.Reason, Evidence: withoutEmails(v.Evidence),
		}))
	}
	return errors.Join(append(errs, tx.PutReferral(r))...)
}

// withoutEmails is evidence as the ledger keeps it: a rule may watch a field that holds an e-mail address, and the ledger names nobody.
func withoutEmails(evidence []rules.Transition) []rules.Transition {
	out := slices.Clone(evidence)
	for i := range out {
		for _, value := range []*string{&out[i].From, &out[i].To} {
			if strings.Contains(*value, "@") {
				*value = "(an e-mail address)"
			}
		}
	}
	return out
}

// holdBack holds what would qualify, in a sandbox org or beyond the campaign's brake.
func (t *pass) holdBack(tx *store.Tx, rule rules.Rule, v rules.Verdict) (rules.Verdict, error) {
	if t.sandboxed() {
		v.Outcome, v.Reason = rules.Held, rules.InSandbox
		return v, nil
	}
	c, err := tx.Campaign(rule.ID)
	if err != nil {
		return v, err
	}
	window, tooMany := rule.Brake.Add(c.Brake, v.At)
	c.Brake = window
	if tooMany {
		v.Outcome, v.Reason = rules.Held, rules.HeldByBrake
		t.braked[rule.ID]++
	}
	return v, tx.PutCampaign(c)
}
