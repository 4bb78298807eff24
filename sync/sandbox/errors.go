package sandbox

import (
	"fmt"
	"net/http"
)

// apiError is one of Salesforce's error bodies.
type apiError struct {
	status    int
	code      string
	message   string
	fields    []string
	duplicate any      // what a duplicate rule found
	urls      []string // of a 300: the records that carry the external Id
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refusal is a 400 about the values of a record.
func refusal(code, message string, fields ...string) *apiError {
	if fields == nil {
		fields = []string{}
	}
	return &apiError{status: http.StatusBadRequest, code: code, message: message, fields: fields}
}

func failure(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func notFound() *apiError {
	return failure(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

func entityIsDeleted() *apiError {
	e := refusal("ENTITY_IS_DELETED", "entity is deleted")
	e.status = http.StatusNotFound
	return e
}

func rowLocked() *apiError {
	return refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
}

// body is the REST form: a list with one error, or the records of a 300.
func (e *apiError) body() any {
	if e.urls != nil {
		return e.urls
	}
	var one orderedObject
	if e.duplicate != nil {
		// The key is misspelt in the real answer.
		one = append(one, pair{"duplicateResut", e.duplicate})
	}
	one = append(one, pair{"message", e.message}, pair{"errorCode", e.code})
	if e.fields != nil {
		one = append(one, pair{"fields", e.fields})
	}
	return []any{one}
}

// result is the form inside a collection's answer, where the code is called
// statusCode.
func (e *apiError) result() any {
	fields := e.fields
	if fields == nil {
		fields = []string{}
	}
	return orderedObject{{"success", false}, {"errors", []any{orderedObject{
		{"statusCode", e.code}, {"message", e.message}, {"fields", fields},
	}}}}
}
