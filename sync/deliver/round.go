package deliver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"qualifyd/store"
	"qualifyd/sync/referralfactory"
)

const (
	// atOnce is how many entries are under way at once. One after the other, answers that take half a second would leave more than half of 300
	// calls a minute unused; some answers take half a minute, and hold up none of the others.
	atOnce = 10

	// helpAfter is how long the entries under way have to themselves before one more joins them: few, answered soon, go one after the other, in
	// their order.
	helpAfter = 250 * time.Millisecond

	// inARow is how many entries in a row may find the service unavailable before the rest is left for later.
	inARow = 3
)

// round is one Run: every entry is tried once.
type round struct {
	*Deliverer
	debts    []store.Debt
	patient  bool
	problems []error // of the debts, in their order

	mu       sync.Mutex // guards what follows
	tried    int        // of the debts
	answered bool       // the service has, and took the key
	failures int        // in a row
	over     bool       // the rest is left for later
	panicked any
}

// run tries entries alone until the service has answered, and then several at once: one that is away, or refuses the key, is not asked more often
// than it takes to find out.
func (r *round) run(ctx context.Context) {
	for !r.answered && r.next(ctx) {
	}
	left, nothing := context.WithCancel(ctx) // until nothing is left to begin with
	defer nothing()
	var hands sync.WaitGroup
	for n := range atOnce {
		hands.Go(func() {
			defer nothing()
			select {
			case <-left.Done():
			case <-time.After(time.Duration(n) * helpAfter):
				for r.next(ctx) {
				}
			}
		})
	}
	hands.Wait()
	if r.panicked != nil {
		panic(r.panicked) // where it can be caught
	}
}

// next tries the next entry. It reports false where none is left.
func (r *round) next(ctx context.Context) bool {
	at, more := r.take(ctx)
	if !more {
		return false
	}
	debt := r.debts[at]
	if debt.Parked {
		return true
	}
	if trouble := r.waiting(debt); r.patient && trouble != nil {
		r.problems[at] = trouble
		return true
	}
	err := r.try(ctx, debt)
	r.note(debt, err)
	r.problems[at] = err
	r.learn(err)
	return true
}

func (r *round) take(ctx context.Context) (at int, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || ctx.Err() != nil || r.tried == len(r.debts) {
		return 0, false
	}
	r.tried++
	return r.tried - 1, true
}

// try delivers an entry. A panic ends the round, and is kept with where it began.
func (r *round) try(ctx context.Context, debt store.Debt) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.over, r.panicked = true, fmt.Sprintf("%v\n%s", cause, debug.Stack())
		}
	}()
	if err := r.deliver(ctx, debt.Referral); err != nil {
		return fmt.Errorf("deliver referral %d: %w", debt.Referral, err)
	}
	return nil
}

// learn draws the conclusions for the rest.
func (r *round) learn(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused *referralfactory.Refused
	var unavailable *referralfactory.Unavailable
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrStore):
		r.over = true
	case errors.As(err, &unavailable) && (unavailable.Status == 0 || unavailable.Status >= 300):
		if r.failures++; r.failures == inARow {
			r.over = true
		}
	default:
		r.failures, r.answered = 0, true
	}
}
