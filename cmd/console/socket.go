package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/desk"
	"qualifyd/sync/logged"
)

// socketName is the control socket's, in its folder.
const socketName = "qualifyd.sock"

// runtimeFolder is the one that the service manager makes for the daemon; "" where it made none. Of several, the first is ours.
func runtimeFolder() string {
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return first
}

// usualRuntimeFolder is what RuntimeDirectory=qualifyd makes. An operator's shell does not have the variable that names it.
const usualRuntimeFolder = "/run/qualifyd"

// Sockets are the places where the daemon of a store may listen, in the order in which to look. One of several on a host has a runtime folder
// of the same name as its state's: qualifyd-acme.
func Sockets(storePath string) []string {
	folders := []string{usualRuntimeFolder, filepath.Join("/run", filepath.Base(filepath.Dir(storePath))), filepath.Dir(storePath)}
	if own := runtimeFolder(); own != "" {
		folders = append([]string{own}, folders...)
	}
	var paths []string
	for _, folder := range folders {
		paths = append(paths, filepath.Join(folder, socketName))
	}
	return paths
}

// Socket is a control socket that is being listened on.
type Socket struct {
	Path     string
	file     fs.FileInfo // what we put at the path
	listener net.Listener
	server   *http.Server
	asking   *asking
	done     chan struct{}
}

// Show has questions that are asked from now on answered from another desk, of the same store.
func (s *Socket) Show(d *desk.Desk) { s.asking.desk.Store(d) }

// Listen serves a desk on the control socket of its store: in the runtime folder, where the service manager made one, for the service's
// group as well (0660); else, or where that cannot be had, beside the store, for its owner only (0600). exitCode is the code that a command
// ends with for an error. The caller holds the store's lock.
func Listen(d *desk.Desk, exitCode func(error) int, log zerolog.Logger) (*Socket, error) {
	s, err := &Socket{}, error(nil)
	if folder := runtimeFolder(); folder != "" {
		s, err = open(filepath.Join(folder, socketName), 0o660)
		if err != nil {
			log.Warn().Err(err).Msg("the control socket cannot be where the service manager has its place; it is beside the store, for the service's user only")
		}
	}
	if s.listener == nil {
		if s, err = open(filepath.Join(filepath.Dir(d.Config.Store.Path), socketName), 0o600); err != nil {
			return nil, err
		}
	}
	s.asking = &asking{exitCode: exitCode, log: log}
	s.Show(d)
	s.server = &http.Server{
		Handler:           s.asking,
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       withPeer,
		ErrorLog:          stdlog.New(log, "", 0),
	}
	s.serve(log)
	return s, nil
}

func (s *Socket) serve(log zerolog.Logger) {
	go func() {
		defer close(s.done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Str(logged.Socket, s.Path).Msg("the control socket has closed; commands do not reach the daemon any more")
		}
	}()
}

// open listens at a path. A socket that is there already was left by a process that was killed, and is replaced; unless somebody answers on it,
// who is the daemon of another store.
func open(path string, mode fs.FileMode) (*Socket, error) {
	s := &Socket{Path: path, done: make(chan struct{})}
	if other, err := net.Dial("unix", path); err == nil {
		return s, errors.Join(fmt.Errorf("the control socket %s is another daemon's", path), other.Close())
	}
	listener, err := listenAt(path, mode)
	if err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		return s, fmt.Errorf("the control socket %s: %w", path, err)
	}
	s.listener = listener
	return s, nil
}

// listenAt makes the socket in a folder that nobody else may enter, and moves it to its place when its mode is right.
func listenAt(path string, mode fs.FileMode) (net.Listener, error) {
	private, err := os.MkdirTemp(filepath.Dir(path), ".socket-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	switch {
	case errors.Is(err, syscall.EINVAL):
		return nil, fmt.Errorf("%w (the path of a socket may have about 100 characters)", err)
	case err != nil:
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	if err = os.Chmod(temporary, mode); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// stopWithin is how long questions under way may go on once the daemon stops.
const stopWithin = 5 * time.Second

// Close stops listening and removes the socket, if it is ours still. Questions under way are given a moment.
func (s *Socket) Close() error {
	file, removed := os.Lstat(s.Path)
	if os.SameFile(s.file, file) {
		removed = os.Remove(s.Path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.server.Close()
	}
	<-s.done
	if removed != nil {
		return fmt.Errorf("the control socket: %w", removed)
	}
	return nil
}

// line is a line of an answer: progress, the answer, or the error.
type line struct {
	Progress *progress       `json:"progress,omitempty"`
	Answer   json.RawMessage `json:"answer,omitempty"`
	Failed   *Failed         `json:"failed,omitempty"`
}

type progress struct {
	Work  string `json:"work"`
	Done  int    `json:"done"`
	Total int    `json:"total"`
}

// Headers of a request: the store that is meant, and whom sudo names.
const (
	storeHeader = "Qualifyd-Store"
	sudoHeader  = "Qualifyd-Sudo"
)

// maxRequest bounds a request; an import's file is the longest.
const maxRequest = 32 << 20

// asking serves questions.
type asking struct {
	desk     atomic.Pointer[desk.Desk]
	exitCode func(error) int
	log      zerolog.Logger
}

func (a *asking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest)) // before any answer: who still writes does not read
	if err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	if meant := r.Header.Get(storeHeader); meant != a.desk.Load().Config.Store.Path {
		http.Error(w, "this daemon has the store "+a.desk.Load().Config.Store.Path, http.StatusMisdirectedRequest)
		return
	}
	if name, streamed := strings.CutPrefix(r.URL.Path, "/stream/"); streamed && desk.FindStream(name) != nil && r.Method == http.MethodPost {
		a.stream(w, r, name, request)
		return
	}
	name, _ := strings.CutPrefix(r.URL.Path, "/ask/")
	question := desk.Find(name)
	if question == nil || r.Method != http.MethodPost {
		http.Error(w, fmt.Sprintf("the running qualifyd (version %s) does not know %q; restart it with this version", a.desk.Load().Version, name), http.StatusNotFound)
		return
	}
	by := desk.NewAsker(peerOf(r), r.Header.Get(sudoHeader))
	out := &lines{w: w}
	answer, err := a.answer(r.Context(), question, by, request, out)
	if err != nil {
		out.write(line{Failed: &Failed{Code: a.exitCode(err), Text: err.Error()}})
	} else {
		out.write(line{Answer: answer})
	}
	a.log.Debug().Str(logged.Question, name).Str(logged.By, by.Name).Err(err).Msg("answered on the control socket")
}

// answer survives a panic: a question must not end the daemon.
func (a *asking) answer(ctx context.Context, q desk.Asked, by desk.Asker, request []byte, out *lines) (raw json.RawMessage, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.log.Error().Interface(logged.Panic, cause).Str(logged.Question, q.Name()).Msg("a question made the program panic; the daemon goes on")
			err = fmt.Errorf("%s: the daemon could not answer; its log says more", q.Name())
		}
	}()
	answer, err := q.AnswerJSON(ctx, a.desk.Load(), by, request, func(work string, done, total int) {
		out.write(line{Progress: &progress{work, done, total}})
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// lines writes each line at once. The peer may be gone; then its context is done.
type lines struct {
	mu sync.Mutex
	w  http.ResponseWriter
}

func (l *lines) write(one line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if json.NewEncoder(l.w).Encode(one) == nil {
		_ = http.NewResponseController(l.w).Flush()
	}
}
