package rules

import (
	"slices"
	"time"
)

// Standing is where a referral is on its way.
type Standing string

// The standings. Only a pending referral is ever judged.
const (
	Pending    Standing = "pending"
	Owed       Standing = "owed"       // judged qualified, not yet delivered
	Delivered  Standing = "delivered"  // qualified at Referral Factory by us
	Elsewhere  Standing = "elsewhere"  // qualified at Referral Factory by somebody else
	Overridden Standing = "overridden" // qualified once, then set back to pending by a person
	Rejected   Standing = "rejected"   // Referral Factory refuses the qualification for good
)

// Standings lists all of them.
func Standings() []Standing {
	return []Standing{Pending, Owed, Delivered, Elsewhere, Overridden, Rejected}
}

// Referral is a user of a campaign whom somebody referred.
type Referral struct {
	ID          int64
	CampaignID  int64
	FirstName   string
	Email       string
	Code        string
	URL         string
	Source      string
	Meta        []Meta
	ReferrerID  int64
	SignedUpOn  string // a day, 2006-01-02; Referral Factory tells no time of day
	QualifiedOn string // a day; "" while pending

	Joined     time.Time // start of the sign-up day, never later than the sweep that first showed the referral
	DayEnds    time.Time // end of the sign-up day
	Lacked     time.Time // newest complete sweep without it, if at least an hour before the one that showed it; else zero
	FirstSweep uint64    // number of the sweep that first showed it

	Standing Standing
	Verdict  Verdict
	Links    []Link
	// Blockers are the records that existed before the referral and, under do_nothing, keep it from qualifying.
	Blockers []Blocker
	// Refused is what Salesforce said to the record we wanted to create or mark; "" when it did not refuse.
	Refused string
	// Settled is set once nothing is left to create or mark for the referral.
	Settled bool
	// JoinAsked is set when an operator asked that a referral which was there from the start be created or marked after all.
	JoinAsked bool
	// AnsweredAt is the ledger's length when an answer of Referral Factory, to a read or a request of ours, last changed the standing. A read begun
	// earlier may show what was before, and says nothing.
	AnsweredAt uint64
}

// Meta is one answer to a campaign's own question.
type Meta struct{ Field, Value string }

// Blocker is a record that was there before the referral.
type Blocker struct {
	Object  Object
	ID      string
	Created time.Time
}

// JoinTimes works out when a referral joined, from its sign-up day where that is known. sweep is the service time of the sweep that first
// showed it, lacking the times of earlier complete sweeps of the campaign (none of which showed it).
func (r *Referral) JoinTimes(zone *time.Location, sweep time.Time, lacking []time.Time) {
	r.Joined = sweep
	if day, err := time.Parse(time.DateOnly, r.SignedUpOn); err == nil {
		r.DayEnds = StartOfDay(day.AddDate(0, 0, 1), zone)
		start := StartOfDay(day, zone)
		// The day may be another in the zone that is meant, but no further off; and what lacked the referral was not later than what showed it.
		wrong := start.Sub(sweep) > 26*time.Hour && slices.ContainsFunc(lacking, sweep.Before)
		if start.Before(sweep) || wrong {
			r.Joined = start
		}
	}
	for _, t := range lacking {
		if sweep.Sub(t) >= time.Hour && t.After(r.Lacked) {
			r.Lacked = t
		}
	}
}

// StartOfDay is the instant at which the day that t names begins in a zone.
func StartOfDay(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.Date()
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	switch before := start.Add(-time.Hour); {
	case start.Day() != day: // midnight fell into the hour that summer time skips, as in Santiago
		start = start.Add(time.Hour)
	case before.Day() == day: // there are two midnights, an hour apart, as in Gaza
		start = before
	}
	return start.UTC()
}

// ExistedBefore tells whether a record that was created at created was there before the referral: earlier than it joined or, on the
// sign-up day itself, earlier than a sweep that did not show the referral yet.
func (r Referral) ExistedBefore(created time.Time) bool {
	if created.Before(r.Joined) {
		return true
	}
	return created.Before(r.DayEnds) && created.Before(r.Lacked)
}

// CountsFrom is the instant from which changes count for the referral under the rule.
func (r Referral) CountsFrom(rule Rule) time.Time {
	if r.Joined.After(rule.Effective) {
		return r.Joined
	}
	return rule.Effective
}

// LinkTo returns the referral's link to a record.
func (r Referral) LinkTo(recordID string) (Link, bool) {
	i := slices.IndexFunc(r.Links, func(l Link) bool { return l.RecordID == recordID })
	if i < 0 {
		return Link{}, false
	}
	return r.Links[i], true
}

