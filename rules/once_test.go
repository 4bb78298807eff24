package rules_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"qualifyd/rules"
)

// DESIGN 4, Once: a referral is qualified once; what a person sets by hand in Referral Factory wins and stays.
func TestHear(t *testing.T) {
	const (
		qualified = "2026-11-12"
		pending   = ""
		before    = "2026-11-10" // the day on which a qualified referral was
	)
	// What is owed: to qualify, to set back; "sent" when the request may be under way. byRule is a verdict of the rule's.
	owed, sent := &rules.Due{}, &rules.Due{Sent: true}
	byHand := &rules.Due{By: "op: test"}
	undo, undoSent := &rules.Due{Undo: true, By: "op: test"}, &rules.Due{Undo: true, Sent: true, By: "op: test"}
	for _, c := range []struct {
		name        string
		standing    rules.Standing
		qualifiedOn string
		due         *rules.Due
		want        rules.Standing
		reason      rules.Reason // "" keeps the verdict that was given
		settled     bool
	}{
		{"pending, and somebody qualified it", rules.Pending, qualified, nil, rules.Elsewhere, rules.QualifiedElsewhere, false},
		{"pending still", rules.Pending, pending, nil, rules.Pending, "", false},
		{"owed, not sent yet, and somebody was faster", rules.Owed, qualified, owed, rules.Elsewhere, rules.QualifiedElsewhere, true},
		{"owed, sent, and it arrived", rules.Owed, qualified, sent, rules.Delivered, "", true},
		{"owed, sent, and it did not arrive", rules.Owed, pending, sent, rules.Owed, "", false},
		{"owed, not sent yet", rules.Owed, pending, owed, rules.Owed, "", false},
		{"delivered, and it stands", rules.Delivered, qualified, nil, rules.Delivered, "", false},
		{"delivered, and set back by somebody", rules.Delivered, pending, nil, rules.Overridden, rules.OverriddenByHand, false},
		{"qualified elsewhere, and it stands", rules.Elsewhere, qualified, nil, rules.Elsewhere, "", false},
		{"qualified elsewhere, and set back by somebody", rules.Elsewhere, pending, nil, rules.Overridden, rules.OverriddenByHand, false},
		{"overridden, and qualified again by hand", rules.Overridden, qualified, nil, rules.Elsewhere, rules.QualifiedElsewhere, false},
		{"overridden, and it stays so", rules.Overridden, pending, nil, rules.Overridden, "", false},
		{"rejected by Referral Factory, and qualified by hand", rules.Rejected, qualified, nil, rules.Elsewhere, rules.QualifiedElsewhere, false},
		{"rejected by Referral Factory, and pending as it was", rules.Rejected, pending, nil, rules.Rejected, "", false},

		{"delivered, to be set back, and it stands", rules.Delivered, before, undo, rules.Delivered, "", false},
		{"delivered, to be set back, and on another day than we knew", rules.Delivered, qualified, undo, rules.Delivered, "", false},
		{"delivered, to be set back, and somebody did", rules.Delivered, pending, undo, rules.Overridden, rules.OverriddenByHand, true},
		{"delivered, setting back sent, and it did not arrive", rules.Delivered, before, undoSent, rules.Delivered, "", false},
		{"delivered, setting back sent, and it arrived", rules.Delivered, pending, undoSent, rules.Overridden, rules.OverriddenByHand, true},
		{"delivered, setting back sent, and qualified again by hand", rules.Delivered, qualified, undoSent, rules.Elsewhere, rules.QualifiedElsewhere, true},
		{"elsewhere, to be set back, and it stands", rules.Elsewhere, before, undo, rules.Elsewhere, "", false},
		{"elsewhere, setting back sent, and it arrived", rules.Elsewhere, pending, undoSent, rules.Overridden, rules.OverriddenByHand, true},
		{"elsewhere, setting back sent, and qualified again by hand", rules.Elsewhere, qualified, undoSent, rules.Elsewhere, rules.QualifiedElsewhere, true},
		{"owed and sent when it was to be set back, and it had arrived", rules.Owed, qualified, undo, rules.Delivered, "", false},
		{"owed and sent when it was to be set back, and it had not arrived", rules.Owed, pending, undo, rules.Overridden, rules.OverriddenByHand, true},
		{"delivered, setting back taken back, and it had not arrived", rules.Delivered, before, byHand, rules.Delivered, "", true},
		{"delivered, setting back taken back, and it had arrived", rules.Delivered, pending, byHand, rules.Owed, rules.QualifiedByOperator, false},
		{"elsewhere, setting back taken back, and it had arrived", rules.Elsewhere, pending, byHand, rules.Owed, rules.QualifiedByOperator, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule}
			r := rules.Referral{Standing: c.standing, Verdict: given}
			if c.standing == rules.Delivered || c.standing == rules.Elsewhere {
				r.QualifiedOn = before
			}
			asItWas := r
			if changed, settled := r.Hear(c.qualifiedOn, c.due, false); changed || settled || r.Standing != asItWas.Standing || r.QualifiedOn != asItWas.QualifiedOn {
				t.Errorf("a read that is not fresh: got %s, changed %v, settled %v, want that it says nothing", r.Standing, changed, settled)
			}
			changed, settled := r.Hear(c.qualifiedOn, c.due, true)
			wantChanged := c.want != c.standing || c.reason != ""
			if r.Standing != c.want || changed != wantChanged || settled != c.settled {
				t.Errorf("standing: got %s, changed %v, settled %v, want %s, changed %v, settled %v", r.Standing, changed, settled, c.want, wantChanged, c.settled)
			}
			wantReason, wantOutcome := c.reason, rules.Not
			switch c.reason {
			case "":
				wantReason, wantOutcome = given.Reason, given.Outcome
			case rules.QualifiedByOperator:
				wantOutcome = rules.Qualified
			}
			if r.Verdict.Reason != wantReason || r.Verdict.Outcome != wantOutcome {
				t.Errorf("verdict: got %s %s, want %s %s", r.Verdict.Outcome, r.Verdict.Reason, wantOutcome, wantReason)
			}
			if r.QualifiedOn != c.qualifiedOn {
				t.Errorf("qualified on: got %q, want %q", r.QualifiedOn, c.qualifiedOn)
			}
		})
	}
}

// Filters are checked against these lists.
func TestTheListsOfReasonsAndStandingsAreWhole(t *testing.T) {
	var reasons, standings []string
	for _, r := range rules.Reasons() {
		reasons = append(reasons, string(r))
	}
	for _, s := range rules.Standings() {
		standings = append(standings, string(s))
	}
	for _, c := range []struct {
		file, name string
		got        []string
	}{{"verdict.go", "Reason", reasons}, {"referral.go", "Standing", standings}} {
		if want := constants(t, c.file, c.name); !slices.Equal(c.got, want) {
			t.Errorf("list of each %s: got %v, want %v", c.name, c.got, want)
		}
	}
}

// constants are the values of a file's constants of a type, in the order in which they are declared.
func constants(t *testing.T, file, ofType string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == ofType {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}
