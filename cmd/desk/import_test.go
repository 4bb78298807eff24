package desk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

func (o *office) imports(file string) desk.Imported {
	o.t.Helper()
	name := "import"
	if desk.NamesByEmail([]byte(file)) {
		name = "import-by-email"
	}
	got := must[desk.Imported](o, name, desk.ImportRequest{File: []byte(file), Reason: "a list from sales"})
	if len(got.Problems) == 0 {
		got.Problems = nil // for the comparisons: it is an empty list
	}
	return got
}

// pinned are the records that are pinned to a referral.
func (o *office) pinned(id int64) (records []string) {
	for _, l := range o.referral(id).Links {
		if l.Kinds.Has(rules.Pinned) {
			records = append(records, l.RecordID)
		}
	}
	return records
}

const (
	leadOne, leadTwo = "00Q000000000001EAA", "00Q000000000002EAA"
	contactOne       = "003000000000001AAA"
)

func TestAFileIsImportedHoweverASpreadsheetWritesIt(t *testing.T) {
	for name, file := range map[string]string{
		"plain":                          "id,record\n1001," + leadOne + "\n1002," + leadTwo + "\n",
		"without an end of line":         "id,record\n1001," + leadOne + "\n1002," + leadTwo,
		"semicolons and a BOM":           "\ufeffCode;Record ID\r\ncode1001;" + leadOne + "\r\ncode1002;" + leadTwo + "\r\n",
		"tabs":                           "REFERRAL\tRecord_Id\ncode1001\t" + leadOne + "\n1002\t" + leadTwo[:15] + "\n",
		"quotes, and columns for people": "\"Name\",\"code\",\"record-id\",\"Notes\"\n\"Smith, Ann\",\"code1001\",\"" + leadOne + "\",\"says \"\"yes\"\"\nsoon\"\n\nBob,code1002, " + leadTwo + " ,\n,,,\n",
		"other people's encoding in other columns": "name,id,record\nJ\xfcrgen,1001," + leadOne + "\nAnn,1002," + leadTwo + "\n",
		"both an id and a code":                    "id,code,record\n1001,code1001," + leadOne + "\n,code1002," + leadTwo + "\n",
		"an address after the Id":                  "id,record,email\n1001," + leadOne + ",other@example.com\n1002," + leadTwo + ",\n",
		"an address beside the Id":                 "id,email,record\n1001,other@example.com," + leadOne + "\n1002,," + leadTwo + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			same(t, "import", o.imports(file), desk.Imported{Pinned: 2, Problems: nil})
			same(t, "pinned", append(o.pinned(1001), o.pinned(1002)...), []string{leadOne, leadTwo})
			same(t, "who and why", o.ledger()[1].Who+": "+o.ledger()[1].Note, "ann: a list from sales")
			same(t, "again", o.imports(file), desk.Imported{Unchanged: 2})
			same(t, "ledger lines", len(o.ledger()), 2)
		})
	}
}

