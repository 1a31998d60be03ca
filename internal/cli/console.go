package cli

import (
	"context"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// What one function may show in a second; the rest is summed up. Failures are what a person looks for, so they are summed up
// only when nobody could read them.
const (
	outputASecond   = 50   // lines of its handler
	runsASecond     = 50   // runs that are done or filtered out
	failuresASecond = 1000 // retries and dead letters
	consoleWindow   = time.Second
	consoleQueue    = 8192 // things that the terminal may lag behind
)

// console shows what `pelton up` does while it does it: runs, scale decisions, crashes, output of handlers. Whoever reports
// something never waits, and no function takes the place of another: what is too much is counted and summed up.
type console struct {
	view view
	news chan struct{} // one place: something is queued
	sums chan struct{} // one place: a second has passed since something was summed up

	mu     sync.Mutex // guards what follows
	queue  []func(view)
	shares map[function.Key]*share
	totals map[string]int
}

// view is how things look: text or JSON.
type view interface {
	run(ledger.Run)
	event(supervisor.Event)
	output(supervisor.Output)
	summary(function.Key, *tally)
}

func newConsole(v view) *console {
	return &console{
		view: v, news: make(chan struct{}, 1), sums: make(chan struct{}, 1),
		shares: map[function.Key]*share{}, totals: map[string]int{},
	}
}

var _ ledger.Recorder = (*console)(nil)

// Record shows a run.
func (c *console) Record(r ledger.Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals[r.Outcome]++
	s := c.share(function.Key{Namespace: r.Namespace, Name: r.Function})
	if !s.takesRun(r) || !c.put(func(v view) { v.run(r) }) {
		c.leaveOut(s).addRun(r)
	}
}

func (c *console) event(e supervisor.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.put(func(v view) { v.event(e) }) {
		c.leaveOut(c.share(e.Function)).lines++
	}
}

func (c *console) output(o supervisor.Output) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.share(o.Function)
	if !s.takesOutput() || !c.put(func(v view) { v.output(o) }) {
		c.leaveOut(s).lines++
	}
}

// put queues one thing, if the terminal is not too far behind. The caller holds mu.
func (c *console) put(show func(view)) bool {
	if len(c.queue) >= consoleQueue {
		return false
	}
	c.queue = append(c.queue, show)
	nudge(c.news)
	return true
}

// leaveOut returns where to count what is not shown. The caller holds mu.
func (c *console) leaveOut(s *share) *tally {
	if s.left == nil {
		s.left = &tally{}
		time.AfterFunc(consoleWindow, func() { nudge(c.sums) })
	}
	return s.left
}

// share returns a function's share of this second. The caller holds mu.
func (c *console) share(key function.Key) *share {
	s := c.shares[key]
	if s == nil {
		s = &share{}
		c.shares[key] = s
	}
	s.renew(time.Now())
	return s
}

// nudge never waits: one who looks sees everything that has come.
func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// total returns how many runs had an outcome.
func (c *console) total(outcome string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals[outcome]
}

// run shows things until ctx ends, and then what is left.
func (c *console) run(ctx context.Context) {
	for {
		select {
		case <-c.news:
			c.showQueue()
		case <-c.sums:
			c.showQueue()
			c.showSums()
		case <-ctx.Done():
			c.showQueue()
			c.showSums()
			return
		}
	}
}

func (c *console) showQueue() {
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, show := range queue {
		show(c.view)
	}
}

// showSums shows one line for each function of which something was left out.
func (c *console) showSums() {
	left := map[function.Key]*tally{}
	c.mu.Lock()
	for key, s := range c.shares {
		if s.left != nil {
			left[key], s.left = s.left, nil
		}
	}
	c.mu.Unlock()
	for key, t := range left {
		c.view.summary(key, t)
	}
}
