package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

const (
	sfHost    = "acme.my.salesforce.com"
	rfHost    = "api.referral-factory.com"
	codeField = "Referral_Code__c"
	// otherCodeField is where some campaigns keep theirs.
	otherCodeField = "Partner_Code__c"
	overlap        = 20 * time.Minute
)

// enough calls a minute leave a sweep no pauses, which the histories would only wait for.
const enough = 60_000

// The jobs that the daemon runs.
const (
	sweepJob   = "sweep"
	pollJob    = "poll"
	deliverJob = "deliver"
)

// birth is when every history begins by the services' clocks, which are years from the machine's: whatever is decided by the wrong clock goes
// wrong at once.
var birth = time.Date(2026, 11, 2, 9, 30, 15, 0, time.UTC)

// world is one history: both services, the process, and the driver.
type world struct {
	t    *testing.T
	seed uint64
	dice *rand.Rand

	mu      sync.Mutex // guards what follows, up to the blank line
	clock   time.Time  // of both services
	parked  []*request
	pauses  int // of clients that tried again
	running int // jobs under way
	stir    chan struct{}

	org       *sandbox.Org
	rf        *sandbox.ReferralFactory
	campaigns []*campaign
	zone      *time.Location // of Referral Factory's days
	key       string         // of Referral Factory, as the config has it
	fault     *sandbox.Fault // what goes wrong with the request that is being answered

	disk      *disk
	store     *store.Store
	poller    *poll.Poller
	deliverer *deliver.Deliverer
	ctx       context.Context
	cancel    context.CancelFunc
	runs      []*run // of the process's jobs that are under way together

	// How likely things are to happen, each in this history.
	faultRate, requestDeath, commitDeath, meanwhile, ordering float64
	quiet                                                     int // more than 0: nothing goes wrong and nobody does anything
	outage                                                    *fate
	flying                                                    []flight
	shaken                                                    bool // a write went wrong in the newest run
	outageAt                                                  string

	backup     *backup // nil before the first
	people     *people
	truth      *truth
	model      *model
	invariants *invariants
	story      []line
	known      map[int64]string // what qualifyd last thought of each referral
	deaths     int
	faults     int
	failed     bool
}

// run is one run of a job, and which acts it began and ended after.
type run struct {
	job        string
	from, to   int
	start, end time.Time
	err        error
	ended      bool
	died       bool      // the process died meanwhile
	of         *campaign // whose part of the run this is; nil for the run as a whole
	blind      bool      // the campaign was not in the config
}

// whole tells whether all that the job had to do was done.
func (r *run) whole() bool { return r.ended && !r.died && r.err == nil }

func newWorld(t *testing.T, seed uint64, r *recording) *world {
	w := &world{t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 20261102)), clock: birth, stir: make(chan struct{}, 1), known: map[int64]string{}}
	w.org, w.rf = sandbox.NewOrg(w.now), sandbox.NewReferralFactory(w.now)
	w.truth = newTruth(w)
	w.setUp()
	w.key = w.rf.Key()
	w.model = newModel(w)
	w.invariants = newInvariants(w)
	w.disk = &disk{path: filepath.Join(folder(t), "qualifyd.db"), recording: r, look: w.invariants.look}
	w.start(emptyStore())
	return w
}

// now is the services' time.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// tick moves the services' clock.
func (w *world) tick(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// after lets time go by in the services and on the machine.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	w.pass(d)
}

// pass lets time go by in the services alone. What is on its way arrives when it is due.
func (w *world) pass(d time.Duration) {
	for {
		w.land()
		step := d
		if len(w.flying) > 0 {
			step = min(d, w.flying[0].due.Sub(w.now()))
		}
		w.tick(step)
		if d -= step; d == 0 {
			w.land()
			return
		}
	}
}

// another is a pause of a client that tries again, each time a little longer, so that no two jobs go on at the same instant: which of them came first would be
// chance, as it would if the pauses were of random length.
func (w *world) another(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pauses++
	return d + time.Duration(w.pauses%100)*7*time.Millisecond
}

func (w *world) chance(p float64) bool { return w.dice.Float64() < p }

// between is a random time from a to b.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.dice.Int64N(int64(b-a)))
}

func pick[T any](w *world, list []T) T { return list[w.dice.IntN(len(list))] }

