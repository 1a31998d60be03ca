package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// provision makes the streams and the function's consumers: without them there is nothing to deliver.
func provision(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, fn *function.Function) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := stream.Ensure(ctx, js, stream.Config{MaxPayload: nc.MaxPayload()}); err != nil {
		return err
	}
	_, err := stream.EnsureFunction(ctx, js, fn)
	return err
}

// The waits between tries to enter a function into the catalog. A server answers nothing where permission is missing, and
// only a person can mend that.
const (
	firstEnterWait = 5 * time.Second
	lastEnterWait  = 10 * time.Minute
)

// enter tells scalers of the function, by an entry in the catalog. It runs beside the delivery, which does not need it.
func enter(ctx context.Context, js jetstream.JetStream, fn *function.Function, log *zap.Logger) error {
	for wait := firstEnterWait; ; wait = min(2*wait, lastEnterWait) {
		err := putEntry(ctx, js, fn)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		log.Warn("function is not in the catalog: events are delivered, but a scaler that is asked for the function by its name "+
			"does not know it and starts no replica; allow these credentials stream "+catalog.StreamName+", or run pelton provision",
			zap.Duration("again", wait), zap.Error(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func putEntry(ctx context.Context, js jetstream.JetStream, fn *function.Function) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := catalog.Ensure(ctx, js, 0); err != nil {
		return err
	}
	return catalog.Put(ctx, js, fn)
}
