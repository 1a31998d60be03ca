package streamcall

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestWelcome(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	want := streamwire.Welcome{
		Version: 1, Function: "thumbnail", Namespace: "prod", Replica: "thumbnail-1",
		MaxResponse: 64 << 10, MaxFrame: streamwire.DefaultMaxFrame,
	}
	if *p.w != want {
		t.Fatalf("welcome: got %+v, want %+v", *p.w, want)
	}
}

func TestVersionIsRefused(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	conn, err := net.Dial("unix", inv.cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	p := &peer{Conn: conn, r: streamwire.NewReader(conn, 1<<20, patience)}
	p.send(t, streamwire.AppendHello(nil, &streamwire.Hello{Version: 9, SDK: "pelton-cobol/3"}))
	f := p.next(t, streamwire.KindRefuse)
	want := "this sidecar speaks version 1 of the handler protocol, the handler (pelton-cobol/3) version 9"
	if f.Refuse.Reason != want {
		t.Fatalf("reason: got %q, want %q", f.Refuse.Reason, want)
	}
	if _, err := nextFrame(p.r); !errors.Is(err, io.EOF) {
		t.Fatalf("after the refusal: got %v, want EOF", err)
	}
}

// TestOneHandler refuses a second handler while the first lives, and takes one once it is gone.
func TestOneHandler(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	first := connect(t, inv)
	if _, _, _, err := dialHandler(inv.cfg.Socket); err == nil || !strings.Contains(err.Error(), "another handler") {
		t.Fatalf("second handler: got %v, want a refusal", err)
	}
	running := start(t.Context(), inv, newCall(10))
	first.send(t, done(first.next(t, streamwire.KindCall).Call.ID))
	wantDone(t, waittest.Receive(t, running))

	_ = first.Close()
	second := connect(t, inv)
	running = start(t.Context(), inv, newCall(10))
	second.send(t, done(second.next(t, streamwire.KindCall).Call.ID))
	wantDone(t, waittest.Receive(t, running))
}

// TestStrangersDoNotHarm lets others connect that say nothing, or nonsense.
func TestStrangersDoNotHarm(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	for _, said := range []string{"", "\xff\xff\xff\xff\xff\xff\xff", string(done(1)), "\x05hello"} {
		conn, err := net.Dial("unix", inv.cfg.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
	}
	p := connect(t, inv)
	running := start(t.Context(), inv, newCall(10))
	p.send(t, done(p.next(t, streamwire.KindCall).Call.ID))
	wantDone(t, waittest.Receive(t, running))
}

// TestGoodbye lets a handler leave: no call follows our Goodbye, those that run are finished, the next handler is taken.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	old := connect(t, inv)
	running := start(t.Context(), inv, newCall(10))
	id := old.next(t, streamwire.KindCall).Call.ID
	old.send(t, streamwire.AppendGoodbye(nil))
	old.next(t, streamwire.KindGoodbye)
	if _, err := inv.Invoke(t.Context(), newCall(10)); !errors.Is(err, invoke.ErrNotReady) {
		t.Fatalf("invoke after goodbye: got %v, want not ready", err)
	}
	young := connect(t, inv)
	second := start(t.Context(), inv, newCall(10))
	young.send(t, done(young.next(t, streamwire.KindCall).Call.ID))
	wantDone(t, waittest.Receive(t, second))
	old.send(t, done(id))
	wantDone(t, waittest.Receive(t, running))
}

// TestBrokenFramesEndTheConnection fails what runs, and the next handler is taken.
func TestBrokenFramesEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent []byte
		code string
	}{
		"no frame":         {[]byte("\x0aHTTP/1.1 2"), invoke.CodeBadResponse},
		"no length":        {[]byte("\xff\xff\xff\xff\xff\xff"), invoke.CodeBadResponse},
		"large and nobody": {append(protowire.AppendVarint(nil, 1<<20), make([]byte, 64)...), invoke.CodeBadResponse},
		"half a frame":     {[]byte{50, 1}, invoke.CodeCrash},
		"nothing":          {nil, invoke.CodeCrash},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := newInvoker(t)
			p := connect(t, inv)
			one, two := start(t.Context(), inv, newCall(10)), start(t.Context(), inv, newCall(10))
			p.next(t, streamwire.KindCall)
			p.next(t, streamwire.KindCall)
			p.send(t, c.sent)
			if c.code == invoke.CodeCrash {
				_ = p.Close()
			}
			wantCode(t, waittest.Receive(t, one), c.code)
			wantCode(t, waittest.Receive(t, two), c.code)
			again := connect(t, inv)
			running := start(t.Context(), inv, newCall(10))
			again.send(t, done(again.next(t, streamwire.KindCall).Call.ID))
			wantDone(t, waittest.Receive(t, running))
		})
	}
}

