package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/poll"
)

// ask asks the running daemon by its control socket, or the store's file where none runs.
func ask[Q, A any](ctx context.Context, a *app, q desk.Question[Q, A], request Q) (answer A, err error) {
	if err := q.Check(request); err != nil {
		return answer, err
	}
	c, err := config.LoadOffline(a.configPath)
	if err != nil && q.Online() {
		_, _, err = config.Load(a.configPath) // names what is wrong with the secrets as well
	}
	if err != nil {
		return answer, err
	}
	a.progress.log = newLogger(a.progress, c.Log, &a.level)
	defer a.progress.end()
	sockets := console.Sockets(c.Store.Path)
	answer, nobody := console.Ask(ctx, sockets, c.Store.Path, q, request, a.progress.step)
	if !errors.Is(nobody, console.ErrNobody) {
		return answer, nobody
	}
	d, err := a.deskOnFile(c, q)
	if errors.Is(err, store.ErrLocked) { // by a daemon that was just starting
		if answer, again := console.Ask(ctx, sockets, c.Store.Path, q, request, a.progress.step); !errors.Is(again, console.ErrNobody) {
			return answer, again
		}
	}
	if errors.Is(err, store.ErrLocked) || errors.Is(err, store.ErrMissing) || errors.Is(err, fs.ErrPermission) {
		return answer, fmt.Errorf("%w, and %w (looked for %s)", err, nobody, strings.Join(sockets, ", "))
	}
	if err != nil {
		return answer, err
	}
	answer, err = q.Answer(ctx, d, a.asker, request, a.progress.step)
	if d.Store != nil {
		err = errors.Join(err, d.Store.Close())
	}
	return answer, err
}

// needs is what a question is answered from.
type needs interface {
	Online() bool    // the services
	Storeless() bool // no store, where there is none
	Works() bool     // the store as a daemon has it
}

// deskOnFile opens the store of a stopped daemon, never making one, and with the clients of both services where the question needs them.
func (a *app) deskOnFile(c config.Config, q needs) (*desk.Desk, error) {
	log := zerolog.Nop()
	if q.Online() {
		var err error
		if c, log, err = a.loadConfig(); err != nil {
			return nil, err
		}
	}
	open := store.Open
	if q.Works() {
		open = store.OpenThereToWork
	}
	s, err := open(c.Store.Path)
	if err != nil && !q.Storeless() {
		return nil, err
	}
	noStore := err
	if !q.Online() {
		settings, err := settings(c)
		return &desk.Desk{Version: version, Config: c, Campaigns: settings.Campaigns, Store: s, Poll: poll.Options{Store: s, Settings: settings}}, err
	}
	built, err := build(c, s, log, a.via)
	if err != nil {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
		return nil, err
	}
	built.poller.Progress = a.progress.step
	d := newDesk(c, built)
	d.NoStore, d.Warnings = noStore, a.warnings
	return d, nil
}

// printJSON prints an answer for a program.
func (a *app) printJSON(answer any) error {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(answer); err != nil {
		return err
	}
	_, err := io.WriteString(a.out, printableJSON(text.String()))
	return err
}
