package poll_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// breaking is one way in which one request of a story goes wrong.
type breaking struct {
	name  string
	fault *sandbox.Fault
	stop  bool // the run is abandoned at the request, as by SIGTERM, and the store opened again
	kill  bool // the process ends at the request: what it wrote to its store afterwards never was
	every int  // which requests break, one at a time: each, or every second in the modes that take longest
}

var breakings = []breaking{
	{name: "dropped before it was applied", fault: &sandbox.Fault{Refused: true}, every: 2},
	{name: "dropped after it was applied", fault: &sandbox.Fault{Lost: true}, every: 1},
	{name: "stopped after it was applied", fault: &sandbox.Fault{}, stop: true, every: 2},
	{name: "killed after it was applied", fault: &sandbox.Fault{}, kill: true, every: 1},
}

// Whichever request of a story breaks, and however: in the end everybody who must qualify has, once in effect, and nobody else; and nobody got
// two records. A read that is dropped is tried again by the client at once, so it takes the service a while to come back.
func TestWhicheverRequestBreaksTheEndIsTheSame(t *testing.T) {
	for _, b := range breakings {
		t.Run(b.name, func(t *testing.T) {
			for n := 1; ; n += b.every {
				requests := 0
				story(t, crashCampaigns(), func(w *world) { requests = w.breakAt(n, b) })
				if n > requests {
					t.Logf("broke 1 in %d of %d requests", b.every, requests)
					return
				}
			}
		})
	}
}

func crashCampaigns() []rules.Campaign {
	return []rules.Campaign{creating(fieldCampaign(), rules.CreateNew), contactCampaign(), creating(conversionCampaign(), rules.Update), stageCampaign()}
}

// breakAt tells the story with its nth request broken, and returns how many there were.
func (w *world) breakAt(n int, b breaking) (requests int) {
	killed := ""
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(context.Background())
	defer func() { cancel() }()
	reset := func() {
		cancel()
		w.ctx, cancel = context.WithCancel(context.Background())
	}
	var striking sync.Mutex
	strike := func(r *http.Request) *sandbox.Fault {
		striking.Lock() // several requests may be under way
		defer striking.Unlock()
		requests++
		if requests < n || requests > n && !b.trouble(r, requests-n) {
			return nil
		}
		if requests == n && b.kill {
			killed = w.copyStore()
		}
		if requests == n && (b.kill || b.stop) {
			cancel()
		}
		return b.fault
	}
	w.org.SetFault(strike)
	w.rf.SetFault(strike)
	tell := w.crashStory()
	for _, act := range tell.acts {
		act()
		w.After(time.Minute)
		if err := w.TryPass(); err == nil {
			continue
		}
		if killed != "" {
			w.path, killed = killed, ""
		}
		reset()
		w.Restart()
	}
	w.org.SetFault(nil)
	w.rf.SetFault(nil)
	w.After(time.Minute)
	w.TryPass() // an outcome may still be open
	w.After(3 * time.Minute)
	w.Passes(1)
	w.wantEnd(tell, fmt.Sprintf("request %d", n))
	return requests
}

// trouble tells whether a request soon after the broken one breaks too: the client's own repetitions of a read.
func (b breaking) trouble(r *http.Request, later int) bool {
	return !b.stop && !b.kill && r.Method == http.MethodGet && later <= 2
}

