package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// newWebWorld is a world where qualifyd is to be connected by a person, to an app that wants no secret and rotates refresh tokens.
func newWebWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, watching)
	w.goWeb()
	return w
}

func (w *world) goWeb() {
	w.t.Helper()
	w.edit("flow: client_credentials", "flow: web")
	w.edit(", client_secret_file: salesforce-secret", "")
	w.org.RotateRefreshTokens(true)
}

func (w *world) tokenPath() string { return filepath.Join(w.folder, "salesforce-token") }

// connecting is the real program, in a process of its own, while it waits for a person.
type connecting struct {
	*exec.Cmd
	w     *world
	in    io.WriteCloser
	url   string // that it asks to open
	shown strings.Builder
	rest  *bufio.Reader
}

func (w *world) connect(args ...string) *connecting {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	c := &connecting{w: w, Cmd: exec.Command(self, append([]string{"connect", "--config", w.config}, args...)...)}
	c.Env = append(os.Environ(), beQualifyd+"=1", "GORACE=atexit_sleep_ms=0")
	if c.in, err = c.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	c.rest = bufio.NewReader(out)
	for !strings.Contains(c.shown.String(), "paste the address") {
		line, err := c.rest.ReadString('\n')
		c.shown.WriteString(line)
		if err != nil {
			w.t.Fatalf("connect ended early:\n%s", c.shown.String())
		}
		if strings.HasPrefix(line, "  http") {
			c.url = strings.TrimSpace(line)
		}
	}
	return c
}

// ends wants the process to end, with an exit code and texts in what it showed, and without a secret in it.
func (c *connecting) ends(code int, texts ...string) {
	c.w.t.Helper()
	io.Copy(&c.shown, c.rest)
	c.Wait() // the exit code says it all
	r := result{c.w.t, "connect", c.ProcessState.ExitCode(), c.shown.String(), ""}
	r.want(code, texts...).wantNot("5Aep861", "!AQ", "aPrx", "code_verifier")
}

// follow opens the authorization address and takes a link of its page; the result is where the browser is then sent.
func (w *world) follow(address, link string) string {
	w.t.Helper()
	_, page := w.get(address)
	found := regexp.MustCompile(`href="([^"]*)">` + link).FindStringSubmatch(page)
	if found == nil {
		w.t.Fatalf("the page has no link %s:\n%s", link, page)
	}
	return html.UnescapeString(found[1])
}

func (w *world) get(address string) (status int, page string) {
	w.t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// callbackAt has the app register a callback at a free port, and gives that port.
func (w *world) callbackAt() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	w.org.SetCallback(fmt.Sprintf("http://localhost:%d/OauthRedirect", port))
	return fmt.Sprint(port)
}

func TestAPersonConnectsAtABrowser(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	w.run("run", "--once").want(exitRefused, "nobody has connected qualifyd to Salesforce yet; run qualifyd connect")
	c := w.connect("--port", w.callbackAt())
	back := w.follow(c.url, "Allow")
	if status, page := w.get(strings.Replace(back, "state=", "state=x", 1)); status != 400 || strings.Contains(page, "Connected") {
		t.Errorf("a stray browser: got %d and %s", status, page)
	}
	status, page := w.get(back)
	if status != 200 || !strings.Contains(page, "Connected as integration@example.com to the org Sandbox Ltd. You can close this page.") {
		t.Errorf("got %d and the page %s", status, page)
	}
	c.ends(exitDone, "Connected.", "integration@example.com", "Sandbox Ltd ("+w.org.ID()+")", "Connect Live Mode", "67.0", "api refresh_token", w.tokenPath())
	if info, err := os.Stat(w.tokenPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token file: got %v, %v, want mode 0600", info, err)
	}
	w.pass()
	w.org.KillSessions()
	w.pass()
	w.run("config", "check", "--online").want(exitDone).wantNot("5Aep861")
	w.run("config", "show").want(exitDone, "flow: web").wantNot("5Aep861")
}

func TestAPersonPastesTheAddress(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	w.org.SetSandbox(true)
	c := w.connect("--no-browser")
	back := w.follow(c.url, "Allow")
	fmt.Fprintf(c.in, "%s\n\n%s\n", strings.SplitN(back, "?", 2)[0], strings.Replace(back, "state=", "state=x", 1))
	fmt.Fprintln(c.in, back)
	c.ends(exitDone, "that is not the whole address", "that address is of another login", "Connected.", "Connect Test Mode")
	w.run("config", "check", "--online").want(exitDone)
}

func TestAnAddressMayBePastedWhileABrowserIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	c := w.connect("--port", w.callbackAt())
	fmt.Fprintln(c.in, w.follow(c.url, "Allow"))
	c.ends(exitDone, "Connected.")
}

