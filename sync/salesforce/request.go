package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"qualifyd/sync/logged"
)

const (
	maxTries    = 3
	firstPause  = 300 * time.Millisecond
	maxPause    = 5 * time.Second // a longer Retry-After is left to the caller's next pass
	retryWithin = time.Minute     // an answer that took longer to fail is no hiccup

	// readTimeout is Salesforce's own bound on a REST request; a composite of
	// slow queries can come near it.
	readTimeout  = 10 * time.Minute
	writeTimeout = 2 * time.Minute
	loginTimeout = 30 * time.Second

	// maxBody bounds an answer in memory; 2,000 wide rows are a few megabytes.
	maxBody = 64 << 20
)

// request is one call of the REST API, as often as it has to be sent.
type request struct {
	op     string // what we are doing, for errors
	use    use
	method string
	path   string // with its query, below the instance
	body   []byte
	header map[string]string
	decode func(body []byte) error // nil: the answer has no content
}

// do sends a request until it is answered, refused, or tried often enough.
func (c *Client) do(ctx context.Context, r request) (Answer, error) {
	began := time.Now()
	for try := 1; ; try++ {
		a, err := c.withSession(ctx, r)
		if err == nil || !worthRetrying(r, err) || try == maxTries || time.Since(began) > retryWithin {
			return a, err
		}
		c.log.Debug().Err(err).Str(logged.Op, r.op).Int(logged.Try, try).Msg("trying again")
		if !c.pause(ctx, try, err) {
			return Answer{}, &APIError{Op: r.op, Kind: Stopped, Err: ctx.Err(), use: r.use}
		}
	}
}

// worthRetrying is generous with reads. A write is sent again only where
// Salesforce said that it did not apply it and that this will pass.
func worthRetrying(r request, err error) bool {
	var e *APIError
	if !errors.As(err, &e) || e.Kind != Transient || e.RetryAfter > maxPause || e.use != r.use {
		return false // a login has had its own tries
	}
	return r.use != useWrite || !e.unknown && (definite[e.Code] || e.Status == http.StatusTooManyRequests)
}

// pause waits before the next try, longer each time, and reports whether the
// context is still alive.
func (c *Client) pause(ctx context.Context, try int, err error) bool {
	wait := c.opts.Jitter(firstPause << (try - 1))
	var e *APIError
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// withSession sends r once, and once more with a new session when the old one
// has ended.
func (c *Client) withSession(ctx context.Context, r request) (Answer, error) {
	s, err := c.session(ctx)
	if err != nil {
		return Answer{}, err
	}
	a, err := c.send(ctx, s, r)
	if !sessionEnded(err) {
		return a, err
	}
	if s, err = c.renew(ctx, s); err != nil {
		return Answer{}, err
	}
	a, err = c.send(ctx, s, r)
	if sessionEnded(err) {
		c.forget(s)
		err.(*APIError).Hint = "a fresh session was refused: check the app's policies and that its user may use the API"
	}
	return a, err
}

// sessionEnded tells a 401 that a new login cures from those that it does not
// (wrong kind of session, an app that may not use the API). Those share the
// code INVALID_SESSION_ID and differ only in their untranslated words.
func sessionEnded(err error) bool {
	var e *APIError
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || e.use == useLogin {
		return false
	}
	if e.Code != "" && e.Code != "INVALID_SESSION_ID" {
		return false
	}
	return !strings.Contains(e.Message, "not attached to Agent") &&
		!strings.Contains(e.Message, "not valid for use with the REST API")
}

// send sends r exactly once.
func (c *Client) send(ctx context.Context, s *session, r request) (Answer, error) {
	bounded, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	req, err := r.build(bounded, s)
	if err != nil {
		return Answer{}, malformed(r.op, err)
	}
	if c.opts.Spend != nil {
		if err := c.opts.Spend(ctx); err != nil {
			return Answer{}, fmt.Errorf("%s: %w", r.op, err)
		}
	}
	began := time.Now()
	resp, err := (&http.Client{Transport: c.transport, CheckRedirect: noRedirect}).Do(req)
	if err != nil {
		if noSuchHost(err) && req.URL.Host != c.login.Host { // a renamed My Domain: the next login tells where the org is
			c.forget(s)
		}
		return Answer{}, noAnswer(ctx, r, err)
	}
	defer resp.Body.Close()
	body, err := readBody(resp.Body, resp.ContentLength)
	took := time.Since(began)
	c.noteUsage(resp.Header)
	c.noteClock(resp.Header)
	c.log.Debug().Str(logged.Op, r.op).Int(logged.Status, resp.StatusCode).Stringer(logged.Took, took).Msg("asked Salesforce")
	if resp.StatusCode >= 300 && resp.StatusCode < 400 || resp.StatusCode == http.StatusNotFound && isHTML(resp.Header, body) {
		c.forget(s) // the org may have moved: the next login tells where it is
	}
	if err != nil {
		return Answer{}, unreadable(ctx, r, resp, err)
	}
	return r.answer(resp, body, took)
}

func (r request) timeout() time.Duration {
	if r.use == useWrite {
		return writeTimeout
	}
	return readTimeout
}

func (r request) build(ctx context.Context, s *session) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, s.instance+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "qualifyd")
	req.Header.Set("Authorization", "Bearer "+s.token)
	return req, nil
}

