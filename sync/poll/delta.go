package poll

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/salesforce"
)

// history is what is particular about an object's history object.
type history struct {
	of     rules.Object
	parent string // the column that names the record
	cols   []string
}

// The history objects. LeadHistory and ContactHistory hold the fields that an admin tracks; OpportunityHistory is always written.
var histories = map[string]history{
	"LeadHistory":        {rules.Lead, "LeadId", []string{"Field", "OldValue", "NewValue"}},
	"ContactHistory":     {rules.Contact, "ContactId", []string{"Field", "OldValue", "NewValue"}},
	"OpportunityHistory": {rules.Opportunity, "OpportunityId", []string{rules.StageName}},
}

func historyOf(object rules.Object) string { return string(object) + "History" }

// queries are the names of the queries that the configured rules need: histories before the records they explain, and what can block a
// referral before what can qualify it.
func (t *pass) queries() []string {
	needed := map[string]bool{}
	for _, c := range t.Campaigns {
		for _, name := range t.queriesOf(c) {
			needed[name] = true
		}
	}
	var names []string
	for _, name := range []string{"LeadHistory", "ContactHistory", "OpportunityHistory", "Opportunity", "Contact", "Lead"} {
		h, isHistory := histories[name]
		empty := isHistory && h.of != rules.Opportunity && len(t.historyFields(h.of)) == 0 // IsConverted, watched as a field, has no rows of its own
		if needed[name] && !empty && !t.unreadable(objectOf(name)) {
			names = append(names, name)
		}
	}
	return names
}

// queriesOf are the queries that a campaign's referrals depend on.
func (t *pass) queriesOf(c rules.Campaign) []string {
	if c.Method == rules.None {
		return nil
	}
	names := []string{string(c.Object), historyOf(c.Object)}
	if c.NeedsConversion() {
		names = append(names, "Opportunity")
	}
	if c.Method == rules.LeadConvertsToStage {
		names = append(names, "OpportunityHistory")
	}
	for _, object := range []rules.Object{rules.Lead, rules.Contact} {
		if object != c.Object && t.codeField(c, object) != "" {
			names = append(names, string(object))
		}
	}
	return names
}

// historyFields are the values of Field that matter in an object's history.
func (t *pass) historyFields(object rules.Object) []string {
	var fields []string
	for _, field := range t.watched(object) {
		if field != rules.IsConverted {
			fields = append(fields, t.historyName(object, field))
		}
	}
	if object == rules.Lead && t.anyCampaign(rules.Campaign.NeedsConversion) {
		fields = append(fields, rules.LeadConverted)
	}
	return fields
}

func (t *pass) historyName(object rules.Object, field string) string {
	if f, known := t.described[object].Field(field); known {
		return f.HistoryName()
	}
	return field
}

// delta is one query for what changed.
type delta struct {
	name  string
	stamp string // the column the watermark is about
	from  time.Time
	mark  store.Watermark
	bound time.Time // how far the watermark may move once the answer is read to its end
	left  bool      // the answer was left alone for its length
	pages int       // that were taken in
}

// clockSlack is how far a watermark may lie ahead of the service's time before that time is taken to have been wrong. It is the shortest overlap: what
// changes behind a watermark that is no further ahead is read again.
const clockSlack = 15 * time.Minute

// plan sets up the delta queries. A query that is made for the first time starts now, before anybody is looked up in this pass: what was there before is
// looked up referral by referral, never scanned. Who was looked up in an earlier pass, when the query could not be made, is looked up again.
func (t *pass) plan(context.Context) error {
	now := t.now
	if now.IsZero() {
		now, _ = t.Salesforce.Now()
	}
	t.deltas = nil
	return t.update(func(tx *store.Tx) error {
		for _, name := range t.queries() {
			if gone, err := t.historyGone(tx, name, now); gone || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			mark, err := tx.Watermark(name)
			if err != nil {
				return err
			}
			if mark.At.After(now.Add(clockSlack)) && !now.IsZero() {
				t.Log.Error().Str(logged.Query, name).Time(logged.Watermark, mark.At).Time(logged.Now, now).
					Msg("an earlier answer told a time far ahead of the true one; everything since is looked at again")
				mark = store.Watermark{At: now}
				if err := errors.Join(tx.ResetWatermark(name, mark), reconcileSoon(tx)); err != nil {
					return err
				}
			}
			if mark.At.IsZero() {
				mark.At = now
				err := errors.Join(tx.SetWatermark(name, mark), reconcileSoon(tx))
				if !now.IsZero() { // that Salesforce was asked then has to be known with it: after days at rest the calls before are of long ago
					err = errors.Join(err, tx.AddCalls(now, 0))
				}
				if err != nil {
					return err
				}
			}
			t.deltas = append(t.deltas, &delta{name: name, stamp: stampOf(name), mark: mark, from: mark.At.Add(-t.Overlap)})
		}
		return beginReconciling(tx, now)
	})
}

