package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"qualifyd/rules"
)

// Referral returns a referral by its id.
func (tx *Tx) Referral(id int64) (r rules.Referral, found bool, err error) {
	raw := tx.value(referralBucket, idKey(id))
	if raw == nil {
		return r, false, nil
	}
	if r, err = tx.coder.readReferral(raw); err != nil {
		return r, false, fmt.Errorf("%w: referral %d cannot be read: %w", ErrDamaged, id, err)
	}
	return r, true, nil
}

// PutReferral remembers a referral, and keeps the ways to find it (code, e-mail, linked records) in step. The snapshot of a record that
// nobody links any more is dropped, unless we wrote into it.
func (tx *Tx) PutReferral(r rules.Referral) error {
	key := idKey(r.ID)
	raw, err := tx.coder.writeReferral(&r)
	if err != nil {
		return fmt.Errorf("store: referral %d: %w", r.ID, err)
	}
	if bytes.Equal(raw, tx.value(referralBucket, key)) {
		return nil
	}
	old, _, err := tx.Referral(r.ID)
	if err != nil {
		return err
	}
	if err := tx.index(old, r); err != nil {
		return fmt.Errorf("store: referral %d: %w", r.ID, err)
	}
	return tx.write(referralBucket, key, raw)
}

func (tx *Tx) index(old, r rules.Referral) error {
	// While two referrals swap codes, both have one code for a moment: what is the other's by now stays.
	if old.Code != r.Code && tx.ReferralByCode(old.Code) == r.ID {
		if err := tx.remove(codeBucket, []byte(old.Code)); err != nil {
			return err
		}
	}
	if r.Code != "" && len(r.Code) < longestKey && old.Code != r.Code {
		if err := tx.write(codeBucket, []byte(r.Code), idKey(r.ID)); err != nil {
			return err
		}
	}
	if old.Email != r.Email {
		if err := tx.reindex(emailBucket, r.ID, email(old), email(r)); err != nil {
			return err
		}
	}
	if slices.EqualFunc(old.Links, r.Links, sameRecord) {
		return nil
	}
	if err := tx.reindex(linkBucket, r.ID, linked(old), linked(r)); err != nil {
		return err
	}
	for _, l := range old.Links {
		if err := tx.forget(l.RecordID); err != nil {
			return err
		}
	}
	return nil
}

// forget drops the snapshot of a record that nobody links any more. What we wrote into it is ours still when it becomes somebody's again.
func (tx *Tx) forget(recordID string) error {
	if tx.Linked(recordID) {
		return nil
	}
	if s, _, err := tx.Snapshot(recordID); err != nil || len(s.Wrote) > 0 {
		return err
	}
	return tx.remove(snapshotBucket, []byte(recordID))
}

func sameRecord(a, b rules.Link) bool { return a.RecordID == b.RecordID }

