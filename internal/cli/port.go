package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

const loopback = "127.0.0.1"

// listen takes a TCP port on the loopback interface; 0 takes any. A port in use is an *Error that names the holder.
func listen(flag string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s port %d: %w", loopback, port, err)
	}
	e := &Error{
		Exit:    ExitConflict,
		Message: fmt.Sprintf("port %d is in use", port),
		Hint:    fmt.Sprintf("stop that process, or choose another port with --%s", flag),
	}
	if holder := portHolder(port); holder != "" {
		e.Message = fmt.Sprintf("port %d is in use by %s", port, holder)
	}
	return nil, e
}

// validPort checks a port that was given on the command line.
func validPort(flag string, port int) error {
	if port < 0 || port > 65535 {
		return usage("a port from 1 to 65535, or 0 for any free one", "--%s %d is not a port", flag, port)
	}
	return nil
}
