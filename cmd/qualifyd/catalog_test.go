package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"qualifyd/cmd/desk"
	"qualifyd/sync/sandbox"
)

func TestTheListsToPickFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.org.Track("Lead", "Status", true)
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Score__c", Label: "Score\x1b[31m", Type: "double", Formula: func(sandbox.Fields) any { return 1 }})
	w.org.AddField("Lead", sandbox.FieldDef{Name: "Tags__c", Label: "Tags", Type: "multipicklist", Values: sandbox.Picklist("red")})
	w.rf.SetStatus(102, "paused")
	for range 3 {
		w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Status": "Qualified"})
	}
	w.org.Create("Opportunity", sandbox.Fields{"Name": "O", "StageName": "Closed Won", "CloseDate": "2026-12-01"})
	for command, lines := range map[string][]string{
		"fields Lead":        {"LABEL API NAME TYPE HISTORY FORMULA", "Status Status picklist yes no", "Rating Rating picklist no no", "First Name FirstName string unknown no", "Score[31m Score__c double no yes"},
		"values Lead.Status": {"LABEL VALUE ACTIVE LISTED RECORDS", "Qualified Qualified yes yes 3", "Open - Not Contacted Open - Not Contacted yes yes 0"},
		"values Lead.Rating": {"Hot Hot yes yes 0", "(none) (none) no no 3"},
		"values Lead.Tags__c": {"red red yes yes unknown",
			"note: Lead.Tags__c: Salesforce does not group by this field: the records that hold each value are not counted"},
		"stages":    {"LABEL API NAME ACTIVE STATE RECORDS", "Closed Won Closed Won yes won 1", "Closed Lost Closed Lost yes closed 0", "Prospecting Prospecting yes open 0"},
		"campaigns": {"ID NAME STATUS RULE HERE", `101 Campaign 101 launched qualifies when Status of a linked Lead becomes "Qualified"`, "102 Campaign 102 paused not configured"},
	} {
		got := strings.Split(squeezed(w.run(strings.Fields(command)...).want(exitDone).out), "\n")
		for _, line := range lines {
			if !slices.Contains(got, line) {
				t.Errorf("%s: got\n%s\nwant the line %q", command, strings.Join(got, "\n"), line)
			}
		}
	}
}

// squeezed makes one space of several.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestTheListsAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching+"  - {id: 999, qualify: {method: none}}\n")
	var fields desk.FieldList
	w.wantJSON(&fields, "fields", "Lead")
	if len(fields.Fields) < 30 || fields.Fields[0].Name != "Id" || fields.Fields[0].Tracked == nil {
		t.Errorf("fields: got %+v", fields)
	}
	var values desk.ValueList
	w.wantJSON(&values, "values", "Lead.Status")
	if len(values.Values) != 5 || values.Values[4].Value != "Qualified" || values.Values[4].Records == nil {
		t.Errorf("values: got %+v", values)
	}
	var stages desk.StageList
	w.wantJSON(&stages, "stages")
	if len(stages.Stages) != 10 || !stages.Stages[8].Won {
		t.Errorf("stages: got %+v", stages)
	}
	var campaigns []desk.CampaignLine
	w.wantJSON(&campaigns, "campaigns")
	if len(campaigns) != 4 || !campaigns[0].Configured || campaigns[1].Configured || campaigns[3].InAccount || campaigns[3].ID != 999 {
		t.Errorf("campaigns: got %+v, want three of the account and one that is not", campaigns)
	}
	w.run("campaigns").want(exitDone, "not in this account")
}

func (w *world) wantJSON(into any, args ...string) {
	w.t.Helper()
	r := w.run(append(args, "-o", "json")...).want(exitDone)
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		w.t.Errorf("%s: %v in\n%s", r.command, err, r.out)
	}
}

func TestAnUnknownNameIsToldWithWhatComesNear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.run("fields", "Leed").want(exitFailed, "the org has no object Leed that the Salesforce user may see; did you mean Lead?")
	w.run("values", "Leed.Status").want(exitFailed, "did you mean Lead?")
	w.run("values", "Lead.Statis").want(exitFailed, "Lead has no field Statis that the Salesforce user may read; did you mean State or Status?")
	w.run("values", "Contact.Business Phone").want(exitFailed, "did you mean Phone?") // the label of it
	w.run("values", "Status").want(exitUsage, `"Status" is not an object and its field; write them like Lead.Status`)
	w.run("fields", "Lead' OR").want(exitFailed, "is not the API name")
	w.run("stages", "-o", "xml").want(exitUsage, "only json is known")
	w.run("fields").want(exitUsage)
	w.rf.RotateKey()
	w.run("campaigns").want(exitRefused, "Referral Factory refused the API key")
}
