package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/console"
	"qualifyd/cmd/desk"
	"qualifyd/store"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Check the store, back it up, put a backup in its place, or make it smaller", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.storeCheckCommand(), a.storeBackupCommand(), a.storeRestoreCommand(), a.storeCompactCommand())
	return cmd
}

func (a *app) storeCheckCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "check", Short: "Look whether the store is whole", Args: cobra.NoArgs,
		Long: `Goes through the whole store, of a running daemon or a stopped one: the pages of the file,
whether everything can be read and agrees, and the ledger's chain. It changes nothing.

Exit codes: 0 the store is whole, 1 it is not; each problem is a line.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			report, err := ask(cmd.Context(), a, desk.CheckQuestion, desk.Nothing{})
			if err != nil {
				return err
			}
			return a.tellCheck(report, output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func (a *app) tellCheck(report store.Report, output string) error {
	if output == "json" {
		if err := a.printJSON(report); err != nil {
			return err
		}
		if err := report.Err(); err != nil {
			return told{err}
		}
		return nil
	}
	for _, problem := range report.Problems {
		fmt.Fprintln(a.out, printable(problem))
	}
	if n := len(report.Problems) + report.More; n > 0 {
		return fmt.Errorf("%w: %d problems", store.ErrDamaged, n)
	}
	_, err := fmt.Fprintf(a.out, "the store is whole: %s\n", holdings(report))
	return err
}

// holdings says what a store holds.
func holdings(r store.Report) string {
	text := fmt.Sprintf("%d bytes in use, %d referrals, %d records, %d owed, %d ledger lines", r.Bytes, r.Referrals, r.Records, r.Owed, r.Ledger.Length)
	if r.Ledger.Length > 0 {
		text += ", the newest with the hash " + r.Ledger.Hash
	}
	return text
}

func (a *app) storeBackupCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Back the store up, while the daemon runs or not", Args: cobra.ExactArgs(1),
		Long: `Writes the store as it is at one instant into FILE (- is standard output). The file gets
its name once it has been checked; one that is there is replaced only with --force. The
backup holds names and e-mail addresses, and no secret: the login and the API key are
not in the store.

The hash of the newest ledger line, kept somewhere else, proves later that the ledger
goes on from there: qualifyd ledger verify --from HASH.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.LoadOffline(a.configPath)
			if err != nil {
				return err
			}
			defer a.progress.end()
			if args[0] == "-" {
				return a.backupToStdout(cmd.Context(), c)
			}
			if sameFile(args[0], c.Store.Path) {
				return usageError{fmt.Errorf("%s is the store itself", args[0])}
			}
			report, err := a.backup(cmd.Context(), c, args[0], force)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s: %s\n", args[0], holdings(report))
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	return cmd
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, errOther := os.Stat(b)
	return err == nil && errOther == nil && os.SameFile(one, other)
}

func (a *app) backup(ctx context.Context, c config.Config, path string, force bool) (store.Report, error) {
	report, err := store.Keep(path, force, func(out io.Writer) error {
		return fetch(ctx, c, desk.BackupStream, desk.Nothing{}, out)
	}, a.progress.step)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%s is there already; --force replaces it", path)
	case err != nil:
		err = fmt.Errorf("no backup was made: %w", err)
	}
	return report, err
}

