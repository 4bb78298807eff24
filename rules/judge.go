package rules

import (
	"fmt"
	"time"
)

// Linked is a record of a referral: the link, and what is known of the record.
type Linked struct {
	Link
	Snapshot
}

// known tells whether Salesforce has been asked for the record by now.
func (l Linked) known() bool { return !l.SeenAt.IsZero() || l.Absent }

// Judge says whether a pending referral qualifies under its campaign's rule, and why. It does not know of the brake, nor of sandbox
// orgs: those hold back what Judge finds qualified.
func Judge(rule Rule, r Referral, records []Linked) Verdict {
	if v, decided := beforeRecords(rule, r); decided {
		return v
	}
	v := withoutRecord(rule, r)
	for _, l := range records {
		v = better(v, judgeRecord(rule, r, l, records))
	}
	if rule.Parked == FieldUnreadable && v.Outcome == Not {
		return not(FieldUnreadable, rule.ParkedWhy)
	}
	return v
}

// beforeRecords is the verdict where the records do not matter.
func beforeRecords(rule Rule, r Referral) (v Verdict, decided bool) {
	switch {
	case rule.Method == None:
		return not(NoRule, "the campaign's method is none: its referrals are not qualified automatically"), true
	case rule.Parked == ValueUnknown:
		return not(ValueUnknown, rule.ParkedWhy), true
	case len(r.Blockers) > 0:
		b, policy := r.Blockers[0], "duplicates is do_nothing"
		if rule.Duplicates != DoNothing { // another policy lifts no block
			policy = "duplicates was do_nothing when it was found"
		}
		return not(ExistingRecord, fmt.Sprintf("%s %s existed before the referral (%s), and %s", b.Object, b.ID, r.BeforeInWords(b.Created), policy)), true
	case rule.Effective.IsZero():
		return not(NotEffectiveYet, "Salesforce has not been read to the end since the campaign became known"), true
	}
	return Verdict{}, false
}

// withoutRecord is the verdict where no record of the object that decides is the referral's. One that has another's code as well, or that is of the
// other object, may carry its code or e-mail all the same.
func withoutRecord(rule Rule, r Referral) Verdict {
	if r.Refused != "" {
		return not(JoinRefused, "Salesforce refused the record for the referral: "+r.Refused)
	}
	if rule.Duplicates == CreateNew {
		return not(NoRecord, fmt.Sprintf("no %s that is newer than the referral is its own by code or e-mail", rule.judges()))
	}
	return not(NoRecord, fmt.Sprintf("no %s is the referral's by its code or e-mail", rule.judges()))
}

// judges is the object whose records a referral is judged by; records of others only support them.
func (rule Rule) judges() Object {
	if rule.Method == ContactFieldChanges {
		return Contact
	}
	return Lead
}

func judgeRecord(rule Rule, r Referral, l Linked, all []Linked) Verdict {
	if l.Object != rule.judges() {
		return withoutRecord(rule, r)
	}
	if v, unfit := l.unfit(); unfit {
		return v
	}
	switch rule.Method {
	case LeadConverts:
		return judgeConversion(rule, r, l, all)
	case LeadConvertsToStage:
		return judgeStage(rule, r, l, all)
	}
	return judgeField(rule, r, l)
}

// unfit tells why nobody can be judged by a record, whatever it shows.
func (l Linked) unfit() (v Verdict, unfit bool) {
	switch {
	case l.Ambiguous:
		return not(Ambiguous, fmt.Sprintf("%s %s is claimed by another referral of the campaign too; pin it to one of them", l.Object, l.RecordID)), true
	case !l.known():
		return not(ValueNotReached, fmt.Sprintf("%s %s has not been read yet", l.Object, l.RecordID)), true
	case l.Deleted:
		return not(RecordDeleted, fmt.Sprintf("%s %s is deleted in Salesforce", l.Object, l.RecordID)), true
	case l.Absent:
		return not(RecordDeleted, fmt.Sprintf("Salesforce shows no %s %s: it is deleted for good, or not shared with our user", l.Object, l.RecordID)), true
	}
	return Verdict{}, false
}

// judgeField: the record's field makes a counting transition to the value.
func judgeField(rule Rule, r Referral, l Linked) Verdict {
	from := r.CountsFrom(rule)
	got := l.read(rule.Target, span{from: from, since: l.Since})
	return got.verdict(l, rule.Target, from, ValueNotReached)
}

