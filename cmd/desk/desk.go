// Package desk is where operators are answered: it takes orders about one store, and answers questions about it.
//
// Everything that can be asked is a [Question], listed in [All]. Asked through the control socket of a running daemon or on the file of a
// stopped one, the same code answers with the same value; so what a command prints does not depend on whether the daemon runs. A [Desk] is
// what the answers are taken from. Nothing here prints: cmd/qualifyd does for people at a terminal, cmd/console on the page.
package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"time"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// Desk is what answers are taken from.
type Desk struct {
	Version   string
	Config    config.Config
	Warnings  []config.Warning // of loading it
	Campaigns []rules.Campaign // the config's
	// Store is nil where there is none yet; then only the Storeless questions can be asked. NoStore says why it is nil.
	Store   *store.Store
	NoStore error
	// Salesforce and ReferralFactory are nil where the question needs no service.
	Salesforce      *salesforce.Client
	ReferralFactory *referralfactory.Client
	Poll            poll.Options // what a pass works with
	// Reload reads the config's file again, which may have changed since a daemon started.
	Reload func() (config.Config, error)
	// OtherBaseURL tries the API key at another base URL of Referral Factory.
	OtherBaseURL func(ctx context.Context, baseURL string) error
	// PollNow sweeps, polls and delivers, and returns once it is done. What went wrong is in the store's runs as well.
	PollNow func(context.Context) error
	// DeliverNow has the outbox looked through at once, waiting entries included. Nil where no daemon runs.
	DeliverNow func()
	// Now is this machine's time; nil where it is the real one.
	Now func() time.Time
	// Since is when the daemon started; zero where none runs.
	Since time.Time

	book  book
	whose whose
}

// Asker is the person who asks.
type Asker struct {
	Name string // an operating-system user
}

// NewAsker names the user with an id (-1: not known), and whom sudo says to be behind root; sudo is "" where nobody is.
func NewAsker(uid int, sudo string) Asker {
	if uid < 0 {
		return Asker{Name: "unknown"}
	}
	name := "uid " + strconv.Itoa(uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	if uid == 0 && sudo != "" {
		name += " (" + sudo + " by sudo)"
	}
	return Asker{Name: name}
}

// order makes the asker's order of a reason.
func (a Asker) order(why string) poll.Order {
	return poll.Order{Who: a.Name, Why: why, At: time.Now().UTC()}
}

// Progress tells how far long work has come: done of total, 0 where the total is not known.
type Progress func(work string, done, total int)

// Question is one thing that can be asked, with a request of type Q and an answer of type A; both are JSON.
type Question[Q, A any] struct {
	name      string
	online    bool          // needs the services
	storeless bool          // takes a missing store
	works     bool          // does a daemon's work, where none runs
	check     func(Q) error // what makes no sense whatever the store holds; nil where everything may
	answer    func(ctx context.Context, d *Desk, by Asker, q Q, progress Progress) (A, error)
}

// Name is how the question is called on the control socket.
func (q Question[Q, A]) Name() string { return q.name }

// Online tells whether the answer needs the services.
func (q Question[Q, A]) Online() bool { return q.online }

// Storeless tells whether there is an answer where there is no store yet.
func (q Question[Q, A]) Storeless() bool { return q.storeless }

// Works tells whether the answer does what a daemon does, where none runs.
func (q Question[Q, A]) Works() bool { return q.works }

// Check tells whether a request makes sense, before anybody is asked.
func (q Question[Q, A]) Check(request Q) error {
	if q.check == nil {
		return nil
	}
	return q.check(request)
}

// Answer answers a request.
func (q Question[Q, A]) Answer(ctx context.Context, d *Desk, by Asker, request Q, progress Progress) (A, error) {
	var none A
	if err := q.Check(request); err != nil {
		return none, err
	}
	if d.Store == nil && !q.storeless {
		return none, errors.Join(errors.New("there is no store to ask"), d.NoStore)
	}
	return q.answer(ctx, d, by, request, progress)
}

// AnswerJSON answers a request that came as JSON. A request that says more than this version understands is refused: what is not understood
// might be that nothing is to be done but a preview.
func (q Question[Q, A]) AnswerJSON(ctx context.Context, d *Desk, by Asker, request []byte, progress Progress) (any, error) {
	var decoded Q
	in := json.NewDecoder(bytes.NewReader(request))
	in.DisallowUnknownFields()
	err := in.Decode(&decoded)
	if _, end := in.Token(); err == nil && !errors.Is(end, io.EOF) {
		err = errors.New("there is more behind it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the running qualifyd (version %s) does not understand the request: %w; restart it with the version of the command", q.name, d.Version, err)
	}
	return q.Answer(ctx, d, by, decoded, progress)
}

// Asked is a Question whatever its types are.
type Asked interface {
	Name() string
	AnswerJSON(ctx context.Context, d *Desk, by Asker, request []byte, progress Progress) (any, error)
}

// Nothing is the request of a question that needs no more than its name.
type Nothing struct{}

// view answers from one reading transaction.
func view[Q, A any](name string, answer func(d *Desk, tx *store.Tx, q Q) (A, error)) Question[Q, A] {
	return Question[Q, A]{name: name, answer: func(_ context.Context, d *Desk, _ Asker, q Q, _ Progress) (a A, err error) {
		err = d.Store.View(func(tx *store.Tx) error { a, err = answer(d, tx, q); return err })
		return a, err
	}}
}

// UsageError is a request that makes no sense whatever the store holds.
type UsageError struct{ Text string }

func (e UsageError) Error() string { return e.Text }

func usage(format string, args ...any) error { return UsageError{fmt.Sprintf(format, args...)} }
