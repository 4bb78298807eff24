package poll

import (
	"fmt"

	"qualifyd/store"
)

// CountCalls counts Salesforce API calls; it is given to the Salesforce client and may be called from any goroutine.
func (p *Poller) CountCalls(n int) { p.calls.Add(int64(n)) }

// countCalls puts the calls of this pass into the store, by the service's time, together with the org's limit where it is known.
func (t *pass) countCalls() error {
	now, known := t.Salesforce.Now()
	n := int(t.calls.Swap(0))
	_, limit, told := t.Salesforce.Usage()
	if n == 0 || !known {
		return nil
	}
	return t.update(func(tx *store.Tx) error {
		if told && limit != t.owner.CallLimit {
			owner, err := tx.Owner()
			if err != nil {
				return err
			}
			owner.CallLimit = limit
			if err := tx.SetOwner(owner); err != nil {
				return err
			}
		}
		return tx.AddCalls(now, n)
	})
}

// budget tells, before a pass, whether its share of the org's API requests of the rolling day is used up.
func (t *pass) budget() error {
	share := t.DailyCalls.Calls
	if t.DailyCalls.Percent > 0 {
		share = int(t.DailyCalls.Percent / 100 * float64(t.owner.CallLimit))
	}
	now, known := t.Salesforce.Now()
	if share == 0 || !known {
		return nil // the org has not told its limit yet
	}
	var used int
	if err := t.view(func(tx *store.Tx) (err error) { used, err = tx.Calls(now); return err }); err != nil {
		return err
	}
	if used < share {
		return nil
	}
	return fmt.Errorf("%w: %d of %d calls in 24 hours; polls wait until it falls (raise salesforce.daily_calls, or lengthen poll.schedule)", ErrBudget, used, share)
}
