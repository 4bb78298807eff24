package poll

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// reconcileMark is the watermark that says when the last reconciliation was.
const reconcileMark = "reconcile"

// lookupsAtOnce is for how many referrals records are looked up before what was found is taken in: as many as fill one call for an object.
const lookupsAtOnce = queriesACall * referralsAQuery

// reconcile looks at every pending referral when its schedule fell due in this pass: its records are read by Id, and its code and e-mail
// searched again. That finds what no delta shows: a record that committed very late, or was shared with us later. It does the same, for one
// object, in place of an answer that was too long.
func (t *pass) reconcile(ctx context.Context) error {
	if t.now.IsZero() {
		return nil
	}
	if err := t.reconcileDue(); err != nil {
		return err
	}
	left := map[rules.Object]bool{}
	for _, d := range t.deltas {
		if d.left {
			left[objectOf(d.name)] = true
		}
	}
	if !t.reconciling && len(left) == 0 {
		return nil
	}
	if t.reconciling {
		if err := t.update(t.judgeFormerBlocks); err != nil {
			return err
		}
	}
	due := func(object rules.Object) bool { return t.reconciling || left[object] }
	err := t.demand(func(_ store.Outline, l rules.Link, _ rules.Snapshot) bool { return due(l.Object) }, false)
	if err != nil {
		return err
	}
	return t.searchPending(ctx, due)
}

func (t *pass) reconcileDue() error {
	return t.update(func(tx *store.Tx) error {
		last, err := tx.Watermark(reconcileMark)
		if err != nil {
			return err
		}
		if last.At.IsZero() { // nobody knew the time when the pass began
			return beginReconciling(tx, t.now)
		}
		due := t.Reconcile(last.At)
		t.reconciling = !due.IsZero() && !due.After(t.now) || last.At.After(t.now.Add(clockSlack))
		return nil
	})
}

// beginReconciling has the schedule count from now where there was no pass yet: the first one looks everybody up as it is. That is settled before anybody
// is looked up, so that whatever has to be looked at again after a first pass that was killed is.
func beginReconciling(tx *store.Tx, now time.Time) error {
	last, err := tx.Watermark(reconcileMark)
	if err != nil || !last.At.IsZero() {
		return err
	}
	return tx.SetWatermark(reconcileMark, store.Watermark{At: now})
}

// longAgo is a last reconciliation after which any schedule is due.
var longAgo = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

// reconcileSoon has this pass reconcile, or the first later one that succeeds. Before the very first pass there is nothing to reconcile.
func reconcileSoon(tx *store.Tx) error {
	last, err := tx.Watermark(reconcileMark)
	if err != nil || last.At.IsZero() {
		return err
	}
	return tx.ResetWatermark(reconcileMark, store.Watermark{At: longAgo})
}

// judgeFormerBlocks has those judged who are blocked under a policy that their campaign does not have any more: they stay so, and are told why.
func (t *pass) judgeFormerBlocks(tx *store.Tx) error {
	var ids []int64
	err := tx.Outlines(func(o store.Outline) error {
		if c, _ := t.campaign(o.CampaignID); t.pendingHere(o) && o.Blocked && c.Duplicates != rules.DoNothing {
			ids = append(ids, o.ID)
		}
		return nil
	})
	for _, id := range ids {
		err = errors.Join(err, tx.Judge(id))
	}
	return err
}

// searchPending looks for the codes and e-mails of all pending referrals on some objects. Those whose record Salesforce refused to take are tried
// again.
func (t *pass) searchPending(ctx context.Context, on func(rules.Object) bool) error {
	var pending []int64
	err := t.view(func(tx *store.Tx) error {
		return tx.Outlines(func(o store.Outline) error {
			if t.pendingHere(o) && !o.Blocked { // of who is blocked no record is looked for
				pending = append(pending, o.ID)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for all := len(pending); len(pending) > 0; t.tell("reconciling pending referrals", all-len(pending), all) {
		some, err := t.referrals(pending[:min(lookupsAtOnce, len(pending))])
		if err != nil {
			return err
		}
		pending = pending[len(some):]
		found, err := t.lookup(ctx, some, false, on)
		if err != nil {
			return err
		}
		if err := t.takeFound(some, found); err != nil {
			return err
		}
	}
	return nil
}

// referrals are those with some ids, all of which there are.
func (t *pass) referrals(ids []int64) (some []rules.Referral, err error) {
	err = t.view(func(tx *store.Tx) error {
		for _, id := range ids {
			r, _, err := tx.Referral(id)
			if err != nil {
				return err
			}
			some = append(some, r)
		}
		return nil
	})
	return some, err
}

// pendingHere tells whether a referral is a pending one of a configured campaign.
func (t *pass) pendingHere(o store.Outline) bool {
	_, ours := t.campaign(o.CampaignID)
	return ours && o.Standing == rules.Pending
}

func (t *pass) takeFound(referrals []rules.Referral, found *findings) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(found.records)), joinedAtOnce) {
		err := t.update(func(tx *store.Tx) error {
			for _, id := range ids {
				s := found.records[id]
				if s.Deleted {
					continue
				}
				if err := t.see(tx, s, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.update(func(tx *store.Tx) error {
		for _, r := range referrals {
			if r.Refused != "" && !r.Settled {
				if !tx.Joining(r.ID) {
					t.again[r.ID] = true
				}
				if err := tx.Join(r.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
