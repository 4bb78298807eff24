package desk_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
)

// The stories of real passes are told in cmd/qualifyd, by the whole program; here are those that no pass of a test leads to.

var noon = time.Date(2032, 11, 1, 12, 0, 0, 0, time.UTC)

func newStore(t *testing.T, fill func(*store.Tx) error) *store.Store {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Update(fill); err != nil {
		t.Fatal(err)
	}
	return s
}

// watching is a campaign that has been swept and read to the end.
func watching() (rules.Campaign, store.Campaign) {
	c := rules.Campaign{ID: 101, Name: "Refer a friend", Mode: rules.DoNothingOnJoin, Object: rules.Lead, CodeField: "Referral_Code__c",
		Duplicates: rules.DoNothing, Method: rules.LeadFieldChanges, Field: "Status", Value: "Qualified"}
	return c, store.Campaign{ID: 101, Fingerprint: c.Fingerprint(), Effective: noon, FirstWhole: noon, FirstSweep: 1}
}

func pending(reason rules.Reason) rules.Referral {
	return rules.Referral{ID: 1001, CampaignID: 101, Code: "abc", FirstSweep: 2, Standing: rules.Pending, Joined: noon, SignedUpOn: "2032-11-01",
		Verdict: rules.Verdict{Outcome: rules.Not, Reason: reason, Sentence: "because", At: noon}}
}

// story tells the one story of a referral in a store that also holds more.
func story(t *testing.T, r rules.Referral, more ...func(*store.Tx) error) desk.Story {
	t.Helper()
	c, known := watching()
	s := newStore(t, func(tx *store.Tx) error {
		for _, fill := range more {
			if err := fill(tx); err != nil {
				return err
			}
		}
		if err := tx.PutCampaign(known); err != nil {
			return err
		}
		return tx.PutReferral(r)
	})
	d := &desk.Desk{Store: s, Campaigns: []rules.Campaign{c}}
	stories, err := desk.ExplainQuestion.Answer(t.Context(), d, desk.Asker{}, desk.ReferralRequest{Referral: "id:1001"}, nil)
	if err != nil || len(stories) != 1 {
		t.Fatalf("got %d stories and %v, want one", len(stories), err)
	}
	return stories[0]
}

// Whatever code a pass gives, somebody is told what to do.
func TestEveryReasonSaysWhatComesNext(t *testing.T) {
	// Reasons that come with a standing of their own, or without a referral.
	byStanding := []rules.Reason{rules.QualifiedByRule, rules.QualifiedByOperator, rules.QualifiedElsewhere, rules.OverriddenByHand, rules.RejectedByService, rules.NotInCampaign}
	who := map[rules.Reason]desk.Actor{
		rules.NoRule: desk.Admin, rules.ValueUnknown: desk.Admin, rules.InSandbox: desk.Admin, rules.FieldUnreadable: desk.SalesforceAdmin,
		rules.JoinRefused: desk.SalesforceAdmin, rules.NotEffectiveYet: desk.Nobody, rules.ExistingRecord: desk.Operator, rules.HeldByBrake: desk.Operator,
		rules.ValueRewritten: desk.Operator, rules.Ambiguous: desk.Operator, rules.StageNotReached: desk.Sales, rules.WithoutOpportunity: desk.Sales,
		rules.ValuePredates: desk.Sales, rules.NotConverted: desk.Sales, rules.ValueNotReached: desk.Sales, rules.RecordDeleted: desk.Sales, rules.NoRecord: desk.Sales,
	}
	for _, reason := range rules.Reasons() {
		if slices.Contains(byStanding, reason) {
			continue
		}
		inSandbox := func(tx *store.Tx) error {
			return tx.SetOwner(store.Owner{OrgID: "00D", Sandbox: reason == rules.InSandbox})
		}
		if next := story(t, pending(reason), inSandbox).Next; next.What == "" || next.Who != who[reason] {
			t.Errorf("%s: got %s: %q, want what the %s has to do", reason, next.Who, next.What, who[reason])
		}
	}
	for standing, want := range map[rules.Standing]desk.Actor{
		rules.Owed: desk.Nobody, rules.Delivered: desk.Nobody, rules.Elsewhere: desk.Nobody, rules.Overridden: desk.Operator, rules.Rejected: desk.Operator,
	} {
		r := pending(rules.QualifiedByRule)
		r.Standing = standing
		if next := story(t, r).Next; next.Who != want || next.What == "" {
			t.Errorf("%s: got %s: %q, want the %s", standing, next.Who, next.What, want)
		}
	}
}

