package poll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// joinNew looks up the referrals that are new, or whose e-mail or code changed, and does what their campaign's policies say.
func (t *pass) joinNew(ctx context.Context) error {
	var marked []int64
	if err := t.view(func(tx *store.Tx) error { marked = tx.ToJoin(); return nil }); err != nil {
		return err
	}
	for all := len(marked); len(marked) > 0; t.tell("looking up new referrals", all-len(marked), all) {
		waiting, rest, err := t.toJoin(marked)
		if err != nil || len(waiting) == 0 {
			return err
		}
		marked = rest
		asked, _ := t.Salesforce.Now()
		found, err := t.lookup(ctx, waiting, true, anyObject)
		if err != nil {
			return err
		}
		// What was not found may merely not have been read: nobody is joined on half an answer.
		waiting = slices.DeleteFunc(waiting, func(r rules.Referral) bool {
			c, _ := t.campaign(r.CampaignID)
			failed := t.lookupFailed(c) || t.given[r.ID] != "" && t.anyObject(t.anyLookupFailed)
			t.unjoined[c.ID] = t.unjoined[c.ID] || failed
			return failed
		})
		for group := range slices.Chunk(waiting, joinedAtOnce) {
			if err := t.join(ctx, group, found, asked); err != nil {
				return err
			}
		}
	}
	return nil
}

// joinedAtOnce is how many referrals, or records found for them, are taken in in one transaction.
const joinedAtOnce = 2000

func anyObject(rules.Object) bool { return true }

