package stream

import (
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// formerPrefix begins the role of event consumers as they were named until the first release: one for each trigger, with a hash of
// its subjects. They are taken over. What is in this file, and its one call, may go with the release after the first.
const formerPrefix = "event-"

func isFormer(role string) bool { return strings.HasPrefix(role, formerPrefix) }

// takeOver has a consumer that must be made begin where those had got to that it takes the place of: at the lowest of them, so that
// nothing is skipped. One that had finished had come to the end of the stream as it was before anything was looked at.
func (e *ensuring) takeOver(want *jetstream.ConsumerConfig, c Consumer) {
	for _, old := range e.others {
		finished := old.NumPending == 0 && old.NumAckPending == 0
		if old.Stream != c.Stream || finished && !e.since.IsZero() {
			continue
		}
		next := old.AckFloor.Stream + 1
		if finished {
			next = e.streams[c.Stream].State.LastSeq + 1
		}
		if want.DeliverPolicy != jetstream.DeliverByStartSequencePolicy || next < want.OptStartSeq {
			want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = jetstream.DeliverByStartSequencePolicy, next, nil
		}
	}
}
