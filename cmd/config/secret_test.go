package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"
)

const hidden = "hunter2"

func TestASecretIsMaskedHoweverItIsPrinted(t *testing.T) {
	text := hidden
	secret := Secret{text: &text, from: "a test"}
	config := Default()
	config.ReferralFactory.APIKey = secret
	config.Salesforce.Auth.ClientSecret = Secret{text: &text, from: inConfig + "salesforce.auth.client_secret"}
	config.Salesforce.Auth.PrivateKey = secret
	config.Metrics.Ping = secret
	private := struct{ config Config }{config} // fmt calls no methods below an unexported field

	printed := map[string]string{"Show": config.Show(), "String": secret.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed[verb] = fmt.Sprintf(verb, secret)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &secret)
		printed[verb+" of a config"] = fmt.Sprintf(verb, config)
		printed[verb+" of an unexported config"] = fmt.Sprintf(verb, private)
	}
	for _, value := range []any{secret, &secret, config, private} {
		asJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed[fmt.Sprintf("JSON of %T", value)] = string(asJSON)
		var zerologged, slogged bytes.Buffer
		logger := zerolog.New(&zerologged)
		logger.Info().Interface("value", value).Any("any", value).Stringer("text", secret).Msg("")
		slog.New(slog.NewTextHandler(&slogged, nil)).Info("", "value", value)
		printed[fmt.Sprintf("zerolog of %T", value)] = zerologged.String()
		printed[fmt.Sprintf("slog of %T", value)] = slogged.String()
	}
	config.ReferralFactory.Location = nil // yaml has no use for it
	asYAML, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	printed["YAML"] = string(asYAML)

	for how, got := range printed {
		if strings.Contains(got, hidden) || strings.Contains(got, fmt.Sprintf("%x", hidden)) {
			t.Errorf("%s: got %s, want the secret masked", how, got)
		}
	}
	for _, how := range []string{"%v", "%#v", "%q", "String"} {
		if printed[how] != mask {
			t.Errorf("%s: got %q, want %q", how, printed[how], mask)
		}
	}
	if got := secret.Reveal(); got != hidden {
		t.Errorf("Reveal: got %q, want %q", got, hidden)
	}
	if got := fmt.Sprint(Secret{}); got != "" {
		t.Errorf("a secret that is not set: got %q, want nothing", got)
	}
}

func TestShowSaysWhereSecretsComeFrom(t *testing.T) {
	folder := t.TempDir()
	keyFile := writeFile(t, folder, "key", hidden, 0o600)
	path := writeConfig(t, folder, minimal("client_secret: "+hidden, "api_key_file: key"))
	config, _ := load(t, path)
	shown := config.Show()
	for _, want := range []string{
		"# salesforce.auth.client_secret: ******** from the key salesforce.auth.client_secret\n",
		"    client_secret: '********'\n",
		"# referral_factory.api_key: ******** from the file " + keyFile + "\n",
		"  api_key_file: " + keyFile + "\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("got %s\nwant in it %q", shown, want)
		}
	}
	if strings.Contains(shown, "api_key: '") {
		t.Errorf("got %s\nwant one source for api_key", shown)
	}
}

// minimal is a small valid config, but for its secrets.
func minimal(auth, referralFactory string) string {
	text := "salesforce:\n  login_url: https://acme.my.salesforce.com\n  auth:\n    client_id: 3MVG9\n"
	if auth != "" {
		text += "    " + auth + "\n"
	}
	if referralFactory != "" {
		text += "referral_factory:\n  " + referralFactory + "\n"
	}
	return text + "campaigns: [{id: 101, qualify: {method: none}}]\n"
}

