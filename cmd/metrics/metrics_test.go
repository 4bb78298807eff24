package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// wantMetrics compares some metrics as they are exposed, without their comments.
func (w *world) wantMetrics(situation string, want string, names ...string) {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if !slices.Contains(names, f.GetName()) {
				continue
			}
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			line := fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), value)
			if h := m.GetHistogram(); h != nil {
				line = fmt.Sprintf("%s{%s} %d of %v", f.GetName(), strings.Join(labels, ","), h.GetSampleCount(), h.GetSampleSum())
			}
			got[line] = true
		}
	}
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(line)
		if line != "" && !got[line] {
			w.t.Errorf("%s: got no %s among\n%s", situation, line, strings.Join(slices.Sorted(maps.Keys(got)), "\n"))
		}
	}
}

func TestTheMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	w := busy(t)
	problems, err := testutil.GatherAndLint(w.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 25 {
		t.Errorf("got %d metrics to look at, want all of them", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "qualifyd_") {
			t.Errorf("%s: want the prefix qualifyd_", f.GetName())
		}
	}
}

func TestEveryRunIsCountedFromZero(t *testing.T) {
	w := newWorld(t)
	w.wantMetrics("at the start", `
		qualifyd_runs_total{outcome="failed",task="deliver"} 0
		qualifyd_runs_total{outcome="put_off",task="poll"} 0
		qualifyd_faults_total{kind="full",service="store"} 0
		qualifyd_faults_total{kind="unreachable",service="salesforce"} 0
		qualifyd_config_last_reload_successful{} 1
	`, "qualifyd_runs_total", "qualifyd_faults_total", "qualifyd_config_last_reload_successful")
	begun := time.Now()
	w.Ran(t.Context(), desk.PollJob, begun, nil)
	w.Ran(t.Context(), desk.PollJob, begun, poll.ErrStretched)
	w.Ran(t.Context(), desk.PollJob, begun, fmt.Errorf("ask: %w", &salesforce.APIError{Kind: salesforce.Transient}))
	w.CountSalesforce(2)
	w.CountReferralFactory()
	w.Reloaded(false)
	w.wantMetrics("after three passes", `
		qualifyd_runs_total{outcome="well",task="poll"} 1
		qualifyd_runs_total{outcome="put_off",task="poll"} 1
		qualifyd_runs_total{outcome="failed",task="poll"} 1
		qualifyd_faults_total{kind="unreachable",service="salesforce"} 1
		qualifyd_faults_total{kind="other",service="program"} 0
		qualifyd_salesforce_calls_total{} 2
		qualifyd_referral_factory_calls_total{} 1
		qualifyd_config_last_reload_successful{} 0
	`, "qualifyd_runs_total", "qualifyd_faults_total", "qualifyd_salesforce_calls_total", "qualifyd_referral_factory_calls_total",
		"qualifyd_config_last_reload_successful")
}

