package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// headerState is where the state is in a record; the call is in event.HeaderResult, and the answer is as one that is waited for.
const headerState = "Pelton-State"

// maxFields bounds the header that is kept of an answer: the server takes 64 KiB in all.
const maxFields = 40 << 10

// state is the header headerState.
type state struct {
	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason,omitempty"`
	Text     string    `json:"text,omitempty"`
	At       time.Time `json:"at"`
	Next     time.Time `json:"next,omitzero"`
	Cut      bool      `json:"cut,omitempty"` // of an answer that was too large
	Stored   bool      `json:"stored,omitempty"`
	Origin   uint64    `json:"origin,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
}

// Attach notes on the message of a call what is to be kept of it.
func (c Call) Attach(m *nats.Msg) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode call: %w", err)
	}
	m.Header.Set(event.HeaderResult, string(text))
	return nil
}

// CallOf reads what Attach wrote, false if there is nothing that can be used.
func CallOf(h nats.Header) (Call, bool) {
	var c Call
	text := h[event.HeaderResult]
	if len(text) == 0 || json.Unmarshal([]byte(text[0]), &c) != nil || !validToken(c.Token) {
		return Call{}, false
	}
	c.Keep = min(max(c.Keep, 1), int(MaxKeep/time.Second))
	return c, true
}

// message stores a record in at most room bytes. Of an answer for which that is too little, the body is left out.
func (r *Record) message(id ID, room int64) (*nats.Msg, error) {
	subject, err := id.subject()
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: subject, Header: nats.Header{}}
	if err := r.Call.Attach(m); err != nil {
		return nil, err
	}
	s := state{
		State: r.State, Attempts: r.Attempts, Reason: r.Reason, Text: r.Text, At: r.At.UTC(), Next: r.Next.UTC(),
		Stored: r.Stored, Origin: r.Origin, Attempt: r.Attempt,
	}
	if a := r.Answer; a != nil {
		s.Cut = a.Cut || int64(len(a.Body)) > room || sizeOf(a.Fields) > maxFields
		m.Header.Set(event.HeaderStatus, strconv.Itoa(a.Status))
		if !s.Cut {
			m.Header[event.HeaderField], m.Data = a.Fields, a.Body
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	m.Header.Set(headerState, string(text))
	if r.State.Final() {
		m.Header.Set(jetstream.MsgTTLHeader, strconv.Itoa(max(1, r.Call.Keep))+"s")
	}
	return m, nil
}

func sizeOf(fields []string) int {
	n := 0
	for _, field := range fields {
		n += len(field) + len(event.HeaderField) + len(": \r\n")
	}
	return n
}

var errNoRecord = errors.New("it is no record of a call")

// Parse reads a stored record.
func Parse(m *nats.Msg) (Record, error) {
	call, ok := CallOf(m.Header)
	var s state
	if err := json.Unmarshal([]byte(m.Header.Get(headerState)), &s); err != nil || !ok {
		return Record{}, fmt.Errorf("read result: %w", errors.Join(errNoRecord, err))
	}
	r := Record{
		Call: call, State: s.State, Attempts: s.Attempts, Reason: s.Reason, Text: s.Text, At: s.At, Next: s.Next,
		Stored: s.Stored, Origin: s.Origin, Attempt: s.Attempt,
	}
	text := m.Header.Get(event.HeaderStatus)
	if text == "" {
		return r, nil
	}
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return Record{}, fmt.Errorf("read result: status %.20q: %w", text, errNoRecord)
	}
	r.Answer = &invoke.Answer{Status: status, Fields: m.Header[event.HeaderField], Body: m.Data, Cut: s.Cut}
	return r, nil
}
