package referralfactory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"qualifyd/sync/logged"
)

const (
	maxBody = 16 << 20 // a page of 250 users is well under one megabyte

	readTries     = 3
	firstBackoff  = 300 * time.Millisecond
	maxRetryAfter = 5 * time.Second // asked to wait longer, a read gives up at once
)

// Answer is when the service answered, by its own clock, to the second. It is
// filled beside an error too, if the service did answer and gave its time.
type Answer struct {
	Date  time.Time // of the answer's end
	Since time.Time // the call had not begun before: Date less the time it took, in whole seconds
}

func newAnswer(h http.Header, took time.Duration) Answer {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return Answer{}
	}
	seconds := (took + time.Second - 1).Truncate(time.Second)
	return Answer{Date: date.UTC(), Since: date.UTC().Add(-seconds)}
}

// read makes a GET, again if the service stumbles. An error of decode counts
// as an answer that was cut.
func (c *Client) read(ctx context.Context, path string, decode func(body []byte) error) (Answer, error) {
	for try := 1; ; try++ {
		answer, body, err := c.call(ctx, http.MethodGet, path, nil, nil)
		if err == nil {
			if err = decode(body); err == nil {
				return answer, nil
			}
			err = &Unavailable{Status: http.StatusOK, Cause: err}
		}
		var u *Unavailable
		if try == readTries || !errors.As(err, &u) || u.RetryAfter > maxRetryAfter {
			return answer, err
		}
		if !sleep(ctx, max(c.backoff(try), u.RetryAfter)) {
			return answer, err
		}
	}
}

func (c *Client) backoff(try int) time.Duration { return c.jitter(firstBackoff << (try - 1)) }

// halfOrMore is a half to one and a half of d.
func halfOrMore(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// call makes one call within the budget and returns the body of a 2xx. reserve,
// where there is one, is run between the wait for the budget and the sending.
func (c *Client) call(ctx context.Context, method, path string, body []byte, reserve func() error) (Answer, []byte, error) {
	if err := c.budget.wait(ctx, c.urgent); err != nil {
		return Answer{}, nil, fmt.Errorf("waiting for a turn: %w", err)
	}
	if reserve != nil {
		if err := reserve(); err != nil {
			return Answer{}, nil, err
		}
	}
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return Answer{}, nil, err
	}
	c.count()
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, nil, &Unavailable{Cause: late(ctx, withoutURL(err))}
	}
	defer resp.Body.Close()
	took := time.Since(start)
	content, err := readAll(resp.Body)
	c.log.Debug().Str(logged.Method, method).Str(logged.Path, path).Int(logged.Status, resp.StatusCode).
		Stringer(logged.Took, took).Msg("Referral Factory answered")

	answer := newAnswer(resp.Header, took)
	err = c.judge(resp, content, late(ctx, err))
	if err != nil && !(errors.Is(err, ErrNotFound) && answer.Date.IsZero()) {
		return answer, nil, err
	}
	// Without a time it is not the service itself that says so: "gone" least of all.
	if answer.Date.IsZero() {
		return answer, nil, &Unavailable{Status: resp.StatusCode, Cause: ErrNoDate}
	}
	return answer, content, nil
}

func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+*c.key.Load())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "qualifyd")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// withoutURL: what was called is said by those who call.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// late says in one way, though net/http says it in several, that a call was given up for the time it took.
func late(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("no whole answer within %s", callTimeout)
	}
	return err
}

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if len(body) > maxBody {
		return nil, fmt.Errorf("an answer of more than %d MB", maxBody>>20)
	}
	return body, err
}

// judge turns everything but a whole 2xx of the API itself into a typed error.
func (c *Client) judge(resp *http.Response, body []byte, cut error) error {
	status := resp.StatusCode
	switch {
	case status == 401 || status == 403:
		return &Refused{Status: status, Message: c.refusal(resp, body)}
	case status == 408 || status == 429 || status >= 500:
		u := &Unavailable{Status: status, RetryAfter: retryAfter(resp.Header)}
		if status == 429 {
			c.budget.pause(u.RetryAfter)
		}
		return u
	case status >= 300 && status < 400:
		return &Unavailable{Status: status, Cause: redirected(resp)}
	case cut != nil:
		return &Unavailable{Status: status, Cause: cut}
	case isWebPage(resp.Header, body):
		return &Unavailable{Status: status, Cause: errWebPage}
	case status == 404 || status == 410:
		return ErrNotFound
	case status >= 400:
		return newRejected(status, body, c.clean)
	}
	return nil
}

func (c *Client) refusal(resp *http.Response, body []byte) string {
	if isWebPage(resp.Header, body) {
		return "a web page says so, perhaps a firewall that blocks this address"
	}
	return c.clean(message(body))
}

func redirected(resp *http.Response) error {
	to, err := resp.Location()
	if err != nil {
		return errors.New("a redirect to nowhere; check the base URL")
	}
	return fmt.Errorf("a redirect to %s, not followed; check the base URL", to.Host)
}

func isWebPage(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// retryAfter understands both forms, seconds and a date; a date is taken
// against the service's clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) { // out of range it is the most that there is
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	now, errNow := http.ParseTime(h.Get("Date"))
	if err != nil || errNow != nil {
		return 0
	}
	return max(0, until.Sub(now))
}
