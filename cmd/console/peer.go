package console

import (
	"context"
	"net"
	"net/http"
)

type peerKey struct{}

// withPeer notes in a connection's context who is at the other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerID(c))
}

// peerOf is the user id of who made a request, -1 where the system does not tell.
func peerOf(r *http.Request) int {
	id, ok := r.Context().Value(peerKey{}).(int)
	if !ok {
		return -1
	}
	return id
}
