package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"qualifyd/rules"
)

// How a referral and a snapshot are written down. There are as many of them as there are referrals, and a busy pass does little else than read and
// write them, so they are not JSON: a typical pair takes 455 bytes in place of 1,875, and is read and written in a tenth of the time
// (CBOR with numbered fields and times: a snapshot in twice the bytes and more than twice the time of this).
//
// A value begins with the schema that it is written in (a byte; values of schema 1 are JSON, which begins with a brace). Its parts follow in the order
// in which layOutReferral and layOutSnapshot name them, without names of their own:
//
//	number  varint, zigzag where it can be negative
//	text    twice its length, and its bytes; or, where the value has the same text already, twice that one's place among its texts, plus 1
//	word    of a known list, its place in it, from 1; any other, 0 and a text
//	time    0 for none; 1 for that of the time before; otherwise how many seconds later than that it is, see coder.time
//	list    0 for none, otherwise its length plus 1, and its elements
//	map     a list of its keys, in order, each followed by its value
//	flags   a byte, the first of them in the lowest bit
//
// So one value is always written as the same bytes. Whoever adds a part raises Schema, and has the part only read and written where coder.schema
// says so; a list of words only grows at its end.

// Lists of words, by whose places they are written.
var (
	objectWords   = []rules.Object{rules.Lead, rules.Contact, rules.Opportunity}
	standingWords = []rules.Standing{rules.Pending, rules.Owed, rules.Delivered, rules.Elsewhere, rules.Overridden, rules.Rejected}
	outcomeWords  = []rules.Outcome{rules.Not, rules.Held, rules.Qualified}
	kindWords     = []rules.Kind{rules.ByCode, rules.ByEmail, rules.Pinned, rules.Created, rules.Marked, rules.Conversion, rules.Merge}
	proofWords    = []rules.Proof{rules.ByHistory, rules.BySnapshot, rules.ByCreation, rules.ByDate}
	reasonWords   = []rules.Reason{
		rules.ValueNotReached, rules.NoRecord, rules.NotConverted, rules.StageNotReached, rules.QualifiedByRule, rules.ValuePredates, rules.ExistingRecord,
		rules.QualifiedElsewhere, rules.OverriddenByHand, rules.RejectedByService, rules.NoRule, rules.ValueUnknown, rules.NotEffectiveYet, rules.InSandbox,
		rules.HeldByBrake, rules.ValueRewritten, rules.FieldUnreadable, rules.Ambiguous, rules.WithoutOpportunity, rules.RecordDeleted, rules.JoinRefused,
		rules.NotInCampaign, rules.QualifiedByOperator,
	}
)

func (c *coder) layOutReferral(r *rules.Referral) {
	outlined := c.schema >= 3
	if outlined {
		c.outline(r)
	} else {
		c.integer(&r.ID)
		c.integer(&r.CampaignID)
	}
	c.text(&r.FirstName)
	c.text(&r.Email)
	c.text(&r.Code)
	c.text(&r.URL)
	c.text(&r.Source)
	list(c, &r.Meta, (*coder).meta)
	c.integer(&r.ReferrerID)
	c.text(&r.SignedUpOn)
	c.text(&r.QualifiedOn)
	c.time(&r.Joined)
	c.time(&r.DayEnds)
	c.time(&r.Lacked)
	c.number(&r.FirstSweep)
	if !outlined {
		word(c, &r.Standing, standingWords)
		list(c, &r.Links, (*coder).link)
	}
	c.verdict(&r.Verdict)
	if !outlined {
		list(c, &r.Blockers, (*coder).blocker)
	}
	c.text(&r.Refused)
	c.flags(&r.Settled, &r.JoinAsked)
	c.number(&r.AnsweredAt)
}

// outline is what an [Outline] has. It stands first, so that nothing else need be read for it.
func (c *coder) outline(r *rules.Referral) {
	c.integer(&r.ID)
	c.integer(&r.CampaignID)
	word(c, &r.Standing, standingWords)
	list(c, &r.Blockers, (*coder).blocker)
	list(c, &r.Links, (*coder).link)
}

