package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

func (a *app) referralsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "referrals", Short: "List referrals, pin records to them, join or judge them anew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.listReferralsCommand(), a.pinCommand(), a.importCommand(), a.joinCommand(),
		a.orderCommand(&cobra.Command{
			Use: "rejudge REFERRAL...", Short: "Have referrals joined and judged anew by what holds now", Args: cobra.MinimumNArgs(1),
		}, desk.RejudgeQuestion))
	return cmd
}

func (a *app) listReferralsCommand() *cobra.Command {
	var f desk.Filter
	cmd := &cobra.Command{Use: "list", Short: "List referrals with where they stand and why", Args: cobra.NoArgs}
	cmd.Flags().Int64Var(&f.Campaign, "campaign", 0, "only those of a campaign")
	cmd.Flags().StringVar(&f.State, "state", "", "only those in a state: pending, owed, delivered, elsewhere, overridden, rejected")
	cmd.Flags().StringVar(&f.Reason, "reason", "", "only those with a reason code, like existing_record")
	return listCommand(a, cmd, desk.ReferralsQuestion, func([]string) desk.Filter { return f }, printReferrals)
}

func printReferrals(out io.Writer, lines []desk.ReferralLine) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCAMPAIGN\tCODE\tSTATE\tREASON\tWHY")
	for _, l := range lines {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.Campaign, printable(l.Code), l.Standing, l.Reason, printable(l.Sentence))
	}
	return w.Flush()
}

func (a *app) pinCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pin REFERRAL RECORD", Short: "Make a Lead, Contact or Opportunity a referral's; lifts a block", Args: cobra.ExactArgs(2)}
	why := reasonFlag(cmd)
	return listCommand(a, cmd, desk.PinQuestion, func(args []string) desk.PinRequest {
		return desk.PinRequest{Referral: args[0], Record: args[1], Reason: *why}
	}, func(out io.Writer, done desk.Done) error { return printDone(out, []desk.Done{done}) })
}

func (a *app) joinCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "join REFERRAL...", Short: "Create or mark the record of referrals that were there from the start", Args: cobra.MinimumNArgs(1),
		Long: `A referral that the campaign's first sweep already showed is linked to records that exist,
but none is created or marked for it. This does so on purpose.

Without --yes it only shows whom it is about. What exactly would be written shows
qualifyd run --dry-run, once the referrals are marked with --yes and before the next pass.`,
	}
	yes := cmd.Flags().Bool("yes", false, "do it")
	a.orderCommand(cmd, desk.JoinQuestion)
	order := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *yes {
			return order(cmd, args)
		}
		output, err := cmd.Flags().GetString("output")
		if err == nil {
			err = checkOutput(output)
		}
		if err != nil {
			return err
		}
		would, err := ask(cmd.Context(), a, desk.JoinPreviewQuestion, desk.OrderRequest{Referrals: args})
		if err != nil {
			return err
		}
		if output == "json" {
			return a.printJSON(would)
		}
		if err := printDone(a.out, would); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, "nothing was done; say --yes to do it")
		return err
	}
	return cmd
}

func (a *app) importCommand() *cobra.Command {
	var request desk.ImportRequest
	var output string
	cmd := &cobra.Command{Use: "import FILE.csv", Short: "Pin records to many referrals at once", Args: cobra.ExactArgs(1),
		Long: `Reads a CSV file with a header and two columns: the referral (id, code or referral), and its
record (record: an Id; or email: the address that the record has in Salesforce, where the
person uses another one there than in the referral). Every row is checked before the first
is pinned; a bad row is named with its line, and then nothing is pinned.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := checkOutput(output); err != nil {
				return err
			}
			if request.File, err = os.ReadFile(args[0]); err != nil {
				return fmt.Errorf("import: %w", err)
			}
			question := desk.ImportQuestion
			if desk.NamesByEmail(request.File) {
				question = desk.ImportByEmailQuestion
			}
			done, err := ask(cmd.Context(), a, question, request)
			if err != nil {
				return err
			}
			if output == "json" {
				err = a.printJSON(done)
			} else {
				a.printImported(args[0], done)
			}
			if err == nil && len(done.Problems) > 0 {
				err = told{errors.New("not imported")}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for the ledger; no e-mail addresses")
	cmd.Flags().BoolVar(&request.Preview, "preview", false, "check the file, and pin nothing")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func (a *app) printImported(file string, done desk.Imported) {
	for _, p := range done.Problems {
		place := fmt.Sprintf("%s:%d", file, p.Line)
		if p.Column != "" {
			place += ", column " + p.Column
		}
		fmt.Fprintf(a.out, "%s: %s\n", place, printable(p.Text))
	}
	verb := "pinned"
	if done.Preview {
		verb = "to be pinned"
	}
	fmt.Fprintf(a.out, "%d %s, %d pinned before, %d problems\n", done.Pinned, verb, done.Unchanged, len(done.Problems))
	if done.Pinned > 0 && !done.Preview {
		fmt.Fprintln(a.out, "the next pass reads the records (qualifyd poll makes one now)")
	}
}
