package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Head is the newest line of a ledger. Kept somewhere else, it proves of any later ledger that it goes on from there.
type Head struct {
	Length uint64 `json:"length"`
	Hash   string `json:"hash"` // "" of an empty ledger
}

// Line is a line of the ledger as it is stored, and as it was hashed: the entry's JSON on one line, whose last field is the hash. The hash is the
// SHA-256, in hex, of the same text with an empty hash. So anybody can verify the chain, without knowing what the entries are made of.
type Line struct {
	Number uint64
	Text   []byte
}

// beforeHash is what a line has before its hash, and afterHash what it has behind it.
var beforeHash, afterHash = []byte(`,"Hash":"`), []byte(`"}`)

// hash splits a line's hash off, and tells whether the rest of the line has it.
func (l Line) hash() (hash string, fits bool) {
	body := len(l.Text) - len(afterHash) - 2*sha256.Size
	if body < 0 || !bytes.HasSuffix(l.Text[:body], beforeHash) || !bytes.HasSuffix(l.Text, afterHash) {
		return "", false
	}
	hash = string(l.Text[body : body+2*sha256.Size])
	sum := sha256.Sum256(append(bytes.Clone(l.Text[:body]), afterHash...))
	return hash, hex.EncodeToString(sum[:]) == hash
}

// LedgerLines returns the lines after a number, at most limit of them.
func (tx *Tx) LedgerLines(after uint64, limit int) (lines []Line) {
	c := tx.bolt.Bucket(ledgerBucket).Cursor()
	for k, raw := c.Seek(idKey(int64(after + 1))); k != nil && len(lines) < limit; k, raw = c.Next() {
		lines = append(lines, Line{uint64(keyID(k)), bytes.Clone(raw)})
	}
	return lines
}

// LedgerHead returns the newest line's number and hash.
func (tx *Tx) LedgerHead() (Head, error) {
	last, raw := tx.bolt.Bucket(ledgerBucket).Cursor().Last()
	if last == nil {
		return Head{}, nil
	}
	var e Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Head{}, fmt.Errorf("%w: ledger %d cannot be read: %w", ErrDamaged, keyID(last), err)
	}
	return Head{e.Number, e.Hash}, nil
}

// LineWith returns the number of the line that has a hash, 0 where none has.
func (tx *Tx) LineWith(hash string) (number uint64, err error) {
	found := errors.New("found")
	err = tx.Ledger(0, func(e Entry) error {
		if e.Hash == hash {
			number = e.Number
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		err = nil
	}
	return number, err
}

// VerifyLedger goes through the ledger from its first line: the chain is whole, no line is missing, and the index by referral agrees. The error
// names the first line of which that is not so.
func (tx *Tx) VerifyLedger(progress Progress) (Head, error) {
	var head Head
	indexed, told := 0, progress.of("verifying the ledger")
	total := int(tx.LedgerLength())
	c := tx.bolt.Bucket(ledgerBucket).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		number := head.Length + 1
		if len(k) != 8 || keyID(k) != int64(number) {
			return head, fmt.Errorf("ledger line %d is missing", number)
		}
		e, err := Line{number, raw}.follows(head)
		if err != nil {
			return head, fmt.Errorf("ledger line %d: %w", number, err)
		}
		if e.Referral != 0 {
			indexed++
			if tx.value(ledgerOfBucket, append(idKey(e.Referral), k...)) == nil {
				return head, fmt.Errorf("ledger line %d is not found by its referral %d", number, e.Referral)
			}
		}
		head = Head{number, e.Hash}
		if number%1000 == 0 {
			told(int(number), total)
		}
	}
	if n := count(tx, ledgerOfBucket); n != indexed {
		return head, fmt.Errorf("the index of the ledger has %d lines, where the ledger has %d that are about a referral", n, indexed)
	}
	told(total, total)
	return head, nil
}

// follows reads a line, and tells why it cannot be the one after a head.
func (l Line) follows(head Head) (e Entry, err error) {
	hash, fits := l.hash()
	if !fits {
		return e, errors.New("its hash is not that of its text: it is not as it was written")
	}
	if err := json.Unmarshal(l.Text, &e); err != nil {
		return e, fmt.Errorf("it cannot be read: %w", err)
	}
	switch {
	case e.Number != l.Number:
		return e, fmt.Errorf("it says that it is line %d", e.Number)
	case e.Previous != head.Hash:
		return e, errors.New("it does not follow from the line before, which was changed or put in its place")
	case e.Hash != hash:
		return e, errors.New("it has two hashes")
	}
	return e, nil
}

// count counts the keys of a bucket.
func count(tx *Tx, bucket []byte) (n int) {
	c := tx.bolt.Bucket(bucket).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		n++
	}
	return n
}
