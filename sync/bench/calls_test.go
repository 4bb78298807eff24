package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// office is a daemon whose passes are made one by one. What a pass costs is what the org has counted.
type office struct {
	*daemon
	counted int
	rows    int            // in the answers to queries
	asked   map[string]int // requests by the end of their path

	log []event
}

const rowsAPage = 2000

// inOffice has something measured in a new office.
func inOffice(t *testing.T, campaigns []rules.Campaign, measure func(o *office)) {
	t.Helper()
	p := usual()
	p.campaigns = campaigns
	inBubble(t, p, func(t *testing.T, d *daemon) {
		o := &office{daemon: d, asked: map[string]int{}}
		o.org.Track("Lead", "Status", true)
		o.org.DailyLimit(1_000_000)
		o.wire.answered = o.count
		measure(o)
	})
}

// count takes note of an answer of the org.
func (o *office) count(r *http.Request, body []byte) {
	o.rows += bytes.Count(body, []byte(`"attributes":{`))
	o.asked[path.Base(r.URL.Path)]++
}

// Sweep reads who was referred.
func (o *office) Sweep() {
	o.t.Helper()
	if err := o.poller.Sweep(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// Pass makes a pass, and tells how many calls it cost.
func (o *office) Pass() int {
	o.t.Helper()
	o.pass()
	cost := o.org.Calls() - o.counted
	o.counted += cost
	return cost
}

// Refer has so many people referred, each with a Lead of an hour ago whose status has changed once.
func (o *office) Refer(n int, campaigns ...int64) (leads []string) {
	for i := range n {
		u := o.rf.Refer(campaigns[i%len(campaigns)], sandbox.NewUser{FirstName: fmt.Sprintf("Anna.%06d", i)})
		leads = append(leads, o.org.Create("Lead", sandbox.Fields{"LastName": u.FirstName, "Company": "Acme", "Email": u.Email, referralKey: u.Code}))
	}
	for _, lead := range leads {
		o.org.Update("Lead", lead, sandbox.Fields{"Status": "Working - Contacted"})
	}
	time.Sleep(time.Hour)
	return leads
}

// Crowd makes Leads of people whom nobody referred.
func (o *office) Crowd(n int) (leads []string) {
	for range n {
		leads = append(leads, o.org.Create("Lead", sandbox.Fields{"LastName": "Crowd", "Company": "Many", "Email": "crowd@example.org"}))
	}
	return leads
}

// atMostCalls holds a number of calls to its limit, and shows it.
func atMostCalls(t *testing.T, what string, got, limit int) {
	t.Helper()
	show(figure{part: "calls", what: what, value: float64(got), unit: "calls", bound: atMost, limit: float64(limit)})
	if got > limit {
		t.Errorf("%s: got %d calls, want %d at most", what, got, limit)
	}
}

func portions(n, portion int) int { return (n + portion - 1) / portion }

func leadCampaign(id int64, method rules.Method, value string) rules.Campaign {
	c := rules.Campaign{ID: id, Name: fmt.Sprint("Campaign ", id), Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: referralKey,
		Duplicates: rules.DoNothing, Method: method, Value: value}
	if method == rules.LeadFieldChanges {
		c.Field = "Status"
	}
	return c
}

func oneLeadCampaign() []rules.Campaign {
	return []rules.Campaign{leadCampaign(referralsOf, rules.LeadFieldChanges, wonStatus)}
}

// threeCampaigns need five queries: Leads, Contacts (which may carry codes), Opportunities, and the histories of Leads and Opportunities.
func threeCampaigns() []rules.Campaign {
	return []rules.Campaign{
		leadCampaign(referralsOf, rules.LeadFieldChanges, wonStatus),
		leadCampaign(102, rules.LeadConverts, ""),
		leadCampaign(103, rules.LeadConvertsToStage, "Closed Won"),
	}
}

func contactCampaign() rules.Campaign {
	return rules.Campaign{ID: 104, Name: "Partners", Mode: rules.DoNothingOnJoin, Object: rules.Contact, CodeField: referralKey,
		Duplicates: rules.DoNothing, Method: rules.ContactFieldChanges, Field: "LeadSource", Value: "Partner Referral"}
}

func TestCallsOfAnIdlePass(t *testing.T) {
	for _, idle := range []struct {
		what      string
		campaigns []rules.Campaign
		limit     int
	}{
		{"idle pass, one campaign", oneLeadCampaign(), 1},
		{"idle pass, three campaigns of five queries", threeCampaigns(), 1},
		{"idle pass, four campaigns of six queries", append(threeCampaigns(), contactCampaign()), 2},
	} {
		inOffice(t, idle.campaigns, func(o *office) {
			o.Refer(20, 101)
			o.Sweep()
			o.Pass()
			time.Sleep(time.Hour)
			o.Pass()
			time.Sleep(time.Minute)
			atMostCalls(t, idle.what, o.Pass(), idle.limit)
		})
	}
}

// However many rows changed, a pass costs no more than one that looks at all pending referrals instead.
func TestCallsOfABusyPass(t *testing.T) {
	inOffice(t, oneLeadCampaign(), func(o *office) {
		linked := o.Refer(20, 101)
		o.Sweep()
		o.Pass()
		for _, changed := range []int{1, 2000, 2001, 6000, size(20_000, 200_000)} {
			time.Sleep(time.Hour)
			o.Pass()
			time.Sleep(time.Minute)
			o.Crowd(changed - 1)
			o.org.Update("Lead", linked[0], sandbox.Fields{"Company": fmt.Sprint("Acme ", changed)})
			// A call to poll, one to read by Id and one to search; or all of the answer.
			atMostCalls(t, fmt.Sprintf("pass with %d changed rows, 20 pending", changed), o.Pass(), min(portions(changed, rowsAPage)+1, 3))
		}
	})
}

// Rows that change at a steady rate are read by each pass inside the overlap.
func TestCallsOfTheOverlap(t *testing.T) {
	const filling, passes = int(lateCommit/time.Minute) + 1, 5
	for _, rate := range []int{10, 110, size(0, 300)} {
		if rate == 0 {
			continue
		}
		inOffice(t, oneLeadCampaign(), func(o *office) {
			o.Refer(size(600, 10_000), 101)
			o.Sweep()
			o.Pass()
			crowd := o.Crowd(rate * (filling + passes))
			time.Sleep(time.Hour)
			o.Pass()
			calls, begun := 0, 0
			for minute := range filling + passes {
				for _, lead := range crowd[minute*rate : (minute+1)*rate] {
					o.org.Update("Lead", lead, sandbox.Fields{"Company": "Changed"})
				}
				time.Sleep(time.Minute)
				cost := o.Pass()
				if minute < filling {
					begun = o.rows
				} else {
					calls += cost
				}
			}
			inside := rate * filling
			atMostCalls(t, fmt.Sprintf("%d passes, %d rows changed a minute", passes, rate), calls, passes*(portions(inside, rowsAPage)+1))
			show(figure{part: "calls", what: fmt.Sprintf("times each of %d rows a minute is read", rate), value: float64(o.rows-begun) / float64(rate*passes), unit: "times",
				bound: atMost, limit: float64(filling + 1)})
		})
	}
}

// The first pass over referrals that are there already, the daily look at all of them, and a look in place of a very long answer.
func TestCallsForManyReferrals(t *testing.T) {
	for _, n := range []int{size(6_000, 10_000), size(0, 100_000)} {
		if n == 0 {
			continue
		}
		inOffice(t, oneLeadCampaign(), func(o *office) {
			leads := o.Refer(n, 101)
			o.Sweep()
			// Leads, their histories, and Contacts, which may be those of customers or carry codes. The org's own row and two describes are asked
			// for besides, and what changed.
			of := 3 * portions(n, 5000)
			atMostCalls(t, fmt.Sprintf("first pass, %d referrals", n), o.Pass(), of+5)
			time.Sleep(time.Hour)
			o.Pass()

			for _, lead := range leads {
				o.org.Touch("Lead", lead)
			}
			looking := portions(2*portions(n, rowsAPage), 5) + portions(portions(n, rowsAPage), 5)
			atMostCalls(t, fmt.Sprintf("pass after all of %d Leads changed", n), o.Pass(), 1+min(looking, portions(n, rowsAPage)-1))

			time.Sleep(25 * time.Hour)
			atMostCalls(t, fmt.Sprintf("reconciliation of %d pending", n), o.Pass(), of+5)
		})
	}
}

// New referrals are looked up together.
func TestCallsOfNewReferrals(t *testing.T) {
	inOffice(t, oneLeadCampaign(), func(o *office) {
		o.Sweep()
		o.Pass()
		time.Sleep(time.Hour)
		n := size(500, 5_000)
		for i := range n {
			o.rf.Refer(101, sandbox.NewUser{FirstName: fmt.Sprintf("Anna.%06d", i)})
		}
		o.Sweep()
		atMostCalls(t, fmt.Sprintf("pass that looks %d new referrals up", n), o.Pass(), 1+2*portions(n, 5000))
	})
}

// event is something that happened to a record on the day.
type event struct {
	at      time.Time
	object  string
	id      string
	created bool
}

// day is what happens on a working day, most of it between eight and six.
type day struct {
	referrals, crowd                                          int // there from the start, each with a Lead
	leadEdits, dealEdits, contactEdits, newLeads, conversions int
	signUps, load                                             int // load: Leads that somebody's import changes at one o'clock
	hours                                                     int
	begins                                                    time.Duration
}

// TestCallsOfADay counts what a day costs, and what three other ways to watch the same org would on the same day.
func TestCallsOfADay(t *testing.T) {
	d := day{referrals: 10_000, crowd: 20_000, leadEdits: 4_000, dealEdits: 600, contactEdits: 300, newLeads: 300, conversions: 60, signUps: 100, load: 5_000, hours: 24}
	if !*full {
		d = day{referrals: 300, crowd: 3_000, leadEdits: 400, dealEdits: 60, contactEdits: 30, newLeads: 60, conversions: 30, signUps: 30, load: 2_500, hours: 2, begins: 12 * time.Hour}
	}
	inOffice(t, threeCampaigns(), func(o *office) {
		leads := append(o.Refer(d.referrals, 101, 102, 103), o.Crowd(d.crowd)...)
		o.Sweep()
		o.Pass()
		time.Sleep(23*time.Hour + d.begins) // it is the next day
		o.Pass()
		clear(o.asked)
		calls, passes := 0, d.hours*60
		began := time.Now()
		for minute := range passes {
			into := time.Duration(minute) * time.Minute
			o.live(d, leads, d.begins+into)
			time.Sleep(time.Until(began.Add(into + time.Minute))) // a sweep has taken some of it
			if minute%10 == 0 {
				o.Sweep()
			}
			calls += o.Pass()
		}
		if imported := len(o.changed("Lead", began.Add(13*time.Hour-d.begins), began.Add(13*time.Hour-d.begins+time.Minute), true)); imported < d.load {
			t.Errorf("got %d Leads that changed at one o'clock, want the %d of the import at least", imported, d.load)
		}
		what := fmt.Sprintf("%d hours at 1 minute, 3 campaigns, %d referrals", d.hours, d.referrals)
		// One call a pass; the passes that read more, look somebody up or read by Id are a quarter of them at most, and in a small day all.
		atMostCalls(t, what+": qualifyd", calls, passes+size(passes, passes/4))
		atMostCalls(t, "describes in them, of three objects", o.asked["describe"], 3*portions(d.hours, 24))
		for _, other := range []struct {
			name  string
			calls int
		}{
			{"n8n's trigger", o.likeTriggers(began, passes)},
			{"a getUpdated loop", o.likeGetUpdated(began, passes)},
			{"a GET a referral", passes * d.referrals},
		} {
			show(figure{part: "calls", what: what + ": " + other.name, value: float64(other.calls), unit: "calls"})
			if other.calls < calls {
				t.Errorf("%s: got %d calls, fewer than our %d", other.name, other.calls, calls)
			}
		}
		t.Logf("%d events, %d calls", len(o.log), calls)
	})
}

// live has what happens in the minute after a time of the day happen.
func (o *office) live(d day, leads []string, clock time.Duration) {
	dice := rand.New(rand.NewPCG(7, uint64(clock/time.Minute)))
	working := min(d.hours*60, 600)
	times := func(a int) int { // of so many a day, those of this minute
		if clock < 8*time.Hour || clock >= 18*time.Hour {
			return 0
		}
		return (a + dice.IntN(working)) / working
	}
	note := func(object, id string, created bool) {
		o.log = append(o.log, event{time.Now(), object, id, created})
	}
	edit := func(object, id, field string) {
		o.org.Update(object, id, sandbox.Fields{field: fmt.Sprint("edited at ", clock)})
		note(object, id, false)
	}
	oneOf := func(ids []string) string { return ids[dice.IntN(len(ids))] }
	for range times(d.leadEdits) {
		edit("Lead", oneOf(leads), "Company")
	}
	for range times(d.newLeads) {
		note("Lead", o.Crowd(1)[0], true)
	}
	for range times(d.conversions) {
		lead := oneOf(leads)
		if o.org.Get("Lead", lead)["IsConverted"] == true {
			continue
		}
		made := o.org.Convert(lead, sandbox.Conversion{})
		note("Contact", made.ContactID, true)
		note("Opportunity", made.OpportunityID, true)
	}
	for range times(d.signUps) {
		o.rf.Refer(int64(101+dice.IntN(3)), sandbox.NewUser{FirstName: "New"})
	}
	if deals := o.org.IDs("Opportunity"); len(deals) > 0 {
		for range times(d.dealEdits) {
			edit("Opportunity", oneOf(deals), "Name")
		}
		for range times(d.contactEdits) {
			edit("Contact", oneOf(o.org.IDs("Contact")), "LastName")
		}
	}
	if clock == 13*time.Hour {
		for _, lead := range leads[len(leads)-d.load:] {
			edit("Lead", lead, "Company")
		}
	}
}

// likeTriggers is what n8n's Salesforce trigger would spend: a workflow for each campaign, with an "updated" trigger for each object that its rule
// watches (the stage campaign's watches two). At each poll a trigger asks one query for the rows that changed since 15 minutes before its last
// poll, less those created since, and follows its pages. What its workflow does with a row is not counted; that it misses Leads born with the value,
// what changed and changed back, deletions and merges, either.
func (o *office) likeTriggers(began time.Time, polls int) (calls int) {
	const margin = 15 * time.Minute
	for _, object := range []string{"Lead", "Lead", "Lead", "Opportunity"} {
		for poll := range polls {
			now := began.Add(time.Duration(poll+1) * time.Minute)
			calls += max(1, portions(len(o.changed(object, now.Add(-time.Minute-margin), now, false)), rowsAPage))
		}
	}
	return calls
}

// likeGetUpdated is what a loop would spend that asks getUpdated for each object that a rule watches, minute by minute without any overlap, and then
// reads each record that it names. That it misses what commits late is not counted.
func (o *office) likeGetUpdated(began time.Time, polls int) (calls int) {
	for _, object := range []string{"Lead", "Opportunity"} {
		for poll := range polls {
			now := began.Add(time.Duration(poll+1) * time.Minute)
			calls += 1 + len(o.changed(object, now.Add(-time.Minute), now, true))
		}
	}
	return calls
}

// changed are the records of an object that changed in a span of the day, each once; those created in it only with new.
func (o *office) changed(object string, from, to time.Time, withNew bool) map[string]bool {
	ids := map[string]bool{}
	for _, e := range o.log {
		if e.object == object && !e.at.Before(from) && e.at.Before(to) {
			ids[e.id] = true
		}
	}
	if !withNew {
		for _, e := range o.log {
			if e.created && !e.at.Before(from) && e.at.Before(to) {
				delete(ids, e.id)
			}
		}
	}
	return ids
}
