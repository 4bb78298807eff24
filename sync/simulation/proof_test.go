package simulation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"qualifyd/rules"
)

// tie is what may have been seen of a record since it may have been a referral's.
type tie struct {
	// At or after counts_from, it was seen not to be at the value: for certain, at which act; perhaps, and what its LastModifiedDate was.
	below      bool
	belowAct   int
	maybeBelow []time.Time

	reached, mayReach bool      // it was seen to become the value
	convertedBy       time.Time // a Lead was seen converted for certain by then; zero before
}

func (r *referral) tie(one *record) *tie {
	if r.ties == nil {
		r.ties = map[*record]*tie{}
	}
	if r.ties[one] == nil {
		r.ties[one] = &tie{}
	}
	return r.ties[one]
}

// proof tells whether a record may, and must, qualify a referral by what a pass may have seen until now.
func (m *model) proof(r *referral, one *record, p *run, own *ownership) (may, must bool) {
	c := r.campaign
	switch c.method {
	case "lead_field_changes", "contact_field_changes":
		if one.object != c.object {
			return false, false
		}
		return m.becomes(r, one, p, own, func(v version) bool { return c.watched.is(v.f[c.watched.field]) })
	case "lead_converts", "lead_converts_to_stage":
		if one.object != "Lead" {
			return false, false
		}
		return m.converts(r, one, p, own)
	}
	return false, false
}

// is tells whether a field is at the value, by the rules of its type.
func (f watched) is(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case float64:
		n, err := strconv.ParseFloat(f.value, 64)
		return err == nil && n == x
	case bool:
		return strconv.FormatBool(x) == f.value
	case string:
		if f.field == "Tags__c" {
			return slices.Equal(set(x), set(f.value))
		}
		return strings.EqualFold(x, f.value)
	}
	panic(fmt.Sprintf("a value of type %T", v))
}

func set(s string) []string {
	out := strings.Split(strings.ToLower(s), ";")
	slices.Sort(out)
	return out
}

// becomes tells whether a record became the value of the rule: by two observations, by its creation, by a history row.
func (m *model) becomes(r *referral, one *record, p *run, own *ownership, at func(version) bool) (may, must bool) {
	s, t := m.sight(one, p), r.tie(one)
	s.certain = s.certain && m.clear(r.campaign, one.object, r.campaign.watched.set())
	m.observe(r, one, s, p, own, at)
	least, most, known := m.counts(r)
	there := slices.ContainsFunc(s.versions, version.there)
	// A history row that was seen before the record was hidden speaks on: a merge may make the record somebody's afterwards.
	alive := slices.ContainsFunc(s.versions, func(v version) bool { return !v.deleted() })
	// Whether an observation counts that was made while the record was another's is open where it shows that the record was born at the value.
	born := at(one.versions[0]) && !one.created().Before(least) && (!one.ours || r.campaign.watched.formula)
	may, must = (t.mayReach || born) && there, t.reached && s.there() && own.must(r.id)
	for _, row := range one.rows {
		f := r.campaign.watched
		if row.field != f.field || f.formula || row.silent || row.first || row.ours || row.act > p.to || !f.is(row.new) || f.is(row.old) {
			continue
		}
		if alive && !row.t.Before(least) {
			may = true
		}
		if known && own.must(r.id) && s.there() && row.act <= p.from && m.showsRow(r.campaign, one, row) && !row.t.Before(most) &&
			!m.mayBeOurs(r.campaign, one, row.t) {
			must = true
		}
	}
	return may, must
}

// becameSo is how a record was when it became what it is in one of its versions.
func becameSo(one *record, v version, at func(version) bool) version {
	i := len(one.versions) - 1
	for one.versions[i].act != v.act {
		i--
	}
	for i > 0 && at(one.versions[i-1]) {
		i--
	}
	return one.versions[i]
}

