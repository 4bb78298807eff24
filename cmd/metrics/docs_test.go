package metrics

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write into docs/metrics.md which metrics there are")

// table lists all metrics with their labels, as docs/metrics.md does.
func table(t *testing.T) string {
	t.Helper()
	w := busy(t)
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("| metric | type | labels | what it tells |\n|---|---|---|---|\n")
	for _, f := range families {
		values := map[string][]string{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(values[l.GetName()], l.GetValue()) {
					values[l.GetName()] = append(values[l.GetName()], l.GetValue())
				}
			}
		}
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(values)) {
			slices.Sort(values[name])
			if open := []string{"campaign", "query", "version", "commit", "goversion"}; slices.Contains(open, name) {
				labels = append(labels, "`"+name+"`")
				continue
			}
			labels = append(labels, fmt.Sprintf("`%s`: %s", name, strings.Join(values[name], ", ")))
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, "; "), f.GetHelp())
	}
	return out.String()
}

func TestTheDocumentListsEveryMetric(t *testing.T) {
	const path, begin, end = root + "/docs/metrics.md", "<!-- metrics -->\n", "<!-- end of metrics -->"
	text := mustRead(t, path)
	before, rest, found := strings.Cut(text, begin)
	shown, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/metrics.md lacks %s or %s", begin, end)
	}
	want := table(t)
	switch {
	case shown == want:
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/metrics.md lists other metrics than there are; run this test with -update (-shown +there):\n%s", cmp.Diff(shown, want))
	}
}