// Nothing is read any more for who has a converted Lead whose Opportunity is another's: somebody has to say whose it is.
func TestAnOpportunityThatIsAnothersIsForTheOperator(t *testing.T) {
	r := pending(rules.NotConverted)
	r.SetLink(rules.Link{Object: rules.Lead, RecordID: "00QHu000000100HMAQ", Kinds: rules.Kinds{rules.ByCode}, Since: noon})
	converted := func(tx *store.Tx) error {
		return tx.PutSnapshot("00QHu000000100HMAQ", rules.Snapshot{
			Record: rules.Record{Object: rules.Lead, ID: "00QHu000000100HMAQ", Created: noon, SeenAt: noon, OpportunityID: "006Hu000000100JIAQ"},
			Values: map[string]rules.Value{rules.IsConverted: {Text: "true", At: noon}},
		})
	}
	if next := story(t, r, converted).Next; next.Who != desk.Operator || !strings.Contains(next.What, "pin 1001 006Hu000000100JIAQ") {
		t.Errorf("got %s: %q, want the operator told to pin the Opportunity", next.Who, next.What)
	}
}

func TestDebtsAreToldAsTheyStand(t *testing.T) {
	owed := func(d store.Debt) func(*store.Tx) error {
		d.Referral, d.Campaign, d.Since = 1001, 101, noon
		return func(tx *store.Tx) error { return tx.Owe(d) }
	}
	sandbox := func(tx *store.Tx) error { return tx.SetOwner(store.Owner{OrgID: "00D", Sandbox: true}) }
	r := pending(rules.QualifiedByRule)
	r.Standing = rules.Owed
	tests := []struct {
		name string
		fill []func(*store.Tx) error
		says string
		next desk.Actor
	}{
		{"not sent yet", []func(*store.Tx) error{owed(store.Debt{})}, "its qualification is owed since 2032-11-01 12:00Z, and was not sent yet", desk.Nobody},
		{"not sent, after trouble", []func(*store.Tx) error{owed(store.Debt{Attempts: 2, Trouble: "answered 503"})}, "not sent yet: answered 503", desk.Nobody},
		{"sent", []func(*store.Tx) error{owed(store.Debt{SentAt: noon, Attempts: 1})}, "sent at 2032-11-01 12:00Z (attempt 1), with an outcome", desk.Nobody},
		{"to be set back", []func(*store.Tx) error{owed(store.Debt{Undo: true})}, "its setting back to pending is owed", desk.Nobody},
		{"from a sandbox", []func(*store.Tx) error{owed(store.Debt{}), sandbox}, "from a sandbox org nothing is sent", desk.Admin},
		{"refused for good", []func(*store.Tx) error{owed(store.Debt{Parked: true, Trouble: "no such user"})}, "was refused by Referral Factory: no such user", desk.Operator},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := story(t, r, tt.fill...)
			if !strings.Contains(s.Delivery.Sentence, tt.says) || s.Next.Who != tt.next {
				t.Errorf("got %q, and next %s: %s; want %q, and the %s", s.Delivery.Sentence, s.Next.Who, s.Next.What, tt.says, tt.next)
			}
		})
	}
}

