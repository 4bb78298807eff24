package main

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// notify tells the service manager how the daemon is (sd_notify(3)). Where none listens nothing happens, and that one cannot be told is no reason
// to stop working.
func (d *daemon) notify(states ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(states, "\n")); err != nil {
		d.log.Warn().Err(err).Msg("the service manager cannot be told how the daemon is")
	}
}

// reloading announces that the config is being read again. Its end is READY=1.
func (d *daemon) reloading() {
	d.notify(systemd.SdNotifyReloading, systemd.SdNotifyMonotonicUsec())
}

// status is the sentence that `systemctl status` shows to everybody on the machine: nothing of what failed, only that something did.
func (d *daemon) status() string {
	var troubles []string
	for _, j := range d.jobs {
		if since := j.troubled.Load(); since != nil {
			troubles = append(troubles, fmt.Sprintf("%s since %s", j.name, since.UTC().Format("2006-01-02 15:04Z")))
		}
	}
	if len(troubles) > 0 {
		return "STATUS=In trouble: " + strings.Join(troubles, ", ") + "; it is tried again and again. What it is: qualifyd status"
	}
	return "STATUS=All is well"
}

// feedWatchdog tells the service manager that the daemon lives, for as long as its jobs get on, if it wants to know (WatchdogSec= in the unit).
func (d *daemon) feedWatchdog(ctx context.Context) {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	ticker := time.NewTicker(every / 3)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := d.alive()
		switch {
		case err == nil:
			told = false
			d.notify(systemd.SdNotifyWatchdog)
		case !told:
			told = true
			d.log.Error().Err(err).Msg("the daemon gets nowhere; the service manager is not told that it lives, and starts it anew")
		}
	}
}

// alive tells which job gets nowhere. That a service does not answer is no such thing: asking it fails, in time.
func (d *daemon) alive() error {
	for _, j := range d.jobs {
		if err := j.alive(); err != nil {
			return err
		}
	}
	return nil
}

const (
	// longestStep is longer than any one request may take, of which Salesforce's answer to a query is the longest with ten minutes.
	longestStep = 15 * time.Minute
	// longestDelay is how late a job may begin.
	longestDelay = 5 * time.Minute
)

func (j *job) alive() error {
	running, last := j.pulse.read()
	quiet := time.Since(last) // by the clock that nobody sets
	if running {
		if quiet > longestStep {
			return fmt.Errorf("%s: no step for %s", j.name, quiet.Round(time.Second))
		}
		return nil
	}
	if due := j.plan.Load().Next(last).Sub(last.Round(0)); quiet > due+longestDelay {
		return fmt.Errorf("%s: it was due %s ago and has not begun", j.name, (quiet - due).Round(time.Second))
	}
	return nil
}

// pulse is when a job last got on.
type pulse struct {
	mu      sync.Mutex
	running bool
	last    time.Time
}

func (p *pulse) set(running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.last = running, time.Now()
}

func (p *pulse) read() (running bool, last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.last
}

// traced has the requests that are made with the context be steps of a job.
func (p *pulse) traced(ctx context.Context) context.Context {
	step := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.running {
			p.last = time.Now()
		}
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { step() },
		GotFirstResponseByte: step,
	})
}
