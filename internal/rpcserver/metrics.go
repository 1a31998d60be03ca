package rpcserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/status"
)

// metrics have a method's full name as label: gRPC calls nothing for a method that no service has, so they are few.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	open    *prometheus.GaugeVec
	pushes  *prometheus.CounterVec
}

// buckets are seconds: 10 us to 2.6 s, times four.
var buckets = prometheus.ExponentialBuckets(0.00001, 4, 10)

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_rpc_calls_total", Help: "Calls that have ended, by gRPC code; streams count when they end.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pelton_rpc_seconds", Help: "Time of calls with one answer.", Buckets: buckets,
		}, []string{"method"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pelton_rpc_open_streams", Help: "Streams that are open.",
		}, []string{"method"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_rpc_pushes_total", Help: "Messages sent on streams.",
		}, []string{"method"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.open, m.pushes} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of calls: %w", err)
		}
	}
	return m, nil
}

// ended counts a call by the code that gRPC gives its error.
func (m *metrics) ended(method string, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = status.FromContextError(err).Err()
	}
	m.calls.WithLabelValues(method, status.Code(err).String()).Inc()
}
