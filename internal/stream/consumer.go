package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// AckWait is how long the server waits for a sign of life from whoever holds a message. Sidecars give one at a third of it.
const AckWait = 30 * time.Second

// Pull requests name their group and a priority: workers are served first, a wake probe only when no worker waits. The
// group must be there from a consumer's first day; the server cannot add it later.
const (
	PriorityGroup  = "pull"
	WorkerPriority = 0
	ProbePriority  = 9
)

// WorkTrigger is the Trigger of the consumer on a function's own queue.
const WorkTrigger = -1

// Consumer is one durable pull consumer of a function.
type Consumer struct {
	Stream  string
	Name    string
	Filters []string // subjects
	Trigger int      // index into spec.triggers, or WorkTrigger
}

// ConsumersOf lists the consumers a function needs: one for each event trigger and one on its own queue, which is last.
func ConsumersOf(fn *function.Function) []Consumer {
	key := fn.Key()
	var cs []Consumer
	for i, t := range fn.Spec.Triggers {
		if t.Event != nil {
			cs = append(cs, Consumer{t.Event.Stream, EventConsumer(key, t.Event.Subjects...), t.Event.Subjects, i})
		}
	}
	return append(cs, Consumer{WorkStream, consumerName(key, workRole), []string{workSubjects(key)}, WorkTrigger})
}

// EventConsumer names the consumer of an event trigger, by what it selects and not by its place in the manifest: a trigger
// that is moved there keeps its consumer, and with it what waits.
func EventConsumer(key function.Key, subjects ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(subjects)), "\n")))
	return consumerName(key, eventPrefix+hex.EncodeToString(sum[:4]))
}

// The roles of consumers, the last part of their names.
const (
	eventPrefix = "event-"
	workRole    = "work"
)

// consumerName joins with underscores, which neither namespaces nor names may contain, so that no two functions meet.
func consumerName(key function.Key, role string) string {
	return key.Namespace + "_" + key.Name + "_" + role
}

// NamespaceOf returns the namespace of the function that a consumer belongs to, and whether it is a function's.
func NamespaceOf(consumer string) (namespace string, ok bool) {
	parts := strings.Split(consumer, "_")
	if len(parts) != 3 || parts[2] != workRole && !strings.HasPrefix(parts[2], eventPrefix) {
		return "", false
	}
	return parts[0], true
}

func workSubjects(key function.Key) string {
	return "pelton.work." + key.Namespace + "." + key.Name + ".>"
}

// EnsureFunction brings the consumers and schedules of a function to what its manifest asks for and returns the consumers.
// A new event consumer begins with what is published from now on; one that takes the place of another, because the subjects
// of its trigger have changed, begins with what the other had not finished. Consumers of triggers that the manifest no
// longer has are deleted; what they had not delivered stays in the stream.
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
	consumers := ConsumersOf(fn)
	stale, ends, err := staleConsumers(ctx, js, fn.Key(), consumers)
	if err != nil {
		return nil, err
	}
	for _, c := range consumers {
		if err := ensureConsumer(ctx, js, fn, c, start{since, stale, ends}); err != nil {
			return nil, err
		}
	}
	if err := deleteConsumers(ctx, js, stale); err != nil {
		return nil, err
	}
	return consumers, ensureSchedules(ctx, js, fn)
}

// checkReply makes sure that replies can be stored: an outcome whose reply no stream takes would never be acknowledged.
func checkReply(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	if fn.Spec.Reply == nil {
		return nil
	}
	_, err := js.StreamNameBySubject(ctx, fn.Spec.Reply.Subject)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return noReplyStream(fn.Spec.Reply.Subject)
	}
	if err != nil {
		return fmt.Errorf("look up the stream of reply subject %q: %w", fn.Spec.Reply.Subject, err)
	}
	return nil
}

func noReplyStream(subject string) error {
	return fmt.Errorf("spec.reply.subject: no stream stores %q (use a subject below events., or create a stream for it)",
		subject)
}

func ensureConsumer(ctx context.Context, js jetstream.JetStream, fn *function.Function, c Consumer, begin start) error {
	s, err := js.Stream(ctx, c.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return noStream(c)
	}
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", c.Stream, err)
	}
	if err := checkCovered(fn, c, s.CachedInfo().Config.Subjects); err != nil {
		return err
	}
	want := consumerConfig(fn, c)
	if have, err := s.Consumer(ctx, c.Name); err == nil {
		cfg := have.CachedInfo().Config
		if sameConsumer(cfg, want) {
			return nil
		}
		want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime
	} else if c.Trigger != WorkTrigger {
		begin.apply(&want, c)
	}
	if _, err := s.CreateOrUpdateConsumer(ctx, want); err != nil {
		return fmt.Errorf("provision consumer %s on stream %s: %w", c.Name, c.Stream, err)
	}
	return nil
}

// checkCovered refuses a trigger that could never see an event: its stream stores no such subject.
func checkCovered(fn *function.Function, c Consumer, stored []string) error {
	for i, filter := range c.Filters {
		if !overlaps(stored, filter) && c.Trigger != WorkTrigger {
			return fmt.Errorf("spec.triggers[%d].event.subjects[%d]: stream %s stores %v, so no event can match %q (function %s)",
				c.Trigger, i, c.Stream, stored, filter, fn.Key())
		}
	}
	return nil
}

func overlaps(stored []string, subject string) bool {
	return slices.ContainsFunc(stored, func(s string) bool { return function.SubjectsOverlap(s, subject) })
}

func noStream(c Consumer) error {
	return fmt.Errorf("spec.triggers[%d].event.stream: stream %q does not exist (create it, or use %s)", c.Trigger, c.Stream,
		EventsStream)
}

func consumerConfig(fn *function.Function, c Consumer) jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Durable: c.Name, Description: "Pelton: function " + fn.Key().String(),
		FilterSubjects: slices.Sorted(slices.Values(c.Filters)), AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver:     -1, // a limit would make messages vanish: the sidecar decides, and keeps a dead letter
		MaxAckPending:  maxAckPending(fn.Spec),
		DeliverPolicy:  jetstream.DeliverNewPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{PriorityGroup},
	}
	if c.Trigger == WorkTrigger {
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy // the only one a work queue allows
	}
	return cfg
}

// maxAckPending leaves room for everything that all replicas can hold: twice the concurrency, as instant handlers are given
// as much again ahead. A smaller number would stall the consumer silently.
func maxAckPending(spec function.Spec) int {
	return max(1000, 4*max(1, spec.Scale.MaxReplicas)*max(1, spec.Concurrency))
}

func sameConsumer(have, want jetstream.ConsumerConfig) bool {
	return slices.Equal(filtersOf(have), want.FilterSubjects) && have.AckWait == want.AckWait &&
		have.MaxAckPending == want.MaxAckPending && have.MaxDeliver == want.MaxDeliver && have.Description == want.Description
}

func streamsOf(consumers []Consumer) []string {
	names := []string{EventsStream}
	for _, c := range consumers {
		if !slices.Contains(names, c.Stream) && c.Stream != WorkStream {
			names = append(names, c.Stream)
		}
	}
	return names
}
