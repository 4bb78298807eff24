package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
)

func (a *app) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Verify or export the ledger of what was done", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.ledgerVerifyCommand(), a.ledgerExportCommand())
	return cmd
}

func (a *app) ledgerVerifyCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "verify [--from HASH]", Short: "Prove that the ledger is as it was written", Args: cobra.NoArgs,
		Long: `Goes through the ledger from its first line: each line has the hash of its text, names the
hash of the line before, and none is missing. Whoever can write the store can make
another chain that is whole; so keep the hash that this prints (or a backup does)
somewhere else. With --from the ledger has to have a line with that hash.

Exit codes: 0 it is whole, 1 it is not; the first line that is broken is named.`,
	}
	cmd.Flags().StringVar(&from, "from", "", "the hash of a line that the ledger has to go on from")
	return listCommand(a, cmd, desk.VerifyQuestion, func([]string) desk.VerifyRequest { return desk.VerifyRequest{From: from} }, printVerified)
}

func printVerified(out io.Writer, v desk.Verified) error {
	switch {
	case v.Length == 0:
		fmt.Fprintln(out, "the ledger is empty")
	case v.From > 0:
		fmt.Fprintf(out, "the ledger is whole: %d lines, the newest with the hash %s; it goes on from line %d\n", v.Length, v.Hash, v.From)
	default:
		fmt.Fprintf(out, "the ledger is whole: %d lines, the newest with the hash %s\n", v.Length, v.Hash)
	}
	return nil
}

func (a *app) ledgerExportCommand() *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use: "export [--after N]", Short: "Print the ledger as JSON lines, which anybody can verify", Args: cobra.NoArgs,
		Long: `Prints the ledger, a line of JSON each, exactly as it is stored. Anybody can verify it with
nothing but SHA-256: the last field of a line, Hash, is the SHA-256 in hex of the line's
own text (without the line feed) with nothing between the quotes of Hash; Previous is the
Hash of the line before, and "" in the first; Number counts from 1. docs/ledger.md has a
program of ten lines that does it. The ledger names people by id, never by e-mail.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadOffline(a.configPath)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(a.out)
			err = fetch(cmd.Context(), c, desk.LedgerStream, desk.LedgerRequest{After: after}, out)
			return errors.Join(err, out.Flush())
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "print only the lines after this number")
	return cmd
}
