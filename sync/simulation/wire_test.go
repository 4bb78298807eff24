package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"qualifyd/sync/sandbox"
)

// request is one that waits to be let go, or whose slow answer does.
type request struct {
	job    string
	http   *http.Request
	waited time.Duration // how long its answer has taken, or until it was given up
	fate   chan fate
}

// fate is what becomes of a request.
type fate struct {
	fault *sandbox.Fault
	name  string        // of the fault, for the story
	slow  time.Duration // the answer takes so long
	skew  time.Duration // the answer tells another time
	query bool          // some queries of a composite fail
	stale bool          // the pages that are left of all answers have expired
	late  time.Duration // a write has its effect so much later, and no answer
	die   bool          // the process ends before it gets the answer
}

type jobKey struct{}

// wire is the way to the services: a request waits until the driver lets it go.
type wire struct {
	w    *world
	next http.RoundTripper
}

// RoundTrip sends a request on.
func (t wire) RoundTrip(r *http.Request) (*http.Response, error) {
	job, _ := r.Context().Value(jobKey{}).(string)
	q := &request{job: job, http: r, fate: make(chan fate, 1)}
	t.w.park(q)
	select {
	case f := <-q.fate:
		return t.carryOut(r, f)
	case <-r.Context().Done():
		t.w.unpark(q)
		return nil, r.Context().Err()
	}
}

