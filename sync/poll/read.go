package poll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/salesforce"
)

const (
	// idsAQuery is as many as one page of an answer has rows. With so many Ids, of 21 characters each, a query has half of the length that
	// Salesforce allows.
	idsAQuery = 2000
	// readsAtOnce is how many groups of records are asked for before what came is taken in: with their histories they fill two calls. No more
	// answers than those are in memory, however many records are to be read.
	readsAtOnce = 5
	// roundsOfReading bounds how far a pass follows chains (a Lead's Contact, merged into another, ...). What is left stays marked.
	roundsOfReading = 10
)

// read is some records of one object that are read by Id, together with their history.
type read struct {
	object    rules.Object
	ids       []string
	questions []question
	rows      []seen
	history   []salesforce.Row
	noHistory bool     // the org has none, or none is needed
	failed    bool     // it was not read whole
	lacking   []string // records whose history Salesforce took too long to give
}

// readRecords reads by Id whatever is marked to be read, until nothing new is marked.
func (t *pass) readRecords(ctx context.Context) error {
	for range roundsOfReading {
		reads, err := t.startReads()
		if err != nil || len(reads) == 0 {
			return err
		}
		t.toReceive, t.received = 0, 0
		for _, r := range reads {
			t.toReceive += len(r.ids)
		}
		for some := range slices.Chunk(reads, readsAtOnce) {
			if err := t.askReads(ctx, nil, some); err != nil {
				return err
			}
		}
	}
	t.Log.Warn().Int(logged.Rounds, roundsOfReading).Msg("records still refer to more records; the next pass reads on")
	return nil
}

// askReads reads groups of records, in the same calls as other questions.
func (t *pass) askReads(ctx context.Context, questions []question, reads []*read) error {
	for _, r := range reads {
		questions = append(questions, r.questions...)
	}
	if err := t.ask(ctx, questions); err != nil {
		return err
	}
	return t.finishReads(reads)
}

// startReads groups the records that are to be read and were not tried in vain in this pass.
func (t *pass) startReads() ([]*read, error) {
	var marked map[rules.Object][]string
	err := t.view(func(tx *store.Tx) (err error) { marked, err = tx.ToRead(); return err })
	if err != nil {
		return nil, err
	}
	for id, d := range t.reading {
		marked[d.object] = append(marked[d.object], id)
	}
	var reads []*read
	for _, object := range []rules.Object{rules.Opportunity, rules.Contact, rules.Lead} {
		ids := slices.DeleteFunc(marked[object], func(id string) bool { return t.inVain[id] || t.unreadable(object) })
		slices.Sort(ids)
		for some := range slices.Chunk(slices.Compact(ids), idsAQuery) {
			reads = append(reads, t.newRead(object, slices.Clone(some)))
		}
	}
	return reads, nil
}

func readName(object rules.Object) string { return string(object) + " by Id" }

// unreadable tells whether the org shows us no such object at all.
func (t *pass) unreadable(object rules.Object) bool {
	d, known := t.described[object]
	return !known || d.Gone
}

func (t *pass) newRead(object rules.Object, ids []string) *read {
	r := &read{object: object, ids: ids}
	if len(t.historyFields(object)) == 0 || t.gone[historyOf(object)] {
		r.noHistory = true
	} else {
		r.questions = append(r.questions, t.historyQuestion(r, ids))
	}
	r.questions = append(r.questions, t.recordQuestion(r, ids))
	return r
}

func (t *pass) historyQuestion(r *read, ids []string) question {
	name := historyOf(r.object)
	h := histories[name]
	return question{
		name: readName(r.object), from: name, object: r.object,
		soql: func() salesforce.Soql { return t.historySoql(h, name, salesforce.In(h.parent, ids)) },
		page: func(_ *store.Tx, rows []salesforce.Row, _ salesforce.Answer, _ bool) error {
			r.history = append(r.history, rows...)
			return nil
		},
		fails:   func() { r.failed = true },
		without: func() { r.lacking = append(r.lacking, ids...) },
		gone:    func() error { r.noHistory = true; return t.noteGone(name) },
		halves: func() []question {
			return halve(ids, func(some []string) question { return t.historyQuestion(r, some) })
		},
	}
}

