package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/logged"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
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

// runOn runs on the config's store, which is made at the first start.
func (a *app) runOn(ctx context.Context, c config.Config, log zerolog.Logger, once bool) error {
	signal.Ignore(syscall.SIGPIPE) // whoever takes the log may go away; to write into that would end the process, cleanly as systemd sees it
	hangups := make(chan os.Signal, 1)
	if !once {
		signal.Notify(hangups, syscall.SIGHUP) // one that comes while the store is opened is heeded later
		defer signal.Stop(hangups)
	}
	s, err := store.OpenToWork(c.Store.Path)
	if err != nil {
		return err
	}
	d, err := build(c, s, log, a.via)
	if err == nil {
		d.poller.Progress = a.progress.step
		defer a.progress.end()
		defer d.metrics.Close()
		err = d.report(c)
	}
	switch {
	case err != nil:
	case once:
		if err = d.metrics.Watch(newDesk(c, d), d.alive); err == nil {
			err = d.once(ctx)
		}
	default:
		d.level = &a.level
		d.load = func() (config.Config, []config.Warning, error) { return config.Load(a.configPath) }
		err = d.serve(ctx, c, a.warnings, hangups)
	}
	return errors.Join(err, s.Close())
}

// report has the metrics go where the config wants them besides an address. A ping goes out by the proxy of the other calls, which may open TLS.
func (d *daemon) report(c config.Config) error {
	roots, err := trust(c.Salesforce.CAFile, c.ReferralFactory.CAFile)
	if err != nil {
		return fmt.Errorf("ca_file: %w", err)
	}
	d.metrics.Report(c.Metrics.Textfile, c.Metrics.Ping.Reveal(), referralfactory.NewTransport(roots))
	return nil
}

// once does everything once, in order. What fails does not keep the rest from being done, except that another org's or account's data must
// not be mixed in.
func (d *daemon) once(ctx context.Context) error {
	sweep := d.step(ctx, desk.SweepJob, d.poller.Sweep)
	if errors.Is(sweep, poll.ErrOtherAccount) || ofStore(sweep) {
		return sweep
	}
	pass := d.step(ctx, desk.PollJob, d.poller.Pass)
	if errors.Is(pass, poll.ErrOtherOrg) || ofStore(pass) {
		return pass
	}
	deliver := d.step(ctx, desk.DeliverJob, func(ctx context.Context) error { return d.deliverer.Run(ctx, false) })
	err := errors.Join(sweep, pass, deliver)
	switch {
	case err == nil:
		return d.warnOfHeld()
	case ofStore(deliver):
		return err
	}
	for _, one := range flatten(err) {
		d.log.Error().Err(one).Msg("the pass is incomplete")
	}
	return told{incomplete{err}}
}

// step does one of a daemon's jobs, and records how it went.
func (d *daemon) step(ctx context.Context, name string, work func(context.Context) error) error {
	begun := time.Now()
	err := work(ctx)
	if ctx.Err() != nil || ofStore(err) { // being stopped is no trouble, and a store that fails takes no record of it
		return err
	}
	trouble := err
	if errors.Is(err, poll.ErrStretched) { // for who ordered it to know, but no trouble
		trouble = nil
	}
	err = errors.Join(err, record(d.poller.Store, name, begun, trouble))
	d.metrics.Ran(ctx, name, begun, err)
	return err
}

// ofStore tells whether a failure is of the store itself.
func ofStore(err error) bool {
	return errors.Is(err, poll.ErrStore) || errors.Is(err, deliver.ErrStore)
}

// flatten lists the failures that were joined. What was wrapped with its cause is one.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(err.Error(), "\n") {
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
			d.log.Warn().Str(logged.Reason, string(reason)).Int(logged.Held, len(held[reason])).Msg("referrals wait for a person")
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
	s, err := copyStore(ctx, c, filepath.Join(folder, "copy.db"))
	if err != nil {
		return err
	}
	d, err := build(c, s, log, a.via)
	if err == nil {
		d.poller.Progress, d.poller.Preview = a.progress.step, a.printWrite
		d.deliverer.Preview = a.printQualification
		err = d.once(ctx)
	}
	return errors.Join(err, s.Close())
}

// copyStore opens a copy of the store, or a new one where none exists yet. A running daemon, which has the store to itself, hands out the copy.
func copyStore(ctx context.Context, c config.Config, to string) (*store.Store, error) {
	s, err := store.Open(c.Store.Path)
	switch {
	case errors.Is(err, store.ErrMissing):
		return store.Create(to)
	case errors.Is(err, store.ErrLocked):
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("dry run: %w", err)
		}
		if err := errors.Join(fetch(ctx, c, desk.BackupStream, desk.Nothing{}, f), f.Close()); err != nil {
			return nil, err
		}
		return store.Open(to)
	case err != nil:
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
	if len(w.Fields) == 0 {
		fmt.Fprint(a.out, " nothing of it is empty that would be filled")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Fields)) {
		fmt.Fprintf(a.out, " %s=%q", name, rules.Text(w.Fields[name]))
	}
	fmt.Fprintln(a.out)
}

func (a *app) printQualification(r rules.Referral) {
	if r.Standing != rules.Owed {
		fmt.Fprintf(a.out, "would set referral %d (code %s) of campaign %d back to pending\n", r.ID, printable(r.Code), r.CampaignID)
		return
	}
	fmt.Fprintf(a.out, "would qualify referral %d (code %s) of campaign %d: %s\n", r.ID, printable(r.Code), r.CampaignID, printable(r.Verdict.Sentence))
}
