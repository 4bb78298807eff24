package doctor_test

import (
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// old is a record of the org's that was there before everybody who is referred.
func (w *ward) old(object, email string) {
	fields := sandbox.Fields{"LastName": "Old", "Email": email, "CreatedDate": "2026-10-01T08:00:00.000+0000"}
	if object == "Lead" {
		fields["Company"] = "Acme"
	}
	w.org.Create(object, fields)
}

// change changes a campaign's one referral as it is stored.
func (w *ward) change(campaign int64, change func(r *rules.Referral)) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		var found rules.Referral
		err := tx.Referrals(func(r rules.Referral) error {
			if r.CampaignID == campaign {
				found = r
			}
			return nil
		})
		if err != nil {
			return err
		}
		change(&found)
		return tx.PutReferral(found)
	})
}

func TestBlockedReferralsAreCountedAndTheOtherPoliciesTold(t *testing.T) {
	known := func(policy rules.Duplicates) func(w *ward) {
		return func(w *ward) {
			w.configure(func(c *rules.Campaign) { c.Duplicates = policy })
			settings := w.patient.Poll.Settings
			settings.Campaigns = w.patient.Campaigns
			w.poller.Configure(settings)
			w.old("Lead", "bo@example.com")
			w.old("Contact", "cy@example.com")
			w.rf.Refer(w.patient.Campaigns[0].ID, sandbox.NewUser{FirstName: "Bo", Email: "bo@example.com"})
			w.rf.Refer(w.patient.Campaigns[0].ID, sandbox.NewUser{FirstName: "Cy", Email: "cy@example.com"})
			w.pass()
		}
	}
	tell(t, []story{
		{
			name: "do_nothing", change: known(rules.DoNothing),
			want: found{"campaign.101.duplicates": yellow},
			says: map[string]string{"campaign.101.duplicates": "2 of 3 pending referrals are blocked (existing_record): their Lead or Contact existed before. " +
				"With update, 1 of them could qualify by a change of that Lead from now on, and 1 would wait for a Lead; " +
				"with create_new, all 2 would wait for a newer Lead"},
		},
		{
			name: "do_nothing, where Leads are made", campaigns: []rules.Campaign{makes}, change: known(rules.DoNothing),
			want: found{"campaign.103.duplicates": yellow},
			says: map[string]string{"campaign.103.duplicates": "and for 1 a Lead would be created; with create_new, all 2 would get a new Lead"},
		},
		{
			name: "do_nothing, where Leads are made for newcomers", campaigns: []rules.Campaign{makes}, change: func(w *ward) {
				known(rules.DoNothing)(w)
				w.change(103, func(r *rules.Referral) { r.FirstSweep = 1 }) // Cy, the last, was there from the start
			},
			want: found{"campaign.103.duplicates": yellow},
			says: map[string]string{"campaign.103.duplicates": "from now on, and 1 would wait for a Lead; " +
				"with create_new, 1 would get a new Lead and 1, who were there from the start, would wait for a newer one"},
		},
		{
			name: "update", change: known(rules.Update),
			says: map[string]string{"campaign.101.duplicates": "1 of 3 pending referrals have a record that existed before. do_nothing would block these"},
		},
		{
			name: "create_new", change: known(rules.CreateNew),
			says: map[string]string{"campaign.101.duplicates": "of 3 pending referrals, records that existed before are ignored"},
		},
	})
}

func TestReferralsWithoutARecordAreCounted(t *testing.T) {
	nobody := func(days int, names ...string) func(w *ward) {
		return func(w *ward) {
			w.referred(101)
			for _, name := range names {
				w.rf.Refer(101, sandbox.NewUser{FirstName: name})
			}
			w.pass()
			time.Sleep(time.Duration(days) * 24 * time.Hour)
			w.pass()
		}
	}
	tell(t, []story{
		{name: "they have just come", change: nobody(0, "Bo", "Cy"), says: map[string]string{"campaign.101.no_record": "2 of 4 pending referrals (50%), the oldest since 2026-11-02"}},
		{
			name: "one of three, for two days", change: nobody(2, "Bo"), says: map[string]string{"campaign.101.no_record": "1 of 3 pending referrals (33%)"},
		},
		{
			name: "half of them, for two days", change: nobody(2, "Bo", "Cy"), want: found{"campaign.101.no_record": yellow},
			says: map[string]string{"campaign.101.no_record": "its code in Referral_Code__c"},
		},
	})
}

