package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/k-capehart/go-salesforce/v3"
)

const (
	rows = 5000
	page = 2000 // of a query, unless the client asks for less
	most = 200  // records in a collection

	company = "Independent Client Ltd" // of every Lead that is made here
	code    = "ueONFmUp"
)

// row is a Lead as the queries here ask for it.
type row struct {
	ID     string `salesforce:"Id"`
	Status string `salesforce:"Status"`
}

func leads(n int, status string) []map[string]any {
	list := make([]map[string]any, n)
	for i := range list {
		list[i] = map[string]any{"LastName": fmt.Sprint("Lead ", i), "Company": company, "Status": status}
	}
	return list
}

func (s *session) createMany() (string, error) {
	results, err := s.sf.InsertCollection("Lead", leads(rows, "Open - Not Contacted"), most)
	if err != nil {
		return "", err
	}
	for _, r := range results.Results {
		if !r.Success || len(r.Id) != 18 || r.Errors == nil {
			return "", fmt.Errorf("got the result %+v, want success, an Id of 18 characters and a list of no errors", r)
		}
		s.many = append(s.many, map[string]any{"Id": r.Id})
	}
	return fmt.Sprintf("%d leads", len(s.many)), nil
}

func (s *session) pageThrough() (string, error) {
	s.pages = 0
	var got []row
	if err := s.sf.Query("SELECT Id, Status FROM Lead WHERE Company = '"+company+"' ORDER BY SystemModstamp, Id", &got); err != nil {
		return "", err
	}
	distinct := map[string]bool{}
	for _, r := range got {
		distinct[r.ID] = true
	}
	if want := (rows + page - 1) / page; len(distinct) != rows || s.pages != want {
		return "", fmt.Errorf("got %d leads, %d of them distinct, in %d pages; want %d in %d", len(got), len(distinct), s.pages, rows, want)
	}
	return fmt.Sprintf("%d distinct leads in %d pages", len(distinct), s.pages), nil
}

func (s *session) describe() (string, error) {
	var lead struct {
		Name   string
		Fields []struct {
			Name, Type, SoapType           string
			Createable, Updateable, Unique bool
			ExternalID                     bool
			PicklistValues                 []struct {
				Value, Label string
				Active       bool
			}
		}
	}
	if err := s.ask(http.MethodGet, "/sobjects/Lead/describe", nil, &lead); err != nil {
		return "", err
	}
	found := map[string]string{}
	for _, f := range lead.Fields {
		found[f.Name] = fmt.Sprintf("%s %s createable=%t updateable=%t externalId=%t %v", f.Type, f.SoapType, f.Createable, f.Updateable, f.ExternalID && f.Unique, len(f.PicklistValues) > 1 && f.PicklistValues[0].Active)
	}
	for name, want := range map[string]string{
		"Id":               "id tns:ID createable=false updateable=false externalId=false false",
		"Status":           "picklist xsd:string createable=true updateable=true externalId=false true",
		"SystemModstamp":   "datetime xsd:dateTime createable=false updateable=false externalId=false false",
		"IsConverted":      "boolean xsd:boolean createable=true updateable=false externalId=false false",
		"Referral_Code__c": "string xsd:string createable=true updateable=true externalId=true false",
	} {
		if found[name] != want {
			return "", fmt.Errorf("field %s: got %q, want %q", name, found[name], want)
		}
	}
	return lead.Name + " has its fields", nil
}

func (s *session) create() (string, error) {
	r, err := s.sf.InsertOne("Lead", map[string]any{"LastName": "Ann", "Company": company, "Email": "ann@example.com"})
	if err != nil {
		return "", err
	}
	if s.lead = r.Id; !r.Success || len(r.Id) != 18 || !strings.HasPrefix(r.Id, "00Q") {
		return "", fmt.Errorf("got %+v, want the Id of a Lead", r)
	}
	status, err := s.status(s.lead)
	return "a lead that is " + status, err
}

func (s *session) update() (string, error) {
	for _, by := range []*salesforce.Salesforce{s.sf, s.zipped} {
		if err := by.UpdateOne("Lead", map[string]any{"Id": s.lead, "Status": "Working - Contacted"}); err != nil {
			return "", err
		}
	}
	status, err := s.status(s.lead)
	return "now " + status, err
}

