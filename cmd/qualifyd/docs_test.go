//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"qualifyd/cmd/desk"
	"qualifyd/rules"
)

var update = flag.Bool("update", false, "write into docs/ what the commands print now")

// TestDocs runs every command that the documents show, in their order and in a world whose clocks and Ids are the same each time, and wants the
// documents to show what it prints. In a document
//
//   - a fenced block with lines that begin with "$ " is a session at a terminal: such a line is run, what follows is its output;
//   - a comment <!-- meanwhile: TEXT --> lets the scene of that name happen before the next command.
//
// The dialogues of set-up.md are held at a pseudo-terminal, which a bubble of time cannot wait for; they show no times.
func TestDocs(t *testing.T) {
	bubble := func(t *testing.T, shown string) (printed string) {
		synctest.Test(t, func(t *testing.T) { printed = newStory(t, true).retell(shown) })
		return printed
	}
	dialogues := func(t *testing.T, shown string) string { return newStory(t, false).retell(shown) }
	for name, retell := range map[string]func(t *testing.T, shown string) string{
		"why-not-qualified.md": bubble, "commands.md": bubble, "set-up.md": dialogues,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("..", "..", "docs", name)
			shown := string(readFile(t, path))
			printed := retell(t, shown)
			switch {
			case t.Failed() || shown == printed:
			case *update:
				if err := os.WriteFile(path, []byte(printed), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s shows what the commands do not print any more; if they are right, run this test with -update (-shown +printed):\n%s",
					name, cmp.Diff(strings.Split(shown, "\n"), strings.Split(printed, "\n")))
			}
		})
	}
}

// Whoever is told a reason code finds it explained.
func TestDocsExplainEveryReasonCode(t *testing.T) {
	page := string(readFile(t, filepath.Join("..", "..", "docs", "why-not-qualified.md")))
	for _, reason := range rules.Reasons() {
		if !strings.Contains(page, "\n| `"+string(reason)+"` |") {
			t.Errorf("the table of reason codes lacks %s", reason)
		}
	}
}

const fence = "```"

// retell returns a document with the outputs that its commands have now.
func (s *story) retell(document string) string {
	var out strings.Builder
	inSession := false
	fenced := false
	for line := range strings.Lines(document) {
		text := strings.TrimSuffix(line, "\n")
		scene, isScene := strings.CutPrefix(text, "<!-- meanwhile: ")
		command, isCommand := strings.CutPrefix(text, "$ ")
		switch {
		case isScene:
			s.play(strings.TrimSuffix(scene, " -->"))
		case text == fence && fenced:
			fenced, inSession = false, false
		case strings.HasPrefix(text, fence):
			fenced = true
		case isCommand && fenced:
			inSession = true
			line += s.at(command)
		case inSession:
			line = "" // what it printed then
		}
		out.WriteString(line)
	}
	return out.String()
}

// at is what the terminal shows of a command, which may be filtered by others.
func (s *story) at(command string) string {
	command, filters, filtered := strings.Cut(command, " | ")
	name, rest, _ := strings.Cut(command, " ")
	shown := ""
	switch name {
	case "qualifyd":
		shown = s.printed(s.qualifyd(words(rest)...))
	case "cat":
		shown = s.printed(string(readFile(s.t, s.real(rest))))
	case "echo": // $?
		shown = fmt.Sprintln(s.code)
	default:
		s.t.Errorf("%s: only qualifyd, cat and echo $? can be shown", command)
	}
	if !filtered {
		return shown
	}
	shell := exec.Command("sh", "-c", filters)
	shell.Stdin = strings.NewReader(shown)
	out, err := shell.Output()
	if err != nil {
		s.t.Errorf("%s: %v", filters, err)
	}
	return string(out)
}

// words splits a command line as a shell does, as far as the documents go.
func words(line string) (out []string) {
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
		out = append(out, strings.Trim(word, `"`))
	}
	return out
}

// qualifyd runs the program to its end, and returns all that it wrote.
func (s *story) qualifyd(args ...string) string {
	for i := range args {
		args[i] = s.real(args[i])
	}
	args = append(args, "--config", s.config)
	if s.dialogue != nil {
		return s.converse(args)
	}
	shown := newTranscript()
	a := s.app(shown)
	if args[0] == "connect" {
		a.in = &pasting{story: s, shown: shown}
	}
	s.code = a.run(s.t.Context(), args)
	s.untilNextMinute()
	return shown.String()
}

