package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the file as its YAML tree shows it: where each key stands, what
// is wrong with its shape, and the values of all keys that Config knows.
//
// Every scalar is handed on as the text that stands in the file. YAML would
// make 83 of 0123, 67 of 67.0 and a time of 2026-01-01, before the field that
// it is meant for had a say.
type document struct {
	path     string
	mode     fs.FileMode
	values   map[string]any // nil when the file could not be read at all
	lines    map[string]int // of each key that is set
	problems []Problem
}

func readDocument(path string) *document {
	d := &document{path: path, lines: map[string]int{}}
	text, mode, err := readConfigFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.problem("", "no such file; name another with --config, or have qualifyd init write one")
	case err != nil:
		d.problem("", "%v", withoutPath(err))
	default:
		d.mode = mode
		d.parse(text)
	}
	return d
}

func readConfigFile(path string) ([]byte, fs.FileMode, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	text, err := io.ReadAll(file)
	return text, info.Mode(), err
}

// withoutPath drops the path from a file error, for messages that name it already, and says what to do about one that may not be read.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; let the service's user read it, and run this as that user or as root", err)
	}
	return err
}

func (d *document) parse(text []byte) {
	var root, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(&root)
	if err == io.EOF {
		d.problem("", "the file is empty; have qualifyd init --force write one")
		return
	}
	if err == nil {
		if err = decoder.Decode(&second); err == io.EOF {
			d.values = d.section("", root.Content[0], reflect.TypeFor[Config]())
			return
		}
	}
	if err != nil {
		d.syntaxProblem(err)
		return
	}
	d.problems = append(d.problems, Problem{Line: second.Line, Text: "a second YAML document starts here (---); one file holds one"})
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func (d *document) syntaxProblem(err error) {
	problem := Problem{Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		problem.Line, _ = strconv.Atoi(found[1])
		problem.Text = strings.TrimPrefix(err.Error(), found[0])
	}
	if strings.HasPrefix(problem.Text, "unknown anchor") { // it would quote a secret that starts with *
		problem.Text = "a value starts with * and is not in quotes"
	}
	problem.Text = "not valid YAML: " + problem.Text
	d.problems = append(d.problems, problem)
}

// section reads a mapping whose keys are the yaml tags of struct type t.
func (d *document) section(path string, node *yaml.Node, t reflect.Type) map[string]any {
	values := map[string]any{}
	if isNull(node) {
		return values // a section with all its keys commented out
	}
	if node.Kind != yaml.MappingNode {
		d.problem(path, "is %s; want keys with values", kindOf(node))
		return values
	}
	for i := 0; i < len(node.Content); i += 2 {
		name, path := node.Content[i].Value, join(path, node.Content[i].Value)
		if line, twice := d.lines[path]; twice {
			d.problems = append(d.problems, Problem{path, node.Content[i].Line, fmt.Sprintf("is set twice, first on line %d; keep one", line)})
			continue
		}
		d.lines[path] = node.Content[i].Line
		known, ok := keyOf(t, name)
		if !ok {
			d.unknownKey(path, hintFor(name, t))
			continue
		}
		if value := d.value(path, resolved(node.Content[i+1]), known.kind); value != nil {
			values[name] = value
		}
	}
	return values
}

var plainPath = regexp.MustCompile(`^[\w.\[\] <-]*`)

// unknownKey names a key as far as it looks like one: in {api_key:abc}, where a
// space is missing, the secret is part of the key.
func (d *document) unknownKey(path, hint string) {
	d.problems = append(d.problems, Problem{plainPath.FindString(path), d.line(path), "unknown key" + hint})
}

// value reads what a key of type t holds; nil when there is nothing to hand on.
func (d *document) value(path string, node *yaml.Node, t reflect.Type) any {
	switch {
	case t.Kind() == reflect.Slice:
		return d.list(path, node, t.Elem())
	case len(keysOf(t)) > 0:
		return d.section(path, node, t)
	}
	mayBeEmpty := strings.HasSuffix(path, ".listen") // "" is off there
	switch {
	case node.Kind != yaml.ScalarNode:
		d.problem(path, "is %s; want one value", kindOf(node))
	case isNull(node) && mayBeEmpty:
		return ""
	case isNull(node):
		d.problem(path, "has no value; write one or remove the line")
	case strings.TrimSpace(node.Value) == "" && !mayBeEmpty:
		d.problem(path, "is empty; write a value or remove the line")
	case t.Kind() == reflect.Interface:
		return typed(node)
	default:
		return node.Value
	}
	return nil
}

// typed is a scalar for a field whose type only Salesforce knows. A number
// keeps its digits; one with a leading zero (a post code) is text.
func typed(node *yaml.Node) any {
	switch node.ShortTag() {
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(node.Value)) {
			return json.Number(node.Value)
		}
	}
	return node.Value
}

func (d *document) list(path string, node *yaml.Node, item reflect.Type) any {
	if isNull(node) {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		d.problem(path, "is %s; want a list, each item starting with a dash", kindOf(node))
		return nil
	}
	items := make([]any, len(node.Content))
	for i, content := range node.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		d.lines[itemPath] = content.Line
		items[i] = d.value(itemPath, resolved(content), item)
	}
	return items
}

// campaigns is the number of campaigns in the file.
func (d *document) campaigns() int {
	list, _ := d.values["campaigns"].([]any)
	return len(list)
}

// has tells whether the file sets a key, rightly or wrongly.
func (d *document) has(key string) bool {
	_, found := d.lines[key]
	return found
}

// line is the key's, or that of the nearest section around it.
func (d *document) line(key string) int {
	for key != "" {
		if line, found := d.lines[key]; found {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

func isNull(node *yaml.Node) bool { return node.ShortTag() == "!!null" }

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// resolved follows a YAML alias (*name) to what its anchor holds.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
