package sandbox

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReferralFactory is a Referral Factory account in memory. Safe for concurrent
// use.
type ReferralFactory struct {
	mu  sync.Mutex
	now func() time.Time
	key string

	zone           *time.Location
	newestFirst    bool
	ignoresPerPage bool

	campaigns []campaign
	users     []User // in the order they joined
	nextID    int64

	calls     int
	recent    []time.Time
	throttled int
	qualified []Qualification
	puts      []Put
	fault     faulter
}

type campaign struct {
	ID      int64
	Name    string
	Status  string // launched, draft or paused
	Created string // a day
}

// User is a user of a campaign. A referral is one with a ReferrerID.
type User struct {
	ID, CampaignID, ReferrerID int64
	FirstName, Email           string
	Code, URL, Source          string
	SignedUpAt, QualifiedAt    string // "2006-01-02"; "" is null
	Meta                       []Meta
}

// Meta is the answer to one field of the campaign's form.
type Meta struct {
	Field string `json:"field"`
	Value any    `json:"value"`
}

// NewUser is somebody who joins. ReferrerID 0 is somebody whom nobody
// referred. "" for the Email makes one up.
type NewUser struct {
	FirstName, Email string
	ReferrerID       int64
	Meta             []Meta
}

// Qualification is a change from pending to qualified.
type Qualification struct {
	UserID int64
	At     time.Time
	By     string // "api" or "hand"
}

// Put is a PUT /users/qualification as it came in, whatever became of it.
// UserID is 0 where it named nobody.
type Put struct {
	UserID    int64
	Qualified bool
	At        time.Time
	Status    int
}

// NewReferralFactory makes an account without campaigns. now is its clock; nil
// is time.Now.
func NewReferralFactory(now func() time.Time) *ReferralFactory {
	if now == nil {
		now = time.Now
	}
	return &ReferralFactory{now: now, key: secret(24), zone: time.UTC, nextID: 1001}
}

// Handler answers as the API does, below /api/v2. See the package comment.
func (rf *ReferralFactory) Handler() http.Handler {
	return faulty(rf.now, rf.fault.ask, http.HandlerFunc(rf.serve))
}

// SetFault has f asked about every request, as [Org.SetFault].
func (rf *ReferralFactory) SetFault(f func(*http.Request) *Fault) { rf.fault.set(f) }

// Key is the account's one live API key.
func (rf *ReferralFactory) Key() string {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.key
}

// RotateKey makes a new key, which kills the old one.
func (rf *ReferralFactory) RotateKey() {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.key = secret(24)
}

// SetZone says in which zone the days of signed_up_at and qualified_at are. It
// is UTC in a new account.
func (rf *ReferralFactory) SetZone(zone *time.Location) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.zone = zone
}

// NewestFirst has GET /users list the newest user first. The order is not
// documented; a new account's is that of joining.
func (rf *ReferralFactory) NewestFirst(on bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.newestFirst = on
}

// IgnorePerPage has GET /users answer 25 a page whatever was asked.
func (rf *ReferralFactory) IgnorePerPage(on bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.ignoresPerPage = on
}

// AddCampaign makes a campaign, launched.
func (rf *ReferralFactory) AddCampaign(id int64, name string) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.campaigns = append(rf.campaigns, campaign{id, name, "launched", rf.today()})
}

// SetStatus makes a campaign launched, draft or paused.
func (rf *ReferralFactory) SetStatus(campaignID int64, status string) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	at := slices.IndexFunc(rf.campaigns, func(c campaign) bool { return c.ID == campaignID })
	if at < 0 {
		panic(fmt.Sprintf("sandbox: there is no campaign %d", campaignID))
	}
	rf.campaigns[at].Status = status
}

// Join has somebody join a campaign now. It panics when there is no such
// campaign or referrer.
func (rf *ReferralFactory) Join(campaignID int64, u NewUser) User {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.join(campaignID, u)
}

