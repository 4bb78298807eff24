package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// caseload is what the store remembers, as far as a check-up wants it.
type caseload struct {
	owner   store.Owner
	swept   bool              // a sweep of every configured campaign has been complete
	tallies map[int64]*cases  // by configured campaign
	codes   map[string]string // referral codes, by themselves in lower case
	signUps []signUp
	runs    []store.Run
	debts   []store.Debt
	marks   map[string]store.Watermark // by query
}

// cases counts a campaign's referrals.
type cases struct {
	referrals int
	pending   int
	blocked   int // by a record that existed before; of these onObject by one of the campaign's object
	onObject  int
	// Of those who are blocked nothing is created for whom the campaign's first complete sweep showed; for the others a record could be.
	newcomers, newcomersOnObject int

	older     int // linked to a record that existed before
	strays    int // without any record
	oldest    time.Time
	refused   []rules.Referral
	ambiguous []rules.Referral
	held      map[rules.Reason][]rules.Referral
	rejected  []rules.Referral
}

// jobs are the daemon's, by the names under which the store keeps their runs.
var jobs = []string{"sweep", "poll", "deliver"}

// openFile reads the store in one transaction.
func (c *checkup) openFile(context.Context) {
	if c.Store == nil {
		c.noStore()
		return
	}
	file := &caseload{tallies: map[int64]*cases{}, codes: map[string]string{}, marks: map[string]store.Watermark{}}
	for _, one := range c.Campaigns {
		file.tallies[one.ID] = &cases{held: map[rules.Reason][]rules.Referral{}}
	}
	if err := c.Store.View(func(tx *store.Tx) error { return c.readFile(tx, file) }); err != nil {
		c.red(Machinery, "store", "Store", err.Error(), "stop the service and look at it: qualifyd store check")
		return
	}
	c.file = file
	c.checkFile()
}

func (c *checkup) noStore() {
	const check, title = "store", "Store"
	notChecked := "; what it knows of referrals, duplicates and runs is not checked"
	path := c.Config.Store.Path
	switch err := c.NoStore; {
	case err == nil, errors.Is(err, store.ErrMissing):
		c.yellow(Machinery, check, title, fmt.Sprintf("there is none yet at %s%s", path, notChecked), "start the service: its first run makes it (qualifyd run)")
	case errors.Is(err, store.ErrLocked):
		c.yellow(Machinery, check, title, fmt.Sprintf("another process has %s, and does not answer on its control socket%s", path, notChecked),
			"run doctor as a user who may use the service's socket, or wait until a run --once ends")
	case errors.Is(err, store.ErrNewer):
		c.red(Machinery, check, title, err.Error()+notChecked, "install that version of qualifyd again, or restore the backup made before its upgrade")
	case errors.Is(err, fs.ErrPermission):
		c.yellow(Machinery, check, title, fmt.Sprintf("%s may not be read by this user%s", path, notChecked),
			"run doctor as the service's user (sudo -u qualifyd qualifyd doctor)")
	default:
		c.red(Machinery, check, title, err.Error()+notChecked, "look at it with qualifyd store check, or restore a backup")
	}
}

func (c *checkup) readFile(tx *store.Tx, file *caseload) (err error) {
	if file.owner, err = tx.Owner(); err != nil {
		return err
	}
	file.swept = true
	for _, one := range c.Campaigns {
		known, err := tx.Campaign(one.ID)
		if err != nil {
			return err
		}
		file.swept = file.swept && known.FirstSweep > 0
	}
	for _, job := range jobs {
		run, err := tx.Run(job)
		if err != nil {
			return err
		}
		file.runs = append(file.runs, run)
	}
	for _, query := range []string{"Lead", "Contact", "Opportunity", "LeadHistory", "ContactHistory", "OpportunityHistory"} {
		if file.marks[query], err = tx.Watermark(query); err != nil {
			return err
		}
	}
	if file.debts, err = tx.Debts(); err != nil {
		return err
	}
	return tx.Referrals(func(r rules.Referral) error { return c.readReferral(tx, file, r) })
}

