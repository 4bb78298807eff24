package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"qualifyd/cmd/desk"
	"qualifyd/cmd/doctor"
	"qualifyd/rules"
)

// vitals collects what the store knows, when somebody asks.
type vitals struct{ *Metrics }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("qualifyd_"+name, help, labels, nil)
}

var (
	storeUsable  = describe("store_usable", "1 where the store can be read and the newest runs could write it; where it cannot be read, what it knows is not told either.")
	storeSize    = describe("store_size_bytes", "How large the store's file is.")
	storeFree    = describe("store_disk_free_bytes", "What is free on the disk that the store is on.")
	lastWell     = describe("run_last_success_timestamp_seconds", "When a job last went well, put-off passes included; 0 for never. It outlives restarts.", task)
	interval     = describe("run_interval_seconds", "The time between two runs of a job as it is in force, stretched where a sweep does not fit its schedule, or polls have to make the calls of the day last.", task)
	watermark    = describe("watermark_timestamp_seconds", "What committed in Salesforce before it has been seen, by query; 0 before the first pass.", "query")
	credentials  = describe("credentials_refused", "1 where a service refuses the credentials; a person is needed.", "service")
	dayCalls     = describe("salesforce_day_calls", "API requests to Salesforce in the last 24 hours: of qualifyd, or of the whole org as it last told.", "of")
	dayCallLimit = describe("salesforce_day_calls_limit", "How many they may be: salesforce.daily_calls, or the org's own limit; absent until the org has told it.", "of")
	owed         = describe("outbox_owed", "What is owed to Referral Factory and not yet confirmed.")
	owedOpen     = describe("outbox_open", "What of it was sent with an outcome that is not known yet.")
	owedOldest   = describe("outbox_oldest_timestamp_seconds", "When the oldest of it was decided; 0 where nothing is owed.")
	owedParked   = describe("outbox_parked", "What Referral Factory refused for good; it waits for a person.")
	heldBack     = describe("referrals_held", "Referrals that cannot go on by themselves, by why.", "campaign", "reason")
	standing     = describe("referrals", "Referrals by where they stand, as last counted.", "campaign", "standing")
	parked       = describe("campaign_parked", "1 where a campaign's rule cannot be judged by, because the org lacks what it names.", "campaign")

	all = []*prometheus.Desc{storeUsable, storeSize, storeFree, lastWell, interval, watermark, credentials, dayCalls, dayCallLimit, owed, owedOpen,
		owedOldest, owedParked, heldBack, standing, parked}
)

// heldNow are the reasons that the store lists by themselves; countedHolds are known since the referrals were last counted.
var (
	heldNow      = []rules.Reason{rules.HeldByBrake, rules.ValueRewritten, rules.InSandbox}
	countedHolds = []rules.Reason{rules.Ambiguous, rules.JoinRefused}
)

// Describe is of prometheus.Collector.
func (c *vitals) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// Collect is of prometheus.Collector. It reads a few small parts of the store: nothing that grows with the number of referrals.
func (c *vitals) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	v, err := c.desk.Load().Vitals()
	gauge(storeUsable, truth(err == nil && !c.storeTroubled()))
	if free, err := doctor.Free(c.desk.Load().Config.Store.Path); err == nil {
		gauge(storeFree, float64(free))
	}
	if err != nil {
		return
	}
	gauge(storeSize, float64(v.Bytes))
	for _, r := range v.Runs {
		gauge(lastWell, seconds(r.Well), r.Job)
	}
	for job, gap := range v.Intervals {
		gauge(interval, gap.Seconds(), job)
	}
	for query, at := range v.ReadUpTo {
		gauge(watermark, seconds(at), query)
	}
	gauge(credentials, truth(v.Salesforce == desk.Refused), ofSalesforce)
	gauge(credentials, truth(v.ReferralFactory == desk.Refused), ofReferralFactory)
	gauge(dayCalls, float64(v.Calls.Used), "qualifyd")
	if v.Calls.Share > 0 {
		gauge(dayCallLimit, float64(v.Calls.Share), "qualifyd")
	}
	if v.OrgCalls >= 0 {
		gauge(dayCalls, float64(v.OrgCalls), "org")
	}
	if v.Calls.Limit > 0 {
		gauge(dayCallLimit, float64(v.Calls.Limit), "org")
	}
	c.collectReferrals(v, gauge)
}

func (c *vitals) collectReferrals(v desk.Vitals, gauge func(d *prometheus.Desc, value float64, labels ...string)) {
	tally := c.lastTally()
	rejected := 0
	for campaign, held := range v.Held {
		for _, reason := range heldNow {
			gauge(heldBack, float64(held[reason]), number(campaign), string(reason))
		}
		gauge(parked, truth(v.Parked[campaign]), number(campaign))
	}
	for _, n := range tally {
		for _, reason := range countedHolds {
			gauge(heldBack, float64(n.Reasons[string(reason)]), number(n.ID), string(reason))
		}
		for name, count := range map[rules.Standing]int{
			rules.Pending: n.Pending, rules.Owed: n.Owed, rules.Delivered: n.Qualified, rules.Elsewhere: n.Elsewhere, rules.Overridden: n.Overridden,
			rules.Rejected: n.Rejected,
		} {
			gauge(standing, float64(count), number(n.ID), string(name))
		}
		rejected += n.Rejected
	}
	gauge(owed, float64(v.Outbox.Owed))
	gauge(owedOpen, float64(v.Outbox.Open))
	gauge(owedOldest, seconds(v.Outbox.Oldest))
	gauge(owedParked, float64(v.Outbox.Parked+rejected))
}

// seconds is a time as Prometheus has it; 0 for never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func number(campaign int64) string { return strconv.FormatInt(campaign, 10) }
