package rules

import (
	"slices"
	"time"
)

// Observation is something that was seen of a record's way to what the rule asks for: a change of the watched value, the value of the first
// look, a Lead's conversion. At and Proof are empty where nothing tells when it came about.
type Observation struct {
	Transition
	Reaches   bool   // it is what the rule asks for; the others are told for the sake of the story
	Counts    bool   // it qualifies the referral
	Rewritten bool   // the value was replaced in Setup, which holds the referral
	Why       string // why it does not count
}

// weigh makes an observation of what the rule asks for count, unless something speaks against it.
func (o *Observation) weigh(against string) { o.Counts, o.Why = against == "", against }

const (
	writtenByUs     = "qualifyd wrote it"
	replacedInSetup = "the value was replaced in Setup: nobody changed the record"
)

// span is the time in which changes count, for one record and one referral.
type span struct {
	from  time.Time // what happened earlier does not count
	after time.Time // where not zero, neither does what did not happen later than that: the conversion, for an older Opportunity
	since time.Time // of our own looks only those count that were taken at or after the link was made; zero: none does
}

// misses tells why what happened at an instant does not count; "" when it does.
func (d span) misses(at time.Time) string {
	switch {
	case at.Before(d.from):
		return "before " + stamp(d.from) + ", from when changes count"
	case !d.after.IsZero() && !at.After(d.after):
		return "not after the Lead's conversion (" + stamp(d.after) + "), and the Opportunity existed before the referral"
	}
	return ""
}

// dateSlack is by how much the times of two answers may be the wrong way round: they are told in whole seconds, and the machines of a service
// need not agree on them.
const dateSlack = 10 * time.Second

// linked tells whether a look was taken when the record was the referral's already. No look was at one that could not be seen since.
func (d span) linked(look time.Time) bool {
	return !d.since.IsZero() && !look.Before(d.since.Add(-dateSlack))
}

// sees tells why a look is too old for what changed since to be dated by it; "" when it is not.
func (d span) sees(look time.Time) string {
	before := ""
	switch {
	case look.Before(d.from):
		before = stamp(d.from) + ", from when changes count"
	case d.since.IsZero():
		return "when it happened is not known: the record has not been seen since it became the referral's"
	case !d.linked(look):
		before = stamp(d.since) + ", when the record became the referral's"
	case look.Before(d.after):
		before = stamp(d.after) + ", when the Lead was converted"
	default:
		return ""
	}
	return "when it happened is not known: the look before it was at " + stamp(look) + ", before " + before
}

// Observed tells everything that was seen of a referral's records and bears on the rule, oldest first. It weighs by the same functions as
// [Judge]: where Judge says qualified, what decided is among the observations and counts; where it does not, nothing counts.
func Observed(rule Rule, r Referral, records []Linked) []Observation {
	if rule.Method == None {
		return nil
	}
	var all []Observation
	for _, l := range records {
		switch {
		case l.Object == Opportunity && rule.NeedsConversion():
			all = append(all, observedOpportunity(rule, r, l, records)...)
		case l.Object != rule.judges():
		case rule.NeedsConversion():
			all = append(all, observedConversion(rule, r, l, records)...)
		default:
			seen := l.observe(rule.Target, span{from: r.CountsFrom(rule), since: l.Since})
			if v, unfit := l.unfit(); unfit {
				seen = discounted(seen, v.Sentence)
			}
			all = append(all, seen...)
		}
	}
	if v, decided := beforeRecords(rule, r); decided {
		all = discounted(all, v.Sentence)
	}
	inOrder(all, records)
	return all
}

// discounted are observations of which none counts, for a reason that lies outside them.
func discounted(seen []Observation, why string) []Observation {
	for i, o := range seen {
		if o.Counts || o.Rewritten {
			seen[i].Counts, seen[i].Rewritten, seen[i].Why = false, false, why
		}
	}
	return seen
}

// inOrder sorts observations by time; what has none comes where its record was created.
func inOrder(seen []Observation, records []Linked) {
	when := func(o Observation) time.Time {
		if o.At.IsZero() {
			return find(records, o.RecordID).Created
		}
		return o.At
	}
	slices.SortStableFunc(seen, func(a, b Observation) int { return when(a).Compare(when(b)) })
}

// observedConversion tells of a Lead's conversion. Where the Opportunity's stage decides, it is enough that the Lead is converted, whenever.
func observedConversion(rule Rule, r Referral, lead Linked, all []Linked) []Observation {
	if !lead.converted() {
		return nil
	}
	contact, opportunity := find(all, lead.ContactID), find(all, lead.OpportunityID)
	c := lead.conversion(readable(contact), readable(opportunity), span{from: r.CountsFrom(rule), since: lead.Since})
	seen := []Observation{c}
	if rule.Method == LeadConvertsToStage {
		seen[0].Reaches, seen[0].Counts, seen[0].Why = false, false, ""
		return seen
	}
	if v, unfit := lead.unfit(); unfit {
		return discounted(seen, v.Sentence)
	}
	if lead.OpportunityID == "" && rule.Parked == FieldUnreadable { // which it was may be what cannot be read
		return discounted(seen, rule.ParkedWhy)
	}
	if lead.OpportunityID == "" {
		return discounted(seen, withoutOpportunity(lead).Sentence)
	}
	if v, bad := unusable(lead, opportunity, contact); bad {
		return discounted(seen, v.Sentence)
	}
	return seen
}

// observedOpportunity tells of an Opportunity what counts by any of the converted Leads that it stands for.
func observedOpportunity(rule Rule, r Referral, o Linked, all []Linked) []Observation {
	seen := observedFor(rule, r, o, Linked{})
	if v, unfit := o.unfit(); unfit {
		return discounted(seen, v.Sentence)
	}
	seen = discounted(seen, "no linked Lead is converted with Opportunity "+o.RecordID)
	for _, lead := range all {
		if lead.Object != Lead || !lead.converted() || find(taken(lead, all), o.RecordID) == nil {
			continue
		}
		one := observedFor(rule, r, o, lead)
		if v, unfit := lead.unfit(); unfit {
			one = discounted(one, v.Sentence)
		} else if v, bad := unusable(lead, find(all, lead.OpportunityID), nil); bad && lead.OpportunityID == o.RecordID {
			one = discounted(one, v.Sentence)
		}
		if !slices.ContainsFunc(seen, func(o Observation) bool { return o.Counts || o.Rewritten }) {
			seen = one
		}
	}
	return seen
}

// observedFor tells of an Opportunity what bears on the rule by one Lead; none where the Lead has an Opportunity of its own that decides.
func observedFor(rule Rule, r Referral, o, lead Linked) []Observation {
	from := r.CountsFrom(rule)
	switch {
	case rule.Method == LeadConvertsToStage:
		return o.observe(rule.Target, o.stageSpan(r, lead, from))
	case lead.converted() && lead.OpportunityID == "" && o.known() && !o.Absent:
		return []Observation{o.creation(from)}
	}
	return nil
}
