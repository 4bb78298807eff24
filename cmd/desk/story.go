package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// Story is everything that is known of one referral: who it is, which records are its, what was seen of them, what came of it, and what would
// have to happen next. All times are the services' own, but those of operators' acts.
type Story struct {
	ID       int64          `json:"id"`
	Campaign int64          `json:"campaign"`
	Code     string         `json:"code"`
	Standing rules.Standing `json:"standing"`
	Reason   rules.Reason   `json:"reason"`
	Sentence string         `json:"sentence"`
	Records  []string       `json:"records"`

	CampaignName string     `json:"campaign_name"`
	Configured   bool       `json:"configured"` // the campaign is in the config
	Rule         string     `json:"rule"`       // in words
	JudgedAt     time.Time  `json:"judged_at,omitzero"`
	Person       Person     `json:"person"`
	CountsFrom   time.Time  `json:"counts_from,omitzero"` // zero while it is not known
	CountsWhy    string     `json:"counts_from_why"`
	Waits        []string   `json:"waits"` // what passes still have to do before the verdict is the last word
	Links        []Link     `json:"links"`
	Duplicates   Duplicates `json:"duplicates"`
	Seen         []Seen     `json:"seen"` // oldest first
	Condition    Condition  `json:"condition"`
	Done         []Deed     `json:"done"` // oldest first
	Delivery     Delivery   `json:"delivery"`
	Next         Next       `json:"next"`
}

// Person is whom Referral Factory knows.
type Person struct {
	FirstName  string    `json:"first_name"`
	Email      string    `json:"email"`
	Source     string    `json:"source"`
	Referrer   int64     `json:"referrer"`
	SignedUpOn string    `json:"signed_up_on"` // a day
	Joined     time.Time `json:"joined"`
	JoinedWhy  string    `json:"joined_why"`
	FirstSweep uint64    `json:"first_sweep"` // number of the sweep that first showed the person
	FromStart  bool      `json:"from_start"`  // the campaign's first complete sweep showed the person already
}

// Link is a record that is the referral's.
type Link struct {
	Object   rules.Object `json:"object"`
	ID       string       `json:"id"`
	Kinds    rules.Kinds  `json:"kinds"`
	How      string       `json:"how"` // the kinds in words
	Since    time.Time    `json:"since,omitzero"`
	Created  time.Time    `json:"created,omitzero"`
	LastSeen time.Time    `json:"last_seen,omitzero"`
	State    string       `json:"state,omitempty"` // what keeps it from being judged by
	Values   []Value      `json:"values"`          // the watched ones
	Became   string       `json:"became,omitempty"`
}

// Value is a watched field's value as last seen.
type Value struct {
	Field string    `json:"field"`
	Value string    `json:"value"`
	At    time.Time `json:"at"`
}

// Seen is a change, or a first value, that was observed.
type Seen struct {
	At       time.Time    `json:"at,omitzero"` // zero where nothing tells when it came about
	Proof    rules.Proof  `json:"proof,omitempty"`
	Object   rules.Object `json:"object"`
	Record   string       `json:"record"`
	Field    string       `json:"field"`
	From     string       `json:"from"`
	To       string       `json:"to"`
	Row      string       `json:"history_row,omitempty"`
	Reaches  bool         `json:"reaches"` // it is what the rule asks for
	Counts   bool         `json:"counts"`
	Why      string       `json:"why,omitempty"` // why it does not count
	Sentence string       `json:"sentence"`
}

// Condition is the rule's, and how the records stand to it.
type Condition struct {
	Expected string   `json:"expected"`
	Actual   []string `json:"actual"`
}

// ReferralRequest names a referral by id, code, record Id or e-mail.
type ReferralRequest struct {
	Referral string `json:"referral"`
}

// ExplainQuestion asks for the stories of the referrals that a text means; none where nobody is meant.
var ExplainQuestion = view("explain", func(d *Desk, tx *store.Tx, q ReferralRequest) ([]Story, error) {
	return d.stories(tx, q.Referral)
})

// Unknown is what is said instead of a story where a text means nobody.
type Unknown struct {
	Reason   rules.Reason `json:"reason"`
	Sentence string       `json:"sentence"`
	Causes   []string     `json:"causes"`
}

