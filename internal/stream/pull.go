package stream

import (
	"strconv"
	"time"
)

// Pull is a worker's request for messages, by the server's API.
type Pull struct {
	Batch     int64         // messages at most
	MaxBytes  int           // of all of them together; 0 is no limit
	Expires   time.Duration // how long it waits for them
	Heartbeat time.Duration // between two signs of life meanwhile; 0 is none
}

// Body is the request as it is sent: durations are in nanoseconds there.
func (p Pull) Body() []byte {
	b := make([]byte, 0, 160)
	b = append(b, `{"batch":`...)
	b = strconv.AppendInt(b, p.Batch, 10)
	if p.MaxBytes > 0 {
		b = append(b, `,"max_bytes":`...)
		b = strconv.AppendInt(b, int64(p.MaxBytes), 10)
	}
	b = append(b, `,"expires":`...)
	b = strconv.AppendInt(b, int64(p.Expires), 10)
	if p.Heartbeat > 0 {
		b = append(b, `,"idle_heartbeat":`...)
		b = strconv.AppendInt(b, int64(p.Heartbeat), 10)
	}
	b = append(b, `,"group":"`+PriorityGroup+`","priority":`...)
	b = strconv.AppendInt(b, WorkerPriority, 10)
	return append(b, '}')
}
