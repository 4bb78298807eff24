package doctor_test

import (
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// asks makes the campaign ask for another field or value.
func asks(field, value string) func(w *ward) {
	return func(w *ward) {
		w.configure(func(c *rules.Campaign) { c.Field, c.Value = field, value })
	}
}

// leads are all Leads of the org.
func (w *ward) eachLead(do func(id string)) {
	for _, id := range w.org.IDs("Lead") {
		do(id)
	}
}

func TestTheFieldAndValueHaveToExist(t *testing.T) {
	tell(t, []story{
		{
			name: "the field is misspelled", change: asks("Stauts", "Qualified"),
			want: found{"campaign.101.value": red}, says: map[string]string{"campaign.101.value": "did you mean State, Status?"},
		},
		{
			name: "the field is hidden", change: func(w *ward) { w.org.HideField("Lead", "Status") },
			want: found{"campaign.101.value": red}, says: map[string]string{"campaign.101.value": "Lead, Fields & Relationships, Status, Set Field-Level Security"},
		},
		{
			name: "the value is misspelled", change: asks("Status", "Qualifed"),
			want: found{"campaign.101.value": red}, says: map[string]string{"campaign.101.value": "did you mean Qualified?"},
		},
		{
			name: "the value in another case", change: asks("status", "qualified"),
			says: map[string]string{"campaign.101.value": `"qualified" is spelled "Qualified" in Salesforce`},
		},
		{
			name: "its label is typed",
			change: func(w *ward) {
				w.org.RelabelValue("Lead", "Status", "Qualified", "Sales Ready")
				asks("Status", "Sales Ready")(w)
			},
			says: map[string]string{"campaign.101.value": `"Sales Ready" is the label of the API value "Qualified"`},
		},
		{
			name: "the value is inactive, and nobody reached it",
			change: func(w *ward) {
				w.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: "Hot", Inactive: true})
				asks("Status", "Hot")(w)
			},
			want: found{"campaign.101.value": yellow, "campaign.101.reached": yellow},
			says: map[string]string{"campaign.101.value": "inactive", "campaign.101.reached": "qualifyd values Lead.Status"},
		},
		{
			name: "the stage does not exist", campaigns: []rules.Campaign{won},
			change: asks("", "Closed won!"),
			want:   found{"campaign.102.value": red}, says: map[string]string{"campaign.102.value": "did you mean Closed Won?"},
		},
		{
			name: "any text can be the value", change: func(w *ward) {
				w.eachLead(func(id string) { w.org.Update("Lead", id, sandbox.Fields{"Title": "Boss"}) })
				w.org.Track("Lead", "Title", true)
				asks("Title", "boss")(w)
			},
			says: map[string]string{"campaign.101.value": "without a list of values", "campaign.101.reached": "3 Leads are at"},
		},
	})
}

func TestAValueThatNobodyEverReachedIsSuspicious(t *testing.T) {
	tell(t, []story{
		{
			name: "never", change: asks("Status", "Closed - Not Converted"),
			want: found{"campaign.101.reached": yellow}, says: map[string]string{"campaign.101.reached": `no Lead is at "Closed - Not Converted" now, nor does the last year's history show one that was`},
		},
		{
			name: "never, and nothing is kept that could tell",
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Level__c", Type: "string", Length: 40})
				asks("Level__c", "gold")(w)
			},
			want: found{"campaign.101.reached": yellow, "campaign.101.history": yellow},
			says: map[string]string{"campaign.101.reached": `no Lead is at "gold" now, and no history tells whether one ever was`},
		},
		{
			name: "reached and left",
			change: func(w *ward) {
				w.eachLead(func(id string) {
					if w.org.Get("Lead", id)["Status"] == "Qualified" {
						w.org.Update("Lead", id, sandbox.Fields{"Status": "Working - Contacted"})
					}
				})
			},
			says: map[string]string{"campaign.101.reached": `0 Leads are at "Qualified" now; 1 row of the last year's history with it`},
		},
		{
			name: "a stage that no deal reached", campaigns: []rules.Campaign{won}, change: asks("", "Closed Lost"),
			want: found{"campaign.102.reached": yellow},
		},
		{
			name: "a checkbox",
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Good__c", Type: "boolean"})
				w.org.Track("Lead", "Good__c", true)
				w.eachLead(func(id string) { w.org.Update("Lead", id, sandbox.Fields{"Good__c": true}) })
				asks("Good__c", "true")(w)
			},
			says: map[string]string{"campaign.101.reached": `3 Leads are at "true" now; 3 rows`},
		},
		{
			name: "a number",
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Score__c", Type: "int", Precision: 4})
				w.org.Track("Lead", "Score__c", true)
				w.eachLead(func(id string) { w.org.Update("Lead", id, sandbox.Fields{"Score__c": 5}) })
				asks("Score__c", "5.0")(w)
			},
			says: map[string]string{"campaign.101.reached": "3 Leads are at"},
		},
		{
			name: "an owner, whom history calls by another name than the record does",
			change: func(w *ward) {
				const jane = "005Hu0000000001IAA"
				w.org.Track("Lead", "OwnerId", true)
				w.eachLead(func(id string) { w.org.Update("Lead", id, sandbox.Fields{"OwnerId": jane}) })
				asks("OwnerId", jane)(w)
			},
			says: map[string]string{"campaign.101.reached": `3 Leads are at "005Hu0000000001IAA" now; 3 rows`},
		},
	})
}

