package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/schedule"
)

// deliverEvery is how often the daemon looks into the outbox besides after each pass: for what waited after trouble.
const deliverEvery = "@every 15s"

// serve is the daemon with its control socket and its page, until ctx is done. Where one of them cannot be had the daemon runs all the same:
// nobody is to go unqualified for that. It reads the config again for each signal on hangups.
func (d *daemon) serve(ctx context.Context, c config.Config, warnings []config.Warning, hangups <-chan os.Signal) error {
	if err := d.schedule(c); err != nil {
		return err
	}
	d.since = time.Now().UTC()
	answers := d.desk(c, warnings)
	if socket, err := console.Listen(answers, exitCode, d.log); err != nil {
		d.log.Error().Err(err).Msg("commands cannot reach the daemon while it runs")
	} else {
		d.log.Info().Str(logged.Socket, socket.Path).Msg("commands reach the daemon by its control socket")
		d.shown = append(d.shown, socket.Show)
		defer func() {
			if err := socket.Close(); err != nil {
				d.log.Warn().Err(err).Msg("the control socket is left behind")
			}
		}()
	}
	if c.Console.Listen != "" {
		if page, err := console.OpenPage(answers, c.Console.Listen, d.log); err != nil {
			d.log.Error().Err(err).Str(logged.Key, "console.listen").Msg("there is no page while the daemon runs")
		} else {
			d.log.Info().Str(logged.Page, page.URL).Msg("the page is served")
			d.shown = append(d.shown, page.Show)
			defer page.Close()
		}
	}
	if err := d.metrics.Watch(answers, d.alive); err != nil {
		return err
	}
	if c.Metrics.Listen != "" {
		if server, err := d.metrics.Listen(c.Metrics.Listen); err != nil {
			d.log.Error().Err(err).Str(logged.Key, "metrics.listen").Msg("there are no metrics to scrape while the daemon runs")
		} else {
			d.log.Info().Str(logged.Address, server.Address).Msg("metrics and health are served")
			defer server.Close()
		}
	}
	d.shown = append(d.shown, d.metrics.Show)
	go d.reloads(ctx, hangups)
	return d.run(ctx, c)
}

// desk is where the daemon's operators are answered.
func (d *daemon) desk(c config.Config, warnings []config.Warning) *desk.Desk {
	answers := newDesk(c, d)
	answers.Warnings, answers.Since = warnings, d.since
	answers.PollNow = d.pollNow
	answers.DeliverNow = d.deliverNow
	return answers
}

// schedule plans the three jobs. A sweep that leaves something to do is followed by a poll, and a poll by a delivery.
func (d *daemon) schedule(c config.Config) error {
	d.jobs = []*job{
		{name: desk.SweepJob, spec: c.Poll.Sweep, atStart: true, then: desk.PollJob, work: d.poller.Sweep},
		{name: desk.PollJob, spec: c.Poll.Schedule, then: desk.DeliverJob, work: d.poller.Pass},
		{name: desk.DeliverJob, spec: deliverEvery, atStart: true, work: func(ctx context.Context) error { return d.deliverer.Run(ctx, true) }},
	}
	var planned []schedule.Job
	for _, j := range d.jobs {
		j.daemon = d
		spec, err := schedule.Parse(j.spec, config.LeastGap)
		if err != nil {
			return fmt.Errorf("poll.%s: %w", j.name, err)
		}
		j.plan.Store(&spec)
		j.pulse.set(false)
		planned = append(planned, schedule.Job{Name: j.name, Spec: spec, AtStart: j.atStart, Run: func(ctx context.Context) {
			j.run(ctx)
			if j.then != "" && d.ordered.Load() == 0 && j.leavesWork() {
				d.runner.Kick(j.then)
			}
		}})
	}
	d.runner = schedule.New(d.log, planned...)
	return nil
}

// run runs the scheduled jobs until ctx is done.
func (d *daemon) run(ctx context.Context, c config.Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d.stop = stop
	d.notify(systemd.SdNotifyReady, d.status())
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(told)
		d.notify(systemd.SdNotifyStopping, "STATUS=Ending what is under way")
	})
	go d.feedWatchdog(ctx)
	d.log.Info().Int(logged.Campaigns, len(c.Campaigns)).Str(logged.Poll, c.Poll.Schedule).Str(logged.Sweep, c.Poll.Sweep).Msg("qualifyd is running")
	d.runner.Run(ctx)
	<-told // the process may end before it is, where nothing was under way
	d.log.Info().Msg("qualifyd has stopped")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// pollNow has all jobs run once more, one after the other, on an operator's order: those that rest as well,
