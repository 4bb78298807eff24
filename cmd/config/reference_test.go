package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const exampleFile = "../../config.example.yaml"

// documented is a key with what config.example.yaml says of it. The comments there are the only text about the keys: the schema, the
// reference and the man page are made from them.
type documented struct {
	path, text string // the text in Markdown: paragraphs and lists
	kind       reflect.Type
	field      reflect.Value // its default; not valid within a campaign's fields
	section    bool          // it has keys of its own, or is a list
}

// documentedKeys goes through every key of Config, in order.
func documentedKeys(t *testing.T) (keys []documented) {
	t.Helper()
	texts := readComments(t, readFile(t, exampleFile))
	var walk func(path string, section reflect.Type, values reflect.Value)
	walk = func(path string, section reflect.Type, values reflect.Value) {
		for _, k := range keysOf(section) {
			one := documented{path: join(path, k.name), kind: k.kind}
			one.text = texts[one.path]
			if values.IsValid() {
				one.field = values.Field(k.field)
			}
			if k.kind == reflect.TypeFor[Secret]() {
				one.text = fmt.Sprintf("The secret itself, in place of %s_file; then nobody but its owner may read the config.", k.name)
			}
			below, inside := k.kind, one.field
			if k.kind.Kind() == reflect.Slice {
				below, inside = k.kind.Elem(), reflect.Value{}
				if below == reflect.TypeFor[Campaign]() {
					inside = reflect.ValueOf(DefaultCampaign())
				}
			}
			one.section = len(keysOf(below)) > 0
			keys = append(keys, one)
			walk(one.path, below, inside)
		}
	}
	walk("", reflect.TypeFor[Config](), reflect.ValueOf(Default()))
	return keys
}

var keyLine = regexp.MustCompile(`^([a-z_]+):( |$)`)

// readComments reads what an example config says above each of its keys, those that are commented out included. A key that follows another
// without an empty line has the same text.
func readComments(t *testing.T, example string) map[string]string {
	t.Helper()
	type section struct {
		path string
		kind reflect.Type
	}
	texts := map[string]string{}
	sections := map[int]section{0: {"", reflect.TypeFor[Config]()}} // by the indentation of their keys
	var comment, last []string
	for line := range strings.Lines(example) {
		line = strings.TrimRight(line, "\n")
		if item, is := strings.CutPrefix(strings.TrimLeft(line, " "), "- "); is {
			line = strings.Repeat(" ", len(line)-len(item)) + item
		}
		body := strings.TrimLeft(line, " ")
		inside := sections[len(line)-len(body)]
		commented := strings.TrimPrefix(body, "# ")
		known, isKey := key{}, false
		if found := keyLine.FindStringSubmatch(commented); found != nil && inside.kind != nil {
			known, isKey = keyOf(inside.kind, found[1])
		}
		switch {
		case body == "":
			comment, last = nil, nil
		case isKey:
			if comment == nil {
				comment = last
			}
			path := join(inside.path, known.name)
			texts[path] = markdown(comment)
			indent, below := len(line)-len(body)+2, known.kind
			if below.Kind() == reflect.Slice {
				indent, below = indent+2, below.Elem()
			}
			for _, k := range keysOf(below) { // a list in the comment may explain them
				if text, told := listed(texts[path], k.name); told {
					texts[join(path, k.name)] = text
				}
			}
			sections[indent] = section{path, below}
			comment, last = nil, comment
		case strings.HasPrefix(body, "#"):
			comment = append(comment, body[1:])
		default:
			t.Fatalf("%s: no key of Config: %q", exampleFile, line)
		}
	}
	return texts
}

var listItem = regexp.MustCompile(`^   (\S+)  +(\S.*)$`)

