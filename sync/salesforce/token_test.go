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

// Whoever may write to the folder, root's commands must do nothing for them.
func TestALinkInThePlaceOfAFileIsNotFollowed(t *testing.T) {
	for name, plant := range map[string]func(victim, path string) error{"symbolic": os.Symlink, "hard": os.Link} {
		t.Run(name, func(t *testing.T) {
			k := connect(t, true)
			folder := filepath.Dir(string(k.file))
			victim := filepath.Join(t.TempDir(), "shadow")
			if err := os.WriteFile(victim, []byte("root's"), 0o600); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() == 0 {
				if err := os.Chown(folder, 4321, 4321); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{k.file.lockPath(), k.file.newPath()} {
				os.Remove(path)
				if err := plant(victim, path); err != nil {
					t.Fatal(err)
				}
			}
			err := k.logIn(k.client())
			if name == "symbolic" {
				k.wantRefused(err, "salesforce-token.lock cannot be trusted: it is a link or no file at all, which qualifyd does not make; find out who put it there, and remove it")
				os.Remove(k.file.lockPath())
			}
			k.wantLogin(k.client())
			if text, err := os.ReadFile(victim); err != nil || string(text) != "root's" {
				t.Errorf("behind the link: got %q, %v, want it as it was", text, err)
			}
			if got := ownerOf(t, victim); got != uint32(os.Geteuid()) {
				t.Errorf("what is behind the link belongs to %d now", got)
			}
		})
	}
}

func TestATokenThatIsALinkOrAPipeIsNotRead(t *testing.T) {
	other := connect(t, false)
	for name, plant := range map[string]func(path string) error{
		"a link to another's token": func(path string) error { return os.Symlink(string(other.file), path) },
		"a pipe":                    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":                  func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			k := connect(t, false)
			os.Remove(string(k.file))
			if err := plant(string(k.file)); err != nil {
				t.Fatal(err)
			}
			k.wantRefused(k.logIn(k.client()), "salesforce-token is damaged: it is a link or no file at all, which qualifyd does not make; run qualifyd connect again")
		})
	}
}
