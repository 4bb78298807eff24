package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// referral is somebody who was referred, and what the model says of it.
type referral struct {
	id       int64
	campaign *campaign
	person   int
	code     string
	joinAct  int
	joinedAt time.Time
	emails   []string // all that it ever had
	emailAct int      // when it got the newest
	removed  bool

	maybeKnown bool     // a sweep may have shown it
	knownSince int      // the act after which a whole sweep had shown it; 0 before
	believed   []string // e-mails that qualifyd may take for its own
	shownFirst time.Time
	shownLast  time.Time // begin and end of the sweeps that may have, and must have, shown it first; zero while there is none

	blockers   map[*record]bool // records that block it for certain
	mayBlocked bool
	lookedUp   bool // a pass may have looked it up
	wasDecided bool // a pass did not look it up, for it was decided
	ties       map[*record]*tie

	orderAct  int  // of the newest order about it
	late      int  // how many passes in a row had to qualify it and did not
	braked    bool // it had to be qualified by what the newest pass saw, and the brake holds it
	shown     bool // what would qualify it may have been seen
	may, must bool // qualify by what was seen until now
	why       string

	closed    bool // it was set back, or an operator has said no: nothing more is to be sent
	unsure    bool // it is not known whether qualifyd knows of a setting back
	wanted    bool // an operator's order to qualify it has had no effect yet
	demanded  bool // ... and is to have one
	backed    bool // an operator wants it pending
	everBack  bool
	joinAsked bool
	loose     bool // an order came while its request may have been under way
	again     bool // one more qualification would not be one too many
	ordered   bool
	sentAt    time.Time // when the newest request that may have an effect was sent
	sent      int       // qualifications by qualifyd, by Referral Factory's book
	heard     bool      // qualifyd knows for certain that it is qualified
	pinnedOne bool

	qualifiedAct int // when it became qualified last, as far as the model has seen
}

// model says who must, may and must not be qualified. It is written from the design's text and is shown everything that was done.
type model struct {
	w *world

	owners    map[claim]*ownership
	polls     []*run
	lastPoll  time.Time // when a poll last ended, however it ended
	rewritten bool      // a value was rewritten in Setup

	booked int // qualifications of the book that were looked at

	musts, mays, nots, done int // referrals at the end
}

func newModel(w *world) *model { return &model{w: w, owners: map[claim]*ownership{}} }

// see takes in what some runs, which were under way together, may have seen and done.
func (m *model) see(runs []*run) {
	for _, r := range runs {
		if r.job == sweepJob {
			m.swept(r)
		}
	}
	for _, r := range runs {
		if r.job == pollJob {
			m.polls = append(m.polls, r)
			m.polled(r)
		}
	}
	for _, r := range runs {
		if r.job == sweepJob && r.whole() { // a poll at the same time may still have gone by the older e-mails
			m.forgetOldEmails(r)
		}
	}
	m.readBook(runs)
	for _, one := range m.w.people.list {
		one.loose = false
	}
}

// swept is a sweep.
func (m *model) swept(s *run) {
	parts := map[*campaign]*run{}
	for _, c := range m.w.campaigns {
		if part := s.partOf(c); part != nil {
			c.sweeps, parts[c] = append(c.sweeps, part), part
		}
	}
	for _, r := range m.w.people.list {
		s := parts[r.campaign]
		if s == nil || r.joinAct > s.to {
			continue
		}
		if !r.maybeKnown {
			r.maybeKnown, r.shownFirst = true, s.start
			r.believed = nil
		}
		for _, e := range r.emails {
			if !slices.Contains(r.believed, e) {
				r.believed = append(r.believed, e)
			}
		}
		if !s.whole() || r.joinAct > s.from || r.removed {
			continue
		}
		if r.knownSince == 0 {
			r.knownSince, r.shownLast = s.to, s.end
		}
		if r.qualifiedAct > 0 && r.qualifiedAct <= s.from && m.w.rf.User(r.id).QualifiedAt != "" {
			r.heard = true
		}
	}
}

