package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/sync/sandbox"
)

// people are those who work in the services, and what they know.
type people struct {
	w        *world
	refs     map[int64]*referral
	list     []*referral // in the order they joined
	passes   int         // how many runs of the jobs the history has
	leisure  float64     // how likely hours go by between two runs
	late     []*transaction
	hidden   []*record         // from the integration user
	fields   map[string]*field // that were hidden once, "Lead.Status"; and objects, "Lead"
	firstRow bool              // the org keeps a history row of a new Opportunity
}

// field is one that was hidden from the integration user, or came back.
type field struct {
	hidden bool
	act    int // since when
	at     time.Time
}

// transaction is one that commits later than its stamps say.
type transaction struct {
	tx     *sandbox.Tx
	due    time.Time
	record *record // nil where it creates one
	commit func()
}

const persons = 9

func email(person int) string { return fmt.Sprintf("p%d@example.com", person) }

// prehistory is what there was before qualifyd came.
func (w *world) prehistory() {
	for range w.dice.IntN(12) {
		w.act()
		w.after(w.between(time.Minute, 5*time.Hour))
	}
}

// act has somebody do something.
func (w *world) act() {
	if w.quiet > 0 {
		return
	}
	p := w.people
	p.commitDue(w.now())
	w.truth.step()
	deeds := []struct {
		weight int
		do     func()
	}{
		{20, p.join}, {11, p.newLead}, {7, p.newContact}, {4, p.newDeal}, {20, p.changeLead}, {9, p.changeContact}, {12, p.convert},
		{12, p.changeDeal}, {4, p.changeEmail}, {3, p.changeCode}, {4, p.merge}, {4, p.delete}, {3, p.undelete}, {3, p.byHand}, {1, p.changeReferral},
		{1, p.purge}, {2, p.share}, {1, p.hideField}, {1, p.hideObject}, {1, p.setup}, {4, p.slowly}, {2, p.noise}, {1, p.many}, {5, w.order}, {1, p.moveCampaign}, {1, p.rekey},
	}
	total := 0
	for _, d := range deeds {
		total += d.weight
	}
	n := w.dice.IntN(total)
	for _, d := range deeds {
		if n < d.weight {
			d.do()
			return
		}
		n -= d.weight
	}
}

// join has somebody referred to a campaign.
func (p *people) join() {
	w := p.w
	c, person := pick(w, w.campaigns), w.dice.IntN(persons)
	for _, r := range p.list {
		if r.campaign == c && r.person == person {
			return
		}
	}
	u := w.rf.Refer(c.id, sandbox.NewUser{FirstName: fmt.Sprintf("P%d", person), Email: email(person)})
	r := &referral{id: u.ID, campaign: c, person: person, code: u.Code, joinAct: w.truth.now(), joinedAt: w.now(), emails: []string{u.Email}}
	p.refs[u.ID] = r
	p.list = append(p.list, r)
	w.tell("#%d joins campaign %d: e-mail %s, code %s", u.ID, c.id, u.Email, u.Code)
}

// marks are an e-mail and a code of somebody, as a record may carry them.
func (p *people) marks(f sandbox.Fields) {
	w := p.w
	person := w.dice.IntN(persons)
	if len(p.list) > 0 && w.chance(0.8) {
		person = pick(w, p.list).person
	}
	if !w.chance(0.15) {
		f["Email"] = email(person)
		if w.chance(0.1) {
			f["Email"] = strings.ToUpper(email(person))
		}
	}
	if w.chance(0.35) {
		if r := p.referralOf(person); r != nil {
			f[p.codeFieldOf(r)] = r.code
		}
	}
}

// referralOf is one of a person's referrals, nil where there is none.
func (p *people) referralOf(person int) *referral {
	var theirs []*referral
	for _, r := range p.list {
		if r.person == person {
			theirs = append(theirs, r)
		}
	}
	if len(theirs) == 0 {
		return nil
	}
	return pick(p.w, theirs)
}

// codeFieldOf is where somebody writes a referral's code: in its campaign's field, or now and then in the wrong one.
func (p *people) codeFieldOf(r *referral) string {
	if p.w.chance(0.1) {
		return pick(p.w, []string{codeField, otherCodeField})
	}
	return r.campaign.codeField
}