// start starts the process on what is in its store's file. It is wired as the command wires it.
func (w *world) start(content []byte) {
	w.t.Helper()
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.store = w.disk.open(w.t, content)
	w.invariants.forget()
	rf, err := referralfactory.New(referralfactory.Options{
		BaseURL: "https://" + rfHost + "/api/v2", APIKey: w.key, CallsPerMinute: enough, Transport: w.transport(), Jitter: w.another, Log: zerolog.Nop(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	id, secret := w.org.Credentials()
	sf, err := salesforce.New(salesforce.Options{
		LoginURL: "https://" + sfHost, APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: w.transport(), Spend: func(ctx context.Context) error { return w.poller.Spend(ctx) }, Jitter: w.another, Log: zerolog.Nop(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.poller = poll.New(poll.Options{
		Store: w.store, Salesforce: sf, ReferralFactory: rf, Account: w.account(), Zone: w.zone, Log: zerolog.Nop(), Settings: w.settings(),
	})
	w.deliverer = deliver.New(deliver.Options{Store: w.store, ReferralFactory: rf, Ready: w.poller.AccountKnown, Log: zerolog.Nop()})
}

// die ends the process at once, and starts it again on what was in the file.
func (w *world) die() {
	w.t.Helper()
	w.deaths++
	left := w.disk.remains()
	for _, r := range w.runs {
		r.died = r.died || !r.ended
	}
	w.stop()
	w.start(left)
}

// stop has all jobs see their end, whatever they wait for.
func (w *world) stop() {
	w.t.Helper()
	w.cancel()
	for {
		synctest.Wait()
		if running, _ := w.underWay(); running == 0 {
			break
		}
		<-w.stir
	}
	w.close()
}

func (w *world) close() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.disk.recording.end(w.t)
}

// restart ends the process as a person does, with nothing under way.
func (w *world) restart() {
	w.tell("the process is restarted")
	left := w.disk.remains()
	w.stop()
	w.start(left)
}

func (w *world) sweep() *run { return w.begin(sweepJob, w.poller.Sweep) }
func (w *world) poll() *run  { return w.begin(pollJob, w.poller.Pass) }
func (w *world) deliver(patient bool) *run {
	return w.begin(deliverJob, func(ctx context.Context) error { return w.deliverer.Run(ctx, patient) })
}

// once runs the jobs one after the other, as `run --once` does. It reports whether all went well.
func (w *world) once() bool {
	w.t.Helper()
	well := true
	for _, job := range []func() *run{w.sweep, w.poll, func() *run { return w.deliver(false) }} {
		well = w.together(job) && well
	}
	return well
}

// together runs jobs at the same time, as the daemon's schedule may have it, and has the model see what they may have seen.
func (w *world) together(jobs ...func() *run) bool {
	w.t.Helper()
	w.runs = nil
	for _, job := range jobs {
		w.runs = append(w.runs, job())
	}
	runs := w.runs
	w.attend()
	w.truth.step()
	well := true
	for _, r := range runs {
		if !r.ended {
			w.t.Fatalf("seed %d: %s has not ended", w.seed, r.job)
		}
		if r.died {
			r.to, r.end = w.truth.now(), w.now()
		}
		well = well && r.whole()
		w.tellOf(r)
		if !r.died && (errors.Is(r.err, poll.ErrStore) || errors.Is(r.err, deliver.ErrStore) || errors.Is(r.err, poll.ErrOtherOrg) || errors.Is(r.err, poll.ErrOtherAccount)) {
			w.fail(0, fmt.Sprintf("%s stopped for good: %v", r.job, r.err))
		}
	}
	w.runs = nil
	w.disk.lookAgain()
	w.invariants.report()
	w.tellKnown()
	w.model.see(runs)
	return well
}

// live is the history: some days of it, then a quiet time.
func (w *world) live() {
	w.t.Helper()
	w.prehistory()
	for w.truth.runs = 0; w.truth.runs < w.people.passes && !w.failed; w.truth.runs++ {
		w.day()
	}
	if !w.failed {
		w.settle()
	}
	w.invariants.end()
	w.cancel()
	w.close()
}

// day is some time in which people do things, and a run of some jobs at its end.
func (w *world) day() {
	if w.shaken && w.chance(0.6) { // what is not known yet is met by the next run at once
		w.after(w.between(time.Second, 100*time.Second))
	} else {
		for range w.dice.IntN(7) {
			w.after(w.between(time.Second, 4*time.Minute))
			w.act()
		}
		w.after(w.pause())
	}
	w.shaken = false
	if w.chance(0.01) {
		w.restart()
	}
	if w.chance(0.03) {
		w.backUp()
	}
	if w.backup != nil && w.chance(0.01) {
		w.restore()
	}
	if w.chance(0.01) {
		w.changeRule()
	}
	if w.key != w.rf.Key() && w.chance(0.4) {
		w.people.takeKey()
	}
	w.outage = nil
	if w.chance(w.faultRate) {
		w.outageAt = pick(w, []string{sfHost, rfHost})
		f := w.fateOfKind(w.outageAt)
		w.outage = &f
		w.tell("%s is in trouble: %s", w.outageAt, f.name)
	}
	switch w.dice.IntN(5) {
	case 0, 1:
		w.once()
	case 2:
		w.together(w.sweep, w.poll, func() *run { return w.deliver(true) })
	case 3:
		w.together(w.sweep, func() *run { return w.deliver(true) })
		w.together(w.poll)
		w.together(func() *run { return w.deliver(true) })
	default:
		w.together(w.poll, func() *run { return w.deliver(true) })
	}
	w.outage = nil
}

// pause is how long nothing happens: minutes as a rule, sometimes hours or days. The paces of histories differ.
func (w *world) pause() time.Duration {
	switch {
	case w.chance(0.06):
		return w.between(3*time.Hour, 60*time.Hour)
	case w.chance(w.people.leisure):
		return w.between(10*time.Minute, 20*time.Hour)
	case w.chance(0.25):
		return w.between(10*time.Minute, 3*time.Hour)
	}
	return w.between(5*time.Second, 10*time.Minute)
}

// settle is the quiet time at the end: nothing goes wrong any more, and whatever was left for later is done.
func (w *world) settle() {
	w.t.Helper()
	w.quiet = 1
	w.people.comeBack()
	for range 2 {
		w.after(3 * time.Minute)
		w.once()
	}
	w.after(26 * time.Hour)
	for range 2 {
		w.once()
		w.after(3 * time.Minute)
	}
	for w.releaseAll() {
		w.once()
	}
	w.after(3 * time.Minute)
	if !w.once() {
		w.fail(0, "a quiet pass did not go well")
	}
	w.model.close()
}
