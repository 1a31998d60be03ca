package bridge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// slowEach is how many slow clients of each kind there are.
const slowEach = 100

// TestSlowClientsOfEveryKindAreCutOff has hundreds of them beside a healthy client, who is served all the while. In the end no
// connection and no goroutine is left.
func TestSlowClientsOfEveryKindAreCutOff(t *testing.T) { // not parallel: it counts goroutines
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { waittest.NoLeaks(t, before) })
	f := openFront(t, func(s *function.Spec) { s.Concurrency = 2 * slowEach }, func(c *Config) {
		c.HeaderTimeout, c.IdleTimeout, c.ReadTimeout, c.WriteTimeout = 2*time.Second, 2*time.Second, 3*time.Second, 4*time.Second
	})
	var readers sync.WaitGroup // whose calls go on
	readers.Add(slowEach)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tasks/large" {
			_, _ = w.Write(make([]byte, 1<<20)) // more than the bridge and the kernel take for one who does not read
			<-r.Context().Done()
			readers.Done()
			return
		}
		_, _ = io.WriteString(w, "small")
	})
	cutOff := make(chan struct{})
	go func() {
		defer close(cutOff)
		f.beSlow(readers.Wait)
	}()
	served := f.beHealthy(cutOff)
	if n := f.count(t); n != served {
		t.Errorf("stored %d, want the %d of the healthy client", n, served)
	}
	f.awaitQueue(0)
	f.client.CloseIdleConnections()
	waittest.Eventually(t, func() error {
		f.limiter.mu.Lock()
		defer f.limiter.mu.Unlock()
		if f.limiter.open > 0 || f.bodies.taken.Load() > 0 {
			return fmt.Errorf("%d connections are open, bodies have %d bytes", f.limiter.open, f.bodies.taken.Load())
		}
		return nil
	})
}

// beHealthy sends events and calls until a channel is closed. It returns how many events were accepted.
func (f *front) beHealthy(until <-chan struct{}) (served uint64) {
	for {
		wantAccepted(f.t, f.post(f.t, "/events/healthy", "1"))
		served++
		if a := f.do(f.t, http.MethodGet, "/tasks", ""); a.StatusCode != http.StatusOK || string(a.body) != "small" {
			f.t.Errorf("a healthy caller has %d %s", a.StatusCode, a.body)
		}
		select {
		case <-until:
			return served
		default:
		}
	}
}

// beSlow connects slow clients of all kinds, and returns when each is cut off. What it has been told by then must be right.
func (f *front) beSlow(readersAreCut func()) {
	var running sync.WaitGroup
	defer running.Wait()
	for kind, talk := range map[string]func(net.Conn) error{
		"header, byte by byte": drips("GET /tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", ""),
		"body, byte by byte": drips("POST /events/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
			`"code":"body-timeout"`),
		"chunk, byte by byte": drips("POST /events/slow HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
			`"code":"body-timeout"`),
		"says nothing":    drips("", ""),
		"idle":            idle,
		"reads no answer": func(c net.Conn) error { return readLate(c, readersAreCut) },
	} {
		for range slowEach {
			c, err := dialSmall(f.addr)
			if err != nil {
				f.t.Error(err)
				continue
			}
			running.Go(func() {
				defer c.Close()
				if err := talk(c); err != nil {
					f.t.Errorf("%s: %v", kind, err)
				}
			})
		}
	}
}

// drips sends a beginning and then byte after byte until the server hangs up, which must say something that holds a text, or nothing.
func drips(beginning, want string) func(net.Conn) error {
	return func(c net.Conn) error {
		said, err := drip(c, beginning)
		if err == nil && ((want == "") != (said == "") || !strings.Contains(said, want)) {
			err = fmt.Errorf("was told %q, want %q", said, want)
		}
		return err
	}
}

func drip(c net.Conn, beginning string) (said string, err error) {
	next, into := []byte(beginning), make([]byte, 4<<10)
	for end := time.Now().Add(waittest.Patience); time.Now().Before(end); {
		if _, err := c.Write(next); err != nil {
			return said, nil
		}
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return said, err
		}
		n, err := c.Read(into)
		said += string(into[:n])
		if err != nil && !os.IsTimeout(err) {
			return said, nil
		}
		if beginning != "" {
			next = []byte("x")
		}
	}
	return said, errors.New("it was not cut off")
}

// idle takes an answer, keeps the connection, and must be told nothing more.
func idle(c net.Conn) error {
	if _, err := io.WriteString(c, "GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "small" {
		return fmt.Errorf("answered %d %s (%w)", resp.StatusCode, body, err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after its answer it has %w, want the end", err)
	}
	return nil
}

// readLate asks for a large answer and reads nothing of it before its call has been cut. It must not be whole.
func readLate(c net.Conn, cut func()) error {
	if _, err := io.WriteString(c, "GET /tasks/large HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	cut()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		return fmt.Errorf("%d bytes were taken for the whole answer", n)
	}
	return nil
}

// dialSmall connects with a receive buffer as small as can be: what is not read stays with the server.
func dialSmall(address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		outer := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048) })
		return errors.Join(outer, err)
	}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(waittest.Patience))
}

// TestKernelKeepsLittleOfWhatIsNotRead writes to one who reads nothing until it waits.
func TestKernelKeepsLittleOfWhatIsNotRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the bound is the kernel's")
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	client, err := dialSmall(plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := limitListener{Listener: plain, limiter: newLimiter(1, 1)}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(make([]byte, 8<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n > 512<<10 {
		t.Errorf("the kernel took %d bytes (%v), want little more than %d", n, err, maxUnsent)
	}
}
