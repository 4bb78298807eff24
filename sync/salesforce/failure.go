package salesforce

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// fault is one complaint, in any of the shapes Salesforce uses.
type fault struct {
	ErrorCode  string   `json:"errorCode"`
	StatusCode string   `json:"statusCode"` // instead of errorCode, beside "success": false
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`

	OAuthCode   string `json:"error"`
	Description string `json:"error_description"` // may be absent

	Errors     []fault          `json:"errors"`
	Duplicates *duplicateResult `json:"duplicateResult"` // as documented
	Misspelt   *duplicateResult `json:"duplicateResut"`  // as sent by many versions
}

type duplicateResult struct {
	MatchResults []struct {
		MatchRecords []struct {
			Record struct {
				ID string `json:"Id"`
			} `json:"record"`
		} `json:"matchRecords"`
	} `json:"matchResults"`
}

// failure turns an answer that is not what was asked for into an error. It is
// the only place that does.
func failure(r request, status int, h http.Header, body []byte) *APIError {
	e := &APIError{Op: r.op, Status: status, use: r.use, RetryAfter: retryAfter(h)}
	faults := readFaults(body)
	if len(faults) > 0 {
		e.describe(faults)
	} else {
		e.Message = nature(h, body)
	}
	e.Kind = classify(r.use, status, e.Code, e.Message)
	if len(faults) == 0 && isHTML(h, body) && ofAnother(r.use, status) {
		e.Kind = Transient
	}
	e.Hint = apiHint(e)
	if tooLong(status) {
		e.Err = ErrTooLong
	}
	if status >= 300 && status < 400 {
		e.Message = "redirected to " + redirectHost(h) + ", which is not followed"
		e.Hint = "if the org has moved, name its new My Domain as login_url"
	}
	if e.Kind == Gone {
		e.Hint = "set api_version to one that the org lists under /services/data"
	}
	e.unknown = r.use == useWrite && mayBeApplied(status, e.Code)
	return e
}

// describe takes over what the answer says; the first complaint gives the code.
func (e *APIError) describe(faults []fault) {
	first := faults[0]
	e.Code = firstOf(first.ErrorCode, first.StatusCode, first.OAuthCode)
	var words []string
	for _, f := range faults {
		if msg := firstOf(f.Message, f.Description); msg != "" {
			words = append(words, msg)
		}
		e.Fields = append(e.Fields, f.Fields...)
		e.Matched = append(e.Matched, f.Duplicates.ids()...)
		e.Matched = append(e.Matched, f.Misspelt.ids()...)
	}
	e.Message = strings.Join(words, "; ")
}

func (d *duplicateResult) ids() (ids []string) {
	if d == nil {
		return nil
	}
	for _, result := range d.MatchResults {
		for _, match := range result.MatchRecords {
			if id, ok := longID(match.Record.ID); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// readFaults understands the array of the REST API, the object of OAuth, and
// the object of a write with "success": false. Anything else is no fault at all.
func readFaults(body []byte) []fault {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	var faults []fault
	if body[0] == '[' {
		// A member of an unexpected type is skipped by Unmarshal and the rest
		// read, so its error is of no interest: only what was found is.
		_ = json.Unmarshal(body, &faults)
	} else {
		var f fault
		_ = json.Unmarshal(body, &f)
		faults = append(f.Errors, f)
	}
	var said []fault
	for _, f := range faults {
		if firstOf(f.ErrorCode, f.StatusCode, f.OAuthCode, f.Message) != "" {
			said = append(said, f)
		}
	}
	return said
}

// nature says in words what an answer is that has nothing to say itself.
func nature(h http.Header, body []byte) string {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return "an empty answer"
	case isHTML(h, body):
		return "an HTML page instead of an answer"
	}
	return "an answer that is not understood"
}

// redirectHost leaves out the path: it would repeat the query.
func redirectHost(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Host
}

func isHTML(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// longestWait bounds what a server can ask us to wait.
const longestWait = 24 * time.Hour

// retryAfter reads the header in seconds, or as a time relative to the answer's
// own Date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longestWait/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(0, until.Sub(date)), longestWait)
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
