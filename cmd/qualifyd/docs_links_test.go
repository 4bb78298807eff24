package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// document is a page of the project's Markdown.
type document struct {
	path  string // from the root
	text  string // without what stands in fenced blocks
	lines []line // of the fenced blocks
}

// line is one of a fenced block. In a session at a terminal (a block with lines that begin with "$ ") only commands are kept.
type line struct {
	number int
	text   string
}

// documents are all of the project's pages.
func documents(t *testing.T) (all []document) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(root, path)
		all = append(all, newDocument(name, string(readFile(t, path))))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("got %d pages, want ten at least", len(all))
	}
	return all
}

func documentAt(all []document, path string) document {
	return all[slices.IndexFunc(all, func(d document) bool { return d.path == path })]
}

func newDocument(path, text string) document {
	d := document{path: path}
	var block []line
	fenced := false
	for i, one := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(one), "```"):
			if fenced {
				d.lines = append(d.lines, commandsOf(block)...)
			}
			fenced, block = !fenced, nil
		case fenced && len(block) > 0 && strings.HasSuffix(block[len(block)-1].text, `\`):
			last := &block[len(block)-1]
			last.text = strings.TrimSuffix(last.text, `\`) + one
		case fenced:
			block = append(block, line{i + 1, one})
		default:
			d.text += one + "\n"
		}
	}
	return d
}

func commandsOf(block []line) []line {
	isCommand := func(one line) bool { return strings.HasPrefix(one.text, "$ ") }
	if !slices.ContainsFunc(block, isCommand) {
		return block
	}
	return slices.DeleteFunc(block, func(one line) bool { return !isCommand(one) })
}

var (
	inlineCode   = regexp.MustCompile("`[^`\n]+`")
	markdownLink = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	pageNamed    = regexp.MustCompile(`\bdocs/[\w-]+\.md\b`)
)

// anchors are the names under which a page's headings can be linked, as the common viewers make them.
func (d document) anchors() map[string]bool {
	found := map[string]bool{}
	for _, one := range heading.FindAllStringSubmatch(d.text, -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, one[1])
		unique := name
		for n := 1; found[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		found[unique] = true
	}
	return found
}

// Every page, picture and heading that a page links is there, and the index of docs/ lists every page.
func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	all := documents(t)
	anchors := map[string]map[string]bool{}
	for _, d := range all {
		anchors[d.path] = d.anchors()
	}
	links := 0
	for _, d := range all {
		for _, link := range markdownLink.FindAllStringSubmatch(inlineCode.ReplaceAllString(d.text, ""), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			links++
			name, anchor, _ := strings.Cut(link[1], "#")
			target := d.path
			if name != "" {
				target = filepath.Join(filepath.Dir(d.path), name)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links %s: %v", d.path, link[1], err)
			} else if anchor != "" && !anchors[target][anchor] {
				t.Errorf("%s links %s: %s has no such heading", d.path, link[1], target)
			}
		}
	}
	index := documentAt(all, "docs/README.md")
	for _, d := range all {
		if name := filepath.Base(d.path); filepath.Dir(d.path) == "docs" && d.path != index.path && !strings.Contains(index.text, "]("+name+")") {
			t.Errorf("%s does not list %s", index.path, name)
		}
	}
	if links < 30 {
		t.Errorf("got %d links, want thirty at least", links)
	}
}

// What the program and the example config say of a page, they say of one that there is.
func TestEveryPageThatTheProgramNamesIsThere(t *testing.T) {
	paths := []string{"config.example.yaml"}
	for _, one := range sources(t) {
		if !one.isTest() {
			paths = append(paths, one.path)
		}
	}
	for _, path := range paths {
		for _, page := range pageNamed.FindAllString(string(readFile(t, filepath.Join(root, path))), -1) {
			if _, err := os.Stat(filepath.Join(root, page)); err != nil {
				t.Errorf("%s names %s, which is not there", path, page)
			}
		}
	}
}

// Whoever copies a command out of a page gets one that exists, with the flags that it has.
func TestEveryCommandOfTheDocumentsParses(t *testing.T) {
	shown := 0
	for _, d := range documents(t) {
		for _, one := range d.lines {
			if args, ok := argumentsOf(one.text); ok {
				shown++
				if err := parses(args, true); err != nil {
					t.Errorf("%s:%d: %s: %v", d.path, one.number, one.text, err)
				}
			}
		}
		for _, code := range inlineCode.FindAllString(d.text, -1) {
			if args, ok := argumentsOf(strings.Trim(code, "`")); ok {
				shown++
				if err := parses(args, false); err != nil {
					t.Errorf("%s: %s: %v", d.path, code, err)
				}
			}
		}
	}
	if shown < 100 {
		t.Errorf("got %d commands, want a hundred at least", shown)
	}
}

var (
	beforeCommand = regexp.MustCompile(`^\s*(?:\$ )?(?:sudo (?:-u \S+ )?)?(?:\w+=\S* )*(?:/usr/bin/)?qualifyd(?: |$)`)
	optional      = regexp.MustCompile(`\[[^\]]*\]`) // as help writes what may be left out
	afterCommand  = regexp.MustCompile(`\s(?:#|\||&&|;|>|<).*$`)
)

// argumentsOf are the arguments of qualifyd in a line of a shell that calls it.
func argumentsOf(text string) (args []string, calls bool) {
	begin := beforeCommand.FindStringIndex(text)
	if begin == nil {
		return nil, false
	}
	text = optional.ReplaceAllString(afterCommand.ReplaceAllString(text[begin[1]:], ""), "")
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(text, -1) {
		if word == "CAMPAIGN" { // stands for a number
			word = "101"
		}
		args = append(args, strings.Trim(word, `"`))
	}
	return args, true
}

// parses tells what is wrong with a command line. In running text a command may be named without its arguments.
func parses(args []string, whole bool) error {
	program := newRoot(&app{})
	program.InitDefaultHelpCmd()
	program.InitDefaultCompletionCmd(args...)
	cmd, rest, err := program.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	given := cmd.Flags().Args()
	if cmd.HasSubCommands() && len(given) > 0 {
		return fmt.Errorf("there is no command %q", given[0])
	}
	if help, _ := cmd.Flags().GetBool("help"); help || !whole {
		return nil
	}
	if !cmd.Runnable() {
		return fmt.Errorf("%s needs a command behind it", cmd.CommandPath())
	}
	return cmd.ValidateArgs(given)
}
