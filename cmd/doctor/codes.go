package doctor

import (
	"fmt"
	"slices"
	"strings"

	"qualifyd/rules"
)

// checkCodes looks whether the codes on Salesforce's newest records are those of known referrals.
func (c *checkup) checkCodes() {
	const check, title = "codes", "Codes in Salesforce"
	carry := count(len(c.evidence.codes), "record")
	switch {
	case !c.loggedIn || !slices.ContainsFunc(c.Campaigns, func(one rules.Campaign) bool { return one.CodeField != "" }):
	case len(c.evidence.codesUntold) > 0:
		c.yellow(Captured, check, title, "those in "+some(c.evidence.codesUntold)+" could not be asked for",
			"look at the field's type: a plain text field can be searched")
	case len(c.evidence.codes) == 0:
		c.green(Captured, check, title, "no record of the last 90 days carries one")
	case c.file == nil || !c.file.swept:
		c.green(Captured, check, title, carry+" of the last 90 days with a code; not compared, as no sweep has shown the referrals yet")
	default:
		c.add(c.compareCodes().finding(check, title, carry))
	}
}

// compared are codes that are no referral's as they stand.
type compared struct {
	unknown    []string
	misspelled []string // in letter case
	referrers  []string // the referrer's own
}

func (c *checkup) compareCodes() (out compared) {
	referrers := map[string]bool{}
	for _, u := range c.users {
		if u.ReferrerID == 0 {
			referrers[u.Code] = true
		}
	}
	for _, one := range c.evidence.codes {
		known := c.file.codes[strings.ToLower(one.text)]
		what := fmt.Sprintf("%q on %s %s", one.text, one.object, one.recordID)
		switch {
		case known == one.text:
		case known != "":
			out.misspelled = append(out.misspelled, fmt.Sprintf("%s (it is %q)", what, known))
		case referrers[one.text]:
			out.referrers = append(out.referrers, what)
		default:
			out.unknown = append(out.unknown, what)
		}
	}
	return out
}

func (o compared) finding(check, title, carry string) Finding {
	f := Finding{Group: Captured, Check: check, Colour: Yellow, Title: title, Details: map[string]any{
		"unknown": len(o.unknown), "case_differs": len(o.misspelled), "referrers_own": len(o.referrers)}}
	switch {
	case len(o.referrers) > 0:
		f.Text = "the referrer's own code stands where that of the referred person belongs: " + some(o.referrers)
		f.Do = "write the referred person's own code into the field; Referral Factory shows it with the person"
	case len(o.misspelled) > 0:
		f.Text = "these differ from a referral's code in letter case only, and so are no match: " + some(o.misspelled)
		f.Do = "write the code exactly as Referral Factory has it"
	case len(o.unknown) > 0:
		f.Text = "these are no known referral's: " + some(o.unknown)
		f.Do = "look whether the person is a referral of a configured campaign (qualifyd explain CODE); a code typed or mapped wrongly links nobody"
	default:
		f.Colour, f.Text = Green, "the codes of the newest "+carry+" are all known referrals'"
	}
	return f
}