func TestASecretHasOneSource(t *testing.T) {
	const env = "QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET"
	for _, test := range []struct {
		name       string
		key        string            // the line in the config
		env        map[string]string // FOLDER stands for the config's folder
		credential string
		want       string // the secret
		problem    string
	}{
		{name: "the key", key: "client_secret: " + hidden, want: hidden},
		{name: "the key, all digits", key: "client_secret: 0123", want: "0123"},
		{name: "a file beside the config", key: "client_secret_file: file", want: "in the file"},
		{name: "the environment", env: map[string]string{env: hidden}, want: hidden},
		{name: "a file that the environment names", env: map[string]string{env + "_FILE": "FOLDER/file"}, want: "in the file"},
		{name: "a systemd credential", credential: hidden + "\r\n", want: hidden},
		{name: "blanks that were pasted along", env: map[string]string{env: " " + hidden + "\t"}, want: hidden},
		{name: "blanks that were pasted along, into a file", key: "client_secret_file: blanks", want: hidden},
		{name: "a mark that an editor put before it", key: "client_secret_file: marked", want: hidden},
		{name: "a variable of blanks is none", key: "client_secret_file: file", env: map[string]string{env: "  "}, want: "in the file"},
		{name: "an empty variable is none", key: "client_secret_file: file", env: map[string]string{env: ""}, want: "in the file"},
		{name: "none", problem: "3: salesforce.auth.client_secret: is missing; name its file in salesforce.auth.client_secret_file, " +
			"or set $QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET, or the systemd credential salesforce-client-secret"},
		{name: "key and environment", key: "client_secret: " + hidden, env: map[string]string{env: hidden},
			problem: "5: salesforce.auth.client_secret: has two sources, the key salesforce.auth.client_secret and $QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET; keep one"},
		{name: "file and credential", key: "client_secret_file: file", credential: hidden,
			problem: "3: salesforce.auth.client_secret: has two sources, the file FOLDER/file and the systemd credential salesforce-client-secret; keep one"},
		{name: "environment twice", env: map[string]string{env: hidden, env + "_FILE": "FOLDER/file"},
			problem: "3: salesforce.auth.client_secret: has two sources, $QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET and the file FOLDER/file ($QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET_FILE); keep one"},
		{name: "a missing file", key: "client_secret_file: gone",
			problem: "5: salesforce.auth.client_secret_file: reading the file FOLDER/gone: no such file or directory"},
		{name: "the secret in the place of its file's name", key: "client_secret_file: 4B2E1F0C9D8A7B6C5D4E3F2A1B0C9D8E7F",
			problem: "5: salesforce.auth.client_secret_file: names no file; write the path of one here, and the secret itself into that"},
		{name: "the secret in the place of its file's name, in the environment", env: map[string]string{env + "_FILE": "4B2E1F0C9D8A7B6C5D4E3F2A1B0C9D8E7F"},
			problem: "3: salesforce.auth.client_secret: $QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET_FILE names no file; write the path of one there, and the secret itself into that"},
		{name: "a long name of a file that is not there", key: "client_secret_file: secrets/4B2E1F0C9D8A7B6C5D4E3F2A1B0C9D8E7F",
			problem: "5: salesforce.auth.client_secret_file: reading the file FOLDER/secrets/4B2E1F0C9D8A7B6C5D4E3F2A1B0C9D8E7F: no such file or directory"},
		{name: "an empty file", key: "client_secret_file: empty",
			problem: "5: salesforce.auth.client_secret_file: reading the file FOLDER/empty: the file is empty"},
		{name: "a pipe that nobody writes to", key: "client_secret_file: pipe",
			problem: "5: salesforce.auth.client_secret_file: reading the file FOLDER/pipe: the file is empty"},
		{name: "a folder", key: "client_secret_file: .",
			problem: "5: salesforce.auth.client_secret_file: reading the file FOLDER: is a directory"},
		{name: "two lines", key: "client_secret_file: lines",
			problem: "5: salesforce.auth.client_secret_file: the file FOLDER/lines holds more than one line; want the bare secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			writeFile(t, folder, "file", "in the file\n", 0o600)
			writeFile(t, folder, "empty", "\n", 0o600)
			writeFile(t, folder, "blanks", "  "+hidden+" \n", 0o600)
			writeFile(t, folder, "marked", "\ufeff"+hidden+"\r\n", 0o600)
			if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
			writeFile(t, folder, "lines", hidden+"\n"+hidden+"\n", 0o600)
			t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
			for name, value := range test.env {
				t.Setenv(name, strings.ReplaceAll(value, "FOLDER", folder))
			}
			if test.credential != "" {
				credentials := t.TempDir()
				t.Setenv("CREDENTIALS_DIRECTORY", credentials)
				writeFile(t, credentials, "salesforce-client-secret", test.credential, 0o600)
			}
			path := writeConfig(t, folder, minimal(test.key, ""))
			config, warnings, err := Load(path)
			if test.problem != "" {
				want := []string{strings.ReplaceAll(test.problem, "FOLDER", folder)}
				if diff := cmp.Diff(want, linesOf(t, err, path)); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
				return
			}
			if err != nil || len(warnings) > 0 {
				t.Fatalf("got error %v and warnings %v, want none", err, warnings)
			}
			if got := config.Salesforce.Auth.ClientSecret.Reveal(); got != test.want {
				t.Errorf("got secret %q, want %q", got, test.want)
			}
		})
	}
}