// stampOf is the column that a query's watermark is about.
func stampOf(name string) string {
	if _, ok := histories[name]; ok {
		return "CreatedDate" // a history row's SystemModstamp moves when it is superseded
	}
	return "SystemModstamp"
}

// historyGone tells whether the org was found, within the last ten minutes, to have no such history object. It may have been out of sight together with its
// object for a while only.
func (t *pass) historyGone(tx *store.Tx, name string, now time.Time) (bool, error) {
	if _, ok := histories[name]; !ok {
		return false, nil
	}
	var d described
	found, err := tx.Describe(name, &d)
	return found && d.Gone && !d.olderThan(parkedFor, now), err
}

// noteGone remembers that the org has no such history object; it is tried again after ten minutes.
func (t *pass) noteGone(name string) error {
	t.gone[name] = true
	return t.update(func(tx *store.Tx) error {
		var d described
		if _, err := tx.Describe(name, &d); err != nil {
			return err
		}
		if !d.Gone { // else it has been told
			t.Log.Warn().Str(logged.Object, name).Msg("Salesforce shows no such history to this user; a value held for less than the poll interval can be missed")
		}
		return tx.PutDescribe(name, described{At: t.now, Gone: true})
	})
}

// poll asks what changed since the watermarks. In the same calls it begins to read by Id: what is marked, and the records under formula rules,
// whose values move no stamp.
func (t *pass) poll(ctx context.Context) error {
	if err := t.demandFormulas(); err != nil {
		return err
	}
	var questions []question
	for _, d := range t.deltas {
		questions = append(questions, t.deltaQuestion(d))
	}
	reads, err := t.startReads()
	if err != nil {
		return err
	}
	reads = reads[:min(len(reads), readsAtOnce)]
	for _, r := range reads {
		for _, id := range r.ids {
			t.overtaken[id] = false
		}
	}
	err = t.askReads(ctx, questions, reads)
	clear(t.overtaken)
	return err
}

func (t *pass) deltaQuestion(d *delta) question {
	q := question{
		name: d.name, from: d.name, object: objectOf(d.name),
		soql: func() salesforce.Soql { return t.deltaSoql(d) },
		page: func(tx *store.Tx, rows []salesforce.Row, a salesforce.Answer, last bool) error {
			return t.deltaPage(tx, d, rows, a, last)
		},
		tooLong: func(rows int) bool { return t.tooLong(d, rows) },
		leave:   func(a salesforce.Answer) { d.left, d.bound = true, a.Bound },
	}
	if _, ok := histories[d.name]; ok {
		q.gone = func() error { return t.noteGone(d.name) }
	}
	return q
}

func (t *pass) deltaSoql(d *delta) salesforce.Soql {
	since := salesforce.AtLeast(d.stamp, d.from)
	if d.mark.Resuming() {
		since = salesforce.KeysetAfter(d.stamp, d.mark.ResumeStamp, d.mark.ResumeID)
	}
	if h, ok := histories[d.name]; ok {
		return t.historySoql(h, d.name, since)
	}
	return salesforce.Select(t.columns(rules.Object(d.name))...).From(d.name).Where(since).OrderBy(d.stamp, "Id")
}

// historySoql asks for history rows. Values of a history row cannot be filtered on, and only the fields that matter are asked for.
func (t *pass) historySoql(h history, name string, which salesforce.Condition) salesforce.Soql {
	q := salesforce.Select(append([]string{"Id", h.parent, "CreatedDate"}, h.cols...)...).From(name).Where(which)
	if h.of != rules.Opportunity {
		q = q.Where(salesforce.In("Field", t.historyFields(h.of)))
	}
	return q.OrderBy("CreatedDate", "Id")
}

