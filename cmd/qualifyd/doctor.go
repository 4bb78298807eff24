package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/cmd/doctor"
	"qualifyd/sync/referralfactory"
)

func (a *app) doctorCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check everything that keeps referrals from qualifying, and say what to do", Args: cobra.NoArgs,
		Long: `Goes through the checklist for "I connected my CRM but referrals aren't qualifying":
connection, permissions, campaigns, rules and their values, field history, duplicates,
referral codes, and whether everything runs. Each line is ok, warn or FAIL, and says what
to do. It writes nothing, and costs about 10 to 25 API calls of Salesforce.

Exit codes: 0 nothing failed (there may be warnings), 1 something did.`,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		report, err := ask(cmd.Context(), a, desk.DoctorQuestion, desk.Nothing{})
		if err != nil {
			return err
		}
		return a.tellReport(report, output)
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

// tryBaseURL makes a trial of the API key, as the config has it by then, at another base URL.
func tryBaseURL(reload func() (config.Config, error), via transports) func(ctx context.Context, baseURL string) error {
	return func(ctx context.Context, baseURL string) error {
		c, err := reload()
		if err != nil {
			return err
		}
		via, err := via.trusting(c)
		if err != nil {
			return err
		}
		rf, err := referralfactory.New(referralfactory.Options{
			BaseURL: baseURL, APIKey: c.ReferralFactory.APIKey.Reveal(), CallsPerMinute: c.ReferralFactory.CallsPerMinute,
			Transport: via.referralFactory, Log: zerolog.Nop(),
		})
		if err != nil {
			return err
		}
		_, _, err = rf.Users(ctx, 1)
		return err
	}
}

// tellReport prints a report, and fails when something in it is red.
func (a *app) tellReport(report doctor.Report, output string) error {
	var err error
	if output == "json" {
		err = a.printJSON(report)
	} else {
		err = printReport(a.out, report, isTerminal(a.out) && os.Getenv("NO_COLOR") == "")
	}
	if err == nil && report.Red > 0 {
		return told{fmt.Errorf("%d findings are red", report.Red)} // the report says which
	}
	return err
}

// marks are how a colour is shown: a word, and on a terminal its colour besides.
var marks = map[doctor.Colour]struct{ word, colour string }{
	doctor.Green: {"ok", "\x1b[32m"}, doctor.Yellow: {"warn", "\x1b[33m"}, doctor.Red: {"FAIL", "\x1b[1;31m"},
}

// reportWidth is how wide a line of the report is at most; the words begin behind the mark.
const (
	reportWidth  = 100
	reportIndent = 8
)

func printReport(w io.Writer, report doctor.Report, coloured bool) error {
	var out strings.Builder
	var group doctor.Group
	for _, f := range report.Findings {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&out, "%s\n", group.Question())
		}
		mark := fmt.Sprintf("%-4s", marks[f.Colour].word)
		if coloured {
			mark = marks[f.Colour].colour + mark + "\x1b[0m"
		}
		indent := strings.Repeat(" ", reportIndent)
		fmt.Fprintf(&out, "  %s  %s\n", mark, wrapped(printable(f.Title)+": "+printable(f.Text), indent))
		if f.Do != "" {
			fmt.Fprintf(&out, "%s-> %s\n", indent, wrapped(printable(f.Do), indent+"   "))
		}
	}
	fmt.Fprintf(&out, "\n%d green, %d yellow, %d red (the check-up cost %d Salesforce API calls)\n", report.Green, report.Yellow, report.Red, report.Calls.Salesforce)
	_, err := io.WriteString(w, out.String())
	return err
}

// wrapped breaks text between words, so that with its indent no line is wider than the report. The first line's indent is the caller's.
func wrapped(text, indent string) string {
	var out strings.Builder
	width := len(indent)
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n > reportWidth:
			out.WriteString("\n" + indent)
			width = len(indent)
		default:
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += n
	}
	return out.String()
}
