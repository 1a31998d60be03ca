package bridge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/event"
)

// partPatience is how long an answer may stop in the middle. Its sender gives signs of life much more often.
const partPatience = 20 * time.Second

// stream passes an answer of many parts on as they come. Its status is out already: if it breaks off, the connection does too, so
// that nobody takes it for whole.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, one *caller, m *nats.Msg) {
	sender := m.Header.Get(event.HeaderSender)
	for part := 1; ; part++ {
		if err := s.pass(w, m); err != nil {
			_ = s.callers.gone(m)
			panic(http.ErrAbortHandler)
		}
		if m.Header.Get(event.HeaderLast) != "" {
			return
		}
		err := s.callers.goOn(m)
		if err == nil {
			m, err = s.next(ctx, one, sender, part)
		}
		if err != nil {
			s.log.Debug("answer broke off", zap.Error(err))
			panic(http.ErrAbortHandler)
		}
	}
}

// pass writes one part, and waits until it is out: the next one is asked for only then.
func (s *Server) pass(w http.ResponseWriter, m *nats.Msg) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // a closed connection needs none
	if _, err := w.Write(m.Data); err != nil {
		return err
	}
	return rc.Flush()
}

// next awaits a part of the answer of one sender. Another one may have been given the event too, and is told that nobody listens.
func (s *Server) next(ctx context.Context, one *caller, sender string, part int) (*nats.Msg, error) {
	silence := time.NewTimer(partPatience)
	defer silence.Stop()
	for {
		select {
		case m := <-one.parts:
			if m.Header.Get(event.HeaderSender) != sender {
				_ = s.callers.gone(m)
				continue
			}
			if code := m.Header.Get(event.HeaderFailure); code != "" {
				return nil, errors.New(code + ": " + string(m.Data))
			}
			if m.Header.Get(event.HeaderPart) != strconv.Itoa(part) {
				return nil, errors.New("a part is missing")
			}
			return m, nil
		case <-silence.C:
			return nil, errors.New("the function's replica is silent")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