func TestWhatHappensBetweenTwoPollsNeedsHistory(t *testing.T) {
	tell(t, []story{
		{
			name: "it is off", change: func(w *ward) { w.org.Track("Lead", "Status", false) },
			want: found{"campaign.101.history": yellow},
			says: map[string]string{"campaign.101.history": "values held for less than the poll interval (@every 1m) can be missed|switch on field history for Lead.Status"},
		},
		{
			name: "whether it is on is not told, and a row proves it", change: func(w *ward) { w.org.DropObject("FieldDefinition") },
			says: map[string]string{"campaign.101.history": "field history is on"},
		},
		{
			name: "whether it is on is not told, and there is no row",
			change: func(w *ward) {
				w.org.DropObject("FieldDefinition")
				asks("LeadSource", "Web")(w)
			},
			want: found{"campaign.101.history": yellow, "campaign.101.reached": yellow}, says: map[string]string{"campaign.101.history": "cannot be told"},
		},
		{
			name: "there is no LeadHistory", change: func(w *ward) { w.org.DropObject("LeadHistory") },
			want: found{"campaign.101.history": yellow}, says: map[string]string{"campaign.101.history": "shows no LeadHistory"},
		},
		{
			name: "a formula",
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Grade__c", Type: "string", Formula: func(sandbox.Fields) any { return "A" }})
				asks("Grade__c", "A")(w)
			},
			want: found{"campaign.101.history": yellow, "campaign.101.reached": yellow},
			says: map[string]string{"campaign.101.history": "is a formula", "campaign.101.reached": "cannot be counted", "salesforce.calls": "an idle pass costs 1 call"},
		},
		{
			name: "a formula, beside five other queries", campaigns: []rules.Campaign{refer, won},
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Grade__c", Type: "string", Formula: func(sandbox.Fields) any { return "A" }})
				asks("Grade__c", "A")(w)
			},
			want: found{"campaign.101.history": yellow, "campaign.101.reached": yellow},
			says: map[string]string{"salesforce.calls": "an idle pass costs 2 calls"},
		},
		{
			name: "a conversion, watched like a field", change: asks("IsConverted", "true"),
			says: map[string]string{"campaign.101.history": "a conversion is for good", "campaign.101.value": `"true" can be a value of IsConverted, a field of the type boolean`},
		},
		{
			name: "a field of several choices",
			change: func(w *ward) {
				w.org.AddField("Lead", sandbox.FieldDef{Name: "Likes__c", Type: "multipicklist", Values: sandbox.Picklist("Cake", "Tea")})
				asks("Likes__c", "Cake")(w)
			},
			want: found{"campaign.101.history": yellow, "campaign.101.reached": yellow}, says: map[string]string{"campaign.101.history": "keeps no values"},
		},
	})
}

func TestConversionsAndStagesAreLookedAt(t *testing.T) {
	only := []rules.Campaign{won}
	forget := func(w *ward) {
		w.eachLead(func(id string) {
			if w.org.Get("Lead", id)["IsConverted"] == true {
				w.org.Delete("Lead", id)
			}
		})
	}
	tell(t, []story{
		{
			name: "nobody converts Leads", campaigns: only, change: forget,
			want: found{"campaign.102.conversions": yellow}, says: map[string]string{"campaign.102.conversions": "no Lead was converted"},
		},
		{
			name: "conversions make no Opportunity", campaigns: only,
			change: func(w *ward) {
				forget(w)
				w.org.Convert(w.org.Create("Lead", sandbox.Fields{"LastName": "Later", "Company": "Acme"}), sandbox.Conversion{NoOpportunity: true})
			},
			want: found{"campaign.102.conversions": yellow}, says: map[string]string{"campaign.102.conversions": "none of the newest 1 conversion"},
		},
		{
			name: "an Opportunity's history does not begin with its creation", campaigns: only,
			change: func(w *ward) {
				w.org.InitialStageRow(false)
				time.Sleep(time.Minute)
				w.org.Create("Opportunity", sandbox.Fields{"Name": "New", "StageName": "Prospecting", "CloseDate": "2026-12-01"})
			},
			want: found{"opportunity.history": yellow},
		},
		{
			name: "an Opportunity's history begins later", campaigns: only,
			change: func(w *ward) {
				w.org.InitialStageRow(false)
				time.Sleep(time.Minute)
				id := w.org.Create("Opportunity", sandbox.Fields{"Name": "New", "StageName": "Prospecting", "CloseDate": "2026-12-01"})
				time.Sleep(100 * time.Second)
				w.org.Update("Opportunity", id, sandbox.Fields{"StageName": "Closed Won"})
			},
			want: found{"opportunity.history": yellow}, says: map[string]string{"opportunity.history": "does not begin with its creation"},
		},
		{
			name: "there is no OpportunityHistory", campaigns: only, change: func(w *ward) { w.org.DropObject("OpportunityHistory") },
			want: found{"opportunity.history": yellow},
		},
		{
			name: "Opportunities are hidden", campaigns: only,
			change: func(w *ward) { w.org.DropObject("OpportunityHistory"); w.org.DropObject("Opportunity") },
			want:   found{"object.Opportunity": red},
		},
	})
}