// mayBeOurs tells whether a change that a person made could be taken for qualifyd's: it fills in the same, and may have asked for it about then.
func (m *model) mayBeOurs(c *campaign, one *record, t time.Time) bool {
	fillsIn := func(o *campaign) bool {
		return o.writes != nil && o.object == one.object && o.writes.field == c.watched.set()
	}
	if !slices.ContainsFunc(m.w.campaigns, fillsIn) {
		return false
	}
	near := func(s *run) bool { return !t.Before(s.start.Add(-slack)) && !t.After(s.end.Add(lostWrite)) }
	return one.marked || one.tookOver || slices.ContainsFunc(m.polls, near)
}

// lostWrite is how long after a run a write of it may take effect.
const lostWrite = 2*time.Minute + slack

// observe takes note of what a pass may have seen of a record's value.
func (m *model) observe(r *referral, one *record, s sight, p *run, own *ownership, at func(version) bool) {
	t := r.tie(one)
	least, most, known := m.counts(r)
	for _, v := range s.versions {
		switch {
		case !v.there():
		case !at(v):
			if !p.end.Before(least) {
				t.maybeBelow = append(t.maybeBelow, v.edited())
			}
		case becameSo(one, v, at).ours && !r.campaign.watched.formula: // a value that we wrote is the baseline
		case !one.created().Before(least):
			t.mayReach = true
		case !v.stamp().Before(least), r.campaign.watched.formula && !p.end.Before(least): // of a formula the answer's time counts
			t.mayReach = t.mayReach || slices.ContainsFunc(t.maybeBelow, func(edited time.Time) bool { return !v.rewritten || !edited.Equal(v.edited()) })
		}
	}
	if !own.must(r.id) {
		t.below, t.reached = false, false // another link begins anew
		return
	}
	if !s.there() || !known || m.setUpChanged(one, t.belowAct) {
		return
	}
	v := s.versions[0]
	if !at(v) {
		// What did not change since changes count is looked at for the sake of who is pending.
		looked := m.knownOf(r).Standing == rules.Pending || !v.at.Before(most)
		if looked && !p.start.Add(-slack).Before(most) {
			t.below, t.belowAct = true, v.act
		}
		return
	}
	became := becameSo(one, v, at)
	if became.ours || m.mayBeOurs(r.campaign, one, became.stamp()) {
		return
	}
	if t.below && !firstAt(one, t.belowAct, at).stamp().Before(most) || !one.created().Before(most) && alwaysAt(one, v.act, at) {
		t.reached = true
	}
}

// firstAt is how a record was when it was at the value for the first time after an act. It may have been seen so before it was for certain.
func firstAt(one *record, act int, at func(version) bool) version {
	return one.versions[slices.IndexFunc(one.versions, func(v version) bool { return v.act > act && at(v) })]
}

// alwaysAt tells whether a record was at the value from its creation until an act. Where it was not, and only the act after which it was
// the referral's shows that it is, it is open whether the first observation since then counts.
func alwaysAt(one *record, act int, at func(version) bool) bool {
	return !slices.ContainsFunc(one.versions, func(v version) bool { return v.act <= act && !at(v) })
}

// setUpChanged tells whether a record was rewritten in Setup after an act.
func (m *model) setUpChanged(one *record, act int) bool {
	return slices.ContainsFunc(one.versions, func(v version) bool { return v.act > act && v.rewritten })
}

// converts tells whether a Lead's conversion, and where the rule wants it the stage of its Opportunity, qualifies a referral.
func (m *model) converts(r *referral, lead *record, p *run, own *ownership) (may, must bool) {
	s, t := m.sight(lead, p), r.tie(lead)
	m.observe(r, lead, s, p, own, func(v version) bool { return v.f["IsConverted"] == true })
	c := lead.conversion
	if c == nil || c.act > p.to || !slices.ContainsFunc(s.versions, version.there) {
		return false, false
	}
	certain := s.there() && own.must(r.id) && c.act <= p.from
	if certain && t.convertedBy.IsZero() {
		t.convertedBy = p.end
	}
	for _, deal := range m.deals(r, lead, p) {
		sure := certain && m.sight(deal, p).there() && m.onlyFor(r, lead, deal)
		x, y := false, false
		if r.campaign.method == "lead_converts" {
			x, y = m.convertsWith(r, lead, deal, p)
		} else {
			// By a code that is hidden nobody knows it, and of somebody who is not pending no conversion is followed.
			if certain && (c.opportunity != nil || m.recognises(r.campaign)) && m.knownOf(r).Standing == rules.Pending {
				m.observe(r, deal, m.sight(deal, p), p, own, func(v version) bool { return v.f["StageName"] == r.campaign.stage })
			}
			x, y = m.reachesStage(r, lead, deal, p)
		}
		may, must = may || x, must || y && sure
	}
	return may, must
}

