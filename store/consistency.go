package store

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"qualifyd/rules"
)

// consistency looks whether what is stored agrees: whatever can be found in two ways, and whatever was written together.
type consistency struct {
	tx *Tx
	*problems
	report   *Report
	progress Progress

	coder                coder
	codes, emails, links int // by which referrals were found
}

func (c *consistency) check() {
	for _, name := range buckets {
		if c.tx.bolt.Bucket(name) == nil {
			c.add("the part %s is missing", name)
			return
		}
	}
	c.values()
	c.referrals()
	c.waysBack()
	c.debts()
	c.marks()
	c.watermarks()
	var err error
	if c.report.Ledger, err = c.tx.VerifyLedger(c.progress); err != nil {
		c.add("%v", err)
	}
}

// values looks whether everything that no other check reads can be read.
func (c *consistency) values() {
	each[Intent](c, intentBucket, func([]byte, Intent) {})
	each[Reading](c, toReadBucket, func([]byte, Reading) {})
	each[json.RawMessage](c, describeBucket, func([]byte, json.RawMessage) {})
	each[int](c, callsBucket, func([]byte, int) {})
	each[Run](c, runBucket, func([]byte, Run) {})
	each[Campaign](c, campaignBucket, func(key []byte, one Campaign) {
		if len(key) != 8 || keyID(key) != one.ID {
			c.add("campaign %d is filed under another", one.ID)
		}
	})
	if _, err := c.tx.Owner(); err != nil {
		c.add("%v", err)
	}
	if _, _, err := get[uint64](c.tx, metaBucket, sweepsKey); err != nil {
		c.add("%v", err)
	}
}

// each reads all values of a bucket that are JSON, and tells of those that cannot be read.
func each[T any](c *consistency, bucket []byte, fn func(key []byte, value T)) {
	eachBy(c, bucket, fromJSON[T], fn)
}

func eachBy[T any](c *consistency, bucket []byte, read func(raw []byte) (T, error), fn func(key []byte, value T)) {
	cursor := c.tx.bolt.Bucket(bucket).Cursor()
	for k, raw := cursor.First(); k != nil; k, raw = cursor.Next() {
		value, err := read(raw)
		if err != nil {
			c.add("%s %s cannot be read: %v", bucket, shown(k), err)
			continue
		}
		fn(k, value)
	}
}

// shown is a key for people: an id, or a text.
func shown(key []byte) string {
	if len(key) == 8 && key[0] == 0 {
		return strconv.FormatInt(keyID(key), 10)
	}
	return strconv.Quote(string(key))
}

// referrals looks whether each referral is found by its code, e-mail and records, and whether what is owed about it agrees with where it stands.
func (c *consistency) referrals() {
	told, total := c.progress.of("checking the referrals"), count(c.tx, referralBucket)
	eachBy(c, referralBucket, c.coder.readReferral, func(key []byte, r rules.Referral) {
		if c.report.Referrals++; c.report.Referrals%1000 == 0 {
			told(c.report.Referrals, total)
		}
		if len(key) != 8 || keyID(key) != r.ID {
			c.add("referral %d is filed under another", r.ID)
			return
		}
		if !slices.Contains(rules.Standings(), r.Standing) {
			c.add("referral %d stands where none can: %q", r.ID, r.Standing)
		}
		c.ways(r)
		c.promises(r)
	})
	told(total, total)
}

func (c *consistency) ways(r rules.Referral) {
	if r.Code != "" && len(r.Code) < longestKey {
		switch id := c.tx.ReferralByCode(r.Code); id {
		case r.ID:
			c.codes++
		default: // two can have one code for a moment, while they swap theirs
			other, found, err := c.tx.Referral(id)
			if err == nil && (!found || other.Code != r.Code) {
				c.add("referral %d is not found by its code", r.ID)
			}
		}
	}
	for _, folded := range email(r) {
		if c.emails++; c.tx.value(emailBucket, pairKey(folded, r.ID)) == nil {
			c.add("referral %d is not found by its e-mail address", r.ID)
		}
	}
	for _, id := range linked(r) {
		if c.links++; c.tx.value(linkBucket, pairKey(id, r.ID)) == nil {
			c.add("referral %d is not found by its record %s", r.ID, id)
		}
	}
}

