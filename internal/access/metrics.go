package access

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what was refused, for all callers together: who they are is in no label.
type metrics struct {
	refused   *prometheus.CounterVec
	loads     *prometheus.CounterVec
	broken    *prometheus.GaugeVec
	keyErrors prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_access_refused_total", Help: "Requests that were refused because of who asked, by reason.",
		}, []string{"reason"}),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pelton_access_loads_total", Help: "Files of tokens or rules taken from disk, the first included.",
		}, []string{"file"}),
		broken: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pelton_access_broken", Help: "1 while what is on disk cannot be used and what was there before holds.",
		}, []string{"file"}),
		keyErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pelton_access_key_errors_total", Help: "Failed tries to fetch the keys of an issuer.",
		}),
	}
	for _, reason := range []Reason{NoToken, BadToken, NoKeys, Forbidden, TooMany} {
		m.refused.WithLabelValues(string(reason))
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.refused, m.loads, m.broken, m.keyErrors} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of access: %w", err)
		}
	}
	return m, nil
}
