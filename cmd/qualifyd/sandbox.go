package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"qualifyd/sync/sandbox"
)

func (a *app) sandboxCommand() *cobra.Command {
	var load string
	cmd := &cobra.Command{
		Use: "sandbox", Short: "Run an in-memory Salesforce org and Referral Factory on loopback ports", Args: cobra.NoArgs,
		Long: `Runs the embedded Salesforce org and Referral Factory on two loopback ports, until it is
interrupted, and prints how to reach them. Nothing is kept.

--load DIR fills the org from Salesforce's export forms: Lead.csv, Contact.csv and
Opportunity.csv of a Data Export, and the JSON tree files of the Salesforce CLI.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runSandbox(cmd.Context(), load) },
	}
	cmd.Flags().StringVar(&load, "load", "", "a folder with exports to load")
	return cmd
}

// sandboxCampaign is the campaign that a fresh sandbox has.
const sandboxCampaign = 101

func (a *app) runSandbox(ctx context.Context, load string) error {
	org, rf := sandbox.NewOrg(nil), sandbox.NewReferralFactory(nil)
	org.AddField("Lead", sandbox.FieldDef{Name: "Referral_Code__c", Label: "Referral Code", Type: "string", Length: 40, ExternalID: true, Unique: true, CaseSensitive: true})
	rf.AddCampaign(sandboxCampaign, "Refer a friend")
	if load != "" {
		if err := a.loadExports(org, load); err != nil {
			return err
		}
	}
	salesforce, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	referralFactory, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("sandbox: %w", err), salesforce.Close())
	}
	mux := http.NewServeMux()
	mux.Handle(sandbox.ControlPath, sandbox.Control(org, rf))
	mux.Handle("/", org.Handler())
	a.tellSandbox(org, rf, salesforce.Addr(), referralFactory.Addr())
	return serve(ctx, map[net.Listener]http.Handler{salesforce: mux, referralFactory: rf.Handler()})
}

func (a *app) loadExports(org *sandbox.Org, folder string) error {
	report, err := sandbox.Load(org, folder)
	if err != nil {
		return err
	}
	for _, f := range report.Files {
		fmt.Fprintf(a.out, "loaded %d records from %s\n", f.Records, f.Name)
	}
	for _, field := range report.Added {
		fmt.Fprintf(a.out, "added the text field %s\n", field)
	}
	for _, p := range report.Problems {
		fmt.Fprintf(a.err, "not loaded: %s\n", p)
	}
	return nil
}

func (a *app) tellSandbox(org *sandbox.Org, rf *sandbox.ReferralFactory, salesforce, referralFactory net.Addr) {
	id, secret := org.Credentials()
	fmt.Fprintf(a.out, `Salesforce org %s at http://%s (control: POST http://%s%s...)
Referral Factory at http://%s/api/v2

A config for it:

salesforce:
  login_url: http://%s
  auth: {flow: client_credentials, client_id: %s, client_secret: %s}
referral_factory:
  base_url: http://%s/api/v2
  api_key: %s
store:
  path: sandbox.db
campaigns:
  - id: %d
    name: Refer a friend
    referral_code_field: Referral_Code__c
    qualify: {method: lead_field_changes, field: Status, value: Working - Contacted}

Ctrl-C ends it.
`, org.ID(), salesforce, salesforce, sandbox.ControlPath, referralFactory, salesforce, id, secret, referralFactory, rf.Key(), sandboxCampaign)
}

// serve answers on all listeners until ctx is done.
func serve(ctx context.Context, handlers map[net.Listener]http.Handler) error {
	failed := make(chan error, len(handlers))
	var servers []*http.Server
	for listener, handler := range handlers {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		go func() { failed <- server.Serve(listener) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, server := range servers {
		err = errors.Join(err, server.Close())
	}
	return err
}
