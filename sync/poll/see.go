package poll

import (
	"errors"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// sight is one look at a record.
type sight struct {
	claims map[int64]rules.Kinds // whose the record is to become, if it may
	byID   bool                  // it was read by its Id, together with its history
	force  bool                  // note the observation even when nothing changed
	merged []rules.Written       // what we wrote into the records that were merged into it
}

// see takes in a row: whose the record is, and what it shows. A row that concerns no referral leaves no trace.
func (t *pass) see(tx *store.Tx, s seen, look *sight) error {
	if look == nil {
		look = &sight{}
	}
	if s.ID == "" {
		return nil
	}
	if s.Deleted {
		return t.seeDeleted(tx, s, look)
	}
	if len(s.hidden) > 0 {
		before, _, err := tx.Snapshot(s.ID)
		if err != nil {
			return err
		}
		s.keepHidden(before.Record) // first: with a converted Lead goes what it was converted into
	}
	if err := t.settleLinks(tx, s, look); err != nil {
		return err
	}
	if !tx.Linked(s.ID) {
		return nil
	}
	return t.observe(tx, s, look)
}

// observe adds a row to what is known of a linked record. A record that was never looked at is read by Id first: its history belongs to the first
// look.
func (t *pass) observe(tx *store.Tx, s seen, look *sight) error {
	snapshot, _, err := tx.Snapshot(s.ID)
	if err != nil {
		return err
	}
	if snapshot.Values == nil {
		if err := t.noteStray(tx, &snapshot, s); err != nil {
			return err
		}
		if !look.byID {
			return tx.Read(s.ID, s.Object, nil)
		}
	}
	if !look.force && unchanged(snapshot, s.Record) {
		if t.reconciling && look.byID { // the conversion may have been seen while the referral was not pending, or its campaign not in the config
			return t.followConversion(tx, s.Record)
		}
		return nil
	}
	if err := t.noteAsked(tx, &snapshot, s); err != nil {
		return err
	}
	snapshot.Observe(s.Record, s.schema)
	return errors.Join(tx.PutSnapshot(s.ID, snapshot), t.followConversion(tx, s.Record), t.markLinked(tx, s.ID))
}

// noteAsked has a snapshot know what we asked to be written into the record and had no answer about. Whose mark it is is not judged before that is
// settled, but the record may be another referral's as well. So may a record that was created for somebody whose campaign is out of the config now.
func (t *pass) noteAsked(tx *store.Tx, snapshot *rules.Snapshot, s seen) error {
	marks, err := tx.Marks(s.ID)
	if err != nil {
		return err
	}
	for _, intent := range marks {
		noteIntent(snapshot, intent)
	}
	ids := append(tx.ReferralsByRecord(s.ID), tx.ReferralsByEmail(s.email)...)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if err := errors.Join(t.noteCopied(tx, snapshot, s, id), noteTwin(tx, snapshot, s, id)); err != nil {
			return err
		}
		intent, begun, err := tx.Intent(id)
		if err != nil {
			return err
		}
		if begun && mayBeFrom(intent, s) { // though it has another code by now, which somebody may have put in since
			noteIntent(snapshot, intent)
		}
	}
	return err
}

// noteStray has the snapshot of a record that is looked at for the first time know what we asked for on behalf of anybody, where it was made when that may have
// had its effect, and shows just that: somebody may have given it another e-mail before we found it, and another code or none was written into it. It is kept
// at once: by the time the record is read by Id, another one may have settled what was asked for.
func (t *pass) noteStray(tx *store.Tx, snapshot *rules.Snapshot, s seen) error {
	creates, err := tx.Creates()
	if err != nil {
		return err
	}
	for _, intent := range creates {
		if mayBeFrom(intent, s) && t.shows(s, intent.Values) {
			noteIntent(snapshot, intent)
		}
	}
	if len(snapshot.Wrote) == 0 {
		return nil
	}
	return tx.PutSnapshot(s.ID, *snapshot)
}

// noteCopied has the snapshot of a Contact into which a referral's Lead was converted know what we wrote into the Lead: a Contact that the conversion made
// has it, and one that was there has what was empty filled in. Whichever has not changed since took nothing.
func (t *pass) noteCopied(tx *store.Tx, contact *rules.Snapshot, s seen, id int64) error {
	if s.Object != rules.Contact {
		return nil
	}
	r, _, err := tx.Referral(id)
	if err != nil {
		return err
	}
	for _, l := range r.Links {
		lead, _, err := tx.Snapshot(l.RecordID)
		if err != nil {
			return err
		}
		if lead.ContactID == s.ID && !lead.ConvertedBy.After(s.Modstamp.Add(clockSlack)) {
			contact.Copied(lead, t.typesOf(rules.Lead), lead.ConvertedBy)
		}
	}
	return nil
}

// noteTwin has the snapshot of a record that is looked at for the first time know what the first of several requests to create one may have written into it:
// its answer was lost, the record could not be seen when we looked for it, and so another was made for the referral.
func noteTwin(tx *store.Tx, snapshot *rules.Snapshot, s seen, id int64) error {
	if snapshot.Values != nil {
		return nil
	}
	r, _, err := tx.Referral(id)
	if err != nil {
		return err
	}
	for _, l := range r.Links {
		if l.Object != s.Object || l.RecordID == s.ID {
			continue
		}
		other, _, err := tx.Snapshot(l.RecordID)
		if err != nil {
			return err
		}
		snapshot.AskedBefore(other, s.Created)
	}
	return nil
}

