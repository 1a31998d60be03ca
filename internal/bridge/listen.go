package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// ErrTokenRequired refuses to serve a network without a token: whoever can reach the port could run every function.
var ErrTokenRequired = errors.New("it is reachable from other machines, which needs a token: set one, or listen on 127.0.0.1")

// listen opens the address of a Server, if it may be served.
func (c Config) listen(ctx context.Context) (net.Listener, error) {
	address := c.Address
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if !c.mayServe(a) {
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
