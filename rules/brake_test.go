package rules_test

import (
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
)

// DESIGN 4, Brake: more than so many qualifications of a campaign in its time (verdicts, rolling, by service time) are held.
func TestBrake(t *testing.T) {
	threeAnHour := rules.Brake{Count: 3, Window: time.Hour}
	for _, c := range []struct {
		name     string
		brake    rules.Brake
		verdicts string
		want     string // one letter a verdict: g(iven) or h(eld)
	}{
		{"as many as it lets through", threeAnHour, "11 10:00, 11 10:10, 11 10:20", "ggg"},
		{"one more within the hour", threeAnHour, "11 10:00, 11 10:10, 11 10:20, 11 10:59:59", "gggh"},
		{"one more after the hour", threeAnHour, "11 10:00, 11 10:10, 11 10:20, 11 11:00", "gggg"},
		{"the hour rolls", threeAnHour, "11 10:00, 11 10:10, 11 10:20, 11 11:05, 11 11:09, 11 11:15", "gggghh"},
		{"a flood at one instant", threeAnHour, "11 10:00, 11 10:00, 11 10:00, 11 10:00, 11 10:00", "ggghh"},
		{"what is held counts too: a flood does not trickle through", threeAnHour,
			"11 10:00, 11 10:01, 11 10:02, 11 10:50, 11 10:51, 11 10:52, 11 11:10", "ggghhhh"},
		{"quiet for an hour", threeAnHour, "11 10:00, 11 10:01, 11 10:02, 11 10:50, 11 12:00", "ggghg"},
		{"the service's time goes back", threeAnHour, "11 10:00, 11 10:01, 11 10:02, 11 09:00", "gggh"},
		{"off", rules.Brake{}, "11 10:00, 11 10:00, 11 10:00, 11 10:00", "gggg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var window []time.Time
			var got strings.Builder
			for _, when := range strings.Split(c.verdicts, ", ") {
				var tooMany bool
				if window, tooMany = c.brake.Add(window, at(when)); tooMany {
					got.WriteString("h")
				} else {
					got.WriteString("g")
				}
			}
			if got.String() != c.want {
				t.Errorf("given or held: got %s, want %s", got.String(), c.want)
			}
			if len(window) > c.brake.Count {
				t.Errorf("the window grew to %d instants, want at most %d", len(window), c.brake.Count)
			}
		})
	}
}
