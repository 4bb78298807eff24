package bench

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"text/tabwriter"
)

var full = flag.Bool("full", false, "measure in full size, and print the table")

// size is small in the ordinary tests, and large where figures are wanted.
func size(small, large int) int {
	if *full {
		return large
	}
	return small
}

// bound says on which side of its limit a figure is good.
type bound int

const (
	noLimit bound = iota
	atMost
	atLeast
)

// figure is a line of the table.
type figure struct {
	part  string // what it belongs to: calls, throughput, growth, delay, delivery
	what  string
	value float64
	unit  string
	bound bound
	limit float64
}

var table struct {
	sync.Mutex
	figures []figure
}

// show adds a line to the table.
func show(f figure) {
	table.Lock()
	defer table.Unlock()
	table.figures = append(table.figures, f)
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *full {
		printTable()
	}
	os.Exit(code)
}

// printTable prints the lines in the order in which they were measured. The ratio is the figure to its limit.
func printTable() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tWHAT\tFIGURE\tUNIT\tLIMIT\tRATIO\t")
	for _, f := range table.figures {
		limit, ratio, over := "-", "-", ""
		if f.bound != noLimit {
			limit = map[bound]string{atMost: "≤ ", atLeast: "≥ "}[f.bound] + number(f.limit)
			ratio = strconv.FormatFloat(f.value/f.limit, 'f', 2, 64)
		}
		if f.bound == atMost && f.value > f.limit || f.bound == atLeast && f.value < f.limit {
			over = "NOT HELD"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.part, f.what, number(f.value), f.unit, limit, ratio, over)
	}
	w.Flush()
}

// number shows three digits at least, and no more behind the point than that takes.
func number(v float64) string {
	for digits, least := range []float64{100, 10, 1} {
		if v >= least || v == float64(int64(v)) {
			return strconv.FormatFloat(v, 'f', digits, 64)
		}
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
