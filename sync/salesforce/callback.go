package salesforce

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Receiver waits on loopback for the browser that comes back from Salesforce.
type Receiver struct {
	// Visits brings the browser that belongs to the authorization. Whatever else
	// comes by is turned away and ends nothing.
	Visits <-chan *Visit

	authorization *Authorization
	visits        chan *Visit
	closed        chan struct{}
	server        *http.Server
}

// Visit is a browser with Salesforce's answer, waiting to hear how it went on.
type Visit struct {
	Code string
	Err  error // Salesforce's refusal, instead of a code

	told chan string
}

// Tell ends the visit with a sentence on a page. It is called once.
func (v *Visit) Tell(sentence string) { v.told <- sentence }

// Receive begins to listen at the callback's port, for this machine only.
func (a *Authorization) Receive(port int) (*Receiver, error) {
	listeners, err := listenLoopback(port)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opAuthorize, err)
	}
	r := &Receiver{authorization: a, visits: make(chan *Visit), closed: make(chan struct{})}
	r.Visits = r.visits
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	for _, l := range listeners {
		go r.server.Serve(l) // ends with Close
	}
	return r, nil
}

// listenLoopback listens on both addresses that localhost may stand for: on a
// free one, somebody else could receive the code.
func listenLoopback(port int) (listeners []net.Listener, err error) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case ip == "::1" && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
			// a machine without IPv6
		default:
			for _, l := range listeners {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
	}
	return listeners, nil
}

// Close stops listening, once the page of a visit that was told is sent.
func (r *Receiver) Close() error {
	close(r.closed)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		return r.server.Close()
	}
	return nil
}

// ServeHTTP answers the browser.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet || req.URL.Path != callbackPath {
		http.NotFound(w, req)
		return
	}
	back := req.URL.Query()
	if !r.authorization.owns(back) {
		page(w, http.StatusBadRequest, "This is not the answer that qualifyd waits for. If it was you who logged in, paste this page's address where qualifyd connect runs.")
		return
	}
	v := &Visit{Code: back.Get("code"), told: make(chan string, 1)}
	if v.Code == "" {
		v.Err = r.authorization.refused(back)
	}
	select {
	case r.visits <- v:
		page(w, http.StatusOK, <-v.told)
	case <-r.closed:
		page(w, http.StatusGone, "This login is over.")
	case <-req.Context().Done():
	}
}

var callbackPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>qualifyd</title></head><body><p>{{.}}</p></body></html>
`))

// page shows a sentence. The address that it is shown at holds a code: it goes
// nowhere from here.
func page(w http.ResponseWriter, status int, sentence string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	callbackPage.Execute(w, sentence) // a browser that has gone needs no page
}
