package sidecar

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

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
// no state but a count: what was asked for and has not come. Messages of all sources meet in one inbox.
type source struct {
	nc       *nats.Conn
	consumer stream.Consumer
	next     string      // subject of pull requests
	filter   eventFilter // nil takes everything

	outstanding atomic.Int64 // asked for and not yet taken; never below 0. It may be off after a lost connection, and heals
	lastHeard   atomic.Int64 // unix nanoseconds

	// Where replies go, and where they went before the last withdrawal.
	sub, oldSub atomic.Pointer[nats.Subscription]

	mu       sync.Mutex // held to ask, withdraw and stop
	inbox    string     // prefix of reply subjects
	stopped  bool
	retry    *time.Timer // guards against silence, and asks again after a refusal
	requests uint64
}

func newSource(nc *nats.Conn, c stream.Consumer, filter eventFilter) *source {
	return &source{
		nc: nc, consumer: c, filter: filter,
		next: "$JS.API.CONSUMER.MSG.NEXT." + c.Stream + "." + c.Name,
	}
}

// owns reports whether messages of a subscription are this source's.
func (s *source) owns(sub *nats.Subscription) bool {
	return sub == s.sub.Load() || sub == s.oldSub.Load()
}

// start subscribes. Nothing is asked for yet.
func (s *source) start(messages chan *nats.Msg, credit func() int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.subscribe(messages); err != nil {
		return err
	}
	s.retry = time.AfterFunc(pullSilence, func() { s.checkSilence(credit) })
	return nil
}

// subscribe begins a fresh inbox. The caller holds mu.
func (s *source) subscribe(messages chan *nats.Msg) error {
	inbox := s.nc.NewInbox() + "."
	sub, err := s.nc.ChanSubscribe(inbox+"*", messages)
	if err != nil {
		return err
	}
	s.inbox = inbox
	s.oldSub.Store(s.sub.Load())
	s.sub.Store(sub)
	return nil
}

// withdraw takes back what was asked for and has not come, and reports whether there was anything: the server forgets
// requests whose inbox nobody listens to. What it had sent before still comes, and is in messages once a flush of the
// connection has returned.
func (s *source) withdraw(messages chan *nats.Msg) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.outstanding.Load() == 0 {
		return false, nil
	}
	old := s.sub.Load()
	if err := s.subscribe(messages); err != nil {
		return false, err
	}
	s.reset()
	return true, old.Drain()
}

// ask requests up to credit messages if enough of it is unasked for: a request for each message would cost a round trip
// each.
func (s *source) ask(credit, window int64) {
	want := credit - s.outstanding.Load()
	if want < 1 || (want < window/2 && s.outstanding.Load() > 0) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want = credit - s.outstanding.Load()
	if want < 1 || s.stopped || s.nc.IsReconnecting() {
		return
	}
	s.requests++
	s.outstanding.Add(want)
	reply := s.inbox + strconv.FormatUint(s.requests, 36)
	if err := s.nc.PublishRequest(s.next, reply, pullRequest(want)); err != nil {
		s.less(want)
		s.retry.Reset(pullRetryWait)
		return
	}
	s.retry.Reset(pullSilence)
}

// pullRequest is the body of a pull request, by the server's API: durations in nanoseconds.
func pullRequest(batch int64) []byte {
	b := make([]byte, 0, 128)
	b = append(b, `{"batch":`...)
	b = strconv.AppendInt(b, batch, 10)
	b = append(b, `,"expires":`...)
	b = strconv.AppendInt(b, int64(pullExpires), 10)
	b = append(b, `,"idle_heartbeat":`...)
	b = strconv.AppendInt(b, int64(pullHeartbeat), 10)
	b = append(b, `,"group":"`+stream.PriorityGroup+`","priority":`...)
	b = strconv.AppendInt(b, stream.WorkerPriority, 10)
	return append(b, '}')
}

// delivered notes that one of the messages asked for has come.
func (s *source) delivered(now time.Time) {
	s.less(1)
	s.lastHeard.Store(now.UnixNano())
}

// less lowers outstanding, but not below 0: after a reset, messages of forgotten requests still come.
func (s *source) less(n int64) {
	for {
		have := s.outstanding.Load()
		if s.outstanding.CompareAndSwap(have, max(0, have-n)) {
			return
		}
	}
}

// status handles what the server sends instead of a message: the end of a request, with what it did not deliver, or a sign
// of life. It reports whether asking again at once makes sense.
func (s *source) status(m *nats.Msg, now time.Time) (again bool) {
	s.lastHeard.Store(now.UnixNano())
	code := m.Header.Get("Status")
	if code == "100" {
		return false
	}
	if pending, err := strconv.ParseInt(m.Header.Get("Nats-Pending-Messages"), 10, 64); err == nil {
		s.less(pending)
		return true
	}
	// No count came with it: the consumer is gone, moved or refused the request. Whatever was asked for is void.
	s.outstanding.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.retry.Reset(pullRetryWait)
	}
	return false
}

// reset forgets what was asked for: after a reconnect the server does not remember it.
func (s *source) reset() { s.outstanding.Store(0) }

func (s *source) checkSilence(credit func() int64) {
	silent := time.Since(time.Unix(0, s.lastHeard.Load())) >= pullSilence
	if silent {
		s.reset()
	}
	s.ask(credit(), 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.retry.Reset(pullSilence)
	}
}

// stop withdraws the requests: the server forgets them when nobody listens to their replies. What it had sent before is in
// the inbox once a flush of the connection has returned.
func (s *source) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.sub.Load()
	if s.stopped || sub == nil {
		return
	}
	s.stopped = true
	s.retry.Stop()
	if err := sub.Drain(); err != nil {
		_ = sub.Unsubscribe() // the connection is gone, and the requests with it
	}
}
