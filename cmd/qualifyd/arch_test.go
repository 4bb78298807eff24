package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository's.
const root = "../.."

// mayImport says which of our packages a package's code, its tests apart, may import: cmd -> sync/* -> store -> rules.
var mayImport = map[string][]string{
	"rules":                {},
	"store":                {"rules"},
	"sync/logged":          {},
	"sync/salesforce":      {"sync/logged"},
	"sync/referralfactory": {"sync/logged"},
	"sync/schedule":        {"sync/logged"},
	"sync/simulation":      {}, // tests only
	"sync/bench":           {}, // tests only
	"sync/sandbox":         {},
	"sync/poll":            {"rules", "store", "sync/logged", "sync/referralfactory", "sync/salesforce"},
	"sync/deliver":         {"rules", "store", "sync/logged", "sync/poll", "sync/referralfactory"},
	"cmd/config":           {"rules", "sync/schedule"},
	"cmd/doctor":           {"cmd/config", "rules", "store", "sync/poll", "sync/referralfactory", "sync/salesforce", "sync/schedule"},
	"cmd/desk": {"cmd/config", "cmd/doctor", "rules", "store", "sync/deliver", "sync/poll", "sync/referralfactory", "sync/salesforce",
		"sync/schedule"},
	"cmd/metrics": {"cmd/desk", "cmd/doctor", "rules", "store", "sync/deliver", "sync/logged", "sync/poll", "sync/referralfactory", "sync/salesforce"},
	"cmd/console": {"cmd/config", "cmd/desk", "rules", "store", "sync/logged"},
	"cmd/qualifyd": {"cmd/config", "cmd/console", "cmd/desk", "cmd/doctor", "cmd/metrics", "rules", "store", "sync/deliver", "sync/logged", "sync/poll",
		"sync/referralfactory", "sync/salesforce", "sync/sandbox", "sync/schedule"},
}

// owners are the only packages that may import a module, tests included.
var owners = map[string]string{
	"github.com/spf13/viper":    "cmd/config",
	"golang.org/x/oauth2":       "sync/salesforce",
	"github.com/robfig/cron/v3": "sync/schedule",
	"go.etcd.io/bbolt":          "store",

	"github.com/prometheus/client_golang": "cmd/metrics",
}

// source is a Go file and what it imports.
type source struct {
	path, folder string
	imports      []string
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources are all Go files of the module.
func sources(t *testing.T) (all []source) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(name)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		s := source{path: filepath.ToSlash(relative), folder: path.Dir(filepath.ToSlash(relative))}
		for _, i := range parsed.Imports {
			s.imports = append(s.imports, strings.Trim(i.Path.Value, `"`))
		}
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files", len(all))
	}
	return all
}

// isModule tells whether a folder is a module of its own, as the tools for the packages are.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func within(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		allowed, known := mayImport[s.folder]
		if !known && !s.isTest() {
			t.Errorf("%s: %s is no package of the design", s.path, s.folder)
		}
		for _, imported := range s.imports {
			ours, is := strings.CutPrefix(imported, "qualifyd/")
			if is && !s.isTest() && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; %s may import only %v of ours", s.path, ours, s.folder, allowed)
			}
		}
	}
}

func TestRulesNeedTheStandardLibraryOnly(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			first, _, _ := strings.Cut(imported, "/")
			if s.folder == "rules" && !s.isTest() && strings.Contains(first, ".") {
				t.Errorf("%s imports %s, want nothing but the standard library", s.path, imported)
			}
			if s.folder == "rules" && !s.isTest() && slices.Contains([]string{"os", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2"}, imported) {
				t.Errorf("%s imports %s: rules has no I/O, no log and no dice", s.path, imported)
			}
		}
	}
}

func TestEachMarkedPackageHasOneOwner(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			for module, owner := range owners {
				if !within(imported, module) {
					continue
				}
				used[module] = true
				if s.folder != owner {
					t.Errorf("%s imports %s, which is %s's alone", s.path, imported, owner)
				}
			}
		}
	}
	if len(used) != len(owners) {
		t.Errorf("only %v are imported at all, want all of %v", slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(owners)))
	}
}

// A package named sync would shadow the standard library's in everybody who imports both.
func TestTheFolderSyncHasNoGoFile(t *testing.T) {
	for _, s := range sources(t) {
		if s.folder == "sync" || s.folder == "cmd" || s.folder == "." {
			t.Errorf("%s: want no Go file in this folder", s.path)
		}
	}
}

// What the documents and CI tell people to type has to be there.
func TestEveryMakeTargetThatIsMentionedExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllSubmatch(makefile, -1) {
		targets[string(m[1])] = true
	}
	documents, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(root, ".ci", "*"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("(?m)(?:^|`|\\$ )\\s*make((?: [a-z][a-z-]*)+)")
	mentioned := 0
	for _, name := range append(documents, scripts...) {
		for _, m := range command.FindAllSubmatch(readFile(t, name), -1) {
			for _, target := range strings.Fields(string(m[1])) {
				mentioned++
				if !targets[target] {
					t.Errorf("%s says make %s, and the Makefile has no such target", name, target)
				}
			}
		}
	}
	if mentioned == 0 {
		t.Error("nothing says make: want at least CI to")
	}
}

// An operator filters the log by keys and messages: keys are those of sync/logged, and what varies is in a field and never in a message.
func TestTheLogsKeysAndMessagesAreConstant(t *testing.T) {
	fields := map[string]bool{"Str": true, "Strs": true, "Int": true, "Int64": true, "Ints64": true, "Time": true, "Stringer": true, "Bool": true,
		"Interface": true, "Bytes": true, "Dur": true, "Uint64": true, "Float64": true, "Any": true}
	lines := 0
	for _, s := range sources(t) {
		if s.isTest() || !slices.Contains(s.imports, "github.com/rs/zerolog") && !slices.Contains(s.imports, "qualifyd/sync/logged") {
			continue
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path.Join(root, s.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			called, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			_, literal := call.Args[0].(*ast.BasicLit)
			switch name := called.Sel.Name; {
			case fields[name] && len(call.Args) == 2 && literal:
				t.Errorf("%s: the key of a log's field stands here; it belongs into sync/logged", files.Position(call.Pos()))
			case name == "Msgf", name == "Msg" && !literal:
				t.Errorf("%s: a message of the log varies", files.Position(call.Pos()))
			case name == "Msg":
				lines++
			}
			return true
		})
	}
	if lines < 30 {
		t.Errorf("got %d lines of the log looked at; do these packages log in another way now?", lines)
	}
}
