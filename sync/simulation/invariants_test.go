package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// invariants are what holds of the store after every single commit, whatever comes next: a crash can leave any of these states. They are worked out
// from what was done in the services and from the ledger's own lines, not by the code that keeps them.
type invariants struct {
	w       *world
	head    store.Head // of the ledger as far as it was followed
	owed    map[int64]*told
	seen    map[*record]int // how many versions and history rows of a record were found in its snapshot
	commits int
	began   map[string]time.Time // up to when a query for history was read when it was first planned: what was before is not its business
	spared  time.Time            // when a query last took the org too long: a record that is read for the first time is then looked at without its history
	broken  string               // what did not hold
}

func newInvariants(w *world) *invariants {
	return &invariants{w: w, owed: map[int64]*told{}, seen: map[*record]int{}, began: map[string]time.Time{}}
}

// forget is for a new process: the newest commits of the one before may be gone.
func (i *invariants) forget() {
	i.head, i.owed, i.seen = store.Head{}, map[int64]*told{}, map[*record]int{}
	if err := i.w.store.View(i.forgetPlans); err != nil {
		i.broken = err.Error()
	}
}

// forgetPlans forgets the queries whose planning is gone.
func (i *invariants) forgetPlans(tx *store.Tx) error {
	for object := range i.began {
		mark, err := tx.Watermark(object + "History")
		if err != nil {
			return err
		}
		if mark.At.IsZero() {
			delete(i.began, object)
		}
	}
	return nil
}

// look looks at the store as the newest commit left it.
func (i *invariants) look() {
	if i.broken != "" || *modelAlone || *torture && i.w.seed%4 != 0 { // it makes histories a fifth longer
		return
	}
	i.commits++
	err := i.w.store.View(func(tx *store.Tx) error {
		return errors.Join(i.followLedger(tx), i.lookAtDebts(tx), i.lookAtWatermarks(tx))
	})
	if err != nil {
		i.broken = fmt.Sprintf("INVARIANT: after a commit of the store: %v", err)
	}
}

// report has the history fail for what was found.
func (i *invariants) report() {
	if i.broken != "" && !i.w.failed {
		i.w.fail(0, i.broken)
	}
}

// end looks at the store as the last commit left it, and has it check itself.
func (i *invariants) end() {
	i.w.disk.lookAgain()
	i.report()
	report, err := i.w.store.Check(nil)
	if err := errors.Join(err, report.Err()); err != nil {
		i.w.fail(0, fmt.Sprintf("INVARIANT: at the end: %v", err))
	}
}

// debt is what is owed about a referral.
type debt string

const (
	nothing   debt = "nothing"
	toQualify debt = "to be qualified"
	toSetBack debt = "to be set back"
)

// told is what the ledger tells about a referral.
type told struct {
	may []debt // what may be owed, by its lines
	// once is set when the referral was found to qualify: a second time needs a person's order in between.
	once bool
}

// follow takes a line in. It returns what is wrong with it after the lines before.
//
//	line                   owed before               owed after
//	judged: qualified      nothing                   to be qualified
//	released               nothing                   to be qualified
//	qualified by hand      nothing                   to be qualified
//	                       to be set back            to be qualified, or nothing where it was not sent; and nothing once it is known to be qualified
//	unqualified by hand    to be qualified           nothing where it was not sent, else to be set back
//	                       nothing                   to be set back; or nothing of what the brake held
//	retried                nothing                   to be qualified
//	                       to be set back            the same
//	delivered              to be qualified           nothing
//	                       to be set back            the same: it was under way
//	elsewhere, dropped     any                       nothing
//	overridden             to be set back, nothing   nothing
//	                       to be qualified           the same: it was set back before the order
//	rejected               to be qualified           nothing
//	                       to be set back            the same, parked
//
// A line of a restore says what the store that was replaced had, whatever the backup has.
func (o *told) follow(e store.Entry) error {
	if strings.HasPrefix(e.Note, "carried over") {
		o.once = o.once || e.Act == store.ActJudged
		o.may = map[store.Act][]debt{store.ActJudged: {toQualify}, store.ActUnqualify: {toSetBack}, store.ActOverridden: {nothing}, store.ActElsewhere: {nothing}}[e.Act]
		return nil
	}
	var after map[debt][]debt
	switch e.Act {
	case store.ActJudged:
		if e.Outcome != rules.Qualified {
			return nil
		}
		if o.once {
			return errors.New("it was found to qualify before, and nobody ordered to judge it again")
		}
		after, o.once = map[debt][]debt{nothing: {toQualify}}, true
	case store.ActReleased:
		after, o.once = map[debt][]debt{nothing: {toQualify}}, true
	case store.ActQualified:
		after, o.once = map[debt][]debt{nothing: {toQualify}, toSetBack: {toQualify, nothing}}, true
	case store.ActUnqualify:
		after = map[debt][]debt{toQualify: {nothing, toSetBack}, nothing: {toSetBack, nothing}}
	case store.ActRetried:
		after = map[debt][]debt{nothing: {toQualify}, toSetBack: {toSetBack}}
	case store.ActDelivered:
		after = map[debt][]debt{toQualify: {nothing}, toSetBack: {toSetBack}}
	case store.ActElsewhere, store.ActDropped:
		after = map[debt][]debt{toQualify: {nothing}, toSetBack: {nothing}, nothing: {nothing}}
	case store.ActOverridden:
		after = map[debt][]debt{toQualify: {toQualify}, toSetBack: {nothing}, nothing: {nothing}}
	case store.ActRejected:
		after = map[debt][]debt{toQualify: {nothing}, toSetBack: {toSetBack}}
	case store.ActResumed, store.ActRejudged:
		o.once = false
		return nil
	default:
		return nil
	}
	var may []debt
	for _, before := range o.may {
		for _, d := range after[before] {
			if !slices.Contains(may, d) {
				may = append(may, d)
			}
		}
	}
	if len(may) == 0 {
		return fmt.Errorf("before it %v was owed", o.may)
	}
	o.may = may
	return nil
}

