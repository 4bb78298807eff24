package poll

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// write creates or marks the record of a referral that joins. The intent is durable before the request, so that a lost answer is settled by
// looking for the record.
func (t *pass) write(ctx context.Context, a arrival) error {
	if t.readOnly {
		return nil
	}
	fields, err := t.fill(ctx, a)
	if err != nil {
		return t.problem(ctx, err)
	}
	if a.mark != nil {
		return t.markRecord(ctx, a, fields)
	}
	if email := rules.FoldEmail(a.referral.Email); email != "" {
		same := string(a.campaign.Object) + " " + email
		if t.made[same] {
			return nil // made in this pass for another campaign; the next pass finds it
		}
		t.made[same] = true
	}
	return t.createRecord(ctx, a, fields)
}

// fill works out the fields. The code and the e-mail are filled in where the campaign's mapping does not say otherwise: by them the record is
// found again.
func (t *pass) fill(ctx context.Context, a arrival) (map[string]any, error) {
	referrer := rules.Referral{}
	if a.campaign.NeedsReferrer() {
		u, _, err := t.ReferralFactory.User(ctx, a.referral.ReferrerID)
		if err != nil && !errors.Is(err, referralfactory.ErrNotFound) { // a referrer who is gone has no values
			return nil, fmt.Errorf("referral %d: read its referrer: %w", a.referral.ID, err)
		}
		referrer.ID = u.ID
		copyUser(&referrer, u)
	}
	types := map[string]rules.Type{}
	d := t.described[a.campaign.Object]
	for _, m := range a.campaign.Fields {
		f, _ := d.Field(m.To)
		types[m.To] = rules.Type(f.Type)
	}
	fields := map[string]any{}
	for name, value := range a.campaign.Fill(a.referral, referrer, types) {
		if f, known := d.Field(name); known {
			name = f.Name // in an answer a field has its own spelling, not the mapping's
		}
		fields[name] = value
	}
	t.fillIn(fields, d, t.codeField(a.campaign, a.campaign.Object), a.referral.Code)
	t.fillIn(fields, d, "Email", rules.FoldEmail(a.referral.Email))
	return fields, nil
}

func (t *pass) fillIn(fields map[string]any, d described, name, text string) {
	f, readable := d.Field(name)
	if !readable || text == "" {
		return
	}
	if _, mapped := fields[f.Name]; !mapped {
		fields[f.Name] = text
	}
}

func (t *pass) createRecord(ctx context.Context, a arrival, fields map[string]any) error {
	c, id := a.campaign, a.referral.ID
	if t.Preview != nil {
		t.Preview(Write{Referral: a.referral, Object: c.Object, Fields: fields})
		return nil
	}
	intent, err := t.begin(id, store.Intent{Object: c.Object, Fields: fields, Values: texts(fields)})
	if err != nil {
		return err
	}
	recordID, answer, err := t.Salesforce.Create(ctx, string(c.Object), fields, c.Duplicates == rules.CreateNew)
	t.heard(answer)
	switch {
	case err == nil:
		return t.update(func(tx *store.Tx) error {
			r, _, err := tx.Referral(id)
			if err != nil {
				return err
			}
			return errors.Join(t.settleCreated(tx, r, c, intent, rules.ID18(recordID), answer.Date), joinedAs(tx, r, a.referral))
		})
	case salesforce.UnknownOutcome(err):
		return t.leaveOpen(ctx, id, err)
	case isCode(err, "DUPLICATE_VALUE") && intent.Since.Before(intent.At) && intent.At.Sub(intent.Since) < giveUpAfter:
		// An earlier request of ours, whose answer was lost, has made it after all; the next look finds it.
		return t.leaveOpen(ctx, id, err)
	}
	return t.refused(ctx, a, err)
}

// giveUpAfter is how long we wait for a record that Salesforce says exists, but does not show us.
const giveUpAfter = time.Hour

