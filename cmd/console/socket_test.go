package console_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
)

// newDesk is a desk over a new store with one campaign, in a folder of its own. The folder's path is short, for a socket's may not be long.
func newDesk(t *testing.T) *desk.Desk {
	t.Helper()
	folder, err := os.MkdirTemp("", "desk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	c := config.Default()
	c.Store.Path = filepath.Join(folder, "qualifyd.db")
	s, err := store.Create(c.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &desk.Desk{Version: "1.2.3", Config: c, Store: s, Campaigns: []rules.Campaign{{ID: 101, Name: "Refer a friend", Method: rules.None, Object: rules.Lead}}}
}

func exitCode(error) int { return 75 }

func listen(t *testing.T, d *desk.Desk) *console.Socket {
	t.Helper()
	s, err := console.Listen(d, exitCode, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("close the socket: %v", err)
		}
	})
	return s
}

func askStatus(t *testing.T, d *desk.Desk) (desk.Status, error) {
	t.Helper()
	path := d.Config.Store.Path
	return console.Ask(t.Context(), console.Sockets(path), path, desk.StatusQuestion, desk.Nothing{}, nil)
}

func TestTheSocketAnswersAsTheFileDoes(t *testing.T) {
	d := newDesk(t)
	listen(t, d)
	bySocket, err := askStatus(t, d)
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := desk.StatusQuestion.Answer(t.Context(), d, desk.Asker{}, desk.Nothing{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bySocket.At = byFile.At
	if diff := cmp.Diff(byFile, bySocket); diff != "" {
		t.Errorf("status by the socket differs from the file's (-file +socket):\n%s", diff)
	}
	if len(bySocket.Campaigns) != 1 || bySocket.Campaigns[0].Name != "Refer a friend" {
		t.Errorf("got campaigns %+v, want the one of the desk", bySocket.Campaigns)
	}
}

func TestTheSocketIsForItsOwnerOrForTheServicesGroup(t *testing.T) {
	beside := newDesk(t)
	runtime := t.TempDir()
	for _, c := range []struct {
		situation, runtime, folder string
		mode                       fs.FileMode
	}{
		{"without a runtime folder", "", filepath.Dir(beside.Config.Store.Path), 0o600},
		{"with one of the service manager's", runtime, runtime, 0o660},
		{"with two of them", runtime + ":/nowhere", runtime, 0o660},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Setenv("RUNTIME_DIRECTORY", c.runtime)
			s := listen(t, beside)
			info, err := os.Stat(s.Path)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Dir(s.Path) != c.folder || info.Mode().Perm() != c.mode {
				t.Errorf("got %s with mode %04o, want it in %s with %04o", s.Path, info.Mode().Perm(), c.folder, c.mode)
			}
			if _, err := askStatus(t, beside); err != nil {
				t.Errorf("ask: got %v, want an answer", err)
			}
			if left, _ := filepath.Glob(filepath.Join(c.folder, ".socket-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(s.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the stop the socket is still there (%v)", err)
			}
		})
	}
}

// kill -9 leaves the socket's file, and nobody behind it.
func TestASocketOfAKilledDaemonIsNobodyAndIsReplaced(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(filepath.Dir(d.Config.Store.Path), "qualifyd.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if _, err := askStatus(t, d); !errors.Is(err, console.ErrNobody) {
		t.Errorf("with the socket of a killed daemon: got %v, want ErrNobody", err)
	}
	listen(t, d)
	if _, err := askStatus(t, d); err != nil {
		t.Errorf("after a new daemon's start: got %v, want an answer", err)
	}
}

func TestTheDaemonOfAnotherStoreIsNotAsked(t *testing.T) {
	ours, other := newDesk(t), newDesk(t)
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	listen(t, other)
	if s, err := askStatus(t, ours); !errors.Is(err, console.ErrNobody) {
		t.Errorf("got %+v, %v; want ErrNobody: the daemon that listens has another store", s, err)
	}
}

