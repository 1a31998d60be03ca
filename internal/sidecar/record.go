package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
)

// Each try to write a record has writeTimeout; between tries it rests, longer each time up to maxWriteRest.
const (
	writeTimeout = 5 * time.Second
	minWriteRest = 100 * time.Millisecond
	maxWriteRest = 5 * time.Second
)

// keepTrying writes a record until it is written, is found to be too large, or ctx ends. The message stays in its slot
// meanwhile and is kept alive: an outcome that cannot be recorded is never acknowledged.
func (s *Sidecar) keepTrying(ctx context.Context, what string, write func(context.Context) error) error {
	for rest := minWriteRest; ; rest = min(2*rest, maxWriteRest) {
		try, cancel := context.WithTimeout(ctx, writeTimeout)
		err := write(try)
		cancel()
		if err == nil || isTooLarge(err) {
			return err
		}
		if plantable && (what == "dead letter" && planted(bugLetterLost) || what == "reply" && planted(bugReplyLost)) {
			return nil
		}
		s.metrics.recordFailures.Inc()
		s.log.Warn("record not written, trying again", zap.String("record", what), zap.Error(err))
		select {
		case <-ctx.Done():
			return fmt.Errorf("write %s: %w", what, err)
		case <-time.After(rest):
		}
	}
}

// errCodeMessageTooLarge is the server's code for a message over the stream's limit.
const errCodeMessageTooLarge = 10054

// isTooLarge reports whether trying again cannot help: the server takes no message of this size.
func isTooLarge(err error) bool {
	if err == nil {
		return false // nearly always: what follows allocates
	}
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == errCodeMessageTooLarge
}

// publishReply stores the event that the handler returned. One event has one reply per function, so the id comes from the
// incoming event: a second run's reply is recognised even if the handler gave it another id.
func (s *Sidecar) publishReply(ctx context.Context, d *delivery, reply *event.Event) error {
	subject := s.fn.Spec.Reply.Subject
	completeReply(reply, &d.event, s.fullName, subject)
	header, data := event.Encode(reply)
	m := &nats.Msg{Subject: subject, Header: header, Data: data}
	m.Header.Set("Nats-Msg-Id", event.MessageID(d.event.Source, d.event.ID, "reply", s.fullName))
	plantedMessage(m, d)
	_, err := s.js.PublishMsg(ctx, m)
	return err
}

// completeReply fills in what a handler that returns bare data leaves out.
func completeReply(reply, in *event.Event, function, subject string) {
	if reply.ID == "" {
		reply.ID = event.MessageID(in.Source, in.ID, "reply", function)
	}
	if reply.Source == "" {
		reply.Source = "pelton://function/" + function
	}
	if reply.Type == "" {
		reply.Type = subject
	}
	for _, name := range []string{"traceparent", "tracestate"} {
		if v, ok := in.Extension(name); ok {
			if _, set := reply.Extension(name); !set {
				reply.Extensions = append(reply.Extensions, event.Attribute{Name: name, Value: v})
			}
		}
	}
}

// parkMessage is an attempt as a schedule on a subject of its own, by stream and sequence: storing it twice replaces it. Its
// firing puts it into the function's own queue.
func (s *Sidecar) parkMessage(d *delivery, attempt int, due time.Time) (*nats.Msg, error) {
	subject, err := event.ParkSubject(s.key.Namespace, s.key.Name, d.stream, d.sequence)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: subject, Header: keptHeaders(d), Data: d.msg.Data}
	m.Header.Set(headerAttempt, strconv.Itoa(attempt))
	m.Header.Set(headerStream, d.origin.Stream)
	m.Header.Set(headerSeq, strconv.FormatUint(d.origin.Sequence, 10))
	m.Header.Set(headerSubject, d.origin.Subject)
	m.Header.Set(headerTime, d.origin.Time.UTC().Format(time.RFC3339Nano))
	m.Header.Set(headerDue, due.UTC().Format(time.RFC3339Nano))
	m.Header.Set("Nats-Schedule", "@at "+due.UTC().Format(time.RFC3339Nano))
	m.Header.Set("Nats-Schedule-Target", s.retrySubject)
	m.Header.Set("Nats-Msg-Id", subject)
	d.asked.keep(m)
	plantedMessage(m, d)
	return m, nil
}

// maxParkHeaders is what the headers of a parked event may have together: the server takes 64 KiB, what it adds included.
const maxParkHeaders = 60 << 10

// parkable turns a retry into what is possible where the event cannot be parked. Headers that fill what the server takes
// make a dead letter, which can hold them. An event that fills the server's largest message, from a stream that allows it,
// can be stored nowhere: it goes back to the queue and waits there, so that nothing is lost.
func (s *Sidecar) parkable(st *settlement, m *nats.Msg) {
	headers := 0
	for name, values := range m.Header {
		for _, v := range values {
			headers += len(name) + len(v) + len(": \r\n")
		}
	}
	switch {
	case headers > maxParkHeaders:
		st.text = st.reason + ": " + st.text + "; the event's headers leave no room to park it"
		st.action, st.reason = bury, deadletter.ReasonTooLarge
	case int64(headers+len(m.Data)+maxParkHeaders/4) > s.nc.MaxPayload():
		st.action = handBack
		s.log.Error("event is too large to be parked, it is retried in place without end", zap.String("subject", m.Subject))
	}
}

func (s *Sidecar) publishDead(ctx context.Context, d *delivery, st *settlement) error {
	attempts := d.attempt
	if st.early {
		attempts--
	}
	return deadletter.Publish(ctx, s.js, deadletter.Letter{
		Namespace: s.key.Namespace, Function: s.key.Name,
		Reason: st.reason, Error: st.text, Attempts: attempts,
		Stream: d.origin.Stream, Sequence: d.origin.Sequence, Subject: d.origin.Subject,
		Stored: d.origin.Time, Died: time.Now(),
		Header: keptHeaders(d), Data: d.msg.Data,
	})
}

// keptHeaders returns the headers that go with an event to another place. Those of the server are commands, and ours belong
// to the place they were written for. An event that had no attributes of its own is given those it was delivered with, as
// it would otherwise be another event there; its data is not touched.
func keptHeaders(d *delivery) nats.Header {
	kept := make(nats.Header, len(d.msg.Header)+8)
	own := false
	for name, values := range d.msg.Header {
		switch canonical := textproto.CanonicalMIMEHeaderKey(name); {
		case strings.HasPrefix(canonical, "Nats-"), strings.HasPrefix(canonical, "Pelton-"):
			continue
		case strings.HasPrefix(canonical, "Http-") && !d.consumer.Work(): // in the queue these would be believed
			continue
		case strings.HasPrefix(canonical, "Ce-"),
			canonical == "Content-Type" && len(values) > 0 &&
				strings.HasPrefix(strings.ToLower(values[0]), "application/cloudevents"):
			own = true
		}
		kept[name] = values
	}
	if !own && d.event.ID != "" {
		attributes, _ := event.Encode(&d.event)
		for name, values := range attributes {
			kept[name] = values
		}
	}
	return kept
}

var progressBody, nakBody = []byte("+WPI"), []byte("-NAK")

// giveBack returns a message to the queue, to be delivered again after delay.
func (s *Sidecar) giveBack(m *nats.Msg, delay time.Duration) {
	body := nakBody
	if delay > 0 {
		body = fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
	}
	if err := s.nc.Publish(m.Reply, body); err != nil {
		s.log.Debug("hand back not sent, the server will time it out", zap.Error(err))
	}
}
