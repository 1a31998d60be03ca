package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// tasksIdle is how long a connection may have been unused: less than what servers keep it for.
const tasksIdle = 20 * time.Second

// tasksPool opens a connection for each request that finds none free. That of net/http opens some that it then does not need, and each
// of these holds one of gunicorn's threads until something is sent on it: sixteen, and nobody is answered.
type tasksPool struct {
	mu   sync.Mutex
	free []*tasksConn // the last one used is the last
}

type tasksConn struct {
	net.Conn
	in   *bufio.Reader
	used time.Time
}

// do sends a request and reads the answer to its end. An error says nothing that differs between requests, so that it can be counted.
func (p *tasksPool) do(req *http.Request) (*http.Response, error) {
	c, err := p.get(req)
	if err != nil {
		return nil, plainReason("connect", err)
	}
	resp, err := c.exchange(req)
	if err != nil {
		_ = c.Close()
		return nil, plainReason("ask", err)
	}
	if resp.Close {
		_ = c.Close()
		return resp, nil
	}
	c.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
	return resp, nil
}

func (p *tasksPool) get(req *http.Request) (*tasksConn, error) {
	if c := p.pop(); c != nil {
		return c, nil
	}
	dialer := net.Dialer{Timeout: httpPatience}
	conn, err := dialer.DialContext(req.Context(), "tcp", req.URL.Host)
	if err != nil {
		return nil, err
	}
	return &tasksConn{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// pop returns the free connection that was used last, if that is not too long ago; then the others are older still.
func (p *tasksPool) pop() *tasksConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	if last < 0 {
		return nil
	}
	c := p.free[last]
	if time.Since(c.used) > tasksIdle {
		p.drop()
		return nil
	}
	p.free = p.free[:last]
	return c
}

func (c *tasksConn) exchange(req *http.Request) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(httpPatience)); err != nil {
		return nil, err
	}
	if err := req.Write(c); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, req)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, errors.Join(err, resp.Body.Close())
}

func (p *tasksPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

// drop closes the free connections. mu is held.
func (p *tasksPool) drop() {
	for _, c := range p.free {
		_ = c.Close()
	}
	p.free = nil
}

func plainReason(doing string, err error) error {
	if os.IsTimeout(err) {
		return fmt.Errorf("%s: nothing within %v", doing, httpPatience)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %s: %w", doing, e.Op, e.Err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