// toJoin are the first of the marked referrals that are to be looked up, as many as are at once, and the marks behind them. Those that are decided by now
// are among them too: a record with their e-mail may still be linked to another, who had it before. While a campaign has not been swept whole, nobody knows
// who was there from the start: its referrals wait. So they do where a record is to be created or marked while the codes cannot be read any more: one with
// their e-mail may have another's code.
func (t *pass) toJoin(marked []int64) (waiting []rules.Referral, rest []int64, err error) {
	err = t.update(func(tx *store.Tx) error {
		for rest = marked; len(rest) > 0 && len(waiting) < lookupsAtOnce; rest = rest[1:] {
			r, found, err := tx.Referral(rest[0])
			if err != nil {
				return err
			}
			c, ours := t.campaign(r.CampaignID)
			known, err := tx.Campaign(c.ID)
			switch {
			case err != nil:
				return err
			case !found:
				if err := tx.Joined(rest[0]); err != nil {
					return err
				}
			case !ours:
			case known.FirstSweep == 0, t.rules[c.ID].Blind, t.codeless[c.ID] && c.Mode != rules.DoNothingOnJoin:
				t.unjoined[c.ID] = true
			default:
				waiting = append(waiting, r)
				if err := t.noteOpen(tx, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return waiting, rest, err
}

// noteOpen notes the e-mail of a record that we asked for and had no answer about: the referral's may have become another since.
func (t *pass) noteOpen(tx *store.Tx, r rules.Referral) error {
	intent, begun, err := tx.Intent(r.ID)
	if err != nil || !begun || intent.RecordID != "" {
		return err
	}
	for name, text := range intent.Values {
		if f, _ := t.described[intent.Object].Field(name); f.Name == "Email" {
			t.given[r.ID] = rules.FoldEmail(text)
		}
	}
	return nil
}

// arrival is what is left to do, outside the transaction, for a referral that joins.
type arrival struct {
	referral rules.Referral
	campaign rules.Campaign
	mark     *rules.Candidate
}

// join does what the campaigns' policies say in view of what a look-up found, which began at an instant of service time (zero where that is not
// known).
func (t *pass) join(ctx context.Context, referrals []rules.Referral, found *findings, asked time.Time) error {
	var writes []arrival
	err := t.update(func(tx *store.Tx) error {
		for _, r := range referrals {
			a, write, err := t.arrive(tx, r, found, asked)
			if err != nil {
				return err
			}
			if write {
				writes = append(writes, a)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range writes {
		if err := t.write(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// arrive links or blocks one referral, and tells whether a record is to be created or marked for it.
func (t *pass) arrive(tx *store.Tx, sought rules.Referral, found *findings, asked time.Time) (a arrival, write bool, err error) {
	id := sought.ID
	r, _, err := tx.Referral(id)
	if err != nil || r.Email != sought.Email || r.Code != sought.Code {
		return a, false, err // a sweep changed it meanwhile: the next pass looks it up as it is now
	}
	c, _ := t.campaign(r.CampaignID)
	candidates := t.candidates(tx, r, c, found)
	if r.Standing != rules.Pending { // a sweep or an operator has decided it: nothing is created for it, and nothing blocks it
		return a, false, errors.Join(t.takeDecided(tx, candidates, found), tx.Joined(id))
	}
	known, err := tx.Campaign(c.ID)
	if err != nil {
		return a, false, err
	}
	intent, begun, err := intentOf(tx, r, asked)
	if err != nil {
		return a, false, err
	}
	if begun && intent.RecordID == "" {
		if made := t.madeByUs(tx, r, c, intent, found); made != "" {
			return a, false, t.settleCreated(tx, r, c, intent, made, time.Time{})
		}
		if asked.Sub(intent.At) < settleAfter { // what the look-up has not shown may have been made since
			t.problems = append(t.problems, fmt.Errorf("referral %d: %w", id, ErrOpen))
			return a, false, nil
		}
	}
	mayWrite := !r.Settled && (r.FirstSweep > known.FirstSweep || r.JoinAsked)
	todo := c.Join(r, candidates, mayWrite)
	if len(todo.Blockers) > 0 {
		return a, false, errors.Join(t.block(tx, r, todo.Blockers...), forget(tx, id), tx.Joined(id))
	}
	for _, record := range todo.Link {
		s := found.records[record.ID]
		if err := t.see(tx, s, nil); err != nil {
			return a, false, err
		}
		if begun && mayBeFrom(intent, s) { // before the intent is forgotten: it is not known for ours, but may be
			if err := noteRequest(tx, s.ID, intent); err != nil {
				return a, false, err
			}
		}
	}
	has, err := hasRecord(tx, r, c.Object)
	if err != nil {
		return a, false, err
	}
	if todo.Create && !has || todo.Mark != nil {
		return arrival{r, c, todo.Mark}, true, nil
	}
	return a, false, t.arrived(tx, id, mayWrite)
}

// intentOf is what was begun for a referral. What was sent when Salesforce told a time far ahead of the true one was sent by now: its two minutes would not
// pass before that has come. What it made is no older than what may be the referral's own at all.
func intentOf(tx *store.Tx, r rules.Referral, now time.Time) (intent store.Intent, begun bool, err error) {
	intent, begun, err = tx.Intent(r.ID)
	if err != nil || !begun || now.IsZero() || !intent.At.After(now.Add(clockSlack)) {
		return intent, begun, err
	}
	intent.At = now
	if intent.Since.After(now) {
		intent.Since = later(r.Joined, r.Lacked)
	}
	return intent, begun, tx.PutIntent(r.ID, intent)
}

// takeDecided has the records that were found for a referral that is decided be its own, and no other's any more.
func (t *pass) takeDecided(tx *store.Tx, candidates []rules.Candidate, found *findings) error {
	for _, one := range candidates {
		if one.Deleted {
			continue
		}
		if err := t.see(tx, found.records[one.ID], nil); err != nil {
			return err
		}
	}
	return nil
}

// hasRecord tells whether a record of an object that is there is a referral's already. A look-up does not find all of them: one may be linked by an
// e-mail that the referral or the record has had, or by a pin.
func hasRecord(tx *store.Tx, r rules.Referral, object rules.Object) (bool, error) {
	records, err := tx.Records(r)
	return slices.ContainsFunc(records, func(l rules.Linked) bool { return l.Link.Object == object && !l.Deleted }), err
}

// arrived takes a referral off the list of those to join. settled is set when nothing is ever to be created or marked for it.
func (t *pass) arrived(tx *store.Tx, id int64, settled bool) error {
	r, _, err := tx.Referral(id)
	if err != nil {
		return err
	}
	if settled && (!r.Settled || r.Refused != "") {
		r.Settled, r.Refused = true, ""
		err = tx.PutReferral(r)
	}
	return errors.Join(err, forget(tx, id), tx.Joined(id), tx.Judge(id))
}

// forget drops what was begun for a referral and is not to be begun again.
func forget(tx *store.Tx, id int64) error {
	intent, begun, err := tx.Intent(id)
	if err != nil || !begun {
		return err
	}
	return errors.Join(noteRequest(tx, intent.RecordID, intent), tx.DropIntent(id))
}

// noteRequest has a record know what we asked to be written into it, before that is forgotten: nobody has told that it was not done.
func noteRequest(tx *store.Tx, recordID string, intent store.Intent) error {
	if !tx.Linked(recordID) { // nor is "", the record of a create
		return nil
	}
	snapshot, _, err := tx.Snapshot(recordID)
	if err != nil {
		return err
	}
	noteIntent(&snapshot, intent)
	return tx.PutSnapshot(recordID, snapshot)
}

// noteIntent has a snapshot know what we asked for, by any of the requests.
func noteIntent(s *rules.Snapshot, intent store.Intent) {
	for _, values := range intent.Asked() {
		s.Asked(values, intent.Since, intent.At)
	}
}

// settleAfter is how long after a create request with a lost answer its record may still appear; only then is it asked for again.
const settleAfter = 2 * time.Minute

// madeByUs finds the record that a create request of ours made, though its answer was lost; "" when it is not there. Somebody may have deleted
// it since; it was made all the same, and no other is. The e-mail that it was given counts even if the referral's is another by now, unless
// somebody else is referred by it.
func (t *pass) madeByUs(tx *store.Tx, r rules.Referral, c rules.Campaign, intent store.Intent, found *findings) string {
	for _, s := range found.carrying(rules.FoldEmail(r.Email), t.given[r.ID], r.Code) {
		code := s.codes[t.codeField(c, s.Object)]
		byCode := code != "" && code == r.Code
		former := s.email != "" && s.email == t.given[r.ID] && len(tx.ReferralsByEmail(s.email)) == 0
		byEmail := former || s.email != "" && s.email == rules.FoldEmail(r.Email)
		if t.fromIntent(c, intent, s) && (byCode || byEmail && !t.othersCode(tx, r, code)) {
			return s.ID
		}
	}
	return ""
}

// mayBeFrom tells whether a create request may have made a record: it is of the object, and was made when one may have had its effect.
func mayBeFrom(intent store.Intent, s seen) bool {
	return intent.RecordID == "" && s.Object == intent.Object && !s.Created.Before(intent.Since) && s.Created.Before(intent.At.Add(settleAfter))
}

// fromIntent tells whether a record that carries the referral's code or e-mail is the one that a create request asked for: it is of the object, not older
// than the request and made while that may have had its effect, and has the code that was written into it, or where the code cannot be read the watched
// values. A person may have made another with the same e-mail meanwhile, or long after.
func (t *pass) fromIntent(c rules.Campaign, intent store.Intent, s seen) bool {
	if !mayBeFrom(intent, s) {
		return false
	}
	field := t.codeField(c, s.Object)
	if code, readable := s.codes[field]; readable {
		for name, wrote := range intent.Values {
			if f, _ := t.described[s.Object].Field(name); f.Name == field {
				return code == wrote
			}
		}
	}
	return t.shows(s, intent.Values)
}

// shows tells whether a row has such values, as far as they are those of watched fields.
func (t *pass) shows(s seen, values map[string]string) bool {
	for name, value := range values {
		f, _ := t.described[s.Object].Field(name)
		if text, shown := s.Fields[f.Name]; shown && !rules.Equal(rules.Type(f.Type), text, value) {
			return false
		}
	}
	return true
}
