package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
)

// Intent is a record that we began to create or mark in Salesforce, written down before the request: a lost answer is settled by looking,
// never by asking again.
type Intent struct {
	Object   rules.Object
	RecordID string            // of the record to mark; "" when one is created
	Fields   map[string]any    // what is written
	Values   map[string]string // the same as Salesforce will show it
	Since    time.Time         // service time just before the first request
	At       time.Time         // the same of the newest one
	Repeated bool              // a create that was asked for before, and nobody knows what became of that
	// Earlier are the Values of earlier requests of such a create, where they were others: the mapping or the person's data have changed.
	Earlier []map[string]string `json:",omitempty"`
}

// Asked is everything that may have been written, by any of the requests.
func (i Intent) Asked() []map[string]string { return append(slices.Clone(i.Earlier), i.Values) }

// Intent returns what was begun for a referral.
func (tx *Tx) Intent(id int64) (i Intent, found bool, err error) {
	return get[Intent](tx, intentBucket, idKey(id))
}

// PutIntent writes down what is about to be written for a referral.
func (tx *Tx) PutIntent(id int64, i Intent) error {
	if tx.marks != nil && i.RecordID != "" && !slices.Contains(tx.marks[i.RecordID], id) {
		tx.marks[i.RecordID] = append(tx.marks[i.RecordID], id)
	}
	return tx.put(intentBucket, idKey(id), i)
}

// Marks are the intents to mark a record.
func (tx *Tx) Marks(recordID string) (marks []Intent, err error) {
	if tx.marks == nil {
		if err := tx.findMarks(); err != nil {
			return nil, err
		}
	}
	for _, id := range tx.marks[recordID] {
		i, found, err := tx.Intent(id)
		if err != nil {
			return nil, err
		}
		if found && i.RecordID == recordID { // it may be over, or another's, since they were found
			marks = append(marks, i)
		}
	}
	return marks, nil
}

// Creates are the intents to create a record, as they were when the transaction was first asked for intents.
func (tx *Tx) Creates() ([]Intent, error) {
	if tx.marks == nil {
		if err := tx.findMarks(); err != nil {
			return nil, err
		}
	}
	return tx.creates, nil
}

// findMarks goes through all intents, once a transaction: while Salesforce answers no request to write there may be thousands, and each row of a page asks.
func (tx *Tx) findMarks() error {
	tx.marks = map[string][]int64{}
	return tx.bolt.Bucket(intentBucket).ForEach(func(key, raw []byte) error {
		var i Intent
		if err := json.Unmarshal(raw, &i); err != nil {
			return fmt.Errorf("%w: intent %d cannot be read: %w", ErrDamaged, keyID(key), err)
		}
		if i.RecordID == "" {
			tx.creates = append(tx.creates, i)
		} else {
			tx.marks[i.RecordID] = append(tx.marks[i.RecordID], keyID(key))
		}
		return nil
	})
}

// DropIntent forgets what was begun, once its outcome is known.
func (tx *Tx) DropIntent(id int64) error { return tx.unset(intentBucket, id) }

// OpenFor is how long after it was sent a request of unknown outcome may still have its effect.
const OpenFor = 2 * time.Minute

// Debt is what is owed to Referral Factory about a referral: that it be qualified, or by a person's order set back to pending. There is at most
// one a referral.
type Debt struct {
	Referral int64
	Campaign int64
	Undo     bool      // it is to be set back to pending
	Since    time.Time // service time of the verdict; of an operator's order, this machine's
	By       string    // who ordered it, and why; "" for a rule's verdict
	// SentAt is Referral Factory's time just before the newest request; zero when none was made. It is durable before the request is sent:
	// while it stands, the request may have had its effect. SentUndo is what the request was for.
	SentAt   time.Time
	SentUndo bool
	Attempts int
	Trouble  string // why the newest attempt did not settle it
	// Parked is set when Referral Factory refuses it for good. It waits for an operator, and for whatever a read shows.
	Parked bool
}

// Crossed tells whether the newest request was for the opposite: an order came while its outcome was open.
func (d Debt) Crossed() bool { return !d.SentAt.IsZero() && d.SentUndo != d.Undo }

// OpenUntil is until when, by Referral Factory's time, the newest request may still have its effect; zero where none may.
func (d Debt) OpenUntil() time.Time {
	if d.SentAt.IsZero() {
		return time.Time{}
	}
	return d.SentAt.Add(OpenFor)
}

// Owe puts a debt into the outbox, in place of the referral's earlier one.
func (tx *Tx) Owe(d Debt) error { return tx.put(outboxBucket, idKey(d.Referral), d) }

// Debt returns a referral's entry in the outbox.
func (tx *Tx) Debt(id int64) (d Debt, found bool, err error) {
	return get[Debt](tx, outboxBucket, idKey(id))
}

// Settle takes a referral's entry out of the outbox.
func (tx *Tx) Settle(id int64) error { return tx.unset(outboxBucket, id) }

