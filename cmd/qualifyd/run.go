package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/schedule"
)

func (a *app) runCommand() *cobra.Command {
	var once, dry bool
	cmd := &cobra.Command{
		Use: "run", Short: "Sweep, join, poll, judge and deliver: as a daemon, or once", Args: cobra.NoArgs,
		Long: `Runs as a daemon by the config's schedules, until SIGTERM or Ctrl-C; a second signal
ends it at once.

With --once it does everything once, in order, and exits: 0 done (also when something
waits for a person, which is logged), 75 incomplete and to be tried again, 77 refused
credentials, 78 wrong config.

With --dry-run it reads both services, works on a copy of the store, writes nowhere, and
prints each record it would create or mark and each referral it would qualify.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, log, err := a.loadConfig()
			if err == nil {
				err = a.checkBuilt(c, log)
			}
			if err != nil {
				return err
			}
			if dry {
				return a.dryRun(cmd.Context(), c, log)
			}
			return a.runOn(cmd.Context(), c, log, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "do everything once and exit")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be done once, and write nowhere")
	return cmd
}

// checkBuilt refuses, or warns of, what the config may say and this version does not do yet.
func (a *app) checkBuilt(c config.Config, log zerolog.Logger) error {
	for key, listen := range map[string]string{"console.listen": c.Console.Listen, "metrics.listen": c.Metrics.Listen} {
		if listen != "" {
			log.Warn().Str("key", key).Msg("this version does not serve it yet")
		}
	}
	if c.Salesforce.Auth.Flow != config.FlowWeb {
		return nil
	}
	return &config.Problems{Path: a.configPath, List: []config.Problem{{Key: "salesforce.auth.flow",
		Text: "web needs qualifyd connect, which this version does not have yet; use client_credentials or jwt"}}}
}

// runOn runs on the config's store, which is made at the first start.
func (a *app) runOn(ctx context.Context, c config.Config, log zerolog.Logger, once bool) error {
	s, err := store.OpenOrCreate(c.Store.Path)
	if err != nil {
		return err
	}
	d, err := build(c, s, log, transports{})
	switch {
	case err != nil:
	case once:
		err = d.once(ctx)
	default:
		d.reload = func() (config.Config, error) { c, _, err := config.Load(a.configPath); return c, err }
		err = d.run(ctx, c)
	}
	return errors.Join(err, s.Close())
}

// once does everything once, in order. What fails does not keep the rest from being done, except that another org's or account's data must
// not be mixed in.
func (d *daemon) once(ctx context.Context) error {
	sweep := d.poller.Sweep(ctx)
	if errors.Is(sweep, poll.ErrOtherAccount) || errors.Is(sweep, poll.ErrStore) {
		return sweep
	}
	pass := d.poller.Pass(ctx)
	if errors.Is(pass, poll.ErrOtherOrg) || errors.Is(pass, poll.ErrStore) {
		return pass
	}
	deliver := d.deliverer.Run(ctx, false)
	err := errors.Join(sweep, pass, deliver)
	if err == nil {
		return d.warnOfHeld()
	}
	for _, one := range flatten(err) {
		d.log.Error().Err(one).Msg("the pass is incomplete")
	}
	return logged{incomplete{err}}
}

// flatten lists the failures that were joined.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, one := range joined.Unwrap() {
		out = append(out, flatten(one)...)
	}
	return out
}

// warnOfHeld says what waits for a person.
func (d *daemon) warnOfHeld() error {
	return d.poller.Store.View(func(tx *store.Tx) error {
		held, err := tx.Held()
		for _, reason := range slices.Sorted(maps.Keys(held)) {
			d.log.Warn().Str("reason", string(reason)).Int("referrals", len(held[reason])).Msg("referrals wait for a person")
		}
		return err
	})
}

// dryRun does everything once on a copy of the store and prints what would be written to the services.
func (a *app) dryRun(ctx context.Context, c config.Config, log zerolog.Logger) error {
	folder, err := os.MkdirTemp("", "qualifyd-dry-run-")
	if err != nil {
		return fmt.Errorf("dry run: %w", err)
	}
	defer os.RemoveAll(folder)
	s, err := copyStore(c.Store.Path, filepath.Join(folder, "copy.db"))
	if err != nil {
		return err
	}
	d, err := build(c, s, log, transports{})
	if err == nil {
		d.poller.Preview = a.printWrite
		d.deliverer.Preview = a.printQualification
		err = d.once(ctx)
	}
	return errors.Join(err, s.Close())
}

// copyStore opens a copy of the store, or a new one where none exists yet.
func copyStore(from, to string) (*store.Store, error) {
	s, err := store.Open(from)
	if errors.Is(err, store.ErrMissing) {
		return store.Create(to)
	}
	if err != nil {
		return nil, err
	}
	copied, err := s.CopyTo(to)
	return copied, errors.Join(err, s.Close())
}

func (a *app) printWrite(w poll.Write) {
	what := fmt.Sprintf("would create a %s", w.Object)
	if w.RecordID != "" {
		what = fmt.Sprintf("would mark %s %s", w.Object, w.RecordID)
	}
	fmt.Fprintf(a.out, "%s for referral %d of campaign %d:", what, w.Referral.ID, w.Referral.CampaignID)
	for _, name := range slices.Sorted(maps.Keys(w.Fields)) {
		fmt.Fprintf(a.out, " %s=%q", name, rules.Text(w.Fields[name]))
	}
	fmt.Fprintln(a.out)
}

func (a *app) printQualification(r rules.Referral) {
	fmt.Fprintf(a.out, "would qualify referral %d (code %s) of campaign %d: %s\n", r.ID, r.Code, r.CampaignID, r.Verdict.Sentence)
}

// Names of the daemon's jobs.
const (
	sweepJob   = "sweep"
	pollJob    = "poll"
	deliverJob = "deliver"
)

// deliverEvery is how often the daemon looks into the outbox besides after each pass: for what waited after trouble.
const deliverEvery = "@every 15s"

// run is the daemon: three jobs, until ctx is done.
func (d *daemon) run(ctx context.Context, c config.Config) error {
	specs := map[string]string{sweepJob: c.Poll.Sweep, pollJob: c.Poll.Schedule, deliverJob: deliverEvery}
	work := map[string]func(context.Context) error{
		sweepJob:   d.poller.Sweep,
		pollJob:    d.poller.Pass,
		deliverJob: func(ctx context.Context) error { return d.deliverer.Run(ctx, true) },
	}
	after := map[string]string{sweepJob: pollJob, pollJob: deliverJob}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var runner *schedule.Runner
	var jobs []schedule.Job
	for _, name := range []string{sweepJob, pollJob, deliverJob} {
		spec, err := schedule.Parse(specs[name], config.LeastGap)
		if err != nil {
			return fmt.Errorf("poll.%s: %w", name, err)
		}
		j := &job{daemon: d, name: name, work: work[name], stop: stop}
		jobs = append(jobs, schedule.Job{Name: name, Spec: spec, AtStart: name != pollJob, Run: func(ctx context.Context) {
			j.run(ctx)
			runner.Kick(after[name])
		}})
	}
	runner = schedule.New(d.log, jobs...)
	d.log.Info().Int("campaigns", len(c.Campaigns)).Str("poll", c.Poll.Schedule).Str("sweep", c.Poll.Sweep).Msg("qualifyd is running")
	runner.Run(ctx)
	d.log.Info().Msg("qualifyd has stopped")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// job is one of the daemon's jobs, with what it last had to say: trouble is told once when it begins or changes, and once when it ends.
type job struct {
	*daemon
	name    string
	work    func(context.Context) error
	stop    context.CancelCauseFunc
	trouble string
	since   time.Time
	refused int
	parked  time.Time // refused credentials: not tried again before, by the local clock
}

func (j *job) run(ctx context.Context) {
	if time.Now().Before(j.parked) {
		return
	}
	if j.refused > 0 {
		j.readKeyAgain()
	}
	err := j.work(ctx)
	switch {
	case ctx.Err() != nil, errors.Is(err, poll.ErrStretched):
		return
	case errors.Is(err, poll.ErrStore), errors.Is(err, deliver.ErrStore), errors.Is(err, poll.ErrOtherOrg), errors.Is(err, poll.ErrOtherAccount):
		j.stop(err) // going on would make it worse
		return
	}
	j.park(err)
	j.tell(err)
}

// park lets a service that refuses the credentials rest, longer each time.
func (j *job) park(err error) {
	refused := holds[*referralfactory.Refused](err)
	if j.name == pollJob { // it may ask Referral Factory for a referrer as well, but goes on without
		refused = ofKind(err, salesforce.Refused)
	}
	if !refused {
		j.refused, j.parked = 0, time.Time{}
		return
	}
	j.parked = time.Now().Add(min(time.Minute<<min(j.refused, 6), time.Hour))
	j.refused++
}

// readKeyAgain is for a Referral Factory key that was rotated; the Salesforce client reads its own secret again.
func (j *job) readKeyAgain() {
	c, err := j.reload()
	if err == nil {
		j.poller.SetAccount(account(c)) // nothing is delivered until a sweep has found it to be the same account
		err = j.rf.SetAPIKey(c.ReferralFactory.APIKey.Reveal())
	}
	if err != nil {
		j.log.Error().Err(err).Str("job", j.name).Msg("the Referral Factory key cannot be read again")
	}
}

func (j *job) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == j.trouble:
	case text == "":
		j.log.Info().Str("job", j.name).Stringer("trouble", time.Since(j.since).Round(time.Second)).Msg("all is well again")
	default:
		if j.trouble == "" {
			j.since = time.Now()
		}
		for _, one := range flatten(err) {
			j.log.Error().Err(one).Str("job", j.name).Msg("it did not go well, and will be tried again")
		}
	}
	j.trouble = text
}
