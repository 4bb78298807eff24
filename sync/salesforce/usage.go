package salesforce

import (
	"net/http"
	"strconv"
	"strings"
)

// usage is what the org has used of its daily API requests (rolling 24 h).
type usage struct{ used, max int }

// Usage reports the newest Sforce-Limit-Info header: API requests used in the
// last 24 hours and the org's allowance. known is false while no answer carried
// it, which means unknown and not unlimited.
func (c *Client) Usage() (used, max int, known bool) {
	u := c.usage.Load()
	if u == nil {
		return 0, 0, false
	}
	return u.used, u.max, true
}

func (c *Client) noteUsage(h http.Header) {
	if u, ok := parseUsage(h.Get("Sforce-Limit-Info")); ok {
		c.usage.Store(&u)
	}
}

// parseUsage reads "api-usage=25/5000", also where a quota of the app follows:
// "api-usage=25/5000; per-app-api-usage=17/250(appName=qualifyd)".
func parseUsage(header string) (usage, bool) {
	for part := range strings.SplitSeq(header, ";") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !ok {
			continue
		}
		before, after, _ := strings.Cut(rest, "/")
		used, errUsed := strconv.Atoi(strings.TrimSpace(before))
		allowed, errAllowed := strconv.Atoi(strings.TrimSpace(after))
		known := errUsed == nil && errAllowed == nil && used >= 0 && allowed > 0
		return usage{used, allowed}, known
	}
	return usage{}, false
}
