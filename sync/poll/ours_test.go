package poll_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

func isPatch(r *http.Request) bool { return r.Method == http.MethodPatch }

// A mark whose answer was lost is settled hours later, when Salesforce is to be had again. What a person did with the field meanwhile is theirs.
func TestWhatAPersonDoesBeforeALostMarkIsSettledIsTheirs(t *testing.T) {
	for name, test := range map[string]struct {
		then      []string // the sources that people enter, an hour apart
		qualifies bool
	}{
		"another value":                      {[]string{"Web"}, false},
		"another value, and then ours again": {[]string{"Web", "Partner Referral"}, true},
		"emptied":                            {[]string{""}, false},
		"emptied, and then ours again":       {[]string{"", "Partner Referral"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, markingAndWatching(), func(w *world) {
				w.org.Track("Lead", "LeadSource", true)
				ann := w.Known("Ann", 201)
				_, lead := w.twoLeadsAndALostMark(ann, "Other")
				for _, source := range test.then {
					w.After(time.Hour)
					w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": source})
				}
				w.After(time.Hour)
				w.Passes(4)
				if test.qualifies {
					w.WantOnly(ann)
				} else {
					w.WantOnly()
				}
			})
		})
	}
}

// While Salesforce takes requests and answers none of those that write, what a mark asks for is noted once, however many requests there are.
func TestAMarkThatIsRepeatedForHoursIsNotedOnce(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		ann := w.Known("Ann", 201)
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.org.SetFault(always(isPatch, &sandbox.Fault{Refused: true}))
		for range 120 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.org.SetFault(nil)
		w.Passes(2)
		err := w.store.View(func(tx *store.Tx) error {
			s, _, err := tx.Snapshot(lead)
			if len(s.Wrote) > 4 { // a code and a source, asked for and written
				t.Errorf("got %d values noted as written, want 4 at most", len(s.Wrote))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		w.WantOnly()
	})
}

// A create that was never carried out made none of the Leads that people make later.
func TestALostCreateIsNotTakenForALeadThatAPersonMakesLater(t *testing.T) {
	for name, decided := range map[string]bool{"Salesforce is away for hours": false, "the referral is decided": true} {
		t.Run(name, func(t *testing.T) {
			all := markingAndWatching()
			all[0].CodeField = ""
			running(t, all, func(w *world) {
				ann := w.Known("Ann", 201)
				again := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
				w.org.SetFault(func(r *http.Request) *sandbox.Fault {
					if isCreate(r) {
						return &sandbox.Fault{Refused: true}
					}
					return nil
				})
				w.TryPass()
				w.org.SetFault(nil)
				w.WantRecords("Lead", 0)
				if decided {
					w.rf.SetQualified(again.ID, true)
					w.Passes(2)
				}
				w.After(5 * time.Hour)
				w.Lead(ann, sandbox.Fields{codeField: "", "LeadSource": "Partner Referral"})
				w.After(time.Minute)
				w.Passes(3)
				w.WantRecords("Lead", 1)
				w.WantQualified(ann)
			})
		})
	}
}

// A mark that was not carried out at once makes none of what people did before it ours, for a campaign that was out of the config then.
func TestAMarkMakesNothingOursThatWasBeforeIt(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		w.org.Track("Lead", "LeadSource", true)
		ann := w.Known("Ann", 201)
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
		w.Passes(1)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.After(time.Minute)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": ""})
		w.After(time.Hour)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.org.SetFault(once(isPatch, &sandbox.Fault{Refused: true}))
		w.TryPass()
		w.After(time.Minute)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		w.Passes(3)
		w.WantOnly(ann)
	})
}

// What we marked while Salesforce told a time some hours ahead is ours, though nobody looks at the field before that time has come.
func TestWhatWeMarkedSomeHoursAheadQualifiesNobody(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		w.org.Track("Lead", "LeadSource", true)
		ann := w.Known("Ann", 201)
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.ahead = 6 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(7 * time.Hour)
		w.org.Update("Lead", lead, sandbox.Fields{"Company": "Acme Inc"})
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		w.Passes(3)
		if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
			t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
		}
		w.WantOnly()
	})
}

