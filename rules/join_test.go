package rules_test

import (
	"strings"
	"testing"

	"qualifyd/rules"
)

// The candidates of the table: who was found by the referral's e-mail (on the 10th) or code.
var (
	oldLead      = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "oldLead", Created: at("01"), Modified: at("02")}, EmailMatches: true}
	laterLead    = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "laterLead", Created: at("01"), Modified: at("03")}, EmailMatches: true}
	wonLead      = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "wonLead", Created: at("01"), Modified: at("04"), ContactID: "wonContact", Fields: converts}, EmailMatches: true}
	wonContact   = rules.Candidate{Record: rules.Record{Object: rules.Contact, ID: "wonContact", Created: at("02"), Modified: at("04")}, EmailMatches: true, MadeByConversion: true}
	newLead      = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "newLead", Created: at("10 09:00")}, EmailMatches: true}
	sameDayLead  = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "sameDayLead", Created: at("10 07:59"), Modified: at("10 07:59")}, EmailMatches: true}
	oldContact   = rules.Candidate{Record: rules.Record{Object: rules.Contact, ID: "oldContact", Created: at("01"), Modified: at("02")}, EmailMatches: true}
	newContact   = rules.Candidate{Record: rules.Record{Object: rules.Contact, ID: "newContact", Created: at("10 09:00")}, EmailMatches: true}
	codedLead    = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "codedLead", Created: at("10 09:00")}, CodeMatches: true}
	oldCodedLead = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "oldCodedLead", Created: at("01"), Modified: at("02")}, CodeMatches: true}
	codedContact = rules.Candidate{Record: rules.Record{Object: rules.Contact, ID: "codedContact", Created: at("10 09:00")}, CodeMatches: true}
	codedDeal    = rules.Candidate{Record: rules.Record{Object: rules.Opportunity, ID: "codedDeal", Created: at("01")}, CodeMatches: true}
	othersLead   = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "othersLead", Created: at("01"), Modified: at("02")}, EmailMatches: true, OthersCode: true}
	othersNew    = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "othersNew", Created: at("10 09:00")}, EmailMatches: true, OthersCode: true}
	deletedLead  = rules.Candidate{Record: rules.Record{Object: rules.Lead, ID: "deletedLead", Created: at("01"), Deleted: true}, EmailMatches: true}

	converts = map[string]string{rules.IsConverted: "true"}
)

