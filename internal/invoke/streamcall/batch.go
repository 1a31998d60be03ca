package streamcall

import (
	"context"
	"errors"
	"fmt"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

var _ invoke.BatchInvoker = (*Invoker)(nil)

var errNotAsked = errors.New("the handler was not asked for batches")

// InvokeBatch sends all events in one frame and waits for the results. The invoker must have been made for batches.
func (i *Invoker) InvokeBatch(ctx context.Context, batch *invoke.Batch) (invoke.Verdict, error) {
	if !i.cfg.Batches {
		return invoke.Verdict{}, invoke.NotReady(errNotAsked)
	}
	if err := invoke.BeginBatch(ctx, batch); err != nil {
		return invoke.Verdict{}, err
	}
	s := i.current.Load()
	if s == nil {
		return invoke.Verdict{}, i.absent()
	}
	frame := streamwire.Batch{Calls: make([]streamwire.Call, len(batch.Items))}
	if !batch.Deadline.IsZero() {
		frame.Deadline = batch.Deadline.UnixNano()
	}
	for n, item := range batch.Items {
		if name := notUTF8(item.Event); name != "" {
			// One such frame would end the connection. Alone, the event is refused alone.
			return invoke.Verdict{All: &invoke.Outcome{Kind: invoke.Reject, Reason: "event attribute " + name + " is not UTF-8"}}, nil
		}
		frame.Calls[n] = streamwire.Call{
			ID: uint64(n + 1), Event: item.Event, Attempt: uint32(item.Attempt), Redeliveries: uint32(item.Redeliveries),
		}
	}
	w := i.waits.Get().(*waiting)
	r := s.exchange(ctx, batch.Deadline, &outgoing{batch: &frame}, w)
	i.waits.Put(w)
	switch {
	case r.err != nil:
		return invoke.Verdict{}, r.err
	case r.batch == nil:
		return invoke.Verdict{}, badBatch("the handler answered a batch with the result of a call")
	}
	return verdictOf(r.batch, len(batch.Items))
}

func badBatch(format string, args ...any) error {
	return &invoke.Error{Code: invoke.CodeBadResponse, Err: fmt.Errorf(format, args...)}
}

// verdictOf matches the results to the events of a batch.
func verdictOf(r *streamwire.BatchResult, events int) (invoke.Verdict, error) {
	if r.All != nil {
		return verdictOfAll(r)
	}
	if len(r.Results) != events {
		return invoke.Verdict{}, badBatch("the handler's answer has %d results for %d events", len(r.Results), events)
	}
	each, named := make([]invoke.Result, events), make([]bool, events)
	for i := range r.Results {
		result := &r.Results[i]
		n := result.ID - 1
		switch {
		case n >= uint64(events):
			return invoke.Verdict{}, badBatch("result %d of the handler's answer names call %d, which is not in the batch", i+1, result.ID)
		case named[n]:
			return invoke.Verdict{}, badBatch("result %d of the handler's answer names call %d a second time", i+1, result.ID)
		case result.Outcome < streamwire.OutcomeDone || result.Outcome > streamwire.OutcomeTooLarge:
			return invoke.Verdict{}, badBatch("result %d of the handler's answer has the unknown outcome %d", i+1, result.Outcome)
		}
		named[n] = true
		each[n].Outcome, each[n].Err = outcomeOf(result)
	}
	return invoke.Verdict{Each: each}, nil
}

func verdictOfAll(r *streamwire.BatchResult) (invoke.Verdict, error) {
	switch {
	case len(r.Results) > 0:
		return invoke.Verdict{}, badBatch("the handler's answer has a result for the batch and %d for its events", len(r.Results))
	case r.All.Reply != nil:
		return invoke.Verdict{}, badBatch("the handler's result for the batch has a reply: only events have one")
	}
	all, err := outcomeOf(r.All)
	if err != nil {
		return invoke.Verdict{}, err
	}
	return invoke.Verdict{All: &all}, nil
}
