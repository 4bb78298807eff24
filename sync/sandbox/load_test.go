package sandbox

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// load writes files and loads them.
func load(t *testing.T, o *Org, files map[string]string) LoadReport {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err := Load(o, dir)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func problems(r LoadReport) string {
	var list []string
	for _, p := range r.Problems {
		list = append(list, p.String())
	}
	return strings.Join(list, "\n")
}

func TestLoadingADataExport(t *testing.T) {
	o := NewOrg(nil)
	report := load(t, o, map[string]string{
		"Lead.csv": "\xef\xbb\xbf" + `"ID","LASTNAME","COMPANY","STATUS","Region__c","CREATEDDATE","SYSTEMMODSTAMP","ISCONVERTED"` + "\n" +
			`"00QAB0000001abc2AA","Ann","Acme, ""Ltd""","Nurturing","EMEA","2025-01-02T03:04:05.000Z","2025-02-02T03:04:05.000Z","0"` + "\n" +
			`"00QAB0000001abD","Bob","Two
lines","","","2025-01-02 03:04:05","","1"` + "\n",
		"Opportunity.csv": "Id,Name,StageName,CloseDate,IsClosed,IsWon,CreatedDate,Amount\n006AB0000001abc,Deal,Signed,2026-01-31,true,true,2025-05-05T00:00:00Z,12.5\n",
		"Contact.csv":     "Id,LastName\n003AB0000001abc,Ren\xe9\n",
	})
	want(t, "problems", problems(report), "")
	if d := cmp.Diff([]LoadedFile{{"Contact.csv", 1}, {"Lead.csv", 2}, {"Opportunity.csv", 1}}, report.Files); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	want(t, "added", strings.Join(report.Added, ","), "Lead.Region__c")
	ann, deal := o.Get("Lead", "00QAB0000001abc"), o.Get("Opportunity", "006AB0000001abc")
	want(t, "Ann", fmt.Sprintln(ann["Company"], ann["Status"], ann["Region__c"], ann["SystemModstamp"]), "Acme, \"Ltd\" Nurturing EMEA 2025-02-02 03:04:05 +0000 UTC\n")
	want(t, "Bob", o.Get("Lead", "00QAB0000001abD")["IsConverted"], any(true))
	want(t, "René", o.Get("Contact", "003AB0000001abc")["LastName"], any("René"))
	want(t, "deal", fmt.Sprintln(deal["IsWon"], deal["Amount"]), "true 12.5\n")
	rows := o.IDs("OpportunityHistory")
	want(t, "stage rows", len(rows), 1)
	want(t, "stage row", o.Get("OpportunityHistory", rows[0])["CreatedDate"], deal["CreatedDate"])
}

func TestWhatCannotBeLoadedIsNamed(t *testing.T) {
	o := NewOrg(nil)
	report := load(t, o, map[string]string{
		"Lead.csv":    "Id,LastName,Company,CreatedDate,Owner.Name\n00QAB0000001abc,Ann,Acme,yesterday,x\nbad,Bob,B,,\n00QAB0000001abc,Twin,T,,\nshort,row\n,\"Cy\",C,,\n",
		"Quote.csv":   "Id\n",
		"notes.txt":   "x",
		"Contact.csv": "Id,LastName\n,\"open\n,Ann\n,\"Bob\"\n,\"a \"b\" c\"\nshort\n,Cy",
		"tree.json":   `{"records":[{"attributes":{"type":"Quote"},"Name":"x"}]}`,
		"bad.json":    `{`,
	})
	expected := []string{
		"Contact.csv, row 2: ", "Contact.csv, row 5: ", "Contact.csv, row 6: has 1 values for 2 columns", "Lead.csv, row 1, column Owner.Name: is not the API name of a field; left out",
		"Lead.csv, row 5: has 2 values for 5 columns; the record is left out",
		"Quote.csv: is not named for an object that can be loaded, such as Lead.csv; left out",
		"bad.json: is not a JSON tree: ", "notes.txt: is neither a CSV nor a JSON file; left out",
		`tree.json, row 1, column attributes.type: "Quote" is not an object that can be loaded; the record is left out`,
		"Lead.csv, row 2, column CreatedDate: Cannot deserialize instance of datetime from VALUE_STRING value yesterday",
		"Lead.csv, row 3, column Id: is not an Id of 15 or 18 characters; the record is left out",
		"Lead.csv, row 4, column Id: 00QAB0000001abc2AA is there already; the record is left out",
	}
	got := strings.Split(problems(report), "\n")
	if len(got) != len(expected) {
		t.Fatalf("got %d problems:\n%s\nwant %d", len(got), problems(report), len(expected))
	}
	for i := range got {
		if !strings.HasPrefix(got[i], expected[i]) {
			t.Errorf("problem %d: got %q, want %q", i, got[i], expected[i])
		}
	}
	var loaded []string
	for _, id := range o.IDs("Contact") {
		loaded = append(loaded, o.Get("Contact", id)["LastName"].(string))
	}
	want(t, "Contacts between the bad rows", strings.Join(loaded, ","), "Ann,Bob,Cy")
}

func TestLoadingTrees(t *testing.T) {
	o := NewOrg(nil)
	report := load(t, o, map[string]string{
		"Account.json": `{"records":[{"attributes":{"type":"Account","referenceId":"A1"},"Name":"Acme","Contacts":{"records":[
			{"attributes":{"type":"Contact","referenceId":"C1"},"LastName":"Ann"}]}}]}`,
		"Opportunitys.json": `{"records":[{"attributes":{"type":"Opportunity","referenceId":"O1"},"Name":"Deal","AccountId":"@A1","StageName":"Prospecting","CloseDate":"2026-01-31","Amount":5}]}`,
		"plan.json":         `[{"sobject":"Account","files":["Account.json"]}]`,
		"lost.json":         `{"records":[{"attributes":{"type":"Contact","referenceId":"C9"},"LastName":"Bob","AccountId":"@nobody"}]}`,
	})
	want(t, "problems", problems(report), "lost.json, row 1, column AccountId: Account ID: id value of incorrect type: @nobody; the value is left out")
	account := o.IDs("Account")[0]
	want(t, "nested", o.Get("Contact", o.IDs("Contact")[0])["AccountId"], any(account))
	want(t, "by reference", o.Get("Opportunity", o.IDs("Opportunity")[0])["AccountId"], any(account))
}

func TestControl(t *testing.T) {
	o, rf := NewOrg(nil), NewReferralFactory(nil)
	rf.AddCampaign(101, "Refer a friend")
	lead := o.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme"})
	rt := Transport(map[string]http.Handler{"box": Control(o, rf)})
	post := func(action, body string) int {
		r, _ := http.NewRequest("POST", "https://box"+ControlPath+action, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	want(t, "refer", post("refer", `{"campaign":101,"firstName":"Ann","email":"ann@example.com"}`), 200)
	want(t, "referred", rf.Users()[1].Email, "ann@example.com")
	want(t, "convert", post("convert", `{"lead":"`+lead+`","stage":"Closed Won","opportunityFields":{"Amount":5}}`), 200)
	want(t, "won", o.Get("Opportunity", o.IDs("Opportunity")[0])["IsWon"], any(true))
	want(t, "convert again", post("convert", `{"lead":"`+lead+`"}`), 400)
	want(t, "the org still answers", post("hide-field", `{"object":"Lead","field":"Rating"}`), 200)
	want(t, "a misspelt key", post("hide-field", `{"object":"Lead","feild":"Rating"}`), 400)
	want(t, "no such action", post("explode", `{}`), 404)
}

func TestAnOrgInUseByMany(t *testing.T) {
	o := NewOrg(time.Now)
	done := make(chan bool)
	for range 4 {
		go func() {
			for i := range 50 {
				id := o.Create("Lead", Fields{"LastName": fmt.Sprint(i), "Company": "x"})
				o.Update("Lead", id, Fields{"Title": "y"})
				o.Get("Lead", id)
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	want(t, "Leads", len(o.IDs("Lead")), 200)
}
