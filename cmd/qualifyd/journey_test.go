package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/schedule"
)

// answered is closed once a request whose method and path contain text has been answered.
func (w *world) answered(text string) <-chan struct{} {
	done := make(chan struct{})
	once := sync.OnceFunc(func() { close(done) })
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(rw, r)
		if strings.Contains(r.Method+" "+r.URL.Path, text) {
			once()
		}
	})
	return done
}

// await waits for what the running daemon is to do by itself.
func (d *live) await(what string, done <-chan struct{}) {
	d.t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		d.t.Fatalf("%s has not come about; the log:\n%s", what, d.log)
	}
}

// Nothing is due by schedule for a day: what happens was ordered.
func TestAnOrderToADaemonActsAtOnceAndIsInTheLedger(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	d := w.serve()
	sent := w.answered("PUT ")
	w.run("qualify", w.dan.Code, "--reason", "won by phone").want(exitDone, "is owed; it is sent now")
	d.await("Dan's qualification", sent)
	w.wantQualified(w.ann, w.dan)
	w.run("explain", w.dan.Code).want(exitDone, desk.NewAsker(os.Getuid(), os.Getenv("SUDO_USER")).Name, "won by phone")

	w.run("referrals", "pin", w.cleo.Code, w.cleosOld).want(exitDone, "qualifyd poll makes one now")
	w.run("poll").want(exitDone, "swept, polled and delivered")
	w.after(time.Minute)
	w.status(w.cleosOld, "Qualified")
	w.after(time.Minute)
	w.run("poll").want(exitDone, fmt.Sprintf("referral %d is qualified", w.cleo.ID))
	w.run("status").want(exitDone, "the daemon (version ")
	if code := d.end(); code != exitDone {
		t.Errorf("the daemon's end: got %d, want %d", code, exitDone)
	}
}

// While Referral Factory refuses the key deliveries rest, for up to an hour; an order is tried all the same, and does not promise too much.
func TestAnOrderWakesADeliveryThatRests(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	d := w.serve()
	w.rf.RotateKey()
	w.run("poll").want(exitRefused, "refused the API key")
	w.run("status").want(exitDone, "Referral Factory  refused")
	read := w.answered("/users/" + text(w.dan.ID))
	w.run("qualify", w.dan.Code, "--reason", "won").want(exitDone, "it is sent once the trouble with Referral Factory is over")
	d.await("a refused delivery", read)
	read = w.answered("/users/" + text(w.dan.ID)) // by now deliveries rest
	w.run("outbox", "retry", w.dan.Code).want(exitDone, "is tried at once")
	d.await("another try", read)
	w.writeSecrets()
	w.run("poll").want(exitDone)
	w.wantQualified(w.ann, w.dan)
	d.end()
}

func TestASecondDaemonIsRefusedAndTheFirstAnswersOn(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	d := w.serve()
	w.run("run").want(exitFailed, "in use by another process")
	w.run("status").want(exitDone, "the daemon (version ")
	d.end()
	w.run("status").want(exitDone, "no daemon runs")
}

func TestPollsDuringAPassAndAtTheStop(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	d := w.serve()
	asked, goOn := make(chan struct{}, 10), make(chan struct{})
	defer close(goOn)
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/composite") {
			asked <- struct{}{}
			<-goOn
		}
		next.ServeHTTP(rw, r)
	})
	polls := make(chan result, 3)
	poll := func() { polls <- w.run("poll") }
	go poll()
	<-asked
	go poll() // while a pass runs, and so does the third
	go poll()
	w.run("status").want(exitDone, "the daemon") // nobody waits for a pass to be answered
	goOn <- struct{}{}
	<-asked
	goOn <- struct{}{}
	<-asked // the third pass is under way
	begun := time.Now()
	code := d.end()
	if took := time.Since(begun); code != exitDone || took > 4*time.Second {
		t.Errorf("told to stop in a pass that an operator ordered, the daemon ended with %d after %v, want %d and soon", code, took, exitDone)
	}
	codes := map[int]int{}
	for range 3 {
		r := <-polls
		codes[r.code]++
		if r.code != exitDone {
			r.want(exitIncomplete, "being stopped")
		}
	}
	if codes[exitDone] > 2 || codes[exitIncomplete] == 0 {
		t.Errorf("got the exit codes %v, want an incomplete poll: the last was interrupted", codes)
	}
}

// The config is edited while the daemon runs on with the old one.
func TestAnotherStorePathThanTheDaemons(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.shorten()
	w.seldom()
	d := w.serve()
	w.edit("path: qualifyd.db", "path: other.db")
	w.run("status").want(exitFailed, "there is no store", "this daemon has the store "+w.storePath())
	w.edit("path: other.db", "path: qualifyd.db")
	d.end()
}

func TestBeingStoppedIsNoTroubleOfTheServices(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.run("run", "--once").want(exitDone)
	before := w.run("status").want(exitDone, "Salesforce        connected").out
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/composite") {
			stop()
			<-over
		}
		next.ServeHTTP(rw, r)
	})
	if code := run(ctx, []string{"run", "--once", "--config", w.config}, streams{&logBook{}, &logBook{}}); code != exitIncomplete {
		t.Errorf("interrupted: got %d, want %d", code, exitIncomplete)
	}
	close(over)
	w.between(nil)
	w.run("status").wantNot("canceled", "trouble").want(exitDone, strings.SplitAfter(before, "\n")[1])
}

