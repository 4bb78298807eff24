package poll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// Whatever sales, operators, people at Referral Factory, troubles and crashes do, in whatever order: in the end every referral stands as the last
// of them who had a say wanted it, by no more requests than there were reasons for, with nothing left owed. What must come out is kept in a book of
// the test's own, which knows nothing of debts, links or snapshots.
func TestRandomHistoriesEndAsTheBookSays(t *testing.T) {
	for seed := range uint64(randomHistories) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			story(t, randomCampaigns(), func(w *world) { w.history(seed) })
		})
	}
}

const randomHistories = 3

func randomCampaigns() []rules.Campaign {
	return []rules.Campaign{fieldCampaign(), creating(sibling(fieldCampaign(), 201), rules.CreateNew), conversionCampaign(), stageCampaign()}
}

func sibling(c rules.Campaign, id int64) rules.Campaign { c.ID = id; return c }

// page is what the book has of one referral.
type page struct {
	user      sandbox.User
	qualified bool // how it has to stand at Referral Factory in the end
	aside     bool // set back or dropped: only an order, or a person there, can have it qualified
	reached   bool // sales did what the rule asks for
	deal      string
	causes    int // for which it may have been qualified by us
}

type book struct {
	*world
	random  *rand.Rand
	pages   []*page
	deeds   []string
	well    bool
	killed  string // the store as it was when the process was killed
	acting  bool
	turn    sync.Mutex      // held while something happens at a request: one thing at a time, and nothing within it
	mu      sync.Mutex      // guards killed, acting and strikes: several requests may be under way
	running map[string]bool // the jobs under way
	strikes int             // at how many requests from now something goes wrong
	fault   func(r *http.Request) *sandbox.Fault
}

func (w *world) history(seed uint64) {
	b := &book{world: w, random: rand.New(rand.NewPCG(seed, 11)), running: map[string]bool{}}
	w.org.Track("Lead", "Status", seed%2 == 0)
	w.Pass()
	w.After(2 * time.Hour)
	w.Pass()
	for _, c := range randomCampaigns() {
		b.pages = append(b.pages, &page{user: w.Refer("Ann", c.ID)})
	}
	w.org.SetFault(b.strike)
	w.rf.SetFault(b.strike)
	b.before = func(*http.Request) { b.meanwhile() }
	b.after = func(*http.Request) { b.meanwhile() }
	for range 16 {
		for range b.random.IntN(4) {
			b.act()
		}
		b.trouble()
		b.pass()
		w.After(time.Duration(b.random.IntN(200)) * time.Second)
		if b.random.IntN(3) == 0 {
			b.settle()
			b.people()
		}
	}
	b.settle()
	b.check(seed)
}

func (b *book) note(p *page, format string, args ...any) {
	b.deeds = append(b.deeds, fmt.Sprintf("%s %s of %d: ", serviceTime().Format(time.TimeOnly), p.user.FirstName, p.user.CampaignID)+fmt.Sprintf(format, args...))
}

// meanwhile lets something happen at a request, now and then: an act, or another job of the daemon's from its beginning to its end.
func (b *book) meanwhile() {
	if b.well || b.dead() || !b.turn.TryLock() {
		return
	}
	defer b.turn.Unlock()
	if b.acts() {
		return
	}
	switch b.random.IntN(20) {
	case 0:
		b.act()
	case 1, 2:
		b.job("sweep", b.poller.Sweep)
	case 3, 4:
		b.job("delivery", func(ctx context.Context) error { return b.deliverer.Run(ctx, false) })
	}
}

// job runs one of the daemon's jobs, unless it is under way.
func (b *book) job(name string, run func(context.Context) error) {
	if !b.running[name] {
		b.running[name] = true
		run(b.ctx)
		b.running[name] = false
	}
}

// act is an act of sales or of an operator.
func (b *book) act() {
	b.setActing(true)
	defer b.setActing(false)
	p := b.pages[b.random.IntN(len(b.pages))]
	if b.random.IntN(2) == 0 {
		b.sell(p)
		return
	}
	b.order(p)
}

