package poll_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// wire is the way to the services. It notes every request, and does what no fault of the sandbox does, whose faults are of whole requests: single
// queries of a composite fail, something happens around a request, and Salesforce tells a wrong time.
type wire struct {
	w    *world
	next http.RoundTripper
}

// compositeBody is the part of a composite request that names its queries.
type compositeBody struct {
	Requests []struct {
		URL         string `json:"url"`
		ReferenceID string `json:"referenceId"`
	} `json:"compositeRequest"`
}

// RoundTrip sends a request on.
func (t wire) RoundTrip(r *http.Request) (*http.Response, error) {
	codes := t.note(r)
	t.w.around(t.w.before, r)
	resp, err := t.next.RoundTrip(r)
	t.w.around(t.w.after, r)
	if err != nil {
		return resp, err
	}
	if r.URL.Host == sfHost {
		tellLater(resp, t.w.ahead)
	} else {
		tellLater(resp, t.w.aheadRF)
	}
	if len(codes) == 0 || !isComposite(r) {
		return resp, nil
	}
	return failQueries(resp, codes)
}

// note notes what is asked, and tells with which codes queries of a composite are to fail, by reference.
func (t wire) note(r *http.Request) map[string]string {
	t.w.noting.Lock()
	defer t.w.noting.Unlock()
	queries, codes := queriesIn(r), map[string]string{}
	if len(queries) == 0 {
		t.w.requests = append(t.w.requests, r.Method+" "+r.URL.Path)
	}
	for reference, soql := range queries {
		t.w.requests = append(t.w.requests, soql)
		if code := t.w.codeFor(soql); code != "" {
			codes[reference] = code
		}
	}
	return codes
}

// around runs what is to happen around a request, where anything is.
func (w *world) around(happen func(*http.Request), r *http.Request) {
	if happen != nil {
		happen(r)
	}
}

// tellLater makes an answer's Date a later one.
func tellLater(resp *http.Response, by time.Duration) {
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		resp.Header.Set("Date", date.Add(by).Format(http.TimeFormat))
	}
}

// Fail lets every query of a composite that contains a text fail with a code, until Heal.
func (w *world) Fail(text, code string) { w.failing[text] = code }

// Heal ends what Fail began.
func (w *world) Heal() { clear(w.failing) }

// codeFor is the code with which a query fails, "" when it does not.
func (w *world) codeFor(soql string) string {
	for text, code := range w.failing {
		if strings.Contains(soql, text) {
			return code
		}
	}
	return ""
}

// onFirst has something happen at the first request that fits, and at none after it.
func onFirst(fits func(*http.Request) bool, happen func()) func(*http.Request) {
	done := false
	return func(r *http.Request) {
		if done || !fits(r) {
			return
		}
		done = true // what happens makes requests of its own
		happen()
	}
}

// queriesIn are the query texts of a request, by the name they have in it.
func queriesIn(r *http.Request) map[string]string {
	out := map[string]string{}
	if soql := r.URL.Query().Get("q"); soql != "" {
		out[""] = soql
	}
	if !isComposite(r) {
		return out
	}
	var body compositeBody
	if in, err := r.GetBody(); err == nil {
		json.NewDecoder(in).Decode(&body)
	}
	for _, sub := range body.Requests {
		if u, err := url.Parse(sub.URL); err == nil {
			out[sub.ReferenceID] = u.Query().Get("q")
		}
	}
	return out
}

// failQueries puts errors in the place of some answers of a composite, with the code that there is for their names.
func failQueries(resp *http.Response, codes map[string]string) (*http.Response, error) {
	var answer struct {
		Answers []map[string]any `json:"compositeResponse"`
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		resp.Body = io.NopCloser(bytes.NewReader(raw))
		return resp, err
	}
	for _, a := range answer.Answers {
		if code := codes[a["referenceId"].(string)]; code != "" {
			a["httpStatusCode"] = http.StatusBadRequest
			a["body"] = []map[string]string{{"errorCode": code, "message": "this query fails in this test"}}
		}
	}
	raw, err = json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return resp, err
}

// Asked is how many requests or queries since the last call of Asked contain a text.
func (w *world) Asked(text string) (n int) {
	for _, r := range w.requests {
		if strings.Contains(r, text) {
			n++
		}
	}
	w.requests = nil
	return n
}
