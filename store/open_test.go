package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"qualifyd/rules"
	"qualifyd/store"
)

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "qualifyd.db") }

// filled makes a closed store with a few hundred referrals.
func filled(t *testing.T, path string) {
	t.Helper()
	s, err := store.Create(path)
	if err != nil {
		t.Fatalf("create: got %v, want a store", err)
	}
	update(t, s, func(tx *store.Tx) error {
		for id := range int64(500) {
			r := rules.Referral{ID: id + 1, Email: fmt.Sprint(id+1, "@example.com"), Links: links(fmt.Sprint("00Q", id+1))}
			if err := tx.PutReferral(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatalf("close: got %v, want no error", err)
	}
}

// count opens a store and counts its referrals.
func count(t *testing.T, path string) (n int) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatalf("open: got %v, want a store", err)
	}
	defer s.Close()
	view(t, s, func(tx *store.Tx) error { return tx.Referrals(func(rules.Referral) error { n++; return nil }) })
	return n
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestOpenWithoutAFileMakesNone(t *testing.T) {
	path := newPath(t)
	s, err := store.Open(path)
	if s != nil || !errors.Is(err, store.ErrMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, %v; want ErrMissing with the path", s, err)
	}
	same(t, "files", names(t, filepath.Dir(path)), []string(nil))
}

func TestANewStoreIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "var", "lib", "qualifyd.db")
	s, err := store.OpenOrCreate(path)
	if err != nil {
		t.Fatalf("got %v, want a store", err)
	}
	defer s.Close()
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, info.Mode(), want)
	}
	same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
}

func TestOpenKeepsTheModeOfTheFile(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	same(t, "referrals", count(t, path), 500)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", info.Mode(), fs.FileMode(0o640))
}

func TestOpenOrCreateKeepsAStoreThatIsThere(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	for _, open := range []func(string) (*store.Store, error){store.OpenOrCreate, store.Create} {
		s, err := open(path)
		if err != nil {
			t.Fatalf("got %v, want the store", err)
		}
		s.Close()
		same(t, "referrals", count(t, path), 500)
		same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
	}
}

func TestWhatAnEarlierStartLeftIsNoHindrance(t *testing.T) {
	for what, left := range map[string]string{"nothing in it": "", "half a store": strings.Repeat("\x00", 8192), "text": "hello"} {
		path := newPath(t)
		if err := os.WriteFile(path+".new", []byte(left), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.OpenOrCreate(path)
		if err != nil {
			t.Errorf("%s: got %v, want a store", what, err)
			continue
		}
		s.Close()
		same(t, what+": referrals", count(t, path), 0)
	}
}

func TestSeveralCreatorsAtOnceEndWithOneStore(t *testing.T) {
	const creators = 4
	for range 8 {
		path := newPath(t)
		var working sync.WaitGroup
		for id := range int64(creators) {
			working.Go(func() {
				s, err := store.OpenOrCreate(path)
				if err != nil {
					t.Errorf("creator %d: got %v, want a store", id, err)
					return
				}
				defer s.Close()
				if err := s.Update(func(tx *store.Tx) error { return tx.PutReferral(rules.Referral{ID: id + 1}) }); err != nil {
					t.Errorf("creator %d: got %v, want no error", id, err)
				}
			})
		}
		working.Wait()
		if t.Failed() {
			return
		}
		same(t, "referrals of all creators", count(t, path), creators)
		same(t, "files", names(t, filepath.Dir(path)), []string{"qualifyd.db"})
	}
}

// In a bubble the wait for the lock takes no time.
func TestAnotherProcessHasTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		first, err := store.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		second, err := store.Open(path)
		if second != nil || !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, %v; want ErrLocked with the path", second, err)
		}
		if waited := time.Since(begun); waited < time.Second || waited > 3*time.Second {
			t.Errorf("waited %v, want about two seconds", waited)
		}
		time.AfterFunc(time.Second, func() { first.Close() })
		third, err := store.Open(path)
		if err != nil {
			t.Fatalf("while the other exits: got %v, want a store", err)
		}
		third.Close()
	})
}

// setSchema writes a version into a store's file, or into a new one.
func setSchema(t *testing.T, path, bucket, version string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte("schema"), []byte(version))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestANewerStoreIsRefusedWithASentence(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	setSchema(t, path, "meta", fmt.Sprint(store.Schema+1))
	s, err := store.Open(path)
	if s != nil {
		s.Close()
	}
	want := fmt.Sprintf("%s: the store was written by a newer version of qualifyd: its schema is %d, this one knows %d", path, store.Schema+1, store.Schema)
	if !errors.Is(err, store.ErrNewer) || err.Error() != want {
		t.Errorf("got %v, want ErrNewer: %s", err, want)
	}
	setSchema(t, path, "meta", fmt.Sprint(store.Schema)) // it is not locked, and nothing else was touched
	same(t, "referrals", count(t, path), 500)
}

