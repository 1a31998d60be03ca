package httpcall_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

const patience = 60 * time.Second

// rawServer gives each accepted connection to a function, with its number.
type rawServer struct {
	ln    net.Listener
	conns sync.WaitGroup

	mu       sync.Mutex
	accepted int
}

func newRawServer(t testing.TB, network string, serve func(n int, c *rawConn)) *rawServer {
	t.Helper()
	ln, err := net.Listen(network, freeAddress(t, network))
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{ln: ln}
	t.Cleanup(func() { _ = ln.Close(); s.conns.Wait() })
	s.conns.Go(func() { s.accept(serve) })
	return s
}

func (s *rawServer) accept(serve func(n int, c *rawConn)) {
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.accepted++
		n := s.accepted
		s.mu.Unlock()
		s.conns.Go(func() {
			defer nc.Close()
			serve(n, &rawConn{Conn: nc, in: bufio.NewReader(nc)})
		})
	}
}

func (s *rawServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// invoker returns an invoker for this server.
func (s *rawServer) invoker(t testing.TB, cfg httpcall.Config) *httpcall.Invoker {
	t.Helper()
	cfg.Network, cfg.Address = s.ln.Addr().Network(), s.ln.Addr().String()
	inv, err := httpcall.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return inv
}

// rawConn is the server's end of a connection.
type rawConn struct {
	net.Conn
	in *bufio.Reader
}

// request reads one whole request.
func (c *rawConn) request() (*http.Request, []byte, error) {
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(req.Body)
	return req, body, err
}

func (c *rawConn) say(s string) bool {
	_, err := io.WriteString(c, s)
	return err == nil
}

// untilClosed waits for the other side to close.
func (c *rawConn) untilClosed() { _, _ = io.Copy(io.Discard, c.in) }

// reset closes the connection so that the other side sees an error instead of an end.
func (c *rawConn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// always answers every request of every connection with the same bytes.
func always(answer string) func(int, *rawConn) {
	return func(_ int, c *rawConn) {
		for {
			if _, _, err := c.request(); err != nil || !c.say(answer) {
				return
			}
		}
	}
}

func newCall(data string) *invoke.Call {
	return &invoke.Call{
		Event:    &event.Event{ID: "1", Source: "/s", Type: "t", Data: []byte(data)},
		Function: "default/f", Attempt: 1, Deadline: time.Now().Add(patience),
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }
