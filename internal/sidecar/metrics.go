package sidecar

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what sidecars do, for all functions of a process. A nil *Metrics counts nowhere.
type Metrics struct {
	runs     *prometheus.CounterVec
	returned *prometheus.CounterVec
	failures *prometheus.CounterVec
	filters  *prometheus.CounterVec
	wait     *prometheus.HistogramVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	circuit  *prometheus.GaugeVec
	batch    *prometheus.HistogramVec
}

// buckets are seconds: 1 ms to 65 s, doubling.
var buckets = prometheus.ExponentialBuckets(0.001, 2, 17)

// NewMetrics makes the metrics and registers them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	labels := []string{"namespace", "function"}
	m := &Metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_runs_total", Help: "Attempts that were settled, by outcome.",
		}, append(labels, "outcome")),
		returned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_returned_total", Help: "Messages handed back to the queue unharmed.",
		}, labels),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_record_failures_total", Help: "Tries to store a reply, a parked retry or a dead letter that did not work.",
		}, labels),
		filters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_filter_errors_total", Help: "Events for which a filter could not be evaluated; they count as no match.",
		}, labels),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pelton_wait_seconds", Help: "Time from an event being stored or due until its handler was called.",
			Buckets: buckets,
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pelton_handler_seconds", Help: "Time inside the handler.", Buckets: buckets,
		}, labels),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pelton_in_flight", Help: "Events given to a handler and not settled.",
		}, labels),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pelton_circuit_open", Help: "Replicas whose pulling rests because calls failed one after another.",
		}, labels),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pelton_batch_events", Help: "Events in one call of a handler that takes batches.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}, labels),
	}
	for _, c := range []prometheus.Collector{
		m.runs, m.returned, m.failures, m.filters, m.wait, m.duration, m.inFlight, m.circuit, m.batch,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// functionMetrics are the metrics of one function, looked up once: no label is resolved per event.
type functionMetrics struct {
	done, retry, dead, filtered, failed prometheus.Counter
	returned                            prometheus.Counter
	recordFailures                      prometheus.Counter
	filterErrors                        prometheus.Counter
	wait, duration                      prometheus.Observer
	inFlight, circuit                   prometheus.Gauge
	batchEvents                         prometheus.Observer // nil for a function without batches
}

func (m *Metrics) of(namespace, function string, batches bool) *functionMetrics {
	if m == nil {
		m, _ = NewMetrics(prometheus.NewRegistry())
	}
	l := []string{namespace, function}
	run := func(outcome string) prometheus.Counter { return m.runs.WithLabelValues(namespace, function, outcome) }
	f := &functionMetrics{
		done: run("done"), retry: run("retry"), dead: run("dead"), filtered: run("filtered"), failed: run("failed"),
		returned: m.returned.WithLabelValues(l...), recordFailures: m.failures.WithLabelValues(l...),
		filterErrors: m.filters.WithLabelValues(l...),
		wait:         m.wait.WithLabelValues(l...), duration: m.duration.WithLabelValues(l...),
		inFlight: m.inFlight.WithLabelValues(l...), circuit: m.circuit.WithLabelValues(l...),
	}
	if batches {
		f.batchEvents = m.batch.WithLabelValues(l...)
	}
	return f
}