func (s *story) app(terminal io.Writer) *app {
	return &app{streams: streams{terminal, terminal}, progress: newProgress(terminal), via: s.via, asker: desk.Asker{Name: "maria"}}
}

// converse runs the program at a terminal, with a person who takes part in the dialogue.
func (s *story) converse(args []string) string {
	person, program := newTerminal(s.t)
	a := s.app(program)
	a.in = program
	ended := make(chan int)
	go func() { ended <- a.run(s.t.Context(), args) }()
	person.answers(s.dialogue)
	s.dialogue, s.code = nil, <-ended
	const end = "(end)"
	fmt.Fprint(program, end)
	person.await(end)
	program.Close()
	person.person.Close()
	return strings.ReplaceAll(strings.TrimSuffix(person.shown, end), "\r\n", "\n")
}

// folder makes one whose path is as long as the one that it stands for, so that lines are broken at the same words.
func folder(t *testing.T, like string) string {
	for range 100 {
		path := fmt.Sprintf("/tmp/q%0*d", len(like)-len("/tmp/q"), rand.IntN(1e6))
		if os.Mkdir(path, 0o755) == nil {
			t.Cleanup(func() { os.RemoveAll(path) })
			return path
		}
	}
	t.Fatal("no folder can be made in /tmp")
	return ""
}

// The folders that the documents show.
const (
	shownEtc     = "/etc/qualifyd"
	shownLib     = "/var/lib/qualifyd"
	shownBackups = "/var/backups/qualifyd"
)

// real is what a word of a shown command means on this machine.
func (s *story) real(word string) string {
	if _, err := os.Stat(filepath.Join(s.home, word)); err == nil && word != "" {
		return filepath.Join(s.home, word)
	}
	id, _ := s.org.Credentials()
	return strings.NewReplacer(shownEtc, s.etc, shownLib, s.lib, shownBackups, s.backups, "3MVG9...", id).Replace(word)
}

// differs is what is different each time, and what the documents show of it.
var differs = []struct {
	found *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(` --config /etc/qualifyd/config.yaml\b`), ""}, // is where it looks by itself
	{regexp.MustCompile(`\b3MVG9sandbox[0-9a-f]+`), "3MVG9..."},
	{regexp.MustCompile(`\bstate=[\w-]+`), "state=..."},
	{regexp.MustCompile(`\bcode_challenge=[\w-]+`), "code_challenge=..."},
	{regexp.MustCompile(`\bcode=[\w.%-]+`), "code=..."},
	{regexp.MustCompile(`\d+ [MG]B free`), "42 GB free"},
	{regexp.MustCompile(`\d+ MB, layout`), "17 MB, layout"}, // pages of memory differ
	{regexp.MustCompile(`\d+ bytes in use`), "163840 bytes in use"},
	{regexp.MustCompile(`had \d+ bytes, and has \d+ now`), "had 16809984 bytes, and has 1077248 now"},
	{regexp.MustCompile(`(?m)^The service's user has to be able to read .*\n`), ""}, // told to root only
	{regexp.MustCompile(` +\n`), "\n"},
}

// printed is an output as the documents show it.
func (s *story) printed(text string) string {
	text = strings.NewReplacer(s.etc, shownEtc, s.lib, shownLib, s.backups, shownBackups, s.home+"/", "").Replace(text)
	for _, one := range differs {
		text = one.found.ReplaceAllString(text, one.shown)
	}
	return text
}

// transcript is what a command has written so far; it may be read meanwhile.
type transcript struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
}

func newTranscript() *transcript {
	t := &transcript{}
	t.changed = sync.NewCond(&t.mu)
	return t
}

func (t *transcript) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed.Broadcast()
	return t.text.Write(text)
}

// await waits until the screen shows something; the result is what was found.
func (t *transcript) await(found *regexp.Regexp) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !found.MatchString(t.text.String()) {
		t.changed.Wait()
	}
	return found.FindStringSubmatch(t.text.String())
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
