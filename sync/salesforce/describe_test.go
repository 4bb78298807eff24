package salesforce

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

const leadDescribe = `{"name":"Lead","label":"Lead","queryable":true,"recordTypeInfos":[],"fields":[
	{"name":"Id","label":"Lead ID","type":"id","length":18,"filterable":true,"nillable":false,"defaultedOnCreate":true,"picklistValues":[],"referenceTo":[]},
	{"name":"Status","label":"Lead Status","type":"picklist","length":255,"createable":true,"updateable":true,"filterable":true,"restrictedPicklist":false,
	 "picklistValues":[{"active":true,"defaultValue":true,"label":"Neu","validFor":null,"value":"New"},{"active":false,"defaultValue":false,"label":"Alt","validFor":null,"value":"Old"}]},
	{"name":"Code__c","label":"Code","type":"string","length":20,"createable":true,"updateable":true,"filterable":true,"nillable":true,"externalId":true,"unique":true,"caseSensitive":true,"calculated":false},
	{"name":"Score__c","label":"Score","type":"double","calculated":true,"length":0}
]}`

func TestDescribe(t *testing.T) {
	f := &fake{api: []reply{{body: leadDescribe}}}
	got, a, err := f.client(t).Describe(t.Context(), "Lead")
	if err != nil || a.Date.IsZero() {
		t.Fatal(a, err)
	}
	if got := f.calls[0].path; got != "/services/data/v67.0/sobjects/Lead/describe" {
		t.Errorf("asked %s", got)
	}
	want := Describe{Name: "Lead", Fields: []Field{
		{Name: "Id", Label: "Lead ID", Type: "id", Length: 18, Filterable: true, DefaultedOnCreate: true, Values: []PicklistValue{}},
		{Name: "Status", Label: "Lead Status", Type: "picklist", Length: 255, Createable: true, Updateable: true, Filterable: true,
			Values: []PicklistValue{{"New", "Neu", true}, {"Old", "Alt", false}}},
		{Name: "Code__c", Label: "Code", Type: "string", Length: 20, Createable: true, Updateable: true, Filterable: true, Nillable: true, ExternalID: true, Unique: true, CaseSensitive: true},
		{Name: "Score__c", Label: "Score", Type: "double", Calculated: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("describe (-want +got):\n%s", diff)
	}
}

func TestFieldIsFoundInAnyCase(t *testing.T) {
	d, err := decodeDescribe([]byte(leadDescribe))
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := d.Field("STATUS"); !ok || f.Name != "Status" {
		t.Errorf("got %+v, %v", f, ok)
	}
	if f, ok := d.Field("Hidden__c"); ok {
		t.Errorf("got %+v, want none", f)
	}
}

func TestDescribeSurvivesTheStore(t *testing.T) {
	before, err := decodeDescribe([]byte(leadDescribe))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after Describe
	if err := json.Unmarshal(stored, &after); err != nil {
		t.Fatal(err)
	}
	before.Fields[0].Values = nil // "no values" has one spelling in the store
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("after the store (-before +after):\n%s", diff)
	}
}

func TestDescribesThatFail(t *testing.T) {
	tests := []struct {
		name  string
		reply reply
		want  Kind
	}{
		{"object unknown or hidden", reply{status: 404, body: `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`}, ObjectGone},
		{"object not supported", reply{status: 400, body: `[{"message":"x","errorCode":"INVALID_TYPE"}]`}, ObjectGone},
		{"no fields", reply{body: `{"name":"Lead","fields":[]}`}, Malformed},
		{"another answer", reply{body: `{}`}, Malformed},
		{"cut", reply{body: `{"name":"Lead","fields":[{"name":"Id"`}, Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, err := (&fake{api: []reply{tt.reply}}).client(t).Describe(t.Context(), "Lead")
				wantKind(t, err, tt.want)
			})
		})
	}
}

func TestDescribeOfWhatIsNoName(t *testing.T) {
	f := &fake{}
	_, _, err := f.client(t).Describe(t.Context(), "../User")
	wantKind(t, err, Malformed)
	f.wantCalls(t, 0, 0)
}
