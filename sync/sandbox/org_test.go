package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stamps reads the three stamps of a record, by age in seconds since the
// first.
func stamps(o *Org, object, id string) string {
	r := o.Get(object, id)
	created := r["CreatedDate"].(time.Time)
	age := func(name string) int { return int(r[name].(time.Time).Sub(created).Seconds()) }
	return fmt.Sprintf("modified %d, stamped %d", age("LastModifiedDate"), age("SystemModstamp"))
}

func TestStamps(t *testing.T) {
	for _, test := range []struct {
		what string
		do   func(o *Org, id string)
		want string
	}{
		{"an edit moves both", func(o *Org, id string) { o.Update("Lead", id, Fields{"Title": "CEO"}) }, "modified 60, stamped 60"},
		{"so does an edit of nothing", func(o *Org, id string) { o.Update("Lead", id, nil) }, "modified 60, stamped 60"},
		{"an internal process moves one", func(o *Org, id string) { o.Touch("Lead", id) }, "modified 0, stamped 60"},
		{"a replaced picklist value moves one", func(o *Org, id string) { o.ReplaceValue("Lead", "Status", "Open - Not Contacted", "New") }, "modified 0, stamped 60"},
		{"a conversion moves one", func(o *Org, id string) { o.Convert(id, Conversion{}) }, "modified 0, stamped 60"},
		{"a deletion moves both", func(o *Org, id string) { o.Delete("Lead", id) }, "modified 60, stamped 60"},
		{"hiding and showing move none", func(o *Org, id string) {
			o.HideRecord("Lead", id)
			o.ShowRecord("Lead", id)
			o.HideField("Lead", "Status")
		}, "modified 0, stamped 0"},
	} {
		t.Run(test.what, func(t *testing.T) {
			c := newClient(t)
			id := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
			c.clock.pass(time.Minute)
			test.do(c.org, id)
			want(t, "stamps", stamps(c.org, "Lead", id), test.want)
		})
	}
}

func TestStampsHaveWholeSeconds(t *testing.T) {
	c := newClient(t)
	c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	want(t, "CreatedDate", names(c.query("SELECT CreatedDate FROM Lead"), "CreatedDate"), "2026-11-02T09:30:15.000+0000")
}

func TestALoaderMaySetAuditFields(t *testing.T) {
	c := newClient(t)
	id := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "CreatedDate": "2020-01-01T00:00:00Z"})
	want(t, "CreatedDate", c.org.Get("Lead", id)["CreatedDate"].(time.Time).Year(), 2020)
	want(t, "SystemModstamp", c.org.Get("Lead", id)["SystemModstamp"].(time.Time).Year(), 2026)
}

func TestConversion(t *testing.T) {
	c := newClient(t)
	c.org.Track("Lead", "Status", true)
	lead := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
	c.clock.pass(time.Minute)
	made := c.org.Convert(lead, Conversion{Stage: "Value Proposition", ContactFields: Fields{"Title": "CEO"}})
	got := c.query("SELECT Status, IsConverted, ConvertedDate, ConvertedContactId, ConvertedOpportunityId FROM Lead")[0]
	delete(got, "attributes")
	if d := cmp.Diff(map[string]any{"Status": "Closed - Converted", "IsConverted": true, "ConvertedDate": "2026-11-02",
		"ConvertedContactId": made.ContactID, "ConvertedOpportunityId": made.OpportunityID}, got); d != "" {
		t.Errorf("the Lead (-want +got):\n%s", d)
	}
	contact, opportunity := c.org.Get("Contact", made.ContactID), c.org.Get("Opportunity", made.OpportunityID)
	want(t, "Contact.Email", contact["Email"], any("ann@example.com"))
	want(t, "Contact.Title", contact["Title"], any("CEO"))
	want(t, "StageName", opportunity["StageName"], any("Value Proposition"))
	want(t, "Probability", opportunity["Probability"], any(50.0))
	want(t, "one stamp", opportunity["CreatedDate"], c.org.Get("Lead", lead)["SystemModstamp"])
	want(t, "history", names(c.query("SELECT Field FROM LeadHistory"), "Field"), "created,Status,leadConverted")
}