// and what waits in the outbox after trouble.
func (d *daemon) pollNow(ctx context.Context) error {
	d.ordered.Add(1)
	defer d.ordered.Add(-1)
	var problems []error
	for _, j := range d.jobs {
		d.deliverer.Hurry()
		j.awake.Store(true)
		err := d.runner.Do(ctx, j.name)
		if last := j.last.Load(); err == nil && last != nil {
			err = *last
		}
		problems = append(problems, err)
		if errors.Is(err, schedule.ErrStopped) || ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(problems...); err != nil {
		return incomplete{err}
	}
	return nil
}

// deliverNow has the outbox looked through at once on an operator's order, though deliveries rest or run just now.
func (d *daemon) deliverNow() {
	d.deliverer.Hurry()
	d.job(desk.DeliverJob).awake.Store(true)
	go d.runner.Do(context.Background(), desk.DeliverJob) // it ends with the run, or with the daemon
}

func (d *daemon) job(name string) *job {
	return d.jobs[slices.IndexFunc(d.jobs, func(j *job) bool { return j.name == name })]
}

// job is one of the daemon's jobs, with what it last had to say: trouble is told once when it begins or changes, and once when it ends.
type job struct {
	*daemon
	name, spec, then string
	atStart          bool
	work             func(context.Context) error

	plan     atomic.Pointer[schedule.Spec]
	pulse    pulse
	last     atomic.Pointer[error]     // of the newest run; nil when it went well
	awake    atomic.Bool               // an operator has ordered the next run: it does not rest
	troubled atomic.Pointer[time.Time] // since when it does not go well; nil when it does
	trouble  map[string]bool           // its causes
	followed bool                      // the job after it has run since the start
	tooLong  bool                      // its newest run was longer than its schedule allows
	refused  int
	parked   time.Time // refused credentials: not tried again before, by the local clock
}

func (j *job) run(ctx context.Context) {
	j.pulse.set(true)
	defer j.pulse.set(false)
	ctx = j.pulse.traced(ctx)
	if !j.awake.Swap(false) && time.Now().Before(j.parked) {
		j.metrics.Rests()
		return
	}
	if j.refused > 0 {
		j.readKeyAgain()
	}
	begun := time.Now()
	err := j.attempt(ctx)
	if ctx.Err() != nil {
		j.remember(schedule.ErrStopped)
		return
	}
	j.remember(err)
	outcome := err
	if errors.Is(err, poll.ErrStretched) { // for who ordered a poll to know, but no trouble
		err = nil
	}
	if recorded := record(j.poller.Store, j.name, begun, err); recorded != nil {
		err = errors.Join(err, recorded)
		j.remember(err)
		outcome = err
	}
	j.metrics.Ran(ctx, j.name, begun, outcome)
	if j.mustEnd(err) {
		j.stop(err) // going on would make it worse
		return
	}
	j.park(err)
	j.tell(err)
	j.tellOfLength(begun)
}

// leavesWork tells whether the job that follows is to run at once. A poll costs the org a call: after a sweep that showed nobody new it comes by its
// own schedule, but for the first, before which nothing was polled.
func (j *job) leavesWork() bool {
	if j.name != desk.SweepJob {
		return true
	}
	first := !j.followed
	j.followed = true
	waiting, err := j.poller.Waiting()
	return first || waiting || err != nil
}

// mustEnd tells whether the daemon may not go on. A full disk is no such thing: nothing was kept, and the next run finds out whether there is room.
func (j *job) mustEnd(err error) bool {
	if errors.Is(err, poll.ErrOtherOrg) || errors.Is(err, poll.ErrOtherAccount) || errors.Is(err, store.ErrDoubtful) {
		return true
	}
	return ofStore(err) && !errors.Is(err, store.ErrFull)
}

// attempt makes a panic a failure like any other: it shows in status, and whoever ordered the run is told.
func (j *job) attempt(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			j.log.Error().Interface(logged.Panic, cause).Bytes(logged.Stack, debug.Stack()).Str(logged.Job, j.name).Msg("the program panicked")
			err = fmt.Errorf("%s: a fault in the program ended it; the log has the details", j.name)
		}
	}()
	return j.work(ctx)
}

// remember keeps how the newest run went, for who ordered it.
func (j *job) remember(err error) {
	if err == nil {
		j.last.Store(nil)
		return
	}
	j.last.Store(&err)
}

const (
	// recordAgain is how often a delivery is recorded that goes as the one before: it would not write otherwise.
	recordAgain = time.Minute
	// troublesKept is how many of a run's failures are kept in words; the log has them all.
	troublesKept = 5
)

