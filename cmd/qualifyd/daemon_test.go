package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

const (
	salesforceHost      = "acme.my.salesforce.com"
	referralFactoryHost = "api.referral-factory.com"
)

// running is a daemon inside a test's bubble, where sleeping lets the time of everything go by at once.
type running struct {
	*world
	daemon *daemon
	store  *store.Store
	log    *logBook
	cancel context.CancelFunc
	ended  chan error
}

// daemonStory starts the daemon and tells what happens to it. In the end it has to stop cleanly, if it has not stopped before.
func daemonStory(t *testing.T, campaigns string, prepare func(w *world), tell func(d *running)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := furnish(t, func() time.Time { return morning.Add(time.Since(began)) })
		w.after = time.Sleep
		w.configure("https://"+salesforceHost, "https://"+referralFactoryHost+"/api/v2", campaigns)
		prepare(w)
		d := w.start()
		tell(d)
		d.cancel()
		synctest.Wait()
		select {
		case err := <-d.ended:
			if err != nil {
				t.Errorf("told to stop, the daemon ended with %v, want nil", err)
			}
		default:
			t.Error("the daemon runs on after it was told to stop")
			<-d.ended
		}
		d.store.Close()
	})
}

func asItIs(*world) {}

// start wires the daemon as the run command does, but reaches the services without a socket.
func (w *world) start() *running {
	w.t.Helper()
	c, _, err := config.Load(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := store.OpenOrCreate(c.Store.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	via := sandbox.Transport(map[string]http.Handler{salesforceHost: w.through(w.org.Handler()), referralFactoryHost: w.through(w.rf.Handler())})
	if w.reach != nil {
		via = w.reach(via)
	}
	d := &running{world: w, store: s, log: &logBook{}, ended: make(chan error, 1)}
	level := new(leastLevel)
	built, err := build(c, s, newLogger(d.log, c.Log, level), transports{via, via})
	if err != nil {
		w.t.Fatal(err)
	}
	built.level, built.load = level, func() (config.Config, []config.Warning, error) { return config.Load(w.config) }
	if err := built.schedule(c); err != nil {
		w.t.Fatal(err)
	}
	if w.wired != nil {
		w.wired(built)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	d.daemon, d.cancel = built, cancel
	go func() {
		err := built.run(ctx, c)
		d.ended <- err
		close(d.ended)
	}()
	return d
}

// logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// entry is a line of the log.
type entry struct{ Level, Message, Job, Error string }

// troubles are the log's lines of one job: when trouble began and when it ended. Trouble that begins with several failures, or gets another
// cause while it lasts, is told in as many lines; those count as one, unless a line comes back.
func (d *running) troubles(job string) (told []string) {
	d.t.Helper()
	causes := map[string]bool{}
	for line := range strings.Lines(d.log.String()) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			d.t.Fatalf("%v in the log line %s", err, line)
		}
		said := e.Level + ": " + e.Message
		switch {
		case e.Job != job || said != began && said != ended:
			continue
		case said == ended:
			clear(causes)
		case len(causes) > 0 && !causes[e.Error]:
			causes[e.Error] = true
			continue
		default:
			causes[e.Error] = true
		}
		told = append(told, said)
	}
	return told
}

const (
	began = "error: it did not go well, and will be tried again"
	ended = "info: all is well again"
)

func (d *running) wantTroubles(job string, want ...string) {
	d.t.Helper()
	if got := d.troubles(job); strings.Join(got, "\n") != strings.Join(want, "\n") {
		d.t.Errorf("%s: the log tells\n%s\nwant\n%s\nthe whole log:\n%s", job, strings.Join(got, "\n"), strings.Join(want, "\n"), d.log)
	}
}

// wantBetween wants a number of requests within bounds: the schedules have a little jitter.
func (d *running) wantBetween(what string, got, least, most int) {
	d.t.Helper()
	if got < least || got > most {
		d.t.Errorf("%s: got %d, want %d to %d", what, got, least, most)
	}
}

// referred has somebody referred, whom the next sweep sees.
func (d *running) referred(name string, campaign int64) sandbox.User {
	u := d.refer(name, campaign)
	d.after(11 * time.Minute)
	return u
}

func TestTheDaemonWorksByItsSchedules(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		polls, sweeps := d.askedFor("/composite"), d.askedFor("GET /api/v2/users")
		d.after(time.Hour)
		d.wantBetween("polls in an hour", d.askedFor("/composite")-polls, 59, 61)
		d.wantBetween("sweeps in an hour", d.askedFor("GET /api/v2/users")-sweeps, 5, 7)

		d.status(lead, "Qualified")
		d.after(90 * time.Second) // the next poll, and the delivery that follows it
		d.wantQualified(ann)
		d.after(3 * time.Hour)
		d.wantQualified(ann)
		d.wantPuts(1)
		for _, job := range []string{desk.SweepJob, desk.PollJob, desk.DeliverJob} {
			d.wantTroubles(job)
		}
		if log := d.log.String(); !strings.Contains(log, "qualifyd is running") || strings.Contains(log, "@example.com") {
			t.Errorf("got the log\n%s\nwant its beginning, and no e-mail address", log)
		}
	})
}

