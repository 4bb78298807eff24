package simulation

import (
	"cmp"
	"slices"

	"qualifyd/rules"
)

// claim names a record in a campaign.
type claim struct {
	campaign int64
	record   string
}

// nobody and ambiguous stand in the place of a referral's id where a record is nobody's, or more than one's.
const (
	nobody    int64 = 0
	ambiguous int64 = -1
)

// ownership is whose a record may be in a campaign. One that is pinned is one referral's for certain.
type ownership struct {
	now    []int64
	before []int64 // and before the newest pass
	pinned *referral
	// disputed is set when two had a pin on it, by a merge: nobody has it until the next pin.
	disputed bool
	merged   bool // another record was merged into it: whose that was may have it on, whatever the e-mail
}

func (o *ownership) may(id int64) bool {
	return slices.Contains(o.now, id) || slices.Contains(o.before, id)
}

// must tells whether the record is a referral's for certain.
func (o *ownership) must(id int64) bool { return len(o.now) == 1 && o.now[0] == id }

func (m *model) owner(c *campaign, one *record) *ownership {
	k := claim{c.id, one.id}
	if m.owners[k] == nil {
		m.owners[k] = &ownership{now: m.makers(c, one)}
	}
	return m.owners[k]
}

// makers is whose a record may be that nobody has looked at yet: its maker's, if qualifyd created it, also if it is gone by the time that it is
// looked for.
func (m *model) makers(c *campaign, one *record) []int64 {
	for _, r := range m.w.people.list {
		if one.ours && r.campaign == c && one.versions[0].f["LastName"] == r.code {
			return union(nil, nobody, r.id)
		}
	}
	return []int64{nobody}
}

// mayOwn tells whether a record may be a referral's.
func (m *model) mayOwn(r *referral, one *record) bool {
	own := m.owners[claim{r.campaign.id, one.id}]
	return own != nil && own.may(r.id)
}

