package main

import (
	"encoding/pem"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is the only way out of a network: it connects who knows the password to the servers behind the names.
type proxy struct {
	servers map[string]*httptest.Server // by host
	mu      sync.Mutex
	asked   []string // hosts
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.Host)
	p.mu.Lock()
	p.asked = append(p.asked, host)
	p.mu.Unlock()
	user := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	name, password, _ := user.BasicAuth()
	server := p.servers[host]
	if r.Method != http.MethodConnect || server == nil || name != "qualifyd" || password != "hunter2hunter2" {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	far, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	w.WriteHeader(http.StatusOK)
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	go io.Copy(far, near)
	io.Copy(near, far)
}

// A network that lets nobody out but through a proxy, which opens TLS with a certificate of its own: every call goes through it.
func TestEveryCallGoesThroughTheProxy(t *testing.T) {
	t.Parallel()
	w := furnish(t, func() time.Time { return morning })
	p := &proxy{servers: map[string]*httptest.Server{}}
	for host, service := range map[string]http.Handler{"acme.example.com": w.org.Handler(), "api.example.com": w.rf.Handler()} {
		server := httptest.NewUnstartedServer(w.through(service))
		server.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		p.servers[host] = server
		w.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	}
	way := httptest.NewServer(p)
	t.Cleanup(way.Close)
	w.configure("https://acme.example.com", "https://api.example.com/api/v2", watching)
	w.edit("  daily_calls", "  ca_file: ca.pem\n  daily_calls")
	w.edit("  api_key_file", "  ca_file: ca.pem\n  api_key_file")
	ann := w.refer("Ann", 101)

	run := func(password string) result {
		c := w.newChild("run", "--once")
		c.Env = append(c.Env, "HTTPS_PROXY="+strings.Replace(way.URL, "http://", "http://qualifyd:"+password+"@", 1))
		return c.told(t, "run --once behind a proxy", c.run(t))
	}
	run("hunter2hunter2").want(exitDone)
	p.mu.Lock()
	got := slices.Clone(p.asked)
	p.mu.Unlock()
	slices.Sort(got)
	if got := slices.Compact(got); !slices.Equal(got, []string{"acme.example.com", "api.example.com"}) {
		t.Errorf("the proxy was asked for %q, want both services", got)
	}
	if w.askedFor("/composite") == 0 || w.askedFor("/users") == 0 {
		t.Errorf("got the requests %q, want both services to be asked about %s", w.asked, ann.FirstName)
	}
	refused := run("wrongpassword")
	refused.want(exitIncomplete, "roxy")
	if out := refused.out + refused.err; strings.Contains(out, "wrongpassword") {
		t.Errorf("the proxy's password is in what is said:\n%s", out)
	}
}
