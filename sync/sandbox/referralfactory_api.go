package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	perMinute      = 600
	defaultPerPage = 25
	maxPerPage     = 250
)

func (rf *ReferralFactory) serve(w http.ResponseWriter, r *http.Request) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	writeAnswer(w, rf.answer(r))
}

func (rf *ReferralFactory) answer(r *http.Request) answer {
	path, below := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/api/v2")
	switch {
	case !below:
		return problem(http.StatusNotFound, "Not found")
	case bearer(r) != rf.key:
		return problem(http.StatusUnauthorized, "Unauthenticated.")
	case rf.tooMany():
		return problem(http.StatusTooManyRequests, "Too Many Attempts.")
	}
	rf.calls++
	get := r.Method == http.MethodGet
	switch {
	case path == "/users" && get:
		return rf.list(r)
	case path == "/users/qualification" && r.Method == http.MethodPut:
		return rf.put(r)
	case strings.HasPrefix(path, "/users/") && get:
		return rf.one(strings.TrimPrefix(path, "/users/"))
	case path == "/campaigns" && get:
		return rf.campaignList(r)
	case path == "/users" || path == "/campaigns" || strings.HasPrefix(path, "/users/"):
		return problem(http.StatusMethodNotAllowed, "Method not allowed")
	}
	return problem(http.StatusNotFound, "Not found")
}

func problem(status int, message string) answer {
	return answer{status: status, body: orderedObject{{"code", status}, {"message", message}}}
}

// invalid is the answer to a request whose field is wrong.
func invalid(field, message string) answer {
	return answer{status: http.StatusUnprocessableEntity, body: orderedObject{{"code", http.StatusUnprocessableEntity}, {"message", "Validation errors in your request"},
		{"errors", map[string]any{field: []any{map[string]string{"field": field, "message": message}}}}}}
}

// tooMany counts the request into the rolling minute.
func (rf *ReferralFactory) tooMany() bool {
	now := rf.now()
	for len(rf.recent) > 0 && now.Sub(rf.recent[0]) >= time.Minute {
		rf.recent = rf.recent[1:]
	}
	if len(rf.recent) >= perMinute {
		rf.throttled++
		return true
	}
	rf.recent = append(rf.recent, now)
	return false
}

// list answers GET /users. Filters are not documented, so there are none.
func (rf *ReferralFactory) list(r *http.Request) answer {
	return ok(rf.page(r, len(rf.users), func(i int) any {
		if rf.newestFirst {
			i = len(rf.users) - 1 - i
		}
		return rf.users[i].document()
	}))
}

// page is the page of a list of n that r asks for.
func (rf *ReferralFactory) page(r *http.Request, n int, document func(i int) any) any {
	size, page := defaultPerPage, 1
	if asked, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && asked > 0 && !rf.ignoresPerPage {
		size = min(asked, maxPerPage)
	}
	if asked, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && asked > 0 {
		page = asked
	}
	data := []any{}
	for i := min((page-1)*size, n); i < min(page*size, n); i++ {
		data = append(data, document(i))
	}
	return envelope(r, data, page, size, n)
}

// envelope is a page in the form of Laravel's paginator.
func envelope(r *http.Request, data []any, page, size, total int) any {
	last := max(1, (total+size-1)/size)
	path := "https://" + r.Host + r.URL.Path
	link := func(n int) any {
		if n < 1 || n > last {
			return nil
		}
		return fmt.Sprintf("%s?page=%d", path, n)
	}
	var from, to any
	if len(data) > 0 {
		from, to = (page-1)*size+1, (page-1)*size+len(data)
	}
	return orderedObject{{"data", data},
		{"links", orderedObject{{"first", link(1)}, {"last", link(last)}, {"prev", link(page - 1)}, {"next", link(page + 1)}}},
		{"meta", orderedObject{{"current_page", page}, {"from", from}, {"last_page", last}, {"path", path}, {"per_page", size}, {"to", to}, {"total", total}}}}
}