// upsert makes a lead by its external Id, and then changes the same.
func (s *session) upsert() (string, error) {
	lead := map[string]any{"Referral_Code__c": code, "LastName": "Bob", "Company": company, "Status": "Open - Not Contacted"}
	made, err := s.sf.UpsertOne("Lead", "Referral_Code__c", lead)
	if err != nil {
		return "", err
	}
	again := map[string]any{"Referral_Code__c": code, "Status": "Working - Contacted"}
	changed, err := s.zipped.UpsertOne("Lead", "Referral_Code__c", again)
	if err != nil {
		return "", err
	}
	if !made.Success || made.Id == "" || changed.Id != made.Id {
		return "", fmt.Errorf("got %+v, then %+v; want the same lead", made, changed)
	}
	if err := s.sf.DeleteOne("Lead", map[string]any{"Id": made.Id}); err != nil {
		return "", err
	}
	return "one lead, made and changed", nil
}

// queryStruct asks what a SOQL library writes for a struct: brackets, LIKE, IN
// and a stamp with an offset.
func (s *session) queryStruct() (string, error) {
	type criteria struct {
		Name     []string  `soql:"likeOperator,fieldName=Name"`
		Statuses []string  `soql:"inOperator,fieldName=Status"`
		Since    time.Time `soql:"greaterThanOperator,fieldName=CreatedDate"`
		Company  string    `soql:"equalsOperator,fieldName=Company"`
	}
	type columns struct {
		ID     string `soql:"selectColumn,fieldName=Id"`
		Status string `soql:"selectColumn,fieldName=Status"`
	}
	type question struct {
		Select columns  `soql:"selectClause,tableName=Lead"`
		Where  criteria `soql:"whereClause"`
	}
	q := question{Where: criteria{[]string{"Lead 12", "Nobody"}, []string{"Open - Not Contacted", "Working - Contacted"}, time.Now().Add(-time.Hour), company}}
	var got []row
	if err := s.sf.QueryStruct(q, &got); err != nil {
		return "", err
	}
	if want := 111; len(got) != want { // Lead 12, 120 to 129, 1200 to 1299
		return "", fmt.Errorf("got %d leads named like Lead 12, want %d", len(got), want)
	}
	return fmt.Sprintf("%d leads", len(got)), nil
}

func (s *session) delete() (string, error) {
	if err := s.sf.DeleteOne("Lead", map[string]any{"Id": s.lead}); err != nil {
		return "", err
	}
	if _, err := s.status(s.lead); err == nil {
		return "", errors.New("a query still shows the deleted lead")
	}
	var all struct{ Records []struct{ IsDeleted bool } }
	if err := s.ask(http.MethodGet, "/queryAll/?q=SELECT+IsDeleted+FROM+Lead+WHERE+Id='"+s.lead+"'", nil, &all); err != nil {
		return "", err
	}
	if len(all.Records) != 1 || !all.Records[0].IsDeleted {
		return "", fmt.Errorf("queryAll: got %v, want the deleted lead", all.Records)
	}
	return "in the recycle bin", nil
}

func (s *session) deleteMany() (string, error) {
	results, err := s.sf.DeleteCollection("Lead", s.many, most)
	if err != nil {
		return "", err
	}
	left, err := s.count()
	if err != nil {
		return "", err
	}
	if results.HasSalesforceErrors || len(results.Results) != rows || left != 0 {
		return "", fmt.Errorf("got %d results, errors: %t, %d leads left; want %d, none and none", len(results.Results), results.HasSalesforceErrors, left, rows)
	}
	return fmt.Sprintf("%d leads", len(results.Results)), nil
}

// status reads a lead's status back.
func (s *session) status(lead string) (string, error) {
	var got []row
	if err := s.zipped.Query("SELECT Id, Status FROM Lead WHERE Id = '"+lead+"'", &got); err != nil {
		return "", err
	}
	if len(got) != 1 || got[0].ID != lead {
		return "", fmt.Errorf("reading lead %s: got %v", lead, got)
	}
	return got[0].Status, nil
}

// count is how many leads of ours there are.
func (s *session) count() (int, error) {
	var answer struct{ TotalSize int }
	path := "/query/?q=SELECT+COUNT()+FROM+Lead+WHERE+Company='" + strings.ReplaceAll(company, " ", "+") + "'"
	err := s.ask(http.MethodGet, path, nil, &answer)
	return answer.TotalSize, err
}

// ask is a request for which the client has no method.
func (s *session) ask(method, path string, body []byte, into any) error {
	answer, err := s.sf.DoRequest(method, path, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(into)
}
