package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/sync/sandbox"
)

// What the demo's campaigns ask for.
const (
	demoCodeField = "Referral_Code__c"
	demoQualified = "Qualified"
	demoSource    = "External Referral"
	demoStage     = "Closed Won"
)

// referralsACampaign is how many people are referred to each campaign.
const referralsACampaign = 60

var (
	firstNames = []string{"Ada", "Ben", "Cleo", "Dev", "Ella", "Finn", "Gia", "Hugo", "Ines", "Jon", "Kira", "Leo", "Mina", "Noah", "Ola", "Pia", "Quin", "Rosa", "Sam", "Tess"}
	lastNames  = []string{"Abara", "Brandt", "Castro", "Dahl", "Eriksen", "Fuchs", "Garcia", "Haas", "Ito", "Jansen", "Kaya", "Lind", "Moreau", "Novak", "Okafor"}
)

// stepTakes is how long the team is at one person's record.
const stepTakes = 77 * time.Second

// person is a referral as the sales team sees it.
type person struct {
	sandbox.User
	campaign           config.Campaign
	first, last, email string
	record, deal       string
	steps              int
}

// salesTeam is a script: the same people do the same things at the same times in every demo.
type salesTeam struct {
	*demo
	dice    *rand.Rand
	arrive  []person // still to be referred
	people  []*person
	flowRan bool
}

func newSalesTeam(d *demo, c config.Config) *salesTeam {
	for _, object := range []string{"Lead", "Contact", "Opportunity"} {
		d.org.AddField(object, sandbox.FieldDef{Name: demoCodeField, Label: "Referral Code", Type: "string", Length: 40, ExternalID: true})
	}
	d.org.AddPicklistValue("Lead", "Status", sandbox.PicklistValue{Value: demoQualified, Label: demoQualified})
	d.org.AddPicklistValue("Contact", "LeadSource", sandbox.PicklistValue{Value: demoSource, Label: demoSource})
	d.org.Track("Lead", "Status", true)
	t := &salesTeam{demo: d, dice: rand.New(rand.NewPCG(1, 2))}
	for _, campaign := range c.Campaigns {
		d.rf.AddCampaign(campaign.ID, campaign.Name)
		d.names[campaign.ID] = campaign.Name
		for range referralsACampaign {
			t.arrive = append(t.arrive, t.newPerson(campaign, len(t.arrive)))
		}
	}
	d.turnTo(d.clock().AddDate(0, 0, 3)) // whom the company knew, it knew for some days
	t.dice.Shuffle(len(t.arrive), func(i, j int) { t.arrive[i], t.arrive[j] = t.arrive[j], t.arrive[i] })
	return t
}

// newPerson makes up somebody who will be referred. Some of them the company knows already.
func (t *salesTeam) newPerson(c config.Campaign, n int) person {
	p := person{campaign: c, first: firstNames[t.dice.IntN(len(firstNames))], last: lastNames[t.dice.IntN(len(lastNames))]}
	p.email = fmt.Sprintf("%s.%s%d@example.com", p.first, p.last, n)
	if t.dice.IntN(8) == 0 {
		p.record = t.newRecord(&p)
	}
	return p
}

// work is half an hour of the team's day.
func (t *salesTeam) work(day int) {
	for range min(3, len(t.arrive)) {
		t.refer()
	}
	for _, p := range t.people {
		if t.dice.IntN(40) == 0 {
			t.turnTo(t.clock().Add(stepTakes))
			t.advance(p)
		}
	}
	if day == 10 && !t.flowRan {
		t.badFlow()
	}
}

// refer lets one more person be referred.
func (t *salesTeam) refer() {
	p := t.arrive[0]
	t.arrive = t.arrive[1:]
	p.User = t.rf.Refer(p.campaign.ID, sandbox.NewUser{FirstName: p.first, Email: p.email, Meta: []sandbox.Meta{{Field: "Last Name", Value: p.last}}})
	t.people = append(t.people, &p)
}

func (t *salesTeam) newRecord(p *person) string {
	fields := sandbox.Fields{"FirstName": p.first, "LastName": p.last, "Email": p.email}
	if p.campaign.Object == rules.Lead {
		fields["Company"] = p.last + " Ltd"
	}
	return t.org.Create(string(p.campaign.Object), fields)
}

// advance takes a person one step on: into the CRM, into contact, converted, won.
func (t *salesTeam) advance(p *person) {
	if p.record == "" {
		p.record = t.findOrMake(p)
		return
	}
	p.steps++
	switch p.campaign.Qualify.Method {
	case rules.LeadFieldChanges:
		status := []string{"Working - Contacted", demoQualified, "Closed - Not Converted"}[min(p.steps-1, 2)]
		t.org.Update("Lead", p.record, sandbox.Fields{"Status": status})
	case rules.ContactFieldChanges:
		source := []string{"Web", demoSource, "Other"}[min(p.steps-1, 2)]
		t.org.Update("Contact", p.record, sandbox.Fields{"LeadSource": source})
	case rules.LeadConverts, rules.LeadConvertsToStage:
		t.advanceDeal(p)
	}
}

// findOrMake is the Lead that qualifyd made for the person, or one that a colleague types in now.
func (t *salesTeam) findOrMake(p *person) string {
	for _, id := range t.org.IDs(string(p.campaign.Object)) {
		if t.org.Get(string(p.campaign.Object), id)["Email"] == rules.FoldEmail(p.Email) {
			return id
		}
	}
	return t.newRecord(p)
}

func (t *salesTeam) advanceDeal(p *person) {
	switch {
	case p.steps == 2:
		p.deal = t.org.Convert(p.record, sandbox.Conversion{NoOpportunity: t.dice.IntN(6) == 0}).OpportunityID
	case p.steps > 2 && p.deal != "":
		stage := []string{"Proposal/Price Quote", demoStage, "Negotiation/Review"}[min(p.steps-3, 2)]
		t.org.Update("Opportunity", p.deal, sandbox.Fields{"StageName": stage})
	}
}

// badFlow is an automation that somebody got wrong: it wins every open deal at once. The campaign's brake is for this.
func (t *salesTeam) badFlow() {
	t.flowRan = true
	fmt.Fprintf(t.out, "  %s  (somebody activates a Flow that sets every open deal to %s)\n", t.clock().Format("15:04"), demoStage)
	for _, p := range t.people {
		if p.campaign.Qualify.Method == rules.LeadConvertsToStage && p.deal != "" && t.org.Get("Opportunity", p.deal)["StageName"] != demoStage {
			t.org.Update("Opportunity", p.deal, sandbox.Fields{"StageName": demoStage})
		}
	}
}
