package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// batchCalls notes the ids of each call and answers by a function of one event.
type batchCalls struct {
	mu    sync.Mutex
	calls [][]string // attempt:id
}

func (b *batchCalls) note(batch *invoke.Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, item := range batch.Items {
		ids = append(ids, strconv.Itoa(item.Attempt)+":"+item.Event.ID)
	}
	b.calls = append(b.calls, ids)
}

// sizes are those of the calls, in their order.
func (b *batchCalls) sizes() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sizes []int
	for _, c := range b.calls {
		sizes = append(sizes, len(c))
	}
	return sizes
}

// together reports how many calls had the event and others beside it.
func (b *batchCalls) together(id string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if slices.Contains(c, id) && len(c) > 1 {
			n++
		}
	}
	return n
}

// answer is what a handler says of one event.
type answer func(item *invoke.Item) invoke.Outcome

func (b *batchCalls) each(say answer) batchFunc {
	return func(_ context.Context, batch *invoke.Batch) (invoke.Verdict, error) {
		b.note(batch)
		var v invoke.Verdict
		for i := range batch.Items {
			v.Each = append(v.Each, invoke.Result{Outcome: say(&batch.Items[i])})
		}
		return v, nil
	}
}

func allDone(*invoke.Item) invoke.Outcome { return invoke.Outcome{} }

// setupBatch has one batch at a time.
func setupBatch(t *testing.T, maxEvents int, maxWait time.Duration, change func(*function.Spec), invoked batchFunc) *fixture {
	t.Helper()
	f := setup(t, func(s *function.Spec) {
		s.Concurrency = 1
		s.Batch = &function.Batch{MaxEvents: maxEvents, MaxWait: function.Duration(maxWait)}
		if change != nil {
			change(s)
		}
	}, nil)
	f.handler.batch = invoked
	return f
}

// awaitSorted waits for the outcomes in whatever order.
func (f *fixture) awaitSorted(want ...string) {
	f.t.Helper()
	slices.Sort(want)
	waittest.Eventually(f.t, func() error {
		got := f.runs.outcomes()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return errors.New(cmp.Diff(want, got))
		}
		return nil
	})
	f.awaitSettled()
}

const never = 5 * time.Minute // far longer than a test

const soon = 50 * time.Millisecond

func TestBatchSettlesEachEventByItself(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 4, soon, func(s *function.Spec) {
		s.Triggers[0].Event.Filter = `data.n > 0`
		s.Reply = &function.Reply{Subject: "events.greeted"}
	}, calls.each(func(item *invoke.Item) invoke.Outcome {
		switch {
		case item.Event.ID == "reject":
			return invoke.Outcome{Kind: invoke.Reject, Reason: "no such thing"}
		case item.Event.ID == "retry" && item.Attempt < 3:
			return invoke.Outcome{Kind: invoke.Retry, Reason: "not yet"}
		case item.Event.ID == "reply":
			return invoke.Outcome{Reply: &event.Event{Data: []byte("an answer")}}
		}
		return invoke.Outcome{}
	}))
	broken := ceHeader("broken")
	delete(broken, "ce-type")
	f.publish("events.hello", `{"n":1}`, broken)
	f.publish("events.hello", `{"n":0}`, ceHeader("filtered"))
	for _, id := range []string{"retry", "reject", "reply", "done"} {
		f.publish("events.hello", `{"n":1}`, ceHeader(id))
	}
	f.start()
	f.awaitSorted("dead", "dead", "done", "done", "done", "filtered", "retry", "retry")
	reasons := map[string]string{}
	for _, l := range f.letters() {
		reasons[l.Header["ce-id"][0]] = l.Reason
	}
	if d := cmp.Diff(map[string]string{"broken": "undecodable", "reject": "rejected"}, reasons); d != "" {
		t.Errorf("dead letters: %s", d)
	}
	s, err := f.js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetLastMsgForSubject(t.Context(), "events.greeted"); err != nil || string(m.Data) != "an answer" {
		t.Errorf("the reply is %v (%v)", m, err)
	}
	if n := calls.together("3:retry"); n != 0 {
		t.Errorf("the last attempt was made with others, in %v", calls.calls)
	}
}

func TestFullBatchDoesNotWait(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 25, never, nil, calls.each(allDone))
	f.publishMany(100)
	f.start()
	f.awaitSettled()
	if d := cmp.Diff([]int{25, 25, 25, 25}, calls.sizes()); d != "" {
		t.Errorf("sizes of the calls: %s", d)
	}
}

func TestBatchWaitsForOthersOnlySoLong(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 25, soon, nil, calls.each(allDone))
	f.start()
	f.publishMany(1)
	f.awaitSorted("done")
	if d := cmp.Diff([]int{1}, calls.sizes()); d != "" {
		t.Errorf("sizes of the calls: %s", d)
	}
}