func (c *coder) meta(m *rules.Meta) {
	c.text(&m.Field)
	c.text(&m.Value)
}

func (c *coder) link(l *rules.Link) {
	word(c, &l.Object, objectWords)
	c.text(&l.RecordID)
	list(c, (*[]rules.Kind)(&l.Kinds), (*coder).kind)
	c.time(&l.Since)
	c.flags(&l.Ambiguous)
}

func (c *coder) kind(k *rules.Kind) { word(c, k, kindWords) }

func (c *coder) verdict(v *rules.Verdict) {
	word(c, &v.Outcome, outcomeWords)
	word(c, &v.Reason, reasonWords)
	c.text(&v.Sentence)
	list(c, &v.Evidence, (*coder).transition)
	c.time(&v.At)
}

func (c *coder) transition(t *rules.Transition) {
	word(c, &t.Object, objectWords)
	c.text(&t.RecordID)
	c.text(&t.Field)
	c.text(&t.From)
	c.text(&t.To)
	c.time(&t.At)
	word(c, &t.Proof, proofWords)
	c.text(&t.RowID)
}

func (c *coder) blocker(b *rules.Blocker) {
	word(c, &b.Object, objectWords)
	c.text(&b.ID)
	c.time(&b.Created)
}

func (c *coder) layOutSnapshot(s *rules.Snapshot) {
	word(c, &s.Object, objectWords)
	c.text(&s.ID)
	c.time(&s.Created)
	c.time(&s.Modified)
	c.time(&s.Modstamp)
	c.time(&s.SeenAt)
	c.flags(&s.Deleted, &s.Absent)
	c.text(&s.MasterID)
	c.text(&s.ConvertedOn)
	c.text(&s.ContactID)
	c.text(&s.OpportunityID)
	table(c, &s.Fields, (*coder).text)
	table(c, &s.Values, (*coder).value)
	list(c, &s.Changes, (*coder).change)
	list(c, &s.History, (*coder).historyRow)
	list(c, &s.Stages, (*coder).stageRow)
	list(c, &s.Wrote, (*coder).wrote)
	c.time(&s.ConvertedBy)
}

func (c *coder) value(v *rules.Value) {
	c.text(&v.Text)
	c.time(&v.At)
	c.text(&v.First)
	c.flags(&v.Ours)
	if c.schema >= 3 {
		c.time(&v.Modified)
		c.time(&v.Modstamp)
	}
}

func (c *coder) change(h *rules.Change) {
	c.text(&h.Field)
	c.text(&h.From)
	c.text(&h.To)
	c.time(&h.At)
	c.time(&h.Before)
	c.time(&h.SeenAt)
	c.flags(&h.Unmoved)
}

func (c *coder) historyRow(h *rules.HistoryRow) {
	c.text(&h.ID)
	c.text(&h.Field)
	c.text(&h.Old)
	c.text(&h.New)
	c.time(&h.At)
}

func (c *coder) stageRow(r *rules.StageRow) {
	c.text(&r.ID)
	c.text(&r.Stage)
	c.time(&r.At)
}

func (c *coder) wrote(w *rules.Written) {
	c.text(&w.Field)
	c.text(&w.Value)
	c.time(&w.From)
	c.time(&w.To)
}

// coder reads a value, or writes one: what names its parts is the same for both.
type coder struct {
	reading bool
	schema  byte   // of the value
	raw     []byte // the whole value that is read
	copy    string // of it: its texts are parts of this; "" where few of them are read
	at      int    // how much of it was read
	written []byte
	texts   []string  // that the value has so far
	keys    []string  // of a map that is written
	before  time.Time // the time before
	err     error
}

// firstCompact is the first schema whose values are not JSON.
const firstCompact = 2

