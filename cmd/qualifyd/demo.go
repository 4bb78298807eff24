package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Watch two weeks of sales qualify referrals, in less than a minute", Args: cobra.NoArgs,
		Long: `Runs the daemon's own passes on a real store against the embedded Salesforce org and
Referral Factory: a campaign of each method, three hundred referrals, and a scripted sales
team whose two weeks go by in seconds. It needs no config and no network, leaves nothing
behind, and ends with exit code 0 when what Referral Factory has agrees with the ledger.

Its page is served meanwhile on a loopback port, whose address is printed. On a terminal
the page stays after the two weeks, until Ctrl-C.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// A demo is a sandbox with a clock of its own, and the passes that run on it.
type demo struct {
	*app
	mu     sync.Mutex // guards now: the page looks at it while the days go by
	now    time.Time
	org    *sandbox.Org
	rf     *sandbox.ReferralFactory
	store  *store.Store
	daemon *daemon
	passes int
	told   uint64 // ledger entries already printed
	names  map[int64]string
}

// The demo lives through two weeks from Monday to Friday, with a pass every half hour of the working day.
const (
	demoDays  = 12
	demoStart = 9
	demoHours = 8 * time.Hour
	demoEvery = 30 * time.Minute
)

func (a *app) demo(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "qualifyd-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(folder)
	d := &demo{app: a, now: time.Date(2026, 2, 27, demoStart, 0, 0, 0, time.UTC), names: map[int64]string{}}
	d.org, d.rf = sandbox.NewOrg(d.clock), sandbox.NewReferralFactory(d.clock)
	c := d.config(filepath.Join(folder, "demo.db"))
	if d.store, err = store.Create(c.Store.Path); err != nil {
		return err
	}
	d.daemon, err = build(c, d.store, zerolog.Nop(), d.transports())
	if err == nil {
		err = d.show(ctx, c)
	}
	return errors.Join(err, d.store.Close())
}

func (d *demo) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *demo) turnTo(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
}

// show plays with the page open.
func (d *demo) show(ctx context.Context, c config.Config) error {
	asked := newDesk(c, d.daemon)
	asked.Now, asked.Since = d.clock, d.clock()
	asked.Salesforce = nil // its time goes on, after the answer with the demo's, as fast as this machine's
	page, err := console.OpenPage(asked, "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer page.Close()
	fmt.Fprintf(d.out, "The page about it is at %s\n", page.URL)
	err = d.play(ctx, c)
	if err == nil {
		d.stay(ctx, page.URL)
	}
	return err
}

// stay waits where a person is at a terminal, until they have seen enough of the page.
func (d *demo) stay(ctx context.Context, page string) {
	if !isTerminal(d.out) {
		return
	}
	fmt.Fprintf(d.out, "The page stays at %s until Ctrl-C.\n", page)
	<-ctx.Done()
}

func (d *demo) transports() transports {
	via := sandbox.Transport(map[string]http.Handler{"salesforce.demo.my.salesforce.com": d.org.Handler(), "referrals.demo": d.rf.Handler()})
	return transports{via, via}
}

func (d *demo) config(path string) config.Config {
	c := config.Default()
	id, secret := d.org.Credentials()
	c.Salesforce.LoginURL = "https://salesforce.demo.my.salesforce.com"
	c.Salesforce.Auth.ClientID, c.Salesforce.Auth.ClientSecret = id, config.NewSecret(secret)
	c.ReferralFactory.BaseURL, c.ReferralFactory.APIKey = "https://referrals.demo/api/v2", config.NewSecret(d.rf.Key())
	c.ReferralFactory.CallsPerMinute = 60_000 // a sweep keeps an even pace, and here two weeks pass in seconds
	c.Store.Path = path
	c.Poll.Schedule, c.Poll.Sweep = "@every "+demoEvery.String(), "@every "+demoEvery.String()
	c.Campaigns = demoCampaigns()
	return c
}

// demoCampaigns is a campaign of each method.
func demoCampaigns() []config.Campaign {
	campaign := func(id int64, name string, q config.Qualify) config.Campaign {
		c := config.DefaultCampaign()
		c.ID, c.Name, c.Qualify, c.ReferralCodeField = id, name, q, demoCodeField
		return c
	}
	status := campaign(101, "Refer a friend", config.Qualify{Method: rules.LeadFieldChanges, Field: "Status", Value: demoQualified})
	status.WhenLeadJoins = rules.CreateLead
	status.Fields = []config.Mapping{{To: "LastName", Dynamic: "meta.Last Name", Otherwise: "(unknown)"}, {To: "FirstName", Dynamic: "first_name"}, {To: "Company", Fixed: "Referred"}}
	contact := campaign(102, "Partner circle", config.Qualify{Method: rules.ContactFieldChanges, Field: "LeadSource", Value: demoSource})
	contact.Object = rules.Contact
	converts := campaign(103, "Spring event", config.Qualify{Method: rules.LeadConverts})
	won := campaign(104, "Enterprise", config.Qualify{Method: rules.LeadConvertsToStage, Stage: demoStage})
	won.Brake = config.Brake{Count: 10, Window: time.Hour}
	return []config.Campaign{status, contact, converts, won, campaign(105, "Newsletter", config.Qualify{Method: rules.None})}
}

// play lets the days go by.
func (d *demo) play(ctx context.Context, c config.Config) error {
	team := newSalesTeam(d, c)
	fmt.Fprintf(d.out, "A Salesforce org and a Referral Factory in memory, %d campaigns, a sales team at work, and qualifyd polling every half hour.\n", len(c.Campaigns))
	began, monday := time.Now(), d.clock()
	for day := range demoDays {
		today := monday.AddDate(0, 0, day)
		if weekday := today.Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			continue
		}
		fmt.Fprintf(d.out, "\n%s\n", today.Format("Monday, 2 January 2006"))
		for hour := 0 * time.Hour; hour < demoHours; hour += demoEvery {
			d.turnTo(today.Add(hour))
			team.work(day)
			if err := d.pass(ctx); err != nil {
				return err
			}
		}
	}
	return d.sumUp(c, time.Since(began))
}

func (d *demo) pass(ctx context.Context) error {
	d.turnTo(d.clock().Add(time.Minute)) // what the team did is a minute old when qualifyd looks
	d.passes++
	if err := d.daemon.once(ctx); err != nil {
		return fmt.Errorf("demo: pass %d: %w", d.passes, errors.Unwrap(err))
	}
	if err := d.dateRuns(); err != nil {
		return err
	}
	return d.store.View(func(tx *store.Tx) error {
		return tx.Ledger(d.told, func(e store.Entry) error {
			d.told = e.Number
			return d.tell(tx, e)
		})
	})
}

// dateRuns has the jobs have run by the demo's clock, not by this machine's.
func (d *demo) dateRuns() error {
	return d.store.Update(func(tx *store.Tx) error {
		for _, job := range []string{desk.SweepJob, desk.PollJob, desk.DeliverJob} {
			r, err := tx.Run(job)
			if err == nil {
				r.Begun, r.Ended, r.Well = d.clock(), d.clock(), d.clock()
				err = tx.PutRun(r)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tell prints a ledger entry for a person.
func (d *demo) tell(tx *store.Tx, e store.Entry) error {
	r, _, err := tx.Referral(e.Referral)
	if err != nil {
		return err
	}
	at, who := e.At.Format("15:04"), fmt.Sprintf("%s (%s, %s)", r.FirstName, r.Code, d.names[r.CampaignID])
	switch {
	case e.Act == store.ActJudged && e.Outcome == rules.Qualified:
		for _, t := range e.Evidence {
			fmt.Fprintf(d.out, "  %s  QUALIFIED  %s: %s\n", at, who, t)
		}
	case e.Act == store.ActJudged:
		fmt.Fprintf(d.out, "  %s  held       %s: %s\n", at, who, e.Reason)
	case e.Act == store.ActBlocked:
		fmt.Fprintf(d.out, "  %s  blocked    %s: %s existed before the referral\n", at, who, e.Record)
	}
	return nil
}

// sumUp prints what came of it, and fails when Referral Factory and the ledger disagree.
func (d *demo) sumUp(c config.Config, took time.Duration) error {
	type count struct{ referrals, qualified, blocked, held int }
	counts := map[int64]*count{}
	for _, one := range c.Campaigns {
		counts[one.ID] = &count{}
	}
	delivered := map[int64]int{}
	err := d.store.View(func(tx *store.Tx) error {
		if err := tx.Ledger(0, func(e store.Entry) error {
			if e.Act == store.ActDelivered {
				delivered[e.Referral]++
			}
			return nil
		}); err != nil {
			return err
		}
		return tx.Referrals(func(r rules.Referral) error {
			n := counts[r.CampaignID]
			n.referrals++
			switch {
			case r.Standing == rules.Delivered:
				n.qualified++
			case len(r.Blockers) > 0:
				n.blocked++
			case r.Verdict.Outcome == rules.Held:
				n.held++
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "campaign\trule\treferrals\tqualified\tblocked\theld\tpending")
	for _, one := range c.Campaigns {
		n := counts[one.ID]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", one.Name, one.Qualify.Method, n.referrals, n.qualified, n.blocked, n.held,
			n.referrals-n.qualified-n.blocked-n.held)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n%d passes in %.1f s; %d Salesforce API calls, %d Referral Factory calls, %d qualifications sent.\n",
		d.passes, took.Seconds(), d.org.Calls(), d.rf.Calls(), len(d.rf.Puts()))
	return d.agree(delivered)
}

// agree checks Referral Factory against the ledger: every qualification there is one of ours, and happened once.
func (d *demo) agree(delivered map[int64]int) error {
	for _, q := range d.rf.Qualifications() {
		if delivered[q.UserID] != 1 {
			return fmt.Errorf("demo: referral %d is qualified at Referral Factory, and delivered %d times by the ledger", q.UserID, delivered[q.UserID])
		}
		delete(delivered, q.UserID)
	}
	if len(delivered) > 0 {
		return fmt.Errorf("demo: the ledger has %d deliveries that Referral Factory does not know", len(delivered))
	}
	fmt.Fprintln(d.out, "Referral Factory and the ledger agree: every qualification happened exactly once.")
	return nil
}
