package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Org is a Salesforce org in memory. Its methods are what people, automation
// and Setup do in it; they panic when the caller names an object, a field or a
// record that the org does not have. Safe for concurrent use.
type Org struct {
	mu  sync.Mutex
	now func() time.Time

	id, user    string
	permissions permissions
	objects     map[string]*object // by lower-case name
	names       []string           // lower-case, in the order of definition
	serial      uint64
	first       bool            // OpportunityHistory has a row for the stage at creation
	locked      map[string]bool // records that a transaction has written which is not committed

	duplicates map[string]rule // duplicate rules by canonical object name

	clientID, clientSecret string
	keys                   map[string]*rsa.PublicKey // by username
	audiences              []string
	callback               string
	scopes                 []string
	codes                  map[string]authCode // authorization codes that nobody has redeemed
	refresh                map[string]*grant   // by refresh token, used ones too
	rotate                 bool
	sessions               map[string]time.Time // token: last use
	sessionLife            time.Duration
	url                    string

	calls      int
	dailyLimit int
	recent     []time.Time // of the calls of the last 24 hours

	cursors map[string]*cursor
	batch   int // default rows a page
	fault   faulter

	boundURLs bool // of a composite's subrequests
}

type rule struct{ block bool }

// NewOrg makes an org with the standard stages and statuses, one user, who is
// the one that integrations run as, and no records. now is its clock; nil is
// time.Now. Ids are the same in every org that is filled in the same order.
func NewOrg(now func() time.Time) *Org {
	if now == nil {
		now = time.Now
	}
	o := &Org{
		now: now, objects: map[string]*object{}, serial: 62 * 62 * 62, first: true, locked: map[string]bool{}, duplicates: map[string]rule{}, permissions: newPermissions(),
		clientID: "3MVG9sandbox" + secret(8), clientSecret: secret(32), keys: map[string]*rsa.PublicKey{},
		callback: "http://localhost:1717/OauthRedirect", scopes: []string{"api", "id", "refresh_token"}, codes: map[string]authCode{}, refresh: map[string]*grant{},
		sessions: map[string]time.Time{}, sessionLife: 2 * time.Hour, dailyLimit: 15000, cursors: map[string]*cursor{}, batch: maxBatch,
	}
	for _, obj := range append([]*object{
		leadObject(), contactObject(), opportunityObject(), accountObject(),
		fieldHistory("LeadHistory", "Lead", "017"), fieldHistory("ContactHistory", "Contact", "017"),
		opportunityHistory(), fieldHistory("OpportunityFieldHistory", "Opportunity", "017"),
	}, setupObjects()...) {
		o.objects[strings.ToLower(obj.name)] = obj
		o.names = append(o.names, strings.ToLower(obj.name))
		obj.changed = stamp(now())
	}
	o.seed()
	return o
}

func (o *Org) seed() {
	o.user = newID("005", o.serial) // it is its own creator, so its Id is known before it is made
	o.create("User", Fields{"Username": "integration@example.com", "FirstName": "Integration", "LastName": "User", "Name": "Integration User",
		"Email": "integration@example.com", "IsActive": true, "Alias": "integ", "UserType": "Standard",
		"LanguageLocaleKey": "en_US", "LocaleSidKey": "en_US", "TimeZoneSidKey": "Europe/London"})
	o.id = o.create("Organization", Fields{"Name": "Sandbox Ltd", "InstanceName": "HU1", "IsSandbox": false,
		"OrganizationType": "Enterprise Edition", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "Europe/London"})
	for _, s := range []struct {
		name, forecast string
		probability    int
		closed, won    bool
	}{
		{"Prospecting", "Pipeline", 10, false, false}, {"Qualification", "Pipeline", 10, false, false},
		{"Needs Analysis", "Pipeline", 20, false, false}, {"Value Proposition", "Pipeline", 50, false, false},
		{"Id. Decision Makers", "Pipeline", 60, false, false}, {"Perception Analysis", "Pipeline", 70, false, false},
		{"Proposal/Price Quote", "Pipeline", 75, false, false}, {"Negotiation/Review", "Pipeline", 90, false, false},
		{"Closed Won", "Closed", 100, true, true}, {"Closed Lost", "Omitted", 0, true, false},
	} {
		o.addStage(PicklistValue{Value: s.name, Label: s.name}, s.forecast, s.probability, s.closed, s.won)
	}
	for _, v := range o.object("Lead").byName["status"].Values {
		o.addStatus(v, v.Value == "Closed - Converted")
	}
}

