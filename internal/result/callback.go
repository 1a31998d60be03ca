package result

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// callbackConsumer is from where all front doors take what is to be told.
const callbackConsumer = "callbacks"

// callbackWait is how long one of them may take for a try before another one is given it.
const callbackWait = time.Minute

// wantCallback stores that somebody is to be told the end of a call. What it is, the record says.
func wantCallback(ctx context.Context, js jetstream.JetStream, id ID, r Record) error {
	subject, err := event.CallbackSubject(id.Namespace, id.Function, id.Token)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: subject, Header: nats.Header{}}
	m.Header.Set(nats.MsgIdHdr, fmt.Sprintf("callback:%s:%s:%d", id, r.State, r.At.UnixNano()))
	m.Header.Set(jetstream.MsgTTLHeader, strconv.Itoa(max(1, r.Call.Keep))+"s")
	_, err = publish(ctx, js, m)
	return err
}

// Callbacks is from where it is taken whom to tell. Each front door takes from the same.
func Callbacks(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	c, err := js.CreateOrUpdateConsumer(ctx, stream.ResultStream, jetstream.ConsumerConfig{
		Durable: callbackConsumer, Description: "Pelton: who is to be told what became of calls",
		FilterSubject: "pelton.callback.>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: callbackWait,
		MaxDeliver: -1, MaxAckPending: 10_000, // those that wait for another try count
	})
	if err != nil {
		return nil, fmt.Errorf("provision consumer %s: %w", callbackConsumer, err)
	}
	return c, nil
}

// CallbackID is the call that a message of Callbacks is about.
func CallbackID(subject string) (ID, bool) {
	rest, ok := strings.CutPrefix(subject, "pelton.callback.")
	if !ok {
		return ID{}, false
	}
	return ParseID(rest)
}
