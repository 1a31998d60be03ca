package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestSlowClientsGiveWay is row B09: far more slow connections than are allowed, and a healthy client all the while.
func TestSlowClientsGiveWay(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config) { c.MaxConns = 20 })
	for i := range 100 {
		start := "POST /events/slow HTTP/1.1\r\nHos"
		if i%2 == 0 {
			start = wireHead("POST", "/events/slow") + "Content-Length: 100\r\n\r\n1"
		}
		if _, err := io.WriteString(b.dial(t), start); err != nil && i < 20 {
			t.Fatal(err)
		}
		if i%10 == 0 {
			b.client.CloseIdleConnections() // so that the next one is a new connection
		}
		wantAccepted(t, b.post(t, "/events/x", "1"))
	}
	if n := b.count(t); n != 100 {
		t.Errorf("stored %d, want the 100 of the healthy client", n)
	}
	b.limiter.mu.Lock()
	defer b.limiter.mu.Unlock()
	if b.limiter.open > 20 {
		t.Errorf("%d connections are open, want at most 20", b.limiter.open)
	}
}

// TestAllConnectionsBusy: when nobody can give way, a new connection is told so.
func TestAllConnectionsBusy(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	busy := make(chan struct{}, 2)
	b := serve(t, func(c *Config) {
		c.MaxConns = 2
		c.Public = map[string]http.Handler{"/wait": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			busy <- struct{}{}
			<-release
			_, _ = io.WriteString(w, "done")
		})}
	})
	var waiting []net.Conn
	for range 2 {
		c := b.dial(t)
		if _, err := io.WriteString(c, wireHead("GET", "/wait")+"\r\n"); err != nil {
			t.Fatal(err)
		}
		<-busy
		waiting = append(waiting, c)
	}
	a, _ := readWire(t, b.dial(t))
	wantProblem(t, a, http.StatusServiceUnavailable, "too-many-connections")
	close(release)
	for _, c := range waiting {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := read(t, resp); string(a.body) != "done" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	}
	wantAccepted(t, b.post(t, "/events/x", "1"))
}

func TestLimiterCountsPerAddress(t *testing.T) {
	t.Parallel()
	l := newLimiter(100, 2)
	from := func(ip string) *conn { return &conn{limiter: l, ip: netip.MustParseAddr(ip), Conn: nopConn{}} }
	admit := func(c *conn) bool { k, _ := l.admit(c); return k == nil }
	first := from("192.0.2.1")
	if !admit(first) || !admit(from("192.0.2.1")) || admit(from("192.0.2.1")) {
		t.Error("want two of one address and no third")
	}
	if !admit(from("192.0.2.2")) {
		t.Error("another address was refused")
	}
	for range 10 {
		if !admit(from("127.0.0.1")) || !admit(from("::1")) {
			t.Error("loopback was refused")
		}
	}
	_ = first.Close()
	_ = first.Close() // counts once
	if !admit(from("192.0.2.1")) || admit(from("192.0.2.1")) {
		t.Error("want one more after one closed")
	}
	l.perIP = -1
	if !admit(from("192.0.2.1")) {
		t.Error("want no limit")
	}
}

type nopConn struct{ net.Conn }

func (nopConn) Close() error { return nil }

func TestLimiterClosesTheOneSilentForLongest(t *testing.T) {
	t.Parallel()
	l := newLimiter(3, -1)
	conns := make([]*conn, 5)
	for i := range conns {
		conns[i] = &conn{limiter: l, Conn: nopConn{}}
	}
	for _, c := range conns[:3] {
		l.admit(c)
	}
	conns[0].begin() // its body is on its way
	conns[1].begin()
	conns[1].answering()
	if _, victim := l.admit(conns[3]); victim != conns[2] {
		t.Error("want the third to go: the first was heard later, the second is being answered")
	}
	conns[1].end()
	if _, victim := l.admit(conns[4]); victim != conns[0] {
		t.Error("want the first to go")
	}
	for _, c := range []*conn{conns[1], conns[3], conns[4]} {
		c.begin()
		c.answering()
	}
	if k, _ := l.admit(&conn{limiter: l, Conn: nopConn{}}); k == nil || k.status != http.StatusServiceUnavailable {
		t.Error("want a refusal while all are being answered")
	}
}

// TestManySlowConnections is B09 at its full size: 2,000 slow connections at the default limit.
func TestManySlowConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("2,000 connections")
	}
	t.Parallel()
	b := serve(t)
	var slowest time.Duration
	for i := range 2000 {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = fmt.Fprint(c, "POST /events/x HTTP/1.1\r\nHost: lo")
		if i%100 == 99 {
			start := time.Now()
			wantAccepted(t, b.post(t, "/events/x", "1"))
			slowest = max(slowest, time.Since(start))
		}
	}
	t.Logf("slowest healthy request: %v", slowest)
	waittest.Eventually(t, func() error {
		b.limiter.mu.Lock()
		defer b.limiter.mu.Unlock()
		if b.limiter.open > 100 {
			return fmt.Errorf("%d slow connections are still open", b.limiter.open)
		}
		return nil
	})
}
