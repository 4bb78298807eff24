package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/sync/logged"
	"qualifyd/sync/schedule"
)

// reloads reads the config again each time that a signal comes, until ctx is done.
func (d *daemon) reloads(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		d.reloading()
		d.reloadConfig()
		d.notify(systemd.SdNotifyReady, d.status())
	}
}

// reloadConfig takes over what may change of a config whose file has changed: sweeps, passes and deliveries that are under way end by the one that they
// began with. A file that is wrong changes nothing.
func (d *daemon) reloadConfig() {
	c, warnings, err := d.load()
	if err == nil {
		err = d.takeOver(c, warnings)
	}
	d.metrics.Reloaded(err == nil)
	if err != nil {
		d.log.Error().Strs(logged.Problems, strings.Split(err.Error(), "\n")).Msg("the config is wrong and was not loaded; the one before stays in force")
	}
}

func (d *daemon) takeOver(next config.Config, warnings []config.Warning) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	c, waiting := d.config.Reload(next)
	settings, err := settings(c)
	if err != nil {
		return err
	}
	specs := map[string]schedule.Spec{}
	for job, text := range map[string]string{desk.SweepJob: c.Poll.Sweep, desk.PollJob: c.Poll.Schedule} {
		if specs[job], err = schedule.Parse(text, config.LeastGap); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
	}
	if err := d.takeKey(c); err != nil {
		return err
	}
	if err := d.rf.SetCallsPerMinute(c.ReferralFactory.CallsPerMinute); err != nil {
		return fmt.Errorf("referral_factory.calls_per_minute: %w", err)
	}
	d.poller.Configure(settings)
	for job, spec := range specs {
		d.job(job).plan.Store(&spec)
		d.runner.Plan(job, spec)
	}
	d.level.set(c.Log.Level)
	d.config = c
	answers := d.desk(c, warnings)
	for _, show := range d.shown {
		show(answers)
	}

	for _, w := range warnings {
		d.log.Warn().Str(logged.Warning, w.String()).Msg("the config is right, and has something to think about")
	}
	if len(waiting) > 0 {
		d.log.Warn().Strs(logged.Keys, waiting).Msg("these keys have changed and wait for a restart; until then what they were holds")
	}
	d.log.Info().Int(logged.Campaigns, len(c.Campaigns)).Str(logged.Poll, c.Poll.Schedule).Str(logged.Sweep, c.Poll.Sweep).Msg("the config was loaded again")
	return nil
}

// takeKey has Referral Factory called with the config's key. With another one nothing is delivered until a sweep has found it to be of the same
// account: so one finds out at once, though none may be due for a day, and what rests since the key before was refused rests no more.
func (d *daemon) takeKey(c config.Config) error {
	if err := d.poller.SetKey(account(c), c.ReferralFactory.APIKey.Reveal()); err != nil {
		return fmt.Errorf("referral_factory.api_key: %w", err)
	}
	if account(c) == d.account {
		return nil
	}
	d.account = account(c)
	d.job(desk.DeliverJob).awake.Store(true)
	d.job(desk.SweepJob).awake.Store(true)
	d.runner.Kick(desk.SweepJob)
	return nil
}