func TestBatchWithoutAWaitTakesWhatIsThere(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 1000, 0, nil, calls.each(allDone))
	f.publishMany(200)
	f.start()
	f.awaitSettled()
	if n := len(calls.sizes()); n > 100 {
		t.Errorf("200 events took %d calls", n)
	}
}

// TestOneBatchIsGatheredAtATime has two workers: each with half of the events would wait for the other half.
func TestOneBatchIsGatheredAtATime(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 10, never, func(s *function.Spec) { s.Concurrency = 4 }, calls.each(allDone))
	f.start()
	f.publishMany(20)
	f.awaitSettled()
	if d := cmp.Diff([]int{10, 10}, calls.sizes()); d != "" {
		t.Errorf("sizes of the calls: %s", d)
	}
}

func TestDrainCutsTheWaitAndReturnsWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 10, never, nil, calls.each(allDone))
	r := f.start()
	f.publishMany(3)
	waittest.Eventually(t, func() error {
		if n := r.InFlight(); n != 3 {
			return fmt.Errorf("%d events gathered", n)
		}
		return nil
	})
	r.stop(t)
	for range 3 {
		m, err := f.take(20 * time.Second) // far less than AckWait
		if err != nil {
			t.Fatalf("an event is not given to another: %v", err)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(calls.sizes()); n != 0 {
		t.Errorf("the handler was called %d times", n)
	}
}

func TestRefusedBatchIsHalvedUntilTheBadEventIsAlone(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 16, never, nil, func(_ context.Context, b *invoke.Batch) (invoke.Verdict, error) {
		calls.note(b)
		kind := invoke.Done
		if slices.ContainsFunc(b.Items, func(i invoke.Item) bool { return i.Event.ID == "5" }) {
			kind = invoke.Reject
		}
		return invoke.Verdict{All: &invoke.Outcome{Kind: kind, Reason: "HTTP 400"}}, nil
	})
	f.publishMany(16)
	f.start()
	f.awaitSorted(append(slices.Repeat([]string{"done"}, 15), "dead")...)
	if l := f.letters(); len(l) != 1 || l[0].Header["ce-id"][0] != "5" || l[0].Attempts != 1 || l[0].Reason != "rejected" {
		t.Errorf("letters %+v", l)
	}
	if d := cmp.Diff([]int{16, 8, 4, 4, 2, 1, 1, 2, 8}, calls.sizes()); d != "" {
		t.Errorf("sizes of the calls: %s", d)
	}
}

// TestNeighboursOfABadEventSurviveIt has a handler that dies of one event, whatever is beside it.
func TestNeighboursOfABadEventSurviveIt(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 5, soon, nil, func(_ context.Context, b *invoke.Batch) (invoke.Verdict, error) {
		calls.note(b)
		if slices.ContainsFunc(b.Items, func(i invoke.Item) bool { return i.Event.ID == "2" }) {
			return invoke.Verdict{}, &invoke.Error{Code: invoke.CodeCrash, Err: errors.New("killed")}
		}
		return invoke.Verdict{Each: make([]invoke.Result, len(b.Items))}, nil
	})
	f.publishMany(5)
	f.start()
	f.awaitSettled()
	if l := f.letters(); len(l) != 1 || l[0].Header["ce-id"][0] != "2" || l[0].Attempts != 3 || l[0].Reason != "attempts" {
		t.Errorf("letters %+v", l)
	}
	for id := range 5 {
		if n := calls.together(fmt.Sprintf("3:%d", id)); n != 0 {
			t.Errorf("event %d was not alone at its last attempt", id)
		}
	}
}

func TestOneEventIsNotInABatchTwice(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 10, soon, nil, calls.each(allDone))
	f.publishMany(3)
	f.publishMany(3) // stored again: it is the events' id that is the same, not the messages'
	f.start()
	f.awaitSettled()
	if d := cmp.Diff([][]string{{"1:0", "1:1", "1:2"}, {"1:0", "1:1", "1:2"}}, calls.calls); d != "" {
		t.Errorf("calls: %s", d)
	}
}

func TestBatchIsCutAtItsSize(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 10, soon, nil, calls.each(allDone))
	large := strings.Repeat("x", 900<<10)
	for i := range 6 {
		f.publish("events.hello", large, ceHeader(strconv.Itoa(i)))
	}
	f.start()
	f.awaitSettled()
	for _, n := range calls.sizes() {
		if n*len(large) > sidecar.MaxBatchBytes {
			t.Errorf("sizes of the calls: %v", calls.sizes())
		}
	}
	if n := len(calls.sizes()); n < 2 || n > 4 {
		t.Errorf("%d calls for 5.3 MiB", n)
	}
}

