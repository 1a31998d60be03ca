package streamcall

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

const (
	socketEnv = "PELTON_SOCKET"
	patience  = 60 * time.Second
)

func TestMain(m *testing.M) {
	invoketest.Main(m, map[string]func() error{"frames": playFrames, "echo": echoCalls, "bare": bareLoop, "sdk": serveSDK})
}

func TestConformance(t *testing.T) {
	invoketest.Run(t, invoketest.Protocol{New: newHarness, RetryAfter: true})
}

func TestBatchConformance(t *testing.T) {
	invoketest.RunBatch(t, invoketest.Protocol{New: func(t testing.TB, c invoketest.Config) invoketest.Harness {
		return harnessOf(t, c, true)
	}})
}

func newHarness(t testing.TB, c invoketest.Config) invoketest.Harness {
	t.Helper()
	return harnessOf(t, c, false)
}

func harnessOf(t testing.TB, c invoketest.Config, batches bool) invoketest.Harness {
	t.Helper()
	socket := socketPath(t)
	inv, err := Listen(Config{
		Socket: socket, MaxResponse: c.MaxResponse, Namespace: "prod", Function: "thumbnail", Batches: batches,
	})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	env := append(c.Env, socketEnv+"="+socket)
	start := func(t testing.TB) func() {
		kill := invoketest.StartProcess(t, "frames", env...)
		return func() {
			kill()
			waitGone(t, inv)
		}
	}
	return invoketest.Harness{Invoker: inv, Start: start}
}

// waitGone waits until the invoker has seen that its handler is gone, so that WaitReady means the next one.
func waitGone(t testing.TB, i *Invoker) {
	t.Helper()
	end := time.After(patience)
	for {
		i.mu.Lock()
		changed, gone := i.changed, i.current.Load() == nil
		i.mu.Unlock()
		if gone {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("the invoker still has a handler that is gone")
		}
	}
}

// socketPath is short: the directories of t.TempDir can be too long for a socket.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pelton")
	if err != nil {
		t.Fatalf("make directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// dialHandler is the handler's side of a handshake, by hand.
func dialHandler(socket string) (net.Conn, *streamwire.Reader, *streamwire.Welcome, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, nil, err
	}
	hello := &streamwire.Hello{Version: streamwire.Version, SDK: "test", Batches: true}
	if _, err := conn.Write(streamwire.AppendHello(nil, hello)); err != nil {
		return nil, nil, nil, err
	}
	r := streamwire.NewReader(conn, streamwire.DefaultMaxFrame, time.Minute)
	f, err := nextFrame(r)
	if err != nil {
		return nil, nil, nil, err
	}
	if f.Kind != streamwire.KindWelcome {
		return nil, nil, nil, errors.Join(errors.New("refused: "+f.Refuse.Reason), conn.Close())
	}
	return conn, r, &f.Welcome, nil
}

func nextFrame(r *streamwire.Reader) (*streamwire.Frame, error) {
	body, err := r.Next()
	if err != nil {
		return nil, err
	}
	f := new(streamwire.Frame)
	return f, f.Decode(body)
}

// playFrames is a handler process that plays the suite's behaviours with frames written by hand.
func playFrames() error {
	invoketest.ExitWithParent()
	conn, r, welcome, err := dialHandler(os.Getenv(socketEnv))
	if err != nil {
		return err
	}
	for {
		f, err := nextFrame(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if f.Kind == streamwire.KindBatch {
			go playBatch(conn, f.Batch)
		}
		if f.Kind != streamwire.KindCall {
			continue
		}
		go invoketest.Play(&invoketest.Request{
			Event: f.Call.Event, Function: welcome.Namespace + "/" + welcome.Function, Attempt: int(f.Call.Attempt),
			Redeliveries: int(f.Call.Redeliveries), Deadline: time.Unix(0, f.Call.Deadline), Epoch: f.Call.Epoch,
		}, &wire{Conn: conn, id: f.Call.ID, typ: f.Call.Event.Type})
	}
}

// wire answers one call.
type wire struct {
	net.Conn
	id  uint64
	typ string
}

func (w *wire) Encode(o invoke.Outcome) []byte {
	r := streamwire.Result{
		ID: w.id, RetryAfter: int64(o.After), Reason: o.Reason, Reply: o.Reply, Outcome: outcomeNumber(o.Kind),
	}
	return streamwire.AppendResult(nil, &r)
}

func outcomeNumber(k invoke.Kind) streamwire.Outcome {
	switch k {
	case invoke.Retry:
		return streamwire.OutcomeRetry
	case invoke.Reject:
		return streamwire.OutcomeReject
	default:
		return streamwire.OutcomeDone
	}
}

func (w *wire) Garbage() []byte { return []byte("HTTP/1.1 200 OK\r\n\r\n" + string(make([]byte, 128))) }

// Flood announces a frame, as large as it says. Without an end that is 16 GiB, more than the invoker skips; the answer that
// drips instead stays within the limit, or it would be cut before it is slow.
func (w *wire) Flood(size int) []byte {
	if size < 0 {
		size = 16 << 30
	}
	if w.typ == "invoketest.drip" {
		size = 1 << 20
	}
	empty := streamwire.Result{ID: w.id, Outcome: streamwire.OutcomeDone, Reply: &event.Event{ID: "1", Source: "/", Type: "t"}}
	data := protowire.AppendVarint([]byte{9<<3 | 2}, uint64(size))
	event := len(data) + size + streamwire.SizeEvent(empty.Reply)
	result := protowire.AppendVarint(protowire.AppendVarint([]byte{1 << 3}, w.id), 2<<3)
	result = append(result, 1)
	result = protowire.AppendVarint(append(result, 5<<3|2), uint64(event))
	total := len(result) + event
	head := protowire.AppendVarint([]byte{byte(streamwire.KindResult)<<3 | 2}, uint64(total))
	b := protowire.AppendVarint(nil, uint64(len(head)+total))
	b = append(append(b, head...), result...)
	for i, s := range []string{"1", "/", "t"} {
		b = append(b, byte(i+1)<<3|2, 1, s[0])
	}
	return append(b, data...)
}

func (w *wire) Finish(invoke.Outcome) {}
