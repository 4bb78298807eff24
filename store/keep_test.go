package store_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"qualifyd/rules"
	"qualifyd/store"
)

// backup keeps a backup of a closed store.
func backup(t *testing.T, path, target string, replace bool) (store.Report, error) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return store.Keep(target, replace, s.Backup, nil)
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestABackupIsTheStoreAsItWas(t *testing.T) {
	path, target := furnishedStore(t, 500), filepath.Join(t.TempDir(), "backup.db")
	report, err := backup(t, path, target, false)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the backup's report", report, check(t, path))
	same(t, "what the backup has", check(t, target), report)
	info, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", info.Mode(), fs.FileMode(0o600))
	same(t, "files", names(t, filepath.Dir(target)), []string{"backup.db"})
}

func TestABackupReplacesAFileOnlyWhenToldTo(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(target, []byte("yesterday's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup(t, path, target, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that the file exists", err)
	}
	same(t, "yesterday's", content(t, target), "yesterday's")
	meanwhile := filepath.Join(t.TempDir(), "backup.db")
	_, err := store.Keep(meanwhile, false, func(w io.Writer) error {
		return errors.Join(os.WriteFile(meanwhile, []byte("somebody's"), 0o600), backupOf(t, w, path, func(*bolt.Tx) error { return nil }))
	}, nil)
	if !errors.Is(err, fs.ErrExist) || content(t, meanwhile) != "somebody's" {
		t.Errorf("one that comes meanwhile: got %v and %d bytes, want that the file exists and stays", err, len(content(t, meanwhile)))
	}
	if _, err := backup(t, path, target, true); err != nil {
		t.Errorf("told to replace it: got %v, want no error", err)
	}
	same(t, "referrals", check(t, target).Referrals, 11)
	same(t, "files", names(t, filepath.Dir(target)), []string{"backup.db"})
}

// A backup is a file. Told to replace a pipe or a device, /dev/null say, it would take away what everybody on the machine uses.
func TestABackupTakesThePlaceOfNothingButAFile(t *testing.T) {
	path, folder := furnishedStore(t, 0), t.TempDir()
	pipe, link, inside := filepath.Join(folder, "pipe"), filepath.Join(folder, "link"), filepath.Join(folder, "folder")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link), os.Mkdir(inside, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{pipe, link, inside} {
		if _, err := backup(t, path, target, true); err == nil || !strings.Contains(err.Error(), "is no file") {
			t.Errorf("%s: got %v, want that it is no file", target, err)
		}
	}
	same(t, "files", names(t, folder), []string{"folder", "link", "pipe"})
	for name, mode := range map[string]fs.FileMode{pipe: fs.ModeNamedPipe, link: fs.ModeSymlink, inside: fs.ModeDir} {
		if info, err := os.Lstat(name); err != nil || info.Mode().Type() != mode {
			t.Errorf("%s: got %v (%v), want it as it was", name, info.Mode(), err)
		}
	}
}

