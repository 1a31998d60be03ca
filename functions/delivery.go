package functions

import (
	"context"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
)

// Delivery says which attempt a call is, and for whom.
type Delivery struct {
	Function  string
	Namespace string
	Replica   string

	// Attempt is 1 for the first. It grows when an attempt ended in an error.
	Attempt int

	// Redeliveries counts earlier deliveries of this attempt whose end nobody knows, because the machine or the sidecar
	// went away. If it is not 0 the event may have been handled already.
	Redeliveries int

	// Epoch grows with each replica that leads a function with an order per key; without an order it is 0. What a call writes
	// to can keep the highest it has seen for a key and refuse a lower one.
	Epoch uint64
}

// FromContext returns the delivery that ctx, or a context made from it, belongs to. Outside of a call it is zero.
func FromContext(ctx context.Context) Delivery {
	if d, ok := ctx.Value(deliveryKey{}).(*Delivery); ok {
		return *d
	}
	return Delivery{}
}

type deliveryKey struct{}

// call is one running call. It is the context that the Func gets.
type call struct {
	context.Context
	event    *peltonevent.Event
	delivery Delivery
}

// Value answers for FromContext.
func (c *call) Value(key any) any {
	if key == (deliveryKey{}) {
		return &c.delivery
	}
	return c.Context.Value(key)
}
