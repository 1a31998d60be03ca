package sidecar

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/stream"
)

// A pull request stays open for pullExpires. While it is open and nothing comes, the server gives a sign of life every
// pullHeartbeat; three missed ones mean that the request is lost, and it is made again.
const (
	pullExpires   = 5 * time.Minute
	pullHeartbeat = 20 * time.Second
	pullSilence   = 3 * pullHeartbeat
	pullRetryWait = time.Second
)

// source asks one consumer for messages by credit. The client library's own loops stall at small prefetch, so this one keeps
// no state but a count: what was asked for and has not come. Messages of all sources meet in one channel.
type source struct {
	nc       *nats.Conn
	consumer stream.Consumer
	next     string           // subject of pull requests
	selector *filter.Selector // of no use for the function's own queue
	before   atomic.Pointer[[]stream.Epoch]

	now       atomic.Pointer[generation]
	lastHeard atomic.Int64 // unix nanoseconds
	refused   atomic.Pointer[refusal]

	mu       sync.Mutex // held to ask, withdraw and stop
	messages chan *nats.Msg
	stopped  bool
	retry    *time.Timer // guards against silence, and asks again after a refusal
	requests uint64
}

// generation is one inbox and what was asked for on it. When requests are taken back or forgotten, a new generation begins:
// what still comes for an older one cannot be mistaken for an answer to a newer request.
type generation struct {
	sub         *nats.Subscription
	inbox       string       // prefix of reply subjects
	outstanding atomic.Int64 // asked for and not yet taken
}

func newSource(nc *nats.Conn, c stream.Consumer, selector *filter.Selector) *source {
	return &source{
		nc: nc, consumer: c, selector: selector,
		next: "$JS.API.CONSUMER.MSG.NEXT." + c.Stream + "." + c.Name,
	}
}

// owns reports whether a message is this source's: by its inbox, or, if that is an old one, by its consumer.
func (s *source) owns(m *nats.Msg) bool {
	return m.Sub == s.now.Load().sub || strings.Contains(m.Reply, "."+s.consumer.Stream+"."+s.consumer.Name+".")
}

// start subscribes. Nothing is asked for yet.
func (s *source) start(messages chan *nats.Msg, credit func() int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = messages
	if err := s.begin(); err != nil {
		return err
	}
	s.retry = time.AfterFunc(pullSilence, func() { s.checkSilence(credit) })
	return nil
}

// begin starts a generation. The caller holds mu.
func (s *source) begin() error {
	g := &generation{inbox: s.nc.NewInbox() + "."}
	sub, err := s.nc.ChanSubscribe(g.inbox+"*", s.messages)
	if err != nil {
		return err
	}
	g.sub = sub
	s.now.Store(g)
	return nil
}

// withdraw takes back what was asked for and has not come, and reports whether there was anything: the server forgets
// requests whose inbox nobody listens to. What it had sent before still comes, and is there once a flush of the connection
// has returned.
func (s *source) withdraw() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.now.Load()
	if s.stopped || old == nil || old.outstanding.Load() == 0 {
		return false, nil
	}
	if err := s.begin(); err != nil {
		return false, err
	}
	return true, s.retire(old.sub)
}

// retire ends a subscription. While the connection is down nothing comes by it any more, and it must not drain: the client
// would subscribe again on its reconnect and then forget it, and the server would send what was asked for to nobody.
func (s *source) retire(sub *nats.Subscription) error {
	if !s.nc.IsConnected() {
		return sub.Unsubscribe()
	}
	return sub.Drain()
}

// ask requests up to credit messages if enough of it is unasked for: a request for each message would cost a round trip
// each.
func (s *source) ask(credit, window int64) {
	out := s.now.Load().outstanding.Load()
	if want := credit - out; want < 1 || (want < window/2 && out > 0) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.now.Load()
	want := credit - g.outstanding.Load()
	if want < 1 || s.stopped || s.nc.IsReconnecting() {
		return
	}
	s.requests++
	g.outstanding.Add(want)
	if r := s.refused.Load(); r != nil {
		r.asked.CompareAndSwap(0, time.Now().UnixNano())
	}
	reply := g.inbox + strconv.FormatUint(s.requests, 36)
	if err := s.nc.PublishRequest(s.next, reply, stream.Pull{Batch: want, Expires: pullExpires, Heartbeat: pullHeartbeat}.Body()); err != nil {
		g.outstanding.Add(-want)
		s.retry.Reset(pullRetryWait)
		return
	}
	s.retry.Reset(pullSilence)
}

// delivered notes that one of the messages asked for has come.
func (s *source) delivered(m *nats.Msg, now time.Time) {
	if g := s.now.Load(); m.Sub == g.sub {
		g.outstanding.Add(-1)
	}
	s.accepted()
	s.lastHeard.Store(now.UnixNano())
}

// status handles what the server sends instead of a message: the end of a request, with what it did not deliver, or a sign
// of life. It reports whether asking again at once makes sense.
func (s *source) status(m *nats.Msg, now time.Time) (again bool) {
	g := s.now.Load()
	if m.Sub != g.sub {
		return false // of a request that was taken back
	}
	s.lastHeard.Store(now.UnixNano())
	if m.Header.Get("Status") == "100" {
		s.accepted()
		return false
	}
	if pending, err := strconv.ParseInt(m.Header.Get("Nats-Pending-Messages"), 10, 64); err == nil {
		g.outstanding.Add(-pending)
		s.accepted()
		return true
	}
	// No count came with it: the consumer is gone, moved or refused the request. Whatever was asked for is void.
	s.refused.Store(newRefusal(s.consumer, m.Header))
	s.startOver()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.retry.Reset(pullRetryWait)
	}
	return false
}

// startOver forgets what was asked for: the server has, or has to.
func (s *source) startOver() {
	if _, err := s.withdraw(); err != nil {
		s.now.Load().outstanding.Store(0) // the connection is gone, and the requests with it
	}
}

func (s *source) checkSilence(credit func() int64) {
	if time.Since(time.Unix(0, s.lastHeard.Load())) >= pullSilence {
		s.startOver()
	}
	s.ask(credit(), 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.retry.Reset(pullSilence)
	}
}

// stop withdraws the requests for good.
func (s *source) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.now.Load()
	if s.stopped || g == nil {
		return
	}
	s.stopped = true
	s.retry.Stop()
	if err := g.sub.Drain(); err != nil {
		_ = g.sub.Unsubscribe() // the connection is gone, and the requests with it
	}
}
