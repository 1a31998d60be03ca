package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/scalers"
)

const (
	// quietTime takes in two renewals of every probe, and a collection of garbage: these come every two minutes at the latest.
	quietTime  = 2*time.Minute + 15*time.Second
	polledTime = time.Minute
	kedaPolls  = 30 * time.Second // KEDA's default interval
)

// quiet looks at what it costs to watch functions that have nothing to do.
func (w *scalerWorld) quiet(ctx context.Context, t *table, k *keda) error {
	calls, err := w.countCalls()
	if err != nil {
		return err
	}
	window := w.opts.short(quietTime)
	fmt.Fprintf(os.Stderr, "bench: quiet for %v\n", window)
	scalerCPU, serverCPU := w.process.cpu(), w.server.cpu()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(window):
	}
	scalerCPU, serverCPU = w.process.cpu()-scalerCPU, w.server.cpu()-serverCPU
	byKind, total := calls.stop()
	n := float64(len(k.refs))
	what := fmt.Sprintf("scaler, %d idle functions watched for %v, targets in the ScaledObjects", len(k.refs), window)
	t.limit(what+", NATS API calls per function and s", "%.4f", 1, float64(total)/n/window.Seconds(), "below 1.00")
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		t.add("  of them "+kind+", in all", "", fmt.Sprint(byKind[kind]), "", "")
	}
	t.limit("  CPU of the scaler, % of one core", "%.2f", 4, share(scalerCPU, window), "below 1.00")
	t.add("  CPU of the server, % of one core", "", fmt.Sprintf("%.2f", share(serverCPU, window)), "", "")
	t.limit("  memory of the scaler, MiB", "%.0f", 160, memoryOf(w.process.pid(), "VmRSS"), "below 1.00")
	t.add("  the most it ever was, MiB", "", fmt.Sprintf("%.0f", memoryOf(w.process.pid(), "VmHWM")), "", "")
	return w.polled(ctx, t, k)
}

// polled is the same with KEDA's own polls, which no scaler can avoid.
func (w *scalerWorld) polled(ctx context.Context, t *table, k *keda) error {
	window := w.opts.short(polledTime)
	polls := int(float64(len(k.refs)) * window.Seconds() / kedaPolls.Seconds())
	fmt.Fprintf(os.Stderr, "bench: polled for %v\n", window)
	before := w.process.cpu()
	began := time.Now()
	waits, err := pace(ctx, polls, float64(polls)/window.Seconds(), func(ctx context.Context, i int) error {
		ref := k.refs[i%len(k.refs)]
		if _, err := k.client.GetMetrics(ctx, metricsOf(ref)); err != nil {
			return err
		}
		_, err := k.client.IsActive(ctx, ref)
		return err
	})
	if err != nil {
		return err
	}
	cpu := share(w.process.cpu()-before, time.Since(began))
	t.add(fmt.Sprintf("  CPU while KEDA polls each every %v, %% of one core", kedaPolls), "", fmt.Sprintf("%.2f", cpu), "", "")
	t.limit("  one poll, GetMetrics and then IsActive, p99, ms", "%.3f", 1, quantile(waits, 0.99), "below 1.00")
	t.add("  memory after that, MiB", "", fmt.Sprintf("%.0f", memoryOf(w.process.pid(), "VmRSS")), "", "")
	return nil
}

// followedRow waits as quiet does, which frees what opening so many streams took.
func (w *scalerWorld) followedRow(ctx context.Context, t *table, k *keda) error {
	window := w.opts.short(quietTime)
	fmt.Fprintf(os.Stderr, "bench: quiet for %v\n", window)
	before := w.process.cpu()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(window):
	}
	what := fmt.Sprintf("scaler, %d idle functions whose targets are followed, two streams each", len(k.refs))
	t.add(what+", CPU, % of one core", "", fmt.Sprintf("%.2f", share(w.process.cpu()-before, window)), "", "")
	t.add("  memory, MiB", "", fmt.Sprintf("%.0f", memoryOf(w.process.pid(), "VmRSS")), "", "")
	return nil
}

// share is processor time as a part of one core, in %.
func share(cpu, within time.Duration) float64 { return 100 * cpu.Seconds() / within.Seconds() }

func metricsOf(ref *pb.ScaledObjectRef) *pb.GetMetricsRequest {
	return &pb.GetMetricsRequest{ScaledObjectRef: ref, MetricName: scalers.MetricName}
}

// apiCalls counts the requests that the server's API gets, pull requests included, which the server itself does not count.
type apiCalls struct {
	sub *nats.Subscription

	mu    sync.Mutex
	kinds map[string]int
}

func (w *scalerWorld) countCalls() (_ *apiCalls, err error) {
	c := &apiCalls{kinds: map[string]int{}}
	c.sub, err = w.nc.Subscribe("$JS.API.>", func(m *nats.Msg) {
		kind := strings.Split(m.Subject, ".")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kinds[strings.Join(kind[2:min(5, len(kind))], ".")]++
	})
	if err != nil {
		return nil, err
	}
	return c, w.nc.Flush()
}

// stop returns how many calls there were, by kind and in all.
func (c *apiCalls) stop() (kinds map[string]int, total int) {
	_ = c.sub.Unsubscribe() // it goes with the connection at the latest
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.kinds {
		total += n
	}
	return c.kinds, total
}