// NobodyMeant tells that a text means nobody, and what may be the cause.
func NobodyMeant(text string) Unknown {
	return Unknown{rules.NotInCampaign, fmt.Sprintf("nobody of a configured campaign has the id, code, record or e-mail %q", text), []string{
		"the person was not captured through a referral link: then Referral Factory knows no referral, or the person under another e-mail",
		"the person was referred in a campaign that the config does not have (qualifyd campaigns lists them)",
		"the person is newer than the last sweep (qualifyd poll sweeps at once; qualifyd status tells when it was)",
		"a record Id is known only once the record is a referral's; codes are told apart by upper and lower case",
	}}
}

// stories tells the stories of the referrals that a text means.
func (d *Desk) stories(tx *store.Tx, text string) ([]Story, error) {
	found, err := poll.Find(tx, text)
	if err != nil {
		return nil, err
	}
	known, err := poll.KnownRules(tx, d.Campaigns)
	if err != nil {
		return nil, err
	}
	kept, err := d.kept(tx)
	if err != nil {
		return nil, err
	}
	stories := []Story{}
	for _, r := range found {
		rule, configured := known[r.CampaignID]
		t := &teller{tx: tx, rule: rule, configured: configured, kept: kept, zone: d.Config.ReferralFactory.Location, Referral: r}
		if err := t.gather(); err != nil {
			return nil, err
		}
		stories = append(stories, t.story())
	}
	return stories, nil
}

// teller is what a story is told from.
type teller struct {
	rules.Referral
	tx         *store.Tx
	rule       rules.Rule
	configured bool
	kept       bool           // what is owed is kept, because the org is a sandbox
	zone       *time.Location // of sign-up days, as configured now

	campaign store.Campaign
	records  []rules.Linked
	ledger   []store.Entry
	debt     store.Debt
	owed     bool
	intent   store.Intent
	begun    bool // a create or mark was, with an outcome that is not known
	joining  bool // it waits to be looked up
	toRead   bool // a record waits to be read for it
	toJudge  bool
}

func (t *teller) gather() error {
	var err error
	if t.campaign, err = t.tx.Campaign(t.CampaignID); err != nil {
		return err
	}
	if t.records, err = t.tx.Records(t.Referral); err != nil {
		return err
	}
	if t.ledger, err = t.tx.LedgerOf(t.ID); err != nil {
		return err
	}
	if t.debt, t.owed, err = t.tx.Debt(t.ID); err != nil {
		return err
	}
	if t.intent, t.begun, err = t.tx.Intent(t.ID); err != nil {
		return err
	}
	claimed, err := t.tx.Claimed()
	t.joining, t.toRead = t.tx.Joining(t.ID), len(claimed[t.ID]) > 0
	t.toJudge = slices.Contains(t.tx.ToJudge(t.ID-1, 1), t.ID)
	return err
}

func (t *teller) story() Story {
	s := Story{
		ID: t.ID, Campaign: t.CampaignID, Code: t.Code, Standing: t.Standing, Reason: t.Verdict.Reason, Sentence: t.Verdict.Sentence, Records: []string{},
		CampaignName: t.rule.Name, Configured: t.configured, JudgedAt: t.Verdict.At, Person: t.person(), Waits: t.waits(),
		Links: []Link{}, Seen: []Seen{}, Done: t.done(), Delivery: t.delivery(), Next: t.next(),
	}
	for _, l := range t.records {
		s.Records = append(s.Records, l.RecordID)
		s.Links = append(s.Links, t.link(l))
	}
	if !t.configured {
		return s
	}
	s.Rule = t.rule.InWords()
	s.CountsFrom, s.CountsWhy = t.countsFrom()
	s.Duplicates = t.duplicates()
	s.Condition = Condition{Expected: t.expected(), Actual: t.actual()}
	for _, o := range rules.Observed(t.rule, t.Referral, t.records) {
		s.Seen = append(s.Seen, Seen{
			At: o.At, Proof: o.Proof, Object: o.Object, Record: o.RecordID, Field: o.Field, From: o.From, To: o.To, Row: o.RowID,
			Reaches: o.Reaches, Counts: o.Counts, Why: o.Why, Sentence: o.InWords(),
		})
	}
	return s
}