// old makes a new record one that was there long before, as a loader does.
func (p *people) old(f sandbox.Fields) {
	if p.w.chance(0.12) {
		at := p.w.now().Add(-p.w.between(time.Hour, 400*time.Hour)).Truncate(time.Second)
		f["CreatedDate"], f["LastModifiedDate"] = at, at
	}
}

func (p *people) create(object string, f sandbox.Fields) *record {
	id := p.w.org.Create(object, f)
	r := p.w.truth.note(object, id, edited)
	p.w.tell("new %s %s: %s", object, id, values(f))
	return r
}

func (p *people) update(r *record, f sandbox.Fields) {
	p.w.org.Update(r.object, r.id, f)
	p.w.truth.note(r.object, r.id, edited)
	p.w.tell("%s %s: %s", r.object, r.id, values(f))
}

func (p *people) newLead() {
	f := sandbox.Fields{"LastName": "Lead", "Company": "Acme"}
	p.marks(f)
	p.old(f)
	if p.w.chance(0.12) {
		p.watchedOf("Lead", f, 1)
	}
	p.create("Lead", f)
}

func (p *people) newContact() {
	f := sandbox.Fields{"LastName": "Contact"}
	p.marks(f)
	p.old(f)
	if p.w.chance(0.15) {
		p.watchedOf("Contact", f, 1)
	}
	p.create("Contact", f)
}

func (p *people) newDeal() {
	f := sandbox.Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2027-01-31"}
	p.marks(f)
	delete(f, "Email")
	p.old(f)
	if p.w.chance(0.15) {
		f["StageName"] = wonStage
	}
	p.create("Opportunity", f)
}

// watchedOf sets a field that some campaign watches on an object: to the value with a chance, else to another.
func (p *people) watchedOf(object string, f sandbox.Fields, good float64) {
	var watching []watched
	for _, c := range p.w.campaigns {
		if c.object == object && c.watched.field != "" {
			watching = append(watching, c.watched)
		}
	}
	if len(watching) == 0 {
		return
	}
	one := pick(p.w, watching)
	if p.w.chance(good) {
		f[one.set()] = one.good
		return
	}
	f[one.set()] = pick(p.w, one.others)
}

func unconverted(r *record) bool { return r.get("IsConverted") != true }

func (p *people) changeLead() {
	if leads := p.w.truth.live("Lead", unconverted); len(leads) > 0 {
		p.change(pick(p.w, leads))
	}
}

func (p *people) changeContact() {
	if contacts := p.w.truth.live("Contact", nil); len(contacts) > 0 {
		p.change(pick(p.w, contacts))
	}
}

func (p *people) change(r *record) {
	f := sandbox.Fields{}
	if p.watchedOf(r.object, f, 0.6); len(f) > 0 {
		p.update(r, f)
	}
}

func (p *people) changeDeal() {
	if deals := p.w.truth.live("Opportunity", nil); len(deals) > 0 {
		f := sandbox.Fields{"StageName": pick(p.w, []string{wonStage, wonStage, "Prospecting", "Needs Analysis"})}
		if p.w.chance(0.2) {
			f = sandbox.Fields{"Amount": p.w.dice.IntN(1000)}
		}
		p.update(pick(p.w, deals), f)
	}
}

func (p *people) convert() {
	if leads := p.w.truth.live("Lead", unconverted); len(leads) > 0 {
		lead, c := pick(p.w, leads), p.conversion()
		p.w.truth.converts(lead, p.w.org.Convert(lead.id, c), stampNow(p.w))
	}
}

func stampNow(w *world) time.Time { return w.now().UTC().Truncate(time.Second) }

// converts takes note of a conversion, and tells it.
func (h *truth) converts(lead *record, made sandbox.Converted, t time.Time) {
	h.noteConversion(lead, t, made)
	c := lead.conversion
	h.w.tell("Lead %s is converted: Contact %s (new %v), Opportunity %s (new %v)", lead.id, made.ContactID, c.newContact, made.OpportunityID, c.newDeal)
}

func (p *people) conversion() sandbox.Conversion {
	w, c := p.w, sandbox.Conversion{NoOpportunity: p.w.chance(0.25)}
	if w.chance(0.3) {
		c.Stage = wonStage
	}
	if deals := w.truth.live("Opportunity", func(r *record) bool { return len(r.madeBy) == 0 }); !c.NoOpportunity && len(deals) > 0 && w.chance(0.25) {
		c.OpportunityID = pick(w, deals).id
	}
	if contacts := w.truth.live("Contact", nil); len(contacts) > 0 && w.chance(0.2) {
		c.ContactID = pick(w, contacts).id
	}
	return c
}

