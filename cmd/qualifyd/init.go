package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"qualifyd/cmd/config"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

func (a *app) initCommand() *cobra.Command {
	var add, force bool
	cmd := &cobra.Command{
		Use: "init", Short: "Ask what is needed, and write a config that works", Args: cobra.NoArgs,
		Long: `Writes the config that --config names, with comments. At a terminal it asks, and offers
what both services have: campaigns, fields, values, stages. Every answer can be given by a
flag instead; in a script all are, and a missing one is a usage error.

Each answer is tried: the login, the API key, the rule. Nothing is written unless the whole
config is right, and then at once. An existing file is never replaced without --force.
Secrets that are typed go to files of their own beside the config, mode 0600; in a folder
that is a group's, as the packages make /etc/qualifyd, 0640, for the service to read.

One run with flags writes one campaign; --add puts a further one into an existing config:

  qualifyd init --add --campaign 102 --method lead_converts`,
	}
	for _, f := range answerFlags {
		cmd.Flags().String(f[0], "", f[1])
	}
	cmd.Flags().BoolVar(&add, "add", false, "add a campaign to the config that is there")
	cmd.Flags().BoolVar(&force, "force", false, "replace the config, and the files of secrets that are typed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		i := &interview{given: map[string]string{}, used: map[string]bool{}, out: a.err}
		for _, f := range answerFlags {
			if given := cmd.Flags().Lookup(f[0]); given.Changed {
				i.given[f[0]] = given.Value.String()
			}
		}
		if stdin, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(stdin.Fd())) {
			i.keyboard = stdin
		}
		return a.newSetup(i, force).run(cmd.Context(), add)
	}
	return cmd
}

// answerFlags are the flags that answer questions, each with what it is.
var answerFlags = [][2]string{
	{"login-url", "the org's My Domain, like https://acme.my.salesforce.com"},
	{"flow", "how to log in: client_credentials (default), jwt or web"},
	{"client-id", "the consumer key of the Salesforce app"},
	{"client-secret-file", "client_credentials: the file with the app's consumer secret"},
	{"username", "jwt: the Salesforce user to work as"},
	{"private-key-file", "jwt: the file with the RSA private key"},
	{"base-url", "where the Referral Factory API is (default: what answers)"},
	{"api-key-file", "the file with the Referral Factory API key"},
	{"timezone", "the time zone of Referral Factory's days (default UTC)"},
	{"store", "the file in which qualifyd remembers"},
	{"campaign", "the campaign's number in Referral Factory"},
	{"when-lead-joins", "nothing (default), create_lead or create_contact"},
	{"object", "with nothing: the records to watch, Lead (default) or Contact"},
	{"code-field", "the field that holds the referral code (default none)"},
	{"duplicates", "do_nothing (default), update or create_new"},
	{"effective-from", "the earliest change that counts (default: the first pass)"},
	{"method", "what qualifies: none, lead_field_changes, lead_converts, lead_converts_to_stage, contact_field_changes"},
	{"field", "the field that the rule watches"},
	{"value", "the value that it must become"},
	{"stage", "the stage that the Opportunity must reach"},
}

// setup is a config in the making.
type setup struct {
	*app
	*interview
	path   string
	force  bool
	config config.Config
	before string       // the text of the config to add to; "" makes a new one
	had    int          // how many campaigns that has
	typed  []secretFile // to be written beside the config

	salesforce *salesforce.Client // nil with flow web: nobody has connected yet
	account    []referralfactory.Campaign
}

func (a *app) newSetup(i *interview, force bool) *setup {
	return &setup{app: a, interview: i, path: a.configPath, force: force, config: config.Default()}
}

func (s *setup) run(ctx context.Context, add bool) error {
	begin := s.beginAnew
	if add {
		begin = s.beginWithConfig
	}
	for _, step := range []func(context.Context) error{begin, s.askCampaigns, s.save} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.tellWhatIsNext()
	return nil
}

// beginAnew asks for everything but the campaigns.
func (s *setup) beginAnew(ctx context.Context) error {
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) && !s.force {
		return usageError{fmt.Errorf("%s is there already; --add adds a campaign to it, --force replaces it, --config names another", s.path)}
	}
	if err := s.checkPlace(); err != nil {
		return err
	}
	s.say("The config will be %s. Enter takes what stands in [brackets]; Ctrl-C ends this, and nothing is written.", s.path)
	if err := s.askSalesforce(ctx); err != nil {
		return err
	}
	if err := s.askReferralFactory(ctx); err != nil {
		return err
	}
	var err error
	s.config.Store.Path, err = s.ask(ctx, question{flag: "store", text: "The file in which qualifyd remembers", otherwise: usualStore(s.path)})
	return err
}

// usualStore is where the service of a config keeps its state: qualifyd@acme.service, which reads /etc/qualifyd/acme.yaml, in a folder of its own.
func usualStore(configPath string) string {
	name, is := strings.CutSuffix(strings.TrimPrefix(configPath, "/etc/qualifyd/"), ".yaml")
	if !is || configPath == defaultConfig || strings.Contains(name, "/") {
		return config.Default().Store.Path
	}
	return "/var/lib/qualifyd-" + name + "/qualifyd.db"
}

// beginWithConfig takes everything but the new campaign from the config that is there.
func (s *setup) beginWithConfig(ctx context.Context) error {
	c, _, err := config.Load(s.path)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	s.config, s.before, s.had = c, string(text), len(c.Campaigns)
	if err := s.checkPlace(); err != nil {
		return err
	}
	if err := s.logIn(ctx); err != nil {
		return err
	}
	return s.listAccount(ctx, c.ReferralFactory.BaseURL)
}

func (s *setup) tellWhatIsNext() {
	at := ""
	if s.path != defaultConfig {
		at = " --config " + s.path
	}
	if s.salesforce == nil {
		fmt.Fprintf(s.app.out, "%s is written. Its rules could not be checked before somebody has connected it to Salesforce. Next:\n", s.path)
		fmt.Fprintf(s.app.out, "  qualifyd connect%s\n  qualifyd doctor%s\n", at, at)
		return
	}
	fmt.Fprintf(s.app.out, "%s is written, and right. Campaigns: %d. Next:\n  qualifyd doctor%s\n  qualifyd run --dry-run%s\n", s.path, len(s.config.Campaigns), at, at)
	if os.Geteuid() == 0 && len(s.typed) > 0 && secretMode(filepath.Dir(s.path)) == 0o600 {
		fmt.Fprintf(s.app.out, "The service's user has to be able to read the files with the secrets, which are in %s.\n", filepath.Dir(s.path))
	}
}
