package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

// orderCommand is an act on referrals, which the ledger keeps with who ordered it and why.
func (a *app) orderCommand(cmd *cobra.Command, question desk.Question[desk.OrderRequest, []desk.Done]) *cobra.Command {
	why := reasonFlag(cmd)
	return listCommand(a, cmd, question,
		func(args []string) desk.OrderRequest { return desk.OrderRequest{Referrals: args, Reason: *why} }, printDone)
}

func reasonFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("reason", "", "why, for the ledger; no e-mail addresses")
}

func printDone(out io.Writer, done []desk.Done) error {
	for _, one := range done {
		fmt.Fprintln(out, printable(one.Done))
	}
	return nil
}

func (a *app) qualifyCommand() *cobra.Command {
	return a.orderCommand(&cobra.Command{
		Use: "qualify REFERRAL --reason TEXT", Short: "Qualify a referral by hand, whatever its records show", Args: cobra.ExactArgs(1),
		Long: `Has a referral qualified in Referral Factory by your word: read first, sent once. Neither the
rule nor the brake is asked. A sandbox org sends nothing unless send_from_sandbox says so.`,
	}, desk.QualifyQuestion)
}

func (a *app) unqualifyCommand() *cobra.Command {
	return a.orderCommand(&cobra.Command{
		Use: "unqualify REFERRAL --reason TEXT", Short: "Set a qualified referral back to pending, where it stays until resumed", Args: cobra.ExactArgs(1),
		Long: `Has a referral set back to pending in Referral Factory. A reward that was issued is not taken
back by that. The referral stays pending, whatever its records do, until resume or qualify.`,
	}, desk.UnqualifyQuestion)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.orderCommand(&cobra.Command{
		Use: "resume REFERRAL --reason TEXT", Short: "Let a referral that was set back to pending qualify again", Args: cobra.ExactArgs(1),
	}, desk.ResumeQuestion)
}

func (a *app) releaseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "release CAMPAIGN", Short: "Let the qualifications go that a campaign's brake holds", Args: campaignID}
	why := reasonFlag(cmd)
	return listCommand(a, cmd, desk.ReleaseQuestion, func(args []string) desk.ReleaseRequest {
		id, _ := strconv.ParseInt(args[0], 10, 64) // campaignID has seen to it
		return desk.ReleaseRequest{Campaign: id, Reason: *why}
	}, func(out io.Writer, r desk.Released) error {
		_, err := fmt.Fprintln(out, r.Done)
		return err
	})
}

// campaignID wants one argument, a number.
func campaignID(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return err
	}
	if _, err := strconv.ParseInt(args[0], 10, 64); err != nil {
		return fmt.Errorf("%q is no campaign id", args[0])
	}
	return nil
}

func (a *app) outboxCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "outbox", Short: "List what is owed to Referral Factory, try it again, or drop it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(
		listCommand(a, &cobra.Command{Use: "list", Short: "List what is owed, and what Referral Factory refuses for good", Args: cobra.NoArgs},
			desk.OutboxQuestion, func([]string) desk.Nothing { return desk.Nothing{} }, printOutbox),
		a.retryCommand(),
		a.orderCommand(&cobra.Command{
			Use: "drop REFERRAL... --reason TEXT", Short: "Take out of the outbox what was not sent", Args: cobra.MinimumNArgs(1),
			Long: `Takes out what is owed and was not sent. The referral stays as it is at Referral Factory
until it is resumed. What was sent cannot be dropped before its outcome is known.`,
		}, desk.DropQuestion),
	)
	return cmd
}

func (a *app) retryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "retry [REFERRAL...] [--all]", Short: "Have what waits, or was refused for good, tried again"}
	why := reasonFlag(cmd)
	all := cmd.Flags().Bool("all", false, "everything in the outbox")
	return listCommand(a, cmd, desk.RetryQuestion, func(args []string) desk.RetryRequest {
		return desk.RetryRequest{OrderRequest: desk.OrderRequest{Referrals: args, Reason: *why}, All: *all}
	}, func(out io.Writer, done []desk.Done) error {
		if len(done) == 0 {
			fmt.Fprintln(out, "nothing is in the outbox")
		}
		return printDone(out, done)
	})
}

func printOutbox(out io.Writer, lines []desk.OutboxLine) error {
	if len(lines) == 0 {
		fmt.Fprintln(out, "nothing is owed")
	}
	for _, l := range lines {
		requests := ""
		if l.Attempts > 0 { // of what was refused the number is not kept
			requests = fmt.Sprintf(", %d requests", l.Attempts)
		}
		fmt.Fprintf(out, "referral %d (code %s) of campaign %d: %s, %s, since %s%s\n",
			l.Referral, printable(l.Code), l.Campaign, l.Kind, l.State, minute(l.Since), requests)
		for _, detail := range []struct{ name, text string }{{"ordered by", l.By}, {"trouble", l.Trouble}, {"waits for", l.WaitsFor}} {
			if detail.text != "" {
				fmt.Fprintf(out, "  %s: %s\n", detail.name, printable(detail.text))
			}
		}
	}
	return nil
}
