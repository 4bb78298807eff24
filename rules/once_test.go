package rules_test

import (
	"testing"

	"qualifyd/rules"
)

// DESIGN 4, Once: a referral is qualified once; what a person sets by hand in Referral Factory wins and stays.
func TestHear(t *testing.T) {
	const (
		qualified    = "2026-11-12"
		pending      = ""
		sent, unsent = true, false
		fresh, stale = true, false
	)
	for _, c := range []struct {
		name        string
		standing    rules.Standing
		qualifiedOn string
		sent, fresh bool
		want        rules.Standing
		reason      rules.Reason // "" keeps the verdict that was given
		on          string
	}{
		{"pending, and somebody qualified it", rules.Pending, qualified, unsent, fresh, rules.Elsewhere, rules.QualifiedElsewhere, qualified},
		{"pending still", rules.Pending, pending, unsent, fresh, rules.Pending, "", pending},
		{"owed, not sent yet, and somebody was faster", rules.Owed, qualified, unsent, fresh, rules.Elsewhere, rules.QualifiedElsewhere, qualified},
		{"owed, sent, and it arrived", rules.Owed, qualified, sent, fresh, rules.Delivered, "", qualified},
		{"owed, sent, and it did not arrive", rules.Owed, pending, sent, fresh, rules.Owed, "", pending},
		{"owed, not sent yet", rules.Owed, pending, unsent, fresh, rules.Owed, "", pending},
		{"delivered, and it stands", rules.Delivered, qualified, unsent, fresh, rules.Delivered, "", qualified},
		{"delivered, and set back by somebody", rules.Delivered, pending, unsent, fresh, rules.Overridden, rules.OverriddenByHand, pending},
		{"delivered, and a read from before our own answer shows it pending", rules.Delivered, pending, unsent, stale, rules.Delivered, "", "before"},
		{"qualified elsewhere, and it stands", rules.Elsewhere, qualified, unsent, fresh, rules.Elsewhere, "", qualified},
		{"qualified elsewhere, and set back by somebody", rules.Elsewhere, pending, unsent, fresh, rules.Overridden, rules.OverriddenByHand, pending},
		{"qualified elsewhere, and an older read shows it pending", rules.Elsewhere, pending, unsent, stale, rules.Elsewhere, "", "before"},
		{"overridden, and qualified again by hand", rules.Overridden, qualified, unsent, fresh, rules.Elsewhere, rules.QualifiedElsewhere, qualified},
		{"overridden, and it stays so", rules.Overridden, pending, unsent, fresh, rules.Overridden, "", pending},
		{"rejected by Referral Factory, and qualified by hand", rules.Rejected, qualified, unsent, fresh, rules.Elsewhere, rules.QualifiedElsewhere, qualified},
		{"rejected by Referral Factory, and pending as it was", rules.Rejected, pending, unsent, fresh, rules.Rejected, "", pending},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule}
			r := rules.Referral{Standing: c.standing, Verdict: given}
			if c.standing == rules.Delivered || c.standing == rules.Elsewhere {
				r.QualifiedOn = "before"
			}
			changed := r.Hear(c.qualifiedOn, c.sent, c.fresh)
			if r.Standing != c.want || changed != (c.want != c.standing) {
				t.Errorf("standing: got %s, changed %v, want %s, changed %v", r.Standing, changed, c.want, c.want != c.standing)
			}
			wantReason, wantOutcome := c.reason, rules.Not
			if wantReason == "" {
				wantReason, wantOutcome = given.Reason, given.Outcome
			}
			if r.Verdict.Reason != wantReason || r.Verdict.Outcome != wantOutcome {
				t.Errorf("verdict: got %s %s, want %s %s", r.Verdict.Outcome, r.Verdict.Reason, wantOutcome, wantReason)
			}
			if r.QualifiedOn != c.on {
				t.Errorf("qualified on: got %q, want %q", r.QualifiedOn, c.on)
			}
		})
	}
}
