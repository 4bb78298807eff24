package referralfactory

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// wantSafe wants an error that can be logged: one line of bounded length, with no key, no e-mail address and nothing that moves a terminal's cursor.
func wantSafe(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if text == "" || len(text) > 5000 || strings.Contains(text, key) || emailAddress.MatchString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("got the error %q, want one line without the key and without an e-mail address", text)
	}
}

// FuzzPage: a page either is refused, or every row is a user as it was sent or is named as one that cannot be read. A part of a page is none.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		`{"data": [` + documented + `], "links": {"next": null}, "meta": {"current_page": 1, "last_page": 1, "total": 1}}`,
		`{"data": [` + user7 + `, {"id": "8"}, null, [[[]]]]}`,
		`{"data": [{"id": 1, "campaign_id": 1, "qualified_at": "2025-01-02", "meta": [null, {"value": [[1]]}]}]}`,
		`{"data": [{"id": 1, "campaign_id": "ann@example.com", "qualified_at": []}, {"id": [1], "campaign_id": 1, "qualified_at": null}]}`,
		`{"data": [], "links": {"next": "https://rf.example/api/v2/users?page=2"}, "meta": {"total": -1}}`,
		`{"data": {}, "meta": {"current_page": 1e9}}`,
		`{"data": `, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodePage(body, 1)
		if err != nil {
			wantSafe(t, err)
			return
		}
		whole := bytes.TrimSpace(body)
		if part, err := decodePage(whole[:len(whole)*2/3], 1); err == nil {
			t.Errorf("a part of %q was read as %+v, want an error", body, part)
		}
		var sent struct{ Data []map[string]json.RawMessage }
		_ = json.Unmarshal(body, &sent) // a row that is no object is nil
		if len(page.Users)+len(page.Skipped) != len(sent.Data) || page.Total < -1 {
			t.Errorf("got %d users and %d skipped of %d rows, in all %d; of %q", len(page.Users), len(page.Skipped), len(sent.Data), page.Total, body)
		}
		at := 0
		for _, u := range page.Users {
			for at < len(sent.Data) && !isOf(u, sent.Data[at]) {
				at++
			}
			if at == len(sent.Data) {
				t.Fatalf("%+v is none of the rows of %q, or in another order", u, body)
			}
			at++
			wantSameAgain(t, u)
		}
		for _, err := range page.Skipped {
			wantSafe(t, err)
		}
	})
}