// promises looks whether what was written together with a referral's standing and verdict is there.
func (c *consistency) promises(r rules.Referral) {
	debt, owed, err := c.tx.Debt(r.ID)
	if err != nil {
		return // told of with the outbox
	}
	if r.Standing == rules.Owed && !owed {
		c.add("referral %d is to be qualified, and the outbox has nothing about it", r.ID)
	}
	if r.Standing == rules.Delivered && !c.has(r.ID, ActDelivered) {
		c.add("referral %d was qualified by us, and the ledger has no line of it", r.ID)
	}
	if owed && debt.Campaign != r.CampaignID {
		c.add("what is owed about referral %d is of campaign %d, and the referral of %d", r.ID, debt.Campaign, r.CampaignID)
	}
	if r.Standing == rules.Pending && r.Verdict.Outcome == rules.Held && c.tx.value(heldBucket, idKey(r.ID)) == nil {
		c.add("referral %d is held, and is not listed among those that wait for a person", r.ID)
	}
}

// has tells whether the ledger has a line about a referral with one of some acts.
func (c *consistency) has(referral int64, acts ...Act) bool {
	entries, err := c.tx.LedgerOf(referral)
	return err != nil || // told of with the ledger
		slices.ContainsFunc(entries, func(e Entry) bool { return slices.Contains(acts, e.Act) })
}

// waysBack looks whether whatever leads to a referral or a record does lead there.
func (c *consistency) waysBack() {
	c.back(codeBucket, c.codes, "a code", func(r rules.Referral, text string) bool { return r.Code == text })
	c.back(emailBucket, c.emails, "an e-mail address", func(r rules.Referral, text string) bool { return slices.Contains(email(r), text) })
	c.back(linkBucket, c.links, "a record", func(r rules.Referral, text string) bool { return slices.Contains(linked(r), text) })
	eachBy(c, snapshotBucket, c.coder.readSnapshot, func(key []byte, s rules.Snapshot) {
		c.report.Records++
		switch id := string(key); {
		case !c.tx.Linked(id) && len(s.Wrote) == 0:
			c.add("what was seen of record %s belongs to no referral", shown(key))
		case s.ID != id && s.ID != "": // one that we made and have not seen yet has none
			c.add("what was seen of record %s is filed under %s", strconv.Quote(s.ID), shown(key))
		}
	})
}

// back names the ways of a bucket that lead astray. Every referral was found by its own; where there are no more than these, none does.
func (c *consistency) back(bucket []byte, own int, what string, leads func(r rules.Referral, text string) bool) {
	if count(c.tx, bucket) == own {
		return
	}
	c.keys(bucket, func(k, v []byte) {
		text, id, ok := splitPair(k)
		if bytes.Equal(bucket, codeBucket) {
			if text, ok = string(k), len(v) == 8; ok {
				id = keyID(v)
			}
		}
		if !ok {
			c.add("%s has an entry that leads nowhere", bucket)
		} else if r, found, err := c.tx.Referral(id); err == nil && (!found || !leads(r, text)) {
			c.add("%s that leads to referral %d is not its own", what, id)
		}
	})
}

func (c *consistency) keys(bucket []byte, fn func(k, v []byte)) {
	cursor := c.tx.bolt.Bucket(bucket).Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		fn(k, v)
	}
}

// splitPair is the reverse of pairKey.
func splitPair(key []byte) (text string, id int64, ok bool) {
	split := len(key) - 9
	if split < 0 || key[split] != 0 {
		return "", 0, false
	}
	return string(key[:split]), keyID(key[split+1:]), true
}

