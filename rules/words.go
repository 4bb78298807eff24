package rules

import (
	"fmt"
	"time"
)

// InWords tells a person when the campaign's referrals qualify.
func (c Campaign) InWords() string {
	switch c.Method {
	case LeadFieldChanges, ContactFieldChanges:
		object, field := c.WatchedField()
		return fmt.Sprintf("qualifies when %s of a linked %s becomes %q", field, object, c.Value)
	case LeadConverts:
		return "qualifies when a linked Lead is converted with an Opportunity"
	case LeadConvertsToStage:
		return fmt.Sprintf("qualifies when a linked Lead is converted with an Opportunity, and that Opportunity reaches the stage %q", c.Value)
	}
	return fmt.Sprintf("never qualifies by a change in Salesforce (method %s)", c.Method)
}

// DuplicatesInWords tells a person what the campaign's policy does where a Lead or Contact existed before the referral.
func (c Campaign) DuplicatesInWords() string {
	switch c.Duplicates {
	case Update:
		text := fmt.Sprintf("a %s of the person that existed before the referral is the referral's, and its changes count", c.Object)
		if c.Creates() {
			text += fmt.Sprintf("; where there is none, a %s is created", c.Object)
		}
		return text
	case CreateNew:
		if c.Creates() {
			return fmt.Sprintf("Leads and Contacts that existed before the referral are ignored; a %s of its own is created", c.Object)
		}
		return fmt.Sprintf("Leads and Contacts that existed before the referral are ignored; only a newer %s is the referral's", c.Object)
	}
	return "a person whose Lead or Contact existed before the referral is a known customer, and cannot qualify"
}

// BeforeInWords tells when a record that existed before the referral was created, and before what.
func (r Referral) BeforeInWords(created time.Time) string {
	if created.Before(r.Joined) {
		return fmt.Sprintf("created %s, joined %s", stamp(created), stamp(r.Joined))
	}
	return fmt.Sprintf("created %s, before the sweep of %s, which did not show the referral yet", stamp(created), stamp(r.Lacked))
}

// InWords tells what was seen of a record, without its time and whether it counts.
func (o Observation) InWords() string {
	record := fmt.Sprintf("%s %s", o.Object, o.RecordID)
	switch {
	case o.Field == IsConverted && o.Object == Opportunity:
		return record + " was created for the converted Lead"
	case o.conversion():
		return record + " was converted"
	case o.Proof == "":
		return fmt.Sprintf("%s: %s was %q when first seen", record, o.Field, o.To)
	case o.Proof == ByCreation:
		return fmt.Sprintf("%s was created, and its %s was %q when first seen", record, o.Field, o.To)
	}
	return fmt.Sprintf("%s: %s went from %q to %q", record, o.Field, o.From, o.To)
}
