package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// runningSandbox is the sandbox command in the test's own process.
type runningSandbox struct {
	said   string        // before the config that it prints
	config config.Config // that config, as a person would paste it
	stop   func() (code int, complaints string)
}

// startSandbox runs the command until it has said where it answers.
func startSandbox(t *testing.T, args ...string) runningSandbox {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	var complaints bytes.Buffer
	done := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"sandbox"}, args...), streams{w, &complaints})
		w.Close()
		done <- code
	}()
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "Ctrl-C ends it." {
		said.WriteString(lines.Text() + "\n")
	}
	stop := func() (int, string) {
		cancel()
		code := <-done
		done <- code // a second stop, by the clean-up, finds it again
		return code, complaints.String()
	}
	t.Cleanup(func() { stop() })
	before, yaml, found := strings.Cut(said.String(), "A config for it:\n")
	if !found {
		code, complaints := stop()
		t.Fatalf("sandbox: got exit code %d, %q and %q; want a config", code, said.String(), complaints)
	}
	return runningSandbox{said: before, config: pasted(t, yaml), stop: stop}
}

// pasted loads a printed config.
func pasted(t *testing.T, yaml string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(path)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the printed config: got %v and %v, want no error and no warnings", err, warnings)
	}
	return c
}

// ask reads records through the client that qualifyd itself uses.
func (s runningSandbox) ask(t *testing.T, object string, fields ...string) []map[string]string {
	t.Helper()
	client, err := salesforce.New(salesforceOptions(s.config, zerolog.Nop(), transports{}))
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := client.QueryAll(t.Context(), salesforce.Select(fields...).From(object).OrderBy(fields[0]))
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, row := range page.Rows {
		rows = append(rows, row.Texts())
	}
	return rows
}

// names lists what an object's records are called, in order.
func (s runningSandbox) names(t *testing.T, object string) []string {
	t.Helper()
	var names []string
	for _, row := range s.ask(t, object, "Name") {
		names = append(names, row["Name"])
	}
	return names
}

// exported is who and what is in testdata/export.
var exported = map[string][]string{
	"Lead":        {"Ben Okafor", "Chloé Moreau", "Weiss", "Åse Sørensen"},
	"Contact":     {"Chloé Moreau", "Dai Tanaka", "Emi Tanaka"},
	"Opportunity": {`Moreau SARL - "Starter"`, "Tanaka expansion", "Tanaka renewal"},
	"Account":     {"Tanaka Trading"},
}

func TestSandboxAnswersWithALoadedExport(t *testing.T) {
	s := startSandbox(t, "--load", filepath.Join("testdata", "export"))
	said := "loaded 3 records from Account-Opportunity.json\nloaded 2 records from Contact.csv\nloaded 4 records from Lead.csv\n" +
		"loaded 2 records from Opportunity.csv\nadded the text field Lead.REGION__C\n"
	if got := s.said[:min(len(s.said), len(said))]; got != said {
		t.Errorf("said (-want +got):\n%s", cmp.Diff(said, got))
	}
	for object, want := range exported {
		if d := cmp.Diff(want, s.names(t, object)); d != "" {
			t.Errorf("%s (-want +got):\n%s", object, d)
		}
	}

	leads := s.ask(t, "Lead", "Name", "Street", "Description", "Status", "IsConverted", "ConvertedOpportunityId", "Referral_Code__c", "REGION__C", "CreatedDate", "SystemModstamp")
	chloe, ase := leads[1], leads[3]
	want := map[string]string{
		"Name": "Åse Sørensen", "Street": "Strandgata 4\n3. etasje", "Description": "Says: \"call after 10\".\n\nPrefers e-mail, not phone.",
		"Status": "Working - Contacted", "IsConverted": "false", "ConvertedOpportunityId": "", "Referral_Code__c": "ueONFmUp", "REGION__C": "Nordics",
		"CreatedDate": "2026-08-03T07:15:22.000+0000", "SystemModstamp": "2026-09-14T11:02:40.000+0000",
	}
	if d := cmp.Diff(want, ase); d != "" {
		t.Errorf("a lead (-want +got):\n%s", d)
	}
	if chloe["IsConverted"] != "true" || chloe["ConvertedOpportunityId"] != "0065g00000Bn4XyAAJ" {
		t.Errorf("a converted lead: got %v, want the opportunity 0065g00000Bn4XyAAJ", chloe)
	}
	deals := s.ask(t, "Opportunity", "Name", "StageName", "IsWon", "Amount", "AccountId")
	if d := cmp.Diff(map[string]string{"Name": exported["Opportunity"][0], "StageName": "Signed", "IsWon": "true", "Amount": "4800.5", "AccountId": ""}, deals[0]); d != "" {
		t.Errorf("an opportunity at a stage of the org's own (-want +got):\n%s", d)
	}
	if account := s.ask(t, "Account", "Id")[0]["Id"]; deals[1]["AccountId"] != account {
		t.Errorf("a child in the tree: got account %q, want its parent %q", deals[1]["AccountId"], account)
	}
	if code, complaints := s.stop(); code != exitDone || complaints != "" {
		t.Errorf("the end: got code %d and %q, want %d and no complaints", code, complaints, exitDone)
	}
}

