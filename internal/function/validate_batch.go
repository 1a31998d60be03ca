package function

import (
	"fmt"
	"slices"
	"time"
)

// Bounds of a batch.
const (
	MaxBatchEvents = 1000
	MaxBatchWait   = Duration(5 * time.Minute)
)

func (c *checker) checkBatch(s *Spec) {
	const events, wait = "spec.batch.maxEvents", "spec.batch.maxWait"
	b := s.Batch
	if b == nil {
		return
	}
	if s.Handler.Protocol == ProtocolHTTP {
		c.add("spec.batch", "protocol http gives the handler one event per request, and its answers say nothing of many",
			"delete it, or use protocol cloudevents, exec or stream")
	}
	if slices.ContainsFunc(s.Triggers, func(t Trigger) bool { return t.HTTP != nil && t.HTTP.Mode == ModeSync }) {
		c.add("spec.batch", "the answer to a batch has no answers for callers, and an http trigger has mode sync",
			"delete it, or write mode: async")
	}
	switch inFlight := s.InFlight(); {
	case b.MaxEvents < 1 || b.MaxEvents > MaxBatchEvents:
		c.number(events, b.MaxEvents, 1, MaxBatchEvents)
	case inFlight > MaxConcurrency && s.Concurrency <= MaxConcurrency:
		c.add(events, fmt.Sprintf("%d batches of %d events are %d in flight per replica, more than %d", s.Concurrency, b.MaxEvents,
			inFlight, MaxConcurrency), "write a smaller number, or lower spec.concurrency")
	}
	switch {
	case b.MaxWait < 0:
		c.add(wait, short(b.MaxWait)+" is negative", "write 0s to call with what is there, or a time such as 1s")
	case b.MaxWait > MaxBatchWait:
		c.add(wait, short(b.MaxWait)+" is more than "+short(MaxBatchWait), "write a shorter time, such as 1s")
	}
	if s.Retry.MaxAttempts == 1 {
		c.add("spec.retry.maxAttempts", "1 attempt is too few for batches: one that fails as a whole would bury every event in it",
			"write 2 or more: the last attempt of an event is made without others")
	}
}
