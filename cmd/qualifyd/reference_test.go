package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"qualifyd/cmd/config"
)

// How packaging/build asks for the man pages.
var (
	manFolder = flag.String("man", "", "write the man pages into this folder")
	manDate   = flag.Int64("man-date", 0, "the day of the man pages, in seconds since 1970")
)

// documentedRoot has all commands as a person sees them who has set nothing in the environment.
func documentedRoot(t *testing.T) *cobra.Command {
	t.Helper()
	t.Setenv("QUALIFYD_CONFIG", "")
	return newRoot(&app{streams: streams{io.Discard, io.Discard}})
}

// The text about each command is in the command itself: its help, the reference and the man page are made from it.
func TestReferenceOfTheCommandsIsUpToDate(t *testing.T) {
	var out strings.Builder
	out.WriteString(`# Every command

<!-- Made from the commands' own help by "make docs"; do not edit. -->

[Commands](commands.md) shows what they print. All take ` + "`--config FILE`" + ` (else ` + "`$QUALIFYD_CONFIG`, else `" + defaultConfig + "`)" + `.
Besides those below there is ` + "`qualifyd completion`" + `, which prints completions for bash, zsh, fish and PowerShell.

| exit code | meaning |
|---|---|
`)
	for _, e := range exitCodes {
		fmt.Fprintf(&out, "| %d | %s |\n", e.code, e.meaning)
	}
	for _, c := range documentedRoot(t).Commands() {
		describe(&out, c)
	}
	path := filepath.Join(root, "docs", "reference-commands.md")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.Split(out.String(), "\n"), strings.Split(string(readFile(t, path)), "\n")); diff != "" {
		t.Errorf("%s is not what the commands say; make docs writes it anew (-want +got):\n%s", path, diff)
	}
}

// describe writes a command and those below it.
func describe(out *strings.Builder, c *cobra.Command) {
	if !c.IsAvailableCommand() {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n%s\n", c.CommandPath(), c.Short)
	if c.Runnable() && !c.HasSubCommands() {
		fmt.Fprintf(out, "\n%s\n%s\n%s\n", fence, c.UseLine(), fence)
	}
	if c.Long != "" {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(c.Long))
	}
	if flags := strings.TrimRight(c.NonInheritedFlags().FlagUsages(), "\n"); flags != "" {
		fmt.Fprintf(out, "\n%s\n%s\n%s\n", fence, flags, fence)
	}
	for _, below := range c.Commands() {
		describe(out, below)
	}
}

// TestManPages writes them where -man says; else it only sees that they can be made.
func TestManPages(t *testing.T) {
	folder := *manFolder
	if folder == "" {
		folder = t.TempDir()
	}
	day := time.Unix(*manDate, 0).UTC()
	r := documentedRoot(t)
	r.InitDefaultCompletionCmd()
	r.DisableAutoGenTag = true
	if err := doc.GenManTree(r, &doc.GenManHeader{Section: "1", Date: &day, Source: "qualifyd", Manual: "qualifyd"}, folder); err != nil {
		t.Fatal(err)
	}
	reference := string(readFile(t, filepath.Join(root, "docs", "reference-config.md")))
	_, keys, found := strings.Cut(reference, "do not edit. -->\n")
	if !found {
		t.Fatal("the reference of the config has another head than this test knows")
	}
	page := "% \"QUALIFYD-CONFIG\" \"5\" \"" + day.Format("Jan 2006") + "\" \"qualifyd\" \"qualifyd\"\n" +
		"# NAME\n\nqualifyd-config - the configuration of qualifyd\n\n# DESCRIPTION\n" + plainLinks(keys) +
		"\n# SEE ALSO\n\n**qualifyd(1)**, **qualifyd-config-check(1)**, **qualifyd-init(1)**\n"
	if err := os.WriteFile(filepath.Join(folder, "qualifyd-config.5"), md2man.Render([]byte(page)), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"qualifyd.1":               "77  refused credentials",
		"qualifyd-run.1":           `\fB--dry-run\fP`,
		"qualifyd-referrals-pin.1": "qualifyd-referrals-pin - ",
		"qualifyd-config.5":        "campaigns[].effective",
	} {
		if got := string(readFile(t, filepath.Join(folder, name))); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, got)
		}
	}
}

// plainLinks leaves the words of Markdown's links: a man page has no files beside it.
func plainLinks(text string) string {
	return strings.NewReplacer("[config.example.yaml](../config.example.yaml)", "/etc/qualifyd/config.example.yaml").Replace(text)
}

func TestVersionTellsWhatWasBuilt(t *testing.T) {
	w := newWorld(t, watching)
	w.run("version").want(exitDone, "qualifyd development (commit ", ", go1.", ", store schema 3)")
	var b map[string]any
	if err := json.Unmarshal([]byte(w.run("version", "-o", "json").out), &b); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "commit", "go", "store_schema"} {
		if b[key] == nil {
			t.Errorf("version -o json: got %v, want a %s in it", b, key)
		}
	}
	w.run("version", "-o", "yaml").want(exitUsage)
}

func TestTheSchemaIsPrinted(t *testing.T) {
	if got := newWorld(t, watching).run("config", "schema").out; got != config.Schema {
		t.Errorf("config schema printed %q, want the schema", got)
	}
}
