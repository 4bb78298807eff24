package desk

import (
	"slices"
	"sync"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
)

// Overview is what the page shows.
type Overview struct {
	Status
	Days   []Day           `json:"days"`   // from the first qualification on, at most the newest 90, without gaps
	Newest []Qualification `json:"newest"` // newest first, at most 20
}

// Day counts the qualifications that were delivered on a day (UTC), and how long they took from the event in Salesforce.
type Day struct {
	Date      string `json:"date"` // 2006-01-02
	Qualified int    `json:"qualified"`
	// Delays are the seconds from event to qualification, ascending; of those whose event is known.
	Delays []float64 `json:"delays"`
}

// Qualification is one that was delivered.
type Qualification struct {
	Referral  int64     `json:"referral"`
	Campaign  int64     `json:"campaign"`
	FirstName string    `json:"first_name"`
	Code      string    `json:"code"`
	Sentence  string    `json:"sentence"` // the evidence
	EventAt   time.Time `json:"event_at"` // zero where a person qualified by hand
	At        time.Time `json:"at"`       // when it was delivered
}

// OverviewQuestion asks for what the page shows.
var OverviewQuestion = view("overview", func(d *Desk, tx *store.Tx, _ Nothing) (Overview, error) {
	s, err := d.status(tx)
	if err != nil {
		return Overview{}, err
	}
	days, newest, err := d.book.read(tx)
	o := Overview{Status: s, Days: days}
	for _, e := range newest {
		q, err := qualification(tx, e)
		if err != nil {
			return o, err
		}
		o.Newest = append(o.Newest, q)
	}
	return o, err
})

func qualification(tx *store.Tx, e delivered) (Qualification, error) {
	r, _, err := tx.Referral(e.referral)
	return Qualification{
		Referral: e.referral, Campaign: r.CampaignID, FirstName: r.FirstName, Code: r.Code, Sentence: r.Verdict.Sentence,
		EventAt: e.event, At: e.at,
	}, err
}

// What the page shows at most.
const (
	daysShown   = 90
	newestShown = 20
)

// book is what has been read of the ledger so far. The ledger only grows, so each look reads on from where the last one stopped.
type book struct {
	mu     sync.Mutex
	upTo   uint64
	events map[int64]time.Time // of verdicts that are not delivered yet
	days   map[string]*Day
	newest []delivered // oldest first
}

type delivered struct {
	referral  int64
	event, at time.Time
}

func (b *book) read(tx *store.Tx) ([]Day, []delivered, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.days == nil {
		b.events, b.days = map[int64]time.Time{}, map[string]*Day{}
	}
	err := tx.Ledger(b.upTo, func(e store.Entry) error { b.add(e); return nil })
	newest := slices.Clone(b.newest)
	slices.Reverse(newest)
	return b.lastDays(), newest, err
}

func (b *book) add(e store.Entry) {
	b.upTo = e.Number
	switch {
	case e.Act == store.ActJudged && e.Outcome == rules.Qualified, e.Act == store.ActJudged && e.Outcome == rules.Held:
		b.events[e.Referral] = rules.Verdict{Evidence: e.Evidence}.EventAt()
	case e.Act == store.ActDelivered:
		b.deliver(delivered{e.Referral, b.events[e.Referral], e.At})
		delete(b.events, e.Referral)
	}
}

func (b *book) deliver(q delivered) {
	b.newest = append(b.newest, q)
	b.newest = b.newest[max(0, len(b.newest)-newestShown):]
	date := q.at.UTC().Format(time.DateOnly)
	day := b.days[date]
	if day == nil {
		day = &Day{Date: date}
		b.days[date] = day
	}
	day.Qualified++
	if !q.event.IsZero() {
		delay := max(0, q.at.Sub(q.event).Seconds())
		i, _ := slices.BinarySearch(day.Delays, delay)
		day.Delays = slices.Insert(day.Delays, i, delay)
	}
}

// lastDays are the days up to the newest one with a qualification.
func (b *book) lastDays() []Day {
	if len(b.newest) == 0 {
		return nil
	}
	var out []Day
	for day := b.newest[len(b.newest)-1].at.UTC(); len(out) < daysShown; day = day.AddDate(0, 0, -1) {
		date := day.Format(time.DateOnly)
		one := Day{Date: date}
		if known := b.days[date]; known != nil {
			one.Qualified, one.Delays = known.Qualified, slices.Clone(known.Delays)
		}
		out = append(out, one)
	}
	for len(out) > 1 && out[len(out)-1].Qualified == 0 {
		out = out[:len(out)-1]
	}
	slices.Reverse(out)
	return out
}
