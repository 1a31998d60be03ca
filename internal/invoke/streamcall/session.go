package streamcall

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

const (
	frameHead     = 16 // bytes of a frame beyond the Result in it, at most
	refuseTimeout = time.Second
)

var (
	errGoodbye  = errors.New("the handler is stopping")
	errEnded    = errors.New("the connection to the handler ended")
	errProtocol = errors.New("the handler broke the protocol")
)

// session is one connection. One goroutine reads it (read, then end); any goroutine may invoke.
type session struct {
	conn net.Conn
	r    *streamwire.Reader
	w    *streamwire.Writer

	mu      sync.Mutex // taken before the Writer's own
	calls   map[uint64]*waiting
	lastID  uint64
	stopped error // set once: no call is started any more
}

func newSession(conn net.Conn, maxResponse int) *session {
	return &session{
		conn:  conn,
		r:     streamwire.NewReader(conn, maxResponse+frameHead, streamwire.StallTimeout),
		w:     streamwire.NewWriter(conn, streamwire.StallTimeout),
		calls: map[uint64]*waiting{},
	}
}

// hello reads the handler's first frame.
func (s *session) hello() (*streamwire.Hello, error) {
	body, err := s.r.Next()
	if err != nil {
		return nil, err
	}
	var f streamwire.Frame
	if err := f.Decode(body); err != nil {
		return nil, err
	}
	if f.Kind != streamwire.KindHello {
		return nil, fmt.Errorf("%w: its first frame is no Hello", errProtocol)
	}
	return &f.Hello, nil
}

// refuse tells the handler why it is not taken.
func (s *session) refuse(reason string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(refuseTimeout)); err != nil {
		return err
	}
	if _, err := s.conn.Write(streamwire.AppendRefuse(nil, &streamwire.Refuse{Reason: reason})); err != nil {
		return err
	}
	return errors.New(reason)
}

// read hands results to their callers until the connection ends. leaving is called when the handler says Goodbye.
func (s *session) read(leaving func()) error {
	var f streamwire.Frame
	for {
		body, err := s.r.Next()
		if err != nil {
			if err := s.oversized(err); err != nil {
				return err
			}
			continue
		}
		if err := f.Decode(body); err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		switch f.Kind {
		case streamwire.KindResult:
			s.answer(f.Result.ID, reply{result: f.Result})
		case streamwire.KindBatchResult:
			s.answer(f.BatchResult.ID, reply{batch: f.BatchResult})
		case streamwire.KindGoodbye:
			leaving()
			s.goodbye()
		}
	}
}

// oversized answers the call whose Result is too large to be read, if that is what err says. Other errors end the
// connection, and so does a frame that nothing can be said about or that is too large even to be skipped.
func (s *session) oversized(err error) error {
	var big *streamwire.OversizedError
	if !errors.As(err, &big) {
		return err
	}
	id, ok := streamwire.ResultID(big.Head)
	if ok {
		s.answer(id, reply{err: &invoke.Error{Code: invoke.CodeResponseTooLarge, Err: big}})
	}
	if !ok || big.Size > streamwire.DefaultMaxFrame {
		return fmt.Errorf("%w: %w", errProtocol, big)
	}
	return nil
}

// goodbye starts no more calls and tells the handler so. Nothing is said twice.
func (s *session) goodbye() {
	if s.stop(errGoodbye) {
		s.send(streamwire.AppendGoodbye)
	}
}

// stop starts no more calls and reports whether it is the first to do so.
func (s *session) stop(cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped != nil {
		return false
	}
	s.stopped = cause
	return true
}

// send writes a frame that is not a call. An error of the connection is the reader's to report.
func (s *session) send(frame func(b []byte) []byte) {
	if p, err := s.w.AppendUrgent(frame); err == nil && p.Flush {
		s.w.Flush(false)
	}
}

// end fails every call without an answer. Those of which the handler got no byte were not seen by it.
func (s *session) end(code string, cause error) {
	s.stop(errEnded)
	written := s.w.Close()
	s.mu.Lock()
	calls := s.calls
	s.calls = nil
	s.mu.Unlock()
	for _, w := range calls {
		if w.start >= written {
			w.answer <- reply{err: invoke.NotReady(cause)}
			continue
		}
		w.answer <- reply{err: &invoke.Error{Code: code, Err: cause}}
	}
}

// codeOf says what the end of a connection means for the calls on it.
func codeOf(err error) string {
	if errors.Is(err, errProtocol) || errors.Is(err, streamwire.ErrFrame) || errors.Is(err, os.ErrDeadlineExceeded) {
		return invoke.CodeBadResponse
	}
	return invoke.CodeCrash
}
