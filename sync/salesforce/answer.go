package salesforce

import (
	"errors"
	"net/http"
	"time"
)

// ErrNoDate is in the chain of the error for an answer without a usable Date
// header. Without it nothing says when the answer was true, and the local clock
// does not stand in for it.
var ErrNoDate = errors.New("the answer has no usable Date header")

// boundMargin is what a watermark stays behind the start of an answer, for
// clocks that differ between Salesforce's own servers.
const boundMargin = 5 * time.Second

// Answer is when an answer was given, by Salesforce's clock. The Date header is
// written when an answer is finished, so a slow one shows data that is older
// than its Date.
type Answer struct {
	Date  time.Time // as sent: the end of the answer
	Since time.Time // Date less the whole seconds that the request took: what the answer shows is at least this new
	Bound time.Time // how far a watermark may move: Date less the time the request took, less 5 s
}

// answerAt makes the Answer of a response; took is measured on the monotonic clock.
func answerAt(h http.Header, took time.Duration) (Answer, error) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return Answer{}, ErrNoDate
	}
	date = date.UTC()
	return Answer{
		Date:  date,
		Since: date.Add(-took.Truncate(time.Second)),
		Bound: date.Add(-took - boundMargin),
	}, nil
}
