package poll_test

// The bugs that others who poll Salesforce had, each as a test of ours: what bit whom is said above it. Those about the clients alone have their
// tests there:
//
//	R22  rotated refresh token not stored (jsforce)                 no flow of ours has refresh tokens yet
//	R23  endless refresh on a 401 (jsforce)                         salesforce: TestFreshSessionRefusedAgain
//	R24  session without expiry never renewed (go-salesforce)       salesforce: TestExpiredSessionIsRenewedOnce; here TestASessionThatDiesBetweenPassesIsRenewed
//	R25  "https://https://" (salesforce-laravel)                    salesforce: TestInstanceURL, TestPagesAreFollowedVerbatim
//	R26  gzip that is none, unknown codes, 413 (restforce)          salesforce: TestAnswers, TestFalseGzipOverTheWire; here TestR09
//	R30  usage header per app not understood (Singer)               salesforce: TestUsage; here TestAShareOfTheOrgsLimitIsKept
//	R31  OAuth error bodies, "+" in a username (simple-salesforce)  salesforce: TestLoginAnswers, TestJWTLogin
//
// These cannot happen to us:
//
//	R15  cursor column that cannot be filtered on (Airbyte)         our cursors are SystemModstamp and CreatedDate, which always can be
//	R21  an aborted bulk job that never ends (Meltano)              there are no bulk jobs

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// Airbyte lost rows that became visible after the newest stamp had moved beyond theirs.
func TestR01ARowThatCommitsLateIsSeen(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a := w.Lead(ann)
		w.Passes(1)
		tx := w.org.Begin()
		tx.Update("Lead", a, sandbox.Fields{"Status": goodValue})
		tx.Create("Lead", sandbox.Fields{"LastName": "Bob", "Company": "Acme", "Email": bob.Email, "Status": goodValue})
		for range 9 {
			w.After(time.Minute)
			w.crowd(1)
			w.Pass()
		}
		w.WantOnly()
		tx.Commit()
		w.Passes(1)
		w.WantOnly(ann, bob)
	})
}

// Supaglue asked for stamps greater than the last one: of many rows with one stamp, those after a break were lost.
func TestR02RowsOfOneStampSurviveACrash(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, zoe := w.Known("Ann"), w.Known("Zoe")
		a := w.Lead(ann)
		w.crowd(250)
		z := w.Lead(zoe) // rows of one stamp are sorted by Id: hers is the last, on the second page
		w.Passes(1)
		w.After(overlap + time.Minute)
		w.Passes(1)
		w.org.SetPageSize(200)
		w.Status(a, goodValue)
		for _, id := range w.org.IDs("Lead") {
			if id != a && id != z {
				w.org.Touch("Lead", id)
			}
		}
		w.Status(z, goodValue)
		w.After(time.Minute)
		w.org.SetFault(always(isNextPage, sandbox.HTML(http.StatusServiceUnavailable)))
		mustContain(t, "a pass that breaks off after the first page", w.TryPass(), "503")
		w.WantQualified(ann)
		w.Restart()
		w.org.SetFault(nil)
		w.Passes(1)
		w.WantOnly(ann, zoe)
	})
}

// Pipedream kept the greatest value seen and dropped rows close in time to it.
func TestR03RowsOfOneSecondAllCount(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		var users []sandbox.User
		var leads []string
		for i := range 12 {
			users = append(users, w.Refer(fmt.Sprintf("P%d", i)))
			leads = append(leads, w.Lead(users[i]))
		}
		w.Passes(1)
		for i := range leads {
			w.Status(leads[(i*5)%12], goodValue)
		}
		w.Passes(1)
		w.WantOnly(users...)
	})
}

// n8n knew rows by Id alone: the second change to a row never showed.
func TestR04TheSecondChangeToARowCounts(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// n8n knew rows by Id and LastModifiedDate: each edit within the overlap fired again.
func TestR05EditsOfAQualifiedRecordDoNotFireAgain(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann, sandbox.Fields{"Status": goodValue})
		w.Passes(1)
		for i := range 5 {
			w.org.Update("Lead", lead, sandbox.Fields{"Title": fmt.Sprint("VP ", i)})
			w.Passes(1)
		}
		w.WantQualified(ann)
	})
}

