package sidecar

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

var ackBody = []byte("+ACK")

// ackRest is how long the acker waits for a lost connection before it tries again.
const ackRest = 100 * time.Millisecond

// acker acknowledges settled messages, as many at a time as there are. An acknowledgement that is written alone costs a
// system call here and a wake-up in the server; together they cost next to nothing. Nobody waits for it, so nothing is lost
// by letting those who are about to settle go first.
type acker struct {
	nc       *nats.Conn
	patience time.Duration // the server has given a message to another by then
	log      *zap.Logger

	kick chan struct{} // one place: there is something to acknowledge

	mu      sync.Mutex
	waiting []settled
}

// settled is a message to acknowledge.
type settled struct {
	reply string
	at    time.Time
}

func newAcker(nc *nats.Conn, patience time.Duration, log *zap.Logger) *acker {
	return &acker{nc: nc, patience: patience, log: log, kick: make(chan struct{}, 1)}
}

// ack acknowledges a message soon.
func (a *acker) ack(reply string, now time.Time) {
	a.mu.Lock()
	first := len(a.waiting) == 0
	a.waiting = append(a.waiting, settled{reply, now})
	a.mu.Unlock()
	if first {
		select {
		case a.kick <- struct{}{}:
		default:
		}
	}
}

// run sends until ctx ends.
func (a *acker) run(ctx context.Context) {
	var batch []settled
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
		}
		runtime.Gosched() // let those who are settling add theirs
		batch = a.take(batch)
		for rest := a.send(batch); len(rest) > 0; rest = a.send(rest) {
			select {
			case <-ctx.Done():
				a.putBack(rest)
				return
			case <-time.After(ackRest):
			}
		}
	}
}

// finish sends what is left, once run and everybody who settles have ended.
func (a *acker) finish() { a.send(a.take(nil)) }

// take exchanges what waits for an empty slice that is used again.
func (a *acker) take(empty []settled) []settled {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.waiting
	a.waiting = empty[:0]
	return batch
}

func (a *acker) putBack(rest []settled) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, rest...)
}

// send acknowledges and returns what is left to be sent when the connection is back. What is too old is left out: it is
// being delivered again.
func (a *acker) send(batch []settled) (rest []settled) {
	for i, m := range batch {
		if a.nc.Publish(m.reply, ackBody) == nil {
			continue
		}
		rest = batch[i:]
		for len(rest) > 0 && time.Since(rest[0].at) > a.patience {
			a.log.Warn("acknowledgement not sent in time, the event will be delivered again")
			rest = rest[1:]
		}
		return rest
	}
	return nil
}
