package poll_test

import (
	"regexp"
	"slices"
	"testing"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

var stampInQuery = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// A check-up tries what the outline says, so it has to be what a pass asks.
func TestTheOutlineIsWhatAnIdlePassAsks(t *testing.T) {
	running(t, []rules.Campaign{fieldCampaign(), stageCampaign()}, func(w *world) {
		w.requests = nil
		w.Poll()
		asked := slices.Clone(w.requests)

		described := map[rules.Object]salesforce.Describe{}
		for _, object := range poll.Described(w.poller.Current()) {
			d, _, err := w.poller.Salesforce.Describe(w.ctx, string(object))
			if err != nil {
				t.Fatal(err)
			}
			described[object] = d
		}
		out := poll.OutlineOf(w.poller.Current(), described, serviceTime())
		var said []string
		for _, q := range out.Queries {
			text, err := q.SOQL.Build()
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, stampInQuery.ReplaceAllString(text, "T"))
		}
		for i, text := range asked {
			asked[i] = stampInQuery.ReplaceAllString(text, "T")
		}
		slices.Sort(asked)
		slices.Sort(said)
		if !slices.Equal(asked, said) {
			t.Errorf("the outline says\n%q\nand a pass asked\n%q", said, asked)
		}
		if target := out.Rules[1].Target; target.Value != "Closed Won" || out.Rules[0].Target.Field != "Status" {
			t.Errorf("got targets %+v and %+v, want them as Salesforce spells them", out.Rules[0].Target, target)
		}

		delete(described, rules.Opportunity)
		for _, q := range poll.OutlineOf(w.poller.Current(), described, serviceTime()).Queries {
			if q.Name == "Opportunity" || q.Name == "OpportunityHistory" {
				t.Errorf("%s is asked for, though the user may not see Opportunities", q.Name)
			}
		}
	})
}
