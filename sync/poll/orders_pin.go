package poll

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"qualifyd/rules"
	"qualifyd/store"
)

// prefixes of record Ids tell the object.
var prefixes = map[string]rules.Object{"00Q": rules.Lead, "003": rules.Contact, "006": rules.Opportunity}

var anyID = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Z0-5]{3})?$`)

// RecordID reads the Id of a Lead, Contact or Opportunity, in the form of 15 or 18 characters. The last three of 18 follow from the others; an Id
// whose case was changed on its way to us does not fit them.
func RecordID(text string) (id string, object rules.Object, err error) {
	if !anyID.MatchString(text) || prefixes[text[:3]] == "" {
		return "", "", fmt.Errorf("%q is not the Id of a Lead (00Q...), Contact (003...) or Opportunity (006...)", text)
	}
	id = rules.ID18(text[:15])
	if len(text) == 18 && text != id {
		return "", "", fmt.Errorf("%q is not a whole Id: its last three characters do not fit the others, so copy it again", text)
	}
	return id, prefixes[id[:3]], nil
}

// CheckPin tells what link a pin would make, or why it cannot be made. pinned is set when it is there already.
func CheckPin(tx *store.Tx, r rules.Referral, recordID string) (link rules.Link, pinned bool, err error) {
	id, object, err := RecordID(recordID)
	if err != nil {
		return link, false, err
	}
	if r.Standing != rules.Pending {
		return link, false, fmt.Errorf("referral %d is %s; only a pending one is judged by its records", r.ID, r.Standing)
	}
	for _, other := range tx.ReferralsByRecord(id) {
		o, _, err := tx.Referral(other)
		if err != nil {
			return link, false, err
		}
		qualified := o.Standing == rules.Owed || o.Standing == rules.Delivered || o.Standing == rules.Elsewhere
		if held, _ := o.LinkTo(id); held.Kinds.Has(rules.Pinned) && qualified && o.ID != r.ID && o.CampaignID == r.CampaignID {
			return link, false, fmt.Errorf("record %s is pinned to referral %d of the campaign, which is %s; unqualify that first", id, o.ID, o.Standing)
		}
	}
	old, _ := r.LinkTo(id)
	return rules.Link{Object: object, RecordID: id, Kinds: rules.Kinds{rules.Pinned}}, old.Kinds.Has(rules.Pinned) && !old.Ambiguous && len(r.Blockers) == 0, nil
}

// Pin makes a record a referral's, whatever else speaks for or against it. It lifts a block. The next pass reads the record. A record has one pin
// in a campaign: a new one takes the place of the old, unless somebody qualified by that.
func Pin(tx *store.Tx, r rules.Referral, recordID string, o Order) error {
	link, pinned, err := CheckPin(tx, r, recordID)
	if err != nil || pinned {
		return err
	}
	for _, other := range tx.ReferralsByRecord(link.RecordID) {
		if err := unpin(tx, other, r, link.RecordID); err != nil {
			return err
		}
	}
	if len(r.Blockers) > 0 { // no record of somebody who is blocked was linked, and no conversion followed
		r.Blockers = nil
		if err := lookAnew(tx, r); err != nil {
			return err
		}
	}
	r.SetLink(link)
	return errors.Join(
		tx.PutReferral(r), tx.Judge(r.ID), o.note(tx, r, store.ActPinned, link.RecordID), tx.Read(link.RecordID, link.Object, nil))
}

// unpin takes an earlier pin of the record from another referral of the campaign.
func unpin(tx *store.Tx, id int64, r rules.Referral, recordID string) error {
	other, _, err := tx.Referral(id)
	if err != nil || other.ID == r.ID || other.CampaignID != r.CampaignID {
		return err
	}
	i := slices.IndexFunc(other.Links, func(l rules.Link) bool { return l.RecordID == recordID })
	pinned := other.Links[i].Kinds.Has(rules.Pinned)
	other.Links[i].Kinds = other.Links[i].Kinds.Without(rules.Pinned)
	var lead rules.Record
	if len(other.Links[i].Kinds) == 0 {
		snapshot, _, err := tx.Snapshot(recordID)
		if err != nil {
			return err
		}
		lead = snapshot.Record
		lead.ID = recordID // also where it was never looked at
		unlinkConverted(&other, lead)
	}
	err = errors.Join(loosen(tx, &other), tx.PutReferral(other), tx.Judge(id), readConverted(tx, lead))
	if pinned && !other.Pinned() { // what existed before it blocks it again
		err = errors.Join(err, lookAnew(tx, other))
	}
	return err
}
