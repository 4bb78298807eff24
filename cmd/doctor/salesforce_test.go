package doctor_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/cmd/doctor"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

const (
	yellow = doctor.Yellow
	red    = doctor.Red
)

// found is what a story wants not to be green.
type found = map[string]doctor.Colour

// always lets a fault happen to every request whose path contains text.
func always(text string, f *sandbox.Fault) func(*http.Request) *sandbox.Fault {
	return func(r *http.Request) *sandbox.Fault {
		if strings.Contains(r.URL.Path, text) {
			return f
		}
		return nil
	}
}

// failing is a network on which every request fails.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestWithoutSalesforceOneFindingTellsWhyAndOneThatTheRestIsNotChecked(t *testing.T) {
	tell(t, []story{
		{
			name: "the secret was rotated",
			change: func(w *ward) {
				w.org.RotateSecret()
				w.login()
			},
			want: found{"salesforce.login": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.login": "client_secret"},
		},
		{
			name: "it cannot be reached",
			change: func(w *ward) {
				w.closed[sfHost] = true
				w.login()
			},
			want: found{"salesforce.login": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.login": "HTTPS_PROXY"},
		},
		{
			name: "its host has no such name",
			change: func(w *ward) {
				w.options.Transport = failing{&net.DNSError{Err: "no such host", Name: sfHost, IsNotFound: true}}
				w.login()
			},
			want: found{"salesforce.login": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.login": "check the address in the config"},
		},
		{
			name: "it is in trouble",
			change: func(w *ward) {
				w.org.SetFault(always("/", sandbox.HTML(503)))
				w.login()
			},
			want: found{"salesforce.login": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.login": "run qualifyd doctor again later"},
		},
		{
			name: "the edition has no API",
			change: func(w *ward) {
				w.org.SetFault(always("/composite", sandbox.Refusal(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")))
			},
			want: found{"salesforce.api": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.api": "API_DISABLED_FOR_ORG"},
		},
		{
			name:   "the org's calls are used up",
			change: func(w *ward) { w.org.SetFault(always("/services/data", sandbox.OverLimit())) },
			want:   found{"salesforce.api": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.api": "API Requests"},
		},
		{
			name: "the API version is not served",
			change: func(w *ward) {
				w.patient.Config.Salesforce.APIVersion, w.options.APIVersion = "99.0", "99.0"
				w.login()
			},
			want: found{"salesforce.api_version": red, "salesforce.api": red, "salesforce.rest": yellow}, says: map[string]string{"salesforce.api_version": "31.0 to 68.0"},
		},
	})
}

func TestTheOrgIsCompared(t *testing.T) {
	tell(t, []story{
		{
			name: "the store is another org's",
			change: func(w *ward) {
				w.update(func(tx *store.Tx) error {
					owner, err := tx.Owner()
					owner.OrgID = "00D000000000001EAA"
					return errors.Join(err, tx.SetOwner(owner))
				})
			},
			want: found{"salesforce.org": red}, says: map[string]string{"salesforce.org": "belongs to the org 00D000000000001EAA"},
		},
		{
			name:   "a sandbox",
			change: func(w *ward) { w.org.SetSandbox(true) },
			want:   found{"salesforce.org": yellow}, says: map[string]string{"salesforce.org": "nobody is qualified for real"},
		},
		{
			name: "a sandbox that qualifies for real",
			change: func(w *ward) {
				w.org.SetSandbox(true)
				w.patient.Config.ReferralFactory.SendFromSandbox = true
			},
			want: found{"salesforce.org": yellow}, says: map[string]string{"salesforce.org": "send_from_sandbox: false"},
		},
		{
			name:   "its row is not to be had",
			change: func(w *ward) { w.org.DropObject("Organization") },
			want:   found{"salesforce.org": red},
		},
	})
}

func TestCallsAreComparedWithWhatTheScheduleTakes(t *testing.T) {
	// leave has a check-up end with so many calls left.
	leave := func(calls int) func(w *ward) {
		return func(w *ward) {
			w.patient.Poll.DailyCalls = poll.DailyCalls{Calls: 5000}
			before := w.org.Calls()
			doctor.CheckUp(w.t.Context(), w.patient, nil)
			w.org.DailyLimit(w.org.Calls() + (w.org.Calls() - before) + calls)
		}
	}
	tell(t, []story{
		{
			name:   "more than the share",
			change: func(w *ward) { w.org.DailyLimit(7000) },
			want:   found{"salesforce.calls": yellow}, says: map[string]string{"salesforce.calls": "1440 calls, of the 1400 that daily_calls allows"},
		},
		{
			name: "a slower schedule",
			change: func(w *ward) {
				w.org.DailyLimit(7000)
				w.patient.Config.Poll.Schedule = "@every 5m"
			},
			says: map[string]string{"salesforce.calls": "288 calls"},
		},
		{
			name: "others use nearly all", change: leave(1),
			want: found{"salesforce.calls": yellow}, says: map[string]string{"salesforce.calls": "others use"},
		},
		{
			name: "the last one is used up by the check-up itself", change: leave(0),
			want: found{"salesforce.calls": red}, says: map[string]string{"salesforce.calls": "0 of the org's"},
		},
		{
			name:   "the org does not tell",
			change: func(w *ward) { w.stripped = "Sforce-Limit-Info"; w.login() },
			want:   found{"salesforce.calls": yellow}, says: map[string]string{"salesforce.calls": "does not say"},
		},
	})
}

func TestObjectsAndFieldsThatAreNeededHaveToBeReadable(t *testing.T) {
	tell(t, []story{
		{
			name:   "Leads are hidden",
			change: func(w *ward) { w.org.DropObject("LeadHistory"); w.org.DropObject("Lead") },
			want:   found{"object.Lead": red}, says: map[string]string{"object.Lead": "Object Settings, Lead"},
		},
		{
			name:   "Contacts are hidden, where existing customers are looked for",
			change: func(w *ward) { w.org.DropObject("ContactHistory"); w.org.DropObject("Contact") },
			want:   found{"object.Contact": red},
		},
		{
			name:      "Contacts are hidden, which nobody needs",
			campaigns: []rules.Campaign{won},
			change:    func(w *ward) { w.org.DropObject("ContactHistory"); w.org.DropObject("Contact") },
			want:      found{"object.Contact": yellow},
		},
		{
			name: "a describe that fails",
			change: func(w *ward) {
				w.org.SetFault(always("/Contact/describe", sandbox.Refusal(400, "SOMETHING_NEW", "Not now.")))
			},
			want: found{"object.Contact": red}, says: map[string]string{"object.Contact": "SOMETHING_NEW"},
		},
		{
			name:   "the e-mail is hidden",
			change: func(w *ward) { w.org.HideField("Lead", "Email") },
			want:   found{"object.Lead": red}, says: map[string]string{"object.Lead": "Setup, Object Manager, Lead, Fields & Relationships, Email, Set Field-Level Security"},
		},
		{
			name:   "merges are hidden",
			change: func(w *ward) { w.org.HideField("Lead", "MasterRecordId") },
			want:   found{"object.Lead": yellow},
		},
		{
			name:      "merges are hidden, where conversions count",
			campaigns: []rules.Campaign{won},
			change:    func(w *ward) { w.org.HideField("Lead", "MasterRecordId") },
			want:      found{"object.Lead": yellow},
		},
		{
			name:      "conversions are hidden, which the rule is about",
			campaigns: []rules.Campaign{won},
			change:    func(w *ward) { w.org.HideField("Lead", "ConvertedContactId") },
			want:      found{"object.Lead": red},
		},
		{
			name:   "conversions are hidden, which the rule is not about",
			change: func(w *ward) { w.org.HideField("Lead", "ConvertedContactId") },
			want:   found{"object.Lead": yellow},
		},
	})
}

func TestWhetherEveryRecordIsSeenIsAskedWhereItCanBeAsked(t *testing.T) {
	tell(t, []story{
		{
			name:   "no View All on Leads",
			change: func(w *ward) { w.org.ViewAll("Lead", false) },
			want:   found{"object.Lead.view_all": yellow}, says: map[string]string{"object.Lead.view_all": "sharing is Private", "object.Contact.view_all": "View All on Contact"},
		},
		{
			name: "none, but everybody may read Leads",
			change: func(w *ward) {
				w.org.ViewAll("Lead", false)
				w.org.ShareByDefault("Lead", "ReadWriteTransfer")
			},
			says: map[string]string{"object.Lead.view_all": "everybody may read"},
		},
		{
			name: "View All Data, and nothing else is told",
			change: func(w *ward) {
				w.org.ViewAllData(true)
				w.org.DropObject("ObjectPermissions")
				w.org.DropObject("PermissionSetAssignment")
			},
			says: map[string]string{"object.Lead.view_all": "View All Data"},
		},
		{
			name:   "nothing is told",
			change: func(w *ward) { w.org.DropObject("ObjectPermissions"); w.org.DropObject("EntityDefinition") },
			want:   found{"object.Lead.view_all": yellow, "object.Contact.view_all": yellow}, says: map[string]string{"object.Lead.view_all": "cannot be told"},
		},
	})
}

func TestTheQueriesOfAPassAreTried(t *testing.T) {
	tell(t, []story{
		{
			name:   "a scan of a large table",
			change: func(w *ward) { w.org.ScanTable("Lead") },
			want:   found{"query_plans": yellow}, says: map[string]string{"query_plans": "Lead (2000000 records)"},
		},
		{
			name: "plans are not told",
			change: func(w *ward) {
				w.org.SetFault(func(r *http.Request) *sandbox.Fault {
					if r.URL.Query().Has("explain") {
						return sandbox.Refusal(400, "MALFORMED_QUERY", "explain is not for this object")
					}
					return nil
				})
			},
			says: map[string]string{"query_plans": "does not tell of LeadHistory, Contact, Lead"},
		},
		{
			name:   "the answer takes long",
			change: func(w *ward) { w.org.SetFault(always("/composite", &sandbox.Fault{Delay: 25 * time.Second})) },
			want:   found{"queries": yellow}, says: map[string]string{"queries": "long request"},
		},
		{
			name:   "many rows, in pages",
			change: func(w *ward) { w.many(250) },
			says:   map[string]string{"queries": "rows of LeadHistory"},
		},
		{
			name: "many rows, and their second page is not to be had",
			change: func(w *ward) {
				w.many(250)
				w.org.SetFault(always("/query/", sandbox.Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")))
			},
			want: found{"query.LeadHistory": yellow},
		},
		{
			name: "the pass's own call fails",
			change: func(w *ward) {
				asked := 0
				w.org.SetFault(func(r *http.Request) *sandbox.Fault {
					if strings.HasSuffix(r.URL.Path, "/composite") {
						asked++
					}
					if asked == 2 && strings.HasSuffix(r.URL.Path, "/composite") {
						return sandbox.Refusal(403, "FORBIDDEN", "Not for you.")
					}
					return nil
				})
			},
			want: found{"queries": red},
		},
	})
}

func TestTheLoginByJWTNeedsTheClock(t *testing.T) {
	slow := func(by time.Duration, flow config.Flow) func(w *ward) {
		return func(w *ward) {
			w.patient.Config.Salesforce.Auth.Flow = flow
			w.patient.Now = func() time.Time { return now().Add(-by) }
		}
	}
	tell(t, []story{
		{name: "20 seconds behind", change: slow(20*time.Second, config.FlowJWT)},
		{
			name: "40 seconds behind", change: slow(40*time.Second, config.FlowJWT),
			want: found{"clock.salesforce": yellow, "clock.referral_factory": yellow}, says: map[string]string{"clock.salesforce": "40 seconds behind"},
		},
		{ // an assertion lives for 3 minutes, of at most 5 that Salesforce takes: what is made so far ahead would end too late
			name: "2 minutes and a half ahead", change: slow(-150*time.Second, config.FlowJWT),
			want: found{"clock.salesforce": red, "clock.referral_factory": red}, says: map[string]string{"clock.salesforce": "the login by jwt depends on it"},
		},
		{
			name: "5 minutes behind", change: slow(5*time.Minute, config.FlowJWT),
			want: found{"clock.salesforce": red, "clock.referral_factory": red},
		},
		{
			name: "5 minutes behind, with another flow", change: slow(5*time.Minute, config.FlowClientCredentials),
			want: found{"clock.salesforce": yellow, "clock.referral_factory": yellow},
		},
		{
			name: "a minute ahead", change: slow(-time.Minute, config.FlowClientCredentials),
			want: found{"clock.salesforce": yellow, "clock.referral_factory": yellow}, says: map[string]string{"clock.salesforce": "60 seconds ahead"},
		},
	})
}
