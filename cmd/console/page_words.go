package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
)

// inTemplates are the functions that templates call.
var inTemplates = template.FuncMap{
	"at": newInstant, "plural": plural, "number": number, "brief": brief, "excerpt": excerpt, "badge": newBadge, "lasting": lasting, "between": between, "spoken": spoken,
	"exact": newMoment, "standing": standingBadge, "actor": actor,
}

// instant is a time as people and programs read it.
type instant struct{ Machine, Text, Ago string }

func newInstant(now, t time.Time) instant {
	t = t.UTC()
	i := instant{Machine: t.Format(time.RFC3339), Text: t.Format("2006-01-02 15:04Z"), Ago: lasting(now.Sub(t)) + " ago"}
	if now.Sub(t) < time.Second { // a service's clock may even be ahead of this machine's
		i.Ago = "now"
	}
	return i
}

// newMoment is an instant to the second: changes that follow one another have to be told apart.
func newMoment(t time.Time) instant {
	t = t.UTC()
	return instant{Machine: t.Format(time.RFC3339), Text: t.Format("2006-01-02 15:04:05Z")}
}

func between(from, to time.Time) string { return lasting(max(0, to.Sub(from))) }

// lasting tells a duration in its one or two largest units.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	whole := func(n time.Duration, unit string, rest time.Duration, restUnit string) string {
		if rest == 0 || n >= 10 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		return fmt.Sprintf("%d %s %d %s", n, unit, rest, restUnit)
	}
	switch {
	case d >= day:
		return whole(d/day, "d", d%day/time.Hour, "h")
	case d >= time.Hour:
		return whole(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	case d >= time.Minute:
		return whole(d/time.Minute, "min", d%time.Minute/time.Second, "s")
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// number groups digits: 12,345.
func number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// brief cuts names, and excerpt sentences, that somebody has filled with a novel.
func brief(s string) string   { return atMost(60, s) }
func excerpt(s string) string { return atMost(300, s) }

func atMost(most int, s string) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// spoken makes a code such as value_not_reached readable.
func spoken(code string) string { return strings.ReplaceAll(code, "_", " ") }

// badge is a state by word, sign and colour, so that no one of them has to be seen.
type badge struct{ Class, Sign, Word string }

func newBadge(s desk.ConnectionState) badge {
	switch s {
	case desk.Connected:
		return badge{"good", "✓", "Connected"}
	case desk.Never:
		return badge{"quiet", "–", "Not asked yet"}
	case desk.Silent:
		return badge{"warn", "!", "Silent"}
	case desk.Refused:
		return badge{"bad", "✕", "Credentials refused"}
	}
	return badge{"warn", "!", "In trouble"}
}

func standingBadge(s desk.Story) badge {
	switch s.Standing {
	case rules.Delivered:
		return badge{"good", "✓", "Qualified"}
	case rules.Elsewhere:
		return badge{"good", "✓", "Qualified elsewhere"}
	case rules.Owed:
		return badge{"good", "→", "Qualifies, not delivered yet"}
	case rules.Overridden:
		return badge{"warn", "!", "Set back to pending by hand"}
	case rules.Rejected:
		return badge{"bad", "✕", "Rejected by Referral Factory"}
	}
	switch s.Reason {
	case rules.ExistingRecord:
		return badge{"warn", "!", "Blocked"}
	case rules.HeldByBrake, rules.ValueRewritten, rules.InSandbox:
		return badge{"warn", "!", "Held"}
	}
	return badge{"", "–", "Pending"}
}

// actor is who can do something; "" where nobody has to.
func actor(a desk.Actor) string {
	return map[desk.Actor]string{
		desk.Sales: "Sales, in Salesforce", desk.SalesforceAdmin: "The Salesforce admin", desk.Admin: "Who writes the config", desk.Operator: "The operator",
	}[a]
}