// isOf tells whether a row says of a user what decides: who it is, in which campaign, whom somebody referred, and whether it is pending.
func isOf(u User, row map[string]json.RawMessage) bool {
	number := func(name string, want int64) bool {
		var text string
		if json.Unmarshal(row[name], &text) != nil {
			text = string(row[name])
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		return n == want
	}
	var day *string
	_, says := row["qualified_at"]
	if !says || json.Unmarshal(row["qualified_at"], &day) != nil {
		return false
	}
	pending := day == nil || *day == ""
	return number("id", u.ID) && number("campaign_id", u.CampaignID) && number("referrer_id", u.ReferrerID) &&
		u.ID > 0 && u.CampaignID > 0 && (pending && u.QualifiedAt == "" || !pending && len(u.QualifiedAt) == 10 && strings.HasPrefix(*day, u.QualifiedAt))
}

// wantSameAgain wants a user to be read as it is once it is written as the service writes it.
func wantSameAgain(t *testing.T, u User) {
	t.Helper()
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	meta := []map[string]string{}
	for _, m := range u.Meta {
		meta = append(meta, map[string]string{"field": m.Field, "value": m.Value})
	}
	row, err := json.Marshal(map[string]any{"id": u.ID, "campaign_id": u.CampaignID, "referrer_id": u.ReferrerID, "first_name": u.FirstName, "email": u.Email, "code": u.Code,
		"url": u.URL, "source": u.Source, "type": u.Type, "signed_up_at": orNull(u.SignedUpAt), "qualified_at": orNull(u.QualifiedAt), "meta": meta})
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeSingle([]byte(`{"data": ` + string(row) + `}`))
	if diff := cmp.Diff(valid(u), again); err != nil || diff != "" {
		t.Errorf("read again: %v (-want +got):\n%s", err, diff)
	}
}

// valid is a user as JSON can hold it: what is rendered of a list may have bytes that are no text.
func valid(u User) User {
	for _, text := range []*string{&u.FirstName, &u.Email, &u.Code, &u.URL, &u.Source, &u.Type} {
		*text = string([]rune(*text))
	}
	var meta []Meta
	for _, m := range u.Meta {
		meta = append(meta, Meta{string([]rune(m.Field)), string([]rune(m.Value))})
	}
	u.Meta = meta
	return u
}

// FuzzCampaigns: a list of campaigns is refused, or each has its id.
func FuzzCampaigns(f *testing.F) {
	for _, seed := range []string{
		`{"data": [{"id": 101, "name": "Refer a friend", "code": "RAF", "url": "https://ref.example/RAF", "status": "launched", "starts_at": "2025-01-02", "ends_at": null}], "meta": {"current_page": 1, "last_page": 1}}`,
		`{"data": [{"id": "7"}, {"id": 8, "starts_at": []}]}`, `{"data": [{"name": "A"}]}`, `{"data": []}`, `{"data": [null]}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, _, err := decodeCampaigns(body, 1)
		if err != nil {
			wantSafe(t, err)
			return
		}
		var sent struct{ Data []json.RawMessage }
		if err := json.Unmarshal(body, &sent); err != nil || len(sent.Data) != len(list) {
			t.Errorf("got %d campaigns of %d rows: %v", len(list), len(sent.Data), err)
		}
		for _, c := range list {
			if c.ID <= 0 || len(c.StartsAt) != 10 && c.StartsAt != "" || len(c.EndsAt) != 10 && c.EndsAt != "" {
				t.Errorf("got %+v of %q", c, body)
			}
		}
	})
}

// FuzzQualification: whatever answers a change, a user is never taken for pending or qualified whom the answer does not call so, and a change whose
// answer is not understood is one of unknown outcome.
func FuzzQualification(f *testing.F) {
	f.Add(200, []byte(`{"data": {"id": 7, "campaign_id": 1, "qualified_at": "2025-01-02"}}`))
	f.Add(200, []byte(`{"id": "7", "campaign_id": 1, "qualified_at": null}`))
	f.Add(200, []byte(`{"data": {"id": 7, "campaign_id": 1, "qualified_at": []}}`))
	f.Add(200, []byte(`{"data": {"id": 7, "qualif`))
	f.Add(204, []byte(``))
	f.Add(422, []byte(`{"message": "Validation of ann@example.com", "errors": {"id": [{"field": "ann@example.com", "message": "The id field\u001b[2J is `+key+`."}], "code": ["Odd."]}}`))
	f.Add(422, []byte(`{"errors": {"id": ["Odd."`+strings.Repeat(`, "The id field is required."`, 300)+`]}}`))
	f.Add(401, []byte(`{"message": "Token `+key+` is dead"}`))
	f.Add(404, []byte(`{"message": "No"}`))
	f.Add(429, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no HTTP answer has this status")
		}
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(status, string(body)), nil }}
			c := newClient(t, s)
			got, _, err := c.Qualify(t.Context(), 7, nil)
			if _, notADay := time.Parse(time.DateOnly, got.QualifiedAt); got.QualifiedAt != "" && (err != nil || notADay != nil || !says(t, body, got.QualifiedAt)) {
				t.Errorf("%d %q: got qualified at %q, %v", status, body, got.QualifiedAt, err)
			}
			pending, _, errBack := c.Unqualify(t.Context(), 7, nil)
			if pending && (errBack != nil || !says(t, body, "")) {
				t.Errorf("%d %q: got pending, %v", status, body, errBack)
			}
			if err == nil && (status > 299 || len(bytes.TrimSpace(body)) > 0 && !json.Valid(body)) {
				t.Errorf("%d %q: taken for a success", status, body)
			}
			if err != nil {
				wantSafe(t, err)
				if status < 300 && !UnknownOutcome(err) {
					t.Errorf("%d %q: %v, want the outcome unknown", status, body, err)
				}
			}
		})
	})
}

// says tells whether an answer is about user 7, and has a day as the one of the qualification; "" is null.
func says(t *testing.T, body []byte, day string) bool {
	t.Helper()
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return false
	}
	if data, ok := answer["data"]; ok {
		answer, _ = data.(map[string]any)
	}
	told, ok := answer["qualified_at"]
	text, isText := told.(string)
	id, _ := answer["id"].(string)
	n, _ := strconv.ParseInt(id, 10, 64)
	other := answer["id"] != nil && answer["id"] != float64(7) && n != 7 && id != ""
	return ok && !other && (day == "" && (told == nil || isText && text == "") || day != "" && strings.HasPrefix(text, day))
}
