package referralfactory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

const key = "s3cret-key"

// service is a Referral Factory in memory: no socket, so that synctest's clock
// can run. It notes every call.
type service struct {
	answer func(call int, req *http.Request) (*http.Response, error) // call counts from 1
	calls  []string                                                  // "PUT /api/v2/users/qualification {...}"
	at     []time.Time
}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	text := req.Method + " " + req.URL.RequestURI()
	if req.Body != nil {
		if body, _ := io.ReadAll(req.Body); len(body) > 0 {
			text += " " + string(body)
		}
	}
	s.calls = append(s.calls, text)
	s.at = append(s.at, time.Now())
	return s.answer(len(s.calls), req)
}

// reply is an answer dated now; headers are name, value, name, value.
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}, "Content-Type": {"application/json"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func newClient(t *testing.T, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: "https://rf.example/api/v2/", APIKey: key, CallsPerMinute: 300,
		Transport: transport, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const user7 = `{"id": 7, "campaign_id": 101, "referrer_id": 3, "code": "ueONFmUp", "qualified_at": null}`

func TestCallsAreMadeAsDocumented(t *testing.T) {
	var got *http.Request
	s := &service{answer: func(_ int, req *http.Request) (*http.Response, error) {
		got = req
		if req.Method == http.MethodPut {
			return reply(200, ""), nil
		}
		if strings.HasSuffix(req.URL.Path, "/users") {
			return reply(200, `{"data": []}`), nil
		}
		return reply(200, `{"data": `+user7+`}`), nil
	}}
	c, ctx := newClient(t, s), t.Context()

	_, _, err1 := c.Users(ctx, 3)
	_, _, err2 := c.User(ctx, 7)
	_, _, err3 := c.Qualify(ctx, 7, nil)
	_, _, err4 := c.Urgent().Unqualify(ctx, 7, nil)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /api/v2/users?per_page=250&page=3",
		"GET /api/v2/users/7",
		`PUT /api/v2/users/qualification {"id":7,"qualified":true}`,
		`PUT /api/v2/users/qualification {"id":7,"qualified":false}`,
	}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	header := http.Header{"Authorization": {"Bearer " + key}, "Accept": {"application/json"},
		"User-Agent": {"qualifyd"}, "Content-Type": {"application/json"}}
	if diff := cmp.Diff(header, got.Header); diff != "" {
		t.Errorf("headers of a PUT (-want +got):\n%s", diff)
	}
}

func TestAReplacedKeyIsUsedByUrgentToo(t *testing.T) {
	var got string
	s := &service{answer: func(_ int, req *http.Request) (*http.Response, error) {
		got = req.Header.Get("Authorization")
		return reply(200, ""), nil
	}}
	c := newClient(t, s)
	urgent := c.Urgent()
	if err := c.SetAPIKey("newer"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := urgent.Qualify(t.Context(), 7, nil); err != nil || got != "Bearer newer" {
		t.Errorf("sent %q, error %v; want the newer key", got, err)
	}
}

func TestTheServicesClockIsTheAnswersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
		s := &service{answer: func(int, *http.Request) (*http.Response, error) {
			time.Sleep(2500 * time.Millisecond)
			return reply(200, `{"data": []}`, "Date", date.Format(http.TimeFormat)), nil
		}}
		_, got, err := newClient(t, s).Users(t.Context(), 1)
		want := Answer{Date: date, Since: date.Add(-3 * time.Second)}
		if err != nil || got != want {
			t.Errorf("after 2.5 s: got %v, error %v; want %v", got, err, want)
		}
	})
}

