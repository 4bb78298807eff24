package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
)

// Restored is what a restore did.
type Restored struct {
	Report
	Replaced string // where the store that was there before is now; "" when there was none
	// Since tells whether the store that was replaced is known to go on from the backup. Then Lost is how many ledger lines it has beyond it, and
	// SetBack are the referrals that a person had set back to pending meanwhile: they stay so. Qualified are those that had qualified meanwhile: should
	// somebody set them back, they stay so too. UnderWay are those about whom a request was under way, or an order to set them back: it is still. Unread are those of
	// whom the store that was replaced is damaged: they are as the backup has them.
	Since     bool
	Lost      uint64
	SetBack   []int64
	Qualified []int64
	UnderWay  []int64
	Unread    []int64
}

// Restore puts a backup in the place of the store at path, which nobody may have open. The backup is checked first, and stays as it is; the store
// that it replaces is kept beside it. Until the end, and when anything goes wrong, path has what it had before.
func Restore(path, backup string, now time.Time, progress Progress) (done Restored, err error) {
	path = resolved(path)
	current, err := Open(path) // as long as it is open nobody else has it
	if err == nil {
		defer current.Close()
	} else if pathError := (*fs.PathError)(nil); errors.Is(err, ErrLocked) || errors.As(err, &pathError) {
		return done, err
	}
	temp, err := fill(path, func(w io.Writer) error { return copyFile(w, backup) })
	if err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	defer os.Remove(temp)
	done.Report, err = CheckFile(temp, progress)
	if err == nil && len(done.Problems) > 0 {
		err = errors.New(done.summary())
	}
	if err != nil {
		return done, fmt.Errorf("the backup %s is not restored: %w", backup, err)
	}
	if current != nil {
		if err := done.carryOver(current, temp, now); err != nil {
			return done, fmt.Errorf("restore: %w", err)
		}
	}
	if err := ownLike(temp, path); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if done.Replaced, err = setAside(path, now); err != nil {
		return done, fmt.Errorf("restore: keep the store that is there: %w", err)
	}
	if err := name(temp, path, done.Replaced != ""); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	return done, nil
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// setAside gives the file at path a second name, by the time; "" where there is no file.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".replaced-" + now.UTC().Format("20060102T150405Z")
	err := os.Link(path, aside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return aside, syncFolder(filepath.Dir(path))
}

// carryOver takes from the store that is replaced what neither service knows: that a referral was qualified, which a person may have set back since, that
// it was set back, which has to stay so, or that somebody ordered it; that a request was sent that may have its effect yet; when somebody joined, that
// nothing is to be created for them any more, and what we wrote; and what the brakes have counted.
// That is known only where the store goes on from the backup. A store that cannot be read tells nothing.
func (r *Restored) carryOver(current *Store, temp string, now time.Time) error {
	restored, err := Open(temp)
	if err != nil {
		return err
	}
	since := r.toCarryOver(current, restored)
	err = restored.Update(func(tx *Tx) (err error) {
		for _, one := range since.referrals {
			if one.decided() {
				err = r.carry(tx, one, now)
			} else {
				err = r.carryPending(tx, one)
			}
			if err == nil && one.intent != nil {
				err = tx.PutIntent(one.ID, *one.intent)
			}
			if err != nil {
				return err
			}
		}
		for _, one := range since.noted {
			if err := carryNoted(tx, one); err != nil {
				return err
			}
		}
		for id, one := range since.unlinked {
			if err := carryUnlinked(tx, id, one); err != nil {
				return err
			}
		}
		for _, one := range since.campaigns {
			if err := carryCampaign(tx, one); err != nil {
				return err
			}
		}
		for hour, calls := range since.calls {
			if err := tx.put(callsBucket, []byte(hour), calls); err != nil {
				return err
			}
		}
		if !since.lastPass.At.IsZero() {
			if err := tx.SetLastPass(since.lastPass); err != nil {
				return err
			}
		}
		if since.sweeps > 0 {
			err = tx.put(metaBucket, sweepsKey, since.sweeps)
		}
		head, errHead := tx.LedgerHead()
		r.Ledger = head
		return errors.Join(err, errHead)
	})
	return errors.Join(err, restored.Close())
}

// since is what the store that is replaced has and the backup does not.
type since struct {
	referrals []carried
	noted     []noted
	unlinked  map[string]rules.Snapshot // of records into which we wrote, and which are nobody's now
	campaigns []Campaign
	sweeps    uint64         // how many were begun
	calls     map[string]int // of Salesforce's API, by hour
	lastPass  LastPass
}

// carried is a referral as the store that is replaced has it.
type carried struct {
	rules.Referral
	debt   *Debt   // an order to set it back, or what was sent; nil where there is neither
	intent *Intent // a write to Salesforce whose outcome is not known
}

// noted is a record of whose fields the store that is replaced knows, since the backup, that a value was no person's change.
type noted struct {
	referral int64
	rules.Link
	rules.Snapshot
	fields []string
}

// decided tells whether a referral has been qualified or set back, or is about to be.
func (c carried) decided() bool {
	return c.debt != nil || c.Standing == rules.Overridden || qualified(c.Standing)
}

// toCarryOver lists what is to be carried over from a store that goes on from the backup of an owner's store. Where the ledger tells that, the account may be
// reached by another key since.
func (r *Restored) toCarryOver(current, backup *Store) (out since) {
	err := guarded(func() error {
		return backup.View(func(then *Tx) error { return current.View(func(now *Tx) error { return r.compare(then, now, &out) }) })
	})
	if r.Since = r.Since && err == nil; !r.Since {
		r.Unread = nil
		return since{}
	}
	_ = guarded(func() error { // what is damaged of the records must not keep the rest from being carried over
		return backup.View(func(then *Tx) error {
			return current.View(func(now *Tx) error {
				_, err := now.undamaged(func(one rules.Referral) error { out.compareRecords(then, now, one); return nil })
				out.unlinked = now.unlinked()
				return err
			})
		})
	})
	return out
}

// compare lists what differs between two states of a store, as far as it is to be carried over.
func (r *Restored) compare(then, now *Tx, out *since) error {
	owner, errOwner := then.Owner()
	holder, errHolder := now.Owner()
	line, err := now.LineWith(r.Ledger.Hash)
	if err := errors.Join(errOwner, errHolder, err); err != nil || line != r.Ledger.Length || owner.OrgID != "" && holder.OrgID != owner.OrgID ||
		line == 0 && holder.Account != owner.Account {
		return err
	}
	r.Since, r.Lost = true, now.LedgerLength()-line
	r.Unread, err = now.undamaged(func(one rules.Referral) error {
		c := carried{Referral: one}
		debt, owed, errDebt := now.Debt(one.ID)
		if owed && (debt.Undo || !debt.SentAt.IsZero()) {
			c.debt = &debt
		}
		intent, begun, errIntent := now.Intent(one.ID)
		if begun {
			c.intent = &intent
		}
		before, found, err := then.Referral(one.ID)
		_, owedBefore, errBefore := then.Debt(one.ID)
		same := found && c.debt == nil && !owedBefore && before.Standing == one.Standing
		if !found || c.decided() && !same || begun || one.Settled && !before.Settled {
			out.referrals = append(out.referrals, c)
		}
		return errors.Join(errDebt, errIntent, err, errBefore)
	})
	if err == nil {
		out.campaigns, err = now.Campaigns()
	}
	if err == nil {
		out.sweeps, _, err = get[uint64](now, metaBucket, sweepsKey)
	}
	if err == nil {
		err = out.compareCalls(now)
	}
	return err
}

// undamaged calls fn for each referral, and lists those that cannot be read whole.
func (tx *Tx) undamaged(fn func(rules.Referral) error) (damaged []int64, err error) {
	err = tx.bolt.Bucket(referralBucket).ForEach(func(key, _ []byte) error {
		one, _, err := tx.Referral(keyID(key))
		if err == nil {
			err = fn(one)
		}
		if errors.Is(err, ErrDamaged) {
			damaged, err = append(damaged, keyID(key)), nil
		}
		return err
	})
	return damaged, err
}

// compareCalls lists the calls that were made: with fewer, the rest of the day's share would be spent once more.
func (s *since) compareCalls(now *Tx) (err error) {
	s.calls = map[string]int{}
	err = now.bolt.Bucket(callsBucket).ForEach(func(hour, raw []byte) error {
		s.calls[string(hour)], err = fromJSON[int](raw)
		return err
	})
	if err == nil {
		s.lastPass, err = now.LastPass()
	}
	return err
}

// compareRecords lists those of a referral's records whose values we have written since the backup, or that have been seen replaced in Setup.
func (s *since) compareRecords(then, now *Tx, one rules.Referral) {
	for _, l := range one.Links {
		snapshot, _, err := now.Snapshot(l.RecordID)
		before, _, errBefore := then.Snapshot(l.RecordID)
		if err != nil || errBefore != nil {
			continue
		}
		var fields []string
		for _, w := range snapshot.Wrote {
			if !slices.Contains(before.Wrote, w) {
				fields = append(fields, w.Field)
			}
		}
		for _, c := range snapshot.Changes {
			if c.Unmoved && !slices.Contains(before.Changes, c) {
				fields = append(fields, c.Field)
			}
		}
		if len(fields) > 0 {
			s.noted = append(s.noted, noted{one.ID, l, snapshot, fields})
		}
	}
}

// carryNoted has a restored store know how such fields became what they are: read again, that would be news, and look like a person's change. The record
// is its referral's, so that it is known with that before anybody else's; only a pin is an order, and lost.
func carryNoted(tx *Tx, n noted) error {
	r, found, err := tx.Referral(n.referral)
	if err != nil || !found {
		return err
	}
	link, linked := r.LinkTo(n.RecordID)
	if !linked {
		link = n.Link
		link.Kinds = n.Kinds.Without(rules.Pinned)
	}
	for _, kind := range n.Kinds {
		if kind == rules.Created || kind == rules.Marked {
			link.Kinds = link.Kinds.With(kind)
		}
	}
	if len(link.Kinds) == 0 {
		return nil
	}
	r.SetLink(link)
	snapshot, _, err := tx.Snapshot(n.RecordID)
	if err != nil {
		return err
	}
	of := func(field string) bool {
		return slices.ContainsFunc(n.fields, func(name string) bool { return strings.EqualFold(name, field) })
	}
	snapshot.Wrote = n.Wrote
	if snapshot.Values == nil {
		snapshot.Values = map[string]rules.Value{}
	}
	for field, value := range n.Values {
		if of(field) {
			snapshot.Values[field] = value
		}
	}
	snapshot.Changes = slices.DeleteFunc(snapshot.Changes, func(c rules.Change) bool { return of(c.Field) })
	for _, c := range n.Changes {
		if of(c.Field) {
			snapshot.Changes = append(snapshot.Changes, c)
		}
	}
	return errors.Join(tx.PutReferral(r), tx.PutSnapshot(n.RecordID, snapshot), tx.Read(n.RecordID, n.Link.Object, nil), tx.Judge(r.ID))
}

// unlinked are the snapshots that can be read of records that nobody links.
func (tx *Tx) unlinked() map[string]rules.Snapshot {
	out := map[string]rules.Snapshot{}
	_ = tx.bolt.Bucket(snapshotBucket).ForEach(func(key, _ []byte) error {
		if id := string(key); !tx.Linked(id) {
			if s, _, err := tx.Snapshot(id); err == nil {
				out[id] = s
			}
		}
		return nil
	})
	return out
}

// carryUnlinked has a restored store know what we wrote into a record that became nobody's since the backup, whose it may be once more.
func carryUnlinked(tx *Tx, recordID string, s rules.Snapshot) error {
	before, found, err := tx.Snapshot(recordID)
	if err != nil || !found {
		return errors.Join(err, tx.PutSnapshot(recordID, s))
	}
	before.Wrote = s.Wrote
	return tx.PutSnapshot(recordID, before)
}

// carryPending has a referral in a restored store be one that joined when it did, for whom nothing is created again. Its records are found again; only
// which of them was created for it, the services may not tell.
func (r *Restored) carryPending(tx *Tx, later carried) error {
	one, found, err := tx.Referral(later.ID)
	if err != nil {
		return err
	}
	if !found {
		one = later.Referral
		one.Standing, one.Verdict, one.QualifiedOn, one.AnsweredAt = rules.Pending, rules.Verdict{}, "", tx.LedgerLength()
		one.Links, one.Blockers, one.JoinAsked = nil, nil, false
		r.Referrals++
		err = errors.Join(tx.Join(one.ID), tx.Judge(one.ID))
	}
	one.Settled = one.Settled || later.Settled
	for _, l := range later.Links {
		if _, linked := one.LinkTo(l.RecordID); l.Kinds.Has(rules.Created) && !linked {
			err = errors.Join(err, tx.Read(l.RecordID, l.Object, map[int64]rules.Kinds{one.ID: {rules.Created}}))
		}
	}
	return errors.Join(err, tx.PutReferral(one))
}

// carryCampaign has a campaign's brake count what qualified since the backup: otherwise it would let as many go once more. Which sweeps there were tells who
// was not there yet. Of a campaign that the backup does not know, all is carried over. A rule that was changed since, be it back to what the backup has, is
// another one for the next pass, and counts from then: with the backup's beginning, what changed while another rule was in force would count.
func carryCampaign(tx *Tx, later Campaign) error {
	c, err := tx.Campaign(later.ID)
	if err != nil {
		return err
	}
	if c.Fingerprint == "" {
		return tx.PutCampaign(later)
	}
	if later.Fingerprint != c.Fingerprint || !later.RuleSince.Equal(c.RuleSince) {
		c.Fingerprint = changedSince
	}
	c.Brake, c.Sweeps, c.CodeFields, c.CodesHidden = later.Brake, later.Sweeps, later.CodeFields, later.CodesHidden
	if c.FirstSweep == 0 {
		c.FirstSweep = later.FirstSweep
	}
	return tx.PutCampaign(c)
}

// changedSince is a Fingerprint that no rule has.
const changedSince = "changed since the backup"

func qualified(s rules.Standing) bool { return s == rules.Delivered || s == rules.Elsewhere }

// carry has a referral in a restored store stay qualified or set back to pending, or what is under way about it go on.
func (r *Restored) carry(tx *Tx, later carried, now time.Time) error {
	one, found, err := tx.Referral(later.ID)
	debt, owed, errDebt := tx.Debt(later.ID)
	stands := one.Standing == later.Standing || qualified(one.Standing) && qualified(later.Standing)
	switch {
	case err != nil || errDebt != nil:
		return errors.Join(err, errDebt)
	case later.debt == nil && !owed && stands, later.debt != nil && owed && debt == *later.debt:
		return nil // as it was
	case later.Standing == rules.Delivered && one.Standing != rules.Delivered:
		later.Standing = rules.Elsewhere // that it was us is told by the replaced store only
	}
	if !found { // its records are found again when it is resumed
		one = later.Referral
		one.Links, one.Blockers = nil, nil
		r.Referrals++
	}
	one.Settled = one.Settled || later.Settled // nothing is created once more for whoever is resumed
	one.Standing, one.Verdict, one.QualifiedOn = later.Standing, later.Verdict, later.QualifiedOn
	line := Entry{At: now.UTC(), Act: ActOverridden, Campaign: one.CampaignID, Referral: one.ID, Reason: later.Verdict.Reason,
		Note: "carried over from the store that a backup replaced"}
	settled := tx.Settle(one.ID)
	switch {
	case later.debt == nil && qualified(one.Standing):
		line.Act, line.Reason = ActElsewhere, rules.QualifiedElsewhere
		r.Qualified = append(r.Qualified, one.ID)
	case later.debt == nil:
		one.QualifiedOn = ""
		r.SetBack = append(r.SetBack, one.ID)
	default:
		line.Act, line.Outcome = ActJudged, later.Verdict.Outcome
		if later.debt.Undo {
			line.Act, line.Outcome, line.Reason = ActUnqualify, "", ""
		}
		if later.debt.By != "" {
			line.Note += ", where it was ordered by " + later.debt.By
		}
		r.UnderWay = append(r.UnderWay, one.ID)
		settled = tx.Owe(*later.debt)
	}
	err = tx.Append(line)
	one.AnsweredAt = tx.LedgerLength()
	return errors.Join(err, settled, tx.Unhold(one.ID), tx.PutReferral(one))
}
