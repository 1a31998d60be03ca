package proxy

import (
	"errors"
	"io"
	"net"
	"time"
)

// chunk is what was read at once, and when it may go on.
type chunk struct {
	data []byte
	at   time.Time
	err  error // the end, after data
}

// How much is read at once, and how many of these may be on their way: beyond that the sender has to wait, as with TCP.
const (
	chunkSize = 16 << 10
	chunks    = 64
)

// pass moves bytes from one side to the other until the end of the connection.
func (p *Proxy) pass(d Direction, c *pair, from, to net.Conn) {
	queue := make(chan chunk, chunks)
	p.running.Go(func() {
		defer close(queue)
		for p.read(d, from, queue) {
		}
	})
	broken := false
	for next := range queue {
		if broken {
			continue // the reader must not wait for us
		}
		if err := p.forward(d, next, to); err != nil {
			broken = true
			c.reset()
		}
	}
}

// read takes what has come, and reports whether more may come.
func (p *Proxy) read(d Direction, from net.Conn, queue chan<- chunk) bool {
	buffer := make([]byte, chunkSize)
	n, err := from.Read(buffer)
	delay := p.shape(d).Delay
	queue <- chunk{buffer[:n], time.Now().Add(delay), err}
	return err == nil
}

// forward waits as long as the direction says, and writes. The end of one side's stream is passed on as such; an error breaks
// the connection.
func (p *Proxy) forward(d Direction, c chunk, to net.Conn) error {
	if err := p.await(d, c); err != nil {
		return err
	}
	if len(c.data) > 0 {
		if _, err := to.Write(c.data); err != nil {
			return err
		}
	}
	if errors.Is(c.err, io.EOF) {
		return to.(*net.TCPConn).CloseWrite()
	}
	return c.err
}

// await returns when a chunk may pass: its time has come, the direction is not silent, and its rate allows it.
func (p *Proxy) await(d Direction, c chunk) error {
	wait := time.Until(c.at)
	if rate := p.shape(d).Rate; rate > 0 {
		wait = max(wait, 0) + time.Duration(float64(len(c.data))/float64(rate)*float64(time.Second))
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
	for {
		p.mu.Lock()
		silent, changed := p.shapes[d].Silent, p.changed
		p.mu.Unlock()
		if !silent {
			return p.ctx.Err()
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

func (p *Proxy) shape(d Direction) Shape {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shapes[d]
}
