package sidecar

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/stream"
)

// refusal is a consumer's answer that it has nothing to give to us. It is over with the first sign of the opposite, or when it
// has been asked again and has not refused for a while: a consumer that has nothing to deliver says so only by its silence.
type refusal struct {
	reason string
	asked  atomic.Int64 // unix nanoseconds, 0 until it is asked again
}

func newRefusal(c stream.Consumer, h nats.Header) *refusal {
	status, text := h.Get("Status"), h.Get("Description")
	switch {
	case status == "503": // nobody listens where its requests go
		return &refusal{reason: "consumer " + c.Name + " does not exist, or JetStream does not answer"}
	case text == "Consumer Deleted":
		return &refusal{reason: "consumer " + c.Name + " does not exist"}
	default:
		return &refusal{reason: "consumer " + c.Name + " refuses to deliver: " + status + " " + text}
	}
}

// accepted notes a sign that the consumer delivers.
func (s *source) accepted() {
	if s.refused.Load() != nil {
		s.refused.Store(nil)
	}
}

// refusal is why the consumer delivers nothing to us, or "".
func (s *source) refusal(now time.Time) string {
	r := s.refused.Load()
	if r == nil {
		return ""
	}
	if asked := r.asked.Load(); asked != 0 && now.Sub(time.Unix(0, asked)) > pullRetryWait {
		s.refused.CompareAndSwap(r, nil)
		return ""
	}
	return r.reason
}

// Refusal is why a consumer delivers nothing to us although it was asked: it does not exist, or answers with an error. It is
// "" while all consumers take requests, and before they have been asked.
func (s *Sidecar) Refusal() string {
	now := time.Now()
	for _, src := range s.sources {
		if reason := src.refusal(now); reason != "" {
			return reason
		}
	}
	return ""
}
