package cli

import (
	"context"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

const (
	consoleQueue  = 4096 // what the terminal may lag behind
	linesASecond  = 50   // more runs than this are summed up
	consoleWindow = time.Second
)

// console shows what `pelton up` does while it does it: runs, scale decisions, crashes, output of handlers. Whoever reports
// something never waits: what a slow terminal cannot take is counted and left out.
type console struct {
	view  view
	queue chan any // ledger.Run, supervisor.Event or supervisor.Output

	mu     sync.Mutex // guards what follows
	totals map[string]int
	lost   int
}

// view is how things look: text or JSON.
type view interface {
	run(ledger.Run)
	event(supervisor.Event)
	output(supervisor.Output)
	summary(function.Key, *tally)
	lost(n int)
}

func newConsole(v view) *console {
	return &console{view: v, queue: make(chan any, consoleQueue), totals: map[string]int{}}
}

var _ ledger.Recorder = (*console)(nil)

// Record shows a run.
func (c *console) Record(r ledger.Run) {
	c.mu.Lock()
	c.totals[r.Outcome]++
	c.mu.Unlock()
	c.put(r)
}

func (c *console) event(e supervisor.Event)   { c.put(e) }
func (c *console) output(o supervisor.Output) { c.put(o) }

func (c *console) put(item any) {
	select {
	case c.queue <- item:
	default:
		c.mu.Lock()
		c.lost++
		c.mu.Unlock()
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
	w := window{view: c.view}
	for {
		select {
		case item := <-c.queue:
			w.show(item, time.Now())
		case <-w.due:
			w.close()
			c.tellLost()
		case <-ctx.Done():
			for len(c.queue) > 0 {
				w.show(<-c.queue, time.Now())
			}
			w.close()
			c.tellLost()
			return
		}
	}
}

func (c *console) tellLost() {
	c.mu.Lock()
	n := c.lost
	c.lost = 0
	c.mu.Unlock()
	if n > 0 {
		c.view.lost(n)
	}
}

// window is one second of the terminal. The first lines are shown as they come, further runs summed up at its end.
type window struct {
	view    view
	due     <-chan time.Time // nil while nothing is summed up
	started time.Time
	lines   int
	tallies map[function.Key]*tally
	dropped int // lines of output
}

// tally sums up the runs of one function.
type tally struct {
	runs     int
	outcomes map[string]int
	duration time.Duration
	slowest  time.Duration
}

func (w *window) show(item any, now time.Time) {
	if now.Sub(w.started) > consoleWindow && w.due == nil {
		w.started, w.lines = now, 0
	}
	w.lines++
	full := w.lines > linesASecond
	if full && w.due == nil {
		w.due = time.After(consoleWindow - min(consoleWindow, now.Sub(w.started)))
	}
	switch item := item.(type) {
	case supervisor.Event:
		w.view.event(item)
	case supervisor.Output:
		if full {
			w.dropped++
			return
		}
		w.view.output(item)
	case ledger.Run:
		if full {
			w.add(item)
			return
		}
		w.view.run(item)
	}
}

func (w *window) add(r ledger.Run) {
	if w.tallies == nil {
		w.tallies = map[function.Key]*tally{}
	}
	key := function.Key{Namespace: r.Namespace, Name: r.Function}
	t := w.tallies[key]
	if t == nil {
		t = &tally{outcomes: map[string]int{}}
		w.tallies[key] = t
	}
	t.runs++
	t.outcomes[r.Outcome]++
	t.duration += r.Duration
	t.slowest = max(t.slowest, r.Duration)
}

// close shows the sums of the window and begins a new one.
func (w *window) close() {
	for key, t := range w.tallies {
		w.view.summary(key, t)
	}
	if w.dropped > 0 {
		w.view.lost(w.dropped)
	}
	*w = window{view: w.view}
}
