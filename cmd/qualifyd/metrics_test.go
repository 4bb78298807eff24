package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/sync/sandbox"
)

// pings counts the calls of a dead-man switch.
type pings struct{ atomic.Int32 }

func (p *pings) RoundTrip(*http.Request) (*http.Response, error) {
	p.Add(1)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

// measured has a daemon in a bubble write its metrics to a file, and send pings.
func (w *world) measured() *pings {
	heard := &pings{}
	w.wired = func(d *daemon) {
		c, _, err := config.Load(w.config)
		if err == nil {
			err = d.metrics.Watch(d.desk(c, nil), d.alive)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		d.shown = append(d.shown, d.metrics.Show)
		d.metrics.Report(filepath.Join(w.folder, "qualifyd.prom"), "https://switch.example.com/hunter2", heard)
	}
	return heard
}

// measure is a value of the file of metrics: of the first whose name and labels contain all of parts.
func (w *world) measure(parts ...string) float64 {
	w.t.Helper()
	text := string(readFile(w.t, filepath.Join(w.folder, "qualifyd.prom")))
lines:
	for line := range strings.Lines(text) {
		for _, part := range parts {
			if !strings.Contains(line, part) || strings.HasPrefix(line, "#") {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
		if err != nil {
			w.t.Fatal(err)
		}
		return value
	}
	w.t.Fatalf("no metric with %q in\n%s", parts, text)
	return 0
}

func (w *world) wantMeasure(situation string, least, most float64, parts ...string) {
	w.t.Helper()
	if got := w.measure(parts...); got < least || got > most {
		w.t.Errorf("%s: got %v for %q, want %v to %v", situation, got, parts, least, most)
	}
}

func TestTheMetricsTellOfAQualificationAndOfAnOutage(t *testing.T) {
	var heard *pings
	daemonStory(t, watching, func(w *world) { heard = w.measured() }, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(150 * time.Second) // to between two polls
		d.status(lead, "Qualified")
		d.after(2 * time.Minute)
		d.wantQualified(ann)
		d.wantMeasure("qualified", 1, 1, "qualifyd_qualifications_total", `campaign="101"`)
		d.wantMeasure("qualified", 1, 1, "qualifyd_event_to_qualification_seconds_count")
		d.wantMeasure("qualified within a poll and a delivery", 1, 90, "qualifyd_event_to_qualification_seconds_sum")
		d.wantMeasure("all is well", 0, 0, "qualifyd_runs_total", `outcome="failed"`, `task="poll"`)
		d.wantMeasure("all is well", 5, 30, "qualifyd_salesforce_calls_total")
		d.wantMeasure("all is well", 3, 30, "qualifyd_referral_factory_calls_total")

		before := int(heard.Load())
		d.after(20 * time.Minute)
		d.wantBetween("pings in 20 minutes", int(heard.Load())-before, 15, 20)
		d.wantMeasure("after the next sweep", 1, 1, "qualifyd_referrals{", `standing="delivered"`)
		d.org.SetFault(always("", sandbox.HTML(503)))
		d.after(2 * time.Minute)
		before = int(heard.Load())
		d.after(90 * time.Minute)
		d.wantBetween("pings while passes fail", int(heard.Load())-before, 0, 0)
		d.wantMeasure("Salesforce is away", 80, 100, "qualifyd_faults_total", `kind="unreachable"`, `service="salesforce"`)
		d.wantMeasure("Salesforce is away", 0, 0, "qualifyd_faults_total", `kind="unreachable"`, `service="referral_factory"`)
		d.wantMeasure("Salesforce is away", 0, 0, "qualifyd_credentials_refused", `service="salesforce"`)
		if still := d.daemon.alive(); still != nil {
			t.Errorf("an outage of Salesforce made the process unhealthy: nothing has moved for %v", still)
		}
		d.org.SetFault(nil)
		d.after(5 * time.Minute)
		d.wantBetween("pings once passes go well again", int(heard.Load())-before, 1, 6)
	})
}

// A job whose service refuses the credentials rests for up to an hour. That is no standstill of the scheduler.
func TestADaemonThatRestsIsHealthy(t *testing.T) {
	daemonStory(t, watching, func(w *world) {
		w.edit(`schedule: "@every 1m"`, `schedule: "@every 30m"`)
		w.measured()
	}, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(time.Hour)
		d.rf.RotateKey()
		d.status(lead, "Qualified")
		for range 300 {
			d.after(time.Minute)
			if still := d.daemon.alive(); still != nil {
				t.Fatalf("while it rests nothing has moved for %v, want it healthy", still)
			}
		}
		d.wantMeasure("the key is dead", 1, 1, "qualifyd_credentials_refused", `service="referral_factory"`)
		d.wantMeasure("the key is dead", 1, 1, "qualifyd_outbox_owed")
	})
}

// By the age of the file alone a monitoring system tells whether qualifyd runs: one that rests does.
func TestTheFileIsWrittenWhileJobsRest(t *testing.T) {
	daemonStory(t, watching, func(w *world) {
		w.edit(`schedule: "@every 1m"`, `schedule: "@every 30m"`)
		w.measured()
	}, func(d *running) {
		lead := d.lead(d.referred("Ann", 101))
		d.after(time.Hour)
		d.rf.RotateKey()
		d.status(lead, "Qualified") // or deliveries have nothing to be refused for
		d.after(5 * time.Hour)
		file := filepath.Join(d.folder, "qualifyd.prom")
		for range 60 {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			d.after(time.Minute)
			if _, err := os.Stat(file); err != nil {
				t.Fatalf("the key is dead, and sweeps and deliveries rest: a minute after it was written: %v", err)
			}
		}
		d.wantMeasure("the key is dead", 1, 1, "qualifyd_credentials_refused", `service="referral_factory"`)
	})
}

func TestTheMetricsTellOfAReload(t *testing.T) {
	daemonStory(t, watching, func(w *world) { w.measured() }, func(d *running) {
		d.after(5 * time.Minute)
		d.wantMeasure("at the start", 1, 1, "qualifyd_config_last_reload_successful")
		started := d.measure("qualifyd_config_last_reload_success_timestamp_seconds")
		d.reload(`schedule: "@every 1m"`, `schedule: "@every 1s"`)
		d.after(time.Minute)
		d.wantMeasure("a wrong file", 0, 0, "qualifyd_config_last_reload_successful")
		d.wantMeasure("a wrong file", started, started, "qualifyd_config_last_reload_success_timestamp_seconds")
		d.wantMeasure("a wrong file", 60, 60, "qualifyd_run_interval_seconds", `task="poll"`)
		d.write("config.yaml", strings.Replace(string(readFile(t, d.config)), `"@every 1s"`, `"@every 5m"`, 1)+creating)
		d.daemon.reloadConfig()
		d.after(time.Minute)
		d.wantMeasure("it is mended", 1, 1, "qualifyd_config_last_reload_successful")
		d.wantMeasure("it is mended", started+360, started+370, "qualifyd_config_last_reload_success_timestamp_seconds")
		d.wantMeasure("it is mended", 300, 300, "qualifyd_run_interval_seconds", `task="poll"`)
		d.wantMeasure("a campaign came in", 0, 0, "qualifyd_qualifications_total", `campaign="102"`)
		d.wantMeasure("a campaign came in", 0, 0, "qualifyd_campaign_parked", `campaign="102"`)
	})
}

func TestTheMetricsAreServedWhileTheDaemonRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.shorten()
	w.edit("campaigns:", "metrics: {listen: \"127.0.0.1:0\"}\ncampaigns:")
	d := w.serve()
	found := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(d.log.String())
	if found == nil {
		t.Fatalf("the log does not say where metrics are served:\n%s", d.log)
	}
	get := func(path, want string) {
		t.Helper()
		resp, err := http.Get("http://" + found[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d, %v, want %q in\n%s", path, resp.StatusCode, err, want, body)
		}
	}
	get("/metrics", `qualifyd_runs_total{outcome="well",task="poll"} `)
	get("/metrics", `qualifyd_build_info{commit=`)
	get("/healthz", "ok")
	get("/readyz", `{"ready":true,"reasons":[],"salesforce":"connected","referral_factory":"connected"}`)
	if code := d.end(); code != exitDone {
		t.Errorf("the daemon's end: got %d, want %d", code, exitDone)
	}
	if _, err := net.Dial("tcp", found[1]); err == nil {
		t.Errorf("%s is still being listened on", found[1])
	}
}

func TestTheDaemonRunsWithoutMetricsWhereTheirAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := newWorld(t, watching)
	w.shorten()
	w.edit("campaigns:", fmt.Sprintf("metrics: {listen: %q}\ncampaigns:", taken.Addr()))
	d := w.serve()
	if !strings.Contains(d.log.String(), "is taken by another program") || !strings.Contains(d.log.String(), "there are no metrics to scrape") {
		t.Errorf("the log does not say why there are no metrics:\n%s", d.log)
	}
	if code := d.end(); code != exitDone {
		t.Errorf("the daemon's end: got %d, want %d", code, exitDone)
	}
}

// Where qualifyd runs by a timer, its file and its ping are all that can be seen of it.
func TestRunOnceWritesTheMetricsAndPings(t *testing.T) {
	t.Parallel()
	var heard atomic.Int32
	deadMan := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.String() == "/hunter2?up=1" {
			heard.Add(1)
		}
	}))
	defer deadMan.Close()
	w := newWorld(t, watching)
	w.write("ping-url", deadMan.URL+"/hunter2?up=1\n")
	w.edit("campaigns:", "metrics: {textfile: qualifyd.prom, ping_file: ping-url}\ncampaigns:")
	r := w.run("run", "--once")
	r.want(exitDone)
	if got := heard.Load(); got != 1 {
		t.Errorf("got %d pings, want 1; the log:\n%s", got, r.err)
	}
	for _, task := range []string{"sweep", "poll", "deliver"} {
		w.wantMeasure("run once", 1, 1, "qualifyd_runs_total", `outcome="well"`, fmt.Sprintf("task=%q", task))
	}
	w.org.SetFault(always("", sandbox.HTML(503)))
	w.run("run", "--once").want(exitIncomplete)
	w.wantMeasure("run once more", 1, 1, "qualifyd_runs_total", `outcome="failed"`, `task="poll"`)

	deadMan.Close()
	w.org.SetFault(nil)
	r = w.run("run", "--once")
	r.want(exitDone)
	if !strings.Contains(r.err, "the ping does not get through") || strings.Contains(r.err, "hunter2") {
		t.Errorf("got the log\n%s\nwant it to say that the ping does not get through, and not where to", r.err)
	}
	if got := heard.Load(); got != 1 {
		t.Errorf("got %d pings, want none after a pass that failed", got-1)
	}
	w.run("run", "--dry-run").want(exitDone)
}