func (t *pass) recordQuestion(r *read, ids []string) question {
	return question{
		name: readName(r.object), from: string(r.object), object: r.object,
		soql: func() salesforce.Soql {
			return salesforce.Select(t.columns(r.object)...).From(string(r.object)).Where(salesforce.In("Id", ids))
		},
		page: func(_ *store.Tx, rows []salesforce.Row, a salesforce.Answer, _ bool) error {
			read := t.reader(r.object)
			for _, row := range rows {
				r.rows = append(r.rows, read.record(row, a.Since))
			}
			t.received += len(rows)
			t.tell("reading records", t.received, t.toReceive)
			return nil
		},
		fails: func() { r.failed = true },
		halves: func() []question {
			return halve(ids, func(some []string) question { return t.recordQuestion(r, some) })
		},
	}
}

// halve asks for values in two questions; nil when there is but one value.
func halve(values []string, ask func([]string) question) []question {
	if len(values) < 2 {
		return nil
	}
	return []question{ask(values[:len(values)/2]), ask(values[len(values)/2:])}
}

// finishReads takes in what was read, history first, each group of records in one transaction. A group that was not read whole stays marked.
func (t *pass) finishReads(reads []*read) error {
	for _, r := range reads {
		if r.failed {
			for _, id := range r.ids {
				t.inVain[id] = true
			}
			continue
		}
		if err := t.update(func(tx *store.Tx) error { return t.takeRead(tx, r) }); err != nil {
			return err
		}
		for _, id := range r.ids {
			delete(t.reading, id)
		}
	}
	return nil
}

// takeRead takes in a group. Its marks go first: what a row of it marks anew, such as the survivor of a merge, stays marked. What was overtaken is read
// once more: an older row would move links back.
func (t *pass) takeRead(tx *store.Tx, r *read) error {
	marks := map[string]store.Reading{}
	for _, id := range r.ids {
		marked, err := tx.Reading(id)
		if err == nil {
			err = errors.Join(tx.WasRead(id), dropClaims(tx, id, marked.Claims))
		}
		if err != nil {
			return err
		}
		marks[id] = marked
	}
	histories := map[string][]salesforce.Row{}
	for _, row := range r.history {
		id := rules.ID18(row.Text(parentOf(r.object)))
		histories[id] = append(histories[id], row)
	}
	found := map[string]bool{}
	for _, id := range r.ids {
		if !t.overtaken[id] {
			continue
		}
		found[id] = true
		if err := errors.Join(tx.Read(id, r.object, marks[id].Claims), tx.NoteMerged(id, marks[id].Merged)); err != nil {
			return err
		}
	}
	for _, s := range r.rows {
		if t.overtaken[s.ID] {
			continue
		}
		found[s.ID] = true
		if err := t.takeOne(tx, r, s, marks[s.ID], histories[s.ID]); err != nil {
			return fmt.Errorf("%s %s: %w", r.object, s.ID, err)
		}
	}
	for _, id := range r.lacking {
		t.inVain[id] = true
		if err := askAgain(tx, r.object, id, marks[id].Lacking+1); err != nil {
			return err
		}
	}
	for _, id := range r.ids {
		if found[id] {
			continue
		}
		if err := t.seeAbsent(tx, r.object, id, marks[id].Claims); err != nil {
			return err
		}
	}
	return nil
}

// historyTries is in how many passes a history is asked for that Salesforce takes too long to give. What it tells may be what qualifies, but a
// history that can never be had must not trouble every pass; the regular look at all pending referrals tries it again.
const historyTries = 10

// askAgain has the next pass ask for the history that a linked record lacks.
func askAgain(tx *store.Tx, object rules.Object, id string, lacking int) error {
	marked, err := tx.Reading(id)
	if err != nil || marked.Object != "" || lacking >= historyTries || len(tx.ReferralsByRecord(id)) == 0 {
		return err
	}
	return tx.ReadHistory(id, object, lacking)
}

