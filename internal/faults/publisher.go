package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	publishers     = 8               // that publish at one time
	publishWait    = 2 * time.Second // for one acknowledgement
	publishRest    = 100 * time.Millisecond
	publishTries   = 60
	giveUpEach     = 4 // every so many events are not tried again: nobody knows then what became of them
	eventType      = "faults.event"
	eventSubject   = "events.faults."
	reconnectPause = 100 * time.Millisecond
)

// publisher is the process that publishes a load and notes what it did.
type publisher struct {
	load   Load
	seed   uint64
	js     jetstream.JetStream
	http   string // where the bridge is
	client *http.Client
	ledger *ledger
}

// publish is the role.
func publish(ctx context.Context, getenv func(string) string) error {
	p := &publisher{http: getenv(httpVariable), client: &http.Client{Timeout: httpWait}}
	if err := json.Unmarshal([]byte(getenv(loadVariable)), &p.load); err != nil {
		return fmt.Errorf("read %s: %w", loadVariable, err)
	}
	var err error
	if p.seed, err = strconv.ParseUint(getenv(seedVariable), 10, 64); err != nil {
		return fmt.Errorf("read %s: %w", seedVariable, err)
	}
	if p.ledger, err = openLedger(getenv(ledgerVariable), publisherLedger); err != nil {
		return err
	}
	nc, err := connect(getenv(natsVariable), "publisher")
	if err != nil {
		return err
	}
	defer nc.Close()
	if p.js, err = jetstream.New(nc); err != nil {
		return err
	}
	return p.run(ctx)
}

// connect makes a connection that comes back by itself and holds nothing back while it is away.
func connect(url, name string) (*nats.Conn, error) {
	nc, err := nats.Connect(url, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.Timeout(10*time.Second), nats.ReconnectWait(reconnectPause), nats.RetryOnFailedConnect(true), nats.PingInterval(5*time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return nc, nil
}

// run publishes everything at the rate of the load, or as fast as the server lets it.
func (p *publisher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var work sync.WaitGroup
	for range publishers {
		work.Go(func() {
			for number := range numbers {
				if err := p.send(ctx, number); err != nil {
					cancel(err)
				}
			}
		})
	}
	p.pace(ctx, numbers)
	close(numbers)
	work.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (p *publisher) pace(ctx context.Context, numbers chan<- int) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / p.load.Rate))
	defer tick.Stop()
	for number := range p.load.Events {
		select {
		case <-ctx.Done():
			return
		case numbers <- number:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// send publishes one event, with the same id until it is acknowledged. The error is that of the ledger.
func (p *publisher) send(ctx context.Context, number int) error {
	m, err := p.load.make(p.seed, number)
	if err != nil {
		return err
	}
	note := record{ID: m.key.ID, Source: m.key.Source, Key: m.order, Sequence: number, Sum: checksum(m.data), Do: m.do, HTTP: m.http}
	for note.Attempt = 1; note.Attempt <= publishTries; note.Attempt++ {
		note.Kind = recordSent
		if err := p.ledger.write(note); err != nil {
			return err
		}
		switch said, err := p.try(ctx, &m); {
		case err != nil:
			return err
		case said != "":
			note.Kind = said
			if err := p.ledger.write(note); err != nil || said == recordAcked {
				return err
			}
		}
		if number%giveUpEach == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(publishRest):
		}
	}
	return nil
}