func (m *model) forgetOldEmails(s *run) {
	for _, r := range m.w.people.list {
		part := s.partOf(r.campaign)
		if part != nil && part.whole() && r.joinAct <= s.from && !r.removed && r.emailAct <= s.from {
			r.believed = []string{r.emails[len(r.emails)-1]} // no part of the list of all: more may be added to either
		}
	}
}

func (r *referral) knownAt(act int) bool { return r.knownSince > 0 && r.knownSince <= act }

// answer is what can be said: yes, no, or that it is open.
type answer int

const (
	no answer = iota
	open
	yes
)

// slack is how far apart the time of an answer and that of a run may be.
const slack = 3 * time.Second

// dayOf is the start of a day in Referral Factory's zone.
func (w *world) dayOf(t time.Time) time.Time {
	year, month, day := t.In(w.zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, w.zone)
}

// existed tells whether a record that was created at some time existed before a referral.
func (m *model) existed(r *referral, created time.Time) answer {
	day := m.w.dayOf(r.joinedAt)
	switch {
	case created.Before(day):
		return yes
	case !created.Before(day.Add(24 * time.Hour)):
		return no
	}
	var least, most time.Time
	for _, s := range r.campaign.sweeps {
		if s.whole() && s.to < r.joinAct && !s.start.Add(slack).After(r.shownFirst.Add(-time.Hour)) {
			least = s.start.Add(-slack)
		}
		if s.from < r.joinAct && (r.shownLast.IsZero() || !s.start.Add(-slack).After(r.shownLast.Add(-time.Hour))) {
			most = s.end.Add(slack)
		}
	}
	switch {
	case created.Before(least):
		return yes
	case created.Before(most):
		return open
	}
	return no
}

// counts is from when on changes count for a referral: not before the first and surely from the second; known is false while that is not known.
func (m *model) counts(r *referral) (least, most time.Time, known bool) {
	c := r.campaign
	least, most, known = c.firstTry.Add(-slack), c.firstDone.Add(slack), !c.firstDone.IsZero()
	switch {
	case c.effective.IsZero():
	case !c.changed:
		least, most, known = c.effective, c.effective, true
	default:
		if least.Before(c.effective) || c.perhaps {
			least = c.effective
		}
		if most.Before(c.effective) {
			most = c.effective
		}
	}
	day := m.w.dayOf(r.joinedAt)
	if least.Before(day) {
		least = day
	}
	if most.Before(day) {
		most = day
	}
	return least, most, known
}

// polled is a pass over Salesforce.
func (m *model) polled(p *run) {
	due := !m.lastPoll.IsZero() && p.start.Sub(m.lastPoll) > 24*time.Hour+time.Minute
	m.lastPoll = p.end
	for _, c := range m.w.campaigns {
		if part := p.partOf(c); part != nil {
			m.polledFor(c, part, due)
		} else {
			c.missed = c.missed || p.whole()
			m.lookThrough(p.blindTo(c))
		}
	}
}

// polledFor is a campaign's part of a pass. due is set when the daily look at everybody is due for certain.
func (m *model) polledFor(c *campaign, p *run, due bool) {
	if c.firstTry.IsZero() {
		c.firstTry = p.start
	}
	if c.missed && c.backFrom == 0 {
		c.backFrom = p.from
	}
	if !p.whole() {
		m.lookThrough(p)
		return
	}
	joins := !c.create || m.recognises(c) // else somebody may wait to be joined
	if c.firstDone.IsZero() && c.sweptBefore(p.from) && m.allShown(c) && joins {
		c.firstDone = p.end
	}
	c.codesSeen = c.codesSeen || m.shown(c, c.object) && m.clear(c, c.object, c.codeField)
	c.dailyBefore = c.dailyAct
	if due {
		c.dailyAct = p.from
	}
	switch {
	case due:
		c.deepAct = p.from
	case c.missed: // with other campaigns in the config everybody is looked at, once: the first pass may have done so, though it failed
		c.deepAct = max(c.deepAct, c.backFrom)
	}
	c.missed, c.backFrom = false, 0
	m.lookThrough(p)
	c.wholeBefore, c.wholeStart = p.from, p.start
}

