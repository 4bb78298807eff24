package salesforce

import (
	"compress/gzip"
	"context"
	"encoding/json"
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
)

// TestAnswers lists what can come back from a read, and what it means.
func TestAnswers(t *testing.T) {
	fault := func(code string) string { return `[{"message":"words","errorCode":"` + code + `"}]` }
	html := map[string]string{"Content-Type": "text/html"}
	tests := []struct {
		name  string
		reply reply
		want  Kind
		calls int
	}{
		{"a page", reply{body: onePage}, "", 1},
		{"network error", reply{err: errNetwork}, Transient, 3},
		{"no answer in time", reply{takes: time.Hour}, Transient, 1},
		{"cut body", reply{body: `{"totalSize":1,"don`, cut: io.ErrUnexpectedEOF}, Transient, 3},
		{"cut JSON that ends cleanly", reply{body: `{"totalSize":1,"done":true,"records":[{"Id":"00Q`}, Transient, 3},
		{"empty 200", reply{}, Transient, 3},
		{"HTML with 200", reply{body: "<html>login</html>", header: html}, Transient, 3},
		{"HTML with 200 that claims JSON", reply{body: " <html>login</html>"}, Transient, 3},
		{"claims gzip but is not", reply{cut: gzip.ErrHeader}, Transient, 3},
		{"a JSON answer of another shape", reply{body: `{"hello":1}`}, Malformed, 1},
		{"records of the wrong type", reply{body: `{"totalSize":1,"done":true,"records":"none"}`}, Malformed, 1},
		{"more without saying where", reply{body: `{"totalSize":9,"done":false,"records":[]}`}, Malformed, 1},
		{"more on another host", reply{body: `{"totalSize":9,"done":false,"nextRecordsUrl":"https://evil.example/x","records":[]}`}, Malformed, 1},
		{"no Date header", reply{body: onePage, header: map[string]string{"Date": ""}}, Malformed, 1},
		{"a Date header that is none", reply{body: onePage, header: map[string]string{"Date": "yesterday"}}, Malformed, 1},
		{"redirect", reply{status: 302, header: map[string]string{"Location": "https://new.example/q?secret"}}, Transient, 3},
		{"401 of the wrong kind of session", reply{status: 401, body: `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`}, Refused, 1},
		{"401 of an app that is not attached", reply{status: 401, body: `[{"message":"Connected app is not attached to Agent","errorCode":"INVALID_SESSION_ID"}]`}, Refused, 1},
		{"401 with another code", reply{status: 401, body: fault("INVALID_AUTH_HEADER")}, Refused, 1},
		{"daily limit", reply{status: 403, body: `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`}, Limit, 1},
		{"concurrent limit", reply{status: 403, body: `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`}, Transient, 3},
		{"API disabled", reply{status: 403, body: fault("API_DISABLED_FOR_ORG")}, Refused, 1},
		{"API disabled for the user", reply{status: 403, body: fault("API_CURRENTLY_DISABLED")}, Refused, 1},
		{"forbidden", reply{status: 403, body: fault("FORBIDDEN")}, Refused, 1},
		{"transaction security metering", reply{status: 403, body: fault("TXN_SECURITY_METERING_ERROR")}, Transient, 3},
		{"field gone", reply{status: 400, body: fault("INVALID_FIELD")}, FieldGone, 1},
		{"object gone", reply{status: 400, body: fault("INVALID_TYPE")}, ObjectGone, 1},
		{"malformed query", reply{status: 400, body: fault("MALFORMED_QUERY")}, Malformed, 1},
		{"expired locator", reply{status: 400, body: fault("INVALID_QUERY_LOCATOR")}, Locator, 1},
		{"locator of another form", reply{status: 400, body: fault("INVALID_QUERY_LOCATOR_FORMAT")}, Locator, 1},
		{"query time-out", reply{status: 400, body: fault("QUERY_TIMEOUT")}, Narrow, 1},
		{"query time-out as a 500", reply{status: 500, body: fault("QUERY_TIMEOUT")}, Narrow, 1},
		{"too large", reply{status: 400, body: fault("OPERATION_TOO_LARGE")}, Narrow, 1},
		{"too complicated", reply{status: 400, body: fault("QUERY_TOO_COMPLICATED")}, Narrow, 1},
		{"running too long", reply{status: 400, body: fault("REQUEST_RUNNING_TOO_LONG")}, Narrow, 1},
		{"413", reply{status: 413, body: "<h1>too large</h1>", header: html}, Narrow, 1},
		{"414", reply{status: 414}, Narrow, 1},
		{"431 in HTML", reply{status: 431, body: "<h1>Bad Message 431</h1><pre>reason: Request Header Fields Too Large</pre>", header: html}, Narrow, 1},
		{"unknown version", reply{status: 404, body: fault("NOT_FOUND")}, Gone, 1},
		{"retired version", reply{status: 410, body: fault("GONE")}, Gone, 1},
		{"read-only org", reply{status: 503, body: fault("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE")}, ReadOnly, 1},
		{"406 without a body", reply{status: 406}, Transient, 3},
		{"408", reply{status: 408}, Transient, 3},
		{"420 setting things up", reply{status: 420, body: "<html>We are setting things up</html>", header: html}, Transient, 3},
		{"429", reply{status: 429}, Transient, 3},
		{"500 with an error id", reply{status: 500, body: fault("UNKNOWN_EXCEPTION")}, Transient, 3},
		{"500 with a body of null", reply{status: 500, body: "null"}, Transient, 3},
		{"503 in HTML", reply{status: 503, body: "<html>Down</html>", header: html}, Transient, 3},
		{"403 in HTML: a proxy's own page", reply{status: 403, body: "<html>Blocked</html>", header: html}, Transient, 3},
		{"404 in HTML: an edge that does not know the org", reply{status: 404, body: "<html>URL No Longer Exists</html>", header: html}, Transient, 3},
		{"403 without a body", reply{status: 403}, Refused, 1},
		{"an undocumented code", reply{status: 400, body: fault("BRAND_NEW_CODE")}, Malformed, 1},
		{"an undocumented code of the server", reply{status: 502, body: fault("BRAND_NEW_CODE")}, Transient, 3},
		{"Retry-After of a few seconds", reply{status: 503, header: map[string]string{"Retry-After": "4"}}, Transient, 3},
		{"Retry-After of minutes", reply{status: 503, header: map[string]string{"Retry-After": "120"}}, Transient, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{api: []reply{tt.reply}}
				err := askLeads(t.Context(), f.client(t))
				wantKind(t, err, tt.want)
				if len(f.calls) != tt.calls {
					t.Errorf("sent %d times, want %d: %v", len(f.calls), tt.calls, err)
				}
				if err != nil && strings.Contains(err.Error(), "?") {
					t.Errorf("the error repeats a query: %v", err)
				}
			})
		})
	}
}

func TestAnswerSaysItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{body: onePage, takes: 2500 * time.Millisecond}}}
		start := time.Now().UTC()
		_, got, err := f.client(t).QueryAll(t.Context(), leads)
		if err != nil {
			t.Fatal(err)
		}
		want := Answer{ // the header has whole seconds
			Date:  start.Add(2 * time.Second),
			Since: start,
			Bound: start.Add(-5500 * time.Millisecond),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	})
}

func TestNoDateIsATypedError(t *testing.T) {
	f := &fake{api: []reply{{body: onePage, header: map[string]string{"Date": ""}}}}
	if err := askLeads(t.Context(), f.client(t)); !errors.Is(err, ErrNoDate) {
		t.Errorf("got %v, want ErrNoDate", err)
	}
}

func TestReadRecoversAfterHiccups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{err: errNetwork}, {status: 503}, {body: onePage}}}
		counted := 0
		c := f.client(t, func(o *Options) { o.Spend = func(context.Context) error { counted++; return nil } })
		start := time.Now()
		if err := askLeads(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 400*time.Millisecond || took > 3*time.Second {
			t.Errorf("waited %v in all, want between 0.4 s and 3 s", took)
		}
		if counted != 3 {
			t.Errorf("counted %d API calls, want 3 (the login is none)", counted)
		}
	})
}

func TestShortRetryAfterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{status: 503, header: map[string]string{"Retry-After": "4"}}, {body: onePage}}}
		start := time.Now()
		if err := askLeads(t.Context(), f.client(t)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("waited %v, want the 4 s that were asked for", took)
		}
	})
}

func TestSlowFailureIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{status: 503, takes: 2 * time.Minute}}}
		wantKind(t, askLeads(t.Context(), f.client(t)), Transient)
		f.wantCalls(t, 1, 1)
	})
}

func TestRetryAfterAsATime(t *testing.T) {
	h := http.Header{}
	h.Set("Date", "Sun, 22 Nov 2026 10:00:00 GMT")
	h.Set("Retry-After", "Sun, 22 Nov 2026 10:00:30 GMT")
	if got, want := retryAfter(h), 30*time.Second; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCallerStops(t *testing.T) {
	for name, r := range map[string]reply{
		"while asking":           {takes: time.Hour},
		"while waiting to retry": {status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				f := &fake{api: []reply{r}}
				err := askLeads(ctx, f.client(t))
				wantKind(t, err, Stopped)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's own error in it", err)
				}
			})
		})
	}
}

func TestAnswerTooLargeForMemory(t *testing.T) {
	zeros := func(n int64) io.Reader { return io.LimitReader(endless{}, n) }
	if _, err := readBody(zeros(maxBody+1), -1); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v, want errTooLarge", err)
	}
	f := &fake{api: []reply{{cut: errTooLarge}}}
	wantKind(t, askLeads(t.Context(), f.client(t)), Narrow)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestFalseGzipOverTheWire needs a real transport: Go unpacks there.
