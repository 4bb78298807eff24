package rules_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"qualifyd/rules"
)

// toldAs is a story, and how it is told: one line for each observation, with "counts" or why not behind those that the rule asks for.
type toldAs struct {
	name  string
	steps []step
	want  []string
}

func tellAll(t *testing.T, stories []toldAs) {
	t.Helper()
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			s := tell(c.steps...)
			var got []string
			for _, o := range s.observed(t, s.judge(t)) {
				got = append(got, lineOf(o))
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant lines that begin with\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func lineOf(o rules.Observation) string {
	line := fmt.Sprintf("%s %q>%q", o.RecordID, o.From, o.To)
	if !o.At.IsZero() {
		line += fmt.Sprintf(" %s %s", o.At.Format("02 15:04"), o.Proof)
	}
	if o.Counts {
		line += " counts"
	}
	return line + strings.TrimSuffix(": "+o.Why, ": ")
}

func TestObservedTellsHowTheFieldWentAndWhatCounts(t *testing.T) {
	seenNew := both(lead("L", "01"), look("10 09:00", status("New")))
	tellAll(t, []toldAs{
		{"there is no record", nil, nil},
		{"the method is none", []step{method(rules.None), seenNew}, nil},
		{"other values on the way", []step{seenNew, look("11 10:05", status("Working"), edited("11 10:01")), look("12 10:05", status("Qualified"), edited("12 10:01"))}, []string{
			`L "">"New"`, `L "New">"Working" 11 10:01 snapshot`, `L "Working">"Qualified" 12 10:01 snapshot counts`,
		}},
		{"a history row tells better what two looks saw", []step{
			seenNew, history("11 10:00", "Status", "New", "Working"), history("11 10:01", "Status", "Working", "Qualified"),
			look("11 10:05", status("Qualified"), edited("11 10:03")),
		}, []string{`L "">"New"`, `L "New">"Working" 11 10:00 history`, `L "Working">"Qualified" 11 10:01 history counts`}},
		{"a history row about another value that two looks saw too", []step{
			seenNew, history("11 10:00", "Status", "New", "Working"), look("11 10:05", status("Working"), edited("11 10:03")),
		}, []string{`L "">"New"`, `L "New">"Working" 11 10:00 history`}},
		{"born at the value", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified"))}, []string{`L "">"Qualified" 11 10:00 created counts`}},
		{"born at the value, and a history row tells it better", []step{lead("L", "11 10:00"), history("11 10:03", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, []string{
			`L "New">"Qualified" 11 10:03 history counts`,
		}},
		{"there before changes count", []step{lead("L", "01"), look("11 10:05", status("Qualified"))}, []string{
			`L "">"Qualified": it was so already, and the record was created at 2026-11-01 00:00:00Z: before 2026-11-10 00:00:00Z, from when changes count`,
		}},
		{"a history row from before changes count", []step{lead("L", "01"), history("09 10:00", "Status", "New", "Qualified"), look("11 10:05", status("Qualified"))}, []string{
			`L "New">"Qualified" 09 10:00 history: before 2026-11-10 00:00:00Z, from when changes count`,
		}},
		{"the look before was too early", []step{lead("L", "01"), look("09 09:00", status("New")), look("11 10:05", status("Qualified"), edited("11 10:01"))}, []string{
			`L "">"New"`, `L "New">"Qualified" 11 10:01 snapshot: when it happened is not known: the look before it was at 2026-11-09 09:00:00Z, before 2026-11-10 00:00:00Z, from when`,
		}},
		{"seen while the record was somebody else's", []step{seenNew, linkedSince("11 09:00"), look("11 10:05", status("Qualified"), edited("11 10:01"))}, []string{
			`L "">"Qualified": it was so already`, `L "New">"Qualified" 11 10:01 snapshot: when it happened is not known: the look before it was at 2026-11-10 09:00:00Z, before 2026-11-11 09:00:00Z, when the record became the referral's`,
		}},
		{"rewritten in Setup", []step{seenNew, look("11 10:05", status("Qualified"), touched("11 10:01"))}, []string{
			`L "">"New"`, `L "New">"Qualified" 11 10:01 snapshot: the value was replaced in Setup`,
		}},
		{"written by us", []step{lead("L", "11 10:00"), wrote("Status", "Qualified", "11 10:00", "11 10:00"), look("11 10:05", status("Qualified"))}, []string{
			`L "">"Qualified": qualifyd wrote it`,
		}},
		{"a history row of what we wrote", []step{seenNew, wrote("Status", "Qualified", "11 10:00", "11 10:00"), history("11 10:00", "Status", "New", "Qualified")}, []string{
			`L "">"New"`, `L "New">"Qualified" 11 10:00 history: qualifyd wrote it`,
		}},
		{"a history row without values", []step{seenNew, history("11 10:00", "Status", "", "")}, []string{`L "">"New"`, `L "">"" 11 10:00 history: the history row does not tell the values`}},
		{"a history row of another spelling", []step{seenNew, history("11 10:00", "Status", "qualified", "Qualified")}, []string{`L "">"New"`}},
		{"two records, told by time", []step{
			seenNew, look("12 10:05", status("Lost"), edited("12 10:01")), lead("M", "11 10:00"), look("11 10:05", status("Qualified")),
		}, []string{`L "">"New"`, `M "">"Qualified" 11 10:00 created counts`, `L "New">"Lost" 12 10:01 snapshot`}},
		{"a record of another object", []step{contact("C", "11 10:00"), look("11 10:05", status("Qualified"))}, nil},
		{"a record that is another referral's too", []step{lead("L", "11 10:00"), ambiguous, look("11 10:05", status("Qualified"))}, []string{
			`L "">"Qualified" 11 10:00 created: Lead L is claimed by another referral of the campaign too`,
		}},
		{"a deleted record", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified")), look("11 10:06", deleted)}, []string{
			`L "">"Qualified" 11 10:00 created: Lead L is deleted in Salesforce`,
		}},
		{"a referral that is blocked", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified")), blockedBy(rules.Lead, "B", "01")}, []string{
			`L "">"Qualified" 11 10:00 created: Lead B existed before the referral`,
		}},
		{"no whole pass yet", []step{lead("L", "11 10:00"), look("11 10:05", status("Qualified")), notYetEffective}, []string{
			`L "">"Qualified" 11 10:00 created: Salesforce has not been read to the end`,
		}},
	})
}

func TestObservedTellsOfConversionsAndStages(t *testing.T) {
	becameO := both(lead("L", "10 08:00"), look("10 09:00", notConverted), look("11 10:05", converted("11", "", "O"), edited("11 10:00")))
	o := func(created string) step { return opportunity("O", created, rules.Conversion) }
	tellAll(t, []toldAs{
		{"converted with an Opportunity", []step{method(rules.LeadConverts), becameO, o("11 10:00"), look("11 10:05")}, []string{`L "false">"true" 11 10:00 snapshot counts`}},
		{"converted without one", []step{method(rules.LeadConverts), lead("L", "10 08:00"), look("10 09:00", notConverted), look("11 10:05", converted("11", "", ""), edited("11 10:00"))}, []string{
			`L "false">"true" 11 10:00 snapshot: Lead L was converted without an Opportunity`,
		}},
		{"converted without one, which carries the code", []step{
			method(rules.LeadConverts), lead("L", "10 08:00"), look("11 10:05", converted("11", "", ""), edited("11 10:00")), opportunity("P", "12 10:00", rules.ByCode), look("12 10:05"),
		}, []string{`L "false">"true": `, `P "">"true" 12 10:00 created counts`}},
		{"converted before changes count", []step{method(rules.LeadConverts), effective("12"), becameO, o("11 10:00"), look("12 10:05")}, []string{
			`L "false">"true" 11 10:00 created: before 2026-11-12 00:00:00Z`,
		}},
		{"converted nobody knows when", []step{method(rules.LeadConverts), lead("L", "10 08:00"), look("11 10:05", converted("11", "", "O")), opportunity("O", "01"), look("11 10:05")}, []string{
			`L "false">"true": nothing proves that it was at or after 2026-11-10 00:00:00Z`,
		}},
		{"the Opportunity has not been read", []step{method(rules.LeadConverts), becameO, o("11 10:00"), unread}, []string{
			`L "false">"true" 11 10:00 snapshot: Lead L is converted; its Contact and Opportunity have not been read yet`,
		}},
	})
	tellAll(t, prefixedAs([]toldAs{
		{"the stage was reached after the conversion", []step{becameO, o("11 10:00"), stages("11 10:00 Open", "12 10:00 Won"), look("12 10:05", stageIs("Won"))}, []string{
			`L "false">"true" 11 10:00 snapshot`, `O "">"Open" 11 10:00 history`, `O "Open">"Won" 12 10:00 history counts`,
		}},
		{"rows for amounts are not told", []step{becameO, o("11 10:00"), stages("11 10:00 Open", "12 10:00 Open", "12 11:00 Won", "12 12:00 Won"), look("12 12:05", stageIs("Won"))}, []string{
			`L "false">"true" 11 10:00 snapshot`, `O "">"Open" 11 10:00 history`, `O "Open">"Won" 12 11:00 history counts`,
		}},
		{"an older Opportunity that moved before the conversion", []step{becameO, o("01"), stages("01 00:00 Open", "11 09:00 Won"), look("12 10:05", stageIs("Won"))}, []string{
			`O "">"Open" 01 00:00 history`, `O "Open">"Won" 11 09:00 history: not after the Lead's conversion`, `L "false">"true" 11 10:00 snapshot`,
		}},
		{"a first row long after the creation", []step{becameO, o("11 10:00"), stages("12 10:00 Won"), look("12 10:05", stageIs("Open"))}, []string{
			`L "false">"true" 11 10:00 snapshot`, `O "">"Open"`, `O "">"Won" 12 10:00 history: which stage it was at before is not known`,
		}},
		{"the Lead is not converted", []step{lead("L", "10 08:00"), look("10 09:00", notConverted), opportunity("O", "11 10:00", rules.ByCode), look("11 10:05", stageIs("Won"))}, []string{
			`O "">"Won" 11 10:00 created: no linked Lead is converted with Opportunity O`,
		}},
		{"an older Opportunity that moved between the conversions of two Leads", []step{
			lead("L", "10 08:00"), look("10 09:00", notConverted), look("11 10:05", converted("11", "", ""), edited("11 10:00")),
			opportunity("P", "01", rules.ByCode), look("10 09:00", stageIs("Open")), stages("01 00:00 Open", "12 10:00 Won"), look("12 10:05", stageIs("Won"), edited("12 10:00")),
			lead("M", "10 08:00"), look("13 09:00", notConverted), look("13 10:05", converted("13", "", ""), edited("13 10:00")),
		}, []string{`P "">"Open" 01 00:00 history`, `L "false">"true" 11 10:00 snapshot`, `P "Open">"Won" 12 10:00 history counts`, `M "false">"true" 13 10:00 snapshot`}},
		{"a pinned Opportunity, while the Lead's own has not been read", []step{
			becameO, o("11 10:00"), unread, opportunity("P", "11 10:00", rules.Pinned), look("11 10:05", stageIs("Won")),
		}, []string{`L "false">"true" 11 10:00 snapshot`, `P "">"Won" 11 10:00 created counts`}},
		{"a deleted Opportunity", []step{becameO, o("11 10:00"), look("11 10:05", stageIs("Won")), look("11 10:06", deleted)}, []string{
			`L "false">"true" 11 10:00 snapshot`, `O "">"Won" 11 10:00 created: Opportunity O is deleted in Salesforce`,
		}},
	}, method(rules.LeadConvertsToStage)))
}

func prefixedAs(stories []toldAs, before ...step) []toldAs {
	for i := range stories {
		stories[i].steps = slices.Concat(before, stories[i].steps)
	}
	return stories
}

// Whatever happens, in whatever order: what is observed agrees with the verdict.
func TestObservedAgreesWithJudgeInAnyStory(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 22))
	of := func(some ...string) string { return pick(random, some...) }
	var now time.Time
	when := func() string {
		now = now.Add(time.Duration(random.IntN(600)) * time.Minute)
		return now.Format("02 15:04")
	}
	value := func() string { return of("New", "Working", "Won", "Won", "won", "Qualified", "Qualified") }
	happens := []func() step{
		func() step { return look(when(), status(value()), stageIs(value()), edited(when())) },
		func() step { return look(when(), status(value()), touched(when())) },
		func() step { return look(when(), notConverted) },
		func() step {
			return look(when(), converted(now.Format("02"), of("", "C"), of("", "O")), edited(when()))
		},
		func() step { return history(when(), of("Status", rules.LeadConverted), value(), value()) },
		func() step { return stages(when()+" "+value(), when()+" "+value()) },
		func() step { return wrote("Status", value(), when(), "") },
		func() step {
			return pick(random, linkedSince("10 09:00"), ambiguous, look(when(), deleted), look(when(), undeleted), look(when(), undeleted), look(when(), status("Warm"), stageIs("Open")))
		},
	}
	outcomes := map[rules.Outcome]int{}
	for range 3000 {
		steps := []step{method(rules.Method(of("lead_field_changes", "lead_converts", "lead_converts_to_stage")))}
		for _, record := range []func() step{
			func() step { return lead("L", when()) }, func() step { return lead("M", when(), rules.ByCode) }, func() step { return contact("C", when()) },
			func() step { return opportunity("O", when(), rules.Conversion) }, func() step { return opportunity("P", when(), pick(random, rules.ByCode, rules.Pinned)) },
		} {
			now = at("09 12:00")
			steps = append(steps, record())
			for range random.IntN(7) {
				steps = append(steps, pick(random, happens...)())
			}
		}
		s := tell(steps...)
		v := s.judge(t)
		outcomes[v.Outcome]++
		if t.Failed() {
			t.Fatalf("in the story of %+v", s.linked())
		}
	}
	if outcomes[rules.Qualified] < 150 || outcomes[rules.Held] < 20 {
		t.Errorf("the stories prove little: got %v", outcomes)
	}
}

func pick[T any](random *rand.Rand, some ...T) T { return some[random.IntN(len(some))] }
