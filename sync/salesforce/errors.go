package salesforce

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Kind says what a failure means for the caller.
type Kind string

// The kinds of failure.
const (
	Transient  Kind = "transient"   // may work later: network, 5xx, 429, an HTML page, a cut body
	Stopped    Kind = "stopped"     // the caller's context ended
	Limit      Kind = "limit"       // the org's daily API requests are used up
	Refused    Kind = "refused"     // credentials or permissions: needs a person
	FieldGone  Kind = "field gone"  // a field is deleted, renamed or hidden: describe anew
	ObjectGone Kind = "object gone" // the same for an object
	Locator    Kind = "locator"     // a next-page path has expired: ask the query again
	Narrow     Kind = "narrow"      // too much asked at once: fewer values, columns or rows
	Rejected   Kind = "rejected"    // this write is refused for good
	ReadOnly   Kind = "read-only"   // the org is in maintenance: reading works, writing later
	Gone       Kind = "gone"        // the API version is retired or unknown to the org
	Malformed  Kind = "malformed"   // a question or an answer that cannot be understood; asking again does not help
)

// ErrTooLong is in the chain of the error for a query that was not sent, or
// that Salesforce refused, because of its length. Its kind is Narrow.
var ErrTooLong = errors.New("the query is too long")

// APIError is the error of every call that failed.
type APIError struct {
	Op      string // what we were doing
	Kind    Kind
	Status  int    // HTTP status, or a composite subrequest's; 0 when there was no answer
	Code    string // Salesforce's errorCode, or the OAuth error
	Message string // Salesforce's words; they may quote record values and e-mail addresses
	Fields  []string
	Matched []string // DUPLICATES_DETECTED: Ids of the records that matched

	RetryAfter time.Duration // 0 when the answer did not say
	Hint       string        // what a person can do about it; may be empty
	Err        error         // the cause where it was not Salesforce that complained

	use     use
	unknown bool
}

// KindOf classifies an error of this package; it is "" for any other.
func KindOf(err error) Kind {
	var e *APIError
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// NoEntry reports whether we are not let in at all: by a login, by a session
// that was fresh, or to the API as such. Any other refusal is of one thing that
// was asked for.
func (e *APIError) NoEntry() bool {
	api := e.Code == "API_DISABLED_FOR_ORG" || e.Code == "API_CURRENTLY_DISABLED"
	return e.Kind == Refused && (api || e.use == useLogin || e.Status == http.StatusUnauthorized)
}

// UnknownOutcome reports whether a write that failed with err may have been
// applied nevertheless. The caller has to look before it writes again.
func UnknownOutcome(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.unknown
}

var emailLike = regexp.MustCompile(`[^\s'"<>(),;:=\[\]]+@[^\s'"<>(),;:\[\]]+`)

// maxMessage bounds how much of Salesforce's words goes into an error's text.
const maxMessage = 400

// Error leaves out e-mail addresses: Salesforce quotes the query or the value
// that it complains about, and errors are logged.
func (e *APIError) Error() string {
	parts := []string{e.Op}
	if what := e.what(); what != "" {
		parts = append(parts, what)
	}
	if msg := oneLine(e.Message); msg != "" {
		parts = append(parts, msg)
	}
	if e.Err != nil {
		parts = append(parts, oneLine(e.Err.Error()))
	}
	text := strings.Join(parts, ": ")
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *APIError) what() string {
	status := ""
	if e.Status != 0 {
		status = fmt.Sprintf("HTTP %d", e.Status)
	}
	return strings.TrimSpace(status + " " + oneLine(e.Code))
}

// oneLine is what may go to a log or a terminal: without control characters too,
// which could rewrite what stands there.
func oneLine(msg string) string {
	msg = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, msg)
	msg = emailLike.ReplaceAllString(strings.Join(strings.Fields(msg), " "), "(e-mail)")
	if len(msg) > maxMessage {
		msg = strings.ToValidUTF8(msg[:maxMessage], "") + "..."
	}
	return msg
}

// Unwrap gives the cause where Salesforce did not name one.
func (e *APIError) Unwrap() error { return e.Err }

func malformed(op string, cause error) *APIError {
	return &APIError{Op: op, Kind: Malformed, Err: cause}
}
