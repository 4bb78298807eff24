// Package metrics tells a monitoring system how qualifyd does: by numbers, by two health checks, by a file, and by a ping.
//
// [New] makes the counters; cmd/qualifyd tells them what happens ([Metrics.Ran] after each run of a job, [Metrics.Reloaded] after a reload, a
// count of the calls). [Metrics.Watch] adds what the store knows, which is read when somebody asks, by the counting that status does
// (desk.Vitals). All of it can then be had
//
//	at an address   Listen: /metrics, /healthz and /readyz, for what scrapes
//	in a file       Report: for node_exporter's textfile collector, where nothing may connect to this host
//	by its absence  Report: a ping to a dead-man switch, which tells somebody when it stops
//
// Nothing here names a person, a record or a referral; labels are a job, a service, a campaign's number, a reason. docs/metrics.md lists every
// metric, docs/runbook.md what to do about each alert; tests hold both against this code and packaging/.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"qualifyd/cmd/desk"
	"qualifyd/store"
)

// Metrics counts what this process does. Its methods may be called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	log      zerolog.Logger

	runs         *prometheus.CounterVec
	took         *prometheus.HistogramVec
	faults       *prometheus.CounterVec
	salesforce   prometheus.Counter
	referrals    prometheus.Counter
	qualified    *prometheus.CounterVec
	fromEvent    prometheus.Histogram
	fromVerdict  prometheus.Histogram
	reloaded     prometheus.Gauge
	reloadedAt   prometheus.Gauge
	reloadFailed atomic.Bool

	desk    atomic.Pointer[desk.Desk] // nil until Watch
	alive   func() error              // which job of the daemon gets nowhere
	watched bool                      // somebody can see the numbers
	file    textfile
	ping    ping

	upTo     uint64    // ledger lines that are counted; only deliveries touch it
	tallyDue time.Time // only sweeps do

	recent   sync.Mutex // guards what follows
	troubled map[string]bool
	tally    []desk.CampaignStatus
}

// The buckets, in seconds.
var (
	runBuckets   = []float64{.05, .25, 1, 2.5, 5, 10, 30, 60, 5 * 60, 15 * 60, 60 * 60}
	delayBuckets = []float64{30, 60, 2 * 60, 5 * 60, 10 * 60, 15 * 60, 30 * 60, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600}
)

// task is the label that names a job: Prometheus has a label "job" of its own, and would rename ours.
const task = "task"

var jobs = []string{desk.SweepJob, desk.PollJob, desk.DeliverJob}

// New makes the counters of a process of a version. Each begins at 0, also where nothing has happened yet: else the first time would not show as
// an increase.
func New(version, commit string, log zerolog.Logger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), log: log, troubled: map[string]bool{},
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qualifyd_runs_total",
			Help: "Runs of a job since the start, by how they went: well, failed, or put_off to make the calls of the day last."}, []string{task, "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "qualifyd_run_duration_seconds", Buckets: runBuckets,
			Help: "How long runs of a job took."}, []string{task}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qualifyd_faults_total",
			Help: "Runs that met a fault of a kind, by whose it was: salesforce, referral_factory, store, or program."}, []string{"service", "kind"}),
		salesforce: prometheus.NewCounter(prometheus.CounterOpts{Name: "qualifyd_salesforce_calls_total",
			Help: "API requests made to Salesforce since the start."}),
		referrals: prometheus.NewCounter(prometheus.CounterOpts{Name: "qualifyd_referral_factory_calls_total",
			Help: "API calls made to Referral Factory since the start."}),
		qualified: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qualifyd_qualifications_total",
			Help: "Qualifications confirmed by Referral Factory since the start."}, []string{"campaign"}),
		fromEvent: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qualifyd_event_to_qualification_seconds", Buckets: delayBuckets,
			Help: "From the change in Salesforce that decided to the confirmed qualification; those by hand are left out."}),
		fromVerdict: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qualifyd_verdict_to_qualification_seconds", Buckets: delayBuckets,
			Help: "From the verdict to the confirmed qualification, time held by the brake included."}),
		reloaded: prometheus.NewGauge(prometheus.GaugeOpts{Name: "qualifyd_config_last_reload_successful",
			Help: "1 where the config file was taken when it was last read, 0 where it was refused and the one before it is in force."}),
		reloadedAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "qualifyd_config_last_reload_success_timestamp_seconds",
			Help: "When the config file was last read and taken."}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "qualifyd_build_info", Help: "Always 1; the labels are the version that runs.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "goversion": runtime.Version()}})
	started := prometheus.NewGauge(prometheus.GaugeOpts{Name: "qualifyd_start_time_seconds", Help: "When the process started."})
	m.registry.MustRegister(info, started, m.runs, m.took, m.faults, m.salesforce, m.referrals, m.qualified, m.fromEvent, m.fromVerdict,
		m.reloaded, m.reloadedAt)
	info.Set(1)
	started.SetToCurrentTime()
	m.Reloaded(true) // it has just been read
	for _, job := range jobs {
		m.took.WithLabelValues(job)
		for _, o := range outcomes {
			m.runs.WithLabelValues(job, o)
		}
	}
	for _, f := range faults {
		m.faults.WithLabelValues(f.service, f.kind)
	}
	return m
}

