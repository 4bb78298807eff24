package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	oneSeed    = flag.Int64("seed", -1, "tell the whole story of one seed")
	someMore   = flag.Int("seeds", 0, "how many histories to go through at most; 0 is as many as fit into the time of an ordinary test, and for torture all")
	firstOf    = flag.Uint64("from", 0, "the first seed")
	modelAlone = flag.Bool("model", false, "leave it to the model to find what is wrong: the store's invariants are not looked at")
	torture    = flag.Bool("torture", false, "go through histories until one fails or the test is interrupted")
)

// history is one seed's history, from its beginning to the model's verdict. It adds it to the tally.
func history(t *testing.T, seed uint64, sum *tally) *world {
	t.Helper()
	var w *world
	defer func() { sum.add(w) }() // also when the test ends here
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed, nil)
		w.live()
	})
	return w
}

// Whatever happens in the services, whatever goes wrong and whenever the process dies: in the end everybody who must be qualified is, once in
// effect, and nobody else.
func TestRandomHistories(t *testing.T) {
	if *oneSeed >= 0 {
		w := history(t, uint64(*oneSeed), &tally{})
		for _, l := range w.story {
			fmt.Printf("%s  %s\n", l.at.Format("Jan 02 15:04:05"), l.text)
		}
		return
	}
	var sum tally
	t.Cleanup(func() { t.Log(sum.String()) })
	t.Run("seed", func(t *testing.T) {
		for n := range uint64(howMany()) {
			t.Run(fmt.Sprint(*firstOf+n), func(t *testing.T) {
				t.Parallel()
				history(t, *firstOf+n, &sum)
			})
		}
	})
}

// someHistories is how many fit into some twenty seconds on two cores.
const someHistories = 300

// howMany histories an ordinary test goes through. With the race detector they are few: TestAGuardThatIsTakenOutIsMissed goes through all without
// it.
func howMany() int {
	switch {
	case *someMore > 0:
		return *someMore
	case testing.Short() || raceDetector:
		return 10
	}
	return someHistories
}

// The same for as long as one likes, on all cores: `make torture`. It says how far it has come, and ends with the first seed that fails.
func TestTorture(t *testing.T) {
	if !*torture {
		t.Skip("make torture")
	}
	var sum tally
	var next atomic.Uint64
	next.Store(*firstOf)
	began := time.Now()
	t.Run("on", func(t *testing.T) {
		for core := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(core), func(t *testing.T) {
				t.Parallel()
				for !sum.anyFailed() {
					seed := next.Add(1) - 1
					if *someMore > 0 && seed >= *firstOf+uint64(*someMore) {
						return
					}
					history(t, seed, &sum)
					sum.tellSometimes(began)
				}
			})
		}
	})
	fmt.Println(sum.String())
}

// The same seed gives the same history, to the second and the last answer: else a failure could not be looked into.
func TestTheSameSeedIsTheSameHistory(t *testing.T) {
	few := uint64(6)
	if raceDetector {
		few = 2
	}
	for seed := range few {
		first, second := history(t, seed, &tally{}), history(t, seed, &tally{})
		if a, b := lines(first), lines(second); a != b {
			t.Errorf("seed %d: the second time it went otherwise: got %d lines, want %d; they part at\n%s", seed, len(second.story), len(first.story), parting(a, b))
		}
	}
}

func lines(w *world) string {
	var out strings.Builder
	for _, l := range w.story {
		fmt.Fprintln(&out, l.at.Format("Jan 02 15:04:05.000"), l.text)
	}
	return out.String()
}

// parting is where two texts begin to differ.
func parting(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-5):i+1], "\n") + "\n" + y[i]
		}
	}
	return ""
}

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(800) // a history is gone in a second, with all that it needed
	os.Exit(m.Run())
}
