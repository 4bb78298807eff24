package rules

import "time"

// Outcome is what a verdict says.
type Outcome string

// The outcomes.
const (
	Not       Outcome = "not"
	Held      Outcome = "held" // it would qualify, but a person has to look first
	Qualified Outcome = "qualified"
)

// Reason is the code of why a referral stands where it stands.
type Reason string

// The reason codes, in their precedence: where several apply, the first of this list is given.
const (
	QualifiedElsewhere  Reason = "qualified_elsewhere"
	OverriddenByHand    Reason = "overridden"
	RejectedByService   Reason = "rejected"
	NoRule              Reason = "no_rule"
	ValueUnknown        Reason = "value_unknown"
	ExistingRecord      Reason = "existing_record"
	NotEffectiveYet     Reason = "not_effective_yet" // no pass has read Salesforce to the end since the campaign became known
	QualifiedByRule     Reason = "qualified"
	InSandbox           Reason = "sandbox"
	HeldByBrake         Reason = "held_by_brake"
	ValueRewritten      Reason = "value_rewritten"
	FieldUnreadable     Reason = "field_unreadable"
	Ambiguous           Reason = "ambiguous"
	StageNotReached     Reason = "stage_not_reached"
	WithoutOpportunity  Reason = "converted_without_opportunity"
	ValuePredates       Reason = "value_predates"
	NotConverted        Reason = "not_converted"
	ValueNotReached     Reason = "value_not_reached"
	RecordDeleted       Reason = "record_deleted"
	JoinRefused         Reason = "join_refused"
	NoRecord            Reason = "no_record"
	NotInCampaign       Reason = "not_in_campaign" // for explain: nobody of a configured campaign is meant
	QualifiedByOperator Reason = "qualified_by_hand"
)

// Reasons lists all reason codes, in their precedence.
func Reasons() []Reason {
	return []Reason{
		QualifiedElsewhere, OverriddenByHand, RejectedByService, NoRule, ValueUnknown, ExistingRecord, NotEffectiveYet, QualifiedByRule, InSandbox,
		HeldByBrake, ValueRewritten, FieldUnreadable, Ambiguous, StageNotReached, WithoutOpportunity, ValuePredates, NotConverted, ValueNotReached,
		RecordDeleted, JoinRefused, NoRecord, NotInCampaign, QualifiedByOperator,
	}
}

// precedence orders the reasons that can apply to a referral which does not qualify; a smaller number wins.
var precedence = map[Reason]int{
	ValueRewritten: 1, FieldUnreadable: 2, Ambiguous: 3, StageNotReached: 4, WithoutOpportunity: 5, ValuePredates: 6,
	NotConverted: 7, ValueNotReached: 8, RecordDeleted: 9, JoinRefused: 10, NoRecord: 11,
}

// Proof is how a transition is known.
type Proof string

// The proofs, best first.
const (
	ByHistory  Proof = "history"  // a history row says so
	BySnapshot Proof = "snapshot" // two of our observations differ
	ByCreation Proof = "created"  // the record did not exist before
	ByDate     Proof = "date"     // a conversion's ConvertedDate is late enough in any zone
)

// Transition is a watched value that became another, with its time and proof.
type Transition struct {
	Object   Object
	RecordID string
	Field    string
	From, To string
	At       time.Time
	Proof    Proof
	RowID    string // the history row, where there is one
}

// Verdict is what Judge says of a referral.
type Verdict struct {
	Outcome  Outcome
	Reason   Reason
	Sentence string
	Evidence []Transition // the transitions that decide
	At       time.Time    // service time at which it was given
}

func not(r Reason, sentence string) Verdict {
	return Verdict{Outcome: Not, Reason: r, Sentence: sentence}
}

func held(r Reason, sentence string, evidence ...Transition) Verdict {
	return Verdict{Outcome: Held, Reason: r, Sentence: sentence, Evidence: evidence}
}

func qualified(sentence string, evidence ...Transition) Verdict {
	return Verdict{Outcome: Qualified, Reason: QualifiedByRule, Sentence: sentence, Evidence: evidence}
}

// ByHand is the verdict of an operator; by is who, and why.
func ByHand(by string, at time.Time) Verdict {
	return Verdict{Outcome: Qualified, Reason: QualifiedByOperator, Sentence: "qualified by hand by " + by, At: at}
}

// SetBack is the verdict on a referral that an operator set back to pending; by is who, and why.
func SetBack(by string) Verdict {
	return not(OverriddenByHand, "set back to pending by "+by+" (it stays so until an operator says resume)")
}

// Dropped is the verdict on a referral whose qualification an operator took back before it was delivered; by is who, and why.
func Dropped(by string) Verdict {
	return not(OverriddenByHand, "its qualification was taken back before it was delivered, by "+by+" (it stays so until an operator says resume)")
}

// Again is the verdict with which a qualification that Referral Factory refused is sent once more, on what it rested on before; by is who
// ordered it, and why.
func (v Verdict) Again(by string) Verdict {
	v.Outcome, v.Reason, v.Sentence = Qualified, QualifiedByOperator, "qualified by hand"
	if len(v.Evidence) > 0 { // an operator's verdict has none
		v.Reason, v.Sentence = QualifiedByRule, v.Evidence[0].String()
	}
	v.Sentence += "; refused once by Referral Factory, and tried again by " + by
	return v
}

// better picks the verdict to give of two: qualified before held before not, then by precedence, then the earlier event.
func better(a, b Verdict) Verdict {
	rank := func(v Verdict) int {
		switch v.Outcome {
		case Qualified:
			return 0
		case Held:
			return 1
		}
		return 1 + precedence[v.Reason]
	}
	switch x, y := rank(a), rank(b); {
	case x < y:
		return a
	case y < x:
		return b
	case b.Outcome == Qualified && b.when().Before(a.when()):
		return b
	}
	return a
}

// best picks the verdict to give of several; otherwise is for none.
func best(verdicts []Verdict, otherwise Verdict) Verdict {
	if len(verdicts) == 0 {
		return otherwise
	}
	v := verdicts[0]
	for _, other := range verdicts[1:] {
		v = better(v, other)
	}
	return v
}

// when is the instant of the event that decided.
func (v Verdict) when() time.Time {
	var last time.Time
	for _, t := range v.Evidence {
		if t.At.After(last) {
			last = t.At
		}
	}
	return last
}

// EventAt is the service time of the change that decided; zero when nothing did.
func (v Verdict) EventAt() time.Time { return v.when() }
