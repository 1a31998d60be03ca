//go:build linux || darwin

package bridge

import (
	"net"

	"golang.org/x/sys/unix"
)

// boundUnsent makes writes wait once maxUnsent bytes are in the kernel and not on their way. Without it a connection of somebody who
// does not read takes what the kernel allows, megabytes; one who reads has what his own window asks for in either case.
func boundUnsent(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent) // without it there is more memory to take
	})
}
