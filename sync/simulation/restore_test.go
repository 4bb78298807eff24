package simulation

import (
	"maps"
	"os"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// backup is a copy of the store's file, and what the model knew at the time.
type backup struct {
	content   []byte
	act       int
	lastPoll  time.Time
	campaigns map[*campaign]campaign
	referrals map[*referral]referral
	owners    map[claim]ownership
}

// backUp keeps a copy of the store, as an operator does.
func (w *world) backUp() {
	b := &backup{content: w.disk.remains(), act: w.truth.now(), lastPoll: w.model.lastPoll,
		campaigns: map[*campaign]campaign{}, referrals: map[*referral]referral{}, owners: map[claim]ownership{}}
	for _, c := range w.campaigns {
		b.campaigns[c] = *c
	}
	for _, r := range w.people.list {
		b.referrals[r] = r.copied()
	}
	for k, own := range w.model.owners {
		b.owners[k] = *own
	}
	w.backup = b
	w.tell("the store is backed up")
}

func (r *referral) copied() referral {
	out := *r
	out.believed, out.blockers, out.ties = slices.Clone(r.believed), maps.Clone(r.blockers), maps.Clone(r.ties)
	for one, t := range r.ties {
		tie := *t
		tie.maybeBelow = slices.Clone(t.maybeBelow)
		out.ties[one] = &tie
	}
	return out
}

// restore puts the newest backup in the store's place, as an operator does some time after something went wrong.
func (w *world) restore() {
	b := w.backup
	known := slices.ContainsFunc(w.people.list, func(r *referral) bool { return !r.removed && r.knownSince > 0 })
	if !known {
		return // with another key, nobody would know the account
	}
	if w.disk.left != nil {
		w.die()
	}
	w.model.readBook(nil)
	standing := map[*referral]rules.Standing{}
	for _, r := range w.people.list {
		standing[r] = w.model.knownOf(r).Standing
	}
	left := w.disk.remains()
	w.stop()
	w.after(w.between(time.Second, 10*time.Minute))
	content, since := w.restored(left, b.content)
	if !since {
		w.start(left)
		return
	}
	w.start(content)
	w.model.readBook(nil) // what a request did that arrived since
	w.model.restored(b, standing)
	w.tell("the store of act %d is restored", b.act)
}

// restored is the content of the store's file once a backup was restored into its place, and whether what was there goes on from it. Whether it does is
// told by the ledger; where that was empty, and the org or the key is another since, nobody knows, and the operator thinks better of it.
func (w *world) restored(now, backup []byte) (content []byte, since bool) {
	w.t.Helper()
	copied := w.disk.path + ".backup"
	for path, content := range map[string][]byte{w.disk.path: now, copied: backup} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	done, err := store.Restore(w.disk.path, copied, w.now(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if !done.Since && done.Ledger.Length > 0 {
		w.fail(0, "RESTORE: the store that was replaced is not known to go on from the backup")
	}
	if content, err = os.ReadFile(w.disk.path); err != nil {
		w.t.Fatal(err)
	}
	os.Remove(done.Replaced)
	return content, done.Since
}

// restored is what comes of a restore: qualifyd knows what it knew when the store was backed up, and of what came later only what the store that was
// replaced has kept of people: when they joined, who was qualified, who was set back, and what is under way. standing is what that had.
func (m *model) restored(b *backup, standing map[*referral]rules.Standing) {
	m.lastPoll = b.lastPoll
	before := m.owners
	m.owners = map[claim]*ownership{}
	for k, own := range b.owners {
		m.owners[k] = &own
	}
	for _, c := range m.w.campaigns {
		for _, one := range m.w.truth.order {
			if own := before[claim{c.id, one.id}]; own != nil && m.w.truth.noted(one) {
				kept := m.owner(c, one)
				kept.now, kept.merged = union(kept.now, own.now...), kept.merged || own.merged
			}
		}
	}
	for _, r := range m.w.people.list {
		r.forget(b.referrals[r], m.w.truth.noted)
		if r.orderAct >= b.act {
			r.forgetOrders(standing[r])
		}
	}
	for _, c := range m.w.campaigns {
		m.campaignRestored(c, b.campaigns[c])
	}
}

// noted tells whether a restore may carry over what was known of a record, and whose it was: how it became what it is was not a person's doing.
func (h *truth) noted(r *record) bool {
	took := func(other *record) bool { return text(other.now().f["MasterRecordId"]) == r.id && h.noted(other) }
	return r.ours || r.marked || slices.ContainsFunc(r.versions, func(v version) bool { return v.rewritten }) ||
		slices.ContainsFunc(r.madeBy, h.noted) || slices.ContainsFunc(h.order, took)
}

// campaignRestored is what of a campaign is known again as it was: but for the sweeps, and for one that the backup did not know, whose rule counts from when
// it did.
func (m *model) campaignRestored(c *campaign, then campaign) {
	now := *c
	*c = then
	c.out, c.movedAct, c.restored, c.sweeps, c.codesSeen = now.out, m.w.truth.now(), true, now.sweeps, now.codesSeen
	switch {
	case then.firstTry.IsZero():
		c.changed, c.perhaps, c.former, c.firstTry, c.firstDone = now.changed, now.perhaps, now.former, now.firstTry, now.firstDone
	case !now.same(then.rule), !now.firstTry.Equal(then.firstTry): // it was another for a while
		m.ruleChanges(c)
	}
	if then.firstDone.IsZero() && !then.firstTry.IsZero() { // a pass that died may have known it, or not
		c.firstTry = then.firstTry
	}
	c.rule, c.since = now.rule, m.w.now()
}

// forget has the model know of a referral what it knew at a former time. What may be, may still be: a request may be under way.
func (r *referral) forget(then referral, noted func(*record) bool) {
	then = then.copied()
	for one, now := range r.ties { // what was seen of a record that was made or marked since the backup is kept
		if noted(one) {
			before := then.tie(one)
			before.mayReach, before.maybeBelow = before.mayReach || now.mayReach, append(before.maybeBelow, now.maybeBelow...)
		}
	}
	r.believed = append(slices.Clone(r.believed), then.believed...)
	r.blockers, r.mayBlocked, r.lookedUp, r.ties, r.pinnedOne, r.joinAsked = then.blockers, then.mayBlocked, then.lookedUp, then.ties, then.pinnedOne, r.joinAsked || then.joinAsked
	r.late, r.braked = 0, false
	r.shown, r.may, r.must = r.shown || then.shown, r.may || then.may, r.must && then.must
}

// forgetOrders is for somebody about whom orders were given since the backup: they are lost, but for those to set it back.
func (r *referral) forgetOrders(standing rules.Standing) {
	r.must, r.demanded, r.again, r.unsure = false, false, true, true
	if standing == rules.Overridden {
		return
	}
	r.closed, r.backed, r.wanted = false, false, true
}
