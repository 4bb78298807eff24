package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qualifyd/store"
)

// What puts a whole file in the place of another, or where none was. Each is done in a folder that has a store, and a backup of it.
var replacements = map[string]struct {
	name string // which name in the folder leads to another file then
	do   func(t *testing.T, folder string) error
}{
	"create": {"new.db", func(t *testing.T, folder string) error {
		s, err := store.Create(filepath.Join(folder, "new.db"))
		if err == nil {
			err = s.Close()
		}
		return err
	}},
	"compact": {"qualifyd.db", func(t *testing.T, folder string) error {
		_, err := store.Compact(filepath.Join(folder, "qualifyd.db"), nil)
		return err
	}},
	"restore": {"qualifyd.db", func(t *testing.T, folder string) error {
		_, err := store.Restore(filepath.Join(folder, "qualifyd.db"), filepath.Join(folder, "backup.db"), at, nil)
		return err
	}},
	"restore where no store is": {"new.db", func(t *testing.T, folder string) error {
		_, err := store.Restore(filepath.Join(folder, "new.db"), filepath.Join(folder, "backup.db"), at, nil)
		return err
	}},
	"backup": {"new.db", func(t *testing.T, folder string) error {
		_, err := backup(t, filepath.Join(folder, "qualifyd.db"), filepath.Join(folder, "new.db"), false)
		return err
	}},
	"backup over an older one": {"backup.db", func(t *testing.T, folder string) error {
		_, err := backup(t, filepath.Join(folder, "qualifyd.db"), filepath.Join(folder, "backup.db"), true)
		return err
	}},
}

const (
	watchedFolder  = "QUALIFYD_TEST_WATCHED_FOLDER"
	watchedReplace = "QUALIFYD_TEST_WATCHED_REPLACEMENT"
)

// Whenever the power goes, the name leads to the file that it led to before, or to the new one with all that is in it; once it is done, to the new
// one. The kernel's calls are followed: what of them is on the disk is known only after a sync, of a file and of a folder each.
func TestAPowerCutLeavesOneWholeFileUnderTheName(t *testing.T) {
	if folder := os.Getenv(watchedFolder); folder != "" {
		if err := replacements[os.Getenv(watchedReplace)].do(t, folder); err != nil {
			t.Fatal(err)
		}
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace on this machine, so that nobody can tell what the kernel was asked for")
	}
	for what, r := range replacements {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := furnishedStore(t, 100)
			folder := filepath.Dir(path)
			if _, err := backup(t, path, filepath.Join(folder, "backup.db"), false); err != nil {
				t.Fatal(err)
			}
			trace := filepath.Join(t.TempDir(), "trace")
			c := exec.Command(strace, "-f", "-y", "-s", "0", "-o", trace, "-e",
				"trace=openat,write,pwrite64,copy_file_range,sendfile,splice,ftruncate,truncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat",
				os.Args[0], "-test.run=^TestAPowerCutLeavesOneWholeFileUnderTheName$")
			c.Env = append(os.Environ(), watchedFolder+"="+folder, watchedReplace+"="+what)
			out, err := c.CombinedOutput()
			if err != nil && strings.Contains(string(out), "ptrace") {
				t.Skipf("this machine lets no process be watched: %s", out)
			}
			if err != nil {
				t.Fatalf("got %v:\n%s", err, out)
			}
			d := newDirectory(folder, "qualifyd.db", "backup.db")
			d.watch(t, trace, r.name)
		})
	}
}

// directory is a folder on a disk: which file each name leads to, as the kernel has it, and to which it may lead after a power cut.
type directory struct {
	folder string
	names  map[string]*entry
	may    map[string][]*entry // the first is certain to have been so; the others since the folder was synced. nil is no file
}

// entry is a file.
type entry struct {
	made  int // at which call; 0 for one that was there
	dirty bool
}

func newDirectory(folder string, names ...string) *directory {
	d := &directory{folder, map[string]*entry{}, map[string][]*entry{}}
	for _, name := range names {
		d.lead(name, &entry{})
	}
	d.sync()
	return d
}