// A poll costs the org a call. Where it is rare, whoever signs up is looked for after the sweep all the same, and at the start everybody is.
func TestASweepIsFollowedByAPollOnlyWhereSomebodyIsNew(t *testing.T) {
	rare := func(w *world) { w.edit(`schedule: "@every 1m"`, `schedule: "@every 24h"`) }
	daemonStory(t, watching, rare, func(d *running) {
		d.after(time.Minute)
		d.wantBetween("polls after the first sweep", d.askedFor("/composite"), 1, 1)
		d.after(5 * time.Hour)
		d.wantBetween("polls after sweeps that showed nobody new", d.askedFor("/composite"), 1, 1)
		ann := d.refer("Ann", 101)
		d.after(time.Hour)
		if joined, err := d.daemon.poller.Waiting(); joined || err != nil || d.askedFor("/composite") == 1 {
			t.Errorf("an hour after %s signed up: waiting %v (%v), %d polls; want her joined", ann.FirstName, joined, err, d.askedFor("/composite"))
		}
		polls := d.askedFor("/composite")
		d.after(5 * time.Hour)
		d.wantBetween("polls after that", d.askedFor("/composite")-polls, 0, 0)
	})
}

// Twelve pages at one call a minute do not fit into five minutes. The operator is told once, and once more when they fit again.
func TestASweepThatDoesNotFitItsScheduleSaysSoOnce(t *testing.T) {
	many := func(w *world) {
		w.edit(`sweep: "@every 10m"`, `sweep: "@every 5m"`)
		w.edit("referral_factory:", "referral_factory:\n  calls_per_minute: 1")
		w.rf.IgnorePerPage(true)
		for range 11 * 25 { // and their referrer
			w.refer("Ann", 101)
		}
	}
	daemonStory(t, watching, many, func(d *running) {
		d.after(2 * time.Hour)
		said := func(text string) int { return strings.Count(d.log.String(), text) }
		d.wantBetween("lines of sweeps that do not fit", said("a sweep takes longer than poll.sweep leaves it"), 1, 1)
		d.wantTroubles(desk.SweepJob)
		pages := d.askedFor("GET /api/v2/users")
		d.wantBetween("pages in two hours, of a sweep every quarter of an hour", pages, 8*12, 9*12)

		d.reload("calls_per_minute: 1", "calls_per_minute: 60")
		d.after(time.Hour)
		d.wantBetween("lines of sweeps that fit again", said("sweeps fit poll.sweep again"), 1, 1)
		d.wantBetween("lines of sweeps that do not fit, as before", said("a sweep takes longer than poll.sweep leaves it"), 1, 1)
		d.wantBetween("pages in the hour after that, of a sweep every five minutes", d.askedFor("GET /api/v2/users")-pages, 11*12, 13*12)
	})
}