func TestFalseGzipOverTheWire(t *testing.T) {
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/services/oauth2/") {
			io.WriteString(w, tokenAnswer(1, "http://"+r.Host))
			return
		}
		if calls++; calls == 1 {
			w.Header().Set("Content-Encoding", "gzip")
		}
		io.WriteString(w, onePage)
	}))
	defer srv.Close()
	c := (&fake{}).client(t, func(o *Options) { o.LoginURL, o.Transport = srv.URL, nil })
	if err := askLeads(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if calls != 2 {
		t.Errorf("asked %d times, want 2: the first answer was unreadable", calls)
	}
}

// The old name of a renamed My Domain may be gone at once. A session would keep to it for ever: whether it has ended is told nowhere.
func TestAnInstanceWhoseNameIsGoneIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const general, before, after = "https://login.salesforce.com", "https://old.my.salesforce.com", "https://new.my.salesforce.com"
		for name, gone := range map[string]reply{
			"no such name":    {err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}},
			"no such org now": {status: 404, body: "<html>URL No Longer Exists</html>", header: map[string]string{"Content-Type": "text/html"}},
		} {
			f := &fake{api: []reply{{body: onePage}, gone, {body: onePage}}, login: []reply{{body: tokenAnswer(1, before)}, {body: tokenAnswer(2, after)}}}
			c := f.client(t, func(o *Options) { o.LoginURL = general })
			for range 2 {
				if err := askLeads(t.Context(), c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			f.wantCalls(t, 3, 2)
			if got, want := f.calls[len(f.calls)-1].host, "new.my.salesforce.com"; got != want {
				t.Errorf("%s: the last call went to %s, want %s", name, got, want)
			}
		}
	})
}

func TestRedirectIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := reply{status: 302, header: map[string]string{"Location": "https://elsewhere.my.salesforce.com/services/data"}}
		f := &fake{api: []reply{moved, {body: onePage}}}
		if err := askLeads(t.Context(), f.client(t)); err != nil {
			t.Fatal(err)
		}
		f.wantCalls(t, 2, 2) // a new login tells where the org is now
		for _, call := range f.calls {
			if call.host != "acme.my.salesforce.com" {
				t.Errorf("the token went to %s", call.host)
			}
		}
	})
}

func TestErrorsKeepPersonalDataOutOfTheirText(t *testing.T) {
	fault, _ := json.Marshal([]map[string]any{{
		"message":   "\nSELECT Id FROM Lead WHERE Email IN ('ann@example.com')\n ^\nERROR at Row:1:Column:8",
		"errorCode": "INVALID_FIELD", "fields": []string{"Foo__c"},
	}})
	f := &fake{api: []reply{{status: 400, body: string(fault)}}}
	_, _, err := f.client(t).QueryAll(t.Context(), leads.Where(In("Email", []string{"ann@example.com"})))
	want := "query Lead: HTTP 400 INVALID_FIELD: SELECT Id FROM Lead WHERE Email IN ('(e-mail)') ^ ERROR at Row:1:Column:8"
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var e *APIError
	if !errors.As(err, &e) || !strings.Contains(e.Message, "ann@example.com") || !cmp.Equal(e.Fields, []string{"Foo__c"}) {
		t.Errorf("got %+v, want Salesforce's own words and fields kept beside", e)
	}
}

func TestNetworkErrorDoesNotRepeatTheQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{api: []reply{{err: &net.OpError{Op: "read", Err: errNetwork}}}}
		_, _, err := f.client(t).QueryAll(t.Context(), leads.Where(Equal("Email", "ann@example.com")))
		if text := err.Error(); strings.Contains(text, "ann") || strings.Contains(text, "queryAll") {
			t.Errorf("the error repeats the URL: %s", text)
		}
	})
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name, header string
		used, max    int
		known        bool
	}{
		{"absent", "", 0, 0, false},
		{"plain", "api-usage=891/15000", 891, 15000, true},
		{"with the app's own quota", "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)", 25, 5000, true},
		{"the app's quota first", "per-app-api-usage=17/250(appName=x); api-usage=25/5000", 25, 5000, true},
		{"nonsense", "api-usage=many/5000", 0, 0, false},
		{"no allowance", "api-usage=5/0", 0, 0, false},
		{"half", "api-usage=5", 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{api: []reply{{body: onePage, header: map[string]string{"Sforce-Limit-Info": tt.header}}}}
			c := f.client(t)
			if err := askLeads(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if used, max, known := c.Usage(); used != tt.used && known || max != tt.max && known || known != tt.known {
				t.Errorf("got %d/%d %v, want %d/%d %v", used, max, known, tt.used, tt.max, tt.known)
			}
		})
	}
}
