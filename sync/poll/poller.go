package poll

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

var (
	// ErrOtherOrg is returned when the credentials lead to another Salesforce org than the store belongs to.
	ErrOtherOrg = errors.New("the store belongs to another Salesforce org")
	// ErrOtherAccount is returned when the API key leads to another Referral Factory account than the store belongs to.
	ErrOtherAccount = errors.New("the store belongs to another Referral Factory account")
	// ErrBudget is returned when the share of the org's daily API requests is used up.
	ErrBudget = errors.New("salesforce.daily_calls is used up")
	// ErrOpen is returned when the outcome of a write to Salesforce is not known yet; the next pass looks.
	ErrOpen = errors.New("the outcome of a write to Salesforce is not known yet")
	// ErrStore marks failures of the store itself. The caller stops, but for store.ErrFull: whether the last transaction took place is not known.
	ErrStore = errors.New("store")
)

// DailyCalls is how many of the org's API requests a rolling day may cost: a percentage of the org's limit, or a number.
type DailyCalls struct {
	Percent float64
	Calls   int
}

// Share is the number of calls out of an org's limit; 0 while that is not known, and at least one otherwise.
func (d DailyCalls) Share(limit int) int {
	if d.Percent > 0 && limit > 0 {
		return max(1, int(d.Percent/100*float64(limit)))
	}
	return d.Calls
}

// Settings are the options that may change while a Poller works. A sweep or pass goes by those that it began with.
type Settings struct {
	Campaigns  []rules.Campaign
	Overlap    time.Duration // how far behind the watermark each poll reads again, for rows that commit late
	Reconcile  func(last time.Time) (due time.Time)
	DailyCalls DailyCalls
}

// campaign finds a configured campaign.
func (s Settings) campaign(id int64) (rules.Campaign, bool) {
	for _, c := range s.Campaigns {
		if c.ID == id {
			return c, true
		}
	}
	return rules.Campaign{}, false
}

// Options are what a Poller works with. All but Preview and Progress are required.
type Options struct {
	Store           *store.Store
	Salesforce      *salesforce.Client
	ReferralFactory *referralfactory.Client
	// Account names the Referral Factory account by what leads to it (base URL and key). Only a salted hash of it is kept.
	Account string
	Zone    *time.Location // of Referral Factory's dates
	Settings
	// SendFromSandbox lets a sandbox org qualify people for real.
	SendFromSandbox bool
	// Preview makes the passes dry: it is told what would be created or marked, and nothing is written to Salesforce.
	Preview func(Write)
	// Progress is told how far long work has come: done of total, which is 0 while it is not known. May be nil.
	Progress func(work string, done, total int)
	Log      zerolog.Logger
}

// Write is a record that a pass creates or marks.
type Write struct {
	Referral rules.Referral
	Object   rules.Object
	RecordID string // "" when the record is created
	Fields   map[string]any
}

// Poller runs sweeps and passes. Sweep and Pass may run at the same time, but each only once at a time.
type Poller struct {
	Options
	settings atomic.Pointer[Settings] // those of the Options are empty
	kept     describes                // what the store has of them, once it was read
	keys     sync.Mutex               // a key changes together with the account that it leads to
	account  atomic.Pointer[string]
	calls    atomic.Int64 // API calls not yet counted in the store
}

// New returns a Poller. Its Salesforce client must call Spend before each call.
func New(o Options) *Poller {
	p := &Poller{Options: o, kept: describes{}}
	p.Options.Settings = Settings{}
	p.Configure(o.Settings)
	p.account.Store(&o.Account)
	return p
}

// Configure has the sweeps and passes that begin from now on go by other settings.
func (p *Poller) Configure(s Settings) { p.settings.Store(&s) }

// Current are the options that a pass would work with now.
func (p *Poller) Current() Options {
	o := p.Options
	o.Settings = *p.settings.Load()
	return o
}

// tell reports progress.
func (p *Poller) tell(work string, done, total int) {
	if p.Progress != nil {
		p.Progress(work, done, total)
	}
}

// view and update run a transaction, and mark its failure as the store's.
func (p *Poller) view(fn func(*store.Tx) error) error { return storeError(p.Store.View(fn)) }

func (p *Poller) update(fn func(*store.Tx) error) error { return storeError(p.Store.Update(fn)) }

func storeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}
