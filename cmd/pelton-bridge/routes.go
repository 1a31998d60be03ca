package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
)

// routes keeps the routes of the bridge as the catalog has them. Functions of all namespaces share the paths: whoever is served keeps
// what it has, and who claims it too is told of in the log and in a metric.
type routes struct {
	catalog *catalog.Catalog
	set     func([]bridge.Route) error
	secrets string // folder with the secrets of webhooks and callbacks: NAMESPACE.SECRET.KEY
	log     *zap.Logger
	changed chan struct{}           // filled by the catalog, emptied by run
	told    map[function.Key]string // what was told of a function; only run uses it
	held    holders                 // who is served now; only run uses it

	open, refused prometheus.Gauge
}

func newRoutes(p *parts, r prometheus.Registerer) (*routes, error) {
	rs := &routes{
		catalog: p.catalog, set: p.bridge.SetRoutes, secrets: p.settings.webhooks, log: p.log.Named("routes"),
		changed: make(chan struct{}, 1), told: map[function.Key]string{},
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pelton_bridge_routes", Help: "Paths of HTTP triggers that are served.",
		}),
		refused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pelton_bridge_routes_refused", Help: "Functions with HTTP triggers that are not served: another function has the path.",
		}),
	}
	for _, gauge := range []prometheus.Collector{rs.open, rs.refused} {
		if err := r.Register(gauge); err != nil {
			return nil, fmt.Errorf("register metrics of routes: %w", err)
		}
	}
	p.catalog.OnChange(func(function.Key) {
		select {
		case rs.changed <- struct{}{}:
		default: // it will look at this change, too
		}
	})
	return rs, nil
}

// run brings the routes up to date after changes, until ctx ends.
func (rs *routes) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-rs.changed:
			if rs.catalog.Ready() == nil { // half of a list would end what is served
				rs.update()
			}
		}
	}
}

func (rs *routes) update() {
	entries := rs.catalog.Entries()
	held, problems := rs.held.settle(claimsOf(entries))
	var open []bridge.Route
	for i := range entries {
		open = append(open, held.only(routesOf(&entries[i], rs.secrets), entries[i].Key())...)
	}
	if err := rs.set(open); err != nil {
		rs.log.Error("routes cannot be served, those from before stay", zap.Error(err))
		return
	}
	for key, problem := range problems {
		if rs.told[key] != problem {
			rs.log.Error("HTTP triggers of a function are not served", zap.Stringer("function", key), zap.String("problem", problem))
		}
	}
	rs.held, rs.told = held, problems
	rs.open.Set(float64(len(open)))
	rs.refused.Set(float64(len(problems)))
}

// routesOf are the routes of a function. secrets is the folder with the secrets of webhooks and callbacks: without its secret, a webhook
// refuses all, and a callback is not sent.
func routesOf(e *catalog.Entry, secrets string) (list []bridge.Route) {
	if e.HTTP == nil {
		return nil
	}
	file := func(ref function.KeyRef) string {
		return filepath.Join(secrets, filepath.Base(e.Namespace+"."+ref.Name+"."+ref.Key))
	}
	for _, t := range e.HTTP.Triggers {
		list = append(list, bridge.Route{
			Path: t.Path, Methods: t.Methods, Namespace: e.Namespace, Function: e.Name,
			Sync: t.Mode == function.ModeSync, Timeout: time.Duration(e.HTTP.Timeout), Plain: e.HTTP.Protocol == function.ProtocolHTTP,
			MaxBody: t.BodyLimit(),
			Webhook: bridge.WebhookOf(&t, file), Callbacks: bridge.CallbacksOf(&t, file),
		})
	}
	return list
}
