package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// ImportRequest pins records to referrals in bulk.
type ImportRequest struct {
	File    []byte `json:"file"` // CSV
	Reason  string `json:"reason"`
	Preview bool   `json:"preview"` // check everything, and pin nothing
}

// Imported is what came of an import. Where there are problems nothing is pinned, except where a referral changed while the others were pinned.
type Imported struct {
	Pinned    int       `json:"pinned"`    // or would be, in a preview
	Unchanged int       `json:"unchanged"` // pinned already
	Preview   bool      `json:"preview"`
	Problems  []Problem `json:"problems"`
}

const (
	// importLimit is how long a file may be, in bytes: some hundred thousand rows.
	importLimit = 10 << 20
	// emailsAtOnce is how many addresses are looked up between two tellings of progress, and pinsAtOnce how many rows are pinned in one transaction.
	emailsAtOnce = 400
	pinsAtOnce   = 200
)

// ImportQuestion pins records in bulk. ImportByEmailQuestion does so for a file that names records by e-mail address, which only Salesforce knows;
// [NamesByEmail] tells which is needed.
var (
	ImportQuestion        = Question[ImportRequest, Imported]{name: "import", check: checkImport, answer: importPins}
	ImportByEmailQuestion = Question[ImportRequest, Imported]{name: "import-by-email", online: true, check: checkImport, answer: importPins}
)

// NamesByEmail tells whether a file names records by e-mail address.
func NamesByEmail(file []byte) bool {
	rows, _ := readPins(file)
	return slices.ContainsFunc(rows, func(row pinRow) bool { return row.email })
}

func checkImport(q ImportRequest) error {
	if len(q.File) > importLimit {
		return usage("the file has %d bytes, and %d at most are imported at once; import it in parts", len(q.File), importLimit)
	}
	return nil
}

func importPins(ctx context.Context, d *Desk, by Asker, q ImportRequest, progress Progress) (Imported, error) {
	i := &pinImport{desk: d, order: by.order(q.Reason), progress: progress}
	rows, problems := readPins(q.File)
	i.problems = problems
	if err := d.Store.View(func(tx *store.Tx) error { return i.findReferrals(tx, rows) }); err != nil {
		return Imported{}, err
	}
	if err := i.findRecords(ctx); err != nil {
		return Imported{}, err
	}
	if err := d.Store.View(i.check); err != nil {
		return Imported{}, err
	}
	done := Imported{Preview: q.Preview, Unchanged: i.unchanged}
	var err error
	switch {
	case len(i.problems) > 0:
	case q.Preview:
		done.Pinned = len(i.todo)
	default:
		done.Pinned, err = i.pin(ctx)
	}
	done.Problems = append([]Problem{}, i.problems...)
	slices.SortStableFunc(done.Problems, func(a, b Problem) int { return a.Line - b.Line })
	return done, err
}

// pinImport is an import under way: every row is checked before the first is pinned.
type pinImport struct {
	desk      *Desk
	order     poll.Order
	progress  Progress
	pins      []pin // the rows whose referral is known
	todo      []pin // of these, what is not pinned already
	unchanged int
	problems  []Problem
}

// pin is a row whose referral is known.
type pin struct {
	pinRow
	referral int64
	campaign rules.Campaign
	recordID string
}

func (i *pinImport) problem(line int, c cell, format string, args ...any) {
	i.problems = append(i.problems, *c.problem(line, format, args...))
}

// findReferrals finds whom the rows are about.
func (i *pinImport) findReferrals(tx *store.Tx, rows []pinRow) error {
	for _, row := range rows {
		one := pin{pinRow: row}
		for _, c := range row.referrals {
			name := c.text
			if c.column != "referral" {
				name = c.column + ":" + c.text
			}
			r, err := poll.FindOne(tx, name)
			if err == nil && one.referral != 0 && one.referral != r.ID {
				err = fmt.Errorf("the row names two referrals, %d and %d", one.referral, r.ID)
			}
			if err == nil {
				one.referral = r.ID
				one.campaign, err = i.desk.campaign(r.CampaignID)
			}
			if err != nil {
				one.referral = 0
				i.problem(row.line, c, "%v", err)
				break
			}
		}
		if one.referral != 0 {
			i.pins = append(i.pins, one)
		}
	}
	return nil
}

