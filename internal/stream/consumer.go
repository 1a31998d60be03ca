package stream

import (
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

// Consumer is one durable pull consumer of a function.
type Consumer struct {
	Stream   string
	Name     string
	Filters  []string // subjects, sorted; none covers another
	Triggers []int    // indices into spec.triggers; none for the function's own queue
}

// Work reports whether it is the consumer on a function's own queue.
func (c Consumer) Work() bool { return len(c.Triggers) == 0 }

// ConsumersOf lists the consumers a function needs: one for all event triggers on a stream, by the order in which its manifest names
// the streams, and one on its own queue, which is last.
func ConsumersOf(fn *function.Function) []Consumer {
	key := fn.Key()
	var cs []Consumer
	for i, t := range fn.Spec.Triggers {
		if t.Event == nil {
			continue
		}
		at := slices.IndexFunc(cs, func(c Consumer) bool { return c.Stream == t.Event.Stream })
		if at < 0 {
			at, cs = len(cs), append(cs, Consumer{Stream: t.Event.Stream, Name: EventConsumer(key)})
		}
		cs[at].Triggers = append(cs[at].Triggers, i)
		cs[at].Filters = append(cs[at].Filters, t.Event.Subjects...)
	}
	for i := range cs {
		cs[i].Filters = widest(cs[i].Filters)
	}
	return append(cs, Consumer{Stream: WorkStream, Name: consumerName(key, workRole), Filters: []string{workSubjects(key)}})
}

// widest returns the subjects that no other covers, sorted: the server refuses a filter that another one covers. Two that overlap
// otherwise are fine, what matches both is delivered once.
func widest(subjects []string) []string {
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	return slices.DeleteFunc(slices.Clone(subjects), func(narrow string) bool {
		return slices.ContainsFunc(subjects, func(s string) bool { return s != narrow && function.SubjectCovers(s, narrow) })
	})
}

// EventConsumer names the consumer of a function's event triggers. It is the same on each stream and whatever the triggers ask
// for: a manifest that changes keeps its consumer, and with it what is in flight, what waits, and what has been done.
func EventConsumer(key function.Key) string { return consumerName(key, eventsRole) }

// The roles of consumers, the last part of their names.
const (
	eventsRole = "events"
	workRole   = "work"
)

// consumerName joins with underscores, which neither namespaces nor names may contain, so that no two functions meet.
func consumerName(key function.Key, role string) string {
	return key.Namespace + "_" + key.Name + "_" + role
}

// OwnerOf returns the function that a consumer belongs to by its name, and whether it is a function's.
func OwnerOf(consumer string) (function.Key, bool) {
	parts := strings.Split(consumer, "_")
	if len(parts) != 3 || !isRole(parts[2]) {
		return function.Key{}, false
	}
	return function.Key{Namespace: parts[0], Name: parts[1]}, true
}

func isRole(role string) bool { return role == workRole || role == eventsRole || isFormer(role) }

// isOf reports whether a consumer is one of a function's, by its name.
func isOf(key function.Key, consumer string) bool {
	role, ok := strings.CutPrefix(consumer, consumerName(key, ""))
	return ok && isRole(role)
}

func workSubjects(key function.Key) string {
	return "pelton.work." + key.Namespace + "." + key.Name + ".>"
}

func consumerConfig(fn *function.Function, c Consumer) jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Durable: c.Name, Description: "Pelton: function " + fn.Key().String(),
		FilterSubjects: c.Filters, AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver:     -1, // a limit would make messages vanish: the sidecar decides, and keeps a dead letter
		MaxAckPending:  maxAckPending(fn.Spec),
		DeliverPolicy:  jetstream.DeliverNewPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPrioritized, PriorityGroups: []string{PriorityGroup},
	}
	if c.Work() {
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy // the only one a work queue allows
	}
	return cfg
}

// maxAckPending leaves room for everything that all replicas can hold: twice the concurrency, as instant handlers are given
// as much again ahead. A smaller number would stall the consumer silently.
func maxAckPending(spec function.Spec) int {
	return max(1000, 4*max(1, spec.Scale.MaxReplicas)*spec.InFlight())
}

func sameConsumer(have, want jetstream.ConsumerConfig) bool {
	return slices.Equal(filtersOf(have), want.FilterSubjects) && have.AckWait == want.AckWait &&
		have.MaxAckPending == want.MaxAckPending && have.MaxDeliver == want.MaxDeliver && have.Description == want.Description &&
		have.Metadata[metadataKey] == want.Metadata[metadataKey]
}
