package batchjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// maxRetryAfter bounds how far a handler can put off an event.
const maxRetryAfter = 24 * time.Hour

// document is an answer: one of the two lists, or neither where everything is done.
type document struct {
	Results  *[]json.RawMessage `json:"results"`
	Failures *[]json.RawMessage `json:"batchItemFailures"`
}

// result is what an answer says of one event.
type result struct {
	ID         *string         `json:"id"`
	Source     *string         `json:"source"` // needed where events of several sources have the id
	Outcome    *string         `json:"outcome"`
	Reason     string          `json:"reason"`
	RetryAfter *float64        `json:"retryAfter"` // seconds
	Reply      json.RawMessage `json:"reply"`      // a CloudEvent in the JSON format
}

// failure is an event of batchItemFailures.
type failure struct {
	ItemIdentifier *string `json:"itemIdentifier"`
	Source         *string `json:"source"`
}

const wantAnswer = `want no answer at all if all is done, {"results": [{"id": ..., "outcome": "done"}, ...]}, or ` +
	`{"batchItemFailures": [{"itemIdentifier": ...}, ...]}`

// ReadAnswer reads the answer to the items. Nothing, null and {} say that all is done. results must name each event, once;
// batchItemFailures names those that failed. The error is an *invoke.Error: the batch has failed as a whole.
func ReadAnswer(body []byte, items []invoke.Item) ([]invoke.Result, error) {
	r := newReader(items)
	body = bytes.TrimSpace(body)
	if len(body) == 0 || string(body) == "null" {
		return r.results, nil
	}
	var d document
	var members map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(body, &members), json.Unmarshal(body, &d)); err != nil {
		return nil, bad("the answer %.60q is not understood: %s", body, wantAnswer)
	}
	_, hasFailures := members["batchItemFailures"]
	var err error
	switch {
	case d.Results != nil && hasFailures:
		return nil, bad("the answer has both results and batchItemFailures: want one of them")
	case d.Results != nil:
		err = r.readResults(*d.Results)
	case d.Failures != nil:
		err = r.readFailures(*d.Failures)
	case !hasFailures && len(members) > 0: // "batchItemFailures": null is an empty list
		return nil, bad("the answer %.60q is not understood: %s", body, wantAnswer)
	}
	if err != nil {
		return nil, err
	}
	return r.results, nil
}

// ReadLines reads results that stand on lines of their own. No line at all says that everything is done.
func ReadLines(out []byte, items []invoke.Item) ([]invoke.Result, error) {
	r := newReader(items)
	var lines []json.RawMessage
	for line := range bytes.Lines(out) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return r.results, nil
	}
	if err := r.readResults(lines); err != nil {
		return nil, err
	}
	return r.results, nil
}

func bad(format string, args ...any) error {
	text := invoke.Text(fmt.Sprintf(format, args...))
	return &invoke.Error{Code: invoke.CodeBadResponse, Err: errors.New(text)}
}

// reader matches what an answer says to the events of a batch.
type reader struct {
	items   []invoke.Item
	byID    map[string][]int // where the events of an id are
	results []invoke.Result
	named   []bool
}

func newReader(items []invoke.Item) *reader {
	r := &reader{
		items: items, byID: make(map[string][]int, len(items)), results: make([]invoke.Result, len(items)),
		named: make([]bool, len(items)),
	}
	for i := range items {
		r.byID[items[i].Event.ID] = append(r.byID[items[i].Event.ID], i)
	}
	return r
}

