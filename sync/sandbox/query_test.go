package sandbox

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestQueryConditions(t *testing.T) {
	c := newClient(t)
	c.org.AddField("Lead", FieldDef{Name: "Tags__c", Type: "multipicklist", Values: Picklist("red", "green", "blue")})
	ann := c.org.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "Email": "Ann@Example.com", "AnnualRevenue": 100, "Tags__c": "red;blue"})
	c.clock.pass(time.Hour)
	c.org.Create("Lead", Fields{"LastName": "Bob", "Company": "O'Neil & <Sons>", "AnnualRevenue": 200.4, "LeadSource": "Web"})
	c.clock.pass(48 * time.Hour)
	c.org.Create("Lead", Fields{"LastName": "Cy", "Company": "100% \\o/", "IsUnreadByOwner": true})
	c.login() // the session died of the two days
	for _, test := range []struct{ where, want string }{
		{"LastName = 'ann'", "Ann"}, // text has no case
		{"lastname != 'ANN'", "Bob,Cy"},
		{"Email = null", "Bob,Cy"},
		{"Email != null", "Ann"},
		{"LeadSource != 'Web'", "Ann,Cy"}, // null is another value
		{"AnnualRevenue >= 100 AND AnnualRevenue < 200", "Ann"},
		{"AnnualRevenue = 200", "Bob"}, // currency without decimals was rounded
		{"NOT AnnualRevenue > 100", "Ann,Cy"},
		{"(LastName = 'Ann' OR LastName = 'Bob') AND Company LIKE 'o%'", "Bob"},
		{"Company LIKE '_cme'", "Ann"},
		{"Company LIKE '100\\%%'", "Cy"},
		{"Company = 'O\\'Neil & <Sons>'", "Bob"},
		{"Company = '100% \\\\o/'", "Cy"},
		{"IsUnreadByOwner = TRUE", "Cy"},
		{"CreatedDate > 2026-11-02T09:30:15Z", "Bob,Cy"},
		{"CreatedDate >= 2026-11-02T09:30:15.900Z", "Ann,Bob,Cy"}, // milliseconds are ignored
		{"CreatedDate = 2026-11-02T10:30:15.000+01:00", "Ann"},
		{"CreatedDate = TODAY", "Cy"},
		{"CreatedDate < TODAY", "Ann,Bob"},
		{"CreatedDate >= LAST_N_DAYS:1", "Cy"},
		{"CreatedDate = LAST_N_DAYS:2", "Ann,Bob,Cy"},
		{"LastName IN ('ann', 'cy')", "Ann,Cy"},
		{"LastName NOT IN ('ann')", "Bob,Cy"},
		{"Email IN ('ann@example.com', null)", "Ann,Bob,Cy"},
		{"Id = '" + ann + "'", "Ann"},
		{"Id = '" + ann[:15] + "'", "Ann"},
		{"Id IN ('" + strings.ToLower(ann[:15]) + "')", ""},
		{"Id > '" + ann + "'", "Bob,Cy"},
		{"Tags__c INCLUDES ('blue;red', 'green')", "Ann"},
		{"Tags__c EXCLUDES ('red')", "Bob,Cy"},
		{"Owner.Name = 'integration user'", "Ann,Bob,Cy"},
		{"Lead.LastName = 'Bob'", "Bob"},
	} {
		t.Run(test.where, func(t *testing.T) {
			got := names(c.query("SELECT LastName FROM Lead WHERE "+test.where), "LastName")
			want(t, "rows", got, test.want)
		})
	}
}