// lookThrough is what a campaign's part of a pass may have seen, and what comes of it.
func (m *model) lookThrough(p *run) {
	m.link(p.of, p)
	for _, r := range m.w.people.list {
		if r.campaign == p.of {
			m.lookUp(r, p)
			m.judge(r, p)
		}
	}
}

// ruleChanges is what comes of a campaign's other rule: it counts from the pass that first knows it, and those about whom nothing was decided by
// the former one are judged by nothing that was seen under that.
func (m *model) ruleChanges(c *campaign) {
	c.since = m.w.now()
	if c.firstTry.IsZero() {
		return // nobody has known the former one
	}
	if !c.firstDone.IsZero() {
		c.former = nil
	}
	c.former = append(c.former, c.rule)
	c.perhaps = c.firstDone.IsZero() && (c.perhaps || !c.changed)
	c.changed, c.firstTry, c.firstDone = true, time.Time{}, time.Time{}
	for _, r := range m.w.people.list {
		if r.campaign != c {
			continue
		}
		r.ties, r.late, r.shown = nil, 0, false // also of one that is decided, and may be resumed
		known := m.knownOf(r)
		if known.Standing != rules.Pending && known.Standing != "" {
			continue
		}
		r.must, r.may = false, r.may && known.Verdict.Reason == rules.HeldByBrake
	}
}

// sweptBefore tells whether a sweep was whole before an act. A pass begins with one: until then nobody is known who could qualify.
func (c *campaign) sweptBefore(act int) bool {
	return slices.ContainsFunc(c.sweeps, func(s *run) bool { return s.whole() && s.to < act })
}

// sight is what a pass may have seen of a record.
type sight struct {
	versions []version
	certain  bool // it has seen the one version that there was
}

func (m *model) sight(one *record, p *run) sight {
	s := sight{versions: one.during(p.from, p.to)}
	s.certain = p.whole() && m.shown(p.of, one.object) && len(s.versions) == 1 && s.versions[0].act <= p.from && p.of.shows(s.versions[0].act, s.versions[0].at, s.versions[0].stamp())
	return s
}

// clear tells whether a field was certainly there to be seen in a pass: it is not hidden, and a field that came back is known since a day ago.
func (m *model) clear(c *campaign, object, field string) bool { return m.shown(c, object+"."+field) }

// shown is clear for a field, "Lead.Status", or an object, "Lead", which is looked for every ten minutes.
func (m *model) shown(c *campaign, name string) bool {
	f := m.w.people.fields[name]
	switch {
	case f == nil:
		return true
	case f.hidden:
		return false
	case slices.Contains(objects, name):
		return c.wholeStart.After(f.at.Add(11 * time.Minute))
	}
	return f.act <= c.dailyBefore
}

// needs are the objects that a campaign depends on: its own, those on which existing customers are looked for, and what its conversions make.
func (c *campaign) needs() []string {
	needs := []string{c.object}
	if c.duplicates == "do_nothing" {
		needs = append(needs, "Lead", "Contact")
	}
	if strings.HasPrefix(c.method, "lead_converts") {
		needs = append(needs, "Opportunity")
	}
	return needs
}

// allShown tells whether all that a campaign depends on was certainly there to be seen.
func (m *model) allShown(c *campaign) bool {
	return !slices.ContainsFunc(c.needs(), func(object string) bool { return !m.shown(c, object) })
}

// recognises tells whether all that a campaign's referrals are recognised by was certainly there to be seen.
func (m *model) recognises(c *campaign) bool {
	return m.allShown(c) && (!c.coded || m.clear(c, "Lead", c.codeField) && m.clear(c, "Contact", c.codeField) && m.clear(c, "Opportunity", c.codeField))
}

// prompt is how late a change may appear below its stamp to be found by the overlap.
const prompt = 14 * time.Minute

