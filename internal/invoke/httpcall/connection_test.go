package httpcall_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

func mustDone(t *testing.T, inv *httpcall.Invoker, data string) {
	t.Helper()
	if o, err := inv.Invoke(t.Context(), newCall(data)); err != nil || o.Kind != invoke.Done {
		t.Fatalf("got %+v, %v; want done", o, err)
	}
}

// Calls one after another use one connection, whatever the size of their data.
func TestConnectionIsReused(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		s := newRawServer(t, network, always(noContent))
		inv := s.invoker(t, httpcall.Config{})
		if err := inv.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 8 << 10, 8<<10 + 1, 64 << 10, 64<<10 + 1, 900 << 10} {
			mustDone(t, inv, repeat("x", size))
		}
		if n := s.connections(); n != 1 {
			t.Errorf("%s: %d connections for calls one after another", network, n)
		}
	}
}

// A connection that the handler closed while it was idle is noticed before anything is sent on it.
func TestIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		closed := make(chan struct{})
		s := newRawServer(t, network, func(n int, c *rawConn) {
			if n == 1 {
				defer close(closed)
				defer c.Close()
			}
			if _, _, err := c.request(); err == nil {
				c.say(noContent)
			}
			if n > 1 {
				c.untilClosed()
			}
		})
		inv := s.invoker(t, httpcall.Config{})
		mustDone(t, inv, "first")
		<-closed
		mustDone(t, inv, "second")
		if n := s.connections(); n != 2 {
			t.Errorf("%s: %d connections, want 2", network, n)
		}
	}
}

// Bytes that nobody asked for make a connection unusable, not the next answer.
func TestUnsolicitedAnswer(t *testing.T) {
	t.Parallel()
	said := make(chan struct{})
	s := newRawServer(t, "unix", func(n int, c *rawConn) {
		for {
			if _, _, err := c.request(); err != nil || !c.say(noContent) {
				return
			}
			if n == 1 {
				c.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
				close(said)
			}
		}
	})
	inv := s.invoker(t, httpcall.Config{})
	mustDone(t, inv, "first")
	<-said
	mustDone(t, inv, "second")
}

// Once a request was written, a lost connection is a crash even if it was a used one: the handler may have seen it.
func TestReusedConnectionLostAfterRequest(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*rawConn){"end": func(c *rawConn) { _ = c.Close() }, "reset": (*rawConn).reset} {
		s := newRawServer(t, "tcp", func(n int, c *rawConn) {
			for i := 0; ; i++ {
				if _, _, err := c.request(); err != nil {
					return
				}
				if n == 1 && i == 1 {
					lose(c)
					return
				}
				c.say(noContent)
			}
		})
		inv := s.invoker(t, httpcall.Config{})
		mustDone(t, inv, "first")
		o, err := inv.Invoke(t.Context(), newCall("second"))
		wantCode(t, o, err, invoke.CodeCrash)
		if strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error holds addresses: %v", name, err)
		}
		mustDone(t, inv, "third")
	}
}

// A handler may answer and close, or answer and wait, before it has read the data.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	const refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
	for _, network := range []string{"tcp", "unix"} {
		for name, then := range map[string]func(*rawConn){
			"close": func(*rawConn) {}, "wait": (*rawConn).untilClosedUnread,
		} {
			s := newRawServer(t, network, func(_ int, c *rawConn) {
				// Read the head only: the reader's buffer is far smaller than the data.
				if _, err := http.ReadRequest(c.in); err == nil {
					c.say(refused)
					then(c)
				}
			})
			o, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), newCall(repeat("x", 16<<20)))
			if err != nil || o.Kind != invoke.Reject || o.Reason != "HTTP 413: big" {
				t.Errorf("%s, %s: got %+v, %v", network, name, o, err)
			}
		}
	}
}

// untilClosedUnread waits until the other side has closed, without reading what it sent.
func (c *rawConn) untilClosedUnread() {
	for c.say("x") {
		<-time.After(time.Millisecond)
	}
}