func TestConnectSaysWhyItDidNotComeToPass(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	port := w.callbackAt()

	c := w.connect("--port", port)
	if _, page := w.get(w.follow(c.url, "Deny")); !strings.Contains(page, "qualifyd is not connected") || !strings.Contains(page, "choose Allow") {
		t.Errorf("got the page %s, want it to say why", page)
	}
	c.ends(exitRefused, "access_denied", "choose Allow")

	c = w.connect("--port", port)
	w.run("connect", "--port", port).want(exitFailed, "address already in use", "--port")
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	c.ends(exitFailed, "interrupted before anybody had logged in; nothing was changed")

	c = w.connect("--no-browser", "--port", port)
	c.in.Close()
	c.ends(exitFailed, "no address was pasted; nothing was changed")

	disabled := &sandbox.Fault{Status: 403, Body: `[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]`}
	w.org.SetFault(always("/services/data/", disabled))
	c = w.connect("--port", port)
	w.get(w.follow(c.url, "Allow"))
	c.ends(exitRefused, "this edition has no API access")
	w.org.SetFault(nil)

	w.org.AllowScopes("api", "id")
	c = w.connect("--port", port)
	resp, err := http.Get(c.url) // Salesforce sends the browser back at once
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.ends(exitRefused, "invalid_scope", "Perform requests at any time")

	if _, err := os.Stat(w.tokenPath()); err == nil {
		t.Error("a connection was kept, want none")
	}
}

func TestConnectRefusesAnotherOrgThanTheStores(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	s, err := store.Create(w.storePath())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.belongTo("00D000000000001EAA")
	port := w.callbackAt()
	c := w.connect("--port", port)
	w.get(w.follow(c.url, "Allow"))
	c.ends(exitConfig, "of the org 00D000000000001EAA", w.org.ID())
	if n := w.askedFor("/services/oauth2/revoke"); n != 1 {
		t.Errorf("the grant was revoked %d times, want once", n)
	}

	held := w.lock() // as by a daemon, which will look for itself
	defer held.Close()
	c = w.connect("--port", port)
	w.get(w.follow(c.url, "Allow"))
	c.ends(exitDone, "Connected.")
}

func TestConnectAsksARunningDaemonWhoseTheStoreIs(t *testing.T) {
	t.Parallel()
	w := newWebWorld(t)
	w.shorten()
	s, err := store.Create(w.storePath())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.belongTo("00D000000000001EAA")
	w.begin().wantAnswers()
	c := w.connect("--port", w.callbackAt())
	w.get(w.follow(c.url, "Allow"))
	c.ends(exitConfig, "of the org 00D000000000001EAA", w.org.ID())
	if _, err := os.Stat(w.tokenPath()); err == nil {
		t.Error("a connection was kept, want none")
	}
}

func TestOnlyTheWebFlowIsConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, watching)
	w.run("connect").want(exitUsage, "salesforce.auth.flow is client_credentials: there is nothing to connect")
	w.goWeb()
	w.run("connect", "--port", "0").want(exitUsage, "--port 0: want 1 to 65535")
}

// connected is a world after connect.
func connected(t *testing.T) *world {
	t.Helper()
	w := newWebWorld(t)
	c := w.connect("--no-browser")
	fmt.Fprintln(c.in, w.follow(c.url, "Allow"))
	c.ends(exitDone)
	return w
}

// Each login uses the refresh token up. Processes that log in at once must not use the same one.
func TestTwoProcessesShareAConnection(t *testing.T) {
	t.Parallel()
	w := connected(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 2 {
				c := w.newChild("config", "check", "--online")
				if code := c.run(t); code != exitDone {
					t.Errorf("got exit code %d\n%s", code, &c.output)
				}
			}
		})
	}
	wg.Wait()
	w.run("config", "check", "--online").want(exitDone)
}

func TestAKillDuringARefreshIsExplained(t *testing.T) {
	t.Parallel()
	w := connected(t)
	c := w.newChild("config", "check", "--online")
	w.killAt(c, 1, true)
	if code := c.run(t); code != -1 {
		t.Fatalf("got exit code %d, want it killed\n%s", code, &c.output)
	}
	w.between(nil)
	w.run("config", "check", "--online").want(exitRefused, "never arrived", "run qualifyd connect again")

	again := w.connect("--no-browser")
	fmt.Fprintln(again.in, w.follow(again.url, "Allow"))
	again.ends(exitDone)
	w.pass()
}

func TestADaemonGoesOnOnceSomebodyConnects(t *testing.T) {
	daemonStory(t, watching, (*world).goWeb, func(d *running) {
		u := d.refer("Ann", 101)
		time.Sleep(10 * time.Minute)
		d.connectInside()
		time.Sleep(time.Hour)
		lead := d.lead(u)
		time.Sleep(2 * time.Minute)
		d.status(lead, "Qualified")
		time.Sleep(3 * time.Hour) // a session does not live that long unused
		d.org.KillSessions()
		time.Sleep(2 * time.Minute)
		d.wantQualified(u)
		if text := d.log.String(); !strings.Contains(text, "run qualifyd connect") || strings.Contains(text, "5Aep861") || strings.Contains(text, "!AQ") {
			t.Errorf("got the log\n%s\nwant what to do, and no token", text)
		}
	})
}

// connectInside does in a bubble, where no process can be started, what connect does outside.
func (w *world) connectInside() {
	w.t.Helper()
	c, _, err := config.Load(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	via := sandbox.Transport(map[string]http.Handler{salesforceHost: w.org.Handler()})
	client, err := salesforce.New(salesforceOptions(c, zerolog.Nop(), transports{salesforce: via}))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := client.Authorize(w.t.Context(), callbackPort)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: via}).Get(a.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	back := regexp.MustCompile(`href="([^"]*)">Allow`).FindSubmatch(page)
	code, err := a.Pasted(html.UnescapeString(string(back[1])))
	if err != nil {
		w.t.Fatal(err)
	}
	grant, err := a.Exchange(w.t.Context(), code)
	if err == nil {
		err = client.Keep(w.t.Context(), grant)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