// verdict puts a reading into words. unreached is the reason where the value was never there.
func (got reading) verdict(l Linked, t Target, from time.Time, unreached Reason) Verdict {
	switch {
	case got.counting != nil:
		return qualified(got.counting.String(), *got.counting)
	case got.rewritten != nil:
		return held(ValueRewritten, fmt.Sprintf("%s of %s %s became %q without the record being changed: a value was replaced in Setup",
			t.Field, l.Object, l.RecordID, got.rewritten.To), *got.rewritten)
	case got.predates && got.ours:
		return not(ValuePredates, fmt.Sprintf("%s of %s %s is %q because qualifyd wrote it; only a change by somebody else counts",
			t.Field, l.Object, l.RecordID, l.Values[t.Field].Text))
	case got.predates:
		return not(ValuePredates, fmt.Sprintf("%s of %s %s is %q, but nothing proves that it became so at or after %s, from when changes count",
			t.Field, l.Object, l.RecordID, l.Values[t.Field].Text, stamp(from)))
	}
	return not(unreached, fmt.Sprintf("%s of %s %s is %q, not %q", t.Field, l.Object, l.RecordID, l.Values[t.Field].Text, t.Value))
}

// judgeConversion: the Lead is converted with an Opportunity, at any stage.
func judgeConversion(rule Rule, r Referral, lead Linked, all []Linked) Verdict {
	from := r.CountsFrom(rule)
	if !lead.converted() {
		return not(NotConverted, fmt.Sprintf("Lead %s is not converted", lead.RecordID))
	}
	if lead.OpportunityID == "" {
		return judgeTakenOpportunity(lead, all, from)
	}
	opportunity, contact := find(all, lead.OpportunityID), find(all, lead.ContactID)
	if v, ok := unusable(lead, opportunity, contact); ok {
		return v
	}
	c := lead.conversion(readable(contact), readable(opportunity), span{from: from, since: lead.Since})
	if !c.Counts {
		return not(ValuePredates, fmt.Sprintf("Lead %s is converted, but nothing proves that it was at or after %s, from when changes count",
			lead.RecordID, stamp(from)))
	}
	return qualified(fmt.Sprintf("Lead %s was converted with Opportunity %s at %s (proof: %s)", lead.RecordID, lead.OpportunityID, stamp(c.At), c.Proof), c.Transition)
}

// judgeTakenOpportunity: a Lead converted without an Opportunity takes the one that carries the referral's code; it counts from that
// Opportunity's creation.
func judgeTakenOpportunity(lead Linked, all []Linked, from time.Time) Verdict {
	var verdicts []Verdict
	for _, o := range taken(lead, all) {
		if !o.known() || o.Absent {
			continue
		}
		why := "carries the referral's code"
		if !o.Kinds.Has(ByCode) {
			why = "is pinned to the referral"
		}
		if m := o.creation(from); m.Counts {
			verdicts = append(verdicts, qualified(fmt.Sprintf("Lead %s is converted, and Opportunity %s, which %s, was created at %s",
				lead.RecordID, o.RecordID, why, stamp(o.Created)), m.Transition))
		} else {
			verdicts = append(verdicts, not(ValuePredates, fmt.Sprintf("Opportunity %s %s, but was created at %s, before changes count (%s)",
				o.RecordID, why, stamp(o.Created), stamp(from))))
		}
	}
	return best(verdicts, withoutOpportunity(lead))
}

// creation is what an Opportunity's coming into being tells of the Lead that took it.
func (l Linked) creation(from time.Time) Observation {
	o := Observation{Transition: l.transition(IsConverted, "", "true", l.Created, ByCreation, ""), Reaches: true}
	o.weigh(span{from: from}.misses(l.Created))
	return o
}

func withoutOpportunity(lead Linked) Verdict {
	return not(WithoutOpportunity, fmt.Sprintf("Lead %s was converted without an Opportunity", lead.RecordID))
}

