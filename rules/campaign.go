package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Object is a Salesforce object that can be a referral's.
type Object string

// The three objects a referral's record can be of.
const (
	Lead        Object = "Lead"
	Contact     Object = "Contact"
	Opportunity Object = "Opportunity"
)

// Method is the one way in which a campaign's referrals qualify.
type Method string

// The methods, as the config spells them. They mirror the qualification rules of Referral Factory's Salesforce integration.
const (
	None                Method = "none"
	LeadFieldChanges    Method = "lead_field_changes"
	ContactFieldChanges Method = "contact_field_changes"
	LeadConverts        Method = "lead_converts"
	LeadConvertsToStage Method = "lead_converts_to_stage"
)

// JoinMode is what happens in Salesforce when a referral joins ("When lead joins campaign").
type JoinMode string

// The three join modes.
const (
	DoNothingOnJoin JoinMode = "nothing"
	CreateLead      JoinMode = "create_lead"
	CreateContact   JoinMode = "create_contact"
)

// Duplicates is the policy for a person whose Lead or Contact existed before the referral.
type Duplicates string

// The three policies.
const (
	DoNothing Duplicates = "do_nothing"
	Update    Duplicates = "update"
	CreateNew Duplicates = "create_new"
)

// Mapping fills one field of a record that is created or marked for a referral.
type Mapping struct {
	To        string // API name of the Salesforce field
	Dynamic   string // a value of the referral, such as "first_name" or "meta.Last Name"; "" with Fixed
	Fixed     any    // string, bool or number, the same for everybody
	Otherwise any    // what stands in for an empty dynamic value; nil leaves the field out
}

// Brake holds qualifications back when too many come at once.
type Brake struct {
	Count  int           // at most so many verdicts in Window; 0 means no brake
	Window time.Duration // rolling, by service time
}

// Campaign is one Referral Factory campaign with its rule, as configured.
type Campaign struct {
	ID         int64
	Name       string
	Mode       JoinMode
	Object     Object // the object that is watched and created: Lead or Contact
	CodeField  string // API name of the field that holds the referral code; "" links by e-mail only
	Duplicates Duplicates
	Fields     []Mapping
	Brake      Brake

	// EffectiveFrom is zero when the config does not say; then a campaign counts from its first whole pass.
	EffectiveFrom time.Time
	// EffectiveDay is the day whose start EffectiveFrom is, "" where it is no day's: the same day begins at another instant in another zone.
	EffectiveDay string

	Method Method
	Field  string // for the field methods
	Value  string // the field's value, or for LeadConvertsToStage the stage
}

// Fingerprint changes exactly when the campaign's rule does: method, object, field, value, stage or code field.
func (c Campaign) Fingerprint() string {
	parts := []string{string(c.Method), string(c.Object), c.Field, c.Value, c.CodeField}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// Creates tells whether the campaign writes a record of its own for a new referral.
func (c Campaign) Creates() bool { return c.Mode == CreateLead || c.Mode == CreateContact }

// WatchedField is the object and field whose values the rule compares; the field is "" where the rule compares none.
func (c Campaign) WatchedField() (Object, string) {
	switch c.Method {
	case LeadFieldChanges:
		return Lead, c.Field
	case ContactFieldChanges:
		return Contact, c.Field
	case LeadConvertsToStage:
		return Opportunity, StageName
	}
	return "", ""
}

// NeedsConversion tells whether the rule follows a Lead through its conversion.
func (c Campaign) NeedsConversion() bool {
	return c.Method == LeadConverts || c.Method == LeadConvertsToStage
}

// Target is the rule's value as describe knows it: what a field must become.
type Target struct {
	Field      string // canonical API name
	Type       Type
	Calculated bool   // a formula: its value moves no stamp
	Value      string // the API value
	Label      string // its label, which history rows may hold instead; "" when there is none
}

// Rule is a campaign's rule as one pass knows it.
type Rule struct {
	Campaign
	Target Target
	// Parked is why the campaign cannot be judged now (value_unknown), or which field cannot be read (field_unreadable); "" when neither.
	Parked    Reason
	ParkedWhy string
	// Blind is set while a field that referrals are recognised by cannot be read: nobody joins then, for an existing customer might go unseen.
	Blind     bool
	Effective time.Time // zero while no pass has read Salesforce for this campaign to the end
}
