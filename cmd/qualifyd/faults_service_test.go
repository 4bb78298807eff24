package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/sync/sandbox"
)

// twoDue is a world in which the next run qualifies Ann and creates a Lead for Bob.
func twoDue(t *testing.T) (w *world, ann, bob sandbox.User) {
	w = newWorld(t, watching+creating)
	w.open()
	ann, bob = w.due("Ann", 101), w.refer("Bob", 102)
	return w, ann, bob
}

// nobodyYet is a world before its first run.
func nobodyYet(t *testing.T) (w *world, ann, bob sandbox.User) {
	return newWorld(t, watching+creating), ann, bob
}

// wantBoth wants Ann and Bob to have been treated as if nothing had gone wrong, once the cause is gone.
func (w *world) wantBoth(ann, bob sandbox.User) {
	w.t.Helper()
	if ann.ID == 0 { // who comes after the first run
		w.open()
		ann, bob = w.due("Ann", 101), w.refer("Bob", 102)
	}
	for range 2 { // an outcome that is not known is settled by then
		w.after(3 * time.Minute)
		w.run("run", "--once")
	}
	w.pass()
	leads := w.org.IDs("Lead")
	if len(leads) != 2 {
		w.t.Fatalf("got %d leads, want Ann's and the one created for Bob", len(leads))
	}
	w.status(leads[1], "Qualified")
	w.pass()
	w.wantQualified(ann, bob)
	w.wantPuts(2)
	w.run("store", "check").want(exitDone, "the store is whole")
	w.run("ledger", "verify").want(exitDone)
}

const (
	huge      = 2 << 30
	mostRead  = 2 * 64 << 20 // of any answer; what is beyond the client's limit lies in the network's buffers
	megabytes = 1 << 20
)

// flood answers with two gigabytes, and counts what of them could be sent. Zipped, they are few bytes that become many.
type flood struct {
	zipped bool
	bomb   []byte // megabytes of blanks, zipped
	floods atomic.Int32
	most   atomic.Int64 // bytes sent of any one answer
}

func newFlood(zipped bool) *flood {
	var text bytes.Buffer
	z := gzip.NewWriter(&text)
	z.Write(bytes.Repeat([]byte{' '}, 16*megabytes))
	z.Close()
	return &flood{zipped: zipped, bomb: text.Bytes()}
}

func (f *flood) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f.floods.Add(1)
	w.Header().Set("Content-Type", "application/json")
	piece, times := bytes.Repeat([]byte{' '}, megabytes), huge/megabytes // blanks are JSON as far as they go
	if f.zipped {
		w.Header().Set("Content-Encoding", "gzip")
		piece, times = f.bomb, huge/(16*megabytes) // gzip goes on with the next piece
	}
	sent := int64(0)
	for range times {
		n, err := w.Write(piece)
		if sent += int64(n); err != nil {
			break
		}
	}
	for most := f.most.Load(); sent > most && !f.most.CompareAndSwap(most, sent); most = f.most.Load() {
	}
}

// An answer of two gigabytes is refused before it fills the memory, whichever it is, and whether it comes as it is or zipped.
func TestAnAnswerOfTwoGigabytesIsRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		to      string // method and path contain it
		prepare func(t *testing.T) (w *world, ann, bob sandbox.User)
		says    string
	}{
		"a login":         {"/services/oauth2/token", twoDue, "holds no token"},
		"a query":         {"/query", nobodyYet, "larger than 64 MB"},
		"a composite":     {"/composite", twoDue, "larger than 64 MB"},
		"a describe":      {"/describe", nobodyYet, "larger than 64 MB"},
		"a creation":      {"POST /services/data/v67.0/sobjects/Lead", twoDue, "larger than 64 MB"},
		"a page of users": {"GET /api/v2/users", twoDue, "more than 16 MB"},
		"a qualification": {"PUT /api/v2/users/qualification", twoDue, "more than 16 MB"},
	} {
		for _, zipped := range []bool{false, true} {
			if zipped && name != "a login" && name != "a composite" && name != "a page of users" { // read by the same code
				continue
			}
			t.Run(name+map[bool]string{true: ", zipped"}[zipped], func(t *testing.T) {
				w, ann, bob := answer.prepare(t)
				f := newFlood(zipped)
				w.between(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					if !strings.Contains(r.Method+" "+r.URL.Path, answer.to) {
						next.ServeHTTP(rw, r)
						return
					}
					if r.Method != http.MethodGet {
						next.ServeHTTP(discard{http.Header{}}, r) // it is done, and the answer is not to be used
					}
					rw.Header().Set("Date", morning.Format(http.TimeFormat))
					f.ServeHTTP(rw, r)
				})
				c := w.newChild("run", "--once")
				c.told(t, "run --once", c.run(t)).want(exitIncomplete, answer.says)
				w.between(nil)
				if f.floods.Load() == 0 {
					t.Error("nothing was flooded")
				}
				if most := f.most.Load(); most > mostRead {
					t.Errorf("%d MB of an answer were sent, want at most %d", most/megabytes, mostRead/megabytes)
				}
				if held := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; held > mostHeld {
					t.Errorf("the process held %d MB, want at most %d", held/megabytes, mostHeld/megabytes)
				}
				w.wantBoth(ann, bob)
			})
		}
	}
}

