package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

func (a *app) fieldsCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use: "fields OBJECT", Short: "List an object's fields, to pick the one that a rule watches", Args: cobra.ExactArgs(1),
		Long: `Lists the fields of a Salesforce object: label, API name (what the config wants), type,
whether Salesforce keeps the history of its changes, and whether it is a formula.

Without field history a value that is held for less than the time between two polls can
be missed. Salesforce does not tell everybody whether it is on; then it says unknown.`,
	}, desk.FieldsQuestion, func(args []string) desk.ObjectRequest { return desk.ObjectRequest{Object: args[0]} }, printFields)
}

func (a *app) valuesCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use: "values OBJECT.FIELD", Short: "List a field's values, and how many records hold each now", Args: cobra.ExactArgs(1),
		Long: `Lists what a field can hold: label, API value (what the config wants), whether it can be
chosen, whether it is in the field's list, and how many records hold it now. Of a field
without a list the commonest values are shown.`,
	}, desk.ValuesQuestion, func(args []string) desk.FieldRequest { return desk.FieldRequest{Field: args[0]} }, printValues)
}

func (a *app) stagesCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{Use: "stages", Short: "List the Opportunity stages, and how many Opportunities are at each now", Args: cobra.NoArgs},
		desk.StagesQuestion, func([]string) desk.Nothing { return desk.Nothing{} }, printStages)
}

func (a *app) campaignsCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{Use: "campaigns", Short: "List the account's campaigns, and which rule each has here", Args: cobra.NoArgs},
		desk.CampaignsQuestion, func([]string) desk.Nothing { return desk.Nothing{} }, printAccountCampaigns)
}

// listCommand makes a command ask a question of its arguments, and print the answer.
func listCommand[Q, A any](a *app, cmd *cobra.Command, question desk.Question[Q, A], request func(args []string) Q, show func(io.Writer, A) error) *cobra.Command {
	var output string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		answer, err := ask(cmd.Context(), a, question, request(args))
		if err != nil {
			return err
		}
		if output == "json" {
			return a.printJSON(answer)
		}
		return show(a.out, answer)
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func printFields(out io.Writer, list desk.FieldList) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tAPI NAME\tTYPE\tHISTORY\tFORMULA")
	for _, f := range list.Fields {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(f.Label), f.Name, f.Type, knownYesNo(f.Tracked), yesNo(f.Formula))
	}
	return w.Flush()
}

func printValues(out io.Writer, list desk.ValueList) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tVALUE\tACTIVE\tLISTED\tRECORDS")
	for _, v := range list.Values {
		label, value := printable(v.Label), printable(v.Value)
		if v.Value == "" {
			label, value = "(none)", "(none)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", label, value, yesNo(v.Active), yesNo(v.Listed), knownNumber(v.Records))
	}
	return flushWithNote(w, out, list.Note)
}

func printStages(out io.Writer, list desk.StageList) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tAPI NAME\tACTIVE\tSTATE\tRECORDS")
	for _, s := range list.Stages {
		state := "open"
		switch {
		case s.Won:
			state = "won"
		case s.Closed:
			state = "closed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(s.Label), printable(s.Name), yesNo(s.Active), state, knownNumber(s.Records))
	}
	return flushWithNote(w, out, list.Note)
}

func printAccountCampaigns(out io.Writer, lines []desk.CampaignLine) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSTATUS\tRULE HERE")
	for _, c := range lines {
		status, rule := printable(c.Status), "not configured"
		if !c.InAccount {
			status = "not in this account"
		}
		if c.Configured {
			rule = printable(c.Rule)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", c.ID, printable(c.Name), status, rule)
	}
	return w.Flush()
}

func flushWithNote(w *tabwriter.Writer, out io.Writer, note string) error {
	if err := w.Flush(); err != nil || note == "" {
		return err
	}
	_, err := fmt.Fprintf(out, "note: %s\n", printable(note))
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func knownYesNo(b *bool) string {
	if b == nil {
		return "unknown"
	}
	return yesNo(*b)
}

func knownNumber(n *int) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprint(*n)
}
