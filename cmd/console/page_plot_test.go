package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/cmd/desk"
)

func TestAxesEndAtRoundNumbers(t *testing.T) {
	for most, want := range map[int][2]int{0: {1, 1}, 1: {1, 1}, 3: {3, 1}, 5: {6, 2}, 8: {8, 2}, 9: {10, 5}, 47: {60, 20}, 1234: {1500, 500}} {
		if top, gap := niceTop(most); [2]int{top, gap} != want {
			t.Errorf("%d: got up to %d by %d, want up to %d by %d", most, top, gap, want[0], want[1])
		}
	}
	for _, c := range []struct {
		delays []float64
		want   string
	}{
		{nil, "1 s to 10 s"}, {[]float64{0}, "1 s to 10 s"}, {[]float64{59}, "10 s to 1 min"}, {[]float64{60, 61}, "1 min to 10 min"},
		{[]float64{5, 90_000}, "1 s to 7 d"}, {[]float64{1e12}, "365 d to 3650 d"},
	} {
		lo, hi := delayRange(c.delays)
		if got := lasting(seconds(delayTicks[lo])) + " to " + lasting(seconds(delayTicks[hi])); got != c.want {
			t.Errorf("%v: got an axis from %s, want from %s", c.delays, got, c.want)
		}
	}
}

func TestAPlotStaysWithinItsFrame(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, days := range []int{1, 2, 6, 90} {
		var all []desk.Day
		for i := range days {
			day := desk.Day{Date: now.AddDate(0, 0, i-days+1).Format(time.DateOnly), Qualified: i % 7}
			for n := range day.Qualified {
				day.Delays = append(day.Delays, float64(n*n*n*i))
			}
			all = append(all, day)
		}
		inside := func(what string, x, y float64) {
			if x < 0 || x > 100 || y < plotTop || y > plotBottom {
				t.Errorf("%d days: %s is at %g %%, %g px", days, what, x, y)
			}
		}
		counts, delays := countPlot(all), delayPlot(all)
		for _, b := range counts.Bars {
			inside("a bar", b.X, b.Y)
			inside("a bar's other corner", b.X+b.Width, b.Y+b.Height)
		}
		for _, s := range delays.Spans {
			inside("a median", s.X, s.Middle)
			inside("a span's top", s.X, s.Top)
		}
		if n := len(counts.Across); n > 5 {
			t.Errorf("%d days: got %d labels, want at most 5", days, n)
		}
		if last := counts.Across[len(counts.Across)-1].Text; last != "1 Mar" {
			t.Errorf("%d days: the last label is %s, want 1 Mar", days, last)
		}
	}
}

func TestAStandstillIsSeenInThePlots(t *testing.T) {
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	got := untilToday([]desk.Day{{Date: "2026-03-02", Qualified: 3}}, now)
	want := []desk.Day{{Date: "2026-03-02", Qualified: 3}, {Date: "2026-03-03"}, {Date: "2026-03-04"}, {Date: "2026-03-05"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the days (-want +got):\n%s", diff)
	}
	years := untilToday([]desk.Day{{Date: "2020-01-01", Qualified: 3}}, now)
	if len(years) != daysShown || years[daysShown-1].Date != "2026-03-05" {
		t.Errorf("after years: got %d days up to %s, want the newest %d", len(years), years[len(years)-1].Date, daysShown)
	}
	countPlot(years)
	if got, want := delayPlot(years).Desc, "None of these days has a qualification whose event is known."; got != want {
		t.Errorf("after years: got %q, want %q", got, want)
	}
}

func TestMedianAndMost(t *testing.T) {
	var twenty []float64
	for n := range 20 {
		twenty = append(twenty, float64(n+1))
	}
	for _, c := range []struct {
		delays []float64
		want   string
	}{{[]float64{7}, "7s 7s"}, {[]float64{1, 9}, "1s 9s"}, {twenty, "10s 19s"}} {
		if got := fmt.Sprint(quantile(c.delays, 0.5), " ", quantile(c.delays, 0.95)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.delays, got, c.want)
		}
	}
}

func TestDurationsAndNumbersAsPeopleReadThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min 30 s", 12*time.Minute + 5*time.Second: "12 min", 3*time.Hour + 20*time.Minute: "3 h 20 min",
		26 * time.Hour: "1 d 2 h", 40 * 24 * time.Hour: "40 d",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