// DESIGN 6: three modes, three policies, and what was found. Each mode has three outcomes: under do_nothing, update and create_new.
func TestJoin(t *testing.T) {
	r := rules.Referral{Joined: at("10"), DayEnds: at("11"), Lacked: at("10 08:00")}
	for _, c := range []struct {
		name          string
		found         []rules.Candidate
		nothing       [3]string // the campaign watches Leads
		createLead    [3]string
		createContact [3]string
	}{
		{"nobody is known", nil,
			[3]string{"", "", ""},
			[3]string{"create", "create", "create"},
			[3]string{"create", "create", "create"}},
		{"a Lead with this e-mail existed before", []rules.Candidate{oldLead},
			[3]string{"blocked by oldLead", "link oldLead", ""},
			[3]string{"blocked by oldLead", "link oldLead, mark oldLead", "create"},
			[3]string{"blocked by oldLead", "create", "create"}},
		{"a Contact with this e-mail existed before", []rules.Candidate{oldContact},
			[3]string{"blocked by oldContact", "", ""},
			[3]string{"blocked by oldContact", "create", "create"},
			[3]string{"blocked by oldContact", "link oldContact, mark oldContact", "create"}},
		{"both existed before", []rules.Candidate{oldContact, oldLead},
			[3]string{"blocked by oldContact, blocked by oldLead", "link oldLead", ""},
			[3]string{"blocked by oldContact, blocked by oldLead", "link oldLead, mark oldLead", "create"},
			[3]string{"blocked by oldContact, blocked by oldLead", "link oldContact, mark oldContact", "create"}},
		{"a Lead of the sign-up day, older than a sweep that lacked the referral", []rules.Candidate{sameDayLead},
			[3]string{"blocked by sameDayLead", "link sameDayLead", ""},
			[3]string{"blocked by sameDayLead", "link sameDayLead, mark sameDayLead", "create"},
			[3]string{"blocked by sameDayLead", "create", "create"}},
		{"a Lead that did not exist before is no duplicate", []rules.Candidate{newLead},
			[3]string{"link newLead", "link newLead", "link newLead"},
			[3]string{"link newLead", "link newLead", "link newLead"},
			[3]string{"create", "create", "create"}},
		{"a Contact that did not exist before", []rules.Candidate{newContact},
			[3]string{"", "", ""},
			[3]string{"create", "create", "create"},
			[3]string{"link newContact", "link newContact", "link newContact"}},
		{"an old and a new Lead", []rules.Candidate{newLead, oldLead},
			[3]string{"blocked by oldLead", "link newLead, link oldLead", "link newLead"},
			[3]string{"blocked by oldLead", "link newLead, link oldLead, mark oldLead", "link newLead"},
			[3]string{"blocked by oldLead", "create", "create"}},
		{"of two old Leads the last modified is marked", []rules.Candidate{laterLead, oldLead},
			[3]string{"blocked by laterLead, blocked by oldLead", "link laterLead, link oldLead", ""},
			[3]string{"blocked by laterLead, blocked by oldLead", "link laterLead, link oldLead, mark laterLead", "create"},
			[3]string{"blocked by laterLead, blocked by oldLead", "create", "create"}},
		{"a converted Lead is never marked", []rules.Candidate{wonLead, oldLead},
			[3]string{"blocked by wonLead, blocked by oldLead", "link wonLead, link oldLead", ""},
			[3]string{"blocked by wonLead, blocked by oldLead", "link wonLead, link oldLead, mark oldLead", "create"},
			[3]string{"blocked by wonLead, blocked by oldLead", "create", "create"}},
		{"only a converted Lead is there", []rules.Candidate{wonLead},
			[3]string{"blocked by wonLead", "link wonLead", ""},
			[3]string{"blocked by wonLead", "link wonLead", "create"},
			[3]string{"blocked by wonLead", "create", "create"}},
		{"a converted Lead and the Contact that its conversion made", []rules.Candidate{wonContact, wonLead},
			[3]string{"blocked by wonLead", "link wonLead", ""},
			[3]string{"blocked by wonLead", "link wonLead", "create"},
			[3]string{"blocked by wonLead", "link wonContact, mark wonContact", "create"}},
		{"a Contact that a conversion made does not block", []rules.Candidate{wonContact},
			[3]string{"", "", ""},
			[3]string{"create", "create", "create"},
			[3]string{"link wonContact", "link wonContact, mark wonContact", "create"}},
		{"a new Lead carries the code", []rules.Candidate{codedLead},
			[3]string{"link codedLead", "link codedLead", "link codedLead"},
			[3]string{"link codedLead", "link codedLead", "link codedLead"},
			[3]string{"link codedLead, create", "link codedLead, create", "link codedLead, create"}},
		{"an old Lead carries the code", []rules.Candidate{oldCodedLead},
			[3]string{"blocked by oldCodedLead", "link oldCodedLead", ""},
			[3]string{"blocked by oldCodedLead", "link oldCodedLead, mark oldCodedLead", "create"},
			[3]string{"blocked by oldCodedLead", "link oldCodedLead, create", "create"}},
		{"a new Contact carries the code", []rules.Candidate{codedContact},
			[3]string{"link codedContact", "link codedContact", "link codedContact"},
			[3]string{"link codedContact, create", "link codedContact, create", "link codedContact, create"},
			[3]string{"link codedContact", "link codedContact", "link codedContact"}},
		{"an old Opportunity carries the code: it is no duplicate", []rules.Candidate{codedDeal},
			[3]string{"link codedDeal", "link codedDeal", "link codedDeal"},
			[3]string{"link codedDeal, create", "link codedDeal, create", "link codedDeal, create"},
			[3]string{"link codedDeal, create", "link codedDeal, create", "link codedDeal, create"}},
		{"an old Lead with this e-mail carries another referral's code", []rules.Candidate{othersLead},
			[3]string{"blocked by othersLead", "", ""},
			[3]string{"blocked by othersLead", "create", "create"},
			[3]string{"blocked by othersLead", "create", "create"}},
		{"a new Lead with this e-mail carries another referral's code", []rules.Candidate{othersNew},
			[3]string{"", "", ""},
			[3]string{"create", "create", "create"},
			[3]string{"create", "create", "create"}},
		{"deleted records neither link nor block", []rules.Candidate{deletedLead},
			[3]string{"", "", ""},
			[3]string{"create", "create", "create"},
			[3]string{"create", "create", "create"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, policy := range []rules.Duplicates{rules.DoNothing, rules.Update, rules.CreateNew} {
				for _, mode := range []struct {
					name   rules.JoinMode
					object rules.Object
					want   string
				}{{rules.DoNothingOnJoin, rules.Lead, c.nothing[i]}, {rules.CreateLead, rules.Lead, c.createLead[i]}, {rules.CreateContact, rules.Contact, c.createContact[i]}} {
					campaign := rules.Campaign{Mode: mode.name, Object: mode.object, Duplicates: policy}
					if got := arrival(campaign.Join(r, c.found, true)); got != mode.want {
						t.Errorf("%s under %s: got %q, want %q", mode.name, policy, got, mode.want)
					}
					// A referral of the campaign's first complete sweep is linked, never created or marked.
					if got, want := arrival(campaign.Join(r, c.found, false)), linksOnly(mode.want); got != want {
						t.Errorf("%s under %s, there from the start: got %q, want %q", mode.name, policy, got, want)
					}
				}
			}
		})
	}
}

