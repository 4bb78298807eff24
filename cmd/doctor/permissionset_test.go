package doctor_test

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/cmd/doctor"
	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// deployable is the Salesforce project that people deploy.
const deployable = "../../packaging/salesforce"

// permissionSet is a permission set as it is deployed.
type permissionSet struct {
	XMLName xml.Name `xml:"http://soap.sforce.com/2006/04/metadata PermissionSet"`
	License string   `xml:"license"`
	Label   string   `xml:"label"`
	Fields  []struct {
		Field    string `xml:"field"`
		Readable bool   `xml:"readable"`
		Editable bool   `xml:"editable"`
	} `xml:"fieldPermissions"`
	Objects []struct {
		Object    string `xml:"object"`
		Read      bool   `xml:"allowRead"`
		Create    bool   `xml:"allowCreate"`
		Edit      bool   `xml:"allowEdit"`
		Delete    bool   `xml:"allowDelete"`
		ViewAll   bool   `xml:"viewAllRecords"`
		ModifyAll bool   `xml:"modifyAllRecords"`
		AllFields bool   `xml:"viewAllFields"`
	} `xml:"objectPermissions"`
	Users []struct {
		Name    string `xml:"name"`
		Enabled bool   `xml:"enabled"`
	} `xml:"userPermissions"`
}

// customField is a field as it is deployed.
type customField struct {
	XMLName       xml.Name `xml:"http://soap.sforce.com/2006/04/metadata CustomField"`
	Name          string   `xml:"fullName"`
	Label         string   `xml:"label"`
	Type          string   `xml:"type"`
	Length        int      `xml:"length"`
	ExternalID    bool     `xml:"externalId"`
	Unique        bool     `xml:"unique"`
	CaseSensitive bool     `xml:"caseSensitive"`
	Required      bool     `xml:"required"`
}

// withoutSecurity are the fields that every user with Read on the object reads: Salesforce has no field-level security for its own columns and
// for required ones, and refuses to deploy some. That this goes for the columns of a conversion and a merge is not verified against a live org;
// where it does not hold, doctor names the field that cannot be read.
var withoutSecurity = []string{
	"Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "OwnerId",
	"MasterRecordId", "IsConverted", "ConvertedDate", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId",
	"Name", "LastName", "FirstName", "Salutation", "Company", "Status", "StageName", "CloseDate",
}

func decodeDeployable(t *testing.T, into any, name ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{deployable}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(name[len(name)-1]) == ".json" {
		err = json.Unmarshal(text, into)
	} else {
		err = xml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name[len(name)-1], err)
	}
}

func deployedSet(t *testing.T, name string) (s permissionSet) {
	t.Helper()
	decodeDeployable(t, &s, "force-app", "main", "default", "permissionsets", name+".permissionset-meta.xml")
	if s.License != "" {
		t.Errorf("%s names the license %q: then it cannot be assigned to an integration user", name, s.License)
	}
	return s
}

// everyMethod is a campaign of each method, with the policies that look furthest.
var everyMethod = []rules.Campaign{
	refer, won,
	{ID: 104, Name: "Conversions", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField, Duplicates: rules.DoNothing, Method: rules.LeadConverts},
	{ID: 105, Name: "Contacts", Mode: rules.DoNothingOnJoin, Object: rules.Contact, CodeField: codeField, Duplicates: rules.DoNothing,
		Method: rules.ContactFieldChanges, Field: "LastName", Value: "Won"},
	{ID: 106, Name: "News", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: codeField, Duplicates: rules.DoNothing, Method: rules.None},
}

// permit leaves the integration user what a permission set gives it, and takes all the rest.
func (w *ward) permit(s permissionSet) {
	w.t.Helper()
	readable := map[string]bool{}
	for _, f := range s.Fields {
		readable[f.Field] = f.Readable
	}
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		d, _, err := w.patient.Salesforce.Describe(w.t.Context(), object)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range d.Fields {
			if !readable[object+"."+f.Name] && !slices.Contains(withoutSecurity, f.Name) {
				w.org.HideField(object, f.Name)
			}
		}
		w.org.ViewAll(object, false)
	}
	for _, o := range s.Objects {
		w.org.ViewAll(o.Object, o.Read && o.ViewAll)
	}
}

// ofAccess are the findings about what the user may see that are not green.
func ofAccess(report doctor.Report) (bad []string) {
	for _, f := range report.Findings {
		about := strings.HasPrefix(f.Check, "object.") || strings.HasSuffix(f.Check, ".code_field") || f.Check == "codes"
		if f.Colour != doctor.Green && about {
			bad = append(bad, f.Title+": "+f.Text)
		}
	}
	return bad
}

// unreadable are the fields that a pass wants and the user may not read.
func (w *ward) unreadable() (names []string) {
	w.t.Helper()
	describes := map[rules.Object]salesforce.Describe{}
	for _, object := range poll.Described(w.patient.Poll) {
		d, _, err := w.patient.Salesforce.Describe(w.t.Context(), string(object))
		if err != nil {
			w.t.Fatal(err)
		}
		describes[object] = d
	}
	for object, wanted := range poll.OutlineOf(w.patient.Poll, describes, now()).Wanted {
		for _, name := range wanted {
			if _, ok := describes[object].Field(name); !ok {
				names = append(names, string(object)+"."+name)
			}
		}
	}
	return names
}

