package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/sync/logged"
)

const (
	pingAgain  = time.Minute // at most so often
	pingWithin = 10 * time.Second
)

// ping is a dead-man switch: somebody elsewhere expects it, and speaks up when it stays away. Its URL is a secret: who knows it can say that
// all is well.
type ping struct {
	url     string // "" is none
	client  *http.Client
	log     zerolog.Logger
	sent    time.Time // when the newest was; the zero time for never
	on      sync.WaitGroup
	trouble bool // of the newest that is over; there is one at a time
}

// send says that all is well, where it is and nothing has said so lately. It does not wait for the answer.
func (p *ping) send(ctx context.Context, well bool) {
	if p.url == "" || !well || !p.sent.IsZero() && time.Since(p.sent) < pingAgain {
		return
	}
	p.on.Wait() // the one before is over: each ends sooner than the next may begin
	p.sent = time.Now()
	p.on.Go(func() { p.tell(p.call(ctx)) })
}

// tell says when trouble begins, and when it ends.
func (p *ping) tell(err error) {
	switch {
	case errors.Is(err, context.Canceled): // qualifyd stops
		return
	case err != nil && !p.trouble:
		p.log.Warn().Err(err).Str(logged.Key, "metrics.ping").Msg("the ping does not get through")
	case err == nil && p.trouble:
		p.log.Info().Str(logged.Key, "metrics.ping").Msg("the ping gets through again")
	}
	p.trouble = err != nil
}

func (p *ping) call(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return errors.New("it is no URL")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return p.withoutURL(err)
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return nil
}

// withoutURL is an error of the client's without the address: its path, and its host where a service gives each switch a name of its own.
func (p *ping) withoutURL(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	text := err.Error()
	if strings.Contains(text, "invalid proxy address") { // the standard library repeats it, with its password
		text = "HTTPS_PROXY is no usable URL; want http://host:port"
	}
	if address, bad := url.Parse(p.url); bad == nil && address.Hostname() != "" {
		text = strings.ReplaceAll(text, address.Hostname(), "(its host)")
	}
	return errors.New(text)
}

// neverFollow: the address is told to nobody else, and a redirect is no sign that the switch has heard.
func neverFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