// copyStore is the store as it is at this moment, under another name.
func (w *world) copyStore() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "killed.db")
	copied, err := w.store.CopyTo(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := copied.Close(); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// What a pass has asked of Salesforce is counted with what it keeps: else, after a pause of more than a day, a kill would leave watermarks ahead
// of the newest call, which a check takes for damage.
func TestWhatAKillLeavesAfterALongPauseIsWhole(t *testing.T) {
	story(t, crashCampaigns(), func(w *world) {
		look := func(r *http.Request) *sandbox.Fault {
			report, err := store.CheckFile(w.copyStore(), nil)
			if err = errors.Join(err, report.Err()); err != nil {
				w.t.Errorf("killed at %s %s: got %v, want the store whole", r.Method, r.URL.Path, err)
			}
			return nil
		}
		w.org.SetFault(look)
		w.rf.SetFault(look)
		for _, act := range w.crashStory().acts {
			act()
			w.After(27 * time.Hour)
			w.Pass()
		}
	})
}

// The very first pass looks everybody up as they are, and only then asks what changed. One that ends in between has looked somebody up for good: what
// changed since then has to be asked for by the next, however much later that is.
func TestWhatChangesAfterAFirstPassThatWasKilledIsSeen(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
		ann := w.Refer("Ann")
		first := w.poller.Sweep(w.ctx)
		w.After(time.Minute)
		w.Refer("Bob") // for him a Lead is created, as he comes after the first sweep
		if err := errors.Join(first, w.poller.Sweep(w.ctx)); err != nil {
			t.Fatal(err)
		}
		killed := ""
		w.org.SetFault(func(r *http.Request) *sandbox.Fault {
			if !isCreate(r) {
				return nil
			}
			killed = w.copyStore()
			return &sandbox.Fault{Refused: true}
		})
		w.poller.Pass(w.ctx)
		w.org.SetFault(nil)
		w.path = killed
		w.Restart()
		w.After(time.Minute)
		lead := w.Lead(ann)
		w.After(2 * time.Hour)
		w.Passes(1)
		w.WantLinks(ann, lead)
	})
}

// crashTale is what the people of the story do, an act before each pass, and who must have qualified at its end.
type crashTale struct {
	acts []func()
	must []sandbox.User
}

// leadsAtTheEnd are those of Past, Cleo and Dev, and those created for Ann and Eve.
const leadsAtTheEnd = 5

// crashStory has a referral of every method qualify and others stand still, and has Leads created and marked.
func (w *world) crashStory() *crashTale {
	tale := &crashTale{}
	var ann, bob, dev sandbox.User
	var contact, cleos, devs, deal string
	tale.acts = []func(){
		func() { // somebody who was there before us
			past := w.Refer("Past", 104)
			w.Stage(w.org.Convert(w.Lead(past), sandbox.Conversion{}).OpportunityID, "Closed Won")
		},
		func() { w.After(2 * time.Hour) }, // after the next pass a first sweep is complete, whatever broke: who comes later is new
		func() {
			cleos = w.org.Create("Lead", with(sandbox.Fields{"LastName": "Cleo", "Company": "Acme", "Email": "cleo@example.com"}, []sandbox.Fields{Old()}))
			cleo := w.rf.Refer(103, sandbox.NewUser{FirstName: "Cleo", Email: "cleo@example.com"})
			ann, bob, dev = w.Refer("Ann", 101), w.Refer("Bob", 102), w.Refer("Dev", 104)
			w.Refer("Eve", 101)
			contact, devs = w.Contact(bob), w.Lead(dev)
			tale.must = []sandbox.User{ann, bob, cleo, dev}
		},
		func() {
			w.After(3 * time.Minute) // the next pass settles a create of unknown outcome
			deal = w.org.Convert(devs, sandbox.Conversion{}).OpportunityID
		},
		func() {
			w.Status(w.leadOf(ann), goodValue)
			w.org.Update("Contact", contact, sandbox.Fields{"LeadSource": "Partner Referral"})
			w.org.Convert(cleos, sandbox.Conversion{})
			w.Stage(deal, "Closed Won")
		},
	}
	return tale
}

// leadOf is the Lead that carries somebody's code.
func (w *world) leadOf(u sandbox.User) string {
	w.t.Helper()
	for _, id := range w.org.IDs("Lead") {
		if w.org.Get("Lead", id)[codeField] == u.Code {
			return id
		}
	}
	w.t.Fatalf("no Lead was created for %s", u.FirstName)
	return ""
}

func (w *world) wantEnd(tale *crashTale, at string) {
	w.t.Helper()
	w.WantOnly(tale.must...)
	w.WantRecords("Lead", leadsAtTheEnd)
	err := w.store.View(func(tx *store.Tx) error {
		debts, err := tx.Debts()
		if len(debts) != 0 {
			w.t.Errorf("outbox: got %v, want it empty", debts)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
	if w.t.Failed() {
		w.t.Errorf("... when %s broke", at)
	}
}
