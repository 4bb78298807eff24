package main

import (
	"bytes"
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