// A handler that reads nothing and says nothing ends at the deadline.
func TestUnreadRequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newRawServer(t, "unix", func(int, *rawConn) { <-release })
	defer close(release)
	for _, size := range []int{10, 16 << 20} {
		call := newCall(repeat("x", size))
		call.Deadline = time.Now().Add(200 * time.Millisecond)
		o, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), call)
		wantCode(t, o, err, invoke.CodeTimeout)
	}
}

// TestContextsOfCalls gives each call on one connection a context: one that has ended since costs neither the connection nor the
// next call, and the one that ends during a call cuts it, whatever was watched before.
func TestContextsOfCalls(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s := newRawServer(t, "unix", func(_ int, c *rawConn) {
		for {
			_, body, err := c.request()
			if err != nil {
				return
			}
			if string(body) == "hang" {
				entered <- struct{}{}
				c.untilClosed()
				return
			}
			c.say(noContent)
		}
	})
	inv := s.invoker(t, httpcall.Config{})
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			if _, err := inv.Invoke(ctx, newCall("x")); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
	}
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := inv.Invoke(ctx, newCall("x")); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	o, err := inv.Invoke(ctx, newCall("hang"))
	wantCode(t, o, err, invoke.CodeCanceled)
	mustDone(t, inv, "after it")
}

// The deadline of a context is as good as the call's.
func TestContextDeadline(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "unix", func(_ int, c *rawConn) { c.untilClosed() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	o, err := s.invoker(t, httpcall.Config{}).Invoke(ctx, newCall("x"))
	wantCode(t, o, err, invoke.CodeTimeout)
}

// A connection is not used any more shortly before the handler's own limit for idle ones.
func TestKeepAliveHint(t *testing.T) {
	t.Parallel()
	for hint, want := range map[string]int{"timeout=0": 2, "timeout=600": 1, "max=5, timeout=600": 1, "": 1} {
		s := newRawServer(t, "unix", always("HTTP/1.1 204 No Content\r\nKeep-Alive: "+hint+"\r\n\r\n"))
		inv := s.invoker(t, httpcall.Config{})
		mustDone(t, inv, "first")
		<-time.After(5 * time.Millisecond)
		mustDone(t, inv, "second")
		if n := s.connections(); n != want {
			t.Errorf("keep-alive %q: %d connections, want %d", hint, n, want)
		}
	}
}

// No more connections are kept than configured.
func TestMaxIdle(t *testing.T) {
	t.Parallel()
	const calls, kept = 8, 2
	var together sync.WaitGroup
	together.Add(calls)
	closed := make(chan struct{}, calls)
	s := newRawServer(t, "unix", func(_ int, c *rawConn) {
		if _, _, err := c.request(); err != nil {
			return
		}
		together.Done()
		together.Wait()
		c.say(noContent)
		c.untilClosed()
		closed <- struct{}{}
	})
	inv := s.invoker(t, httpcall.Config{MaxIdle: kept})
	var done sync.WaitGroup
	for range calls {
		done.Go(func() {
			if _, err := inv.Invoke(t.Context(), newCall("x")); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	for range calls - kept {
		<-closed
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []httpcall.Config{
		{}, {Network: "udp", Address: "x"}, {Address: "x", MaxResponse: -1}, {Address: "x", MaxIdle: -1},
	} {
		if _, err := httpcall.New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// Many callers, handlers that come and go, and a close in the middle: nothing hangs and nothing is left.
func TestStress(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "unix", func(n int, c *rawConn) {
		for i := 0; i < n%7+1; i++ {
			if _, body, err := c.request(); err != nil || len(body) == 0 {
				return
			}
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	inv := s.invoker(t, httpcall.Config{MaxIdle: 4})
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%5 == 0 {
					cancel()
				}
				_, err := inv.Invoke(ctx, newCall(strconv.Itoa(j)))
				var e *invoke.Error
				if err != nil && !errors.Is(err, invoke.ErrNotReady) && !errors.As(err, &e) {
					t.Errorf("untyped error: %v", err)
				}
				cancel()
				if i == 0 && j == 150 {
					_ = inv.Close()
				}
			}
		})
	}
	callers.Wait()
}