// A pin lifts the block, and what was pinned neither blocks again nor is left out when the referral is joined anew.
func TestPinnedRecordNeitherBlocksNorIsLeftOut(t *testing.T) {
	r := rules.Referral{Joined: at("10"), DayEnds: at("11"), Links: []rules.Link{{Object: rules.Lead, RecordID: "oldLead", Kinds: rules.Kinds{rules.Pinned}}}}
	for policy, want := range map[rules.Duplicates]string{
		rules.DoNothing: "link oldLead", rules.Update: "link oldLead, mark oldLead", rules.CreateNew: "link oldLead",
	} {
		campaign := rules.Campaign{Mode: rules.CreateLead, Object: rules.Lead, Duplicates: policy}
		if got := arrival(campaign.Join(r, []rules.Candidate{oldLead}, true)); got != want {
			t.Errorf("%s: got %q, want %q", policy, got, want)
		}
	}
	// The person who pinned the one knew that the referral is known: a second old record does not block, and does not link either.
	campaign := rules.Campaign{Object: rules.Lead, Duplicates: rules.DoNothing}
	if got, want := arrival(campaign.Join(r, []rules.Candidate{oldLead, laterLead}, true)), "link oldLead"; got != want {
		t.Errorf("a second old record, not pinned: got %q, want %q", got, want)
	}
}

// arrival tells what is to be done: "link a, mark a, create".
func arrival(a rules.Arrival) string {
	var words []string
	for _, b := range a.Blockers {
		words = append(words, "blocked by "+b.ID)
	}
	for _, l := range a.Link {
		words = append(words, "link "+l.ID)
	}
	if a.Mark != nil {
		words = append(words, "mark "+a.Mark.ID)
	}
	if a.Create {
		words = append(words, "create")
	}
	return strings.Join(words, ", ")
}

func linksOnly(words string) string {
	var kept []string
	for _, w := range strings.Split(words, ", ") {
		if !strings.HasPrefix(w, "mark") && w != "create" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, ", ")
}

// Explain names the record that blocks, and since when it was there.
func TestBlockerTellsTheRecord(t *testing.T) {
	a := rules.Campaign{Duplicates: rules.DoNothing}.Join(rules.Referral{Joined: at("10")}, []rules.Candidate{oldContact}, true)
	want := rules.Blocker{Object: rules.Contact, ID: "oldContact", Created: at("01")}
	if len(a.Blockers) != 1 || a.Blockers[0] != want {
		t.Errorf("blockers: got %v, want only %v", a.Blockers, want)
	}
}
