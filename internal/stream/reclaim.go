package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxReclaim bounds what Reclaim looks at in one consumer: from the oldest message without an acknowledgement to the newest
// that was delivered. Beyond it the messages come back by themselves, after AckWait.
const maxReclaim = 100_000

// Reclaim makes messages that were delivered and never settled deliverable again at once, and returns how many those are.
// They would rest until AckWait is over, even if they were handed back: the server forgets that when it stops.
//
// It is for a host that has just started its own server: nobody holds these messages any more. Where anybody may, a message
// would be handled twice.
func Reclaim(ctx context.Context, js jetstream.JetStream, consumers []Consumer) (int, error) {
	total := 0
	for _, c := range consumers {
		n, err := reclaim(ctx, js, c)
		if err != nil {
			return total, fmt.Errorf("reclaim messages of consumer %s: %w", c.Name, err)
		}
		total += n
	}
	return total, nil
}

// reclaim hands back every sequence that may be without an acknowledgement. The server passes over those that are not.
func reclaim(ctx context.Context, js jetstream.JetStream, c Consumer) (int, error) {
	consumer, err := js.Consumer(ctx, c.Stream, c.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	if info.NumAckPending == 0 || info.Delivered.Stream-info.AckFloor.Stream > maxReclaim {
		return 0, nil
	}
	return info.NumAckPending, HandBack(ctx, js.Conn(), info)
}

const (
	handBackAtATime = 4096 // a stream may hold millions of other messages between those of a consumer
	handBackWait    = 5 * time.Second
)

// HandBack hands back all that a consumer has delivered and nobody has acknowledged, in the order of the stream. When it returns
// the server has done so. What was to come again already keeps the place that it has. A server that says nothing for
// handBackWait, as its answer can be lost with the consumer's leader, is an error.
func HandBack(ctx context.Context, nc *nats.Conn, info *jetstream.ConsumerInfo) error {
	prefix := "$JS.ACK." + info.Stream + "." + info.Name + ".1."
	suffix := "." + strconv.FormatUint(info.Delivered.Consumer, 10) + ".0.0"
	last := info.Delivered.Stream
	for seq := info.AckFloor.Stream + 1; seq <= last; seq++ {
		subject := prefix + strconv.FormatUint(seq, 10) + suffix
		var err error
		if seq == last || seq%handBackAtATime == 0 {
			err = handBackOne(ctx, nc, subject)
		} else {
			err = nc.Publish(subject, nakBody)
		}
		if err != nil {
			return fmt.Errorf("hand back: %w", err)
		}
	}
	return nil
}

func handBackOne(ctx context.Context, nc *nats.Conn, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, handBackWait)
	defer cancel()
	_, err := nc.RequestWithContext(ctx, subject, nakBody)
	return err
}

var nakBody = []byte("-NAK")