func (p *people) anyone(object string) *record {
	fits := func(r *record) bool { return object != "Lead" || unconverted(r) }
	if list := p.w.truth.live(object, fits); len(list) > 0 {
		return pick(p.w, list)
	}
	return nil
}

func (p *people) changeEmail() {
	if r := p.anyone(pick(p.w, []string{"Lead", "Lead", "Contact"})); r != nil {
		to := email(p.w.dice.IntN(persons))
		if p.w.chance(0.2) {
			to = "nobody@example.com"
		}
		p.update(r, sandbox.Fields{"Email": to})
	}
}

func (p *people) changeCode() {
	if r := p.anyone(pick(p.w, objects)); r != nil && len(p.list) > 0 {
		of := pick(p.w, p.list)
		code := of.code
		if p.w.chance(0.15) {
			code = strings.ToLower(code) // another one
		}
		p.update(r, sandbox.Fields{p.codeFieldOf(of): code})
	}
}

func (p *people) merge() {
	object := pick(p.w, []string{"Lead", "Lead", "Contact"})
	winner, loser := p.anyone(object), p.anyone(object)
	if winner == nil || winner == loser || len(loser.madeBy) > 0 {
		return
	}
	p.w.org.Merge(object, winner.id, loser.id)
	winner.tookOver = winner.tookOver || loser.ours || loser.marked || loser.tookOver
	p.w.truth.note(object, loser.id, silently)
	p.w.truth.note(object, winner.id, edited)
	p.w.tell("%s %s is merged into %s", object, loser.id, winner.id)
}

func (p *people) delete() {
	if r := p.anyone(pick(p.w, objects)); r != nil {
		p.w.org.Delete(r.object, r.id)
		p.w.truth.note(r.object, r.id, silently)
		p.w.tell("%s %s is deleted", r.object, r.id)
	}
}

func (p *people) undelete() {
	for _, r := range p.w.truth.order {
		if r.now().deleted() && !r.purged && r.get("MasterRecordId") == nil && p.w.chance(0.5) {
			p.w.org.Undelete(r.object, r.id)
			p.w.truth.note(r.object, r.id, silently)
			p.w.tell("%s %s is undeleted", r.object, r.id)
			return
		}
	}
}

// purge empties a deleted record out of the recycle bin: it is gone without a trace. Losers of a merge stay, for their master is told by them.
func (p *people) purge() {
	for _, r := range p.w.truth.order {
		if v := r.now(); v.deleted() && !v.invisible && r.get("MasterRecordId") == nil {
			p.w.org.HardDelete(r.object, r.id)
			r.purged = true
			p.w.truth.share(r, true)
			p.w.tell("%s %s is deleted for good", r.object, r.id)
			return
		}
	}
}

// byHand has somebody qualify a referral in Referral Factory, or set one back.
func (p *people) byHand() {
	if len(p.list) == 0 {
		return
	}
	r := pick(p.w, p.list)
	if r.removed {
		return
	}
	qualified := p.w.rf.User(r.id).QualifiedAt != ""
	if qualified && p.w.chance(0.5) {
		return
	}
	p.w.rf.SetQualified(r.id, !qualified)
	p.w.model.byHand(r, !qualified)
	p.w.tell("#%d is set to qualified=%v by hand", r.id, !qualified)
}

// knownBeside tells whether anybody else is there whom qualifyd knows for certain: with another key, by them it knows the account.
func (p *people) knownBeside(r *referral) bool {
	return slices.ContainsFunc(p.list, func(other *referral) bool { return other != r && !other.removed && other.knownSince > 0 })
}

// changeReferral changes somebody's e-mail in Referral Factory, or has somebody go away.
func (p *people) changeReferral() {
	if len(p.list) == 0 {
		return
	}
	r := pick(p.w, p.list)
	switch {
	case r.removed:
	case p.w.chance(0.3) && p.knownBeside(r):
		p.w.rf.Remove(r.id)
		r.removed = true
		p.w.tell("#%d is removed", r.id)
	default:
		to := email(100 + r.person)
		p.w.rf.UpdateEmail(r.id, to)
		r.emails = append(r.emails, to)
		r.emailAct = p.w.truth.now()
		p.w.tell("#%d has the e-mail %s now", r.id, to)
	}
}
