package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/cmd/doctor"
	"qualifyd/rules"
	"qualifyd/store"
)

func TestAStoreThatCannotBeLookedAtIsOneFinding(t *testing.T) {
	without := func(why error) func(w *ward) {
		return func(w *ward) { w.patient.Store, w.patient.NoStore = nil, why }
	}
	tell(t, []story{
		{name: "there is none", change: without(fmt.Errorf("/x: %w", store.ErrMissing)), want: found{"store": yellow}, says: map[string]string{"store": "none yet"}},
		{name: "it is locked", change: without(store.ErrLocked), want: found{"store": yellow}, says: map[string]string{"store": "control socket"}},
		{name: "a newer one", change: without(store.ErrNewer), want: found{"store": red}, says: map[string]string{"store": "install that version"}},
		{name: "not for us", change: without(&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}), want: found{"store": yellow}},
		{name: "damaged", change: without(errors.New("the store is damaged")), want: found{"store": red}},
	})
}

func TestTheStoresFileIsLookedAt(t *testing.T) {
	tell(t, []story{
		{
			name: "everybody can read it",
			change: func(w *ward) {
				if err := os.Chmod(w.patient.Config.Store.Path, 0o644); err != nil {
					w.t.Fatal(err)
				}
			},
			want: found{"store": yellow}, says: map[string]string{"store": "chmod it to 0600"},
		},
		{
			name: "it was taken away",
			change: func(w *ward) {
				if err := os.Remove(w.patient.Config.Store.Path); err != nil {
					w.t.Fatal(err)
				}
			},
			want: found{"store": red},
		},
	})
}

func TestRunsAreLookedAt(t *testing.T) {
	ago := func(d time.Duration) time.Time { return now().Add(-d) }
	tell(t, []story{
		{
			name: "a job never ran", change: func(w *ward) { w.run(store.Run{Job: "sweep"}) },
			want: found{"run.sweep": yellow}, says: map[string]string{"run.sweep": "has never run"},
		},
		{
			name: "the daemon stands still", change: func(*ward) { time.Sleep(5 * time.Minute) },
			want: found{"run.poll": red}, says: map[string]string{"run.poll": "5 minutes ago"},
		},
		{
			name: "a sweep takes half an hour, and the next is under way", change: func(w *ward) {
				w.patient.Config.Poll.Sweep = "@every 5m"
				w.run(store.Run{Job: "sweep", Begun: ago(50 * time.Minute), Ended: ago(20 * time.Minute)})
			},
		},
		{
			name: "a sweep took half an hour, and no other has ended for three", change: func(w *ward) {
				w.patient.Config.Poll.Sweep = "@every 5m"
				w.run(store.Run{Job: "sweep", Begun: ago(210 * time.Minute), Ended: ago(3 * time.Hour)})
			},
			want: found{"run.sweep": red}, says: map[string]string{"run.sweep": "3 hours ago"},
		},
		{
			name: "refused", change: func(w *ward) {
				w.run(store.Run{Job: "poll", Ended: now(), Trouble: "invalid_client", Since: ago(time.Hour), Refused: true})
			},
			want: found{"run.poll": red}, says: map[string]string{"run.poll": "invalid_client"},
		},
		{
			name: "in trouble", change: func(w *ward) { w.run(store.Run{Job: "poll", Ended: now(), Trouble: "HTTP 503", Since: ago(time.Hour)}) },
			want: found{"run.poll": yellow}, says: map[string]string{"run.poll": "HTTP 503"},
		},
		{
			name: "one query stays behind",
			change: func(w *ward) {
				w.update(func(tx *store.Tx) error {
					return tx.ResetWatermark("LeadHistory", store.Watermark{At: ago(3 * time.Hour)})
				})
			},
			want: found{"lag": yellow}, says: map[string]string{"lag": "LeadHistory by 2 hours"},
		},
		{
			name: "a qualification is stuck",
			change: func(w *ward) {
				w.update(func(tx *store.Tx) error {
					return errors.Join(tx.Owe(store.Debt{Referral: 1, Since: ago(2 * time.Hour), Trouble: "HTTP 500"}), tx.Owe(store.Debt{Referral: 2, Since: now()}))
				})
			},
			want: found{"outbox": yellow}, says: map[string]string{"outbox": "1 qualification of 2 owed for longer than an hour, the oldest since 2026-11-02 09:31Z: HTTP 500"},
		},
		{
			name: "one is under way", change: func(w *ward) {
				w.update(func(tx *store.Tx) error { return tx.Owe(store.Debt{Referral: 1, Since: now()}) })
			},
			says: map[string]string{"outbox": "1 qualification, under way"},
		},
	})
}

