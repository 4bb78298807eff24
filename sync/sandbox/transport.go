package sandbox

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Transport reaches handlers by host name without a socket: a client with it
// can live inside a testing/synctest bubble. A request is served on the
// caller's goroutine. Closed connections and cut bodies show as they do with
// http.Transport; a host without a handler cannot be reached.
func Transport(handlers map[string]http.Handler) http.RoundTripper { return transport(handlers) }

type transport map[string]http.Handler

// RoundTrip sends one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	h := t[r.URL.Host]
	if h == nil {
		return nil, fmt.Errorf("dial tcp: lookup %s: no such host", r.URL.Hostname())
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	w := newRecorder()
	aborted := serve(h, w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if aborted && w.body.Len() == 0 {
		return nil, fmt.Errorf("connection closed by %s: %w", r.URL.Host, io.EOF)
	}
	return response(w, r, aborted), nil
}

// serve runs a handler and says whether it closed the connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

func response(w *recorder, r *http.Request, cut bool) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", w.code, http.StatusText(w.code)), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, ContentLength: -1, Request: r,
	}
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	body := io.Reader(bytes.NewReader(w.body.Bytes()))
	if cut {
		body = io.MultiReader(body, broken{})
	}
	// http.Transport unzips unless the client asked for gzip itself.
	if resp.Header.Get("Content-Encoding") == "gzip" && r.Header.Get("Accept-Encoding") == "" {
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
		body = &unzip{from: body}
	}
	resp.Body = io.NopCloser(body)
	return resp
}

// broken is the end of a body whose connection was closed.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// unzip finds out on the first read whether the body is gzip at all.
type unzip struct {
	from io.Reader
	z    *gzip.Reader
}

func (u *unzip) Read(p []byte) (n int, err error) {
	if u.z == nil {
		if u.z, err = gzip.NewReader(u.from); err != nil {
			return 0, err
		}
	}
	return u.z.Read(p)
}