// Pinned tells whether a person has pinned a record to the referral.
func (r Referral) Pinned() bool {
	return slices.ContainsFunc(r.Links, func(l Link) bool { return l.Kinds.Has(Pinned) })
}

// SetLink adds a link, or the new reasons to the one that is there.
func (r *Referral) SetLink(l Link) {
	for i, old := range r.Links {
		if old.RecordID == l.RecordID {
			for _, kind := range old.Kinds {
				l.Kinds = l.Kinds.With(kind)
			}
			l.Since = old.Since
			r.Links[i] = l
			return
		}
	}
	r.Links = append(r.Links, l)
}

// Unlink removes the link to a record and reports whether there was one.
func (r *Referral) Unlink(recordID string) bool {
	before := len(r.Links)
	r.Links = slices.DeleteFunc(r.Links, func(l Link) bool { return l.RecordID == recordID })
	return len(r.Links) < before
}

// Due is what is owed to Referral Factory about a referral, as far as it decides what a read of it means.
type Due struct {
	Undo bool   // that it be set back to pending, by a person's order; otherwise that it be qualified
	Sent bool   // a request for it may be under way
	By   string // who ordered it, and why; "" where a rule's verdict did
}

// Hear takes note of what a read of the referral at Referral Factory showed: the day it was qualified on, "" while it is pending. due is nil
// when nothing is owed. fresh is set when the read was begun after the last answer about the referral, and no request that a later order took
// back can still have its effect; a read that is not fresh says nothing. What a person sets by hand wins and stays. Hear reports whether the
// standing changed, and whether that which was owed is settled.
//
//	standing              owed                qualified                         pending
//	pending, rejected     nothing             elsewhere                         -
//	overridden            nothing             elsewhere                         -
//	owed                  to be qualified     delivered if sent, else           -
//	                                          elsewhere; settled
//	owed                  to be set back [1]  delivered                         overridden, settled
//	delivered, elsewhere  nothing             -                                 overridden
//	delivered, elsewhere  to be set back      - [3]                             overridden, settled
//	delivered, elsewhere  to be qualified [2] -, settled                        owed
//
// [1] A qualification was sent when the order came. [2] A setting back was sent when another order took it back. [3] Where a request was sent and
// the day is another by now, somebody qualified the referral again: elsewhere, settled.
func (r *Referral) Hear(qualifiedOn string, due *Due, fresh bool) (changed, settled bool) {
	if !fresh {
		return false, false
	}
	before, again := r.Standing, r.qualifiedAgain(qualifiedOn, due)
	r.Standing = r.heard(qualifiedOn, due)
	changed = r.Standing != before || again
	switch {
	case !changed:
	case r.Standing == Overridden && due != nil:
		r.Verdict = SetBack(due.By)
	case r.Standing == Overridden:
		r.Verdict = not(OverriddenByHand, "qualified once, then set back to pending by somebody; it stays so until an operator says resume")
	case r.Standing == Owed:
		r.Verdict = ByHand(due.By, r.Verdict.At)
	case r.Standing == Elsewhere:
		r.Verdict = not(QualifiedElsewhere, "qualified at Referral Factory by somebody else on "+qualifiedOn)
	}
	if changed || qualifiedOn != "" {
		r.QualifiedOn = qualifiedOn
	}
	return changed, due != nil && (due.Undo == (qualifiedOn == "") || again)
}

// heard is the standing by Hear's table.
func (r *Referral) heard(qualifiedOn string, due *Due) Standing {
	known := r.knownQualified()
	undo := due != nil && due.Undo
	switch {
	case qualifiedOn == "" && known && due != nil && !undo:
		return Owed
	case qualifiedOn == "" && (known || r.Standing == Owed && undo):
		return Overridden
	case qualifiedOn == "", known && !r.qualifiedAgain(qualifiedOn, due):
		return r.Standing
	case r.Standing == Owed && due != nil && (due.Sent || undo):
		return Delivered
	}
	return Elsewhere
}

// qualifiedAgain tells whether somebody qualified the referral anew after a request of ours had set it back: the day is another.
func (r *Referral) qualifiedAgain(qualifiedOn string, due *Due) bool {
	return r.knownQualified() && due != nil && due.Undo && due.Sent && qualifiedOn != "" && qualifiedOn != r.QualifiedOn
}

func (r *Referral) knownQualified() bool { return r.Standing == Delivered || r.Standing == Elsewhere }
