package console

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
)

// pageHeaders go with every answer. The page has no script at all, and no style but its own file.
var pageHeaders = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cache-Control":                "no-store",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

// guard lets only a person's own browser on this machine through to next.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range pageHeaders {
			w.Header().Set(name, value)
		}
		defer func() {
			if what := recover(); what != nil {
				p.fail(w, fmt.Errorf("panic: %v\n%s", what, debug.Stack()))
			}
		}()
		switch {
		case !ownName(r):
			p.say(w, http.StatusForbidden, "Not under this name", "The page answers to localhost and to the address that console.listen names, with its port: "+
				"a name of somebody else's may have been pointed at this machine. Through a tunnel, use the same port at both ends.")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			p.say(w, http.StatusMethodNotAllowed, "The page is for reading", "Orders are given with the commands of qualifyd.")
		case !ownSite(r):
			p.say(w, http.StatusForbidden, "Not from another site", "Another site's page has asked for this one. Open the page by its address instead.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ownName tells whether the request's Host is this machine's and the port that was connected to. With DNS rebinding, a page elsewhere
// points its own name at 127.0.0.1 to read what listens there; its requests arrive under that name.
func ownName(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	address, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return false
	}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", hostOf(address)} {
		if r.Host == fmt.Sprintf("%s:%d", host, address.Port()) || r.Host == host && address.Port() == 80 {
			return true
		}
	}
	return false
}

// hostOf writes an address as in a URL.
func hostOf(a netip.AddrPort) string {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return ip.String()
	}
	return "[" + a.Addr().String() + "]"
}

// ownSite refuses what another site's page loads. Browsers say who asks in Sec-Fetch-Site; curl and old ones do not, and are let through unless
// they tell by Origin. A link that a person follows, from a ticket for example, is allowed: the site that it is on gets to see nothing.
func ownSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
