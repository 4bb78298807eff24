package sandbox

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/sync/salesforce"
)

// FuzzSOQL: no query may break the org, whatever it says.
func FuzzSOQL(f *testing.F) {
	o := NewOrg(nil)
	o.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "AnnualRevenue": 5, "City": "Oslo"})
	for _, seed := range []string{
		"SELECT Id, Owner.Name FROM Lead l WHERE (NOT l.LastName LIKE 'a\\_%') AND CreatedDate >= LAST_N_DAYS:3 ORDER BY Address NULLS LAST LIMIT 1 OFFSET 0",
		"SELECT COUNT(Id) FROM Lead WHERE AnnualRevenue IN (1, 2.5, null) OR Address = 'x' OR IsDeleted != TRUE",
		"SELECT Id FROM Lead WHERE CreatedDate = 2026-01-01T00:00:00+01:00 AND ConvertedDate < 2026-01-01", "SELECT", "'", "\\", "SELECT Id FROM Lead WHERE Id='",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := o.parse(text)
		if err != nil {
			if err.code == "" || err.status != 400 {
				t.Errorf("%q: got %d %q, want a 400 with a code", text, err.status, err.code)
			}
			return
		}
		for _, id := range o.run(q, true) {
			if q.list != nil {
				encodeJSON(o.show(q.list, q.object.rows[id], newest))
			}
		}
	})
}

// FuzzBuiltQuery: what our query builder makes of any values means here what it was built of: the same object, fields, conditions and values; and it
// finds the records that hold them.
func FuzzBuiltQuery(f *testing.F) {
	for shape, value := range []string{"", "O'Hara", `\`, `\'`, "a' OR Id != '", "50% \"off\"_", "\n\t\b", "ä😀", "@{leads.records[0].Id}", "\x00", "\xff", "null", "LAST_N_DAYS:3", "trailing \\ "} {
		f.Add(value, "Smith", int64(1795937492), uint16(1<<shape-1))
		f.Add("Smith", value, int64(-8e9), uint16(1<<shape))
	}
	o := NewOrg(nil)
	given := o.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	const otherName = `O'Hara \ "50%_off"`
	other := o.Create("Lead", Fields{"LastName": otherName, "Company": "Acme"})
	f.Fuzz(func(t *testing.T, a, b string, when int64, shape uint16) {
		built, expected := build(a, b, time.Unix(when, 0), shape, given)
		text, err := built.Build()
		if err != nil {
			return
		}
		tokens, bad := lex(text)
		if bad != nil {
			t.Fatalf("%s: %s", text, bad.message)
		}
		for i := range tokens {
			tokens[i].pos = 0
		}
		if !slices.Equal(expected, tokens[:len(tokens)-1]) {
			t.Errorf("%s\ngot  %+v\nwant %+v", text, tokens, expected)
		}
		q, bad := o.parse(text)
		if bad != nil {
			t.Fatalf("%s: %s", text, bad.message)
		}
		if q.object.name != "Lead" || q.group == nil && len(q.columns) != 3 {
			t.Errorf("%s: got the object %s with %+v", text, q.object.name, q.columns)
		}
		byName, err := salesforce.Select("Id").From("Lead").Where(salesforce.Equal("LastName", a)).Build()
		if err != nil || a == "" {
			return
		}
		o.object("Lead").set(given, Fields{"LastName": a})
		if q, bad = o.parse(byName); bad != nil {
			t.Fatalf("%s: %s", byName, bad.message)
		}
		found := o.run(q, true)
		if !slices.Contains(found, given) || slices.Contains(found, other) != strings.EqualFold(a, otherName) {
			t.Errorf("%s: found %v, want %s which has this name, and %s only if it is %q", byName, found, given, other, otherName)
		}
	})
}

