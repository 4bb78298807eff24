package simulation

import (
	"fmt"
	"sync"
	"time"
)

// tally is what came of many histories.
type tally struct {
	mu                      sync.Mutex
	seeds, failed           int
	years                   float64 // simulated; a time.Duration ends at 292
	musts, mays, nots, done int
	passes, deaths, faults  int
	told                    time.Time // when the tally was last printed
}

func (s *tally) add(w *world) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	if w.failed {
		s.failed++
	}
	s.years += w.now().Sub(birth).Hours() / (365 * 24)
	s.musts, s.mays, s.nots, s.done = s.musts+w.model.musts, s.mays+w.model.mays, s.nots+w.model.nots, s.done+w.model.done
	s.passes, s.deaths, s.faults = s.passes+w.truth.runs, s.deaths+w.deaths, s.faults+w.faults
}

// String is the tally in one line.
func (s *tally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%d seeds, %.1f simulated years, %d qualifications, %d crashes, %d faults; of the referrals %d must qualify, %d may, %d must not",
		s.seeds, s.years, s.done, s.deaths, s.faults, s.musts, s.mays, s.nots)
}

func (s *tally) anyFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed > 0
}

// tellSometimes prints how far it has come, every ten seconds.
func (s *tally) tellSometimes(began time.Time) {
	s.mu.Lock()
	tell := time.Since(s.told) > 10*time.Second
	if tell {
		s.told = time.Now()
	}
	s.mu.Unlock()
	if tell {
		fmt.Printf("%7s  %s\n", time.Since(began).Round(time.Second), s)
	}
}
