// Package doctor is the check-up: it goes through what a person would check when referrals do not qualify, in that order, and says of each
// thing whether it is well, and if not, what to do.
//
// [CheckUp] is all there is to call. A [Patient] is what it looks at; every [Finding] belongs to one of the questions of Referral Factory's
// own checklist, or to the machinery ([Group]). It never fails: what cannot be checked is a finding too, and what depends on something that
// failed is one finding that says so. It reads, and writes nowhere.
//
// The steps are in the order in which one needs another; a step is a method of checkup, in the file that is named for what it looks at.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// Patient is what a check-up looks at.
type Patient struct {
	Config    config.Config
	Warnings  []config.Warning // of loading it
	Campaigns []rules.Campaign // the config's
	// Store is nil where there is none to look at; NoStore says why.
	Store           *store.Store
	NoStore         error
	Salesforce      *salesforce.Client
	ReferralFactory *referralfactory.Client
	Poll            poll.Options // what a pass works with
	// Now is this machine's clock.
	Now func() time.Time
	// Reload reads the config's file again; nil leaves that out.
	Reload func() (config.Config, error)
	// OtherBaseURL tries the API key at another base URL of Referral Factory; nil leaves that out.
	OtherBaseURL func(ctx context.Context, baseURL string) error
}

// Colour says how bad a finding is.
type Colour string

// The colours.
const (
	Green  Colour = "green"
	Yellow Colour = "yellow" // works, but a person should look
	Red    Colour = "red"    // something does not work
)

// Group is what a finding is about: a question of Referral Factory's checklist, or the rest.
type Group string

// The groups, in their order.
const (
	Connected  Group = "connected"
	RuleChosen Group = "rule"
	Reaches    Group = "value"
	Duplicates Group = "duplicates"
	Captured   Group = "captured"
	Machinery  Group = "machinery"
)

// Groups are all groups in their order.
var Groups = []Group{Connected, RuleChosen, Reaches, Duplicates, Captured, Machinery}

// Question is what the group's findings answer.
func (g Group) Question() string {
	switch g {
	case Connected:
		return "Is it connected, and may it see everything?"
	case RuleChosen:
		return "Is the campaign running, with a rule chosen?"
	case Reaches:
		return "Does the field or stage really change to that very value?"
	case Duplicates:
		return "Does duplicate handling block people who existed before?"
	case Captured:
		return "Were they captured through a referral link, and is their record found?"
	}
	return "Does the machinery run?"
}

// Finding is one thing that was looked at.
type Finding struct {
	Group   Group          `json:"group"`
	Check   string         `json:"check"` // a name that stays: salesforce.login, campaign.101.value
	Colour  Colour         `json:"colour"`
	Title   string         `json:"title"`
	Text    string         `json:"text"`         // what is
	Do      string         `json:"do,omitempty"` // what to do; "" where it is green
	Details map[string]any `json:"details,omitempty"`
}

// Report is a whole check-up.
type Report struct {
	Findings []Finding `json:"findings"` // by group
	Green    int       `json:"green"`
	Yellow   int       `json:"yellow"`
	Red      int       `json:"red"`
	At       time.Time `json:"at"` // this machine's time
	// Calls are what the check-up itself cost, repeats by the clients apart.
	Calls Calls `json:"calls"`
}

// Calls are API requests.
type Calls struct {
	Salesforce      int `json:"salesforce"`
	ReferralFactory int `json:"referral_factory"`
}

// checkup is a check-up under way: the findings so far, and what they found out for later steps.
type checkup struct {
	Patient
	report Report

	loggedIn  bool // Salesforce answers
	who       salesforce.Identity
	sandbox   bool // the org is one
	access    access
	fields    map[rules.Object][]salesforce.FieldInfo
	describes map[rules.Object]salesforce.Describe
	outline   poll.Outline
	noHistory map[string]bool // history objects that the org does not show us
	evidence  evidence

	campaigns []referralfactory.Campaign // of the account; nil: not known
	users     []referralfactory.User     // the first page of them; nil: not known
	rfClock   reading

	file *caseload // what the store remembers; nil: there is none
}

// step is a part of the check-up.
type step struct {
	work string // what it is doing
	do   func(c *checkup, ctx context.Context)
}

var steps = []step{
	{"reading the store", (*checkup).openFile},
	{"logging in to Salesforce", (*checkup).logIn},
	{"describing the objects", (*checkup).describe},
	{"looking at the permissions", (*checkup).checkPermissions},
	{"asking what a pass asks", (*checkup).tryQueries},
	{"looking for the values in the data", (*checkup).gatherEvidence},
	{"asking Referral Factory", (*checkup).askReferralFactory},
	{"looking at the campaigns", (*checkup).checkCampaigns},
	{"looking at the rules", (*checkup).checkRules},
	{"looking at the referrals", (*checkup).checkReferrals},
	{"looking at clocks, calls and runs", (*checkup).checkMachinery},
}

// CheckUp examines a patient. progress, which may be nil, is told how many of its steps are done.
func CheckUp(ctx context.Context, p Patient, progress func(work string, done, total int)) Report {
	c := &checkup{Patient: p, fields: map[rules.Object][]salesforce.FieldInfo{}, describes: map[rules.Object]salesforce.Describe{},
		noHistory: map[string]bool{}}
	c.report.At = p.Now().UTC()
	if progress == nil {
		progress = func(string, int, int) {}
	}
	for i, s := range steps {
		progress("check-up", i, len(steps))
		s.do(c, ctx)
		if ctx.Err() != nil {
			c.red(Machinery, "checkup", "Check-up", fmt.Sprintf("stopped while %s; what follows was not checked", s.work), "run it again")
			break
		}
	}
	progress("check-up", len(steps), len(steps))
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return slices.Index(Groups, a.Group) - slices.Index(Groups, b.Group)
	})
	return c.report
}

func (c *checkup) add(f Finding) {
	switch f.Colour {
	case Green:
		c.report.Green++
	case Yellow:
		c.report.Yellow++
	case Red:
		c.report.Red++
	}
	c.report.Findings = append(c.report.Findings, f)
}

func (c *checkup) green(g Group, check, title, text string) {
	c.add(Finding{Group: g, Check: check, Colour: Green, Title: title, Text: text})
}

func (c *checkup) yellow(g Group, check, title, text, do string) {
	c.add(Finding{Group: g, Check: check, Colour: Yellow, Title: title, Text: text, Do: do})
}

func (c *checkup) red(g Group, check, title, text, do string) {
	c.add(Finding{Group: g, Check: check, Colour: Red, Title: title, Text: text, Do: do})
}
