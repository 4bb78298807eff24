package referralfactory

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// window is a minute and a second, so that calls which travel at unequal
	// speeds do not arrive as one too many within a minute.
	window = 61 * time.Second

	// longestPassedOver is how long urgent calls alone are let go while another
	// waits. Thousands of them take hours, and a job that makes no call for a
	// quarter of an hour is taken to hang.
	longestPassedOver = 5 * time.Minute
)

// budget lets at most len(sent) calls start in any window, urgent ones first
// and otherwise in the order they asked. Urgent ones may go a whole window's at
// once. The others keep to an even pace, in which each urgent call takes a place
// too: if a sweep could spend the window in its first seconds, an urgent call
// would have to wait for the rest of it.
type budget struct {
	mu      sync.Mutex
	sent    []time.Time // a ring: when the last calls were let go
	oldest  int         // index into sent
	paused  time.Time   // nobody goes before
	urgent  []chan struct{}
	patient []chan struct{}
	passed  time.Time   // since when the patient calls that wait are passed over
	pace    time.Time   // when the next patient call may go
	timer   *time.Timer // calls wake
}

func newBudget(callsPerMinute int) *budget {
	return &budget{sent: make([]time.Time, callsPerMinute)}
}

// allow changes how many calls may start in a window. Those of the last window count.
func (b *budget) allow(callsPerMinute int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	inOrder := append(slices.Clone(b.sent[b.oldest:]), b.sent[:b.oldest]...) // the oldest first
	more := max(callsPerMinute-len(inOrder), 0)
	b.sent = append(make([]time.Time, more), inOrder[max(len(inOrder)-callsPerMinute, 0):]...)
	b.oldest = 0
	b.pace = time.Time{}
	b.letGo()
}

// wait returns when the caller may make one call, or with ctx's error.
func (b *budget) wait(ctx context.Context, urgent bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := make(chan struct{})
	b.mu.Lock()
	queue := &b.patient
	if urgent {
		queue = &b.urgent
	} else if len(b.patient) == 0 {
		b.passed = time.Now()
	}
	*queue = append(*queue, turn)
	b.letGo()
	b.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		*queue = slices.DeleteFunc(*queue, func(c chan struct{}) bool { return c == turn })
		return ctx.Err()
	}
}

// pause lets nobody go for d, a window at most. The service asked for it, and
// blocks the addresses of those who do not listen. Where it does not say how
// long, it is a window: the limit is one of calls in a minute, and after three
// more of too many the service blocks us.
func (b *budget) pause(d time.Duration) {
	if d <= 0 {
		d = window
	}
	until := time.Now().Add(min(d, window))
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
	}
}

// letGo starts as many waiting calls as the budget has room for, and arms the
// timer for the rest. The caller holds mu.
func (b *budget) letGo() {
	for len(b.urgent)+len(b.patient) > 0 {
		now := time.Now()
		if free := b.free(); free.After(now) {
			b.arm(free.Sub(now))
			return
		}
		queue := &b.urgent
		if len(b.urgent) == 0 || len(b.patient) > 0 && now.Sub(b.passed) >= longestPassedOver {
			queue, b.passed = &b.patient, now
		}
		b.pace = later(b.pace, now).Add(window / time.Duration(len(b.sent)))
		close((*queue)[0])
		*queue = (*queue)[1:]
		b.sent[b.oldest] = now
		b.oldest = (b.oldest + 1) % len(b.sent)
	}
}

// free is when the next call may go.
func (b *budget) free() time.Time {
	free := b.sent[b.oldest]
	if !free.IsZero() {
		free = free.Add(window)
	}
	if len(b.urgent) == 0 {
		free = later(free, b.pace)
	}
	return later(free, b.paused)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// arm has letGo called after d, and not when it was to be called before.
func (b *budget) arm(d time.Duration) {
	if b.timer == nil {
		b.timer = time.AfterFunc(d, b.wake)
		return
	}
	b.timer.Reset(d)
}

func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letGo()
}
