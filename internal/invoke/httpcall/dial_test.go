package httpcall_test

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// Refused connections and missing sockets mean that the handler saw nothing.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		inv, err := httpcall.New(httpcall.Config{Network: network, Address: freeAddress(t, network)})
		if err != nil {
			t.Fatal(err)
		}
		o, err := inv.Invoke(t.Context(), newCall("x"))
		if !errors.Is(err, invoke.ErrNotReady) {
			t.Errorf("%s: got %+v, %v; want ErrNotReady", network, o, err)
		}
		_ = inv.Close()
	}
}

// The socket file of a dead handler is as good as none.
func TestStaleSocketFile(t *testing.T) {
	t.Parallel()
	address := freeAddress(t, "unix")
	ln, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
	if _, err := os.Stat(address); err != nil {
		t.Fatal(err)
	}
	inv, err := httpcall.New(httpcall.Config{Network: "unix", Address: address})
	if err != nil {
		t.Fatal(err)
	}
	defer inv.Close()
	if o, err := inv.Invoke(t.Context(), newCall("x")); !errors.Is(err, invoke.ErrNotReady) {
		t.Errorf("got %+v, %v; want ErrNotReady", o, err)
	}
}

// Handlers with a short accept queue, as Python's servers have, do not fail calls that come all at once.
func TestShortAcceptQueue(t *testing.T) {
	t.Parallel()
	address := freeAddress(t, "unix")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: address}), syscall.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), address)
	ln, err := net.FileListener(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{ln: ln}
	inv := s.invoker(t, httpcall.Config{})
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			if _, err := inv.Invoke(t.Context(), newCall("x")); err != nil {
				t.Error(err)
			}
		})
	}
	s.conns.Go(func() { s.accept(func(n int, c *rawConn) { always(noContent)(n, c) }) })
	calls.Wait()
	_ = ln.Close()
	_ = inv.Close()
	s.conns.Wait()
}
