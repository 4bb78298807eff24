package console

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerID is the user id of the process that connected, as the kernel tells.
func peerID(c net.Conn) int {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return -1
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1
	}
	id := -1
	_ = raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			id = int(peer.Uid)
		}
	})
	return id
}