// write begins to write a value.
func (c *coder) write() {
	*c = coder{schema: Schema, written: append(c.written[:0], Schema), texts: c.texts[:0], keys: c.keys, before: time.Unix(0, 0)}
}

// read begins to read a value.
func (c *coder) read(raw []byte) {
	*c = coder{reading: true, written: c.written, texts: c.texts[:0], keys: c.keys, before: time.Unix(0, 0)}
	if len(raw) == 0 || raw[0] < firstCompact || raw[0] > Schema {
		c.err = errors.New("it begins like no value")
		return
	}
	c.schema, c.raw, c.at = raw[0], raw, 1
}

var errBroken = errors.New("it breaks off, or makes no sense")

// broken has nothing more be read.
func (c *coder) broken() {
	c.at = len(c.raw)
	if c.err == nil {
		c.err = errBroken
	}
}

// end tells what was wrong with a value that was read or written.
func (c *coder) end() error {
	if c.reading && c.err == nil && c.at < len(c.raw) {
		c.broken()
	}
	return c.err
}

func (c *coder) number(n *uint64) {
	if !c.reading {
		c.written = binary.AppendUvarint(c.written, *n)
		return
	}
	read, size := binary.Uvarint(c.raw[c.at:])
	if size <= 0 {
		c.broken()
		return
	}
	*n = read
	c.at += size
}

func (c *coder) integer(n *int64) {
	zigzag := uint64(*n)<<1 ^ uint64(*n>>63)
	c.number(&zigzag)
	*n = int64(zigzag>>1) ^ -int64(zigzag&1)
}

func (c *coder) flags(all ...*bool) {
	var bits uint64
	for i, flag := range all {
		if *flag {
			bits |= 1 << i
		}
	}
	c.number(&bits)
	for i, flag := range all {
		*flag = bits>>i&1 == 1
	}
}

func (c *coder) text(s *string) {
	if !c.reading {
		if place := slices.Index(c.texts, *s); place >= 0 {
			c.written = binary.AppendUvarint(c.written, uint64(place)<<1|1)
			return
		}
		c.written = append(binary.AppendUvarint(c.written, uint64(len(*s))<<1), *s...)
		c.occurred(*s)
		return
	}
	var n uint64
	c.number(&n)
	switch again := n&1 == 1; {
	case again && n>>1 < uint64(len(c.texts)):
		*s = c.texts[n>>1]
	case again || n>>1 > uint64(len(c.raw)-c.at):
		c.broken()
	default:
		if c.copy == "" {
			*s = string(c.raw[c.at:][:n>>1])
		} else {
			*s = c.copy[c.at:][:n>>1]
		}
		c.at += len(*s)
		c.occurred(*s)
	}
}

// occurred notes a text of the value, for those that are the same.
func (c *coder) occurred(s string) {
	if s != "" {
		c.texts = append(c.texts, s)
	}
}

func word[T ~string](c *coder, w *T, words []T) {
	place := uint64(0)
	if !c.reading {
		place = uint64(slices.Index(words, *w) + 1)
	}
	c.number(&place)
	switch {
	case place == 0:
		text := string(*w)
		c.text(&text)
		*w = T(text)
	case place <= uint64(len(words)):
		*w = words[place-1]
	default:
		c.broken()
	}
}

// time is told by the seconds since the time before, the first since 1970: their zigzag doubled, plus 2, and 1 more where the nanoseconds follow.
func (c *coder) time(t *time.Time) {
	if !c.reading {
		c.writeTime(*t)
		return
	}
	var n, nanoseconds uint64
	c.number(&n)
	switch {
	case n == 0:
		*t = time.Time{}
		return
	case n == 1:
		*t = c.before.UTC()
		return
	case n&1 == 1:
		c.number(&nanoseconds)
	}
	n = (n - 2) >> 1
	*t = time.Unix(c.before.Unix()+(int64(n>>1)^-int64(n&1)), int64(nanoseconds)).UTC()
	c.before = *t
}

