package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"qualifyd/rules"
)

// Restored is what a restore did.
type Restored struct {
	Report
	Replaced string // where the store that was there before is now; "" when there was none
	// Since tells whether the store that was replaced is known to go on from the backup. Then Lost is how many ledger lines it has beyond it, and
	// SetBack are the referrals that a person had set back to pending meanwhile: they stay so. Qualified are those that had qualified meanwhile: should
	// somebody set them back, they stay so too. UnderWay are those about whom a request was under way, or an order to set them back: it is still.
	Since     bool
	Lost      uint64
	SetBack   []int64
	Qualified []int64
	UnderWay  []int64
}

// Restore puts a backup in the place of the store at path, which nobody may have open. The backup is checked first, and stays as it is; the store
// that it replaces is kept beside it. Until the end, and when anything goes wrong, path has what it had before.
func Restore(path, backup string, now time.Time, progress Progress) (done Restored, err error) {
	current, err := Open(path) // as long as it is open nobody else has it
	if err == nil {
		defer current.Close()
	} else if pathError := (*fs.PathError)(nil); errors.Is(err, ErrLocked) || errors.As(err, &pathError) {
		return done, err
	}
	temp, err := fill(path, func(w io.Writer) error { return copyFile(w, backup) })
	if err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	defer os.Remove(temp)
	done.Report, err = CheckFile(temp, progress)
	if err == nil && len(done.Problems) > 0 {
		err = errors.New(done.summary())
	}
	if err != nil {
		return done, fmt.Errorf("the backup %s is not restored: %w", backup, err)
	}
	if current != nil {
		if err := done.carryOver(current, temp, now); err != nil {
			return done, fmt.Errorf("restore: %w", err)
		}
	}
	if err := ownLike(temp, path); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if done.Replaced, err = setAside(path, now); err != nil {
		return done, fmt.Errorf("restore: keep the store that is there: %w", err)
	}
	if err := name(temp, path, done.Replaced != ""); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	return done, nil
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// setAside gives the file at path a second name, by the time; "" where there is no file.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".replaced-" + now.UTC().Format("20060102T150405Z")
	err := os.Link(path, aside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return aside, syncFolder(filepath.Dir(path))
}

// carryOver takes from the store that is replaced what neither service knows: that a referral was qualified, which a person may have set back since, that
// it was set back, which has to stay so, or that somebody ordered it, and that a request was sent that may have its effect yet.
// That is known only where the store goes on from the backup. A store that cannot be read tells nothing.
func (r *Restored) carryOver(current *Store, temp string, now time.Time) error {
	restored, err := Open(temp)
	if err != nil {
		return err
	}
	err = restored.Update(func(tx *Tx) error {
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		referrals, campaigns := r.toCarryOver(current, owner)
		for _, one := range referrals {
			if err := r.carry(tx, one, now); err != nil {
				return err
			}
		}
		for _, one := range campaigns {
			if err := carryBrake(tx, one); err != nil {
				return err
			}
		}
		r.Ledger, err = tx.LedgerHead()
		return err
	})
	return errors.Join(err, restored.Close())
}

// carried is a referral as the store that is replaced has it.
type carried struct {
	rules.Referral
	debt *Debt // an order to set it back, or what was sent; nil where there is neither
}

// toCarryOver lists who is qualified or set back to pending, or about whom something is under way, and the campaigns, in a store that goes on from the
// backup of an owner's store. Where the ledger tells that, the account may be reached by another key since.
func (r *Restored) toCarryOver(current *Store, owner Owner) (out []carried, campaigns []Campaign) {
	err := guarded(func() error {
		return current.View(func(tx *Tx) error {
			now, err := tx.Owner()
			line, errLine := tx.LineWith(r.Ledger.Hash)
			if err := errors.Join(err, errLine); err != nil || line != r.Ledger.Length || owner.OrgID != "" && now.OrgID != owner.OrgID || line == 0 && now.Account != owner.Account {
				return err
			}
			r.Since, r.Lost = true, tx.LedgerLength()-line
			err = tx.Referrals(func(one rules.Referral) error {
				debt, owed, err := tx.Debt(one.ID)
				switch {
				case owed && (debt.Undo || !debt.SentAt.IsZero()):
					out = append(out, carried{one, &debt})
				case one.Standing == rules.Overridden, qualified(one.Standing):
					out = append(out, carried{one, nil})
				}
				return err
			})
			if err == nil {
				campaigns, err = tx.Campaigns()
			}
			return err
		})
	})
	r.Since = r.Since && err == nil
	return out, campaigns
}

// carryBrake has a campaign's brake count what qualified since the backup: otherwise it would let as many go once more.
func carryBrake(tx *Tx, later Campaign) error {
	c, err := tx.Campaign(later.ID)
	if err != nil || len(c.Brake)+len(later.Brake) == 0 {
		return err
	}
	c.Brake = later.Brake
	return tx.PutCampaign(c)
}

func qualified(s rules.Standing) bool { return s == rules.Delivered || s == rules.Elsewhere }

// carry has a referral in a restored store stay qualified or set back to pending, or what is under way about it go on.
func (r *Restored) carry(tx *Tx, later carried, now time.Time) error {
	one, found, err := tx.Referral(later.ID)
	debt, owed, errDebt := tx.Debt(later.ID)
	stands := one.Standing == later.Standing || qualified(one.Standing) && qualified(later.Standing)
	switch {
	case err != nil || errDebt != nil:
		return errors.Join(err, errDebt)
	case later.debt == nil && !owed && stands, later.debt != nil && owed && debt == *later.debt:
		return nil // as it was
	case later.Standing == rules.Delivered && one.Standing != rules.Delivered:
		later.Standing = rules.Elsewhere // that it was us is told by the replaced store only
	}
	if !found { // its records are found again when it is resumed
		one = later.Referral
		one.Links, one.Blockers, one.Settled = nil, nil, false
		r.Referrals++
	}
	one.Standing, one.Verdict, one.QualifiedOn = later.Standing, later.Verdict, later.QualifiedOn
	line := Entry{At: now.UTC(), Act: ActOverridden, Campaign: one.CampaignID, Referral: one.ID, Reason: later.Verdict.Reason,
		Note: "carried over from the store that a backup replaced"}
	settled := tx.Settle(one.ID)
	switch {
	case later.debt == nil && qualified(one.Standing):
		line.Act, line.Reason = ActElsewhere, rules.QualifiedElsewhere
		r.Qualified = append(r.Qualified, one.ID)
	case later.debt == nil:
		one.QualifiedOn = ""
		r.SetBack = append(r.SetBack, one.ID)
	default:
		line.Act, line.Outcome = ActJudged, later.Verdict.Outcome
		if later.debt.Undo {
			line.Act, line.Outcome, line.Reason = ActUnqualify, "", ""
		}
		if later.debt.By != "" {
			line.Note += ", where it was ordered by " + later.debt.By
		}
		r.UnderWay = append(r.UnderWay, one.ID)
		settled = tx.Owe(*later.debt)
	}
	err = tx.Append(line)
	one.AnsweredAt = tx.LedgerLength()
	return errors.Join(err, settled, tx.Unhold(one.ID), tx.PutReferral(one))
}
