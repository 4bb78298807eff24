package console_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/store"
)

// fetch fetches a stream of a desk's daemon.
func fetch[Q any](t *testing.T, d *desk.Desk, s desk.Stream[Q], request Q) (string, error) {
	t.Helper()
	var out bytes.Buffer
	path := d.Config.Store.Path
	err := console.Fetch(t.Context(), console.Sockets(path), path, s, request, &out)
	return out.String(), err
}

// fill gives a desk's ledger so many lines.
func fill(t *testing.T, d *desk.Desk, lines int) {
	t.Helper()
	err := d.Store.Update(func(tx *store.Tx) error {
		var err error
		for range lines {
			err = errors.Join(err, tx.Append(store.Entry{Act: store.ActReleased, Campaign: 101, Who: "ann"}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStreamIsTheSameByTheSocketAndOnTheFile(t *testing.T) {
	d := newDesk(t)
	fill(t, d, 2500) // more than are read at once
	listen(t, d)
	for after, want := range map[uint64]int{0: 2500, 1000: 1500, 2499: 1, 2500: 0, 9999: 0} {
		bySocket, err := fetch(t, d, desk.LedgerStream, desk.LedgerRequest{After: after})
		if err != nil {
			t.Fatal(err)
		}
		var byFile bytes.Buffer
		if err := desk.LedgerStream.Write(t.Context(), d, desk.LedgerRequest{After: after}, &byFile); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(bySocket, "\n"); got != want || bySocket != byFile.String() {
			t.Errorf("after %d: got %d lines by the socket (the same as of the file: %v), want %d", after, got, bySocket == byFile.String(), want)
		}
	}
	bySocket, err := fetch(t, d, desk.BackupStream, desk.Nothing{})
	var byFile bytes.Buffer
	if err := errors.Join(err, d.Store.Backup(&byFile)); err != nil {
		t.Fatal(err)
	}
	if bySocket != byFile.String() || len(bySocket) < 100_000 {
		t.Errorf("backup: got %d bytes by the socket, want the %d of the file", len(bySocket), byFile.Len())
	}
}

func TestAStreamThatGoesWrongSaysWhy(t *testing.T) {
	d := newDesk(t)
	listen(t, d)
	if err := d.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []desk.Stream[desk.Nothing]{desk.BackupStream} {
		if _, err := fetch(t, d, s, desk.Nothing{}); err == nil || !strings.Contains(err.Error(), "database not open") {
			t.Errorf("%s: got %v, want what the daemon has to say", s.Name(), err)
		}
	}
}

// A daemon that is killed in the middle, one that sends something else than it meant to, and one that is too old.
func TestAStreamThatIsNotWholeIsAnError(t *testing.T) {
	for situation, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "half")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "backup, after 4 bytes: unexpected EOF"},
		"ended without a digest": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "half") }, "4 bytes, is not what the daemon sent"},
		"with another digest": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Qualifyd-Sha256")
			fmt.Fprint(w, "half")
			w.Header().Set("Qualifyd-Sha256", strings.Repeat("0", 64))
		}, "4 bytes, is not what the daemon sent"},
		"unknown": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the running qualifyd does not know it; restart it", http.StatusNotFound)
		}, "restart it"},
	} {
		d := newDesk(t)
		listener, err := net.Listen("unix", filepath.Join(filepath.Dir(d.Config.Store.Path), "qualifyd.sock"))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: c.answer}
		go server.Serve(listener)
		if _, err := fetch(t, d, desk.BackupStream, desk.Nothing{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", situation, err, c.want)
		}
		server.Close()
	}
}

func TestNobodyStreamsWhereNobodyListens(t *testing.T) {
	if _, err := fetch(t, newDesk(t), desk.BackupStream, desk.Nothing{}); !errors.Is(err, console.ErrNobody) {
		t.Errorf("got %v, want ErrNobody", err)
	}
}
