package invoke

import (
	"context"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

// BatchInvoker calls a handler with many events at once. Whoever has one makes no other calls with it than batches, of one
// event too: a handler is either asked for batches or it is not.
type BatchInvoker interface {
	Invoker

	// InvokeBatch gives the events of a batch to the handler and waits for its answer, until batch.Deadline or until ctx
	// ends.
	//
	// The Verdict is what the handler said. The error is as that of Invoke, and is about every event of the batch: an answer
	// that cannot be matched to the events, one by one, is no answer.
	InvokeBatch(ctx context.Context, batch *Batch) (Verdict, error)
}

// Batch is one attempt at each of many events. No two have the same source and id, or an answer could not tell them apart.
type Batch struct {
	Function string // namespace/name
	Items    []Item
	Deadline time.Time
}

// Item is one event of a batch. Each has its own attempt.
type Item struct {
	Event        *event.Event
	Attempt      int
	Redeliveries int
}

// Verdict is what a handler said of a batch: one of the two is set.
type Verdict struct {
	// All is the outcome of the batch as a whole, as a status or an exit status tells it. It has no reply. A Reject here
	// means that something in the batch is bad, not that everything is.
	All *Outcome

	// Each has one result for each event, in their order.
	Each []Result
}

// Result is what came of one event of a batch. The error is set where the event failed alone, as that of Invoke would be.
type Result struct {
	Outcome Outcome
	Err     error
}

// MaxBatchResponse bounds the answer to a batch, in bytes.
const MaxBatchResponse = 4 << 20

// BeginBatch is Begin for a batch.
func BeginBatch(ctx context.Context, batch *Batch) error { return begin(ctx, batch.Deadline) }