func TestEveryBadRowIsNamedAndNothingIsImported(t *testing.T) {
	o := newOffice(t)
	got := o.imports(strings.Join([]string{
		"code,id,record,email",
		"code1001,," + leadOne + ",", // good
		",," + leadOne + ",",
		"code1002,,,",
		"nobody,," + leadOne + ",",
		",4711," + leadTwo + ",",
		"code1001,1002," + leadTwo + ",",
		"code1002,,001000000000001AAA,",
		"code1002,,00Q000000000002AAA,",
		"code1002,,ann@example.com,",
		"code1002,,,ann",
		"code1002,,,nobody@example.com",
		"code1002,," + leadOne + ",",
		"code1001,," + leadOne[:15] + ",",
		"code1004,," + leadTwo + ",",
		"code1008,," + leadTwo + ",",
		"code1002,," + leadTwo + ",,Smith",
		"code1002,," + contactOne + ",", // good
		"code1002,,\xff,",
	}, "\n"))
	want := []struct {
		line         int
		column, text string
	}{
		{3, "id or code", "names no referral"}, {4, "record or email", "names no record"}, {5, "code", `"code:nobody"`}, {6, "id", `"id:4711"`}, {7, "", "the row names two referrals"},
		{8, "record", "is not the Id of a Lead"}, {9, "record", "is not a whole Id"}, {10, "record", "is not the Id"}, {11, "email", `"ann" is no e-mail address`},
		{12, "email", `no Lead that the Salesforce user may see has the e-mail address "nobody@example.com"`},
		{13, "record", "line 2 pins " + leadOne + " to another referral of campaign 101, 1001"}, {14, "record", "line 13 pins"},
		{15, "code", "referral 1004 is delivered; only a pending one"}, {16, "code", "campaign 109 is not in the config"},
		{17, "", "the row has 5 cells, and the first line names 4 columns"}, {19, "record", "is not UTF-8"},
	}
	for i, p := range got.Problems {
		if i >= len(want) || p.Line != want[i].line || want[i].column != "" && p.Column != want[i].column || !strings.Contains(p.Text, want[i].text) {
			t.Errorf("problem %d: got %+v, want %+v", i, p, want[min(i, len(want)-1)])
		}
	}
	same(t, "number of problems", len(got.Problems), len(want))
	same(t, "pinned", got.Pinned, 0)
	same(t, "ledger lines", len(o.ledger()), 0)
	same(t, "links", len(o.referral(1001).Links)+len(o.referral(1002).Links), 0)
}

func TestWhatIsNoListOfPinsIsRefused(t *testing.T) {
	for file, want := range map[string]string{
		"":                        "1: the file is empty",
		"\n\n":                    "1: the file is empty",
		"id,record\n":             "1: the file has no rows",
		"id,record\n , \n":        "1: the file has no rows",
		"1001," + leadOne + "\n":  `1: no column is called id or code or referral; the first line has to name the columns, and says "1001, ` + leadOne + `"`,
		"id,name\n1001,Ann\n":     "1: no column is called record or record_id or email",
		"id,record,ID\n1,2,3\n":   "1: two columns have this name",
		"id,record\n1001,\"00Q\n": "it is not CSV: ",
		"id,record\n1001,0\"0Q\n": "2: it is not CSV: ",
		"\xff\xfei\x00d\x00":      "1: the file is UTF-16",
		"id,record,record_id\n1001," + leadOne + "," + leadTwo + "\n": "2: the row has two record Ids",
	} {
		o := newOffice(t)
		got := o.imports(file)
		if len(got.Problems) != 1 || !strings.Contains(fmt.Sprintf("%d: %s", got.Problems[0].Line, got.Problems[0].Text), want) || got.Pinned != 0 {
			t.Errorf("%q: got %+v, want one problem, %q", file, got, want)
		}
	}
	o := newOffice(t)
	_, err := ask[desk.Imported](o, "import", desk.ImportRequest{File: make([]byte, 11<<20)})
	refused(t, "a long file", err, "at most are imported at once", true)
	_, err = ask[desk.Imported](o, "import", desk.ImportRequest{File: []byte("id,record\n1001," + leadOne), Reason: "see bob@example.com"})
	refused(t, "a reason with an address", err, "--reason: the reason holds an e-mail address", true)
}

