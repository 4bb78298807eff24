package sandbox

import (
	"maps"
	"time"
)

// Conversion says how a Lead is converted. The zero value makes a new Contact
// and a new Opportunity, and an Account for them.
type Conversion struct {
	ContactID     string // an existing Contact; only its empty fields are filled
	OpportunityID string // an existing Opportunity; it is not touched
	NoOpportunity bool

	Stage             string // of the new Opportunity; "" is the first stage
	Status            string // of the Lead; "" is the first converted status
	ContactFields     Fields // more fields of the new Contact, as the conversion mapping would copy
	OpportunityFields Fields // and of the new Opportunity
}

// Converted are the records of a conversion. OpportunityID is "" without one.
type Converted struct{ AccountID, ContactID, OpportunityID string }

// Convert converts a Lead in one transaction with one stamp. The Lead's
// SystemModstamp moves and its LastModifiedDate does not; ConvertedDate has no
// time. Custom fields are copied only as far as c names them.
func (o *Org) Convert(leadID string, c Conversion) Converted {
	o.mu.Lock()
	defer o.mu.Unlock()
	made := o.reserve(c)
	o.convert(o.byPerson(), longID(leadID), c, made)
	return made
}

// reserve settles the Ids of a conversion before it runs.
func (o *Org) reserve(c Conversion) Converted {
	made := Converted{ContactID: longID(c.ContactID), OpportunityID: longID(c.OpportunityID)}
	if made.ContactID == "" {
		made.ContactID = o.nextID(o.object("Contact"))
	}
	if made.OpportunityID == "" && !c.NoOpportunity {
		made.OpportunityID = o.nextID(o.object("Opportunity"))
	}
	contact := o.object("Contact").rows[made.ContactID]
	if contact != nil && contact.values["AccountId"] != nil {
		made.AccountID = word(contact.values["AccountId"])
	} else {
		made.AccountID = o.nextID(o.object("Account"))
	}
	return made
}

func (o *Org) convert(w write, leadID string, c Conversion, made Converted) {
	leads := o.object("Lead")
	lead := o.mustRow(leads, leadID).values
	if lead["IsConverted"] == true || lead["IsDeleted"] == true {
		panic("sandbox: Lead " + leadID + " is converted or deleted already")
	}
	if o.object("Account").rows[made.AccountID] == nil {
		must(o.insert(w, o.object("Account"), made.AccountID, Fields{"Name": lead["Company"]}))
	}
	o.convertContact(w, lead, c, made)
	o.convertOpportunity(w, lead, c, made)
	after := maps.Clone(lead)
	maps.Copy(after, Fields{
		"Status": o.convertedStatus(c.Status), "IsConverted": true, "ConvertedDate": w.at.Format(dateLayout), "SystemModstamp": w.at,
		"ConvertedAccountId": made.AccountID, "ConvertedContactId": made.ContactID, "ConvertedOpportunityId": nil,
	})
	if made.OpportunityID != "" {
		after["ConvertedOpportunityId"] = made.OpportunityID
	}
	leads.set(leadID, after)
	if len(leads.tracked) > 0 {
		o.record(w, leads, lead, after)
		o.fieldRow(w, leads, lead, "leadConverted", nil, nil, nil)
	}
}

func (o *Org) convertContact(w write, lead Fields, c Conversion, made Converted) {
	contacts := o.object("Contact")
	from := Fields{"AccountId": made.AccountID}
	for _, name := range []string{"FirstName", "LastName", "Salutation", "Email", "Phone", "MobilePhone", "Title", "LeadSource"} {
		if lead[name] != nil {
			from[name] = lead[name]
		}
	}
	maps.Copy(from, c.ContactFields)
	there := contacts.rows[made.ContactID]
	if there == nil {
		must(o.insert(w, contacts, made.ContactID, from))
		return
	}
	maps.DeleteFunc(from, func(name string, _ any) bool { return there.values[contacts.mustField(name).Name] != nil })
	if len(from) > 0 {
		must(o.update(w, contacts, made.ContactID, from))
	}
}

func (o *Org) convertOpportunity(w write, lead Fields, c Conversion, made Converted) {
	opportunities := o.object("Opportunity")
	if made.OpportunityID == "" || opportunities.rows[made.OpportunityID] != nil {
		return
	}
	stage := c.Stage
	if stage == "" {
		stage = opportunities.byName["stagename"].Values[0].Value
	}
	fields := Fields{"Name": word(lead["Company"]) + "-", "AccountId": made.AccountID, "ContactId": made.ContactID, "StageName": stage,
		"CloseDate": endOfQuarter(w.at).Format(dateLayout), "LeadSource": lead["LeadSource"]}
	maps.Copy(fields, c.OpportunityFields)
	must(o.insert(w, opportunities, made.OpportunityID, fields))
}

func (o *Org) convertedStatus(status string) string {
	if status != "" {
		return status
	}
	statuses := o.object("LeadStatus")
	for _, id := range statuses.order {
		if statuses.rows[id].values["IsConverted"] == true {
			return word(statuses.rows[id].values["ApiName"])
		}
	}
	panic("sandbox: the org has no converted Lead status; name one in Conversion.Status")
}

func endOfQuarter(t time.Time) time.Time {
	next := (int(t.Month())-1)/3*3 + 4
	return time.Date(t.Year(), time.Month(next), 0, 0, 0, 0, 0, time.UTC)
}

// Merge merges records into winner: each loser is deleted, its history with
// it, and has MasterRecordId set; the winner is updated and keeps its values.
// Lookups of other records to a loser are left as they are.
func (o *Org) Merge(object, winner string, losers ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w, obj := o.byPerson(), o.object(object)
	if !obj.mergeable {
		panic("sandbox: records of " + object + " cannot be merged")
	}
	winner = longID(winner)
	for _, loser := range losers {
		loser = longID(loser)
		must(o.remove(w, obj, loser))
		obj.set(loser, Fields{"MasterRecordId": winner})
	}
	must(o.update(w, obj, winner, nil))
}
