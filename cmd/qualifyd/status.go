package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

func (a *app) statusCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{Use: "status", Short: "Tell how everything stands: connections, passes, campaigns, what is owed", Args: cobra.NoArgs},
		desk.StatusQuestion, func([]string) desk.Nothing { return desk.Nothing{} }, printStatus)
}

func printStatus(out io.Writer, s desk.Status) error {
	daemon := "no daemon runs; this is what its store holds"
	if !s.Since.IsZero() {
		daemon = "the daemon (version " + s.Version + ") runs since " + minute(s.Since)
	}
	fmt.Fprintln(out, daemon)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Salesforce\t%s\t%s\n", s.Salesforce.State, printable(s.Salesforce.Sentence))
	fmt.Fprintf(w, "Referral Factory\t%s\t%s\n", s.ReferralFactory.State, printable(s.ReferralFactory.Sentence))
	fmt.Fprintf(w, "org\t%s\t%s\n", orgMode(s.Org), s.Org.LoginURL)
	fmt.Fprintf(w, "read up to\t%s\t%s\n", readUpTo(s), callsSentence(s.Calls))
	fmt.Fprintf(w, "outbox\t%d owed\t%s\n", s.Outbox.Owed, outboxSentence(s.Outbox))
	for _, r := range s.Runs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Job, minute(r.Ended), cmp.Or(printable(r.Trouble), r.TooLong))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printCampaigns(out, s.Campaigns)
}

func printCampaigns(out io.Writer, campaigns []desk.CampaignStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMPAIGN\tNAME\tREFERRALS\tPENDING\tOWED\tQUALIFIED\tELSEWHERE\tOVERRIDDEN\tREJECTED")
	for _, c := range campaigns {
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			c.ID, printable(c.Name), c.Referrals, c.Pending, c.Owed, c.Qualified, c.Elsewhere, c.Overridden, c.Rejected)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range campaigns {
		fmt.Fprintf(out, "%d: %s\n", c.ID, printable(c.Rule))
		if c.Parked != "" {
			fmt.Fprintf(out, "    parked, %s: %s\n", c.Parked, printable(c.ParkedWhy))
		}
		for _, reason := range slices.Sorted(maps.Keys(c.Reasons)) {
			fmt.Fprintf(out, "    %d pending: %s\n", c.Reasons[reason], cmp.Or(reason, "not judged yet"))
		}
		if c.Held > 0 {
			fmt.Fprintf(out, "    %d of these wait for a person\n", c.Held)
		}
	}
	return nil
}

func readUpTo(s desk.Status) string {
	if s.ReadUpTo.IsZero() {
		return "nothing yet"
	}
	return minute(s.ReadUpTo) + ", " + (time.Duration(s.LagSeconds) * time.Second).String() + " ago"
}

func orgMode(o desk.Org) string {
	switch {
	case o.ID == "":
		return "not known yet"
	case !o.Sandbox:
		return o.ID + " (live)"
	case o.Sends:
		return o.ID + " (sandbox; qualifies for real)"
	}
	return o.ID + " (sandbox; nobody is qualified for real)"
}

func callsSentence(c desk.Calls) string {
	if c.Limit == 0 {
		return fmt.Sprintf("%d Salesforce calls in 24 hours", c.Used)
	}
	text := fmt.Sprintf("%d Salesforce calls in 24 hours, of a share of %d (the org's limit is %d)", c.Used, c.Share, c.Limit)
	if c.Stretched() {
		text += "; polls are rarer, so that the rest lasts"
	}
	return text
}

func outboxSentence(o desk.OutboxStatus) string {
	var parts []string
	if !o.Oldest.IsZero() {
		parts = append(parts, "oldest of "+minute(o.Oldest))
	}
	if o.Open > 0 {
		parts = append(parts, fmt.Sprintf("%d sent, with an outcome that is not known yet", o.Open))
	}
	if o.Parked > 0 {
		parts = append(parts, fmt.Sprintf("%d refused for good (qualifyd outbox list)", o.Parked))
	}
	return strings.Join(parts, "; ")
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func (a *app) pollCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use: "poll", Short: "Sweep, poll and deliver now, and wait for it", Args: cobra.NoArgs,
		Long: `Has a running daemon sweep, poll and deliver at once, without waiting for its schedules;
where none runs, does it itself, like run --once. Ends with 0 when all went well, and with
75 or 77 like run --once when it did not.`,
	}, desk.PollQuestion, func([]string) desk.Nothing { return desk.Nothing{} }, printPoll)
}

func printPoll(out io.Writer, p desk.PollAnswer) error {
	fmt.Fprintln(out, "swept, polled and delivered")
	for _, act := range slices.Sorted(maps.Keys(p.Acts)) {
		fmt.Fprintf(out, "  %d %s\n", p.Acts[act], act)
	}
	for _, id := range p.Qualified {
		fmt.Fprintf(out, "  referral %d is qualified\n", id)
	}
	return nil
}
