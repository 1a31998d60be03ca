package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/bridge"
)

// acceptCallers is how many connections send events at once, each the next one when the last is stored.
const acceptCallers = 64

// serveBridge is the way of events from HTTP into the streams, as the product has it.
func serveBridge() error {
	nc, err := nats.Connect(os.Getenv("NATS_URL"), nats.ReconnectBufSize(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	b, err := bridge.New(bridge.Config{Conn: nc, Address: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.Listen(ctx); err != nil {
		cancel()
		return err
	}
	fmt.Println(b.Addr())
	go func() { stopped(); cancel() }()
	return b.Run(ctx)
}

// taken is what one round came to.
type taken struct {
	rate, p50, p99 float64
	events         int
	server, bridge float64 // microseconds of processor time for each event
}

// accept measures how fast events are accepted over HTTP when every write is synced before it is acknowledged, beside
// publishes of single messages by as many callers, each synced by itself.
func accept(ctx context.Context, r *rig, t *table) error {
	b, err := r.role("bridge")
	if err != nil {
		return err
	}
	defer b.stop()
	address, err := b.line()
	if err != nil {
		return fmt.Errorf("start the bridge: %w", err)
	}
	lasts := r.opts.short(10 * time.Second)
	var alone, single, posted []taken
	for range min(r.opts.rounds, 3) {
		for _, way := range []struct {
			into    *[]taken
			callers int
			open    func() (func(body []byte) error, error)
		}{
			{&alone, 1, r.publisher},
			{&single, acceptCallers, r.publisher},
			{&posted, acceptCallers, func() (func([]byte) error, error) { return poster(address) }},
		} {
			server, bridge := r.server.cpu(), b.cpu()
			got, err := offerTogether(ctx, way.callers, lasts, way.open)
			if err != nil {
				return err
			}
			got.server = (r.server.cpu() - server).Seconds() * 1e6 / float64(got.events)
			got.bridge = (b.cpu() - bridge).Seconds() * 1e6 / float64(got.events)
			*way.into = append(*way.into, got)
		}
	}
	rate := func(r taken) float64 { return r.rate }
	p50, p99 := func(r taken) float64 { return r.p50 }, func(r taken) float64 { return r.p99 }
	row := func(what, goal, format string, limit, ours float64) {
		t.add(what, fmt.Sprintf(format, limit), fmt.Sprintf(format, ours), fmt.Sprintf("%.2f", ours/limit), goal)
	}
	row("accepting over HTTP, synced, 64 connections, beside one publisher, events/s", ">= 5000", "%.0f",
		medianOf(alone, rate), medianOf(posted, rate))
	row("  beside 64 publishers of single events", "", "%.0f", medianOf(single, rate), medianOf(posted, rate))
	row("  median, ms", "", "%.1f", medianOf(single, p50), medianOf(posted, p50))
	row("  p99, ms", "<= 100", "%.1f", medianOf(single, p99), medianOf(posted, p99))
	server, bridge := func(r taken) float64 { return r.server }, func(r taken) float64 { return r.bridge }
	row("  processor time of the server for an event, us", "", "%.0f", medianOf(single, server), medianOf(posted, server))
	t.add("  of the bridge, us", "", fmt.Sprintf("%.0f", medianOf(posted, bridge)), "", "")
	return nil
}

// offerTogether lets callers send for a while, each one event after the other.
func offerTogether(ctx context.Context, callers int, lasts time.Duration, open func() (func([]byte) error, error)) (taken, error) {
	var number atomic.Int64
	waits := make([][]float64, callers)
	g, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	for i := range callers {
		g.Go(func() error {
			send, err := open()
			if err != nil {
				return err
			}
			for ctx.Err() == nil && time.Since(begin) < lasts {
				at := time.Now()
				if err := send(fmt.Appendf(nil, `{"order":%d,"from":"bench","items":[1,2,3]}`, number.Add(1))); err != nil {
					return err
				}
				waits[i] = append(waits[i], milliseconds(time.Since(at)))
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	took := time.Since(begin).Seconds()
	var all []float64
	for _, w := range waits {
		all = append(all, w...)
	}
	return taken{rate: float64(len(all)) / took, p50: quantile(all, 0.5), p99: quantile(all, 0.99), events: len(all)}, err
}

// publisher publishes single messages and waits for each acknowledgement.
func (r *rig) publisher() (func([]byte) error, error) {
	return func(body []byte) error {
		_, err := r.js.Publish(context.Background(), "events.bench.accept", body)
		return err
	}, nil
}

// poster sends events on a connection of its own. It does little, so that the client takes little of the machine.
func poster(address string) (func([]byte) error, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(c)
	return func(body []byte) error {
		request := fmt.Appendf(nil, "POST /events/bench.accept HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n%s", len(body), body)
		if _, err := c.Write(request); err != nil {
			return err
		}
		return readAccepted(in)
	}, nil
}

// readAccepted reads one answer to its end; it must be a 202.
func readAccepted(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if line == "\r\n" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(v)); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if !strings.HasPrefix(status, "HTTP/1.1 202") {
		return fmt.Errorf("not accepted: %s: %s", strings.TrimSpace(status), body)
	}
	return nil
}