// sell is the next step of the sales team's work.
func (b *book) sell(p *page) {
	lead := b.leadWithCode(p.user)
	switch {
	case p.reached || !b.known(p):
	case lead == "" && p.user.CampaignID != 201:
		b.Lead(p.user)
		b.note(p, "a Lead is entered")
	case lead == "" || !b.linked(p, lead):
	case p.deal != "":
		b.Stage(p.deal, "Closed Won")
		b.reach(p, "the deal is won")
	case p.user.CampaignID == 103:
		b.org.Convert(lead, sandbox.Conversion{})
		b.reach(p, "the Lead is converted")
	case p.user.CampaignID == 104:
		p.deal = b.org.Convert(lead, sandbox.Conversion{}).OpportunityID
		b.note(p, "the Lead is converted")
	default:
		b.Status(lead, goodValue)
		b.reach(p, "the Lead is qualified")
	}
}

func (b *book) reach(p *page, what string) {
	b.note(p, "%s", what)
	p.reached = true
	if !p.aside && !p.qualified {
		p.qualified = true
	}
	p.causes++
}

// likelyOrders are those that are carried out.
var likelyOrders = map[rules.Standing][]string{
	rules.Pending: {"qualify", "rejudge"}, rules.Owed: {"unqualify", "drop"}, rules.Delivered: {"unqualify"}, rules.Elsewhere: {"unqualify"},
	rules.Overridden: {"qualify", "resume"},
}

// order gives an order; what it does if it is accepted is the last word, until the next.
func (b *book) order(p *page) {
	before := b.Referral(p.user).Standing
	names := []string{"qualify", "unqualify", "resume", "drop", "retry", "rejudge", "release"}
	if likely := likelyOrders[before]; b.random.IntN(4) > 0 && likely != nil {
		names = likely
	}
	name := names[b.random.IntN(len(names))]
	err := b.store.Update(func(tx *store.Tx) (err error) {
		r, found, err := tx.Referral(p.user.ID)
		if err != nil || !found {
			return fmt.Errorf("not known: %w", err)
		}
		switch name {
		case "qualify":
			_, err = poll.Qualify(tx, r, byHand())
		case "unqualify":
			_, err = poll.Unqualify(tx, r, byHand())
		case "resume":
			err = poll.Resume(tx, r, byHand())
		case "drop":
			_, err = poll.Drop(tx, r, byHand())
		case "retry":
			_, err = poll.Retry(tx, r, byHand())
		case "rejudge":
			err = poll.Rejudge(tx, r, byHand())
		case "release":
			_, err = poll.Release(tx, r.CampaignID, byHand())
		}
		return err
	})
	b.note(p, "%s while %s: %v", name, before, err)
	if err != nil {
		return
	}
	switch {
	case name == "qualify":
		p.qualified, p.aside = true, false
		p.causes++
	case name == "unqualify":
		p.qualified, p.aside = false, true
	case name == "resume":
		p.qualified, p.aside = p.reached, false
		p.causes++
	case name == "drop" && (before == rules.Owed || before == rules.Rejected):
		p.qualified, p.aside = false, true
	case name == "drop": // an order to set it back
		p.qualified, p.aside = true, false
	}
}

// people decide at Referral Factory, while nothing is under way.
func (b *book) people() {
	p := b.pages[b.random.IntN(len(b.pages))]
	qualify := b.random.IntN(2) == 0
	if !b.known(p) || qualify == p.qualified {
		return
	}
	b.note(p, "somebody at Referral Factory sets it to qualified: %v", qualify)
	b.rf.SetQualified(p.user.ID, qualify)
	p.qualified, p.aside = qualify, !qualify
	b.settle()
}

// trouble has something go wrong at one of the next requests.
func (b *book) trouble() {
	b.strikes = 1 + b.random.IntN(12)
	kind := b.random.IntN(8)
	b.fault = func(r *http.Request) *sandbox.Fault {
		switch kind {
		case 0:
			return &sandbox.Fault{Lost: true}
		case 1:
			return &sandbox.Fault{Refused: true}
		case 2:
			return sandbox.HTML(http.StatusServiceUnavailable)
		case 3:
			return &sandbox.Fault{SessionDeath: r.URL.Host == sfHost}
		case 4:
			return &sandbox.Fault{Delay: 3 * time.Minute}
		case 5, 6: // the process is killed; what it wrote afterwards never was
			b.killed = b.copyStore()
			b.deeds = append(b.deeds, "killed at "+r.Method+" "+r.URL.Path)
			b.acting = true // nobody's order goes into the file of a dead process
			return &sandbox.Fault{}
		}
		return nil
	}
}

