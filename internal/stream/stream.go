// Package stream owns the wanted streams and consumers: what they are for a function, and bringing the server to it.
//
// It works level-based: Ensure and EnsureFunction may be called at any time, by anybody, and write nothing when everything
// already is as it should be. It never deletes a stream, and it never takes data away by an update. It runs nothing.
package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The streams of Pelton.
const (
	EventsStream = "EVENTS"         // what publishers publish
	WorkStream   = "PELTON_WORK"    // each function's own queue: retries, schedules, direct invocations
	DeadStream   = "PELTON_DEAD"    // dead letters
	RunsStream   = "PELTON_RUNS"    // run records
	ResultStream = "PELTON_RESULTS" // what became of calls whose callers ask later
	BodiesStream = "PELTON_BODIES"  // bodies of HTTP requests that are too large for a message, in pieces: see package claim
)

const eventSubjects = "events.>"

// reservedPrefix begins the names of our own streams, but for EVENTS; no trigger may name one.
const reservedPrefix = "PELTON_"

// MaxConsumers is the limit set on our streams. A server refuses more than 1,000 on a stream that sets none.
const MaxConsumers = 20_000

// Config bounds the streams.
type Config struct {
	// MaxBytes is the store's limit, to be shared out; 0 is none for new streams, and no opinion on those that exist. A full
	// stream refuses new events and keeps the old.
	MaxBytes int64

	MaxPayload int64 // what the server accepts in one message; 0 is its default
	Replicas   int   // 0 is 1 for new streams, and no opinion on those that exist
}

// Drift is a stream that already existed with a setting that Pelton would have chosen otherwise. It works, with the effect
// that Detail names.
type Drift struct{ Stream, Detail string }

// Ensure creates the streams that are missing. The streams named PELTON_* are brought to the wanted configuration; EVENTS
// belongs to the user once it exists, so differences there are reported and left, but for the number of replicas. If the server
// refuses to change that, everything else is done and the error is a *ReplicasRefused; so it is with a stream that only calls of a
// certain kind need, and a *StreamRefused.
func Ensure(ctx context.Context, js jetstream.JetStream, cfg Config) ([]Drift, error) {
	var drifts []Drift
	var refused error
	for _, want := range wanted(cfg) {
		ensure := ensureStream
		if want.Name == BodiesStream || want.Name == ResultStream {
			ensure = ensureOptional
		}
		found, err := ensure(ctx, js, cfg, want)
		drifts = append(drifts, found...)
		if Refused(err) {
			refused = errors.Join(refused, err)
		} else if err != nil {
			return nil, err
		}
	}
	return drifts, refused
}

func ensureStream(ctx context.Context, js jetstream.JetStream, cfg Config, want jetstream.StreamConfig) (drifts []Drift, err error) {
	info, err := current(ctx, js, want.Name)
	if err == nil && cfg.MaxBytes == 0 && info.Config.MaxBytes > 0 {
		want.MaxBytes = info.Config.MaxBytes
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, create(ctx, js, want)
	case err != nil:
		return nil, fmt.Errorf("look up stream %s: %w", want.Name, err)
	case want.Name == EventsStream:
		drifts = drift(info.Config, want)
	default:
		if err := fitting(want, func(want jetstream.StreamConfig) error { return update(ctx, js, info.Config, want) }); err != nil {
			return nil, err
		}
	}
	return drifts, BringReplicas(ctx, js, info.Config, cfg.Replicas)
}

func create(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	return fitting(want, func(want jetstream.StreamConfig) error {
		if _, err := js.CreateStream(ctx, want); err != nil {
			return fmt.Errorf("create stream %s: %w", want.Name, explain(err))
		}
		return nil
	})
}

