package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/store"
	"qualifyd/sync/schedule"
)

// checkMachinery looks at what has to go on by itself.
func (c *checkup) checkMachinery(context.Context) {
	c.checkConfig()
	c.checkClocks()
	c.checkZone()
	c.checkCalls()
	if c.file != nil {
		for _, run := range c.file.runs {
			c.checkRun(run)
		}
		c.checkLag()
		c.checkOutbox()
	}
}

// checkConfig tells what is wrong with the config, and whether a running service goes by it: that reads it when it starts, and when it is told to
// reload it, which takes over some of the keys.
func (c *checkup) checkConfig() {
	for _, w := range c.Warnings {
		c.yellow(Machinery, "config."+w.Key, "Config", w.String(), "change it as it says")
	}
	if c.Reload == nil {
		return
	}
	const check, title = "config", "Config"
	switch now, err := c.Reload(); {
	case err != nil:
		c.red(Machinery, check, title, "as it is now the service could not start with it again: "+err.Error(), "correct it: qualifyd config check lists everything that is wrong")
	case now.Show() != c.Config.Show():
		text, do := "it was changed since the service read it, which goes by the former one, as does this check-up", "reload the service (systemctl reload qualifyd)"
		if _, waiting := c.Config.Reload(now); len(waiting) > 0 {
			text, do = text+"; these keys take a restart: "+strings.Join(waiting, ", "), "restart the service (systemctl restart qualifyd)"
		}
		c.yellow(Machinery, check, title, text, do+", then run qualifyd doctor again")
	}
}

// How far this machine's clock may be from a service's: the local clock decides only when to wake up. But a JWT lives for 3 minutes by it, and Salesforce
// takes none that ends more than 5 minutes from now.
const (
	skewShown  = 30 * time.Second
	skewForJWT = 2 * time.Minute
)

func (c *checkup) checkClocks() {
	if now, known := c.Salesforce.Now(); known {
		c.checkClock("clock.salesforce", "Salesforce", reading{now, c.Now()})
	}
	if !c.rfClock.service.IsZero() {
		c.checkClock("clock.referral_factory", "Referral Factory", c.rfClock)
	}
}

func (c *checkup) checkClock(check, service string, r reading) {
	ahead := r.local.Sub(r.service).Round(time.Second)
	title := "Clock, against " + service
	text := long(ahead.Abs()) + " ahead"
	if ahead < 0 {
		text = long(ahead.Abs()) + " behind"
	}
	const do = "set this machine's clock, best by NTP (timedatectl set-ntp true)"
	switch jwt := c.Config.Salesforce.Auth.Flow == config.FlowJWT; {
	case ahead.Abs() > skewForJWT && jwt:
		c.red(Machinery, check, title, text+": the login by jwt depends on it, and can be refused when it is so far off", do)
	case ahead.Abs() > skewShown:
		c.yellow(Machinery, check, title, text+": nothing is decided by it, but schedules and logs go by it", do)
	default:
		c.green(Machinery, check, title, "right, to some seconds")
	}
}

// checkCalls compares what the schedule costs with what it may cost, and what the org has left.
func (c *checkup) checkCalls() {
	const check, title = "salesforce.calls", "Salesforce API calls"
	if !c.loggedIn {
		return
	}
	perPass, passes := c.callsAPass(), c.passesADay()
	projected := perPass * passes
	plan := fmt.Sprintf("an idle pass costs %s, and %s makes %d passes a day: %d calls", count(perPass, "call"), c.Config.Poll.Schedule, passes, projected)
	used, limit, known := c.Salesforce.Usage()
	share := c.Poll.DailyCalls.Share(limit)
	if !known {
		c.yellow(Connected, check, title, plan+"; how many the org has left it does not say", "look in Setup, Company Information, API Requests, and compare")
		return
	}
	f := Finding{Group: Connected, Check: check, Colour: Green, Title: title,
		Text:    fmt.Sprintf("%d of the org's %d are left today; %s, of the %d that daily_calls allows", max(0, limit-used), limit, plan, share),
		Details: map[string]any{"used": used, "limit": limit, "share": share, "projected": projected}}
	switch {
	case used >= limit:
		f.Colour, f.Do = Red, "find out who uses the org's calls up (Setup, Company Information, API Requests), or buy more"
	case projected > share:
		f.Colour, f.Do = Yellow, "passes will be put off to keep to it: lengthen poll.schedule, or raise salesforce.daily_calls"
	case limit-used < limit/10:
		f.Colour, f.Do = Yellow, "others use most of the org's calls: find out who (Setup, Company Information, API Requests)"
	}
	c.add(f)
}

// callsAPass is what a pass costs in which nothing has changed: five queries a call. A rule on a formula reads its records besides.
func (c *checkup) callsAPass() int {
	queries := len(c.outline.Queries)
	for _, rule := range c.outline.Rules {
		if rule.Target.Calculated {
			queries++
		}
	}
	return max(1, (queries+queriesACall-1)/queriesACall)
}

