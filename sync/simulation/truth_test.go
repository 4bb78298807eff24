package simulation

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"qualifyd/sync/sandbox"
)

// truth is the record of everything that was done in both services. Acts are numbered; what was done between two runs has a number in between.
type truth struct {
	w       *world
	number  int
	runs    int
	records map[string]*record
	order   []*record // in the order of their creation
	counts  map[string]int
	tracked map[string]bool // "Lead.Status": history tracking is on

	noHistory map[string]bool // the org has no history of an object
	writing   bool            // it is qualifyd that changes a record
}

// record is one Salesforce row through its life.
type record struct {
	object, id string
	versions   []version
	rows       []historyRow
	conversion *conversion // of a Lead
	madeBy     []*record   // of a Contact or Opportunity: the Leads converted into it
	pins       []*referral // those to whom it was pinned
	ours       bool        // created by qualifyd
	marked     bool        // qualifyd has tried to mark it
	tookOver   bool        // a record that qualifyd has written into was merged into it
	purged     bool        // deleted for good
	locked     bool        // a transaction that is not committed yet has changed it
}

// version is what a record was like from an act on.
type version struct {
	act       int
	at        time.Time // when that could be seen first; its stamps may be earlier
	f         sandbox.Fields
	invisible bool
	rewritten bool // the newest change of its values was Setup's
	ours      bool // qualifyd has made it so
}

// historyRow is what is kept of one change of a tracked field, or of an Opportunity's stage; that is kept here also where the org has no such history.
type historyRow struct {
	act      int
	at       time.Time // when it could be seen first
	t        time.Time // its CreatedDate
	field    string
	old, new any
	silent   bool // it is without values
	first    bool // it is the record's creation
	ours     bool // qualifyd has made the change
}

// conversion is how a Lead was converted.
type conversion struct {
	act                      int
	t                        time.Time
	contact, opportunity     *record
	newContact, newDeal, row bool // the conversion made the record; it left a history row
}

// The ways in which a record changes.
type change int

const (
	edited change = iota
	converted
	rewritten // by Setup
	silently  // no value of a person's changed: deleted, shared, touched, merged
)

var objects = []string{"Lead", "Contact", "Opportunity"}

func newTruth(w *world) *truth {
	return &truth{w: w, records: map[string]*record{}, counts: map[string]int{}, tracked: map[string]bool{}, noHistory: map[string]bool{}}
}

func (h *truth) now() int { return h.number }

// step begins a new act, and returns its number.
func (h *truth) step() int {
	h.number++
	return h.number
}

// now is the newest version.
func (r *record) now() version { return r.versions[len(r.versions)-1] }

func (r *record) get(field string) any { return r.now().f[field] }

func (r *record) text(field string) string { return text(r.now().f[field]) }

func text(v any) string { s, _ := v.(string); return s }

func stampOf(v any) time.Time { t, _ := v.(time.Time); return t }

func (v version) deleted() bool      { return v.f["IsDeleted"] == true }
func (v version) there() bool        { return !v.deleted() && !v.invisible }
func (v version) stamp() time.Time   { return stampOf(v.f["SystemModstamp"]) }
func (v version) edited() time.Time  { return stampOf(v.f["LastModifiedDate"]) }
func (v version) email() string      { return strings.ToLower(strings.TrimSpace(text(v.f["Email"]))) }
func (r *record) created() time.Time { return stampOf(r.versions[0].f["CreatedDate"]) }

// code is what stands in the code field of a campaign.
func (v version) code(c *campaign) string { return text(v.f[c.codeField]) }

// during lists the versions that there were from one act to another, the one that stood at the first included.
func (r *record) during(from, to int) []version {
	var out []version
	for i, v := range r.versions {
		if v.act <= to && (i+1 == len(r.versions) || r.versions[i+1].act > from) {
			out = append(out, v)
		}
	}
	return out
}

// live lists the records of an object that are there and that a condition holds for.
func (h *truth) live(object string, fits func(*record) bool) []*record {
	var out []*record
	for _, r := range h.order {
		if r.object == object && r.now().there() && !r.locked && (fits == nil || fits(r)) {
			out = append(out, r)
		}
	}
	return out
}