// findRecords has Salesforce tell whose the e-mail addresses are, on the object of each row's campaign.
func (i *pinImport) findRecords(ctx context.Context) error {
	wanted := map[rules.Object][]string{}
	for _, p := range i.pins {
		if p.email && strings.Contains(p.record.text, "@") {
			wanted[p.campaign.Object] = append(wanted[p.campaign.Object], rules.FoldEmail(p.record.text))
		}
	}
	if len(wanted) > 0 && i.desk.Salesforce == nil {
		return errors.New("the file names records by e-mail address, and only Salesforce knows whose they are; it cannot be asked here")
	}
	found := map[rules.Object]map[string][]string{}
	for object, emails := range wanted {
		var err error
		if found[object], err = i.lookUp(ctx, object, slices.Compact(slices.Sorted(slices.Values(emails)))); err != nil {
			return err
		}
	}
	for n := range i.pins {
		i.settleRecord(&i.pins[n], found)
	}
	i.pins = slices.DeleteFunc(i.pins, func(p pin) bool { return p.recordID == "" })
	return nil
}

func (i *pinImport) lookUp(ctx context.Context, object rules.Object, emails []string) (map[string][]string, error) {
	found, done := map[string][]string{}, 0
	for some := range slices.Chunk(emails, emailsAtOnce) {
		more, err := poll.RecordsByEmail(ctx, i.desk.Salesforce, object, some)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, more)
		done += len(some)
		i.progress("looking up e-mail addresses of "+string(object)+"s", done, len(emails))
	}
	return found, nil
}

// settleRecord works out which record a row means.
func (i *pinImport) settleRecord(p *pin, found map[rules.Object]map[string][]string) {
	if !p.email {
		id, _, err := poll.RecordID(p.record.text)
		if err != nil {
			i.problem(p.line, p.record, "%v", err)
		}
		p.recordID = id
		return
	}
	ids := found[p.campaign.Object][rules.FoldEmail(p.record.text)]
	switch {
	case !strings.Contains(p.record.text, "@"):
		i.problem(p.line, p.record, "%q is no e-mail address", p.record.text)
	case len(ids) == 0:
		i.problem(p.line, p.record, "no %s that the Salesforce user may see has the e-mail address %q", p.campaign.Object, p.record.text)
	case len(ids) > 1:
		i.problem(p.line, p.record, "%d records have the e-mail address %q; name one by its Id: %s", len(ids), p.record.text, strings.Join(ids, ", "))
	default:
		p.recordID = ids[0]
	}
}

// check finds what speaks against a row, by itself or beside the others.
func (i *pinImport) check(tx *store.Tx) error {
	type place struct {
		campaign int64
		record   string
	}
	taken := map[place]pin{}
	for _, p := range i.pins {
		r, _, err := tx.Referral(p.referral)
		if err != nil {
			return err
		}
		at := place{p.campaign.ID, p.recordID}
		other, twice := taken[at]
		taken[at] = p
		_, pinned, err := poll.CheckPin(tx, r, p.recordID)
		switch {
		case err != nil:
			i.problem(p.line, p.referrals[0], "%v", err)
		case twice && other.referral == p.referral:
			i.problem(p.line, p.record, "line %d pins %s to referral %d already", other.line, p.recordID, p.referral)
		case twice:
			i.problem(p.line, p.record, "line %d pins %s to another referral of campaign %d, %d", other.line, p.recordID, p.campaign.ID, other.referral)
		case pinned:
			i.unchanged++
		default:
			i.todo = append(i.todo, p)
		}
	}
	return nil
}

// pin pins what is to be pinned, and returns how many it pinned.
func (i *pinImport) pin(ctx context.Context) (pinned int, err error) {
	for some := range slices.Chunk(i.todo, pinsAtOnce) {
		if ctx.Err() != nil {
			return pinned, fmt.Errorf("stopped after %d of %d; import the file again for the rest: %w", pinned, len(i.todo), ctx.Err())
		}
		n, problems := 0, len(i.problems)
		err := i.desk.Store.Update(func(tx *store.Tx) error {
			for _, p := range some {
				switch ok, err := i.pinOne(tx, p); {
				case err != nil:
					return err
				case ok:
					n++
				}
			}
			return nil
		})
		if err = orderError(err); err != nil {
			i.problems = i.problems[:problems]
			return pinned, fmt.Errorf("pinned %d of %d; import the file again for the rest: %w", pinned, len(i.todo), err)
		}
		pinned += n
		i.progress("pinning records", pinned, len(i.todo))
	}
	return pinned, nil
}

// pinOne pins one record, unless something changed since it was checked.
func (i *pinImport) pinOne(tx *store.Tx, p pin) (bool, error) {
	r, _, err := tx.Referral(p.referral)
	if err != nil {
		return false, err
	}
	if _, _, changed := poll.CheckPin(tx, r, p.recordID); changed != nil {
		i.problem(p.line, p.referrals[0], "not pinned, for it changed while the others were: %v", changed)
		return false, nil
	}
	return true, poll.Pin(tx, r, p.recordID, i.order)
}
