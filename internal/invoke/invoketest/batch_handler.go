package invoketest

import (
	"encoding/json"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// The behaviours that a handler plays with a batch, selected by the type of its first event.
const (
	batchEach      = "invoketest.batch.each"  // each event by its own type
	batchAllDone   = "invoketest.batch.done"  // nothing more is said
	batchAllRetry  = "invoketest.batch.retry" // the batch as a whole
	batchAllReject = "invoketest.batch.reject"
	batchUnknown   = "invoketest.batch.unknown" // a result for an event that is not there
	batchTwice     = "invoketest.batch.twice"   // two for one
	batchMissing   = "invoketest.batch.missing" // none for the last
	batchWrong     = "invoketest.batch.wrong"   // an outcome that there is not
	batchGarbage   = "invoketest.batch.garbage"
	batchHuge      = "invoketest.batch.huge"
	batchHang      = "invoketest.batch.hang"
	batchCrash     = "invoketest.batch.crash"
)

// BatchRequest is one batch as the handler's side of a protocol received it.
type BatchRequest struct{ Events []Request }

// BatchAnswer is what the handler's side is to answer. One field is set; none is the answer that says nothing.
type BatchAnswer struct {
	All     *invoke.Outcome
	Entries []BatchEntry
	Garbage bool
	Huge    bool // more than any limit allows
}

// BatchEntry is the result for one event.
type BatchEntry struct {
	Event   int // its place in the batch; one beyond the last is of no event
	Outcome invoke.Outcome
	Wrong   bool // instead of the outcome, write one that there is not
}

// PlayBatch behaves as the type of the first event asks, and returns what is left to be answered.
func PlayBatch(r *BatchRequest) BatchAnswer {
	for i := range r.Events {
		arrive(r.Events[i].Event.ID)
	}
	last := len(r.Events) - 1
	entries := make([]BatchEntry, len(r.Events))
	for i := range r.Events {
		entries[i] = BatchEntry{Event: i, Outcome: answer(&r.Events[i])}
	}
	switch r.Events[0].Event.Type {
	case batchAllDone:
		return BatchAnswer{}
	case batchAllRetry:
		return BatchAnswer{All: &invoke.Outcome{Kind: invoke.Retry, Reason: reasonText}}
	case batchAllReject:
		return BatchAnswer{All: &invoke.Outcome{Kind: invoke.Reject, Reason: reasonText}}
	case batchUnknown:
		entries[last].Event = last + 1
	case batchTwice:
		entries[last].Event = 0
	case batchMissing:
		entries = entries[:last]
	case batchWrong:
		entries[last].Wrong = true
	case batchGarbage:
		return BatchAnswer{Garbage: true}
	case batchHuge:
		return BatchAnswer{Huge: true}
	case batchHang:
		select {}
	case batchCrash:
		crash()
	}
	return BatchAnswer{Entries: entries}
}

// HugeReply is more than any answer to a batch may have.
func HugeReply() []byte {
	data := make([]byte, 2*invoke.MaxBatchResponse)
	for i := range data {
		data[i] = 'x'
	}
	return data
}

// JSON is the answer as the text of protocols that answer with JSON. The ids of events are theirs; lines says whether each
// result has a line of its own.
func (a BatchAnswer) JSON(r *BatchRequest, lines bool) []byte {
	switch {
	case a.Garbage:
		return []byte("<html>502 Bad Gateway</html>")
	case a.Huge:
		return HugeReply()
	case len(a.Entries) == 0:
		return nil
	}
	results := make([]map[string]any, len(a.Entries))
	for i, e := range a.Entries {
		results[i] = e.json(r)
	}
	if !lines {
		return mustJSON(map[string]any{"results": results})
	}
	var out []byte
	for _, result := range results {
		out = append(append(out, mustJSON(result)...), '\n')
	}
	return out
}

func (e *BatchEntry) json(r *BatchRequest) map[string]any {
	result := map[string]any{"id": "nobody", "outcome": e.Outcome.Kind.String(), "reason": e.Outcome.Reason}
	if e.Event < len(r.Events) {
		result["id"], result["source"] = r.Events[e.Event].Event.ID, r.Events[e.Event].Event.Source
	}
	if e.Outcome.After > 0 {
		result["retryAfter"] = e.Outcome.After.Seconds()
	}
	if e.Outcome.Reply != nil {
		result["reply"] = json.RawMessage(event.AppendJSON(nil, e.Outcome.Reply))
	}
	if e.Wrong {
		result["outcome"] = 7
	}
	return result
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
