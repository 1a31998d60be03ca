package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// Owned is what a server holds for one function.
type Owned struct {
	Consumers []*jetstream.ConsumerInfo // on whatever stream, by stream and name
	Schedules map[string]uint64         // subject to sequence: a schedule that was set anew has another
	Parked    int                       // retries that wait for their time
	Orphans   int                       // events in the function's own queue while that has no consumer
}

// Nothing reports whether the server holds nothing.
func (o *Owned) Nothing() bool {
	return len(o.Consumers) == 0 && len(o.Schedules) == 0 && o.Parked == 0 && o.Orphans == 0
}

// Waiting adds up the events that the function has not settled: due, in flight, and parked.
func (o *Owned) Waiting() (due, inFlight, parked int) {
	due = o.Orphans
	for _, c := range o.Consumers {
		due, inFlight = due+int(c.NumPending), inFlight+c.NumAckPending
	}
	return due, inFlight, o.Parked
}

// OwnedBy looks on all streams for what a function has, so it also finds what its manifest of today does not name.
func OwnedBy(ctx context.Context, js jetstream.JetStream, key function.Key) (Owned, error) {
	o := Owned{Schedules: map[string]uint64{}}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if err := o.addConsumers(ctx, js, name, key); err != nil {
			return o, err
		}
	}
	if err := names.Err(); err != nil {
		return o, fmt.Errorf("list streams: %w", err)
	}
	slices.SortFunc(o.Consumers, func(a, b *jetstream.ConsumerInfo) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(a.Name, b.Name))
	})
	return o, o.addQueue(ctx, js, key)
}

func (o *Owned) addConsumers(ctx context.Context, js jetstream.JetStream, name string, key function.Key) error {
	cs, err := consumersOn(ctx, js, name, func(consumer string) bool { return isOf(key, consumer) })
	o.Consumers = append(o.Consumers, cs...)
	return err
}

// eventConsumers finds the event consumers of a function on all streams that a trigger may name.
func eventConsumers(ctx context.Context, js jetstream.JetStream, key function.Key) ([]*jetstream.ConsumerInfo, error) {
	var all []*jetstream.ConsumerInfo
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.HasPrefix(name, reservedPrefix) {
			continue
		}
		cs, err := consumersOn(ctx, js, name, func(consumer string) bool { return isOf(key, consumer) })
		if err != nil {
			return nil, err
		}
		all = append(all, cs...)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return all, nil
}

// consumersOn looks up the consumers of a stream that are chosen by their names.
func consumersOn(ctx context.Context, js jetstream.JetStream, name string,
	chosen func(consumer string) bool,
) ([]*jetstream.ConsumerInfo, error) {
	s, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil // it has just been deleted
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", name, err)
	}
	var found []*jetstream.ConsumerInfo
	names := s.ConsumerNames(ctx)
	for consumer := range names.Name() {
		if !chosen(consumer) {
			continue
		}
		c, err := s.Consumer(ctx, consumer)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up consumer %s on stream %s: %w", consumer, name, err)
		}
		found = append(found, c.CachedInfo())
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of stream %s: %w", name, err)
	}
	return found, nil
}

// addQueue looks at the function's own queue. Schedules are there beside parked retries.
func (o *Owned) addQueue(ctx context.Context, js jetstream.JetStream, key function.Key) error {
	s, err := js.Stream(ctx, WorkStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", WorkStream, err)
	}
	parked, err := messagesOn(ctx, s, parkSubjects(key))
	if err != nil {
		return err
	}
	for subject, n := range parked {
		if !strings.HasPrefix(subject, schedulePrefix(key)) {
			o.Parked += int(n)
			continue
		}
		m, err := s.GetLastMsgForSubject(ctx, subject)
		if err != nil {
			return fmt.Errorf("look up schedule %s: %w", subject, err)
		}
		o.Schedules[subject] = m.Sequence
	}
	if slices.ContainsFunc(o.Consumers, func(c *jetstream.ConsumerInfo) bool { return c.Stream == WorkStream }) {
		return nil
	}
	queued, err := messagesOn(ctx, s, workSubjects(key))
	for _, n := range queued {
		o.Orphans += int(n)
	}
	return err
}

// messagesOn counts the messages on each of some subjects.
func messagesOn(ctx context.Context, s jetstream.Stream, subjects string) (map[string]uint64, error) {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subjects))
	if err != nil {
		return nil, fmt.Errorf("look for messages on %s: %w", subjects, err)
	}
	return info.State.Subjects, nil
}

// Remove deletes what a server holds for a function: schedules first, so that nothing more comes, then consumers. Events
// stay in the streams of their publishers. With discard, the function's own queue is emptied, parked retries with it;
// without, what is there waits until the function is provisioned again.
func Remove(ctx context.Context, js jetstream.JetStream, key function.Key, o Owned, discard bool) error {
	if len(o.Schedules) > 0 {
		if err := RemoveSchedules(ctx, js, key); err != nil {
			return err
		}
	}
	if err := cmp.Or(deleteConsumers(ctx, js, o.Consumers), RemoveLease(ctx, js, key)); err != nil || !discard {
		return err
	}
	s, err := js.Stream(ctx, WorkStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", WorkStream, err)
	}
	for _, subjects := range []string{workSubjects(key), parkSubjects(key)} {
		if err := s.Purge(ctx, jetstream.WithPurgeSubject(subjects)); err != nil {
			return fmt.Errorf("empty %s: %w", subjects, err)
		}
	}
	return nil
}

func parkSubjects(key function.Key) string {
	return "pelton.park." + key.Namespace + "." + key.Name + ".>"
}