// dropClaims takes out the claims to a record by the conversion of a Lead that has become another referral's since the record was marked to be
// read.
func dropClaims(tx *store.Tx, recordID string, claims map[int64]rules.Kinds) error {
	for id, kinds := range claims {
		if !kinds.Has(rules.Conversion) {
			continue
		}
		r, _, err := tx.Referral(id)
		if err != nil {
			return err
		}
		standing := false
		for _, l := range r.Links {
			lead, _, err := tx.Snapshot(l.RecordID)
			if err != nil {
				return err
			}
			standing = standing || lead.ContactID == recordID || lead.OpportunityID == recordID
		}
		if standing {
			continue
		}
		if claims[id] = kinds.Without(rules.Conversion); len(claims[id]) == 0 {
			delete(claims, id)
		}
	}
	return nil
}

func parentOf(object rules.Object) string { return histories[historyOf(object)].parent }

// takeOne takes in one record with its history.
func (t *pass) takeOne(tx *store.Tx, r *read, s seen, marked store.Reading, rows []salesforce.Row) error {
	look := &sight{claims: marked.Claims, byID: true, force: marked.Object != "" || t.reading[s.ID].force, merged: marked.Merged}
	if err := t.see(tx, s, look); err != nil {
		return err
	}
	snapshot, found, err := tx.Snapshot(s.ID)
	if err != nil || !found {
		return err
	}
	for _, w := range marked.Merged {
		snapshot.Copied(rules.Snapshot{Wrote: []rules.Written{w}}, nil, w.From)
	}
	news := !r.noHistory && t.addRows(&snapshot, rows)
	if !news && len(marked.Merged) == 0 {
		return nil
	}
	if err := tx.PutSnapshot(s.ID, snapshot); err != nil {
		return err
	}
	return t.markLinked(tx, s.ID)
}

// addRows adds the rows of a record's history to its snapshot, and reports whether any is new.
func (t *pass) addRows(s *rules.Snapshot, rows []salesforce.Row) bool {
	if s.Object != rules.Opportunity {
		added := false
		for _, row := range rows {
			added = s.AddHistory(t.historyRow(s.Object, row)) || added
		}
		return added
	}
	var stages []rules.StageRow
	for _, row := range rows {
		stages = append(stages, rules.StageRow{ID: row.Text("Id"), Stage: row.Text(rules.StageName), At: instant(row.Text("CreatedDate"))})
	}
	return s.AddStages(stages...)
}

// demandFormulas has the records under formula rules read, for their values move no stamp.
func (t *pass) demandFormulas() error {
	formula := map[int64]rules.Object{}
	for id, rule := range t.rules {
		if object, _ := rule.WatchedField(); rule.Target.Calculated {
			formula[id] = object
		}
	}
	if len(formula) == 0 {
		return nil
	}
	return t.demand(func(o store.Outline, l rules.Link, _ rules.Snapshot) bool { return formula[o.CampaignID] == l.Object }, false)
}

// markLinkedRecords marks all linked records of an object to be read anew. The marks are in the store, for the describe that tells of the need
// will not tell again.
func markLinkedRecords(tx *store.Tx, object rules.Object) error {
	var ids []string
	err := tx.Outlines(func(o store.Outline) error {
		for _, l := range o.Links {
			if l.Object == object && o.Standing == rules.Pending {
				ids = append(ids, l.RecordID)
			}
		}
		return nil
	})
	for _, id := range ids {
		err = errors.Join(err, tx.Read(id, object, nil))
	}
	return err
}

// demand has those linked records of pending referrals read that which picks.
func (t *pass) demand(which func(store.Outline, rules.Link, rules.Snapshot) bool, force bool) error {
	return t.view(func(tx *store.Tx) error {
		return tx.Outlines(func(o store.Outline) error {
			if !t.pendingHere(o) {
				return nil
			}
			for _, l := range o.Links {
				s, _, err := tx.Snapshot(l.RecordID)
				if err != nil {
					return err
				}
				if which(o, l, s) {
					t.reading[l.RecordID] = demand{l.Object, force || t.reading[l.RecordID].force}
				}
			}
			return nil
		})
	})
}

// seenBefore tells whether something of a record was last seen before an instant, or never.
func seenBefore(s rules.Snapshot, at time.Time) bool {
	for _, v := range s.Values {
		if v.At.Before(at) {
			return true
		}
	}
	return s.Values == nil
}
