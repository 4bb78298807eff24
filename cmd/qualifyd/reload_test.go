package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"qualifyd/sync/sandbox"
)

func (d *running) reload(change ...string) {
	d.t.Helper()
	for i := 0; i < len(change); i += 2 {
		d.edit(change[i], change[i+1])
	}
	d.daemon.reloadConfig()
}

func (d *running) wantLogged(pieces ...string) {
	d.t.Helper()
	for _, piece := range pieces {
		if n := strings.Count(d.log.String(), piece); n != 1 {
			d.t.Errorf("the log has %q %d times, want it once:\n%s", piece, n, d.log)
		}
	}
}

func TestAReloadChangesTheSchedules(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(15 * time.Minute)
		d.reload(`schedule: "@every 1m"`, `schedule: "@every 10m"`, `sweep: "@every 10m"`, `sweep: "@every 1h"`)
		polls, sweeps := d.askedFor("/composite"), d.askedFor("GET /api/v2/users")
		d.after(2 * time.Hour)
		d.wantBetween("polls in two hours", d.askedFor("/composite")-polls, 11, 15)
		d.wantBetween("sweeps in two hours", d.askedFor("GET /api/v2/users")-sweeps, 2, 3)
		d.reload(`schedule: "@every 10m"`, `schedule: "@every 1m"`)
		polls = d.askedFor("/composite")
		d.after(time.Hour)
		d.wantBetween("polls in an hour", d.askedFor("/composite")-polls, 56, 62)
	})
}

func TestAReloadChangesARuleForWhatComes(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		ann, bob := d.referred("Ann", 101), d.referred("Bob", 101)
		a, b := d.lead(ann), d.lead(bob)
		d.after(2 * time.Minute)
		d.status(a, "Working - Contacted") // becomes the rule's value only later
		d.after(2 * time.Minute)
		d.reload("value: Qualified", "value: Working - Contacted")
		d.after(2 * time.Minute)
		d.wantLogged(`"message":"the campaign's rule changed; for its pending referrals, changes from now on count"`, `"pending":2`)
		d.wantPuts(0)
		d.status(b, "Working - Contacted")
		d.after(2 * time.Minute)
		d.wantQualified(bob)
		d.wantPuts(1)
	})
}

func TestAReloadTakesInACampaign(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		d.write("config.yaml", string(readFile(t, d.config))+creating)
		d.daemon.reloadConfig()
		d.after(11 * time.Minute)
		cid := d.referred("Cid", 102)
		if got := d.org.IDs("Lead"); len(got) != 1 {
			t.Errorf("got %d Leads after %s joined the new campaign, want one made", len(got), cid.FirstName)
		}
		if o, err := d.daemon.desk(d.daemon.config, nil), error(nil); err != nil || len(o.Campaigns) != 2 {
			t.Errorf("commands are answered about %d campaigns, want 2", len(o.Campaigns))
		}
	})
}

func TestAReloadOfAWrongFileChangesNothing(t *testing.T) {
	daemonStory(t, watching, func(w *world) { w.measured() }, func(d *running) {
		d.after(5 * time.Minute)
		d.reload(`schedule: "@every 1m"`, `schedule: "@every 1s"`, "method: lead_field_changes", "method: lead_field_chnages")
		d.wantLogged("the config is wrong and was not loaded; the one before stays in force", "poll.schedule", "lead_field_chnages")
		polls := d.askedFor("/composite")
		d.after(time.Hour)
		d.wantBetween("polls in an hour", d.askedFor("/composite")-polls, 58, 68)
		d.wantLogged("the config is wrong and was not loaded; the one before stays in force")
		d.wantMeasure("a wrong file", 0, 0, "qualifyd_config_last_reload_successful")
		d.reload(`schedule: "@every 1s"`, `schedule: "@every 30m"`, "method: lead_field_chnages", "method: lead_field_changes")
		d.wantLogged("the config was loaded again")
		polls = d.askedFor("/composite")
		d.after(time.Hour)
		d.wantBetween("polls in an hour", d.askedFor("/composite")-polls, 2, 9)
		d.wantMeasure("a right one", 1, 1, "qualifyd_config_last_reload_successful")
	})
}

