package sidecar

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/stream"
)

func TestRefusalSaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]nats.Header{
		"consumer c does not exist, or JetStream does not answer": {"Status": {"503"}},
		"consumer c does not exist":                               {"Status": {"409"}, "Description": {"Consumer Deleted"}},
		"consumer c refuses to deliver: 409 Exceeded MaxWaiting":  {"Status": {"409"}, "Description": {"Exceeded MaxWaiting"}},
	} {
		if got := newRefusal(stream.Consumer{Name: "c"}, h).reason; got != want {
			t.Errorf("%v: %q, want %q", h, got, want)
		}
	}
}

// TestRefusalEnds follows one from the answer to the silence that ends it.
func TestRefusalEnds(t *testing.T) {
	t.Parallel()
	s, now := &source{}, time.Now()
	if got := s.refusal(now); got != "" {
		t.Errorf("before any answer: %q", got)
	}
	s.refused.Store(&refusal{reason: "gone"})
	if got := s.refusal(now.Add(time.Hour)); got != "gone" {
		t.Errorf("not asked again: %q, want gone", got)
	}
	s.refused.Load().asked.Store(now.UnixNano())
	if got := s.refusal(now.Add(pullRetryWait)); got != "gone" {
		t.Errorf("just asked again: %q, want gone", got)
	}
	if got := s.refusal(now.Add(pullRetryWait + 1)); got != "" {
		t.Errorf("no answer for a while: %q", got)
	}
	s.refused.Store(&refusal{reason: "gone"})
	s.accepted()
	if got := s.refusal(now); got != "" {
		t.Errorf("after a message: %q", got)
	}
}