// deals are the Opportunities that a Lead's conversion may be with: its own, or where it has none those that carry the referral's code.
func (m *model) deals(r *referral, lead *record, p *run) []*record {
	if lead.conversion.opportunity != nil {
		return []*record{lead.conversion.opportunity}
	}
	var out []*record
	for _, one := range m.w.truth.order {
		if one.object != "Opportunity" || !r.campaign.coded {
			continue
		}
		for _, v := range one.versions {
			if v.act <= p.to && v.code(r.campaign) == r.code {
				out = append(out, one)
				break
			}
		}
	}
	return out
}

// onlyFor tells whether an Opportunity is this Lead's and nobody else's for certain.
func (m *model) onlyFor(r *referral, lead, deal *record) bool {
	if lead.conversion.opportunity == nil {
		if len(deal.madeBy) > 0 || deal.now().code(r.campaign) != r.code || !m.recognises(r.campaign) {
			return false
		}
	} else if len(deal.madeBy) > 1 {
		return false
	}
	for _, v := range deal.versions {
		if v.code(r.campaign) != "" && v.code(r.campaign) != r.code {
			return false
		}
	}
	own := m.owner(r.campaign, deal)
	return !slices.ContainsFunc(own.now, func(id int64) bool { return id != r.id && id != nobody })
}

// convertsWith tells whether a conversion with an Opportunity counts.
func (m *model) convertsWith(r *referral, lead, deal *record, p *run) (may, must bool) {
	c := lead.conversion
	least, most, known := m.counts(r)
	if c.opportunity == nil {
		may = !deal.created().Before(least)
		must = known && m.existed(r, deal.created()) == no && !deal.created().Before(most) && !c.t.Before(most)
		return may, must
	}
	may = !c.t.Before(least)
	dated := r.tie(lead).below || c.row || c.newContact && m.sight(c.contact, p).there() || c.newDeal ||
		c.t.Truncate(24*time.Hour).After(most.Truncate(24*time.Hour).Add(24*time.Hour))
	old := m.existed(r, deal.created()) != no
	must = known && !c.t.Before(most) && dated && (!old || r.campaign.duplicates == "update")
	return may, must
}

// reachesStage tells whether an Opportunity's way to the stage counts.
func (m *model) reachesStage(r *referral, lead, deal *record, p *run) (may, must bool) {
	c := lead.conversion
	least, most, known := m.counts(r)
	joined := m.w.dayOf(r.joinedAt)
	old := deal.created().Before(joined)
	must = known && r.tie(deal).reached && !old && m.existed(r, deal.created()) == no
	for i, row := range deal.rows {
		if row.new != any(r.campaign.stage) || row.act > p.to {
			continue
		}
		if !row.t.Before(least) && (!old || !row.t.Before(c.t)) {
			may = true
		}
		alone := (i == 0 || !deal.rows[i-1].t.Equal(row.t)) && (i+1 == len(deal.rows) || !deal.rows[i+1].t.Equal(row.t))
		born := row.first && row.t.Sub(deal.created()).Abs() <= time.Minute // not so of one that a loader has back-dated
		told := born && m.w.people.firstRow || i > 0 && (!deal.rows[i-1].first || m.w.people.firstRow)
		sure := known && alone && told && !m.w.truth.noHistory["Opportunity"] && row.act <= p.from && m.showsRow(r.campaign, deal, row) && !row.t.Before(most)
		switch {
		case old:
			by := r.tie(lead).convertedBy
			must = must || sure && !by.IsZero() && row.t.After(by.Add(slack))
		case m.existed(r, deal.created()) == no:
			must = must || sure
		}
	}
	return may, must
}
