package desk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"

	"qualifyd/store"
)

// VerifyRequest says what a ledger has to go on from.
type VerifyRequest struct {
	From string `json:"from"` // the hash of a line, as a backup or an earlier verify told it; "": nothing is asked
}

// Verified is a ledger whose chain is whole.
type Verified struct {
	store.Head
	From uint64 `json:"from,omitempty"` // the number of the line that was asked for
}

var lineHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// VerifyQuestion asks whether the ledger is as it was written.
var VerifyQuestion = Question[VerifyRequest, Verified]{name: "verify",
	check: func(q VerifyRequest) error {
		if q.From != "" && !lineHash.MatchString(q.From) {
			return usage("%q is no hash of a ledger line: 64 digits, 0 to 9 and a to f", q.From)
		}
		return nil
	},
	answer: func(_ context.Context, d *Desk, _ Asker, q VerifyRequest, progress Progress) (v Verified, err error) {
		err = d.Store.View(func(tx *store.Tx) error {
			if v.Head, err = tx.VerifyLedger(store.Progress(progress)); err != nil || q.From == "" {
				return err
			}
			if v.From, err = tx.LineWith(q.From); err == nil && v.From == 0 {
				err = fmt.Errorf("no line of the ledger has the hash %s: the ledger does not go on from there. Either the hash is another store's, "+
					"or lines were replaced, or the store was put back to a backup that is older", q.From)
			}
			return err
		})
		return v, err
	}}

// LedgerRequest says from where on the ledger is wanted.
type LedgerRequest struct {
	After uint64 `json:"after"` // the number of the last line that is not
}

// linesAtOnce is how many lines are read in one transaction: whoever reads slowly must not hold one open.
const linesAtOnce = 1000

// LedgerStream is the ledger as it is stored, a line each.
var LedgerStream = Stream[LedgerRequest]{name: "ledger", write: func(ctx context.Context, d *Desk, q LedgerRequest, out io.Writer) error {
	for after := q.After; ; {
		var lines []store.Line
		if err := d.Store.View(func(tx *store.Tx) error { lines = tx.LedgerLines(after, linesAtOnce); return ctx.Err() }); err != nil {
			return err
		}
		var text bytes.Buffer
		for _, line := range lines {
			text.Write(append(line.Text, '\n'))
			after = line.Number
		}
		if _, err := out.Write(text.Bytes()); err != nil || len(lines) < linesAtOnce {
			return err
		}
	}
}}
