package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	oldest   = 31 // API versions below it are retired
	newest   = 68 // Winter '27
	latest   = "68.0"
	maxURL   = 16384
	uriTooBy = "<h1>Bad Message %d</h1><pre>reason: %s</pre>"
)

// call is one REST request, or one subrequest of a composite.
type call struct {
	method  string
	version int
	parts   []string // of the path after the version
	query   url.Values
	header  http.Header
	body    []byte

	allOrNone bool // of the composite around it
}

// answer is what a call gives: a body to be written as JSON, nil for none.
type answer struct {
	status int
	body   any
	header http.Header

	rolledBack bool // a collection, of which nothing was done; its status is 200 all the same
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func failed(e *apiError) answer { return answer{status: e.status, body: e.body()} }

// Handler answers as the org does over HTTP. See the package comment for the
// endpoints.
func (o *Org) Handler() http.Handler {
	return faulty(o.now, o.currentFault, http.HandlerFunc(o.serve))
}

// SetFault has f asked about every request; what it returns happens, nil is no
// fault. SetFault(nil) ends them.
func (o *Org) SetFault(f func(*http.Request) *Fault) { o.fault.set(f) }

func (o *Org) currentFault(r *http.Request) *Fault {
	f := o.fault.ask(r)
	if f != nil && f.SessionDeath {
		o.kill(bearer(r))
	}
	return f
}

func (o *Org) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/") // the Salesforce CLI doubles the first one
	}
	parts := segments(path)
	if status, reason := tooLong(r); status != 0 {
		w.Header().Set("Content-Type", "text/html; charset=ISO-8859-1")
		w.WriteHeader(status)
		fmt.Fprintf(w, uriTooBy, status, reason)
		return
	}
	switch {
	case path == "/services/oauth2/token":
		o.token(w, r)
	case path == "/services/oauth2/authorize":
		o.authorize(w, r)
	case path == "/services/oauth2/revoke":
		o.revoke(w, r)
	case path == "/services/oauth2/userinfo", parts[0] == "id":
		o.identity(w, r)
	case len(parts) == 2 && parts[0] == "services" && parts[1] == "data":
		writeAnswer(w, ok(versions()))
	case len(parts) > 2 && parts[0] == "services" && parts[1] == "data":
		o.rest(w, r, parts[2:])
	default:
		writeAnswer(w, failed(notFound()))
	}
}

// segments splits a path; an escaped slash is part of a segment.
func segments(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range parts {
		if plain, err := url.PathUnescape(parts[i]); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// tooLong finds a request beyond what Salesforce's front door takes.
func tooLong(r *http.Request) (status int, reason string) {
	line, size := len(r.URL.RequestURI()), 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
	}
	switch {
	case line > maxURL:
		return http.StatusRequestURITooLong, "URI Too Long"
	case line+size > maxURL:
		return http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"
	}
	return 0, ""
}

// rest answers a request below /services/data/vNN.0.
func (o *Org) rest(w http.ResponseWriter, r *http.Request, parts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	body, bad := unzipped(r, body)
	if bad != nil {
		writeAnswer(w, failed(bad))
		return
	}
	if !o.alive(bearer(r)) {
		writeAnswer(w, failed(failure(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")))
		return
	}
	version, bad := apiVersion(parts[0])
	if bad == nil {
		bad = o.spend(1)
	}
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", len(o.recent), o.dailyLimit))
	if bad != nil {
		writeAnswer(w, failed(bad))
		return
	}
	if len(parts) == 1 {
		writeAnswer(w, ok(o.resources(o.base(r), version)))
		return
	}
	c := call{method: r.Method, version: version, parts: parts[1:], query: r.URL.Query(), header: r.Header, body: body}
	writeAnswer(w, o.answer(c))
}

// unzipped is a body as its client wrote it. One without a body may say gzip
// too: go-salesforce does.
func unzipped(r *http.Request, body []byte) ([]byte, *apiError) {
	if r.Header.Get("Content-Encoding") != "gzip" || len(body) == 0 {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(z)
	}
	if err != nil {
		return nil, failure(http.StatusBadRequest, "INVALID_CONTENT_ENCODING", "The body is not gzip: %v", err)
	}
	return body, nil
}

// apiVersion reads "v67.0".
func apiVersion(s string) (int, *apiError) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(s, "v"), ".0"))
	switch {
	case err != nil || !strings.HasPrefix(s, "v") || n > newest:
		return 0, notFound()
	case n < oldest:
		return 0, failure(http.StatusGone, "GONE", "The requested resource is no longer available")
	}
	return n, nil
}

// answer does what a call asks for.
func (o *Org) answer(c call) answer {
	switch c.parts[0] {
	case "limits":
		return ok(map[string]any{"DailyApiRequests": map[string]int{"Max": o.dailyLimit, "Remaining": max(0, o.dailyLimit-len(o.recent))}})
	case "query", "queryAll":
		return o.queryCall(c)
	case "sobjects":
		return o.sobjects(c)
	case "composite":
		return o.compositeCall(c)
	}
	return failed(notFound())
}

func notAllowed(c call, allowed string) answer {
	return failed(failure(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed. Allowed are %s", c.method, allowed))
}

// spend counts API calls in the rolling 24 hours, and refuses them beyond the
// limit.
func (o *Org) spend(n int) *apiError {
	now := o.now()
	for len(o.recent) > 0 && now.Sub(o.recent[0]) >= 24*time.Hour {
		o.recent = o.recent[1:]
	}
	if len(o.recent)+n > o.dailyLimit {
		return failure(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	for range n {
		o.recent = append(o.recent, now)
	}
	o.calls += n
	return nil
}

// Calls is how many API calls the org has counted: each request is one, a
// composite with all its subrequests too, a token request is none.
func (o *Org) Calls() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

// DailyLimit sets how many API calls the org takes in a rolling 24 hours.
func (o *Org) DailyLimit(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dailyLimit = n
}

// resources is what /services/data/vNN.0 names. jsforce finds the identity URL
// there.
func (o *Org) resources(base string, version int) any {
	list := orderedObject{{"identity", base + "/id/" + o.id + "/" + o.user}}
	for _, name := range []string{"composite", "limits", "query", "queryAll", "sobjects"} {
		list = append(list, pair{name, fmt.Sprintf("/services/data/v%d.0/%s", version, name)})
	}
	return list
}

// versions is the list of /services/data.
func versions() []any {
	var list []any
	for v := oldest; v <= newest; v++ {
		// Three releases a year; 66 is Spring '26, and a Winter is named for the next year.
		year, season := 26+floor(v-66, 3), "Spring"
		switch v % 3 {
		case 1:
			season = "Summer"
		case 2:
			season, year = "Winter", year+1
		}
		list = append(list, orderedObject{{"label", fmt.Sprintf("%s '%d", season, year)}, {"url", fmt.Sprintf("/services/data/v%d.0", v)}, {"version", fmt.Sprintf("%d.0", v)}})
	}
	return list
}

func floor(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

func writeAnswer(w http.ResponseWriter, a answer) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(a.status)
	w.Write(encodeJSON(a.body))
}

// decode reads a JSON body, numbers as they are written.
func decode(body []byte, into any) *apiError {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return failure(400, "JSON_PARSER_ERROR", "Unexpected character or end of input: %v", err)
	}
	return nil
}
