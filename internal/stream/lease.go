package stream

import (
	"context"
	"errors"
	"fmt"

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

// RemoveLease forgets who leads a function, and which of its events have failed. Nobody may lead it.
func RemoveLease(ctx context.Context, js jetstream.JetStream, key function.Key) error {
	s, err := js.Stream(ctx, LeaseStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(LeaseSubject(key)))
	}
	if err != nil {
		return fmt.Errorf("remove the lease of %s: %w", key, err)
	}
	return nil
}