func TestBatchThatNobodySawIsNoAttempt(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 5, soon, nil, calls.each(allDone))
	f.handler.ready.Store(true)
	f.start()
	f.publishMany(5)
	f.awaitSettled()
	f.handler.ready.Store(false)
	f.publishMany(5)
	waittest.Eventually(t, func() error {
		if n := len(f.runs.outcomes()); n < 10 {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
	f.handler.ready.Store(true)
	f.awaitSettled()
	for _, c := range calls.calls {
		for _, event := range c {
			if !strings.HasPrefix(event, "1:") {
				t.Errorf("%s is a further attempt", event)
			}
		}
	}
}

// TestRecordThatCannotBeWrittenHoldsNobodyElse takes the dead letters' subject away.
func TestRecordThatCannotBeWrittenHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 4, soon, nil, calls.each(func(item *invoke.Item) invoke.Outcome {
		if item.Event.ID == "0" {
			return invoke.Outcome{Kind: invoke.Reject}
		}
		return invoke.Outcome{}
	}))
	open := f.closeDeadLetters()
	f.publishMany(4)
	f.start()
	f.awaitOutcomes("done", "done", "done")
	open()
	f.awaitSorted("done", "done", "done", "dead")
}

// closeDeadLetters makes the stream of dead letters take none, and returns what opens it again.
func (f *fixture) closeDeadLetters() (open func()) {
	f.t.Helper()
	s, err := f.js.Stream(f.t.Context(), stream.DeadStream)
	if err != nil {
		f.t.Fatal(err)
	}
	set := func(subjects ...string) {
		cfg := s.CachedInfo().Config
		cfg.Subjects = subjects
		if _, err := f.js.UpdateStream(f.t.Context(), cfg); err != nil {
			f.t.Fatal(err)
		}
	}
	subjects := s.CachedInfo().Config.Subjects
	set("nowhere")
	return func() { set(subjects...) }
}

func TestSlowBatchIsKeptAliveBeyondAckWait(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 3, never, nil, func(ctx context.Context, b *invoke.Batch) (invoke.Verdict, error) {
		calls.note(b)
		select {
		case <-time.After(13 * time.Second):
		case <-ctx.Done():
		}
		return invoke.Verdict{Each: make([]invoke.Result, len(b.Items))}, nil
	})
	f.shortenAckWait(6 * time.Second) // a busy machine may be late with a heartbeat, which comes every 2 s
	f.publishMany(3)
	f.start()
	f.awaitSorted("done", "done", "done")
	if d := cmp.Diff([]int{3}, calls.sizes()); d != "" {
		t.Errorf("sizes of the calls: %s", d)
	}
}

func TestCircuitCountsTheCallsOfBatches(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	var healed atomic.Bool
	f := setupBatch(t, 10, soon, func(s *function.Spec) { s.Retry.MaxAttempts = 10 },
		func(_ context.Context, b *invoke.Batch) (invoke.Verdict, error) {
			calls.note(b)
			if !healed.Load() {
				return invoke.Verdict{}, &invoke.Error{Code: invoke.CodeCrash, Err: errors.New("killed")}
			}
			return invoke.Verdict{Each: make([]invoke.Result, len(b.Items))}, nil
		})
	f.publishMany(1000)
	f.start()
	f.awaitRests(2)
	if n := slices.Index(calls.sizes(), 1); n < 20 {
		t.Errorf("a probe after %d calls, sizes %v", n, calls.sizes())
	}
	healed.Store(true)
	f.awaitSettled()
	if n := len(f.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestInvokerWithoutBatchesIsRefused(t *testing.T) {
	t.Parallel()
	f := setupBatch(t, 3, 0, nil, nil)
	if _, err := sidecar.New(f.nc, struct{ invoke.Invoker }{f.handler}, f.cfg); err == nil {
		t.Error("no error")
	}
}

func TestManyBatchesAtOnce(t *testing.T) {
	t.Parallel()
	var calls batchCalls
	f := setupBatch(t, 50, soon, func(s *function.Spec) {
		s.Concurrency = 4
		s.Retry.MaxAttempts = 10
	}, calls.each(func(item *invoke.Item) invoke.Outcome {
		if n, _ := strconv.Atoi(item.Event.ID); n%10 == 0 && item.Attempt == 1 {
			return invoke.Outcome{Kind: invoke.Retry}
		}
		return invoke.Outcome{}
	}))
	const events = 3000
	for i := range events {
		if _, err := f.js.PublishMsgAsync(msg(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-f.js.PublishAsyncComplete()
	f.start()
	f.awaitSettled()
	counts := map[string]int{}
	for _, o := range f.runs.outcomes() {
		counts[o]++
	}
	if d := cmp.Diff(map[string]int{"done": events, "retry": events / 10}, counts); d != "" {
		t.Errorf("outcomes: %s", d)
	}
}
