package wake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// missingMax is the longest time between two looks for a consumer that does not exist. The server tells when one is made, so a
// look is only for the case that we cannot hear of it.
const missingMax = 30 * time.Second

// gather is how long the names that the server tells of are gathered: a client may make thousands at once.
const gather = 50 * time.Millisecond

// created begins the subject on which the server tells of a consumer that was made; its stream and name follow.
const created = "$JS.EVENT.ADVISORY.CONSUMER.CREATED."

// name is a consumer's.
type name struct{ stream, consumer string }

// missing reports whether the consumer was not there when it was last looked for. The caller holds Watcher.mu.
func (p *probe) missing() bool { return errors.Is(p.err, ErrNoConsumer) }

// setErr notes how it went to read or ask the consumer. The caller holds Watcher.mu.
func (p *probe) setErr(err error) {
	p.err = err
	if !p.missing() {
		p.misses = 0
	}
}

// fail notes the same, and has the function's reading tell it. The caller holds Watcher.mu.
func (p *probe) fail(err error) {
	p.setErr(err)
	p.of.reading.Err = p.of.err()
}

// lookLater has the next look for a consumer that is missing wait. The caller holds Watcher.mu.
func (p *probe) lookLater() { p.timer.Reset(p.nextLook()) }

// nextLook is how long to wait before the next look for a consumer that is missing: longer each time, and not in step with
// others.
func (p *probe) nextLook() time.Duration {
	wait := min(parkRetry<<p.misses, missingMax)
	p.misses = min(p.misses+1, 8)
	return wait/2 + rand.N(wait/2)
}

// err is what is wrong with a function's consumers: first what may pass by itself, as that leaves something unknown. The caller
// holds Watcher.mu.
func (f *watched) err() error {
	var missing error
	for _, p := range f.probes {
		switch {
		case p.missing():
			missing = p.err
		case p.err != nil:
			return p.err
		}
	}
	return missing
}

// listen hears from the server of consumers that are made. Who may not hear of them finds them all the same, only later.
func (w *Watcher) listen() (*nats.Subscription, error) {
	s, err := w.nc.Subscribe(created+"*.*", func(m *nats.Msg) { w.hear(strings.TrimPrefix(m.Subject, created)) })
	if err != nil {
		return nil, fmt.Errorf("subscribe for consumers that are made: %w", err)
	}
	return s, nil
}

// hear notes a consumer, as STREAM.CONSUMER.
func (w *Watcher) hear(subject string) {
	stream, consumer, _ := strings.Cut(subject, ".")
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.made) == 0 {
		time.AfterFunc(gather, w.lookAtMade)
	}
	w.made[name{stream, consumer}] = struct{}{}
}

// lookAtMade reads the functions whose missing consumers were made.
func (w *Watcher) lookAtMade() {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made
	w.made = map[name]struct{}{}
	for _, f := range w.functions {
		for _, p := range f.probes {
			if _, is := made[name{p.consumer.Stream, p.consumer.Name}]; is && p.missing() && w.running {
				p.misses = 0
				w.readNow(f)
			}
		}
	}
}
