// Command qualifyd qualifies referrals from Salesforce by polling.
//
// This package is the only wiring: it reads the config, opens the store, makes the clients, and takes an operator's orders, one file a
// command. What the program does is in the packages it imports; sync/poll is the place to start.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the binary runs on a bare host, which may have no time zones

	"qualifyd/cmd/desk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
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
	err := root.ExecuteContext(ctx)
	if err != nil && !a.understood {
		err = usageError{err}
	}
	report(a.err, err)
	return exitCode(err)
}
