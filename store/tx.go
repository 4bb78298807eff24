package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Tx is a transaction. It is used by one goroutine, and only until the function that got it returns.
type Tx struct {
	bolt    *bolt.Tx
	changed bool
	coder   coder
	cursors map[string]*bolt.Cursor // by bucket
	marks   map[string][]int64      // whose intents are to mark a record, by record; nil until somebody asks
	creates []Intent                // those to create a record, known with the marks
}

func newTx(tx *bolt.Tx) *Tx { return &Tx{bolt: tx, cursors: map[string]*bolt.Cursor{}} }

// errUnchanged ends a transaction that has nothing to commit.
var errUnchanged = errors.New("nothing changed")

// View runs fn in a transaction that reads.
func (s *Store) View(fn func(*Tx) error) error {
	return s.view(func(tx *bolt.Tx) error { return fn(newTx(tx)) })
}

// Update runs fn in a transaction that writes, one at a time; where fn changes nothing, nothing is written. When fn returns an error nothing of it
// is kept, and nothing either with ErrFull. Any other error of the commit is ErrDoubtful.
func (s *Store) Update(fn func(*Tx) error) error {
	if s.doubtful.Load() {
		return ErrDoubtful
	}
	committing := false
	err := s.update(func(b *bolt.Tx) error {
		tx := newTx(b)
		err := fn(tx)
		if err == nil && tx.changed {
			err = tx.raiseSchema()
		}
		if committing = err == nil && tx.changed; committing || err != nil {
			return err
		}
		return errUnchanged
	})
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case err == nil || !committing:
		return err
	case noRoom(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	s.doubtful.Store(true)
	return fmt.Errorf("%w: %w", ErrDoubtful, err)
}

func (s *Store) view(fn func(*bolt.Tx) error) error {
	return sound(func() error { return s.db.View(fn) })
}

func (s *Store) update(fn func(*bolt.Tx) error) error {
	return sound(func() error { return s.db.Update(fn) })
}

// sound runs a transaction. A file that was damaged while it was closed is not found out when it is opened, but here: its pages are memory faults,
// or panics of bbolt's. Any other panic is a fault of the program, and goes on.
func sound(transaction func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		cause := recover()
		if _, fault := cause.(interface{ Addr() uintptr }); fault || cause != nil && bboltPanics() {
			err = fmt.Errorf("%w (%v)", ErrDamaged, cause)
		} else if cause != nil {
			panic(cause)
		}
	}()
	return transaction()
}

// bboltPanics tells whether the panic under way began in bbolt.
func bboltPanics() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(frame.Function, "runtime."):
			return strings.HasPrefix(frame.Function, "go.etcd.io/bbolt")
		case !more:
			return false
		}
	}
}

