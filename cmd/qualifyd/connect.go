package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// callbackPort is the one that Salesforce's own tools use.
const callbackPort = 1717

func (a *app) connectCommand() *cobra.Command {
	var port int
	var noBrowser bool
	cmd := &cobra.Command{
		Use: "connect", Short: "Connect to Salesforce as a person, at a browser (flow: web)", Args: cobra.NoArgs,
		Long: `Prints an address. Whoever opens it logs in to Salesforce and allows the app; qualifyd
then works as that user, until the connection is revoked. The user needs to be one who can
log in at a browser: an API-only integration user cannot, and needs another flow.

The app in Salesforce must have the callback URL that is printed, to the letter. Where the
browser runs on another machine, paste the address that it ends on. Nothing is kept unless
the connection works, is to the org that the store belongs to, and can be renewed. The
refresh token is kept beside the store, in salesforce-token, for its owner only.

Exit codes: 0 connected, 75 Salesforce cannot be reached, 77 refused, 78 wrong config or org.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 1 || port > 65535 {
				return usageError{fmt.Errorf("--port %d: want 1 to 65535", port)}
			}
			c, log, err := a.loadConfig()
			if err != nil {
				return err
			}
			if flow := c.Salesforce.Auth.Flow; flow != config.FlowWeb {
				return usageError{fmt.Errorf("salesforce.auth.flow is %s: there is nothing to connect, and qualifyd doctor checks the login; "+
					"connecting as a person is for flow: web", flow)}
			}
			via, err := a.via.trusting(c)
			if err != nil {
				return err
			}
			client, err := salesforce.New(salesforceOptions(c, log, via))
			if err != nil {
				return fmt.Errorf("salesforce: %w", err)
			}
			d := &dance{app: a, config: c, client: client, port: port, noBrowser: noBrowser}
			return d.connect(cmd.Context(), lines(cmd.InOrStdin()))
		},
	}
	cmd.Flags().IntVar(&port, "port", callbackPort, "the port of the callback URL that the app has registered")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "do not listen for a browser on this machine; the address is pasted")
	return cmd
}

// lines brings what a person types or pastes, until there is no more.
func lines(from io.Reader) <-chan string {
	typed := make(chan string)
	go func() { // ends with the process
		defer close(typed)
		for s := bufio.NewScanner(from); s.Scan(); {
			if line := strings.TrimSpace(s.Text()); line != "" {
				typed <- line
			}
		}
	}()
	return typed
}

// A dance is one run of connect.
type dance struct {
	*app
	config    config.Config
	client    *salesforce.Client
	port      int
	noBrowser bool
}

// connect waits for the browser, or for what a person pastes, whichever comes first.
func (d *dance) connect(ctx context.Context, pasted <-chan string) error {
	authorization, err := d.client.Authorize(ctx, d.port)
	if err != nil {
		return err
	}
	var visits <-chan *salesforce.Visit
	if !d.noBrowser {
		receiver, err := authorization.Receive(d.port)
		if err != nil {
			return fmt.Errorf("%w; name another port with --port, and register its callback URL, or say --no-browser", err)
		}
		defer receiver.Close()
		visits = receiver.Visits
	}
	d.invite(authorization)
	for {
		select {
		case <-ctx.Done():
			return errors.New("interrupted before anybody had logged in; nothing was changed")
		case visit := <-visits:
			who, err := "", visit.Err
			if err == nil {
				who, err = d.finish(ctx, authorization, visit.Code)
			}
			if err != nil {
				visit.Tell("qualifyd is not connected: " + err.Error())
				return err
			}
			visit.Tell("Connected as " + who + ". You can close this page.")
			return nil
		case line, more := <-pasted:
			if !more && d.noBrowser {
				return errors.New("no address was pasted; nothing was changed")
			}
			if !more {
				pasted = nil
				continue
			}
			code, err := authorization.Pasted(line)
			if salesforce.KindOf(err) == salesforce.Refused {
				return err
			}
			if err != nil {
				fmt.Fprintf(d.err, "%v\n", err)
				continue
			}
			_, err = d.finish(ctx, authorization, code)
			return err
		}
	}
}

func (d *dance) invite(authorization *salesforce.Authorization) {
	fmt.Fprintf(d.out, `Open this address in a browser, and log in as the user that qualifyd shall work as:

  %s

`, authorization.URL)
	switch d.config.Salesforce.LoginURL {
	case "https://login.salesforce.com":
		fmt.Fprintln(d.out, "That is for live orgs. For a sandbox, set login_url to https://test.salesforce.com or to its My Domain.")
	case "https://test.salesforce.com":
		fmt.Fprintln(d.out, "That is for sandboxes. For a live org, set login_url to https://login.salesforce.com or to its My Domain.")
	}
	fmt.Fprintf(d.out, `The app needs the callback URL %s, to the letter.
If the browser ends on a page that does not load, or on an error of Salesforce's, paste the address of that page here.
`, authorization.Callback)
}

// finish makes a connection of a code: it is kept only if it is of use. It returns as whom.
func (d *dance) finish(ctx context.Context, authorization *salesforce.Authorization, code string) (who string, err error) {
	grant, err := authorization.Exchange(ctx, code)
	if err != nil {
		return "", incomplete{err}
	}
	org, _, err := d.client.Organization(ctx) // the first use of the API, which not every edition and user has
	if err == nil {
		err = d.rightOrg(ctx, org)
	}
	if err == nil {
		who, err = d.client.Username(ctx)
	}
	if err == nil {
		err = d.client.Keep(ctx, grant)
	}
	if err != nil {
		d.client.Revoke(ctx, grant)
		return "", incomplete{err}
	}
	if who == "" {
		who = "the user " + grant.UserID
	}
	who, org.Name = printable(who), printable(org.Name)
	return who + " to the org " + org.Name, d.tell(who, grant, org)
}

// rightOrg refuses an org that is not the store's, of which a running daemon tells as well. Where nobody can tell, it is no reason to stop:
// the next pass checks it again.
func (d *dance) rightOrg(ctx context.Context, org salesforce.Organization) error {
	known, err := ask(ctx, d.app, desk.StatusQuestion, desk.Nothing{})
	if err != nil || known.Org.ID == "" || known.Org.ID == org.ID {
		return nil
	}
	return fmt.Errorf("%w: the store %s is of the org %s, and this user is of %s (%s); log in as a user of that org, or name another store.path",
		poll.ErrOtherOrg, d.config.Store.Path, known.Org.ID, org.ID, org.Name)
}

func (d *dance) tell(who string, grant *salesforce.Grant, org salesforce.Organization) error {
	mode := `live ("Connect Live Mode" in Referral Factory)`
	if org.Sandbox {
		mode = `test: a sandbox ("Connect Test Mode" in Referral Factory)`
	}
	fmt.Fprintln(d.out, "\nConnected.")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "as\t%s\n", who)
	fmt.Fprintf(w, "org\t%s (%s) at %s\n", org.Name, org.ID, grant.InstanceURL)
	fmt.Fprintf(w, "mode\t%s\n", mode)
	fmt.Fprintf(w, "API version\t%s\n", d.config.Salesforce.APIVersion)
	fmt.Fprintf(w, "scopes\t%s\n", strings.Join(grant.Scopes, " "))
	fmt.Fprintf(w, "kept in\t%s\n", tokenFile(d.config))
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.out, "A running qualifyd takes it up by itself; qualifyd poll has it try at once.")
	return err
}

// tokenFile is where the refresh token of flow web is kept: beside the store.
func tokenFile(c config.Config) string {
	return filepath.Join(filepath.Dir(c.Store.Path), "salesforce-token")
}