func (t *teller) person() Person {
	return Person{
		FirstName: t.FirstName, Email: t.Email, Source: t.Source, Referrer: t.ReferrerID, SignedUpOn: t.SignedUpOn,
		Joined: t.Joined, JoinedWhy: t.joinedWhy(), FirstSweep: t.FirstSweep, FromStart: t.fromStart(),
	}
}

// fromStart tells whether the campaign's first complete sweep showed the referral: then nothing is created or marked for it.
func (t *teller) fromStart() bool {
	return t.campaign.FirstSweep == 0 || t.FirstSweep <= t.campaign.FirstSweep
}

// joinedWhy goes by when the day ended: that is kept as it was when the referral was first shown, whatever the zone is now. A day is as long as its zone's
// clocks make it, in whole half hours; from a sweep that came shortly before the day it is not.
func (t *teller) joinedWhy() string {
	length := t.DayEnds.Sub(t.Joined)
	if t.SignedUpOn == "" || length < 23*time.Hour || length > 25*time.Hour || length%(30*time.Minute) != 0 {
		return "the sweep that first showed the referral"
	}
	day, err := time.Parse(time.DateOnly, t.SignedUpOn)
	if err == nil && t.zone != nil && !rules.StartOfDay(day, t.zone).Equal(t.Joined) {
		return "the start of the sign-up day in the zone that referral_factory.timezone was when a sweep first showed the referral"
	}
	return "the start of the sign-up day in referral_factory.timezone"
}

// countsFrom is the instant from which changes count, and why it is that one.
func (t *teller) countsFrom() (time.Time, string) {
	effective := t.rule.Effective
	switch {
	case effective.IsZero():
		return effective, "not known until a pass has read Salesforce to the end for the campaign as it is configured now"
	case t.Joined.After(effective):
		return t.Joined, "the referral joined then: " + t.joinedWhy()
	case effective.Equal(t.campaign.EffectiveFrom):
		return effective, "the campaign's effective_from"
	case effective.Equal(t.campaign.RuleSince):
		return effective, "the pass that first knew the campaign's present rule"
	}
	return effective, "the first pass that read Salesforce to the end for the campaign"
}

// waits are the things that passes still have to do.
func (t *teller) waits() []string {
	waits := []string{}
	add := func(when bool, format string, args ...any) {
		if when {
			waits = append(waits, fmt.Sprintf(format, args...))
		}
	}
	pending := t.Standing == rules.Pending
	add(!t.configured, "campaign %d is not in the config: its referrals are neither swept nor judged", t.CampaignID)
	add(t.configured && t.campaign.Fingerprint != "" && t.campaign.Fingerprint != t.rule.Fingerprint(),
		"the campaign's rule was changed; the next pass takes it up, and changes count from then on")
	add(t.configured && t.campaign.Parked != "", "the campaign is parked (%s): %s", t.campaign.Parked, t.campaign.ParkedWhy)
	add(t.configured && pending && t.campaign.FirstSweep == 0, "the campaign has not been swept to the end yet; nobody joins before")
	add(pending && t.joining, "it waits to be looked up in Salesforce")
	add(pending && t.begun, "%s was begun at %s, and its outcome is not known yet", intended(t.intent), clock(t.intent.At))
	add(pending && t.toRead, "a record waits to be read for it")
	add(pending && t.toJudge, "it waits to be judged anew")
	return waits
}

func intended(i store.Intent) string {
	if i.RecordID == "" {
		return "the creation of a " + string(i.Object)
	}
	return "the marking of " + string(i.Object) + " " + i.RecordID
}

// kindsInWords are put behind "linked by".
var kindsInWords = map[rules.Kind]string{
	rules.Pinned:     "a person (pinned)",
	rules.Created:    "its creation by qualifyd",
	rules.Marked:     "qualifyd's mark",
	rules.ByCode:     "the code it carries",
	rules.ByEmail:    "its e-mail",
	rules.Conversion: "a Lead's conversion into it",
	rules.Merge:      "a merge into it",
}

