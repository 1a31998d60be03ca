package invoketest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// RunBatch tests that a protocol keeps the promises of invoke.BatchInvoker. Its handlers play by PlayBatch. The calling test
// must not be parallel.
func RunBatch(t *testing.T, p Protocol) {
	cases := []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"all done without a word", testBatchDone},
		{"each has its own outcome", testBatchEach},
		{"attributes, data and attempts arrive", testBatchArrives},
		{"same id, other source", testBatchSameID},
		{"one event", testBatchOfOne},
		{"many events", testBatchOfMany},
		{"retry of all", testBatchAll},
		{"answers that do not fit", testBatchMalformed},
		{"huge answer", testBatchHuge},
		{"timeout", testBatchTimeout},
		{"deadline in the past", testBatchPastDeadline},
		{"cancel", testBatchCancel},
		{"crash", testBatchCrash},
		{"not ready", testBatchNotReady},
		{"close cuts a batch", testBatchCloseCuts},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newSuite(t, p)) })
	}
}

// newBatch has an event of each type; the first one's says how the handler behaves.
func newBatch(types ...string) *invoke.Batch {
	b := &invoke.Batch{Function: "prod/thumbnail", Deadline: time.Now().Add(patience)}
	for i, typ := range types {
		call := newCall(typ, fmt.Sprintf("id ø-☂-%d", i))
		b.Items = append(b.Items, invoke.Item{Event: call.Event, Attempt: i + 1, Redeliveries: i})
	}
	return b
}

func (s *suite) batch(ctx context.Context, b *invoke.Batch) (invoke.Verdict, error) {
	return s.inv.(invoke.BatchInvoker).InvokeBatch(ctx, b)
}

// batchDone gives a batch that must succeed: the invoker is usable.
func (s *suite) batchDone(t *testing.T, b *invoke.Batch) {
	t.Helper()
	v, err := s.batch(t.Context(), b)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	if v.All == nil && len(v.Each) != len(b.Items) || v.All != nil && (v.All.Kind != invoke.Done || v.Each != nil) {
		t.Fatalf("verdict: got %+v", v)
	}
	for i, r := range v.Each {
		if r.Err != nil || r.Outcome.Kind != invoke.Done || r.Outcome.Reply != nil {
			t.Fatalf("result %d: got %+v, want done without a reply", i, r)
		}
	}
}

func testBatchDone(t *testing.T, s *suite) {
	s.start(t)
	for range 3 {
		s.batchDone(t, newBatch(batchAllDone, typeReject, typeDone))
	}
}

func testBatchEach(t *testing.T, s *suite) {
	s.start(t)
	v, err := s.batch(t.Context(), newBatch(batchEach, typeRetry, typeRetryAfter, typeReject, typeMirror, typeDone))
	if err != nil || v.All != nil || len(v.Each) != 6 {
		t.Fatalf("verdict: got %+v, error %v", v, err)
	}
	want := []invoke.Outcome{
		{},
		{Kind: invoke.Retry, Reason: reasonText},
		{Kind: invoke.Retry, Reason: reasonText, After: retryDelay},
		{Kind: invoke.Reject, Reason: reasonText},
		{},
		{},
	}
	for i, w := range want {
		got := v.Each[i]
		if got.Err != nil || got.Outcome.Kind != w.Kind || got.Outcome.After != w.After || got.Outcome.Reason != w.Reason {
			t.Errorf("event %d: got %+v, want %+v", i, got, w)
		}
		if (got.Outcome.Reply != nil) != (i == 4) {
			t.Errorf("event %d: reply %+v", i, got.Outcome.Reply)
		}
	}
	sameEvent(t, replyEvent("application/octet-stream", []byte(`{"n":1}`)), v.Each[4].Outcome.Reply)
}

func testBatchArrives(t *testing.T, s *suite) {
	s.start(t)
	b := newBatch(batchEach, typeSeen, typeSeen, typeSeen, typeSeen)
	b.Items[2].Event = &event.Event{ID: "bare", Source: "/s", Type: typeSeen}
	b.Items[3].Event.Data = allBytes()
	b.Items[4].Event.Data = []byte("{\r\n\t\"n\": [1,\n2]\n}") // JSON in several lines
	b.Items[4].Event.DataContentType = "application/json"
	v, err := s.batch(t.Context(), b)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	for i := 1; i < len(b.Items); i++ {
		s.itemAsSent(t, &b.Items[i], &v.Each[i])
	}
}

func (s *suite) itemAsSent(t *testing.T, sent *invoke.Item, r *invoke.Result) {
	t.Helper()
	var got Seen
	if r.Outcome.Reply == nil {
		t.Fatalf("result: got %+v, want a reply", r)
	}
	if err := json.Unmarshal(r.Outcome.Reply.Data, &got); err != nil {
		t.Fatalf("read the handler's account: %v", err)
	}
	want := *sent.Event
	if s.p.Carries != nil {
		want = s.p.Carries(want)
	}
	sum := sha256.Sum256(want.Data)
	if got.DataSHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("data of %s: got %d bytes, want %d, or other bytes", want.ID, got.DataSize, len(want.Data))
	}
	if got.Attempt != sent.Attempt || got.Redeliveries != sent.Redeliveries {
		t.Errorf("metadata: got %+v, want attempt %d, redeliveries %d", got, sent.Attempt, sent.Redeliveries)
	}
	want.Data = nil
	sameEvent(t, &want, &got.Event)
}

