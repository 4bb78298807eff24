package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

var (
	killRounds  = flag.Int("rounds", 15, "how many rounds TestKilledAgainAndAgain goes through")
	killSeed    = flag.Uint64("seed", 1, "what the dice of TestKilledAgainAndAgain begin with")
	killProgram = flag.String("program", "", "the qualifyd that TestKilledAgainAndAgain kills; else the test binary plays it")
)

const converting = `
  - id: 103
    name: Meet us
    referral_code_field: Referral_Code__c
    brake: off
    qualify: {method: lead_converts}
`

// One store, one org and one account live through many rounds: in each, people do something, and then the program is killed at a random moment
// of a run, or of a command. At the end everybody who must be qualified is, once, by us, and nobody else; and no record was made twice.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	campaigns := strings.ReplaceAll(watching+creating, "brake: 50/1h", "brake: off") + converting
	l := &killLoop{world: newWorld(t, strings.ReplaceAll(campaigns, "name: Partner circle", "name: Partner circle\n    brake: off")),
		dice: rand.New(rand.NewPCG(*killSeed, 0)), took: map[string]time.Duration{}, ends: map[string]int{}}
	l.org.Track("Lead", "Status", true) // who is set to Qualified, and on before a pass has seen it, is known by the history
	// What a kill loses has to be found again by the watermarks, not by the daily look at everybody.
	l.edit(`sweep: "@every 10m"`, "sweep: \"@every 10m\"\n  reconcile: 0 0 29 2 *")
	l.shorten()
	l.between(l.takeTime)
	l.measure()
	for round := 1; round <= *killRounds && !t.Failed(); round++ {
		l.live()
		l.round()
		if t.Failed() {
			t.Logf("in round %d of seed %d", round, *killSeed)
		}
	}
	l.between(nil)
	l.calm()
	l.wantTheTruth()
	t.Log(l.tally())
}

// killLoop is a world in which the program is killed again and again.
type killLoop struct {
	*world
	dice    *rand.Rand
	elapsed time.Duration // of the services' time
	people  []*guest
	orders  []*order

	took    map[string]time.Duration // how long a command takes that nobody kills, by its name
	ends    map[string]int           // rounds, by command and how it ended
	moments [11]int                  // kills, by the tenth of the command's usual time; the last are later
	unknown int                      // kills that left a qualification of unknown outcome
	making  int                      // and such as left a creation of unknown outcome
	left    int                      // files that a killed command left beside the store
}

// guest is somebody about whom people do one step after the other.
type guest struct {
	user  sandbox.User
	lead  string
	steps []step
	order *order
	must  bool // be qualified in the end
	back  bool // and be pending all the same, because somebody set them back
}

// step is something that happens to a person. It is false while its time has not come.
type step func(l *killLoop, p *guest) bool

// order is a command about a person, repeated until a process has lived to its end.
type order struct {
	args   []string
	killed bool // at least once, and so perhaps carried out
	given  bool
}

// What can become of people. Who gets to qualified, or is converted with an Opportunity, must be qualified, whoever else is about; the rest
// must not.
var fates = [][]step{
	{referred(101), enters("Open - Not Contacted"), becomes("Working - Contacted"), becomes("Qualified")},
	{referred(101), enters("Open - Not Contacted"), becomes("Qualified"), becomes("Working - Contacted")},
	{referred(101), enters("Open - Not Contacted"), becomes("Working - Contacted")},
	{referred(101), enters("Qualified")},
	{referred(101)},
	{customer, aDayLater, referred(101), touched},
	{referred(102), isMade, becomes("Working - Contacted"), becomes("Qualified")},
	{referred(102), isMade, becomes("Qualified")},
	{referred(102), isMade, becomes("Working - Contacted")},
	{referred(103), enters("Open - Not Contacted"), converted(false)},
	{referred(103), enters("Open - Not Contacted"), converted(true)},
	{referred(101), stranger, ordered("referrals pin", rules.Pending), becomes("Qualified")},
	{referred(101), ordered("qualify", rules.Pending)},
	{referred(101), enters("Open - Not Contacted"), becomes("Qualified"), setBack, becomes("Working - Contacted"), becomes("Qualified")},
	{referred(101), enters("Open - Not Contacted"), becomes("Qualified"), ordered("unqualify", rules.Delivered), becomes("Working - Contacted"), becomes("Qualified")},
}