// n8n's memory of what it had seen was pruned before the overlap was over.
func TestR06WhatWasSeenOutlivesTheOverlap(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		for range 8 {
			w.After(6 * time.Hour)
			w.org.Touch("Lead", lead)
			w.Restart()
			w.Pass()
		}
		w.Status(lead, "Working - Contacted")
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// n8n's "Opportunity updated" stayed silent while "created" worked.
func TestR07OpportunitiesThatAreOnlyUpdated(t *testing.T) {
	running(t, one(stageCampaign()), func(w *world) {
		ann := w.Known("Ann")
		deal := w.org.Convert(w.Lead(ann), sandbox.Conversion{}).OpportunityID
		w.Passes(2)
		for _, stage := range []string{"Qualification", "Negotiation/Review", "Closed Won"} {
			w.After(5 * time.Hour)
			w.WantOnly()
			w.Stage(deal, stage)
			w.Passes(1)
		}
		w.WantQualified(ann)
	})
}

// Airbyte took QUERY_TIMEOUT for "no rows", and moved on.
func TestR08AQueryTimeoutIsNotNoRows(t *testing.T) {
	for name, fail := range map[string]func(w *world){
		"one query":     func(w *world) { w.Fail(" FROM Lead ", "QUERY_TIMEOUT") },
		"whole request": func(w *world) { w.org.SetFault(always(isComposite, sandbox.Refusal(400, "QUERY_TIMEOUT", "too long"))) },
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				before := w.Watermark("Lead")
				fail(w)
				w.Status(lead, goodValue)
				w.After(time.Hour)
				mustContain(t, "a pass whose query timed out", w.TryPass(), "QUERY_TIMEOUT")
				if got := w.Watermark("Lead"); got != before {
					t.Errorf("watermark: got %v, want %v untouched", got, before)
				}
				w.Heal()
				w.org.SetFault(nil)
				w.Passes(1)
				w.WantQualified(ann)
			})
		})
	}
}

