package streamcall

import (
	"fmt"
	"net"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

const acceptPause = 50 * time.Millisecond // after an error of accept, such as too many open files

// accept takes connections until Close.
func (i *Invoker) accept() {
	for {
		select {
		case i.slots <- struct{}{}:
		case <-i.closing:
			return
		}
		conn, err := i.ln.Accept()
		if err == nil && i.register(conn) {
			i.running.Go(func() { i.serve(conn) })
			continue
		}
		<-i.slots
		select {
		case <-time.After(acceptPause):
		case <-i.closing:
			return
		}
	}
}

// register makes Close know the connection.
func (i *Invoker) register(conn net.Conn) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		_ = conn.Close()
		return false
	}
	i.conns[conn] = struct{}{}
	return true
}

func (i *Invoker) forget(conn net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.conns, conn)
}

// serve runs one connection to its end.
func (i *Invoker) serve(conn net.Conn) {
	defer i.forget(conn)
	s := newSession(conn, max(i.cfg.MaxResponse, i.maxBatchResponse()))
	defer s.w.Close()
	err := i.welcome(s)
	<-i.slots
	if err != nil {
		return
	}
	err = s.read(func() { i.detach(s) })
	i.detach(s)
	select {
	case <-i.closing:
		s.end(invoke.CodeCanceled, invoke.ErrClosed)
	default:
		s.end(codeOf(err), err)
	}
}

// welcome reads the Hello and makes the connection the current one, or refuses it.
func (i *Invoker) welcome(s *session) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return err
	}
	hello, err := s.hello()
	if err != nil {
		return err
	}
	if hello.Version != streamwire.Version {
		return s.refuse(fmt.Sprintf("this sidecar speaks version %d of the handler protocol, the handler (%s) version %d",
			streamwire.Version, invoke.Text(hello.SDK), hello.Version))
	}
	if i.cfg.Batches && !hello.Batches {
		return s.refuse(fmt.Sprintf("the function asks for batches (spec.batch), which the handler (%s) does not take",
			invoke.Text(hello.SDK)))
	}
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if !i.attach(s) {
		return s.refuse("another handler is connected to this socket: a replica has one")
	}
	return nil
}

// attach makes s the current connection once there is no other, and reports whether that came in time.
func (i *Invoker) attach(s *session) bool {
	limit := time.NewTimer(handover)
	defer limit.Stop()
	for {
		changed, ok := i.tryAttach(s)
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-limit.C:
			return false
		case <-i.closing:
			return false
		}
	}
}

func (i *Invoker) tryAttach(s *session) (changed <-chan struct{}, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || i.current.Load() != nil {
		return i.changed, false
	}
	// The Welcome must stand before the first Call, so it is appended before anyone finds the connection. It is sent after,
	// so that a handler that has read it finds us ready.
	place, err := s.w.AppendUrgent(i.appendWelcome)
	i.setCurrent(s)
	if err == nil && place.Flush {
		s.w.Flush(false)
	}
	return nil, true
}

func (i *Invoker) appendWelcome(b []byte) []byte {
	return streamwire.AppendWelcome(b, &streamwire.Welcome{
		Version: streamwire.Version, Function: i.cfg.Function, Namespace: i.cfg.Namespace, Replica: i.cfg.Replica,
		MaxResponse: uint64(i.cfg.MaxResponse), MaxFrame: streamwire.DefaultMaxFrame,
		MaxBatchResponse: uint64(i.maxBatchResponse()),
	})
}

// maxBatchResponse bounds a BatchResult, 0 where there is none.
func (i *Invoker) maxBatchResponse() int {
	if !i.cfg.Batches {
		return 0
	}
	return max(i.cfg.MaxResponse, invoke.MaxBatchResponse)
}

// detach takes calls away from s.
func (i *Invoker) detach(s *session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current.Load() == s {
		i.setCurrent(nil)
	}
}