func TestSandboxNamesBadRowsAndLosesNothingElse(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "export"))); err != nil {
		t.Fatal(err)
	}
	for file, rows := range map[string]string{
		"Contact.csv":     "\"0035g00000Lt7aD\",\"0\",\"cut off\r\n\"0035g00000Lt7aE\",\"0\",\"\",\"Zola\"" + strings.Repeat(",\"\"", 6) + "\r\n",
		"Lead.csv":        "\"not an Id\"" + strings.Repeat(",\"\"", 21) + "\r\n\"00Q5g00000Hh8te\",\"0\",\"Short\"\r\n",
		"Opportunity.csv": "\"0065g00000Bn4Y0\",\"0\",\"Zebra deal\",\"\",\"Prospecting\",\"a lot\",\"2026-12-15\",\"0\",\"0\",\"2026-10-05 06:00:00\",\"\",\"\"\r\n",
		"Case.csv":        "\"ID\"\r\n",
		"Broken.json":     `{"records": [`,
	} {
		appendTo(t, filepath.Join(folder, file), rows)
	}
	s := startSandbox(t, "--load", folder)
	want := maps.Clone(exported)
	want["Contact"] = append(slices.Clone(want["Contact"]), "Zola")               // behind the row that breaks off
	want["Opportunity"] = append(slices.Clone(want["Opportunity"]), "Zebra deal") // only its amount is bad
	for object, want := range want {
		if d := cmp.Diff(want, s.names(t, object)); d != "" {
			t.Errorf("%s (-want +got):\n%s", object, d)
		}
	}
	code, complaints := s.stop()
	if code != exitDone {
		t.Errorf("got exit code %d, want %d", code, exitDone)
	}
	lines := strings.Split(strings.TrimSpace(complaints), "\n")
	slices.Sort(lines)
	begin := []string{
		"not loaded: Broken.json: is not a JSON tree",
		"not loaded: Case.csv: is not named for an object",
		"not loaded: Contact.csv, row 5: ",
		"not loaded: Lead.csv, row 10: has 3 values for 22 columns; the record is left out",
		"not loaded: Lead.csv, row 9, column Id: is not an Id",
		"not loaded: Opportunity.csv, row 5, column Amount: ",
	}
	if len(lines) != len(begin) {
		t.Fatalf("got %d complaints:\n%s\nwant %d", len(lines), complaints, len(begin))
	}
	for i := range lines {
		if !strings.HasPrefix(lines[i], begin[i]) {
			t.Errorf("complaint %d: got %q, want it to begin %q", i, lines[i], begin[i])
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestAFreshSandboxHasACampaignAndNobody(t *testing.T) {
	s := startSandbox(t)
	rf, err := referralfactory.New(referralfactory.Options{BaseURL: s.config.ReferralFactory.BaseURL, APIKey: s.config.ReferralFactory.APIKey.Reveal(), CallsPerMinute: 300, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := rf.Users(t.Context(), 1)
	if err != nil || len(page.Users) != 0 {
		t.Errorf("users: got %v, %v; want none", page.Users, err)
	}
	if leads := s.names(t, "Lead"); leads != nil {
		t.Errorf("leads: got %v, want none", leads)
	}
}

func TestSandboxCannotLoadAFolderThatIsNotThere(t *testing.T) {
	var complaints strings.Builder
	code := run(t.Context(), []string{"sandbox", "--load", filepath.Join(t.TempDir(), "nowhere")}, streams{io.Discard, &complaints})
	if code != exitFailed || !strings.Contains(complaints.String(), "nowhere: no such file or directory") {
		t.Errorf("got code %d and %q, want %d and the folder that is missing", code, complaints.String(), exitFailed)
	}
}
