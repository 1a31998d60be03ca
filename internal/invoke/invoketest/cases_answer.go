package invoketest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

func testDone(t *testing.T, s *suite) {
	s.start(t)
	for range 3 {
		s.done(t)
	}
}

func testReply(t *testing.T, s *suite) {
	s.start(t)
	for _, data := range [][]byte{[]byte("hei"), allBytes(), nil} {
		call := newCall(typeMirror, "reply")
		call.Event.Data = data
		o, err := s.inv.Invoke(t.Context(), call)
		if err != nil {
			t.Fatalf("invoke: %v", err)
		}
		if o.Kind != invoke.Done || o.Reply == nil {
			t.Fatalf("outcome: got %+v, want done with a reply", o)
		}
		sameEvent(t, replyEvent("application/octet-stream", data), o.Reply)
	}
}

func testRetry(t *testing.T, s *suite) {
	s.start(t)
	s.says(t, newCall(typeRetry, "retry"), invoke.Outcome{Kind: invoke.Retry})
	s.done(t)
}

func testRetryAfter(t *testing.T, s *suite) {
	s.start(t)
	s.says(t, newCall(typeRetryAfter, "retry-after"), invoke.Outcome{Kind: invoke.Retry, After: retryDelay})
	s.done(t)
}

func testReject(t *testing.T, s *suite) {
	s.start(t)
	s.says(t, newCall(typeReject, "reject"), invoke.Outcome{Kind: invoke.Reject})
	s.done(t)
}

// says makes a call whose outcome must be want, with a reason that holds what the handler wrote.
func (s *suite) says(t *testing.T, call *invoke.Call, want invoke.Outcome) {
	t.Helper()
	got, err := s.inv.Invoke(t.Context(), call)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	if got.Kind != want.Kind || got.After != want.After || got.Reply != nil {
		t.Errorf("outcome: got %+v, want %+v", got, want)
	}
	if !strings.Contains(got.Reason, reasonText) {
		t.Errorf("reason: got %q, want it to hold %q", got.Reason, reasonText)
	}
}

func testArrives(t *testing.T, s *suite) {
	s.start(t)
	bare := newCall(typeSeen, "bare")
	bare.Event = &event.Event{ID: "bare", Source: "/s", Type: typeSeen}
	binary := newCall(typeSeen, "id ø-☂-\"1\" 100%")
	binary.Event.Data = allBytes()
	empty := newCall(typeSeen, "empty")
	empty.Event.Data = nil
	for _, call := range []*invoke.Call{newCall(typeSeen, "plain"), bare, binary, empty} {
		s.seenAsSent(t, call)
	}
}

func testLargeData(t *testing.T, s *suite) {
	s.start(t)
	call := newCall(typeSeen, "large")
	call.Event.Data = bytes.Repeat(allBytes(), 900<<10/256)
	s.seenAsSent(t, call)

	mirror := newCall(typeMirror, "large")
	mirror.Event.Data = call.Event.Data
	o, err := s.inv.Invoke(t.Context(), mirror)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	if o.Reply == nil || !bytes.Equal(o.Reply.Data, mirror.Event.Data) {
		t.Fatalf("the data that came back differs from what was sent")
	}
	s.done(t)
}

func testMetadata(t *testing.T, s *suite) {
	s.start(t)
	first := newCall(typeSeen, "first")
	again := newCall(typeSeen, "again")
	again.Attempt, again.Redeliveries, again.Epoch = 3, 2, 7
	for _, call := range []*invoke.Call{first, again} {
		got := s.seen(t, call)
		if got.Attempt != call.Attempt || got.Redeliveries != call.Redeliveries || got.Epoch != call.Epoch {
			t.Errorf("metadata: got %+v, want attempt %d, redeliveries %d, epoch %d", got, call.Attempt, call.Redeliveries, call.Epoch)
		}
		if s.p.Brief {
			continue
		}
		if got.Function != call.Function {
			t.Errorf("function: got %q, want %q", got.Function, call.Function)
		}
		if !got.Deadline.Equal(call.Deadline) {
			t.Errorf("deadline: got %v, want %v", got.Deadline, call.Deadline)
		}
	}
}

func testSlow(t *testing.T, s *suite) {
	s.start(t)
	o, err := s.inv.Invoke(t.Context(), newCall(typeSlow, "slow"))
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	sameEvent(t, replyEvent("application/octet-stream", []byte(`{"n":1}`)), o.Reply)
	s.done(t)
}

// seen makes a call and returns the handler's account of it.
func (s *suite) seen(t *testing.T, call *invoke.Call) Seen {
	t.Helper()
	o, err := s.inv.Invoke(t.Context(), call)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	var got Seen
	if o.Reply == nil {
		t.Fatalf("outcome: got %+v, want a reply", o)
	}
	if err := json.Unmarshal(o.Reply.Data, &got); err != nil {
		t.Fatalf("read the handler's account: %v", err)
	}
	return got
}

func (s *suite) seenAsSent(t *testing.T, call *invoke.Call) {
	t.Helper()
	got := s.seen(t, call)
	want := *call.Event
	if s.p.Carries != nil {
		want = s.p.Carries(want)
	}
	sum := sha256.Sum256(want.Data)
	if got.DataSize != len(want.Data) || got.DataSHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("data: got %d bytes, want %d, or other bytes", got.DataSize, len(want.Data))
	}
	want.Data = nil
	sameEvent(t, &want, &got.Event)
}

func sameEvent(t *testing.T, want, got *event.Event) {
	t.Helper()
	byName := cmpopts.SortSlices(func(a, b event.Attribute) bool { return a.Name < b.Name })
	if diff := cmp.Diff(want, got, byName, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("event differs (-sent +arrived):\n%s", diff)
	}
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