// build makes a query of the parts that the bits of shape ask for, and the tokens that it has to consist of.
func build(a, b string, when time.Time, shape uint16, id string) (salesforce.Soql, []token) {
	has := func(bit int) bool { return shape&(1<<bit) != 0 }
	str := func(s string) token { return token{kind: tokenString, text: s} }
	stamp := token{kind: tokenNumber, text: when.UTC().Format("2006-01-02T15:04:05Z")}
	var conds []salesforce.Condition
	var where []token
	add := func(cond salesforce.Condition, parts ...any) {
		if len(conds) > 0 {
			where = append(where, words("AND")...)
		}
		conds = append(conds, cond)
		for _, part := range parts {
			if text, ok := part.(string); ok {
				where = append(where, words(text)...)
			} else {
				where = append(where, part.(token))
			}
		}
	}
	if has(0) {
		add(salesforce.Equal("LastName", a), "LastName =", str(a))
	}
	if has(1) {
		add(salesforce.In("Email", []string{a, b, a}), "Email IN (", str(a), ",", str(b), ",", str(a), ")")
	}
	if has(2) {
		add(salesforce.AtLeast("SystemModstamp", when), "SystemModstamp >=", stamp)
	}
	if has(3) {
		add(salesforce.After("CreatedDate", when), "CreatedDate >", stamp)
	}
	if has(4) {
		add(salesforce.Is("IsConverted", has(5)), "IsConverted = "+strconv.FormatBool(has(5)))
	}
	if has(6) {
		add(salesforce.Filled("Company"), "Company != null")
	}
	if has(7) {
		add(salesforce.KeysetAfter("SystemModstamp", when, id), "( SystemModstamp >=", stamp, "AND ( SystemModstamp >", stamp, "OR ( SystemModstamp =", stamp, "AND Id >", str(id), ") ) )")
	}
	if has(8) {
		add(salesforce.Or(salesforce.Equal("Owner.Name", b), salesforce.And(salesforce.Equal("City", a), salesforce.Equal("City", b))),
			"( Owner.Name =", str(b), "OR ( City =", str(a), "AND City =", str(b), ") )")
	}
	q, tokens, end := salesforce.Select("Id", "LastName", "lastname", "Email"), words("SELECT Id , LastName , Email FROM Lead"), words("")
	switch {
	case has(9):
		q, tokens, end = salesforce.CountBy("Status", 50), words("SELECT Status , COUNT ( Id ) n FROM Lead"), words("GROUP BY Status ORDER BY COUNT ( Id ) DESC LIMIT 50")
	case has(10):
		q, end = q.Newest("SystemModstamp", 3), words("ORDER BY SystemModstamp DESC LIMIT 3")
	case has(11):
		q, end = q.OrderBy("SystemModstamp", "Id"), words("ORDER BY SystemModstamp , Id")
	}
	q = q.From("Lead").Where(conds...)
	if len(conds) > 0 {
		tokens = append(append(tokens, words("WHERE")...), where...)
	}
	return q, append(tokens, end...)
}

// words are the tokens of a text that has spaces between them.
func words(text string) (tokens []token) {
	for _, word := range strings.Fields(text) {
		kind := tokenSymbol
		switch {
		case letter(word[0]):
			kind = tokenWord
		case digit(word[0]):
			kind = tokenNumber
		}
		tokens = append(tokens, token{kind: kind, text: word})
	}
	return tokens
}

// FuzzCSV: each row of a Data Export file is loaded as it stands there, or named as one that is not.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{
		"\xef\xbb\xbf" + `"ID","LASTNAME","COMPANY","STATUS","Region__c","CREATEDDATE","SYSTEMMODSTAMP","ISCONVERTED"` + "\n" +
			`"00QAB0000001abc2AA","Ann","Acme, ""Ltd""","Nurturing","EMEA","2025-01-02T03:04:05.000Z","2025-02-02T03:04:05.000Z","0"` + "\n",
		"Id,LastName,Company,CreatedDate,Owner.Name\n00QAB0000001abc,Ann,Acme,yesterday,x\nbad,Bob,B,,\n00QAB0000001abc,Twin,T,,\nshort,row\n,\"Cy\",C,,\n",
		"Id,LastName\n,\"open\n,Ann\n,\"Bob\"\n,\"a \"b\" c\"\nshort\n,Cy", "LastName,City\nRen\xe9,Li\xe8ge\n", "LastName,CreatedDate,ConvertedDate\nX,9999-12-31T23:59:59-10:00,0000-01-01\n",
		"LastName,AnnualRevenue,NumberOfEmployees\nX,1e300,1e-300\n", "Name,Address,Address\nx,y,z\n", "\"", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		o := NewOrg(nil)
		l := &loader{org: o}
		l.readCSV("Lead.csv", content)
		l.insert()
		wantReport(t, o, l.report, bytes.Count(content, []byte("\n"))+1)
		wantEachRow(t, o, l.report, content)
		wantSameAgain(t, o)
	})
}

// wantReport wants a report to count what there is, and to say what there is not.
func wantReport(t *testing.T, o *Org, report LoadReport, rows int) {
	t.Helper()
	loaded, there := 0, 0
	for _, file := range report.Files {
		loaded += file.Records
	}
	for _, obj := range dataObjects(o) {
		there += len(obj.rows)
	}
	if loaded != there {
		t.Errorf("%d records are reported, and %d are there", loaded, there)
	}
	for _, p := range report.Problems {
		if p.What == "" || p.Row < 0 || p.Row > rows {
			t.Errorf("got the problem %+v, want it to say what is wrong in one of %d rows", p, rows)
		}
	}
}