// Whoever was killed at it left a file as large as the store: the next one to write to the same place removes it. What may be under way, or is nobody's who
// writes a store, stays.
func TestWhatTheKilledLeftIsRemoved(t *testing.T) {
	leave := func(path string) {
		for _, name := range []string{".new-1234", ".new-5678", ".new-mine", ".new-1234.txt"} {
			if err := os.WriteFile(path+name, []byte("half a store"), 0o600); err != nil {
				t.Fatal(err)
			}
			if old := time.Now().Add(-25 * time.Hour); name != ".new-5678" {
				if err := os.Chtimes(path+name, old, old); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := func(who, path string) {
		t.Helper()
		base := filepath.Base(path)
		same(t, who, names(t, filepath.Dir(path)), []string{base, base + ".new-1234.txt", base + ".new-5678", base + ".new-mine"})
	}
	path, target, fresh := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "fresh.db")
	leave(target)
	if _, err := backup(t, path, target, false); err != nil {
		t.Fatal(err)
	}
	want("after a backup", target)
	leave(path)
	if _, err := store.Compact(path, nil); err != nil {
		t.Fatal(err)
	}
	want("after a compaction", path)
	leave(fresh)
	s, err := store.Create(fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want("with a new store", fresh)
}

// What is cut off, changed on its way, or was damaged before, gets no name; and yesterday's stays.
func TestABackupThatIsNotWholeLeavesNoFile(t *testing.T) {
	path := furnishedStore(t, 300)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gone := errors.New("the connection is gone")
	for situation, write := range map[string]func(io.Writer) error{
		"cut, and said so": func(w io.Writer) error { s.Backup(io.Discard); w.Write(make([]byte, 5000)); return gone },
		"cut, and no word": func(w io.Writer) error { return s.Backup(&short{w, 100_000}) },
		"nothing came":     func(io.Writer) error { return nil },
		"something else":   func(w io.Writer) error { _, err := io.WriteString(w, strings.Repeat("hello\n", 5000)); return err },
		"a ledger line less": func(w io.Writer) error {
			return backupOf(t, w, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("ledger")).Delete(key(19)) })
		},
	} {
		for _, replace := range []bool{false, true} {
			folder := t.TempDir()
			target := filepath.Join(folder, "backup.db")
			var want []string
			if replace {
				want = []string{"backup.db"}
				if err := os.WriteFile(target, []byte("yesterday's"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := store.Keep(target, replace, write, nil); err == nil {
				t.Errorf("%s: got no error, want one", situation)
			}
			same(t, situation+": files", names(t, folder), want)
			if replace {
				same(t, situation+": yesterday's", content(t, target), "yesterday's")
			}
		}
	}
}

// short takes so many bytes, and loses the rest without a word.
type short struct {
	w    io.Writer
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	_, err := s.w.Write(p[:n])
	return len(p), err
}

// backupOf writes a backup of a store that was changed behind its back.
func backupOf(t *testing.T, w io.Writer, path string, change func(*bolt.Tx) error) error {
	other := written(t, []byte(content(t, path)))
	edit(t, other, change)
	s, err := store.Open(other)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Backup(w)
}

func TestACompactedStoreHoldsTheSameInLess(t *testing.T) {
	path := furnishedStore(t, 3000)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) error { // what was longer leaves room
		var err error
		for id := range int64(3000) {
			err = errors.Join(err, tx.PutReferral(rules.Referral{ID: 1000 + id, CampaignID: 101, Standing: rules.Pending}))
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before, told := check(t, path), 0
	done, err := store.Compact(path, func(work string, _, _ int) {
		if work == "compacting" {
			told++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	after := check(t, path)
	if after.Bytes >= before.Bytes || done.After >= done.Before || told == 0 {
		t.Errorf("got %d bytes of %d used, the file %d of %d, told of %d steps; want less, and told", after.Bytes, before.Bytes, done.After, done.Before, told)
	}
	before.Bytes, after.Bytes = 0, 0
	same(t, "what it holds", after, before)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", info.Mode(), fs.FileMode(0o640))
	same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
}

// A store on another disk is reached by a link. It stays one: a file in the link's place would be on the wrong disk, and whoever sets the link again would
// have the daemon run on the store as it was before.
func TestALinkToTheStoreStaysOne(t *testing.T) {
	path, good := furnishedStore(t, 0), filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, good, false); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "qualifyd.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"compact": func() error { _, err := store.Compact(link, nil); return err },
		"restore": func() error { _, err := store.Restore(link, good, at, nil); return err },
	} {
		before, errBefore := os.Stat(path)
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		to, errLink := os.Readlink(link)
		after, errAfter := os.Stat(path)
		if err := errors.Join(errBefore, errAfter); err != nil {
			t.Fatal(err)
		}
		if errLink != nil || to != path || os.SameFile(before, after) {
			t.Errorf("%s: got a link to %q (%v), the file replaced: %v; want one to %q, and another file there", what, to, errLink, !os.SameFile(before, after), path)
		}
		same(t, what+": files beside the link", names(t, filepath.Dir(link)), []string{"qualifyd.db"})
	}
}

// The link may be there before the store is.
func TestAStoreIsMadeWhereALinkLeads(t *testing.T) {
	good := filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, furnishedStore(t, 0), good, false); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func(link string) error{
		"create": func(link string) error {
			s, err := store.OpenOrCreate(link)
			if err != nil {
				return err
			}
			return s.Close()
		},
		"restore": func(link string) error { _, err := store.Restore(link, good, at, nil); return err },
	} {
		link, target := filepath.Join(t.TempDir(), "qualifyd.db"), filepath.Join(t.TempDir(), "store.db")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := do(link); err != nil {
			t.Errorf("%s: got %v, want a store", what, err)
		}
		same(t, what+": files", [][]string{names(t, filepath.Dir(link)), names(t, filepath.Dir(target))}, [][]string{{"qualifyd.db"}, {"store.db"}})
	}
}

// In a bubble the wait for the lock takes no time.
func TestAStoreInUseIsNeitherCompactedNorReplaced(t *testing.T) {
	path := furnishedStore(t, 0)
	good := filepath.Join(t.TempDir(), "backup.db")
	if _, err := backup(t, path, good, false); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		_, restored := store.Restore(path, good, at, nil)
		_, compacted := store.Compact(path, nil)
		_, checked := store.CheckFile(path, nil)
		for what, err := range map[string]error{"restore": restored, "compact": compacted, "check": checked} {
			if !errors.Is(err, store.ErrLocked) {
				t.Errorf("%s: got %v, want ErrLocked", what, err)
			}
		}
	})
	same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
}

// Who waits for the lock while the store is replaced must not go on with the file that was.
func TestWhoWaitsForTheLockGetsTheNewFile(t *testing.T) {
	path, target := furnishedStore(t, 0), filepath.Join(t.TempDir(), "new.db")
	if _, err := backup(t, furnishedStore(t, 5), target, false); err != nil {
		t.Fatal(err)
	}
	first, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan *store.Store)
	go func() {
		s, err := store.Open(path)
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	waitUntilOpen(t, path, 2)
	if err := errors.Join(os.Rename(target, path), first.Close()); err != nil {
		t.Fatal(err)
	}
	s := <-opened
	defer s.Close()
	n := 0
	view(t, s, func(tx *store.Tx) error { return tx.Referrals(func(rules.Referral) error { n++; return nil }) })
	same(t, "referrals", n, 16)
}

// waitUntilOpen waits until this process has a file open so many times.
func waitUntilOpen(t *testing.T, path string, times int) {
	for {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("this system does not tell which files are open: %v", err)
		}
		n := 0
		for _, e := range entries {
			if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == path {
				n++
			}
		}
		if n >= times {
			return
		}
	}
}

// What a process that was killed leaves is checked before anything is written.
func TestAStoreThatWasNotClosedIsCheckedAtTheStart(t *testing.T) {
	path := furnishedStore(t, 200)
	s, err := store.OpenToWork(path)
	if err != nil {
		t.Fatal(err)
	}
	killed := written(t, []byte(content(t, path)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage := func(path string) {
		edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("outbox")).Put(key(77), []byte(`{"Referral":77}`)) })
	}
	damage(path)
	if s, err := store.OpenToWork(path); err != nil {
		t.Errorf("closed well: got %v, want no check", err)
	} else {
		s.Close()
	}
	if s, err := store.Open(killed); err != nil {
		t.Errorf("by a command that only reads: got %v, want the store", err)
	} else {
		s.Close()
	}
	again, err := store.OpenToWork(killed)
	if err != nil {
		t.Fatalf("killed, and whole: got %v, want the store", err)
	}
	killedAgain := written(t, []byte(content(t, killed)))
	again.Close()
	damage(killedAgain)
	markHit := written(t, []byte(content(t, killedAgain)))
	edit(t, markHit, func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("at_rest")) })
	if _, err := store.OpenToWork(markHit); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("killed, and damaged also where it says so: got %v, want ErrDamaged", err)
	}
	before := content(t, killedAgain)
	_, err = store.OpenToWork(killedAgain)
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "referral 77") || !strings.Contains(err.Error(), killedAgain) {
		t.Errorf("killed, and damaged: got %v, want ErrDamaged with the path and the first problem", err)
	}
	same(t, "it is as before", content(t, killedAgain) == before, true)
}