// Nor does it where Salesforce shows it in another spelling than we wrote it in, its history too.
func TestANumberThatWeMarkedSomeHoursAheadQualifiesNobody(t *testing.T) {
	all := markingAndWatching()
	all[0].Fields = append(creating(all[0], rules.Update).Fields, rules.Mapping{To: "Watched__c", Fixed: "5"})
	all[1].Field, all[1].Value = "Watched__c", "5"
	story(t, all, func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Watched__c", Label: "Watched", Type: "double", Precision: 9, Scale: 2})
		w.org.Track("Lead", "Watched__c", true)
		w.Passes(1)
		ann := w.Known("Ann", 201)
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.ahead = 6 * time.Hour
		w.TryPass()
		w.ahead = 0
		w.After(time.Minute)
		w.Passes(1)
		w.After(6 * time.Hour)
		w.Passes(2)
		if w.org.Get("Lead", lead)["Watched__c"] == nil {
			t.Fatal("the Lead that we marked has nothing in the field")
		}
		w.WantOnly()
	})
}

// What we marked is ours, though the answer to that alone told a time before that of the request.
func TestWhatWeMarkedWithAnAnswerFromThePastQualifiesNobody(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		w.org.Track("Lead", "LeadSource", true)
		ann := w.Known("Ann", 201)
		lead := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.before = func(r *http.Request) {
			w.ahead = 0
			if isPatch(r) {
				w.ahead = -time.Minute
			}
		}
		w.Passes(2)
		if got := w.org.Get("Lead", lead)["LeadSource"]; got != "Partner Referral" {
			t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
		}
		w.WantOnly()
	})
}

// A create whose answer was lost is settled when another campaign has seen its record for long. What it saw last is what people made of it, and stays.
func TestWhatWasSeenOfALostCreateStaysSeenWhenItIsSettled(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		w.org.Track("Lead", "LeadSource", false)
		ann := w.Known("Ann", 201)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.org.SetFault(nil)
		lead := w.org.IDs("Lead")[0]
		w.Configure(func(o *poll.Options) { o.Campaigns = all[1:] })
		w.After(10 * time.Minute)
		w.Passes(2)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Web"})
		w.After(time.Minute)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		looked := false
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if looked {
				return sandbox.HTML(http.StatusServiceUnavailable)
			}
			looked = isComposite(r)
			return nil
		})
		w.TryPass() // settles it, and reads nothing after
		w.org.SetFault(nil)
		w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.After(time.Minute)
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.WantOnly(ann)
	})
}

// A conversion copies into the Contact what we wrote into the Lead: that qualifies nobody in a campaign about Contacts, and what people make of it does.
func TestWhatAConversionCopiesOfOursQualifiesNobody(t *testing.T) {
	writing := markingAndWatching()[0]
	writing.Duplicates = rules.CreateNew
	watching := contactCampaign()
	watching.Duplicates = rules.Update
	for _, tracked := range []bool{false, true} {
		for name, there := range map[string]bool{"a new Contact": false, "one that was there": true} {
			t.Run(fmt.Sprintf("%s, tracked %v", name, tracked), func(t *testing.T) {
				running(t, []rules.Campaign{writing, watching}, func(w *world) {
					w.org.Track("Contact", "LeadSource", tracked)
					ann := w.Known("Ann", watching.ID)
					again := w.rf.Refer(writing.ID, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
					w.Passes(2)
					into := sandbox.Conversion{NoOpportunity: true}
					if there {
						into.ContactID = w.Contact(ann, sandbox.Fields{codeField: ""})
						w.Passes(2)
					}
					w.org.Convert(w.leadOf(again), into)
					w.After(time.Minute)
					w.Passes(2)
					contact := w.org.IDs("Contact")[0]
					if got := w.org.Get("Contact", contact)["LeadSource"]; got != "Partner Referral" {
						t.Fatalf("source of the Contact: got %v, want the Lead's", got)
					}
					w.WantOnly()
					for _, source := range []string{"Web", "Partner Referral"} {
						w.org.Update("Contact", contact, sandbox.Fields{"LeadSource": source})
						w.After(time.Minute)
						w.Passes(1)
					}
					w.WantOnly(ann)
				})
			})
		}
	}
}

// Whoever merges two records may have the one that stays take what we wrote into the other.
func TestWhatAMergeTakesOverOfOursQualifiesNobody(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		for name, email := range map[string]string{"the other was hers": "ann@example.com", "the other was nobody's": "ann@work.example.com"} {
			t.Run(fmt.Sprintf("%s, tracked %v", name, tracked), func(t *testing.T) { takesOver(t, tracked, email) })
		}
	}
}

