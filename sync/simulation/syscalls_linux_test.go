package simulation

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"qualifyd/rules"
	"qualifyd/store"
)

// The images rest on where bbolt syncs the file, which the recording concludes from its writes. Here a process is watched as it makes commits, and
// what the kernel was asked for has to be what was recorded.
func TestTheDiskIsSyncedWhereTheRecordingSaysSo(t *testing.T) {
	if path := os.Getenv(watchedStore); path != "" {
		commitWatched(t, path)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace on this machine, so that nobody can tell what the kernel was asked for")
	}
	for name, options := range map[string]string{"as the store is opened": "", "without syncs": "NoSync", "without syncs of the size": "NoGrowSync", "without any": "NoSync NoGrowSync"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "qualifyd.db")
			c := exec.Command(strace, "-f", "-y", "-s", "0", "-e", "trace=pwrite64,fdatasync,fsync,ftruncate", "-o", path+".trace",
				os.Args[0], "-test.run=^TestTheDiskIsSyncedWhereTheRecordingSaysSo$")
			c.Env = append(os.Environ(), watchedStore+"="+path, watchedOptions+"="+options)
			out, err := c.CombinedOutput()
			if err != nil && strings.Contains(string(out), "ptrace") {
				t.Skipf("this machine lets no process be watched: %s", out)
			}
			if err != nil {
				t.Fatalf("got %v:\n%s", err, out)
			}
			got, want := traced(t, path), lineByLine(t, path+".recording")
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("from call %d on: got %q from the kernel, want %q", i, some(got, i), some(want, i))
				}
			}
			if syncs := strings.Count(strings.Join(got, "\n"), "sync"); len(got) < 20 || options == "" && syncs < 10 {
				t.Errorf("got %d calls with %d syncs, want some commits", len(got), syncs)
			}
		})
	}
}

// some are a few calls from one on.
func some(calls []string, from int) []string {
	return calls[min(from, len(calls)):min(from+4, len(calls))]
}

// What the watched process is told by its environment.
const (
	watchedStore   = "QUALIFYD_TEST_WATCHED_STORE"
	watchedOptions = "QUALIFYD_TEST_WATCHED_OPTIONS" // of bbolt that are to be set
)

// commitWatched is the watched process: it makes small and large commits, and writes down what was recorded of them.
func commitWatched(t *testing.T, path string) {
	d := &disk{path: path, recording: &recording{}, look: func() {}}
	s := d.open(t, emptyStore())
	db := reflect.ValueOf(s).Elem().FieldByName("db").Elem()
	for _, name := range strings.Fields(os.Getenv(watchedOptions)) {
		*(*bool)(unsafe.Pointer(db.FieldByName(name).UnsafeAddr())) = true
	}
	from, err := os.Create(path + ".from") // from here on the trace is ours
	if err == nil {
		err = from.Truncate(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(5) {
		err := s.Update(func(tx *store.Tx) error {
			for id := n * 100; id < n*100+100; id++ {
				if err := tx.PutReferral(rules.Referral{ID: id, Code: fmt.Sprint("code", id)}); err != nil {
					return err
				}
			}
			return tx.PutDescribe("Lead", strings.Repeat("x", int(n)*6<<20)) // the file grows by 16 MB at a time
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	grown := false
	for _, steps := range d.recording.now().commits {
		for _, s := range steps {
			switch {
			case s.deed == wrote:
				fmt.Fprintf(&out, "pwrite64 %d at %d\n", len(s.b), s.at)
			case s.deed == grew:
				fmt.Fprintf(&out, "ftruncate %d\n", s.at)
			case grown:
				fmt.Fprintln(&out, "fsync")
			default:
				fmt.Fprintln(&out, "fdatasync")
			}
			grown = s.deed == grew
		}
	}
	if err := os.WriteFile(path+".recording", []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// call is a line of the trace: a thread's call, on a file, and what else it was given.
var call = regexp.MustCompile(`(\w+)\(\d+<([^>]*)>(?:, ""\.\.\.)?(?:, (\d+))?(?:, (\d+))?`)

// traced are the calls on the store since the trace is ours.
func traced(t *testing.T, path string) (calls []string) {
	t.Helper()
	ours := false
	for _, l := range lineByLine(t, path+".trace") {
		m := call.FindStringSubmatch(l)
		switch {
		case m == nil: // the end of a call that another thread's came between
		case m[2] == path+".from":
			ours = true
		case !ours || m[2] != path:
		case m[4] != "":
			calls = append(calls, fmt.Sprintf("%s %s at %s", m[1], m[3], m[4]))
		default:
			calls = append(calls, strings.TrimSpace(m[1]+" "+m[3]))
		}
	}
	return calls
}

func lineByLine(t *testing.T, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}