// reindex makes the pairs (text, id) be those of now instead of those of before.
func (tx *Tx) reindex(bucket []byte, id int64, before, now []string) error {
	for _, text := range before {
		if !slices.Contains(now, text) {
			if err := tx.remove(bucket, pairKey(text, id)); err != nil {
				return err
			}
		}
	}
	for _, text := range now {
		if !slices.Contains(before, text) {
			if err := tx.write(bucket, pairKey(text, id), []byte{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func email(r rules.Referral) []string {
	if folded := rules.FoldEmail(r.Email); folded != "" && len(folded) < longestKey {
		return []string{folded}
	}
	return nil
}

// longestKey is far below what bbolt takes and far above what is anybody's code or e-mail.
const longestKey = 1000

func linked(r rules.Referral) []string {
	var records []string
	for _, l := range r.Links {
		records = append(records, l.RecordID)
	}
	return records
}

// ReferralByCode returns the id of the referral with a code, exact to the letter; 0 when there is none.
func (tx *Tx) ReferralByCode(code string) int64 {
	if code == "" {
		return 0
	}
	if raw := tx.value(codeBucket, []byte(code)); raw != nil {
		return keyID(raw)
	}
	return 0
}

// ReferralsByEmail returns the ids of the referrals with an e-mail address, in all campaigns.
func (tx *Tx) ReferralsByEmail(address string) []int64 {
	if address = rules.FoldEmail(address); address == "" {
		return nil
	}
	return ids(tx, emailBucket, address)
}

// ReferralsByRecord returns the ids of the referrals that link a record.
func (tx *Tx) ReferralsByRecord(recordID string) []int64 { return ids(tx, linkBucket, recordID) }

// Linked tells whether any referral links a record.
func (tx *Tx) Linked(recordID string) bool { return len(tx.ReferralsByRecord(recordID)) > 0 }

// Referrals calls fn for each referral, by id, until fn returns an error. fn must not write.
func (tx *Tx) Referrals(fn func(rules.Referral) error) error {
	return tx.bolt.Bucket(referralBucket).ForEach(func(key, raw []byte) error {
		r, err := tx.coder.readReferral(raw)
		if err != nil {
			return fmt.Errorf("%w: referral %d cannot be read: %w", ErrDamaged, keyID(key), err)
		}
		return fn(r)
	})
}

// Outline is what there is to know of a referral for whom all of them are gone through.
type Outline struct {
	ID, CampaignID int64
	Standing       rules.Standing
	Blocked        bool // there are blockers
	Links          []rules.Link
}

// Outlines is Referrals with the outlines only, in a fraction of the time.
func (tx *Tx) Outlines(fn func(Outline) error) error {
	return tx.bolt.Bucket(referralBucket).ForEach(func(key, raw []byte) error {
		o, err := tx.coder.readOutline(raw)
		if err != nil {
			return fmt.Errorf("%w: referral %d cannot be read: %w", ErrDamaged, keyID(key), err)
		}
		return fn(o)
	})
}

// Snapshot returns what is known of a linked record.
func (tx *Tx) Snapshot(recordID string) (s rules.Snapshot, found bool, err error) {
	raw := tx.value(snapshotBucket, []byte(recordID))
	if raw == nil {
		return s, false, nil
	}
	if s, err = tx.coder.readSnapshot(raw); err != nil {
		return s, false, fmt.Errorf("%w: snapshot %q cannot be read: %w", ErrDamaged, recordID, err)
	}
	return s, true, nil
}

// PutSnapshot remembers what is known of a record, which has to be linked, or to have been written into.
func (tx *Tx) PutSnapshot(recordID string, s rules.Snapshot) error {
	raw, err := tx.coder.writeSnapshot(&s)
	if err != nil {
		return fmt.Errorf("store: snapshot %q: %w", recordID, err)
	}
	return tx.write(snapshotBucket, []byte(recordID), raw)
}

// Records returns a referral's links with what is known of each record.
func (tx *Tx) Records(r rules.Referral) ([]rules.Linked, error) {
	out := make([]rules.Linked, 0, len(r.Links))
	for _, l := range r.Links {
		s, _, err := tx.Snapshot(l.RecordID)
		if err != nil {
			return nil, err
		}
		out = append(out, rules.Linked{Link: l, Snapshot: s})
	}
	return out, nil
}

// Join marks a referral to be looked up in Salesforce, and Joined takes the mark away; ToJoin lists those that bear it.
func (tx *Tx) Join(id int64) error   { return tx.set(toJoinBucket, id) }
func (tx *Tx) Joined(id int64) error { return tx.unset(toJoinBucket, id) }
func (tx *Tx) ToJoin() []int64       { return marked(tx, toJoinBucket, -1, 0) }

// Joining tells whether a referral bears the mark of Join.
func (tx *Tx) Joining(id int64) bool { return tx.value(toJoinBucket, idKey(id)) != nil }

// Judge marks a referral to be judged, and Judged takes the mark away; ToJudge lists, by id, at most limit of those after one that bear it.
func (tx *Tx) Judge(id int64) error  { return tx.set(toJudgeBucket, id) }
func (tx *Tx) Judged(id int64) error { return tx.unset(toJudgeBucket, id) }
func (tx *Tx) ToJudge(after int64, limit int) []int64 {
	return marked(tx, toJudgeBucket, after, limit)
}

// Hold marks a referral whose verdict waits for a person or a setting, and Unhold takes the mark away; Held lists them with their reasons.
func (tx *Tx) Hold(id int64, reason rules.Reason) error {
	return tx.put(heldBucket, idKey(id), reason)
}
func (tx *Tx) Unhold(id int64) error { return tx.unset(heldBucket, id) }

// Held lists the referrals that are held, by reason.
func (tx *Tx) Held() (map[rules.Reason][]int64, error) {
	held := map[rules.Reason][]int64{}
	c := tx.bolt.Bucket(heldBucket).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		var reason rules.Reason
		if err := json.Unmarshal(raw, &reason); err != nil {
			return nil, fmt.Errorf("%w: held %d cannot be read: %w", ErrDamaged, keyID(k), err)
		}
		held[reason] = append(held[reason], keyID(k))
	}
	return held, nil
}

// Reading is a record to be read by its Id.
type Reading struct {
	Object rules.Object
	// Claims are the referrals whose the record is to become if it may, with the kind of link.
	Claims map[int64]rules.Kinds
	// Lacking is how often in turn the record was read without its history, which Salesforce took too long to give: the history is wanted still,
	// and nobody waits for it.
	Lacking int `json:",omitempty"`
	// Merged is what we wrote into the records that were merged into it, as of the merge.
	Merged []rules.Written `json:",omitempty"`
}

// Read marks a record to be read by Id; claims of several marks add up.
func (tx *Tx) Read(recordID string, object rules.Object, claims map[int64]rules.Kinds) error {
	old, found, err := get[Reading](tx, toReadBucket, []byte(recordID))
	if err != nil {
		return err
	}
	if found && len(claims) == 0 && old.Lacking == 0 {
		return nil
	}
	reading := Reading{Object: object, Claims: map[int64]rules.Kinds{}, Merged: old.Merged}
	for _, some := range []map[int64]rules.Kinds{old.Claims, claims} {
		for id, kinds := range some {
			for _, kind := range kinds {
				reading.Claims[id] = reading.Claims[id].With(kind)
			}
		}
	}
	return tx.put(toReadBucket, []byte(recordID), reading)
}

// NoteMerged notes, of a record that is marked to be read, what we wrote into one that was merged into it.
func (tx *Tx) NoteMerged(recordID string, wrote []rules.Written) error {
	reading, found, err := get[Reading](tx, toReadBucket, []byte(recordID))
	if err != nil || !found || len(wrote) == 0 {
		return err
	}
	reading.Merged = append(reading.Merged, wrote...)
	return tx.put(toReadBucket, []byte(recordID), reading)
}

// ReadHistory marks a record, which is marked no more, to be read by Id for the history that it lacks.
func (tx *Tx) ReadHistory(recordID string, object rules.Object, lacking int) error {
	return tx.put(toReadBucket, []byte(recordID), Reading{Object: object, Lacking: lacking})
}

// Reading returns a mark set by Read or ReadHistory.
func (tx *Tx) Reading(recordID string) (Reading, error) {
	r, _, err := get[Reading](tx, toReadBucket, []byte(recordID))
	return r, err
}

// WasRead takes the mark of Read away.
func (tx *Tx) WasRead(recordID string) error {
	return tx.remove(toReadBucket, []byte(recordID))
}

// Claimed lists the referrals that a record still to be read is linked to or may become the link of, with the objects of those records.
func (tx *Tx) Claimed() (map[int64][]rules.Object, error) {
	claimed := map[int64][]rules.Object{}
	err := tx.bolt.Bucket(toReadBucket).ForEach(func(key, raw []byte) error {
		var r Reading
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("%w: toread %q cannot be read: %w", ErrDamaged, key, err)
		}
		if r.Lacking > 0 {
			return nil
		}
		for id := range r.Claims {
			claimed[id] = append(claimed[id], r.Object)
		}
		for _, id := range tx.ReferralsByRecord(string(key)) {
			claimed[id] = append(claimed[id], r.Object)
		}
		return nil
	})
	return claimed, err
}

// ToRead lists the records that are marked to be read, by object.
func (tx *Tx) ToRead() (map[rules.Object][]string, error) {
	out := map[rules.Object][]string{}
	err := tx.bolt.Bucket(toReadBucket).ForEach(func(key, raw []byte) error {
		var r Reading
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("%w: toread %q cannot be read: %w", ErrDamaged, key, err)
		}
		out[r.Object] = append(out[r.Object], string(key))
		return nil
	})
	return out, err
}
