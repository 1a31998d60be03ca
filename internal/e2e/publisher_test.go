package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// sent is an event that was accepted.
type sent struct{ subject, id string }

// publishers publish at one time: each waits for the acknowledgement of one event before it publishes the next.
const publishers = 6

// publisher publishes events whatever happens to the server. An event whose acknowledgement does not come is published again
// with the same id, until it does.
type publisher struct {
	pace time.Duration // of each one
	fail bool          // every tenth event fails at its first attempt
	url  atomic.Pointer[string]
	quit chan struct{}
	work sync.WaitGroup

	mu       sync.Mutex
	accepted []sent
}

func startPublisher(url string, pace time.Duration, fail bool) *publisher {
	p := &publisher{quit: make(chan struct{}), pace: pace, fail: fail}
	p.connect(url)
	for n := range publishers {
		p.work.Go(func() { p.run(fmt.Sprintf("event-%d", n)) })
	}
	return p
}

// connect says where the server is from now on.
func (p *publisher) connect(url string) { p.url.Store(&url) }

// stop ends the publishing and returns what was accepted.
func (p *publisher) stop() []sent {
	close(p.quit)
	p.work.Wait()
	return p.accepted
}

func (p *publisher) run(prefix string) {
	pace := time.NewTicker(p.pace)
	defer pace.Stop()
	c := &connection{to: &p.url}
	defer c.close()
	for n := 0; ; n++ {
		s, data := sent{"events.load.all", number(prefix, n)}, fmt.Sprintf(`{"n":%d}`, n)
		switch {
		case n%50 == 0:
			s.subject = "events.load.exec"
		case p.fail && n%10 == 3:
			data = fmt.Sprintf(`{"n":%d,"do":"fail-once"}`, n)
		}
		for stored := false; !stored; stored = c.send(s, data) {
			select {
			case <-p.quit:
				return
			case <-pace.C:
			}
		}
		p.mu.Lock()
		p.accepted = append(p.accepted, s)
		p.mu.Unlock()
	}
}

// connection is a client that follows the server to where it is.
type connection struct {
	to *atomic.Pointer[string]
	at string
	c  *client
}

func (c *connection) close() {
	if c.c != nil {
		c.c.nc.Close()
	}
}

// send reports whether the event was accepted.
func (c *connection) send(s sent, data string) bool {
	if url := *c.to.Load(); c.c == nil || url != c.at {
		c.close()
		if c.c, _ = dial(url); c.c == nil {
			return false
		}
		c.at = url
	}
	return c.c.sendWithin(2*time.Second, s.subject, s.id, data) == nil
}