// judgeStage: the Lead is converted with an Opportunity, and that Opportunity makes a counting transition to the stage. For an
// Opportunity that was there before the referral, only a move after the conversion counts.
func judgeStage(rule Rule, r Referral, lead Linked, all []Linked) Verdict {
	from := r.CountsFrom(rule)
	if !lead.converted() {
		return not(NotConverted, fmt.Sprintf("Lead %s is not converted", lead.RecordID))
	}
	var verdicts []Verdict
	if v, bad := unusable(lead, find(all, lead.OpportunityID), nil); bad && lead.OpportunityID != "" {
		verdicts = append(verdicts, v) // one that a person pinned beside it may qualify all the same
	}
	for _, o := range taken(lead, all) {
		if v, unfit := o.unfit(); unfit {
			verdicts = append(verdicts, v)
			continue
		}
		got := o.read(rule.Target, o.stageSpan(r, lead, from))
		verdicts = append(verdicts, got.verdict(o, rule.Target, from, StageNotReached))
	}
	return best(verdicts, withoutOpportunity(lead))
}

// stageSpan is when an Opportunity's moves count for a converted Lead.
func (l Linked) stageSpan(r Referral, lead Linked, from time.Time) span {
	during := span{from: from, since: l.Since}
	if r.ExistedBefore(l.Created) {
		during.after = lead.convertedBy()
	}
	return during
}

// unusable tells why a conversion cannot be weighed yet, or not at all.
func unusable(lead Linked, opportunity, contact *Linked) (Verdict, bool) {
	switch {
	case opportunity != nil && opportunity.Ambiguous:
		return not(Ambiguous, fmt.Sprintf("the Opportunity of Lead %s, %s, is another referral's too", lead.RecordID, lead.OpportunityID)), true
	case opportunity == nil: // either it waits to be read, or the code on it, say, is another's
		return not(NotConverted, fmt.Sprintf("Lead %s is converted; its Opportunity %s has not been read yet, or is another referral's (pin it to this one then)",
			lead.RecordID, lead.OpportunityID)), true
	case !opportunity.known() || contact != nil && !contact.known():
		return not(NotConverted, fmt.Sprintf("Lead %s is converted; its Contact and Opportunity have not been read yet", lead.RecordID)), true
	case opportunity.Deleted:
		return not(RecordDeleted, fmt.Sprintf("Opportunity %s of Lead %s is deleted in Salesforce", lead.OpportunityID, lead.RecordID)), true
	}
	return Verdict{}, false
}

// taken are the Opportunities that stand for a converted Lead: its own and those a person pinned; where it has none of its own, also
// those that carry the referral's code.
func taken(lead Linked, all []Linked) []Linked {
	var out []Linked
	for _, l := range all {
		if l.Object != Opportunity || l.Ambiguous || l.Deleted {
			continue
		}
		own := l.RecordID == lead.OpportunityID || l.Kinds.Has(Pinned)
		if own || lead.OpportunityID == "" && l.Kinds.Has(ByCode) {
			out = append(out, l)
		}
	}
	return out
}

func find(all []Linked, recordID string) *Linked {
	for i := range all {
		if recordID != "" && all[i].RecordID == recordID {
			return &all[i]
		}
	}
	return nil
}

// readable is a linked record's snapshot, nil where no row of it was ever seen.
func readable(l *Linked) *Snapshot {
	if l == nil || l.Created.IsZero() || l.Deleted {
		return nil
	}
	return &l.Snapshot
}

// String tells a transition in words.
func (t Transition) String() string {
	switch {
	case t.Field == IsConverted && t.Object == Opportunity:
		return fmt.Sprintf("%s %s was created for the converted Lead at %s (proof: %s)", t.Object, t.RecordID, stamp(t.At), t.Proof)
	case t.conversion():
		return fmt.Sprintf("%s %s was converted at %s (proof: %s)", t.Object, t.RecordID, stamp(t.At), t.Proof)
	case t.Proof == ByCreation: // it may have been another's before, at another value
		return fmt.Sprintf("%s %s was created at %s, and its %s was %q when it was first seen as the referral's (proof: %s)",
			t.Object, t.RecordID, stamp(t.At), t.Field, t.To, t.Proof)
	case t.From == "":
		return fmt.Sprintf("%s of %s %s became %q at %s (proof: %s)", t.Field, t.Object, t.RecordID, t.To, stamp(t.At), t.Proof)
	}
	return fmt.Sprintf("%s of %s %s went from %q to %q at %s (proof: %s)", t.Field, t.Object, t.RecordID, t.From, t.To, stamp(t.At), t.Proof)
}

// conversion tells whether a Lead was seen to be converted, and not only to have been found so.
func (t Transition) conversion() bool {
	return t.Object == Lead && t.Field == IsConverted && t.From == "false"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
