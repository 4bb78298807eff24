package desk

import (
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
)

// Filter says which referrals a list shows; a zero field means all.
type Filter struct {
	Campaign int64  `json:"campaign"`
	State    string `json:"state"`  // a standing
	Reason   string `json:"reason"` // a reason code
}

// ReferralLine is a referral in a list.
type ReferralLine struct {
	ID       int64    `json:"id"`
	Campaign int64    `json:"campaign"`
	Code     string   `json:"code"`
	Standing string   `json:"standing"`
	Reason   string   `json:"reason"`
	Sentence string   `json:"sentence"`
	Records  []string `json:"records"`
}

// ReferralsQuestion lists referrals with where they stand and why.
var ReferralsQuestion = view("referrals", func(d *Desk, tx *store.Tx, f Filter) ([]ReferralLine, error) {
	if err := d.checkFilter(f); err != nil {
		return nil, err
	}
	lines := []ReferralLine{}
	err := tx.Referrals(func(r rules.Referral) error {
		if f.shows(r) {
			lines = append(lines, NewReferralLine(r))
		}
		return nil
	})
	return lines, err
})

// checkFilter tells what of a filter can show nobody.
func (d *Desk) checkFilter(f Filter) error {
	if f.Campaign != 0 {
		if _, err := d.campaign(f.Campaign); err != nil {
			return err
		}
	}
	if err := oneOf("state", f.State, rules.Standings()); err != nil {
		return err
	}
	return oneOf("reason", f.Reason, rules.Reasons())
}

func oneOf[T ~string](what, text string, all []T) error {
	var names []string
	for _, one := range all {
		if text == "" || text == string(one) {
			return nil
		}
		names = append(names, string(one))
	}
	return usage("no referral has the %s %q; known are: %s", what, text, strings.Join(names, ", "))
}

func (f Filter) shows(r rules.Referral) bool {
	return (f.Campaign == 0 || r.CampaignID == f.Campaign) &&
		(f.State == "" || string(r.Standing) == f.State) &&
		(f.Reason == "" || string(r.Verdict.Reason) == f.Reason)
}

// NewReferralLine is a referral as a list shows it.
func NewReferralLine(r rules.Referral) ReferralLine {
	l := ReferralLine{ID: r.ID, Campaign: r.CampaignID, Code: r.Code, Standing: string(r.Standing), Reason: string(r.Verdict.Reason),
		Sentence: r.Verdict.Sentence, Records: []string{}}
	for _, link := range r.Links {
		l.Records = append(l.Records, link.RecordID)
	}
	return l
}