// record keeps for people how a job went.
func record(s *store.Store, name string, begun time.Time, err error) error {
	failed := s.Update(func(tx *store.Tx) error {
		r, readErr := tx.Run(name)
		if readErr != nil {
			return readErr
		}
		trouble, ended := inOneLine(err), time.Now()
		if name == desk.DeliverJob && trouble == r.Trouble && ended.Sub(r.Ended).Abs() < recordAgain { // the clock may have been set back
			return nil
		}
		r.Begun, r.Ended = begun.UTC(), ended.UTC()
		refused := refused(name, err)
		switch {
		case err == nil:
			r.Well, r.Since = r.Ended, time.Time{}
		case r.Trouble == "" || refused != r.Refused:
			r.Since = r.Ended
		}
		r.Trouble, r.Refused = trouble, refused
		return tx.PutRun(r)
	})
	if failed != nil {
		return fmt.Errorf("%w: %w", poll.ErrStore, failed)
	}
	return nil
}

// inOneLine tells the first failures of a run.
func inOneLine(err error) string {
	if err == nil {
		return ""
	}
	var texts []string
	all := flatten(err)
	for _, one := range all[:min(len(all), troublesKept)] {
		texts = append(texts, one.Error())
	}
	if more := len(all) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// refused tells whether a job's own service refuses the credentials. A poll may ask Referral Factory for a referrer as well, but goes on
// without; and so it does without the one object or record that Salesforce refuses it.
func refused(job string, err error) bool {
	if job == desk.PollJob {
		return anyOfSalesforce(err, (*salesforce.APIError).NoEntry)
	}
	return holds[*referralfactory.Refused](err)
}

// park lets a service that refuses the credentials rest, longer each time.
func (j *job) park(err error) {
	if !refused(j.name, err) {
		j.refused, j.parked = 0, time.Time{}
		return
	}
	j.parked = time.Now().Add(min(time.Minute<<min(j.refused, 6), time.Hour))
	j.refused++
}

// readKeyAgain is for a Referral Factory key that was rotated; the Salesforce client reads its own secret again.
func (j *job) readKeyAgain() {
	j.changing.Lock()
	defer j.changing.Unlock()
	next, err := j.reread()
	if err == nil {
		c, _ := j.config.Reload(next)
		err = j.takeKey(c)
	}
	if err != nil {
		j.log.Error().Err(err).Str(logged.Job, j.name).Msg("the Referral Factory key cannot be read again")
	}
}

// tell has a line in the log for each failure that is new, and one when all is well again.
func (j *job) tell(err error) {
	before := j.trouble
	j.trouble = map[string]bool{}
	if err != nil {
		for _, one := range flatten(err) {
			cause := varying.ReplaceAllString(one.Error(), "")
			if !before[cause] && !j.trouble[cause] {
				j.log.Error().Err(one).Str(logged.Job, j.name).Msg("it did not go well, and will be tried again")
			}
			j.trouble[cause] = true
		}
	}
	began, ended := len(before) == 0 && err != nil, len(before) > 0 && err == nil
	switch {
	case began:
		now := time.Now()
		j.troubled.Store(&now)
	case ended:
		j.log.Info().Str(logged.Job, j.name).Stringer(logged.Trouble, time.Since(*j.troubled.Load()).Round(time.Second)).Msg("all is well again")
		j.troubled.Store(nil)
	}
	if began || ended {
		j.notify(j.status())
	}
}

// tellOfLength has a line in the log when sweeps begin not to fit their schedule, and one when they fit it again. A sweep that is due while another
// is under way is left out, so they get rarer by themselves.
func (j *job) tellOfLength(begun time.Time) {
	if j.name != desk.SweepJob {
		return
	}
	plan, took := j.plan.Load(), time.Since(begun)
	tooLong := took > plan.Next(begun).Sub(begun.Round(0))
	switch {
	case tooLong && !j.tooLong:
		j.log.Warn().Str(logged.Job, j.name).Stringer(logged.Took, took.Round(time.Second)).Stringer(logged.Sweep, plan).
			Msg("a sweep takes longer than poll.sweep leaves it, so that sweeps are rarer than that; lengthen poll.sweep, or raise referral_factory.calls_per_minute")
	case !tooLong && j.tooLong:
		j.log.Info().Str(logged.Job, j.name).Stringer(logged.Took, took.Round(time.Second)).Stringer(logged.Sweep, plan).Msg("sweeps fit poll.sweep again")
	}
	j.tooLong = tooLong
}

// varying is what differs between two failures of the same cause: a time of day, and our end of a connection.
var varying = regexp.MustCompile(`\d\d:\d\d:\d\d|(\[[0-9a-f:]+\]|\d+\.\d+\.\d+\.\d+):\d+->`)
