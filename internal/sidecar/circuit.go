package sidecar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

// When the first calls of so many events have failed, one after another and none between them answered, something behind the
// handler is down, and to go on would only use up attempts. Events that have failed before do not count: bad ones among good
// ones come again together.
const circuitAfter = 20

// An open circuit rests, longer each time its probe fails.
const (
	minCircuitRest = time.Second
	maxCircuitRest = 30 * time.Second
)

// probeLook is how long one source has to bring a probe before the next is asked, too.
const probeLook = time.Second

// The states of a circuit:
//
//	calm --a call fails--> failing --20 in a row--> resting --rested--> probing --one is taken--> probed
//	  ^                       |                        ^                   ^                        |
//	  |      an answer        |                        |     it fails      |                        |
//	  +-----------------------+                        +------------------ | -----------------------+
//	  |                                                                    +----it says nothing-----+
//	  +----------------------------an answer--------------------------------------------------------+
const (
	circuitCalm    int32 = iota // the last call was answered: all that an ordinary event looks at
	circuitFailing              // the last calls failed
	circuitResting              // nothing is asked for
	circuitProbing              // one event is asked for
	circuitProbed               // it is in the handler
)

// circuit notices that every call fails, and lets pulling rest then: what waits keeps its attempts. While it is open one event
// after another is tried, with growing rests between them. It is this replica's own.
type circuit struct {
	state atomic.Int32
	moved chan struct{} // one place: a probe has come to something

	mu       sync.Mutex // held to change state, but for the steps to probing and to probed
	failures int        // in a row
	sitting  bool       // sitOut runs
	rest     time.Duration
	since    time.Time // when it opened
	next     time.Time // the end of the rest
	cause    string    // of the last failure
}

// open reports whether nothing is to be asked for as usual.
func (c *circuit) open() bool { return c.state.Load() >= circuitResting }

// admits reports whether a message that has come is to be given to the handler: while the circuit is open, only a probe is.
// Once there is one, nobody else is asked any more.
func (s *Sidecar) admits(sl *slot) bool {
	if !s.circuit.open() {
		return true
	}
	if sl.probe = s.circuit.state.CompareAndSwap(circuitProbing, circuitProbed); sl.probe {
		s.withdraw()
	}
	return sl.probe
}

// verdict is what an outcome says of what is behind the handler.
type verdict uint8

const (
	saysNothing verdict = iota // the handler was not asked, or did not see the event
	answered
	failed
)

// verdictOf takes a retry for which the handler named a time for an answer: it has thought about the event.
func verdictOf(st *settlement) verdict {
	switch {
	case st.action == handBack, st.action == overtaken:
		return saysNothing
	case !st.asked && (st.action == park || st.action == bury && st.reason != deadletter.ReasonRejected):
		return failed
	default:
		return answered
	}
}

// judge notes what became of an event, and returns how long pulling rests because of it. It costs an ordinary event one look.
func (s *Sidecar) judge(p *phases, sl *slot, st *settlement, called bool) time.Duration {
	c, v := &s.circuit, saysNothing
	if called {
		v = verdictOf(st)
	}
	if sl.probe {
		sl.probe = false
		return c.probed(v, st)
	}
	known := v == failed && sl.d.attempt > 1 // to be bad, perhaps
	if v == saysNothing || known || v == answered && c.state.Load() == circuitCalm {
		return 0
	}
	rest, sit := c.called(v, st)
	if rest > 0 {
		s.log.Warn("calls fail one after another, pulling rests", zap.Int("events", circuitAfter), zap.Duration("rest", rest),
			zap.String("reason", st.reason), zap.String("last", st.text))
		s.withdraw()
	}
	if sit {
		s.workers.Go(func() { s.sitOut(p.intake) })
	}
	return rest
}

// called counts an ordinary call, and returns how long to rest if it is the one that opens the circuit, and whether somebody
// must begin to sit that out. Calls from before the circuit opened change nothing any more.
func (c *circuit) called(v verdict, st *settlement) (rest time.Duration, sit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open():
		return 0, false
	case v == answered:
		c.reset()
		return 0, false
	}
	if c.failures++; c.failures < circuitAfter {
		c.state.Store(circuitFailing)
		return 0, false
	}
	sit = !c.sitting
	c.since, c.rest, c.sitting = time.Now(), minCircuitRest, true
	return c.sleep(st), sit
}

// probed takes what a probe came to.
func (c *circuit) probed(v verdict, st *settlement) (rest time.Duration) {
	c.mu.Lock()
	switch v {
	case answered:
		c.reset()
	case failed:
		c.rest = min(2*c.rest, maxCircuitRest)
		rest = c.sleep(st)
	default:
		c.state.Store(circuitProbing)
	}
	c.mu.Unlock()
	select {
	case c.moved <- struct{}{}:
	default:
	}
	return rest
}

// reset closes the circuit. The caller holds mu.
func (c *circuit) reset() {
	c.failures, c.cause = 0, ""
	c.state.Store(circuitCalm)
}

// sleep begins a rest, of which every replica takes another length. The caller holds mu.
func (c *circuit) sleep(st *settlement) time.Duration {
	rest := c.rest*3/4 + rand.N(c.rest/4)
	c.next, c.cause = time.Now().Add(rest), st.reason+": "+st.text
	c.state.Store(circuitResting)
	return rest
}

// sitOut rests and probes until the circuit is closed or ctx ends.
func (s *Sidecar) sitOut(ctx context.Context) {
	s.metrics.circuit.Inc()
	defer s.metrics.circuit.Dec()
	for {
		wait, open := s.circuit.sits()
		if !open {
			s.log.Info("calls are answered again, pulling goes on")
			s.ask()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !s.probe(ctx) {
			return
		}
	}
}

// sits returns how long to rest. Whoever sits it out has to stop when the circuit is not open any more.
func (c *circuit) sits() (rest time.Duration, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sitting = c.open()
	return time.Until(c.next), c.sitting
}

// probe asks for one event until one has come to something, or ctx has ended. The sources are asked one after another: most often the first has
// one, and what a second brings would have to go back.
func (s *Sidecar) probe(ctx context.Context) bool {
	s.circuit.state.CompareAndSwap(circuitResting, circuitProbing)
	for i := int(s.turn.Add(1)); ; {
		switch state := s.circuit.state.Load(); {
		case state == circuitProbing && !s.paused.Load() && !s.leaving.Load():
			s.sources[i%len(s.sources)].ask(1, 0)
		case state != circuitProbing && state != circuitProbed:
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.circuit.moved:
		case <-time.After(probeLook):
			i++
		}
	}
}

// RestingPath is where a sidecar that is a program of its own says what Resting returns: pods that rest are ready all the same.
const RestingPath = "/resting"

// Resting is why nothing is asked for although the handler listens, or "": calls have failed one after another.
func (s *Sidecar) Resting() string {
	c := &s.circuit
	if !c.open() {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d events have failed one after another, since %s one is tried now and then; the last: %s",
		circuitAfter, c.since.UTC().Format(time.RFC3339), c.cause)
}
