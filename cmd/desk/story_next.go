package desk

import (
	"cmp"
	"fmt"

	"qualifyd/rules"
	"qualifyd/sync/poll"
)

// Next is what would have to happen for the referral to qualify, and who does it.
type Next struct {
	Who  Actor  `json:"who"`
	What string `json:"what"`
}

// Actor is who can do something about a referral.
type Actor string

// The actors.
const (
	Nobody          Actor = "nobody"           // a pass does it, or nothing is left to do
	Sales           Actor = "sales"            // in Salesforce
	SalesforceAdmin Actor = "salesforce_admin" //
	Admin           Actor = "admin"            // who writes the config
	Operator        Actor = "operator"         // with a command
)

func (t *teller) next() Next {
	switch {
	case t.debt.Parked:
		return t.operator("find out why it was refused, then: qualifyd outbox retry %d", t.ID)
	case t.owed:
		return t.nextDelivery()
	}
	switch t.Standing {
	case rules.Delivered, rules.Elsewhere:
		return Next{Nobody, "nothing is left to do: it is qualified"}
	case rules.Overridden:
		return t.operator("if it may qualify after all: qualifyd resume %d --reason TEXT", t.ID)
	case rules.Rejected:
		return t.operator("find out why it was refused, then: qualifyd outbox retry %d", t.ID)
	case rules.Owed:
		return Next{Nobody, "the next pass delivers it"}
	}
	if !t.configured {
		return Next{Admin, fmt.Sprintf("put campaign %d back into the config", t.CampaignID)}
	}
	return t.nextPending()
}

func (t *teller) nextDelivery() Next {
	switch {
	case t.kept && t.debt.SentAt.IsZero():
		return Next{Admin, "set referral_factory.send_from_sandbox to true, if a sandbox org is to qualify people for real"}
	case !t.debt.SentAt.IsZero():
		return Next{Nobody, "a delivery reads it back; if nothing came of the request by " + clock(t.debt.OpenUntil()) + ", it is sent again"}
	}
	return Next{Nobody, "the next delivery sends it (qualifyd poll has it sent at once)"}
}

// nextPending is for those whom a pass judges, by the reason that it gave.
func (t *teller) nextPending() Next {
	if waits := t.rule.Parked == "" && (t.joining || t.toRead || t.toJudge); waits && t.Verdict.Outcome != rules.Held {
		return Next{Nobody, "the next pass looks it up, reads its records and judges it (qualifyd poll does so at once)"}
	}
	if next, ok := t.nextByPeople(); ok {
		return next
	}
	return t.nextInSalesforce()
}

// nextByPeople is for the reasons that somebody has to lift who runs qualifyd or Salesforce.
func (t *teller) nextByPeople() (Next, bool) {
	switch t.Verdict.Reason {
	case rules.NoRule:
		return Next{Admin, fmt.Sprintf("choose a qualify.method for campaign %d; or the operator: %s", t.CampaignID, t.byHand())}, true
	case rules.ValueUnknown:
		return Next{Admin, "correct the campaign's value in the config (qualifyd values or stages lists them); or have it added in Salesforce, " +
			"which is seen within ten minutes"}, true
	case rules.FieldUnreadable:
		return Next{SalesforceAdmin, "give the Salesforce user read access to the field, which is seen within ten minutes; or the admin: " +
			"correct its name in the config (qualifyd fields lists them)"}, true
	case rules.ExistingRecord:
		return t.operator("if the person is no known customer after all: %s --reason TEXT; or, once the old record is deleted or the campaign's duplicates are "+
			"another: qualifyd referrals rejudge %d", t.pin(t.blocker()), t.ID), true
	case rules.NotEffectiveYet, "":
		return Next{Nobody, "a pass that reads Salesforce to the end (qualifyd poll; qualifyd status tells what keeps it)"}, true
	case rules.InSandbox:
		return t.nextInSandbox(), true
	case rules.HeldByBrake:
		if poll.OfEarlierRule(t.Verdict, t.campaign, t.rule.Campaign) {
			return t.operator("the campaign's rule was changed since this verdict, and qualifyd release %d would let it go all the same: have it judged by the rule "+
				"as it is now (qualifyd referrals rejudge %d); or, if it earned it by the one before: %s", t.CampaignID, t.ID, t.byHand()), true
		}
		return t.operator("look at what the brake holds (qualifyd referrals list --reason held_by_brake), set aside who did not earn it (qualifyd unqualify REFERRAL "+
			"--reason TEXT), then let go of the others: qualifyd release %d", t.CampaignID), true
	case rules.ValueRewritten:
		return t.operator("if it qualifies all the same: %s; otherwise it stays held until the value really changes", t.byHand()), true
	case rules.JoinRefused:
		return Next{SalesforceAdmin, fmt.Sprintf("remove what Salesforce refuses the record for, or have the admin fill the field that it misses; then the operator: "+
			"qualifyd referrals rejudge %d", t.ID)}, true
	case rules.Ambiguous:
		next := t.operator("say whose the record is: %s", t.pin(t.disputed()))
		if t.rule.CodeField != "" {
			next.What += fmt.Sprintf("; or sales: put the right referral's code into its %s", t.rule.CodeField)
		}
		return next, true
	case rules.ValueNotReached, rules.ValuePredates:
		return t.operator("if it qualifies all the same: %s; or sales: make another Lead %s (a converted one is as good as locked)",
			t.byHand(), t.thatIsFound()), t.outOfReach()
	}
	return Next{}, false
}