// unchanged tells whether a row shows nothing that the snapshot does not have.
func unchanged(s rules.Snapshot, rec rules.Record) bool {
	if s.Values == nil || s.Deleted || s.Absent || !s.Modstamp.Equal(rec.Modstamp) || s.OpportunityID != rec.OpportunityID || s.ContactID != rec.ContactID {
		return false
	}
	for field, text := range rec.Fields {
		if v, seen := s.Values[field]; !seen || v.Text != text {
			return false
		}
	}
	return true
}

// followConversion has the Contact and the Opportunity of a converted Lead read, for the referrals that link the Lead.
func (t *pass) followConversion(tx *store.Tx, lead rules.Record) error {
	if lead.Object != rules.Lead || !lead.Converted() {
		return nil
	}
	for _, id := range tx.ReferralsByRecord(lead.ID) {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		c, ok := t.campaign(r.CampaignID)
		if !ok || r.Standing != rules.Pending || len(r.Blockers) > 0 {
			continue
		}
		claim := map[int64]rules.Kinds{id: {rules.Conversion}}
		if _, linked := r.LinkTo(lead.ContactID); lead.ContactID != "" && !linked {
			err = tx.Read(lead.ContactID, rules.Contact, claim)
		}
		if _, linked := r.LinkTo(lead.OpportunityID); lead.OpportunityID != "" && !linked && c.NeedsConversion() {
			err = errors.Join(err, tx.Read(lead.OpportunityID, rules.Opportunity, claim))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seeDeleted takes in a deleted row. A merge moves the links to the surviving record, which is then judged like any record newly linked; any
// other deleted record keeps its links, and counts for nothing until it is undeleted.
func (t *pass) seeDeleted(tx *store.Tx, s seen, look *sight) error {
	ids := tx.ReferralsByRecord(s.ID)
	for id := range look.claims {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	snapshot, _, err := tx.Snapshot(s.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, found, err := tx.Referral(id)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		link, _ := r.LinkTo(s.ID)
		if s.MasterID != "" {
			kinds := rules.Kinds{rules.Merge}
			r.Unlink(s.ID)
			if link.Kinds.Has(rules.Pinned) || look.claims[id].Has(rules.Pinned) {
				kinds = kinds.With(rules.Pinned)
				// At once: a moment without a pin, and what existed before would block the referral.
				r.SetLink(rules.Link{Object: s.Object, RecordID: s.MasterID, Kinds: kinds})
			}
			if err := tx.Read(s.MasterID, s.Object, map[int64]rules.Kinds{id: kinds}); err != nil {
				return err
			}
		} else if link.RecordID == "" {
			r.SetLink(rules.Link{Object: s.Object, RecordID: s.ID, Kinds: look.claims[id]})
		}
		if s.MasterID == "" && !snapshot.Deleted {
			if err := loosen(tx, &r); err != nil {
				return err
			}
		}
		if err := errors.Join(tx.PutReferral(r), tx.Judge(id)); err != nil {
			return err
		}
	}
	if s.MasterID != "" { // whoever merged them may have had the other take what we wrote
		var survivor rules.Snapshot
		survivor.Copied(snapshot, t.typesOf(s.Object), s.Modstamp)
		wrote := append(survivor.Wrote, look.merged...)
		if len(wrote) > 0 && tx.Linked(s.MasterID) { // the other may have been nobody's by then
			err = tx.Read(s.MasterID, s.Object, nil)
		}
		return errors.Join(err, tx.NoteMerged(s.MasterID, wrote))
	}
	if len(ids) == 0 || snapshot.Deleted && !look.force {
		return nil
	}
	snapshot.Observe(s.Record, rules.Schema{})
	return tx.PutSnapshot(s.ID, snapshot)
}

// seeAbsent takes note that no row came for a record that was asked for by its Id: it is gone for good, or not shared with us. What was seen of
// it before stays as it was, and so do the links that rest on its code or e-mail. Whose it becomes, by a merge say, is settled in view of that.
func (t *pass) seeAbsent(tx *store.Tx, object rules.Object, recordID string, claims map[int64]rules.Kinds) error {
	snapshot, found, err := tx.Snapshot(recordID)
	if err != nil {
		return err
	}
	if len(claims) > 0 {
		s := seen{Record: snapshot.Record, emailHidden: true}
		s.Object, s.ID, s.SeenAt = object, recordID, time.Time{}
		if err := t.settleLinks(tx, s, &sight{claims: claims, byID: true}); err != nil {
			return err
		}
	}
	if found && (snapshot.Absent || snapshot.Values != nil) || len(tx.ReferralsByRecord(recordID)) == 0 {
		return nil
	}
	snapshot.Object, snapshot.ID, snapshot.Absent = object, recordID, true
	return errors.Join(tx.PutSnapshot(recordID, snapshot), t.markLinked(tx, recordID))
}
