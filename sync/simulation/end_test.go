package simulation

import (
	"fmt"
	"slices"
	"strings"

	"qualifyd/store"
)

// close is the end: everything was done that had to be.
func (m *model) close() {
	m.w.tell("the end")
	for _, r := range m.w.people.list {
		m.closeOn(r)
	}
	m.closeStore()
}

func (m *model) closeOn(r *referral) {
	qualified := m.w.rf.User(r.id).QualifiedAt != ""
	switch {
	case r.removed:
	case r.demanded && !qualified:
		m.w.fail(r.id, fmt.Sprintf("MISS: #%d was ordered to be qualified and is not", r.id))
	case r.must && !qualified:
		m.w.fail(r.id, fmt.Sprintf("MISS: #%d must be qualified: %s", r.id, r.why))
	case r.backed && qualified:
		m.w.fail(r.id, fmt.Sprintf("WRONG: #%d was ordered to be set back and is qualified", r.id))
	}
	switch {
	case r.must || r.demanded:
		m.musts++
	case r.may:
		m.mays++
	default:
		m.nots++
	}
	m.done += r.sent
	m.closePuts(r)
	m.closeRecords(r)
}

// closePuts looks at the requests that were sent about a referral.
func (m *model) closePuts(r *referral) {
	for _, put := range m.w.rf.Puts() {
		if put.UserID == r.id && put.Status == 200 && !put.Qualified && !r.everBack {
			m.w.fail(r.id, fmt.Sprintf("WRONG: #%d was set back, which nobody ordered", r.id))
		}
	}
}

// closeRecords looks at the records that were created for a referral.
func (m *model) closeRecords(r *referral) {
	made, lost := 0, 0
	for _, one := range m.w.truth.order {
		if !one.ours || one.versions[0].f["LastName"] != r.code {
			continue
		}
		made++
		if one.versions[0].code(r.campaign) == "" && m.hadByAnother(r, one.versions[0].email()) {
			lost++ // by its e-mail alone it may be taken for the other's
			continue
		}
		if slices.ContainsFunc(one.pins, func(other *referral) bool { return other != r && other.campaign == r.campaign }) {
			lost++ // a person has given it to somebody else
			continue
		}
		for _, v := range one.versions {
			if !v.there() || v.email() != one.versions[0].email() || v.code(r.campaign) != one.versions[0].code(r.campaign) { // it may not be found again
				lost++
				break
			}
		}
	}
	switch {
	case made > 0 && !r.campaign.create:
		m.w.fail(r.id, fmt.Sprintf("CREATED: a record was made for #%d, whose campaign makes none", r.id))
	case made > 1+lost:
		m.w.fail(r.id, fmt.Sprintf("CREATED: %d records were made for #%d", made, r.id))
	case made > 0 && m.atFirst(r) && !r.joinAsked && !r.campaign.restored:
		m.w.fail(r.id, fmt.Sprintf("CREATED: a record was made for #%d, whom the first sweep showed", r.id))
	case made == 0 && m.mustHaveRecord(r):
		m.w.fail(r.id, fmt.Sprintf("CREATED: no record was made for #%d", r.id))
	}
}

// hadByAnother tells whether a referral's e-mail has been another's as well.
func (m *model) hadByAnother(r *referral, email string) bool {
	return slices.ContainsFunc(m.w.people.list, func(other *referral) bool {
		return other != r && slices.ContainsFunc(other.emails, func(one string) bool { return strings.EqualFold(one, email) })
	})
}

// atFirst tells whether the first whole sweep has shown a referral for certain.
func (m *model) atFirst(r *referral) bool {
	for _, s := range r.campaign.sweeps {
		if s.whole() {
			return r.joinAct <= s.from
		}
		if s.from < r.joinAct {
			return false // it may have been whole, and its end not have been told
		}
	}
	return false
}

// mustHaveRecord tells whether a record had to be made for a referral: it came after the first sweep, and there never was one that could be its.
func (m *model) mustHaveRecord(r *referral) bool {
	for _, s := range r.campaign.sweeps {
		if s.whole() {
			if s.to >= r.joinAct {
				return false
			}
			break
		}
	}
	if !r.campaign.create || r.campaign.restored || r.knownSince == 0 || r.removed || len(r.emails) > 1 || r.qualifiedAct > 0 || r.closed || r.unsure || r.ordered || r.pinnedOne {
		return false
	}
	for _, one := range m.w.truth.order {
		for _, v := range one.versions {
			if v.code(r.campaign) == r.code || strings.EqualFold(v.email(), r.emails[0]) {
				return false
			}
		}
	}
	return true
}

// closeStore looks at what qualifyd keeps: nothing is left to do.
func (m *model) closeStore() {
	err := m.w.store.View(func(tx *store.Tx) error {
		debts, err := tx.Debts()
		for _, d := range debts {
			if !d.Parked && !m.w.people.refs[d.Referral].removed {
				m.w.fail(d.Referral, fmt.Sprintf("LEFT: something is owed about #%d at the end: %+v", d.Referral, d))
			}
		}
		return err
	})
	if err != nil {
		m.w.fail(0, err.Error())
	}
}