// TestUnknownFramesAreIgnored is what lets old sidecars meet new handlers.
func TestUnknownFramesAreIgnored(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	running := start(t.Context(), inv, newCall(10))
	id := p.next(t, streamwire.KindCall).Call.ID
	p.send(t, []byte{0}) // no kind
	unknown := protowire.AppendBytes(protowire.AppendTag(nil, 20, protowire.BytesType), []byte("new"))
	p.send(t, protowire.AppendBytes(nil, unknown))
	p.send(t, streamwire.AppendHello(nil, &streamwire.Hello{Version: 1}))
	p.send(t, done(id))
	wantDone(t, waittest.Receive(t, running))
}

// TestUnsentCallsAreNotReady gives calls to a handler that reads nothing and then dies: those of which no byte left were
// not seen, whatever is true of the others.
func TestUnsentCallsAreNotReady(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	p := connect(t, inv)
	first := start(t.Context(), inv, newCall(8<<20)) // more than a socket holds
	s := inv.current.Load()
	waitFull(t, s)
	short := newCall(10)
	short.Deadline = time.Now().Add(20 * time.Millisecond)
	if _, err := inv.Invoke(t.Context(), short); !errors.Is(err, invoke.ErrNotReady) && !isTimeout(err) {
		t.Fatalf("call behind a full socket: got %v, want a timeout or not ready", err)
	}
	var behind []<-chan result
	for range 3 {
		behind = append(behind, start(t.Context(), inv, newCall(1<<20)))
	}
	_ = p.Close()
	wantCode(t, waittest.Receive(t, first), invoke.CodeCrash)
	for _, ch := range behind {
		if r := waittest.Receive(t, ch); !errors.Is(r.err, invoke.ErrNotReady) {
			t.Errorf("unsent call: got %v, want not ready", r.err)
		}
	}
}

func isTimeout(err error) bool {
	var e *invoke.Error
	return errors.As(err, &e) && e.Code == invoke.CodeTimeout
}

// waitFull waits until a call is on its way.
func waitFull(t *testing.T, s *session) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		s.mu.Lock()
		n := len(s.calls)
		s.mu.Unlock()
		if n > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no call was started")
		}
		<-time.After(time.Millisecond)
	}
}

// TestFullHandlerDoesNotDelay holds callers to their deadlines though the handler reads nothing.
func TestFullHandlerDoesNotDelay(t *testing.T) {
	t.Parallel()
	inv := newInvoker(t)
	connect(t, inv)
	ctx, cancel := context.WithCancel(t.Context())
	var running []<-chan result
	for range 8 {
		call := newCall(1 << 20)
		call.Deadline = time.Now().Add(100 * time.Millisecond)
		running = append(running, start(t.Context(), inv, call))
	}
	for _, ch := range running {
		if r := waittest.Receive(t, ch); !isTimeout(r.err) && !errors.Is(r.err, invoke.ErrNotReady) {
			t.Errorf("got %v, want a timeout or not ready", r.err)
		}
	}
	endless := newCall(1 << 20)
	endless.Deadline = time.Time{}
	one := start(ctx, inv, endless)
	cancel()
	if r := waittest.Receive(t, one); r.err == nil {
		t.Error("a canceled call behind a full socket: got no error")
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	inv, err := Listen(Config{Socket: path})
	if err != nil {
		t.Fatalf("listen where a stale socket lies: %v", err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("socket: got mode %v (%v), want 0600", fi.Mode(), err)
	}
	if err := inv.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket after close: got %v, want it gone", err)
	}

	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Config{Socket: path}); err == nil {
		t.Error("listen where a file lies: got no error")
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Error("the file that was there is gone")
	}
	if _, err := Listen(Config{Socket: "/" + strings.Repeat("x", 200)}); err == nil ||
		!strings.Contains(err.Error(), "201 bytes") {
		t.Errorf("long path: got %v, want its length", err)
	}
}
