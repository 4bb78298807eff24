package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

// canned is Salesforce with one long answer prepared: while it is on, a query for the Leads that changed gets that. Everything else the sandbox
// org answers, so that the passes around it are real ones.
type canned struct {
	*httptest.Server
	org   *sandbox.Org
	pages [][]byte
	found map[string]json.RawMessage // by Id, code and e-mail: the rows of those Leads that are found one by one as well
	on    atomic.Bool
	calls atomic.Int64 // while on
}

// newCanned serves pages on loopback.
func newCanned(t testing.TB, pages [][]byte) *canned {
	t.Helper()
	c := &canned{org: sandbox.NewOrg(time.Now), pages: pages}
	prepare(c.org)
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	c.org.SetURL(c.URL)
	return c
}

// prepare gives an org what fill's campaigns ask for.
func prepare(org *sandbox.Org) {
	org.AddField("Lead", sandbox.FieldDef{Name: "Referral_Code__c", Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	for field, value := range map[string]string{"Status": "Qualified", "Rating": "Hot", "LeadSource": "Partner Referral"} {
		org.AddPicklistValue("Lead", field, sandbox.PicklistValue{Value: value})
	}
}

// beginCanned is where a client has the prepared answer begin.
const beginCanned = "/begin"

const nextPage = "/services/data/v67.0/query/01gBENCH-"

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == beginCanned {
		c.on.Store(true)
		return
	}
	if !c.on.Load() {
		c.org.Handler().ServeHTTP(w, r)
		return
	}
	c.calls.Add(1)
	if number, is := strings.CutPrefix(r.URL.Path, nextPage); is {
		n, _ := strconv.Atoi(number)
		answer(w, c.pages[n/rowsAPage])
		return
	}
	asked, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(asked))
	r.Header.Del("Accept-Encoding")
	recorded := httptest.NewRecorder()
	c.org.Handler().ServeHTTP(recorded, r)
	answer(w, c.withFirstPage(asked, recorded.Body.Bytes()))
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// withFirstPage puts the prepared answer's first page into a composite's, in the place of the Leads that changed.
func (c *canned) withFirstPage(asked, answered []byte) []byte {
	var request struct {
		Asked []struct{ URL, ReferenceID string } `json:"compositeRequest"`
	}
	var response struct {
		Answers []map[string]any `json:"compositeResponse"`
	}
	if json.Unmarshal(asked, &request) != nil || json.Unmarshal(answered, &response) != nil {
		return answered
	}
	for _, q := range request.Asked {
		soql, _ := url.QueryUnescape(q.URL)
		for _, a := range response.Answers {
			switch {
			case a["referenceId"] != q.ReferenceID:
			case strings.Contains(soql, " FROM Lead WHERE SystemModstamp >= "):
				a["body"] = json.RawMessage(c.pages[0])
			case strings.Contains(soql, " FROM Lead WHERE ") && c.found != nil:
				a["body"] = c.find(soql)
			}
		}
	}
	body, _ := json.Marshal(response)
	return body
}

// find answers a query for some Leads by Id, code or e-mail.
func (c *canned) find(soql string) map[string]any {
	rows, seen := []json.RawMessage{}, map[string]bool{}
	for i, value := range strings.Split(soql, "'") {
		if row := c.found[value]; i%2 == 1 && row != nil && !seen[string(row)] {
			rows, seen[string(row)] = append(rows, row), true
		}
	}
	return map[string]any{"totalSize": len(rows), "done": true, "records": rows}
}

// findOneByOne has the Leads of the first of fill's referrals be found as the prepared answer shows them.
func (c *canned) findOneByOne(t testing.TB, referrals int) {
	t.Helper()
	ours := map[string]int{}
	for i := range referrals {
		ours[leadOf(i)] = i
	}
	c.found = map[string]json.RawMessage{}
	for _, page := range c.pages {
		var answer struct{ Records []json.RawMessage }
		if err := json.Unmarshal(page, &answer); err != nil {
			t.Fatal(err)
		}
		for _, row := range answer.Records {
			var lead struct{ ID, Email string }
			if err := json.Unmarshal(row, &lead); err != nil {
				t.Fatal(err)
			}
			if i, is := ours[lead.ID]; is {
				c.found[lead.ID], c.found[lead.Email], c.found[codeOf(i)] = row, row, row
			}
		}
	}
}

// changedLeads are the pages of so many Leads that changed, of which so many percent are those of fill's referrals, which are so many. A mass update by a tool goes
// through a file, and 200 records get one stamp; Salesforce sorts by stamp, then Id. shuffled is for a file that is in no order of Ids.
func changedLeads(rows, linkedPercent, referrals int, shuffled bool) [][]byte {
	dice := rand.New(rand.NewPCG(1, 2))
	leads := make([]int, rows) // of fill's, or beyond them
	for i := range leads {
		leads[i] = min(i, i*referrals/rows)
		if i%100 >= linkedPercent {
			leads[i] = strangers + i
		}
	}
	if shuffled {
		dice.Shuffle(rows, func(i, j int) { leads[i], leads[j] = leads[j], leads[i] })
	}
	from := time.Now().Add(-time.Hour).Truncate(time.Second)
	var pages [][]byte
	for some := range slices.Chunk(leads, rowsAPage) {
		for same := range slices.Chunk(some, 200) {
			slices.Sort(same)
		}
		pages = append(pages, leadsPage(some, rows, len(pages)*rowsAPage, from))
	}
	return pages
}

// strangers is the number of the first Lead that is nobody's.
const strangers = 5_000_000

func leadsPage(leads []int, total, before int, from time.Time) []byte {
	var b bytes.Buffer
	if before+len(leads) < total {
		fmt.Fprintf(&b, `{"totalSize":%d,"done":false,"nextRecordsUrl":"%s%d","records":[`, total, nextPage, before+len(leads))
	} else {
		fmt.Fprintf(&b, `{"totalSize":%d,"done":true,"records":[`, total)
	}
	for i, lead := range leads {
		if i > 0 {
			b.WriteByte(',')
		}
		const stamp = "2006-01-02T15:04:05.000+0000"
		at := from.Add(time.Duration((before+i)/200) * time.Second).UTC()
		created := filledAt.Add(-time.Duration(lead%40*24+lead%24) * time.Hour).Truncate(time.Second).UTC()
		code := `"` + codeOf(lead) + `"`
		if lead >= strangers {
			code = "null"
		}
		fmt.Fprintf(&b, `{"attributes":{"type":"Lead","url":"/services/data/v67.0/sobjects/Lead/%[1]s"},"Id":"%[1]s","IsDeleted":false,"CreatedDate":"%[2]s",`+
			`"LastModifiedDate":"%[3]s","SystemModstamp":"%[3]s","Email":"alexandra.%[4]d@example.com","MasterRecordId":null,"IsConverted":false,"ConvertedDate":null,`+
			`"ConvertedContactId":null,"ConvertedOpportunityId":null,"Status":"Closed - Not Converted","Referral_Code__c":%[5]s,"Rating":"Warm","LeadSource":"Web"}`,
			leadOf(lead), created.Format(stamp), at.Format(stamp), lead, code)
	}
	b.WriteString("]}")
	return b.Bytes()
}
