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
	// SetBack are the referrals that a person had set back to pending meanwhile: they stay so.
	Since   bool
	Lost    uint64
	SetBack []int64
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

// carryOver takes from the store that is replaced what neither service knows: that a person set a referral back to pending, which has to stay so.
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
		for _, one := range r.setBackSince(current, owner) {
			if err := r.setBack(tx, one, now); err != nil {
				return err
			}
		}
		r.Ledger, err = tx.LedgerHead()
		return err
	})
	return errors.Join(err, restored.Close())
}

// setBackSince lists who is set back to pending in a store that goes on from the backup of an owner's store.
func (r *Restored) setBackSince(current *Store, owner Owner) (setBack []rules.Referral) {
	err := guarded(func() error {
		return current.View(func(tx *Tx) error {
			now, err := tx.Owner()
			line, errLine := tx.LineWith(r.Ledger.Hash)
			if err := errors.Join(err, errLine); err != nil || line != r.Ledger.Length || now.OrgID != owner.OrgID || now.Account != owner.Account {
				return err
			}
			r.Since, r.Lost = true, tx.LedgerLength()-line
			return tx.Referrals(func(one rules.Referral) error {
				if one.Standing == rules.Overridden {
					setBack = append(setBack, one)
				}
				return nil
			})
		})
	})
	r.Since = r.Since && err == nil
	return setBack
}

// setBack has a referral stay set back to pending in a restored store.
func (r *Restored) setBack(tx *Tx, later rules.Referral, now time.Time) error {
	one, found, err := tx.Referral(later.ID)
	if err != nil || found && one.Standing == rules.Overridden {
		return err
	}
	if !found { // its records are found again when it is resumed
		one = later
		one.Links, one.Blockers, one.Settled = nil, nil, false
		r.Referrals++
	}
	one.Standing, one.Verdict, one.QualifiedOn = rules.Overridden, later.Verdict, ""
	r.SetBack = append(r.SetBack, one.ID)
	err = tx.Append(Entry{At: now.UTC(), Act: ActOverridden, Campaign: one.CampaignID, Referral: one.ID, Reason: later.Verdict.Reason,
		Note: "carried over from the store that a backup replaced"})
	one.AnsweredAt = tx.LedgerLength()
	return errors.Join(err, tx.Settle(one.ID), tx.Unhold(one.ID), tx.PutReferral(one))
}
