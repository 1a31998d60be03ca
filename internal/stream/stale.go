package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// start says where a consumer that must be made begins.
type start struct {
	since time.Time // zero: now
	stale []*jetstream.ConsumerInfo
	ends  map[string]uint64 // the last sequence of each stream, from before stale was looked at
}

// apply sets where the consumer begins: where one that it replaces had got to, else at since. Subjects that the other did not have
// are given from there on as well. One that had finished had come to the end of the stream as it was before we looked: what has
// been published since may reach it or not, and nobody asks it any more once it is deleted.
func (b start) apply(cfg *jetstream.ConsumerConfig, c Consumer) {
	if !b.since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &b.since
	}
	for _, old := range b.stale {
		finished := old.NumPending == 0 && old.NumAckPending == 0
		if old.Stream != c.Stream || finished && !b.since.IsZero() || !overlap(old.Config, c.Filters) {
			continue
		}
		next := old.AckFloor.Stream + 1
		if finished {
			next = b.ends[c.Stream] + 1
		}
		if cfg.DeliverPolicy != jetstream.DeliverByStartSequencePolicy || next < cfg.OptStartSeq {
			cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, next, nil
		}
	}
}

func overlap(old jetstream.ConsumerConfig, filters []string) bool {
	for _, a := range filtersOf(old) {
		for _, b := range filters {
			if function.SubjectsOverlap(a, b) {
				return true
			}
		}
	}
	return false
}

// filtersOf returns the subjects a consumer selects: the server keeps a single one in a field of its own.
func filtersOf(cfg jetstream.ConsumerConfig) []string {
	if cfg.FilterSubject != "" {
		return []string{cfg.FilterSubject}
	}
	return cfg.FilterSubjects
}

// staleConsumers finds the event consumers of a function that its manifest no longer asks for, on the streams it still uses, and
// says where those streams ended before.
func staleConsumers(ctx context.Context, js jetstream.JetStream, key function.Key,
	keep []Consumer,
) (stale []*jetstream.ConsumerInfo, ends map[string]uint64, err error) {
	prefix := consumerName(key, eventPrefix)
	ends = map[string]uint64{}
	for _, name := range streamsOf(keep) {
		s, err := js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // whoever needs it says so
		}
		if err != nil {
			return nil, nil, fmt.Errorf("look up stream %s: %w", name, err)
		}
		ends[name] = s.CachedInfo().State.LastSeq
		names := s.ConsumerNames(ctx)
		for consumer := range names.Name() {
			wanted := slices.ContainsFunc(keep, func(c Consumer) bool { return c.Stream == name && c.Name == consumer })
			if wanted || !strings.HasPrefix(consumer, prefix) {
				continue
			}
			c, err := s.Consumer(ctx, consumer)
			if err != nil {
				return nil, nil, fmt.Errorf("look up consumer %s on stream %s: %w", consumer, name, err)
			}
			stale = append(stale, c.CachedInfo())
		}
		if err := names.Err(); err != nil {
			return nil, nil, fmt.Errorf("list consumers of stream %s: %w", name, err)
		}
	}
	return stale, ends, nil
}

func deleteConsumers(ctx context.Context, js jetstream.JetStream, stale []*jetstream.ConsumerInfo) error {
	for _, c := range stale {
		if err := js.DeleteConsumer(ctx, c.Stream, c.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("delete consumer %s on stream %s: %w", c.Name, c.Stream, err)
		}
	}
	return nil
}
