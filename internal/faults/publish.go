package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
)

// httpWait is for one answer: the bridge gives one within less, if it can.
const httpWait = 5 * time.Second

var errAnswer = errors.New("the answer is not one that a good event may have")

// try sends an event once, and says what is known then: recordAcked, recordUnsent, or nothing. The error ends the run.
func (p *publisher) try(ctx context.Context, m *message) (recordKind, error) {
	if m.http {
		return p.post(ctx, m)
	}
	return p.publish(ctx, m), nil
}

// attributes are those of an event in binary mode, over HTTP and NATS alike.
func (m *message) attributes() map[string]string {
	return map[string]string{
		"ce-specversion": event.SpecVersion, "ce-id": m.key.ID, "ce-source": m.key.Source, "ce-type": eventType,
	}
}

// msg is an event as it goes to the stream.
func (m *message) msg() *nats.Msg {
	msg := &nats.Msg{Subject: eventSubject + m.order, Data: m.data, Header: nats.Header{}}
	for name, value := range m.attributes() {
		msg.Header.Set(name, value)
	}
	msg.Header.Set(nats.MsgIdHdr, event.MessageID(m.key.Source, m.key.ID))
	return msg
}

// publish sends it to the stream.
func (p *publisher) publish(ctx context.Context, m *message) recordKind {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	_, err := p.js.PublishMsg(ctx, m.msg())
	switch {
	case err == nil:
		return recordAcked
	case errors.Is(err, nats.ErrReconnectBufExceeded): // there is no connection, and nothing may be held back for it
		return recordUnsent
	}
	return ""
}

// post sends it to the bridge. 202 is its word that the event is stored.
func (p *publisher) post(ctx context.Context, m *message) (recordKind, error) {
	url := p.http + "/" + strings.Replace(eventSubject, ".", "/", 1) + m.order // events/faults.ORDER
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.data))
	if err != nil {
		return "", fmt.Errorf("post: %w", err)
	}
	for name, value := range m.attributes() {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(r)
	if err != nil {
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			return recordUnsent, nil
		}
		return "", nil // nobody knows
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // for the error below; the next try does not depend on it
	switch {
	case answer.StatusCode == http.StatusAccepted:
		return recordAcked, nil
	case answer.StatusCode == http.StatusServiceUnavailable:
		return "", nil
	}
	return "", fmt.Errorf("post event %s: %w: %s: %s", m.key, errAnswer, answer.Status, body)
}
