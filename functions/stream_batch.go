package functions

import (
	"time"

	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// streamBatch is a batch on a stream.
type streamBatch struct {
	batch
	ids []uint64 // of its calls
}

// startBatch lines one batch up. Calls without an event are left out of it: the answer then does not have
// as many results as the sidecar expects, which fails the batch.
func (s *stream) startBatch(m *streamwire.Batch) {
	c := &streamCall{id: m.ID, batch: &streamBatch{}}
	if m.Deadline != 0 {
		c.ctx.deadline = time.Unix(0, m.Deadline)
	}
	b := c.batch
	b.Context = &c.ctx
	b.function = s.delivery(&streamwire.Call{})
	for i := range m.Calls {
		if call := &m.Calls[i]; call.Event != nil {
			b.ids, b.events = append(b.ids, call.ID), append(b.events, call.Event)
			b.deliveries = append(b.deliveries, s.delivery(call))
		}
	}
	s.begin(c)
}

func (s *stream) finishBatch(c *streamCall, v verdicts) {
	defer s.calls.Done()
	if flush, ok := s.ended(c); ok {
		r := s.batchResultOf(c, v)
		s.sendFrame(func(b []byte) []byte { return streamwire.AppendBatchResult(b, r) }, flush)
	}
}

// resultRoom is what a result without a reply and a reason takes in the answer to a batch, at most.
const resultRoom = 64

// batchResultOf leaves out replies for which there is no room: their events are tried again, perhaps in smaller company.
func (s *stream) batchResultOf(c *streamCall, v verdicts) *streamwire.BatchResult {
	r := &streamwire.BatchResult{ID: c.id}
	if v.all != nil {
		r.All = resultOf(0, *v.all, s.welcome.MaxResponse)
		return r
	}
	r.Results = make([]streamwire.Result, len(v.each))
	room := int(s.welcome.MaxBatchResponse)
	for i, o := range v.each {
		room -= resultRoom + len(o.Reason)
		r.Results[i] = *resultOf(c.batch.ids[i], o, s.welcome.MaxResponse)
	}
	for i := range r.Results {
		result := &r.Results[i]
		if result.Reply == nil {
			continue
		}
		if room -= streamwire.SizeResult(result); room < 0 {
			room += streamwire.SizeResult(result)
			*result = streamwire.Result{ID: result.ID, Outcome: streamwire.OutcomeTooLarge}
		}
	}
	return r
}
