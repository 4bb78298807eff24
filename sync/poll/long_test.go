package poll_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// worlds are what Salesforce may make of a query in a composite that is longer than a URL.
var worlds = map[string]func(w *world){
	"long queries are taken":     func(w *world) { w.org.BoundCompositeURLs(false) },
	"long queries are refused":   func(w *world) { w.org.BoundCompositeURLs(true) },
	"a call with one is refused": func(w *world) { w.org.SetFault(always(hasLongQuery, &sandbox.Fault{Status: 413})) },
}

func hasLongQuery(r *http.Request) bool {
	for _, soql := range queriesIn(r) {
		if len(url.QueryEscape(soql)) > 16_384 {
			return true
		}
	}
	return false
}

// Many has so many people referred, each with a Lead.
func (w *world) Many(n int) (users []sandbox.User, leads []string) {
	for i := range n {
		u := w.Refer(fmt.Sprint("P", i))
		users, leads = append(users, u), append(leads, w.Lead(u))
	}
	return users, leads
}

// WantAllLinked wants each of some people to be linked to the Lead at the same place, and to have been judged.
func (w *world) WantAllLinked(users []sandbox.User, leads []string) {
	w.t.Helper()
	wrong := 0
	for i, u := range users {
		r := w.Referral(u)
		if len(r.Links) != 1 || r.Links[0].RecordID != leads[i] || r.Verdict.Reason != rules.ValueNotReached {
			wrong++
		}
	}
	if wrong > 0 {
		w.t.Errorf("got %d of %d not linked to their Leads and judged, want none", wrong, len(users))
	}
}

// WantCalls wants the org to have counted so many calls since they were last asked about.
func (w *world) WantCalls(what string, want int) {
	w.t.Helper()
	if got := w.Calls(); got != want {
		w.t.Errorf("%s: got %d calls, want %d", what, got, want)
	}
}

// What is asked for in bulk ends the same in each world. Where long queries are refused, that is found out with one call.
func TestMoreReferralsThanAURLTakes(t *testing.T) {
	const many = 1_100
	for name, want := range map[string]struct {
		first, reconciliation int // calls that the org counts
		long                  int // queries that are asked
	}{
		"long queries are taken":     {5, 6, 8}, // two look-ups and two reads by Id, and all of them again
		"long queries are refused":   {10, 8, 2},
		"a call with one is refused": {9, 8, 2},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, one(fieldCampaign()), func(w *world) {
				worlds[name](w)
				w.org.Track("Lead", "Status", true)
				users, leads := w.Many(many)
				w.Pass()
				w.WantCalls("the first pass", want.first)
				w.WantAllLinked(users, leads)

				// Of the first a history tells that commits very late, of the last only that it is shared later.
				w.After(2 * time.Hour)
				tx := w.org.Begin()
				tx.Update("Lead", leads[0], sandbox.Fields{"Status": goodValue})
				w.After(time.Minute)
				tx.Update("Lead", leads[0], sandbox.Fields{"Status": "Working - Contacted"})
				w.org.HideRecord("Lead", leads[many-1])
				w.Status(leads[many-1], goodValue)
				w.After(2 * time.Hour)
				w.Pass()
				tx.Commit()
				w.org.ShowRecord("Lead", leads[many-1])
				w.Pass()
				w.WantOnly()
				w.After(20 * time.Hour)
				w.Calls()
				w.Pass()
				w.WantCalls("a reconciliation", want.reconciliation)
				w.WantOnly(users[0], users[many-1])

				long := 0
				for _, r := range w.requests {
					if len(url.QueryEscape(r)) > 16_384 {
						long++
					}
				}
				if long != want.long {
					t.Errorf("queries longer than a URL: got %d, want %d", long, want.long)
				}
			})
		})
	}
}

// A long query whose locator has expired is asked again in a composite: by its URL it could not be.
func TestALongQueryIsAskedAgainInAComposite(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		w.org.SetPageSize(200)
		users, leads := w.Many(900)
		second, longest := 0, 0
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			longest = max(longest, len(r.URL.RequestURI()))
			if !strings.HasSuffix(r.URL.Path, "-200") {
				return nil
			}
			if second++; second%2 == 0 {
				return nil // of the query that was asked again
			}
			return sandbox.Refusal(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
		})
		w.Pass()
		w.WantAllLinked(users, leads)
		if second < 4 {
			t.Errorf("got %d second pages asked for, want those of the look-up and of the reading, each twice", second)
		}
		if longest > 15_100 {
			t.Errorf("got a URL of %d bytes, want none that Salesforce may refuse", longest)
		}
	})
}