// An act that the words do not know yet is told by its name, and every act that they know with who and why.
func TestDeedsAreToldInTheirOrder(t *testing.T) {
	entries := []store.Entry{
		{Act: store.ActPinned, Record: "00Q1", Who: "ann", Note: "a typo"},
		{Act: "prayed_for", Who: "bob"},
		{Act: store.ActJudged, Outcome: rules.Held, Reason: rules.HeldByBrake},
	}
	s := story(t, pending(rules.NoRecord), func(tx *store.Tx) error {
		for _, e := range entries {
			e.At, e.Referral = noon, 1001
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return tx.Append(store.Entry{Act: store.ActReleased, Referral: 1002})
	})
	var got []string
	for _, d := range s.Done {
		got = append(got, d.Sentence)
	}
	want := []string{"record 00Q1 was pinned to it, by ann: a typo", "prayed_for, by bob", "held (held_by_brake)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAWriteOfUnknownOutcomeIsTold(t *testing.T) {
	s := story(t, pending(rules.NoRecord), func(tx *store.Tx) error {
		return tx.PutIntent(1001, store.Intent{Object: rules.Lead, At: noon})
	})
	if got := strings.Join(s.Waits, "\n"); !strings.Contains(got, "the creation of a Lead was begun at 2032-11-01 12:00Z, and its outcome is not known yet") {
		t.Errorf("waits: got %q, want the creation", got)
	}
}

// What another policy would do is worked out by the rules themselves, record by record.
func TestOtherPoliciesAreToldForEachRecord(t *testing.T) {
	r := pending(rules.ExistingRecord)
	r.Blockers = []rules.Blocker{{Object: rules.Lead, ID: "00QL", Created: noon.Add(-time.Hour)}, {Object: rules.Contact, ID: "003C", Created: noon.Add(-time.Hour)}}
	d := story(t, r).Duplicates
	want := []desk.Otherwise{
		{Policy: rules.Update, Would: "Lead 00QL would be the referral's, and its changes from when changes count would count; Contact 003C would be left alone"},
		{Policy: rules.CreateNew, Would: "Lead 00QL and Contact 003C would be left alone; only a Lead that is newer than the referral would count"},
	}
	if d.Result != desk.Blocked || !slices.Equal(d.Otherwise, want) {
		t.Errorf("got %s and %q, want blocked and %q", d.Result, d.Otherwise, want)
	}
	if d := story(t, pending(rules.NoRecord)).Duplicates; d.Result != desk.NoneKnown || len(d.Otherwise) != 0 {
		t.Errorf("nobody was there before: got %s and %q, want none", d.Result, d.Otherwise)
	}
}

// What a conversion made belongs to whom the Lead does.
func TestAPolicyThatLeavesALeadAloneLeavesWhatItBecame(t *testing.T) {
	r := pending(rules.ValuePredates)
	before := noon.AddDate(0, 0, -3)
	r.Links = []rules.Link{{Object: rules.Contact, RecordID: "003C", Kinds: rules.Kinds{rules.Conversion}}, {Object: rules.Lead, RecordID: "00QL", Kinds: rules.Kinds{rules.ByEmail}}}
	d := story(t, r, func(tx *store.Tx) error {
		lead := rules.Snapshot{Record: rules.Record{Object: rules.Lead, ID: "00QL", Created: before, ContactID: "003C", ConvertedOn: before.Format(time.DateOnly)}}
		contact := rules.Snapshot{Record: rules.Record{Object: rules.Contact, ID: "003C", Created: before}}
		return errors.Join(tx.PutSnapshot("00QL", lead), tx.PutSnapshot("003C", contact))
	}).Duplicates
	want := desk.Otherwise{Policy: rules.CreateNew, Would: "Contact 003C and Lead 00QL would be left alone; only a Lead that is newer than the referral would count"}
	if !slices.Contains(d.Otherwise, want) {
		t.Errorf("got %+v, want %+v in it", d.Otherwise, want)
	}
}

// A sweep late in the evening may show somebody of the day after, where the account's zone is ahead of the configured one: the day did not begin it.
func TestWhyAReferralJoinedWhenItDid(t *testing.T) {
	midnight := time.Date(2032, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		sweep time.Time
		want  string
	}{
		{"shown on the day", noon, "the start of the sign-up day in referral_factory.timezone"},
		{"shown half an hour before the day", midnight.Add(-29*time.Minute - 17*time.Second), "the sweep that first showed the referral"},
		{"shown hours before the day", midnight.Add(-3 * time.Hour), "the sweep that first showed the referral"},
	} {
		r := pending(rules.NoRecord)
		r.JoinTimes(time.UTC, c.sweep, nil)
		if got := story(t, r).Person.JoinedWhy; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
