package poll

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// settleLinks works out, campaign by campaign, which referral a record belongs to now, and links, unlinks or blocks accordingly.
func (t *pass) settleLinks(tx *store.Tx, s seen, look *sight) error {
	if err := t.linkUnsettled(tx, s, look.claims); err != nil {
		return err
	}
	claimants, err := t.claimants(tx, s, look)
	if err != nil || len(claimants) == 0 {
		return err
	}
	for _, ofCampaign := range byCampaign(claimants) {
		var claims []rules.Claim
		for _, c := range ofCampaign {
			claims = append(claims, c.claim)
		}
		owner, disputed := rules.Owner(claims)
		var others []claimant
		for _, c := range ofCampaign {
			ambiguous := slices.Contains(disputed, c.claim.Referral)
			if c.claim.Referral != owner && !ambiguous {
				others = append(others, c)
			} else if err := t.link(tx, s, c, ambiguous, look); err != nil {
				return err
			}
		}
		for _, c := range others { // last: in a moment without a link, what is known of the record, our own writes too, would be forgotten
			if err := t.yield(tx, s, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkUnsettled links a record to those that claim it whose campaign is not in the config: whose it is, and whether it counts, is settled when that is
// back.
func (t *pass) linkUnsettled(tx *store.Tx, s seen, claims map[int64]rules.Kinds) error {
	for id, kinds := range claims {
		r, found, err := tx.Referral(id)
		if err != nil {
			return err
		}
		if _, ours := t.campaign(r.CampaignID); !found || ours {
			continue
		}
		r.SetLink(rules.Link{Object: s.Object, RecordID: s.ID, Kinds: kinds})
		if err := tx.PutReferral(r); err != nil {
			return err
		}
	}
	return nil
}

// claimant is a referral with its claim to a record.
type claimant struct {
	rules.Referral
	campaign rules.Campaign
	claim    rules.Claim
	kinds    rules.Kinds // what the link would rest on
}

func byCampaign(claimants []claimant) [][]claimant {
	slices.SortFunc(claimants, func(a, b claimant) int {
		return cmp.Or(cmp.Compare(a.CampaignID, b.CampaignID), cmp.Compare(a.ID, b.ID))
	})
	var groups [][]claimant
	for i, c := range claimants {
		if i == 0 || c.CampaignID != claimants[i-1].CampaignID {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], c)
	}
	return groups
}

// claimants are the referrals that have a link to the record, are to get one, or whose code or e-mail it carries.
func (t *pass) claimants(tx *store.Tx, s seen, look *sight) ([]claimant, error) {
	ids := tx.ReferralsByRecord(s.ID)
	for id := range look.claims {
		ids = append(ids, id)
	}
	for _, code := range s.codes {
		if id := tx.ReferralByCode(code); id != 0 {
			ids = append(ids, id)
		}
	}
	ids = append(ids, tx.ReferralsByEmail(s.email)...)
	slices.Sort(ids)
	var out []claimant
	for _, id := range slices.Compact(ids) {
		r, found, err := tx.Referral(id)
		if err != nil {
			return nil, err
		}
		c, ok := t.campaign(r.CampaignID)
		if !found || !ok {
			continue
		}
		if one := t.claimant(tx, r, c, s, look.claims[id]); len(one.kinds) > 0 {
			out = append(out, one)
		}
	}
	return out, nil
}

// claimant works out what one referral's claim to a record rests on. A code or e-mail column that the row does not have says nothing: a link by
// it stands.
func (t *pass) claimant(tx *store.Tx, r rules.Referral, c rules.Campaign, s seen, asked rules.Kinds) claimant {
	link, _ := r.LinkTo(s.ID)
	code, known := s.codes[t.codeField(c, s.Object)]
	claim := rules.Claim{
		Referral: r.ID,
		Kinds:    link.Kinds,
		Fresh:    len(asked) > 0,
		Code:     known && code != "" && code == r.Code || !known && link.Kinds.Has(rules.ByCode),
	}
	// A record that may carry somebody else's code is linked to nobody anew by its e-mail; what is linked by it stays.
	unknown := !known && t.codeless[c.ID] && !link.Kinds.Has(rules.ByEmail)
	claim.Email = t.hasEmail(r, c, s, link) && !unknown && !t.othersCode(tx, r, code)
	for _, kind := range asked {
		claim.Kinds = claim.Kinds.With(kind)
	}
	kinds := claim.Kinds.Without(rules.ByCode, rules.ByEmail)
	if claim.Code {
		kinds = kinds.With(rules.ByCode)
	}
	if claim.Email {
		kinds = kinds.With(rules.ByEmail)
	}
	if len(kinds) == 0 {
		kinds = claim.Kinds // only a former code or e-mail is left; it stands until another referral's claim
	}
	return claimant{r, c, claim, kinds}
}

func (t *pass) hasEmail(r rules.Referral, c rules.Campaign, s seen, link rules.Link) bool {
	if c.Object != s.Object {
		return false
	}
	if s.emailHidden {
		return link.Kinds.Has(rules.ByEmail)
	}
	return s.email != "" && s.email == rules.FoldEmail(r.Email)
}

// othersCode tells whether a code is that of another referral of the same campaign.
func (t *pass) othersCode(tx *store.Tx, r rules.Referral, code string) bool {
	other := tx.ReferralByCode(code)
	if other == 0 || other == r.ID {
		return false
	}
	o, found, err := tx.Referral(other)
	return err == nil && found && o.CampaignID == r.CampaignID
}

// othersPin tells whether a record is pinned to another referral of the same campaign, and not to this one.
func (t *pass) othersPin(tx *store.Tx, r rules.Referral, recordID string) bool {
	if link, _ := r.LinkTo(recordID); link.Kinds.Has(rules.Pinned) {
		return false
	}
	return slices.ContainsFunc(tx.ReferralsByRecord(recordID), func(id int64) bool {
		o, found, err := tx.Referral(id)
		link, _ := o.LinkTo(recordID)
		return err == nil && found && o.CampaignID == r.CampaignID && link.Kinds.Has(rules.Pinned)
	})
}

// link makes the record the claimant's, if the duplicate policy admits it. A record seen for the first time as the referral's is weighed even when the
// link is there already; one that nobody has ever seen cannot be weighed yet.
func (t *pass) link(tx *store.Tx, s seen, c claimant, ambiguous bool, look *sight) error {
	r := c.Referral
	old, linked := r.LinkTo(s.ID)
	if intent, begun, err := tx.Intent(r.ID); err != nil || begun && !linked && t.fromIntent(c.campaign, intent, s) && (c.claim.Code || c.claim.Email) {
		// The record that we asked for and had no answer about: what we wrote into it has to be its baseline before anything is observed.
		return errors.Join(err, t.settleCreated(tx, r, c.campaign, intent, s.ID, time.Time{}))
	}
	if (!linked || old.Since.IsZero()) && !s.Created.IsZero() {
		switch c.campaign.Admit(r, s.Record, c.kinds, t.madeByConversion(tx, r, s)) {
		case rules.Blocks:
			return t.block(tx, r, rules.Blocker{Object: s.Object, ID: s.ID, Created: s.Created})
		case rules.Ignored:
			return t.unlink(tx, s, c)
		}
	}
	wrong := !s.SeenAt.IsZero() && old.Since.After(s.SeenAt.Add(clockSlack)) // an answer from the future made the link
	dated := linked && !old.Since.IsZero() && !wrong
	if dated && old.Ambiguous == ambiguous && slices.Equal(old.Kinds, c.kinds) {
		return nil
	}
	now := rules.Link{Object: s.Object, RecordID: s.ID, Kinds: c.kinds, Ambiguous: ambiguous, Since: s.SeenAt}
	if dated {
		now.Since = old.Since
	} else {
		look.force = true // the link's first look is noted, also where another referral's link showed the same before
	}
	r.Unlink(s.ID)
	r.SetLink(now)
	if ambiguous && !old.Ambiguous {
		if err := loosen(tx, &r); err != nil {
			return err
		}
	}
	if !linked && !look.byID {
		if err := tx.Read(s.ID, s.Object, nil); err != nil {
			return err
		}
	}
	return errors.Join(tx.PutReferral(r), tx.Judge(r.ID))
}

// madeByConversion tells whether a Contact was made by the conversion of one of the referral's Leads.
func (t *pass) madeByConversion(tx *store.Tx, r rules.Referral, s seen) bool {
	if s.Object != rules.Contact {
		return false
	}
	for _, l := range r.Links {
		lead, found, err := tx.Snapshot(l.RecordID)
		if err == nil && found && lead.ContactID == s.ID && rules.MadeByConversion(lead.Record, s.Created) {
			return true
		}
	}
	return false
}

// yield leaves the record to another referral, and with it what was merged into it.
func (t *pass) yield(tx *store.Tx, s seen, c claimant) error {
	if _, linked := c.LinkTo(s.ID); linked || !c.kinds.Has(rules.Merge) {
		return t.unlink(tx, s, c)
	}
	r := c.Referral
	return errors.Join(loosen(tx, &r), tx.PutReferral(r), tx.Judge(r.ID))
}

// unlink takes the record from a referral.
func (t *pass) unlink(tx *store.Tx, s seen, c claimant) error {
	r := c.Referral
	if !unlinkConverted(&r, s.Record) {
		return nil
	}
	return errors.Join(loosen(tx, &r), tx.PutReferral(r), tx.Judge(r.ID), readConverted(tx, s.Record))
}

// readConverted has what a Lead was converted into read again, when the Lead is somebody's no more: it may be another's alone now.
func readConverted(tx *store.Tx, lead rules.Record) (err error) {
	if tx.Linked(lead.ContactID) {
		err = tx.Read(lead.ContactID, rules.Contact, nil)
	}
	if tx.Linked(lead.OpportunityID) {
		err = errors.Join(err, tx.Read(lead.OpportunityID, rules.Opportunity, nil))
	}
	return err
}

// unlinkConverted takes a record from a referral, and what was linked only because the record, a Lead, was converted into it. It reports whether
// there was a link.
func unlinkConverted(r *rules.Referral, rec rules.Record) bool {
	linked := r.Unlink(rec.ID)
	for _, id := range []string{rec.ContactID, rec.OpportunityID} {
		if link, found := r.LinkTo(id); linked && found && len(link.Kinds.Without(rules.Conversion)) == 0 {
			r.Unlink(id)
		}
	}
	return linked
}

// block notes that records existed before the referral, which under do_nothing keeps it from qualifying.
func (t *pass) block(tx *store.Tx, r rules.Referral, blockers ...rules.Blocker) error {
	if r.Standing != rules.Pending {
		return nil
	}
	known := len(r.Blockers)
	for _, b := range blockers {
		if !slices.ContainsFunc(r.Blockers, func(known rules.Blocker) bool { return known.ID == b.ID }) {
			r.Blockers = append(r.Blockers, b)
		}
	}
	if len(r.Blockers) == known {
		return nil
	}
	r.Settled = true
	err := tx.Append(store.Entry{
		At: t.now, Act: store.ActBlocked, Campaign: r.CampaignID, Referral: r.ID, Reason: rules.ExistingRecord, Record: r.Blockers[known].ID,
	})
	return errors.Join(err, loosen(tx, &r), tx.PutReferral(r), tx.Judge(r.ID))
}
