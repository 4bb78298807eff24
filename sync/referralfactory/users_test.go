package referralfactory

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const documented = `{"id": 7, "campaign_id": 101, "referrer_id": 3, "first_name": "Ann", "email": "ann@example.com",
	"code": "ueONFmUp", "url": "https://ref.example/ueONFmUp", "reach": "12", "source": "Referred", "type": "person_invited",
	"ip": "203.0.113.9", "promotion": {"code": "X"}, "qr": {"src": "", "download": ""}, "signed_up_at": "2024-12-27",
	"qualified_at": "2025-01-02", "unsubscribed_at": null,
	"meta": [{"field": "Last Name", "value": "Smith"}, {"field": "Seats", "value": 12}, {"field": "Agreed", "value": true},
		{"field": "Likes", "value": ["tea", 5, null]}, {"field": "Note", "value": null}, {"field": "Other", "value": {"a": 1}}],
	"sharing": {"socials": []}}`

func TestADocumentedUserIsReadWhole(t *testing.T) {
	got, err := decodeSingle([]byte(documented))
	want := User{ID: 7, CampaignID: 101, ReferrerID: 3, FirstName: "Ann", Email: "ann@example.com", Code: "ueONFmUp",
		URL: "https://ref.example/ueONFmUp", Source: "Referred", Type: "person_invited",
		SignedUpAt: "2024-12-27", QualifiedAt: "2025-01-02",
		Meta: []Meta{{"Last Name", "Smith"}, {"Seats", "12"}, {"Agreed", "true"}, {"Likes", "tea, 5, "}, {"Note", ""}, {"Other", `{"a": 1}`}}}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUsersAreReadLenientlyButNeverGuessed(t *testing.T) {
	for name, test := range map[string]struct {
		row  string
		want User
		err  string
	}{
		"ids as strings":      {row: `{"id": "7", "campaign_id": "1", "referrer_id": "3", "qualified_at": null}`, want: User{ID: 7, CampaignID: 1, ReferrerID: 3}},
		"nobody referred":     {row: `{"id": 7, "campaign_id": 1, "referrer_id": null, "qualified_at": null}`, want: User{ID: 7, CampaignID: 1}},
		"nulls":               {row: `{"id": 7, "campaign_id": 1, "email": null, "signed_up_at": null, "qualified_at": null, "meta": null}`, want: User{ID: 7, CampaignID: 1}},
		"no meta":             {row: `{"id": 7, "campaign_id": 1, "qualified_at": null, "meta": []}`, want: User{ID: 7, CampaignID: 1}},
		"code as a number":    {row: `{"id": 7, "campaign_id": 1, "qualified_at": null, "code": 12345678901234567890}`, want: User{ID: 7, CampaignID: 1, Code: "12345678901234567890"}},
		"date-time with zone": {row: `{"id": 7, "campaign_id": 1, "qualified_at": "2025-01-02T23:59:59+02:00"}`, want: User{ID: 7, CampaignID: 1, QualifiedAt: "2025-01-02"}},
		"date-time of SQL":    {row: `{"id": 7, "campaign_id": 1, "qualified_at": "2025-01-02 23:59:59"}`, want: User{ID: 7, CampaignID: 1, QualifiedAt: "2025-01-02"}},
		"empty date":          {row: `{"id": 7, "campaign_id": 1, "qualified_at": ""}`, want: User{ID: 7, CampaignID: 1}},

		"qualified_at missing":   {row: `{"id": 7, "campaign_id": 1}`, err: "user 7: no qualified_at"},
		"qualified_at true":      {row: `{"id": 7, "campaign_id": 1, "qualified_at": true}`, err: "user 7: qualified_at: true is no date"},
		"no such day":            {row: `{"id": 7, "campaign_id": 1, "qualified_at": "2025-02-30"}`, err: `user 7: qualified_at: "2025-02-30" is no date`},
		"more than a day":        {row: `{"id": 7, "campaign_id": 1, "qualified_at": null, "signed_up_at": "2025-01-021"}`, err: `user 7: signed_up_at: "2025-01-021" is no date`},
		"campaign missing":       {row: `{"id": 7, "qualified_at": null}`, err: "user 7: no campaign_id"},
		"campaign is a name":     {row: `{"id": 7, "campaign_id": "x", "qualified_at": null}`, err: `user 7: campaign_id: "x" is no whole number`},
		"referrer is a fraction": {row: `{"id": 7, "campaign_id": 1, "referrer_id": 1.5, "qualified_at": null}`, err: "user 7: referrer_id: 1.5 is no whole number"},
		"qualified_at a list":    {row: `{"id": 7, "campaign_id": 1, "qualified_at": []}`, err: "user 7: qualified_at: [] is no date"},
		"a list of one id":       {row: `{"id": [7], "campaign_id": 1, "qualified_at": null}`, err: "a user without id"},
		"campaign is an address": {row: `{"id": 7, "campaign_id": "ann@example.com", "qualified_at": null}`, err: `user 7: campaign_id: "(e-mail)" is no whole number`},
		"meta is a string":       {row: `{"id": 7, "campaign_id": 1, "qualified_at": null, "meta": "x"}`, err: "user 7: meta: no list of field and value"},
		"id missing":             {row: `{"campaign_id": 1, "qualified_at": null}`, err: "a user without id"},
		"id zero":                {row: `{"id": 0, "campaign_id": 1, "qualified_at": null}`, err: "a user without id"},
		"null":                   {row: `null`, err: "no user"},
		"a list":                 {row: `[]`, err: "no user"},
	} {
		got, err := decodeUser([]byte(test.row))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: got error %v, want %q", name, err, test.err)
		}
	}
}

