package console_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
)

func TestThePageAnswersOnlyUnderThisMachinesName(t *testing.T) {
	page := newWorld(t).open()
	address, err := url.Parse(page.URL)
	if err != nil {
		t.Fatal(err)
	}
	port := ":" + address.Port()
	for host, want := range map[string]int{
		"127.0.0.1" + port:          http.StatusOK,
		"localhost" + port:          http.StatusOK,
		"[::1]" + port:              http.StatusOK,
		"evil.example" + port:       http.StatusForbidden,
		"localhost.evil.org" + port: http.StatusForbidden,
		"127.0.0.1.nip.io" + port:   http.StatusForbidden,
		"127.0.0.1":                 http.StatusForbidden, // the port is another
		"localhost:1":               http.StatusForbidden,
		"192.168.0.7" + port:        http.StatusForbidden,
	} {
		answer, body := get(t, page, "/", func(r *http.Request) { r.Host = host })
		if answer.StatusCode != want {
			t.Errorf("Host %s: got %d, want %d", host, answer.StatusCode, want)
		}
		if want == http.StatusForbidden && (!strings.Contains(body, "console.listen") || strings.Contains(body, "Refer a friend")) {
			t.Errorf("Host %s: got %q, want why it is refused and nothing else", host, body)
		}
	}
}

func TestThePageIsForReading(t *testing.T) {
	page := newWorld(t).open()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch} {
		answer, _ := get(t, page, "/", func(r *http.Request) { r.Method = method })
		if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d and Allow %q, want 405 and GET, HEAD", method, answer.StatusCode, answer.Header.Get("Allow"))
		}
	}
	answer, body := get(t, page, "/", func(r *http.Request) { r.Method = http.MethodHead })
	if answer.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD: got %d and %d bytes, want 200 and none", answer.StatusCode, len(body))
	}
}

func TestWhatAnotherSiteLoadsIsRefused(t *testing.T) {
	page := newWorld(t).open()
	for _, c := range []struct {
		site, mode, dest string
		want             int
	}{
		{"", "", "", http.StatusOK}, // curl
		{"none", "navigate", "document", http.StatusOK},
		{"same-origin", "no-cors", "style", http.StatusOK},
		{"cross-site", "navigate", "document", http.StatusOK}, // a link that a person follows
		{"cross-site", "navigate", "iframe", http.StatusForbidden},
		{"cross-site", "no-cors", "image", http.StatusForbidden},
		{"cross-site", "cors", "empty", http.StatusForbidden},
		{"same-site", "no-cors", "script", http.StatusForbidden}, // another port of localhost
	} {
		answer, _ := get(t, page, "/referral?q=1", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", c.site)
			r.Header.Set("Sec-Fetch-Mode", c.mode)
			r.Header.Set("Sec-Fetch-Dest", c.dest)
		})
		if answer.StatusCode != c.want {
			t.Errorf("%s %s %s: got %d, want %d", c.site, c.mode, c.dest, answer.StatusCode, c.want)
		}
	}
	for origin, want := range map[string]int{strings.TrimSuffix(page.URL, "/"): http.StatusOK, "http://evil.example": http.StatusForbidden, "null": http.StatusForbidden} {
		answer, _ := get(t, page, "/", func(r *http.Request) { r.Header.Set("Origin", origin) })
		if answer.StatusCode != want || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("Origin %s: got %d, %q, want %d and nobody let in", origin, answer.StatusCode, answer.Header.Get("Access-Control-Allow-Origin"), want)
		}
	}
}

