package poll

import (
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// An answer is left alone exactly when looking at the pending referrals costs fewer calls than its further pages.
func TestWhichAnswersAreTooLong(t *testing.T) {
	for _, tt := range []struct {
		situation             string
		pending, links, least int // least rows of an answer that is left alone
	}{
		{"few are pending: a call to search and one to read", 20, 20, 6_001},
		{"10,000: one to search, two to read", 10_000, 10_000, 8_001},
		{"10,000 without a record", 10_000, 0, 6_001},
		{"100,000: ten to search, twenty to read", 100_000, 100_000, 62_001},
	} {
		p := &pass{
			rules:   map[int64]rules.Rule{101: {Campaign: rules.Campaign{Object: rules.Lead, Method: rules.LeadFieldChanges, Field: "Status"}, Target: rules.Target{Field: "Status"}}},
			pending: &pending{sought: tt.pending, links: map[rules.Object]int{rules.Lead: tt.links}},
		}
		for _, query := range []string{"Lead", "LeadHistory"} {
			if d := (&delta{name: query}); p.tooLong(d, tt.least-1) || !p.tooLong(d, tt.least) {
				t.Errorf("%s, %s: want an answer to be too long from %d rows on, no sooner and no later", tt.situation, query, tt.least)
			}
			resuming := &delta{name: query, mark: store.Watermark{ResumeStamp: time.Unix(1, 0), ResumeID: "00Q"}}
			if p.tooLong(resuming, 1_000_000) {
				t.Errorf("%s, %s: an answer that is being read on is never too long", tt.situation, query)
			}
		}
	}
}
