package simulation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// control takes a guard out of the code, to see that what should find that does. The code itself is never touched: the compiler is given another
// text in the place of a file.
type control struct {
	guard   string // as docs/reliability.md calls it
	file    string // from the module's folder
	with    string // the guard's text, which is there once
	without string
	finder  string // the test that has to fail
	says    string // how it says what went wrong
	in      string // the finder's folder where it is another, from the module's
}

const (
	histories = "TestTorture" // histories from seed 0 until one fails
	invariant = "INVARIANT"   // which are looked at where a control is for them; else the model has to find it
)

var controls = []control{
	{
		guard: "the watermark moves with the answer's last page", file: "sync/poll/delta.go",
		with:    "t.deltas = append(t.deltas, &delta{",
		without: "if err := tx.SetWatermark(name, store.Watermark{At: now}); err != nil { return err }; t.deltas = append(t.deltas, &delta{",
		finder:  histories, says: "MISS",
	},
	{
		guard: "a long answer goes on after the last row of a second, not after the second", file: "sync/salesforce/soql.go",
		with: `Or(After(stampField, t), And(same, compare("Id", " > ", id, err))),`, without: `Or(After(stampField, t), And(same, After(stampField, t), compare("Id", " > ", id, err))),`,
		finder: "TestR02RowsOfOneStampSurviveACrash", says: "got 0 qualifications", in: "sync/poll",
	},
	{
		guard: "the row of the very second up to which was read is asked for again", file: "sync/salesforce/soql.go",
		with: `return compare(field, " >= ", literal, err)`, without: `return compare(field, " > ", literal, err)`,
		finder: "TestR12ARowExactlyAtTheBoundIsSeenOnce", says: "got 0 qualifications", in: "sync/poll",
	},
	{
		guard: "what changed lately is read again (the overlap)", file: "sync/poll/delta.go",
		with: "from: mark.At.Add(-t.Overlap)", without: "from: mark.At",
		finder: histories, says: "MISS",
	},
	{
		guard: "a query that failed is no empty answer", file: "sync/poll/ask.go",
		with: "if r.Err != nil || q.leaves(r) {", without: "if q.leaves(r) {",
		finder: histories, says: invariant,
	},
	{
		guard: "history rows are kept", file: "rules/snapshot.go",
		with: "	for _, row := range rows {\n		if !slices.ContainsFunc(s.History", without: "	for _, row := range rows[:0] {\n		if !slices.ContainsFunc(s.History",
		finder: histories, says: "MISS",
	},
	{
		guard: "a field that is hidden keeps its value", file: "rules/snapshot.go",
		with:    "	for field, text := range rec.Fields {\n",
		without: "	for field := range s.Values {\n		if _, shown := rec.Fields[field]; !shown {\n			s.observeField(field, \"\", schema)\n		}\n	}\n	for field, text := range rec.Fields {\n",
		finder:  "TestHiddenField", says: "want", in: "rules",
	},
	{
		guard: "what happened before counts_from does not count", file: "rules/observed.go",
		with: "case at.Before(d.from):", without: "case false:",
		finder: histories, says: "WRONG",
	},
	{
		guard: "a value that qualifyd wrote itself is no change", file: "rules/written.go",
		with: "!by.Before(w.From.Add(-writeSlack)) &&", without: "false &&",
		finder: histories, says: "WRONG",
	},
	{
		guard: "the intent to qualify is durable before the request", file: "sync/deliver/send.go",
		with: "now.SentAt, now.SentUndo, now.Trouble = read.now(), debt.Undo, \"\"\n", without: "now.Trouble = \"\"\n",
		finder: "TestTheIntentIsOnDiskWhenTheRequestArrives", says: "debt at the PUT", in: "sync/deliver",
	},
	{
		guard: "a request of unknown outcome is not sent again for two minutes", file: "sync/deliver/deliver.go",
		with: "case read.answer.Since.Before(debt.OpenUntil()):", without: "case false:",
		finder: histories, says: "TWICE",
	},
	{
		guard: "the user is read before a request is sent", file: "sync/deliver/deliver.go",
		with: "if err := d.hear(tx, id, read.user.QualifiedAt, read.answer, begun); err != nil {", without: "if false && begun > 0 {",
		finder: histories, says: "TWICE",
	},
	{
		guard: "what is owed is owed until the answer is there", file: "sync/deliver/send.go",
		with: "return tx.Owe(debt)\n	})\n	if err == nil && !changed {", without: "return tx.Settle(id)\n	})\n	if err == nil && !changed {",
		finder: histories, says: "MISS",
	},
	{
		guard: "the intent to create is durable before the request", file: "sync/poll/write.go",
		with: "return tx.PutIntent(id, i)", without: "return nil",
		finder: histories, says: "CREATED",
	},
	{
		guard: "what a person set back stays so", file: "rules/referral.go",
		with: "		return Overridden\n	case qualifiedOn == \"\", known", without: "		return Pending\n	case qualifiedOn == \"\", known",
		finder: histories, says: "WRONG",
	},
	{
		guard: "what is owed has its line in the ledger", file: "sync/poll/judge.go",
		with: "	if news {\n", without: "	if news && v.Outcome != rules.Qualified {\n",
		finder: histories, says: invariant,
	},
	{
		guard: "a commit waits for the disk (no NoSync)", file: "store/open.go",
		with: "FreelistType: bolt.FreelistMapType,", without: "FreelistType: bolt.FreelistMapType, NoSync: true,",
		finder: "TestAPowerCutLeavesTheStoreAsItWasBeforeOrAfterTheCommitUnderWay", says: "the power is cut",
	},
}

