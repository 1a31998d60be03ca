package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"
)

const loopback = "127.0.0.1"

// listen takes a TCP port on the loopback interface; 0 takes any. A port in use is an *Error that names the holder.
func listen(flag string, port portNumber) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, port.String()))
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
	if holder := portHolder(int(port)); holder != "" {
		e.Message = fmt.Sprintf("port %d is in use by %s", port, holder)
	}
	return nil, e
}

// portNumber is a flag's value: the number of a port, or 0 for any free one.
type portNumber int

var _ pflag.Value = (*portNumber)(nil)

// Set reads a port.
func (p *portNumber) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return errors.New("not a port: want a number from 1 to 65535, or 0 for any free one")
	}
	*p = portNumber(n)
	return nil
}

// String writes the number.
func (p *portNumber) String() string { return strconv.Itoa(int(*p)) }

// Type names what is wanted, for the help.
func (p *portNumber) Type() string { return "port" }
