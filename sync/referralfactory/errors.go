package referralfactory

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// What a call can fail with; everything else is a context's error.
//
//	answer                                   error          sent again by the client
//	401, 403                                 *Refused       no
//	404, 410                                 ErrNotFound    no
//	other 4xx                                *Rejected      no
//	network, 408, 429, 5xx, redirect,        *Unavailable   reads, three times in all
//	cut, not the API's JSON, without Date
var (
	// ErrNotFound says that the account has no user with this id.
	ErrNotFound = errors.New("no such user in Referral Factory")

	// ErrNoDate is the Cause of an Unavailable whose answer was good but for
	// its Date header: nothing can be decided without the service's time.
	ErrNoDate = errors.New("the answer has no usable Date header; look for a proxy that removes it")

	errWebPage = errors.New("a web page instead of JSON; a proxy or a maintenance page answered, or the base URL is wrong")
)

// Refused says that the service does not accept the key.
type Refused struct {
	Status  int // 401, or 403 (administrators only)
	Message string
}

func (e *Refused) Error() string {
	text := fmt.Sprintf("Referral Factory refused the API key (%d)", e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Status == 403 {
		return text + "; the key has to be an administrator's"
	}
	return text + "; only an account's newest key works, so copy it again"
}

// Rejected says that the service understood the call and will never do it.
type Rejected struct {
	Status  int
	Message string
	Fields  map[string][]string // what is wrong with which field; "" for no field
}

func (e *Rejected) Error() string {
	text := fmt.Sprintf("Referral Factory rejected it (%d)", e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		text += "; "
		if field != "" {
			text += field + ": "
		}
		text += strings.Join(e.Fields[field], " ")
	}
	return cut(text, 1000)
}

// Unavailable says that the service did not answer, or not as it should; later
// it may.
type Unavailable struct {
	Status     int           // 0: no answer
	RetryAfter time.Duration // what the service asked for; 0: nothing
	Cause      error         // nil: the status says it all
}

func (e *Unavailable) Error() string {
	text := "Referral Factory did not answer"
	if e.Status != 0 {
		text = fmt.Sprintf("Referral Factory answered %d", e.Status)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (asks to wait %v)", e.RetryAfter)
	}
	return text
}

func (e *Unavailable) Unwrap() error { return e.Cause }

// Unknown reports whether the call may have been carried out all the same.
// It was not when the service was never reached or counted it as one too many.
func (e *Unavailable) Unknown() bool {
	var op *net.OpError
	neverSent := errors.As(e.Cause, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
	return e.Status != 429 && !neverSent
}

// UnknownOutcome reports whether a change that returned err may have happened.
// If so, read the user before sending it again.
func UnknownOutcome(err error) bool {
	var u *Unavailable
	return errors.As(err, &u) && u.Unknown()
}

// newRejected reads the body of a 4xx: {"message": ..., "errors": ...}, either
// of which may be missing. clean makes the service's words fit for a log.
func newRejected(status int, body []byte, clean func(string) string) *Rejected {
	e := &Rejected{Status: status, Message: clean(message(body))}
	var reply struct {
		Errors any `json:"errors"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Errors == nil {
		return e
	}
	e.Fields = make(map[string][]string)
	collect(reply.Errors, "", func(field, problem string) {
		field = clean(field)
		e.Fields[field] = append(e.Fields[field], clean(problem))
	})
	return e
}

func message(body []byte) string {
	var reply struct {
		Message any `json:"message"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	text, _ := reply.Message.(string)
	return text
}

// collect finds the problems in "errors". Seen in the wild: a list of objects
// by field, {"email": [{"field": "email", "message": "..."}]}, a list of strings
// by field, and bare lists of either.
func collect(v any, field string, found func(field, problem string)) {
	switch v := v.(type) {
	case string:
		found(field, v)
	case []any:
		for _, each := range v {
			collect(each, field, found)
		}
	case map[string]any:
		if text, ok := v["message"].(string); ok {
			if name, ok := v["field"].(string); ok {
				field = name
			}
			found(field, text)
			return
		}
		for name, each := range v {
			collect(each, name, found)
		}
	}
}

var emailAddress = regexp.MustCompile(`[^\s"'<>(),;:]+@[^\s"'<>(),;:]+`)

// clean makes the service's words fit for an error, which ends in a log: no
// key, no e-mail address, one line, not too long.
func (c *Client) clean(text string) string {
	text = oneLine(strings.ReplaceAll(text, *c.key.Load(), "(API key)"))
	return cut(text, 300)
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "..."
	}
	return text
}

// oneLine leaves out e-mail addresses, and what could rewrite the line that it stands in.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	return emailAddress.ReplaceAllString(strings.Join(strings.Fields(text), " "), "(e-mail)")
}
