package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"qualifyd/sync/sandbox"
)

// noise moves stamps without changing what is watched.
func (p *people) noise() {
	r := p.anyone(pick(p.w, objects))
	switch {
	case r == nil:
	case p.w.chance(0.5):
		p.w.org.Touch(r.object, r.id)
		p.w.truth.note(r.object, r.id, silently)
		p.w.tell("%s %s is touched", r.object, r.id)
	default:
		p.update(r, sandbox.Fields{"Description": fmt.Sprint("note ", p.w.dice.IntN(1000))})
	}
}

// many changes many records in one second.
func (p *people) many() {
	object := pick(p.w, []string{"Lead", "Contact"})
	f := sandbox.Fields{}
	if p.watchedOf(object, f, 0.5); len(f) == 0 {
		return
	}
	for _, r := range p.w.truth.live(object, unconverted) {
		if p.w.chance(0.5) {
			p.update(r, f)
		}
	}
}

// share takes a record from the integration user, or gives it back.
func (p *people) share() {
	if len(p.hidden) > 0 && p.w.chance(0.5) {
		p.show(p.hidden[0])
		p.hidden = p.hidden[1:]
		return
	}
	if r := p.anyone(pick(p.w, objects)); r != nil {
		p.w.org.HideRecord(r.object, r.id)
		p.w.truth.share(r, true)
		p.hidden = append(p.hidden, r)
		p.w.tell("%s %s is hidden", r.object, r.id)
	}
}

func (p *people) show(r *record) {
	p.w.org.ShowRecord(r.object, r.id)
	p.w.truth.share(r, false)
	p.w.tell("%s %s is shared again", r.object, r.id)
}

// hideField takes a field from the integration user, or gives it back.
func (p *people) hideField() {
	name := pick(p.w, []string{"Lead.Status", "Lead.Score__c", "Contact.LeadSource", "Contact.Tier__c",
		"Lead." + codeField, "Contact." + codeField, "Opportunity." + codeField, "Lead." + otherCodeField})
	for _, c := range p.w.campaigns {
		if name == c.object+"."+c.codeField && !c.codesSeen {
			return // a field that never was there tells nobody apart
		}
	}
	p.setHidden(name, !p.hides(name))
}

func (p *people) setHidden(name string, hidden bool) {
	object, column, _ := strings.Cut(name, ".")
	if hidden {
		p.w.org.HideField(object, column)
	} else {
		p.w.org.ShowField(object, column)
	}
	p.fields[name] = &field{hidden, p.w.truth.now(), p.w.now()}
	p.w.tell("field %s is hidden: %v", name, hidden)
}

// hideObject takes the Read permission on an object from the integration user, or gives it back.
func (p *people) hideObject() {
	for _, object := range objects {
		if p.hides(object) && p.w.chance(0.8) {
			p.setReadable(object, true)
			return
		}
	}
	if object := pick(p.w, objects); !p.hides(object) {
		p.setReadable(object, false)
	}
}

// hides tells whether a field or an object is hidden.
func (p *people) hides(name string) bool { return p.fields[name] != nil && p.fields[name].hidden }

func (p *people) setReadable(object string, on bool) {
	if on {
		p.w.org.ShowObject(object)
	} else {
		p.w.org.HideObject(object)
	}
	p.fields[object] = &field{!on, p.w.truth.now(), p.w.now()}
	p.w.tell("%ss are hidden: %v", object, !on)
}

// setup changes how the org is made.
func (p *people) setup() {
	w := p.w
	switch w.dice.IntN(3) {
	case 0:
		field := pick(w, []string{"Lead.Status", "Lead.Score__c", "Contact.LeadSource", "Contact.Tier__c"})
		w.track(field, !w.truth.tracked[field])
	case 1:
		w.org.RelabelValue("Lead", "Status", "Qualified", pick(w, []string{"Sales qualified", "Qualified", "SQL"}))
	default:
		p.rewrite()
	}
}

// rewrite replaces a picklist value by the one that a rule waits for. It waits for those who have written Leads and not committed.
func (p *people) rewrite() {
	w := p.w
	underWay := slices.ContainsFunc(w.truth.order, func(r *record) bool { return r.object == "Lead" && r.locked })
	if w.model.rewritten || underWay {
		return
	}
	w.model.rewritten = true
	w.org.ReplaceValue("Lead", "Status", "Working - Contacted", "Qualified")
	for _, r := range w.truth.order {
		if r.object == "Lead" && r.text("Status") == "Working - Contacted" {
			w.truth.note("Lead", r.id, rewritten)
			w.tell("Lead %s is rewritten to Qualified in Setup", r.id)
		}
	}
}

// slowly changes something in a transaction that commits minutes after its stamps.
func (p *people) slowly() {
	w := p.w
	t := &transaction{tx: w.org.Begin(), due: w.now().Add(w.between(time.Second, 14*time.Minute))}
	if w.chance(0.15) {
		t.due = w.now().Add(w.between(20*time.Minute, 5*time.Hour))
	}
	at := stampNow(w)
	switch w.dice.IntN(3) {
	case 0:
		f := sandbox.Fields{"LastName": "Late", "Company": "Acme"}
		p.marks(f)
		id := t.tx.Create("Lead", f)
		t.commit = func() {
			w.truth.note("Lead", id, edited)
			w.tell("new Lead %s of %s appears: %s", id, at.Format(time.DateTime), values(f))
		}
	case 1:
		r := p.anyone("Lead")
		f := sandbox.Fields{}
		if p.watchedOf("Lead", f, 0.6); r == nil || len(f) == 0 {
			return
		}
		t.record = r
		t.tx.Update("Lead", r.id, f)
		t.commit = func() {
			w.truth.note("Lead", r.id, edited)
			w.tell("Lead %s has since %s: %s", r.id, at.Format(time.DateTime), values(f))
		}
	default:
		r := p.anyone("Lead")
		if r == nil {
			return
		}
		t.record = r
		c := p.conversion()
		c.ContactID, c.OpportunityID = "", ""
		made := t.tx.Convert(r.id, c)
		t.commit = func() { w.truth.converts(r, made, at) }
	}
	if t.record != nil {
		t.record.locked = true
	}
	p.late = append(p.late, t)
}

// commitDue commits the transactions that last until a time.
func (p *people) commitDue(now time.Time) {
	kept := p.late[:0]
	for _, t := range p.late {
		if t.due.After(now) {
			kept = append(kept, t)
			continue
		}
		p.w.truth.step()
		t.tx.Commit()
		if t.record != nil {
			t.record.locked = false
		}
		t.commit()
	}
	p.late = kept
}

// comeBack ends all that is under way, shows all that is hidden, and puts into the config what belongs there.
func (p *people) comeBack() {
	p.commitDue(p.w.now().Add(24 * time.Hour))
	for _, r := range p.hidden {
		p.w.truth.step()
		p.show(r)
	}
	p.w.truth.step()
	for _, name := range slices.Sorted(maps.Keys(p.fields)) {
		switch {
		case !p.fields[name].hidden:
		case slices.Contains(objects, name):
			p.setReadable(name, true)
		default:
			p.setHidden(name, false)
		}
	}
	p.w.truth.step()
	for _, c := range p.w.campaigns {
		if c.out {
			p.putBack(c)
		}
	}
	p.w.reconfigure()
	if p.w.key != p.w.rf.Key() {
		p.takeKey()
	}
}