func (c *checkup) readReferral(tx *store.Tx, file *caseload, r rules.Referral) error {
	if r.Code != "" {
		file.codes[strings.ToLower(r.Code)] = r.Code
	}
	file.signUps = append(file.signUps, signUpOf(r, c.Poll.Zone)...)
	n := file.tallies[r.CampaignID]
	if n == nil {
		return nil // its campaign was taken out of the config
	}
	n.referrals++
	if r.Standing == rules.Rejected {
		n.rejected = append(n.rejected, r)
	}
	if r.Standing != rules.Pending {
		return nil
	}
	records, err := tx.Records(r)
	if err != nil {
		return err
	}
	known, err := tx.Campaign(r.CampaignID)
	if err != nil {
		return err
	}
	n.add(c.campaign(r.CampaignID), r, records, r.FirstSweep > known.FirstSweep || r.JoinAsked)
	return nil
}

func (c *checkup) campaign(id int64) rules.Campaign {
	for _, one := range c.Campaigns {
		if one.ID == id {
			return one
		}
	}
	return rules.Campaign{}
}

// add counts a pending referral. newcomer tells whether a record may be created for it.
func (n *cases) add(one rules.Campaign, r rules.Referral, records []rules.Linked, newcomer bool) {
	n.pending++
	onObject := slices.ContainsFunc(r.Blockers, func(b rules.Blocker) bool { return b.Object == one.Object })
	if len(r.Blockers) > 0 {
		n.blocked++
	}
	if onObject {
		n.onObject++
	}
	if len(r.Blockers) > 0 && newcomer {
		n.newcomers++
	}
	if onObject && newcomer {
		n.newcomersOnObject++
	}
	for _, l := range records {
		if l.Object != rules.Opportunity && !l.Created.IsZero() && r.ExistedBefore(l.Created) && !l.Kinds.Has(rules.Pinned, rules.Created) {
			n.older++
			break
		}
	}
	if len(r.Links)+len(r.Blockers) == 0 && r.Refused == "" {
		n.strays++
		if n.oldest.IsZero() || r.Joined.Before(n.oldest) {
			n.oldest = r.Joined
		}
	}
	switch {
	case r.Refused != "":
		n.refused = append(n.refused, r)
	case r.Verdict.Outcome == rules.Held:
		n.held[r.Verdict.Reason] = append(n.held[r.Verdict.Reason], r)
	case r.Verdict.Reason == rules.Ambiguous:
		n.ambiguous = append(n.ambiguous, r)
	}
}

// checkFile looks at the store as a file, and at the disk below it.
func (c *checkup) checkFile() {
	const check, title = "store", "Store"
	path := c.Config.Store.Path
	info, err := os.Stat(path)
	if err != nil {
		c.red(Machinery, check, title, err.Error(), "somebody has taken the file away from under qualifyd: restore a backup")
		return
	}
	text := fmt.Sprintf("%s, %s, layout %d", path, size(uint64(info.Size())), store.Schema)
	if mode := info.Mode().Perm(); mode&0o004 != 0 {
		c.yellow(Machinery, check, title, fmt.Sprintf("%s; everybody on this machine can read it (mode %04o), and it holds names and e-mail addresses", text, mode),
			"chmod it to 0600")
	} else {
		c.green(Machinery, check, title, text)
	}
	free, err := Free(path)
	if err != nil {
		c.yellow(Machinery, "disk", "Disk", fmt.Sprintf("how much is free below %s cannot be told: %v", path, err), "look with df")
		return
	}
	c.add(diskFinding(free, uint64(info.Size())))
}

// Free is how many bytes are free for qualifyd's user on the disk that a file is on.
func Free(path string) (uint64, error) {
	var disk syscall.Statfs_t
	err := syscall.Statfs(filepath.Dir(path), &disk)
	return disk.Bavail * uint64(disk.Bsize), err
}

const megabyte = 1 << 20

// diskFinding judges what is free on the store's disk. A commit needs little; a copy (backup, compact) needs as much as the file has.
func diskFinding(free, file uint64) Finding {
	f := Finding{Group: Machinery, Check: "disk", Title: "Disk", Colour: Green, Text: size(free) + " free where the store is",
		Details: map[string]any{"free_bytes": free, "store_bytes": file}}
	switch {
	case free < 50*megabyte:
		f.Colour, f.Do = Red, "make room: without it nothing can be remembered, and so nobody qualified"
	case free < 500*megabyte || free < 2*file:
		f.Colour, f.Do = Yellow, "make room: a backup and store compact need at least as much again as the store has"
	}
	return f
}

func size(bytes uint64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GB", bytes>>30)
	}
	return fmt.Sprintf("%d MB", (bytes+megabyte-1)/megabyte)
}
