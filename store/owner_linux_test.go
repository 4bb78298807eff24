package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"qualifyd/store"
)

// asUser runs fn with a user's rights to files, on a thread of its own. fsuid is what the kernel goes by there.
func asUser(t *testing.T, uid int, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer syscall.Setfsuid(0)
	if err := syscall.Setfsuid(uid); err != nil {
		t.Fatal(err)
	}
	fn()
}

// Somebody who may write the store, but is not its owner, cannot give a new file away: the daemon could not open it any more. So the store stays as it is.
func TestWhoCannotKeepTheOwnerReplacesNoStore(t *testing.T) {
	path, good := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, good, false); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	if err := errors.Join(os.Chmod(filepath.Dir(folder), 0o755), os.Chmod(folder, 0o777), os.Chmod(path, 0o666), os.Chmod(good, 0o644)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"compact": func() error { _, err := store.Compact(path, nil); return err },
		"restore": func() error { _, err := store.Restore(path, good, at, nil); return err },
	} {
		asUser(t, 12345, func() { err = do() })
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("%s: got %v, want that the owner cannot be kept", what, err)
		}
		after, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(before, after) {
			t.Errorf("%s: got another file, of user %d, want the store as it was", what, after.Sys().(*syscall.Stat_t).Uid)
		}
		same(t, what+": files", names(t, folder), []string{"qualifyd.db"})
	}
}
