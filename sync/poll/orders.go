package poll

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// Order is an operator's act on referrals: who ordered it, why, and when by this machine's clock.
type Order struct {
	Who, Why string
	At       time.Time
}

// ErrEmail is returned for an order whose reason holds an e-mail address.
var ErrEmail = errors.New("the reason holds an e-mail address, and the ledger, where it would stay for ever, keeps none; name people by a referral's id or code")

var (
	emailAddress = regexp.MustCompile(`[^\s@]@[^\s@]`)
	// domain is what some directories append to their users' names.
	domain = regexp.MustCompile(`@[^\s()]*`)
)

func (o Order) who() string { return domain.ReplaceAllString(o.Who, "") }

// by is who ordered it, and why.
func (o Order) by() string {
	if o.Why == "" {
		return o.who()
	}
	return o.who() + ": " + o.Why
}

// note writes the order into the ledger; record is the record it is about, if any. Every order comes through here, so none that names somebody by
// e-mail is carried out.
func (o Order) note(tx *store.Tx, r rules.Referral, act store.Act, record string) error {
	if emailAddress.MatchString(o.Why) {
		return ErrEmail
	}
	return tx.Append(store.Entry{At: o.At, Act: act, Campaign: r.CampaignID, Referral: r.ID, Record: record, Who: o.who(), Note: o.Why})
}

// Find finds the referrals that a person means: by id, code, record Id or e-mail, in that order. "id:" and "code:" say which.
func Find(tx *store.Tx, text string) ([]rules.Referral, error) {
	var ids []int64
	number, isNumber := strings.CutPrefix(text, "id:")
	code, isCode := strings.CutPrefix(text, "code:")
	byID := func(s string) bool {
		id, err := strconv.ParseInt(s, 10, 64)
		if err == nil {
			ids = []int64{id}
		}
		return err == nil
	}
	switch {
	case isNumber:
		byID(number)
	case isCode:
		ids = []int64{tx.ReferralByCode(code)}
	default:
		if byID(text) {
			if r, found, err := tx.Referral(ids[0]); err != nil || found {
				return []rules.Referral{r}, err
			}
		}
		ids = []int64{tx.ReferralByCode(text)}
		if ids[0] == 0 {
			ids = tx.ReferralsByRecord(rules.ID18(text))
		}
		if len(ids) == 0 {
			ids = tx.ReferralsByEmail(text)
		}
	}
	var out []rules.Referral
	for _, id := range ids {
		r, found, err := tx.Referral(id)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, r)
		}
	}
	return out, nil
}

// FindOne finds the one referral that a person means.
func FindOne(tx *store.Tx, text string) (rules.Referral, error) {
	found, err := Find(tx, text)
	switch {
	case err != nil:
		return rules.Referral{}, err
	case len(found) == 0:
		return rules.Referral{}, fmt.Errorf("no referral of a configured campaign has the id, code, record or e-mail %q", text)
	case len(found) > 1:
		var ids []string
		for _, r := range found {
			ids = append(ids, fmt.Sprintf("id:%d (campaign %d)", r.ID, r.CampaignID))
		}
		return rules.Referral{}, fmt.Errorf("%q means several referrals; say which: %s", text, strings.Join(ids, ", "))
	}
	return found[0], nil
}

// Resume lets a referral that a person set back to pending be judged again. What its records became meanwhile was not followed, so they are read.
func Resume(tx *store.Tx, r rules.Referral, o Order) error {
	if r.Standing != rules.Overridden {
		return fmt.Errorf("referral %d is %s, not overridden: there is nothing to resume", r.ID, r.Standing)
	}
	r.Standing, r.Verdict = rules.Pending, rules.Verdict{}
	return errors.Join(tx.PutReferral(r), lookAnew(tx, r), o.note(tx, r, store.ActResumed, ""))
}

// lookAnew has the next pass look a referral up, read its records, and judge it.
func lookAnew(tx *store.Tx, r rules.Referral) error {
	err := errors.Join(tx.Join(r.ID), tx.Judge(r.ID))
	for _, l := range r.Links {
		err = errors.Join(err, tx.Read(l.RecordID, l.Object, nil))
	}
	return err
}