// followLedger reads the lines that are new. Each follows from the one before, and makes sense after it.
func (i *invariants) followLedger(tx *store.Tx) error {
	if tx.LedgerLength() < i.head.Length {
		return fmt.Errorf("the ledger has %d lines, and had %d", tx.LedgerLength(), i.head.Length)
	}
	for _, line := range tx.LedgerLines(i.head.Length, 1<<30) {
		var e store.Entry
		if err := json.Unmarshal(line.Text, &e); err != nil {
			return err
		}
		bare, found := strings.CutSuffix(string(line.Text), e.Hash+`"}`)
		sum := sha256.Sum256([]byte(bare + `"}`))
		if !found || e.Hash != hex.EncodeToString(sum[:]) || e.Previous != i.head.Hash || e.Number != i.head.Length+1 || line.Number != e.Number {
			return fmt.Errorf("ledger line %d does not follow from line %d: %s", line.Number, i.head.Length, line.Text)
		}
		i.head = store.Head{Length: e.Number, Hash: e.Hash}
		if e.Referral == 0 {
			continue
		}
		if i.owed[e.Referral] == nil {
			i.owed[e.Referral] = &told{may: []debt{nothing}}
		}
		if err := i.owed[e.Referral].follow(e); err != nil {
			return fmt.Errorf("the ledger's line %d says that #%d was %s, but %w", e.Number, e.Referral, e.Act, err)
		}
	}
	return nil
}