// noRoom tells whether a commit failed because a page could not be written for lack of room: the page that makes the others count is written after
// all of them. A disk may also say so when it is told to sync; what it has then is not known.
func noRoom(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && write.Op == "write" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// Bytes is how large the store's file is.
func (tx *Tx) Bytes() int64 { return tx.bolt.Size() }

// Owner is the Salesforce org and the Referral Factory account that a store belongs to.
type Owner struct {
	OrgID      string // 18 characters
	Sandbox    bool   // Organization.IsSandbox
	CallLimit  int    // the org's daily API requests, as it last told; 0 when it never did
	Account    string // fingerprint of the base URL and key last known to be of the account
	AccountKey []byte // random, salts the fingerprint
}

// Owner returns whose the store is; the zero Owner for a new store.
func (tx *Tx) Owner() (Owner, error) {
	o, _, err := get[Owner](tx, metaBucket, orgKey)
	return o, err
}

// SetOwner sets whose the store is.
func (tx *Tx) SetOwner(o Owner) error { return tx.put(metaBucket, orgKey, o) }

// Campaign is what is remembered of a configured campaign.
type Campaign struct {
	ID            int64
	Fingerprint   string    // of the rule last known
	EffectiveFrom time.Time // as configured when it was last taken into account
	EffectiveDay  string    `json:",omitempty"` // the day whose start that is, if it is one
	Effective     time.Time // zero until a pass has read Salesforce to the end for it
	FirstWhole    time.Time // service time of that first pass
	RuleSince     time.Time // when the present rule was first known, if it replaced another
	RereadFor     time.Time // the Effective for which the linked records have been read anew
	FirstSweep    uint64    // number of the first complete sweep; 0 before it
	Sweeps        []time.Time
	Brake         []time.Time // instants of the newest verdicts
	CodeFields    []string    // fields in which its referrals' codes could be read, "Lead.Referral_Code__c"
	CodesHidden   bool        // they cannot be read now, and that was said
	// Parked and ParkedWhy are how the rule last stood, for those who ask while no pass runs.
	Parked    string
	ParkedWhy string
}

// Campaign returns what is remembered of a campaign; a Campaign with nothing but its id for a new one.
func (tx *Tx) Campaign(id int64) (Campaign, error) {
	c, _, err := get[Campaign](tx, campaignBucket, idKey(id))
	c.ID = id
	return c, err
}

// Campaigns lists what is remembered of campaigns, also of those that have left the config.
func (tx *Tx) Campaigns() ([]Campaign, error) {
	var out []Campaign
	err := tx.bolt.Bucket(campaignBucket).ForEach(func(key, raw []byte) error {
		var c Campaign
		if err := json.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("%w: campaign %d cannot be read: %w", ErrDamaged, keyID(key), err)
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// PutCampaign remembers a campaign.
func (tx *Tx) PutCampaign(c Campaign) error { return tx.put(campaignBucket, idKey(c.ID), c) }

// BeginSweep returns the number of a new sweep, 1 for the first.
func (tx *Tx) BeginSweep() (uint64, error) {
	n, _, err := get[uint64](tx, metaBucket, sweepsKey)
	if err != nil {
		return 0, err
	}
	return n + 1, tx.put(metaBucket, sweepsKey, n+1)
}

// Watermark is how far a query has been polled.
type Watermark struct {
	At time.Time // everything that committed before it has been seen, late commits apart
	// A very long answer is resumed after the last row that was processed; Bound is where At moves once it is read to its end.
	ResumeStamp time.Time
	ResumeID    string
	Bound       time.Time
}

// Resuming tells whether an answer was left in the middle.
func (w Watermark) Resuming() bool { return !w.ResumeStamp.IsZero() }

// Watermark returns a query's watermark; the zero Watermark for a query never made.
func (tx *Tx) Watermark(query string) (Watermark, error) {
	w, _, err := get[Watermark](tx, watermarkBucket, []byte(query))
	return w, err
}

// SetWatermark remembers a query's watermark. It never moves back.
func (tx *Tx) SetWatermark(query string, w Watermark) error {
	old, err := tx.Watermark(query)
	if err != nil {
		return err
	}
	if w.At.Before(old.At) {
		w.At = old.At
	}
	if w == old {
		return nil
	}
	return tx.put(watermarkBucket, []byte(query), w)
}

// ResetWatermark sets a query's watermark even where that moves it back: after a service told a time that was far ahead of the true one.
func (tx *Tx) ResetWatermark(query string, w Watermark) error {
	return tx.put(watermarkBucket, []byte(query), w)
}

// Describe reads what is remembered of an object's describe into value, and reports whether there is anything.
func (tx *Tx) Describe(object string, value any) (bool, error) {
	return load(tx, describeBucket, []byte(object), value)
}

// PutDescribe remembers an object's describe.
func (tx *Tx) PutDescribe(object string, value any) error {
	return tx.put(describeBucket, []byte(object), value)
}

// callsKept is how long the counts of calls are remembered: the rolling day that Salesforce counts, and an hour.
const callsKept = 25 * time.Hour

// AddCalls counts Salesforce API calls at an instant of service time.
func (tx *Tx) AddCalls(at time.Time, calls int) error {
	key := []byte(at.UTC().Format("2006-01-02T15"))
	n, _, err := get[int](tx, callsBucket, key)
	if err != nil {
		return err
	}
	var stale [][]byte
	oldest := at.Add(-callsKept).UTC().Format("2006-01-02T15")
	c := tx.bolt.Bucket(callsBucket).Cursor()
	for k, _ := c.First(); k != nil && string(k) < oldest; k, _ = c.Next() {
		stale = append(stale, k)
	}
	for _, k := range stale {
		if err := tx.remove(callsBucket, k); err != nil {
			return err
		}
	}
	return tx.put(callsBucket, key, n+calls)
}

// Calls is the number of Salesforce API calls begun in the 24 hours (to the hour) before an instant of service time, and of any after it. Only those
// that are more than a day ahead, which a wrong clock has told, are none of them: they would count until then.
func (tx *Tx) Calls(at time.Time) (int, error) {
	from, to, total := at.Add(-24*time.Hour).UTC().Format("2006-01-02T15"), at.Add(callsKept).UTC().Format("2006-01-02T15"), 0
	c := tx.bolt.Bucket(callsBucket).Cursor()
	for k, _ := c.Seek([]byte(from)); k != nil && string(k) <= to; k, _ = c.Next() {
		n, _, err := get[int](tx, callsBucket, k)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// LastPass is when the newest pass that asked Salesforce last counted its calls, by the service's time, and how many it has made.
type LastPass struct {
	At    time.Time
	Calls int
}

// LastPass returns the zero one before the first.
func (tx *Tx) LastPass() (LastPass, error) {
	p, _, err := get[LastPass](tx, metaBucket, lastPassKey)
	return p, err
}

// SetLastPass remembers the newest pass.
func (tx *Tx) SetLastPass(p LastPass) error { return tx.put(metaBucket, lastPassKey, p) }

// set adds an id to a bucket that is a mere set.
func (tx *Tx) set(bucket []byte, id int64) error {
	return tx.write(bucket, idKey(id), []byte{})
}

func (tx *Tx) unset(bucket []byte, id int64) error {
	return tx.remove(bucket, idKey(id))
}