func (t wire) carryOut(r *http.Request, f fate) (*http.Response, error) {
	if r.Method == http.MethodPut {
		t.w.model.sends(r, f)
	}
	if f.late > 0 {
		t.w.flying = append(t.w.flying, flight{t, r, t.w.now().Add(f.late)})
		if f.die {
			<-r.Context().Done()
		}
		return nil, io.ErrUnexpectedEOF
	}
	if f.stale {
		t.w.org.ExpireLocators()
	}
	t.w.fault = f.fault
	resp, err := t.next.RoundTrip(r)
	t.w.fault = nil
	if r.URL.Host == sfHost && r.Method != http.MethodGet {
		t.w.truth.sawWrite(r)
	}
	if f.die {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if f.slow > 0 {
		if err := t.linger(r, f.slow); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Date") != "" && (f.slow > 0 || f.skew != 0) {
		resp.Header.Set("Date", t.w.now().Add(f.skew).UTC().Format(http.TimeFormat))
	}
	if f.query {
		t.w.invariants.spared = t.w.now()
		return failQueries(resp, 1+t.w.dice.IntN(1<<5-1))
	}
	return resp, nil
}

// linger has an answer take its time, or be given up. That time goes by for the services too: the driver lets it, so that no two jobs do at once.
func (t wire) linger(r *http.Request, d time.Duration) error {
	process, asked := t.w.ctx, time.Now()
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
	job, _ := r.Context().Value(jobKey{}).(string)
	q := &request{job: job, http: r, waited: time.Since(asked), fate: make(chan fate, 1)}
	t.w.park(q)
	select {
	case <-q.fate:
		return r.Context().Err()
	case <-process.Done():
		t.w.unpark(q)
		return process.Err()
	}
}

// flight is a write that is still on its way when its sender has given it up.
type flight struct {
	wire wire
	http *http.Request
	due  time.Time
}

// land has the writes arrive whose time has come.
func (w *world) land() {
	slices.SortStableFunc(w.flying, func(a, b flight) int { return a.due.Compare(b.due) })
	for len(w.flying) > 0 && !w.flying[0].due.After(w.now()) {
		f := w.flying[0]
		w.flying = w.flying[1:]
		r := f.http.Clone(context.Background())
		if body, err := f.http.GetBody(); err == nil {
			r.Body = body
		}
		w.tell("a request that was given up arrives: %s", describe(r))
		if _, err := f.wire.next.RoundTrip(r); err != nil {
			w.fail(0, err.Error())
		}
		if r.URL.Host == sfHost {
			w.truth.sawWrite(r)
		}
	}
}

// failQueries has those queries of a composite fail whose bit is set, and at least one.
func failQueries(resp *http.Response, which int) (*http.Response, error) {
	var answer struct {
		Answers []map[string]any `json:"compositeResponse"`
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(raw, &answer) != nil || len(answer.Answers) == 0 {
		resp.Body = io.NopCloser(bytes.NewReader(raw))
		return resp, err
	}
	if which&(1<<len(answer.Answers)-1) == 0 {
		which = 1
	}
	for i, a := range answer.Answers {
		if which&(1<<i) != 0 {
			a["httpStatusCode"] = http.StatusBadRequest
			a["body"] = []map[string]string{{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}}
		}
	}
	raw, err = json.Marshal(answer)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	resp.Header.Set("Content-Length", fmt.Sprint(len(raw)))
	return resp, err
}

func (w *world) park(q *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parked = append(w.parked, q)
	w.poke()
}

func (w *world) unpark(q *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parked = slices.DeleteFunc(w.parked, func(p *request) bool { return p == q })
}

// poke wakes the driver where it waits for something to happen.
func (w *world) poke() {
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// underWay tells how many jobs run, and which requests wait, in an order that is not the scheduler's: by job, and of a job by what they ask for.
func (w *world) underWay() (running int, waiting []*request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.parked, func(a, b *request) int { return strings.Compare(a.order(), b.order()) })
	return w.running, slices.Clone(w.parked)
}

// order tells the requests apart that wait at the same time.
func (q *request) order() string {
	return fmt.Sprint(q.job, " ", q.http.Method, " ", q.http.URL, " ", bodyOf(q.http))
}

func bodyOf(r *http.Request) []byte {
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil
	}
	raw, _ := io.ReadAll(body)
	return raw
}

// attend lets the requests of the jobs under way go, one at a time, until all jobs have ended or the process has died.
func (w *world) attend() (died bool) {
	for {
		synctest.Wait()
		running, waiting := w.underWay()
		switch {
		case w.disk.left != nil:
			w.tell("the process dies between two commits")
			w.die()
			return true
		case running == 0:
			return false
		case len(waiting) == 0: // all of them pause, the services' time does not
			paused := time.Now()
			<-w.stir
			w.pass(time.Since(paused))
			continue
		}
		w.land()
		q := pick(w, waiting)
		if q.waited > 0 {
			w.pass(q.waited)
			w.unpark(q)
			q.fate <- fate{}
			continue
		}
		if w.chance(w.meanwhile) {
			w.act()
		}
		f := w.fateOf(q)
		w.tick(time.Duration(50+w.dice.IntN(900)) * time.Millisecond)
		if f.name != "" {
			w.faults++
			w.shaken = w.shaken || isWrite(q.http)
			w.tell("%s: %s %s", f.name, q.job, describe(q.http))
		}
		if f.die && w.chance(0.5) {
			w.die()
			return true
		}
		if w.quiet == 0 && w.chance(w.commitDeath) {
			w.disk.dieAfter(1 + w.dice.IntN(4))
		}
		w.unpark(q)
		q.fate <- f
		if f.die {
			synctest.Wait()
			w.die()
			return true
		}
	}
}

// describe names a request without its query, but for what it is about.
func describe(r *http.Request) string {
	path, _, page := strings.Cut(r.URL.Path, "/query/") // a locator is another each time
	if page {
		path += " (next page)"
	}
	if r.Method != http.MethodGet {
		return r.Method + " " + path
	}
	if page := r.URL.Query().Get("page"); page != "" {
		path += "?page=" + page
	}
	if q, err := url.QueryUnescape(r.URL.Query().Get("q")); err == nil && q != "" {
		if _, from, found := strings.Cut(q, " FROM "); found {
			path += "?" + from
		}
	}
	return r.Method + " " + path
}

// fateOf throws the dice over a request.
func (w *world) fateOf(q *request) fate {
	switch {
	case w.quiet > 0:
		return fate{}
	case w.chance(w.requestDeath):
		return w.deathAt(q.http)
	case w.outage != nil && w.outageAt == q.http.URL.Host:
		return *w.outage
	case isWrite(q.http) && w.chance(w.faultRate):
		return fate{name: "answer lost, effect later", late: w.between(time.Second, 100*time.Second)}
	case w.chance(w.faultRate):
		return w.fateOfKind(q.http.URL.Host)
	}
	return fate{}
}

// deathAt is the process's end at a request, which has its effect all the same; a write may have it later.
func (w *world) deathAt(r *http.Request) fate {
	if isWrite(r) && w.chance(0.5) {
		return fate{die: true, name: "effect later, and the process dies at", late: w.between(time.Second, 100*time.Second)}
	}
	return fate{die: true, name: "the process dies at"}
}

// isWrite tells whether a request qualifies somebody, or makes a record.
func isWrite(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/sobjects/")
}

// fateOfKind is some trouble that a service can have.
func (w *world) fateOfKind(host string) fate {
	faults := []fate{
		{name: "refused", fault: &sandbox.Fault{Refused: true}},
		{name: "answer lost", fault: &sandbox.Fault{Lost: true}},
		{name: "answer lost", fault: &sandbox.Fault{Lost: true}},
		{name: "cut", fault: &sandbox.Fault{Cut: 1 + w.dice.IntN(400)}},
		{name: "HTML 503", fault: sandbox.HTML(http.StatusServiceUnavailable)},
		{name: "HTML 200", fault: sandbox.HTML(http.StatusOK)},
		{name: "500", fault: sandbox.Refusal(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")},
		{name: "empty", fault: &sandbox.Fault{Empty: true}},
		{name: "no date", fault: &sandbox.Fault{NoDate: true}},
		{name: "false gzip", fault: &sandbox.Fault{FalseGzip: true}},
		{name: "slow", slow: time.Duration(1000+w.dice.IntN(200_000)) * time.Millisecond},
	}
	if host == sfHost {
		faults = append(faults,
			fate{name: "over limit", fault: sandbox.OverLimit()},
			fate{name: "locators expire", stale: true},
			fate{name: "session dies", fault: &sandbox.Fault{SessionDeath: true}},
			fate{name: "queries fail", query: true},
			fate{name: "queries fail", query: true})
	} else {
		faults = append(faults,
			fate{name: "401", fault: &sandbox.Fault{Status: http.StatusUnauthorized, Body: `{"code":401,"message":"Unauthenticated."}`}},
			fate{name: "429", fault: &sandbox.Fault{Status: http.StatusTooManyRequests, Body: `{"code":429,"message":"Too Many Attempts."}`}})
	}
	faults = append(faults, fate{name: "a wrong clock", skew: time.Duration(w.dice.IntN(7)-3) * time.Second})
	return faults[w.dice.IntN(len(faults))]
}

// transport reaches both services.
func (w *world) transport() http.RoundTripper {
	ask := func(*http.Request) *sandbox.Fault { return w.fault }
	w.org.SetFault(ask)
	w.rf.SetFault(ask)
	return wire{w, sandbox.Transport(map[string]http.Handler{sfHost: w.org.Handler(), rfHost: w.rf.Handler()})}
}

// begin starts a job. Its requests carry its name.
func (w *world) begin(name string, work func(context.Context) error) *run {
	r := &run{job: name, from: w.truth.step(), start: w.now()}
	w.mu.Lock()
	w.running++
	w.mu.Unlock()
	go func() {
		err := work(context.WithValue(w.ctx, jobKey{}, name))
		w.mu.Lock()
		defer w.mu.Unlock()
		r.err, r.to, r.end = err, w.truth.step(), w.clock
		r.ended, r.died = true, w.disk.left != nil // what it did since its process's death has not happened
		w.running--
		w.poke()
	}()
	synctest.Wait() // so that it is the seed that says which job begins first
	return r
}
