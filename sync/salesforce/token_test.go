package salesforce

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheFilesAreForTheirOwnerOnly(t *testing.T) {
	k := connect(t, true)
	k.wantLogin(k.client())
	entries, err := os.ReadDir(filepath.Dir(string(k.file)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v, want mode 0600", e.Name(), info.Mode(), err)
		}
	}
	if diff := cmp.Diff([]string{"salesforce-token", "salesforce-token.lock"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// The service must be able to use what root connected.
func TestWhatRootMakesBelongsToTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	k := connect(t, true)
	folder := filepath.Dir(string(k.file))
	if err := os.Chown(folder, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	os.Remove(k.file.lockPath())
	k.wantLogin(k.client())
	for _, path := range []string{string(k.file), k.file.lockPath()} {
		if got := ownerOf(t, path); got != 4321 {
			t.Errorf("%s belongs to %d, want 4321", path, got)
		}
	}
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// With rotation, one token that is used twice ends the connection for all.
func TestManyClientsNeverUseATokenTwice(t *testing.T) {
	k := connect(t, true)
	var wg sync.WaitGroup
	for range 4 {
		c := k.client()
		wg.Go(func() {
			for range 5 {
				if err := k.logIn(c); err != nil {
					t.Errorf("got %v, want a session", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestALockThatIsHeldIsWaitedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := connect(t, false)
		unlock, err := k.file.lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = k.logIn(k.client())
		wantKind(t, err, Transient)
		if took := time.Since(start); took != lockWait {
			t.Errorf("gave up after %v, want %v", took, lockWait)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = k.client().Identity(ctx)
		wantKind(t, err, Stopped)
		time.AfterFunc(2*time.Second, func() { unlock() })
		k.wantLogin(k.client())
	})
}