func referred(campaign int64) step {
	return func(l *killLoop, p *guest) bool {
		p.user = l.rf.Refer(campaign, sandbox.NewUser{FirstName: fmt.Sprint("Guest", len(l.people)), Email: p.user.Email})
		return true
	}
}

func enters(status string) step {
	return func(l *killLoop, p *guest) bool {
		p.lead = l.org.Create("Lead", sandbox.Fields{"LastName": p.user.FirstName, "Company": "Acme", "Email": p.user.Email, "Referral_Code__c": p.user.Code, "Status": status})
		p.must = p.must || status == "Qualified"
		return true
	}
}

func becomes(status string) step {
	return func(l *killLoop, p *guest) bool {
		l.status(p.lead, status)
		p.must = p.must || status == "Qualified"
		return true
	}
}

// customer is a Lead from before anybody referred the person: that one cannot qualify.
func customer(l *killLoop, p *guest) bool {
	p.user.Email = fmt.Sprintf("customer%d@example.com", len(l.people))
	p.lead = l.org.Create("Lead", sandbox.Fields{"LastName": "Customer", "Company": "Acme", "Email": p.user.Email})
	due := l.elapsed + 24*time.Hour
	p.steps[1] = func(l *killLoop, p *guest) bool { return l.elapsed >= due }
	return true
}

func aDayLater(*killLoop, *guest) bool { panic("customer says when that is") }

// touched is the customer's Lead being qualified all the same.
func touched(l *killLoop, p *guest) bool {
	l.status(p.lead, "Qualified")
	return true
}

// isMade waits for the Lead that a pass makes.
func isMade(l *killLoop, p *guest) bool {
	leads := l.leadsOf(p)
	if len(leads) > 0 {
		p.lead = leads[0]
	}
	return len(leads) > 0
}

// leadsOf are the Leads with a person's code.
func (l *killLoop) leadsOf(p *guest) []string {
	return slices.DeleteFunc(l.org.IDs("Lead"), func(id string) bool { return l.org.Get("Lead", id)["Referral_Code__c"] != p.user.Code })
}

func converted(withoutOpportunity bool) step {
	return func(l *killLoop, p *guest) bool {
		l.org.Convert(p.lead, sandbox.Conversion{NoOpportunity: withoutOpportunity})
		p.must = !withoutOpportunity
		return true
	}
}

// stranger is a Lead that nothing links to the person.
func stranger(l *killLoop, p *guest) bool {
	p.lead = l.org.Create("Lead", sandbox.Fields{"LastName": "Stranger", "Company": "Acme"})
	return true
}

// ordered has a command given about a person, once the store knows them at a standing.
func ordered(command string, at rules.Standing) step {
	return func(l *killLoop, p *guest) bool {
		switch {
		case p.order == nil && l.standing(p) == at:
			args := append(strings.Fields(command), p.user.Code)
			if strings.HasSuffix(command, "pin") {
				args = append(args, p.lead)
			}
			p.order = &order{args: append(args, "--reason", "the loop")}
			l.orders = append(l.orders, p.order)
			return false
		case p.order == nil || !p.order.given:
			return false
		}
		p.order, p.must, p.back = nil, p.must || command == "qualify", command == "unqualify"
		return true
	}
}

// setBack is somebody at Referral Factory who sets the person back to pending, once our qualification is known to have arrived.
func setBack(l *killLoop, p *guest) bool {
	if l.standing(p) != rules.Delivered {
		return false
	}
	l.rf.SetQualified(p.user.ID, false)
	p.back = true
	return true
}