// Refer has somebody join by the link of the campaign's first user, who is
// made when there is none.
func (rf *ReferralFactory) Refer(campaignID int64, u NewUser) User {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	at := slices.IndexFunc(rf.users, func(other User) bool { return other.CampaignID == campaignID && other.ReferrerID == 0 })
	if at >= 0 {
		u.ReferrerID = rf.users[at].ID
	} else {
		u.ReferrerID = rf.join(campaignID, NewUser{FirstName: "Rita"}).ID
	}
	return rf.join(campaignID, u)
}

func (rf *ReferralFactory) join(campaignID int64, n NewUser) User {
	if !slices.ContainsFunc(rf.campaigns, func(c campaign) bool { return c.ID == campaignID }) {
		panic(fmt.Sprintf("sandbox: there is no campaign %d", campaignID))
	}
	if n.ReferrerID != 0 {
		rf.mustIndex(n.ReferrerID)
	}
	u := User{ID: rf.nextID, CampaignID: campaignID, ReferrerID: n.ReferrerID, FirstName: n.FirstName, Email: n.Email, Meta: n.Meta,
		Code: code(rf.nextID), Source: "Direct", SignedUpAt: rf.today()}
	rf.nextID++
	if u.Email == "" {
		u.Email = fmt.Sprintf("%s%d@example.com", strings.ToLower(u.FirstName), u.ID)
	}
	if u.ReferrerID != 0 {
		u.Source = "Referred"
	}
	u.URL = fmt.Sprintf("https://referral-factory.com/%s/join", u.Code)
	rf.users = append(rf.users, u)
	return u
}

// code is the referral code of a user: eight letters of either case, as the
// real ones.
func code(id int64) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256(fmt.Append(nil, "referral ", id))
	b := make([]byte, 8)
	for i := range b {
		b[i] = letters[int(sum[i])%len(letters)]
	}
	return string(b)
}

func (rf *ReferralFactory) today() string { return rf.now().In(rf.zone).Format(dateLayout) }

// User reads a user; the zero User when there is none.
func (rf *ReferralFactory) User(id int64) User {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if at := rf.index(id); at >= 0 {
		return rf.users[at]
	}
	return User{}
}

// Users lists everybody in the order they joined.
func (rf *ReferralFactory) Users() []User {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return slices.Clone(rf.users)
}

// SetQualified qualifies a user, or sets one back to pending, by hand.
func (rf *ReferralFactory) SetQualified(id int64, qualified bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.qualify(rf.mustIndex(id), qualified, "hand")
}

// qualify changes nothing for a user who is qualified already.
func (rf *ReferralFactory) qualify(at int, qualified bool, by string) {
	u := &rf.users[at]
	switch {
	case !qualified:
		u.QualifiedAt = ""
	case u.QualifiedAt == "":
		u.QualifiedAt = rf.today()
		rf.qualified = append(rf.qualified, Qualification{UserID: u.ID, At: rf.now(), By: by})
	}
}

// UpdateEmail changes a user's e-mail address.
func (rf *ReferralFactory) UpdateEmail(id int64, email string) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.users[rf.mustIndex(id)].Email = email
}

// Remove deletes a user for good.
func (rf *ReferralFactory) Remove(id int64) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	at := rf.mustIndex(id)
	rf.users = slices.Delete(rf.users, at, at+1)
}

func (rf *ReferralFactory) index(id int64) int {
	return slices.IndexFunc(rf.users, func(u User) bool { return u.ID == id })
}

func (rf *ReferralFactory) mustIndex(id int64) int {
	at := rf.index(id)
	if at < 0 {
		panic(fmt.Sprintf("sandbox: there is no user %d", id))
	}
	return at
}

// Calls is how many requests came in with a live key.
func (rf *ReferralFactory) Calls() int {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.calls
}

// Throttled is how many requests were over 600 a minute. The service blocks an
// address for that after the third time.
func (rf *ReferralFactory) Throttled() int {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.throttled
}

// Qualifications are the changes from pending to qualified, oldest first.
func (rf *ReferralFactory) Qualifications() []Qualification {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return slices.Clone(rf.qualified)
}

// Puts are the qualification requests, repeats and refused ones too.
func (rf *ReferralFactory) Puts() []Put {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return slices.Clone(rf.puts)
}