func takesOver(t *testing.T, tracked bool, email string) {
	running(t, markingAndWatching(), func(w *world) {
		w.org.Track("Lead", "LeadSource", tracked)
		ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(1)
		stays := w.Lead(ann, sandbox.Fields{codeField: "", "Email": email})
		w.After(time.Minute)
		other := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.Passes(2)
		if got := w.org.Get("Lead", other)["LeadSource"]; got != "Partner Referral" {
			t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
		}
		w.org.Merge("Lead", stays, other)
		w.org.Update("Lead", stays, sandbox.Fields{"LeadSource": "Partner Referral"}) // a part of the merge
		w.After(time.Minute)
		w.Passes(3)
		w.WantOnly()
		for _, source := range []string{"Web", "Partner Referral"} {
			w.Status(stays, "Working - Contacted")
			w.org.Update("Lead", stays, sandbox.Fields{"LeadSource": source})
			w.After(time.Minute)
			w.Passes(1)
		}
		w.WantOnly(ann)
	})
}

// Salesforce shows numbers and times in its own spelling, not in that in which we wrote them.
func TestWhatAMergeTakesOverOfOursIsOursInAnotherSpelling(t *testing.T) {
	for fixed, field := range map[string]sandbox.FieldDef{
		"5":                    {Type: "double", Precision: 9, Scale: 2},
		"2026-12-24T10:00:00Z": {Type: "datetime"},
	} {
		t.Run(field.Type, func(t *testing.T) {
			all := markingAndWatching()
			all[0].Fields = append(creating(all[0], rules.Update).Fields, rules.Mapping{To: "Watched__c", Fixed: fixed})
			all[1].Field, all[1].Value = "Watched__c", fixed
			story(t, all, func(w *world) {
				field.Name, field.Label = "Watched__c", "Watched"
				w.org.AddField("Lead", field)
				stays, other, ours := w.oneOfTwoMarked("Watched__c")
				w.org.Merge("Lead", stays, other)
				w.org.Update("Lead", stays, sandbox.Fields{"Watched__c": ours}) // a part of the merge
				w.After(time.Minute)
				w.Passes(3)
				w.WantOnly()
			})
		})
	}
}

// oneOfTwoMarked has two Leads of one person, of whom we marked the other one, and what the org shows in a field that we filled in there.
func (w *world) oneOfTwoMarked(field string) (stays, other string, ours any) {
	w.t.Helper()
	w.Passes(1)
	ann := w.Known("Ann", 201)
	stays = w.Lead(ann, sandbox.Fields{codeField: ""})
	w.After(time.Minute)
	other = w.Lead(ann, sandbox.Fields{codeField: ""})
	w.After(26 * time.Hour)
	w.Passes(1)
	w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
	w.Passes(2)
	if ours = w.org.Get("Lead", other)[field]; ours == nil {
		w.t.Fatal("the Lead that we marked has nothing in the field")
	}
	return stays, other, ours
}

// Nor does it tell its type while it is hidden.
func TestWhatAMergeTakesOverOfOursIsOursThoughTheFieldIsHiddenMeanwhile(t *testing.T) {
	all := markingAndWatching()
	all[0].Fields = append(creating(all[0], rules.Update).Fields, rules.Mapping{To: "Watched__c", Fixed: "5"})
	all[1].Field, all[1].Value = "Watched__c", "5"
	story(t, all, func(w *world) {
		w.org.AddField("Lead", sandbox.FieldDef{Name: "Watched__c", Label: "Watched", Type: "double", Precision: 9, Scale: 2})
		stays, other, ours := w.oneOfTwoMarked("Watched__c")
		w.org.HideField("Lead", "Watched__c")
		w.Passes(1)
		w.org.Merge("Lead", stays, other)
		w.org.Update("Lead", stays, sandbox.Fields{"Watched__c": ours}) // a part of the merge
		w.After(time.Minute)
		w.Passes(2)
		w.org.ShowField("Lead", "Watched__c")
		w.After(11 * time.Minute)
		w.Passes(3)
		w.WantOnly()
	})
}

