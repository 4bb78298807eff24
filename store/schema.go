package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// Schema is the version of the layout in this package's comment. A change of layout raises it and migrates.
const Schema = 3

var (
	metaBucket      = []byte("meta")
	campaignBucket  = []byte("campaign")
	referralBucket  = []byte("referral")
	codeBucket      = []byte("referral_code")
	emailBucket     = []byte("referral_email")
	linkBucket      = []byte("record_referral")
	snapshotBucket  = []byte("snapshot")
	toReadBucket    = []byte("toread")
	toJoinBucket    = []byte("tojoin")
	toJudgeBucket   = []byte("tojudge")
	heldBucket      = []byte("held")
	intentBucket    = []byte("intent")
	outboxBucket    = []byte("outbox")
	ledgerBucket    = []byte("ledger")
	ledgerOfBucket  = []byte("ledger_of")
	watermarkBucket = []byte("watermark")
	describeBucket  = []byte("describe")
	callsBucket     = []byte("calls")
	runBucket       = []byte("run")

	buckets = [][]byte{
		metaBucket, campaignBucket, referralBucket, codeBucket, emailBucket, linkBucket, snapshotBucket, toReadBucket, toJoinBucket,
		toJudgeBucket, heldBucket, intentBucket, outboxBucket, ledgerBucket, ledgerOfBucket, watermarkBucket, describeBucket, callsBucket, runBucket,
	}

	schemaKey   = []byte("schema")
	orgKey      = []byte("org")
	lastPassKey = []byte("lastpass")
	sweepsKey   = []byte("sweeps")
)

func idKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func keyID(key []byte) int64 { return int64(binary.BigEndian.Uint64(key)) }

// pairKey is text NUL id: all ids of a text lie together.
func pairKey(text string, id int64) []byte {
	key := append(append(make([]byte, 0, len(text)+9), text...), 0)
	return binary.BigEndian.AppendUint64(key, uint64(id))
}

// schema is the schema that the file is in.
func (tx *Tx) schema() int {
	version, _ := strconv.Atoi(string(tx.value(metaBucket, schemaKey))) // which open has found to be a number
	return version
}

// raiseSchema has a store of an earlier schema be of this one, in the first transaction that changes anything: what that writes an earlier version
// would not understand. What it does not write stays as it is, and can be read.
func (tx *Tx) raiseSchema() error {
	return tx.write(metaBucket, schemaKey, []byte(strconv.Itoa(Schema)))
}

// cursor is the transaction's own cursor of a bucket, for what does not call anything else before it is done with it. A new one for each look would
// cost more than the look.
func (tx *Tx) cursor(bucket []byte) *bolt.Cursor {
	c := tx.cursors[string(bucket)]
	if c == nil {
		c = tx.bolt.Bucket(bucket).Cursor()
		tx.cursors[string(bucket)] = c
	}
	return c
}

// value is what is stored under a key; nil where nothing is.
func (tx *Tx) value(bucket, key []byte) []byte {
	if k, v := tx.cursor(bucket).Seek(key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

func get[T any](tx *Tx, bucket, key []byte) (value T, found bool, err error) {
	found, err = load(tx, bucket, key, &value)
	return value, found, err
}

// load reads what is stored under a key into value, and reports whether there is anything.
func load(tx *Tx, bucket, key []byte, value any) (found bool, err error) {
	raw := tx.value(bucket, key)
	if raw == nil {
		return false, nil
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return false, fmt.Errorf("%w: %s %s cannot be read: %w", ErrDamaged, bucket, shown(key), err)
	}
	return true, nil
}

func (tx *Tx) put(bucket, key []byte, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("store: %s %q: %w", bucket, key, err)
	}
	return tx.write(bucket, key, raw)
}

// write stores a copy of a value, unless it stands there already.
func (tx *Tx) write(bucket, key, raw []byte) error {
	if old := tx.value(bucket, key); old != nil && bytes.Equal(old, raw) {
		return nil
	}
	tx.changed = true
	if err := tx.bolt.Bucket(bucket).Put(key, bytes.Clone(raw)); err != nil { // bbolt keeps what it is given until the transaction ends
		return fmt.Errorf("store: %s: %w", bucket, err)
	}
	return nil
}

// remove deletes a key, if it is there.
func (tx *Tx) remove(bucket, key []byte) error {
	c := tx.cursor(bucket)
	if k, _ := c.Seek(key); !bytes.Equal(k, key) {
		return nil
	}
	tx.changed = true
	if err := c.Delete(); err != nil {
		return fmt.Errorf("store: %s: %w", bucket, err)
	}
	return nil
}

// ids lists the ids of all pairs of a text.
func ids(tx *Tx, bucket []byte, text string) []int64 {
	prefix := append(append(make([]byte, 0, len(text)+1), text...), 0)
	var out []int64
	c := tx.cursor(bucket)
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if len(k) == len(prefix)+8 { // longer ones are of a text with a NUL in it
			out = append(out, keyID(k[len(prefix):]))
		}
	}
	return out
}

// marked lists the ids after one in a bucket that is a mere set, at most limit of them (0: all).
func marked(tx *Tx, bucket []byte, after int64, limit int) []int64 {
	var out []int64
	c := tx.cursor(bucket)
	for k, _ := c.Seek(idKey(after + 1)); k != nil && (limit == 0 || len(out) < limit); k, _ = c.Next() {
		out = append(out, keyID(k))
	}
	return out
}
