package httpcall_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// body is a body in the test's own hands.
type body struct {
	size   int64
	open   func(ctx context.Context) io.Reader
	opened atomic.Int64
}

func (b *body) Size() int64 { return b.size }

func (b *body) Open(ctx context.Context) io.Reader {
	b.opened.Add(1)
	return b.open(ctx)
}

func bodyOf(text string) *body {
	return &body{size: int64(len(text)), open: func(context.Context) io.Reader { return strings.NewReader(text) }}
}

func largeCall(b invoke.Body) *invoke.Call {
	c := newCall("")
	c.Body = b
	return c
}

// echoSize answers with the length of what it has read.
func echoSize(_ int, c *rawConn) {
	for {
		req, data, err := c.request()
		if err != nil {
			return
		}
		text := fmt.Sprintf("%d of %d", len(data), req.ContentLength)
		if !c.say(fmt.Sprintf("HTTP/1.1 422 No\r\nContent-Length: %d\r\n\r\n%s", len(text), text)) {
			return
		}
	}
}

// A body that is read as it is sent is one like any other, on a connection like any other.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		s := newRawServer(t, "tcp", echoSize)
		inv := s.invoker(t, httpcall.Config{Plain: plain})
		for _, size := range []int{1, 100, 8 << 20} {
			call := largeCall(bodyOf(repeat("x", size)))
			if plain {
				call.Request = &invoke.Request{Line: "PUT /films/1", Fields: []string{"Host: films", "Content-Length: 7"}}
			}
			o, err := inv.Invoke(t.Context(), call)
			if want := fmt.Sprintf("HTTP 422: %d of %d", size, size); err != nil || o.Reason != want {
				t.Errorf("plain %v: %q, %v; want %q", plain, o.Reason, err, want)
			}
		}
		if n := s.connections(); n != 1 {
			t.Errorf("%d connections for calls one after another", n)
		}
	}
}

// What cannot be read to its end is not taken for the whole, and the handler is not to blame.
func TestLargeBodyBreaksOff(t *testing.T) {
	t.Parallel()
	lost := errors.New("the disk is broken")
	for _, before := range []int{0, 10, 1 << 20} {
		var read atomic.Int64
		whole := make(chan bool, 1)
		s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
			req, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			n, err := io.Copy(io.Discard, req.Body)
			read.Store(n)
			whole <- err == nil
		})
		inv := s.invoker(t, httpcall.Config{})
		b := &body{size: 2 << 20, open: func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader(repeat("x", before)), iotest.ErrReader(lost))
		}}
		o, err := inv.Invoke(t.Context(), largeCall(b))
		wantCode(t, o, err, invoke.CodeBody)
		if !errors.Is(err, lost) {
			t.Errorf("after %d bytes: %v", before, err)
		}
		if <-whole || read.Load() > int64(before) {
			t.Errorf("after %d bytes the handler has %d, and takes them for the whole", before, read.Load())
		}
	}
}

// A handler may answer before it has read the body: what it says stands, and nothing waits for the rest.
func TestLargeBodyEarlyAnswer(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(context.Context) io.Reader{
		"that goes on": func(context.Context) io.Reader { return endless{} },
		"that does not come": func(ctx context.Context) io.Reader {
			return io.MultiReader(strings.NewReader("x"), awaiting{ctx})
		},
	} {
		s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
			if _, err := http.ReadRequest(c.in); err == nil {
				c.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
				c.untilClosedUnread()
			}
		})
		inv := s.invoker(t, httpcall.Config{})
		o, err := inv.Invoke(t.Context(), largeCall(&body{size: 1 << 40, open: open}))
		if err != nil || o.Kind != invoke.Reject || o.Reason != "HTTP 413: big" {
			t.Errorf("a body %s: %+v, %v", name, o, err)
		}
	}
}

// A call that is given up while its body does not come ends, whatever the handler does.
func TestLargeBodyGivenUp(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) { c.untilClosed() })
	inv := s.invoker(t, httpcall.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	b := &body{size: 10, open: func(ctx context.Context) io.Reader { return leaving{awaiting{ctx}, cancel} }}
	o, err := inv.Invoke(ctx, largeCall(b))
	wantCode(t, o, err, invoke.CodeCanceled)
}

// A connection that the handler closed while it was idle costs no call: the body is read from its beginning on another.
func TestLargeBodyOnAnIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	s := newRawServer(t, "tcp", func(n int, c *rawConn) {
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
	if o, err := inv.Invoke(t.Context(), largeCall(bodyOf("second"))); err != nil || o.Kind != invoke.Done {
		t.Errorf("%+v, %v", o, err)
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// awaiting is a body that does not come.
type awaiting struct{ ctx context.Context }

func (a awaiting) Read([]byte) (int, error) {
	<-a.ctx.Done()
	return 0, a.ctx.Err()
}

// leaving is a body whose caller leaves when it is read.
type leaving struct {
	awaiting
	leave func()
}

func (l leaving) Read(p []byte) (int, error) {
	l.leave()
	return l.awaiting.Read(p)
}
