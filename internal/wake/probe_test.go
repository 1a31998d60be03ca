package wake

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/natstest"
)

// A probe may be answered before the server counts the message as pending: on a busy server the test must not take that for
// a message that was consumed, or every function would be polled from then on.
func TestSelfTestPassesOnABusyServer(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	var tests sync.WaitGroup
	for range 8 {
		w, err := New(srv.Conn(t), Config{})
		if err != nil {
			t.Fatal(err)
		}
		tests.Go(func() {
			for range 25 {
				if err := w.selfTest(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tests.Wait()
}

// TestSelfTestLeavesNothing runs on a server that a killed one and another version have been on.
func TestSelfTestLeavesNothing(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: selfTestStream, Subjects: []string{selfTestSubjects + "*"}, Description: "of another version",
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), selfTestSubjects+"killed", []byte("x")); err != nil {
		t.Fatal(err)
	}
	w, err := New(srv.Conn(t), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.selfTest(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	info, err := js.AccountInfo(t.Context())
	if err != nil || info.Streams != 0 || info.Consumers != 0 {
		t.Errorf("%d streams and %d consumers are left (%v), want none", info.Streams, info.Consumers, err)
	}
}
