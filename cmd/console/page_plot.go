package console

import (
	"fmt"
	"math"
	"slices"
	"time"

	"qualifyd/cmd/desk"
)

// plot is a drawing over days. Across, it is in percent of the plot's width, so that it fits any screen with letters of one size; down, in
// pixels from the top.
type plot struct {
	ID, Title, Desc string
	Unit            string // what the vertical axis counts
	Height, Bottom  int    // Bottom is where the horizontal axis lies
	Down            []mark
	Across          []mark // each below its day
	Bars            []bar
	Spans           []span
	Steps           []step // lines between the middles of neighbouring spans
	Heads           []string
	Rows            []row // the same in numbers
}

// mark is a label on an axis.
type mark struct {
	At   float64
	Text string
}

type bar struct {
	X, Width, Y, Height float64
	Tip                 string
}

// span is where a day's delays lie: half of them are below Middle, 95 % below Top.
type span struct {
	X, Middle, Top float64
	Tip            string
}

type step struct{ X1, Y1, X2, Y2 float64 }

// row is a day in the table beside a plot.
type row struct {
	Day    string
	Values []string
}

// The plots' measures in pixels.
const (
	plotHeight = 216
	plotTop    = 14
	plotBottom = 188
)

// slot is where a day lies, in percent: its left end, its middle, and the width of what is drawn there.
func slot(i, days int) (left, middle, width float64) {
	each := 100 / float64(days)
	width = min(each*0.72, 6)
	middle = each * (float64(i) + 0.5)
	return middle - width/2, middle, width
}

// dayMarks labels at most four days, which fits a phone.
func dayMarks(days []desk.Day) []mark {
	const most = 4
	var out []mark
	every := (len(days) + most - 1) / most
	for i := (len(days) - 1) % every; i < len(days); i += every {
		_, middle, _ := slot(i, len(days))
		out = append(out, mark{middle, shortDay(days[i].Date)})
	}
	return out
}

func shortDay(date string) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return day.Format("2 Jan")
}

// countPlot draws how many were qualified on each day.
func countPlot(days []desk.Day) plot {
	most, sum, busiest := 0, 0, 0
	for i, day := range days {
		sum += day.Qualified
		if day.Qualified > most {
			most, busiest = day.Qualified, i
		}
	}
	p := plot{ID: "per-day", Title: "Qualifications per day", Unit: "qualifications", Height: plotHeight, Bottom: plotBottom, Across: dayMarks(days), Heads: []string{"Qualified"}}
	p.Desc = fmt.Sprintf("One bar a day (UTC), %s to %s: %s in all", days[0].Date, days[len(days)-1].Date, plural(sum, "qualification"))
	if most > 0 {
		p.Desc += fmt.Sprintf(", most on %s: %d", days[busiest].Date, most)
	}
	top, gap := niceTop(most)
	y := func(n int) float64 { return plotBottom - float64(n)/float64(top)*(plotBottom-plotTop) }
	for n := 0; n <= top; n += gap {
		p.Down = append(p.Down, mark{At: y(n), Text: fmt.Sprint(n)})
	}
	for i, day := range days {
		left, _, width := slot(i, len(days))
		p.Rows = append(p.Rows, row{day.Date, []string{fmt.Sprint(day.Qualified)}})
		if day.Qualified > 0 {
			p.Bars = append(p.Bars, bar{left, width, y(day.Qualified), plotBottom - y(day.Qualified), fmt.Sprintf("%s: %d", day.Date, day.Qualified)})
		}
	}
	return p
}

// niceTop is a round number at or above n, and the gap between the labels up to it.
func niceTop(n int) (top, gap int) {
	for unit := 1; ; unit *= 10 {
		for _, gap := range []int{unit, 2 * unit, 5 * unit} {
			if n <= 4*gap {
				return max((n+gap-1)/gap, 1) * gap, gap
			}
		}
	}
}

// delayTicks label the axis of durations, in seconds.
var delayTicks = []float64{1, 10, 60, 10 * 60, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600, 365 * 24 * 3600, 10 * 365 * 24 * 3600}

// delayPlot draws how long it took from the event in Salesforce to the qualification: the median of each day, and what 95 % stay below. The
// axis is logarithmic, because a minute and a day both happen.
func delayPlot(days []desk.Day) plot {
	p := plot{ID: "delay", Title: "From event to qualification", Unit: "time, on a logarithmic axis", Height: plotHeight, Bottom: plotBottom, Across: dayMarks(days),
		Heads: []string{"Median", "95 %"}}
	var all []float64
	for _, day := range days {
		all = append(all, day.Delays...)
	}
	lo, hi := delayRange(all)
	y := func(seconds float64) float64 {
		share := math.Log(max(seconds, delayTicks[lo])/delayTicks[lo]) / math.Log(delayTicks[hi]/delayTicks[lo])
		return plotBottom - share*(plotBottom-plotTop)
	}
	for _, tick := range delayTicks[lo : hi+1] {
		p.Down = append(p.Down, mark{At: y(tick), Text: lasting(seconds(tick))})
	}
	var before *span
	for i, day := range days {
		if len(day.Delays) == 0 {
			before = nil
			continue
		}
		_, x, _ := slot(i, len(days))
		median, most := quantile(day.Delays, 0.5), quantile(day.Delays, 0.95)
		tip := fmt.Sprintf("%s: half within %s, 95 %% within %s", day.Date, lasting(median), lasting(most))
		p.Spans = append(p.Spans, span{x, y(median.Seconds()), y(most.Seconds()), tip})
		p.Rows = append(p.Rows, row{day.Date, []string{lasting(median), lasting(most)}})
		now := &p.Spans[len(p.Spans)-1]
		if before != nil {
			p.Steps = append(p.Steps, step{before.X, before.Middle, now.X, now.Middle})
		}
		before = now
	}
	p.Desc = delayWords(days, p.Rows)
	return p
}

func delayWords(days []desk.Day, rows []row) string {
	if len(rows) == 0 {
		return "None of these days has a qualification whose event is known."
	}
	newest := rows[len(rows)-1]
	return fmt.Sprintf("One mark a day (UTC), %s to %s: the median, with a line up to what 95 %% stay within. On %s half took at most %s, and 95 %% at most %s",
		days[0].Date, days[len(days)-1].Date, newest.Day, newest.Values[0], newest.Values[1])
}

// delayRange is the first and the last label of an axis that holds all the delays.
func delayRange(delays []float64) (lo, hi int) {
	if len(delays) == 0 {
		return 0, 1
	}
	least, most := slices.Min(delays), slices.Max(delays)
	for lo < len(delayTicks)-2 && delayTicks[lo+1] <= least {
		lo++
	}
	hi = lo + 1
	for hi < len(delayTicks)-1 && delayTicks[hi] < most {
		hi++
	}
	return lo, hi
}

// quantile is the smallest of ascending delays that at least so large a share of them does not exceed.
func quantile(ascending []float64, share float64) time.Duration {
	i := int(math.Ceil(share*float64(len(ascending)))) - 1
	return seconds(ascending[max(i, 0)])
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
