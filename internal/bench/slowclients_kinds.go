package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	slowPause  = time.Second     // between two bytes, or two reads, of a slow client
	slowArrive = 5 * time.Second // in which all of them come, so that they are not all cut off in one moment
)

// slowKinds are the ways to keep a server busy with nothing. Each talks until the server has hung up.
func slowKinds() []func(net.Conn) {
	return []func(net.Conn){dripHeader, dripBody, sipAnswer, idleOn}
}

// crowd is slow clients who come back as soon as they are cut off.
type crowd struct {
	address   string
	open, cut atomic.Int64
	running   sync.WaitGroup
	cancel    context.CancelFunc
}

// gather lets slow clients of all kinds connect.
func gather(ctx context.Context, address string) *crowd {
	c := &crowd{address: address}
	ctx, c.cancel = context.WithCancel(ctx)
	for _, talk := range slowKinds() {
		for i := range slowEach {
			c.running.Go(func() {
				time.Sleep(slowArrive * time.Duration(i) / slowEach)
				c.keepOn(ctx, talk)
			})
		}
	}
	return c
}

// leave ends all of them and waits for it.
func (c *crowd) leave() {
	c.cancel()
	c.running.Wait()
}

func (c *crowd) keepOn(ctx context.Context, talk func(net.Conn)) {
	for ctx.Err() == nil {
		conn, err := dialSlow(ctx, c.address)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(slowPause):
			}
			continue
		}
		c.open.Add(1)
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		talk(conn)
		stop()
		_ = conn.Close()
		c.open.Add(-1)
		c.cut.Add(1)
	}
}

// dialSlow connects with a receive buffer as small as the kernel has them: what is not read stays with the server.
func dialSlow(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		outer := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048)
		})
		if outer != nil {
			return outer
		}
		return err
	}}
	return d.DialContext(ctx, "tcp", address)
}

// dripHeader sends a header that never ends, byte by byte.
func dripHeader(c net.Conn) { drip(c, "GET /small HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") }

// dripBody sends a body in the same way.
func dripBody(c net.Conn) {
	drip(c, "POST /events/bench.slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
}

// drip sends a beginning, and then a byte after each pause.
func drip(c net.Conn, beginning string) {
	next := []byte(beginning)
	for {
		if _, err := c.Write(next); err != nil {
			return
		}
		if !pause(c, make([]byte, 512)) {
			return
		}
		next = []byte("x")
	}
}

// pause waits, and reports whether the server is still there. What it says meanwhile is read.
func pause(c net.Conn, into []byte) bool {
	if err := c.SetReadDeadline(time.Now().Add(slowPause)); err != nil {
		return false
	}
	for {
		if _, err := c.Read(into); err != nil {
			return os.IsTimeout(err)
		}
	}
}

// sipAnswer asks for a large answer and reads a little of it after each pause: too little to be waited for.
func sipAnswer(c net.Conn) {
	if _, err := io.WriteString(c, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return
	}
	sip := make([]byte, 1024)
	for {
		if _, err := c.Read(sip); err != nil {
			return
		}
		time.Sleep(slowPause)
	}
}

// idleOn asks for something small, takes the answer, and keeps the connection.
func idleOn(c net.Conn) {
	if _, err := io.WriteString(c, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return
	}
	in := bufio.NewReaderSize(c, 512)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	_, _ = in.ReadByte() // until the server hangs up
}
