package sandbox

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with one request. The zero value does
// nothing; Delay goes with any other.
type Fault struct {
	Refused bool // the connection is closed before anything is done
	Lost    bool // the request is carried out, the connection closed without an answer

	Status      int // this answer comes instead, and nothing is done
	Body        string
	ContentType string // of Body; "" is JSON
	Header      http.Header

	SessionDeath bool // of Salesforce: the session dies first, so that the answer is a 401

	Cut       int  // the real answer breaks off after this many bytes of the body
	Empty     bool // the real answer comes with an empty body
	FalseGzip bool // the real answer claims to be gzip and is not
	NoDate    bool // the real answer comes without a Date header

	Delay time.Duration // between doing and answering; by the machine's clock, which a synctest bubble owns
}

// HTML is a page of a server on the way, with a status.
func HTML(status int) *Fault {
	return &Fault{Status: status, ContentType: "text/html; charset=UTF-8",
		Body: "<html><head><title>" + http.StatusText(status) + "</title></head><body><h1>We are down for maintenance</h1></body></html>"}
}

// Refusal is one of Salesforce's error answers.
func Refusal(status int, code, message string) *Fault {
	return &Fault{Status: status, Body: string(encodeJSON(failure(status, code, "%s", message).body()))}
}

// OverLimit is the answer of an org that has used up its API calls.
func OverLimit() *Fault {
	return Refusal(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
}

// faulter holds the function that SetFault was given.
type faulter struct {
	mu sync.Mutex
	f  func(*http.Request) *Fault
}

func (s *faulter) set(f func(*http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f = f
}

func (s *faulter) ask(r *http.Request) *Fault {
	s.mu.Lock()
	f := s.f
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(r)
}

// faulty writes next's answers with the service's Date, which is the time of
// their end, and with what ask says goes wrong. A closed connection is a panic
// with http.ErrAbortHandler.
func faulty(now func() time.Time, ask func(*http.Request) *Fault, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := ask(r)
		if f == nil {
			f = &Fault{}
		}
		if f.Refused {
			panic(http.ErrAbortHandler)
		}
		answer := newRecorder()
		if f.Status != 0 {
			instead(answer, f)
		} else {
			next.ServeHTTP(answer, r)
		}
		wait(r, f.Delay)
		if f.Lost {
			panic(http.ErrAbortHandler)
		}
		send(w, r, answer, f, now())
	})
}

func instead(w *recorder, f *Fault) {
	kind := f.ContentType
	if kind == "" {
		kind = "application/json;charset=UTF-8"
	}
	w.Header().Set("Content-Type", kind)
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(f.Status)
	w.body.WriteString(f.Body)
}

func wait(r *http.Request, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler) // what was done stays done
	}
}

func send(w http.ResponseWriter, r *http.Request, answer *recorder, f *Fault, date time.Time) {
	body := answer.body.Bytes()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header()["Date"] = []string{date.UTC().Format(http.TimeFormat)}
	switch {
	case f.NoDate:
		w.Header()["Date"] = nil // net/http then adds none of its own
	case f.Empty:
		body = nil
	case f.FalseGzip:
		w.Header().Set("Content-Encoding", "gzip")
	case f.Cut == 0 && len(body) > 0 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
		body = zipped(body)
	}
	if answer.code != http.StatusNoContent && answer.code != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(answer.code)
	if f.Cut > 0 && f.Cut < len(body) {
		w.Write(body[:f.Cut])
		http.NewResponseController(w).Flush() // where it can; the rest never comes
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(body)
	z.Close()
	return b.Bytes()
}

// recorder keeps an answer until it is sent.
type recorder struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{code: http.StatusOK, header: http.Header{}} }

// Header, WriteHeader and Write make it an http.ResponseWriter.
func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
