package disk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
)

const (
	natsPublishers = 3 // beside one over HTTP
	publishPause   = 4 * time.Millisecond
	publishWait    = 5 * time.Second
	refusedPause   = 50 * time.Millisecond
	eventSource    = "//faults/disk"
)

// The doors through which events come in.
const (
	doorNATS = "NATS"
	doorHTTP = "HTTP"
)

// answer is what came of publishing one event.
type answer struct {
	door       string
	sent       time.Time
	took       time.Duration
	status     int   // of HTTP; 0 is none
	retryAfter bool  // the answer says when to come again
	err        error // nil: it was acknowledged
}

// publishers publish until they are stopped and remember what was acknowledged. They are the only witness of that, so they
// live outside of what is hurt.
type publishers struct {
	prefix string // of ids
	size   int    // of data, in bytes
	nc     *nats.Conn
	js     jetstream.JetStream
	http   string
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex           // guards what follows
	acked    map[string]string    // kind by id
	sent     map[string]time.Time // when the last that was acknowledged was sent, by door
	refusals []answer
}

// publish starts publishers.
func publish(ctx context.Context, to urls, prefix string, size int) (*publishers, error) {
	p := &publishers{
		prefix: prefix, size: size, http: to.HTTP + "/events/" + functionName,
		acked: map[string]string{},
		sent:  map[string]time.Time{},
	}
	var err error
	if p.nc, err = connect(to.NATS); err != nil {
		return nil, err
	}
	if p.js, err = jetstream.New(p.nc); err != nil {
		return nil, fmt.Errorf("make JetStream context: %w", err)
	}
	ctx, p.cancel = context.WithCancel(ctx)
	for n := range natsPublishers {
		p.work.Go(func() { p.run(ctx, doorNATS, strconv.Itoa(n), p.sendNATS) })
	}
	p.work.Go(func() { p.run(ctx, doorHTTP, "0", p.sendHTTP) })
	return p, nil
}

// connect makes a connection that comes back by itself and holds nothing back while it is away.
func connect(url string) (*nats.Conn, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.Timeout(10*time.Second),
		nats.ReconnectWait(refusedPause), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// stop ends them and returns the kinds of the acknowledged events by their ids.
func (p *publishers) stop() map[string]string {
	p.cancel()
	p.work.Wait()
	p.nc.Close()
	return p.acked
}

// run sends one event after another. What was not acknowledged is not sent again: nobody knows what became of it.
func (p *publishers) run(ctx context.Context, door, name string, send func(ctx context.Context, id, kind string) answer) {
	for number := 0; ; number++ {
		id, kind, begun := fmt.Sprintf("%s-%s%s-%d", p.prefix, door, name, number), kindOf(number), time.Now()
		a := send(ctx, id, kind)
		a.door, a.sent, a.took = door, begun, time.Since(begun)
		pause := publishPause
		if a.err != nil {
			pause = refusedPause
		}
		if ctx.Err() == nil || a.err == nil {
			p.note(id, kind, a)
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// kindOf lets most events be done at once.
func kindOf(number int) string {
	switch number % 10 {
	case 3, 7:
		return kindRetry
	case 5:
		return kindReject
	default:
		return kindWork
	}
}

func (p *publishers) note(id, kind string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.err != nil {
		p.refusals = append(p.refusals, a)
		return
	}
	p.acked[id], p.sent[a.door] = kind, a.sent
}

func (p *publishers) sendNATS(ctx context.Context, id, kind string) answer {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	_, err := p.js.PublishMsg(ctx, &nats.Msg{Subject: eventSubject, Data: p.data(), Header: nats.Header{
		"ce-specversion": {event.SpecVersion}, "ce-id": {id}, "ce-source": {eventSource}, "ce-type": {kind},
		nats.MsgIdHdr: {event.MessageID(eventSource, id)},
	}})
	return answer{err: err}
}

func (p *publishers) data() []byte { return []byte(`"` + strings.Repeat("x", p.size) + `"`) }

var errRefused = errors.New("refused")

func (p *publishers) sendHTTP(ctx context.Context, id, kind string) answer {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.http, strings.NewReader(string(p.data())))
	if err != nil {
		return answer{err: err}
	}
	for name, value := range map[string]string{
		"ce-specversion": event.SpecVersion, "ce-id": id, "ce-source": eventSource, "ce-type": kind,
		"content-type": "application/json",
	} {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{err: err}
	}
	_ = got.Body.Close()
	out := answer{status: got.StatusCode, retryAfter: got.Header.Get("Retry-After") != ""}
	if got.StatusCode != http.StatusAccepted {
		out.err = fmt.Errorf("%w: %s", errRefused, got.Status)
	}
	return out
}

// ledger is everything that was acknowledged so far, over all runs of a machine on one disk.
type ledger map[string]string

func (l ledger) add(acked map[string]string) { maps.Copy(l, acked) }