func (c *checkup) passesADay() (n int) {
	times, err := schedule.Parse(c.Config.Poll.Schedule, 0)
	if err != nil {
		return 0 // the config was accepted, so it parses
	}
	from := c.Now().UTC()
	for at := times.Next(from); !at.IsZero() && !at.After(from.Add(24*time.Hour)); at = times.Next(at) {
		n++
	}
	return n
}

// lateTurns is how many turns a job may miss before it is called late.
const lateTurns = 3

// checkRun tells how a job of the daemon last went. Its times are this machine's.
func (c *checkup) checkRun(run store.Run) {
	check, title := "run."+run.Job, "Runs of "+run.Job
	late := c.lateness(run)
	switch {
	case run.Ended.IsZero():
		c.yellow(Machinery, check, title, "it has never run", "start the service: systemctl start qualifyd")
	case run.Refused:
		c.red(Machinery, check, title, fmt.Sprintf("refused since %s: %s", clock(run.Since), run.Trouble), "mend the credentials; the service reads them again by itself")
	case late > 0:
		c.red(Machinery, check, title, fmt.Sprintf("last at %s, %s ago: it should have run since", clock(run.Ended), long(late)),
			"look whether the service runs: systemctl status qualifyd")
	case run.Trouble != "":
		c.yellow(Machinery, check, title, fmt.Sprintf("in trouble since %s: %s", clock(run.Since), run.Trouble),
			"it is tried again by itself; look at the log if it goes on (journalctl -u qualifyd)")
	default:
		c.green(Machinery, check, title, "well, last at "+clock(run.Ended))
	}
}

// lateness is how long ago a job ran that should have run since; 0 for one in time.
func (c *checkup) lateness(run store.Run) time.Duration {
	spec := map[string]string{"sweep": c.Config.Poll.Sweep, "poll": c.Config.Poll.Schedule}[run.Job]
	times, err := schedule.Parse(spec, 0)
	if err != nil || run.Ended.IsZero() {
		return 0 // deliver has no schedule: it runs when something is owed
	}
	due := run.Ended
	if !run.Begun.IsZero() && run.Ended.After(times.Next(run.Begun)) { // it takes longer than its schedule leaves it, so its turns are that long
		due = due.Add(lateTurns * times.Next(run.Ended).Sub(run.Begun))
	}
	for range lateTurns {
		due = times.Next(due)
	}
	if now := c.Now(); now.After(due) && !due.IsZero() {
		return now.Sub(run.Ended)
	}
	return 0
}

// lagShown is how far one query may stay behind the others: more than a large answer takes.
const lagShown = 30 * time.Minute

// checkLag tells whether one query stays behind the others. That all stay behind is the runs' matter.
func (c *checkup) checkLag() {
	var newest time.Time
	for _, q := range c.outline.Queries {
		if at := c.file.marks[q.Name].At; at.After(newest) {
			newest = at
		}
	}
	var behind []string
	for _, q := range c.outline.Queries {
		mark := c.file.marks[q.Name]
		if lag := newest.Sub(mark.At); !mark.At.IsZero() && lag > lagShown && !c.noHistory[q.Name] {
			behind = append(behind, fmt.Sprintf("%s by %s", q.Name, long(lag)))
		}
	}
	switch {
	case len(behind) > 0:
		c.yellow(Machinery, "lag", "Read up to", clock(newest)+", but these stay behind: "+strings.Join(behind, ", "),
			"look in the log why (journalctl -u qualifyd): a permission, or an answer that takes too long")
	case !newest.IsZero():
		c.green(Machinery, "lag", "Read up to", clock(newest))
	}
}

// owedFor is how long a qualification may be owed before it is called stuck.
const owedFor = time.Hour

// checkOutbox tells what is owed to Referral Factory for too long.
func (c *checkup) checkOutbox() {
	const check, title = "outbox", "Owed to Referral Factory"
	now := c.rfClock.service
	if now.IsZero() {
		now = c.Now()
	}
	oldest, stuck, trouble := now, 0, ""
	for _, d := range c.file.debts {
		if d.Since.Before(oldest) {
			oldest = d.Since
		}
		if now.Sub(d.Since) > owedFor {
			stuck++
			if trouble == "" {
				trouble = d.Trouble
			}
		}
	}
	switch {
	case stuck > 0:
		text := fmt.Sprintf("%s of %d owed for longer than an hour, the oldest since %s", count(stuck, "qualification"), len(c.file.debts), clock(oldest))
		if trouble != "" {
			text += ": " + trouble
		}
		c.yellow(Machinery, check, title, text, "qualifyd outbox list tells of each why; outbox retry tries at once")
	case len(c.file.debts) > 0:
		c.green(Machinery, check, title, count(len(c.file.debts), "qualification")+", under way")
	default:
		c.green(Machinery, check, title, "nothing")
	}
}
