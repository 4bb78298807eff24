package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// The files of the secrets that are typed.
const (
	clientSecretFile = "salesforce-secret"
	apiKeyFile       = "referral-factory-key"
)

// secretFile is a secret that was typed, and the file beside the config that it goes to.
type secretFile struct {
	name string
	text string
	key  *string // the config's, which names the file
}

// askSalesforce asks how to log in until it works.
func (s *setup) askSalesforce(ctx context.Context) error {
	for {
		if err := s.askLogin(ctx); err != nil {
			return err
		}
		if s.config.Salesforce.Auth.Flow == config.FlowWeb {
			s.say("With flow web somebody logs in once, with qualifyd connect, when the config is written. Until then the rules cannot be checked.")
			return nil
		}
		err := s.logIn(ctx)
		if err == nil || s.keyboard == nil || ctx.Err() != nil {
			return err
		}
		s.say("  %s\nOnce more:", printable(err.Error()))
		s.forget("login-url", "flow", "client-id", "client-secret-file", "username", "private-key-file")
	}
}

// forget has questions asked that a flag has answered, but not well.
func (s *setup) forget(flags ...string) {
	for _, flag := range flags {
		delete(s.given, flag)
	}
}

func (s *setup) askLogin(ctx context.Context) (err error) {
	c := &s.config.Salesforce
	if c.LoginURL, err = s.ask(ctx, question{flag: "login-url", text: "The org's My Domain, like https://acme.my.salesforce.com", otherwise: c.LoginURL, check: loginURL}); err != nil {
		return err
	}
	flow, err := s.choose(ctx, question{flag: "flow", text: "How to log in", otherwise: string(c.Auth.Flow)}, []choice{
		{value: string(config.FlowClientCredentials), note: "an id and a secret; the app names the user to run as"},
		{value: string(config.FlowJWT), note: "an id, a user name and a private key"},
		{value: string(config.FlowWeb), note: "a person logs in once"},
	})
	if err != nil {
		return err
	}
	auth := &c.Auth
	s.typed = s.withoutTyped(clientSecretFile) // what was typed for an earlier try, maybe of another flow
	*auth = config.Auth{Flow: config.Flow(flow), ClientID: auth.ClientID, Username: auth.Username, PrivateKeyFile: auth.PrivateKeyFile}
	if auth.ClientID, err = s.ask(ctx, question{flag: "client-id", text: "The app's consumer key", otherwise: auth.ClientID}); err != nil {
		return err
	}
	if auth.Flow == config.FlowJWT {
		return s.askKeyOfJWT(ctx, auth)
	}
	auth.Username, auth.PrivateKeyFile = "", ""
	q := question{flag: "client-secret-file", text: "The app's consumer secret"}
	if auth.Flow == config.FlowWeb {
		q.text, q.optional = "The app's consumer secret, if the app requires one (Enter: none)", true
	}
	auth.ClientSecret, err = s.askSecret(ctx, q, clientSecretFile, &auth.ClientSecretFile)
	return err
}

func (s *setup) askKeyOfJWT(ctx context.Context, auth *config.Auth) (err error) {
	if auth.Username, err = s.ask(ctx, question{flag: "username", text: "The Salesforce user to work as", otherwise: auth.Username}); err != nil {
		return err
	}
	_, err = s.ask(ctx, question{flag: "private-key-file", text: "The file with the RSA private key (PEM)", otherwise: auth.PrivateKeyFile, check: func(path string) (string, error) {
		var err error
		auth.PrivateKey, auth.PrivateKeyFile, err = s.readSecret(path)
		return path, err
	}})
	return err
}

// loginURL completes what people leave out.
func loginURL(text string) (string, error) {
	text = strings.TrimSuffix(text, "/")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	return text, config.CheckLoginURL(text, "")
}

// logIn makes a client, and tells which org it talks to.
func (s *setup) logIn(ctx context.Context) error {
	c := s.config.Salesforce
	if err := config.CheckLoginURL(c.LoginURL, c.Auth.Flow); err != nil {
		return usageError{fmt.Errorf("--login-url: %w", err)}
	}
	via, err := s.via.trusting(s.config)
	if err != nil {
		return err
	}
	client, err := salesforce.New(salesforceOptions(s.config, zerolog.Nop(), via))
	if err != nil {
		return err
	}
	org, _, err := client.Organization(ctx)
	if err != nil {
		return incomplete{err}
	}
	kind := "a live org"
	if org.Sandbox {
		kind = "a sandbox org: nobody is qualified for real unless referral_factory.send_from_sandbox is true"
	}
	s.say("  Logged in to %s, %s.", org.ID, kind)
	s.salesforce = client
	return nil
}

// askSecret gets a secret: from the file that the flag names, from the file that the config would name and that is there already, or from a
// person. file becomes what the config says.
func (s *setup) askSecret(ctx context.Context, q question, name string, file *string) (config.Secret, error) {
	if path, given := s.given[q.flag]; given {
		s.used[q.flag] = true
		secret, kept, err := s.readSecret(path)
		if err == nil {
			*file = kept
			return secret, nil
		}
		if err := s.wrong(q, err); err != nil {
			return config.Secret{}, err
		}
	}
	switch {
	case s.keyboard == nil && q.optional:
		return config.Secret{}, nil
	case s.keyboard == nil:
		return config.Secret{}, usageError{fmt.Errorf("--%s is missing: %s", q.flag, q.text)}
	}
	beside := filepath.Join(filepath.Dir(s.path), name)
	if _, err := os.Lstat(beside); !errors.Is(err, fs.ErrNotExist) && !s.force {
		return s.secretThere(q, beside, file)
	}
	q.hidden = true
	text, err := s.ask(ctx, q)
	if err != nil || text == "" {
		return config.Secret{}, err
	}
	*file = name
	s.typed = append(s.withoutTyped(name), secretFile{name: name, text: text, key: file})
	return config.NewSecret(text), nil
}

