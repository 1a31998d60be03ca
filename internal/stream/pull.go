package stream

import (
	"strconv"
	"time"
)

// PullRequest is the body of a worker's request for messages that waits until it expires, by the server's API: durations in
// nanoseconds.
func PullRequest(batch int64, expires time.Duration) []byte {
	b := make([]byte, 0, 96)
	b = append(b, `{"batch":`...)
	b = strconv.AppendInt(b, batch, 10)
	b = append(b, `,"expires":`...)
	b = strconv.AppendInt(b, int64(expires), 10)
	b = append(b, `,"group":"`+PriorityGroup+`","priority":`...)
	b = strconv.AppendInt(b, WorkerPriority, 10)
	return append(b, '}')
}