// A pipe that somebody has open and writes nothing to keeps nobody waiting for ever: a daemon that reads its secrets again would hang.
func TestAPipeOfWhichTheEndDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	read := make(chan error, 1)
	go func() { _, err := readSecretFile(pipe); read <- err }()
	select {
	case err := <-read:
		if err == nil || !strings.Contains(err.Error(), "has not come to an end within") {
			t.Errorf("got %v, want that it was given up", err)
		}
	case <-time.After(secretWithin + 30*time.Second):
		t.Error("it is waited for, for ever")
	}
}

func TestASecretInAConfigThatOthersCanReadIsRefused(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		path := writeConfig(t, t.TempDir(), minimal("", "api_key: "+hidden))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(path)
		if !refused {
			if err != nil {
				t.Errorf("mode %04o: got %v, want no error", mode, err)
			}
			continue
		}
		want := []string{fmt.Sprintf("6: referral_factory.api_key: is a secret in a file that others can read (mode %04o); chmod it to 0600, or move the secret to a file of its own", mode)}
		if diff := cmp.Diff(want, linesOf(t, err, path)); diff != "" {
			t.Errorf("mode %04o (-want +got):\n%s", mode, diff)
		}
	}
}

func TestASecretFileThatEverybodyCanReadIsAWarning(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	keyFile := writeFile(t, folder, "key", hidden, 0o600)
	path := writeConfig(t, folder, minimal("", "api_key_file: key"))
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	_, warnings := load(t, path)
	want := []Warning{{Key: "referral_factory.api_key_file", Line: 6, Text: "everybody can read " + keyFile + " (mode 0644); chmod it to 0600"}}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestThePingIsASecretThatMayBeLeftOut(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	const url = "https://switch.example.com/" + hidden + "?up=1"
	folder := t.TempDir()
	loaded := func(metrics string) (Config, error) {
		config, _, err := Load(writeConfig(t, folder, minimal("", "")+metrics))
		return config, err
	}
	writeFile(t, folder, "ping-url", url+"\n", 0o600)
	t.Run("a systemd credential", func(t *testing.T) {
		t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
		writeFile(t, os.Getenv("CREDENTIALS_DIRECTORY"), "metrics-ping", url, 0o600)
		if config, err := loaded(""); err != nil || config.Metrics.Ping.Reveal() != url {
			t.Errorf("got %q, %v, want %s", config.Metrics.Ping.Reveal(), err, url)
		}
	})
	for metrics, want := range map[string]string{
		"": "", "metrics: {ping: '" + url + "'}\n": url, "metrics: {ping_file: ping-url}\n": url, "metrics: {ping: http://127.0.0.1:9/x}\n": "http://127.0.0.1:9/x",
	} {
		config, err := loaded(metrics)
		if got := config.Metrics.Ping.Reveal(); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", metrics, got, err, want)
		}
		if shown := config.Show(); strings.Contains(shown, hidden) || strings.Contains(shown, "# metrics.ping: ********") != (want != "") {
			t.Errorf("%q is shown as\n%s\nwant it masked, and where it is from", metrics, shown)
		}
	}
	for _, wrong := range []string{"http://switch.example.com/" + hidden, hidden, "ftp://switch.example.com/" + hidden, "https:///" + hidden, "https://%zz/" + hidden} {
		_, err := loaded("metrics: {ping: '" + wrong + "'}\n")
		want := []string{"6: metrics.ping: the key metrics.ping holds no https URL; want the one that the dead-man switch gave you, like https://host.example.com/..."}
		if diff := cmp.Diff(want, linesOf(t, err, filepath.Join(folder, "config.yaml"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", wrong, diff)
		}
	}
}

func TestTheWebFlowNeedsNoSecret(t *testing.T) {
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	config, _ := load(t, writeConfig(t, t.TempDir(), minimal("flow: web", "")))
	if got := config.Salesforce.Auth.ClientSecret.Reveal(); got != "" {
		t.Errorf("got secret %q, want none", got)
	}
}

func TestAPrivateKeyThatIsNoRSAKeyIsExplained(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecBytes, err := x509.MarshalPKCS8PrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, headers map[string]string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: bytes}))
	}
	good, _ := pem.Decode([]byte(testRSAKey(t)))
	rsaKey, err := x509.ParsePKCS8PrivateKey(good.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"PKCS 8", block("PRIVATE KEY", nil, good.Bytes), ""},
		{"PKCS 1", block("RSA PRIVATE KEY", nil, x509.MarshalPKCS1PrivateKey(rsaKey.(*rsa.PrivateKey))), ""},
		{"no PEM", hidden, "is not PEM; want a text that starts with -----BEGIN PRIVATE KEY-----"},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", nil, good.Bytes), "is encrypted; remove its passphrase: openssl pkey -in KEY -out NEWKEY"},
		{"encrypted the old way", block("RSA PRIVATE KEY", map[string]string{"DEK-Info": "AES-256-CBC,00"}, good.Bytes), "is encrypted; remove its passphrase: openssl pkey -in KEY -out NEWKEY"},
		{"a certificate", block("CERTIFICATE", nil, good.Bytes), "is a PEM of type CERTIFICATE; want the RSA private key whose certificate the Salesforce app holds"},
		{"damaged", block("PRIVATE KEY", nil, good.Bytes[:40]), "is damaged: its PEM does not hold a private key"},
		{"elliptic", block("PRIVATE KEY", nil, ecBytes), "is not an RSA key; Salesforce takes RSA only"},
	} {
		if got := rsaKeyProblem(test.text); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestABadPrivateKeyFileIsNamedWithoutItsContent(t *testing.T) {
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	folder := t.TempDir()
	keyFile := writeFile(t, folder, "key", hidden, 0o600)
	path := writeConfig(t, folder, minimal("flow: jwt\n    username: a@example.com\n    private_key_file: key", ""))
	_, _, err := Load(path)
	want := []string{"7: salesforce.auth.private_key_file: the file " + keyFile + " is not PEM; want a text that starts with -----BEGIN PRIVATE KEY-----"}
	if diff := cmp.Diff(want, linesOf(t, err, path)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestACAFileMustHoldACertificate(t *testing.T) {
	t.Setenv("QUALIFYD_SALESFORCE_AUTH_CLIENT_SECRET", "secret")
	t.Setenv("QUALIFYD_REFERRAL_FACTORY_API_KEY", "api-key")
	folder := t.TempDir()
	path := writeConfig(t, folder, minimal("", "ca_file: config.yaml"))
	_, _, err := Load(path)
	want := []string{"6: referral_factory.ca_file: " + filepath.Join(folder, "config.yaml") + " holds no certificate in PEM"}
	if diff := cmp.Diff(want, linesOf(t, err, path)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// testRSAKey makes a private key in PEM.
func testRSAKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes})))
}
