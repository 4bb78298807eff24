package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAnIndependentClient lets a client that others wrote use the org over a
// real socket. Its program has a module of its own, in testdata/independent.
func TestAnIndependentClient(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another module")
	}
	fetchModules(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // the first run compiles
	defer cancel()

	o := NewOrg(nil)
	o.AddField("Lead", FieldDef{Name: "Referral_Code__c", Type: "string", Length: 40, ExternalID: true, Unique: true, CaseSensitive: true})
	server := httptest.NewServer(o.Handler())
	defer server.Close()
	id, secret := o.Credentials()
	const username = "integration@example.com"
	run := independent(ctx, "run", ".", "-url", server.URL, "-client-id", id, "-username", username, "-key", trustedKey(t, o, username))
	run.Env = append(run.Env, "CLIENT_SECRET="+secret)
	var complaint strings.Builder
	run.Stderr = &complaint
	out, err := run.Output()
	if err != nil {
		t.Errorf("%v: %s", err, complaint.String())
	}
	expected := []string{
		"log in as an app: Client Credentials",
		"log in by key: JWT",
		"create many: 5000 leads",
		"page through: 5000 distinct leads in 3 pages",
		"describe: Lead has its fields",
		"create: a lead that is Open - Not Contacted",
		"update: now Working - Contacted",
		"upsert: one lead, made and changed",
		"composite: made 201, read 200, asked 200, wrong 400, gone 204",
		"composite of collections: 4 leads made, Working - Contacted, deleted",
		"all or none: nothing made",
		"refusals: REQUIRED_FIELD_MISSING, INVALID_FIELD, MALFORMED_QUERY, INVALID_TYPE, NOT_FOUND",
		"query by struct: 111 leads",
		"session ends: logged in again",
		"delete: in the recycle bin",
		"delete many: 5000 leads",
	}
	if d := cmp.Diff(expected, strings.Split(strings.TrimSpace(string(out)), "\n")); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
}

// independent is a go command in the program's module.
func independent(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join("testdata", "independent")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

// fetchModules skips the test where the program's modules cannot be had. A
// module that is not the one of go.sum is no such case.
func fetchModules(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a network may swallow what it does not let through
	defer cancel()
	out, err := independent(ctx, "mod", "download").CombinedOutput()
	switch {
	case err == nil:
	case strings.Contains(string(out), "SECURITY ERROR"):
		t.Fatalf("go mod download: %v\n%s", err, out)
	default:
		t.Skipf("no independent client is run: its modules cannot be fetched (offline?): %v\n%s", err, out)
	}
}

// trustedKey makes a key by which the user may log in, and returns its file.
func trustedKey(t *testing.T, o *Org, username string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	o.TrustKey(username, &key.PublicKey)
	file := filepath.Join(t.TempDir(), "app.key")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