func TestWhoWaitsForAPersonIsTold(t *testing.T) {
	tell(t, []story{
		{
			name: "Salesforce refuses the record", campaigns: []rules.Campaign{makes},
			change: func(w *ward) {
				w.org.Require("Lead", "Industry")
				w.rf.Refer(103, sandbox.NewUser{FirstName: "Bo"})
				w.pass()
			},
			want: found{"campaign.103.fields": yellow, "campaign.103.join_refused": yellow},
			says: map[string]string{"campaign.103.fields": "Salesforce requires Industry", "campaign.103.join_refused": "Industry", "campaign.103.no_record": "none, of 2 pending"},
		},
		{
			name: "ambiguous",
			change: func(w *ward) {
				w.change(101, func(r *rules.Referral) { r.Verdict = rules.Verdict{Outcome: rules.Not, Reason: rules.Ambiguous} })
			},
			want: found{"campaign.101.ambiguous": yellow}, says: map[string]string{"campaign.101.ambiguous": "qualifyd referrals pin"},
		},
		{
			name: "held by the brake",
			change: func(w *ward) {
				w.change(101, func(r *rules.Referral) { r.Verdict = rules.Verdict{Outcome: rules.Held, Reason: rules.HeldByBrake} })
			},
			want: found{"campaign.101.held_by_brake": yellow}, says: map[string]string{"campaign.101.held_by_brake": "qualifyd release 101"},
		},
		{
			name:   "rejected",
			change: func(w *ward) { w.change(101, func(r *rules.Referral) { r.Standing = rules.Rejected }) },
			want:   found{"campaign.101.rejected": yellow},
		},
	})
}

func TestCodesInSalesforceAreComparedWithTheReferrals(t *testing.T) {
	carry := func(text func(w *ward) string) func(w *ward) {
		return func(w *ward) {
			w.org.Create("Contact", sandbox.Fields{"LastName": "Bo", codeField: text(w)})
		}
	}
	tell(t, []story{
		{
			name: "nobody's", change: carry(func(*ward) string { return "strange" }),
			want: found{"codes": yellow}, says: map[string]string{"codes": `no known referral's: "strange" on Contact 003`},
		},
		{
			name: "in another case",
			change: carry(func(w *ward) string {
				return strings.ToUpper(w.rf.Users()[1].Code)
			}),
			want: found{"codes": yellow}, says: map[string]string{"codes": "letter case only"},
		},
		{
			name: "the referrer's own", change: carry(func(w *ward) string { return w.rf.Users()[0].Code }),
			want: found{"codes": yellow}, says: map[string]string{"codes": "the referrer's own code"},
		},
	})
}

func TestTheCodeFieldIsLookedAt(t *testing.T) {
	other := func(f sandbox.FieldDef) func(w *ward) {
		return func(w *ward) {
			f.Name, f.Type = "Other_Code__c", "string"
			w.org.AddField("Lead", f)
			w.configure(func(c *rules.Campaign) { c.CodeField = "Other_Code__c" })
		}
	}
	tell(t, []story{
		{
			name: "it is misspelled", change: func(w *ward) { w.configure(func(c *rules.Campaign) { c.CodeField = "Referal_Code__c" }) },
			want: found{"campaign.101.code_field": red}, says: map[string]string{"campaign.101.code_field": "did you mean Referral_Code__c?"},
		},
		{
			name: "it has no index", change: other(sandbox.FieldDef{}),
			want: found{"campaign.101.code_field": yellow}, says: map[string]string{"campaign.101.code_field": "tick External ID"},
		},
		{
			name: "it is unique, and takes ab for AB", change: other(sandbox.FieldDef{ExternalID: true, Unique: true}),
			want: found{"campaign.101.code_field": yellow}, says: map[string]string{"campaign.101.code_field": "case sensitive"},
		},
		{
			name: "it is unique, and knows ab from AB", change: other(sandbox.FieldDef{ExternalID: true, Unique: true, CaseSensitive: true}),
			says: map[string]string{"campaign.101.code_field": "there is none on Contact"},
		},
		{
			name: "it may not be written, where Leads are made", campaigns: []rules.Campaign{makes}, change: other(sandbox.FieldDef{ExternalID: true, ReadOnly: true}),
			want: found{"campaign.103.code_field": red},
		},
		{
			name: "there is none", change: func(w *ward) { w.configure(func(c *rules.Campaign) { c.CodeField = "" }) },
			says: map[string]string{"campaign.101.code_field": "by e-mail only"},
		},
	})
}

func TestTheFieldsOfWhatIsMadeAreLookedAt(t *testing.T) {
	maps := func(to string) func(w *ward) {
		return func(w *ward) {
			w.configure(func(c *rules.Campaign) {
				c.Fields = append([]rules.Mapping{{To: to, Fixed: "x"}}, c.Fields...)
			})
		}
	}
	only := []rules.Campaign{makes}
	tell(t, []story{
		{
			name: "a field that is not there", campaigns: only, change: maps("Referrer__c"),
			want: found{"campaign.103.fields": red}, says: map[string]string{"campaign.103.fields": "Lead has no field Referrer__c"},
		},
		{
			name: "a field that may not be written", campaigns: only, change: maps("ConvertedDate"),
			want: found{"campaign.103.fields": red}, says: map[string]string{"campaign.103.fields": "may not write ConvertedDate"},
		},
		{
			name: "a required field is left out", campaigns: only, change: func(w *ward) { w.configure(func(c *rules.Campaign) { c.Fields = c.Fields[:1] }) },
			want: found{"campaign.103.fields": yellow}, says: map[string]string{"campaign.103.fields": "Salesforce requires Company"},
		},
	})
}