// dataObjects are those that people fill.
func dataObjects(o *Org) (list []*object) {
	for _, name := range []string{"Account", "Contact", "Lead", "Opportunity"} {
		list = append(list, o.object(name))
	}
	return list
}

// wantEachRow wants each row of a file that is CSV to its end to be a record, with its values, or to be left out for a reason.
func wantEachRow(t *testing.T, o *Org, report LoadReport, content []byte) {
	t.Helper()
	in, cells, rows := csvReader(asUTF8(content)), map[string]bool{"": true}, -1
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return
		}
		rows++
		for _, cell := range record {
			cells[strings.TrimRight(cell, " \t\r\n")] = true
		}
	}
	left := 0
	for _, p := range report.Problems {
		if strings.HasSuffix(p.What, "record is left out") {
			left++
		}
	}
	if loaded := len(o.IDs("Lead")); loaded+left != max(rows, 0) {
		t.Errorf("%q: of %d rows %d are loaded and %d left out: %v", content, rows, loaded, left, report.Problems)
	}
	for _, id := range o.IDs("Lead") {
		for _, field := range []string{"LastName", "Company", "Email", "City", "Title"} {
			if value, _ := o.Get("Lead", id)[field].(string); !cells[value] {
				t.Errorf("%q: the %s %q is none of its cells", content, field, value)
			}
		}
	}
}

// wantSameAgain writes the records as an export would, and wants another org that loads them to have the same.
func wantSameAgain(t *testing.T, o *Org) {
	t.Helper()
	again := NewOrg(nil)
	l := &loader{org: again}
	for _, obj := range dataObjects(o) {
		if len(obj.rows) > 0 {
			l.readCSV(obj.name+".csv", export(o, obj))
		}
	}
	l.insert()
	if len(l.report.Problems) > 0 {
		t.Errorf("loading what was loaded: %v", l.report.Problems)
	}
	for _, obj := range dataObjects(o) {
		for _, id := range obj.order {
			if diff := cmp.Diff(o.Get(obj.name, id), again.Get(obj.name, id)); diff != "" {
				t.Errorf("%s %s loaded again (-want +got):\n%s", obj.name, id, diff)
			}
		}
	}
}

func export(o *Org, obj *object) []byte {
	var file bytes.Buffer
	out := csv.NewWriter(&file)
	var names []string
	for _, f := range obj.fields {
		if f.Formula == nil && f.Type != "address" {
			names = append(names, f.Name)
		}
	}
	_ = out.Write(names) // a buffer takes everything
	for _, id := range obj.order {
		var cells []string
		for _, name := range names {
			cells = append(cells, exported(obj.rows[id].values[name]))
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return file.Bytes()
}

// exported is a value as Data Export writes it.
func exported(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.Format("2006-01-02T15:04:05.000Z")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return v.(string)
}

// FuzzTree: each record of a JSON tree is loaded with its values, or named as one that is not.
func FuzzTree(f *testing.F) {
	for _, text := range []string{
		`{"records":[{"attributes":{"type":"Account","referenceId":"A1"},"Name":"Acme","Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"C1"},"LastName":"Ann"}]}}]}`,
		`{"records":[{"attributes":{"type":"Opportunity","referenceId":"O1"},"Name":"Deal","AccountId":"@A1","StageName":"Signed","IsClosed":true,"CloseDate":"2026-01-31","Amount":5.25}]}`,
		`{"records":[{"attributes":{"type":"Lead","referenceId":"L1"},"Id":"00QAB0000001abc","LastName":"Ann","IsConverted":true,"CreatedDate":"2025-01-02T03:04:05.000+0000","Address":{"city":"x"}}]}`,
		`{"records":[{"attributes":{"type":"Lead"},"LastName":5,"Company":[1],"Email":{"records":[null,{"attributes":{"type":"Lead"}}]},"Region__c":true}]}`,
		`{"records":[{"attributes":{"type":"Quote"},"Name":"x"},null,{}]}`, `[{"sobject":"Account","files":["Account.json"]}]`, `{"records":null}`, `{`, `[]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		o := NewOrg(nil)
		l := &loader{org: o}
		l.readTree("Lead.json", content)
		l.insert()
		var tree struct{ Records []json.RawMessage }
		whole := json.Unmarshal(content, &tree) == nil
		wantReport(t, o, l.report, len(tree.Records))
		if !whole && len(l.report.Files) > 0 {
			t.Errorf("%q: a file that is cut is reported as loaded", content)
		}
		if len(tree.Records) > 0 && len(l.report.Problems) == 0 && l.report.Files[0].Records < len(tree.Records) {
			t.Errorf("%q: %d records are loaded of %d, and no problem says why", content, l.report.Files[0].Records, len(tree.Records))
		}
		wantSameAgain(t, o)
	})
}
