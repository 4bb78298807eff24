package poll

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/referralfactory"
)

// sweepTries bounds how often a sweep starts over because users went away while it was paging.
const sweepTries = 3

// Sweep pages through Referral Factory's users and keeps each new or changed referral of a configured campaign. The service has no
// updated-since filter, and may ignore a filter by campaign, so a sweep reads everybody and filters itself.
func (p *Poller) Sweep(ctx context.Context) error {
	s := &sweep{Poller: p, Settings: *p.settings.Load()}
	s.rf, s.account = p.reach()
	return s.run(ctx)
}

// sweep is one sweep under way.
type sweep struct {
	*Poller
	Settings
	rf      *referralfactory.Client // with the key that it began with
	account string                  // which that leads to
}

func (s *sweep) run(ctx context.Context) error {
	if err := s.checkAccount(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var number uint64
	if err := s.update(func(tx *store.Tx) (err error) { number, err = tx.BeginSweep(); return err }); err != nil {
		return err
	}
	for range sweepTries {
		start, whole, err := s.sweepPages(ctx, number)
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if whole {
			return s.update(func(tx *store.Tx) error { return s.sweptWhole(tx, number, start) })
		}
	}
	return errors.New("sweep: users went away at Referral Factory while their pages were read, each of three times; the next sweep tries again")
}

// sweepPages reads every page once. When the number of users shrinks meanwhile, a row may have slipped onto a page already read: then the
// sweep is not whole.
func (s *sweep) sweepPages(ctx context.Context, number uint64) (start time.Time, whole bool, err error) {
	total, read := -1, 0
	var unread unreadable
	defer func() { unread.tell(s.Log) }()
	var before referralfactory.Page
	for page := 1; ; page++ {
		var begun uint64
		if err := s.view(func(tx *store.Tx) error { begun = tx.LedgerLength(); return nil }); err != nil {
			return start, false, err
		}
		got, answer, err := s.rf.Users(ctx, page)
		if err == nil {
			err = turned(before, got, page)
		}
		if err != nil {
			return start, false, err
		}
		before = got
		unread.note(got, page, s.Log)
		if page == 1 {
			start = answer.Since
		}
		if err := s.update(func(tx *store.Tx) error { return s.keep(tx, got.Users, number, answer, begun) }); err != nil {
			return start, false, err
		}
		read += len(got.Users) + len(got.Skipped)
		if read == 0 {
			if known, err := s.knowsAnybody(); err != nil || known {
				return start, false, errors.Join(err, errNobody)
			}
		}
		if read > 0 {
			s.tell("reading users of Referral Factory", read, max(got.Total, 0))
		}
		if got.Total >= 0 && got.Total < total {
			return start, false, nil
		}
		total = max(total, got.Total)
		if !got.More || len(got.Users)+len(got.Skipped) == 0 {
			return start, true, unread.err()
		}
	}
}

// unreadable counts the rows of a list that could not be read.
type unreadable struct {
	rows, users int
	first       error
}

// unreadNamed is how many rows that cannot be read are named in the log; should the service write something otherwise one day, it is all of them.
const unreadNamed = 5

func (u *unreadable) note(got referralfactory.Page, page int, log zerolog.Logger) {
	for _, skipped := range got.Skipped {
		if u.rows++; u.rows == 1 {
			u.first = skipped
		}
		if u.rows <= unreadNamed {
			log.Warn().Err(skipped).Int(logged.PageNumber, page).Msg("a user of Referral Factory cannot be read and is left out")
		}
	}
	u.users += len(got.Users)
}

// tell says how many there were, where not all of them are named.
func (u *unreadable) tell(log zerolog.Logger) {
	if u.rows > unreadNamed {
		log.Warn().Int(logged.Unread, u.rows).Msg("more users of Referral Factory cannot be read and are left out")
	}
}

// err: a list of which nobody can be read has not shown that anybody is not there. Who is would be a newcomer later.
func (u *unreadable) err() error {
	if u.rows == 0 || u.users > 0 {
		return nil
	}
	return fmt.Errorf("none of the %d users that Referral Factory lists can be read: %w", u.rows, u.first)
}

// turned tells where a page has the rows of the one before: that would go on for ever. Users who come or go meanwhile move some rows, and not all of them.
func turned(before, got referralfactory.Page, page int) error {
	sameUser := func(a, b referralfactory.User) bool { return a.ID == b.ID }
	if len(got.Users)+len(got.Skipped) == 0 || len(got.Skipped) != len(before.Skipped) || !slices.EqualFunc(got.Users, before.Users, sameUser) {
		return nil
	}
	if len(got.Users) == 0 {
		return fmt.Errorf("page %d of the users is page %d again, or none of its rows can be read: %w", page, page-1, got.Skipped[0])
	}
	return fmt.Errorf("page %d of the users is page %d again; look for a cache or a proxy that forgets which page was asked for", page, page-1)
}

// keep stores what a page says of the campaigns' referrals. begun is the ledger's length when the page was asked for.
func (s *sweep) keep(tx *store.Tx, users []referralfactory.User, sweep uint64, answer referralfactory.Answer, begun uint64) error {
	for _, u := range users {
		if _, ours := s.campaign(u.CampaignID); !ours {
			continue
		}
		r, known, err := tx.Referral(u.ID)
		switch {
		case err != nil:
			return err
		case known:
			err = s.keepKnown(tx, r, u, answer, begun)
		case u.ReferrerID != 0:
			err = s.keepNew(tx, u, sweep, answer.Date)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) keepNew(tx *store.Tx, u referralfactory.User, sweep uint64, date time.Time) error {
	c, err := tx.Campaign(u.CampaignID)
	if err != nil {
		return err
	}
	r := rules.Referral{ID: u.ID, CampaignID: u.CampaignID, FirstSweep: sweep, Standing: rules.Pending}
	copyUser(&r, u)
	r.JoinTimes(s.Zone, date, c.Sweeps)
	r.Hear(u.QualifiedAt, nil, true)
	r.AnsweredAt = tx.LedgerLength()
	if r.Standing == rules.Pending || c.FirstSweep != 0 { // of those who are decided at the start no record is another's yet
		if err := errors.Join(tx.Join(r.ID), tx.Judge(r.ID)); err != nil {
			return err
		}
	}
	s.Log.Debug().Int64(logged.Referral, r.ID).Int64(logged.Campaign, r.CampaignID).Msg("new referral")
	return tx.PutReferral(r)
}

func (s *sweep) keepKnown(tx *store.Tx, r rules.Referral, u referralfactory.User, answer referralfactory.Answer, begun uint64) error {
	before := r
	copyUser(&r, u)
	if r.Email != before.Email || r.Code != before.Code { // a record that has the former one may be another referral's alone now
		if err := lookAnew(tx, r); err != nil {
			return err
		}
	}
	if err := Hear(tx, &r, u.QualifiedAt, answer, begun); err != nil {
		return err
	}
	if sameUser(r, before) {
		return nil
	}
	return tx.PutReferral(r)
}

func sameUser(a, b rules.Referral) bool {
	return a.FirstName == b.FirstName && a.Email == b.Email && a.Code == b.Code && a.URL == b.URL && a.Source == b.Source &&
		a.ReferrerID == b.ReferrerID && slices.Equal(a.Meta, b.Meta) && a.Standing == b.Standing && a.QualifiedOn == b.QualifiedOn &&
		a.SignedUpOn == b.SignedUpOn && a.AnsweredAt == b.AnsweredAt
}

// copyUser takes over what Referral Factory says of a person. Who was referred once stays a referral, and joined when it first did.
func copyUser(r *rules.Referral, u referralfactory.User) {
	r.FirstName, r.Email, r.Code, r.URL, r.Source = u.FirstName, u.Email, u.Code, u.URL, u.Source
	if u.ReferrerID != 0 {
		r.ReferrerID = u.ReferrerID
	}
	if r.SignedUpOn == "" {
		r.SignedUpOn = u.SignedUpAt
	}
	r.Meta = nil
	for _, m := range u.Meta {
		r.Meta = append(r.Meta, rules.Meta{Field: m.Field, Value: m.Value})
	}
}

// Hear takes note, in a transaction, of what a read of a referral showed: its standing, the outbox and the ledger change together. The
// caller stores r. begun is the ledger's length when the read was begun: one begun before the last answer about the referral shows what
// was. While a request may still have its effect that a later order took back, no read that is begun shows what will be.
func Hear(tx *store.Tx, r *rules.Referral, qualifiedOn string, answer referralfactory.Answer, begun uint64) error {
	debt, owed, err := tx.Debt(r.ID)
	if err != nil {
		return err
	}
	var due *rules.Due
	if owed {
		due = &rules.Due{Undo: debt.Undo, Sent: !debt.SentAt.IsZero() && !debt.Crossed(), By: debt.By}
	}
	fresh := begun >= r.AnsweredAt && !(debt.Crossed() && answer.Since.Before(debt.OpenUntil()))
	changed, settled := r.Hear(qualifiedOn, due, fresh)
	switch {
	case settled:
		err = tx.Settle(r.ID)
	case fresh && debt.Crossed():
		debt.SentAt = time.Time{} // the request that was taken back is over
		err = tx.Owe(debt)
	}
	if err != nil || !changed {
		return err
	}
	acts := map[rules.Standing]store.Act{
		rules.Delivered: store.ActDelivered, rules.Elsewhere: store.ActElsewhere, rules.Overridden: store.ActOverridden,
		rules.Owed: store.ActOverridden, // it was set back before the order to qualify it after all
	}
	err = tx.Append(store.Entry{At: answer.Date, Act: acts[r.Standing], Campaign: r.CampaignID, Referral: r.ID, Reason: r.Verdict.Reason})
	r.AnsweredAt = tx.LedgerLength()
	return errors.Join(err, tx.Unhold(r.ID))
}

// sweptWhole remembers that a sweep showed everybody.
func (s *sweep) sweptWhole(tx *store.Tx, number uint64, start time.Time) error {
	for _, configured := range s.Campaigns {
		c, err := tx.Campaign(configured.ID)
		if err != nil {
			return err
		}
		if c.FirstSweep == 0 {
			c.FirstSweep = number
		}
		c.Sweeps = recent(append(c.Sweeps, start))
		if err := tx.PutCampaign(c); err != nil {
			return err
		}
	}
	return nil
}

// Waiting tells whether referrals wait to be joined or judged, as after a sweep that showed somebody new.
func (p *Poller) Waiting() (waiting bool, err error) {
	err = p.view(func(tx *store.Tx) error {
		waiting = len(tx.ToJoin()) > 0 || len(tx.ToJudge(-1, 1)) > 0
		return nil
	})
	return waiting, err
}

// recent keeps the sweeps of the last hour and the newest one before it: all that can ever tell that a referral was not there yet. The hour ends with the
// earlier one of the last two: a single sweep that was told a time far from the true one makes none of the others old.
func recent(sweeps []time.Time) []time.Time {
	end := sweeps[len(sweeps)-1]
	if n := len(sweeps); n > 1 && sweeps[n-2].Before(end) {
		end = sweeps[n-2]
	}
	var before time.Time
	for _, t := range sweeps {
		if end.Sub(t) >= time.Hour && t.After(before) {
			before = t
		}
	}
	return slices.DeleteFunc(slices.Clone(sweeps), func(t time.Time) bool { return t.Before(before) })
}

// checkAccount makes sure, whenever the base URL or the key changed, that they still lead to the account the store belongs to. Referral
// Factory has no call that names the account, so among its users there has to be a referral that is known already, with its code. Who was known first may
// have been deleted there since.
func (s *sweep) checkAccount(ctx context.Context) error {
	known, err := s.accountKnown(s.account)
	if err != nil || known {
		return err
	}
	if err := s.findKnown(ctx); err != nil {
		return err
	}
	return s.update(func(tx *store.Tx) error {
		owner, err := tx.Owner()
		if err != nil {
			return err
		}
		owner.AccountKey = make([]byte, 16)
		if _, err := rand.Read(owner.AccountKey); err != nil {
			return err
		}
		owner.Account = fingerprint(s.account, owner.AccountKey)
		return tx.SetOwner(owner)
	})
}

// findKnown pages through the users until one of them is known. Where none is, and the store knows anybody, it is another account.
func (s *sweep) findKnown(ctx context.Context) error {
	if known, err := s.knowsAnybody(); err != nil || !known {
		return err
	}
	var unread unreadable
	var before referralfactory.Page
	for page := 1; ; page++ {
		got, _, err := s.rf.Users(ctx, page)
		if err == nil {
			err = turned(before, got, page)
		}
		if err != nil {
			return fmt.Errorf("is it the same Referral Factory account: %w", err)
		}
		before = got
		unread.note(got, page, zerolog.Nop())
		known := false
		err = s.view(func(tx *store.Tx) error {
			for _, u := range got.Users {
				r, found, err := tx.Referral(u.ID)
				if err != nil {
					return err
				}
				known = known || found && u.Code == r.Code && u.CampaignID == r.CampaignID
			}
			return nil
		})
		if err != nil || known {
			return err
		}
		if !got.More || len(got.Users)+len(got.Skipped) == 0 {
			if err := unread.err(); err != nil {
				return fmt.Errorf("is it the same Referral Factory account: %w", err)
			}
			return fmt.Errorf("%w: none of the known referrals is among its users; use the key of the account this store was made with, or another store.path",
				ErrOtherAccount)
		}
	}
}

// errNobody is no whole sweep: a service that shows nobody at all, where somebody is known, has come back without its data, say. Who was there already would be
// a newcomer after it.
var errNobody = errors.New("Referral Factory shows no users at all, and did before; nobody is taken for new until it shows them again: look whether they are there")

// knowsAnybody tells whether any referral is known.
func (s *sweep) knowsAnybody() (bool, error) {
	somebody := errors.New("somebody")
	err := s.view(func(tx *store.Tx) error { return tx.Outlines(func(store.Outline) error { return somebody }) })
	if errors.Is(err, somebody) {
		return true, nil
	}
	return false, err
}

// SetKey has Referral Factory called with another key, by which an account is reached. A sweep that is under way ends with the one that it began with.
func (p *Poller) SetKey(account, key string) error {
	p.keys.Lock()
	defer p.keys.Unlock()
	before := p.account.Swap(&account) // first: who asks between the two whether the account is known is not told so of the new key
	if err := p.ReferralFactory.SetAPIKey(key); err != nil {
		p.account.Store(before)
		return err
	}
	return nil
}

// reach is how Referral Factory is called now, and the account that this leads to.
func (p *Poller) reach() (*referralfactory.Client, string) {
	p.keys.Lock()
	defer p.keys.Unlock()
	return p.ReferralFactory.Steady(), *p.account.Load()
}

// AccountKnown tells whether what leads to Referral Factory now is known to lead to the store's account. A sweep finds out.
func (p *Poller) AccountKnown() (bool, error) { return p.accountKnown(*p.account.Load()) }

func (p *Poller) accountKnown(account string) (bool, error) {
	var owner store.Owner
	err := p.view(func(tx *store.Tx) (err error) { owner, err = tx.Owner(); return err })
	return owner.Account != "" && owner.Account == fingerprint(account, owner.AccountKey), err
}

func fingerprint(account string, salt []byte) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(account))
	return hex.EncodeToString(mac.Sum(nil))
}
