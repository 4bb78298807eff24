package referralfactory

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kind names what an error is to a caller.
func kind(err error) string {
	var refused *Refused
	var rejected *Rejected
	var unavailable *Unavailable
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &rejected):
		return "rejected"
	case errors.As(err, &unavailable):
		return "unavailable"
	case errors.Is(err, ErrNotFound):
		return "not found"
	}
	return "other"
}

// Every way to answer, with what a read and a change make of it.
func TestEveryAnswerHasItsError(t *testing.T) {
	const page = "<!DOCTYPE html><title>Maintenance</title>"
	for name, test := range map[string]struct {
		answer  func() (*http.Response, error)
		read    string // kind of User's error
		calls   int    // how often User asked
		change  string // kind of Qualify's error
		unknown bool   // UnknownOutcome of it
	}{
		"200":                    {answers(200, `{"data": `+user7+`}`), "done", 1, "done", false},
		"200 bare":               {answers(200, user7), "done", 1, "done", false},
		"201":                    {answers(201, user7), "done", 1, "done", false},
		"204":                    {answers(204, ""), "unavailable", 3, "done", false},
		"200 of somebody else":   {answers(200, `{"id": 8, "campaign_id": 1, "qualified_at": null}`), "unavailable", 3, "done", false},
		"200 null":               {answers(200, `{"data": null}`), "unavailable", 3, "done", false},
		"200 cut":                {answers(200, `{"data": {"id": 7, `), "unavailable", 3, "unavailable", true},
		"200 text":               {answers(200, `OK`), "unavailable", 3, "unavailable", true},
		"200 HTML":               {answers(200, page), "unavailable", 3, "unavailable", true},
		"200 HTML by its header": {answers(200, "Hello", "Content-Type", "text/html; charset=utf-8"), "unavailable", 3, "unavailable", true},
		"200 without Date":       {answers(200, user7, "Date", ""), "unavailable", 3, "unavailable", true},
		"302":                    {answers(302, "", "Location", "https://www.example/login"), "unavailable", 3, "unavailable", true},
		"400":                    {answers(400, `{"message": "no"}`), "rejected", 1, "rejected", false},
		"401":                    {answers(401, `{"message": "Unauthenticated."}`), "refused", 1, "refused", false},
		"403":                    {answers(403, `{}`), "refused", 1, "refused", false},
		"403 HTML":               {answers(403, page), "refused", 1, "refused", false},
		"404":                    {answers(404, `{"message": "Not found"}`), "not found", 1, "not found", false},
		"404 empty":              {answers(404, ``), "not found", 1, "not found", false},
		"404 HTML":               {answers(404, page), "unavailable", 3, "unavailable", true},
		"405":                    {answers(405, ``), "rejected", 1, "rejected", false},
		"408":                    {answers(408, ``), "unavailable", 3, "unavailable", true},
		"409":                    {answers(409, ``), "rejected", 1, "rejected", false},
		"410":                    {answers(410, ``), "not found", 1, "not found", false},
		"422":                    {answers(422, `{"errors": {}}`), "rejected", 1, "rejected", false},
		"429":                    {answers(429, ``), "unavailable", 3, "unavailable", false},
		"429 for 3 s":            {answers(429, ``, "Retry-After", "3"), "unavailable", 3, "unavailable", false},
		"429 for a minute":       {answers(429, ``, "Retry-After", "60"), "unavailable", 1, "unavailable", false},
		"500":                    {answers(500, ``), "unavailable", 3, "unavailable", true},
		"503 HTML":               {answers(503, page), "unavailable", 3, "unavailable", true},
		"503 for a minute":       {answers(503, ``, "Retry-After", "60"), "unavailable", 1, "unavailable", true},
		"503 for ever":           {answers(503, ``, "Retry-After", "99999999999"), "unavailable", 1, "unavailable", true},
		"connection refused":     {fails(dialRefused), "unavailable", 3, "unavailable", false},
		"connection reset":       {fails(io.ErrUnexpectedEOF), "unavailable", 3, "unavailable", true},
		"too large":              {answers(200, strings.Repeat(" ", maxBody+1)), "unavailable", 3, "unavailable", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: func(int, *http.Request) (*http.Response, error) { return test.answer() }}
				_, _, err := newClient(t, s).User(t.Context(), 7)
				if kind(err) != test.read || len(s.calls) != test.calls {
					t.Errorf("read: got %s after %d calls (%v), want %s after %d", kind(err), len(s.calls), err, test.read, test.calls)
				}
				s.calls = nil
				_, _, err = newClient(t, s).Qualify(t.Context(), 7, nil)
				if kind(err) != test.change || UnknownOutcome(err) != test.unknown || len(s.calls) != 1 {
					t.Errorf("change: got %s, unknown %v, after %d calls (%v); want %s, %v, after 1",
						kind(err), UnknownOutcome(err), len(s.calls), err, test.change, test.unknown)
				}
			})
		})
	}
}

func answers(status int, body string, headers ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return reply(status, body, headers...), nil }
}

func fails(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func TestAnAnswerWithoutDateSaysSo(t *testing.T) {
	s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(200, "", "Date", "yesterday"), nil }}
	if _, _, err := newClient(t, s).Qualify(t.Context(), 7, nil); !errors.Is(err, ErrNoDate) {
		t.Errorf("got %v, want ErrNoDate", err)
	}
}

func TestTimeIsToldBesideAnError(t *testing.T) {
	s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(404, ""), nil }}
	if _, answer, err := newClient(t, s).User(t.Context(), 7); !errors.Is(err, ErrNotFound) || answer.Date.IsZero() {
		t.Errorf("got %v at %v, want ErrNotFound with its time", err, answer)
	}
}

func TestAReadSucceedsWhenTheServiceRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(call int, _ *http.Request) (*http.Response, error) {
			if call < 3 {
				return reply(503, "", "Retry-After", "5"), nil
			}
			return reply(200, user7), nil
		}}
		start := time.Now()
		if _, _, err := newClient(t, s).User(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v, want the 2 x 5 s that were asked for", took)
		}
	})
}

func TestAHangingServiceIsGivenUpAfterHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(_ int, req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}}
		start := time.Now()
		_, _, err := newClient(t, s).Qualify(t.Context(), 7, nil)
		if took := time.Since(start); took != 30*time.Second || kind(err) != "unavailable" || !UnknownOutcome(err) {
			t.Errorf("got %v after %v, want an unknown outcome after 30s", err, took)
		}
	})
}

func TestAStoppedReadIsNotRepeated(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := &service{answer: func(int, *http.Request) (*http.Response, error) {
		stop()
		return nil, context.Canceled
	}}
	_, _, err := newClient(t, s).User(ctx, 7)
	if !errors.Is(err, context.Canceled) || len(s.calls) != 1 {
		t.Errorf("got %v after %d calls, want context.Canceled after 1", err, len(s.calls))
	}
}

func TestAStoppedChangeIsNotSentAndKnown(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := &service{}
	_, _, err := newClient(t, s).Qualify(ctx, 7, nil)
	if !errors.Is(err, context.Canceled) || UnknownOutcome(err) || len(s.calls) != 0 {
		t.Errorf("got %v, unknown %v, after %d calls; want context.Canceled, known, after none", err, UnknownOutcome(err), len(s.calls))
	}
}

func TestTheListIsNeverNotFound(t *testing.T) {
	s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(404, ""), nil }}
	_, _, err := newClient(t, s).Users(t.Context(), 1)
	if kind(err) != "rejected" || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "check the base URL") {
		t.Errorf("got %v, want it rejected with a hint at the base URL", err)
	}
}

func TestARejectionSaysWhy(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"as documented": {`{"code": 422, "message": "Validation errors in your request",
			"errors": {"id": [{"field": "id", "message": "The id field is required."}], "code": [{"field": "code", "message": "Unknown."}]}}`,
			"Validation errors in your request; code: Unknown.; id: The id field is required."},
		"strings by field":    {`{"errors": {"id": ["Too small.", "Odd."]}}`, "; id: Too small. Odd."},
		"one string by field": {`{"errors": {"id": "Odd."}}`, "; id: Odd."},
		"list of strings":     {`{"message": "No", "errors": ["Odd."]}`, "No; Odd."},
		"list of objects":     {`{"message": "No", "errors": [{"field": "id", "message": "Odd."}]}`, "No; id: Odd."},
		"a field so called":   {`{"errors": {"message": ["Too long."]}}`, "; message: Too long."},
		"message only":        {`{"message": "No such lead"}`, "No such lead"},
		"nothing":             {``, ""},
		"no JSON":             {`oops`, ""},
		"odd types":           {`{"message": 5, "errors": {"id": 5}}`, ""},
		"key and e-mail":      {`{"message": "Key ` + key + ` of ann@example.com:\n no"}`, "Key (API key) of (e-mail): no"},
	} {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return reply(422, test.body), nil }}
		_, _, err := newClient(t, s).Qualify(t.Context(), 7, nil)
		got, ok := strings.CutPrefix(err.Error(), "qualify user 7: Referral Factory rejected it (422)")
		if got = strings.TrimPrefix(got, ": "); !ok || got != test.want {
			t.Errorf("%s: got %q, want ... %q", name, err, test.want)
		}
	}
}

func TestFieldsOfARejectionAreKept(t *testing.T) {
	got := newRejected(422, []byte(`{"message": "No", "errors": {"id": ["a", {"message": "b"}]}}`), strings.ToUpper)
	want := &Rejected{Status: 422, Message: "NO", Fields: map[string][]string{"ID": {"A", "B"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorsTellWhatToDo(t *testing.T) {
	for _, test := range []struct {
		answer func() (*http.Response, error)
		want   string
	}{
		{answers(401, `{"message": "Token `+key+` is dead"}`),
			"qualify user 7: Referral Factory refused the API key (401): Token (API key) is dead; only an account's newest key works, so copy it again"},
		{answers(403, `<html>`),
			"qualify user 7: Referral Factory refused the API key (403): a web page says so, perhaps a firewall that blocks this address; the key has to be an administrator's"},
		{answers(429, ``, "Retry-After", "30"), "qualify user 7: Referral Factory answered 429 (asks to wait 30s)"},
		{answers(302, ``, "Location", "https://www.example/x?key="+key),
			"qualify user 7: Referral Factory answered 302: a redirect to www.example, not followed; check the base URL"},
		{fails(dialRefused), "qualify user 7: Referral Factory did not answer: dial tcp: connection refused"},
	} {
		s := &service{answer: func(int, *http.Request) (*http.Response, error) { return test.answer() }}
		if _, _, err := newClient(t, s).Qualify(t.Context(), 7, nil); err.Error() != test.want {
			t.Errorf("got  %q\nwant %q", err, test.want)
		}
	}
}

func TestRetryAfterInBothForms(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0,
		"Wed, 01 May 2030 12:00:30 GMT": 30 * time.Second,
		"Wed, 01 May 2030 11:00:00 GMT": 0,
	} {
		h := http.Header{"Date": {"Wed, 01 May 2030 12:00:00 GMT"}, "Retry-After": {value}}
		if got := retryAfter(h); got != want {
			t.Errorf("Retry-After %q: got %v, want %v", value, got, want)
		}
	}
}