// note takes note of how a record was changed by the present act.
func (h *truth) note(object, id string, how change) *record {
	r := h.records[id]
	values := h.w.org.Get(object, id)
	if r == nil {
		r = &record{object: object, id: id}
		h.records[id] = r
		h.order = append(h.order, r)
		h.counts[object]++
	}
	v := version{act: h.number, at: h.w.now(), f: values, ours: h.writing}
	if len(r.versions) > 0 {
		before := r.now()
		v.invisible, v.rewritten = before.invisible, before.rewritten
		if how != silently && how != rewritten {
			v.rewritten = false
		}
	}
	if how == rewritten {
		v.rewritten = true
	}
	if how == edited || how == converted {
		h.noteRows(r, v)
	}
	r.versions = append(r.versions, v)
	return r
}

// noteRows takes note of the history that the platform keeps of a change.
func (h *truth) noteRows(r *record, v version) {
	var before sandbox.Fields
	if len(r.versions) > 0 {
		before = r.now().f
	}
	row := historyRow{act: v.act, at: v.at, t: v.stamp(), ours: h.writing}
	if r.object == "Opportunity" && (before == nil || before["StageName"] != v.f["StageName"]) {
		stage := row
		stage.field, stage.old, stage.new, stage.first = "StageName", before["StageName"], v.f["StageName"], before == nil
		r.rows = append(r.rows, stage)
	}
	if before == nil {
		return
	}
	for _, field := range slices.Sorted(maps.Keys(v.f)) {
		if !h.tracked[r.object+"."+field] || before[field] == v.f[field] {
			continue
		}
		one := row
		one.field, one.old, one.new = field, before[field], v.f[field]
		one.silent = field == "Tags__c"
		r.rows = append(r.rows, one)
	}
}

// share takes note of a record that the integration user no longer sees, or sees again.
func (h *truth) share(r *record, invisible bool) {
	v := r.now()
	v.act, v.at, v.invisible = h.number, h.w.now(), invisible
	r.versions = append(r.versions, v)
}

// anyTracked tells whether an object has history tracking at all.
func (h *truth) anyTracked(object string) bool {
	for name, on := range h.tracked {
		if on && strings.HasPrefix(name, object+".") {
			return true
		}
	}
	return false
}

// noteConversion takes note of what a Lead's conversion made.
func (h *truth) noteConversion(lead *record, t time.Time, made sandbox.Converted) {
	c := &conversion{act: h.number, t: t, row: h.anyTracked("Lead")}
	contactThere, dealThere := h.records[made.ContactID] != nil, h.records[made.OpportunityID] != nil
	c.contact, c.newContact = h.note("Contact", made.ContactID, edited), !contactThere
	if made.OpportunityID != "" {
		if !dealThere {
			h.note("Opportunity", made.OpportunityID, edited)
		}
		c.opportunity, c.newDeal = h.records[made.OpportunityID], !dealThere
		c.opportunity.madeBy = append(c.opportunity.madeBy, lead)
	}
	c.contact.madeBy = append(c.contact.madeBy, lead)
	h.note("Lead", lead.id, converted)
	lead.conversion = c
}

// codesIn are the codes in a record, for people.
func codesIn(r *record) string {
	return strings.TrimSpace(r.text(codeField) + " " + r.text(otherCodeField))
}

// sawWrite takes note of what qualifyd has written to Salesforce.
func (h *truth) sawWrite(r *http.Request) {
	_, rest, found := strings.Cut(r.URL.Path, "/sobjects/")
	if !found {
		return
	}
	object, id, _ := strings.Cut(rest, "/")
	h.writing = true
	defer func() { h.writing = false }()
	if r.Method == http.MethodPatch && h.records[id] != nil {
		h.records[id].marked = true
		if !maps.Equal(h.w.org.Get(object, id), h.records[id].now().f) {
			h.step()
			h.note(object, id, edited)
			h.w.tell("qualifyd marks %s %s: code %s", object, id, codesIn(h.records[id]))
		}
		return
	}
	for _, id := range h.w.org.IDs(object) {
		if h.records[id] != nil {
			continue
		}
		h.step()
		made := h.note(object, id, edited)
		made.ours = true
		h.w.tell("qualifyd creates %s %s for %s: e-mail %s, code %s", object, id, made.text("LastName"), made.text("Email"), codesIn(made))
	}
}