// An older daemon runs on while a newer command is installed.
func TestAQuestionThatTheDaemonDoesNotKnow(t *testing.T) {
	d := newDesk(t)
	listen(t, d)
	path := d.Config.Store.Path
	_, err := console.Ask(t.Context(), console.Sockets(path), path, desk.Question[desk.Nothing, int]{}, desk.Nothing{}, nil)
	if err == nil || !strings.Contains(err.Error(), "version 1.2.3") || !strings.Contains(err.Error(), "restart") {
		t.Errorf("got %v, want a sentence with the daemon's version and what to do", err)
	}
}

func TestAQuestionThatPanicsDoesNotEndTheDaemon(t *testing.T) {
	d := newDesk(t) // nobody has given it a way to poll
	listen(t, d)
	path := d.Config.Store.Path
	_, err := console.Ask(t.Context(), console.Sockets(path), path, desk.PollQuestion, desk.Nothing{}, nil)
	var failed *console.Failed
	if !errors.As(err, &failed) || failed.Code != 75 || !strings.Contains(failed.Text, "log") {
		t.Errorf("got %v, want the daemon's own error with its exit code", err)
	}
	if _, err := askStatus(t, d); err != nil {
		t.Errorf("the next question: got %v, want an answer", err)
	}
}

func TestADaemonThatStopsInTheMiddleOfAnAnswer(t *testing.T) {
	d := newDesk(t)
	asked, release := make(chan struct{}), make(chan struct{})
	d.PollNow = func(ctx context.Context) error { close(asked); <-release; return nil }
	s := listen(t, d)
	answered := make(chan error)
	go func() {
		path := d.Config.Store.Path
		_, err := console.Ask(context.Background(), console.Sockets(path), path, desk.PollQuestion, desk.Nothing{}, nil)
		answered <- err
	}()
	<-asked
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	close(release)
	<-closed
	if err := <-answered; err != nil {
		t.Errorf("a question under way when the daemon stops: got %v, want its answer", err)
	}
	if _, err := askStatus(t, d); !errors.Is(err, console.ErrNobody) {
		t.Errorf("after the stop: got %v, want ErrNobody", err)
	}
}

