package poll_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// wire notes every request, and lets single queries of a composite fail, which no fault of the sandbox does: its faults are of whole requests.
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
	queries := queriesIn(r)
	if len(queries) == 0 {
		t.w.requests = append(t.w.requests, r.Method+" "+r.URL.Path)
	}
	failing := map[string]bool{}
	for reference, soql := range queries {
		t.w.requests = append(t.w.requests, soql)
		failing[reference] = t.w.failing != "" && strings.Contains(soql, " FROM "+t.w.failing+" ")
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil || t.w.failing == "" || !isComposite(r) {
		return resp, err
	}
	return failQueries(resp, failing)
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

// failQueries puts errors in the place of some answers of a composite.
func failQueries(resp *http.Response, failing map[string]bool) (*http.Response, error) {
	var answer struct {
		Answers []map[string]any `json:"compositeResponse"`
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		resp.Body = io.NopCloser(bytes.NewReader(raw))
		return resp, err
	}
	for _, a := range answer.Answers {
		if failing[a["referenceId"].(string)] {
			a["httpStatusCode"] = http.StatusBadRequest
			a["body"] = []map[string]string{{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}}
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
