package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

func TestGroupsAreCounted(t *testing.T) {
	c := newClient(t)
	for i, status := range []string{"Open - Not Contacted", "Working - Contacted", "Working - Contacted", "Working - Contacted"} {
		f := Fields{"LastName": fmt.Sprint("L", i), "Company": "Acme", "Status": status, "IsUnreadByOwner": i == 0}
		if i > 1 {
			f["Rating"] = "Hot"
		}
		c.org.Create("Lead", f)
	}
	gone := c.org.Create("Lead", Fields{"LastName": "Gone", "Company": "Acme", "Status": "Working - Contacted"})
	c.org.Delete("Lead", gone)
	for _, test := range []struct{ soql, want string }{
		{"SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status ORDER BY COUNT(Id) DESC LIMIT 5", "map[Status:Working - Contacted n:3] map[Status:Open - Not Contacted n:1]"},
		{"SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status ORDER BY COUNT(Id) DESC LIMIT 1", "map[Status:Working - Contacted n:3]"},
		{"SELECT COUNT(Id), Status FROM Lead GROUP BY Status ORDER BY Status", "map[Status:Open - Not Contacted expr0:1] map[Status:Working - Contacted expr0:3]"},
		{"SELECT Rating, COUNT(Id) n FROM Lead GROUP BY Rating ORDER BY Rating", "map[Rating:<nil> n:2] map[Rating:Hot n:2]"},
		{"SELECT IsUnreadByOwner, COUNT(Id) n FROM Lead GROUP BY IsUnreadByOwner ORDER BY COUNT(Id)", "map[IsUnreadByOwner:true n:1] map[IsUnreadByOwner:false n:3]"},
		{"SELECT Status FROM Lead WHERE Rating = 'Hot' GROUP BY Status", "map[Status:Working - Contacted]"},
		{"SELECT COUNT(Id), COUNT(Rating) hot FROM Lead", "map[expr0:4 hot:2]"}, // nulls are not counted
		{"SELECT Status, COUNT(Id) n FROM Lead WHERE LastName = 'Nobody' GROUP BY Status", ""},
		{"SELECT Status, Rating, COUNT(Id) n FROM Lead GROUP BY Status, Rating ORDER BY COUNT(Id) DESC LIMIT 1", "map[Rating:Hot Status:Working - Contacted n:2]"},
	} {
		t.Run(test.soql, func(t *testing.T) { want(t, "rows", rowsOf(c.query(test.soql)), test.want) })
	}
	want(t, "queryAll", rowsOf(c.queryAll("SELECT COUNT(Id) n FROM Lead")), "map[n:5]")
}

// rowsOf writes down rows without their attributes.
func rowsOf(rows []map[string]any) (text string) {
	for i, r := range rows {
		delete(r, "attributes")
		if i > 0 {
			text += " "
		}
		text += fmt.Sprint(r)
	}
	return text
}

func (c *client) wantRefusal(soql, code, says string) {
	c.t.Helper()
	got, message := c.refused(soql)
	if got != code || !strings.Contains(message, says) {
		c.t.Errorf("%s: got %s %q, want %s and %q in it", soql, got, message, code, says)
	}
}

