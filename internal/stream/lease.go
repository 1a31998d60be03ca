package stream

import (
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// LeaseStream holds who leads each function that has an order.
const LeaseStream = "PELTON_LEASES"

const leaseSubjects = "pelton.lease.>"

// LeaseSubject is where it is written who leads a function: one message.
func LeaseSubject(key function.Key) string { return "pelton.lease." + key.Namespace + "." + key.Name }

func leaseStream(base jetstream.StreamConfig) jetstream.StreamConfig {
	leases := base
	leases.Name, leases.Subjects = LeaseStream, []string{leaseSubjects}
	leases.Description = "Pelton: who leads each function that has an order"
	leases.MaxMsgsPerSubject, leases.Discard = 1, jetstream.DiscardOld
	return leases
}
