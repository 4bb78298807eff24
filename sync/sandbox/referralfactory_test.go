package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// account is a Referral Factory with one campaign and a clock.
func account(t *testing.T) (*ReferralFactory, *clock, func(method, path, body string) (int, map[string]any)) {
	c := &clock{t: time.Date(2026, 11, 2, 23, 30, 0, 0, time.UTC)}
	rf := NewReferralFactory(c.now)
	rf.AddCampaign(101, "Refer a friend")
	rt := Transport(map[string]http.Handler{"api": rf.Handler()})
	return rf, c, func(method, path, body string) (int, map[string]any) {
		t.Helper()
		r, _ := http.NewRequest(method, "https://api/api/v2"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+rf.Key())
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s %s: got %s, want JSON", method, path, text)
		}
		return resp.StatusCode, v
	}
}

func TestUsersComeInPages(t *testing.T) {
	rf, _, do := account(t)
	for i := range 299 { // and their referrer
		rf.Refer(101, NewUser{FirstName: fmt.Sprint("F", i)})
	}
	page := func(path string) string {
		_, b := do("GET", path, "")
		meta, links := b["meta"].(map[string]any), b["links"].(map[string]any)
		return fmt.Sprintln(len(b["data"].([]any)), meta["current_page"], meta["last_page"], meta["total"], links["next"])
	}
	want(t, "default", page("/users"), "25 1 12 300 https://api/api/v2/users?page=2\n")
	want(t, "250", page("/users?per_page=250"), "250 1 2 300 https://api/api/v2/users?page=2\n")
	want(t, "more than 250", page("/users?per_page=1000&page=2"), "50 2 2 300 <nil>\n")
	want(t, "beyond the end", page("/users?per_page=250&page=3"), "0 3 2 300 <nil>\n")
	rf.IgnorePerPage(true)
	want(t, "per_page ignored", page("/users?per_page=250"), "25 1 12 300 https://api/api/v2/users?page=2\n")
	rf.NewestFirst(true)
	_, b := do("GET", "/users", "")
	want(t, "newest first", b["data"].([]any)[0].(map[string]any)["first_name"], any("F298"))
}

func TestAUser(t *testing.T) {
	rf, _, do := account(t)
	u := rf.Refer(101, NewUser{FirstName: "Ann", Email: "ann@example.com", Meta: []Meta{{"Last Name", "Smith"}}})
	for _, identifier := range []string{fmt.Sprint(u.ID), u.Code} {
		_, b := do("GET", "/users/"+identifier, "")
		d := b["data"].(map[string]any)
		want(t, identifier, fmt.Sprintln(d["id"], d["referrer_id"], d["type"], d["source"], d["signed_up_at"], d["qualified_at"], d["meta"]),
			"1002 1001 person_invited Referred 2026-11-02 <nil> [map[field:Last Name value:Smith]]\n")
	}
	rf.SetZone(time.FixedZone("", 3600))
	want(t, "a day further east", rf.Join(101, NewUser{FirstName: "Bob"}).SignedUpAt, "2026-11-03")
	_, b := do("GET", "/users/1001", "")
	want(t, "a referrer", fmt.Sprintln(b["data"].(map[string]any)["referrer_id"], b["data"].(map[string]any)["type"]), "<nil> person_referring\n")
	rf.Remove(u.ID)
	status, _ := do("GET", "/users/1002", "")
	want(t, "removed", status, 404)
}

func TestQualifying(t *testing.T) {
	rf, c, do := account(t)
	u := rf.Refer(101, NewUser{FirstName: "Ann", Email: "ann@example.com"})
	put := func(body string) string {
		status, b := do("PUT", "/users/qualification", body)
		d, _ := b["data"].(map[string]any)
		return fmt.Sprint(status, " ", d["qualified_at"])
	}
	want(t, "by id", put(`{"id":1002,"qualified":true}`), "200 2026-11-02")
	c.pass(24 * time.Hour)
	want(t, "again", put(`{"code":"`+u.Code+`","qualified":true}`), "200 2026-11-02")
	want(t, "back", put(`{"email":"ANN@example.com","campaign_id":101,"qualified":false}`), "200 <nil>")
	want(t, "without qualified", put(`{"id":1002}`), "422 <nil>")
	want(t, "nobody", put(`{"id":7,"qualified":true}`), "404 <nil>")
	want(t, "a referrer", put(`{"id":1001,"qualified":true}`), "422 <nil>")
	want(t, "no JSON", put(`x`), "400 <nil>")
	rf.SetQualified(u.ID, true)
	want(t, "changes", fmt.Sprintln(len(rf.Qualifications()), rf.Qualifications()[0].By, rf.Qualifications()[1].By), "2 api hand\n")
	want(t, "requests", len(rf.Puts()), 6)
	want(t, "a repeat", rf.Puts()[1], Put{UserID: u.ID, Qualified: true, At: c.now(), Status: 200})
	_, b := do("PUT", "/users/qualification", `{"id":1002}`)
	want(t, "the errors", fmt.Sprint(b["errors"]), "map[qualified:[map[field:qualified message:The qualified field is required.]]]")
}

func TestCampaignsComeInPagesWithTheirStatus(t *testing.T) {
	rf, _, do := account(t)
	rf.AddCampaign(7, "Old friends")
	rf.SetStatus(7, "paused")
	_, b := do("GET", "/campaigns?per_page=1&page=2", "")
	list := b["data"].([]any)
	want(t, "campaigns", len(list), 1)
	one, meta := list[0].(map[string]any), b["meta"].(map[string]any)
	want(t, "campaign", fmt.Sprintln(one["id"], one["name"], one["status"], one["starts_at"]), "7 Old friends paused <nil>\n")
	want(t, "meta", fmt.Sprintln(meta["current_page"], meta["last_page"], meta["total"]), "2 2 2\n")
	_, b = do("GET", "/campaigns?page=3", "")
	want(t, "beyond the end", len(b["data"].([]any)), 0)
}

func TestRefusalsOfTheAPI(t *testing.T) {
	rf, c, do := account(t)
	status, b := do("GET", "/campaigns", "")
	want(t, "campaigns", fmt.Sprintln(status, b["data"].([]any)[0].(map[string]any)["name"]), "200 Refer a friend\n")
	status, _ = do("GET", "/rewards", "")
	want(t, "no such path", status, 404)
	status, _ = do("DELETE", "/users/1001", "")
	want(t, "method", status, 405)
	for range perMinute {
		status, _ = do("GET", "/campaigns", "")
	}
	want(t, "601 and more in a minute", status, 429)
	want(t, "throttled", rf.Throttled() > 0, true)
	c.pass(time.Minute)
	status, _ = do("GET", "/campaigns", "")
	want(t, "a minute later", status, 200)
	key := rf.Key()
	rf.RotateKey()
	r, _ := http.NewRequest("GET", "https://api/api/v2/users", nil)
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := Transport(map[string]http.Handler{"api": rf.Handler()}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the old key", resp.StatusCode, 401)
	want(t, "Date", resp.Header.Get("Date"), "Mon, 02 Nov 2026 23:31:00 GMT")
}
