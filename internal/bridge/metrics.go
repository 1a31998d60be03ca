package bridge

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the bridge did since it started.
type metrics struct {
	requests   *prometheus.CounterVec
	events     prometheus.Counter
	duplicates prometheus.Counter
	commits    prometheus.Histogram
	callbacks  *prometheus.CounterVec
}

// newMetrics registers the metrics with r, unless it is nil.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_bridge_requests_total", Help: "Answered HTTP requests by status code.",
		}, []string{"code"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pelton_bridge_events_total", Help: "Events accepted over HTTP, duplicates included.",
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pelton_bridge_duplicates_total", Help: "Accepted events that the stream had already.",
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "pelton_bridge_commit_events", Help: "Events stored in one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_bridge_callbacks_total", Help: "Tries to send a result to the address that its caller named, by what came of them.",
		}, []string{"outcome"}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.events, m.duplicates, m.commits, m.callbacks} {
		if err := r.Register(c); err != nil {
			errs = append(errs, fmt.Errorf("register bridge metrics: %w", err))
		}
	}
	return m, errors.Join(errs...)
}

func (m *metrics) answered(status int) { m.requests.WithLabelValues(strconv.Itoa(status)).Inc() }

func (m *metrics) stored(acks []Ack) {
	m.events.Add(float64(len(acks)))
	for _, a := range acks {
		if a.Duplicate {
			m.duplicates.Inc()
		}
	}
}

func (m *metrics) committed(events int) { m.commits.Observe(float64(events)) }
