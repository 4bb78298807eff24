package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	root      = "../.."
	ruleFile  = root + "/packaging/prometheus/qualifyd.rules.yml"
	testFile  = root + "/packaging/prometheus/qualifyd.test.yml"
	dashboard = root + "/packaging/grafana/qualifyd.json"
)

type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(mustRead(t, ruleFile)), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 10 {
		t.Fatalf("got %+v, want one group of alerts", file)
	}
	return file.Groups[0].Rules
}

func TestEveryAlertSaysWhatToDoAndHasItsSectionInTheRunbook(t *testing.T) {
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(mustRead(t, root+"/docs/runbook.md"), -1) {
		sections[m[1]] = true
	}
	for _, a := range alerts(t) {
		if !sections[a.Alert] {
			t.Errorf("docs/runbook.md has no section ## %s", a.Alert)
		}
		delete(sections, a.Alert)
		same(t, a.Alert+": runbook", a.Annotations["runbook_url"], "docs/runbook.md#"+strings.ToLower(a.Alert))
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: got the severity %q, want critical or warning", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: got the annotations %v, want a summary and a description", a.Alert, a.Annotations)
		}
	}
	for left := range sections {
		t.Errorf("docs/runbook.md has a section %s, and there is no such alert", left)
	}
}

func TestEveryAlertIsTestedToFireAndNotTo(t *testing.T) {
	var file struct {
		Tests []struct {
			Name  string
			Rules []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(mustRead(t, testFile)), &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, r := range test.Rules {
			if len(r.Expected) > 0 {
				fires[r.Alertname] = true
			} else {
				quiet[r.Alertname] = true
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: tested to fire: %v, and not to: %v; want both", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}

// promtool is Prometheus' own checker; its package is called prometheus.
func promtool(t *testing.T) func(args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no promtool: the alert rules and the dashboard are not checked by it")
	}
	return func(args ...string) {
		t.Helper()
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	run := promtool(t)
	run("check", "rules", "--lint=all", "--lint-fatal", ruleFile)
	run("test", "rules", testFile)
}

// expressions are those of every panel, and of every alert.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal([]byte(mustRead(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	exprs, ids := map[string]string{}, map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("%s: another panel has its id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			exprs["panel "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	if len(exprs) < 20 {
		t.Fatalf("got %d expressions of the dashboard, want all of them", len(exprs))
	}
	for _, a := range alerts(t) {
		exprs["alert "+a.Alert] = a.Expr
	}
	return exprs
}

func TestPrometheusUnderstandsEveryPanel(t *testing.T) {
	run := promtool(t)
	type rule struct{ Record, Expr string }
	var rules []rule
	for name, expr := range expressions(t) {
		if strings.HasPrefix(name, "panel ") { // as Grafana asks it
			expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expr)
			rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), expr})
		}
	}
	raw, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	run("check", "rules", path)
}

var (
	selector = regexp.MustCompile(`\b(qualifyd_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|=|!=|!~)"([^"]*)"`)
	histo    = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// exposed are all metrics of a busy store, with the values of their labels.
func exposed(t *testing.T) map[string]map[string][]string {
	t.Helper()
	w := busy(t)
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]map[string][]string{}
	for _, f := range families {
		labels := map[string][]string{"instance": nil, "job": nil, "unit": nil}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
			if m.GetHistogram() != nil {
				labels["le"] = nil
			}
		}
		metrics[f.GetName()] = labels
	}
	return metrics
}

// An alert or a panel on a metric that was renamed is silent, which looks as if all were well.
func TestEveryMetricThatIsAskedForExists(t *testing.T) {
	known := exposed(t)
	shown := map[string]bool{}
	for where, expr := range expressions(t) {
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			name := m[1]
			labels, exists := known[name]
			if !exists {
				name = histo.ReplaceAllString(name, "")
				labels, exists = known[name]
			}
			if !exists {
				t.Errorf("%s asks for %s, and there is no such metric", where, m[1])
				continue
			}
			shown[name] = true
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				values, has := labels[l[1]]
				if !has {
					t.Errorf("%s asks for the label %s of %s, which it has not", where, l[1], name)
				}
				for _, value := range strings.Split(l[3], "|") {
					if values != nil && !slices.Contains(values, value) {
						t.Errorf("%s asks for %s of %s with %q, and there are %v", where, l[1], name, value, values)
					}
				}
			}
		}
		for _, by := range regexp.MustCompile(`(?:by|ignoring|on) \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
			for _, label := range strings.Split(by[1], ", ") {
				found := false
				for _, labels := range known {
					_, has := labels[label]
					found = found || has
				}
				if !found {
					t.Errorf("%s is by %s, and no metric has such a label", where, label)
				}
			}
		}
	}
	for name := range known {
		if !shown[name] && name != "qualifyd_start_time_seconds" && name != "qualifyd_config_last_reload_success_timestamp_seconds" {
			t.Errorf("%s is on no panel, and has no alert: who looks at it?", name)
		}
	}
}
