package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pelton-dev/pelton/scalers"
)

// registerCounts shows what the scaler is occupied with, asked whenever somebody looks.
func registerCounts(r prometheus.Registerer, counts func() scalers.Counts, ready func() bool) error {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	for _, c := range []prometheus.Collector{
		gauge("pelton_scaler_ready", "1 while KEDA is told what waits.", func() float64 {
			if ready() {
				return 1
			}
			return 0
		}),
		gauge("pelton_scaler_sources", "Functions and consumers that are watched.",
			func() float64 { return float64(counts().Sources) }),
		gauge("pelton_scaler_objects", "Triggers of ScaledObjects that have asked lately.",
			func() float64 { return float64(counts().Objects) }),
	} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics of the scaler: %w", err)
		}
	}
	return nil
}
