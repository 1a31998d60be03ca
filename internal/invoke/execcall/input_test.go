package execcall_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
)

// body is a body in the test's own hands.
type body func(ctx context.Context) io.Reader

func (body) Size() int64 { return 1 << 20 }

func (b body) Open(ctx context.Context) io.Reader { return b(ctx) }

func largeCall(b body) *invoke.Call {
	c := newCall("")
	c.Body = b
	return c
}

// awaiting is a body that does not come.
type awaiting struct{ ctx context.Context }

func (a awaiting) Read([]byte) (int, error) {
	<-a.ctx.Done()
	return 0, a.ctx.Err()
}

func TestLargeBody(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 1<<16)
	whole := body(func(context.Context) io.Reader { return strings.NewReader(text) })
	o, err := shell(t, `test "$(wc -c)" -eq 1048576 || exit 65`).Invoke(t.Context(), largeCall(whole))
	if err != nil || o.Kind != invoke.Done {
		t.Errorf("%+v, %v", o, err)
	}
	// A program need not read it.
	for _, never := range []body{whole, func(ctx context.Context) io.Reader { return awaiting{ctx} }} {
		if o, err := shell(t, "exit 65").Invoke(t.Context(), largeCall(never)); err != nil || o.Kind != invoke.Reject {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

// A program cannot tell an input that breaks off from one that ends: it must be dead before.
func TestLargeBodyBreaksOff(t *testing.T) {
	t.Parallel()
	lost := errors.New("the disk is broken")
	for name, b := range map[string]body{
		"at once": func(context.Context) io.Reader { return iotest.ErrReader(lost) },
		"in the middle": func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(lost))
		},
	} {
		mark := filepath.Join(t.TempDir(), "whole")
		inv := newInvoker(t, execcall.Config{Command: []string{"sh", "-c", `cat >/dev/null; : >"$0"`, mark}})
		o, err := inv.Invoke(t.Context(), largeCall(b))
		var failed *invoke.Error
		if !errors.As(err, &failed) || failed.Code != invoke.CodeBody || !errors.Is(err, lost) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the program has taken the half for the whole: %v", name, err)
		}
	}
}

// The same holds for a call that is cut while its body does not come.
func TestLargeBodyOfACallThatIsCut(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "whole")
	inv := newInvoker(t, execcall.Config{Command: []string{"sh", "-c", `cat >/dev/null; : >"$0"`, mark}})
	ctx, cancel := context.WithCancel(t.Context())
	b := body(func(ctx context.Context) io.Reader {
		cancel()
		return awaiting{ctx}
	})
	o, err := inv.Invoke(ctx, largeCall(b))
	var failed *invoke.Error
	if !errors.As(err, &failed) || failed.Code != invoke.CodeCanceled {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program has taken nothing for the whole: %v", err)
	}
}