// backupToStdout makes the backup in a file first: it is checked before anybody gets it, and the daemon is not kept waiting by a slow reader.
func (a *app) backupToStdout(ctx context.Context, c config.Config) error {
	folder, err := os.MkdirTemp("", "qualifyd-backup-")
	if err != nil {
		return fmt.Errorf("no backup was made: %w", err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "backup.db")
	report, err := a.backup(ctx, c, path, false)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the backup: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(a.out, f); err != nil {
		return fmt.Errorf("the backup is not whole: %w", err)
	}
	_, err = fmt.Fprintf(a.err, "backup: %s\n", holdings(report))
	return err
}

// fetch writes a stream to out: from the running daemon, or from the store's file where none runs.
func fetch[Q any](ctx context.Context, c config.Config, s desk.Stream[Q], request Q, out io.Writer) error {
	sockets := console.Sockets(c.Store.Path)
	nobody := console.Fetch(ctx, sockets, c.Store.Path, s, request, out)
	if !errors.Is(nobody, console.ErrNobody) {
		return nobody
	}
	opened, err := store.Open(c.Store.Path)
	if errors.Is(err, store.ErrLocked) { // by a daemon that was just starting
		if again := console.Fetch(ctx, sockets, c.Store.Path, s, request, out); !errors.Is(again, console.ErrNobody) {
			return again
		}
		return fmt.Errorf("%w, and %w", err, nobody)
	}
	if err != nil {
		return err
	}
	return errors.Join(s.Write(ctx, &desk.Desk{Config: c, Store: opened}, request, out), opened.Close())
}

func (a *app) storeRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of a stopped daemon's store", Args: cobra.ExactArgs(1),
		Long: `Checks the backup in FILE, and puts a copy of it in the place of the store. The store that
was there is kept beside it. Stop the daemon first.

What happened since the backup is then not known, and is found out again: every change in
Salesforce since then is read once more, and each user is read at Referral Factory before
a qualification is sent, so that nobody is missed and nobody is qualified twice. Who was set
back to pending since then stays so, if the store that was there can still be read. Orders
given since then (pins, imports, releases, unqualify) are to be given again.`,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := config.LoadOffline(a.configPath)
			if err != nil {
				return err
			}
			defer a.progress.end()
			if sameFile(args[0], c.Store.Path) {
				return usageError{fmt.Errorf("%s is the store itself", args[0])}
			}
			done, err := store.Restore(c.Store.Path, args[0], time.Now(), a.progress.step)
			if err != nil {
				return stopFirst(err)
			}
			a.progress.end()
			return a.tellRestored(c.Store.Path, done)
		},
	}
}

// stopFirst says what to do where a daemon has the store.
func stopFirst(err error) error {
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("this needs the store to itself; stop the daemon first: %w", err)
	}
	return err
}

func (a *app) tellRestored(path string, done store.Restored) error {
	fmt.Fprintf(a.out, "%s is the backup now: %s\n", path, holdings(done.Report))
	if done.Replaced != "" {
		fmt.Fprintf(a.out, "the store that was there is %s\n", done.Replaced)
	}
	switch {
	case done.Since:
		fmt.Fprintf(a.out, "it has %d ledger lines since the backup; orders among them are to be given again\n", done.Lost)
	default:
		fmt.Fprintln(a.out, "what happened since the backup is not known. A referral that somebody set back to pending since then can qualify again:\n"+
			"look for such ones before the daemon starts, in the ledger if it was exported, or in Referral Factory")
	}
	for _, id := range done.SetBack {
		fmt.Fprintf(a.out, "referral %d was set back to pending since the backup, and stays so until it is resumed\n", id)
	}
	if n := len(done.Qualified); n > 0 {
		fmt.Fprintf(a.out, "qualified since the backup, and not to be qualified again: %d\n", n)
	}
	for _, id := range done.Unread {
		fmt.Fprintf(a.out, "what became of referral %d since the backup cannot be read; if somebody set it back to pending, it can qualify again\n", id)
	}
	for _, id := range done.UnderWay {
		fmt.Fprintf(a.out, "what was owed about referral %d when the store was replaced is owed still (qualifyd outbox list)\n", id)
	}
	return nil
}

func (a *app) storeCompactCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Write a stopped daemon's store anew, without what is free in it", Args: cobra.NoArgs,
		Long: `Writes everything in the store into a new file, checks that it holds the same, and puts it
in the store's place. Stop the daemon first. The disk needs room for both; when anything
goes wrong the store stays as it was.`,
		RunE: func(*cobra.Command, []string) error {
			c, err := config.LoadOffline(a.configPath)
			if err != nil {
				return err
			}
			defer a.progress.end()
			done, err := store.Compact(c.Store.Path, a.progress.step)
			if err != nil {
				return stopFirst(err)
			}
			a.progress.end()
			_, err = fmt.Fprintf(a.out, "%s had %d bytes, and has %d now\n", c.Store.Path, done.Before, done.After)
			return err
		},
	}
}
