package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
)

// defaultConfig is where the config is looked for last.
const defaultConfig = "/etc/qualifyd/config.yaml"

// app is what all commands share.
type app struct {
	streams
	in         io.Reader  // what a person types; nil is standard input
	via        transports // to the services
	asker      desk.Asker // who gives the orders
	progress   *progress
	level      leastLevel       // of the log
	warnings   []config.Warning // of the config that was loaded
	configPath string
	understood bool // the command line was
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "qualifyd",
		Short: "Qualifies Referral Factory referrals from Salesforce, by polling",
		Long: `qualifyd asks Salesforce what changed, and marks a referral as qualified in Referral
Factory when its Lead, Contact or Opportunity changes the way the campaign's rule
asks for. Every connection is outbound.

` + exitCodesInWords(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRun: func(*cobra.Command, []string) { a.understood = true },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVar(&a.configPath, "config", configFromEnvironment(), "the config file ($QUALIFYD_CONFIG)")
	root.AddCommand(
		a.runCommand(), a.initCommand(), a.connectCommand(), a.demoCommand(), a.sandboxCommand(),
		a.explainCommand(), a.statusCommand(), a.pollCommand(), a.referralsCommand(),
		a.qualifyCommand(), a.unqualifyCommand(), a.resumeCommand(), a.releaseCommand(), a.outboxCommand(),
		a.fieldsCommand(), a.valuesCommand(), a.stagesCommand(), a.campaignsCommand(),
		a.doctorCommand(), a.configCommand(), a.storeCommand(), a.ledgerCommand(), a.versionCommand(),
	)
	return root
}

func configFromEnvironment() string {
	if path := os.Getenv("QUALIFYD_CONFIG"); path != "" {
		return path
	}
	return defaultConfig
}