func TestBadOptionsAreRefused(t *testing.T) {
	good := Options{BaseURL: "https://rf.example/api/v2", APIKey: key, CallsPerMinute: 300}
	for name, test := range map[string]struct {
		change func(*Options)
		want   string // "" accepts
	}{
		"plain http":           {func(o *Options) { o.BaseURL = "http://rf.example/api/v2" }, "want https"},
		"http on loopback v4":  {func(o *Options) { o.BaseURL = "http://127.0.0.1:8080/api/v2" }, ""},
		"http on loopback v6":  {func(o *Options) { o.BaseURL = "http://[::1]:8080/api/v2" }, ""},
		"http on localhost":    {func(o *Options) { o.BaseURL = "http://localhost:8080" }, ""},
		"a name like loopback": {func(o *Options) { o.BaseURL = "http://localhost.example" }, "want https"},
		"no scheme":            {func(o *Options) { o.BaseURL = "rf.example/api/v2" }, "want a host"},
		"a password in it":     {func(o *Options) { o.BaseURL = "https://me:" + key + "@rf.example" }, "user name or password"},
		"no URL":               {func(o *Options) { o.BaseURL = "https://me:" + key + "@rf example" }, "no URL"},
		"a query":              {func(o *Options) { o.BaseURL = "https://rf.example/?a=b" }, "host and a path only"},
		"no key":               {func(o *Options) { o.APIKey = "" }, "key is empty"},
		"key with line break":  {func(o *Options) { o.APIKey = key + "\n" }, "line break"},
		"no calls":             {func(o *Options) { o.CallsPerMinute = 0 }, "at least 1"},
	} {
		o := good
		test.change(&o)
		_, err := New(o)
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		case err != nil && strings.Contains(err.Error(), key):
			t.Errorf("%s: the key is in %q", name, err)
		}
	}
}

// Over real sockets: what the transport itself would do with a redirect, an
// unreachable host and a cut body.
func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("followed to %s with Authorization %q", req.URL, req.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		calls := 0
		here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			calls++
			http.Redirect(w, req, elsewhere.URL+"/users", status)
		}))
		c := dial(t, here.URL)
		_, _, err := c.Qualify(t.Context(), 7, nil)
		var u *Unavailable
		if !errors.As(err, &u) || u.Status != status || !strings.Contains(err.Error(), "redirect to 127.0.0.1") || calls != 1 {
			t.Errorf("%d: got %v after %d calls, want one call and Unavailable naming the host", status, err, calls)
		}
		here.Close()
	}
}

func TestNobodyAtTheAddressMeansNothingWasSent(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, _, err := dial(t, server.URL).Qualify(t.Context(), 7, nil)
	var u *Unavailable
	if !errors.As(err, &u) || u.Status != 0 || UnknownOutcome(err) {
		t.Errorf("got %v, unknown %v; want Unavailable and a known outcome", err, UnknownOutcome(err))
	}
}

func TestAnAnswerCutOnTheWireIsUnknown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"data": {}}`)
	}))
	defer server.Close()
	_, _, err := dial(t, server.URL).Qualify(t.Context(), 7, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !UnknownOutcome(err) {
		t.Errorf("got %v, unknown %v; want a cut answer of unknown outcome", err, UnknownOutcome(err))
	}
}

func TestTheDefaultTransportTalksToARealServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"data": `+user7+`}`)
	}))
	defer server.Close()
	got, answer, err := dial(t, server.URL).User(t.Context(), 7)
	if err != nil || got.Code != "ueONFmUp" || answer.Date.IsZero() {
		t.Errorf("got %+v at %v, error %v", got, answer, err)
	}
}

func dial(t *testing.T, base string) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: base, APIKey: key, CallsPerMinute: 300, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var dialRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func TestNothingSecretIsLogged(t *testing.T) {
	var logged bytes.Buffer
	s := &service{answer: func(int, *http.Request) (*http.Response, error) {
		return reply(200, `{"data": {"id": 7, "campaign_id": 1, "email": "ann@example.com", "qualified_at": null}}`), nil
	}}
	c, err := New(Options{BaseURL: "https://rf.example", APIKey: key, CallsPerMinute: 300, Transport: s, Log: zerolog.New(&logged)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.User(context.Background(), 7); err != nil {
		t.Fatal(err)
	}
	if got := logged.String(); !strings.Contains(got, "/users/7") || strings.Contains(got, key) || strings.Contains(got, "ann@") {
		t.Errorf("logged %s; want the path, and neither key nor e-mail", got)
	}
}
