package rules

import "time"

// Add counts one more verdict of a campaign, given at an instant, and tells whether it is one too many. window holds the instants of
// the newest verdicts, held ones included, oldest first; the returned window takes its place. A bad automation that moves thousands of
// Leads must not pay thousands of people: everything beyond the count is held until a person releases the campaign.
func (b Brake) Add(window []time.Time, at time.Time) (counted []time.Time, tooMany bool) {
	if b.Count <= 0 {
		return nil, false
	}
	tooMany = len(window) >= b.Count && at.Sub(window[len(window)-b.Count]) < b.Window
	counted = append(window, at)
	if len(counted) > b.Count {
		counted = counted[len(counted)-b.Count:]
	}
	return counted, tooMany
}
