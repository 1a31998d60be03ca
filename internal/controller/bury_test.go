package controller

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestLettersKeepWhatTheQueueSays: of what an event's publisher has written, nothing passes for a request once it is replayed.
func TestLettersKeepWhatTheQueueSays(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]bool{stream.EventsStream: false, "AUDIT": false, stream.WorkStream: true} {
		h := nats.Header{"Ce-Id": {"1"}, "X-Own": {"1"}, "Nats-Msg-Id": {"1"}, "Pelton-Attempt": {"4"}}
		names := []string{event.HeaderBody, event.HeaderRequest, event.HeaderField, event.HeaderResult, "http-request"}
		for _, name := range names {
			h[name] = []string{"x"}
		}
		kept := keptHeaders(event.Message{Subject: "events.a", Header: h, Stream: from})
		for _, name := range names {
			if _, has := kept[name]; has != want {
				t.Errorf("%s of a message of %s is kept: %v", name, from, has)
			}
		}
		if len(kept["Ce-Id"]) == 0 || len(kept["X-Own"]) == 0 || len(kept["Nats-Msg-Id"])+len(kept["Pelton-Attempt"]) > 0 {
			t.Errorf("kept of a message of %s: %v", from, kept)
		}
	}
}