// lookAtDebts makes sure that what is owed is what the ledger says: nothing without its line, and no line without what it says is owed.
func (i *invariants) lookAtDebts(tx *store.Tx) error {
	debts, err := tx.Debts()
	if err != nil {
		return err
	}
	owed := map[int64]debt{}
	for _, d := range debts {
		owed[d.Referral] = toQualify
		if d.Undo {
			owed[d.Referral] = toSetBack
		}
		if i.owed[d.Referral] == nil {
			return fmt.Errorf("#%d is %s, and the ledger has no line of it", d.Referral, owed[d.Referral])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(i.owed)) {
		is, found := owed[id]
		if !found {
			is = nothing
		}
		if may := i.owed[id].may; !slices.Contains(may, is) {
			return fmt.Errorf("%s is owed about #%d; by the ledger's lines it has to be %v", is, id, may)
		}
	}
	return nil
}

// lookAtWatermarks makes sure that no watermark is ahead of what was seen: whatever of a record could be seen before it, is in the record's
// snapshot, or the record is marked to be read, by itself or with everybody's. That is so of the records of pending referrals; another's are read when it is pending again. A change
// that appeared later below its stamp than the overlap reaches is not promised to be seen by a poll.
func (i *invariants) lookAtWatermarks(tx *store.Tx) error {
	all, err := tx.Watermark("reconcile")
	if err != nil || all.At.Before(birth.AddDate(-1, 0, 0)) && !all.At.IsZero() {
		return err // everybody's records are marked to be read
	}
	for _, object := range objects {
		mark, err := tx.Watermark(object)
		if err != nil {
			return err
		}
		rows, err := tx.Watermark(object + "History")
		if err != nil {
			return err
		}
		if _, planned := i.began[object]; !planned && !rows.At.IsZero() {
			i.began[object] = rows.At
		}
		if f := i.w.people.fields[object]; f != nil && (f.hidden || !mark.At.After(f.at)) {
			continue // all linked records of an object are read once it comes back into sight
		}
		for _, one := range i.w.truth.order {
			if one.object != object {
				continue
			}
			if err := i.lookAtRecord(tx, one, mark, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAtRecord looks at one record, unless it was found to be seen before and has not changed since.
func (i *invariants) lookAtRecord(tx *store.Tx, one *record, mark, rows store.Watermark) error {
	v := one.promised(mark)
	n := 0
	for n < len(one.rows) && !one.rows[n].at.After(rows.At) {
		n++
	}
	if v < 0 || i.seen[one] == v+n && i.commits%16 != 0 {
		return nil
	}
	if len(tx.ReferralsByRecord(one.id)) == 0 {
		return nil
	}
	s, _, err := tx.Snapshot(one.id)
	if err != nil {
		return err
	}
	missing := i.missing(one, v, one.rows[:n], s)
	if missing == "" {
		i.seen[one] = v + n
		return nil
	}
	reading, err := tx.Reading(one.id)
	pending, errPending := i.ofPending(tx, one.id)
	if err := errors.Join(err, errPending); err != nil || reading.Object != "" || !pending {
		return err
	}
	return fmt.Errorf("%s was read up to %s (%+v), its history up to %s, and of %s %s was not seen: %+v",
		one.object, clock(mark.At), mark, clock(rows.At), one.id, missing, s)
}

// missing is what of a record's version and history rows a snapshot lacks, "" where it has all. Of a record that was deleted since, no more may have been seen.
func (i *invariants) missing(one *record, v int, rows []historyRow, s rules.Snapshot) string {
	gone := s.Deleted && slices.ContainsFunc(one.versions[v+1:], version.deleted)
	if !gone && !has(s, one.versions[v]) {
		return "what it is since " + clock(one.versions[v].at)
	}
	for _, row := range rows {
		if i.promisedRow(one, row) && i.count(rows, row) > rowsIn(s, row) {
			return fmt.Sprintf("the history row that says %s became %v at %s", row.field, row.new, clock(row.t))
		}
	}
	return ""
}

func clock(t time.Time) string { return t.Format("Jan 02 15:04:05") }

// promised is the number of the version that must have been seen when a query was read up to a mark, -1 where none must.
func (r *record) promised(mark store.Watermark) int {
	newest := len(r.versions) - 1
	if v := r.versions[newest]; mark.Resuming() && v.there() && !v.at.After(mark.Bound) && !v.stamp().Before(mark.At.Add(-overlap)) &&
		(v.stamp().Before(mark.ResumeStamp) || v.stamp().Equal(mark.ResumeStamp) && r.id <= mark.ResumeID) && prompted(v) {
		return newest // the part of a long answer that was taken in has it
	}
	for n := newest; n >= 0; n-- {
		v := r.versions[n]
		switch {
		case v.invisible, v.deleted() && v.f["MasterRecordId"] != nil:
			return -1 // it may have been so when it was asked for; after a merge it is nobody's
		case v.at.After(mark.At):
		case prompted(v):
			return n
		default:
			return -1
		}
	}
	return -1
}

// prompted tells whether a version appeared soon enough to be found by the overlap.
func prompted(v version) bool { return v.at.Sub(v.stamp()) <= overlap }

// has tells whether a snapshot shows a version, or a later one.
func has(s rules.Snapshot, v version) bool {
	if v.deleted() {
		return s.Deleted || s.Modstamp.After(v.stamp())
	}
	return s.Deleted && s.SeenAt.After(v.at) || s.Values != nil && !s.Modstamp.Before(v.stamp())
}

// promisedRow tells whether a history row must have been seen: one of a field that a rule watches, which was never hidden. One from before the org
// took too long to give a history may be missing until the next regular look at everybody.
func (i *invariants) promisedRow(one *record, row historyRow) bool {
	for _, v := range one.versions {
		if !v.there() {
			return false
		}
	}
	if began, planned := i.began[one.object]; !planned || !row.at.After(began) {
		return false
	}
	if !row.at.After(i.spared) || row.at.Sub(row.t) > overlap || row.first && !i.w.people.firstRow || i.w.people.fields[one.object+"."+row.field] != nil || i.w.people.fields[one.object] != nil {
		return false
	}
	return slices.ContainsFunc(i.w.campaigns, func(c *campaign) bool {
		watches := c.watched.field == row.field && c.object == one.object || c.stage != "" && row.field == "StageName"
		return watches && c.method != "none" && c.settled() && row.at.After(c.since)
	})
}

// count is how many rows that the org keeps look like one.
func (i *invariants) count(rows []historyRow, like historyRow) (n int) {
	for _, r := range rows {
		if kept := !r.first || i.w.people.firstRow; kept && r.field == like.field && r.t.Equal(like.t) {
			n++
		}
	}
	return n
}

// rowsIn is how many rows like one a snapshot has.
func rowsIn(s rules.Snapshot, like historyRow) (n int) {
	for _, r := range s.History {
		if r.Field == like.field && r.At.Equal(like.t) {
			n++
		}
	}
	for _, r := range s.Stages {
		if like.field == "StageName" && r.At.Equal(like.t) {
			n++
		}
	}
	return n
}

// ofPending tells whether a pending referral links a record, one of a campaign that the passes look after.
func (i *invariants) ofPending(tx *store.Tx, recordID string) (bool, error) {
	for _, id := range tx.ReferralsByRecord(recordID) {
		r, _, err := tx.Referral(id)
		if err != nil || r.Standing == rules.Pending && i.w.people.refs[id].campaign.settled() {
			return err == nil, err
		}
	}
	return false, nil
}
