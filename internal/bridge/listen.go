package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// ErrTokenRequired refuses to serve a network without a token: whoever can reach the port could run every function.
var ErrTokenRequired = errors.New("it is reachable from other machines, which needs a token: set one, or listen on 127.0.0.1")

// Listen opens address for a Server. Without a token it opens loopback addresses only.
func Listen(ctx context.Context, address, token string) (net.Listener, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if token == "" && !loopback(a) {
		return nil, fmt.Errorf("listen on %s: %w", address, ErrTokenRequired)
	}
	// The resolved address, so that a second answer of a resolver cannot undo the check.
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
