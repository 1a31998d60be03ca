package wake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/pelton-dev/pelton/internal/stream"
)

// The self-test has one small stream in memory for all that test at once, and who is the last to test deletes it. Each test has
// a subject and a consumer of its own. Of a killed one the consumer goes by itself, and the stream with the next test.
const (
	selfTestTries    = 10
	selfTestStream   = "PELTON_SELFTEST"
	selfTestSubjects = "pelton.selftest."
	selfTestAge      = time.Minute
	selfTestMessages = 10_000
)

// countPause is between looks at a count that the server is about to correct.
const countPause = 5 * time.Millisecond

// selfTest makes sure that a probe does on this server what it is meant to: answer when something is deliverable, and
// consume nothing. It is tried again if another, who thought to be the last, deleted the stream meanwhile.
func (w *Watcher) selfTest(ctx context.Context) error {
	for try := 1; ; try++ {
		vanished, err := w.testProbe(ctx)
		if err == nil || !vanished || try == selfTestTries {
			return err
		}
	}
}

// testProbe tests once. vanished is whether that could not be done because the stream was gone at the end.
func (w *Watcher) testProbe(ctx context.Context) (vanished bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	id := nuid.Next()
	s, err := w.openTestStream(ctx)
	if err != nil {
		return isGone(err), fmt.Errorf("create test stream: %w", err)
	}
	c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Name: id, FilterSubject: selfTestSubjects + id, AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: selfTestAge,
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{stream.PriorityGroup},
	})
	if err != nil {
		return isGone(err), fmt.Errorf("create test consumer: %w", err)
	}
	err = w.fireTest(ctx, c)
	return w.closeTest(context.WithoutCancel(ctx), s, id), err
}

// streamGoes is the server's error code for a stream that is just being deleted.
const streamGoes = 10096

// isGone reports whether the stream, or the consumer in it, was deleted or is about to be.
func isGone(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) || ok && api.ErrorCode == streamGoes
}

// fireTest parks a probe, and has it answered.
func (w *Watcher) fireTest(ctx context.Context, c jetstream.Consumer) error {
	id := c.CachedInfo().Name
	inbox, err := w.nc.SubscribeSync(w.nc.NewInbox())
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer func() { _ = inbox.Unsubscribe() }()
	if err := w.nc.PublishRequest(requestSubject(stream.Consumer{Stream: selfTestStream, Name: id}), inbox.Subject,
		w.request); err != nil {
		return fmt.Errorf("park test probe: %w", err)
	}
	if _, err := w.js.Publish(ctx, selfTestSubjects+id, []byte("x")); err != nil {
		return fmt.Errorf("publish test message: %w", err)
	}
	return checkFired(ctx, inbox, c)
}

// openTestStream makes the stream, or takes one that is there as it is: another version may have made it.
func (w *Watcher) openTestStream(ctx context.Context) (jetstream.Stream, error) {
	s, err := w.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: selfTestStream, Subjects: []string{selfTestSubjects + "*"}, Description: "Pelton: tests whether probes work here",
		Storage: jetstream.MemoryStorage, MaxMsgs: selfTestMessages, MaxAge: selfTestAge,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return w.js.Stream(ctx, selfTestStream)
	}
	return s, err
}

// closeTest deletes the consumer, and the stream if no other test has one. What cannot be deleted goes with the next test. It
// reports whether the consumer was gone already.
func (w *Watcher) closeTest(ctx context.Context, s jetstream.Stream, consumer string) (gone bool) {
	if err := s.DeleteConsumer(ctx, consumer); err != nil {
		return isGone(err)
	}
	if info, err := s.Info(ctx); err == nil && info.State.Consumers == 0 {
		_ = w.js.DeleteStream(ctx, selfTestStream)
	}
	return false
}

func checkFired(ctx context.Context, inbox *nats.Subscription, c jetstream.Consumer) error {
	m, err := inbox.NextMsgWithContext(ctx)
	if err != nil {
		return fmt.Errorf("wait for the test probe: %w", err)
	}
	if status := m.Header.Get("Status"); status != "409" || !strings.HasPrefix(m.Header.Get("Description"), firedDescription) {
		return fmt.Errorf("test probe was answered %q %q, want a 409 %q", status, m.Header.Get("Description"), firedDescription)
	}
	return checkUnconsumed(ctx, c)
}

// checkUnconsumed makes sure that the consumer still has its message. The server counts a message as pending a moment after
// it can deliver it, so the count may come later than the probe's answer.
func checkUnconsumed(ctx context.Context, c jetstream.Consumer) error {
	for {
		info, err := c.Info(ctx)
		if err != nil {
			return fmt.Errorf("look up test consumer: %w", err)
		}
		if info.Delivered.Consumer == 0 && info.NumPending == 1 {
			return nil
		}
		consumed := fmt.Errorf("test probe consumed: %d delivered, %d pending", info.Delivered.Consumer, info.NumPending)
		if info.Delivered.Consumer != 0 {
			return consumed
		}
		select {
		case <-ctx.Done():
			return consumed
		case <-time.After(countPause):
		}
	}
}
