package console

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/desk"
	"qualifyd/sync/logged"
)

// Page is the page, being served.
type Page struct {
	URL    string
	desk   atomic.Pointer[desk.Desk]
	server *http.Server
	done   chan struct{}
}

// Show has the page be about another desk from now on, of the same store.
func (p *Page) Show(d *desk.Desk) { p.desk.Store(d) }

// OpenPage serves the page about a desk on a loopback address with a port; port 0 takes a free one, which URL then has. The page shows
// names, so that other addresses are refused.
func OpenPage(d *desk.Desk, listen string, log zerolog.Logger) (*Page, error) {
	listener, err := listenOnLoopback(listen)
	if err != nil {
		return nil, fmt.Errorf("console.listen: %w", err)
	}
	p := &Page{URL: "http://" + listener.Addr().String() + "/", done: make(chan struct{})}
	p.Show(d)
	p.server = &http.Server{
		Handler:           newPage(&p.desk, log),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          stdlog.New(log, "", 0),
	}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Str(logged.Page, p.URL).Msg("the page has closed")
		}
	}()
	return p, nil
}

func listenOnLoopback(listen string) (net.Listener, error) {
	address, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", listen, err)
	}
	if !address.IP.IsLoopback() {
		return nil, fmt.Errorf("%q is open to other machines, and the page shows names; use a loopback address, like 127.0.0.1:8321", listen)
	}
	listener, err := net.ListenTCP("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program; stop that, or use another port", listen)
	}
	if err != nil {
		return nil, err
	}
	return listener, nil
}

// Close stops serving. Answers under way are given a moment.
func (p *Page) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.server.Close()
	}
	<-p.done
}