func TestHowAJobWentIsKept(t *testing.T) {
	t.Parallel()
	s, err := store.Create(t.TempDir() + "/q.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := func(job string, err error) (r store.Run) {
		t.Helper()
		if err := record(s, job, time.Now(), err); err != nil {
			t.Fatal(err)
		}
		if err := s.View(func(tx *store.Tx) (err error) { r, err = tx.Run(job); return err }); err != nil {
			t.Fatal(err)
		}
		return r
	}
	down := kept(desk.SweepJob, errors.New("it is down"))
	again := kept(desk.SweepJob, errors.New("it is down still"))
	if down.Since.IsZero() || !again.Since.Equal(down.Since) || again.Trouble != "it is down still" || again.Refused {
		t.Errorf("trouble that goes on: got %+v after %+v", again, down)
	}
	refused := kept(desk.SweepJob, &referralfactory.Refused{})
	if !refused.Refused || !refused.Since.After(down.Since) {
		t.Errorf("refused since then, not since the trouble before: got %+v", refused)
	}
	if well := kept(desk.SweepJob, nil); !well.Well.Equal(well.Ended) || well.Trouble != "" || !well.Since.IsZero() || well.Refused {
		t.Errorf("all well: got %+v", well)
	}
	var many []error
	for n := range 1000 {
		many = append(many, fmt.Errorf("deliver referral %d: no answer", n))
	}
	owed := kept(desk.DeliverJob, errors.Join(many...))
	if !strings.HasSuffix(owed.Trouble, "deliver referral 4: no answer; and 995 more") {
		t.Errorf("many failures: got %q, want the first few and how many more", owed.Trouble)
	}
	if same := kept(desk.DeliverJob, errors.Join(many...)); !same.Ended.Equal(owed.Ended) {
		t.Errorf("the same again within the minute: got it written at %v, want nothing written after %v", same.Ended, owed.Ended)
	}
	if well := kept(desk.DeliverJob, nil); well.Trouble != "" {
		t.Errorf("all well again: got %+v", well)
	}
}

// A pass that is put off is no trouble; but who ordered one has to know.
func TestAPollThatIsPutOffSaysSo(t *testing.T) {
	ends := make(chan func() error, 1)
	instead := func(w *world) {
		w.wired = func(d *daemon) {
			d.jobs[1].work = func(ctx context.Context) error {
				select {
				case end := <-ends:
					return end()
				default:
					return d.poller.Pass(ctx)
				}
			}
		}
	}
	daemonStory(t, watching, instead, func(d *running) {
		d.after(90 * time.Second)
		ends <- func() error { return poll.ErrStretched }
		err := d.daemon.pollNow(d.t.Context())
		if !errors.Is(err, poll.ErrStretched) || exitCode(err) != exitIncomplete {
			t.Errorf("got %v and %d, want %v and %d", err, exitCode(err), poll.ErrStretched, exitIncomplete)
		}
		ends <- func() error { panic("a fault") }
		if err := d.daemon.pollNow(d.t.Context()); err == nil || !strings.Contains(err.Error(), "a fault in the program") {
			t.Errorf("got %v, want to be told of the fault", err)
		}
		d.wantTroubles(desk.PollJob, began)
		if err := d.daemon.pollNow(d.t.Context()); err != nil {
			t.Errorf("got %v, want that all is well", err)
		}
	})
}

func TestAPollWhoseDeliveryIsStoppedSaysSo(t *testing.T) {
	stuck := func(w *world) {
		w.wired = func(d *daemon) {
			d.jobs[2].work = func(ctx context.Context) error {
				if d.ordered.Load() > 0 {
					<-ctx.Done()
				}
				return nil
			}
		}
	}
	daemonStory(t, watching, stuck, func(d *running) {
		d.after(time.Minute)
		polled := make(chan error)
		go func() { polled <- d.daemon.pollNow(d.t.Context()) }()
		d.after(time.Second)
		d.cancel()
		if err := <-polled; !errors.Is(err, schedule.ErrStopped) || exitCode(err) != exitIncomplete {
			t.Errorf("got %v and %d, want %v and %d", err, exitCode(err), schedule.ErrStopped, exitIncomplete)
		}
	})
}

// What the services say may hold anything, such as what moves a terminal's cursor.
func TestNothingIsPrintedThatATerminalObeys(t *testing.T) {
	t.Parallel()
	out := &logBook{}
	report(out, errors.New("Salesforce says \x1b[2J\u009b31mno\u202e\nand more"))
	name := "\u009b2J\x7f\u202eEve \x1b[31m"
	printed := &logBook{}
	if err := (&app{streams: streams{out: printed}}).printJSON([]string{name}); err != nil {
		t.Fatal(err)
	}
	var read []string
	if err := json.Unmarshal([]byte(printed.String()), &read); err != nil || read[0] != name || strings.ContainsAny(printed.String(), "\u009b\x7f\u202e\x1b") {
		t.Errorf("as JSON: got %q, which reads %q (%v), want the name, with its control characters spelled out", printed, read, err)
	}
	if got, want := out.String(), "qualifyd: Salesforce says [2J31mno\nand more\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
