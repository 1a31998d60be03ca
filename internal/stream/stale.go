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
}

// apply sets where the consumer begins: where one that it replaces had got to, if that one has not finished; else at since.
// Subjects that the other did not have are given from there on as well.
func (b start) apply(cfg *jetstream.ConsumerConfig, c Consumer) {
	if !b.since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &b.since
	}
	for _, old := range b.stale {
		if old.Stream != c.Stream || old.NumPending == 0 && old.NumAckPending == 0 || !overlap(old.Config, c.Filters) {
			continue
		}
		next := old.AckFloor.Stream + 1
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

// staleConsumers finds the event consumers of a function that its manifest no longer asks for, on the streams it still uses.
func staleConsumers(ctx context.Context, js jetstream.JetStream, key function.Key,
	keep []Consumer,
) ([]*jetstream.ConsumerInfo, error) {
	prefix := consumerName(key, eventPrefix)
	var stale []*jetstream.ConsumerInfo
	for _, name := range streamsOf(keep) {
		s, err := js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // whoever needs it says so
		}
		if err != nil {
			return nil, fmt.Errorf("look up stream %s: %w", name, err)
		}
		names := s.ConsumerNames(ctx)
		for consumer := range names.Name() {
			wanted := slices.ContainsFunc(keep, func(c Consumer) bool { return c.Stream == name && c.Name == consumer })
			if wanted || !strings.HasPrefix(consumer, prefix) {
				continue
			}
			c, err := s.Consumer(ctx, consumer)
			if err != nil {
				return nil, fmt.Errorf("look up consumer %s on stream %s: %w", consumer, name, err)
			}
			stale = append(stale, c.CachedInfo())
		}
		if err := names.Err(); err != nil {
			return nil, fmt.Errorf("list consumers of stream %s: %w", name, err)
		}
	}
	return stale, nil
}

func deleteConsumers(ctx context.Context, js jetstream.JetStream, stale []*jetstream.ConsumerInfo) error {
	for _, c := range stale {
		if err := js.DeleteConsumer(ctx, c.Stream, c.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("delete consumer %s on stream %s: %w", c.Name, c.Stream, err)
		}
	}
	return nil
}