func TestTheDaemonSurvivesAnOutageOfSalesforce(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.org.SetFault(always("", sandbox.HTML(503)))
		d.after(time.Second)
		d.status(lead, "Qualified")
		sweeps := d.askedFor("GET /api/v2/users")
		d.after(90 * time.Minute)
		d.wantBetween("sweeps while Salesforce is away", d.askedFor("GET /api/v2/users")-sweeps, 8, 10)
		d.wantTroubles(desk.PollJob, began)
		d.org.SetFault(nil)
		d.after(2 * time.Minute)
		d.wantQualified(ann)
		d.wantTroubles(desk.PollJob, began, ended)
		d.wantTroubles(desk.SweepJob)
	})
}

func TestTheDaemonSurvivesAnOutageOfReferralFactory(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.rf.SetFault(always("", &sandbox.Fault{Refused: true}))
		d.after(time.Second)
		d.status(lead, "Qualified")
		polls := d.askedFor("/composite")
		d.after(90 * time.Minute)
		d.wantBetween("polls while Referral Factory is away", d.askedFor("/composite")-polls, 88, 102)
		d.wantTroubles(desk.PollJob)
		d.wantTroubles(desk.SweepJob, began)
		d.wantTroubles(desk.DeliverJob, began) // nor is all well while it waits
		d.rf.SetFault(nil)
		d.after(time.Hour + time.Minute) // what was tried in vain is tried again within an hour
		d.wantQualified(ann)
		d.wantPuts(1)
		d.wantTroubles(desk.SweepJob, began, ended)
	})
}

// A service that refuses the credentials is asked less and less often; the secret is read again each time.
func TestTheDaemonParksASalesforceThatRefusesItAndTakesTheRotatedSecret(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.org.RotateSecret()
		d.org.KillSessions()
		logins, sweeps := d.askedFor("/oauth2/token"), d.askedFor("GET /api/v2/users")
		d.status(lead, "Qualified")
		bob := d.refer("Bob", 101)
		d.after(3 * time.Hour)
		d.wantBetween("logins with a wrong secret in three hours", d.askedFor("/oauth2/token")-logins, 7, 10)
		d.wantBetween("sweeps meanwhile", d.askedFor("GET /api/v2/users")-sweeps, 17, 19)
		d.wantTroubles(desk.PollJob, began)

		d.writeSecrets()
		d.after(time.Hour + 2*time.Minute) // it is parked for an hour at most
		d.wantQualified(ann)
		d.wantTroubles(desk.PollJob, began, ended)
		d.status(d.lead(bob), "Qualified")
		d.after(2 * time.Minute)
		d.wantQualified(ann, bob)
	})
}

func TestTheDaemonParksAReferralFactoryThatRefusesItAndTakesTheRotatedKey(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.rf.RotateKey()
		polls, refused := d.askedFor("/composite"), d.askedFor("/api/v2/")
		d.status(lead, "Qualified")
		d.after(45 * time.Minute)
		d.wantBetween("polls while the key is dead", d.askedFor("/composite")-polls, 44, 52)
		d.wantBetween("requests with a dead key", d.askedFor("/api/v2/")-refused, 8, 14)
		d.wantTroubles(desk.PollJob)
		d.wantTroubles(desk.SweepJob, began)
		d.wantTroubles(desk.DeliverJob, began)

		d.writeSecrets()
		d.after(25 * time.Minute) // after 1, 2, 4, 8, 16 and 32 minutes the next try is about an hour after the first
		d.wantQualified(ann)
		d.wantPuts(1)
		d.wantTroubles(desk.SweepJob, began, ended)
		d.wantTroubles(desk.DeliverJob, began, ended)
	})
}

// A pass asks Referral Factory for the referrer of somebody who joins. That it is refused there must not keep it from polling Salesforce.
func TestADeadKeyDoesNotParkThePollsThatNeedAReferrer(t *testing.T) {
	fromReferrer := strings.Replace(creating, "{to: Company, fixed: Referred}", "{to: Company, dynamic: referrer.first_name}", 1)
	daemonStory(t, watching+fromReferrer, asItIs, func(d *running) {
		d.after(2 * time.Minute)
		ann := d.referred("Ann", 101)
		d.org.SetFault(always("", sandbox.HTML(503)))
		d.referred("Bob", 102) // swept, and not yet created
		d.rf.RotateKey()
		d.org.SetFault(nil)
		polls := d.askedFor("/composite")
		d.after(40 * time.Minute)
		d.wantBetween("polls while the key is dead", d.askedFor("/composite")-polls, 38, 100)
		d.writeSecrets()
		d.status(d.lead(ann), "Qualified")
		d.after(25 * time.Minute)
		d.wantQualified(ann)
		if n := len(d.org.IDs("Lead")); n != 2 {
			t.Errorf("got %d leads, want Ann's and the one created for Bob", n)
		}
	})
}