// begin writes an intent down. Of a create that is repeated, Since stays that of the first. What an earlier mark asked for is noted by itself: hours may lie
// between the two, and what people did meanwhile is theirs.
func (t *pass) begin(id int64, i store.Intent) (store.Intent, error) {
	sent, _ := t.Salesforce.Now() // the newest answer may be a while ago
	i.At, i.Since = later(t.now, sent), t.now
	err := t.update(func(tx *store.Tx) error {
		earlier, begun, err := tx.Intent(id)
		if err != nil {
			return err
		}
		if begun && earlier.RecordID == "" && i.RecordID == "" {
			i.Since, i.Repeated, i.Earlier = earlier.Since, true, earlier.Earlier
			if !maps.Equal(earlier.Values, i.Values) {
				i.Earlier = append(i.Earlier, earlier.Values)
			}
		}
		if err := noteRequest(tx, earlier.RecordID, earlier); err != nil {
			return err
		}
		return tx.PutIntent(id, i)
	})
	return i, err
}

// leaveOpen reports a write whose outcome is not known. It was sent at some time up to now, and takes effect within settleAfter or never.
func (t *pass) leaveOpen(ctx context.Context, id int64, err error) error {
	storeErr := t.update(func(tx *store.Tx) error {
		i, begun, err := tx.Intent(id)
		if now, known := t.Salesforce.Now(); begun && known && err == nil {
			i.At = now
			err = tx.PutIntent(id, i)
		}
		return err
	})
	if storeErr != nil {
		return storeErr
	}
	return t.problem(ctx, fmt.Errorf("referral %d: %w: %w", id, ErrOpen, err))
}

// settleCreated links a record that we created. answered is zero when the answer was lost and the record was found by looking.
func (t *pass) settleCreated(tx *store.Tx, r rules.Referral, c rules.Campaign, i store.Intent, recordID string, answered time.Time) error {
	r.SetLink(rules.Link{Object: i.Object, RecordID: recordID, Kinds: rules.Kinds{rules.Created}, Since: i.Since})
	t.Log.Info().Int64(logged.Referral, r.ID).Str(logged.Record, recordID).Msg("record created for the referral")
	return t.settleWrite(tx, r, c, i, recordID, answered, store.ActCreated)
}

func (t *pass) settleWrite(tx *store.Tx, r rules.Referral, c rules.Campaign, i store.Intent, recordID string, answered time.Time, act store.Act) error {
	r.Settled, r.Refused = true, ""
	snapshot, _, err := tx.Snapshot(recordID)
	if err != nil {
		return err
	}
	snapshot.Write(i.Values, t.watched(i.Object), i.Since, answered)
	if answered.IsZero() {
		noteIntent(&snapshot, i) // any of the requests since then may have been the one
	} else {
		for _, values := range i.Earlier { // another record may be found that one of those made
			snapshot.Asked(values, i.Since, i.At)
		}
	}
	return errors.Join(
		tx.PutReferral(r),
		tx.PutSnapshot(recordID, snapshot),
		tx.DropIntent(r.ID), tx.Judge(r.ID),
		tx.Read(recordID, i.Object, map[int64]rules.Kinds{}),
		tx.Append(store.Entry{At: t.now, Act: act, Campaign: c.ID, Referral: r.ID, Record: recordID}),
	)
}

// joinedAs takes a referral off the list of those to join, unless its e-mail or code changed since it was looked up.
func joinedAs(tx *store.Tx, r, sought rules.Referral) error {
	if r.Email != sought.Email || r.Code != sought.Code {
		return nil
	}
	return tx.Joined(r.ID)
}

func texts(fields map[string]any) map[string]string {
	out := map[string]string{}
	for name, value := range fields {
		out[name] = rules.Text(value)
	}
	return out
}

