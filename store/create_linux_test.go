package store_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"qualifyd/store"
)

// The disk takes only the first pages of a new store, and then more and more of them.
func TestACreationThatBreaksOffLeavesNoFileUnderTheName(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Skipf("this test limits the size of files, which this machine does not let it do: %v", err)
	}
	path := newPath(t)
	for limit := uint64(0); limit <= 32<<10; limit += 4 << 10 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		s, err := store.Create(path)
		if back := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); back != nil {
			t.Fatal(back)
		}
		if err == nil {
			s.Close()
			t.Fatalf("at most %d bytes: got a store, want an error", limit)
		}
		same(t, "files", names(t, filepath.Dir(path)), []string(nil))
	}
	s, err := store.Create(path)
	if err != nil {
		t.Fatalf("once there is room: got %v, want a store", err)
	}
	s.Close()
	same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
}
