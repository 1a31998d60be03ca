package httpcall_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// halfBody gives a half of itself, and then what its end says.
type halfBody struct {
	size int
	end  func(ctx context.Context) error
}

func (b halfBody) Size() int64 { return int64(b.size) }

func (b halfBody) Open(ctx context.Context) io.Reader {
	return io.MultiReader(strings.NewReader(repeat("x", b.size/2)), readerFunc(func([]byte) (int, error) { return 0, b.end(ctx) }))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A body that is still read when the handler breaks is not what broke.
func TestWhoBreaksInTheMiddleOfALargeBody(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	reset, end := (*rawConn).reset, func(*rawConn) {}
	for name, c := range map[string]struct {
		body    func(ctx context.Context) error
		handler func(*rawConn)
		want    string
	}{
		"the handler's connection is reset": {waits, reset, invoke.CodeCrash},
		"the handler's connection ends":     {waits, end, invoke.CodeCrash},
		"the body":                          {func(context.Context) error { return errors.New("gone") }, (*rawConn).untilClosed, invoke.CodeBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, "tcp", func(_ int, conn *rawConn) {
				_, _ = io.CopyN(io.Discard, conn.in, size/4)
				c.handler(conn)
			})
			call := newCall("")
			call.Body = halfBody{size, c.body}
			_, err := s.invoker(t, httpcall.Config{Plain: true}).Invoke(t.Context(), call)
			if failed, ok := errors.AsType[*invoke.Error](err); !ok || failed.Code != c.want {
				t.Errorf("error %v, want code %s", err, c.want)
			}
		})
	}
}