func TestConversionIntoWhatExists(t *testing.T) {
	c := newClient(t)
	contact := c.org.Create("Contact", Fields{"LastName": "Old", "Email": "old@example.com"})
	opportunity := c.org.Create("Opportunity", Fields{"Name": "Deal", "StageName": "Closed Won", "CloseDate": "2026-12-31"})
	lead := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com", "Phone": "123"})
	c.clock.pass(time.Minute)
	made := c.org.Convert(lead, Conversion{ContactID: contact, OpportunityID: opportunity})
	want(t, "ContactID", made.ContactID, contact)
	want(t, "OpportunityID", made.OpportunityID, opportunity)
	got := c.org.Get("Contact", contact)
	want(t, "a filled field", got["Email"], any("old@example.com"))
	want(t, "an empty field", got["Phone"], any("123"))
	want(t, "the Opportunity", stamps(c.org, "Opportunity", opportunity), "modified 0, stamped 0")
	without := c.org.Convert(c.org.Create("Lead", Fields{"LastName": "Bob", "Company": "B"}), Conversion{NoOpportunity: true})
	want(t, "no Opportunity", without.OpportunityID, "")
}

func TestDeletedRowsShowInQueryAllOnly(t *testing.T) {
	c := newClient(t)
	id := c.org.Create("Contact", Fields{"LastName": "Ann"})
	c.org.Delete("Contact", id)
	want(t, "query", len(c.query("SELECT Id FROM Contact")), 0)
	want(t, "queryAll", c.queryAll("SELECT IsDeleted FROM Contact")[0]["IsDeleted"], any(true))
	c.org.Undelete("Contact", id)
	want(t, "undeleted", len(c.query("SELECT Id FROM Contact WHERE IsDeleted = false")), 1)
	c.org.HardDelete("Contact", id)
	want(t, "hard-deleted", len(c.queryAll("SELECT Id FROM Contact")), 0)
}

func TestAMergeLeavesTheLoserInTheBin(t *testing.T) {
	c := newClient(t)
	winner := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	loser := c.org.Create("Lead", Fields{"LastName": "Anne", "Company": "Acme"})
	c.clock.pass(time.Minute)
	c.org.Merge("Lead", winner, loser)
	want(t, "MasterRecordId", c.queryAll("SELECT MasterRecordId FROM Lead WHERE IsDeleted = true")[0]["MasterRecordId"], any(winner))
	want(t, "the winner", stamps(c.org, "Lead", winner), "modified 60, stamped 60")
}

func TestReplacingAValue(t *testing.T) {
	c := newClient(t)
	c.org.Track("Lead", "Status", true)
	open := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	converted := c.org.Create("Lead", Fields{"LastName": "Bob", "Company": "Acme"})
	c.org.Convert(converted, Conversion{})
	c.clock.pass(time.Minute)
	c.org.ReplaceValue("Lead", "Status", "Closed - Converted", "Won")
	c.org.ReplaceValue("Lead", "Status", "Open - Not Contacted", "New")
	want(t, "value", c.org.Get("Lead", open)["Status"], any("New"))
	want(t, "of a converted Lead", stamps(c.org, "Lead", converted), "modified 60, stamped 60")
	want(t, "history", len(c.query("SELECT Id FROM LeadHistory WHERE Field = 'Status' AND LeadId = '"+open+"'")), 0)
	_, body := c.do("GET", "/sobjects/Lead/describe", nil)
	want(t, "described", valuesOf(body, "Status"), "New,Working - Contacted,Won,Closed - Not Converted")
	want(t, "a stage that is renamed", renamedStage(c), "Signed true")
	c.org.ReplaceValue("Lead", "Status", "Won", "New")
	want(t, "a value that was there", len(c.query("SELECT Id FROM LeadStatus")), 3)
	c.org.AddPicklistValue("Lead", "Status", PicklistValue{Value: "Won"})
	want(t, "statuses", names(c.query("SELECT ApiName FROM LeadStatus"), "ApiName"), "New,Working - Contacted,Closed - Not Converted,Won")
}

func renamedStage(c *client) string {
	c.org.ReplaceValue("Opportunity", "StageName", "Closed Won", "Signed")
	id := c.org.Create("Opportunity", Fields{"Name": "Deal", "StageName": "Signed", "CloseDate": "2026-12-31"})
	o := c.org.Get("Opportunity", id)
	return fmt.Sprint(o["StageName"], " ", o["IsWon"])
}

func valuesOf(describe any, field string) string {
	var list []string
	for _, f := range describe.(map[string]any)["fields"].([]any) {
		if f := f.(map[string]any); f["name"] == field {
			for _, v := range f["picklistValues"].([]any) {
				list = append(list, v.(map[string]any)["value"].(string))
			}
		}
	}
	return strings.Join(list, ",")
}

