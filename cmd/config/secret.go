package config

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mask stands for a secret wherever one is printed.
const mask = "********"

// inConfig starts the source of a secret that stands in the config file itself.
const inConfig = "the key "

// Secret is a password or key. However it is printed, logged or marshalled, it
// comes out masked, or empty when it is not set; only [Secret.Reveal] tells.
type Secret struct {
	text *string // a pointer, so that printing a struct around an unexported Config shows an address
	from string
}

// Reveal returns the secret itself, "" when it is not set.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// From says where the secret was read, for people: "the file /etc/qualifyd/key".
func (s Secret) From() string { return s.from }

func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return mask
}

// Format masks the secret under every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText masks the secret in JSON, YAML, slog and zerolog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// secretPlace is one secret that the config needs, and the names it can come by.
type secretPlace struct {
	key        string // of the secret itself; its file is named by key_file
	credential string // file name in systemd's $CREDENTIALS_DIRECTORY
	optional   bool
	value      *Secret
	file       *string // what key_file names
}

// env is the variable that may hold the secret; with _FILE added, the variable that may name its file.
func (p secretPlace) env() string {
	return "QUALIFYD_" + strings.ToUpper(strings.ReplaceAll(p.key, ".", "_"))
}

// secretSource is one place where a secret was found.
type secretSource struct {
	name string // for people
	key  string // the key to blame for its content
	file string // "" when text holds the secret
	text string
}

// secret reads one secret from its only source, and complains about none or
// two. It returns the key to blame for what the secret holds.
func (c *checker) secret(p secretPlace) string {
	if c.offline {
		return p.key
	}
	sources := c.sources(p)
	switch {
	case c.wrong(p.key), c.wrong(p.key + "_file"), len(sources) == 0 && p.optional:
		return p.key
	case len(sources) == 0:
		c.problem(p.key, "is missing; name its file in %s_file, or set $%s, or the systemd credential %s", p.key, p.env(), p.credential)
		return p.key
	case len(sources) > 1:
		c.problem(p.key, "has two sources, %s and %s; keep one", sources[0].name, sources[1].name)
		return p.key
	}
	source := sources[0]
	if source.file != "" {
		text, err := readSecretFile(source.file)
		if err != nil {
			c.problem(source.key, "reading %s: %v", source.name, withoutPath(err))
			return source.key
		}
		source.text = text
	}
	*p.value = Secret{text: &source.text, from: source.name}
	return source.key
}

func (c *checker) sources(p secretPlace) (found []secretSource) {
	if p.value.Reveal() != "" {
		found = append(found, secretSource{name: inConfig + p.key, key: p.key, text: p.value.Reveal()})
		c.guardConfigFile(p.key)
	}
	if *p.file != "" {
		name := *p.file
		*p.file = c.absolute(name)
		if _, err := os.Stat(*p.file); err != nil && maybeSecret(name) {
			c.problem(p.key+"_file", "names no file; write the path of one here, and the secret itself into that")
		}
		found = append(found, secretSource{name: "the file " + *p.file, key: p.key + "_file", file: *p.file})
		c.guardSecretFile(p.key+"_file", *p.file)
	}
	if text := strings.TrimSpace(os.Getenv(p.env())); text != "" {
		found = append(found, secretSource{name: "$" + p.env(), key: p.key, text: text})
	}
	if name := os.Getenv(p.env() + "_FILE"); name != "" {
		file := c.absolute(name)
		if _, err := os.Stat(file); err != nil && maybeSecret(name) {
			c.problem(p.key, "$%s_FILE names no file; write the path of one there, and the secret itself into that", p.env())
		}
		found = append(found, secretSource{name: fmt.Sprintf("the file %s ($%s_FILE)", file, p.env()), key: p.key, file: file})
		c.guardSecretFile(p.key, file)
	}
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); folder != "" {
		file := filepath.Join(folder, p.credential)
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, secretSource{name: "the systemd credential " + p.credential, key: p.key, file: file})
		}
	}
	return found
}

// maybeSecret tells whether what should be a file's path may be the secret itself, which is printed nowhere.
func maybeSecret(name string) bool {
	return strings.Contains(name, "\n") || len(name) >= 32 && !strings.Contains(name, "/")
}

// secretLimit is far above any key; it keeps a device file from filling the memory.
const secretLimit = 64 << 10

// secretWithin is how long a pipe may take: a daemon reads its secrets again while it runs, and may not wait for ever.
const secretWithin = 5 * time.Second

func readSecretFile(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to is empty, and nothing to wait for
	if err != nil {
		return "", err
	}
	defer file.Close()
	_ = file.SetReadDeadline(time.Now().Add(secretWithin)) // only what may keep a reader waiting has deadlines
	raw, err := io.ReadAll(io.LimitReader(file, secretLimit))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", fmt.Errorf("whoever writes to it has not come to an end within %s", secretWithin)
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(raw), "\ufeff")) // what is pasted easily brings a blank along, and some editors a mark of the encoding
	if text == "" {
		return "", errors.New("the file is empty")
	}
	return text, nil
}

// guardConfigFile refuses a secret inside a config that its group or anybody else can read: a config gets shown around.
func (c *checker) guardConfigFile(key string) {
	if c.mode.Perm()&0o044 != 0 {
		c.problem(key, "is a secret in a file that others can read (mode %04o); chmod it to 0600, or move the secret to a file of its own", c.mode.Perm())
	}
}

// guardSecretFile warns of a secret file that everybody can read. Its group may: root:qualifyd 0640 is a usual way to install one.
func (c *checker) guardSecretFile(key, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.warn(key, "everybody can read %s (mode %04o); chmod it to 0600", path, info.Mode().Perm())
	}
}

// oneLine complains about a secret that cannot go into a header.
func (c *checker) oneLine(key string, secret Secret) {
	if strings.ContainsFunc(secret.Reveal(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		c.problem(key, "%s holds more than one line; want the bare secret", secret.from)
	}
}

// rsaKeyProblem says why text is no RSA private key in PEM; "" when it is one.
func rsaKeyProblem(text string) string {
	block, _ := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return "is not PEM; want a text that starts with -----BEGIN PRIVATE KEY-----"
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return "is encrypted; remove its passphrase: openssl pkey -in KEY -out NEWKEY"
	case block.Type != "PRIVATE KEY" && block.Type != "RSA PRIVATE KEY":
		return fmt.Sprintf("is a PEM of type %s; want the RSA private key whose certificate the Salesforce app holds", block.Type)
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return ""
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "is damaged: its PEM does not hold a private key"
	}
	if _, isRSA := parsed.(*rsa.PrivateKey); !isRSA {
		return "is not an RSA key; Salesforce takes RSA only"
	}
	return ""
}

// NewSecret is a secret that no file or environment gave, such as the demo's own.
func NewSecret(text string) Secret { return Secret{text: &text, from: "the program"} }
