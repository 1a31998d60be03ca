package httpcall

import "syscall"

// ackNow acknowledges at once what has come on a TCP connection.
func ackNow(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // without it things take their time, and that is all
}
