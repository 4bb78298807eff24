package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// ControlPath is where [Control] answers.
const ControlPath = "/sandbox/control/"

// directive is the body of a control request. Each action reads what it needs.
type directive struct {
	Object, ID, Field string
	From, To          string // replace-value
	On                bool   // track

	Winner string // merge
	Losers []string

	Lead string // convert
	Conversion

	Campaign, User, Referrer int64 // Referral Factory
	FirstName, Email         string
	Qualified                bool
}

// action is one thing that REST cannot do.
type action struct {
	takes string
	do    func(org *Org, rf *ReferralFactory, o directive) any
}

var actions = map[string]action{
	"convert": {"lead, contactID, opportunityID, noOpportunity, stage, status, contactFields, opportunityFields", func(org *Org, _ *ReferralFactory, o directive) any {
		return org.Convert(o.Lead, o.Conversion)
	}},
	"merge":         {"object, winner, losers", done(func(org *Org, o directive) { org.Merge(o.Object, o.Winner, o.Losers...) })},
	"undelete":      {"object, id", done(func(org *Org, o directive) { org.Undelete(o.Object, o.ID) })},
	"hard-delete":   {"object, id", done(func(org *Org, o directive) { org.HardDelete(o.Object, o.ID) })},
	"replace-value": {"object, field, from, to", done(func(org *Org, o directive) { org.ReplaceValue(o.Object, o.Field, o.From, o.To) })},
	"hide-field":    {"object, field", done(func(org *Org, o directive) { org.HideField(o.Object, o.Field) })},
	"show-field":    {"object, field", done(func(org *Org, o directive) { org.ShowField(o.Object, o.Field) })},
	"hide-record":   {"object, id", done(func(org *Org, o directive) { org.HideRecord(o.Object, o.ID) })},
	"show-record":   {"object, id", done(func(org *Org, o directive) { org.ShowRecord(o.Object, o.ID) })},
	"track":         {"object, field, on", done(func(org *Org, o directive) { org.Track(o.Object, o.Field, o.On) })},
	"kill-sessions": {"nothing", done(func(org *Org, _ directive) { org.KillSessions() })},
	"join": {"campaign, firstName, email, referrer (0: nobody)", func(_ *Org, rf *ReferralFactory, o directive) any {
		return rf.Join(o.Campaign, NewUser{FirstName: o.FirstName, Email: o.Email, ReferrerID: o.Referrer}).document()
	}},
	"refer": {"campaign, firstName, email", func(_ *Org, rf *ReferralFactory, o directive) any {
		return rf.Refer(o.Campaign, NewUser{FirstName: o.FirstName, Email: o.Email}).document()
	}},
	"qualify": {"user, qualified", func(_ *Org, rf *ReferralFactory, o directive) any {
		rf.SetQualified(o.User, o.Qualified)
		return rf.User(o.User).document()
	}},
}

func done(do func(*Org, directive)) func(*Org, *ReferralFactory, directive) any {
	return func(org *Org, _ *ReferralFactory, o directive) any {
		do(org, o)
		return map[string]bool{"done": true}
	}
}

// Control answers the one path that no real service has: POST
// /sandbox/control/ACTION with a JSON object does what only people and Setup
// can do, GET /sandbox/control/ lists the actions. It asks for no credentials:
// serve it on a loopback address only.
func Control(org *Org, rf *ReferralFactory) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, ControlPath)
		act, known := actions[name]
		switch {
		case name == "" && r.Method == http.MethodGet:
			writeAnswer(w, ok(actionList()))
		case !known:
			writeAnswer(w, problem(http.StatusNotFound, "no such action; GET "+ControlPath+" lists them"))
		case r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
			// A web page cannot send this type to another origin unasked.
			writeAnswer(w, problem(http.StatusMethodNotAllowed, "POST it, with Content-Type: application/json"))
		default:
			writeAnswer(w, perform(act, org, rf, r))
		}
	})
}

func actionList() any {
	var list orderedObject
	for _, name := range slices.Sorted(maps.Keys(actions)) {
		list = append(list, pair{name, actions[name].takes})
	}
	return list
}

// perform runs an action; what it panics about was wrong in the order.
func perform(act action, org *Org, rf *ReferralFactory, r *http.Request) (a answer) {
	var o directive
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return problem(http.StatusBadRequest, fmt.Sprintf("reading the order: %v; this action takes %s", err, act.takes))
	}
	defer func() {
		if p := recover(); p != nil {
			message, mine := p.(string)
			if !mine {
				panic(p)
			}
			a = problem(http.StatusBadRequest, strings.TrimPrefix(message, "sandbox: "))
		}
	}()
	return ok(act.do(org, rf, o))
}