func TestWhetherAnotherPageMayFollow(t *testing.T) {
	for name, test := range map[string]struct {
		page  string // the third
		more  bool
		total int
	}{
		"by link":               {`{"data": [], "links": {"next": "https://elsewhere.example/users?page=4"}}`, true, -1},
		"no link":               {`{"data": [` + user7 + `], "links": {"next": null}}`, false, -1},
		"empty link":            {`{"data": [` + user7 + `], "links": {"next": ""}}`, false, -1},
		"by number":             {`{"data": [], "meta": {"current_page": 3, "last_page": 4, "total": 760}}`, true, 760},
		"last by number":        {`{"data": [` + user7 + `], "meta": {"current_page": 3, "last_page": 3, "total": "75"}}`, false, 75},
		"numbers as strings":    {`{"data": [], "meta": {"current_page": "3", "last_page": "10"}}`, true, -1},
		"beyond the last":       {`{"data": [], "meta": {"current_page": 3, "last_page": 2, "total": 0}}`, false, 0},
		"number says more":      {`{"data": [], "links": {"next": null}, "meta": {"current_page": 3, "last_page": 4}}`, true, -1},
		"link says more":        {`{"data": [], "links": {"next": "x"}, "meta": {"current_page": 3, "last_page": 3}}`, true, -1},
		"nothing but a row":     {`{"data": [` + user7 + `]}`, true, -1},
		"nothing but an odd":    {`{"data": [5]}`, true, -1},
		"nothing at all":        {`{"data": []}`, false, -1},
		"links of another kind": {`{"data": [` + user7 + `], "links": [{"url": null}], "meta": []}`, true, -1},
	} {
		got, err := decodePage([]byte(test.page), 3)
		if err != nil || got.More != test.more || got.Total != test.total {
			t.Errorf("%s: got more %v, total %d, error %v; want %v, %d", name, got.More, got.Total, err, test.more, test.total)
		}
	}
}

func TestWhatIsNoPageIsAnErrorAndNotAnEmptyOne(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"data": null}`, `{"data": {}}`, `{"data": [`, `{"message": "x"}`,
		`{"data": [], "meta": {"current_page": 1}}`, // we asked for another
	} {
		if got, err := decodePage([]byte(body), 3); err == nil {
			t.Errorf("%s: got %+v, want an error", body, got)
		}
	}
}

func TestABadRowDoesNotHideTheOthers(t *testing.T) {
	s := &service{answer: func(int, *http.Request) (*http.Response, error) {
		return reply(200, `{"data": [`+user7+`, {"id": 8}, {"email": "ann@example.com"}, 5, `+strings.Replace(user7, "7", "9", 1)+`]}`), nil
	}}
	got, _, err := newClient(t, s).Users(t.Context(), 1)
	if err != nil || len(got.Users) != 2 || got.Users[0].ID != 7 || got.Users[1].ID != 9 {
		t.Errorf("got %+v, error %v; want users 7 and 9", got.Users, err)
	}
	want := "page 1, row 2: user 8: no campaign_id\npage 1, row 3: a user without id\npage 1, row 4: no user"
	if skipped := errors.Join(got.Skipped...).Error(); skipped != want {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
}

func TestWhatAQualificationAnswers(t *testing.T) {
	for body, want := range map[string]string{
		``: "", `{}`: "", `[]`: "", `true`: "", `{"message": "ok"}`: "", `{"data": null}`: "",
		`{"data": {"id": 7, "qualified_at": "2025-01-02"}}`:  "2025-01-02",
		`{"qualified_at": "2025-01-02T10:00:00Z"}`:           "2025-01-02",
		`{"data": {"id": "7", "qualified_at": null}}`:        "",
		`{"data": {"id": 8, "qualified_at": "2025-01-02"}}`:  "", // about somebody else
		`{"data": {"id": [], "qualified_at": "2025-01-02"}}`: "",
		`{"data": {"id": 7, "qualified_at": "now"}}`:         "",
	} {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(200, body), nil }}
		got, answer, err := newClient(t, s).Qualify(t.Context(), 7, nil)
		if err != nil || got.QualifiedAt != want || answer.Date.IsZero() {
			t.Errorf("%s: got %q at %v, error %v; want %q", body, got.QualifiedAt, answer.Date, err, want)
		}
	}
}

func TestWhatASettingBackAnswers(t *testing.T) {
	for body, want := range map[string]bool{
		``: false, `{}`: false, `[]`: false, `{"message": "ok"}`: false, `{"data": null}`: false,
		`{"data": {"id": 7, "campaign_id": 1, "qualified_at": null}}`:         true,
		`{"id": 7, "campaign_id": 1, "qualified_at": null}`:                   true,
		`{"data": {"id": 7, "campaign_id": 1}}`:                               false, // missing is not null
		`{"data": {"id": 7, "campaign_id": 1, "qualified_at": "2025-01-02"}}`: false,
		`{"data": {"id": 8, "campaign_id": 1, "qualified_at": null}}`:         false, // about somebody else
	} {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(200, body), nil }}
		pending, answer, err := newClient(t, s).Unqualify(t.Context(), 7, nil)
		if err != nil || pending != want || answer.Date.IsZero() {
			t.Errorf("%s: got pending %v at %v, error %v; want %v", body, pending, answer.Date, err, want)
		}
	}
}

func TestAQualificationWhoseReservationFailsIsNotSent(t *testing.T) {
	s := &service{}
	broken := errors.New("disk full")
	_, _, err := newClient(t, s).Qualify(t.Context(), 7, func() error { return broken })
	if !errors.Is(err, broken) || UnknownOutcome(err) {
		t.Errorf("error = %v (unknown outcome %v), want the reservation's, with nothing sent", err, UnknownOutcome(err))
	}
}