func TestRecordsAreImportedByEmail(t *testing.T) {
	o := newOffice(t)
	lead := func(email string) string {
		return o.org.Create("Lead", sandbox.Fields{"LastName": "X", "Company": "Acme", "Email": email})
	}
	ann, two, twin := lead("ann.private@example.com"), lead("two@example.com"), lead("two@example.com")
	contact := o.org.Create("Contact", sandbox.Fields{"LastName": "X", "Email": "ann.private@example.com"})
	file := "id,email\n1001,Ann.Private@Example.com\n1003,ann.private@example.com\n"
	same(t, "import", o.imports(file), desk.Imported{Pinned: 2})
	same(t, "pinned to the Lead campaign's", o.pinned(1001), []string{ann})
	same(t, "pinned to the Contact campaign's", o.pinned(1003), []string{contact})
	same(t, "told", o.told[len(o.told)-1], "pinning records: 2 of 2")
	got := o.imports("id,email\n1002,two@example.com\n")
	if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Text, `2 records have the e-mail address "two@example.com"; name one by its Id: `) ||
		!strings.Contains(got.Problems[0].Text, two) || !strings.Contains(got.Problems[0].Text, twin) {
		t.Errorf("two records: got %+v, want both named", got)
	}
	if strings.Contains(fmt.Sprint(o.ledger()), "@") {
		t.Errorf("ledger: got %v, want no e-mail", o.ledger())
	}
	o.Salesforce = nil
	_, err := ask[desk.Imported](o, "import", desk.ImportRequest{File: []byte(file)})
	refused(t, "where Salesforce cannot be asked", err, "only Salesforce knows", false)
	same(t, "by Id all the same", o.imports("id,record\n1002,"+leadTwo).Pinned, 1)
}

func TestAPreviewPinsNothing(t *testing.T) {
	o := newOffice(t)
	got := must[desk.Imported](o, "import", desk.ImportRequest{File: []byte("id,record\n1001," + leadOne + "\n"), Preview: true})
	same(t, "preview", got, desk.Imported{Preview: true, Pinned: 1, Problems: []desk.Problem{}})
	same(t, "ledger lines", len(o.ledger()), 0)
}

// many is a file of pins of a thousand referrals more.
func (o *office) many(n int) string {
	o.t.Helper()
	var file strings.Builder
	file.WriteString("id,record\n")
	err := o.Store.Update(func(tx *store.Tx) error {
		for i := range int64(n) {
			fmt.Fprintf(&file, "%d,00Q00000000%04d\n", 5000+i, i)
			if err := tx.PutReferral(rules.Referral{ID: 5000 + i, CampaignID: 101, Standing: rules.Pending}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return file.String()
}

func TestALongFileIsPinnedPageByPage(t *testing.T) {
	o := newOffice(t)
	same(t, "import", o.imports(o.many(450)), desk.Imported{Pinned: 450})
	same(t, "told", o.told, []string{"pinning records: 200 of 450", "pinning records: 400 of 450", "pinning records: 450 of 450"})
}

// An import that is interrupted has pinned whole pages, and the file can be imported again.
func TestAnInterruptedImportIsTakenUpAgain(t *testing.T) {
	o := newOffice(t)
	file := o.many(450)
	ctx, stop := context.WithCancel(t.Context())
	_, err := desk.ImportQuestion.Answer(ctx, o.Desk, desk.Asker{Name: "ann"}, desk.ImportRequest{File: []byte(file)}, func(string, int, int) { stop() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped after 200 of 450; import the file again for the rest") {
		t.Errorf("got error %v, want that it was stopped after 200", err)
	}
	same(t, "again", o.imports(file), desk.Imported{Pinned: 250, Unchanged: 200})
}

// What changes while an import runs is named, and does not keep the rest from being imported.
func TestWhoQualifiesDuringAnImportIsNamed(t *testing.T) {
	o := newOffice(t)
	file := o.many(450)
	settle := func(string, int, int) {
		o.Store.Update(func(tx *store.Tx) error {
			r, _, err := tx.Referral(5300)
			r.Standing = rules.Delivered
			return errors.Join(err, tx.PutReferral(r))
		})
	}
	got, err := desk.ImportQuestion.Answer(t.Context(), o.Desk, desk.Asker{Name: "ann"}, desk.ImportRequest{File: []byte(file)}, settle)
	if err != nil || got.Pinned != 449 || len(got.Problems) != 1 || got.Problems[0].Line != 302 || !strings.Contains(got.Problems[0].Text, "it changed while the others were: referral 5300 is delivered") {
		t.Errorf("got %+v, error %v, want 449 pinned and line 302 named", got, err)
	}
}