func (b *book) strike(r *http.Request) *sandbox.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.strikes--; b.well || b.strikes != 0 && !(isPut(r) && b.strikes > 0 && b.strikes%2 == 0) {
		return nil
	}
	b.strikes = 0
	return b.fault(r)
}

func (b *book) acts() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acting
}

func (b *book) setActing(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acting = on
}

// dead tells whether the process was killed.
func (b *book) dead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.killed != ""
}

func (b *book) pass() {
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	after := b.after
	b.after = func(r *http.Request) {
		if b.dead() {
			cancel()
			return
		}
		after(r)
	}
	b.job("sweep", b.poller.Sweep)
	b.job("pass", b.poller.Pass)
	b.job("delivery", func(ctx context.Context) error { return b.deliverer.Run(ctx, false) })
	b.after = after
	b.ctx = context.Background()
	if b.killed != "" {
		b.path, b.killed, b.acting = b.killed, "", false
		b.Restart()
	}
}

// settle lets everything come to rest.
func (b *book) settle() {
	b.well = true
	for range 4 {
		b.TryPass()
		b.After(3 * time.Minute)
	}
	b.Passes(1)
	b.well = false
}

func (b *book) known(p *page) bool { return b.Referral(p.user).ID != 0 }

// linked tells whether a Lead is known to be the referral's: what happens to it before is seen, if at all, by its history alone.
func (b *book) linked(p *page, lead string) bool {
	_, linked := b.Referral(p.user).LinkTo(lead)
	return linked && b.Snapshots(lead) == 1
}

func (b *book) leadWithCode(u sandbox.User) string {
	for _, id := range b.org.IDs("Lead") {
		if b.org.Get("Lead", id)[codeField] == u.Code {
			return id
		}
	}
	return ""
}

// check compares everybody with the book.
func (b *book) check(seed uint64) {
	b.t.Helper()
	effects := map[int64]int{}
	for _, q := range b.rf.Qualifications() {
		if q.By == "api" {
			effects[q.UserID]++
		}
	}
	for _, p := range b.pages {
		r := b.Referral(p.user)
		shown := b.rf.User(p.user.ID).QualifiedAt != ""
		known := r.Standing == rules.Delivered || r.Standing == rules.Elsewhere
		if shown != p.qualified || known != shown {
			b.t.Errorf("%s of %d: got qualified %v, standing %s (%s: %s), want %v", p.user.FirstName, p.user.CampaignID, shown, r.Standing, r.Verdict.Reason, r.Verdict.Sentence, p.qualified)
		}
		if effects[p.user.ID] > p.causes {
			b.t.Errorf("%s of %d: got %d qualifications by us, want one at most for each of %d reasons", p.user.FirstName, p.user.CampaignID, effects[p.user.ID], p.causes)
		}
	}
	b.wantOneLeadEach()
	b.wantInOrder()
	if b.t.Failed() {
		b.t.Errorf("... in history %d:\n%s", seed, strings.Join(b.deeds, "\n"))
	}
}

func (b *book) wantOneLeadEach() {
	b.t.Helper()
	leads := map[any]int{}
	for _, id := range b.org.IDs("Lead") {
		leads[b.org.Get("Lead", id)[codeField]]++
	}
	for code, n := range leads {
		if n > 1 {
			b.t.Errorf("got %d Leads with the code %v, want one", n, code)
		}
	}
}

// wantInOrder wants nothing to be owed, and the ledger to name no e-mail address.
func (b *book) wantInOrder() {
	b.t.Helper()
	err := b.store.View(func(tx *store.Tx) error {
		debts, err := tx.Debts()
		if len(debts) > 0 || err != nil {
			b.t.Errorf("owed in the end: got %+v and %v, want nothing", debts, err)
		}
		return tx.Ledger(0, func(e store.Entry) error {
			if raw, err := json.Marshal(e); err != nil || strings.Contains(string(raw), "@") {
				b.t.Errorf("ledger: got %s (%v), want no e-mail address", raw, err)
			}
			return nil
		})
	})
	if err != nil {
		b.t.Error(err)
	}
}
