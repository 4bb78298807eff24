// Command qualifyd qualifies referrals from Salesforce by polling.
//
// This package is the only wiring: it reads the config, opens the store, makes the clients, and takes an operator's orders, one file a
// command. What the program does is in the packages it imports; sync/poll is the place to start.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // the binary runs on a bare host, which may have no time zones

	"github.com/spf13/cobra"

	"qualifyd/cmd/desk"
)

// garbage is how much garbage may lie beside what is in use, in percent, before it is collected. A pass over a mass update holds up to 35 MB; with Go's
// own 100 the process would take 90 MB in it, with 50 it takes 62 (make bench PART=Growth).
const garbage = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the process at once
		endWithin(stopBound, os.Stderr, os.Exit)
	})
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// stopBound is how long a process that is told to stop may take: requests are given up at once, but a disk may hang.
const stopBound = 30 * time.Second

// endWithin ends the process after d. Nothing is lost by it: it is no other end than a crash.
func endWithin(d time.Duration, err io.Writer, exit func(code int)) {
	time.AfterFunc(d, func() {
		fmt.Fprintf(err, "qualifyd: it did not stop within %s and is ended; the next start goes on from what was stored\n", d)
		exit(exitFailed)
	})
}

// streams are where a command writes: what it was asked for, and everything else.
type streams struct{ out, err io.Writer }

// run is the whole program: arguments in, exit code out.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s, progress: newProgress(s.err), asker: desk.NewAsker(os.Getuid(), os.Getenv("SUDO_USER"))}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() } // with it an unknown shell is refused, as our own commands do
		}
	}
	err := root.ExecuteContext(ctx)
	if err != nil && !a.understood {
		err = usageError{err}
	}
	report(a.err, err)
	return exitCode(err)
}
