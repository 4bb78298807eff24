package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The demo is run as the binary that people get: the race detector, which finds nothing in its one goroutine, makes it last a minute.
func TestTheDemoQualifiesByEachMethodAndAgrees(t *testing.T) {
	t.Parallel()
	folder, temp := t.TempDir(), t.TempDir()
	binary := filepath.Join(folder, "qualifyd")
	if said, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	var out, errs bytes.Buffer
	demo := exec.CommandContext(t.Context(), binary, "demo")
	demo.Dir, demo.Env = folder, append(os.Environ(), "TMPDIR="+temp)
	demo.Stdout, demo.Stderr = &out, &errs
	if err := demo.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("got %v and complaints %q, want exit code 0 and none:\n%s", err, errs.String(), out.String())
	}
	said := out.String()
	told, counted := strings.Count(said, "  QUALIFIED  "), 0
	for _, campaign := range demoCampaigns() {
		row := regexp.MustCompile(regexp.QuoteMeta(campaign.Name) + ` +` + string(campaign.Qualify.Method) + ` +60 +(\d+) +(\d+) +(\d+) +(\d+)\n`).FindStringSubmatch(said)
		if row == nil {
			t.Fatalf("the summary has no row of %s:\n%s", campaign.Name, said)
		}
		var qualified, blocked, held, pending int
		fmt.Sscan(strings.Join(row[1:], " "), &qualified, &blocked, &held, &pending)
		counted += qualified
		if n := strings.Count(said, ", "+campaign.Name+"): "); (qualified > 0) != (campaign.Qualify.Method != "none") || n < qualified {
			t.Errorf("%s: got %d qualified in the summary and %d lines about it", campaign.Name, qualified, n)
		}
		if sum := qualified + blocked + held + pending; sum != referralsACampaign {
			t.Errorf("%s: the row's numbers add up to %d, want %d", campaign.Name, sum, referralsACampaign)
		}
	}
	if sent := fmt.Sprintf("%d qualifications sent", counted); told != counted || !strings.Contains(said, sent) {
		t.Errorf("got %d QUALIFIED lines and %d in the summary, want as many, and %q:\n%s", told, counted, sent, said)
	}
	if !strings.HasSuffix(said, "agree: every qualification happened exactly once.\n") {
		t.Errorf("got the end %q, want that the two agree", said[max(0, len(said)-200):])
	}
	for _, what := range []string{"  held       ", "  blocked    ", "held_by_brake", "activates a Flow"} {
		if !strings.Contains(said, what) {
			t.Errorf("the demo does not show %q", what)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the temporary folder: got %v, %v; want it empty", left, err)
	}
}
