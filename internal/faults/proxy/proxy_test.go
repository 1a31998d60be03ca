package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pelton-dev/pelton/internal/faults/proxy"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server behind a proxy, and one connection through it.
type rig struct {
	*testing.T
	proxy  *proxy.Proxy
	client net.Conn
	server net.Conn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p, err := proxy.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	r := &rig{T: t, proxy: p, client: dial(t, p)}
	if r.server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.server.Close() })
	return r
}

func dial(t *testing.T, p *proxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) say(c net.Conn, line string) {
	r.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) hear(c net.Conn, want string) {
	r.Helper()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	got, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || strings.TrimSpace(got) != want {
		r.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

// hearNothing listens for a moment: nothing must come, and no end.
func (r *rig) hearNothing(c net.Conn) {
	r.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		r.Fatalf("heard %d bytes, %v", n, err)
	}
}

// hearEnd waits for a connection that is broken.
func (r *rig) hearEnd(c net.Conn) {
	r.Helper()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		r.Fatalf("heard %d bytes, %v; want the end", n, err)
	}
}

// refused dials, and is either not let in or thrown out.
func (r *rig) refused(p *proxy.Proxy) {
	r.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	r.hearEnd(c)
}

func TestPasses(t *testing.T) {
	r := newRig(t)
	r.say(r.client, "question")
	r.hear(r.server, "question")
	r.say(r.server, "answer")
	r.hear(r.client, "answer")
	_ = r.client.(*net.TCPConn).CloseWrite()
	r.hearEnd(r.server)
	r.say(r.server, "one more")
	r.hear(r.client, "one more")
}

func TestDelays(t *testing.T) {
	r := newRig(t)
	const delay = 100 * time.Millisecond
	r.proxy.Shape(proxy.Up, proxy.Shape{Delay: delay})
	begun := time.Now()
	r.say(r.client, "late")
	r.hear(r.server, "late")
	if took := time.Since(begun); took < delay {
		t.Errorf("passed after %v, want %v at least", took, delay)
	}
}

func TestBoundsTheRate(t *testing.T) {
	r := newRig(t)
	r.proxy.Shape(proxy.Down, proxy.Shape{Rate: 10_000})
	begun := time.Now()
	r.say(r.server, strings.Repeat("x", 1000))
	r.hear(r.client, strings.Repeat("x", 1000))
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("1,000 bytes passed within %v at 10,000 a second", took)
	}
}

// TestSilentOneWay: the other way goes on, and what was held comes when the silence is over.
func TestSilentOneWay(t *testing.T) {
	r := newRig(t)
	r.proxy.Shape(proxy.Up, proxy.Shape{Silent: true})
	r.say(r.client, "held")
	r.hearNothing(r.server)
	r.say(r.server, "passes")
	r.hear(r.client, "passes")
	r.proxy.Shape(proxy.Up, proxy.Shape{})
	r.hear(r.server, "held")
}

// TestHalfOpen: in a silence the server does not learn that its client is gone.
func TestHalfOpen(t *testing.T) {
	r := newRig(t)
	r.proxy.Shape(proxy.Up, proxy.Shape{Silent: true})
	_ = r.client.Close()
	r.hearNothing(r.server)
	r.proxy.Shape(proxy.Up, proxy.Shape{})
	r.hearEnd(r.server)
}

// TestResetLosesWhatWasOnItsWay: what a silence held does not come after a break.
func TestResetLosesWhatWasOnItsWay(t *testing.T) {
	r := newRig(t)
	r.proxy.Shape(proxy.Up, proxy.Shape{Silent: true})
	r.say(r.client, "lost")
	r.hearNothing(r.server)
	r.proxy.Reset()
	r.proxy.Shape(proxy.Up, proxy.Shape{})
	r.hearEnd(r.server)
	r.hearEnd(r.client)
}

func TestRefuses(t *testing.T) {
	r := newRig(t)
	r.proxy.Refuse(true)
	r.hearEnd(r.client)
	r.refused(r.proxy)
	r.proxy.Refuse(false)
	waittest.Eventually(t, func() error {
		c, err := net.Dial("tcp", r.proxy.Addr())
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func TestServerIsAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p, err := proxy.Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	(&rig{T: t}).refused(p)
}

// TestCloseInSilence: a proxy ends also while it holds something back.
func TestCloseInSilence(t *testing.T) {
	r := newRig(t)
	r.proxy.Shape(proxy.Up, proxy.Shape{Silent: true})
	r.say(r.client, strings.Repeat("x", 1<<20))
	r.proxy.Close()
	r.hearEnd(r.client)
}