// lead has a name lead to another file.
func (d *directory) lead(name string, to *entry) {
	if d.may[name] == nil {
		d.may[name] = []*entry{d.names[name]}
	}
	d.names[name] = to
	d.may[name] = append(d.may[name], to)
}

func (d *directory) sync() {
	for name, to := range d.names {
		d.may[name] = []*entry{to}
	}
}

var (
	onFile  = regexp.MustCompile(`^\d+ +(\w+)\(\d+<([^>]*)>[,) ]`) // one that has no name any more has "(deleted)" there
	outFile = regexp.MustCompile(`^\d+ +(copy_file_range|sendfile|splice)\(.*?(\d+<([^>]*)>)`)
	opened  = regexp.MustCompile(`^\d+ +openat\([^"]*"([^"]*)", ([A-Z_|]+)`)
	twoName = regexp.MustCompile(`^\d+ +(link|rename)\w*\([^"]*"([^"]*)",[^"]*"([^"]*)"`)
	oneName = regexp.MustCompile(`^\d+ +(unlink|truncate)\w*\([^"]*"([^"]*)"`)
	failed  = regexp.MustCompile(`= -1 E`)
)

// watch follows the calls, and makes sure after each that a name leads to one whole file, and at the end that it leads to the new one.
func (d *directory) watch(t *testing.T, trace, name string) {
	t.Helper()
	file, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	calls, before := 0, d.names[name]
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if failed.MatchString(line) || !strings.Contains(line, d.folder) {
			continue
		}
		calls++
		d.follow(line, calls)
		for _, may := range d.may[name] {
			if may != nil && may.dirty {
				t.Fatalf("after call %d, %s\nthe name %s may lead to a file that is not on the disk yet", calls, line, name)
			}
		}
	}
	if now := d.names[name]; calls < 10 || now == nil || now == before {
		t.Fatalf("got %d calls, and the name leads to %+v, want another file than %+v", calls, now, before)
	}
	if may := d.may[name]; len(may) != 1 {
		t.Errorf("at the end: %s may lead to any of %d files, want the new one: the folder is not synced", name, len(may))
	}
}

// in is a path's name in the folder, "" for what is elsewhere.
func (d *directory) in(path string) string {
	if filepath.Dir(path) != d.folder {
		return ""
	}
	return filepath.Base(path)
}

func (d *directory) follow(line string, number int) {
	if m := twoName.FindStringSubmatch(line); m != nil {
		from, to := d.in(m[2]), d.in(m[3])
		d.lead(to, d.names[from])
		if m[1] == "rename" {
			d.lead(from, nil)
		}
		return
	}
	if m := oneName.FindStringSubmatch(line); m != nil {
		if m[1] == "unlink" {
			d.lead(d.in(m[2]), nil)
		} else {
			d.write(d.in(m[2]))
		}
		return
	}
	if m := opened.FindStringSubmatch(line); m != nil {
		name := d.in(m[1])
		if strings.Contains(m[2], "O_CREAT") && d.names[name] == nil {
			d.lead(name, &entry{made: number})
		}
		if strings.Contains(m[2], "O_TRUNC") {
			d.write(name)
		}
		return
	}
	if m := outFile.FindStringSubmatch(line); m != nil {
		files := regexp.MustCompile(`\d+<([^>]*)>`).FindAllStringSubmatch(line, -1)
		out := files[len(files)-1][1] // of these the second is written to
		if m[1] == "sendfile" {
			out = files[0][1]
		}
		d.write(d.in(out))
		return
	}
	m := onFile.FindStringSubmatch(line)
	switch {
	case m == nil:
	case m[2] == d.folder:
		d.sync()
	case slices.Contains([]string{"fsync", "fdatasync"}, m[1]):
		if e := d.names[d.in(m[2])]; e != nil {
			e.dirty = false
		}
	default:
		d.write(d.in(m[2]))
	}
}

func (d *directory) write(name string) {
	if e := d.names[name]; e != nil {
		e.dirty = true
	}
}

func (e *entry) String() string {
	if e == nil {
		return "no file"
	}
	return fmt.Sprintf("the file made at call %d (dirty %v)", e.made, e.dirty)
}