// standing is how the store knows a person; "" for nobody.
func (l *killLoop) standing(p *guest) (at rules.Standing) {
	l.view(func(tx *store.Tx) error {
		r, _, err := tx.Referral(p.user.ID)
		at = r.Standing
		return err
	})
	return at
}

func (l *killLoop) view(fn func(tx *store.Tx) error) {
	l.t.Helper()
	s := l.lock()
	err := s.View(fn)
	if closed := s.Close(); err != nil || closed != nil {
		l.t.Fatal(err, closed)
	}
}

// takeTime makes each request take some time, before the service does what it asks and after, so that kills come then as well.
func (l *killLoop) takeTime(rw http.ResponseWriter, r *http.Request, next http.Handler) {
	time.Sleep(rand.N(6 * time.Millisecond))
	next.ServeHTTP(rw, r)
	time.Sleep(rand.N(6 * time.Millisecond))
}

func (l *killLoop) forward(d time.Duration) {
	l.elapsed += d
	l.after(d)
}

// measure runs each command once to its end, the first pass among them, to learn how long it takes.
func (l *killLoop) measure() {
	for _, args := range [][]string{{"run", "--once"}, {"run", "--once"}, {"store", "backup", l.at("first.db")}, {"store", "compact"}, {"outbox", "retry", "--all"}} {
		l.forward(2 * time.Hour)
		c := l.newChild(args...)
		begun := time.Now()
		if code := c.run(l.t); code != exitDone {
			l.t.Fatalf("%s: got exit code %d, want %d:\n%s", args, code, exitDone, &c.output)
		}
		l.took[strings.Join(args[:2], " ")] = time.Since(begun)
	}
}

// live has people do a few things, and time go by.
func (l *killLoop) live() {
	if l.dice.IntN(3) > 0 {
		l.people = append(l.people, &guest{steps: slices.Clone(fates[l.dice.IntN(len(fates))])})
	}
	for _, p := range l.people {
		if l.dice.IntN(3) > 0 {
			l.next(p)
		}
	}
	switch n := l.dice.IntN(20); {
	case n == 0:
		l.forward(time.Duration(1+l.dice.IntN(30)) * time.Hour)
	case n < 5:
		l.forward(time.Duration(20+l.dice.IntN(200)) * time.Minute)
	default:
		l.forward(time.Duration(20+l.dice.IntN(400)) * time.Second)
	}
}

// next takes a person's next step if its time has come.
func (l *killLoop) next(p *guest) {
	if len(p.steps) > 0 && p.steps[0](l, p) {
		p.steps = p.steps[1:]
	}
}

// round kills the program once, or lets it be.
func (l *killLoop) round() {
	l.t.Helper()
	name, args, given := l.command()
	c := l.newChild(args...)
	if *killProgram != "" {
		c.Path = *killProgram
	}
	usual := l.usual(name)
	moment := time.Duration(l.dice.Float64() * 1.1 * float64(usual))
	signal := syscall.SIGKILL
	switch spared := l.dice.IntN(8) == 0; {
	case spared && name == "run":
		signal = syscall.SIGTERM // a daemon does not end by itself
	case spared:
		moment = time.Hour
	}
	before := l.look()
	begun := time.Now()
	go func() {
		<-c.started
		select {
		case <-time.After(moment):
			c.Process.Signal(signal)
		case <-c.ended:
		}
	}()
	code := c.run(l.t)
	took := time.Since(begun)
	l.settle()
	after := l.look()
	end := "ended by itself"
	switch {
	case code == -1:
		end = "killed " + after.since(before, name)
		l.moments[min(int(10*moment/usual), 10)]++
	case signal == syscall.SIGTERM:
		end = "ended by SIGTERM"
	case name != "run":
		l.took[name] = (3*l.took[name] + took) / 4
	}
	l.ends[name+": "+end]++
	if given != nil {
		given.given, given.killed = code != -1, given.killed || code == -1
	}
	fine := code == -1 || code == exitDone || code == exitIncomplete && strings.Contains(c.output.String(), "is not known yet") ||
		given != nil && given.killed && code == exitFailed // an earlier process did carry it out
	if !fine || strings.Contains(c.output.String(), "panic") {
		l.t.Errorf("%s: got exit code %d:\n%s", args, code, &c.output)
	}
	if code == -1 && after.open > before.open {
		l.unknown++
	}
	if code == -1 && after.making > before.making {
		l.making++
	}
	l.clean()
}

