package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/cmd/metrics"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/logged"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/schedule"
)

// loadConfig reads the config and logs its warnings.
func (a *app) loadConfig() (config.Config, zerolog.Logger, error) {
	c, warnings, err := config.Load(a.configPath)
	if err != nil {
		return c, zerolog.Nop(), err
	}
	a.warnings = warnings
	log := newLogger(a.progress, c.Log, &a.level)
	a.progress.log = log
	for _, w := range warnings {
		log.Warn().Str(logged.Config, a.configPath).Str(logged.Warning, w.String()).Msg("the config is right, and has something to think about")
	}
	return c, log, nil
}

// daemon is everything that a pass works with.
type daemon struct {
	poller    *poll.Poller
	deliverer *deliver.Deliverer
	rf        *referralfactory.Client
	via       transports
	metrics   *metrics.Metrics
	log       zerolog.Logger
	// load reads the config again: for a secret that was rotated, and when the operator says that the file has changed.
	load func() (config.Config, []config.Warning, error)

	// Of a daemon that runs by schedule.
	changing sync.Mutex         // of what follows, and of the key
	config   config.Config      // in force
	account  string             // that the key in force leads to
	level    *leastLevel        // of the log
	since    time.Time          // when it started
	shown    []func(*desk.Desk) // what shows a desk
	jobs     []*job
	runner   *schedule.Runner
	stop     context.CancelCauseFunc
	ordered  atomic.Int32 // polls that operators have ordered: their jobs follow each other by themselves
}

// transports are how the two services are reached; nil is the network.
type transports struct{ salesforce, referralFactory http.RoundTripper }

// build wires a config and a store to the passes.
func build(c config.Config, s *store.Store, log zerolog.Logger, via transports) (*daemon, error) {
	via, err := via.trusting(c)
	if err != nil {
		return nil, err
	}
	counted := metrics.New(version, commit(), log)
	rf, err := referralfactory.New(referralfactory.Options{
		BaseURL: c.ReferralFactory.BaseURL, APIKey: c.ReferralFactory.APIKey.Reveal(), CallsPerMinute: c.ReferralFactory.CallsPerMinute,
		Transport: via.referralFactory, Count: counted.CountReferralFactory, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("referral_factory: %w", err)
	}
	settings, err := settings(c)
	if err != nil {
		return nil, err
	}
	d := &daemon{
		rf: rf, via: via, metrics: counted, log: log, config: c, account: account(c), level: &leastLevel{},
		load: func() (config.Config, []config.Warning, error) { return c, nil, nil },
	}
	options := salesforceOptions(c, log, via)
	options.Spend = func(ctx context.Context) error {
		if err := d.poller.Spend(ctx); err != nil {
			return err
		}
		counted.CountSalesforce(1)
		return nil
	}
	options.Reread = func() (salesforce.Options, error) {
		c, err := d.reread()
		return salesforceOptions(c, log, via), err
	}
	sf, err := salesforce.New(options)
	if err != nil {
		return nil, fmt.Errorf("salesforce: %w", err)
	}
	d.poller = poll.New(poll.Options{
		Store: s, Salesforce: sf, ReferralFactory: rf,
		Account: account(c), Zone: c.ReferralFactory.Location, Settings: settings,
		SendFromSandbox: c.ReferralFactory.SendFromSandbox, Log: log,
	})
	d.deliverer = deliver.New(deliver.Options{
		Store: s, ReferralFactory: rf, Ready: d.poller.AccountKnown, SendFromSandbox: c.ReferralFactory.SendFromSandbox, Log: log,
	})
	return d, nil
}

// reread is the config as its file has it now.
func (d *daemon) reread() (config.Config, error) {
	c, _, err := d.load()
	return c, err
}

// settings are what a reload may change of what a pass goes by.
func settings(c config.Config) (poll.Settings, error) {
	reconcile, err := schedule.Parse(c.Poll.Reconcile, config.LeastGap)
	if err != nil {
		return poll.Settings{}, fmt.Errorf("poll.reconcile: %w", err)
	}
	return poll.Settings{
		Campaigns: campaigns(c), Overlap: c.Poll.Overlap, Reconcile: reconcile.Next,
		DailyCalls: poll.DailyCalls{Percent: c.Salesforce.DailyCalls.Percent, Calls: c.Salesforce.DailyCalls.Calls},
	}, nil
}

// account is what leads to the Referral Factory account.
func account(c config.Config) string {
	return c.ReferralFactory.BaseURL + " " + c.ReferralFactory.APIKey.Reveal()
}

func salesforceOptions(c config.Config, log zerolog.Logger, via transports) salesforce.Options {
	auth := c.Salesforce.Auth
	return salesforce.Options{
		LoginURL: c.Salesforce.LoginURL, APIVersion: c.Salesforce.APIVersion,
		Flow: salesforce.Flow(auth.Flow), ClientID: auth.ClientID, ClientSecret: auth.ClientSecret.Reveal(),
		Username: auth.Username, PrivateKey: []byte(auth.PrivateKey.Reveal()), Audience: auth.Audience,
		TokenFile: tokenFile(c),
		Transport: via.salesforce, Log: log,
	}
}

// campaigns turns the config's campaigns into those of the rules.
func campaigns(c config.Config) []rules.Campaign {
	var out []rules.Campaign
	for _, one := range c.Campaigns {
		out = append(out, campaign(one))
	}
	return out
}

func campaign(c config.Campaign) rules.Campaign {
	out := rules.Campaign{
		ID: c.ID, Name: c.Name, Mode: c.WhenLeadJoins, Object: c.Object, CodeField: c.ReferralCodeField, Duplicates: c.Duplicates,
		Brake: rules.Brake{Count: c.Brake.Count, Window: c.Brake.Window}, EffectiveFrom: c.EffectiveFrom.Time.UTC(),
		Method: c.Qualify.Method, Field: c.Qualify.Field, Value: c.Qualify.Value,
	}
	if c.EffectiveFrom.Time.IsZero() {
		out.EffectiveFrom = c.EffectiveFrom.Time
	}
	if c.EffectiveFrom.IsDate {
		out.EffectiveDay = c.EffectiveFrom.Text
	}
	if c.Brake.Off {
		out.Brake = rules.Brake{}
	}
	if c.Qualify.Method == rules.LeadConvertsToStage {
		out.Value = c.Qualify.Stage
	}
	for _, m := range c.Fields {
		out.Fields = append(out.Fields, rules.Mapping{To: m.To, Dynamic: m.Dynamic, Fixed: m.Fixed, Otherwise: m.Otherwise})
	}
	return out
}

// newDesk is where questions about a config and its store are answered; d has what a pass works with.
func newDesk(c config.Config, d *daemon) *desk.Desk {
	options := d.poller.Current()
	return &desk.Desk{
		Version: version, Config: c, Campaigns: options.Campaigns, Store: d.poller.Store,
		Salesforce: d.poller.Salesforce, ReferralFactory: d.rf, Poll: options,
		OtherBaseURL: tryBaseURL(d.reread, d.via), Reload: d.reread, PollNow: d.once,
	}
}
