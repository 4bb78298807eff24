package main

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAProcessThatDoesNotStopIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		var code atomic.Int32
		code.Store(-1)
		endWithin(stopBound, &said, func(c int) { code.Store(int32(c)) })
		time.Sleep(stopBound - time.Second)
		if code.Load() != -1 {
			t.Errorf("a second before the bound: ended with %d, want it to go on", code.Load())
		}
		time.Sleep(2 * time.Second)
		if code := code.Load(); code != exitFailed || !strings.Contains(said.String(), "did not stop within 30s") {
			t.Errorf("after the bound: got exit code %d and %q, want %d and a sentence", code, said.String(), exitFailed)
		}
	})
}

func TestCompletionsForAShellThatThereIsNotAreWrongUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
		out  string
	}{
		{[]string{"completion", "bash"}, exitDone, "__start_qualifyd"},
		{[]string{"completion"}, exitDone, "qualifyd completion [command]"},
		{[]string{"completion", "foosh"}, exitUsage, ""},
	} {
		var out, err bytes.Buffer
		if got := run(context.Background(), tt.args, streams{&out, &err}); got != tt.want || !strings.Contains(out.String(), tt.out) || tt.out == "" && out.Len() > 0 {
			t.Errorf("%v: got exit code %d and %q on standard output, want %d and %q", tt.args, got, out.String(), tt.want, tt.out)
		}
	}
}