func union(a []int64, b ...int64) []int64 {
	out := slices.Clone(a)
	for _, id := range b {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// link says whose the records are after a pass.
func (m *model) link(c *campaign, p *run) {
	for _, one := range m.w.truth.order {
		own := m.owner(c, one)
		own.before = own.now
	}
	for _, one := range m.w.truth.order {
		own, s := m.owner(c, one), m.sight(one, p)
		s.certain = s.certain && m.recognises(c)
		if own.pinned != nil || own.disputed || len(s.versions) == 0 {
			continue
		}
		var after []int64
		for _, v := range s.versions {
			for _, was := range own.now {
				after = union(after, m.next(c, one, v, was, p, s.certain)...)
			}
		}
		if !s.certain {
			after = union(after, own.now...)
		}
		own.now = after
	}
	inTurn := slices.Clone(m.w.truth.order) // of a chain of merges the first comes first
	slices.SortStableFunc(inTurn, func(a, b *record) int { return cmp.Compare(a.now().act, b.now().act) })
	for _, one := range inTurn {
		m.merged(c, one, p)
	}
	for _, one := range m.w.truth.order { // a conversion's Contact is the Lead's referral's as well
		if one.conversion != nil && one.conversion.act <= p.to && c.object == "Contact" {
			contact := m.owner(c, one.conversion.contact)
			if contact.pinned == nil {
				contact.now = union(contact.now, m.owner(c, one).now...)
			}
		}
	}
}

// merged moves what was the loser's to the survivor of a merge.
func (m *model) merged(c *campaign, loser *record, p *run) {
	v := loser.now()
	winner := m.w.truth.records[text(v.f["MasterRecordId"])]
	own := m.owner(c, loser)
	if winner == nil || v.act > p.to || len(own.now) == 1 && own.now[0] == nobody {
		return
	}
	to := m.owner(c, winner)
	to.merged = true
	s := m.sight(loser, p)
	twoPins := own.pinned != nil && to.pinned != nil && own.pinned != to.pinned
	if twoPins || own.disputed || to.disputed {
		to.now, to.pinned, to.disputed = union(union(to.now, ambiguous), own.now...), nil, true
		if s.certain { // else the pin may come to the survivor later, after another that is given meanwhile
			own.now, own.pinned, own.disputed = []int64{nobody}, nil, false
		}
		return
	}
	if to.pinned != nil {
		return
	}
	if own.pinned != nil { // the pin goes with it
		to.now, to.pinned = union(to.now, own.pinned.id), own.pinned
		if s.certain {
			to.now, own.pinned, own.now = []int64{to.pinned.id}, nil, []int64{nobody}
		}
		return
	}
	after := []int64{}
	for _, l := range own.now {
		for _, w := range to.now {
			after = union(after, m.together(l, w, winner)...)
		}
	}
	if w := winner.now(); w.act <= p.to && w.deleted() { // it may not have been seen before it was merged itself; the survivor of all is judged then
		after = union(after, own.now...)
	}
	for _, v := range m.sight(winner, p).versions { // the survivor's own e-mail may be somebody's, who may have it or not
		for _, was := range slices.Clone(after) {
			after = union(after, m.next(c, winner, v, was, p, false)...)
		}
	}
	if !s.certain {
		to.now = union(after, to.now...)
		if p.blind || !m.shown(c, loser.object) { // the link may move all the same, and have gone on to somebody else by the time that all is seen again
			own.now = union(own.now, nobody)
		}
		return
	}
	to.now = after
	own.now = []int64{nobody}
}

// together is whose a record may be that two have a claim to.
func (m *model) together(a, b int64, one *record) []int64 {
	switch {
	case a == b || b == nobody && a == ambiguous:
		return []int64{a}
	case a == nobody:
		return []int64{b}
	case b == nobody:
		return m.adopt(m.w.people.refs[a], one, nobody, false)
	}
	if a > nobody {
		m.adopt(m.w.people.refs[a], one, nobody, false)
	}
	return union(nil, ambiguous, a, b)
}

// next is whose a record may be after a pass that has seen it like this.
func (m *model) next(c *campaign, one *record, v version, was int64, p *run, certain bool) []int64 {
	if !v.there() {
		return m.takenForCreated(c, one, v, was)
	}
	out := []int64{}
	for _, r := range m.w.people.list {
		if r.campaign != c || !c.coded || r.code != v.code(c) || !r.maybeKnown {
			continue
		}
		if r.knownAt(p.from) {
			return m.adopt(r, one, was, certain)
		}
		out = union(out, m.adopt(r, one, was, false)...)
	}
	if one.object != c.object || v.email() == "" {
		return union(out, was)
	}
	var sure, perhaps []*referral
	for _, r := range m.w.people.list {
		if r.campaign != c || !r.maybeKnown || !slices.Contains(r.believed, v.email()) {
			continue
		}
		perhaps = append(perhaps, r)
		if r.knownAt(p.from) && len(r.believed) == 1 {
			sure = append(sure, r)
		}
	}
	switch {
	case len(perhaps) == 0:
		return union(out, was)
	case len(sure) == 1 && len(perhaps) == 1 && len(out) == 0:
		out = m.adopt(sure[0], one, was, certain)
		mayBeMarked := c.create && c.duplicates == "update" // also where there was nothing to write
		if was == ambiguous || was > nobody && (one.ours || mayBeMarked || m.owner(c, one).merged) {
			out = union(out, was)
		}
		return out
	}
	out = union(out, was, nobody, ambiguous)
	for _, r := range perhaps {
		out = union(out, m.adopt(r, one, was, false)...)
	}
	return out
}

// takenForCreated is whose a record may be that is not there. One that was merged before anybody saw it can be taken for the one that was asked for by a
// request whose answer was lost, where no code tells them apart.
func (m *model) takenForCreated(c *campaign, one *record, v version, was int64) []int64 {
	out := []int64{was}
	if !c.create || c.coded && m.recognises(c) || one.object != c.object || v.f["MasterRecordId"] == nil || v.email() == "" {
		return out
	}
	for _, r := range m.w.people.list {
		if r.campaign == c && r.maybeKnown && slices.Contains(r.believed, v.email()) && one.created().After(r.joinedAt) {
			out = union(out, r.id)
		}
	}
	return out
}

// adopt is whose a record may be that becomes a referral's: what existed before links only under update.
func (m *model) adopt(r *referral, one *record, was int64, certain bool) []int64 {
	if was == r.id || r.campaign.duplicates == "update" {
		return []int64{r.id}
	}
	existed := m.existed(r, one.created())
	switch {
	case existed == no && (len(r.blockers) > 0 || r.mayBlocked): // where a query is done without, who is blocked is not looked for
		return union(nil, r.id, was)
	case existed == no:
		return []int64{r.id}
	}
	if r.campaign.duplicates == "do_nothing" && !r.pinnedOne {
		m.block(r, one, certain && existed == yes)
	}
	out := union(nil, nobody, was)
	if existed == open {
		out = union(out, r.id)
	}
	return out
}

// block has a record that existed before keep a referral from qualifying. Opportunities do not, nor do Contacts that a conversion made.
func (m *model) block(r *referral, one *record, certain bool) {
	if certain && one.object != "Opportunity" && len(one.madeBy) == 0 {
		if r.blockers == nil {
			r.blockers = map[*record]bool{}
		}
		r.blockers[one] = true
	}
	r.mayBlocked = true
}

// lookUp has a referral blocked by what existed before with its e-mail on any object, or its code, and frees it of what does not block any more.
func (m *model) lookUp(r *referral, p *run) {
	if !r.maybeKnown || r.campaign.duplicates != "do_nothing" || r.pinnedOne {
		return
	}
	for _, lead := range m.w.truth.order { // a Lead converted into a Contact that existed before
		c := lead.conversion
		own := m.owner(r.campaign, lead)
		if c != nil && c.act <= p.to && (own.may(r.id) || own.may(ambiguous)) && m.existed(r, c.contact.created()) != no {
			r.mayBlocked = true
		}
	}
	standing := m.knownOf(r).Standing
	sought := standing != rules.Elsewhere && standing != rules.Overridden // who is decided is not looked up
	first := sought && !r.lookedUp && m.recognises(r.campaign) && r.knownAt(p.from) && p.whole()
	r.lookedUp = r.lookedUp || sought
	for _, one := range m.w.truth.order {
		if one.object == "Opportunity" {
			continue
		}
		s := m.sight(one, p)
		for _, v := range s.versions {
			byCode := r.campaign.coded && v.code(r.campaign) == r.code // pinned to somebody else, it is found all the same
			byEmail := slices.Contains(r.believed, v.email())
			if !v.there() || !byCode && !byEmail || m.existed(r, one.created()) == no {
				continue
			}
			other := one.object != r.campaign.object
			m.block(r, one, first && other && byEmail && s.certain && len(r.believed) == 1 && m.existed(r, one.created()) == yes)
		}
		if r.blockers[one] && !m.blocks(r, s) {
			delete(r.blockers, one)
		}
	}
}

// blocks tells whether a record that blocked a referral does so still for certain.
func (m *model) blocks(r *referral, s sight) bool {
	for _, v := range s.versions {
		if v.deleted() || v.email() != r.emails[len(r.emails)-1] && v.code(r.campaign) != r.code || len(r.emails) > 1 {
			return false
		}
	}
	return true
}

// pinned is an operator's pin: the record is this referral's, whatever else speaks for or against it. Who had a pin on it has it no more, and where it was
// the only one, is looked up like anybody else.
func (m *model) pinned(r *referral, one *record) {
	own := m.owner(r.campaign, one)
	for _, id := range own.now {
		if own.disputed && id > nobody { // a pin of theirs is gone, perhaps
			m.w.people.refs[id].mayBlocked = true
		}
	}
	one.pins = append(one.pins, r)
	was := own.pinned
	own.now, own.before, own.pinned, own.disputed = []int64{r.id}, nil, r, false
	if len(r.blockers) > 0 || r.mayBlocked { // of who is blocked not all records are linked, and so looked at
		for _, t := range r.ties {
			t.below, t.reached = false, false
		}
	}
	r.blockers, r.mayBlocked, r.pinnedOne = nil, false, true
	if was != nil && was != r && !m.hasPin(was) {
		was.pinnedOne, was.lookedUp, was.orderAct = false, false, r.orderAct
	}
}

// hasPin tells whether a record is pinned to a referral for certain.
func (m *model) hasPin(r *referral) bool {
	for k, own := range m.owners {
		if k.campaign == r.campaign.id && own.pinned == r {
			return true
		}
	}
	return false
}
