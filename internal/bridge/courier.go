package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/callback"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/result"
	"github.com/pelton-dev/pelton/internal/webhook"
)

const (
	// couriers is how many callbacks are sent at a time, and perHost how many of them to one host: a receiver that does not answer
	// holds up no other.
	couriers = 16
	perHost  = 4

	courierRest = 5 * time.Second  // after trouble with NATS
	courierPull = 30 * time.Second // how long one request for work is good for
	busyRest    = time.Second      // of what goes to a host that has its share
	ackTimeout  = 5 * time.Second
)

// The time between two tries doubles from one to the other, with a part that is random.
const (
	minTryRest = 2 * time.Second
	maxTryRest = 5 * time.Minute
)

// sender makes one try.
type sender interface {
	Send(context.Context, callback.Message) (callback.Answer, error)
	Close()
}

// courier tells receivers what became of calls: at least once, as long as that is known. All front doors do, each takes what it can; what
// one has taken and not brought to an end, another one is given. While no function allows callbacks it does nothing.
type courier struct {
	s      *Server
	js     jetstream.JetStream
	sender sender
	wanted chan struct{} // closed once a function allows callbacks
	once   sync.Once     // closes it
	routes atomic.Pointer[map[function.Key][]*Callbacks]

	mu    sync.Mutex
	hosts map[string]int // tries that run
}

func newCourier(s *Server) (*courier, error) {
	js, err := jetstream.New(s.conn)
	if err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	c := &courier{s: s, js: js, sender: s.cfg.sender, wanted: make(chan struct{}), hosts: map[string]int{}}
	if c.sender == nil {
		c.sender = callback.NewClient()
	}
	c.routes.Store(new(map[function.Key][]*Callbacks))
	return c, nil
}

// setRoutes says which functions allow which callbacks.
func (c *courier) setRoutes(routes []Route) {
	allowed := map[function.Key][]*Callbacks{}
	for _, r := range routes {
		if r.Callbacks != nil {
			key := function.Key{Namespace: r.Namespace, Name: r.Function}
			allowed[key] = append(allowed[key], r.Callbacks)
		}
	}
	c.routes.Store(&allowed)
	if len(allowed) > 0 {
		c.once.Do(func() { close(c.wanted) })
	}
}

