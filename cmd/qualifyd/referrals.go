package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

func (a *app) referralsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "referrals", Short: "List referrals, pin records to them, join or judge them anew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.listCommand(), a.pinCommand(), a.rejudgeCommand(), a.joinCommand())
	return cmd
}

// filter says which referrals a list shows.
type filter struct {
	campaign      int64
	state, reason string
}

func (f filter) shows(r rules.Referral) bool {
	return (f.campaign == 0 || r.CampaignID == f.campaign) &&
		(f.state == "" || string(r.Standing) == f.state) &&
		(f.reason == "" || string(r.Verdict.Reason) == f.reason)
}

// line is a referral in a list.
type line struct {
	ID       int64    `json:"id"`
	Campaign int64    `json:"campaign"`
	Code     string   `json:"code"`
	Standing string   `json:"standing"`
	Reason   string   `json:"reason"`
	Sentence string   `json:"sentence"`
	Records  []string `json:"records"`
}

func (a *app) listCommand() *cobra.Command {
	var f filter
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List referrals with where they stand and why", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			c, _, err := config.Load(a.configPath)
			if err != nil {
				return err
			}
			lines := []line{}
			err = withStore(c, func(s *store.Store) error {
				return s.View(func(tx *store.Tx) error {
					return tx.Referrals(func(r rules.Referral) error {
						if f.shows(r) {
							lines = append(lines, lineOf(r))
						}
						return nil
					})
				})
			})
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(a.out).Encode(lines)
			}
			return a.printLines(lines)
		}}
	cmd.Flags().Int64Var(&f.campaign, "campaign", 0, "only of this campaign")
	cmd.Flags().StringVar(&f.state, "state", "", "only in this state: pending, owed, delivered, elsewhere, overridden, rejected")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only with this reason code")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func lineOf(r rules.Referral) line {
	l := line{ID: r.ID, Campaign: r.CampaignID, Code: r.Code, Standing: string(r.Standing), Reason: string(r.Verdict.Reason),
		Sentence: r.Verdict.Sentence, Records: []string{}}
	for _, link := range r.Links {
		l.Records = append(l.Records, link.RecordID)
	}
	return l
}

func (a *app) printLines(lines []line) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCAMPAIGN\tCODE\tSTATE\tREASON\tWHY")
	for _, l := range lines {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Campaign, l.Code, l.Standing, l.Reason, l.Sentence)
	}
	return w.Flush()
}

func (a *app) pinCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "pin REFERRAL RECORD", Short: "Make a Lead, Contact or Opportunity a referral's; lifts a block", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.order(args[:1], why, func(tx *store.Tx, r rules.Referral, o poll.Order) error {
				return poll.Pin(tx, r, args[1], o)
			}, "%d is pinned to "+args[1]+"; the next pass reads the record")
		}}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the ledger")
	return cmd
}

func (a *app) rejudgeCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "rejudge REFERRAL...", Short: "Have referrals joined and judged anew by what holds now", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.order(args, why, poll.Rejudge, "%d will be judged anew by the next pass")
		}}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the ledger")
	return cmd
}

func (a *app) joinCommand() *cobra.Command {
	var why string
	var yes bool
	cmd := &cobra.Command{Use: "join REFERRAL...", Short: "Create or mark the record of referrals that were there from the start", Args: cobra.MinimumNArgs(1),
		Long: `A referral that the campaign's first sweep already showed is linked to records that exist,
but none is created or marked for it. This does so on purpose.

Without --yes it only shows whom it is about. What exactly would be written shows
qualifyd run --dry-run, once the referrals are marked with --yes and before the next pass.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if !yes {
				return a.previewJoin(args)
			}
			return a.order(args, why, poll.AskJoin, "%d will be created or marked by the next pass")
		}}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the ledger")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func (a *app) previewJoin(args []string) error {
	c, _, err := config.Load(a.configPath)
	if err != nil {
		return err
	}
	return withStore(c, func(s *store.Store) error {
		return s.View(func(tx *store.Tx) error {
			for _, arg := range args {
				r, err := poll.FindOne(tx, arg)
				if err != nil {
					return err
				}
				i := slices.IndexFunc(c.Campaigns, func(one config.Campaign) bool { return one.ID == r.CampaignID })
				if i < 0 || !campaign(c.Campaigns[i]).Creates() {
					return fmt.Errorf("referral %d: when_lead_joins of its campaign %d is nothing; there is nothing to create", r.ID, r.CampaignID)
				}
				fmt.Fprintf(a.out, "referral %d (%s, %d records linked): would be joined by %s, duplicates %s\n",
					r.ID, r.Standing, len(r.Links), c.Campaigns[i].WhenLeadJoins, c.Campaigns[i].Duplicates)
			}
			fmt.Fprintln(a.out, "nothing was done; say --yes to do it")
			return nil
		})
	})
}

func (a *app) resumeCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "resume REFERRAL", Short: "Let a referral that somebody set back to pending qualify again", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if why == "" {
				return usageError{errors.New("--reason is required: the ledger keeps who resumed a referral, and why")}
			}
			return a.order(args, why, poll.Resume, "%d is judged again by the next pass")
		}}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the ledger (required)")
	return cmd
}

func (a *app) releaseCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{Use: "release CAMPAIGN", Short: "Let the qualifications go that a campaign's brake holds", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no campaign id", args[0])}
			}
			c, _, err := config.Load(a.configPath)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(c.Campaigns, func(one config.Campaign) bool { return one.ID == id }) {
				return fmt.Errorf("campaign %d is not in %s", id, a.configPath)
			}
			return withStore(c, func(s *store.Store) error {
				released := 0
				err := s.Update(func(tx *store.Tx) (err error) {
					released, err = poll.Release(tx, id, newOrder(why))
					return err
				})
				if err == nil {
					fmt.Fprintf(a.out, "%d qualifications of campaign %d are released; the next pass delivers them\n", released, id)
				}
				return err
			})
		}}
	cmd.Flags().StringVar(&why, "reason", "", "why, for the ledger")
	return cmd
}

// order carries out an act on each of the referrals that args name, all or none, and says done for each.
func (a *app) order(args []string, why string, act func(*store.Tx, rules.Referral, poll.Order) error, done string) error {
	c, _, err := config.Load(a.configPath)
	if err != nil {
		return err
	}
	return withStore(c, func(s *store.Store) error {
		var ids []int64
		err := s.Update(func(tx *store.Tx) error {
			for _, arg := range args {
				r, err := poll.FindOne(tx, arg)
				if err != nil {
					return err
				}
				if err := act(tx, r, newOrder(why)); err != nil {
					return err
				}
				ids = append(ids, r.ID)
			}
			return nil
		})
		for _, id := range ids {
			if err == nil {
				fmt.Fprintf(a.out, "referral "+done+"\n", id)
			}
		}
		return err
	})
}

func newOrder(why string) poll.Order {
	o := poll.Order{Who: "unknown", Why: why, At: time.Now().UTC()}
	if u, err := user.Current(); err == nil {
		o.Who = u.Username
	}
	return o
}
