package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

func (a *app) explainCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "explain REFERRAL", Short: "Tell why a referral stands where it stands", Args: cobra.ExactArgs(1),
		Long: `Tells a referral's reason code, the sentence behind it, and its records. REFERRAL is tried
as id, code, record Id and e-mail, in that order; id: and code: say which.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			c, _, err := config.Load(a.configPath)
			if err != nil {
				return err
			}
			return withStore(c, func(s *store.Store) error {
				return s.View(func(tx *store.Tx) error { return a.explain(tx, args[0], output) })
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func checkOutput(output string) error {
	if output != "" && output != "json" {
		return usageError{fmt.Errorf("-o %s: only json is known", output)}
	}
	return nil
}

func (a *app) explain(tx *store.Tx, text, output string) error {
	found, err := poll.Find(tx, text)
	if err != nil {
		return err
	}
	lines := []line{}
	for _, r := range found {
		lines = append(lines, lineOf(r))
	}
	if output == "json" {
		return json.NewEncoder(a.out).Encode(lines)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(a.out, "%s: nobody of a configured campaign has the id, code, record or e-mail %q\n", rules.NotInCampaign, text)
		return err
	}
	for _, r := range found {
		if err := a.explainOne(tx, r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) explainOne(tx *store.Tx, r rules.Referral) error {
	records, err := tx.Records(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "referral %d (code %s) of campaign %d is %s\n", r.ID, r.Code, r.CampaignID, r.Standing)
	fmt.Fprintf(a.out, "  %s: %s\n", r.Verdict.Reason, r.Verdict.Sentence)
	fmt.Fprintf(a.out, "  joined %s\n", r.Joined.UTC().Format("2006-01-02 15:04Z"))
	for _, l := range records {
		fmt.Fprintf(a.out, "  %s %s, linked by %v", l.Object, l.RecordID, l.Kinds)
		if !l.SeenAt.IsZero() {
			fmt.Fprintf(a.out, ", last seen %s", l.SeenAt.UTC().Format("2006-01-02 15:04Z"))
		}
		fmt.Fprintln(a.out)
	}
	for _, b := range r.Blockers {
		fmt.Fprintf(a.out, "  blocked by %s %s, created %s\n", b.Object, b.ID, b.Created.UTC().Format("2006-01-02 15:04Z"))
	}
	return nil
}
