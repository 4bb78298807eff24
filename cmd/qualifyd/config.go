package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or show the config, or print its schema", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.configCheckCommand(), &cobra.Command{
		Use: "show", Short: "Show the config in force, defaults included and secrets masked", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, _, err := config.Load(a.configPath)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, c.Show())
			return err
		},
	}, &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of the config, for editors", Args: cobra.NoArgs,
		Long: `Prints the JSON schema (2020-12) of the config. An editor that reads it explains the keys
and underlines what is wrong while one types. "config check" says more: it knows which keys
go together, and reads the secrets.`,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, config.Schema)
			return err
		},
	})
	return cmd
}

func (a *app) configCheckCommand() *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use: "check", Short: "Check the config, and with --online also against both services", Args: cobra.NoArgs,
		Long: `Checks every key and secret of the config, and names all problems at once.

With --online it logs in to Salesforce, checks that every field, value and stage of the
rules exists (near misses are named), and that Referral Factory takes the key and has the
campaigns. It writes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, warnings, err := config.Load(a.configPath)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintf(a.out, "warning: %s\n", w)
			}
			if online {
				if err := a.checkOnline(cmd.Context(), c); err != nil {
					return err
				}
			}
			campaigns := "1 campaign"
			if n := len(c.Campaigns); n > 1 {
				campaigns = fmt.Sprintf("%d campaigns", n)
			}
			fmt.Fprintf(a.out, "%s is right: %s\n", a.configPath, campaigns)
			return nil
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "check against Salesforce and Referral Factory as well")
	return cmd
}

// checkOnline checks the config against both services. It names every campaign that is not there, or whose field or value is not.
func (a *app) checkOnline(ctx context.Context, c config.Config) error {
	d, err := build(c, nil, zerolog.Nop(), a.via)
	if err != nil {
		return err
	}
	found, err := poll.CheckRules(ctx, d.poller.Current())
	if err != nil {
		return incomplete{err}
	}
	problems := &config.Problems{Path: a.configPath}
	for _, rule := range found {
		if rule.Parked != "" {
			key := fmt.Sprintf("campaign %d: %s", rule.ID, rule.Parked)
			problems.List = append(problems.List, config.Problem{Key: key, Text: rule.ParkedWhy})
		}
	}
	if _, _, err := d.rf.Users(ctx, 1); err != nil {
		return incomplete{err}
	}
	// A pass needs no list of campaigns: one that cannot be had is no problem of the config.
	if account, _, err := d.rf.Campaigns(ctx); err == nil {
		problems.List = append(problems.List, missingCampaigns(c, account)...)
	}
	if len(problems.List) > 0 {
		return problems
	}
	return nil
}

// missingCampaigns are the config's campaigns that the account does not have.
func missingCampaigns(c config.Config, account []referralfactory.Campaign) (missing []config.Problem) {
	for i, one := range c.Campaigns {
		if !slices.ContainsFunc(account, func(there referralfactory.Campaign) bool { return there.ID == one.ID }) {
			missing = append(missing, config.Problem{Key: fmt.Sprintf("campaigns[%d].id", i),
				Text: fmt.Sprintf("the Referral Factory account has no campaign %d; qualifyd campaigns lists those it has", one.ID)})
		}
	}
	return missing
}
