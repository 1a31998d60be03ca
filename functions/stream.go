package functions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

const sdkName = "pelton-go/1"

// stream is one connection to a sidecar. One goroutine reads it (run); each call has a goroutine of its own.
type stream struct {
	f       Func
	conn    net.Conn
	r       *streamwire.Reader
	w       *streamwire.Writer
	welcome streamwire.Welcome

	calls sync.WaitGroup // Add only by the reading goroutine

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
	leaving bool // Goodbye was said
}

// serveStream handles the calls of the sidecar that listens on socket.
func serveStream(ctx context.Context, f Func, socket string) error {
	conn, err := dial(ctx, socket)
	if err != nil {
		return fmt.Errorf("connect to the sidecar: %w", err)
	}
	if conn == nil {
		return nil // told to stop before there was a sidecar
	}
	s := &stream{
		f: f, conn: conn, running: map[uint64]context.CancelFunc{},
		r: streamwire.NewReader(conn, streamwire.DefaultMaxFrame, streamwire.StallTimeout),
		w: streamwire.NewWriter(conn, streamwire.StallTimeout),
	}
	defer s.w.Close()
	if err := s.greet(); err != nil {
		return fmt.Errorf("connect to the sidecar: %w", err)
	}
	defer context.AfterFunc(ctx, s.goodbye)()
	return s.run()
}

// run takes frames until the sidecar says Goodbye or goes away, and then sees the running calls to their end.
func (s *stream) run() error {
	err := s.read()
	if err == nil {
		s.goodbye()
		s.calls.Wait()
		return s.w.Drain()
	}
	n := s.cancelAll()
	switch {
	case n > 0:
		return fmt.Errorf("the sidecar went away during %d calls: %w", n, err)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return fmt.Errorf("read from the sidecar: %w", err)
	}
}

// read returns nil when no further call will come.
func (s *stream) read() error {
	var f streamwire.Frame
	for {
		body, err := s.r.Next()
		if err != nil {
			return err
		}
		if err := f.Decode(body); err != nil {
			return err
		}
		switch f.Kind {
		case streamwire.KindCall:
			s.start(&f.Call)
		case streamwire.KindCancel:
			s.cancel(f.Cancel.ID)
		case streamwire.KindGoodbye:
			return nil
		}
	}
}

// start runs one call in its own goroutine.
func (s *stream) start(m *streamwire.Call) {
	if m.Event == nil {
		s.send(&streamwire.Result{ID: m.ID, Outcome: streamwire.OutcomeReject, Reason: "the call has no event"}, false)
		return
	}
	ctx, cancel := deadlineContext(m.Deadline)
	c := &call{Context: ctx, event: m.Event, delivery: Delivery{
		Function: s.welcome.Function, Namespace: s.welcome.Namespace, Replica: s.welcome.Replica,
		Attempt: int(m.Attempt), Redeliveries: int(m.Redeliveries),
	}}
	id := m.ID
	s.mu.Lock()
	s.running[id] = cancel
	s.mu.Unlock()
	s.calls.Add(1)
	go handle(s.f, c, func(o invoke.Outcome) { s.finish(id, o) })
}

func deadlineContext(unixNano int64) (context.Context, context.CancelFunc) {
	if unixNano == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithDeadline(context.Background(), time.Unix(0, unixNano))
}

// finish sends the result, unless the call was canceled: then nobody waits for it.
func (s *stream) finish(id uint64, o invoke.Outcome) {
	defer s.calls.Done()
	s.mu.Lock()
	cancel, ok := s.running[id]
	delete(s.running, id)
	others := len(s.running) > 0
	s.mu.Unlock()
	if !ok {
		return
	}
	cancel()
	s.send(resultOf(id, o, s.welcome.MaxResponse), others)
}

// cancel ends the context of a call.
func (s *stream) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.running[id]; ok {
		delete(s.running, id)
		cancel()
	}
}

// cancelAll ends the contexts of all calls and returns how many there were.
func (s *stream) cancelAll() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.running)
	for id, cancel := range s.running {
		delete(s.running, id)
		cancel()
	}
	return n
}

// goodbye asks for no more calls, once.
func (s *stream) goodbye() {
	if s.appendGoodbye() {
		s.w.Flush(false)
	}
}

// appendGoodbye holds mu while it appends, so that nobody finds that Goodbye was said before it is on its way.
func (s *stream) appendGoodbye() (flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return false
	}
	s.leaving = true
	p, err := s.w.AppendUrgent(streamwire.AppendGoodbye)
	return err == nil && p.Flush
}

// send writes a result, waiting while the sidecar does not read; others says that more calls run, which may be about to
// send theirs. If the connection has ended, run reports it.
func (s *stream) send(r *streamwire.Result, others bool) {
	for {
		p, err := s.w.Append(func(b []byte) []byte { return streamwire.AppendResult(b, r) })
		switch {
		case errors.Is(err, streamwire.ErrFull):
			<-s.w.Space()
			continue
		case err == nil && p.Flush:
			s.w.Flush(others)
		}
		return
	}
}

func resultOf(id uint64, o invoke.Outcome, maxResponse uint64) *streamwire.Result {
	r := &streamwire.Result{ID: id, RetryAfter: int64(o.After), Reason: o.Reason, Reply: o.Reply}
	switch o.Kind {
	case invoke.Done:
		r.Outcome = streamwire.OutcomeDone
	case invoke.Retry:
		r.Outcome = streamwire.OutcomeRetry
	case invoke.Reject:
		r.Outcome = streamwire.OutcomeReject
	}
	if maxResponse > 0 && r.Reply != nil && uint64(streamwire.SizeResult(r)) > maxResponse {
		return &streamwire.Result{ID: id, Outcome: streamwire.OutcomeTooLarge}
	}
	return r
}