// nextInSandbox: a store belongs to one org, so the live one needs another.
func (t *teller) nextInSandbox() Next {
	if !t.kept {
		return Next{Nobody, "the next pass lets it go, as referral_factory.send_from_sandbox is true now"}
	}
	return Next{Admin, "connect the live org, with a store of its own; or set referral_factory.send_from_sandbox to true, if a sandbox org is to qualify people for real"}
}

// blocker is the record whose pin lifts the block: best one by which the referral may then qualify.
func (t *teller) blocker() string {
	for _, b := range t.Blockers {
		if b.Object == t.rule.Object {
			return b.ID
		}
	}
	if len(t.Blockers) > 0 {
		return t.Blockers[0].ID
	}
	return "RECORD"
}

func (t *teller) disputed() string {
	for _, l := range t.records {
		if l.Ambiguous {
			return l.RecordID
		}
	}
	return "RECORD"
}

// nextInSalesforce is for the reasons that go away when the sales team does its work.
func (t *teller) nextInSalesforce() Next {
	object, _ := t.rule.WatchedField()
	value := fmt.Sprintf("%q", cmp.Or(t.rule.Target.Value, t.rule.Value))
	change := fmt.Sprintf("set %s of the %s to ", t.rule.Target.Field, object)
	switch t.Verdict.Reason {
	case rules.ValueNotReached:
		return Next{Sales, t.onceItCounts() + change + value}
	case rules.StageNotReached:
		return Next{Sales, t.onceItCounts() + "move the Opportunity to the stage " + value}
	case rules.NotConverted:
		return t.nextConversion()
	case rules.WithoutOpportunity:
		return t.nextOpportunity()
	case rules.ValuePredates:
		return t.nextPredates(t.onceItCounts() + change + "another value and, after the next pass, to " + value + " again")
	case rules.RecordDeleted:
		return Next{Sales, fmt.Sprintf("undelete the record, have it shared with the Salesforce user, or make another %s %s", t.rule.Object, t.thatIsFound())}
	}
	next := Next{Sales, fmt.Sprintf("make a %s %s; or the operator, where there is one already: %s", t.rule.Object, t.thatIsFound(), t.pin("RECORD"))}
	if t.rule.Creates() && t.fromStart() {
		next.What += fmt.Sprintf("; or have it created (the referral was there from the start): qualifyd referrals join %d --yes", t.ID)
	}
	return next
}

// outOfReach tells whether the value would have to be set on Leads that are converted, which Salesforce lets hardly anybody change
// (CANNOT_UPDATE_CONVERTED_LEAD).
func (t *teller) outOfReach() bool {
	locked := false
	for _, l := range t.records {
		if l.Link.Object == rules.Lead && !l.Deleted && !l.Absent {
			locked = l.Values[rules.IsConverted].Text == "true"
			if !locked {
				return false
			}
		}
	}
	return locked && t.rule.Method == rules.LeadFieldChanges
}

// onceItCounts tells when to begin, where a change of today would come too early: effective_from may be a day to come.
func (t *teller) onceItCounts() string {
	if from, _ := t.countsFrom(); from.After(t.Verdict.At) {
		return "not before " + clock(from) + ", from when changes count: "
	}
	return ""
}

// nextConversion: the pass that sees a conversion may not have come to reading what it made. What has no link, and is not waited for, is another's.
func (t *teller) nextConversion() Next {
	for _, l := range t.records {
		if l.Values[rules.IsConverted].Text != "true" || l.OpportunityID == "" {
			continue
		}
		if _, linked := t.LinkTo(l.OpportunityID); !linked {
			return t.operator("its Opportunity is another referral's, by the code on it or a pin; if it is this one's: %s", t.pin(l.OpportunityID))
		}
		return Next{Nobody, "the next pass reads what the conversion made (qualifyd poll does so at once)"}
	}
	return Next{Sales, t.onceItCounts() + "convert the Lead, with an Opportunity"}
}

// nextPredates: only a new change counts. A conversion happens once.
func (t *teller) nextPredates(again string) Next {
	if t.rule.Method == rules.LeadConverts {
		return t.operator("if it counts all the same: %s; a Lead is converted only once", t.byHand())
	}
	return Next{Sales, again + "; or, if it counts all the same, the operator: " + t.byHand()}
}

// nextOpportunity: a Lead that was converted without an Opportunity takes one that carries the code, or is pinned.
func (t *teller) nextOpportunity() Next {
	if t.rule.CodeField == "" {
		return t.operator("pin the Opportunity that the Lead led to: %s", t.pin("OPPORTUNITY"))
	}
	return Next{Sales, fmt.Sprintf("make an Opportunity with the code %s in its %s; or the operator, for one that has no such field: %s", t.Code, t.rule.CodeField,
		t.pin("OPPORTUNITY"))}
}

// thatIsFound says by what a record is recognised as the referral's.
func (t *teller) thatIsFound() string {
	switch {
	case t.rule.CodeField == "":
		return "with the referral's e-mail"
	case t.Email == "":
		return fmt.Sprintf("with the code %s in %s", t.Code, t.rule.CodeField)
	}
	return fmt.Sprintf("with the referral's e-mail, or with the code %s in %s", t.Code, t.rule.CodeField)
}

func (t *teller) pin(record string) string {
	return fmt.Sprintf("qualifyd referrals pin %d %s", t.ID, record)
}

func (t *teller) byHand() string { return fmt.Sprintf("qualifyd qualify %d --reason TEXT", t.ID) }

func (t *teller) operator(format string, args ...any) Next {
	return Next{Operator, fmt.Sprintf(format, args...)}
}