// ID is the Id of the org, 18 characters.
func (o *Org) ID() string { return o.id }

// UserID is the Id of the user that integrations run as.
func (o *Org) UserID() string { return o.user }

// SetSandbox says whether the org calls itself a sandbox. A new one does not.
func (o *Org) SetSandbox(sandbox bool) {
	o.Update("Organization", o.id, Fields{"IsSandbox": sandbox})
}

// Create makes a record, as a person in the org would or a loader with the
// right to set audit fields: CreatedDate and the other stamps may be given.
// Duplicate rules and required fields are for REST. It returns the new Id.
func (o *Org) Create(object string, fields Fields) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.create(object, fields)
}

func (o *Org) create(object string, fields Fields) string {
	obj := o.object(object)
	id := o.nextID(obj)
	must(o.insert(o.byPerson(), obj, id, fields))
	return id
}

// Update changes fields of a record, as a person in the org would.
func (o *Org) Update(object, id string, fields Fields) {
	o.mu.Lock()
	defer o.mu.Unlock()
	must(o.update(o.byPerson(), o.object(object), longID(id), fields))
}

// Delete puts a record into the recycle bin: queryAll still shows it.
func (o *Org) Delete(object, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	must(o.remove(o.byPerson(), o.object(object), longID(id)))
}

// Undelete takes a record out of the recycle bin, with a new stamp.
func (o *Org) Undelete(object, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.undelete(o.byPerson(), o.object(object), longID(id))
}

// HardDelete removes a record and its history without a trace.
func (o *Org) HardDelete(object, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	id = longID(id)
	o.mustRow(obj, id)
	for _, h := range o.histories(obj) {
		for _, child := range h.children[id] {
			h.drop(child)
		}
		delete(h.children, id)
	}
	obj.drop(id)
}

// Get reads a record as it stands, hidden or deleted ones too; nil when there
// is none. Formula fields are computed.
func (o *Org) Get(object, id string) Fields {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	r := obj.rows[longID(id)]
	if r == nil {
		return nil
	}
	got := maps.Clone(r.values)
	for _, f := range obj.fields {
		if f.Formula != nil {
			got[f.Name] = obj.value(r, f)
		}
	}
	return got
}

// IDs lists the records of an object in the order of their creation, deleted
// ones too.
func (o *Org) IDs(object string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.object(object).order)
}

// Touch moves a record's SystemModstamp and nothing else, as internal
// processes of Salesforce do.
func (o *Org) Touch(object, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	id = longID(id)
	o.mustRow(obj, id)
	obj.set(id, Fields{"SystemModstamp": stamp(o.now())})
}

// object finds an object by any spelling of its name.
func (o *Org) object(name string) *object {
	obj := o.objects[strings.ToLower(name)]
	if obj == nil {
		panic(fmt.Sprintf("sandbox: the org has no object %q", name))
	}
	return obj
}

func (o *Org) mustRow(obj *object, id string) *row {
	r := obj.rows[id]
	if r == nil {
		panic(fmt.Sprintf("sandbox: there is no %s %q", obj.name, id))
	}
	return r
}

func (o *Org) nextID(obj *object) string {
	for {
		id := newID(obj.prefix, o.serial)
		o.serial++
		if obj.rows[id] == nil { // a loaded record may have it
			return id
		}
	}
}

func must(err *apiError) {
	if err != nil {
		panic("sandbox: " + err.Error())
	}
}

// secret is a random text of n bytes, in hex.
func secret(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