// Debts lists the outbox.
func (tx *Tx) Debts() ([]Debt, error) {
	var out []Debt
	err := tx.bolt.Bucket(outboxBucket).ForEach(func(key, raw []byte) error {
		var d Debt
		if err := json.Unmarshal(raw, &d); err != nil {
			return fmt.Errorf("%w: outbox %d cannot be read: %w", ErrDamaged, keyID(key), err)
		}
		out = append(out, d)
		return nil
	})
	return out, err
}

// Act is what a ledger entry tells of.
type Act string

// The acts.
const (
	ActJudged     Act = "judged" // qualified or held, with its evidence
	ActDelivered  Act = "delivered"
	ActElsewhere  Act = "elsewhere"
	ActOverridden Act = "overridden"
	ActRejected   Act = "rejected"
	ActCreated    Act = "created"
	ActMarked     Act = "marked"
	ActBlocked    Act = "blocked"
	ActPinned     Act = "pinned"
	ActRejudged   Act = "rejudged"
	ActResumed    Act = "resumed"
	ActReleased   Act = "released"
	ActJoinAsked  Act = "join_asked"
	ActQualified  Act = "qualified_by_hand"   // ordered; ActDelivered tells that it is done
	ActUnqualify  Act = "unqualified_by_hand" // ordered; ActOverridden tells that it is done
	ActRetried    Act = "retried"             // a refused debt is owed again
	ActDropped    Act = "dropped"             // a debt is not owed any more
)

// Entry is a line of the ledger. It names people by id, never by e-mail.
type Entry struct {
	Number   uint64
	At       time.Time // service time; of an operator's act, this machine's
	Act      Act
	Campaign int64              `json:",omitempty"`
	Referral int64              `json:",omitempty"`
	Outcome  rules.Outcome      `json:",omitempty"`
	Reason   rules.Reason       `json:",omitempty"`
	Evidence []rules.Transition `json:",omitempty"`
	Record   string             `json:",omitempty"`
	Who      string             `json:",omitempty"` // for an operator's act
	Note     string             `json:",omitempty"`
	Previous string             // Hash of the entry before
	Hash     string             // of all the above
}

// Append adds a line to the ledger. Number, Previous and Hash are filled in.
func (tx *Tx) Append(e Entry) error {
	// JSON writes bytes that are no UTF-8 otherwise than what they are read as, so that the hash would not fit.
	e.Who, e.Note = strings.ToValidUTF8(e.Who, "\ufffd"), strings.ToValidUTF8(e.Note, "\ufffd")
	e.Number, e.Previous, e.Hash = 0, "", ""
	b := tx.bolt.Bucket(ledgerBucket)
	b.FillPercent = 1 // lines are added at the end, and never change
	if last, raw := b.Cursor().Last(); last != nil {
		var previous Entry
		if err := json.Unmarshal(raw, &previous); err != nil {
			return fmt.Errorf("%w: ledger %d cannot be read: %w", ErrDamaged, keyID(last), err)
		}
		e.Number, e.Previous = previous.Number, previous.Hash
	}
	e.Number++
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("store: ledger: %w", err)
	}
	sum := sha256.Sum256(raw)
	e.Hash = hex.EncodeToString(sum[:])
	return errors.Join(tx.put(ledgerBucket, idKey(int64(e.Number)), e), tx.indexEntry(e))
}

func (tx *Tx) indexEntry(e Entry) error {
	if e.Referral == 0 {
		return nil
	}
	return tx.write(ledgerOfBucket, append(idKey(e.Referral), idKey(int64(e.Number))...), []byte{})
}

// indexLedger indexes the entries of a ledger that is older than its index.
func (tx *Tx) indexLedger() error {
	var entries []Entry
	err := tx.Ledger(0, func(e Entry) error {
		entries = append(entries, Entry{Number: e.Number, Referral: e.Referral})
		return nil
	})
	for _, e := range entries {
		err = errors.Join(err, tx.indexEntry(e))
	}
	return err
}

// LedgerOf lists the entries about a referral, oldest first.
func (tx *Tx) LedgerOf(referral int64) ([]Entry, error) {
	var out []Entry
	prefix := idKey(referral)
	c := tx.bolt.Bucket(ledgerOfBucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		e, found, err := get[Entry](tx, ledgerBucket, k[len(prefix):])
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, e)
		}
	}
	return out, nil
}

// LedgerLength is the number of the newest entry, 0 when there is none. It orders what happened without a clock.
func (tx *Tx) LedgerLength() uint64 {
	if last, _ := tx.bolt.Bucket(ledgerBucket).Cursor().Last(); last != nil {
		return uint64(keyID(last))
	}
	return 0
}

// Ledger calls fn for each entry after a number, oldest first, until fn returns an error. fn must not write.
func (tx *Tx) Ledger(after uint64, fn func(Entry) error) error {
	c := tx.bolt.Bucket(ledgerBucket).Cursor()
	for k, raw := c.Seek(idKey(int64(after + 1))); k != nil; k, raw = c.Next() {
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("%w: ledger %d cannot be read: %w", ErrDamaged, keyID(k), err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}