// markdown makes paragraphs of a comment, and a list of its lines that are a name, two spaces or more, and a text.
func markdown(comment []string) string {
	var out strings.Builder
	inList := false
	for i, line := range comment {
		item := listItem.FindStringSubmatch(line)
		continued := inList && strings.HasPrefix(line, "    ")
		switch {
		case item != nil && i > 0 && !inList:
			fmt.Fprintf(&out, "\n\n- `%s`: %s", item[1], item[2])
		case item != nil:
			fmt.Fprintf(&out, "\n- `%s`: %s", item[1], item[2])
		case inList && !continued:
			fmt.Fprintf(&out, "\n\n%s", strings.TrimSpace(line))
		case i > 0:
			fmt.Fprintf(&out, " %s", strings.TrimSpace(line))
		default:
			out.WriteString(strings.TrimSpace(line))
		}
		inList = item != nil || continued
	}
	return out.String()
}

// listed is what an item of a list in a text says.
func listed(text, name string) (string, bool) {
	_, after, found := strings.Cut(text, "- `"+name+"`: ")
	said, _, _ := strings.Cut(after, "\n")
	return said, found
}

// plainDefault is a default as the file would write it; "" for none.
func plainDefault(v reflect.Value) string {
	if !v.IsValid() || v.Kind() == reflect.Slice || len(keysOf(v.Type())) > 0 || v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	return scalarOf(v.Interface()).Value
}

func TestTheExampleSaysOfEveryKeyWhatItIsAndWhichDefaultItHas(t *testing.T) {
	for _, k := range documentedKeys(t) {
		parts := strings.Split(k.path, ".")
		isSecret := k.kind == reflect.TypeFor[Secret]()
		_, afterDefault, tellsDefault := strings.Cut(k.text, "Default: ")
		switch {
		case k.section && k.kind.Kind() != reflect.Slice:
		case k.text == "":
			t.Errorf("%s says nothing of %s", exampleFile, k.path)
		case isSecret, len(parts) == 3 && parts[1] == "fields":
		case plainDefault(k.field) != "":
			got, want := strings.Trim(afterDefault, `"`), plainDefault(k.field)
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: the text says Default: %q, want %q", k.path, got, want)
			}
		case strings.HasSuffix(k.path, ".listen") && !strings.HasPrefix(afterDefault, `"" (off)`):
			t.Errorf("%s: the text says %q of the default, want \"\" (off)", k.path, afterDefault)
		case tellsDefault, strings.Contains(k.text, "equired"), regexp.MustCompile(`^(jwt|lead_|client_)`).MatchString(k.text):
		default:
			t.Errorf("%s: the text says neither a default nor that it is required: %q", k.path, k.text)
		}
	}
}

// reference is the whole docs/reference-config.md.
func reference(t *testing.T) string {
	var out strings.Builder
	out.WriteString(referenceHead)
	for _, k := range documentedKeys(t) {
		depth := strings.Count(k.path, ".")
		switch {
		case k.section && depth == 0:
			fmt.Fprintf(&out, "\n## %s\n", k.path)
		case k.section && k.kind.Kind() != reflect.Slice:
			continue
		default:
			fmt.Fprintf(&out, "\n### %s\n", strings.ReplaceAll(k.path, "campaigns.", "campaigns[]."))
		}
		if k.text != "" {
			fmt.Fprintf(&out, "\n%s\n", strings.ReplaceAll(k.text, "<", `\<`))
		}
		if !k.section {
			fmt.Fprintf(&out, "\n%s. %s\n", kindInWords(k), reloadInWords(k))
		}
	}
	return out.String()
}

const referenceHead = `# Every key of the config

<!-- Made from config.example.yaml and the code by "make docs"; do not edit. -->

The config is one YAML file, ` + "`/etc/qualifyd/config.yaml`" + ` if neither ` + "`--config` nor `$QUALIFYD_CONFIG`" + ` names another.
[config.example.yaml](../config.example.yaml) shows all keys in place. An unknown key, or one that has no effect where it stands, is an error.
Durations carry their unit: 90s, 20m, 24h. Relative paths are relative to the config's folder.

A secret has exactly one source: the key, its ` + "`_file`" + ` twin, an environment variable (` + "`QUALIFYD_`" + ` and the key in capitals with
` + "`_`" + ` for each dot; the same with ` + "`_FILE`" + `), or a systemd credential.

"Reload" below means ` + "`systemctl reload qualifyd`" + `, or SIGHUP. A file with a problem changes nothing: the daemon goes on with what it has.
`