// command is what the round's process does; given is the order it carries out.
func (l *killLoop) command() (name string, args []string, given *order) {
	for _, o := range l.orders {
		if !o.given && l.dice.IntN(3) == 0 {
			return "order", o.args, o
		}
	}
	switch l.dice.IntN(16) {
	case 0:
		return "store backup", []string{"store", "backup", l.at("backup.db")}, nil
	case 1:
		return "store compact", []string{"store", "compact"}, nil
	case 2:
		return "outbox retry", []string{"outbox", "retry", "--all"}, nil
	case 3, 4, 5:
		return "run", []string{"run"}, nil
	}
	return "run --once", []string{"run", "--once"}, nil
}

// usual is how long a command takes.
func (l *killLoop) usual(name string) time.Duration {
	switch name {
	case "run":
		name = "run --once"
	case "order":
		name = "outbox retry"
	}
	return l.took[name]
}

// sight is what can be seen of the store between two processes.
type sight struct {
	file         os.FileInfo
	runs         map[string]time.Time // when each of the jobs was last recorded
	open, making int
	backups      int
}

// look opens the store, which must be whole.
func (l *killLoop) look() (now sight) {
	l.t.Helper()
	report, err := store.CheckFile(l.storePath(), nil)
	if err = errors.Join(err, report.Err()); err != nil {
		l.t.Fatalf("the store: got %v, want it whole", err)
	}
	if now.file, err = os.Stat(l.storePath()); err != nil {
		l.t.Fatal(err)
	}
	now.backups = len(l.found("backup.db"))
	now.runs = map[string]time.Time{}
	l.view(func(tx *store.Tx) error {
		for _, job := range []string{desk.SweepJob, desk.PollJob, desk.DeliverJob} {
			r, err := tx.Run(job)
			if err != nil {
				return err
			}
			now.runs[job] = r.Ended
		}
		debts, err := tx.Debts()
		for _, d := range debts {
			if !d.SentAt.IsZero() {
				now.open++
			}
		}
		for _, p := range l.people {
			if _, making, errMaking := tx.Intent(p.user.ID); making {
				now.making++
			} else if err = errors.Join(err, errMaking); err != nil {
				break
			}
		}
		return err
	})
	return now
}

// since tells how far a process had come that was killed.
func (now sight) since(before sight, name string) string {
	moved := func(job string) bool { return !now.runs[job].Equal(before.runs[job]) }
	switch {
	case now.backups > before.backups, !os.SameFile(now.file, before.file):
		return "after the new file had its name"
	case name == "store backup", name == "store compact":
		return "before the new file had its name"
	case now.file.ModTime().Equal(before.file.ModTime()) && now.file.Size() == before.file.Size():
		return "before its first write"
	case !strings.HasPrefix(name, "run"):
		return "after its write"
	case !moved(desk.SweepJob):
		return "in the sweep"
	case !moved(desk.PollJob):
		return "in the pass"
	case name == "run":
		return "after the pass, in the delivery or at rest"
	case !moved(desk.DeliverJob):
		return "in the delivery"
	}
	return "after the delivery"
}