// debts looks whether what is owed agrees with where the referral stands, and has a line in the ledger. sync/poll has the table of what can be owed.
func (c *consistency) debts() {
	each(c, outboxBucket, func(key []byte, d Debt) {
		c.report.Owed++
		r, found, err := c.tx.Referral(d.Referral)
		qualified := qualified(r.Standing)
		because := []Act{ActJudged, ActReleased, ActQualified, ActRetried}
		if d.Undo {
			because = []Act{ActUnqualify, ActRetried}
		}
		switch {
		case len(key) != 8 || keyID(key) != d.Referral:
			c.add("what is owed about referral %d is filed under another", d.Referral)
		case err != nil: // told of with the referrals
		case !found:
			c.add("something is owed about referral %d, which is not known", d.Referral)
		case d.Undo && !qualified && !(r.Standing == rules.Owed && d.Crossed()),
			!d.Undo && r.Standing != rules.Owed && !(qualified && d.Crossed()),
			d.Parked && !(d.Undo && qualified):
			c.add("what is owed about referral %d does not agree with where it stands (%s)", d.Referral, r.Standing)
		case !c.has(d.Referral, because...):
			c.add("something is owed about referral %d, and the ledger has no line of why", d.Referral)
		}
	})
}

// marks looks whether whoever is marked is known.
func (c *consistency) marks() {
	for _, bucket := range [][]byte{toJoinBucket, toJudgeBucket, intentBucket, heldBucket} {
		c.keys(bucket, func(k, _ []byte) {
			if len(k) != 8 {
				c.add("%s has an entry that leads nowhere", bucket)
			} else if c.tx.value(referralBucket, k) == nil {
				c.add("%s has referral %d, which is not known", bucket, keyID(k))
			}
		})
	}
	each(c, heldBucket, func(key []byte, _ rules.Reason) {
		if len(key) != 8 {
			return // told of above
		}
		if r, found, err := c.tx.Referral(keyID(key)); err == nil && found && r.Standing != rules.Pending {
			c.add("referral %d is listed among those that wait for a person, and is %s", r.ID, r.Standing)
		}
	})
}

// farAhead is how far a watermark may be ahead of the newest call to Salesforce: that is counted to the hour, and a service's clock may be off.
const farAhead = 25 * time.Hour

// watermarks looks whether any is so far in the future that nothing would be read any more.
func (c *consistency) watermarks() {
	var newest time.Time
	c.keys(callsBucket, func(k, _ []byte) {
		if hour, err := time.Parse("2006-01-02T15", string(k)); err != nil {
			c.add("calls of an hour that is none: %s", shown(k))
		} else if hour.After(newest) {
			newest = hour
		}
	})
	each(c, watermarkBucket, func(key []byte, w Watermark) {
		switch {
		case !newest.IsZero() && w.At.Sub(newest) > farAhead:
			c.add("the query %s was read up to %s, and Salesforce was last asked at %s", key, w.At.Format(time.RFC3339), newest.Format(time.RFC3339))
		case w.Resuming() && (w.ResumeID == "" || w.Bound.IsZero()):
			c.add("the query %s was left in the middle, and where is not known", key)
		}
	})
}

// quick looks at what costs little: what is owed, what is marked, and the end of the ledger.
func (c *consistency) quick() {
	c.debts()
	c.marks()
	last := c.tx.LedgerLength()
	var head Head
	for _, line := range c.tx.LedgerLines(last-min(last, quickLines), quickLines) {
		if head.Length == 0 && line.Number > 1 { // what the first of them follows is not looked at
			var e Entry
			if json.Unmarshal(line.Text, &e) == nil {
				head = Head{line.Number - 1, e.Previous}
			}
		}
		e, err := line.follows(head)
		if err != nil {
			c.add("ledger line %d: %v", line.Number, err)
			return
		}
		head = Head{line.Number, e.Hash}
	}
}

// quickLines is how many of the ledger's newest lines the quick check reads.
const quickLines = 1000
