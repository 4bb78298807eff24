package salesforce

import (
	"net/http"
	"strings"
)

// use is what a request is for; the same answer can mean different things.
type use int

const (
	useQuery use = iota
	useMore
	useDescribe
	useWrite
	useLogin
)

// kindByCode decides by errorCode wherever it can: messages are translated into
// the user's language. Codes that are not here are judged by their HTTP status;
// Salesforce adds undocumented ones with each release.
var kindByCode = map[string]Kind{
	"SERVER_UNAVAILABLE":          Transient,
	"UNKNOWN_EXCEPTION":           Transient,
	"UNABLE_TO_LOCK_ROW":          Transient,
	"TOO_MANY_APEX_REQUESTS":      Transient,
	"TXN_SECURITY_METERING_ERROR": Transient, // a transaction security policy ran out of its own quota

	"INVALID_SESSION_ID":              Refused, // reached only when a fresh session is refused again
	"INVALID_AUTH_HEADER":             Refused,
	"API_DISABLED_FOR_ORG":            Refused,
	"API_CURRENTLY_DISABLED":          Refused,
	"FORBIDDEN":                       Refused,
	"INSUFFICIENT_ACCESS":             Refused,
	"FUNCTIONALITY_NOT_ENABLED":       Refused,
	"OPERATION_NOT_ALLOWED":           Refused,
	"INACTIVE_OWNER_OR_USER":          Refused,
	"INSUFFICIENT_ACCESS_OR_READONLY": Refused,

	"INVALID_FIELD": FieldGone,
	"INVALID_TYPE":  ObjectGone,

	"QUERY_LOCATOR_EXPIRED":         Locator,
	"LOCATOR_LOCATION_EXCEEDS_SIZE": Locator,

	"QUERY_TIMEOUT":            Narrow,
	"OPERATION_TOO_LARGE":      Narrow,
	"QUERY_TOO_COMPLICATED":    Narrow,
	"REQUEST_RUNNING_TOO_LONG": Narrow,

	"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": ReadOnly,

	"GONE":                    Gone,
	"UNSUPPORTED_API_VERSION": Gone,

	"MALFORMED_QUERY":               Malformed,
	"INVALID_QUERY_FILTER_OPERATOR": Malformed,
	"JSON_PARSER_ERROR":             Malformed,
}

func classify(u use, status int, code, message string) Kind {
	switch {
	case u == useLogin:
		return classifyLogin(status, code)
	case code == "REQUEST_LIMIT_EXCEEDED":
		return limitKind(message)
	case strings.HasPrefix(code, "INVALID_QUERY_LOCATOR"):
		return Locator
	case code == "NOT_FOUND":
		return notFoundKind(u)
	}
	kind, known := kindByCode[code]
	if !known {
		return classifyStatus(u, status, code)
	}
	if u == useWrite {
		return forWrite(kind, code)
	}
	return kind
}

// forWrite turns what is wrong with a question into what it says of a record.
// Refused is kept for what stops every write alike.
func forWrite(kind Kind, code string) Kind {
	switch {
	case kind == Narrow:
		return Transient
	case kind == Malformed:
		return Rejected
	case strings.HasPrefix(code, "INSUFFICIENT_ACCESS"), code == "INACTIVE_OWNER_OR_USER", code == "OPERATION_NOT_ALLOWED":
		return Rejected
	}
	return kind
}

// limitKind tells the two meanings of REQUEST_LIMIT_EXCEEDED apart, for which
// Salesforce has only words: too many long requests at this moment, or the
// rolling day's requests used up ("TotalRequests Limit exceeded.").
func limitKind(message string) Kind {
	if strings.Contains(message, "Concurrent") {
		return Transient
	}
	return Limit
}

func notFoundKind(u use) Kind {
	switch u {
	case useDescribe:
		return ObjectGone
	case useMore:
		return Locator
	case useWrite:
		return Rejected
	}
	return Gone // the path of a query is always there in a version the org knows
}

func classifyStatus(u use, status int, code string) Kind {
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		status == http.StatusNotAcceptable, status == 420: // 406 and 420: "setting things up" pages of the edge
		return Transient
	case status >= 300 && status < 400:
		return Transient // an instance that moved; the next login tells where
	case status == http.StatusUnauthorized:
		return Refused
	case status == http.StatusForbidden && (u != useWrite || code == ""):
		return Refused
	case status == http.StatusGone:
		return Gone
	case u == useWrite && status >= 400:
		return Rejected
	case tooLong(status):
		return Narrow
	}
	return Malformed
}

// ofAnother tells of a refusal that comes as a web page whether somebody else gave it: Salesforce gives its own as JSON. It is a proxy's or a portal's,
// or, as 404, of a server of Salesforce's that the org is not at any more; a 404 for a login is rather a wrong login_url.
func ofAnother(u use, status int) bool {
	switch status {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusUnavailableForLegalReasons:
		return true
	case http.StatusNotFound:
		return u != useLogin
	}
	return false
}

func tooLong(status int) bool {
	return status == http.StatusRequestEntityTooLarge || status == http.StatusRequestURITooLong ||
		status == http.StatusRequestHeaderFieldsTooLarge
}

// classifyLogin judges answers of the token endpoint. All its refusals need a
// person, but for those that say the service or the org has had enough for now.
func classifyLogin(status int, code string) Kind {
	switch code {
	case "unknown_error", "server_error", "temporarily_unavailable", "rate_limit_exceeded":
		return Transient
	case "REQUEST_LIMIT_EXCEEDED":
		return Limit
	}
	if kind := classifyStatus(useLogin, status, code); kind == Transient {
		return kind
	}
	return Refused
}

// definite codes say that a write was not applied, whatever the status.
var definite = map[string]bool{
	"UNABLE_TO_LOCK_ROW":                                  true,
	"TOO_MANY_APEX_REQUESTS":                              true,
	"SERVER_UNAVAILABLE":                                  true,
	"REQUEST_LIMIT_EXCEEDED":                              true,
	"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": true,
}

// mayBeApplied reports whether a write that was answered this way could have
// taken effect. A 2xx gets here when its body was not what it should be.
func mayBeApplied(status int, code string) bool {
	if definite[code] {
		return false
	}
	return status < 300 || status >= 500 ||
		status == http.StatusRequestTimeout || status == http.StatusNotAcceptable || status == 420
}
