package httpcall

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// errStale says that the handler closed a connection while it was idle, or sent what nobody had asked for.
var errStale = errors.New("the connection was not idle any more")

// turn is the state of a small exchange: a request that is one write, and the first read of its answer. Both happen within
// one wait for the descriptor. A Write and a Read of net.Conn would look for an answer right after the request, when there
// cannot be one yet: a system call of each event that never finds anything.
type turn struct {
	step  func(fd uintptr) bool // conn.takeTurn, bound once
	begun bool
	sent  int
	err   error // of the write, the look before it, or the read
}

// exchangeSmall is exchange for a request that is copied together.
func (c *conn) exchangeSmall(body []byte, w wants) (answer, error) {
	c.out = append(c.out, body...)
	t := &c.turn
	t.begun, t.sent, t.err = false, 0, nil
	err := c.raw.Read(t.step)
	if err == nil {
		err = t.err
	}
	if t.sent == 0 && err != nil {
		return answer{}, fmt.Errorf("%w: %w", errUnsent, withoutAddress(err))
	}
	if t.sent < len(c.out) {
		return c.exchangeRest(t.sent, w)
	}
	if err != nil {
		return answer{}, err
	}
	return readAnswer(c, w)
}

// exchangeRest goes on after a write that stopped half way: the socket's buffer is full, or the handler has closed.
func (c *conn) exchangeRest(sent int, w wants) (answer, error) {
	n, err := c.nc.Write(c.out[sent:])
	return c.afterWrite(sent+n, err, w)
}

// takeTurn is called when the exchange begins, and again when something can be read. It returns false to wait for that. The
// look at a used connection comes first, then the request; the descriptor never blocks.
func (c *conn) takeTurn(fd uintptr) bool {
	t := &c.turn
	if t.begun {
		return c.firstRead(int(fd))
	}
	t.begun = true
	if c.used {
		if c.probe(fd); !errors.Is(c.probed, syscall.EAGAIN) {
			t.err = errStale
			return true
		}
	}
	n, err := ignoringEINTR(func() (int, error) { return syscall.Write(int(fd), c.out) })
	t.sent = max(n, 0)
	switch {
	case t.sent == len(c.out):
		return false
	case err != nil && !errors.Is(err, syscall.EAGAIN):
		t.err = os.NewSyscallError("write", err)
	}
	return true
}

func (c *conn) firstRead(fd int) bool {
	n, err := ignoringEINTR(func() (int, error) { return syscall.Read(fd, c.in.b) })
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return false
	case err != nil:
		c.turn.err = os.NewSyscallError("read", err)
	case n == 0:
		c.turn.err = io.EOF
	default:
		c.in.w = n
	}
	return true
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