// What no browser sends, a program on this machine may.
func TestStrangeRequestsGetNothing(t *testing.T) {
	page := newWorld(t).open()
	own := strings.TrimSuffix(strings.TrimPrefix(page.URL, "http://"), "/")
	_, port, _ := strings.Cut(own, ":")
	for _, c := range []struct {
		request string
		want    int
	}{
		{"GET / HTTP/1.0\r\n", http.StatusForbidden}, // names nobody
		{"GET / HTTP/1.1\r\n", http.StatusBadRequest},
		{"GET / HTTP/1.1\r\nHost: " + own + "\r\nHost: evil.example\r\n", http.StatusBadRequest},
		{"GET / HTTP/1.1\r\nHost: localhost.:" + port + "\r\n", http.StatusForbidden},
		{"GET / HTTP/1.1\r\nHost: 2130706433:" + port + "\r\n", http.StatusForbidden},
		{"GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:" + port + "\r\n", http.StatusForbidden},
		{"GET / HTTP/1.1\r\nHost: x@" + own + "\r\n", http.StatusBadRequest},
		{"GET http://evil.example/ HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusForbidden}, // as to a proxy: the target decides
		{"CONNECT evil.example:443 HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusForbidden},
		{"CONNECT " + own + " HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusMethodNotAllowed},
		{"TRACE / HTTP/1.1\r\nHost: " + own + "\r\nCookie: secret\r\n", http.StatusMethodNotAllowed},
		{"GET //evil.example/ HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusTemporaryRedirect}, // to /evil.example/
		{"GET /x%0d%0aSet-Cookie:a=b/.. HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusTemporaryRedirect},
		{"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusNotFound},
		{"GET /referral?q=" + strings.Repeat("a", 40_000) + " HTTP/1.1\r\nHost: " + own + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		shown := c.request[:min(len(c.request), 80)]
		connection, err := net.Dial("tcp", own)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if _, err := io.WriteString(connection, c.request+"Connection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatalf("%q: %v", shown, err)
		}
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != c.want {
			t.Errorf("%q: got %d, want %d", shown, answer.StatusCode, c.want)
		}
		to := answer.Header.Get("Location")
		if strings.Contains(string(body), "Refer a friend") || strings.Contains(string(body), "secret") || answer.Header.Get("Set-Cookie") != "" || to != "" && (to[0] != '/' || strings.HasPrefix(to, "//")) {
			t.Errorf("%q: got the headers %v and the page %q, want nothing of ours and nowhere else to go", shown, answer.Header, body)
		}
	}
}

func TestEveryAnswerIsLockedDown(t *testing.T) {
	w := newWorld(t)
	w.busy()
	page := w.open()
	style := regexp.MustCompile(`/style-[0-9a-f]+\.css`)
	_, overview := get(t, page, "/", nil)
	for path, status := range map[string]int{
		"/": http.StatusOK, "/referral?q=1001": http.StatusOK, "/referral": http.StatusOK, "/nowhere": http.StatusNotFound, "/../etc/passwd": http.StatusNotFound,
		"/icon.svg": http.StatusOK, style.FindString(overview): http.StatusOK,
	} {
		answer, body := get(t, page, path, nil)
		if answer.StatusCode != status {
			t.Errorf("%s: got %d, want %d", path, answer.StatusCode, status)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if kept := answer.Header.Get("Cache-Control") != "no-store"; kept == strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: Cache-Control is %q for %s", path, answer.Header.Get("Cache-Control"), answer.Header.Get("Content-Type"))
		}
		for _, never := range []string{"<script", "<style", " style=", " onclick", "//cdn", "http-equiv=\"refresh\" content=\"0"} {
			if strings.Contains(body, never) {
				t.Errorf("%s: the page has %q in it", path, never)
			}
		}
	}
}

// hostile are names as people with bad intentions, or broken forms, give them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></svg><script>alert(2)</script>`, `javascript:alert(3)`, `{{.Config}}`,
	"\u202egnp.exe\u202d", "\u2067Omar\u2066", "a\x00b\x1b[31m", strings.Repeat("Wolfeschlegelsteinhausenberger", 100), strings.Repeat("\u0e49", 200), "",
}

// hostileWorld has such names wherever a name can be.
func hostileWorld(t *testing.T) *world {
	w := newWorld(t)
	w.polled()
	for i, name := range hostile {
		w.desk.Campaigns = append(w.desk.Campaigns, rules.Campaign{ID: int64(200 + i), Name: name, Object: rules.Lead, Method: rules.LeadFieldChanges, Field: "Status", Value: name})
		id := w.qualify(name, time.Duration(i)*time.Hour, time.Minute)
		w.update(func(tx *store.Tx) error {
			r, _, err := tx.Referral(id)
			r.CampaignID, r.Code, r.Email, r.Source, r.Verdict.Sentence = int64(200+i), "code"+name, name+"@example.com", name, "Status went to "+name
			r.SignedUpOn, r.Refused = name, "Salesforce said "+name
			r.Blockers = []rules.Blocker{{Object: rules.Lead, ID: "blocked by " + name}}
			r.Links = []rules.Link{{Object: rules.Lead, RecordID: "record " + name, Kinds: rules.Kinds{rules.ByCode}, Since: w.now}}
			if err != nil {
				return err
			}
			return tx.PutReferral(r)
		})
		w.update(func(tx *store.Tx) error { return hostileTraces(tx, w.now, id, int64(200+i), name) })
	}
	return w
}

// hostileTraces puts a name wherever else something may come from a service, or from a person at a terminal.
func hostileTraces(tx *store.Tx, now time.Time, referral, campaign int64, name string) error {
	seen := rules.Value{Text: name, At: now}
	record := rules.Snapshot{Values: map[string]rules.Value{"Status": seen}, Changes: []rules.Change{{Field: "Status", From: name, To: name}}}
	record.Object, record.ID = rules.Lead, "record "+name
	record.ConvertedOn, record.ContactID, record.OpportunityID, record.SeenAt = name, name, name, now
	return errors.Join(
		tx.PutSnapshot("record "+name, record),
		tx.PutCampaign(store.Campaign{ID: campaign, Parked: "parked " + name, ParkedWhy: "no value " + name}),
		tx.Append(store.Entry{At: now, Act: store.ActPinned, Campaign: campaign, Referral: referral, Record: name, Who: name, Note: name}),
		tx.PutRun(store.Run{Job: desk.PollJob, Begun: now, Ended: now, Trouble: "Salesforce said " + name, Since: now}),
		tx.PutRun(store.Run{Job: desk.DeliverJob, Begun: now, Ended: now, Trouble: "Referral Factory said " + name, Since: now}),
		tx.SetOwner(store.Owner{OrgID: "org " + name}))
}

func TestNamesAreTextOnly(t *testing.T) {
	w := hostileWorld(t)
	page := w.open()
	for _, path := range []string{"/", "/referral?q=1001", "/referral?q=1002", "/referral?q=1003", "/referral?q=1005", "/referral?q=" + url.QueryEscape(hostile[0]), "/referral?q=" + url.QueryEscape(hostile[1]), "/referral?q=%ff%fe"} {
		answer, body := get(t, page, path, nil)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d, want 200", path, answer.StatusCode)
		}
		for _, raw := range []string{"<script", "<img src=x", "</title></svg>", `"javascript:`, "Config{"} {
			if strings.Contains(body, raw) {
				t.Errorf("%s: %q is in the page as it is", path, raw)
			}
		}
	}
}

func TestWhatASearchFinds(t *testing.T) {
	w := newWorld(t)
	w.polled()
	ada := w.qualify("Ada", time.Hour, time.Minute)
	twin := func(r *rules.Referral) { r.Email = "twin@example.com" }
	w.refer("Ben", twin)
	w.refer("Cleo", func(r *rules.Referral) { twin(r); r.CampaignID = 104 })
	page := w.open()
	for _, c := range []struct {
		search string
		status int
		want   []string
	}{
		{"1001", http.StatusOK, []string{"<h1>Referral 1001</h1>", "Ada", "<code>qualified</code>", "person1001@example.com", `Lead.Status = &#34;Qualified&#34;`}},
		{" code1001 ", http.StatusOK, []string{"<h1>Referral 1001</h1>"}},
		{"TWIN@example.com", http.StatusOK, []string{"<h1>2 referrals</h1>", "Ben", "Cleo", "Enterprise"}},
		{"nobody@example.com", http.StatusOK, []string{"not_in_campaign", "nobody@example.com", "referral link", "qualifyd campaigns lists them"}},
		{"", http.StatusOK, []string{"<h1>Find a referral</h1>"}},
		{strings.Repeat("a", 301), http.StatusBadRequest, []string{"too long"}},
	} {
		answer, body := get(t, page, "/referral?q="+url.QueryEscape(c.search), nil)
		if answer.StatusCode != c.status {
			t.Errorf("%q: got %d, want %d", c.search, answer.StatusCode, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%q: the page lacks %q", c.search, want)
			}
		}
	}
	if _, body := get(t, page, "/", nil); strings.Contains(body, "@example.com") || !strings.Contains(body, "Ada") {
		t.Errorf("the overview of referral %d: want the name, and no e-mail address", ada)
	}
}

func TestHowTheServicesStandIsSaidInWords(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(w *world)
		want []string
	}{
		"nothing has run": {func(*world) {}, []string{"Not asked yet", "Mode not known yet", "has not run yet", "Nobody has been qualified yet"}},
		"all is well":     {(*world).polled, []string{"Connected", "Live", "00D5g000004ABCDEA4", "Went well", "1,234 of the day&#39;s share of 20,000 calls", "Lag behind Salesforce", " has been read"}},
		"half of the calls are used": {func(w *world) {
			w.polled()
			w.update(func(tx *store.Tx) error { return tx.AddCalls(w.now, 9000) })
		}, []string{"10,234 of the day&#39;s share of 20,000 calls; polls are rarer"}},
		"all calls are used": {func(w *world) {
			w.polled()
			w.update(func(tx *store.Tx) error { return tx.AddCalls(w.now, 19000) })
		}, []string{"all of the day&#39;s share of 20,000 calls; polls wait"}},
		"a sandbox": {func(w *world) {
			w.polled()
			w.update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{OrgID: "00D5g000004ABCDEA4", Sandbox: true}) })
		}, []string{"Test (sandbox)", "nobody is qualified for real", "the org has not told its limit yet"}},
		"refused credentials": {func(w *world) {
			w.polled()
			w.update(func(tx *store.Tx) error {
				return tx.PutRun(store.Run{Job: desk.PollJob, Ended: w.now, Since: w.now, Refused: true, Trouble: "invalid_grant: expired"})
			})
		}, []string{"Credentials refused", "invalid_grant: expired"}},
		"the daemon stopped": {func(w *world) {
			w.polled()
			w.update(func(tx *store.Tx) error {
				then := w.now.Add(-3 * time.Hour)
				return tx.PutRun(store.Run{Job: desk.PollJob, Begun: then, Ended: then, Well: then})
			})
		}, []string{"Silent", "does the daemon run?"}},
		"a sweep that does not fit its schedule": {func(w *world) {
			w.update(func(tx *store.Tx) error {
				return tx.PutRun(store.Run{Job: desk.SweepJob, Begun: w.now.Add(-40 * time.Minute), Ended: w.now, Well: w.now})
			})
		}, []string{"took 40m0s, longer than poll.sweep (@every 10m) leaves it"}},
		"a parked campaign": {func(w *world) {
			w.update(func(tx *store.Tx) error {
				return tx.PutCampaign(store.Campaign{ID: 101, Parked: "value_unknown", ParkedWhy: `Lead.Status has no "Qualifed"`})
			})
		}, []string{"Parked", "value unknown", "Lead.Status has no &#34;Qualifed&#34;"}},
		"something owed": {func(w *world) {
			w.update(func(tx *store.Tx) error {
				return tx.Owe(store.Debt{Referral: 7, Campaign: 101, Since: w.now.Add(-time.Hour), SentAt: w.now})
			})
		}, []string{"1 owed, the oldest since", "1 sent with an outcome that is not known yet"}},
		"something refused for good, and one by somebody else": {func(w *world) {
			w.refer("Ben", func(r *rules.Referral) { r.Standing = rules.Rejected })
			w.refer("Cleo", func(r *rules.Referral) { r.Standing = rules.Elsewhere })
		}, []string{"nothing is owed", "<strong>1 refused for good</strong>, which wait for a person", "by qualifyd, and 1 elsewhere", "1 rejected by Referral Factory"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.set(w)
			_, body := get(t, w.open(), "/", nil)
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
		})
	}
}

func TestRefreshingCanBePaused(t *testing.T) {
	page := newWorld(t).open()
	refreshes := func(path string) bool {
		_, body := get(t, page, path, nil)
		return strings.Contains(body, `<meta http-equiv="refresh" content="60">`)
	}
	got := map[string]bool{"/": refreshes("/"), "/?refresh=off": refreshes("/?refresh=off"), "/referral?q=1": refreshes("/referral?q=1")}
	if diff := cmp.Diff(map[string]bool{"/": true, "/?refresh=off": false, "/referral?q=1": false}, got); diff != "" {
		t.Errorf("which pages refresh themselves (-want +got):\n%s", diff)
	}
}

func TestWhatGoesWrongInsideIsNotShown(t *testing.T) {
	closed := newWorld(t)
	if err := closed.desk.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*desk.Desk{"a store that fails": closed.desk, "no store": {Config: config.Default()}, "a panic": nil} {
		page, err := console.OpenPage(d, "127.0.0.1:0", zerolog.New(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/referral?q=1"} {
			answer, body := get(t, page, path, nil)
			if answer.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "The log says why") {
				t.Errorf("%s, %s: got %d %q, want 500 and where to look", name, path, answer.StatusCode, body)
			}
			for _, inside := range []string{"database", "goroutine", "nil pointer", "store to ask", closed.desk.Config.Store.Path} {
				if strings.Contains(body, inside) {
					t.Errorf("%s, %s: the page tells %q", name, path, inside)
				}
			}
		}
		page.Close()
	}
}

func TestWhereThePageListens(t *testing.T) {
	w := newWorld(t)
	page := w.open()
	taken := strings.TrimSuffix(strings.TrimPrefix(page.URL, "http://"), "/")
	for listen, want := range map[string]string{
		taken:          "console.listen: " + taken + " is taken by another program; stop that, or use another port",
		"0.0.0.0:0":    "is open to other machines",
		":0":           "is open to other machines",
		"[::]:0":       "is open to other machines",
		"192.0.2.1:80": "is open to other machines",
		"127.0.0.1":    "missing port",
	} {
		other, err := console.OpenPage(w.desk, listen, zerolog.Nop())
		if err == nil {
			other.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", listen, err, want)
		}
	}
	page.Close()
	if answer, err := http.Get(page.URL); err == nil {
		answer.Body.Close()
		t.Errorf("after Close: got %s, want nobody there", answer.Status)
	}
}

func TestTheBadgeOfAReferralSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t)
	reason := func(code rules.Reason) func(*rules.Referral) {
		return func(r *rules.Referral) { r.Verdict = rules.Verdict{Outcome: rules.Not, Reason: code} }
	}
	w.refer("Ann", reason(rules.ExistingRecord))
	w.refer("Ben", reason(rules.HeldByBrake))
	w.refer("Cleo", reason(rules.ValueNotReached))
	page := w.open()
	for i, want := range []string{"Blocked", "Held", "Pending"} {
		_, body := get(t, page, fmt.Sprintf("/referral?q=id:%d", 1001+i), nil)
		if badge := regexp.MustCompile(`class="badge.*?</span> (.*?)</span>`).FindStringSubmatch(body); badge == nil || badge[1] != want {
			t.Errorf("referral %d: got the badge %q, want %s", 1001+i, badge, want)
		}
	}
}