func TestAHiddenFieldIsGone(t *testing.T) {
	c := newClient(t)
	c.org.Track("Lead", "Rating", true)
	id := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	c.org.Update("Lead", id, Fields{"Rating": "Hot"})
	c.org.HideField("Lead", "Rating")
	code, _ := c.refused("SELECT Rating FROM Lead")
	want(t, "query", code, "INVALID_FIELD")
	_, body := c.do("GET", "/sobjects/Lead/describe", nil)
	if strings.Contains(fmt.Sprint(body), "Rating") {
		t.Error("describe shows the hidden field")
	}
	status, body := c.do("PATCH", "/sobjects/Lead/"+id, Fields{"Rating": "Cold"})
	code, _ = errorOf(body)
	want(t, "write", fmt.Sprintln(status, code), "400 INVALID_FIELD\n")
	want(t, "its history", len(c.query("SELECT Id FROM LeadHistory WHERE Field = 'Rating'")), 0)
	c.org.ShowField("Lead", "Rating")
	want(t, "shown again", names(c.query("SELECT Rating FROM Lead"), "Rating"), "Hot")
}

func TestAHiddenRecordIsAbsent(t *testing.T) {
	c := newClient(t)
	c.org.Track("Contact", "Title", true)
	id := c.org.Create("Contact", Fields{"LastName": "Ann"})
	c.org.HideRecord("Contact", id)
	want(t, "query", len(c.queryAll("SELECT Id FROM Contact")), 0)
	want(t, "history", len(c.queryAll("SELECT Id FROM ContactHistory")), 0)
	status, _ := c.do("GET", "/sobjects/Contact/"+id, nil)
	want(t, "by Id", status, 404)
	c.org.ShowRecord("Contact", id)
	want(t, "shown again", len(c.query("SELECT Id FROM Contact")), 1)
}

func TestHistoryOfTrackedFieldsOnly(t *testing.T) {
	c := newClient(t)
	c.org.AddField("Contact", FieldDef{Name: "Tags__c", Type: "multipicklist", Values: Picklist("a", "b")})
	for _, f := range []string{"LeadSource", "OwnerId", "Tags__c"} {
		c.org.Track("Contact", f, true)
	}
	id := c.org.Create("Contact", Fields{"LastName": "Ann"})
	c.clock.pass(time.Minute)
	c.org.Update("Contact", id, Fields{"LeadSource": "Web", "Title": "CEO", "Tags__c": "a;b", "OwnerId": "005Hu0000000001"})
	c.org.Update("Contact", id, Fields{"LeadSource": "Web"})
	got := ""
	for _, r := range c.query("SELECT Field, OldValue, NewValue, CreatedDate, ContactId FROM ContactHistory") {
		want(t, "ContactId", r["ContactId"], any(id))
		got += fmt.Sprintln(r["Field"], r["OldValue"], r["NewValue"])
	}
	// A lookup has a row with names (nobody's name here) and one with Ids, a multi-select one without values.
	expected := "created <nil> <nil>\nLeadSource <nil> Web\nOwner Integration User <nil>\nOwner " + c.org.UserID() + " 005Hu0000000001IAA\nTags__c <nil> <nil>\n"
	want(t, "history", got, expected)
}