func TestQueryRefusals(t *testing.T) {
	c := newClient(t)
	for _, test := range []struct{ soql, code, says string }{
		{"SELECT Foo__c FROM Lead", "INVALID_FIELD", "\nSELECT Foo__c FROM Lead\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo__c' on entity 'Lead'."},
		{"select count() from XYZZY", "INVALID_TYPE", "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported."},
		{"SELECT Id,Name,BillingCity,IsDeleted FROM Accout", "INVALID_TYPE", "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\n"},
		{"SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD", "must be of type dateTime and should not be enclosed in quotes"},
		{"SELECT Id FROM Lead WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"},
		{"SELECT Id FROM Lead WHERE ConvertedDate > 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date "},
		{"SELECT Id FROM Lead WHERE LastName = 5", "INVALID_FIELD", "must be of type string and should be enclosed in quotes"},
		{"SELECT Id FROM Lead WHERE IsDeleted = 'true'", "INVALID_FIELD", "must be of type boolean"},
		{"SELECT Id FROM Lead WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: nonsense"},
		{"SELECT Id FROM Lead WHERE Id LIKE '00Q%'", "INVALID_QUERY_FILTER_OPERATOR", ""},
		{"SELECT Id FROM Lead WHERE IsDeleted > false", "INVALID_QUERY_FILTER_OPERATOR", ""},
		{"SELECT Id FROM Lead WHERE LastName INCLUDES ('a')", "INVALID_QUERY_FILTER_OPERATOR", ""},
		{"SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"},
		{"SELECT Id FROM LeadHistory WHERE NewValue = 'x'", "INVALID_FIELD", "can not be filtered in a query call"},
		{"SELECT Id, id FROM Lead", "INVALID_FIELD", "duplicate field selected: id"},
		{"SELECT Boss.Name FROM Lead", "INVALID_FIELD", "Didn't understand relationship 'Boss'"},
		{"SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "unexpected token"},
		{"SELECT Id FROM Lead WHERE LastName = 'a' AND Company = 'b' OR Company = 'c'", "MALFORMED_QUERY", "unexpected token: 'OR'"},
		{"SELECT Id FROM Lead WHERE LastName = 'it's'", "MALFORMED_QUERY", ""},
		{"SELECT Id FROM Lead WHERE LastName = 'a\\qb'", "MALFORMED_QUERY", "Illegal string literal"},
		{"SELECT Id FROM Lead WHERE LastName = 'b' OR LastName IN ('a', '" + strings.Repeat("x", 4001) + "')", "MALFORMED_QUERY", "longer than 4,000 characters"},
		{"SELECT Id FROM Lead LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"},
		{"SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"},
		{"DELETE FROM Lead", "MALFORMED_QUERY", "unexpected token: 'DELETE'"},
		{"", "MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		{"SELECT Id FROM Lead WHERE LastName = '" + strings.Repeat("x", 5) + "' ; ", "MALFORMED_QUERY", "';'"},
	} {
		t.Run(test.soql, func(t *testing.T) {
			code, message := c.refused(test.soql)
			want(t, "code", code, test.code)
			if !strings.Contains(message, test.says) {
				t.Errorf("message: got %q, want it to say %q", message, test.says)
			}
		})
	}
}

func TestQueryOrder(t *testing.T) {
	c := newClient(t)
	for _, f := range []Fields{{"LastName": "b", "Title": "x"}, {"LastName": "A", "Title": "x"}, {"LastName": "c"}} {
		c.org.Create("Contact", f)
		c.clock.pass(time.Second)
	}
	for by, order := range map[string]string{
		"LastName":                        "A,b,c",
		"LastName DESC":                   "c,b,A",
		"Title, LastName":                 "c,A,b", // null comes first
		"Title NULLS LAST, LastName DESC": "b,A,c",
		"CreatedDate DESC LIMIT 2":        "c,A",
		"CreatedDate LIMIT 1 OFFSET 1":    "A",
	} {
		want(t, by, names(c.query("SELECT LastName FROM Contact ORDER BY "+by), "LastName"), order)
	}
}

func TestATieIsNotInTheOrderOfIds(t *testing.T) {
	c := newClient(t)
	for i := range 20 {
		c.org.Create("Contact", Fields{"LastName": fmt.Sprint(i)})
	}
	byStamp := names(c.query("SELECT Id FROM Contact ORDER BY SystemModstamp"), "Id")
	byID := names(c.query("SELECT Id FROM Contact ORDER BY SystemModstamp, Id"), "Id")
	if byStamp == byID {
		t.Error("20 rows of one second came in the order of their Ids, want another order")
	}
	want(t, "ordered again", names(c.query("SELECT Id FROM Contact ORDER BY SystemModstamp"), "Id"), byStamp)
}

func TestAnswersHaveCanonicalNamesAndLookups(t *testing.T) {
	c := newClient(t)
	account := c.org.Create("Account", Fields{"Name": "Acme"})
	c.org.Create("Contact", Fields{"LastName": "Ann", "AccountId": account[:15]})
	c.org.Create("Contact", Fields{"LastName": "Bob"})
	got := c.query("SELECT id, x.LASTNAME, account.name FROM contact AS x ORDER BY LastName")
	want(t, "Id", got[0]["Id"].(string)[:3], "003")
	want(t, "LastName", got[0]["LastName"].(string), "Ann")
	want(t, "Account.Name", got[0]["Account"].(map[string]any)["Name"].(string), "Acme")
	want(t, "no Account", got[1]["Account"], any(nil))
}

func TestCounting(t *testing.T) {
	c := newClient(t)
	c.org.Create("Contact", Fields{"LastName": "Ann"})
	_, body := c.do("GET", "/query/?q=select+count()+from+Contact", nil)
	want(t, "COUNT()", body.(map[string]any)["totalSize"], any(1.0))
	_, body = c.do("GET", "/query/?q=select+count(Id)+from+Contact", nil)
	want(t, "COUNT(Id)", body.(map[string]any)["records"].([]any)[0].(map[string]any)["expr0"], any(1.0))
}

func TestPagesAreFixedRowsWithFreshValues(t *testing.T) {
	c := newClient(t)
	var ids []string
	for i := range 450 {
		ids = append(ids, c.org.Create("Contact", Fields{"LastName": fmt.Sprintf("%03d", i)}))
	}
	_, body := c.do("GET", "/query?q="+url.QueryEscape("SELECT Id, LastName FROM Contact ORDER BY LastName"), nil, "Sforce-Query-Options", "batchSize=200")
	first := body.(map[string]any)
	want(t, "totalSize", first["totalSize"], any(450.0))
	want(t, "rows of page 1", len(first["records"].([]any)), 200)
	c.org.Update("Contact", ids[300], Fields{"LastName": "changed"})
	c.org.Create("Contact", Fields{"LastName": "250b"})
	c.org.HardDelete("Contact", ids[399])
	next := strings.TrimPrefix(first["nextRecordsUrl"].(string), "/services/data/v67.0")
	_, body = c.do("GET", next, nil)
	second := body.(map[string]any)
	want(t, "rows of page 2", len(second["records"].([]any)), 199)
	want(t, "value of page 2", second["records"].([]any)[100].(map[string]any)["LastName"], any("changed"))
	_, body = c.do("GET", strings.TrimPrefix(second["nextRecordsUrl"].(string), "/services/data/v67.0"), nil)
	want(t, "rows of page 3", len(body.(map[string]any)["records"].([]any)), 50)
	want(t, "done", body.(map[string]any)["done"], any(true))
}

func TestLocatorsPerish(t *testing.T) {
	c := newClient(t)
	c.org.SetPageSize(1)
	c.org.Create("Contact", Fields{"LastName": "Ann"})
	c.org.Create("Contact", Fields{"LastName": "Bob"})
	for name, end := range map[string]func(){"expired": c.org.ExpireLocators, "old": func() { c.clock.pass(49 * time.Hour); c.login() }} {
		_, body := c.do("GET", "/query?q=SELECT+Id+FROM+Contact", nil)
		end()
		status, body := c.do("GET", strings.TrimPrefix(body.(map[string]any)["nextRecordsUrl"].(string), "/services/data/v67.0"), nil)
		code, _ := errorOf(body)
		want(t, name+" status", status, 400)
		want(t, name+" code", code, "INVALID_QUERY_LOCATOR")
	}
}

func TestLikeCountsCharacters(t *testing.T) {
	for pattern, found := range map[string]bool{"_nit": true, "__nit": false, "ü%": true, "%t": true, "%x%": false, `\_nit`: false, "": false} {
		want(t, pattern, matches([]rune(pattern), []rune("ünit")), found)
	}
}

func TestColumnsOfAQuery(t *testing.T) {
	c := newClient(t)
	_, body := c.do("GET", "/query?q=SELECT+id,Owner.name+FROM+Lead&columns=true", nil)
	var got []string
	for _, col := range body.(map[string]any)["columnMetadata"].([]any) {
		got = append(got, col.(map[string]any)["columnName"].(string))
	}
	want(t, "columns", strings.Join(got, ","), "Id,Owner.Name")
}