func testBatchSameID(t *testing.T, s *suite) {
	s.start(t)
	b := newBatch(batchEach, typeDone, typeReject)
	b.Items[2].Event.ID, b.Items[2].Event.Source = b.Items[1].Event.ID, "/another"
	v, err := s.batch(t.Context(), b)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	if v.Each[1].Outcome.Kind != invoke.Done || v.Each[2].Outcome.Kind != invoke.Reject {
		t.Errorf("verdict: got %+v", v)
	}
}

func testBatchOfOne(t *testing.T, s *suite) {
	s.start(t)
	s.batchDone(t, newBatch(batchEach))
}

func testBatchOfMany(t *testing.T, s *suite) {
	s.start(t)
	types := make([]string, 1000)
	for i := range types {
		types[i] = []string{typeDone, typeReject}[i%2]
	}
	types[0] = batchEach
	b := newBatch(types...)
	for i := range b.Items {
		b.Items[i].Event.Data = allBytes()
	}
	v, err := s.batch(t.Context(), b)
	if err != nil {
		t.Fatalf("invoke: %v", err)
	}
	for i, r := range v.Each {
		if want := invoke.Kind(2 * (i % 2)); r.Outcome.Kind != want {
			t.Fatalf("event %d: got %+v, want %v", i, r, want)
		}
	}
}

func testBatchAll(t *testing.T, s *suite) {
	s.start(t)
	for typ, want := range map[string]invoke.Kind{batchAllRetry: invoke.Retry, batchAllReject: invoke.Reject} {
		v, err := s.batch(t.Context(), newBatch(typ, typeDone))
		if err != nil || v.All == nil || v.All.Kind != want || !strings.Contains(v.All.Reason, reasonText) || v.Each != nil {
			t.Errorf("%s: got %+v, error %v", typ, v, err)
		}
	}
	s.batchDone(t, newBatch(batchAllDone))
}

func (s *suite) batchFails(t *testing.T, b *invoke.Batch, code string) {
	t.Helper()
	v, err := s.batch(t.Context(), b)
	wantCode(t, invoke.Outcome{}, err, code)
	if v.All != nil || v.Each != nil {
		t.Errorf("verdict beside an error: %+v", v)
	}
}

func testBatchMalformed(t *testing.T, s *suite) {
	s.start(t)
	for _, typ := range []string{batchUnknown, batchTwice, batchMissing, batchWrong, batchGarbage} {
		s.batchFails(t, newBatch(typ, typeDone, typeDone), invoke.CodeBadResponse)
		s.restart(t) // it may be lost in an answer that was cut
		s.batchDone(t, newBatch(batchAllDone))
	}
}

func testBatchHuge(t *testing.T, s *suite) {
	s.start(t)
	s.batchFails(t, newBatch(batchHuge), invoke.CodeResponseTooLarge)
	s.restart(t)
	s.batchDone(t, newBatch(batchAllDone))
}

func testBatchTimeout(t *testing.T, s *suite) {
	s.start(t)
	b := newBatch(batchHang, typeDone)
	b.Deadline = time.Now().Add(soon)
	s.batchFails(t, b, invoke.CodeTimeout)
	s.batchDone(t, newBatch(batchAllDone))
}

func testBatchPastDeadline(t *testing.T, s *suite) {
	s.start(t)
	b := newBatch(batchAllDone)
	b.Deadline = time.Now().Add(-time.Second)
	_, err := s.batch(t.Context(), b)
	wantNotReady(t, invoke.Outcome{}, err)
	s.absent(t, b.Items[0].Event.ID)
}

func testBatchCancel(t *testing.T, s *suite) {
	s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := newBatch(batchHang, typeDone)
	failed := s.goBatch(ctx, b)
	s.arrived(t, b.Items[1].Event.ID)
	cancel()
	wantCode(t, invoke.Outcome{}, waittest.Receive(t, failed), invoke.CodeCanceled)
	s.batchDone(t, newBatch(batchAllDone))
}

// goBatch makes a call in the background and gives its error.
func (s *suite) goBatch(ctx context.Context, b *invoke.Batch) <-chan error {
	failed := make(chan error, 1)
	go func() {
		_, err := s.batch(ctx, b)
		failed <- err
	}()
	return failed
}

func testBatchCrash(t *testing.T, s *suite) {
	s.start(t)
	s.batchFails(t, newBatch(batchCrash, typeDone), invoke.CodeCrash)
	s.restart(t)
	s.batchDone(t, newBatch(batchAllDone))
}

func testBatchNotReady(t *testing.T, s *suite) {
	_, err := s.batch(t.Context(), newBatch(batchAllDone))
	wantNotReady(t, invoke.Outcome{}, err)
	s.start(t)
	s.batchDone(t, newBatch(batchAllDone))
}

func testBatchCloseCuts(t *testing.T, s *suite) {
	s.start(t)
	b := newBatch(batchHang)
	failed := s.goBatch(t.Context(), b)
	s.arrived(t, b.Items[0].Event.ID)
	if err := s.inv.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantCode(t, invoke.Outcome{}, waittest.Receive(t, failed), invoke.CodeCanceled)
}
