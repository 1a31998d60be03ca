package streamcall

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
)

// BenchmarkInvoke makes calls at several windows (calls in flight) against a handler in another process: one that uses the
// Go SDK, and one that only moves frames. BenchmarkBareLoop is the floor under both.
func BenchmarkInvoke(b *testing.B) {
	for _, handler := range []string{"sdk", "echo"} {
		for _, window := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("handler=%s/window=%d", handler, window), func(b *testing.B) { benchInvoke(b, handler, window) })
		}
	}
}

func benchInvoke(b *testing.B, handler string, window int) {
	socket := socketPath(b)
	inv, err := Listen(Config{Socket: socket, Function: "bench", Namespace: "default"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = inv.Close() }()
	defer invoketest.StartProcess(b, handler, socketEnv+"="+socket)()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := inv.WaitReady(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range window {
		n := b.N / window
		if i < b.N%window {
			n++
		}
		wg.Go(func() {
			for range n {
				if _, err := inv.Invoke(ctx, benchCall()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	report(b, before)
}

// report adds the rate, and what a call costs this process: unlike the rate that says something on a busy machine too.
func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/call")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchCall() *invoke.Call {
	return &invoke.Call{Event: &benchEvent, Attempt: 1, Deadline: time.Now().Add(30 * time.Second)}
}

var benchEvent = event.Event{
	ID: "0191d3a2-6f0b-7f1a-9a55-0c7d0b3b9c11", Source: "/shop/orders", Type: "order.created", Subject: "order-4711",
	Time: "2026-02-03T04:05:06.7Z", DataContentType: "application/json", Data: make([]byte, 256),
}

// BenchmarkBareLoop moves blocks of about a call's size and 8 bytes back, from one goroutine on each side.
func BenchmarkBareLoop(b *testing.B) {
	for _, window := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) { benchBare(b, window) })
	}
}

func benchBare(b *testing.B, window int) {
	socket := socketPath(b)
	ln, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	defer invoketest.StartProcess(b, "bare", socketEnv+"="+socket)()
	conn, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	frames := make([]byte, window*bareFrame)
	before := cpuTime(b)
	b.ResetTimer()
	for sent, done := 0, 0; done < b.N; {
		n := min(window-(sent-done), b.N-sent)
		if _, err := conn.Write(frames[:n*bareFrame]); err != nil {
			b.Fatal(err)
		}
		sent += n
		if _, err := r.Peek(8); err != nil {
			b.Fatal(err)
		}
		answered := r.Buffered() / 8
		if _, err := r.Discard(answered * 8); err != nil {
			b.Fatal(err)
		}
		done += answered
	}
	report(b, before)
}