// answer decodes what came back. Decoding belongs to the try: a page that
// breaks half way was not read.
func (r request) answer(resp *http.Response, body []byte, took time.Duration) (Answer, error) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Answer{}, failure(r, resp.StatusCode, resp.Header, body)
	}
	if r.decode != nil {
		if err := r.decode(body); err != nil {
			return Answer{}, undecodable(r, resp, body, err)
		}
	}
	a, err := answerAt(resp.Header, took)
	if err != nil {
		e := malformed(r.op, err)
		e.Status, e.use, e.unknown = resp.StatusCode, r.use, r.use == useWrite
		return Answer{}, e
	}
	return a, nil
}

// undecodable is the error for a 2xx whose body is not what was asked for. What
// is no JSON at all came from something in between, or was cut.
func undecodable(r request, resp *http.Response, body []byte, cause error) *APIError {
	var e *APIError
	if errors.As(cause, &e) {
		return e // the body named its own failure
	}
	e = failure(r, resp.StatusCode, resp.Header, body)
	var ofComposite *json.SyntaxError
	var ofPage *jsontext.SyntacticError
	if isHTML(resp.Header, body) || errors.As(cause, &ofComposite) || errors.As(cause, &ofPage) || errors.Is(cause, io.EOF) {
		e.Kind = Transient
	} else {
		e.Message = ""
	}
	e.Err = cause
	return e
}

// readBody reads an answer whole: one that breaks off must not be half used. length is what it says of itself; -1 where it does not.
func readBody(body io.Reader, length int64) ([]byte, error) {
	var read bytes.Buffer
	read.Grow(int(min(max(length, 0), maxBody)) + bytes.MinRead) // so that it does not grow piece by piece
	_, err := read.ReadFrom(io.LimitReader(body, maxBody+1))
	if err == nil && read.Len() > maxBody {
		return nil, errTooLarge
	}
	return read.Bytes(), err
}

var errTooLarge = fmt.Errorf("the answer is larger than %d MB", maxBody>>20)

// unreadable is the error for an answer whose body broke off or is not what its
// headers claim (gzip that is none: the transport fails then).
func unreadable(ctx context.Context, r request, resp *http.Response, cause error) *APIError {
	e := failure(r, resp.StatusCode, resp.Header, nil)
	e.Message, e.Err = "the answer could not be read", bareCause(cause)
	if errors.Is(cause, context.DeadlineExceeded) {
		e.Err = fmt.Errorf("it was not whole within %s", r.timeout())
	}
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = Stopped, ctx.Err()
	case errors.Is(cause, errTooLarge):
		e.Kind = Narrow
	case e.Status != http.StatusUnauthorized:
		e.Kind = Transient
	}
	return e
}

// noAnswer is the error for a request that got none. Unless the connection was
// never made, Salesforce may have acted on it.
func noAnswer(ctx context.Context, r request, cause error) *APIError {
	e := &APIError{Op: r.op, Kind: Transient, Err: bareCause(cause), use: r.use}
	e.unknown = r.use == useWrite && !neverSent(cause)
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = Stopped, ctx.Err()
	case errors.Is(cause, context.DeadlineExceeded):
		e.Err = fmt.Errorf("no answer within %s", r.timeout())
	}
	return e
}

func neverSent(cause error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(cause, &op) && op.Op == "dial" || errors.As(cause, &dns)
}

// noSuchHost tells whether a name is gone, and not merely nobody there to ask.
func noSuchHost(cause error) bool {
	var dns *net.DNSError
	return errors.As(cause, &dns) && dns.IsNotFound
}

// bareCause drops the URL that net/http puts in front: it holds the query, and
// with it e-mail addresses.
func bareCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