func TestTheTimeZoneIsInferredFromWhenReferralsWereFirstSeen(t *testing.T) {
	// Each is a sign-up between two sweeps, as the account's zone dates it.
	join := func(zone string, at ...string) func(w *ward) {
		return func(w *ward) {
			account, err := time.LoadLocation(zone)
			if err != nil {
				w.t.Fatal(err)
			}
			for i, text := range at {
				seen, err := time.Parse(time.RFC3339, text)
				if err != nil {
					w.t.Fatal(err)
				}
				r := rules.Referral{ID: int64(5000 + i), CampaignID: 999, Standing: rules.Pending, SignedUpOn: seen.In(account).Format(time.DateOnly)}
				r.JoinTimes(time.UTC, seen, []time.Time{seen.Add(-61 * time.Minute)})
				w.update(func(tx *store.Tx) error { return tx.PutReferral(r) })
			}
		}
	}
	tell(t, []story{
		{
			name: "days begin too early", change: join("Asia/Tokyo", "2026-10-30T16:00:00Z", "2026-10-31T14:00:00Z"),
			want: found{"referral_factory.timezone": yellow}, says: map[string]string{"referral_factory.timezone": "Asia/Tokyo"},
		},
		{
			name: "days end too late", change: join("America/Los_Angeles", "2026-10-31T05:30:00Z", "2026-10-30T08:30:00Z"),
			want: found{"referral_factory.timezone": yellow}, says: map[string]string{"referral_factory.timezone": "America/Denver, America/Los_Angeles"},
		},
		{
			name: "nothing fits", change: func(w *ward) {
				join("Asia/Tokyo", "2026-10-30T16:00:00Z")(w)
				w.update(func(tx *store.Tx) error {
					r, _, err := tx.Referral(5000)
					r.ID = 6000
					r.Joined, r.Lacked = time.Time{}, r.DayEnds.Add(48*time.Hour)
					return errors.Join(err, tx.PutReferral(r))
				})
			},
			want: found{"referral_factory.timezone": yellow}, says: map[string]string{"referral_factory.timezone": "no common zone fits"},
		},
		{
			name: "another was configured when they were seen",
			change: func(w *ward) {
				zone, err := time.LoadLocation("America/Los_Angeles")
				if err != nil {
					w.t.Fatal(err)
				}
				w.patient.Config.ReferralFactory.Timezone, w.patient.Poll.Zone = "America/Los_Angeles", zone
			},
			says: map[string]string{"referral_factory.timezone": "America/Los_Angeles, as configured; too few"},
		},
		{
			name: "it is right", change: join("UTC", "2026-10-30T00:10:00Z", "2026-10-30T23:50:00Z", "2026-10-29T12:00:00Z", "2026-10-29T12:00:00Z",
				"2026-10-29T12:00:00Z", "2026-10-29T12:00:00Z", "2026-10-29T12:00:00Z", "2026-10-29T12:00:00Z", "2026-10-29T12:00:00Z"),
			says: map[string]string{"referral_factory.timezone": "the sign-up days of 10 referrals fit it"},
		},
	})
}

func TestWarningsOfTheConfigAreFindings(t *testing.T) {
	tell(t, []story{{
		name: "a secret that everybody can read",
		change: func(w *ward) {
			w.patient.Warnings = []config.Warning{{Key: "referral_factory.api_key_file", Text: "everybody can read /etc/key"}}
		},
		want: found{"config.referral_factory.api_key_file": yellow}, says: map[string]string{"config.referral_factory.api_key_file": "everybody can read /etc/key"},
	}})
}