// A firewall on the way, say, refuses what would be written, and lets pass what is read. Polls go on as often as ever, and the other campaigns with them.
func TestARefusalOfOneThingDoesNotRestThePolls(t *testing.T) {
	daemonStory(t, watching+creating, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/sobjects/") {
				return sandbox.HTML(http.StatusForbidden)
			}
			return nil
		})
		d.referred("Bob", 102)
		d.after(time.Hour)
		d.wantTroubles(desk.PollJob, began)
		d.status(lead, "Qualified")
		d.after(2 * time.Minute)
		d.wantQualified(ann)
		d.org.SetFault(nil)
		d.after(2 * time.Minute)
		d.wantTroubles(desk.PollJob, began, ended)
		if n := len(d.org.IDs("Lead")); n != 2 {
			t.Errorf("got %d leads, want Ann's and the one created for Bob", n)
		}
	})
}

// Where the API itself is closed to us, polls rest like those with a dead secret.
func TestPollsRestWhileTheAPIIsDisabled(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		d.org.SetFault(always("/composite", sandbox.Refusal(http.StatusForbidden, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")))
		polls := d.askedFor("/composite")
		d.after(3 * time.Hour)
		d.wantBetween("polls in three hours", d.askedFor("/composite")-polls, 5, 12)
	})
}

func TestTheDaemonStopsCleanlyInTheMiddleOfARequest(t *testing.T) {
	for name, slow := range map[string]func(w *world){
		"to Salesforce":       func(w *world) { w.org.SetFault(always("/composite", &sandbox.Fault{Delay: 5 * time.Minute})) },
		"to Referral Factory": func(w *world) { w.rf.SetFault(always("/users", &sandbox.Fault{Delay: 20 * time.Second})) },
	} {
		t.Run(name, func(t *testing.T) {
			daemonStory(t, watching, slow, func(d *running) {
				d.after(time.Second)
				d.cancel()
				synctest.Wait() // no time goes by
				if len(d.ended) != 1 {
					t.Error("the daemon waits for the answer, want it to stop")
				}
				for _, job := range []string{desk.SweepJob, desk.PollJob, desk.DeliverJob} {
					d.wantTroubles(job) // being stopped is no trouble
				}
			})
		})
	}
}

// endedStory tells of a daemon that ends by itself, and gives what it ended with.
func endedStory(t *testing.T, prepare func(w *world), within time.Duration) (log string, end error) {
	t.Helper()
	daemonStory(t, watching, prepare, func(d *running) {
		d.after(within)
		select {
		case end = <-d.ended:
		default:
			t.Errorf("after %v the daemon runs on, want it to end", within)
		}
		log = d.log.String()
	})
	return log, end
}

func TestTheDaemonEndsOnAnotherOrg(t *testing.T) {
	log, end := endedStory(t, func(w *world) {
		s, err := store.Create(w.storePath())
		if err != nil {
			w.t.Fatal(err)
		}
		s.Close()
		w.belongTo("00D000000000001EAA")
	}, 2*time.Minute)
	if !errors.Is(end, poll.ErrOtherOrg) || exitCode(end) != exitConfig {
		t.Errorf("got %v and exit code %d, want %v and %d", end, exitCode(end), poll.ErrOtherOrg, exitConfig)
	}
	if !strings.Contains(log, "qualifyd has stopped") {
		t.Errorf("got the log\n%s\nwant it to say that qualifyd has stopped", log)
	}
}

// A store that fails leaves open what was kept: going on could qualify somebody twice.
func TestTheDaemonEndsWhenItsStoreFails(t *testing.T) {
	for name, schedule := range map[string]string{
		"under a poll":     "@every 1m",
		"under a delivery": "@every 24h", // nothing but the look into the outbox comes within the minute
	} {
		t.Run(name, func(t *testing.T) {
			prepare := func(w *world) {
				w.edit(`schedule: "@every 1m"`, `schedule: "`+schedule+`"`)
				w.edit(`sweep: "@every 10m"`, `sweep: "@every 24h"`)
			}
			daemonStory(t, watching, prepare, func(d *running) {
				d.after(2*time.Minute + 10*time.Second)
				d.store.Close()
				d.after(time.Minute + 10*time.Second)
				select {
				case end := <-d.ended:
					if exitCode(end) != exitFailed {
						t.Errorf("got %v and exit code %d, want %d", end, exitCode(end), exitFailed)
					}
				default:
					t.Error("the daemon runs on, want it to end")
				}
			})
		})
	}
}

// How a job went is for people, by this machine's clock: one that was set back by a day must not keep the newest trouble from them for a day.
func TestAJobIsRecordedAfterTheClockWasSetBack(t *testing.T) {
	s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	trouble, begun := errors.New("the service is away"), time.Now()
	err = s.Update(func(tx *store.Tx) error {
		return tx.PutRun(store.Run{Job: desk.DeliverJob, Ended: begun.Add(24 * time.Hour), Trouble: trouble.Error()})
	})
	if err := errors.Join(err, record(s, desk.DeliverJob, begun, trouble)); err != nil {
		t.Fatal(err)
	}
	err = s.View(func(tx *store.Tx) error {
		r, err := tx.Run(desk.DeliverJob)
		if r.Ended.After(time.Now()) {
			t.Errorf("got that it ended at %v, want now", r.Ended)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resets is a network that resets each connection, and names its ends.
type resets struct{ port atomic.Int32 }

func (n *resets) RoundTrip(r *http.Request) (*http.Response, error) {
	from := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 40000 + int(n.port.Add(1))}
	return nil, &net.OpError{Op: "read", Net: "tcp", Source: from, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: syscall.ECONNRESET}
}

// An outage is one line, though each of its errors names another port of ours.
func TestATroubleIsToldOnceHoweverItIsNumbered(t *testing.T) {
	down := &resets{}
	daemonStory(t, watching, func(w *world) {
		w.reach = func(http.RoundTripper) http.RoundTripper { return down }
	}, func(d *running) {
		d.after(2 * time.Hour)
		for _, job := range []string{desk.SweepJob, desk.PollJob} {
			if n := strings.Count(d.log.String(), `"job":"`+job+`"`); n != 1 {
				t.Errorf("two hours of an outage: the log has %d lines about %s, want 1:\n%s", n, job, d.log)
			}
		}
	})
}

// Who looks at the log of a daemon that is well finds its beginning, and what happened.
func TestADaemonThatIsWellIsQuiet(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"nobody is referred":   asItIs,
		"somebody is, at rest": func(w *world) { w.refer("Ann", 101) },
	} {
		t.Run(name, func(t *testing.T) {
			daemonStory(t, watching, func(w *world) {
				prepare(w)
				w.edit(`schedule: "@every 1m"`, `schedule: "@every 20m"`)
				w.edit(`sweep: "@every 10m"`, `sweep: "@every 1h"`)
				w.wired = func(d *daemon) {
					p := newProgress(io.Discard)
					p.log = d.log
					d.poller.Progress = p.step
				}
			}, func(d *running) {
				d.after(26 * time.Hour)
				if n := strings.Count(d.log.String(), "\n"); n != 1 {
					t.Errorf("after a day in which nothing happened: got %d lines, want 1:\n%s", n, d.log)
				}
			})
		})
	}
}

func TestTheLogSaysWhereThePageIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.shorten()
	w.edit("campaigns:", "console: {listen: \"127.0.0.1:0\"}\ncampaigns:")
	d := w.serve()
	found := regexp.MustCompile(`"page":"([^"]+)"`).FindStringSubmatch(d.log.String())
	if found == nil {
		t.Fatalf("got a log that does not say where the page is, want its address:\n%s", d.log)
	}
	resp, err := http.Get(found[1])
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: got status %d, want 200", found[1], resp.StatusCode)
	}
	d.end()
}
