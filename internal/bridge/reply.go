package bridge

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/pelton-dev/pelton/internal/event"
)

// callers are the requests that wait for an answer. One subscription hears the answers to all of them, each on a subject of its
// own; nobody asks for anything in between.
type callers struct {
	conn *nats.Conn
	id   string // of this bridge: a token of every subject on which it awaits something

	mu      sync.Mutex
	waiting map[string]*caller // by subject
}

// caller is one request that waits.
type caller struct {
	subject string
	parts   chan *nats.Msg // never closed: who sends to it does not wait
}

// maxParts is how many parts of one answer may be here and not be taken. Their sender waits after each, but two calls may answer one
// event, and one that breaks off says so at any time.
const maxParts = 4

func newCallers(conn *nats.Conn) *callers {
	return &callers{conn: conn, id: nuid.Next(), waiting: map[string]*caller{}}
}

// listen begins to hear answers. What it returns ends that.
func (c *callers) listen() (stop func(), err error) {
	filter, err := event.AnswerFilter(c.id)
	if err != nil {
		return nil, err
	}
	sub, err := c.conn.Subscribe(filter, c.heard)
	if err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // it fails only on a connection that is closed already
}

// add makes a caller of a function's answer. It must be removed.
func (c *callers) add(namespace, function string) (*caller, error) {
	subject, err := event.AnswerSubject(namespace, function, c.id, nuid.Next())
	if err != nil {
		return nil, err
	}
	one := &caller{subject: subject, parts: make(chan *nats.Msg, maxParts)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[subject] = one
	return one, nil
}

// remove forgets a caller. Whoever still has something for him is told that he has gone.
func (c *callers) remove(one *caller) {
	c.mu.Lock()
	delete(c.waiting, one.subject)
	c.mu.Unlock()
	for {
		select {
		case m := <-one.parts:
			_ = c.gone(m)
		default:
			return
		}
	}
}

// heard takes one part of an answer to its caller.
func (c *callers) heard(m *nats.Msg) {
	c.mu.Lock()
	one := c.waiting[m.Subject]
	if one != nil {
		select {
		case one.parts <- m:
		default:
			one = nil
		}
	}
	c.mu.Unlock()
	if one == nil {
		_ = c.gone(m) // who is not told finds out by himself
	}
}

// goOn asks for the part after m.
func (c *callers) goOn(m *nats.Msg) error {
	if !c.mayReply(m) {
		return errors.New("a part of an answer that is not the last has no reply subject in an inbox of its function")
	}
	return c.conn.Publish(m.Reply, nil)
}

// gone says that nobody wants more.
func (c *callers) gone(m *nats.Msg) error {
	if !c.mayReply(m) {
		return nil
	}
	return c.conn.PublishMsg(&nats.Msg{Subject: m.Reply, Header: nats.Header{event.HeaderGone: {"1"}}})
}

// mayReply reports whether m wants its reply in an inbox of the function that m speaks for. Who sends parts names their reply subject
// freely, and we may publish where a function may not: only its own inboxes are told anything, and the common ones where the
// programs have no credentials of their own.
func (c *callers) mayReply(m *nats.Msg) bool {
	const namespace, function, all = 2, 3, 6 // of pelton.answer.NS.FN.BRIDGE.TOKEN
	tokens := strings.Split(m.Subject, ".")
	if len(tokens) != all {
		return false
	}
	return strings.HasPrefix(m.Reply, event.InboxPrefix(tokens[namespace], tokens[function])) ||
		c.conn.Opts.InboxPrefix == "" && strings.HasPrefix(m.Reply, nats.InboxPrefix)
}