func TestAReloadNamesWhatWaitsForARestart(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		d.reload("path: qualifyd.db", "path: other.db", "level: info", "level: debug")
		d.wantLogged(`"keys":["store.path"]`)
		d.after(2 * time.Minute)
		if !strings.Contains(d.log.String(), `"level":"debug"`) {
			t.Errorf("the level of the log is not debug after the reload:\n%s", d.log)
		}
		d.wantCount("qualifyd.db", 1)
		d.wantCount("other.db", 0)
	})
}

// A pass that is under way ends by the config that it began with; the next goes by the new one. Nothing is asked twice or left out for it.
func TestAReloadDuringAPassNeitherLosesNorDoublesOne(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.status(lead, "Qualified")
		reloaded := false
		d.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/composite") && !reloaded {
				reloaded = true
				time.Sleep(3 * time.Second)
				d.reload("value: Qualified", "value: Working - Contacted")
			}
			next.ServeHTTP(rw, r)
		})
		polls := d.askedFor("/composite")
		d.after(90 * time.Second)
		d.wantQualified(ann) // by the rule that the pass began with
		d.wantBetween("polls in a minute and a half", d.askedFor("/composite")-polls, 1, 3)
		d.after(time.Hour)
		d.wantPuts(1)
	})
}

func TestAReloadTakesTheRotatedKey(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		d.after(5 * time.Minute)
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.rf.RotateKey()
		d.writeSecrets()
		d.daemon.reloadConfig()
		d.after(11 * time.Minute)
		d.status(lead, "Qualified")
		d.after(2 * time.Minute)
		d.wantQualified(ann)
		d.wantTroubles("sweep")
		d.wantTroubles("deliver")
	})
}

// Until a sweep has found a new key to be of the same account nothing is delivered. It does not wait for the day's only sweep, whether the file is loaded
// again or the old key's refusal has it read.
func TestANewKeyIsTriedAtOnce(t *testing.T) {
	for name, reload := range map[string]bool{"with a reload": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			var ann sandbox.User
			rareSweeps := func(w *world) {
				ann = w.refer("Ann", 101)
				w.edit(`sweep: "@every 10m"`, `sweep: "@every 24h"`)
			}
			daemonStory(t, watching, rareSweeps, func(d *running) {
				d.after(5 * time.Minute)
				lead := d.lead(ann)
				d.after(2 * time.Minute)
				pages := func() int { return d.askedFor("GET /api/v2/users") - d.askedFor("GET /api/v2/users/") }
				before := pages()
				d.rf.RotateKey()
				d.writeSecrets()
				if reload {
					d.daemon.reloadConfig()
				}
				d.status(lead, "Qualified")
				d.after(5 * time.Minute)
				d.wantQualified(ann)
				d.after(2 * time.Hour)
				d.wantPuts(1)
				d.wantBetween("pages of users that were read: to know the account, and by the sweep", pages()-before, 2, 2)
			})
		})
	}
}

// Whoever puts a good key into the file and has it loaded does not wait for what rests after the refusals of the old one.
func TestAReloadWithAGoodKeyEndsTheRest(t *testing.T) {
	daemonStory(t, watching, asItIs, func(d *running) {
		ann := d.referred("Ann", 101)
		lead := d.lead(ann)
		d.after(2 * time.Minute)
		d.rf.RotateKey()
		d.status(lead, "Qualified")
		d.after(40 * time.Minute) // by now they rest for half an hour
		d.writeSecrets()
		d.daemon.reloadConfig()
		d.after(time.Minute)
		d.wantQualified(ann)
	})
}
