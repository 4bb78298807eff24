package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"qualifyd/store"
)

// Set by the linker for a release.
var (
	version  = "development"
	revision = "" // "": what the Go toolchain stamped into the binary
)

// buildFacts are what was built, and from what.
type buildFacts struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	StoreSchema int    `json:"store_schema"`
}

func (a *app) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Tell the version, commit, Go and store schema", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			b := buildFacts{version, commit(), runtime.Version(), store.Schema}
			if output == "json" {
				return a.printJSON(b)
			}
			_, err := fmt.Fprintf(a.out, "qualifyd %s (commit %s, %s, store schema %d)\n", b.Version, b.Commit, b.Go, b.StoreSchema)
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func commit() string {
	if revision != "" {
		return revision
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
