package poll_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// otherwise has Referral Factory list so many users in a way that cannot be read: with a date as it has never written one, say.
func (w *world) otherwise(users int) {
	var rows []string
	for i := range users {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"campaign_id":101,"referrer_id":1000,"code":"c%d","signed_up_at":"Nov 2, 2026","qualified_at":null}`, 1001+i, i))
	}
	w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
		return &sandbox.Fault{Status: http.StatusOK, Body: `{"data":[` + strings.Join(rows, ",") + `],"links":{"next":null}}`}
	})
}

// Referral Factory writes its dates otherwise for a while, so that nobody it lists can be read. Such a sweep has not shown that nobody was there: who was is
// linked later, and no record is made for everybody at once. Nor is it well.
func TestASweepThatCanReadNobodyIsNoSweep(t *testing.T) {
	story(t, one(creating(fieldCampaign(), rules.Update)), func(w *world) {
		for _, name := range []string{"Ann", "Bob", "Cleo"} {
			w.Refer(name)
		}
		w.otherwise(4)
		mustContain(t, "a sweep that can read nobody", w.poller.Sweep(w.ctx), "none of the 4 users that Referral Factory lists can be read: page 1, row 1: user 1001: signed_up_at")
		w.rf.SetFault(nil)
		w.Passes(3)
		w.WantRecords("Lead", 0)
		dev := w.Refer("Dev")
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.WantNot(dev, rules.ValueNotReached)
	})
}

// Of two pages of such rows nobody can tell whether the second is the first again; what is wrong with them is said.
func TestPagesThatCannotBeReadAreNotOnlyTakenForOne(t *testing.T) {
	story(t, one(fieldCampaign()), func(w *world) {
		row := `{"id":1001,"campaign_id":101,"referrer_id":1000,"signed_up_at":"Nov 2, 2026","qualified_at":null}`
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			return &sandbox.Fault{Status: http.StatusOK, Body: `{"data":[` + row + `],"links":{"next":"https://api.referral-factory.com/api/v2/users?page=9"}}`}
		})
		mustContain(t, "a sweep", w.poller.Sweep(w.ctx), `or none of its rows can be read: page 2, row 1: user 1001: signed_up_at: "Nov 2, 2026" is no date`)
	})
}

// Nor is it another account's list, because of which a daemon would end for good.
func TestAListThatCannotBeReadIsNoOtherAccounts(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.Known("Ann")
		w.rf.RotateKey()
		w.Restart()
		w.otherwise(1)
		mustContain(t, "a sweep with another key", w.poller.Sweep(w.ctx), "none of the 1 users that Referral Factory lists can be read")
		w.rf.SetFault(nil)
		w.Passes(1)
	})
}

// A list of thousands that cannot be read does not fill the log, sweep after sweep.
func TestWhoCannotBeReadDoesNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	running(t, one(fieldCampaign()), func(w *world) {
		w.Configure(func(o *poll.Options) { o.Log = zerolog.New(&log) })
		w.otherwise(2000)
		_ = w.poller.Sweep(w.ctx)
		if lines := strings.Count(log.String(), "\n"); lines == 0 || lines > 10 {
			t.Errorf("got %d lines of the log for 2,000 users who cannot be read, want a few", lines)
		}
		if !strings.Contains(log.String(), `"unread":2000`) {
			t.Errorf("got %q, want how many there are", log.String()[max(0, log.Len()-300):])
		}
	})
}