func (s *setup) withoutTyped(name string) (others []secretFile) {
	for _, f := range s.typed {
		if f.name != name {
			others = append(others, f)
		}
	}
	return others
}

// secretThere takes the secret that an earlier run left, since it may not be overwritten.
func (s *setup) secretThere(q question, path string, file *string) (config.Secret, error) {
	s.say("%s: taken from %s, which is there already (--force asks for another).", q.text, path)
	secret, kept, err := s.readSecret(path)
	*file = kept
	return secret, err
}

// readSecret reads a secret from a file, and tells how the config names that file.
func (s *setup) readSecret(path string) (secret config.Secret, kept string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return secret, "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret, "", err
	}
	trimmed := strings.TrimRight(string(text), "\r\n")
	if trimmed == "" {
		return secret, "", fmt.Errorf("%s is empty", path)
	}
	if folder, err := filepath.Abs(filepath.Dir(s.path)); err == nil && filepath.Dir(path) == folder {
		path = filepath.Base(path)
	}
	return config.NewSecret(trimmed), path, nil
}

// askReferralFactory asks for the key, and where need be for the address, until they work.
func (s *setup) askReferralFactory(ctx context.Context) error {
	if err := s.askKey(ctx); err != nil {
		return err
	}
	for {
		err := s.findAccount(ctx)
		if err == nil {
			break
		}
		if s.keyboard == nil || ctx.Err() != nil || errors.Is(err, errGivenUp) {
			return err
		}
		s.say("  %s\nOnce more:", printable(err.Error()))
		s.forget("base-url", "api-key-file")
		again := s.askBaseURL // the key was not even looked at
		if holds[*referralfactory.Refused](err) {
			again = s.askKey
		}
		if err := again(ctx); err != nil {
			return err
		}
	}
	c := &s.config.ReferralFactory
	zone, err := s.ask(ctx, question{flag: "timezone", text: "The time zone in which Referral Factory counts its days", otherwise: c.Timezone, check: func(name string) (string, error) {
		location, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			return "", fmt.Errorf("%q is no time zone; want a name like UTC or Europe/Berlin", name)
		}
		c.Location = location
		return name, nil
	}})
	c.Timezone = zone
	return err
}

func (s *setup) askBaseURL(ctx context.Context) (err error) {
	c := &s.config.ReferralFactory
	c.BaseURL, err = s.ask(ctx, question{flag: "base-url", text: "Where the Referral Factory API is", otherwise: c.BaseURL, check: baseURL})
	return err
}

// baseURL takes an address as the config would.
func baseURL(text string) (string, error) {
	text = strings.TrimSuffix(text, "/")
	return text, config.CheckWebAddress(text)
}

func (s *setup) askKey(ctx context.Context) (err error) {
	c := &s.config.ReferralFactory
	c.APIKey, err = s.askSecret(ctx, question{flag: "api-key-file", text: "The Referral Factory API key (Settings, Webhooks and API)"}, apiKeyFile, &c.APIKeyFile)
	return err
}

// The API's two addresses. The documentation is not of one mind which it is, and both were seen to answer.
const (
	apiHost  = "https://api.referral-factory.com/api/v2"
	bareHost = "https://referral-factory.com/api/v2"
)

// findAccount tries the key, at the other address too where the first does not answer well.
func (s *setup) findAccount(ctx context.Context) error {
	c := &s.config.ReferralFactory
	_, given := s.given["base-url"]
	if given {
		if err := s.askBaseURL(ctx); err != nil {
			return err
		}
	}
	err := s.listAccount(ctx, c.BaseURL)
	other := map[string]string{apiHost: bareHost, bareHost: apiHost}[c.BaseURL]
	if err == nil || other == "" || s.listAccount(ctx, other) != nil {
		return err
	}
	if given && s.keyboard == nil {
		return fmt.Errorf("%s: %w; %s answers: give --base-url %[3]s", c.BaseURL, err, other)
	}
	s.say("  %s: %s", c.BaseURL, printable(err.Error()))
	use, askErr := s.confirm(ctx, other+" answers. Use it?", "yes")
	if askErr != nil || !use {
		return errors.Join(err, askErr)
	}
	c.BaseURL = other
	return nil
}

// listAccount reads the account's campaigns, which also shows that the key works.
func (s *setup) listAccount(ctx context.Context, base string) error {
	via, err := s.via.trusting(s.config)
	if err != nil {
		return err
	}
	c := s.config.ReferralFactory
	client, err := referralfactory.New(referralfactory.Options{BaseURL: base, APIKey: c.APIKey.Reveal(), CallsPerMinute: c.CallsPerMinute,
		Transport: via.referralFactory, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	s.account, _, err = client.Campaigns(ctx)
	if err != nil {
		return incomplete{err}
	}
	return nil
}
