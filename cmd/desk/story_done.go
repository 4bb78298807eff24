package desk

import (
	"fmt"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// Deed is a line of the ledger about the referral.
type Deed struct {
	Number   uint64        `json:"number"`
	At       time.Time     `json:"at"` // service time; of an operator's act, this machine's
	Act      store.Act     `json:"act"`
	Outcome  rules.Outcome `json:"outcome,omitempty"`
	Reason   rules.Reason  `json:"reason,omitempty"`
	Record   string        `json:"record,omitempty"`
	Who      string        `json:"who,omitempty"`
	Note     string        `json:"note,omitempty"`
	Sentence string        `json:"sentence"`
}

func (t *teller) done() []Deed {
	done := []Deed{}
	for _, e := range t.ledger {
		done = append(done, Deed{
			Number: e.Number, At: e.At, Act: e.Act, Outcome: e.Outcome, Reason: e.Reason, Record: e.Record, Who: e.Who, Note: e.Note, Sentence: deedInWords(e),
		})
	}
	return done
}

// actsInWords tell what was done; %s is the record.
var actsInWords = map[store.Act]string{
	store.ActDelivered:  "qualified at Referral Factory",
	store.ActElsewhere:  "found to be qualified at Referral Factory by somebody else",
	store.ActOverridden: "set back to pending at Referral Factory",
	store.ActRejected:   "refused by Referral Factory",
	store.ActCreated:    "record %s was created for it",
	store.ActMarked:     "record %s was marked as its",
	store.ActBlocked:    "record %s was found to be older than the referral, which cannot qualify therefore",
	store.ActPinned:     "record %s was pinned to it",
	store.ActRejudged:   "put to be joined and judged anew",
	store.ActResumed:    "put back to be judged again",
	store.ActReleased:   "let go by the brake",
	store.ActJoinAsked:  "put to be joined like a newcomer",
	store.ActQualified:  "ordered to be qualified by hand",
	store.ActUnqualify:  "ordered to be set back to pending",
	store.ActRetried:    "put back into the outbox",
	store.ActDropped:    "taken out of the outbox",
}

func deedInWords(e store.Entry) string {
	text, known := actsInWords[e.Act]
	switch {
	case e.Act == store.ActJudged:
		text = judgementInWords(e)
	case !known:
		text = string(e.Act)
	case e.Record != "":
		text = fmt.Sprintf(text, e.Record)
	}
	if e.Who != "" {
		text += ", by " + e.Who
	}
	if e.Note != "" {
		text += ": " + e.Note
	}
	return text
}

func judgementInWords(e store.Entry) string {
	text := map[rules.Outcome]string{rules.Qualified: "judged to qualify", rules.Held: "held", rules.Not: "judged not to qualify any more"}[e.Outcome]
	if e.Outcome != rules.Qualified {
		text += " (" + string(e.Reason) + ")"
	}
	for _, by := range e.Evidence {
		text += ": " + by.String()
	}
	return text
}

// Delivery is what was sent to Referral Factory, and what it answered.
type Delivery struct {
	Owed        bool      `json:"owed"`           // something is in the outbox
	Undo        bool      `json:"undo,omitempty"` // it is to be set back to pending
	Since       time.Time `json:"since,omitzero"`
	By          string    `json:"by,omitempty"` // who ordered it, and why
	Attempts    int       `json:"attempts"`
	SentAt      time.Time `json:"sent_at,omitzero"` // of the newest request
	Trouble     string    `json:"trouble,omitempty"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"` // when Referral Factory was known to have it
	QualifiedOn string    `json:"qualified_on,omitempty"`
	Sentence    string    `json:"sentence"`
}

func (t *teller) delivery() Delivery {
	d := Delivery{
		Owed: t.owed, Undo: t.debt.Undo, Since: t.debt.Since, By: t.debt.By, Attempts: t.debt.Attempts, SentAt: t.debt.SentAt, Trouble: t.debt.Trouble,
		QualifiedOn: t.QualifiedOn,
	}
	for _, e := range t.ledger {
		if e.Act == store.ActDelivered {
			d.DeliveredAt = e.At
		}
	}
	d.Sentence = t.deliveryInWords(d)
	return d
}

func (t *teller) deliveryInWords(d Delivery) string {
	what := "its qualification"
	if d.Undo {
		what = "its setting back to pending"
	}
	switch {
	case t.debt.Parked:
		return what + " was refused by Referral Factory: " + d.Trouble
	case t.owed && d.SentAt.IsZero() && t.kept:
		return what + " is owed since " + clock(d.Since) + "; from a sandbox org nothing is sent, unless referral_factory.send_from_sandbox is true"
	case t.owed && d.SentAt.IsZero():
		return what + " is owed since " + clock(d.Since) + ", and was not sent yet" + because(d.Trouble)
	case t.owed:
		return fmt.Sprintf("%s is owed since %s; sent at %s (attempt %d), with an outcome that is not known yet%s", what, clock(d.Since), clock(d.SentAt),
			d.Attempts, because(d.Trouble))
	case t.Standing == rules.Delivered:
		return "sent, and answered: qualified on " + d.QualifiedOn
	case t.Standing == rules.Elsewhere:
		return "nothing is sent: somebody else qualified it on " + d.QualifiedOn
	case t.Standing == rules.Rejected:
		return "refused by Referral Factory, and not tried again by itself"
	case !d.DeliveredAt.IsZero():
		return "qualified at " + clock(d.DeliveredAt) + ", and set back to pending since"
	}
	return "nothing was sent"
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}
