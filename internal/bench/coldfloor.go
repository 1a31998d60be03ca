package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamcall"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	floorSubject = "events.bench.bare"
	floorPoll    = 250 * time.Microsecond
)

// floor measures the parts of a cold start by themselves, on the server that Pelton uses.
type floor struct {
	r     *rig
	m     *machine
	inbox *nats.Subscription
	next  string // where to ask for messages
}

func (r *rig) newFloor(ctx context.Context, m *machine) (*floor, error) {
	c, err := m.js.CreateConsumer(ctx, stream.EventsStream, jetstream.ConsumerConfig{
		Name: "bare", FilterSubject: floorSubject, InactiveThreshold: time.Hour,
	})
	if err != nil {
		return nil, err
	}
	inbox, err := m.nc.SubscribeSync(m.nc.NewInbox())
	return &floor{r, m, inbox, "$JS.API.CONSUMER.MSG.NEXT." + stream.EventsStream + "." + c.CachedInfo().Name}, err
}

// deliver is the time from the publish of an event until somebody who waits for it has it.
func (f *floor) deliver(ctx context.Context) (time.Duration, error) {
	if err := f.m.nc.PublishRequest(f.next, f.inbox.Subject, []byte(`{"batch":1,"expires":60000000000}`)); err != nil {
		return 0, err
	}
	if err := f.m.nc.Flush(); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := f.m.js.PublishMsgAsync(benchEvent(floorSubject, 0, []byte(coldData))); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, waitStart)
	defer cancel()
	msg, err := f.inbox.NextMsgWithContext(ctx)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, msg.Ack()
}

// start is the time from the start of a handler's process until it has answered one call.
func (f *floor) start(ctx context.Context, h *coldHandler) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, waitStart)
	defer cancel()
	if h.fn.Spec.Handler.Protocol == function.ProtocolStream {
		return f.startStream(ctx, h)
	}
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	_, port, _ := net.SplitHostPort(address)
	began := time.Now()
	stop, err := h.spawn("PORT="+port, "PELTON_SOCKET=")
	if err != nil {
		return 0, err
	}
	defer stop()
	conn, err := dialWhenReady(ctx, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	err = callOnce(conn)
	return time.Since(began), err
}

func (f *floor) startStream(ctx context.Context, h *coldHandler) (time.Duration, error) {
	socket := f.r.socket("floor")
	inv, err := streamcall.Listen(streamcall.Config{
		Socket: socket, Function: h.fn.Metadata.Name,
		Namespace: h.fn.Metadata.Namespace,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = inv.Close() }()
	began := time.Now()
	stop, err := h.spawn("PELTON_SOCKET=" + socket)
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := inv.WaitReady(ctx); err != nil {
		return 0, err
	}
	outcome, err := inv.Invoke(ctx, &invoke.Call{
		Event: &event.Event{
			ID: "1", Source: "/bench", Type: "bench.made", DataContentType: "application/json",
			Data: []byte(coldData),
		},
		Function: h.fn.Key().String(), Attempt: 1, Deadline: time.Now().Add(waitStart),
	})
	took := time.Since(began)
	if err == nil && outcome.Kind != invoke.Done {
		err = errors.New(outcome.Reason)
	}
	return took, err
}

// spawn starts the handler's process; stop ends it.
func (h *coldHandler) spawn(env ...string) (stop func(), err error) {
	cmd := exec.Command(h.command[0], h.command[1:]...)
	cmd.Dir, cmd.Env = h.dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // that it was killed is no news
	}, nil
}

func dialWhenReady(ctx context.Context, address string) (net.Conn, error) {
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dial: %w", err)
		}
		time.Sleep(floorPoll)
	}
}

// callOnce posts one event.
func callOnce(conn net.Conn) error {
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\nHost: f\r\n")
	for name, values := range benchEvent("", 0, nil).Header {
		if strings.HasPrefix(name, "ce-") && name != "ce-datacontenttype" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, values[0])
		}
	}
	fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(coldData), coldData)
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return errors.New("handler answered " + resp.Status)
	}
	return nil
}
