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

// stream is one connection to a sidecar. One goroutine reads it (run), others run the calls (work): no call waits for another.
type stream struct {
	f       program
	conn    net.Conn
	r       *streamwire.Reader
	w       *streamwire.Writer
	welcome streamwire.Welcome

	calls sync.WaitGroup // Add only by the reading goroutine
	rest  chan struct{}  // received from by workers that have nothing to do
	over  chan struct{}  // closed by run when no call will come

	mu      sync.Mutex
	running map[uint64]*streamCall // those that were read and have not ended
	line    line                   // those of them that have not begun
	leaving bool                   // Goodbye was said
}

// streamCall is one call on a stream, or a batch, and its context.
type streamCall struct {
	id    uint64
	call  call
	batch *streamBatch    // nil: it is a call
	ctx   deadlineContext // of call or batch
	next  *streamCall     // the one behind it in line
}

// serveStream handles the calls of the sidecar that listens on socket.
func serveStream(ctx context.Context, f program, socket string) error {
	conn, err := dial(ctx, socket)
	if err != nil {
		return fmt.Errorf("connect to the sidecar: %w", err)
	}
	if conn == nil {
		return nil // told to stop before there was a sidecar
	}
	s := &stream{
		f: f, conn: conn, running: map[uint64]*streamCall{}, rest: make(chan struct{}), over: make(chan struct{}),
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
	close(s.over)
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
		case streamwire.KindBatch:
			s.startBatch(f.Batch)
		case streamwire.KindCancel:
			s.cancel(f.Cancel.ID)
		case streamwire.KindGoodbye:
			return nil
		}
	}
}

// start lines one call up.
func (s *stream) start(m *streamwire.Call) {
	if m.Event == nil {
		s.send(&streamwire.Result{ID: m.ID, Outcome: streamwire.OutcomeReject, Reason: "the call has no event"}, flushNow)
		return
	}
	c := &streamCall{id: m.ID}
	if m.Deadline != 0 {
		c.ctx.deadline = time.Unix(0, m.Deadline)
	}
	c.call = call{Context: &c.ctx, event: m.Event, delivery: s.delivery(m)}
	s.begin(c)
}

// delivery is of a call, or of one in a batch.
func (s *stream) delivery(m *streamwire.Call) Delivery {
	return Delivery{
		Function: s.welcome.Function, Namespace: s.welcome.Namespace, Replica: s.welcome.Replica,
		Attempt: int(m.Attempt), Redeliveries: int(m.Redeliveries), Epoch: m.Epoch,
	}
}

// finish sends the result, unless the call was canceled: then nobody waits for it.
func (s *stream) finish(c *streamCall, o invoke.Outcome) {
	defer s.calls.Done()
	if flush, ok := s.ended(c); ok {
		s.send(resultOf(c.id, o, s.welcome.MaxResponse), flush)
	}
}

// ended takes a call from those that run. It is false if nobody waits for its result; flush says how that is best sent.
func (s *stream) ended(c *streamCall) (flush flushing, ok bool) {
	s.mu.Lock()
	_, ok = s.running[c.id]
	delete(s.running, c.id)
	switch {
	case s.line.first != nil:
		flush = flushAside
	case len(s.running) > 0:
		flush = flushAfterOthers
	}
	s.mu.Unlock()
	if ok {
		c.ctx.end(context.Canceled)
	}
	return flush, ok
}

// cancel ends the context of a call.
func (s *stream) cancel(id uint64) {
	s.mu.Lock()
	c, ok := s.running[id]
	delete(s.running, id)
	s.mu.Unlock()
	if ok {
		c.ctx.end(context.Canceled)
	}
}

// cancelAll ends the contexts of all calls and returns how many there were.
func (s *stream) cancelAll() int {
	s.mu.Lock()
	calls := s.running
	s.running = map[uint64]*streamCall{}
	s.mu.Unlock()
	for _, c := range calls {
		c.ctx.end(context.Canceled)
	}
	return len(calls)
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

// send writes a result, waiting while the sidecar does not read. If the connection has ended, run reports it.
func (s *stream) send(r *streamwire.Result, how flushing) {
	s.sendFrame(func(b []byte) []byte { return streamwire.AppendResult(b, r) }, how)
}

func (s *stream) sendFrame(frame func(b []byte) []byte, how flushing) {
	for {
		p, err := s.w.Append(frame)
		switch {
		case errors.Is(err, streamwire.ErrFull):
			<-s.w.Space()
			continue
		case err == nil && p.Flush:
			s.flush(how)
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