func (l *killLoop) found(pattern string) []string {
	l.t.Helper()
	files, err := filepath.Glob(l.at(pattern))
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

// clean removes what killed commands left beside the store, and the backups, which must be whole.
func (l *killLoop) clean() {
	l.t.Helper()
	left, backups := l.found("*.new-*"), l.found("backup.db")
	l.left += len(left)
	for _, path := range backups {
		if report, err := store.CheckFile(path, nil); err != nil || report.Err() != nil {
			l.t.Errorf("a backup that has its name: got %v, %v; want it whole", err, report.Err())
		}
	}
	for _, path := range append(left, backups...) {
		if err := os.Remove(path); err != nil {
			l.t.Fatal(err)
		}
	}
}

// calm lets everything that was begun come to its end, and nobody is killed any more.
func (l *killLoop) calm() {
	l.t.Helper()
	for range 100 {
		waiting := false
		for _, p := range l.people {
			l.next(p)
			waiting = waiting || len(p.steps) > 0
		}
		for _, o := range l.orders {
			if !o.given {
				code := l.run(o.args...).code
				o.given = code == exitDone || o.killed && code == exitFailed
			}
		}
		l.forward(3 * time.Hour)
		l.pass()
		if !waiting {
			l.forward(3 * time.Minute)
			l.pass()
			return
		}
	}
	l.t.Error("after 100 passes there is still something that people want to do")
}

// wantTheTruth compares both services' books with what people did.
func (l *killLoop) wantTheTruth() {
	l.t.Helper()
	times, puts := map[int64]int{}, map[int64]int{}
	for _, q := range l.rf.Qualifications() {
		times[q.UserID]++
	}
	for _, p := range l.rf.Puts() {
		if p.Qualified {
			puts[p.UserID]++
		}
	}
	for _, p := range l.people {
		u, want, standing := l.rf.User(p.user.ID), 0, rules.Pending
		if p.must {
			want, standing = 1, rules.Delivered
		}
		if p.back {
			standing = rules.Overridden
		}
		if times[u.ID] != want || puts[u.ID] != want {
			l.t.Errorf("%s of campaign %d: qualified %d times by %d requests, want %d\n%s", u.FirstName, u.CampaignID, times[u.ID], puts[u.ID], want, l.run("explain", u.Code).out)
		}
		if pending := u.QualifiedAt == ""; pending != (p.back || !p.must) {
			l.t.Errorf("%s of campaign %d: pending is %v in the end, set back %v", u.FirstName, u.CampaignID, pending, p.back)
		}
		if got := l.standing(p); got != standing {
			l.t.Errorf("%s of campaign %d is %s, want %s", u.FirstName, u.CampaignID, got, standing)
		}
		if n := len(l.leadsOf(p)); u.CampaignID == 102 && n != 1 {
			l.t.Errorf("%s: got %d Leads with the code, want the one that was made", u.FirstName, n)
		}
	}
	l.run("store", "check").want(exitDone, "the store is whole")
	l.run("ledger", "verify").want(exitDone)
}

// tally says what the rounds came to.
func (l *killLoop) tally() string {
	var text strings.Builder
	must, back, kills := 0, 0, 0
	for _, p := range l.people {
		if p.must {
			must++
		}
		if p.back {
			back++
		}
	}
	for _, n := range l.moments {
		kills += n
	}
	fmt.Fprintf(&text, "%d rounds of seed %d, %v of the services' time: %d kills; %d people, %d of them qualified, %d of those set back\n",
		*killRounds, *killSeed, l.elapsed, kills, len(l.people), must, back)
	for _, end := range slices.Sorted(maps.Keys(l.ends)) {
		fmt.Fprintf(&text, "%6d  %s\n", l.ends[end], end)
	}
	fmt.Fprintf(&text, "kills by the tenth of a command's usual time: %v, later %d\n", l.moments[:10], l.moments[10])
	fmt.Fprintf(&text, "kills that left a qualification of unknown outcome: %d, a creation: %d; files left beside the store: %d\n", l.unknown, l.making, l.left)
	return text.String()
}