// What we wrote into a Lead may be taken over from one record to the next before anybody looks.
func TestWhatAChainOfMergesTakesOverOfOursQualifiesNobody(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(1)
		ours := w.Lead(ann, sandbox.Fields{codeField: ""})
		w.After(26 * time.Hour)
		w.Passes(1)
		w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.Passes(2)
		if got := w.org.Get("Lead", ours)["LeadSource"]; got != "Partner Referral" {
			t.Fatalf("source of the Lead that we marked: got %v, want Partner Referral", got)
		}
		into := func(from string) string {
			lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Another", "Company": "Acme"})
			w.org.Merge("Lead", lead, from)
			w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"}) // a part of the merge
			return lead
		}
		last := into(into(ours))
		w.After(time.Minute)
		w.Passes(3)
		w.WantLinks(ann, last)
		w.WantOnly()
	})
}

// Nor does it matter that the Lead we made was nobody's when it was merged, for somebody had given it another's code.
func TestWhatAMergeTakesOverOfALeadOfOursThatIsNobodysQualifiesNobody(t *testing.T) {
	c := fillingIn(rules.CreateNew)
	running(t, one(c), func(w *world) {
		ann := w.Refer("Ann")
		w.Passes(2)
		ours := w.leadOf(ann)
		w.After(26 * time.Hour)
		bob := w.Refer("Bob")
		w.Passes(2)
		w.org.Update("Lead", ours, sandbox.Fields{codeField: bob.Code})
		other := w.Lead(ann)
		w.Passes(2)
		w.WantLinks(ann, other)
		w.org.Merge("Lead", other, ours)
		w.org.Update("Lead", other, sandbox.Fields{"Title": "Referred"}) // a part of the merge
		w.After(time.Minute)
		w.Passes(3)
		w.WantOnly()
	})
}

// A Contact that has the value by a person's hand takes nothing of a Lead that is converted into it.
func TestWhatAContactHadBeforeAConversionIsNotOurs(t *testing.T) {
	writing := markingAndWatching()[0]
	writing.Duplicates = rules.CreateNew
	watching := contactCampaign()
	watching.Duplicates = rules.Update
	all := []rules.Campaign{writing, watching}
	running(t, all, func(w *world) {
		w.org.Track("Contact", "LeadSource", true)
		ann := w.Known("Ann", watching.ID)
		again := w.rf.Refer(writing.ID, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.Passes(2)
		account := w.org.Create("Account", sandbox.Fields{"Name": "Acme"})
		contact := w.Contact(ann, sandbox.Fields{codeField: "", "AccountId": account})
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all[:1] })
		w.Passes(1)
		w.org.Update("Contact", contact, sandbox.Fields{"LeadSource": "Partner Referral"})
		w.After(time.Hour)
		w.org.Convert(w.leadOf(again), sandbox.Conversion{NoOpportunity: true, ContactID: contact})
		w.After(time.Minute)
		w.Passes(2)
		w.Configure(func(o *poll.Options) { o.Campaigns = all })
		w.Passes(3)
		w.WantOnly(ann)
	})
}

// A mark whose answer was lost may have been made, also where it cannot be repeated: its mapping names a field by then that is not there.
func TestALostMarkThatCannotBeRepeatedQualifiesNobodyInAnotherCampaign(t *testing.T) {
	running(t, markingAndWatching(), func(w *world) {
		ann := w.Known("Ann", 201)
		w.twoLeadsAndALostMark(ann, "Other")
		w.Configure(func(o *poll.Options) {
			o.Campaigns[0].Fields = append(slices.Clone(o.Campaigns[0].Fields), rules.Mapping{To: "Nope__c", Fixed: "x"})
		})
		for range 3 {
			w.TryPass()
			w.After(time.Minute)
		}
		w.WantOnly()
	})
}
