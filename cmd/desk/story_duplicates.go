package desk

import (
	"fmt"
	"strings"
	"time"

	"qualifyd/rules"
)

// Duplicates is what came of the campaign's policy for people who were known before.
type Duplicates struct {
	Policy   rules.Duplicates `json:"policy"`
	InWords  string           `json:"in_words"`
	Result   DuplicateResult  `json:"result"`
	Sentence string           `json:"sentence"`
	Existing []Existing       `json:"existing"` // the Leads and Contacts that were there before, as far as they are remembered
	// Otherwise is what the other two policies would do; empty where they would do the same.
	Otherwise []Otherwise `json:"otherwise"`
}

// DuplicateResult is what the policy did.
type DuplicateResult string

// The results.
const (
	NotChecked DuplicateResult = "not_checked" // the referral has not been looked up yet
	NoneKnown  DuplicateResult = "none"        // nobody was there before; or create_new, which does not remember whom it ignored
	LinkedOld  DuplicateResult = "linked"      // a record that was there before is the referral's
	Blocked    DuplicateResult = "blocked"
)

// Existing is a record that was there before the referral.
type Existing struct {
	Object  rules.Object `json:"object"`
	ID      string       `json:"id"`
	Created time.Time    `json:"created"`
	InWords string       `json:"in_words"` // when that was, and before what
	kinds   rules.Kinds
	lead    string // the Lead whose conversion made it; "" where none did
}

func (e Existing) name() string { return string(e.Object) + " " + e.ID }

// Otherwise is what another policy would do.
type Otherwise struct {
	Policy rules.Duplicates `json:"policy"`
	Would  string           `json:"would"`
}

func (t *teller) duplicates() Duplicates {
	d := Duplicates{
		Policy: t.rule.Duplicates, InWords: t.rule.DuplicatesInWords(), Existing: t.existing(), Otherwise: []Otherwise{},
	}
	names := strings.Join(namesOf(d.Existing), " and ")
	switch {
	case len(t.Blockers) > 0:
		d.Result, d.Sentence = Blocked, "blocked by "+names+", which existed before the referral"
	case len(d.Existing) > 0 && t.Pinned():
		d.Result, d.Sentence = LinkedOld, names+" existed before the referral; a person's pin stands above the policy"
	case len(d.Existing) > 0:
		d.Result, d.Sentence = LinkedOld, names+" existed before the referral, and is linked"
	case t.joining:
		d.Result, d.Sentence = NotChecked, "not checked yet: the referral waits to be looked up in Salesforce"
	case t.rule.Duplicates == rules.CreateNew:
		d.Result, d.Sentence = NoneKnown, "none is known; those that create_new ignores are not remembered"
	default:
		d.Result, d.Sentence = NoneKnown, "no Lead or Contact of the person existed before the referral"
	}
	if len(d.Existing) == 0 {
		return d
	}
	for _, policy := range []rules.Duplicates{rules.DoNothing, rules.Update, rules.CreateNew} {
		if policy != t.rule.Duplicates {
			d.Otherwise = append(d.Otherwise, Otherwise{policy, t.would(policy, d.Existing)})
		}
	}
	return d
}

// existing are the Leads and Contacts known to have been there before the referral: those that block it, and those that are linked.
func (t *teller) existing() []Existing {
	existing := []Existing{}
	for _, b := range t.Blockers {
		existing = append(existing, Existing{Object: b.Object, ID: b.ID, Created: b.Created, InWords: t.BeforeInWords(b.Created)})
	}
	for _, l := range t.records {
		if l.Link.Object == rules.Opportunity || l.Created.IsZero() || !t.ExistedBefore(l.Created) {
			continue
		}
		e := Existing{Object: l.Link.Object, ID: l.RecordID, Created: l.Created, InWords: t.BeforeInWords(l.Created), kinds: l.Kinds}
		for _, lead := range t.records {
			if lead.ContactID == l.RecordID && rules.MadeByConversion(lead.Record, l.Created) {
				e.lead = lead.RecordID
			}
		}
		existing = append(existing, e)
	}
	return existing
}

func namesOf(existing []Existing) []string {
	var names []string
	for _, e := range existing {
		names = append(names, e.name())
	}
	return names
}

// admission is what a campaign's policy makes of a record that existed before. A conversion is followed only from a Lead that is admitted itself.
func (t *teller) admission(c rules.Campaign, e Existing, existing []Existing) rules.Admission {
	made := e.lead != ""
	for _, lead := range existing {
		made = made && (lead.ID != e.lead || t.admission(c, lead, existing) == rules.Admitted)
	}
	return c.Admit(t.Referral, rules.Record{Object: e.Object, ID: e.ID, Created: e.Created}, e.kinds, made)
}

// would tells what another policy would do with the records that existed before.
func (t *teller) would(policy rules.Duplicates, existing []Existing) string {
	c := t.rule.Campaign
	c.Duplicates = policy
	var blocks, counts, ignored []string
	for _, e := range existing {
		admission := t.admission(c, e, existing)
		switch {
		case admission == rules.Blocks:
			blocks = append(blocks, e.name())
		case admission == rules.Admitted && (e.Object == c.Object || e.kinds.Has(rules.Pinned, rules.ByCode, rules.Conversion)):
			counts = append(counts, e.name())
		default:
			ignored = append(ignored, e.name())
		}
	}
	if len(blocks) > 0 {
		return "the referral could not qualify, because of " + strings.Join(blocks, " and ")
	}
	var would []string
	if len(counts) > 0 {
		would = append(would, strings.Join(counts, " and ")+" would be the referral's, and its changes from when changes count would count")
	}
	if len(ignored) > 0 {
		would = append(would, strings.Join(ignored, " and ")+" would be left alone")
	}
	if len(counts) == 0 {
		would = append(would, t.onlyNewer(c))
	}
	return strings.Join(would, "; ")
}

func (t *teller) onlyNewer(c rules.Campaign) string {
	if c.Creates() && !t.fromStart() {
		return fmt.Sprintf("a %s would be created for the referral, and its changes would count", c.Object)
	}
	return fmt.Sprintf("only a %s that is newer than the referral would count", c.Object)
}
