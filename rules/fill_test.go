package rules_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

func TestFill(t *testing.T) {
	r := rules.Referral{
		ID: 7, FirstName: "Ann", Email: " ann@example.com ", Code: "ueONFmUp", URL: "https://r.example.com/7", Source: "widget", ReferrerID: 3,
		Meta: []rules.Meta{{Field: "Last Name", Value: "Smith"}, {Field: "Consent", Value: "tRUE"}, {Field: "Seats", Value: "12"}, {Field: "Budget", Value: "12.50"}, {Field: "Empty", Value: ""},
			{Field: "Dreams", Value: "inf"}, {Field: "Luck", Value: "NaN"}, {Field: "Blank", Value: " \t"}, {Field: "Spaced", Value: " Smith "}},
	}
	referrer := rules.Referral{ID: 3, FirstName: "Bob", Code: "bobs", Meta: []rules.Meta{{Field: "Team", Value: "North"}}}
	types := map[string]rules.Type{"Consent__c": "boolean", "Seats__c": "int", "Budget__c": "currency", "Share__c": "percent", "Big__c": "long", "Rate__c": "double", "Name__c": "string", "Choice__c": "picklist"}
	for _, c := range []struct {
		name    string
		mapping rules.Mapping
		want    any // nil: the field is left out
	}{
		{"id", rules.Mapping{Dynamic: "id"}, "7"},
		{"first name", rules.Mapping{Dynamic: "first_name"}, "Ann"},
		{"e-mail, trimmed", rules.Mapping{Dynamic: "email"}, "ann@example.com"},
		{"code, in its own case", rules.Mapping{Dynamic: "code"}, "ueONFmUp"},
		{"url", rules.Mapping{Dynamic: "url"}, "https://r.example.com/7"},
		{"source", rules.Mapping{Dynamic: "source"}, "widget"},
		{"campaign name", rules.Mapping{Dynamic: "campaign_name"}, "Spring"},
		{"the answer to a question", rules.Mapping{Dynamic: "meta.Last Name"}, "Smith"},
		{"the question in another case", rules.Mapping{Dynamic: "meta.last name"}, "Smith"},
		{"a question that was not asked", rules.Mapping{Dynamic: "meta.Phone"}, nil},
		{"a question that was not asked, with something otherwise", rules.Mapping{Dynamic: "meta.Phone", Otherwise: "(unknown)"}, "(unknown)"},
		{"a question that was not answered, with something otherwise", rules.Mapping{Dynamic: "meta.Empty", Otherwise: "(unknown)"}, "(unknown)"},
		{"an answer of spaces, with something otherwise", rules.Mapping{Dynamic: "meta.Blank", Otherwise: "(unknown)"}, "(unknown)"},
		{"an answer of spaces", rules.Mapping{Dynamic: "meta.Blank"}, nil},
		{"an answer with spaces around it", rules.Mapping{Dynamic: "meta.Spaced"}, "Smith"},
		{"an answer, with something otherwise", rules.Mapping{Dynamic: "meta.Last Name", Otherwise: "(unknown)"}, "Smith"},
		{"a name that nobody knows", rules.Mapping{Dynamic: "shoe_size"}, nil},
		{"the referrer's first name", rules.Mapping{Dynamic: "referrer.first_name"}, "Bob"},
		{"the referrer's id", rules.Mapping{Dynamic: "referrer.id"}, "3"},
		{"the referrer's answer", rules.Mapping{Dynamic: "referrer.meta.Team"}, "North"},
		{"the referrer's empty e-mail", rules.Mapping{Dynamic: "referrer.email", Otherwise: "none"}, "none"},
		{"fixed text", rules.Mapping{Fixed: "Referred"}, "Referred"},
		{"fixed false is a value", rules.Mapping{Fixed: false}, false},
		{"fixed zero is a value", rules.Mapping{Fixed: 0}, 0},
		{"text for a checkbox", rules.Mapping{To: "Consent__c", Dynamic: "meta.Consent"}, true},
		{"text for a checkbox that is none", rules.Mapping{To: "Consent__c", Dynamic: "meta.Last Name"}, "Smith"},
		{"text for a whole number", rules.Mapping{To: "Seats__c", Dynamic: "meta.Seats"}, int64(12)},
		{"text for a large number", rules.Mapping{To: "Big__c", Dynamic: "meta.Seats"}, int64(12)},
		{"text for a whole number that is none", rules.Mapping{To: "Seats__c", Dynamic: "meta.Budget"}, "12.50"},
		{"text for an amount", rules.Mapping{To: "Budget__c", Dynamic: "meta.Budget"}, 12.5},
		{"text for a percentage", rules.Mapping{To: "Share__c", Dynamic: "meta.Budget"}, 12.5},
		{"text for a number", rules.Mapping{To: "Rate__c", Dynamic: "meta.Seats"}, float64(12)},
		{"text for an amount that is none", rules.Mapping{To: "Budget__c", Dynamic: "meta.Last Name"}, "Smith"},
		{"text for an amount without end", rules.Mapping{To: "Budget__c", Dynamic: "meta.Dreams"}, "inf"},
		{"text for a number that is not one", rules.Mapping{To: "Rate__c", Dynamic: "meta.Luck"}, "NaN"},
		{"fixed text for a checkbox", rules.Mapping{To: "Consent__c", Fixed: "false"}, false},
		{"a fixed number stays one", rules.Mapping{To: "Budget__c", Fixed: 5}, 5},
		{"a fixed number for a text", rules.Mapping{To: "Name__c", Fixed: json.Number("67.0")}, "67.0"},
		{"a fixed truth for a choice", rules.Mapping{To: "Choice__c", Fixed: true}, "true"},
		{"a number otherwise, for a text", rules.Mapping{To: "Name__c", Dynamic: "meta.Phone", Otherwise: json.Number("5")}, "5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.mapping.To == "" {
				c.mapping.To = "Field__c"
			}
			want := map[string]any{}
			if c.want != nil {
				want[c.mapping.To] = c.want
			}
			got := rules.Campaign{Name: "Spring", Fields: []rules.Mapping{c.mapping}}.Fill(r, referrer, types)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoIsNeededToFill(t *testing.T) {
	with := func(dynamic ...string) (c rules.Campaign) {
		for _, d := range dynamic {
			c.Fields = append(c.Fields, rules.Mapping{To: "X", Dynamic: d})
		}
		return c
	}
	for _, c := range []struct {
		campaign rules.Campaign
		want     bool
	}{{with(), false}, {with("code", "meta.referrer.x"), false}, {with("code", "referrer.code"), true}} {
		if got := c.campaign.NeedsReferrer(); got != c.want {
			t.Errorf("%v needs the referrer: got %v, want %v", c.campaign.Fields, got, c.want)
		}
	}
	for mode, want := range map[rules.JoinMode]bool{rules.DoNothingOnJoin: false, rules.CreateLead: true, rules.CreateContact: true} {
		if got := (rules.Campaign{Mode: mode}).Creates(); got != want {
			t.Errorf("%s creates: got %v, want %v", mode, got, want)
		}
	}
}

// What we wrote is compared with what Salesforce shows of it later.
func TestText(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{{nil, ""}, {"Ann", "Ann"}, {true, "true"}, {5, "5"}, {int64(5), "5"}, {12.5, "12.5"}, {1e21, "1000000000000000000000"}} {
		if got := rules.Text(c.value); got != c.want {
			t.Errorf("text of %v: got %q, want %q", c.value, got, c.want)
		}
	}
}