// run tells until taking ends. What it is about to tell then goes on until work ends.
func (c *courier) run(taking, work context.Context) {
	defer c.sender.Close()
	for taking.Err() == nil {
		select {
		case <-taking.Done():
			return
		case <-c.wanted:
		}
		consumer, err := result.Callbacks(taking, c.js)
		if err == nil {
			err = c.take(taking, work, consumer)
		}
		if taking.Err() == nil {
			c.s.log.Warn("callbacks cannot be taken, trying again", zap.Error(err))
			rest(taking, courierRest)
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// take tells until taking ends, or the consumer is not there any more: it must be made again.
func (c *courier) take(taking, work context.Context, consumer jetstream.Consumer) error {
	taking, lost := context.WithCancelCause(taking)
	defer lost(nil)
	var all sync.WaitGroup
	for range couriers {
		all.Go(func() {
			for taking.Err() == nil {
				if err := c.takeOne(taking, work, consumer); isLost(err) {
					lost(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(taking)
}

// isLost reports whether a consumer is gone. A server that does not know it does not answer.
func isLost(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, nats.ErrNoResponders)
}

func (c *courier) takeOne(taking, work context.Context, consumer jetstream.Consumer) error {
	pull, cancel := context.WithTimeout(taking, courierPull)
	defer cancel()
	m, err := consumer.Next(jetstream.FetchContext(pull))
	switch {
	case err == nil:
		c.tell(work, m)
	case pull.Err() == nil && !errors.Is(err, nats.ErrTimeout) && !isLost(err):
		c.s.log.Debug("no callback taken", zap.Error(err))
		rest(taking, courierRest)
	}
	return err
}

// tell brings one callback a step further.
func (c *courier) tell(ctx context.Context, m jetstream.Msg) {
	id, ok := result.CallbackID(m.Subject())
	if !ok {
		c.end(ctx, m, id, "refused", errors.New("it is about no call"))
		return
	}
	read, cancel := context.WithTimeout(ctx, c.s.cfg.StoreTimeout)
	defer cancel()
	record, _, err := result.Read(read, c.s.conn, id)
	switch {
	case errors.Is(err, result.ErrNotFound):
		c.end(ctx, m, id, "given-up", errors.New("the result is not kept any more"))
	case err != nil:
		c.again(ctx, m, id, result.Record{}, courierRest, err)
	case !record.State.Final():
		_ = m.Ack() // it goes on: its next end has a callback of its own
	default:
		c.send(ctx, m, id, record)
	}
}

// send makes one try with a record that is there.
func (c *courier) send(ctx context.Context, m jetstream.Msg, id result.ID, record result.Record) {
	message, err := c.message(id, record)
	if err != nil {
		c.again(ctx, m, id, record, 0, err)
		return
	}
	host := message.To.Host
	if !c.enter(host) {
		_ = m.NakWithDelay(busyRest) // what is not answered for comes again by itself
		return
	}
	answer, err := c.sender.Send(ctx, message)
	c.leave(host)
	switch {
	case err != nil:
		c.again(ctx, m, id, record, 0, err)
	case answer.Verdict == callback.Delivered:
		c.end(ctx, m, id, "delivered", nil)
	case answer.Verdict == callback.Gone:
		c.end(ctx, m, id, "gone", errors.New("the receiver never wants it (410)"))
	default:
		c.again(ctx, m, id, record, answer.RetryAfter, statusError(answer.Status))
	}
}

// message makes what is sent. The stored address is held to what the function allows now: whoever may write to NATS may have written it,
// and the manifest may have changed.
func (c *courier) message(id result.ID, record result.Record) (callback.Message, error) {
	to, err := callback.Parse(record.Call.Callback)
	if err != nil {
		return callback.Message{}, err
	}
	for _, allowed := range (*c.routes.Load())[function.Key{Namespace: id.Namespace, Name: id.Function}] {
		if !callback.Allowed(allowed.Allow, to) {
			continue
		}
		keys, missing := allowed.keys()
		if len(keys) == 0 {
			return callback.Message{}, missing
		}
		body, err := callbackBody(id, record)
		if err != nil {
			return callback.Message{}, err
		}
		m := callback.Message{To: to, Header: callbackHeader(), Body: body}
		webhook.Sign(m.Header, keys, id.Token+"-"+string(record.State), time.Now(), body)
		return m, nil
	}
	return callback.Message{}, errNotAllowed
}

var errNotAllowed = errors.New("the function allows no callback to this address")

// enter counts a try in, unless its host has its share.
func (c *courier) enter(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] >= perHost {
		return false
	}
	c.hosts[host]++
	return true
}

func (c *courier) leave(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host]--; c.hosts[host] == 0 {
		delete(c.hosts, host)
	}
}

// end acknowledges a callback that needs no other try. One that is lost between is sent again: receivers know it by its id.
func (c *courier) end(ctx context.Context, m jetstream.Msg, id result.ID, outcome string, why error) {
	c.s.metrics.callbacks.WithLabelValues(outcome).Inc()
	if why != nil {
		c.s.log.Warn("callback given up", zap.String("invocation", id.String()), zap.String("outcome", outcome), zap.Error(why))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
	defer cancel()
	if err := m.DoubleAck(ctx); err != nil {
		c.s.log.Debug("callback not acknowledged, it is sent again", zap.Error(err))
	}
}

// again has a callback tried later, if its result is still known then.
func (c *courier) again(ctx context.Context, m jetstream.Msg, id result.ID, record result.Record, after time.Duration, why error) {
	tries := uint64(1)
	if meta, err := m.Metadata(); err == nil {
		tries = meta.NumDelivered
	}
	delay := max(after, tryRest(tries))
	keep := time.Duration(record.Call.Keep) * time.Second
	if keep > 0 && time.Now().Add(delay).After(record.At.Add(keep)) {
		c.end(ctx, m, id, "given-up", why)
		return
	}
	c.s.metrics.callbacks.WithLabelValues("retried").Inc()
	c.s.log.Debug("callback not taken, it is sent again", zap.String("invocation", id.String()), zap.Duration("delay", delay), zap.Error(why))
	_ = m.NakWithDelay(delay) // what is not answered for comes again by itself
}

func tryRest(tries uint64) time.Duration {
	most := min(minTryRest<<min(tries-1, 16), maxTryRest)
	return most/2 + rand.N(most/2)
}
