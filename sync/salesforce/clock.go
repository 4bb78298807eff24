package salesforce

import (
	"net/http"
	"time"
)

// reading is what the service's clock said, and when by ours.
type reading struct{ date, at time.Time }

// Now is the service's time: the newest Date header, a login's included, and the
// time that has passed since. known is false before the first answer.
func (c *Client) Now() (now time.Time, known bool) {
	r := c.clock.Load()
	if r == nil {
		return time.Time{}, false
	}
	return r.date.Add(time.Since(r.at)), true
}

func (c *Client) noteClock(h http.Header) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		c.clock.Store(&reading{date.UTC(), time.Now()})
	}
}
