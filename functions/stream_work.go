package functions

import (
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// line holds calls that were read and have not begun, the oldest first. Whenever there are some, a worker is on its way to them: it is
// woken when the first comes, and each that takes a call and leaves others wakes the next. So a call that takes its time holds up none
// behind it, and while calls are short one worker takes one after another: to wake somebody costs more than such a call.
type line struct {
	first, last *streamCall
	woken       bool // a worker is on its way
}

// add puts a call at the end and reports whether a worker must be woken.
func (l *line) add(c *streamCall) (wake bool) {
	if l.first == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
	wake, l.woken = !l.woken, true
	return wake
}

// take returns the first call, nil if there is none, and reports whether a worker must be woken for those behind it. A worker that was
// woken says so once.
func (l *line) take(woken bool) (c *streamCall, wake bool) {
	if woken {
		l.woken = false
	}
	if c = l.first; c == nil {
		return nil, false
	}
	l.first, c.next = c.next, nil
	if l.first != nil && !l.woken {
		wake, l.woken = true, true
	}
	return c, wake
}

// begin lines a call or a batch up.
func (s *stream) begin(c *streamCall) {
	s.calls.Add(1)
	s.mu.Lock()
	s.running[c.id] = c
	wake := s.line.add(c)
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// wake sends a worker to the line: one that rests, or a new one.
func (s *stream) wake() {
	select {
	case s.rest <- struct{}{}:
	default:
		go s.work()
	}
}

// work runs calls until there are none, and rests then: its stack has grown already.
func (s *stream) work() {
	for {
		for c := s.next(true); c != nil; c = s.next(false) {
			s.handle(c)
		}
		select {
		case <-s.rest:
		case <-s.over:
			return
		}
	}
}

// next takes the first call in line that somebody waits for. One whose time is over is not begun: where the process stood still
// meanwhile the event may be done elsewhere by now, and what is behind it in its order begun.
func (s *stream) next(woken bool) *streamCall {
	for {
		s.mu.Lock()
		c, wake := s.line.take(woken)
		wanted := c != nil && s.running[c.id] == c
		if wanted && c.late() {
			delete(s.running, c.id)
			wanted = false
		}
		s.mu.Unlock()
		if wake {
			s.wake()
		}
		if c == nil || wanted {
			return c
		}
		s.calls.Done()
		woken = false
	}
}

func (c *streamCall) late() bool {
	return !c.ctx.deadline.IsZero() && !time.Now().Before(c.ctx.deadline)
}

// handle runs one call. It does not return if the function ends its goroutine: then somebody else is on his way to those in line.
func (s *stream) handle(c *streamCall) {
	if c.batch != nil {
		s.f.handleBatch(&c.batch.batch, func(v verdicts) { s.finishBatch(c, v) })
	} else {
		s.f.handle(&c.call, func(o invoke.Outcome) { s.finish(c, o) })
	}
}

// flushing is how a result goes out that nobody else is about to write.
type flushing int

const (
	flushNow         flushing = iota
	flushAfterOthers          // other calls run, which may be about to send theirs
	flushAside                // this goroutine goes on with the next call: another one writes, at once if that call takes its time
)

func (s *stream) flush(how flushing) {
	if how == flushAside {
		go s.w.Flush(false)
		return
	}
	s.w.Flush(how == flushAfterOthers)
}
