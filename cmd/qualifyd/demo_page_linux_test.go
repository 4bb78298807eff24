package main

import (
	"bytes"
	"context"
	"testing"
)

func TestTheDemosPageStaysForAPersonOnly(t *testing.T) {
	const page = "http://127.0.0.1:1234/"
	var out bytes.Buffer
	(&demo{app: &app{streams: streams{out: &out}}}).stay(t.Context(), page) // returns at once
	if out.Len() > 0 {
		t.Errorf("into a pipe: got %q, want nothing said about staying", out.String())
	}

	person, program := newTerminal(t)
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		(&demo{app: &app{streams: streams{out: program}}}).stay(ctx, page)
	}()
	person.await("The page stays at " + page + " until Ctrl-C.")
	select {
	case <-gone:
		t.Error("on a terminal: it is gone before Ctrl-C")
	default:
	}
	stop()
	<-gone
}