func current(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

func wanted(cfg Config) []jetstream.StreamConfig {
	base := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Replicas: max(1, cfg.Replicas), MaxConsumers: MaxConsumers,
		Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute, AllowDirect: true,
	}
	events, work, dead, runs := base, base, base, base

	events.Name, events.Subjects = EventsStream, []string{eventSubjects}
	events.Description = "Pelton: what publishers publish"
	events.MaxAge, events.AllowAtomicPublish = 7*24*time.Hour, true
	events.MaxMsgSize = int32(EventLimit(cfg.MaxPayload))

	work.Name, work.Subjects = WorkStream, []string{"pelton.work.>", "pelton.park.>"}
	work.Description = "Pelton: each function's own queue, parked retries and schedules"
	work.Retention, work.AllowMsgSchedules, work.AllowAtomicPublish = jetstream.WorkQueuePolicy, true, true
	// The server allows schedules only with DiscardOld. So this stream has no limit of its own, as reaching it would drop
	// parked events; what remains of the store's limit bounds it, and reaching that is a clean refusal.
	work.Discard = jetstream.DiscardOld

	dead.Name, dead.Subjects = DeadStream, []string{"pelton.dead.>"}
	dead.Description = "Pelton: dead letters"
	dead.MaxAge = 30 * 24 * time.Hour

	runs.Name, runs.Subjects = RunsStream, []string{"pelton.run.>"}
	runs.Description = "Pelton: run records"
	runs.MaxAge, runs.Discard, runs.MaxBytes = 24*time.Hour, jetstream.DiscardOld, 64<<20

	bodies := base
	bodies.Name, bodies.Subjects = BodiesStream, []string{"pelton.body.>"}
	bodies.Description = "Pelton: large bodies of HTTP requests, in pieces"
	// Each is removed when its event is settled. What is left of all that goes wrong outlives no dead letter that may refer to it.
	bodies.MaxAge, bodies.MaxMsgsPerSubject, bodies.AllowMsgTTL = 60*24*time.Hour, 1, true
	bodies.MaxBytes = maxBodies

	if cfg.MaxBytes > 0 {
		events.MaxBytes, dead.MaxBytes, bodies.MaxBytes = cfg.MaxBytes/2, cfg.MaxBytes/8, cfg.MaxBytes/8
		runs.MaxBytes = min(runs.MaxBytes, cfg.MaxBytes/16)
	}
	return []jetstream.StreamConfig{events, work, dead, runs, leaseStream(base), resultStream(base, cfg.MaxBytes), bodies} // which has what is left
}

// headerRoom is what Pelton's own headers may add to an event when it is parked or becomes a dead letter. Events are held so
// far below what the server accepts that every event that was stored can be stored again.
const headerRoom = 64 << 10

// MaxEvent is the largest event in bytes, headers included, where the server accepts messages twice as large.
const MaxEvent = 1<<20 + headerRoom

// EventLimit is the largest event in bytes, headers included, where the server accepts messages of maxPayload; 0 is its default.
func EventLimit(maxPayload int64) int64 {
	if maxPayload == 0 {
		maxPayload = 1 << 20
	}
	return min(MaxEvent, maxPayload-headerRoom)
}

// update brings one of our own streams to the wanted configuration, if it differs in something we set.
func update(ctx context.Context, js jetstream.JetStream, have, want jetstream.StreamConfig) error {
	if len(drift(have, want)) == 0 {
		return nil
	}
	merged := have
	merged.Subjects, merged.MaxAge, merged.MaxBytes = want.Subjects, want.MaxAge, want.MaxBytes
	merged.Discard, merged.Duplicates, merged.AllowDirect = want.Discard, want.Duplicates, want.AllowDirect
	merged.AllowMsgSchedules = have.AllowMsgSchedules || want.AllowMsgSchedules
	merged.AllowAtomicPublish = have.AllowAtomicPublish || want.AllowAtomicPublish
	merged.Description = want.Description
	if _, err := js.UpdateStream(ctx, merged); err != nil {
		return fmt.Errorf("update stream %s: %w", want.Name, explain(err))
	}
	return nil
}

// explain adds what to do to the server errors that a user can mend.
func explain(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case errCodeSubjectsOverlap:
			return fmt.Errorf("%w (another stream already has these subjects: rename its subjects, "+
				"or name that stream in the trigger)", err)
		case errCodeStorageExceeded:
			return fmt.Errorf("%w (the store's limit is too small: free disk space, or raise the limit)", err)
		}
	}
	return err
}

// Error codes of the server that have no sentinel in the client.
const (
	errCodeNoPeers             = 10005
	errCodeAccountExceeded     = 10002
	errCodeInsufficient        = 10023
	errCodeStorageExceeded     = 10047
	errCodeSubjectsOverlap     = 10065
	errCodeStreamBytesExceeded = 10122
)
