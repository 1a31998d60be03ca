package claim

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	openTimeout = 5 * time.Second

	// missingAfter is how long the server looks for a piece: the replica of the stream that answers may have it a moment later.
	missingAfter = 2 * time.Second
	nextTimeout  = missingAfter + 3*time.Second

	// readingLasts is how long a handler may rest in the middle of a body.
	readingLasts = time.Hour
)

// pieces reads the pieces of one body one after another, by a consumer of its own, whose name nobody else knows.
//
// Direct gets would be simpler, but who has the right to one may have the answer sent to any subject: with what is in it he could give
// any command in the name of the account. What a consumer delivers goes under its own subject, wherever it goes.
type pieces struct {
	js      jetstream.JetStream
	ref     Ref
	name    string
	answers *nats.Subscription
	number  int // of the next piece
}

// openPieces makes the consumer, of the subject below the body's id that is called leaf: * is all of its pieces.
func openPieces(ctx context.Context, js jetstream.JetStream, key function.Key, r Ref, leaf string) (*pieces, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	p := &pieces{js: js, ref: r, name: rand.Text()}
	_, err := js.CreateConsumer(ctx, stream.BodiesStream, jetstream.ConsumerConfig{
		Name: p.name, AckPolicy: jetstream.AckNonePolicy, FilterSubject: event.BodyPrefix(key.Namespace, key.Name) + r.ID + "." + leaf,
		InactiveThreshold: readingLasts, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if p.answers, err = js.Conn().SubscribeSync(js.Conn().NewInbox()); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return p, nil
}

// next fetches a piece. After an error there are no more.
func (p *pieces) next(ctx context.Context) ([]byte, error) {
	m, err := p.fetch(ctx)
	if err != nil {
		return nil, err
	}
	return p.checked(m)
}

// fetch takes what comes next.
func (p *pieces) fetch(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, nextTimeout)
	defer cancel()
	request := fmt.Appendf(nil, `{"batch":1,"expires":%d}`, missingAfter.Nanoseconds())
	err := p.js.Conn().PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+stream.BodiesStream+"."+p.name, p.answers.Subject, request)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	m, err := p.answers.NextMsgWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if status := m.Header.Get("Status"); status == "408" || status == "404" {
		return nil, fmt.Errorf("%w: piece %d of %d is not there", ErrLost, p.number+1, p.ref.pieces())
	} else if status != "" {
		return nil, fmt.Errorf("read body: %s %s", status, m.Header.Get("Description"))
	}
	return m, nil
}

// checked compares a piece with what it must be.
func (p *pieces) checked(m *nats.Msg) ([]byte, error) {
	if !strings.HasSuffix(m.Subject, fmt.Sprintf(".%d", p.number)) {
		return nil, fmt.Errorf("%w: piece %d of %d is not there", ErrLost, p.number+1, p.ref.pieces())
	}
	if len(m.Data) != p.ref.length(p.number) {
		return nil, fmt.Errorf("%w: piece %d of %d has %d bytes, and had %d", ErrLost, p.number+1, p.ref.pieces(), len(m.Data),
			p.ref.length(p.number))
	}
	p.number++
	return m.Data, nil
}

// close removes the consumer.
func (p *pieces) close(ctx context.Context) {
	_ = p.answers.Unsubscribe()                               // the connection is gone, and it with it
	_ = p.js.DeleteConsumer(ctx, stream.BodiesStream, p.name) // or the server forgets it after readingLasts
}