func TestOtherFilesAreRefusedAndStayAsTheyAre(t *testing.T) {
	for what, write := range map[string]func(path string){
		"another program's bbolt file":   func(path string) { setSchema(t, path, "theirs", "1") },
		"one with a bucket meta as well": func(path string) { setSchema(t, path, "meta", "v3") },
		"a text file":                    func(path string) { os.WriteFile(path, bytes.Repeat([]byte("campaigns: []\n"), 2000), 0o600) },
		"an empty file":                  func(path string) { os.WriteFile(path, nil, 0o600) },
		"a short text file":              func(path string) { os.WriteFile(path, []byte("hello\n"), 0o600) },
	} {
		path := newPath(t)
		write(path)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(string) (*store.Store, error){store.Open, store.OpenOrCreate} {
			s, err := open(path)
			if s != nil || err == nil || !strings.Contains(err.Error(), path) {
				t.Fatalf("%s: got %v, %v; want an error with the path", what, s, err)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		same(t, what+" is as before", bytes.Equal(before, after), true)
	}
	if s, err := store.Open(t.TempDir()); err == nil {
		t.Errorf("a folder: got %v, want an error", s)
	}
}

// A long file's beginning is all that bbolt looks at.
func TestAFileThatBeginsLikeNoStoreIsDamaged(t *testing.T) {
	path := newPath(t)
	if err := os.WriteFile(path, bytes.Repeat([]byte("campaigns: []\n"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(path); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "begins like no store") {
		t.Errorf("got %v, %v; want that it is damaged, and how", s, err)
	}
}

func TestADamagedFileIsAnErrorAndNoCrash(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := usedBytes(t, path)
	page := os.Getpagesize()
	damages := map[string][]byte{"both meta pages gone": append(make([]byte, 2*page), whole[2*page:]...)}
	for _, size := range []int{1, page, 2 * page, 3 * page, 4 * page, used / 2, used - page, used - 1} {
		damages[fmt.Sprintf("cut to %d of %d bytes", size, used)] = whole[:size]
	}
	damages["all pages zero but the meta pages"] = append(bytes.Clone(whole[:2*page]), make([]byte, len(whole)-2*page)...)
	for what, content := range damages {
		path := newPath(t)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := store.Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, %v; want an error with the path", what, s, err)
		}
	}
	if err := os.WriteFile(path, whole[:used], 0o600); err != nil { // what bbolt reserved beyond may go
		t.Fatal(err)
	}
	same(t, "referrals", count(t, path), 500)
}

// usedBytes is how much of a file bbolt refers to.
func usedBytes(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.View(func(tx *bolt.Tx) error { n = int(tx.Size()); return nil })
	return n
}

func TestACopyIsAStoreOfItsOwn(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "copy.db")
	c, err := s.CopyTo(target)
	if err != nil {
		t.Fatalf("got %v, want a copy", err)
	}
	put(t, c, rules.Referral{ID: 501})
	put(t, s, rules.Referral{ID: 502}, rules.Referral{ID: 503})
	if err := errors.Join(c.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	same(t, "referrals of the copy", count(t, target), 501)
	same(t, "referrals of the store", count(t, path), 502)
	info, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mode", info.Mode(), fs.FileMode(0o600))
}

func TestACopyReplacesNoFileAndNotTheStoreItself(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "yesterday.db")
	if err := os.WriteFile(other, []byte("yesterday's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{other, path} {
		if c, err := s.CopyTo(target); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v, %v; want that the file exists", target, c, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadFile(other)
	same(t, "yesterday's copy", string(left), "yesterday's")
	same(t, "its error", err, error(nil))
	same(t, "referrals of the store", count(t, path), 500)
}

// Buckets came to be after the first stores were made; a store without them gets them, filled, and stays as it is otherwise.
func TestAStoreWithoutTheNewerBucketsIsCompleted(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, store.Entry{Act: store.ActPinned, Referral: 7}, store.Entry{Act: store.ActReleased}, store.Entry{Act: store.ActJudged, Referral: 7})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return errors.Join(tx.DeleteBucket([]byte("ledger_of")), tx.DeleteBucket([]byte("run")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(path)
	if err != nil {
		t.Fatalf("open: got %v, want the store", err)
	}
	view(t, s, func(tx *store.Tx) error {
		entries, err := tx.LedgerOf(7)
		same(t, "entries found by referral", len(entries), 2)
		return err
	})
	update(t, s, func(tx *store.Tx) error { return tx.PutRun(store.Run{Job: "poll"}) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "referrals", count(t, path), 500)
}

// A bucket whose name was damaged is not taken for one that is missing, and made anew without what was in it.
func TestABucketOfADamagedNameIsNoMissingOne(t *testing.T) {
	path := newPath(t)
	filled(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.ReplaceAll(whole, []byte("watermark"), []byte("watermarj"))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func(string) (*store.Store, error){store.Open, store.OpenToWork} {
		s, err := open(path)
		if s != nil || !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), `lacks the bucket watermark, and has one of the name "watermarj"`) {
			t.Errorf("got %v, %v; want ErrDamaged and both names", s, err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "it is as before", bytes.Equal(after, damaged), true)
}
