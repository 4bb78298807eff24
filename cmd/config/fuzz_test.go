package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// secretLine is a secret that stands in a file.
var secretLine = regexp.MustCompile(`(?m)^\s*(?:client_secret|private_key|api_key): *[*&!"']*(\S{8,})$`)

// FuzzLoad: every text is a config or a *Problems that names lines of the file and no secret in it; and a config is the same once shown and loaded.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("campaigns: &a\n  - fields: *a\n"))
	f.Add([]byte("---\n"))
	f.Add([]byte("salesforce:\n  auth:\n    client_secret: *hunter2hunter2\n"))
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(path)
		wantProblems(t, text, err)
		config, err := LoadOffline(path)
		wantProblems(t, text, err)
		if err != nil {
			return
		}
		shown := config.Show()
		if err := os.WriteFile(path, []byte(shown), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := LoadOffline(path)
		if err != nil || again.Show() != shown {
			t.Errorf("%q is shown as\n%s\nand that is %v\n%s", text, shown, err, again.Show())
		}
	})
}

func wantProblems(t *testing.T, text []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var problems *Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got error %v, want *Problems", err)
	}
	for _, secret := range secretLine.FindAllSubmatch(text, -1) {
		if word := string(secret[1]); strings.Count(string(text), word) == 1 && strings.Contains(err.Error(), word) {
			t.Errorf("the secret %q is in the error %q", word, err)
		}
	}
}

// FuzzValues: a value that is accepted is written such that it is read as the same, and is within its bounds.
func FuzzValues(f *testing.F) {
	for _, text := range []string{
		"20m", "1h0m0s", "1.5h", "-5m", "20", "20%", "0.001%", "100%", "1e2%", "200%", "-1%", "20000", "50/1h", "5 / 90s", "off", "false", "0/1h", "1/0s",
		"2026-01-01", "2026-01-01T09:00:00Z", "2026-01-01T09:00:00.5+02:00", "2026-02-30", "0123", "9223372036854775807", "1_0", "true", "TRUE", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDuration(text); err == nil {
			wantSame(t, text, shortDuration(d), d, parseDuration)
		}
		if c, err := parseDailyCalls(text); err == nil {
			wantSame(t, text, c.String(), c, parseDailyCalls)
			if !(c.Percent > 0 && c.Percent <= 100) == (c.Calls <= 0) {
				t.Errorf("%q: got %+v, want a share or a number", text, c)
			}
		}
		if b, err := parseBrake(text); err == nil {
			wantSame(t, text, b.String(), b, parseBrake)
			if !b.Off && (b.Count < 1 || b.Window <= 0) {
				t.Errorf("%q: got %+v, which would hold everything", text, b)
			}
		}
		if e, err := parseEffectiveFrom(text); err == nil {
			wantSame(t, text, e.String(), e.Time.UTC(), func(text string) (time.Time, error) {
				again, err := parseEffectiveFrom(text)
				return again.Time.UTC(), err
			})
		}
		if n, err := parseInt(text); err == nil {
			wantSame(t, text, text, n, parseInt)
		}
	})
}

// wantSame wants a value to be read from how it is written.
func wantSame[V comparable](t *testing.T, text, written string, value V, parse func(string) (V, error)) {
	t.Helper()
	if again, err := parse(written); err != nil || again != value {
		t.Errorf("%q is %v, written as %q, and that is %v, %v", text, value, written, again, err)
	}
}
