package poll

import (
	"context"
	"errors"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
)

// judgedAtOnce is how many referrals are judged in one transaction: as many as a page has rows.
const judgedAtOnce = 2000

// judge judges every referral about which something is new. What was held because the org is a sandbox is judged again once that may be sent.
func (t *pass) judge(context.Context) error {
	if !t.sandboxed() {
		if err := t.markHeld(rules.InSandbox); err != nil {
			return err
		}
	}
	if t.now.IsZero() {
		if t.now, _ = t.Salesforce.Now(); t.now.IsZero() {
			return nil // nobody knows what time it is
		}
	}
	for after, more := int64(-1), true; more; {
		err := t.update(func(tx *store.Tx) error {
			ids := tx.ToJudge(after, judgedAtOnce)
			more = len(ids) == judgedAtOnce
			claimed, err := tx.Claimed()
			for _, id := range ids {
				after = id
				if err == nil {
					err = t.judgeOne(tx, id, claimed[id])
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	t.alarm()
	return nil
}

// alarm says for which campaigns the brake held something in this pass.
func (t *pass) alarm() {
	for campaign, n := range t.braked {
		t.Log.Error().Int64(logged.Campaign, campaign).Int(logged.Held, n).Msg("the brake holds qualifications of a campaign; look at them, then: qualifyd release")
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

// judgeOne judges a referral of a configured campaign. One that still has to be looked up keeps its mark: whether a record existed before it is
// not known yet. So does one that waits for records to be read, of the objects given, or of whose records this pass could not tell what became of
// them: a history row may tell of a change of one that is deleted by now.
func (t *pass) judgeOne(tx *store.Tx, id int64, toRead []rules.Object) error {
	r, found, err := tx.Referral(id)
	rule, ours := t.rules[r.CampaignID]
	switch {
	case err != nil:
		return err
	case found && !ours:
		return nil
	case slices.ContainsFunc(toRead, func(object rules.Object) bool { return !t.doesWithout(rule.Campaign, object) }):
		return nil
	case found && r.Standing == rules.Pending && tx.Joining(id) && !t.again[id]:
		return tx.PutReferral(unsought(r, rule))
	case !found || r.Standing != rules.Pending || r.Verdict.Reason == rules.HeldByBrake:
		return tx.Judged(id)
	}
	records, err := tx.Records(r)
	if err != nil || t.lostSight(rule.Campaign, records) {
		return err
	}
	v := rules.Judge(rule, r, records)
	v.At = t.now
	return errors.Join(tx.Judged(id), t.pronounce(tx, r, rule, v))
}

// doesWithout tells whether a campaign need not wait for records of an object: no rule is about it, so it is not read, or the org shows us none, and
// whether somebody qualifies or was there before does not depend on it. Should it come into sight, what is marked to be read is.
func (t *pass) doesWithout(c rules.Campaign, object rules.Object) bool {
	if slices.Contains(t.objects(), object) && !t.described[object].Gone {
		return false
	}
	if object == rules.Opportunity {
		return !c.NeedsConversion()
	}
	return object != c.Object && c.Duplicates != rules.DoNothing
}

// lostSight tells whether a record that decides about a referral is another by now, as its history tells, and could not be read in this pass.
func (t *pass) lostSight(c rules.Campaign, records []rules.Linked) bool {
	return slices.ContainsFunc(records, func(l rules.Linked) bool {
		decides := l.Object == c.Object || l.Object == rules.Opportunity && c.NeedsConversion()
		return decides && l.Outdated() && (t.inVain[l.ID] || t.failed[string(l.Object)])
	})
}

// unsought is a referral that has not been looked up in Salesforce yet, with the reason.
func unsought(r rules.Referral, rule rules.Rule) rules.Referral {
	if r.Verdict.Reason != "" && !rule.Blind {
		return r
	}
	r.Verdict = rules.Verdict{Outcome: rules.Not, Reason: rules.NoRecord, Sentence: "it has not been looked up in Salesforce yet"}
	if rule.Blind {
		r.Verdict.Reason, r.Verdict.Sentence = rules.FieldUnreadable, rule.ParkedWhy
	}
	return r
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
		t.Log.Warn().Int64(logged.Referral, r.ID).Int64(logged.Campaign, r.CampaignID).Str(logged.Reason, string(v.Reason)).Msg("referral is held: it waits for a person")
	case rules.Qualified:
		r.Standing = rules.Owed
		errs = append(errs, tx.Owe(store.Debt{Referral: r.ID, Campaign: r.CampaignID, Since: v.At}))
		t.Log.Info().Int64(logged.Referral, r.ID).Int64(logged.Campaign, r.CampaignID).Time(logged.Event, v.EventAt()).Msg("referral qualifies")
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
