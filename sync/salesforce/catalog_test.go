package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/sync/sandbox"
)

// inOrg is a client of a sandbox org, and counts what Salesforce counts as API calls.
func inOrg(t *testing.T) (*sandbox.Org, *Client, *int) {
	t.Helper()
	org := sandbox.NewOrg(nil)
	calls := new(int)
	id, secret := org.Credentials()
	c, err := New(Options{LoginURL: myDomain, APIVersion: "67.0", Flow: ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: sandbox.Transport(map[string]http.Handler{"acme.my.salesforce.com": org.Handler()}),
		Spend:     func(context.Context) error { *calls++; return nil }, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return org, c, calls
}

func lead(org *sandbox.Org, fields sandbox.Fields) string {
	fields["LastName"], fields["Company"] = "Ann", "Acme"
	return org.Create("Lead", fields)
}

func infoOf(t *testing.T, infos []FieldInfo, name string) FieldInfo {
	t.Helper()
	for _, f := range infos {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("got no field %s", name)
	return FieldInfo{}
}

func TestFieldInfosTellWhatIsTracked(t *testing.T) {
	org, c, calls := inOrg(t)
	org.Track("Lead", "Status", true)
	org.AddField("Lead", sandbox.FieldDef{Name: "Score__c", Type: "double", Formula: func(sandbox.Fields) any { return 1 }})
	infos, err := c.FieldInfos(t.Context(), "lead")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Status": "true", "Rating": "false", "Score__c": "false", "FirstName": "unknown"} {
		f, got := infoOf(t, infos, name), "unknown"
		if f.Tracked != nil {
			got = fmt.Sprint(*f.Tracked)
		}
		if got != want {
			t.Errorf("%s is tracked: got %s, want %s", name, got, want)
		}
	}
	if f := infoOf(t, infos, "Score__c"); !f.Calculated || f.Groupable {
		t.Errorf("got %+v, want a formula that cannot be grouped", f)
	}
	if *calls != 2 {
		t.Errorf("got %d API calls, want 2: describe and the definitions", *calls)
	}
}

// A user without access to the definitions still sees the fields.
func TestFieldInfosWithoutDefinitions(t *testing.T) {
	org, c, _ := inOrg(t)
	for _, hidden := range []struct {
		what string
		hide func()
	}{
		{"the column", func() { org.HideField("FieldDefinition", "IsFieldHistoryTracked") }},
		{"the object", func() { org.DropObject("FieldDefinition") }},
	} {
		hidden.hide()
		infos, err := c.FieldInfos(t.Context(), "Lead")
		if err != nil {
			t.Fatalf("%s is hidden: %v", hidden.what, err)
		}
		if f := infoOf(t, infos, "Status"); f.Tracked != nil {
			t.Errorf("%s is hidden: got tracked %v, want unknown", hidden.what, *f.Tracked)
		}
	}
}

func TestFieldInfosOfNoObject(t *testing.T) {
	_, c, _ := inOrg(t)
	if _, err := c.FieldInfos(t.Context(), "Leed"); KindOf(err) != ObjectGone {
		t.Errorf("got %v, want %s", err, ObjectGone)
	}
	if _, err := c.FieldInfos(t.Context(), "Lead WHERE"); KindOf(err) != Malformed {
		t.Errorf("got %v, want %s", err, Malformed)
	}
	names, err := c.Objects(t.Context())
	if err != nil || !strings.Contains(strings.Join(names, " "), "Lead Contact Opportunity") {
		t.Errorf("objects: got %v, %v", names, err)
	}
}

func TestValuesOfAPicklist(t *testing.T) {
	org, c, calls := inOrg(t)
	org.AddPicklistValue("Lead", "Rating", sandbox.PicklistValue{Value: "Old", Label: "Ancient", Inactive: true})
	for _, rating := range []string{"Hot", "Hot", "Tepid", "Tepid", "Tepid", "Old", ""} {
		lead(org, sandbox.Fields{"Rating": rating})
	}
	org.Delete("Lead", lead(org, sandbox.Fields{"Rating": "Hot"})) // in the bin: not counted
	got, err := c.Values(t.Context(), "Lead", "rating")
	if err != nil {
		t.Fatal(err)
	}
	want := []ValueCount{
		{"Hot", "Hot", true, true, 2}, {"Warm", "Warm", true, true, 0}, {"Cold", "Cold", true, true, 0}, {"Old", "Ancient", false, true, 1},
		{"Tepid", "Tepid", false, false, 3}, {"", "", false, false, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if *calls != 2 {
		t.Errorf("got %d API calls, want 2: describe and the counting", *calls)
	}
}

func TestValuesOfACheckbox(t *testing.T) {
	org, c, _ := inOrg(t)
	lead(org, sandbox.Fields{"IsUnreadByOwner": true})
	got, err := c.Values(t.Context(), "Lead", "IsUnreadByOwner")
	want := []ValueCount{{"true", "true", true, true, 1}, {"false", "false", true, true, 0}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("values (-want +got):\n%s%v", diff, err)
	}
}

func TestValuesOfFreeTextAreTheCommonest(t *testing.T) {
	org, c, _ := inOrg(t)
	for i := range commonest + 10 {
		lead(org, sandbox.Fields{"Title": fmt.Sprint("T", i)})
	}
	lead(org, sandbox.Fields{"Title": "t3"}) // another case is the same value
	got, err := c.Values(t.Context(), "Lead", "Title")
	if err != nil || len(got) != commonest || got[0].Records != 2 || !strings.EqualFold(got[0].Value, "T3") || got[0].Listed {
		t.Errorf("got %d values from %+v on, %v; want %d from T3 on", len(got), got[:1], err, commonest)
	}
}

func TestValuesThatCannotBeCounted(t *testing.T) {
	org, c, calls := inOrg(t)
	org.AddField("Lead", sandbox.FieldDef{Name: "Tags__c", Type: "multipicklist", Values: sandbox.Picklist("red", "green")})
	got, err := c.Values(t.Context(), "Lead", "Tags__c")
	if want := []ValueCount{{"red", "red", true, true, 0}, {"green", "green", true, true, 0}}; !cmp.Equal(want, got) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !errors.Is(err, ErrNotCounted) || *calls != 1 {
		t.Errorf("got %v after %d calls, want %v after the describe", err, *calls, ErrNotCounted)
	}
	org.SetFault(func(r *http.Request) *sandbox.Fault {
		if !strings.HasSuffix(r.URL.Path, "/query") {
			return nil
		}
		return sandbox.Refusal(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
	})
	if got, err = c.Values(t.Context(), "Lead", "Rating"); !errors.Is(err, ErrNotCounted) || KindOf(err) != Narrow || len(got) != 3 {
		t.Errorf("a table too large to count: got %v and %d values, want %v and 3", err, len(got), ErrNotCounted)
	}
}

func TestValuesOfNoField(t *testing.T) {
	_, c, _ := inOrg(t)
	_, err := c.Values(t.Context(), "Lead", "Stauts")
	var unknown *UnknownField
	if !errors.As(err, &unknown) || len(unknown.Known) < 30 || !strings.Contains(err.Error(), "Lead has no field Stauts") {
		t.Errorf("got %v, want an UnknownField that names the others", err)
	}
}

func TestStagesWithTheirOpportunities(t *testing.T) {
	org, c, calls := inOrg(t)
	org.AddPicklistValue("Opportunity", "StageName", sandbox.PicklistValue{Value: "Parked", Label: "On hold", Inactive: true})
	for _, stage := range []string{"Closed Won", "Closed Won", "Parked", "Forgotten"} {
		org.Create("Opportunity", sandbox.Fields{"Name": "O", "StageName": stage, "CloseDate": "2026-12-01"})
	}
	got, err := c.Stages(t.Context())
	if err != nil || len(got) != 12 {
		t.Fatalf("got %d stages, %v; want 12", len(got), err)
	}
	want := []Stage{
		{APIName: "Closed Won", Label: "Closed Won", Active: true, Closed: true, Won: true, SortOrder: 9, Records: 2},
		{APIName: "Closed Lost", Label: "Closed Lost", Active: true, Closed: true, SortOrder: 10},
		{APIName: "Parked", Label: "On hold", SortOrder: 11, Records: 1},
		{APIName: "Forgotten", Label: "Forgotten", Records: 1}, // no stage any more, or never one
	}
	if diff := cmp.Diff(want, got[8:]); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	if *calls != 1 {
		t.Errorf("got %d API calls, want 1", *calls)
	}
}

func TestStagesWhereOpportunitiesAreHidden(t *testing.T) {
	org, c, _ := inOrg(t)
	org.HideField("Opportunity", "StageName")
	if got, err := c.Stages(t.Context()); !errors.Is(err, ErrNotCounted) || len(got) != 10 {
		t.Errorf("got %d stages, %v; want 10 and %v", len(got), err, ErrNotCounted)
	}
	org.DropObject("OpportunityStage")
	if got, err := c.Stages(t.Context()); KindOf(err) != ObjectGone || got != nil {
		t.Errorf("got %v, %v; want %s", got, err, ObjectGone)
	}
}
