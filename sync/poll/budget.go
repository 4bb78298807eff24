package poll

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"qualifyd/store"
)

// Spend counts a Salesforce API call that is about to be made; it is given to the Salesforce client and may be called from any goroutine. A
// pass may not spend more than its share, ErrBudget says. What a person asks for is counted, and allowed.
func (p *Poller) Spend(ctx context.Context) error {
	if a, ok := ctx.Value(allowanceKey{}).(*allowance); ok && !a.take() {
		return fmt.Errorf("%w: %d calls in 24 hours; polls wait until the oldest of them are a day ago (raise salesforce.daily_calls, or lengthen poll.schedule)",
			ErrBudget, a.share)
	}
	p.calls.Add(1)
	return nil
}

// allowance is how many calls a pass may still make.
type allowance struct {
	share int // of the day; 0: not known, and no bound
	left  atomic.Int64
}

type allowanceKey struct{}

func (a *allowance) on(ctx context.Context) context.Context {
	return context.WithValue(ctx, allowanceKey{}, a)
}

func (a *allowance) take() bool { return a.share == 0 || a.left.Add(-1) >= 0 }

// update runs a transaction of the pass, in which the calls that it has made so far are counted, by the service's time: a pass that dies has
// made them all the same, and no watermark is ahead of the newest call. An idle pass has one that changes something: with its only answer.
func (t *pass) update(fn func(*store.Tx) error) error {
	n := int64(0)
	err := t.Poller.update(func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		now, known := t.Salesforce.Now()
		if !known {
			return nil
		}
		if n = t.calls.Load(); n == 0 {
			return nil
		}
		return errors.Join(tx.AddCalls(now, int(n)), tx.SetLastPass(store.LastPass{At: now, Calls: t.cost + int(n)}))
	})
	if err == nil {
		t.calls.Add(-n)
		t.cost += int(n)
	}
	return err
}

// countCalls puts the calls of this pass that are not yet counted into the store, together with the org's limit where it is known.
func (t *pass) countCalls() error {
	_, limit, told := t.Salesforce.Usage()
	return t.update(func(tx *store.Tx) error {
		if !told || limit == t.owner.CallLimit {
			return nil
		}
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		owner.CallLimit = limit
		return tx.SetOwner(owner)
	})
}

// ErrStretched is returned in place of a pass that is put off to make the rest of the day's calls last.
var ErrStretched = errors.New("the pass is put off, so that the calls of salesforce.daily_calls last the day")

// stretch puts passes off once half of the share is used, so that what is left lasts until the oldest calls fall out of the day.
func stretch(last store.LastPass, now time.Time, used, share int) error {
	if gap := Apart(last, used, share); gap > 0 && now.Sub(last.At).Abs() < gap { // one from far in the future was told a wrong time
		return ErrStretched
	}
	return nil
}

// Apart is how far passes are kept apart to make the rest of the day's calls last; 0 while there are plenty, or the share is not known.
func Apart(last store.LastPass, used, share int) time.Duration {
	switch {
	case share == 0 || 2*used <= share || last.Calls == 0:
		return 0
	case used >= share:
		return longestApart
	}
	return min(24*time.Hour*time.Duration(last.Calls)/time.Duration(share-used), longestApart)
}

const longestApart = time.Hour

// budget tells, before a pass, whether its share of the org's API requests of the rolling day is used up.
func (t *pass) budget() error {
	share := t.DailyCalls.Share(t.owner.CallLimit)
	now, known := t.Salesforce.Now()
	if share == 0 || !known {
		return nil // the org has not told its limit yet
	}
	var used int
	var last store.LastPass
	err := t.view(func(tx *store.Tx) (err error) {
		if used, err = tx.Calls(now); err == nil {
			last, err = tx.LastPass()
		}
		return err
	})
	if err != nil {
		return err
	}
	used += int(t.calls.Load())
	t.allowance.share = share
	t.allowance.left.Store(int64(share - used))
	if used >= share {
		return t.Spend(t.allowance.on(context.Background())) // says that there is nothing left
	}
	return stretch(last, now, used, share)
}
