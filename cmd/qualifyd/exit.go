package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// The exit codes, an interface to systemd and to scripts. 2 stays with Go's own panics.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 64
	exitIncomplete = 75 // a pass that will be tried again: a service is unreachable, a limit, an outcome still open
	exitRefused    = 77 // a service refuses the credentials
	exitConfig     = 78
)

// exitCodes say what each means.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitDone, "done, also when what is left waits for a person"},
	{exitFailed, "failed; for doctor: something is red"},
	{exitUsage, "wrong usage"},
	{exitIncomplete, "incomplete, and to be tried again: a service cannot be reached, a limit, an outcome still open"},
	{exitRefused, "refused credentials"},
	{exitConfig, "wrong config, or another org's or account's store"},
}

func exitCodesInWords() string {
	var text strings.Builder
	text.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&text, "  %2d  %s\n", e.code, e.meaning)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// usageError is a command typed wrongly.
type usageError struct{ error }

// incomplete marks the failures of a pass, which are tried again unless they are of a kind with an exit code of its own.
type incomplete struct{ error }

func (e incomplete) Unwrap() error { return e.error }

// told marks failures that a person, or the log, has been told of already.
type told struct{ error }

func (e told) Unwrap() error { return e.error }

// exitCode decides, in one place, how the process ends. Of several failures the one that needs a person soonest decides.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case holds[*console.Failed](err):
		return failedCode(err)
	case holds[usageError](err), holds[desk.UsageError](err):
		return exitUsage
	case holds[*config.Problems](err), errors.Is(err, poll.ErrOtherOrg), errors.Is(err, poll.ErrOtherAccount), ofKind(err, salesforce.Gone):
		return exitConfig
	case ofStore(err), errors.Is(err, store.ErrLocked):
		return exitFailed
	case holds[*referralfactory.Refused](err), ofKind(err, salesforce.Refused):
		return exitRefused
	case holds[incomplete](err), holds[*referralfactory.Unavailable](err), ofKind(err, salesforce.Transient), ofKind(err, salesforce.Limit):
		return exitIncomplete
	}
	return exitFailed
}

// failedCode is the exit code that a running daemon answered with.
func failedCode(err error) int {
	var f *console.Failed
	errors.As(err, &f)
	return f.Code
}

// holds tells whether an error of type E is anywhere in err.
func holds[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// ofKind tells whether any of the Salesforce errors in err is of a kind.
func ofKind(err error, kind salesforce.Kind) bool {
	return anyOfSalesforce(err, func(e *salesforce.APIError) bool { return e.Kind == kind })
}

// anyOfSalesforce tells whether any of the Salesforce errors in err, which may be several joined ones, is such a one.
func anyOfSalesforce(err error, is func(*salesforce.APIError) bool) bool {
	if e, ok := err.(*salesforce.APIError); ok {
		return is(e)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return anyOfSalesforce(e.Unwrap(), is)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if anyOfSalesforce(one, is) {
				return true
			}
		}
	}
	return false
}

// report tells a person what went wrong, and for the commonest causes what to do.
func report(w io.Writer, err error) {
	if err == nil || holds[told](err) {
		return
	}
	fmt.Fprintf(w, "qualifyd: %s\n", printableLines(err.Error()))
	switch {
	case exitCode(err) == exitUsage:
		fmt.Fprintln(w, "hint: qualifyd --help lists the commands, and --help behind one explains it")
	case errors.Is(err, store.ErrLocked):
		fmt.Fprintln(w, "hint: another qualifyd has the store: the service (qualifyd poll has it make a pass), one that starts or stops just now, or a run --once; try again in a moment")
	case errors.Is(err, store.ErrMissing):
		fmt.Fprintln(w, "hint: qualifyd run makes the store; is store.path the one it uses?")
	case errors.Is(err, store.ErrDamaged):
		fmt.Fprintln(w, "hint: qualifyd store check lists what is wrong; qualifyd store restore FILE puts a backup in the store's place")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		fmt.Fprintln(w, "hint: make room on the disk, and run it again: nothing is lost, and it goes on from what was kept")
	case errors.Is(err, syscall.EROFS):
		fmt.Fprintln(w, "hint: the disk is mounted read-only, as the system does to one that failed; its log says more. The service may write nowhere but in its StateDirectory= (systemctl cat qualifyd)")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		fmt.Fprintln(w, "hint: no more files can be opened; raise the limit (ulimit -n, or LimitNOFILE= in the unit)")
	case errors.Is(err, fs.ErrPermission):
		fmt.Fprintln(w, "hint: run it as the user that the service runs as, or as root")
	case errors.Is(err, syscall.EIO):
		fmt.Fprintln(w, "hint: the disk fails, says the system; its log says more. Once it is sound, qualifyd store check tells whether the store is whole")
	case errors.Is(err, store.ErrNewer):
		fmt.Fprintln(w, "hint: install that version again, or restore the backup that was made before its upgrade")
	}
}
