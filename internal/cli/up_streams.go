package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// dial makes a connection of ours: inside the process, or to the server that was named.
func (u *upRun) dial(name string, options ...nats.Option) (*nats.Conn, error) {
	if u.nats == nil {
		auth, err := u.app.natsCredentials()
		if err != nil {
			return nil, err
		}
		options = slices.Concat(connOptions("pelton up "+name), auth.options(), options)
		options = append(options, nats.Timeout(connectTimeout))
		nc, err := nats.Connect(u.opts.natsURL, options...)
		if err != nil {
			return nil, unreachable("cannot reach NATS at "+u.opts.natsURL, err, "check that the server runs, or leave --nats out")
		}
		u.later(nc.Close)
		return nc, nil
	}
	nc, err := u.nats.dial("pelton up " + name)
	if err != nil {
		return nil, err
	}
	u.later(nc.Close)
	return nc, nil
}

// What the console tells of a server of somebody else's. Ours ends `up` when it fails.
const (
	eventNATSLost supervisor.EventKind = "nats-lost"
	eventNATSBack supervisor.EventKind = "nats-back" // Took is since it was lost
)

// tellOfServer makes a connection show when its server is lost and when it is back: one of ours does so for all.
func (u *upRun) tellOfServer() []nats.Option {
	var lost atomic.Pointer[time.Time]
	return []nats.Option{
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if nc.IsClosed() {
				return // by us
			}
			now, text := time.Now(), "functions go on when the server is back"
			if err != nil {
				text = err.Error() + "; " + text
			}
			lost.Store(&now)
			u.console.event(supervisor.Event{Time: now, Kind: eventNATSLost, Text: text})
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			now, took := time.Now(), time.Duration(0)
			if since := lost.Load(); since != nil {
				took = now.Sub(*since)
			}
			u.console.event(supervisor.Event{Time: now, Kind: eventNATSBack, Text: "after " + short(took), Took: took})
		}),
	}
}

// ensureStreams makes the streams and consumers before anything can be published: a consumer begins with what comes after
// it.
func (u *upRun) ensureStreams(ctx context.Context) error {
	nc, err := u.dial("streams")
	if err != nil {
		return err
	}
	if u.js, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("make JetStream context: %w", err)
	}
	if err := awaitJetStream(ctx, u.js); err != nil {
		return err
	}
	drifts, err := stream.Ensure(ctx, u.js, stream.Config{MaxBytes: u.maxStore, MaxPayload: u.js.Conn().MaxPayload()})
	if err != nil {
		return explain("cannot make the streams", err)
	}
	for _, d := range drifts {
		u.app.say("note: stream %s %s", d.Stream, d.Detail)
	}
	events, err := u.js.Stream(ctx, stream.EventsStream)
	if err != nil {
		return explain("cannot look up the stream of events", err)
	}
	u.maxEvent = int64(max(0, events.CachedInfo().Config.MaxMsgSize))
	for _, fn := range u.functions {
		if _, err := stream.EnsureFunction(ctx, u.js, fn); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			u.problems[fn.Key()] = err.Error()
		}
	}
	u.reclaim(ctx)
	return nil
}

// reclaim lets what an earlier run held be delivered at once. On a server of somebody else's, others may hold it.
func (u *upRun) reclaim(ctx context.Context) {
	if u.nats == nil {
		return
	}
	var consumers []stream.Consumer
	for _, fn := range u.functions {
		consumers = append(consumers, stream.ConsumersOf(fn)...)
	}
	n, err := stream.Reclaim(ctx, u.js, consumers)
	if err != nil {
		u.log.Warn("events of an earlier run will take longer to come back", zap.Error(err))
	}
	u.log.Info("events of an earlier run come back", zap.Int("events", n))
}

const jetStreamPatience = 15 * time.Second

// awaitJetStream waits until JetStream answers: that is a moment after the server does.
func awaitJetStream(stop context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(stop, jetStreamPatience)
	defer cancel()
	for {
		_, err := js.AccountInfo(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			return unreachable("the NATS server has no JetStream", err, "start it with nats-server --jetstream")
		}
		select {
		case <-ctx.Done():
			if stop.Err() != nil {
				return stop.Err()
			}
			return &Error{Exit: ExitUnreachable, Message: "JetStream does not answer", Cause: err}
		case <-time.After(20 * time.Millisecond):
		}
	}
}
