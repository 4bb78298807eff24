package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// live is the real run command in this process, with its control socket.
type live struct {
	*world
	log  *logBook
	stop context.CancelFunc
	code chan int
}

// shorten moves a world to a folder with a short path, for that of a socket may have some hundred characters.
func (w *world) shorten() {
	w.t.Helper()
	folder, err := os.MkdirTemp("", "q")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(folder) })
	for _, name := range []string{"config.yaml", "salesforce-secret", "referral-factory-key", "qualifyd.db"} {
		if _, err := os.Stat(filepath.Join(w.folder, name)); err == nil {
			if err := os.Rename(filepath.Join(w.folder, name), filepath.Join(folder, name)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.folder, w.config = folder, filepath.Join(folder, "config.yaml")
}

// seldom has a daemon do nothing by itself after its start: what it does then was ordered.
func (w *world) seldom() {
	w.t.Helper()
	w.edit(`schedule: "@every 1m"`, `schedule: "@every 24h"`)
	w.edit(`sweep: "@every 10m"`, `sweep: "@every 24h"`)
}

// serve starts the daemon, and returns once it answers and has done everything once.
func (w *world) serve() *live {
	w.t.Helper()
	d := w.begin()
	d.wantAnswers()
	w.run("poll").want(exitDone)
	return d
}

// begin starts the daemon.
func (w *world) begin() *live {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	d := &live{world: w, log: &logBook{}, stop: stop, code: make(chan int, 1)}
	go func() { d.code <- run(ctx, []string{"run", "--config", w.config}, streams{d.log, d.log}) }()
	w.t.Cleanup(func() { d.end() })
	return d
}

// wantAnswers waits until the daemon answers. Before that a command takes the file, or waits for its lock.
func (d *live) wantAnswers() {
	d.t.Helper()
	for d.t.Context().Err() == nil {
		if r := d.run("status"); strings.HasPrefix(r.out, "the daemon ") {
			return
		}
		select {
		case code := <-d.code:
			d.t.Fatalf("the daemon ended with %d:\n%s", code, d.log)
		default:
		}
	}
}

// end stops the daemon and returns its exit code; -1 when it was ended before.
func (d *live) end() int {
	d.stop()
	code, ok := <-d.code
	if !ok {
		return -1
	}
	close(d.code)
	return code
}

// copied is a file's content, to be put back.
func (w *world) copied(name string) (putBack func()) {
	text := readFile(w.t, filepath.Join(w.folder, name))
	return func() { w.write(name, string(text)) }
}
