package doctor_test

import (
	"fmt"
	"testing"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

func TestTheKeyAndBothAddressesAreTried(t *testing.T) {
	tell(t, []story{
		{
			name: "a newer key ended this one",
			change: func(w *ward) {
				w.rf.RotateKey()
				w.patient.OtherBaseURL = nil // it would find the new one
			},
			want: found{"referral_factory.key": red, "campaigns": yellow}, says: map[string]string{"referral_factory.key": "making a new key ends the former one"},
		},
		{
			name:   "the API answers at the other address",
			change: func(w *ward) { w.closed[rfHost] = true },
			want:   found{"referral_factory.base_url": red, "campaigns": yellow},
			says:   map[string]string{"referral_factory.base_url": "set referral_factory.base_url: https://referral-factory.com/api/v2"},
		},
		{
			name:   "the other address does not answer",
			change: func(w *ward) { w.closed[otherHost] = true },
			says:   map[string]string{"referral_factory.base_url": "https://referral-factory.com/api/v2 does not, and need not"},
		},
		{
			name:   "neither answers",
			change: func(w *ward) { w.closed[otherHost], w.closed[rfHost] = true, true },
			want:   found{"referral_factory.key": red, "campaigns": yellow},
		},
		{
			name: "an address of which this is not the API",
			change: func(w *ward) {
				w.patient.OtherBaseURL = nil
				w.rf.SetFault(always("/", &sandbox.Fault{Status: 404, Body: `{"message":"Not found"}`}))
			},
			want: found{"referral_factory.key": red, "campaigns": yellow}, says: map[string]string{"referral_factory.key": "correct referral_factory.base_url"},
		},
		{
			name: "it is in trouble",
			change: func(w *ward) {
				w.patient.OtherBaseURL = nil
				w.rf.SetFault(always("/", sandbox.HTML(503)))
			},
			want: found{"referral_factory.key": red, "campaigns": yellow},
			says: map[string]string{"referral_factory.key": "is in trouble, and qualifyd goes on trying", "campaigns": "what is told of Referral Factory above"},
		},
		{
			name:   "an address of one's own",
			change: func(w *ward) { w.patient.Config.ReferralFactory.BaseURL = "https://proxy.example.com/api/v2" },
			says:   map[string]string{"referral_factory.base_url": "https://proxy.example.com/api/v2 answers"},
		},
		{
			name: "campaigns are not listed",
			change: func(w *ward) {
				w.rf.SetFault(always("/campaigns", &sandbox.Fault{Status: 404, Body: `{"message":"Not found"}`}))
			},
			want: found{"referral_factory.key": yellow, "campaigns": yellow},
		},
		{
			name:   "the key changed since the last sweep",
			change: func(w *ward) { w.patient.Poll.Account = "another" },
			want:   found{"referral_factory.account": yellow},
		},
	})
}

func TestEachCampaignHasToRunAndHaveARule(t *testing.T) {
	const listed = `{"data":[{"id":101,"name":"Refer a friend","status":"launched","starts_at":%s,"ends_at":%s}],"links":{"next":null},"meta":{}}`
	tell(t, []story{
		{
			name: "it is not in the account", change: func(w *ward) { w.configure(func(c *rules.Campaign) { c.ID = 555 }) },
			want: found{"campaign.555": red}, says: map[string]string{"campaign.555": "no campaign 555"},
		},
		{
			name: "it is paused", change: func(w *ward) { w.rf.SetStatus(101, "paused") },
			want: found{"campaign.101": yellow}, says: map[string]string{"campaign.101": "its status is paused"},
		},
		{
			name: "it is a draft", change: func(w *ward) { w.rf.SetStatus(101, "draft") },
			want: found{"campaign.101": yellow},
		},
		{
			name: "it has ended",
			change: func(w *ward) {
				w.rf.SetFault(always("/campaigns", &sandbox.Fault{Status: 200, Body: fmt.Sprintf(listed, `null`, `"2026-11-01"`)}))
			},
			want: found{"campaign.101": yellow}, says: map[string]string{"campaign.101": "ended on 2026-11-01"},
		},
		{
			name: "it ends today",
			change: func(w *ward) {
				w.rf.SetFault(always("/campaigns", &sandbox.Fault{Status: 200, Body: fmt.Sprintf(listed, `null`, `"2026-11-02"`)}))
			},
		},
		{
			name: "it has not begun",
			change: func(w *ward) {
				w.rf.SetFault(always("/campaigns", &sandbox.Fault{Status: 200, Body: fmt.Sprintf(listed, `"2026-11-03"`, `null`)}))
			},
			want: found{"campaign.101": yellow}, says: map[string]string{"campaign.101": "begins on 2026-11-03"},
		},
		{
			name: "no rule is chosen", change: func(w *ward) {
				w.configure(func(c *rules.Campaign) { c.Method, c.Field, c.Value = rules.None, "", "" })
			},
			want: found{"campaign.101": yellow}, says: map[string]string{"campaign.101": "never qualify"},
		},
		{
			name: "others run beside it",
			change: func(w *ward) {
				w.rf.AddCampaign(900, "Newsletter")
				w.rf.AddCampaign(901, "Old")
				w.rf.SetStatus(901, "paused")
			},
			says: map[string]string{"campaigns.unconfigured": "alone: 900 Newsletter"},
		},
	})
}

func TestOnlyPeopleWhoCameByALinkCount(t *testing.T) {
	add := func(w *ward) {
		another := refer
		another.ID = 104
		w.rf.AddCampaign(104, "New")
		w.patient.Campaigns = append(w.patient.Campaigns, another)
		w.patient.Poll.Campaigns = w.patient.Campaigns
	}
	tell(t, []story{
		{
			name: "members, and nobody referred",
			change: func(w *ward) {
				add(w)
				w.rf.Join(104, sandbox.NewUser{FirstName: "Rita"})
			},
			want: found{"campaign.104.referred": yellow}, says: map[string]string{"campaign.104.referred": "none of 1 user"},
		},
		{
			name: "referred, and no sweep since",
			change: func(w *ward) {
				add(w)
				w.rf.Refer(104, sandbox.NewUser{FirstName: "Bo"})
			},
			want: found{"campaign.104.referred": yellow}, says: map[string]string{"campaign.104.referred": "the store knows none yet"},
		},
		{name: "nobody yet", change: add, says: map[string]string{"campaign.104.referred": "nobody has joined yet"}},
	})
}
