package poll

import (
	"context"
	"maps"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
)

// lookupName is the name under which failed look-ups by a field of an object are noted.
func lookupName(object rules.Object, field string) string {
	return "look-up of " + string(object) + "s by " + field
}

// lookupFailed tells whether something that a campaign's referrals are recognised by was not looked up.
func (t *pass) lookupFailed(c rules.Campaign) bool {
	return slices.ContainsFunc(t.objects(), func(object rules.Object) bool {
		code := t.codeField(c, object)
		byEmail := object == c.Object || object != rules.Opportunity && c.Duplicates == rules.DoNothing
		return code != "" && t.failed[lookupName(object, code)] || byEmail && t.failed[lookupName(object, "Email")]
	})
}

// anyLookupFailed tells whether a look-up on an object failed, for any campaign.
func (t *pass) anyLookupFailed(object rules.Object) bool {
	fields := append(t.codeFields(object), "Email")
	return slices.ContainsFunc(fields, func(field string) bool { return t.failed[lookupName(object, field)] })
}

// lookup finds the records that carry the referrals' codes or have their e-mails. everywhere looks for e-mails on Leads and Contacts both where
// the campaign's policy is do_nothing, which wants it; otherwise only on the campaign's object.
func (t *pass) lookup(ctx context.Context, referrals []rules.Referral, everywhere bool) (map[string]seen, error) {
	found := map[string]seen{}
	var questions []question
	for _, w := range t.wantedValues(referrals, everywhere) {
		for _, some := range chunks(w.values, func(values []string) salesforce.Soql { return t.lookupSoql(w, values) }) {
			questions = append(questions, t.lookupQuestion(w, some, found))
		}
	}
	return found, t.ask(ctx, questions)
}

func (t *pass) lookupQuestion(w wantedIn, values []string, found map[string]seen) question {
	return question{
		name: lookupName(w.object, w.field), from: string(w.object), object: w.object,
		soql: func() salesforce.Soql { return t.lookupSoql(w, values) },
		page: func(_ *store.Tx, rows []salesforce.Row, a salesforce.Answer, _ bool) error {
			read := t.reader(w.object)
			for _, row := range rows {
				s := read.record(row, a.Since)
				found[s.ID] = s
			}
			return nil
		},
		halves: func() []question {
			return halve(values, func(some []string) question { return t.lookupQuestion(w, some, found) })
		},
	}
}

// wantedIn are values wanted in one field of an object.
type wantedIn struct {
	object rules.Object
	field  string
	values []string
}

func (t *pass) lookupSoql(w wantedIn, values []string) salesforce.Soql {
	return salesforce.Select(t.columns(w.object)...).From(string(w.object)).Where(salesforce.In(w.field, values))
}

func (t *pass) wantedValues(referrals []rules.Referral, everywhere bool) []wantedIn {
	type place struct {
		object rules.Object
		field  string
	}
	values := map[place]map[string]bool{}
	want := func(object rules.Object, field string, texts ...string) {
		f, readable := t.described[object].Field(field)
		if !readable || t.unreadable(object) {
			return
		}
		for _, text := range texts {
			if text == "" || !quotable(text) {
				continue
			}
			at := place{object, f.Name}
			if values[at] == nil {
				values[at] = map[string]bool{}
			}
			values[at][text] = true
		}
	}
	for _, r := range referrals {
		c, _ := t.campaign(r.CampaignID)
		for _, object := range []rules.Object{rules.Lead, rules.Contact} {
			if everywhere && c.Duplicates == rules.DoNothing || object == c.Object {
				want(object, "Email", strings.TrimSpace(r.Email), rules.FoldEmail(r.Email))
			}
			if object == c.Object {
				want(object, "Email", t.given[r.ID])
			}
		}
		for _, object := range t.objects() {
			if field := t.codeField(c, object); field != "" {
				want(object, field, r.Code)
			}
		}
	}
	var out []wantedIn
	for at, set := range values {
		out = append(out, wantedIn{at.object, at.field, slices.Sorted(maps.Keys(set))})
	}
	slices.SortFunc(out, func(a, b wantedIn) int {
		return strings.Compare(string(a.object)+a.field, string(b.object)+b.field)
	})
	return out
}

// quotable tells whether a value can stand in a query at all. No record can hold one that cannot.
func quotable(text string) bool {
	_, err := salesforce.Select("Id").From("Lead").Where(salesforce.Equal("Id", text)).Build()
	return err == nil
}

// chunks splits values so that each chunk's query is short enough to be sent.
func chunks(values []string, soql func([]string) salesforce.Soql) [][]string {
	var out [][]string
	for len(values) > 0 {
		n := min(len(values), idsAQuery)
		for n > 1 && !salesforce.Fits(soql(values[:n])) {
			n /= 2
		}
		out = append(out, values[:n])
		values = values[n:]
	}
	return out
}

// candidates are those of the records found that have to do with a referral.
func (t *pass) candidates(tx *store.Tx, r rules.Referral, c rules.Campaign, found map[string]seen) []rules.Candidate {
	var out []rules.Candidate
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		code := s.codes[t.codeField(c, s.Object)]
		one := rules.Candidate{
			Record:       s.Record,
			CodeMatches:  code != "" && code == r.Code,
			EmailMatches: s.email != "" && s.email == rules.FoldEmail(r.Email),
			OthersCode:   t.othersCode(tx, r, code),
		}
		if one.CodeMatches || one.EmailMatches {
			out = append(out, one)
		}
	}
	for i, contact := range out {
		for _, lead := range out {
			if contact.Object == rules.Contact && !lead.Deleted && lead.ContactID == contact.ID && rules.MadeByConversion(lead.ConvertedOn, contact.Created) {
				out[i].MadeByConversion = true
			}
		}
	}
	return out
}