func kindInWords(k documented) string {
	switch {
	case choicesOf(k.path) != nil:
		return "One of `" + strings.Join(choicesOf(k.path), "`, `") + "`"
	case k.kind == reflect.TypeFor[Secret]():
		return "Text"
	case k.kind == reflect.TypeFor[DailyCalls]():
		return "A share or a number"
	case k.kind == reflect.TypeFor[Brake]():
		return "A number and a duration, or off"
	case k.kind == reflect.TypeFor[EffectiveFrom]():
		return "A date or an instant"
	case k.kind.String() == "time.Duration":
		return "A duration"
	case k.kind.Kind() == reflect.Bool:
		return "true or false"
	case k.kind.Kind() == reflect.Int, k.kind.Kind() == reflect.Int64:
		return "A number"
	case k.kind.Kind() == reflect.Interface:
		return "Text, a number, true or false"
	case strings.HasSuffix(k.path, "_file"), k.path == "store.path":
		return "A path"
	}
	return "Text"
}

func reloadInWords(k documented) string {
	switch {
	case k.path == "salesforce.auth.client_secret", k.path == "salesforce.auth.client_secret_file":
		return "A reload takes a change, once Salesforce refuses the old one."
	case Reloadable(k.path):
		return "A reload takes a change."
	case strings.HasSuffix(k.path, "client_secret_file"), strings.HasSuffix(k.path, "_key_file"):
		return "Another file takes a restart; what is new in this one does not."
	}
	return "A change takes a restart."
}

func TestReferenceOfTheConfigIsUpToDate(t *testing.T) {
	upToDate(t, filepath.Join("..", "..", "docs", "reference-config.md"), reference(t))
	upToDate(t, "config.schema.json", schemaText(t))
}

// asJSON is a config as a validator of JSON gets it from an editor, which knows no times.
func asJSON(t *testing.T, text string) (value any) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	timesAsText(&root)
	if err := root.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func timesAsText(node *yaml.Node) {
	if node.ShortTag() == "!!timestamp" {
		node.Tag = "!!str"
	}
	for _, below := range node.Content {
		timesAsText(below)
	}
}

// A secret that the config takes from systemd is handed over by both units, each under its own name in /etc/credstore.
func TestTheUnitsHandOverEverySecret(t *testing.T) {
	credentials := regexp.MustCompile(`credential: "([a-z-]+)"`).FindAllStringSubmatch(readFile(t, "check.go"), -1)
	if len(credentials) < 4 {
		t.Fatalf("check.go: found the credentials %q, want four at least", credentials)
	}
	for unit, prefix := range map[string]string{"qualifyd.service": "qualifyd", "qualifyd@.service": "qualifyd-%i"} {
		text := readFile(t, filepath.Join("..", "..", "packaging", "systemd", unit))
		for _, credential := range credentials {
			if want := fmt.Sprintf("\nLoadCredential=%s:%s.%[1]s\n", credential[1], prefix); !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", unit, strings.TrimSpace(want))
			}
		}
	}
}

// What the document says of a reload is what a reload does.
func TestTheDocumentNamesTheKeysThatAReloadTakes(t *testing.T) {
	text := readFile(t, filepath.Join("..", "..", "docs", "operations.md"))
	row := regexp.MustCompile(`\n\| (.*) \| a reload; `).FindStringSubmatch(text)
	if row == nil {
		t.Fatal("docs/operations.md has no row for a reload in the table of keys")
	}
	var named []string
	for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
		named = append(named, strings.TrimSuffix(key[1], ".*"))
	}
	slices.Sort(named)
	secrets := []string{"salesforce.auth.client_secret", "referral_factory.api_key"} // the next row's
	taken := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(reloadable), func(key string) bool { return slices.Contains(secrets, key) })))
	if diff := cmp.Diff(taken, named); diff != "" {
		t.Errorf("keys that a reload takes (-taken +named):\n%s", diff)
	}
}
