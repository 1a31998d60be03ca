package streamcall

import (
	"net"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// playBatch answers a batch as a handler whose frames are written by hand.
func playBatch(conn net.Conn, m *streamwire.Batch) {
	r := &invoketest.BatchRequest{}
	for i := range m.Calls {
		c := &m.Calls[i]
		r.Events = append(r.Events, invoketest.Request{Event: c.Event, Attempt: int(c.Attempt), Redeliveries: int(c.Redeliveries)})
	}
	a := invoketest.PlayBatch(r)
	answer := streamwire.BatchResult{ID: m.ID}
	switch {
	case a.Garbage:
		_, _ = conn.Write((&wire{}).Garbage())
		return
	case a.All != nil:
		all := resultOf(0, &invoketest.BatchEntry{Outcome: *a.All})
		answer.All = &all
	case a.Huge:
		huge := &event.Event{ID: "1", Source: "/s", Type: "t", Data: invoketest.HugeReply()}
		answer.Results = []streamwire.Result{{ID: 1, Outcome: streamwire.OutcomeDone, Reply: huge}}
	case len(a.Entries) == 0:
		answer.All = &streamwire.Result{Outcome: streamwire.OutcomeDone}
	}
	for i := range a.Entries {
		answer.Results = append(answer.Results, resultOf(uint64(a.Entries[i].Event+1), &a.Entries[i]))
	}
	_, _ = conn.Write(streamwire.AppendBatchResult(nil, &answer))
}

func resultOf(id uint64, e *invoketest.BatchEntry) streamwire.Result {
	o := e.Outcome
	r := streamwire.Result{ID: id, RetryAfter: int64(o.After), Reason: o.Reason, Reply: o.Reply, Outcome: outcomeNumber(o.Kind)}
	if e.Wrong {
		r.Outcome = 77
	}
	return r
}

// TestHandlerThatTakesNoBatches is told so, before it gets one.
func TestHandlerThatTakesNoBatches(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	inv, err := Listen(Config{Socket: socket, Batches: true})
	if err != nil {
		t.Fatal(err)
	}
	defer inv.Close()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := streamwire.AppendHello(nil, &streamwire.Hello{Version: streamwire.Version, SDK: "old/1"})
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	f, err := nextFrame(streamwire.NewReader(conn, streamwire.DefaultMaxFrame, patience))
	if err != nil || f.Kind != streamwire.KindRefuse || !strings.Contains(f.Refuse.Reason, "spec.batch") {
		t.Errorf("got %+v (%v), want it refused", f, err)
	}
}
