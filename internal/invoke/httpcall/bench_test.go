package httpcall_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
)

// BenchmarkInvoke compares this client with net/http's, both posting the same 256-byte event to a net/http handler in
// another process.
func BenchmarkInvoke(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		address := freeAddress(b, network)
		invoketest.StartProcess(b, "nethttp", listenEnv(network, address)...)
		inv, err := httpcall.New(httpcall.Config{Network: network, Address: address})
		if err != nil {
			b.Fatal(err)
		}
		defer inv.Close()
		if err := inv.WaitReady(b.Context()); err != nil {
			b.Fatal(err)
		}
		standard := netHTTPClient(network, address)
		for _, workers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d/nethttp", network, workers), func(b *testing.B) { benchCalls(b, workers, standard) })
			b.Run(fmt.Sprintf("%s/%d/pelton", network, workers), func(b *testing.B) {
				benchCalls(b, workers, func(ctx context.Context, call *invoke.Call) error {
					_, err := inv.Invoke(ctx, call)
					return err
				})
			})
		}
	}
}

func benchCall() *invoke.Call {
	return &invoke.Call{
		Event: &event.Event{
			ID: "0190163d-8694-739b-aea5-966c26f8ad91", Source: "/shop/orders", Type: "com.example.order.created",
			Subject: "order/1", Time: "2026-02-03T04:05:06Z", DataContentType: "application/json",
			Data: bytes.Repeat([]byte("x"), 256),
		},
		Function: "default/bench", Attempt: 1, Deadline: time.Now().Add(time.Hour),
	}
}

// benchCalls makes b.N calls from as many workers, under a context that can be canceled, as the sidecar's is.
func benchCalls(b *testing.B, workers int, invokeOnce func(context.Context, *invoke.Call) error) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	var next atomic.Int64
	done := make(chan error, workers)
	cpu := cpuTime(b)
	b.ResetTimer()
	for range workers {
		go func() {
			call := benchCall()
			for next.Add(1) <= int64(b.N) {
				if err := invokeOnce(ctx, call); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used. Unlike the elapsed time it says something on a machine that does other things.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// netHTTPClient is the same call with the standard library, tuned: a connection per worker is kept.
func netHTTPClient(network, address string) func(context.Context, *invoke.Call) error {
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	return func(ctx context.Context, call *invoke.Call) error {
		ctx, cancel := context.WithDeadline(ctx, call.Deadline)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://handler/", bytes.NewReader(call.Event.Data))
		if err != nil {
			return err
		}
		e := call.Event
		for name, value := range map[string]string{
			"ce-specversion": "1.0", "ce-id": e.ID, "ce-source": e.Source, "ce-type": e.Type, "ce-subject": e.Subject,
			"ce-time": e.Time, "Content-Type": e.DataContentType,
		} {
			req.Header.Set(name, value)
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
}