// markRecord fills the empty ones of an existing record's fields. A value that stands there, a code above all, is never replaced.
func (t *pass) markRecord(ctx context.Context, a arrival, fields map[string]any) error {
	c, id, record := a.campaign, a.referral.ID, a.mark.ID
	intent := store.Intent{Object: c.Object, RecordID: record, Fields: map[string]any{}, Values: map[string]string{}}
	switch err := t.emptyOnes(ctx, fields, &intent); {
	case permanent(err): // a field that is not there cannot be filled either; what was asked for before may have been
		if err := t.update(func(tx *store.Tx) error { return forget(tx, id) }); err != nil {
			return err
		}
		return t.refused(ctx, a, err)
	case err != nil:
		return t.problem(ctx, fmt.Errorf("referral %d: read %s %s before marking it: %w", id, c.Object, record, err))
	}
	if t.Preview != nil {
		t.Preview(Write{Referral: a.referral, Object: c.Object, RecordID: record, Fields: intent.Fields})
		return nil
	}
	intent, err := t.begin(id, intent)
	if err != nil {
		return err
	}
	answered := t.now
	if len(intent.Fields) > 0 {
		answer, err := t.Salesforce.Update(ctx, string(c.Object), record, intent.Fields)
		t.heard(answer)
		switch {
		case salesforce.UnknownOutcome(err):
			return t.leaveOpen(ctx, id, err)
		case err != nil:
			return t.refused(ctx, a, err)
		}
		answered = answer.Date
	}
	return t.update(func(tx *store.Tx) error {
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		link, linked := r.LinkTo(record)
		if !linked {
			link = rules.Link{Object: c.Object, RecordID: record}
		}
		link.Kinds = link.Kinds.With(rules.Marked)
		r.SetLink(link)
		return errors.Join(t.settleWrite(tx, r, c, intent, record, answered, store.ActMarked), joinedAs(tx, r, a.referral))
	})
}

// emptyOnes reads what stands in the fields and keeps those that are empty.
func (t *pass) emptyOnes(ctx context.Context, fields map[string]any, intent *store.Intent) error {
	columns := []string{"Id"}
	for name := range fields {
		columns = append(columns, name)
	}
	q := salesforce.Select(columns...).From(string(intent.Object)).Where(salesforce.Equal("Id", intent.RecordID))
	page, answer, err := t.Salesforce.QueryAll(ctx, q)
	t.heard(answer)
	if err != nil {
		return err
	}
	if len(page.Rows) != 1 {
		return fmt.Errorf("%d rows for one Id", len(page.Rows))
	}
	for name, value := range fields {
		if page.Rows[0].Text(name) == "" {
			intent.Fields[name], intent.Values[name] = value, rules.Text(value)
		}
	}
	return nil
}

// refused settles a write that Salesforce certainly did not apply. What it refuses for good leaves the referral waiting under Salesforce's words;
// the rest is tried again by the next pass.
func (t *pass) refused(ctx context.Context, a arrival, err error) error {
	storeErr := t.update(func(tx *store.Tx) error {
		intent, _, dropErr := tx.Intent(a.referral.ID)
		if !intent.Repeated { // else the record that an earlier request made may appear yet
			dropErr = errors.Join(dropErr, tx.DropIntent(a.referral.ID))
		}
		if dropErr != nil || !permanent(err) {
			return dropErr
		}
		r, _, err2 := tx.Referral(a.referral.ID)
		if err2 != nil {
			return err2
		}
		r.Refused = words(err)
		return errors.Join(tx.PutReferral(r), joinedAs(tx, r, a.referral), tx.Judge(r.ID))
	})
	if storeErr != nil {
		return storeErr
	}
	if permanent(err) {
		t.Log.Warn().Int64(logged.Referral, a.referral.ID).Msg("Salesforce refuses the record for a referral; it waits as join_refused")
		return nil
	}
	if salesforce.KindOf(err) == salesforce.ReadOnly {
		t.readOnly = true // for the whole org: the others need not try
		return t.problem(ctx, fmt.Errorf("the org takes no writes just now; referrals wait until it does: %w", err))
	}
	return t.problem(ctx, fmt.Errorf("referral %d: write its %s: %w", a.referral.ID, a.campaign.Object, err))
}

// permanent tells whether Salesforce would refuse the same again.
func permanent(err error) bool {
	switch salesforce.KindOf(err) {
	case salesforce.Rejected, salesforce.FieldGone, salesforce.ObjectGone, salesforce.Malformed:
		return true
	}
	return false
}

// words are Salesforce's own about a refusal.
func words(err error) string {
	var e *salesforce.APIError
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if len(e.Matched) > 0 {
		text += fmt.Sprintf(" (matches %v)", e.Matched)
	}
	return text
}

func isCode(err error, code string) bool {
	var e *salesforce.APIError
	return errors.As(err, &e) && e.Code == code
}
