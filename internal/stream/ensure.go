package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// EnsureFunction brings the consumers and schedules of a function to what its manifest asks for and returns the consumers.
//
// A new event consumer begins with what is published from now on. One that is there is changed in place: what is in flight and what
// waits stays so, nothing that was done is given again, and a subject that is added begins with what is published from now on.
// What waits on a subject that is removed is not given any more, and stays in the stream. So does what waits on a stream that no
// trigger names any more: the consumer there is deleted.
func EnsureFunction(ctx context.Context, js jetstream.JetStream, fn *function.Function) ([]Consumer, error) {
	return EnsureFunctionSince(ctx, js, fn, time.Time{})
}

// EnsureFunctionSince is EnsureFunction for a function whose consumers may have been lost: those that must be made anew
// begin with what was stored at since. A zero time is now.
func EnsureFunctionSince(ctx context.Context, js jetstream.JetStream, fn *function.Function,
	since time.Time,
) ([]Consumer, error) {
	if err := checkReply(ctx, js, fn); err != nil {
		return nil, err
	}
	e := ensuring{js: js, fn: fn, since: since, consumers: ConsumersOf(fn), streams: map[string]*jetstream.StreamInfo{}}
	if err := e.lookAtStreams(ctx); err != nil {
		return nil, err
	}
	if err := e.ensureConsumers(ctx); err != nil {
		return nil, err
	}
	return e.consumers, ensureSchedules(ctx, js, fn)
}

// ensuring is one EnsureFunction.
type ensuring struct {
	js        jetstream.JetStream
	fn        *function.Function
	since     time.Time
	consumers []Consumer                       // the wanted ones, that on the function's own queue last
	streams   map[string]*jetstream.StreamInfo // of the wanted consumers, as they were before anything else was looked at
	others    []*jetstream.ConsumerInfo        // event consumers that are not wanted; not looked for while nothing changes
}

// lookAtStreams refuses a function of which a part could not work, before anything is changed for it.
func (e *ensuring) lookAtStreams(ctx context.Context) error {
	for _, c := range e.consumers {
		s, err := e.js.Stream(ctx, c.Stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) && !c.Work() {
			return noStream(c)
		}
		if err != nil {
			return fmt.Errorf("look up stream %s: %w", c.Stream, err)
		}
		e.streams[c.Stream] = s.CachedInfo()
		if err := checkCovered(e.fn, c, s.CachedInfo().Config.Subjects); err != nil {
			return err
		}
	}
	return nil
}

// ensureConsumers writes down what the function asks for before it changes any consumer, and that this is done after it has: so a
// replica that meets an event which it does not know can always tell whether a newer one wants it, and a change that was cut off is
// taken up again.
func (e *ensuring) ensureConsumers(ctx context.Context) error {
	events, work := e.consumers[:len(e.consumers)-1], e.consumers[len(e.consumers)-1]
	interest, err := e.interest(ctx, work)
	if err != nil {
		return err
	}
	if err := e.ensure(ctx, work, interest); err != nil {
		return err
	}
	for _, c := range events {
		if err := e.ensure(ctx, c, nil); err != nil {
			return err
		}
	}
	if !interest.Changing {
		return nil
	}
	if err := deleteConsumers(ctx, e.js, e.others); err != nil {
		return err
	}
	interest.Changing = false
	return e.ensure(ctx, work, interest)
}

// ensure makes or changes one consumer. interest goes with that on the function's own queue.
func (e *ensuring) ensure(ctx context.Context, c Consumer, interest *Interest) error {
	want := consumerConfig(e.fn, c)
	if err := interest.write(&want); err != nil {
		return err
	}
	have, err := e.js.Consumer(ctx, c.Stream, c.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		e.begin(&want, c)
	case err != nil:
		return fmt.Errorf("look up consumer %s on stream %s: %w", c.Name, c.Stream, err)
	default:
		cfg := have.CachedInfo().Config
		if sameConsumer(cfg, want) {
			return nil
		}
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime
		if have.CachedInfo().NumPending == 0 && !slices.Equal(filtersOf(cfg), want.FilterSubjects) {
			e.passOver(ctx, c)
		}
	}
	if _, err := e.js.CreateOrUpdateConsumer(ctx, c.Stream, want); err != nil {
		return fmt.Errorf("provision consumer %s on stream %s: %w", c.Name, c.Stream, err)
	}
	return nil
}

// begin sets where a consumer begins that must be made.
func (e *ensuring) begin(want *jetstream.ConsumerConfig, c Consumer) {
	if c.Work() {
		return
	}
	if !e.since.IsZero() {
		want.DeliverPolicy, want.OptStartTime = jetstream.DeliverByStartTimePolicy, &e.since
	}
	e.takeOver(want, c)
}

// passOver has the server move a consumer that has nothing due to the end of its stream, which it does for a request: otherwise all
// that was stored on an added subject since the last delivery would be counted as due, and replicas would be started only to find
// that it was stored before the subject was asked for. The request takes nothing, as no message is that small, and whether it
// works out matters no further.
func (e *ensuring) passOver(ctx context.Context, c Consumer) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request := fmt.Appendf(nil, `{"batch":1,"max_bytes":1,"expires":%d,"group":%q,"priority":%d}`,
		(20 * time.Millisecond).Nanoseconds(), PriorityGroup, ProbePriority)
	_, _ = e.js.Conn().RequestWithContext(ctx, "$JS.API.CONSUMER.MSG.NEXT."+c.Stream+"."+c.Name, request)
}

func deleteConsumers(ctx context.Context, js jetstream.JetStream, gone []*jetstream.ConsumerInfo) error {
	for _, c := range gone {
		if err := js.DeleteConsumer(ctx, c.Stream, c.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("delete consumer %s on stream %s: %w", c.Name, c.Stream, err)
		}
	}
	return nil
}
