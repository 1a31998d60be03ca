package bridge

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// limiter bounds the open connections. It never makes a new one wait: when there are too many, the connection goes that
// has been silent for longest, so slow or idle ones cannot shut the door on those that have something to say. Only when
// every connection is being answered is a new one refused.
type limiter struct {
	max, perIP int

	mu     sync.Mutex
	open   int
	byIP   map[netip.Addr]int
	silent list.List // of *conn that are not being answered, longest first
	shut   bool      // no connection is let in any more
}

func newLimiter(maxConns, perIP int) *limiter {
	return &limiter{max: maxConns, perIP: perIP, byIP: map[netip.Addr]int{}}
}

// conn is one connection of a client.
type conn struct {
	net.Conn          // with TLS, if there is any
	raw      net.Conn // without
	limiter  *limiter
	ip       netip.Addr
	load     load // of the request that is being handled

	// Guarded by limiter.mu.
	entry     *list.Element // in limiter.silent, or nil while being answered
	inRequest bool          // the header of a request is here, its answer is not out
	gone      bool
}

// maxUnsent is how much of an answer the kernel keeps for one who does not read it.
const maxUnsent = 64 << 10

// limitListener accepts within the bounds of a limiter.
type limitListener struct {
	net.Listener
	limiter *limiter
	tls     *tls.Config // nil is plain HTTP
}

// Accept returns the next connection within the bounds.
func (l limitListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		boundUnsent(raw)
		c := &conn{Conn: raw, raw: raw, limiter: l.limiter, ip: ipOf(raw)}
		if l.tls != nil {
			// The handshake is part of the first read, which has the header's time.
			c.Conn = tls.Server(raw, l.tls)
		}
		k, victim := l.limiter.admit(c)
		if victim != nil {
			_ = victim.raw.Close() // TLS would say goodbye first, and wait for one who does not read
		}
		switch {
		case k == nil:
			return c, nil
		case l.tls != nil:
			_ = raw.Close() // what is not encrypted would not be understood
		default:
			refuseConn(raw, *k)
		}
	}
}

// refuseConn says why before it closes. The answer fits into the empty send buffer, so this does not wait for the client.
func refuseConn(raw net.Conn, k kind) {
	_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = raw.Write(plainAnswer(k.refuse("Try again in a moment.").retryLater()))
	_ = raw.Close()
}

// admit counts c in, or says why not. victim is a connection to close in its place.
func (l *limiter) admit(c *conn) (refused *kind, victim *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return &kindTooMany, nil
	}
	if l.perIP > 0 && !c.ip.IsLoopback() && l.byIP[c.ip] >= l.perIP {
		return &kindTooManyFromHere, nil
	}
	if l.open >= l.max {
		oldest := l.silent.Front()
		if oldest == nil {
			return &kindTooMany, nil
		}
		victim = oldest.Value.(*conn)
		l.remove(victim)
	}
	l.open++
	l.byIP[c.ip]++
	c.entry = l.silent.PushBack(c)
	return nil, victim
}

// remove counts c out. l.mu is held.
func (l *limiter) remove(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	l.open--
	if l.byIP[c.ip]--; l.byIP[c.ip] == 0 {
		delete(l.byIP, c.ip)
	}
	if c.entry != nil {
		l.silent.Remove(c.entry)
		c.entry = nil
	}
}

// begin notes that c has a request. Its body may still be on its way, so c counts as silent from now.
func (c *conn) begin() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.inRequest = true
	if c.entry != nil {
		c.limiter.silent.MoveToBack(c.entry)
	}
}

// answering takes c off the silent ones: the request is here, the next word is ours.
func (c *conn) answering() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	if c.entry != nil {
		c.limiter.silent.Remove(c.entry)
		c.entry = nil
	}
}

// end notes that the request of c is over.
func (c *conn) end() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.inRequest = false
	if !c.gone && c.entry == nil {
		c.entry = c.limiter.silent.PushBack(c)
	}
}

// shutDown lets no connection in any more and closes those without a request.
func (l *limiter) shutDown() {
	l.mu.Lock()
	l.shut = true
	var idle []*conn
	for e := l.silent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); !c.inRequest {
			idle = append(idle, c)
		}
	}
	l.mu.Unlock()
	for _, c := range idle {
		_ = c.raw.Close()
	}
}

// Close closes the connection and counts it out.
func (c *conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.remove(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end its answer before it closes, so that the client reads it whole.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Write sends b, unless it is net/http's own answer to a request it does not understand: then it sends ours.
func (c *conn) Write(b []byte) (int, error) {
	if k := libraryAnswer(b); k != nil && !c.isInRequest() {
		if _, err := c.Conn.Write(plainAnswer(k.refuse("%s", libraryDetail(*k)))); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// isInRequest says that a handler has the word: what is written then is an answer, whatever it looks like.
func (c *conn) isInRequest() bool {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	return c.inRequest
}

func ipOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.IPv4Unspecified()
}

type connKey struct{}

// withConn lets the handler find the connection of its request.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf is the connection of a request.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}