func TestWhoseAFaultIsAndOfWhatKind(t *testing.T) {
	of := func(k salesforce.Kind) error { return &salesforce.APIError{Op: "ask", Kind: k} }
	for _, tt := range []struct {
		situation string
		err       error
		want      []string
	}{
		{"it went well", nil, nil},
		{"a pass is put off", fmt.Errorf("poll: %w", poll.ErrStretched), nil},
		{"Salesforce is down", errors.Join(of(salesforce.Transient), of(salesforce.Transient)), []string{"salesforce/unreachable"}},
		{"the org's calls are used up", of(salesforce.Limit), []string{"salesforce/limit"}},
		{"our share is", fmt.Errorf("%w: 5 of 5", poll.ErrBudget), []string{"salesforce/limit"}},
		{"a field is gone, and later the session", errors.Join(of(salesforce.FieldGone), of(salesforce.Refused)), []string{"salesforce/refused", "salesforce/rejected"}},
		{"an answer that is none", of(salesforce.Malformed), []string{"salesforce/invalid_answer"}},
		{"Referral Factory is down", fmt.Errorf("sweep: %w", &referralfactory.Unavailable{Status: 503}), []string{"referral_factory/unreachable"}},
		{"it says too many", &referralfactory.Unavailable{Status: 429}, []string{"referral_factory/limit"}},
		{"a web page answers", &referralfactory.Unavailable{Status: 200}, []string{"referral_factory/invalid_answer"}},
		{"it was sent, and no answer came", fmt.Errorf("deliver: %w", fmt.Errorf("%w: %w", deliver.ErrOpen, &referralfactory.Unavailable{})), []string{"referral_factory/unreachable"}},
		{"the outcome is open", fmt.Errorf("deliver: %w", fmt.Errorf("%w: user 5 is pending", deliver.ErrOpen)), []string{"referral_factory/unreachable"}},
		{"the key is dead", &referralfactory.Refused{Status: 401}, []string{"referral_factory/refused"}},
		{"the disk is full", fmt.Errorf("%w: %w", poll.ErrStore, fmt.Errorf("%w: %w", store.ErrFull, syscall.ENOSPC)), []string{"store/full"}},
		{"the disk fails", fmt.Errorf("%w: %w", deliver.ErrStore, fmt.Errorf("%w: %w", store.ErrDoubtful, syscall.EIO)), []string{"store/failed"}},
		{"a panic", errors.New("poll: a fault in the program ended it"), []string{"program/other"}},
		{"several", errors.Join(of(salesforce.Limit), fmt.Errorf("a: %w", errors.Join(&referralfactory.Refused{}, errors.New("x")))),
			[]string{"program/other", "referral_factory/refused", "salesforce/limit"}},
	} {
		var got []string
		for f := range faultsOf(tt.err) {
			got = append(got, f.service+"/"+f.kind)
			if !slices.Contains(faults, f) {
				t.Errorf("%s: %v does not begin at 0", tt.situation, f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.situation, got, tt.want)
		}
	}
}

// noon is a time of the services.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// deliverOne makes a referral that qualified by a change, and whose qualification was confirmed.
func (w *world) deliverOne(id int64, event, verdict, confirmed time.Time) {
	w.update(func(tx *store.Tx) error {
		r := rules.Referral{ID: id, CampaignID: 101, Standing: rules.Delivered}
		r.Verdict = rules.Verdict{Outcome: rules.Qualified, Reason: rules.QualifiedByRule, At: verdict, Evidence: []rules.Transition{{At: event}}}
		if event.IsZero() {
			r.Verdict = rules.ByHand("ann", verdict)
		}
		return errors.Join(tx.PutReferral(r), tx.Append(store.Entry{At: confirmed, Act: store.ActDelivered, Campaign: 101, Referral: id}))
	})
}

func TestADelayRunsFromTheChangeToTheConfirmation(t *testing.T) {
	w := newWorld(t)
	w.deliverOne(1, noon, noon, noon) // by the process before
	if err := w.Watch(w.desk, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	names := []string{"qualifyd_event_to_qualification_seconds", "qualifyd_verdict_to_qualification_seconds", "qualifyd_qualifications_total"}
	w.wantMetrics("at the start", `
		qualifyd_event_to_qualification_seconds{} 0 of 0
		qualifyd_qualifications_total{campaign="101"} 0
		qualifyd_qualifications_total{campaign="102"} 0
	`, names...)
	w.deliverOne(2, noon, noon.Add(80*time.Second), noon.Add(90*time.Second))
	w.deliverOne(3, time.Time{}, noon, noon.Add(time.Hour)) // by hand: no change decided
	w.deliverOne(4, noon.Add(time.Minute), noon, noon)      // the services' clocks differ
	w.ran(desk.DeliverJob, nil)
	w.ran(desk.DeliverJob, nil)
	w.wantMetrics("after three deliveries, looked at twice", `
		qualifyd_event_to_qualification_seconds{} 2 of 90
		qualifyd_verdict_to_qualification_seconds{} 2 of 10
		qualifyd_qualifications_total{campaign="101"} 3
	`, names...)
}

func TestWhatTheStoreKnowsIsReadWhenSomebodyAsks(t *testing.T) {
	w := watching(t)
	w.asks()
	w.update(func(tx *store.Tx) error {
		held := func(id, campaign int64, why rules.Reason) error {
			return errors.Join(tx.Hold(id, why), tx.PutReferral(rules.Referral{ID: id, CampaignID: campaign, Standing: rules.Pending,
				Verdict: rules.Verdict{Outcome: rules.Held, Reason: why}}))
		}
		ambiguous := rules.Referral{ID: 9, CampaignID: 102, Standing: rules.Pending, Verdict: rules.Verdict{Outcome: rules.Not, Reason: rules.Ambiguous}}
		return errors.Join(held(1, 101, rules.HeldByBrake), held(2, 101, rules.HeldByBrake), held(3, 102, rules.ValueRewritten),
			held(4, 999, rules.HeldByBrake), // a campaign that is not configured any more
			tx.PutReferral(ambiguous),
			tx.PutReferral(rules.Referral{ID: 10, CampaignID: 101, Standing: rules.Rejected}),
			tx.Owe(store.Debt{Referral: 11, Campaign: 101, Since: noon}), tx.Owe(store.Debt{Referral: 12, Campaign: 101, Since: noon.Add(time.Hour), SentAt: noon}),
			tx.Owe(store.Debt{Referral: 13, Campaign: 101, Undo: true, Parked: true, Since: noon.Add(-time.Hour)}),
			tx.SetWatermark("Lead", store.Watermark{At: noon}),
			tx.PutCampaign(store.Campaign{ID: 102, Parked: "value_unknown"}),
			tx.AddCalls(time.Now(), 7))
	})
	w.ran(desk.PollJob, &salesforce.APIError{Kind: salesforce.Refused})
	w.ran(desk.SweepJob, nil)
	w.wantMetrics("a full store", `
		qualifyd_store_usable{} 1
		qualifyd_referrals_held{campaign="101",reason="held_by_brake"} 2
		qualifyd_referrals_held{campaign="101",reason="sandbox"} 0
		qualifyd_referrals_held{campaign="102",reason="value_rewritten"} 1
		qualifyd_referrals_held{campaign="102",reason="ambiguous"} 1
		qualifyd_referrals_held{campaign="101",reason="ambiguous"} 0
		qualifyd_referrals{campaign="101",standing="pending"} 2
		qualifyd_referrals{campaign="101",standing="rejected"} 1
		qualifyd_campaign_parked{campaign="101"} 0
		qualifyd_campaign_parked{campaign="102"} 1
		qualifyd_outbox_owed{} 2
		qualifyd_outbox_open{} 1
		qualifyd_outbox_parked{} 2
		qualifyd_outbox_oldest_timestamp_seconds{} 1.7723664e+09
		qualifyd_watermark_timestamp_seconds{query="Lead"} 1.7723664e+09
		qualifyd_watermark_timestamp_seconds{query="Opportunity"} 0
		qualifyd_credentials_refused{service="salesforce"} 1
		qualifyd_credentials_refused{service="referral_factory"} 0
		qualifyd_salesforce_day_calls{of="qualifyd"} 7
		qualifyd_salesforce_day_calls_limit{of="qualifyd"} 1000
		qualifyd_salesforce_day_calls_limit{of="org"} 5000
		qualifyd_salesforce_day_calls{of="org"} 1
		qualifyd_run_interval_seconds{task="poll"} 60
		qualifyd_run_interval_seconds{task="sweep"} 600
		qualifyd_run_last_success_timestamp_seconds{task="poll"} 0
	`, "qualifyd_store_usable", "qualifyd_referrals_held", "qualifyd_referrals", "qualifyd_campaign_parked", "qualifyd_outbox_owed", "qualifyd_outbox_open",
		"qualifyd_outbox_parked", "qualifyd_outbox_oldest_timestamp_seconds", "qualifyd_watermark_timestamp_seconds", "qualifyd_credentials_refused",
		"qualifyd_salesforce_day_calls", "qualifyd_salesforce_day_calls_limit", "qualifyd_run_interval_seconds", "qualifyd_run_last_success_timestamp_seconds")
	status, err := desk.StatusQuestion.Answer(t.Context(), w.desk, desk.Asker{}, desk.Nothing{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "parked, says status", status.Outbox.Parked, 2)
	same(t, "held of 101, says status", status.Campaigns[0].Held, 2)

	w.desk.Stretched = func() time.Duration { return 8 * time.Minute }
	w.update(func(tx *store.Tx) error { return tx.Unhold(1) })
	w.wantMetrics("one is let go, and passes are stretched", `
		qualifyd_referrals_held{campaign="101",reason="held_by_brake"} 1
		qualifyd_run_interval_seconds{task="poll"} 480
	`, "qualifyd_referrals_held", "qualifyd_run_interval_seconds")
}

// Nobody's data is in any label or help text: a campaign's number and words of the program's own are all there is.
func TestNoMetricNamesAnybody(t *testing.T) {
	w := watching(t)
	w.desk.Campaigns[0].Name = "Ann's campaign"
	w.update(func(tx *store.Tx) error {
		r := rules.Referral{ID: 424242, CampaignID: 101, Standing: rules.Pending, FirstName: "Ann", Email: "ann@example.com", Code: "ANN1",
			Verdict: rules.Verdict{Outcome: rules.Held, Reason: rules.ValueRewritten, Sentence: "Ann"}}
		return errors.Join(tx.PutReferral(r), tx.Hold(r.ID, rules.ValueRewritten), tx.Owe(store.Debt{Referral: r.ID, Campaign: 101, Since: noon, Trouble: "ann@example.com"}),
			tx.SetOwner(store.Owner{OrgID: "00D5g000004kABC"}))
	})
	w.ran(desk.SweepJob, errors.New("ann@example.com"))
	w.ran(desk.SweepJob, nil)
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, word := range []string{"Ann", "ann@", "ANN1", "424242", "00D5g"} {
			if strings.Contains(f.String(), word) {
				t.Errorf("%s is in %s", word, f)
			}
		}
	}
}
