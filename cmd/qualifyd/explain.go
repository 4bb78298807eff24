package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

func (a *app) explainCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "explain REFERRAL", Short: "Tell a referral's whole story: why it stands where it stands, and what comes next", Args: cobra.ExactArgs(1),
		Long: `Tells who a referral is, which records are its, what was seen of them and what of that
counts, the rule's condition, the reason code, what was done, and what would have to happen
next. REFERRAL is tried as id, code, record Id and e-mail, in that order; id: and code: say
which. Where several referrals are meant, all are told.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			stories, err := ask(cmd.Context(), a, desk.ExplainQuestion, desk.ReferralRequest{Referral: args[0]})
			switch {
			case err != nil:
				return err
			case output == "json" && len(stories) == 0: // a program is told as well why there is no story
				return a.printJSON([]desk.Unknown{desk.NobodyMeant(args[0])})
			case output == "json":
				return a.printJSON(stories)
			}
			return printStories(a.out, args[0], stories)
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

func printStories(out io.Writer, meant string, stories []desk.Story) error {
	p := &sheet{}
	if len(stories) == 0 {
		p.nobody(meant)
	}
	for i, s := range stories {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.story(s)
	}
	_, err := io.WriteString(out, p.String())
	return err
}

// sheet is what is printed, line by line; long lines are broken between words. Whatever text it is given is made safe for a terminal.
type sheet struct{ strings.Builder }

// sheetWidth is how many columns a broken line has at most.
const sheetWidth = 100

// line prints text behind an indent; what is broken off goes below, four columns further in. Spaces within values stay as they are.
func (p *sheet) line(indent int, format string, args ...any) {
	margin := strings.Repeat(" ", indent)
	column := 0
	for i, word := range strings.Split(printable(fmt.Sprintf(format, args...)), " ") {
		switch {
		case i == 0:
			p.WriteString(margin)
			column = indent
		case column+1+len([]rune(word)) > sheetWidth:
			margin = strings.Repeat(" ", indent+4)
			p.WriteString("\n" + margin)
			column = indent + 4
		default:
			p.WriteByte(' ')
			column++
		}
		p.WriteString(word)
		column += len([]rune(word))
	}
	p.WriteByte('\n')
}

// whole prints a line that is not broken, for those who search for it.
func (p *sheet) whole(format string, args ...any) {
	p.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

func (p *sheet) section(name string) { p.WriteString("\n  " + name + "\n") }

func (p *sheet) nobody(meant string) {
	unknown := desk.NobodyMeant(meant)
	p.whole("%s: %s", unknown.Reason, unknown.Sentence)
	for _, cause := range unknown.Causes {
		p.line(2, "- %s", cause)
	}
}

func (p *sheet) story(s desk.Story) {
	p.whole("referral %d (code %s) of campaign %d is %s", s.ID, s.Code, s.Campaign, s.Standing)
	if s.Reason == "" {
		p.whole("  not judged yet")
	} else {
		p.whole("  %s: %s", s.Reason, s.Sentence)
	}
	for _, wait := range s.Waits {
		p.line(2, "note: %s", wait)
	}
	p.person(s)
	p.records(s)
	if s.Configured {
		p.duplicates(s.Duplicates)
		p.seen(s)
	}
	p.done(s)
	p.section("next")
	p.line(4, "%s: %s", strings.ReplaceAll(string(s.Next.Who), "_", " "), s.Next.What)
}

func (p *sheet) person(s desk.Story) {
	who := s.Person
	p.section("who")
	name := who.FirstName
	if who.Email != "" {
		name = strings.TrimSpace(name + " <" + who.Email + ">")
	}
	if who.Source != "" {
		name += ", source " + who.Source
	}
	p.line(4, "%s, referred by user %d", name, who.Referrer)
	start := ""
	if who.FromStart {
		start = ", when the campaign was first swept"
	}
	p.line(4, "signed up on %s, first shown by sweep %d%s", orNothing(who.SignedUpOn), who.FirstSweep, start)
	p.line(4, "joined %s: %s", second(who.Joined), who.JoinedWhy)
	if !s.Configured {
		return
	}
	p.line(4, "%s %s", strings.TrimSpace(fmt.Sprintf("campaign %d %s", s.Campaign, s.CampaignName)), s.Rule)
	if s.CountsFrom.IsZero() {
		p.line(4, "from when changes count is %s", s.CountsWhy)
	} else {
		p.line(4, "changes count from %s: %s", second(s.CountsFrom), s.CountsWhy)
	}
}

func (p *sheet) records(s desk.Story) {
	p.section("records")
	for _, l := range s.Links {
		p.line(4, "%s %s, linked by %s", l.Object, l.ID, l.How)
		if !l.Since.IsZero() {
			p.line(6, "since %s, last seen %s", second(l.Since), second(l.LastSeen))
		}
		if l.State != "" {
			p.line(6, "%s", l.State)
		}
		for _, v := range l.Values {
			p.line(6, "%s is %q as of %s", v.Field, v.Value, second(v.At))
		}
		if l.Became != "" {
			p.line(6, "%s", l.Became)
		}
	}
	if len(s.Links) == 0 {
		p.line(4, "none")
	}
}

func (p *sheet) duplicates(d desk.Duplicates) {
	p.section("duplicates")
	p.line(4, "%s: %s", d.Policy, d.InWords)
	for _, e := range d.Existing {
		verb := "existed before:"
		if d.Result == desk.Blocked {
			verb = "blocked by"
		}
		p.line(4, "%s %s %s, %s", verb, e.Object, e.ID, e.InWords)
	}
	if len(d.Existing) == 0 {
		p.line(4, "%s", d.Sentence)
	}
	for _, other := range d.Otherwise {
		p.line(4, "under %s: %s", other.Policy, other.Would)
	}
}

// seen prints what was observed, and how it stands to what the rule asks for.
func (p *sheet) seen(s desk.Story) {
	p.section("what was seen")
	for _, o := range s.Seen {
		text := second(o.At) + "  "
		if o.At.IsZero() {
			text = ""
		}
		text += o.Sentence
		if o.Proof != "" {
			text += " (" + string(o.Proof) + ")"
		}
		switch {
		case o.Counts:
			text += " -> counts"
		case o.Why != "":
			text += " -> does not count: " + o.Why
		}
		p.line(4, "%s", text)
	}
	if len(s.Seen) == 0 {
		p.line(4, "nothing that bears on the rule")
	}
	p.section("condition")
	p.line(4, "expected: %s", s.Condition.Expected)
	for _, actual := range s.Condition.Actual {
		p.line(4, "actual:   %s", actual)
	}
	if !s.JudgedAt.IsZero() {
		p.line(4, "judged at %s", second(s.JudgedAt))
	}
}

func (p *sheet) done(s desk.Story) {
	p.section("what was done")
	for _, d := range s.Done {
		p.line(4, "%s  #%d %s", second(d.At), d.Number, d.Sentence)
	}
	p.line(4, "delivery: %s", s.Delivery.Sentence)
}

// second tells an instant to the second: changes that follow one another have to be told apart.
func second(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func orNothing(text string) string {
	if text == "" {
		return "(unknown)"
	}
	return text
}
