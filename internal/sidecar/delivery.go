package sidecar

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Headers that Pelton sets on messages in a function's own queue. They say what the message's place in the stream cannot.
const (
	headerAttempt = "Pelton-Attempt"         // the attempt that this message is
	headerStream  = "Pelton-Origin-Stream"   // where the event was first stored
	headerSeq     = "Pelton-Origin-Sequence" //
	headerSubject = "Pelton-Origin-Subject"  //
	headerTime    = "Pelton-Origin-Time"     // RFC 3339
	headerDue     = "Pelton-Due"             // when the retry is due, RFC 3339
	headerPassed  = "Pelton-Passed-On"       // how many replicas that did not know the event's subject have passed it on
)

// delivery is one message as it was delivered: what the server says of it, what Pelton says of it, and the event in it.
type delivery struct {
	msg      *nats.Msg
	consumer stream.Consumer

	stream     string // of this message
	sequence   uint64
	stored     time.Time // when this message was stored
	deliveries int       // times this message was delivered, this one included
	pending    uint64    // messages behind it

	attempt int
	passed  int    // times it was passed on by replicas that did not know its subject: no trigger has taken it yet
	epoch   uint64 // of who has granted it, where there is an order
	origin  origin
	event   event.Event
	asked   *asked   // nil unless it was an HTTP request
	claim   *claimed // nil unless its body is kept beside the queue
}

// origin is where the event was first stored, however often it was parked since.
type origin struct {
	Stream   string
	Sequence uint64
	Subject  string
	Time     time.Time
}

var errNotDelivery = errors.New("not a JetStream delivery")

// read fills d from a message. The error, of decoding, says what is wrong with the event; d is then still good for a dead
// letter. It wraps errNotDelivery if the message is none.
func (d *delivery) read(m *nats.Msg, c stream.Consumer) error {
	d.msg, d.consumer = m, c
	if err := d.readAck(m.Reply); err != nil {
		return err
	}
	d.attempt, d.passed, d.asked, d.claim = 1, 0, nil, nil
	d.origin = origin{d.stream, d.sequence, m.Subject, d.stored}
	if c.Work() && m.Header != nil {
		d.readPelton(m.Header)
	}
	return d.decode()
}

// readAck parses the reply subject, which carries the metadata. Its two forms, by the server:
// $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending> and, newer,
// $JS.ACK.<domain>.<account>.<stream>. and so on, with an optional token at the end.
func (d *delivery) readAck(reply string) error {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return errNotDelivery
	}
	if strings.Count(rest, ".") >= 8 {
		_, rest, _ = strings.Cut(rest, ".")
		_, rest, _ = strings.Cut(rest, ".")
	}
	var ok2 bool
	if d.stream, rest, ok2 = strings.Cut(rest, "."); !ok2 {
		return errNotDelivery
	}
	_, rest, _ = strings.Cut(rest, ".") // consumer
	var n [5]uint64
	for i := range n {
		var token string
		token, rest, _ = strings.Cut(rest, ".")
		v, err := strconv.ParseUint(token, 10, 64)
		if err != nil {
			return errNotDelivery
		}
		n[i] = v
	}
	d.deliveries, d.sequence = int(n[0]), n[1]
	d.stored, d.pending = time.Unix(0, int64(n[3])), n[4]
	return nil
}

func (d *delivery) readPelton(h nats.Header) {
	d.asked, d.claim = readAsked(h, d.consumer.Name), readClaim(h)
	if n, err := strconv.Atoi(h.Get(headerAttempt)); err == nil && n > 0 {
		d.attempt = n
	}
	if n, err := strconv.Atoi(h.Get(headerPassed)); err == nil && n > 0 {
		d.passed = n
	}
	d.readOrigin(h)
	if d.asked != nil && d.asked.later != nil {
		d.asked.later.origin, d.asked.later.attempt = d.origin.Sequence, d.attempt
	}
}

func (d *delivery) readOrigin(h nats.Header) {
	seq, err := strconv.ParseUint(h.Get(headerSeq), 10, 64)
	if err != nil {
		return
	}
	at, err := time.Parse(time.RFC3339Nano, h.Get(headerTime))
	if err != nil {
		return
	}
	d.origin = origin{h.Get(headerStream), seq, h.Get(headerSubject), at}
}

// headersLost reports whether the client could not read the message's headers: it then delivers the rest without them, and
// what was an event with broken headers would pass for a raw message.
func headersLost(m *nats.Msg) bool {
	return m.Header == nil && m.Size() > len(m.Subject)+len(m.Reply)+len(m.Data)
}

// decode reads the event. A message that a schedule fired gets an identity of its own: all firings are copies of one
// message.
func (d *delivery) decode() error {
	if headersLost(d.msg) {
		return &event.DecodeError{Reason: "its header block cannot be read: want lines of \"name: value\" below NATS/1.0"}
	}
	m := event.Message{
		Subject: d.msg.Subject, Header: d.msg.Header, Data: d.msg.Data,
		Stream: d.stream, Sequence: d.sequence, Time: d.stored,
	}
	if trigger := d.msg.Header.Get(stream.ScheduleHeader); trigger != "" && d.consumer.Work() {
		return d.decodeSchedule(trigger)
	}
	err := event.DecodeInto(&d.event, &m)
	if err != nil {
		d.event = event.Event{} // the slot's last event must not speak for this one
	}
	return err
}

func (d *delivery) decodeSchedule(trigger string) error {
	d.event = event.Event{
		ID:     d.stream + "-" + strconv.FormatUint(d.sequence, 10),
		Source: "pelton://schedule/" + strings.TrimPrefix(d.msg.Subject, "pelton.work."),
		Type:   "pelton.schedule", Subject: trigger,
		Time: d.stored.UTC().Format(time.RFC3339Nano),
		Data: d.msg.Data, DataContentType: "application/json",
	}
	return nil
}

// redeliveries is how often this message was delivered before without being settled.
func (d *delivery) redeliveries() int { return max(0, d.deliveries-1) }

// due is when the event could first have been given to the function at this attempt.
func (d *delivery) due() time.Time { return d.stored }
