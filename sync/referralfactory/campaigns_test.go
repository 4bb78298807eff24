package referralfactory

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"qualifyd/sync/sandbox"
)

func TestADocumentedCampaignIsRead(t *testing.T) {
	got, more, err := decodeCampaigns([]byte(`{"data": [{"id": 101, "name": "Refer a friend", "code": "AbC", "lang": "en", "url": "https://ref.example/AbC",
		"reach": "12", "status": "paused", "starts_at": "2026-01-02", "ends_at": null, "created_at": "2025-12-01", "fields": {"person_referring": []},
		"assets": {"logo": {"type": "x", "path": "y"}}}, {"id": "102", "status": null, "starts_at": "soon"}],
		"links": {"next": null}, "meta": {"current_page": 1, "last_page": 1}}`), 1)
	want := []Campaign{{ID: 101, Name: "Refer a friend", Code: "AbC", URL: "https://ref.example/AbC", Status: "paused", StartsAt: "2026-01-02"}, {ID: 102}}
	if diff := cmp.Diff(want, got); diff != "" || more || err != nil {
		t.Errorf("(-want +got):\n%s%v, more %v", diff, err, more)
	}
}

func TestAllPagesOfCampaigns(t *testing.T) {
	rf := sandbox.NewReferralFactory(nil)
	const many = perPage + 3
	for id := range int64(many) {
		rf.AddCampaign(id+1, fmt.Sprint("Campaign ", id+1))
	}
	got, answer, err := campaignsOf(t, rf).Campaigns(t.Context())
	if err != nil || len(got) != many || got[many-1].ID != many || got[0].Status != Launched || answer.Date.IsZero() {
		t.Errorf("got %d campaigns, answered at %v, %v; want %d", len(got), answer.Date, err, many)
	}
	if n := rf.Calls(); n != 2 {
		t.Errorf("got %d calls, want 2", n)
	}
}

func campaignsOf(t *testing.T, rf *sandbox.ReferralFactory) *Client {
	t.Helper()
	c := newClient(t, sandbox.Transport(map[string]http.Handler{"rf.example": rf.Handler()}))
	if err := c.SetAPIKey(rf.Key()); err != nil {
		t.Fatal(err)
	}
	return c
}

// A list without pages that ignores the page number is read once more, and not for ever.
func TestCampaignsWithoutPages(t *testing.T) {
	calls := 0
	c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) {
		calls++
		return reply(200, `{"data": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]}`), nil
	}))
	got, _, err := c.Campaigns(t.Context())
	if err != nil || len(got) != 2 || calls != 2 {
		t.Errorf("got %v, %v in %d calls; want two campaigns in two", got, err, calls)
	}
}

func TestCampaignsThatCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"another path":       {404, `{"message": "Not found"}`, "page 1 of the campaigns: Referral Factory rejected it (404): no list of campaigns here; check the base URL"},
		"no list":            {200, `{"data": {}}`, "no list of campaigns in it"},
		"a row without id":   {200, `{"data": [{"name": "A"}]}`, "row 1: a campaign without id"},
		"another page":       {200, `{"data": [], "meta": {"current_page": 3}}`, "it sent page 3 instead"},
		"a page of the site": {200, `<html>`, "a web page instead of JSON"},
	} {
		synctest.Test(t, func(t *testing.T) { // it asks again after a while
			c := newClient(t, roundTrip(func(*http.Request) (*http.Response, error) { return reply(test.status, test.body), nil }))
			got, _, err := c.Campaigns(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.says) || got != nil || errors.Is(err, ErrNotFound) {
				t.Errorf("%s: got %v, %v; want %q", name, got, err, test.says)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
