package order

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	ackWait  = 2 * time.Second        // for the server's word on an acknowledgement
	ackLook  = 100 * time.Millisecond // between two looks at what waits
	ackGrace = 2 * time.Second        // for what is to be acknowledged when a term ends
)

// acks acknowledges what is settled, of each key in the order of the stream: whatever the server forgets when it dies, it does not
// forget an event and remember a later one of its key. While it is not known what a server has forgotten, nothing is sent.
type acks struct {
	nc    *nats.Conn
	sound *soundness
	log   *zap.Logger
	kick  chan struct{}

	mu      sync.Mutex
	waiting []*Event
	sent    map[uint64]sentAck
	next    uint64
	session uint64 // of the connection over which they were sent
}

type sentAck struct {
	event *Event
	at    time.Time
}

func newAcks(nc *nats.Conn, sound *soundness, log *zap.Logger) *acks {
	return &acks{nc: nc, sound: sound, log: log, kick: make(chan struct{}, 1), sent: map[uint64]sentAck{}}
}

// soundness is of which sources it is known what the server remembers: it has delivered again all that it has forgotten, and has
// not died since, or the connection would be another one.
type soundness struct {
	nc *nats.Conn

	mu       sync.Mutex
	sessions map[string]uint64 // by source
}

func (s *soundness) in(source string, session uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[string]uint64{}
	}
	s.sessions[source] = session
}

func (s *soundness) of(source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, some := s.sessions[source]
	return some && session == sessionOf(s.nc)
}

func (s *soundness) out(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, source)
}

// sessionOf numbers the connections that a client has made. Within one, nothing that was said has been lost.
func sessionOf(nc *nats.Conn) uint64 { return nc.Stats().Reconnects }

// add has events be acknowledged.
func (a *acks) add(events ...*Event) {
	if len(events) == 0 {
		return
	}
	a.mu.Lock()
	a.waiting = append(a.waiting, events...)
	a.mu.Unlock()
	poke(a.kick)
}

// run acknowledges until ctx ends, and what there is then for as long as grace allows.
func (a *acks) run(ctx context.Context) {
	inbox := a.nc.NewInbox()
	sub, err := a.nc.Subscribe(inbox+".*", func(m *nats.Msg) { a.confirmed(m, len(inbox)+1) })
	if err != nil {
		a.log.Warn("acknowledgements cannot be confirmed, the connection is closed", zap.Error(err))
		return
	}
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(ackLook)
	defer tick.Stop()
	var late <-chan time.Time
	done := ctx.Done()
	for {
		a.send(inbox, time.Now())
		select {
		case <-done:
			done, late = nil, time.After(ackGrace)
		case <-late:
			return
		case <-a.kick:
		case <-tick.C:
		}
		if done == nil && a.none() {
			return
		}
	}
}

func (a *acks) none() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)+len(a.sent) == 0
}

// send sends what waits, and what was sent before and cannot be answered any more.
func (a *acks) send(inbox string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	session := sessionOf(a.nc)
	for n, s := range a.sent {
		late := now.Sub(s.at) > ackWait
		if a.session != session || late {
			delete(a.sent, n)
			a.waiting = append(a.waiting, s.event)
		}
		if late { // the server that has the consumer may have died, behind the one that we are connected to
			a.sound.out(s.event.Source)
		}
	}
	a.session = session
	if len(a.waiting) == 0 {
		return
	}
	slices.SortFunc(a.waiting, func(x, y *Event) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Sequence, y.Sequence))
	})
	unconfirmed := map[string]bool{}
	for _, s := range a.sent {
		unconfirmed[s.event.Key] = true
	}
	rest := a.waiting[:0]
	for i, e := range a.waiting {
		if unconfirmed[e.Key] || !a.sound.of(e.Source) {
			rest = append(rest, e)
			continue
		}
		a.next++
		if err := a.nc.PublishRequest(e.Msg.Reply, inbox+"."+strconv.FormatUint(a.next, 10), []byte("+ACK")); err != nil {
			rest = append(rest, a.waiting[i:]...)
			break
		}
		a.sent[a.next] = sentAck{e, now}
	}
	clear(a.waiting[len(rest):])
	a.waiting = rest
}

// confirmed takes the server's word. One that says that nobody has heard is none: it is sent again.
func (a *acks) confirmed(m *nats.Msg, prefix int) {
	if len(m.Subject) < prefix {
		return
	}
	n, err := strconv.ParseUint(m.Subject[prefix:], 10, 64)
	if err != nil {
		return
	}
	a.mu.Lock()
	if s, some := a.sent[n]; some && m.Header.Get("Status") != "" {
		a.sound.out(s.event.Source)
	} else {
		delete(a.sent, n)
	}
	more := len(a.waiting) > 0 || len(a.sent) == 0
	a.mu.Unlock()
	if more {
		poke(a.kick)
	}
}

// retire forgets what is of consumers that are no more.
func (a *acks) retire(sources []string) {
	if len(sources) > 0 {
		a.drop(func(e *Event) bool { return slices.Contains(sources, e.Source) })
	}
}

// drop forgets what cannot be acknowledged any more.
func (a *acks) drop(gone func(*Event) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = slices.DeleteFunc(a.waiting, gone)
	for n, s := range a.sent {
		if gone(s.event) {
			delete(a.sent, n)
		}
	}
}