func TestGroupRefusals(t *testing.T) {
	c := newClient(t)
	c.org.AddField("Lead", FieldDef{Name: "Score__c", Type: "double", Formula: func(Fields) any { return 1 }})
	for _, test := range []struct{ soql, code, says string }{
		{"SELECT LastName, COUNT(Id) FROM Lead GROUP BY Status", "MALFORMED_QUERY", "Field must be grouped or aggregated: LastName"},
		{"SELECT LastName, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "Field must be grouped or aggregated: LastName"},
		{"SELECT CreatedDate FROM Lead GROUP BY CreatedDate", "MALFORMED_QUERY", "field 'CreatedDate' can not be grouped in a query call"},
		{"SELECT Description FROM Lead GROUP BY Description", "MALFORMED_QUERY", "can not be grouped"},
		{"SELECT Score__c FROM Lead GROUP BY Score__c", "MALFORMED_QUERY", "can not be grouped"},
		{"SELECT Foo__c FROM Lead GROUP BY Foo__c", "INVALID_FIELD", "No such column 'Foo__c'"},
		{"SELECT COUNT(IsDeleted) FROM Lead", "MALFORMED_QUERY", "does not support aggregate operator COUNT"},
		{"SELECT Status, COUNT(Id) FROM Lead GROUP BY Status ORDER BY LastName", "MALFORMED_QUERY", "Ordered field must be grouped or aggregated: LastName"},
		{"SELECT COUNT(Id) FROM Lead LIMIT 5", "MALFORMED_QUERY", "cannot also use LIMIT"},
		{"SELECT COUNT(Id) FROM Lead ORDER BY Id", "MALFORMED_QUERY", ""},
		{"SELECT Status, COUNT() FROM Lead GROUP BY Status", "MALFORMED_QUERY", ""},
		{"SELECT Status FROM Lead GROUP Status", "MALFORMED_QUERY", "unexpected token"},
	} {
		c.wantRefusal(test.soql, test.code, test.says)
	}
}

// GROUP BY has no next page: what does not fit is refused, not cut.
func TestTooManyGroupsAreRefused(t *testing.T) {
	c := newClient(t)
	for i := range 3 {
		c.org.Create("Lead", Fields{"LastName": fmt.Sprint("L", i), "Company": "Acme"})
	}
	c.org.SetPageSize(2)
	c.wantRefusal("SELECT LastName, COUNT(Id) n FROM Lead GROUP BY LastName", "EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore()")
	want(t, "rows", len(c.query("SELECT LastName, COUNT(Id) n FROM Lead GROUP BY LastName LIMIT 2")), 2)
}

func TestFieldDefinitionTellsWhatIsTracked(t *testing.T) {
	c := newClient(t)
	const soql = "SELECT QualifiedApiName, IsFieldHistoryTracked FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Lead' AND QualifiedApiName IN ('Status', 'Rating', 'FirstName')"
	c.org.Track("Lead", "Status", true)
	want(t, "rows", rowsOf(c.query(soql)), "map[IsFieldHistoryTracked:true QualifiedApiName:Status] map[IsFieldHistoryTracked:false QualifiedApiName:Rating]")
	c.org.Track("Lead", "Status", false)
	c.org.AddField("Lead", FieldDef{Name: "New__c"})
	want(t, "rows", rowsOf(c.query(soql)), "map[IsFieldHistoryTracked:false QualifiedApiName:Status] map[IsFieldHistoryTracked:false QualifiedApiName:Rating]")
	want(t, "rows", len(c.query("SELECT DurableId FROM FieldDefinition WHERE EntityDefinitionId = 'Lead' AND DurableId = 'Lead.New__c'")), 1)
	want(t, "rows, as LIMIT is ignored", len(c.query(soql+" LIMIT 1")), 2)
	want(t, "objects", len(c.query("SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName = 'Lead'")), 1)
}

func TestFieldDefinitionRefusals(t *testing.T) {
	c := newClient(t)
	const of = " FROM FieldDefinition WHERE EntityDefinitionId = 'Lead'"
	for _, test := range []struct{ soql, code, says string }{
		{"SELECT QualifiedApiName FROM FieldDefinition", "MALFORMED_QUERY", "FieldDefinition: a filter on a reified column is required [EntityDefinitionId,DurableId]"},
		{"SELECT QualifiedApiName FROM FieldDefinition WHERE IsFieldHistoryTracked = true", "MALFORMED_QUERY", "reified"},
		{"SELECT QualifiedApiName" + of + " OR EntityDefinitionId = 'Contact'", "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Disjunctions not supported"},
		{"SELECT QualifiedApiName" + of + " AND QualifiedApiName != 'Status'", "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Only equals comparisons permitted"},
		{"SELECT IsCalculated, COUNT(QualifiedApiName)" + of + " GROUP BY IsCalculated", "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "not yet supported by this SObject storage type"},
	} {
		c.wantRefusal(test.soql, test.code, test.says)
	}
	c.org.SetPageSize(10)
	c.wantRefusal("SELECT QualifiedApiName"+of, "EXCEEDED_ID_LIMIT", "FieldDefinition does not support queryMore()")
	c.org.DropObject("FieldDefinition")
	c.wantRefusal("SELECT QualifiedApiName"+of, "INVALID_TYPE", "sObject type 'FieldDefinition' is not supported")
}
