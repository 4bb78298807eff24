// Package schedule decides when jobs run and how they stop. It knows nothing
// of what they do.
//
// A [Job] runs at the times of its [Spec], with a little jitter so that many
// installations do not call at the same second; at the start, if it asks for
// it; and when somebody asks for it with [Runner.Kick] or [Runner.Do]. It never
// runs twice at once: while it runs its schedule passes it by, a kick has it run
// once more afterwards, and Do waits for its turn. [Runner.Run] returns when its
// context is done and the last job has returned.
package schedule

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/sync/logged"
)

// maxJitter caps the tenth of a gap that a scheduled run may come late.
const maxJitter = 5 * time.Second

// Job is something to do again and again.
type Job struct {
	Name    string
	Spec    Spec
	Run     func(context.Context) // returns soon after its context is done
	AtStart bool                  // also run at once
}

// Runner runs jobs. Make one with New.
type Runner struct {
	jobs    map[string]*worker
	log     zerolog.Logger
	now     func() time.Time
	stopped chan struct{}
}

// New takes jobs with distinct names. Nothing runs before Run.
func New(log zerolog.Logger, jobs ...Job) *Runner {
	r := &Runner{jobs: make(map[string]*worker), log: log, now: time.Now, stopped: make(chan struct{})}
	for _, job := range jobs {
		r.jobs[job.Name] = &worker{
			Job: job, turn: make(chan chan struct{}), kicked: make(chan struct{}, 1), replanned: make(chan Spec, 1),
			log: log.With().Str(logged.Job, job.Name).Logger(),
		}
	}
	return r
}

// Run runs the jobs until ctx is done, and then waits for those in progress,
// which see ctx. Call it once.
func (r *Runner) Run(ctx context.Context) {
	var working sync.WaitGroup
	for _, w := range r.jobs {
		working.Go(func() { w.work(ctx) })
		working.Go(func() { w.keepTime(ctx, r.now) })
	}
	<-ctx.Done()
	close(r.stopped)
	working.Wait()
}

// Kick has a job run now, without waiting for its end; one that is running
// already runs once more when it has ended, however often it was kicked: what it
// was kicked for may have come too late for the run in progress.
func (r *Runner) Kick(name string) {
	select {
	case r.jobs[name].kicked <- struct{}{}:
	default:
	}
}

// Plan has a job run at the times of another Spec from now on. What counts is when the job was due last: a job that would have been due since then
// by the new times runs at once, so that no number of changes puts it off. One goroutine at a time may call it.
func (r *Runner) Plan(name string, spec Spec) {
	w := r.jobs[name]
	select {
	case <-w.replanned: // the newest counts
	default:
	}
	w.replanned <- spec
}

// ErrStopped is returned by Do when the Runner has stopped.
var ErrStopped = errors.New("the jobs are being stopped")

// Do runs a job once more, after a run in progress, and returns when that new
// run has ended. Before Run is called it waits.
func (r *Runner) Do(ctx context.Context, name string) error {
	ended := make(chan struct{})
	select {
	case r.jobs[name].turn <- ended:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return ErrStopped
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// worker is a job with the one goroutine that ever runs it. It takes a turn
// from the channel only when it is idle: that is what keeps a job from running
// twice at once.
type worker struct {
	Job
	turn      chan chan struct{} // a channel to close when the run has ended; nil where nobody waits
	kicked    chan struct{}      // holds a kick that no run has begun after
	replanned chan Spec
	log       zerolog.Logger
}

func (w *worker) work(ctx context.Context) {
	if w.AtStart {
		w.run(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.kicked:
			w.run(ctx)
		case ended := <-w.turn:
			w.forgetKick()
			w.run(ctx)
			if ended != nil {
				close(ended)
			}
		}
	}
}

// forgetKick is for a run that begins after the kick anyhow.
func (w *worker) forgetKick() {
	select {
	case <-w.kicked:
	default:
	}
}

// run survives a panic: one bad pass must not end all later ones.
func (w *worker) run(ctx context.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			w.log.Error().Interface(logged.Panic, cause).Bytes(logged.Stack, debug.Stack()).
				Msg("job panicked; it runs again when it is due")
		}
	}()
	w.Job.Run(ctx)
}

// keepTime offers the job its turn when it is due. It waits for a time, not until one, as cron's own runner does: a machine's clock that is set back by
// a day would put off all runs by a day there.
func (w *worker) keepTime(ctx context.Context, now func() time.Time) {
	late := time.Duration(0)
	for {
		last := now().Add(-late) // when it was due last, by the clock as it is set now
		begun := time.Now().Add(-late)
		for waiting := true; waiting; {
			var isDue <-chan time.Time // never, where the Spec has no more times
			if due := w.Spec.Next(last); !due.IsZero() {
				late = jitter(w.Spec.Next(due).Sub(due))
				isDue = time.After(due.Sub(last) + late - time.Since(begun))
			}
			select {
			case <-ctx.Done():
				return
			case w.Spec = <-w.replanned:
			case <-isDue:
				waiting = false
			}
		}
		if !w.offer() {
			w.log.Debug().Msg("job skipped: it is still running")
		}
	}
}

func (w *worker) offer() bool {
	select {
	case w.turn <- nil:
		return true
	default:
		return false
	}
}

// jitter is up to a tenth of the gap to the next run, and at most maxJitter.
func jitter(gap time.Duration) time.Duration {
	return rand.N(min(gap/10, maxJitter) + 1)
}