func TestOpportunityHistoryIsAlwaysKept(t *testing.T) {
	c := newClient(t)
	id := c.org.Create("Opportunity", Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31"})
	c.clock.pass(time.Minute)
	c.org.Update("Opportunity", id, Fields{"Amount": 100})
	c.clock.pass(time.Minute)
	c.org.Update("Opportunity", id, Fields{"StageName": "Closed Won"})
	c.org.Update("Opportunity", id, Fields{"NextStep": "none"}) // no row
	got := ""
	for _, r := range c.query("SELECT StageName, Amount, Probability, CreatedDate, SystemModstamp FROM OpportunityHistory ORDER BY CreatedDate") {
		got += fmt.Sprintln(r["StageName"], r["Amount"], r["Probability"], r["CreatedDate"].(string)[11:19], r["SystemModstamp"].(string)[11:19])
	}
	// SystemModstamp is when a row was superseded.
	want(t, "rows", got, "Prospecting <nil> 10 09:30:15 09:31:15\nProspecting 100 10 09:31:15 09:32:15\nClosed Won 100 100 09:32:15 09:32:15\n")
	o := c.org.Get("Opportunity", id)
	want(t, "won", fmt.Sprintln(o["IsWon"], o["IsClosed"], o["ExpectedRevenue"], o["ForecastCategory"]), "true true 100 Closed\n")
}

func TestAnOrgWithoutInitialStageRows(t *testing.T) {
	c := newClient(t)
	c.org.InitialStageRow(false)
	c.org.Create("Opportunity", Fields{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31"})
	want(t, "rows", len(c.query("SELECT Id FROM OpportunityHistory")), 0)
}

func TestALateCommit(t *testing.T) {
	c := newClient(t)
	old := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	tx := c.org.Begin()
	id := tx.Create("Lead", Fields{"LastName": "Bob", "Company": "Acme"})
	tx.Update("Lead", id, Fields{"Title": "CEO"})
	made := tx.Convert(old, Conversion{})
	c.clock.pass(10 * time.Minute)
	want(t, "before", names(c.query("SELECT LastName FROM Lead WHERE IsConverted = false"), "LastName"), "Ann")
	tx.Commit()
	got := c.query("SELECT Id, Title, SystemModstamp FROM Lead WHERE LastName = 'Bob'")[0]
	want(t, "Id", got["Id"], any(id))
	want(t, "stamp of the past", got["SystemModstamp"], any("2026-11-02T09:30:15.000+0000"))
	want(t, "converted", c.org.Get("Lead", old)["ConvertedOpportunityId"], any(made.OpportunityID))
}

func TestARecordThatALongTransactionHasWrittenIsLocked(t *testing.T) {
	c := newClient(t)
	id := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	tx := c.org.Begin()
	tx.Update("Lead", id, Fields{"Title": "CEO"})
	for _, method := range []string{"PATCH", "DELETE"} {
		status, body := c.do(method, "/sobjects/Lead/"+id, Fields{"City": "Bonn"})
		want(t, method+" before the commit", fmt.Sprintf("%d %v", status, body.([]any)[0].(map[string]any)["errorCode"]), "400 UNABLE_TO_LOCK_ROW")
	}
	tx.Commit()
	status, _ := c.do("PATCH", "/sobjects/Lead/"+id, Fields{"City": "Bonn"})
	want(t, "after the commit", status, 204)
}

func TestAFormulaMovesNoStamp(t *testing.T) {
	c := newClient(t)
	score := "low"
	c.org.AddField("Lead", FieldDef{Name: "Score__c", Formula: func(row Fields) any { return score + " " + row["LastName"].(string) }})
	c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	want(t, "before", names(c.query("SELECT Score__c FROM Lead"), "Score__c"), "low Ann")
	score = "high"
	want(t, "filtered", len(c.query("SELECT Id FROM Lead WHERE Score__c = 'high ann'")), 1)
	_, body := c.do("GET", "/sobjects/Lead/describe", nil)
	for _, f := range body.(map[string]any)["fields"].([]any) {
		if f := f.(map[string]any); f["name"] == "Score__c" {
			want(t, "calculated", f["calculated"], any(true))
			want(t, "updateable", f["updateable"], any(false))
		}
	}
}

func TestAnOrgWithoutAnObject(t *testing.T) {
	c := newClient(t)
	c.org.Track("Lead", "Status", true)
	c.org.DropObject("LeadHistory")
	c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	code, _ := c.refused("SELECT Id FROM LeadHistory")
	want(t, "query", code, "INVALID_TYPE")
	status, _ := c.do("GET", "/sobjects/LeadHistory/describe", nil)
	want(t, "describe", status, 404)
}

func TestIdsAreTheSameInEveryOrg(t *testing.T) {
	a, b := NewOrg(nil), NewOrg(nil)
	want(t, "org", a.ID(), b.ID())
	want(t, "Lead", a.Create("Lead", Fields{"LastName": "x"}), b.Create("Lead", Fields{"LastName": "y"}))
}

func TestLongIDs(t *testing.T) {
	for in, out := range map[string]string{
		"001D000000IqhSL": "001D000000IqhSLIAZ", "001D000000IqhSLIAZ": "001D000000IqhSLIAZ",
		"001D000000IqhSLIAA": "", "short": "", "001D000000Iqh-L": "",
	} {
		want(t, in, longID(in), out)
	}
}
