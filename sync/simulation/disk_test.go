package simulation

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"unsafe"

	"qualifyd/store"
)

// disk is the store's file, kept in memory as well: what a process that dies after a commit leaves behind is the file as it was then.
type disk struct {
	path    string
	content []byte
	commits int
	dieAt   int    // number of the commit after which the process dies; 0 for none
	left    []byte // what it leaves behind, once it has died

	recording *recording // of how the file came about; nil where nobody asks

	look    func() // looks at the store as a commit has left it
	looksAt int    // the commit it has looked at
}

const (
	pageSize  = 4096
	highestAt = 16 + 16 + 16 + 8 // of a meta page: where the number of pages in use is
	txidAt    = highestAt + 8    // ... and the number of its commit
	metaPages = 2
)

// emptyStore is the file of a new store. All histories begin with it, for making one costs as much as a day of history.
var emptyStore = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "simulation")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Create(filepath.Join(dir, "new.db"))
	if err != nil {
		panic(err)
	}
	defer s.Close()
	copied, err := s.CopyTo(filepath.Join(dir, "copy.db"))
	if err != nil {
		panic(err)
	}
	defer copied.Close()
	raw, err := os.ReadFile(filepath.Join(dir, "copy.db"))
	if err != nil {
		panic(err)
	}
	return raw
})

// folder is where stores are kept: in memory where the machine has such a place, because each commit waits for the disk.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "simulation")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// open opens a store with some content, as the daemon does after an unclean end, and watches its writes from then on.
func (d *disk) open(t *testing.T, content []byte) *store.Store {
	t.Helper()
	d.commits, d.dieAt, d.left, d.looksAt = 0, 0, nil, 0
	if err := os.WriteFile(d.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenToWork(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if d.content, err = usedOf(d.path); err != nil {
		t.Fatal(err)
	}
	d.watch(t, s)
	return s
}

// usedOf reads as much of a file as its newest commit uses. What bbolt has reserved behind that is a lot.
func usedOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	metas := make([]byte, metaPages*pageSize)
	if _, err := io.ReadFull(f, metas); err != nil {
		return nil, err
	}
	newest, second := metas, metas[pageSize:]
	if binary.LittleEndian.Uint64(second[txidAt:]) > binary.LittleEndian.Uint64(newest[txidAt:]) {
		newest = second
	}
	content := make([]byte, int(binary.LittleEndian.Uint64(newest[highestAt:]))*pageSize)
	_, err = f.ReadAt(content, 0)
	return content, err
}

// watch takes note of every page that the store writes. bbolt has no hook for that, so it is put where bbolt keeps the function that writes; the
// store ships without a switch for it.
func (d *disk) watch(t *testing.T, s *store.Store) {
	t.Helper()
	db := reflect.ValueOf(s).Elem().FieldByName("db")
	field := reflect.Value{}
	if db.IsValid() && db.Kind() == reflect.Pointer {
		if ops := db.Elem().FieldByName("ops"); ops.IsValid() {
			field = ops.FieldByName("writeAt")
		}
	}
	if !field.IsValid() {
		t.Fatal("this version of bbolt keeps its write function elsewhere: look for ops.writeAt in its DB")
	}
	if d.recording != nil {
		d.recording.begin(t, d, db.Elem())
	}
	writeAt := (*func([]byte, int64) (int, error))(unsafe.Pointer(field.UnsafeAddr()))
	write := *writeAt
	*writeAt = func(b []byte, at int64) (int, error) {
		if at >= metaPages*pageSize {
			d.lookAgain()
		}
		d.recording.writes(at)
		n, err := write(b, at)
		if err == nil {
			d.note(b, at)
			d.recording.wrote(b, at)
		}
		return n, err
	}
}

// lookAgain has the store looked at, if there was a commit since the last time. That can be while the next one writes its pages, though not while
// it writes its meta page.
func (d *disk) lookAgain() {
	if d.looksAt < d.commits {
		d.looksAt = d.commits
		d.look()
	}
}

// note keeps a page. A meta page ends a commit.
func (d *disk) note(b []byte, at int64) {
	d.reach(int(at) + len(b))
	copy(d.content[at:], b)
	if at >= metaPages*pageSize {
		return
	}
	d.reach(int(binary.LittleEndian.Uint64(b[highestAt:])) * pageSize)
	d.commits++
	if d.commits == d.dieAt {
		d.left = append([]byte(nil), d.content...)
	}
}

func (d *disk) reach(size int) {
	if missing := size - len(d.content); missing > 0 {
		d.content = append(d.content, make([]byte, missing)...)
	}
}

// dieAfter has the process die after so many commits more.
func (d *disk) dieAfter(commits int) { d.dieAt = d.commits + commits }

// remains is what the process leaves behind when it dies now, or did before.
func (d *disk) remains() []byte {
	if d.left != nil {
		return d.left
	}
	return append([]byte(nil), d.content...)
}
