package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pelton-dev/pelton/scalers"
)

const (
	askedRate    = 10_000 // calls per second
	askedTime    = 5 * time.Second
	askedRounds  = 5
	askedCallers = 200
)

// asked calls GetMetrics at a rate, over the connection that has all the streams. The same calls to a server that answers
// with a constant say what gRPC and this process cost here: the rounds of both alternate, and the median of each counts.
func (w *scalerWorld) asked(ctx context.Context, t *table, k *keda) error {
	echo, err := w.startEcho()
	if err != nil {
		return err
	}
	defer echo.stop()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // this process is not what is measured
	ours := &asking{keda: k, pid: w.process.pid()}
	theirs := &asking{keda: &keda{client: echo.client, refs: k.refs}, pid: echo.process.pid()}
	for i := range w.opts.few(askedRounds) {
		for _, a := range []*asking{theirs, ours} {
			if err := a.round(ctx, w.opts.short(askedTime)); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "bench: GetMetrics, round %d: p50 %.3f ms, p99 %.3f ms; echo p50 %.3f ms, p99 %.3f ms\n", i+1,
			ours.p50[i], ours.p99[i], theirs.p50[i], theirs.p99[i])
	}
	t.limit("scaler, GetMetrics, answers per s", "%.0f", askedRate, median(ours.rate), "1.00")
	for _, q := range []struct {
		name         string
		theirs, ours []float64
	}{
		{"p50, ms", theirs.p50, ours.p50},
		{"p99, ms", theirs.p99, ours.p99},
		{"CPU per call, us", theirs.cpu, ours.cpu},
	} {
		limit, value := median(q.theirs), median(q.ours)
		t.add("  "+q.name+", and of an empty call", fmt.Sprintf("%.3f", limit), fmt.Sprintf("%.3f", value),
			fmt.Sprintf("%.2f", value/limit), "")
	}
	t.limit("  p99, ms", "%.3f", 1, median(ours.p99), "below 1.00")
	t.add("  p99 of the best round, ms, and of an empty call", fmt.Sprintf("%.3f", slices.Min(theirs.p99)),
		fmt.Sprintf("%.3f", slices.Min(ours.p99)), fmt.Sprintf("%.2f", slices.Min(ours.p99)/slices.Min(theirs.p99)), "")
	t.add("  memory of the scaler after that, MiB", "", fmt.Sprintf("%.0f", memoryOf(ours.pid, "VmRSS")), "", "")
	return nil
}

// asking is one server that is asked, and what came of each round.
type asking struct {
	*keda
	pid                 int
	rate, p50, p99, cpu []float64 // calls per second, milliseconds, microseconds of processor time per call
}

func (a *asking) round(ctx context.Context, during time.Duration) error {
	runtime.GC()
	n := int(askedRate * during.Seconds())
	before, began := cpuOf(a.pid), time.Now()
	waits, err := pace(ctx, n, askedRate, func(ctx context.Context, i int) error {
		_, err := a.client.GetMetrics(ctx, metricsOf(a.refs[i%len(a.refs)]))
		return err
	})
	if err != nil {
		return err
	}
	a.rate = append(a.rate, float64(n)/time.Since(began).Seconds())
	a.cpu = append(a.cpu, (cpuOf(a.pid)-before).Seconds()*1e6/float64(n))
	a.p50, a.p99 = append(a.p50, quantile(waits, 0.5)), append(a.p99, quantile(waits, 0.99))
	return nil
}

// pace makes n calls at a rate, whether or not those before have been answered in time, and returns how long each took in
// milliseconds. Callers take turns; one that was held up by its last answer counts from the time at which it should have
// called, one whose timer was late from when it woke up.
func pace(ctx context.Context, n int, rate float64, call func(ctx context.Context, i int) error) ([]float64, error) {
	waits := make([]float64, n)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for caller := range min(n, askedCallers) {
		group.Go(func() error {
			for i := caller; i < n; i += askedCallers {
				begins := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				if left := time.Until(begins); left > 0 {
					time.Sleep(left)
					begins = time.Now()
				}
				if err := call(ctx, i); err != nil {
					return err
				}
				waits[i] = milliseconds(time.Since(begins))
			}
			return nil
		})
	}
	return waits, group.Wait()
}

// echo is a server that answers with a constant, and a connection to it.
type echo struct {
	process *child
	conn    *grpc.ClientConn
	client  pb.ExternalScalerClient
}

func (w *scalerWorld) startEcho() (_ *echo, err error) {
	e := &echo{}
	if e.process, err = w.role("echo"); err != nil {
		return nil, err
	}
	address, err := e.process.line()
	if err == nil {
		e.conn, err = grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	if err != nil {
		e.process.stop()
		return nil, fmt.Errorf("start the echo: %w", err)
	}
	e.client = pb.NewExternalScalerClient(e.conn)
	return e, nil
}

func (e *echo) stop() {
	_ = e.conn.Close()
	e.process.stop()
}

type constant struct {
	pb.UnimplementedExternalScalerServer
}

// GetMetrics answers with nothing that had to be found out.
func (constant) GetMetrics(context.Context, *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	value := &pb.MetricValue{MetricName: scalers.MetricName, MetricValueFloat: 1, MetricValue: 1}
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{value}}, nil
}

// serveEcho is the server without a scaler.
func serveEcho() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	pb.RegisterExternalScalerServer(s, constant{})
	go func() { _ = s.Serve(l) }()
	fmt.Println(l.Addr())
	stopped()
	s.Stop()
	return nil
}