// Watch adds what a store knows. What was delivered before is not counted: a counter is of one process. Call it once, before the jobs run. alive
// tells which job gets nowhere, which is what /healthz answers by.
func (m *Metrics) Watch(d *desk.Desk, alive func() error) error {
	if err := d.Store.View(func(tx *store.Tx) error { m.upTo = tx.LedgerLength(); return nil }); err != nil {
		return err
	}
	m.alive = alive
	m.Show(d)
	m.registry.MustRegister(&vitals{m})
	return nil
}

// Show has what the store knows answered by another desk, of the same store.
func (m *Metrics) Show(d *desk.Desk) {
	m.desk.Store(d)
	for _, c := range d.Campaigns {
		m.qualified.WithLabelValues(number(c.ID))
	}
}

// Report has the metrics written to a file after each run of a job and each time that one rests, and a ping sent to a URL while all is well; "" is neither. The ping goes by a
// transport. Call it after Watch, and Close in the end.
func (m *Metrics) Report(file, pingURL string, via http.RoundTripper) {
	m.watched = m.watched || file != ""
	m.file.path = file
	m.ping.url, m.ping.log = pingURL, m.log
	m.ping.client = &http.Client{Transport: via, Timeout: pingWithin, CheckRedirect: neverFollow}
}

// Close waits for a ping that is under way.
func (m *Metrics) Close() { m.ping.on.Wait() }

// CountSalesforce counts calls to Salesforce as they go out.
func (m *Metrics) CountSalesforce(calls int) { m.salesforce.Add(float64(calls)) }

// CountReferralFactory counts a call to Referral Factory.
func (m *Metrics) CountReferralFactory() { m.referrals.Inc() }

// Reloaded tells whether a config that was read again is in force now.
func (m *Metrics) Reloaded(ok bool) {
	m.reloadFailed.Store(!ok)
	if !ok {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
	m.reloadedAt.SetToCurrentTime()
}

// Ran takes note of how a run of a job went, once the store has it recorded. It writes the file, and sends the ping where that is due.
func (m *Metrics) Ran(ctx context.Context, job string, begun time.Time, err error) {
	m.runs.WithLabelValues(job, outcome(err)).Inc()
	m.took.WithLabelValues(job).Observe(time.Since(begun).Seconds())
	met := faultsOf(err)
	for f := range met {
		m.faults.WithLabelValues(f.service, f.kind).Inc()
	}
	m.recent.Lock()
	m.troubled[job] = met[storeFull] || met[storeFailed]
	m.recent.Unlock()
	if m.desk.Load() == nil || ctx.Err() != nil {
		return
	}
	switch job {
	case desk.SweepJob:
		m.count()
	case desk.DeliverJob:
		m.follow()
		m.ping.send(ctx, err == nil && m.allIsWell())
	}
	m.file.write(m.registry, m.log)
}

// Rests writes the file though a job has not run, because its service refuses the credentials: by the file's age a monitoring system tells whether
// qualifyd runs, and all jobs may rest at once, for an hour.
func (m *Metrics) Rests() {
	if m.desk.Load() != nil {
		m.file.write(m.registry, m.log)
	}
}

// allIsWell is what a ping says: not only that the process lives, but that the newest sweep, pass and delivery went well and are no older than
// their schedules let expect. A daemon whose passes have failed for hours is silent, as a dead one is.
func (m *Metrics) allIsWell() bool {
	v, err := m.desk.Load().Vitals()
	return err == nil && v.Salesforce == desk.Connected && v.ReferralFactory == desk.Connected
}

// restAfterTally is how many times as long as a count of all referrals took there is none: it may cost a hundredth of a processor at most.
const restAfterTally = 100

// count counts the referrals, where anybody can see the numbers.
func (m *Metrics) count() {
	begun := time.Now()
	if !m.watched || begun.Before(m.tallyDue) {
		return
	}
	if tally, err := m.desk.Load().Tally(); err == nil { // else it is a failure of the store, which the jobs tell of
		m.recent.Lock()
		m.tally = tally
		m.recent.Unlock()
	}
	m.tallyDue = time.Now().Add(restAfterTally * time.Since(begun))
}

// follow reads on in the ledger, and counts what was delivered since.
func (m *Metrics) follow() {
	_ = m.desk.Load().Store.View(func(tx *store.Tx) error { // as above
		return tx.Ledger(m.upTo, func(e store.Entry) error {
			m.upTo = e.Number
			if e.Act != store.ActDelivered {
				return nil
			}
			r, _, err := tx.Referral(e.Referral)
			if err != nil {
				return err
			}
			m.qualified.WithLabelValues(number(e.Campaign)).Inc()
			if event := r.Verdict.EventAt(); !event.IsZero() {
				m.fromEvent.Observe(max(0, e.At.Sub(event).Seconds()))
				m.fromVerdict.Observe(max(0, e.At.Sub(r.Verdict.At).Seconds()))
			}
			return nil
		})
	})
}