// shows tells whether something that appeared at a time, and is stamped with another, is found for certain by the first whole pass after it.
func (c *campaign) shows(act int, at, stamp time.Time) bool {
	return act <= c.deepAct || at.Sub(stamp) <= prompt
}

// showsRow is shows for a history row, which is hidden while its record is: what was not seen before then, only the look at everybody shows.
func (m *model) showsRow(c *campaign, one *record, row historyRow) bool {
	object := m.w.people.fields[one.object]
	atDeep, hidden := version{}, object != nil && object.act >= row.act
	for _, v := range one.versions {
		hidden = hidden || v.invisible && v.act > row.act
		if v.act <= c.deepAct {
			atDeep = v
		}
	}
	if hidden {
		return row.act <= c.deepAct && atDeep.there() && m.shown(c, one.object)
	}
	return c.shows(row.act, row.at, row.t)
}

// there tells whether a record was certainly there to be seen.
func (s sight) there() bool { return s.certain && s.versions[0].there() }

// judge is what may, or must, come of a referral by what a pass may have seen.
func (m *model) judge(r *referral, p *run) {
	if !r.maybeKnown || r.campaign.method == "none" {
		return
	}
	if standing := m.knownOf(r).Standing; standing == rules.Elsewhere || standing == rules.Overridden {
		r.wasDecided = true
	}
	may, must, why := false, false, ""
	for _, one := range m.w.truth.order {
		own := m.owner(r.campaign, one)
		if !own.may(r.id) {
			continue
		}
		x, y := m.proof(r, one, p, own)
		if one.ours && one.versions[0].act > p.of.wholeBefore {
			y = false // the pass that finds the record of a lost answer leaves the judging to the next
		}
		if x && !may {
			why = one.object + " " + one.id
		}
		may, must = may || x, must || y
	}
	r.shown = r.shown || may // also while it is blocked: an order may lift the block
	if r.closed || len(r.blockers) > 0 {
		return
	}
	if r.shown && !r.may {
		r.may, r.why = true, why
	}
	// While codes are hidden nobody is looked up for whom a record would be made, and who was decided before may have no record yet.
	waits := (r.campaign.create || r.wasDecided) && !m.recognises(r.campaign)
	must = must && m.allShown(r.campaign) && !waits && !r.mayBlocked && r.knownAt(p.from) && !r.unsure
	switch {
	case must:
		if !r.must {
			r.must, r.why = true, why+" at "+p.start.Format(time.DateTime)
		}
		m.nowOwed(r, p)
	case r.must && r.late < r.patience() && m.knownOf(r).Standing == rules.Pending:
		// What spoke for it may have become another's before the brake was released, or before it had to be judged.
		r.must, r.braked, r.late = false, false, 0
	}
}

// patience is how many whole passes may see that a referral must qualify until it does. It is the first of them that has to; but a record may
// have been made in it by a request whose answer was lost, and a sweep may have shown another e-mail during the second.
func (r *referral) patience() int {
	n := 1
	if r.campaign.create {
		n++
	}
	if len(r.emails) > 1 {
		n++
	}
	return n
}

// nowOwed makes sure that passes which had to qualify a referral have.
func (m *model) nowOwed(r *referral, p *run) {
	known := m.knownOf(r)
	r.braked = known.Verdict.Reason == rules.HeldByBrake
	orderedMeanwhile := r.orderAct > p.from // to look it up anew, say, which has to be done before it is judged
	if orderedMeanwhile || known.Standing != rules.Pending || r.braked {
		r.late = 0
		return
	}
	if r.late++; r.late == r.patience() {
		m.w.fail(r.id, fmt.Sprintf("MISS: #%d had to be qualified by the pass that saw it: %s", r.id, r.why))
	}
}

// knownOf is a referral as qualifyd knows it.
func (m *model) knownOf(r *referral) (known rules.Referral) {
	err := m.w.store.View(func(tx *store.Tx) (err error) { known, _, err = tx.Referral(r.id); return err })
	if err != nil {
		m.w.fail(0, err.Error())
	}
	return known
}