// slowness is a way for an answer to take its time.
type slowness int

const (
	trickling slowness = iota // a byte of the body a second
	hanging                   // half of the body, and nothing more
	silent                    // not even the headers
)

// slowly makes a service's answers slow, for as long as it is set.
type slowly struct {
	next http.RoundTripper
	how  slowness
	on   atomic.Bool
	host string
}

func (s *slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	slow := s.on.Load() && r.URL.Host == s.host
	if slow && s.how == silent {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	resp, err := s.next.RoundTrip(r)
	if err != nil || !slow {
		return resp, err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(&slowBody{text: text, left: len(text) / 2, how: s.how, ctx: r.Context()})
	return resp, nil
}

// slowBody is a body that comes slowly, and ends with its request.
type slowBody struct {
	text []byte
	left int // bytes that come before it hangs
	how  slowness
	ctx  context.Context
}

func (b *slowBody) Read(p []byte) (int, error) {
	pause := time.After(time.Second)
	if b.how == hanging {
		if pause = nil; b.left > 0 {
			n := copy(p, b.text[:b.left])
			b.text, b.left = b.text[n:], b.left-n
			return n, nil
		}
	}
	select {
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-pause:
	}
	if len(b.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.text[:1])
	b.text = b.text[n:]
	return n, nil
}

// A service that answers slowly, or in part, is given up after a time, and keeps nobody from working with the other.
func TestASlowServiceIsGivenUpAndTheOtherWorkedWith(t *testing.T) {
	for name, how := range map[string]slowness{"trickling": trickling, "hanging": hanging, "silent": silent} {
		t.Run("Salesforce "+name, func(t *testing.T) {
			slow := &slowly{how: how, host: salesforceHost}
			daemonStory(t, watching, slow.wrap, func(d *running) {
				ann := d.referred("Ann", 101)
				lead := d.lead(ann)
				d.after(2 * time.Minute)
				slow.on.Store(true)
				d.status(lead, "Qualified")
				sweeps, polls := d.askedFor("GET /api/v2/users"), d.askedFor("/composite")
				d.after(2 * time.Hour)
				d.wantBetween("sweeps while Salesforce is slow", d.askedFor("GET /api/v2/users")-sweeps, 10, 14)
				if how != silent { // those never arrive
					d.wantBetween("polls while Salesforce is slow", d.askedFor("/composite")-polls, 8, 30)
				}
				d.wantTroubles(desk.PollJob, began)
				d.wantTroubles(desk.SweepJob)
				slow.on.Store(false)
				d.after(12 * time.Minute)
				d.wantQualified(ann)
				d.wantPuts(1)
				d.wantTroubles(desk.PollJob, began, ended)
			})
		})
		t.Run("Referral Factory "+name, func(t *testing.T) {
			slow := &slowly{how: how, host: referralFactoryHost}
			daemonStory(t, watching, slow.wrap, func(d *running) {
				ann := d.referred("Ann", 101)
				lead := d.lead(ann)
				d.after(2 * time.Minute)
				slow.on.Store(true)
				d.status(lead, "Qualified")
				polls := d.askedFor("/composite")
				d.after(2 * time.Hour)
				d.wantBetween("polls while Referral Factory is slow", d.askedFor("/composite")-polls, 115, 140)
				d.wantTroubles(desk.PollJob)
				d.wantTroubles(desk.SweepJob, began)
				d.wantTroubles(desk.DeliverJob, began)
				slow.on.Store(false)
				d.after(time.Hour + time.Minute)
				d.wantQualified(ann)
				d.wantPuts(1)
				d.wantTroubles(desk.SweepJob, began, ended)
				d.wantTroubles(desk.DeliverJob, began, ended)
			})
		})
	}
}

// wrap comes between a world's daemon and its services.
func (s *slowly) wrap(w *world) {
	w.reach = func(next http.RoundTripper) http.RoundTripper {
		s.next = next
		return s
	}
}
