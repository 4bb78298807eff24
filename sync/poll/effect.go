package poll

import (
	"context"
	"errors"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
)

// takeEffect works out, now that the service's time is known, from when each campaign's rule counts, and has the records read that were last
// seen before that: their present values are the rule's baseline.
func (t *pass) takeEffect(context.Context) error {
	if t.first.IsZero() {
		return nil
	}
	for _, c := range t.Campaigns {
		if err := t.takeEffectOf(c); err != nil {
			return err
		}
	}
	return nil
}

// referralsNamed is how many referrals a line of the log names.
const referralsNamed = 50

func (t *pass) takeEffectOf(c rules.Campaign) error {
	var known store.Campaign
	var changed bool
	var pending []int64
	err := t.update(func(tx *store.Tx) (err error) {
		if known, err = tx.Campaign(c.ID); err != nil {
			return err
		}
		before := known
		if changed = known.Fingerprint != "" && known.Fingerprint != c.Fingerprint(); changed {
			// Its object or code field may be another: everybody is looked for anew.
			if err := reconcileSoon(tx); err != nil {
				return err
			}
		}
		ahead := t.since().Add(clockSlack) // what is after that was set in a pass that was told a wrong time, or in the one after it
		if known.Effective.After(later(ahead, known.EffectiveFrom)) {
			known.Effective, known.FirstWhole = later(t.first, known.EffectiveFrom), t.first
		}
		if known.RuleSince.After(ahead) {
			known.RuleSince = t.first
		}
		known = effectOf(known, c, t.since())
		if known.Fingerprint == before.Fingerprint && known.Effective.Equal(before.Effective) && known.RuleSince.Equal(before.RuleSince) &&
			known.EffectiveFrom.Equal(before.EffectiveFrom) && known.EffectiveDay == before.EffectiveDay {
			return nil
		}
		pending, err = markPending(tx, c.ID)
		return errors.Join(err, tx.PutCampaign(known))
	})
	if err != nil {
		return err
	}
	if changed {
		t.Log.Info().Int64(logged.Campaign, c.ID).Int(logged.Pending, len(pending)).Ints64(logged.Referrals, pending[:min(len(pending), referralsNamed)]).
			Msg("the campaign's rule changed; for its pending referrals, changes from now on count")
	}
	rule := t.rules[c.ID]
	rule.Effective = known.Effective
	t.rules[c.ID] = rule
	baseline := known.Effective
	if baseline.IsZero() {
		baseline = t.first // should this pass be the first whole one, it will be the campaign's beginning
	}
	if baseline.After(t.now) || known.RereadFor.Equal(baseline) {
		return nil
	}
	return t.demand(func(o store.Outline, _ rules.Link, s rules.Snapshot) bool {
		return o.CampaignID == c.ID && seenBefore(s, baseline)
	}, true)
}

// since is from when counts what this pass is the first to know: its first answer, or the pass before where that answer tells a time well before that. Should
// it be the one before that was told a wrong time, a later pass puts it right. What is read in this pass is to be the baseline, so that some seconds, by which
// Salesforce's machines may disagree, are not waited for.
func (t *pass) since() time.Time {
	if t.before.Sub(t.first) > time.Minute {
		return t.before
	}
	return t.first
}