func (t *teller) link(l rules.Linked) Link {
	var how []string
	for _, kind := range l.Kinds {
		how = append(how, kindsInWords[kind])
	}
	out := Link{
		Object: l.Link.Object, ID: l.RecordID, Kinds: l.Kinds, How: strings.Join(how, " and "), Since: l.Since,
		Created: l.Created, LastSeen: l.SeenAt, State: stateOf(l), Values: []Value{},
	}
	if object, _ := t.rule.WatchedField(); object == l.Link.Object {
		if v, seen := l.Values[t.rule.Target.Field]; seen {
			out.Values = append(out.Values, Value{t.rule.Target.Field, v.Text, v.At})
		}
	}
	if v, seen := l.Values[rules.IsConverted]; seen && t.rule.NeedsConversion() {
		out.Values = append(out.Values, Value{rules.IsConverted, v.Text, v.At})
	}
	if l.ConvertedOn != "" {
		out.Became = t.conversionInWords(l)
	}
	return out
}

func stateOf(l rules.Linked) string {
	switch {
	case l.Ambiguous:
		return "another referral of the campaign claims it too"
	case l.Deleted:
		return "deleted in Salesforce"
	case l.Absent:
		return "not there: deleted for good, or not shared with the Salesforce user"
	case l.SeenAt.IsZero():
		return "not read yet"
	}
	return ""
}

func (t *teller) conversionInWords(lead rules.Linked) string {
	var into []string
	if lead.ContactID != "" {
		into = append(into, "Contact "+lead.ContactID)
	}
	switch {
	case lead.OpportunityID != "":
		into = append(into, "Opportunity "+lead.OpportunityID)
	case t.rule.Parked == rules.FieldUnreadable: // that of the Opportunity, maybe
	default:
		into = append(into, "no Opportunity")
	}
	if len(into) == 0 {
		return "converted on " + lead.ConvertedOn
	}
	return "converted on " + lead.ConvertedOn + " into " + strings.Join(into, " and ")
}

// expected is what the rule asks for.
func (t *teller) expected() string {
	object, _ := t.rule.WatchedField()
	value := fmt.Sprintf("%s.%s = %q", object, t.rule.Target.Field, cmp.Or(t.rule.Target.Value, t.rule.Value)) // the config's where it is not resolved
	switch t.rule.Method {
	case rules.LeadConverts:
		return "a Lead that is converted with an Opportunity"
	case rules.LeadConvertsToStage:
		return "a Lead that is converted with an Opportunity, and " + value
	case rules.LeadFieldChanges, rules.ContactFieldChanges:
		return value
	}
	return "nothing: the method is " + string(t.rule.Method)
}

// actual is how each record stands to what the rule asks for.
func (t *teller) actual() []string {
	actual := []string{}
	if t.rule.Method == rules.None {
		return actual
	}
	watched, _ := t.rule.WatchedField()
	for _, l := range t.records {
		object := l.Link.Object
		v, seen := l.Values[t.rule.Target.Field]
		switch {
		case object == rules.Lead && t.rule.NeedsConversion() && l.Values[rules.IsConverted].Text == "true":
			actual = append(actual, fmt.Sprintf("Lead %s was %s", l.RecordID, t.conversionInWords(l)))
		case object == rules.Lead && t.rule.NeedsConversion() && l.Created.IsZero():
			actual = append(actual, fmt.Sprintf("Lead %s was never seen", l.RecordID))
		case object == rules.Lead && t.rule.NeedsConversion() && l.Values[rules.IsConverted].Text == "":
			actual = append(actual, fmt.Sprintf("Lead %s: IsConverted was never seen", l.RecordID))
		case object == rules.Lead && t.rule.NeedsConversion():
			actual = append(actual, fmt.Sprintf("Lead %s is not converted", l.RecordID))
		case object == watched && seen:
			actual = append(actual, fmt.Sprintf("%s %s: %s = %q", object, l.RecordID, t.rule.Target.Field, v.Text))
		case object == watched:
			actual = append(actual, fmt.Sprintf("%s %s: %s was never seen", object, l.RecordID, t.rule.Target.Field))
		}
	}
	if len(actual) == 0 {
		actual = append(actual, "no linked "+string(t.rule.Object))
	}
	return actual
}
