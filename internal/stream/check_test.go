package stream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// TestCheck asks before there is any stream of ours, and changes nothing. What it lets through can be provisioned.
func TestCheck(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OWN", Subjects: []string{"own.>"}}); err != nil {
		t.Fatal(err)
	}
	elsewhere := func(stream, subject string) function.Trigger {
		return function.Trigger{Event: &function.EventTrigger{Stream: stream, Subjects: []string{subject}}}
	}
	replying := func(subject string) *function.Function {
		fn := newFunction("replies", on("events.a"))
		fn.Spec.Reply = &function.Reply{Subject: subject}
		return fn
	}
	bad := newFunction("bad", elsewhere("NONE", "a"), elsewhere("OWN", "other.a"), on("events.fine"), on("orders.a"))
	bad.Spec.Reply = &function.Reply{Subject: "nowhere.a"}
	err := stream.Check(t.Context(), js, bad)
	var mismatch *stream.Mismatch
	if !errors.As(err, &mismatch) || len(mismatch.Problems) != 4 {
		t.Fatalf("%v, want 4 problems", err)
	}
	for _, want := range []string{
		`spec.triggers[0].event.stream: stream "NONE" does not exist`, `spec.triggers[1].event.subjects[0]: stream OWN stores`,
		`spec.triggers[3].event.subjects[0]: stream EVENTS stores [events.>]`, `spec.reply.subject: no stream stores "nowhere.a"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	good := []*function.Function{
		newFunction("good", on("events.a"), elsewhere("OWN", "own.a")), replying("events.b"), replying("own.b"),
	}
	for _, fn := range good {
		if err := stream.Check(t.Context(), js, fn); err != nil {
			t.Errorf("%s: %v", fn.Key(), err)
		}
	}
	if info, err := js.AccountInfo(t.Context()); err != nil || info.Streams != 1 {
		t.Fatalf("%+v, %v: want the one stream", info, err)
	}
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, fn := range good {
		if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
			t.Errorf("%s: %v", fn.Key(), err)
		}
	}
}