// effectOf is what is to be remembered of a campaign in view of its config. now is from when what is new counts.
//
//	the config's                     effective from
//	campaign is new                  effective_from, or else (later) the first whole pass
//	rule changed, effective_from not  now, or effective_from where that is later
//	rule and effective_from changed  effective_from
//	effective_from changed           effective_from
//	its day begins in another zone   effective_from, or when the rule last changed where that is later and effective_from was not set with it
//	effective_from went away         the first whole pass that knew the campaign, or when its rule last changed
func effectOf(known store.Campaign, c rules.Campaign, now time.Time) store.Campaign {
	fresh := known.Fingerprint == ""
	ruleChanged := !fresh && known.Fingerprint != c.Fingerprint()
	moved := !fresh && !known.EffectiveFrom.Equal(c.EffectiveFrom)
	sameDay := c.EffectiveDay != "" && known.EffectiveDay == c.EffectiveDay // nobody has changed it: the zone is another
	fromChanged := fresh || moved && !sameDay
	switch {
	case fromChanged && !c.EffectiveFrom.IsZero():
		known.Effective = c.EffectiveFrom
	case ruleChanged && !known.Effective.IsZero():
		known.Effective = later(now, c.EffectiveFrom)
	case moved && sameDay && known.Effective.Equal(known.EffectiveFrom) && known.RuleSince.After(known.Effective): // it was set to reach back
		known.Effective = c.EffectiveFrom
	case moved && sameDay:
		known.Effective = later(known.RuleSince, c.EffectiveFrom)
	case fromChanged && !fresh:
		known.Effective = later(known.FirstWhole, known.RuleSince)
		if known.FirstWhole.IsZero() {
			known.Effective = time.Time{}
		}
	}
	if ruleChanged {
		known.RuleSince = now
	}
	known.Fingerprint, known.EffectiveFrom, known.EffectiveDay = c.Fingerprint(), c.EffectiveFrom, c.EffectiveDay
	return known
}

// settle notes for which campaigns the pass read Salesforce to the end, moves the watermarks of answers that were left alone, and notes that
// the reconciliation is done.
func (t *pass) settle(context.Context) error {
	if t.first.IsZero() {
		return nil
	}
	return t.update(func(tx *store.Tx) error {
		for _, c := range t.Campaigns {
			if !t.whole(c) {
				continue
			}
			if err := t.settleCampaign(tx, c); err != nil {
				return err
			}
		}
		for _, d := range t.deltas {
			object := objectOf(d.name)
			if d.left && !t.anyLookupFailed(object) && !t.failed[readName(object)] {
				if err := tx.SetWatermark(d.name, store.Watermark{At: later(d.mark.At, d.bound)}); err != nil {
					return err
				}
			}
		}
		if t.reconciling && !t.anyObject(func(o rules.Object) bool { return t.anyLookupFailed(o) || t.failed[readName(o)] }) {
			return tx.ResetWatermark(reconcileMark, store.Watermark{At: t.now})
		}
		return nil
	})
}

func (t *pass) settleCampaign(tx *store.Tx, c rules.Campaign) error {
	known, err := tx.Campaign(c.ID)
	if err != nil {
		return err
	}
	before := known
	if known.FirstWhole.IsZero() {
		known.FirstWhole = t.first
	}
	if known.Effective.IsZero() {
		known.Effective = t.since()
		if _, err := markPending(tx, c.ID); err != nil {
			return err
		}
	}
	if known.Effective.Before(t.first) || !known.Effective.Equal(known.RuleSince) && !known.Effective.After(t.now) {
		known.RereadFor = known.Effective // not in the pass that sets it: its answers may tell times before that, by the service's clocks
	}
	rule := t.rules[c.ID]
	rule.Effective = known.Effective
	t.rules[c.ID] = rule
	if known.FirstWhole.Equal(before.FirstWhole) && known.Effective.Equal(before.Effective) && known.RereadFor.Equal(before.RereadFor) {
		return nil
	}
	return tx.PutCampaign(known)
}

// whole tells whether everything that a campaign depends on was read in this pass.
func (t *pass) whole(c rules.Campaign) bool {
	if t.unjoined[c.ID] || t.lookupFailed(c) {
		return false
	}
	for _, name := range t.queriesOf(c) {
		if t.unreadable(objectOf(name)) || t.failed[name] || t.failed[readName(objectOf(name))] {
			return false
		}
	}
	return true
}

func (t *pass) anyObject(is func(rules.Object) bool) bool {
	return slices.ContainsFunc(t.objects(), is)
}

// objectOf is the object that a query is about: its own, or that of the history.
func objectOf(query string) rules.Object {
	if h, ok := histories[query]; ok {
		return h.of
	}
	return rules.Object(query)
}
