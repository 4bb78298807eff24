package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// readBook looks at what is new in Referral Factory's book.
func (m *model) readBook(runs []*run) {
	book := m.w.rf.Qualifications()
	fresh := map[int64]bool{}
	for _, q := range book[m.booked:] {
		r := m.w.people.refs[q.UserID]
		r.qualifiedAct = m.w.truth.now()
		if q.By != "api" {
			continue
		}
		m.w.tell("#%d is qualified in Referral Factory at %s", r.id, q.At.Format(time.DateTime))
		fresh[r.id] = true
		m.qualified(r, q.At)
	}
	m.booked = len(book)
	for _, one := range runs {
		for id := range fresh {
			if one.job == deliverJob && one.whole() && m.w.rf.User(id).QualifiedAt != "" {
				m.w.people.refs[id].heard = true
			}
		}
	}
}

// qualified is what qualifyd has done. A request that was given up may have its effect after the order that takes it back.
func (m *model) qualified(r *referral, at time.Time) {
	r.sent++
	givenUp := r.ordered && at.Sub(r.sentAt) < resendAfter+slack
	switch {
	case r.wanted || r.loose || givenUp:
	case r.closed:
		m.w.fail(r.id, fmt.Sprintf("WRONG: #%d is qualified although it was set back", r.id))
	case !r.may && !(r.sent > 1 && r.again):
		m.w.fail(r.id, fmt.Sprintf("WRONG: #%d is qualified and must not be", r.id))
	case r.sent > 1 && !r.again:
		m.w.fail(r.id, fmt.Sprintf("TWICE: #%d is qualified %d times", r.id, r.sent))
	}
	r.wanted = false
	if r.sent > 1 { // the first may be older than what allowed one more
		r.again = false
	}
}

// resendAfter is how long a request of unknown outcome may be under way.
const resendAfter = 2 * time.Minute

// sends is a request to qualify somebody, or to set somebody back, that is on its way. The user was read before.
func (m *model) sends(r *http.Request, f fate) {
	var sent struct {
		ID        json.Number
		Qualified bool
	}
	body, err := r.GetBody()
	if err != nil || json.NewDecoder(body).Decode(&sent) != nil {
		m.w.fail(0, "a request of Referral Factory cannot be read")
		return
	}
	id, _ := sent.ID.Int64()
	one := m.w.people.refs[id]
	if one == nil {
		m.w.fail(0, fmt.Sprintf("WRONG: a request is sent about user %d, who is no referral", id))
		return
	}
	if now := m.w.now(); sent.Qualified && !one.ordered {
		if now.Sub(one.sentAt) < resendAfter-slack {
			m.w.fail(id, fmt.Sprintf("TWICE: #%d is sent again %s after a request that may have its effect yet", id, now.Sub(one.sentAt)))
		}
		one.sentAt = now
		refused := !strings.HasSuffix(r.Header.Get("Authorization"), m.w.rf.Key())
		if refused || f.fault != nil && (f.fault.Status == http.StatusUnauthorized || f.fault.Status == http.StatusTooManyRequests) {
			one.sentAt = time.Time{} // it had none for certain
		}
	}
	for _, run := range m.w.runs {
		if run.job == deliverJob && sent.Qualified && one.qualifiedAct > 0 && one.qualifiedAct < run.from && m.w.rf.User(id).QualifiedAt != "" {
			m.w.fail(id, fmt.Sprintf("TWICE: #%d is sent although it is qualified already", id))
		}
	}
}

// byHand is somebody at Referral Factory.
func (m *model) byHand(r *referral, qualified bool) {
	r.backed, r.demanded, r.must = false, false, false
	if qualified {
		r.qualifiedAct = m.w.truth.now()
		return
	}
	if r.heard && !r.wanted {
		r.closed = true
	} else {
		r.again, r.unsure = true, true
	}
	r.heard, r.qualifiedAct = false, 0
}

func (m *model) orderedQualified(r *referral) {
	r.wanted, r.demanded, r.ordered, r.again, r.closed, r.backed = true, true, true, true, false, false
}

func (m *model) orderedBack(r *referral) {
	// Who was qualified by hand, which qualifyd has not heard of, stays so: nothing was sent that is to be taken back.
	r.backed = r.heard || r.qualifiedAct == 0
	r.wanted, r.demanded, r.must, r.may, r.closed, r.everBack, r.ordered = false, false, false, false, true, true, true
	r.loose = len(m.w.runs) > 0
	r.heard = false
}

func (m *model) dropped(r *referral) {
	r.ordered = true
	if r.backed && m.w.rf.User(r.id).QualifiedAt != "" {
		r.backed = false
		return
	}
	r.wanted, r.demanded, r.must, r.may, r.closed = false, false, false, false, true
	r.loose = len(m.w.runs) > 0
}

func (m *model) resumed(r *referral) {
	r.closed, r.backed, r.again, r.ordered, r.unsure = false, false, true, true, false
}

func (m *model) rejudged(r *referral) {
	r.blockers, r.mayBlocked, r.lookedUp = nil, false, false
}