// find returns which event an entry of the answer names, which must not have been named before.
func (r *reader) find(where, member string, id, source *string) (int, error) {
	if id == nil || *id == "" {
		return 0, bad("%s of the answer has no %s: want that of an event of the batch", where, member)
	}
	matches := 0
	at := 0
	for _, i := range r.byID[*id] {
		if source == nil || *source == r.items[i].Event.Source {
			matches++
			at = i
		}
	}
	switch {
	case matches == 0 && source != nil:
		return 0, bad("%s of the answer names id %.80q of source %.80q, which is not in the batch", where, *id, *source)
	case matches == 0:
		return 0, bad("%s of the answer names id %.80q, which is not in the batch", where, *id)
	case matches > 1:
		return 0, bad("%s of the answer names id %.80q, which %d events of the batch have: write their source too", where, *id,
			matches)
	case r.named[at]:
		return 0, bad("%s of the answer names id %.80q a second time", where, *id)
	}
	r.named[at] = true
	return at, nil
}

func (r *reader) readResults(entries []json.RawMessage) error {
	for n, raw := range entries {
		where := fmt.Sprintf("result %d", n+1)
		var entry result
		if err := json.Unmarshal(raw, &entry); err != nil {
			return bad("%s of the answer is %.60q (%v): want an object with id and outcome", where, raw, err)
		}
		i, err := r.find(where, "id", entry.ID, entry.Source)
		if err != nil {
			return err
		}
		if r.results[i], err = entry.read(where); err != nil {
			return err
		}
	}
	for i, named := range r.named {
		if !named {
			return bad("the answer has %d results for %d events: there is none for id %.80q", len(entries), len(r.items),
				r.items[i].Event.ID)
		}
	}
	return nil
}

func (r *reader) readFailures(entries []json.RawMessage) error {
	for n, raw := range entries {
		where := fmt.Sprintf("failure %d", n+1)
		var entry failure
		if err := json.Unmarshal(raw, &entry); err != nil {
			return bad("%s of the answer is %.60q (%v): want an object with itemIdentifier", where, raw, err)
		}
		i, err := r.find(where, "itemIdentifier", entry.ItemIdentifier, entry.Source)
		if err != nil {
			return err
		}
		r.results[i].Outcome = invoke.Outcome{Kind: invoke.Retry, Reason: "named in batchItemFailures"}
	}
	return nil
}

func (e *result) read(where string) (invoke.Result, error) {
	const want = `want "done", "retry" or "reject"`
	if e.Outcome == nil {
		return invoke.Result{}, bad("%s of the answer has no outcome: %s", where, want)
	}
	reply := len(e.Reply) > 0 && string(e.Reply) != "null"
	switch is := *e.Outcome; {
	case is != "done" && is != "retry" && is != "reject":
		return invoke.Result{}, bad("%s of the answer has the outcome %.20q: %s", where, is, want)
	case is != "retry" && e.RetryAfter != nil:
		return invoke.Result{}, bad("%s of the answer has a retryAfter, and its outcome is %s: want it with retry only", where, is)
	case is != "done" && reply:
		return invoke.Result{}, bad("%s of the answer has a reply, and its outcome is %s: want it with done only", where, is)
	case is == "retry":
		return e.readRetry(where)
	case is == "reject":
		return invoke.Result{Outcome: invoke.Outcome{Kind: invoke.Reject, Reason: invoke.Text(e.Reason)}}, nil
	case reply:
		return e.readReply(where), nil
	}
	return invoke.Result{}, nil
}

func (e *result) readRetry(where string) (invoke.Result, error) {
	o := invoke.Outcome{Kind: invoke.Retry, Reason: invoke.Text(e.Reason)}
	if e.RetryAfter == nil {
		return invoke.Result{Outcome: o}, nil
	}
	seconds := *e.RetryAfter
	if seconds < 0 {
		return invoke.Result{}, bad("%s of the answer has the retryAfter %g: want seconds, 0 or more", where, seconds)
	}
	o.After = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	return invoke.Result{Outcome: o}, nil
}

// readReply lets a reply that is no event be the failure of its event alone.
func (e *result) readReply(where string) invoke.Result {
	reply, problems := event.ParseJSON(e.Reply)
	if err := event.Refusal(problems); err != nil {
		return invoke.Result{Err: bad("the reply in %s of the answer is not an event: %v", where, err)}
	}
	return invoke.Result{Outcome: invoke.Outcome{Reply: reply}}
}