// The machinery finds what it is there to find: with one guard taken out it fails, and with all in their places it does not. These runs are
// without the race detector, and so as many histories as an ordinary test goes through.
func TestAGuardThatIsTakenOutIsMissed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program a dozen times")
	}
	t.Run("all guards in their places", func(t *testing.T) {
		t.Parallel()
		if out, failed := runWithout(t, control{finder: histories}); failed {
			t.Errorf("got a failure:\n%s", out)
		}
	})
	for _, c := range controls {
		t.Run(c.guard, func(t *testing.T) {
			t.Parallel()
			out, failed := runWithout(t, c)
			switch {
			case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
				t.Errorf("without the guard the program does not build; mend the control:\n%s", out)
			case !failed:
				t.Errorf("%s found nothing:\n%s", c.finder, out)
			case !strings.Contains(out, c.says):
				t.Errorf("%s failed, and did not say %q:\n%s", c.finder, c.says, out)
			}
		})
	}
}

// docs/reliability.md has a row for each control, and none besides.
func TestTheDocumentHasEveryControl(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| guard that is taken out |")
	var got, want []string
	for _, line := range strings.Split(table, "\n")[2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		got = append(got, line)
	}
	for _, c := range controls {
		want = append(want, fmt.Sprintf("| %s | `%s` | %s |", c.guard, c.finder, c.says))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/reliability.md: got the rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// runWithout runs a control's finder on the code without its guard.
func runWithout(t *testing.T, c control) (out string, failed bool) {
	t.Helper()
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	replaced := map[string]string{}
	if c.file != "" {
		path := filepath.Join(module, filepath.FromSlash(c.file))
		replaced[path] = filepath.Join(t.TempDir(), "without.go")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), c.with); n != 1 {
			t.Fatalf("%s has the text of the guard %d times, want once; mend the control:\n%s", c.file, n, c.with)
		}
		if err := os.WriteFile(replaced[path], []byte(strings.Replace(string(text), c.with, c.without, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"test", "-count=1", "-overlay", overlay, "-run", "^" + c.finder + "$", "./" + cmp.Or(c.in, "sync/simulation")}
	if c.finder == histories {
		args = append(args, "-torture", "-seeds", fmt.Sprint(someHistories), fmt.Sprint("-model=", c.says != invariant))
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = module
	raw, err := cmd.CombinedOutput()
	return string(raw), err != nil
}
