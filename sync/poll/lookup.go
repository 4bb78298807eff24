package poll

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

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

// referralsAQuery is for how many referrals one query looks records up. With e-mail addresses of 30 characters and codes of ten it is about as long
// as a query may be; a longer one is asked field by field.
const referralsAQuery = 2000

// lookup finds the records that carry the referrals' codes or have their e-mails. everywhere looks for e-mails on Leads and Contacts both where
// the campaign's policy is do_nothing, which wants it; otherwise only on the campaign's object. Only on some objects is looked at all.
func (t *pass) lookup(ctx context.Context, referrals []rules.Referral, everywhere bool, on func(rules.Object) bool) (*findings, error) {
	found := &findings{records: map[string]seen{}, by: map[string][]string{}}
	var questions []question
	for some := range slices.Chunk(referrals, referralsAQuery) {
		for _, w := range t.wantedValues(some, everywhere) {
			if on(w.object) {
				questions = append(questions, t.lookupQuestion(w, found))
			}
		}
	}
	return found, t.ask(ctx, questions)
}

func (t *pass) lookupQuestion(w wantedOf, found *findings) question {
	var fields []string
	for _, in := range w.fields {
		fields = append(fields, in.field)
	}
	return question{
		name: lookupName(w.object, strings.Join(fields, " and ")), from: string(w.object), object: w.object,
		soql: func() salesforce.Soql { return t.lookupSoql(w) },
		page: func(_ *store.Tx, rows []salesforce.Row, a salesforce.Answer, _ bool) error {
			read := t.reader(w.object)
			for _, row := range rows {
				found.add(read.record(row, a.Since))
			}
			return nil
		},
		several: len(w.fields) > 1,
		halves: func() []question {
			if len(w.fields) == 1 {
				only := w.fields[0]
				return halve(only.values, func(some []string) question {
					return t.lookupQuestion(wantedOf{w.object, []wantedIn{{only.field, some}}}, found)
				})
			}
			var each []question
			for _, in := range w.fields {
				each = append(each, t.lookupQuestion(wantedOf{w.object, []wantedIn{in}}, found))
			}
			return each
		},
		fails: func() {
			for _, field := range fields {
				t.failed[lookupName(w.object, field)] = true
			}
		},
	}
}

// wantedOf is what records of an object are looked up by: one of the values in one of the fields.
type wantedOf struct {
	object rules.Object
	fields []wantedIn
}

// wantedIn are values wanted in a field.
type wantedIn struct {
	field  string
	values []string
}

func (t *pass) lookupSoql(w wantedOf) salesforce.Soql {
	var either []salesforce.Condition
	for _, in := range w.fields {
		either = append(either, salesforce.In(in.field, in.values))
	}
	q := salesforce.Select(t.columns(w.object)...).From(string(w.object))
	if len(either) == 1 {
		return q.Where(either[0])
	}
	return q.Where(salesforce.Or(either...))
}

func (t *pass) wantedValues(referrals []rules.Referral, everywhere bool) []wantedOf {
	values := map[rules.Object]map[string]map[string]bool{}
	want := func(object rules.Object, field string, texts ...string) {
		f, readable := t.described[object].Field(field)
		if !readable || t.unreadable(object) {
			return
		}
		for _, text := range texts {
			if text == "" || !quotable(text) {
				continue
			}
			if values[object] == nil {
				values[object] = map[string]map[string]bool{}
			}
			if values[object][f.Name] == nil {
				values[object][f.Name] = map[string]bool{}
			}
			values[object][f.Name][text] = true
		}
	}
	for _, r := range referrals {
		c, _ := t.campaign(r.CampaignID)
		for _, object := range []rules.Object{rules.Lead, rules.Contact} {
			if everywhere && c.Duplicates == rules.DoNothing || object == c.Object {
				want(object, "Email", strings.TrimSpace(r.Email), rules.FoldEmail(r.Email))
			}
			want(object, "Email", t.given[r.ID]) // of the record that we asked for, whose object may have been another then
		}
		for _, object := range t.objects() {
			if field := t.codeField(c, object); field != "" {
				want(object, field, r.Code)
			}
		}
	}
	var out []wantedOf
	for _, object := range slices.Sorted(maps.Keys(values)) {
		w := wantedOf{object: object}
		for _, field := range slices.Sorted(maps.Keys(values[object])) {
			w.fields = append(w.fields, wantedIn{field, slices.Sorted(maps.Keys(values[object][field]))})
		}
		out = append(out, w)
	}
	return out
}

// longestSought is the length in bytes of the longest value that a field which can be filtered on holds: 255 characters.
const longestSought = 255 * utf8.UTFMax

// quotable tells whether a value can stand in a query at all. No record can hold one that cannot.
func quotable(text string) bool {
	if len(text) > longestSought {
		return false
	}
	_, err := salesforce.Select("Id").From("Lead").Where(salesforce.Equal("Id", text)).Build()
	return err == nil
}

// findings are the records that a look-up found.
type findings struct {
	records map[string]seen
	by      map[string][]string // their Ids, by what they carry: e-mails, folded, and codes
}

func (f *findings) add(s seen) {
	f.records[s.ID] = s
	f.by[s.email] = append(f.by[s.email], s.ID)
	for _, code := range s.codes {
		f.by[code] = append(f.by[code], s.ID)
	}
}

// carrying are the records that carry one of some texts, sorted by Id. They are few: what the texts are to them is for the caller to see.
func (f *findings) carrying(texts ...string) []seen {
	var ids []string
	for _, text := range texts {
		if text != "" {
			ids = append(ids, f.by[text]...)
		}
	}
	slices.Sort(ids)
	var out []seen
	for _, id := range slices.Compact(ids) {
		out = append(out, f.records[id])
	}
	return out
}

// candidates are those of the records found that have to do with a referral.
func (t *pass) candidates(tx *store.Tx, r rules.Referral, c rules.Campaign, found *findings) []rules.Candidate {
	var out []rules.Candidate
	for _, s := range found.carrying(rules.FoldEmail(r.Email), r.Code) {
		code := s.codes[t.codeField(c, s.Object)]
		one := rules.Candidate{
			Record:       s.Record,
			CodeMatches:  code != "" && code == r.Code,
			EmailMatches: s.email != "" && s.email == rules.FoldEmail(r.Email),
			OthersCode:   t.othersCode(tx, r, code),
			OthersPin:    t.othersPin(tx, r, s.ID),
		}
		if one.CodeMatches || one.EmailMatches {
			out = append(out, one)
		}
	}
	for i, contact := range out {
		for _, lead := range out {
			if contact.Object == rules.Contact && !lead.Deleted && lead.ContactID == contact.ID && rules.MadeByConversion(lead.Record, contact.Created) {
				out[i].MadeByConversion = true
			}
		}
	}
	return out
}
