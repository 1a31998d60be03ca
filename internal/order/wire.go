package order

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// hello is a beat of a worker, which a leader answers.
type hello struct {
	Member  string   `json:"member"`
	Epoch   uint64   `json:"epoch"` // the highest it has heard of
	Beat    beat     `json:"beat"`
	Slots   int      `json:"slots"`
	Calls   []call   `json:"calls"` // null says nothing of them
	Reports []report `json:"reports,omitempty"`
}

// answer is a leader's to a hello.
type answer struct {
	Epoch uint64   `json:"epoch"`          // 0 is of nobody who leads
	Kept  []ticket `json:"kept,omitempty"` // what was reported is taken, but for these: they are to be reported again
}

// The subjects of a function's replicas among each other. Nothing of it is stored.
func subjectPrefix(key function.Key) string {
	return "pelton.order." + key.Namespace + "." + key.Name + "."
}

func helloSubject(key function.Key) string { return subjectPrefix(key) + "hello" }

func memberSubject(key function.Key, member string) string {
	return subjectPrefix(key) + "to." + member
}

// The headers of a grant, beside those of the event.
const (
	headerEpoch    = "Pelton-Order-Epoch"
	headerTicket   = "Pelton-Order-Ticket"
	headerBeat     = "Pelton-Order-Beat"
	headerSource   = "Pelton-Order-Source"
	headerSequence = "Pelton-Order-Sequence"
	headerStored   = "Pelton-Order-Stored"
	headerSubject  = "Pelton-Order-Subject"
	headerReply    = "Pelton-Order-Reply"
	headerAttempt  = "Pelton-Order-Attempt"
	headerLost     = "Pelton-Order-Lost"
	headerKey      = "Pelton-Order-Key"
	headerPrefix   = "Pelton-Order-"
)

// encode makes the message that brings a grant to another replica.
func (g *grant) encode(subject string) *nats.Msg {
	e := g.event
	m := &nats.Msg{Subject: subject, Data: e.Msg.Data, Header: make(nats.Header, len(e.Msg.Header)+11)}
	for name, values := range e.Msg.Header {
		if !strings.HasPrefix(name, headerPrefix) {
			m.Header[name] = values
		}
	}
	number := func(n uint64) []string { return []string{strconv.FormatUint(n, 10)} }
	m.Header[headerEpoch], m.Header[headerTicket] = number(g.ticket.Epoch), number(g.ticket.Number)
	m.Header[headerBeat] = number(g.beat.Number)
	m.Header[headerSource], m.Header[headerSequence] = []string{e.Source}, number(e.Sequence)
	m.Header[headerStored] = number(uint64(e.Stored))
	m.Header[headerSubject], m.Header[headerReply] = []string{e.Msg.Subject}, []string{e.Msg.Reply}
	m.Header[headerAttempt], m.Header[headerLost] = number(uint64(e.Attempt)), number(uint64(e.Lost))
	m.Header[headerKey] = []string{e.Key}
	return m
}

// decodeGrant reads a grant, and gives the event back the form in which it was delivered.
func decodeGrant(m *nats.Msg) (g grant, err error) {
	number := func(name string) uint64 {
		n, parseErr := strconv.ParseUint(m.Header.Get(name), 10, 63)
		if parseErr != nil && err == nil {
			err = fmt.Errorf("read grant: %s: %w", name, parseErr)
		}
		return n
	}
	g.ticket = ticket{number(headerEpoch), number(headerTicket)}
	g.beat.Number = number(headerBeat)
	g.event = &Event{
		ID:  ID{m.Header.Get(headerSource), number(headerSequence), int64(number(headerStored))},
		Key: m.Header.Get(headerKey), Attempt: int(number(headerAttempt)), Lost: int(number(headerLost)),
	}
	if err != nil {
		return g, err
	}
	g.event.Msg = &nats.Msg{Subject: m.Header.Get(headerSubject), Reply: m.Header.Get(headerReply), Data: m.Data}
	for name, values := range m.Header {
		if strings.HasPrefix(name, headerPrefix) {
			continue
		}
		if g.event.Msg.Header == nil {
			g.event.Msg.Header = nats.Header{}
		}
		g.event.Msg.Header[name] = values
	}
	return g, nil
}

func decodeHello(data []byte) (hello, error) {
	var h hello
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("read hello: %w", err)
	}
	return h, nil
}

// isOf reports whether a source is a life of a consumer.
func isOf(source string, c stream.Consumer) bool {
	return strings.HasPrefix(source, c.Stream+"/"+c.Name+"/")
}

// clock is the time since a process began, by its monotonic clock.
type clock struct{ start time.Time }

func (c clock) at(t time.Time) time.Duration { return t.Sub(c.start) }
