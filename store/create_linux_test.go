package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"qualifyd/rules"
	"qualifyd/store"
)

// onItsOwn has a test run in a process of its own, where what else this one writes may not be limited. It is true in that process.
func onItsOwn(t *testing.T) bool {
	t.Helper()
	const own = "QUALIFYD_TEST_ON_ITS_OWN"
	if os.Getenv(own) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), own+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("got %v:\n%s", err, out)
	}
	return false
}

// The disk takes only the first pages of a new store, and then more and more of them.
func TestACreationThatBreaksOffLeavesNoFileUnderTheName(t *testing.T) {
	if !onItsOwn(t) {
		return
	}
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

func TestADiskThatIsFullLeavesTheStoreAsItWas(t *testing.T) {
	if !onItsOwn(t) {
		return
	}
	path, good := furnishedStore(t, 2000), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, good, false); err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("this test limits the size of files, which this machine does not let it do: %v", err)
	}
	for _, size := range []uint64{0, 64 << 10, 1 << 20} {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		_, compacted := store.Compact(path, nil)
		_, restored := store.Restore(path, good, at, nil)
		_, kept := backup(t, path, filepath.Join(filepath.Dir(path), "other.db"), false)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"compact": compacted, "restore": restored, "backup": kept} {
			if err == nil {
				t.Errorf("%s with room for %d bytes: got no error, want one", what, size)
			}
		}
		same(t, "the store is as before", content(t, path) == before, true)
		same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
	}
}

// A commit that fails, and not for lack of room on the disk, may have been kept all the same: the store takes no other until it is opened anew.
func TestAfterADoubtfulCommitNothingIsWritten(t *testing.T) {
	if !onItsOwn(t) {
		return
	}
	path := newPath(t)
	filled(t, path)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("this test limits the size of files, which this machine does not let it do: %v", err)
	}
	pin := func(tx *store.Tx) error { return tx.PutReferral(rules.Referral{ID: 501}) }
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err = s.Update(pin)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, store.ErrDoubtful) || errors.Is(err, store.ErrFull) {
		t.Errorf("a commit that fails: got %v, want ErrDoubtful", err)
	}
	if err := s.Update(pin); !errors.Is(err, store.ErrDoubtful) {
		t.Errorf("the next one, of which nothing fails: got %v, want ErrDoubtful", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "referrals", count(t, path), 500)
	if s, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	update(t, s, pin)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "referrals once it was opened anew", count(t, path), 501)
}