// Two stores whose services share a runtime folder: the first keeps its socket, and the second's is beside its store.
func TestTwoDaemonsOfTwoStoresShareARuntimeFolder(t *testing.T) {
	first, second := newDesk(t), newDesk(t)
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	listen(t, first)
	s := listen(t, second)
	if want := filepath.Dir(second.Config.Store.Path); filepath.Dir(s.Path) != want {
		t.Errorf("the second socket: got %s, want it in %s", s.Path, want)
	}
	for name, d := range map[string]*desk.Desk{"first": first, "second": second} {
		if _, err := askStatus(t, d); err != nil {
			t.Errorf("the %s daemon: got %v, want an answer", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := askStatus(t, first); err != nil {
		t.Errorf("the first daemon after the second's stop: got %v, want an answer", err)
	}
}

// The shell of an operator knows the store by its config, and not the folder that the service manager made for the daemon.
func TestWhereADaemonIsLookedFor(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "")
	for store, want := range map[string]string{
		"/var/lib/qualifyd/qualifyd.db":      "/run/qualifyd/qualifyd.sock",
		"/var/lib/qualifyd-acme/qualifyd.db": "/run/qualifyd-acme/qualifyd.sock",
		"/srv/qualifyd.db":                   "/srv/qualifyd.sock",
	} {
		if got := console.Sockets(store); !slices.Contains(got, want) {
			t.Errorf("the daemon of %s is looked for at %q, want %s among them", store, got, want)
		}
	}
}

func TestAStopLeavesTheSocketThatAnotherDaemonPutThere(t *testing.T) {
	d := newDesk(t)
	s := listen(t, d)
	if err := os.Remove(s.Path); err != nil {
		t.Fatal(err)
	}
	listen(t, d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := askStatus(t, d); err != nil {
		t.Errorf("got %v, want an answer of the one that listens", err)
	}
}

func TestARuntimeFolderThatCannotBeHad(t *testing.T) {
	d := newDesk(t)
	t.Setenv("RUNTIME_DIRECTORY", filepath.Join(t.TempDir(), "none"))
	if s := listen(t, d); filepath.Dir(s.Path) != filepath.Dir(d.Config.Store.Path) {
		t.Errorf("got the socket %s, want it beside the store", s.Path)
	}
	long := t.TempDir()
	for range 5 {
		long = filepath.Join(long, "a-folder-with-quite-a-long-name")
	}
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	d.Config.Store.Path = filepath.Join(long, "qualifyd.db")
	if _, err := console.Listen(d, exitCode, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "about 100 characters") {
		t.Errorf("a path that is too long: got %v, want a sentence about its length", err)
	}
	if _, err := askStatus(t, d); !errors.Is(err, console.ErrNobody) {
		t.Errorf("asked there: got %v, want ErrNobody", err)
	}
}

// kill -9, in the middle of a question.
func TestADaemonThatDiesBeforeItAnswers(t *testing.T) {
	d := newDesk(t)
	listener, err := net.Listen("unix", filepath.Join(filepath.Dir(d.Config.Store.Path), "qualifyd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 1))
			c.Close()
		}
	}()
	if _, err := askStatus(t, d); err == nil || errors.Is(err, console.ErrNobody) || !strings.Contains(err.Error(), "may have been done") {
		t.Errorf("got %v, want that what was asked may have been done", err)
	}
}

func TestACommandThatIsInterrupted(t *testing.T) {
	d := newDesk(t)
	ctx, interrupt := context.WithCancel(t.Context())
	gone := make(chan struct{})
	d.PollNow = func(ctx context.Context) error { interrupt(); <-ctx.Done(); close(gone); return ctx.Err() }
	listen(t, d)
	path := d.Config.Store.Path
	_, err := console.Ask(ctx, console.Sockets(path), path, desk.PollQuestion, desk.Nothing{}, nil)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may have been done all the same") {
		t.Errorf("got %v, want that what was asked may have been done", err)
	}
	<-gone // the daemon has noticed
}

// An import's file is long: whoever is not asked after all must not break off while it is being sent.
func TestALongRequestToTheDaemonOfAnotherStore(t *testing.T) {
	ours, other := newDesk(t), newDesk(t)
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	listen(t, other)
	path := ours.Config.Store.Path
	long := desk.ImportRequest{File: make([]byte, 8<<20)}
	_, err := console.Ask(t.Context(), console.Sockets(path), path, desk.ImportQuestion, long, nil)
	if !errors.Is(err, console.ErrNobody) || !strings.Contains(err.Error(), other.Config.Store.Path) {
		t.Errorf("got %v, want ErrNobody, and which store the daemon has", err)
	}
}

// A newer command may ask for more than an older daemon understands, such as a preview.
func TestARequestOfANewerCommandIsNotHalfUnderstood(t *testing.T) {
	d := newDesk(t)
	_, err := desk.ImportQuestion.AnswerJSON(t.Context(), d, desk.Asker{}, []byte(`{"file":"","only_show":true}`), nil)
	if err == nil || !strings.Contains(err.Error(), "only_show") || !strings.Contains(err.Error(), "version 1.2.3") {
		t.Errorf("got %v, want a sentence that names what is not understood, and the version", err)
	}
}

// Only root may say whom sudo has behind it.
func TestAPeerIsWhoTheKernelSays(t *testing.T) {
	d := newDesk(t)
	listen(t, d)
	t.Setenv("SUDO_USER", "mallory")
	path := d.Config.Store.Path
	_, err := console.Ask(t.Context(), console.Sockets(path), path, desk.ReleaseQuestion, desk.ReleaseRequest{Campaign: 101}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := desk.NewAsker(os.Getuid(), "mallory").Name
	if os.Getuid() != 0 && strings.Contains(want, "mallory") {
		t.Errorf("got %q for a user who is not root, want no word of mallory", want)
	}
	err = d.Store.View(func(tx *store.Tx) error {
		return tx.Ledger(0, func(e store.Entry) error {
			if e.Who != want {
				t.Errorf("the ledger's who: got %q, want %q", e.Who, want)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := desk.NewAsker(65534, "mallory").Name; strings.Contains(got, "mallory") {
		t.Errorf("somebody else than root who names mallory: got %q", got)
	}
}