// Release lets the qualifications go that a campaign's brake holds, and starts its window anew. It returns how many there were.
func Release(tx *store.Tx, campaign int64, o Order) (int, error) {
	held, err := tx.Held()
	if err != nil {
		return 0, err
	}
	released := 0
	for _, id := range held[rules.HeldByBrake] {
		r, _, err := tx.Referral(id)
		if err != nil {
			return released, err
		}
		if r.CampaignID != campaign || r.Standing != rules.Pending {
			continue
		}
		r.Standing = rules.Owed
		r.Verdict.Outcome, r.Verdict.Reason = rules.Qualified, rules.QualifiedByRule
		err = errors.Join(
			tx.PutReferral(r), tx.Unhold(id), o.note(tx, r, store.ActReleased, ""),
			tx.Owe(store.Debt{Referral: id, Campaign: campaign, Since: r.Verdict.At}))
		if err != nil {
			return released, err
		}
		released++
	}
	c, err := tx.Campaign(campaign)
	if err != nil {
		return released, err
	}
	c.Brake = nil
	err = tx.PutCampaign(c)
	if released == 0 { // the window is begun anew all the same
		err = errors.Join(err, o.note(tx, rules.Referral{CampaignID: campaign}, store.ActReleased, ""))
	}
	return released, err
}

// OfEarlierRule tells whether a verdict was given by a rule that its campaign, as it is configured now, has no more. known is what the store
// remembers of the campaign.
func OfEarlierRule(v rules.Verdict, known store.Campaign, now rules.Campaign) bool {
	return known.Fingerprint != now.Fingerprint() || v.At.Before(known.RuleSince)
}

// HeldOfEarlierRule counts the qualifications that a campaign's brake holds by a rule that the campaign has no more: a release lets them go all the same,
// and whoever orders it is to know.
func HeldOfEarlierRule(tx *store.Tx, now rules.Campaign) (n int, err error) {
	known, err := tx.Campaign(now.ID)
	if err != nil {
		return 0, err
	}
	held, err := tx.Held()
	for _, id := range held[rules.HeldByBrake] {
		r, _, errOne := tx.Referral(id)
		if err = errors.Join(err, errOne); r.CampaignID == now.ID && braked(r) && OfEarlierRule(r.Verdict, known, now) {
			n++
		}
	}
	return n, err
}

// Rejudge has a pending referral joined and judged anew by what holds now: a block or a refusal of Salesforce's is forgotten, and comes back
// only if its cause is there still. So is a refusal of Referral Factory's: the referral is pending again.
func Rejudge(tx *store.Tx, r rules.Referral, o Order) error {
	if r.Standing != rules.Pending && r.Standing != rules.Rejected {
		return fmt.Errorf("referral %d is %s; only a pending one can be judged again", r.ID, r.Standing)
	}
	r.Standing = rules.Pending
	if len(r.Blockers) > 0 || r.Refused != "" {
		r.Settled = false
	}
	r.Blockers, r.Refused, r.Verdict = nil, "", rules.Verdict{}
	return errors.Join(tx.Unhold(r.ID), tx.PutReferral(r), lookAnew(tx, r), o.note(tx, r, store.ActRejudged, ""))
}

// CheckJoin tells what would come of AskJoin: why it makes no sense, or by which record the referral stays blocked, so that nothing is made for it.
func CheckJoin(r rules.Referral) (blocker *rules.Blocker, err error) {
	if r.Standing != rules.Pending {
		return nil, fmt.Errorf("referral %d is %s; nothing is created for it", r.ID, r.Standing)
	}
	if len(r.Blockers) > 0 {
		return &r.Blockers[0], nil
	}
	return nil, nil
}

// AskJoin has a referral for which nothing was made joined like one that comes later: created or marked as its campaign says now. It may have been there
// from the start, or have joined while the campaign made nothing. A block stays.
func AskJoin(tx *store.Tx, r rules.Referral, o Order) error {
	blocker, err := CheckJoin(r)
	if err != nil {
		return err
	}
	r.JoinAsked, r.Settled = true, blocker != nil
	return errors.Join(tx.PutReferral(r), tx.Join(r.ID), o.note(tx, r, store.ActJoinAsked, ""))
}