// Airbyte broke on an HTML page with 431. Neither a page, nor an empty, cut or mislabelled body is an answer without rows.
func TestR09ABrokenAnswerIsNeverAnEmptyOne(t *testing.T) {
	for name, fault := range map[string]*sandbox.Fault{
		"an HTML page with 200": {Status: http.StatusOK, ContentType: "text/html", Body: "<html><body>maintenance</body></html>"},
		"an HTML page with 503": sandbox.HTML(http.StatusServiceUnavailable),
		"431":                   sandbox.HTML(http.StatusRequestHeaderFieldsTooLarge),
		"a cut body":            {Cut: 40},
		"an empty body":         {Empty: true},
		"gzip that is none":     {FalseGzip: true},
		"no Date":               {NoDate: true},
		"an empty object":       {Status: http.StatusOK, Body: "{}"},
		"too few answers":       {Status: http.StatusOK, Body: `{"compositeResponse":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				before := w.Watermark("Lead")
				w.Status(lead, goodValue)
				w.org.SetFault(always(isComposite, fault))
				w.After(time.Hour)
				if err := w.TryPass(); err == nil {
					t.Error("got no error from a pass whose poll was not answered")
				}
				if got := w.Watermark("Lead"); got != before {
					t.Errorf("watermark: got %v, want %v untouched", got, before)
				}
				w.org.SetFault(nil)
				w.Passes(1)
				w.WantQualified(ann)
			})
		})
	}
}

// Airbyte hid everything older than two years from a new stream.
func TestR10AVeryOldRecordIsFound(t *testing.T) {
	c := fieldCampaign()
	c.Duplicates = rules.Update
	running(t, one(c), func(w *world) {
		ages := serviceTime().AddDate(-9, 0, 0).Truncate(time.Second)
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com",
			"CreatedDate": ages, "LastModifiedDate": ages, "SystemModstamp": ages})
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(1)
		w.WantLinks(ann, lead)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(ann)
	})
}

// Airbyte missed history rows of one second where a page ended inside it.
func TestR11HistoryRowsOfOneSecondAcrossPages(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.org.Track("Lead", "Status", true)
		var users []sandbox.User
		var leads []string
		for i := range 11 {
			users = append(users, w.Refer(fmt.Sprintf("P%d", i)))
			leads = append(leads, w.Lead(users[i]))
		}
		w.Passes(1)
		w.org.SetPageSize(4)
		for _, lead := range leads { // there and back within a second: only the history tells
			w.Status(lead, goodValue)
			w.Status(lead, "Working - Contacted")
		}
		w.Passes(1)
		w.WantOnly(users...)
	})
}

// Airbyte's inclusive bounds gave duplicates; the exclusive ones proposed against that would have lost rows.
func TestR12ARowExactlyAtTheBoundIsSeenOnce(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		tx := w.org.Begin()
		tx.Update("Lead", lead, sandbox.Fields{"Status": goodValue})
		stamp := serviceTime().Truncate(time.Second)
		w.After(overlap + 5*time.Second) // the watermark stays five seconds behind
		w.Pass()
		if from := w.Watermark("Lead").At.Add(-overlap); !from.Equal(stamp) {
			t.Fatalf("the next poll starts at %v, want %v, the stamp of the change", from, stamp)
		}
		tx.Commit()
		w.Passes(3)
		w.WantQualified(ann)
	})
}

// Airbyte's retries and paging gave rows twice.
func TestR13ReadingAPageAgainChangesNothing(t *testing.T) {
	running(t, allMethods(), func(w *world) {
		ann, dev := w.Known("Ann", 101), w.Known("Dev", 104)
		lead, other := w.Lead(ann), w.Lead(dev)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Stage(w.org.Convert(other, sandbox.Conversion{}).OpportunityID, "Closed Won")
		w.Passes(2)
		before := w.Ledger()
		for range 5 {
			w.Restart()
			w.Passes(1)
		}
		if got := w.Ledger(); got != before {
			t.Errorf("after reading the same rows again: got %d ledger entries, want %d still", got, before)
		}
		w.WantOnly(ann, dev)
		w.WantQualified(ann, dev)
	})
}

// Airbyte dropped half the rows after a column was added.
func TestR14AColumnMoreLosesNoRow(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, bob := w.Known("Ann"), w.Known("Bob")
		a, b := w.Lead(ann), w.Lead(bob)
		w.Passes(1)
		w.Status(a, goodValue)
		w.After(time.Second)
		more := fieldCampaign()
		more.ID, more.Field, more.Value = 201, "Rating", "Hot"
		w.rf.AddCampaign(201, "More")
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Extra__c", Label: "Extra", Type: "string"})
		w.Configure(func(o *poll.Options) { o.Campaigns = append(o.Campaigns, more) })
		w.Passes(1)
		w.WantOnly(ann)
		w.Status(b, goodValue)
		cleo := w.Known("Cleo", 201)
		c := w.Lead(cleo)
		w.Passes(1)
		w.org.Update("Lead", c, sandbox.Fields{"Rating": "Hot"})
		w.Passes(1)
		w.WantOnly(ann, bob, cleo)
	})
}

// Airbyte swallowed a rate-limit error in the middle of an answer, and called it a success.
func TestR16TheLimitIsReachedInTheMiddleOfAnAnswer(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		zoe := w.Known("Zoe")
		lead := w.Lead(zoe)
		w.Passes(1)
		before := w.Watermark("Lead")
		w.crowd(30)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.org.SetPageSize(10)
		w.org.SetFault(always(isNextPage, sandbox.OverLimit()))
		mustContain(t, "a pass that meets the limit", w.TryPass(), "REQUEST_LIMIT_EXCEEDED")
		if got := w.Watermark("Lead"); !got.At.Equal(before.At) {
			t.Errorf("watermark: got %v, want %v still", got.At, before.At)
		}
		w.org.SetFault(nil)
		w.Passes(1)
		w.WantQualified(zoe)
	})
}

// Mautic did not follow nextRecordsUrl.
func TestR17TheRowAfterTheFirstTwoThousand(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		zoe := w.Known("Zoe")
		lead := w.Lead(zoe)
		w.Passes(1)
		w.crowd(2000)
		w.After(time.Second)
		w.Status(lead, goodValue)
		w.Passes(1)
		w.WantQualified(zoe)
	})
}

// Singer moved its bookmark to whatever stamp a row had, on any page.
func TestR18ARowFromTheFutureDoesNotMoveTheWatermark(t *testing.T) {
	for _, pageSize := range []int{2000, 10} {
		running(t, one(fieldCampaign()), func(w *world) {
			ann := w.Known("Ann")
			lead := w.Lead(ann)
			w.Passes(1)
			w.org.SetPageSize(pageSize)
			w.crowd(15)
			tomorrow := serviceTime().AddDate(0, 0, 1).Truncate(time.Second)
			w.org.Create("Lead", sandbox.Fields{"LastName": "Tomorrow", "Company": "Ahead", "SystemModstamp": tomorrow})
			w.Passes(2)
			if got := w.Watermark("Lead"); got.At.After(serviceTime()) || got.Resuming() {
				t.Errorf("pages of %d: got watermark %+v, want one not after %v", pageSize, got, serviceTime())
			}
			w.After(time.Hour)
			w.Status(lead, goodValue)
			w.Passes(1)
			w.WantQualified(ann)
		})
	}
}

// A row that is changed while the pages are read shows its new stamp on a later page. Where the answer breaks off after it, the position to
// resume at must not be beyond the rows that are left.
func TestR18ARowThatChangesWhilePagesAreReadDoesNotMoveThePosition(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		zoe := w.Known("Zoe")
		z := w.Lead(zoe)
		w.Passes(1)
		w.After(overlap + time.Minute)
		w.Passes(1)
		for range 3 {
			w.crowd(10)
			w.After(time.Second)
		}
		moving := w.org.IDs("Lead")[20] // the last one on the second page
		w.Status(z, goodValue)
		w.After(time.Minute)
		w.org.SetPageSize(10)
		pages := 0
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if !isNextPage(r) {
				return nil
			}
			if pages++; pages > 1 {
				return sandbox.HTML(http.StatusServiceUnavailable)
			}
			w.org.Touch("Lead", moving)
			return nil
		})
		mustContain(t, "a pass that breaks off on the third page", w.TryPass(), "503")
		if mark := w.Watermark("Lead"); !mark.Resuming() || mark.ResumeStamp.After(mark.Bound) {
			t.Errorf("after the second page: got watermark %+v, want a position to resume at that is not after its bound", mark)
		}
		w.org.SetFault(nil)
		w.Restart()
		w.Pass()
		w.WantQualified(zoe)
	})
}

// Nango checkpointed the last row of a page before the chain of pages was done.
func TestR19ALongAnswerIsResumedAfterACrash(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann, zoe := w.Known("Ann"), w.Known("Zoe")
		a, z := w.Lead(ann), w.Lead(zoe)
		w.Passes(1)
		w.After(overlap + time.Minute)
		w.Passes(1)

		w.Status(a, goodValue)
		w.crowd(100)
		w.After(time.Second)
		w.crowd(100)
		w.After(time.Second)
		w.Status(z, goodValue)
		w.After(time.Minute)
		w.org.SetPageSize(90)
		w.org.SetFault(always(isNextPage, sandbox.HTML(http.StatusServiceUnavailable)))
		mustContain(t, "a pass that breaks off", w.TryPass(), "503")
		w.WantQualified(ann)
		mark := w.Watermark("Lead")
		if !mark.Resuming() {
			t.Fatalf("after the first page: got watermark %+v, want a position to resume at", mark)
		}

		w.Restart()
		w.org.SetFault(nil)
		w.Calls()
		w.Pass()
		if got := w.Calls(); got > 3 {
			t.Errorf("the pass that resumed: got %d calls, want three at most (112 rows are left)", got)
		}
		w.WantOnly(ann, zoe)
		if got := w.Watermark("Lead"); got.Resuming() || !got.At.After(mark.At) {
			t.Errorf("after the last page: got watermark %+v, want one beyond %v", got, mark.At)
		}
	})
}

// An answer that is resumed hours later was begun then: what committed late meanwhile, behind the position, is in the overlap of the next pass.
func TestR19ALongAnswerThatIsResumedLateLosesNoLateRow(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.After(overlap + time.Minute)
		w.Passes(1)

		tx := w.org.Begin()
		tx.Update("Lead", lead, sandbox.Fields{"Status": goodValue})
		for range 3 {
			w.After(time.Second)
			w.crowd(50)
		}
		w.After(time.Minute)
		w.org.SetPageSize(90)
		w.org.SetFault(always(isNextPage, sandbox.HTML(http.StatusServiceUnavailable)))
		mustContain(t, "a pass that breaks off", w.TryPass(), "503")
		if mark := w.Watermark("Lead"); !mark.Resuming() {
			t.Fatalf("after the first page: got watermark %+v, want a position to resume at", mark)
		}
		tx.Commit()
		w.After(3 * time.Hour)
		w.Restart()
		w.org.SetFault(nil)
		w.Passes(2)
		w.WantQualified(ann)
	})
}

// Nango took up a locator that had expired, again and again.
func TestR19AnExpiredLocatorIsAskedAnew(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		zoe := w.Known("Zoe")
		z := w.Lead(zoe)
		w.Passes(1)
		w.crowd(150)
		w.After(time.Second)
		w.Status(z, goodValue)
		w.After(time.Minute)
		w.org.SetPageSize(60)
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if isNextPage(r) {
				w.org.SetFault(nil)
				return sandbox.Refusal(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
			}
			return nil
		})
		w.Pass()
		w.WantQualified(zoe)
	})
}

// dlt asked query, not queryAll: deleted records stayed as they were last seen.
func TestR20ADeletedRecordDoesNotQualify(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		ann := w.Known("Ann")
		lead := w.Lead(ann)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.org.Delete("Lead", lead)
		w.Passes(2)
		w.WantNot(ann, rules.RecordDeleted)
	})
}

// Pipedream's "field changed" worked for some types of field only.
func TestR27EveryTypeOfField(t *testing.T) {
	for _, c := range []struct {
		def        sandbox.FieldDef
		value      string // as the config has it
		from, into any
	}{
		{sandbox.FieldDef{Type: "string"}, "ready", "not yet", "Ready"},
		{sandbox.FieldDef{Type: "string"}, "ready", nil, "ready"},
		{sandbox.FieldDef{Type: "textarea", Length: 32000, NoFilter: true}, "ready", nil, "ready"},
		{sandbox.FieldDef{Type: "picklist", Values: []sandbox.PicklistValue{{Value: "A_1", Label: "Cold"}, {Value: "A_2", Label: "Warm"}}}, "warm", "A_1", "A_2"},
		{sandbox.FieldDef{Type: "multipicklist", Values: sandbox.Picklist("A", "B", "C")}, "B;A", "C", "A;B"},
		{sandbox.FieldDef{Type: "boolean", Default: false}, "true", false, true},
		{sandbox.FieldDef{Type: "boolean", Default: false}, "false", true, false},
		{sandbox.FieldDef{Type: "double", Precision: 9, Scale: 2}, "5", 4.5, 5.0},
		{sandbox.FieldDef{Type: "currency", Precision: 18, Scale: 2}, "1000.50", 1.0, 1000.5},
		{sandbox.FieldDef{Type: "percent", Precision: 3}, "100", 0.0, 100.0},
		{sandbox.FieldDef{Type: "date"}, "2026-12-24", "2026-12-23", "2026-12-24"},
		{sandbox.FieldDef{Type: "datetime"}, "2026-12-24T10:00:00Z", nil, time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)},
		{sandbox.FieldDef{Type: "time"}, "10:00", nil, "10:00:00.000Z"},
		{sandbox.FieldDef{Type: "email"}, "Done@Example.com", nil, "done@example.com"},
		{sandbox.FieldDef{Type: "phone"}, "+41 44", nil, "+41 44"},
		{sandbox.FieldDef{Type: "url"}, "https://example.com", nil, "https://example.com"},
	} {
		for _, campaign := range []rules.Campaign{fieldCampaign(), contactCampaign()} {
			t.Run(fmt.Sprintf("%s %s to %s", campaign.Object, c.def.Type, c.value), func(t *testing.T) {
				def := c.def
				def.Name, def.Label = "Watched__c", "Watched"
				campaign.Field, campaign.Value = "watched__C", c.value
				story(t, one(campaign), func(w *world) {
					object := string(campaign.Object)
					w.org.AddField(object, def)
					w.Pass()
					ann := w.Known("Ann")
					fields := sandbox.Fields{"LastName": "Ann", "Email": ann.Email, "Watched__c": c.from}
					if campaign.Object == rules.Lead {
						fields["Company"] = "Acme"
					}
					record := w.org.Create(object, fields)
					w.Passes(1)
					w.WantNot(ann, rules.ValueNotReached)
					w.org.Update(object, record, sandbox.Fields{"Watched__c": c.into})
					w.Passes(1)
					w.WantQualified(ann)
				})
			})
		}
	}
}

// Pipedream's first activation fired for the whole history; Zapier downloads every id so as not to.
func TestR28TheFirstPassNeverFiresForThePast(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		story(t, allMethods(), func(w *world) {
			w.org.Track("Lead", "Status", tracked)
			w.org.Track("Contact", "LeadSource", tracked)
			ann, bob, cleo, dev := w.Refer("Ann", 101), w.Refer("Bob", 102), w.Refer("Cleo", 103), w.Refer("Dev", 104)
			a, b, c, d := w.Lead(ann), w.Contact(bob), w.Lead(cleo), w.Lead(dev)
			w.After(time.Minute)
			w.Status(a, goodValue)
			w.org.Update("Contact", b, sandbox.Fields{"LeadSource": "Partner Referral"})
			w.org.Convert(c, sandbox.Conversion{})
			deal := w.org.Convert(d, sandbox.Conversion{}).OpportunityID
			w.Stage(deal, "Closed Won")
			w.After(time.Minute)
			w.Passes(3)
			w.WantOnly()
			for _, u := range []sandbox.User{ann, bob, cleo, dev} {
				w.WantNot(u, rules.ValuePredates)
			}

			w.Status(a, "Working - Contacted")
			w.Stage(deal, "Negotiation/Review")
			w.Passes(1)
			w.Status(a, goodValue)
			w.Stage(deal, "Closed Won")
			w.Passes(2)
			w.WantOnly(ann, dev)
		})
	}
}

// A Kafka connector gave duplicates when it was replayed. A time-out does not mean "not done": the user is read back before anything is sent
// again, and only two minutes later.
func TestR29ALostPutIsReadBackBeforeItIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fault *sandbox.Fault
		puts  int // that reached the service
	}{
		"carried out":     {&sandbox.Fault{Lost: true}, 1},
		"not carried out": {&sandbox.Fault{Refused: true}, 1},
		"a 502 before it": {sandbox.HTML(http.StatusBadGateway), 1},
		"slow":            {&sandbox.Fault{Delay: time.Minute}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				w.Status(lead, goodValue)
				w.rf.SetFault(once(isPut, c.fault))
				mustContain(t, "a PUT without an answer", w.TryPass(), "outcome of a qualification is not known")
				w.Restart()
				w.Asked("")
				for range 2 {
					w.After(50 * time.Second)
					w.TryPass()
				}
				if got := w.Asked("PUT"); got != 0 {
					t.Errorf("within two minutes: got %d more PUT requests, want none", got)
				}
				w.After(time.Minute)
				w.Passes(2)
				w.WantOnly(ann)
				if got := w.putsFor(ann); got != c.puts {
					t.Errorf("got %d PUT requests at the service, want %d", got, c.puts)
				}
			})
		})
	}
}

// Biztex reads the newest ten rows in each ten-minute poll.
func TestR32ABurstLargerThanAPage(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		var users []sandbox.User
		var leads []string
		for i := range 60 {
			users = append(users, w.Refer(fmt.Sprintf("P%d", i)))
			leads = append(leads, w.Lead(users[i]))
		}
		w.Passes(1)
		w.org.SetPageSize(25)
		for i, lead := range leads {
			w.Status(lead, goodValue)
			if i%7 == 0 {
				w.After(time.Second)
			}
		}
		w.Passes(1)
		w.WantQualified(users...)
		w.WantOnly(users...)
	})
}