// document is a user as the API shows it.
func (u User) document() any {
	var referrer, qualified any
	kind := "person_referring"
	if u.ReferrerID != 0 {
		referrer, kind = u.ReferrerID, "person_invited"
	}
	if u.QualifiedAt != "" {
		qualified = u.QualifiedAt
	}
	meta := u.Meta
	if meta == nil {
		meta = []Meta{}
	}
	return orderedObject{
		{"id", u.ID}, {"campaign_id", u.CampaignID}, {"referrer_id", referrer}, {"first_name", u.FirstName}, {"email", u.Email}, {"code", u.Code},
		{"url", u.URL}, {"reach", 0}, {"source", u.Source}, {"type", kind}, {"ip", nil},
		{"qr", orderedObject{{"src", u.URL + "/qr"}, {"download", u.URL + "/qr/download"}}},
		{"signed_up_at", u.SignedUpAt}, {"qualified_at", qualified}, {"unsubscribed_at", nil}, {"meta", meta},
		{"sharing", orderedObject{{"socials", []any{}}, {"subject", ""}, {"text", ""}}},
	}
}

func (rf *ReferralFactory) one(identifier string) answer {
	id := userID(identifier)
	at := slices.IndexFunc(rf.users, func(u User) bool { return u.Code == identifier || u.ID == id })
	if at < 0 {
		return problem(http.StatusNotFound, "User not found")
	}
	return ok(orderedObject{{"data", rf.users[at].document()}})
}

// userID is the id that a text spells; 0, which is nobody's, for any other text.
func userID(text string) int64 {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return 0
	}
	return id
}

// put answers PUT /users/qualification. A repeat is harmless.
func (rf *ReferralFactory) put(r *http.Request) answer {
	var in struct {
		ID         json.Number
		Code       string
		Email      string
		CampaignID int64 `json:"campaign_id"`
		Qualified  *bool
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	if json.Unmarshal(body, &in) != nil {
		return problem(http.StatusBadRequest, "The request is not JSON")
	}
	id := userID(in.ID.String())
	at := slices.IndexFunc(rf.users, func(u User) bool {
		switch {
		case in.ID != "":
			return u.ID == id
		case in.Code != "":
			return u.Code == in.Code
		}
		return in.Email != "" && strings.EqualFold(u.Email, in.Email) && u.CampaignID == in.CampaignID
	})
	a := rf.setByAPI(at, in.Qualified)
	p := Put{Qualified: in.Qualified != nil && *in.Qualified, At: rf.now(), Status: a.status}
	if at >= 0 {
		p.UserID = rf.users[at].ID
	}
	rf.puts = append(rf.puts, p)
	return a
}

func (rf *ReferralFactory) setByAPI(at int, qualified *bool) answer {
	switch {
	case qualified == nil:
		return invalid("qualified", "The qualified field is required.")
	case at < 0:
		return problem(http.StatusNotFound, "User not found")
	case rf.users[at].ReferrerID == 0:
		return invalid("id", "Only referred users can be qualified.")
	}
	rf.qualify(at, *qualified, "api")
	return ok(orderedObject{{"data", rf.users[at].document()}})
}

// campaignList answers GET /campaigns. That it has pages as the users have is
// how the rest of the API is; it is not documented of this list.
func (rf *ReferralFactory) campaignList(r *http.Request) answer {
	return ok(rf.page(r, len(rf.campaigns), func(i int) any {
		c := rf.campaigns[i]
		return orderedObject{{"id", c.ID}, {"name", c.Name}, {"code", code(-c.ID)}, {"lang", "en"},
			{"url", "https://referral-factory.com/" + code(-c.ID)}, {"reach", 0}, {"status", c.Status}, {"starts_at", nil}, {"ends_at", nil},
			{"created_at", c.Created}, {"fields", orderedObject{{"person_referring", []any{}}, {"person_invited", []any{}}}},
			{"assets", orderedObject{{"logo", orderedObject{{"type", nil}, {"path", nil}}}}}}
	}))
}