func TestAConfigThatIsNotTheServicesAnyMoreIsAFinding(t *testing.T) {
	reloads := func(change func(c *config.Config), err error) func(w *ward) {
		return func(w *ward) {
			w.patient.Config.ReferralFactory.APIKey = config.NewSecret("one")
			c := w.patient.Config
			change(&c)
			w.patient.Reload = func() (config.Config, error) { return c, err }
		}
	}
	tell(t, []story{
		{name: "it is the same", change: reloads(func(*config.Config) {}, nil)},
		{
			name: "a secret was rotated: that is read again", change: reloads(func(c *config.Config) { c.ReferralFactory.APIKey = config.NewSecret("another") }, nil),
		},
		{
			name: "somebody has changed it", change: reloads(func(c *config.Config) { c.Poll.Schedule = "@every 5m" }, nil),
			want: found{"config": yellow}, says: map[string]string{"config": "reload the service (systemctl reload qualifyd)"},
		},
		{
			name: "somebody has changed what a reload does not take", change: reloads(func(c *config.Config) { c.Poll.Schedule, c.Log.Format = "@every 5m", "json" }, nil),
			want: found{"config": yellow}, says: map[string]string{"config": "restart the service (systemctl restart qualifyd)"},
		},
		{
			name: "and names it", change: reloads(func(c *config.Config) { c.Log.Format, c.Metrics.Listen = "json", ":9321" }, nil),
			want: found{"config": yellow}, says: map[string]string{"config": "metrics.listen, log.format"},
		},
		{
			name: "it has become wrong", change: reloads(func(*config.Config) {}, errors.New("referral_factory.api_key is missing")),
			want: found{"config": red}, says: map[string]string{"config": "could not start with it again: referral_factory.api_key is missing"},
		},
	})
}

func TestACheckUpThatIsStoppedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, refer)
		ctx, stop := context.WithCancel(t.Context())
		report := doctor.CheckUp(ctx, w.patient, func(work string, done, total int) {
			if done == 4 {
				stop()
			}
		})
		if f := find(report, "checkup"); f.Colour != red {
			t.Errorf("got %q, want a red finding that the check-up was stopped:\n%s", f.Text, text(report))
		}
		if f := find(report, "run.poll"); f.Colour != "" {
			t.Errorf("the check-up went on after it was stopped: %s", f.Text)
		}
	})
}

// A check-up reads and writes nowhere, and costs few calls.
func TestACheckUpCostsFewCallsAndWritesNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, refer, won, makes)
		before, leads := w.org.Calls(), len(w.org.IDs("Lead"))
		var length uint64
		w.update(func(tx *store.Tx) error { length = tx.LedgerLength(); return nil })
		report := doctor.CheckUp(t.Context(), w.patient, nil)
		// The list of versions needs no login, and the org does not count it.
		if got, told := w.org.Calls()-before, report.Calls.Salesforce-1; got != told || got > 25 {
			t.Errorf("the org counted %d calls and the report tells of %d, want the same and at most 25", got, told)
		}
		if report.Calls.ReferralFactory != 3 {
			t.Errorf("got %d calls of Referral Factory told, want 3", report.Calls.ReferralFactory)
		}
		if got := len(w.org.IDs("Lead")); got != leads {
			t.Errorf("the org has %d Leads, had %d", got, leads)
		}
		if puts := w.rf.Puts(); len(puts) > 0 {
			t.Errorf("somebody was qualified: %v", puts)
		}
		w.update(func(tx *store.Tx) error {
			if got := tx.LedgerLength(); got != length {
				t.Errorf("the ledger has %d lines, had %d", got, length)
			}
			return nil
		})
		if n := report.Green + report.Yellow + report.Red; n != len(report.Findings) {
			t.Errorf("%d findings are counted, want %d", n, len(report.Findings))
		}
	})
}
