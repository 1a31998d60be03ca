package batchjson

import (
	"encoding/json"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// noRoom is said of an event whose reply would make the answer to its batch too large. It may fit with other neighbours.
const noRoom = "the answer to the batch has no room for its reply"

// AppendAnswer appends the answer that ReadAnswer reads. It stays below invoke.MaxBatchResponse: where replies are too much for
// that, the last of them are left out and their events are to be tried again.
func AppendAnswer(b []byte, events []*event.Event, outcomes []invoke.Outcome) []byte {
	bare := make([]int, len(events)) // what a result takes without its reply, at most
	room := invoke.MaxBatchResponse - len(`{"results":[]}`)
	for i, e := range events {
		bare[i] = len(AppendResult(nil, e, &invoke.Outcome{Kind: invoke.Retry, Reason: outcomes[i].Reason + noRoom})) + len(",")
		room -= bare[i]
	}
	b = append(b, `{"results":[`...)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		result := AppendResult(nil, e, &outcomes[i])
		if more := len(result) - bare[i]; more > 0 && more > room {
			result = AppendResult(nil, e, &invoke.Outcome{Kind: invoke.Retry, Reason: noRoom})
		} else if more > 0 {
			room -= more
		}
		b = append(b, result...)
	}
	return append(b, "]}"...)
}

// AppendResult appends what came of one event.
func AppendResult(b []byte, e *event.Event, o *invoke.Outcome) []byte {
	entry := struct {
		ID         string          `json:"id"`
		Source     string          `json:"source"`
		Outcome    string          `json:"outcome"`
		Reason     string          `json:"reason,omitempty"`
		RetryAfter float64         `json:"retryAfter,omitempty"`
		Reply      json.RawMessage `json:"reply,omitempty"`
	}{ID: e.ID, Source: e.Source, Outcome: o.Kind.String(), Reason: o.Reason, RetryAfter: o.After.Seconds()}
	if o.Reply != nil {
		entry.Reply = event.AppendJSON(nil, o.Reply)
	}
	text, err := json.Marshal(entry)
	if err != nil { // only the reply can be to blame
		entry.Outcome, entry.Reply = invoke.Retry.String(), nil
		entry.Reason = "the reply cannot be written: " + err.Error()
		text, _ = json.Marshal(entry)
	}
	return append(b, text...)
}
