package wake

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/stream"
)

// parkRetry is how long after a refused probe the next one is parked.
const parkRetry = 2 * time.Second

// firedDescription is how the server refuses a message that is larger than a request's max_bytes: the probe has fired.
const firedDescription = "Message Size Exceeds MaxBytes"

// probe is one consumer's parked request. Guarded by Watcher.mu.
type probe struct {
	of       *watched
	consumer stream.Consumer
	number   string      // of the parked request; "" while none is parked
	fired    bool        // something was deliverable, and no reading has shown it gone
	refused  bool        // the server takes no probe for this consumer: it is polled
	resting  bool        // the last one was turned away: none is parked before timer says so
	misses   uint8       // looks in a row that found no consumer
	err      error       // why the consumer could not be read or asked last
	timer    *time.Timer // parks again: after a refusal, or when the server has forgotten the request
}

func (w *Watcher) newProbe(f *watched, c stream.Consumer) *probe {
	p := &probe{of: f, consumer: c}
	p.timer = time.AfterFunc(time.Hour, func() { w.parkAgain(p) })
	p.timer.Stop()
	return p
}

func (w *Watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = true
	for _, f := range w.functions {
		if w.polling {
			w.readNow(f)
			continue
		}
		for _, p := range f.probes {
			w.park(p)
		}
	}
}

func (w *Watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	for _, f := range w.functions {
		for _, p := range f.probes {
			p.timer.Stop()
		}
	}
}

// parkAll parks every probe anew: after a reconnect the server knows none of them. A probe that was parked before and has
// something to say says it at once. What was read before the connection was lost is not known any more.
func (w *Watcher) parkAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.functions {
		f.reading.Known, f.sure, f.failures = false, false, 0
		w.readNow(f)
		for _, p := range f.probes {
			if !p.fired && !p.refused {
				w.park(p)
			}
		}
	}
}

// parkAgain is called some time after a probe was refused or lost. A consumer that did not exist is looked at first.
func (w *Watcher) parkAgain(p *probe) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.resting = false
	switch f := p.of; {
	case w.functions[f.key] != f || p.fired || !w.running:
	case p.missing():
		w.readNow(f)
	default:
		w.park(p)
	}
}

// park sends the request. The caller holds mu.
func (w *Watcher) park(p *probe) {
	delete(w.probes, p.number)
	p.number, p.resting = "", false
	if !w.running || w.polling {
		return
	}
	w.next++
	number := strconv.FormatUint(w.next, 36)
	if err := w.nc.PublishRequest(requestSubject(p.consumer), w.inbox+number, w.request); err != nil {
		p.rest()
		return
	}
	p.number = number
	w.probes[number] = p
	p.timer.Reset(w.cfg.ProbeExpires + parkRetry)
}

// rest has the next probe wait for the timer: who turned one away would turn the next one away as well. The caller holds mu.
func (p *probe) rest() {
	p.resting = true
	p.timer.Reset(parkRetry)
}

// answer takes what the server says to a probe. It is called by the connection, one answer at a time.
func (w *Watcher) answer(m *nats.Msg) {
	w.mu.Lock()
	p := w.probes[strings.TrimPrefix(m.Subject, w.inbox)]
	if p == nil {
		w.mu.Unlock()
		return // of a request that was given up
	}
	delete(w.probes, p.number)
	p.number = ""
	var notify func()
	switch status, description := m.Header.Get("Status"), m.Header.Get("Description"); {
	case status == "409" && strings.HasPrefix(description, firedDescription):
		notify = w.fire(p)
	case status == "408": // nothing came while it was parked
		p.fail(nil)
		p.of.reading.At = time.Now()
		w.park(p)
	case status == "503" || description == "Consumer Deleted":
		p.fail(fmt.Errorf("%w: %s on stream %s", ErrNoConsumer, p.consumer.Name, p.consumer.Stream))
		p.lookLater()
		notify = p.of.onChange
	case refusedForGood(status, description):
		p.refused, p.of.polled = true, true
		w.log.Info("consumer takes no probe, it is polled", zap.String("stream", p.consumer.Stream),
			zap.String("consumer", p.consumer.Name), zap.String("answer", status+" "+description))
		w.readNow(p.of)
	case strings.HasPrefix(description, "Exceeded MaxWaiting"): // others wait in all its places: it is looked at now and then
		p.rest()
		w.readNow(p.of)
	default: // a change of leader, a server that stops: a reading tells what is true
		p.fail(fmt.Errorf("consumer %s on stream %s: %s %s", p.consumer.Name, p.consumer.Stream, status, description))
		p.rest()
		w.readNow(p.of)
	}
	w.mu.Unlock()
	if notify != nil {
		notify()
	}
}

// refusedForGood reports whether a consumer's own settings rule a probe out: another priority group, limits on requests.
func refusedForGood(status, description string) bool {
	return status == "400" || status == "409" && strings.HasPrefix(description, "Exceeded MaxRequest")
}

// fire notes that at least one message is due, without waiting for a reading, and asks for one. The caller holds mu, and
// calls what it returns without it.
func (w *Watcher) fire(p *probe) (notify func()) {
	p.fired = true
	p.timer.Stop()
	p.fail(nil)
	f := p.of
	f.sure = false
	f.reading.Due, f.reading.Known, f.reading.At = max(f.reading.Due, 1), true, time.Now()
	w.readNow(f)
	return f.onChange
}