// With the deployed permission set campaigns of every method can read what they want, and a check-up finds nothing missing; without any one of its
// permissions something is.
func TestTheDeployedPermissionSetIsEnoughAndNoMore(t *testing.T) {
	examine := func(t *testing.T, s permissionSet, enough bool) {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(t, everyMethod...)
			w.permit(s)
			missed := append(w.unreadable(), ofAccess(doctor.CheckUp(t.Context(), w.patient, nil))...)
			if enough != (len(missed) == 0) {
				t.Errorf("got as missing %q, want nothing: %t", missed, enough)
			}
			if enough {
				w.pass()
			}
		})
	}
	whole := deployedSet(t, "Qualifyd")
	t.Run("all of it", func(t *testing.T) { examine(t, whole, true) })
	for i, f := range whole.Fields {
		less := whole
		less.Fields = slices.Delete(slices.Clone(whole.Fields), i, i+1)
		t.Run("without "+f.Field, func(t *testing.T) { examine(t, less, false) })
	}
	for i, o := range whole.Objects {
		less := whole
		less.Objects = slices.Delete(slices.Clone(whole.Objects), i, i+1)
		if o.Object == "Account" {
			continue // Salesforce wants it beside Contacts and Opportunities; nothing of ours asks for it
		}
		t.Run("without View All on "+o.Object, func(t *testing.T) { examine(t, less, false) })
	}
}

// What the sets let their user change is what a pass writes, and only where a campaign creates.
func TestTheDeployedPermissionSetsChangeOnlyWhatAPassWrites(t *testing.T) {
	writable := func(s permissionSet) (objects, fields []string) {
		for _, o := range s.Objects {
			if o.Delete || o.ModifyAll || o.AllFields {
				t.Errorf("%s: got more than is needed on %s: %+v", s.Label, o.Object, o)
			}
			if o.Create || o.Edit {
				objects = append(objects, o.Object)
			}
		}
		for _, f := range s.Fields {
			if f.Editable {
				fields = append(fields, f.Field)
			}
		}
		return objects, fields
	}
	if objects, fields := writable(deployedSet(t, "Qualifyd")); objects != nil || fields != nil {
		t.Errorf("the set for reading can change %v and %v, want nothing", objects, fields)
	}
	for object, mode := range map[rules.Object]rules.JoinMode{rules.Lead: rules.CreateLead, rules.Contact: rules.CreateContact} {
		objects, fields := writable(deployedSet(t, "Qualifyd_Create_"+string(object)+"s"))
		if !slices.Equal(objects, []string{string(object)}) {
			t.Errorf("%s: its set can change %v, want %s only", mode, objects, object)
		}
		var want []string
		for _, name := range writtenBy(t, object, mode) {
			if !slices.Contains(withoutSecurity, name) {
				want = append(want, string(object)+"."+name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(fields, want) {
			t.Errorf("%s: its set can change the fields %v, want those that a pass writes: %v", mode, fields, want)
		}
	}
}

// writtenBy are the fields that a pass fills where a campaign maps the required ones only.
func writtenBy(t *testing.T, object rules.Object, mode rules.JoinMode) (names []string) {
	c := makes
	c.Object, c.Mode, c.Method = object, mode, rules.None
	if object == rules.Contact {
		c.Fields = c.Fields[:1] // a Contact has no Company
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, refer)
		w.configure(func(one *rules.Campaign) { *one = c })
		w.rf.AddCampaign(c.ID, c.Name)
		w.poller = poll.New(w.patient.Poll)
		w.pass() // takes stock
		time.Sleep(2 * time.Hour)
		w.rf.Refer(c.ID, sandbox.NewUser{FirstName: "Ben"})
		w.poller.Preview = func(write poll.Write) {
			for name := range write.Fields {
				names = append(names, name)
			}
		}
		w.pass()
	})
	if len(names) == 0 {
		t.Fatalf("%s: a pass wrote nothing", mode)
	}
	return names
}

// The field for the codes is one that doctor has nothing against, on all three objects, and the project speaks the API version that we do.
func TestTheDeployedCodeField(t *testing.T) {
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		var f customField
		decodeDeployable(t, &f, "force-app", "main", "default", "objects", object, "fields", codeField+".field-meta.xml")
		if f.Name != codeField || f.Type != "Text" || f.Required || !f.ExternalID || f.Unique && !f.CaseSensitive || f.Length < 40 {
			t.Errorf("%s: got %+v, want a text field with an index, which takes any code and tells upper case from lower", object, f)
		}
	}
	var project struct{ SourceAPIVersion string }
	decodeDeployable(t, &project, "sfdx-project.json")
	if want := config.Default().Salesforce.APIVersion; project.SourceAPIVersion != want {
		t.Errorf("sfdx-project.json: got the API version %q, want the config's default %q", project.SourceAPIVersion, want)
	}
}
