package certs

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	loads  prometheus.Counter
	broken prometheus.Gauge
	expiry prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		loads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pelton_tls_loads_total", Help: "Certificates taken from disk, the first included.",
		}),
		broken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pelton_tls_broken", Help: "1 while the certificates on disk cannot be used and older ones serve.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pelton_tls_expiry_timestamp_seconds", Help: "When the certificate that serves expires, in Unix time.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.loads, m.broken, m.expiry} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of certificates: %w", err)
		}
	}
	return m, nil
}