// deltaPage takes one page of what changed, and moves the watermark when it is the last. In a longer answer the position is kept page by
// page; it is that of the last row not newer than the bound, for a later page shows values of its own time.
func (t *pass) deltaPage(tx *store.Tx, d *delta, rows []salesforce.Row, a salesforce.Answer, last bool) error {
	if d.bound.IsZero() {
		d.bound = a.Bound
		if d.mark.Resuming() {
			d.bound = d.mark.Bound
		}
	}
	if err := t.takeRows(tx, d, rows, a); err != nil {
		return err
	}
	d.pages++
	d.mark.Bound = d.bound
	for _, row := range slices.Backward(rows) {
		if at := instant(row.Text(d.stamp)); !at.IsZero() && !at.After(d.bound) {
			if !at.Before(d.mark.ResumeStamp) {
				d.mark.ResumeStamp, d.mark.ResumeID = at, row.Text("Id")
			}
			break
		}
	}
	if last {
		d.mark = store.Watermark{At: later(d.mark.At, d.bound)}
	}
	return tx.SetWatermark(d.name, d.mark)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (t *pass) takeRows(tx *store.Tx, d *delta, rows []salesforce.Row, a salesforce.Answer) error {
	h, isHistory := histories[d.name]
	read := t.reader(rules.Object(d.name))
	for _, row := range rows {
		if d.pages > 0 {
			t.overtake(d.name, row)
		}
		var err error
		switch {
		case !isHistory:
			if read.concerns(tx, row) {
				err = t.see(tx, read.record(row, a.Since), nil)
			}
		case h.of == rules.Opportunity:
			err = t.seeStageRow(tx, row)
		default:
			err = t.seeHistoryRow(tx, h, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overtake takes note that a row of a later page is newer than what was read by Id of its record in the call of the first.
func (t *pass) overtake(query string, row salesforce.Row) {
	if len(t.overtaken) == 0 {
		return
	}
	id := recordID(row)
	if h, ok := histories[query]; ok {
		id = rules.ID18(row.Text(h.parent))
	}
	if _, read := t.overtaken[id]; read {
		t.overtaken[id] = true
	}
}

// seeStageRow has an Opportunity read with its whole history when a row of it is new: a row means something only beside its predecessor.
func (t *pass) seeStageRow(tx *store.Tx, row salesforce.Row) error {
	id := rules.ID18(row.Text("OpportunityId"))
	if !tx.Linked(id) {
		return nil
	}
	s, _, err := tx.Snapshot(id)
	if err != nil || s.HasStage(row.Text("Id")) {
		return err
	}
	return tx.Read(id, rules.Opportunity, nil)
}

func (t *pass) seeHistoryRow(tx *store.Tx, h history, row salesforce.Row) error {
	id := rules.ID18(row.Text(h.parent))
	if !tx.Linked(id) {
		return nil
	}
	s, found, err := tx.Snapshot(id)
	if err != nil || !found || !s.AddHistory(t.historyRow(h.of, row)) {
		return err
	}
	if err := tx.PutSnapshot(id, s); err != nil {
		return err
	}
	return t.markLinked(tx, id)
}

// historyRow reads a row of LeadHistory or ContactHistory, and calls the field by its API name. A lookup's change has two rows, one with Ids and one with
// names, which are no values.
func (t *pass) historyRow(object rules.Object, row salesforce.Row) rules.HistoryRow {
	field := row.Text("Field")
	for _, name := range t.watched(object) {
		if strings.EqualFold(t.historyName(object, name), field) {
			field = name
		}
	}
	return rules.HistoryRow{ID: row.Text("Id"), Field: field, Old: row.Text("OldValue"), New: row.Text("NewValue"), At: instant(row.Text("CreatedDate"))}
}

// markLinked has the pending referrals that link a record judged.
func (t *pass) markLinked(tx *store.Tx, recordID string) error {
	for _, id := range tx.ReferralsByRecord(recordID) {
		if err := tx.Judge(id); err != nil {
			return err
		}
	}
	return nil
}

// tooLong tells whether an answer is so long that it costs fewer calls to look at all pending referrals for its object's sake: to read their
// records by Id, and to look for their codes and e-mails. A mass update would otherwise be read again by every pass inside the overlap.
func (t *pass) tooLong(d *delta, rows int) bool {
	const rowsAPage = 2000
	further := inPortions(rows, rowsAPage) - 1 // the first page is there already
	if d.mark.Resuming() || further <= fewestCallsToLook {
		return false
	}
	return further > t.callsToLook(objectOf(d.name))
}

// fewestCallsToLook are a call to read by Id and one to search.
const fewestCallsToLook = 2

// callsToLook is how many calls it takes to look at all pending referrals for an object's sake.
func (t *pass) callsToLook(object rules.Object) int {
	if t.pending == nil {
		t.pending = t.countPending()
	}
	queries := inPortions(t.pending.links[object], idsAQuery)
	if len(t.historyFields(object)) > 0 {
		queries *= 2
	}
	searches := inPortions(t.pending.sought, referralsAQuery)
	return inPortions(queries, queriesACall) + inPortions(searches, queriesACall)
}

func inPortions(n, portion int) int { return (n + portion - 1) / portion }

// pending is how many referrals a look at all pending ones is about.
type pending struct {
	sought int                  // whose code and e-mail are searched
	links  map[rules.Object]int // to records that are read by Id
}

func (t *pass) countPending() *pending {
	p := &pending{links: map[rules.Object]int{}}
	err := t.view(func(tx *store.Tx) error {
		return tx.Outlines(func(o store.Outline) error {
			if !t.pendingHere(o) {
				return nil
			}
			if !o.Blocked {
				p.sought++
			}
			for _, l := range o.Links {
				p.links[l.Object]++
			}
			return nil
		})
	})
	if err != nil {
		p.sought = 1 << 30 // unknown: read the answer
	}
	return p
}