// Times of four-digit years can be written, as in JSON.
var leastTime, mostTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

func (c *coder) writeTime(t time.Time) {
	switch seconds, nanoseconds := t.Unix()-c.before.Unix(), t.Nanosecond(); {
	case t.IsZero():
		c.written = append(c.written, 0)
		return
	case t.Unix() < leastTime || t.Unix() > mostTime:
		c.err = fmt.Errorf("the year %d cannot be written", t.Year())
		return
	case seconds == 0 && nanoseconds == c.before.Nanosecond():
		c.written = append(c.written, 1)
	default:
		n := 2 + (uint64(seconds)<<1^uint64(seconds>>63))<<1
		if nanoseconds == 0 {
			c.written = binary.AppendUvarint(c.written, n)
		} else {
			c.written = binary.AppendUvarint(binary.AppendUvarint(c.written, n|1), uint64(nanoseconds))
		}
	}
	c.before = t
}

// length tells how long a list is; -1 for none.
func (c *coder) length(n int) int {
	written := uint64(n + 1)
	c.number(&written)
	if c.reading && written > uint64(len(c.raw)-c.at+1) { // an element has a byte at least
		c.broken()
		return -1
	}
	return int(written) - 1
}

func list[T any](c *coder, l *[]T, part func(*coder, *T)) {
	n := -1
	if !c.reading && *l != nil {
		n = len(*l)
	}
	if n = c.length(n); n < 0 {
		return
	}
	if c.reading {
		*l = make([]T, n)
	}
	for i := range *l {
		part(c, &(*l)[i])
	}
}

func table[T any](c *coder, m *map[string]T, part func(*coder, *T)) {
	n := -1
	if !c.reading && *m != nil {
		n = len(*m)
	}
	if n = c.length(n); n < 0 {
		return
	}
	if !c.reading {
		var value T
		c.keys = slices.AppendSeq(c.keys[:0], maps.Keys(*m))
		slices.Sort(c.keys)
		for _, key := range c.keys {
			value = (*m)[key]
			c.text(&key)
			part(c, &value)
		}
		return
	}
	*m = make(map[string]T, n)
	var key string
	var value, none T
	for range n {
		value = none
		c.text(&key)
		part(c, &value)
		(*m)[key] = value
	}
}

// ofSchema1 tells whether a value was written by a version that wrote JSON.
func ofSchema1(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

func (c *coder) readReferral(raw []byte) (r rules.Referral, err error) {
	if ofSchema1(raw) {
		return fromJSON[rules.Referral](raw)
	}
	c.read(raw)
	c.copy = string(raw)
	c.layOutReferral(&r)
	return r, c.end()
}

func (c *coder) readOutline(raw []byte) (Outline, error) {
	var r rules.Referral
	var err error
	if c.read(raw); c.schema >= 3 {
		c.outline(&r)
		err = c.err
	} else {
		r, err = c.readReferral(raw)
	}
	return Outline{r.ID, r.CampaignID, r.Standing, len(r.Blockers) > 0, r.Links}, err
}

func (c *coder) readSnapshot(raw []byte) (s rules.Snapshot, err error) {
	if ofSchema1(raw) {
		return fromJSON[rules.Snapshot](raw)
	}
	c.read(raw)
	c.copy = string(raw)
	c.layOutSnapshot(&s)
	return s, c.end()
}

func fromJSON[T any](raw []byte) (value T, err error) {
	err = json.Unmarshal(raw, &value)
	return value, err
}

// writeReferral returns bytes that the next value written takes the place of; so does writeSnapshot.
func (c *coder) writeReferral(r *rules.Referral) ([]byte, error) {
	c.write()
	c.layOutReferral(r)
	return c.written, c.end()
}

func (c *coder) writeSnapshot(s *rules.Snapshot) ([]byte, error) {
	c.write()
	c.layOutSnapshot(s)
	return c.written, c.end()
}
