package simulation

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"testing"
)

// recording is how the store's file came about: each write, and what was made sure to be on the disk before the next. Only the writes are seen as
// they are made; that bbolt syncs the file between them is concluded from how it commits, and TestTheDiskIsSyncedWhereTheRecordingSaysSo
// holds that against the system calls.
//
//	the file grows, where the commit needs more pages     and is synced (fsync), unless the store is open with NoGrowSync
//	the pages of data                                     are synced (fdatasync), unless it is open with NoSync
//	the meta page, which makes them count                 is synced (fdatasync), unless it is open with NoSync; then the commit is acknowledged
type recording struct {
	lives []*life
	size  int64 // of the file
	disk  *disk
	db    reflect.Value // bbolt's DB
}

// life is what one process did with the file.
type life struct {
	content []byte // of the file when the process had opened it; all of it is on the disk
	size    int64  // of the file, which may be larger
	commits [][]step
}

// deed is what was done to a file.
type deed string

const (
	wrote  deed = "pwrite64"
	grew   deed = "ftruncate"
	synced deed = "sync"
)

// step is one thing that was done to the file.
type step struct {
	deed deed
	at   int64 // where it wrote, or how large the file became
	b    []byte
}

func (s step) isMeta() bool { return s.deed == wrote && s.at < metaPages*pageSize }

func (r *recording) begin(t *testing.T, d *disk, db reflect.Value) {
	t.Helper()
	for _, name := range []string{"NoSync", "NoGrowSync"} {
		if !db.FieldByName(name).IsValid() {
			t.Fatalf("this version of bbolt has no %s: look how it syncs the file", name)
		}
	}
	r.disk, r.db = d, db
	r.size = sizeOf(t, d.path)
	r.lives = append(r.lives, &life{content: bytes.Clone(d.content), size: r.size, commits: [][]step{nil}})
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func (r *recording) now() *life { return r.lives[len(r.lives)-1] }

func (r *recording) add(s step) {
	commits := r.now().commits
	commits[len(commits)-1] = append(commits[len(commits)-1], s)
}

// writes is called before something is written.
func (r *recording) writes(at int64) {
	if r == nil {
		return
	}
	if info, err := os.Stat(r.disk.path); err == nil && info.Size() > r.size {
		r.size = info.Size()
		r.add(step{deed: grew, at: r.size})
		if !r.db.FieldByName("NoGrowSync").Bool() {
			r.add(step{deed: synced})
		}
	}
	if at < metaPages*pageSize {
		r.sync()
	}
}

// wrote is called once something is written. A meta page ends a commit.
func (r *recording) wrote(b []byte, at int64) {
	if r == nil {
		return
	}
	s := step{deed: wrote, at: at, b: slices.Clone(b)}
	r.size = max(r.size, at+int64(len(b)))
	r.add(s)
	if s.isMeta() {
		r.sync()
		r.now().commits = append(r.now().commits, nil)
	}
}

func (r *recording) sync() {
	if !r.db.FieldByName("NoSync").Bool() {
		r.add(step{deed: synced})
	}
}

// end makes sure that the process wrote nothing that was not recorded.
func (r *recording) end(t *testing.T) {
	t.Helper()
	if r == nil {
		return
	}
	got, err := os.ReadFile(r.disk.path)
	if err != nil {
		t.Fatal(err)
	}
	if want := r.disk.content; !bytes.Equal(got[:min(len(got), len(want))], want) {
		t.Fatal("the store's file is not what was written to it: the recording lacks something")
	}
	l := r.now()
	l.commits = l.commits[:len(l.commits)-1] // the one that was not begun
}
