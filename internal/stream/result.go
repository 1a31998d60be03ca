package stream

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ResultAge is how long it is known of a call that it was taken, if nothing becomes of it.
const ResultAge = 7 * 24 * time.Hour

// maxResults is how much is kept of calls whose callers ask later, where the store is large enough.
const maxResults = 256 << 20

// resultStream holds one message of each call, the last word on it, and one more of each whose caller wants to be told. What a call came to has a time to live of its own; the stream's age
// bounds what is never finished. When it is full the oldest go: who has taken a call must be able to say what became of it.
func resultStream(base jetstream.StreamConfig, store int64) jetstream.StreamConfig {
	results := base
	results.Name, results.Subjects = ResultStream, []string{"pelton.result.>", "pelton.callback.>"}
	results.Description = "Pelton: what became of calls whose callers ask later"
	results.MaxMsgsPerSubject, results.AllowMsgTTL, results.AllowAtomicPublish = 1, true, true
	results.MaxAge, results.Discard, results.MaxBytes = ResultAge, jetstream.DiscardOld, maxResults
	if store > 0 {
		results.MaxBytes = min(results.MaxBytes, store/16)
	}
	return results
}
