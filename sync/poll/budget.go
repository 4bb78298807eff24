package poll

import (
	"errors"
	"fmt"
	"time"

	"qualifyd/store"
)

// CountCalls counts Salesforce API calls; it is given to the Salesforce client and may be called from any goroutine.
func (p *Poller) CountCalls(n int) { p.calls.Add(int64(n)) }

// update runs a transaction of the pass, in which the calls that it has made so far are counted, by the service's time: a pass that dies has
// made them all the same, and no watermark is ahead of the newest call.
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
		return tx.AddCalls(now, int(n))
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
	err := t.update(func(tx *store.Tx) error {
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
	if t.cost > 0 {
		t.lastPass, _ = t.Salesforce.Now()
		t.lastCost = t.cost
	}
	return err
}

// ErrStretched is returned in place of a pass that is put off to make the rest of the day's calls last.
var ErrStretched = errors.New("the pass is put off: calls have to last")

// stretch puts passes off once half of the share is used, so that what is left lasts until the oldest calls fall out of the day.
func (t *pass) stretch(now time.Time, used, share int) error {
	if 2*used <= share || t.lastPass.IsZero() || t.lastCost == 0 {
		t.gap.Store(0)
		return nil
	}
	gap := min(24*time.Hour*time.Duration(t.lastCost)/time.Duration(share-used), time.Hour)
	t.gap.Store(int64(gap))
	if now.Sub(t.lastPass) < gap {
		return ErrStretched
	}
	return nil
}

// Stretched is the time that passes are kept apart to make the rest of the day's calls last; 0 while there are plenty. It may be called from any
// goroutine.
func (p *Poller) Stretched() time.Duration { return time.Duration(p.gap.Load()) }

// budget tells, before a pass, whether its share of the org's API requests of the rolling day is used up.
func (t *pass) budget() error {
	share := t.DailyCalls.Share(t.owner.CallLimit)
	now, known := t.Salesforce.Now()
	if share == 0 || !known {
		return nil // the org has not told its limit yet
	}
	var used int
	if err := t.view(func(tx *store.Tx) (err error) { used, err = tx.Calls(now); return err }); err != nil {
		return err
	}
	if used < share {
		return t.stretch(now, used, share)
	}
	return fmt.Errorf("%w: %d of %d calls in 24 hours; polls wait until it falls (raise salesforce.daily_calls, or lengthen poll.schedule)", ErrBudget, used, share)
}
