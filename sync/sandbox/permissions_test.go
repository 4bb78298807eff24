package sandbox

import (
	"fmt"
	"net/url"
	"testing"
)

func TestPermissionsAreShownAsRows(t *testing.T) {
	c := newClient(t)
	all := func() string {
		return rowsOf(c.query("SELECT PermissionsViewAllData FROM UserPermissionAccess"))
	}
	// What a client finds out in two steps: the user's permission sets, and what they permit.
	seen := func() string {
		sets := c.query("SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '" + c.org.UserID() + "'")
		if len(sets) != 1 {
			t.Fatalf("got %d permission sets, want 1", len(sets))
		}
		return rowsOf(c.query(fmt.Sprintf("SELECT SobjectType FROM ObjectPermissions WHERE ParentId IN ('%s') AND PermissionsViewAllRecords = true ORDER BY SobjectType",
			sets[0]["PermissionSetId"])))
	}
	want(t, "View All Data", all(), "map[PermissionsViewAllData:false]")
	want(t, "View All", seen(), "map[SobjectType:Contact] map[SobjectType:Lead] map[SobjectType:Opportunity]")
	c.org.ViewAll("lead", false)
	want(t, "View All without Leads", seen(), "map[SobjectType:Contact] map[SobjectType:Opportunity]")
	c.org.ViewAllData(true)
	want(t, "View All Data", all(), "map[PermissionsViewAllData:true]")
	want(t, "nobody else's", len(c.query("SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '005000000000000AAA'")), 0)

	const sharing = "SELECT InternalSharingModel FROM EntityDefinition WHERE QualifiedApiName = 'Lead'"
	want(t, "sharing", rowsOf(c.query(sharing)), "map[InternalSharingModel:Private]")
	c.org.ShareByDefault("Lead", "ReadWriteTransfer")
	want(t, "sharing", rowsOf(c.query(sharing)), "map[InternalSharingModel:ReadWriteTransfer]")
}

func TestWithoutViewSetupPermissionsAreNotShown(t *testing.T) {
	c := newClient(t)
	c.org.DropObject("ObjectPermissions")
	c.wantRefusal("SELECT Id FROM ObjectPermissions", "INVALID_TYPE", "ObjectPermissions")
	want(t, "one's own", len(c.query("SELECT PermissionsViewAllData FROM UserPermissionAccess")), 1)
}

func TestExplainRunsNoQuery(t *testing.T) {
	c := newClient(t)
	leading := func(soql string) string {
		status, body := c.do("GET", "/query?explain="+url.QueryEscape(soql), nil)
		want(t, "status", status, 200)
		first := body.(map[string]any)["plans"].([]any)[0].(map[string]any)
		return fmt.Sprint(first["leadingOperationType"], " of ", first["sobjectCardinality"])
	}
	c.org.Create("Lead", Fields{"LastName": "L", "Company": "Acme"})
	want(t, "by a stamp", leading("SELECT Id FROM Lead WHERE SystemModstamp >= 2026-11-02T09:00:00Z"), "Index of 1")
	want(t, "by a field without an index", leading("SELECT Id FROM Lead WHERE Company = 'Acme'"), "TableScan of 1")
	want(t, "without a condition", leading("SELECT Id FROM Lead"), "TableScan of 1")
	c.org.ScanTable("Lead")
	want(t, "of a table too large", leading("SELECT Id FROM Lead WHERE SystemModstamp >= 2026-11-02T09:00:00Z"), "TableScan of 2e+06")
	status, _ := c.do("GET", "/query?explain="+url.QueryEscape("SELECT FROM"), nil)
	want(t, "a query that is none", status, 400)
}

// To a user without Read on an object the org has none of that name, nor its history; everything else is as it was.
func TestAnObjectWithoutReadPermissionIsNotThere(t *testing.T) {
	c := newClient(t)
	lead := c.org.Create("Lead", Fields{"LastName": "L", "Company": "Acme"})
	contact := c.org.Create("Contact", Fields{"LastName": "C"})
	c.org.HideObject("lead")
	c.wantRefusal("SELECT Id FROM Lead", "INVALID_TYPE", "Lead")
	c.wantRefusal("SELECT Id FROM LeadHistory", "INVALID_TYPE", "LeadHistory")
	for _, path := range []string{"/sobjects/Lead/describe", "/sobjects/Lead/" + lead} {
		status, _ := c.do("GET", path, nil)
		want(t, path, status, 404)
	}
	want(t, "may be read", rowsOf(c.query("SELECT PermissionsRead FROM ObjectPermissions WHERE SobjectType = 'Lead'")), "map[PermissionsRead:false]")
	want(t, "Contacts", rowsOf(c.query("SELECT Id FROM Contact")), "map[Id:"+contact+"]")
	c.org.ShowObject("Lead")
	want(t, "Leads", rowsOf(c.query("SELECT Id FROM Lead")), "map[Id:"+lead+"]")
}
