package kedatest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
)

// cache is an object's built scaler: it holds one share of the connection until it is closed and nobody reads through it.
// Push streams are not readers: they may lose their connection. Guarded by Operator.mu.
type cache struct {
	readers  int
	closed   bool
	streamed []Spec // the last update of StreamMetricSpec; gone with the cache
}

// lease is one reader of a cache.
type lease struct {
	s *scaledObject
	c *cache
}

// lease builds the scaler if there is none.
func (s *scaledObject) lease() (lease, error) {
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	if s.cache == nil {
		if err := s.op.pool.acquire(); err != nil {
			return lease{}, err
		}
		s.cache = &cache{}
	}
	s.cache.readers++
	return lease{s, s.cache}, nil
}

func (l lease) release() {
	l.s.op.mu.Lock()
	defer l.s.op.mu.Unlock()
	l.c.readers--
	l.s.closeUnread(l.c)
}

// streamedSpecs returns what StreamMetricSpec has brought, nil if nothing.
func (l lease) streamedSpecs() []Spec {
	l.s.op.mu.Lock()
	defer l.s.op.mu.Unlock()
	return l.c.streamed
}

// closeUnread gives the share of a closed cache back. The caller holds Operator.mu.
func (s *scaledObject) closeUnread(c *cache) {
	if c.closed && c.readers == 0 {
		s.op.pool.release()
	}
}

// clear throws the built scaler away: after an error, or with a nil one when the object ends.
func (s *scaledObject) clear(ctx context.Context, err error) {
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	c := s.cache
	if c == nil {
		return
	}
	s.cache, c.closed = nil, true
	if err != nil && ctx.Err() == nil {
		s.status.CachesCleared++
	}
	s.closeUnread(c)
}

// observation is what one round of calls has brought.
type observation struct {
	values map[string]float64 // by metric name, each the sum of all values in the answer
	active bool
}

func (o observation) sum() float64 {
	var sum float64
	for _, v := range o.values {
		sum += v
	}
	return sum
}

// observe asks for the specs, and for each of them for the values and whether there is work. A call that fails is made
// once more at once; when that fails too, the scaler is thrown away.
func (s *scaledObject) observe(ctx context.Context) (observation, error) {
	l, err := s.lease()
	if err != nil {
		return observation{}, err
	}
	defer l.release()
	obs, err := s.ask(ctx, l)
	if err != nil {
		s.clear(ctx, err)
		return observation{}, err
	}
	s.op.update(func() { s.status.Value, s.status.Active = obs.sum(), obs.active })
	return obs, nil
}

func (s *scaledObject) ask(ctx context.Context, l lease) (observation, error) {
	specs := l.streamedSpecs()
	if specs == nil {
		var err error
		if specs, err = twice(func() ([]Spec, error) { return s.askSpecs(ctx) }); err != nil {
			return observation{}, err
		}
	}
	obs := observation{values: map[string]float64{}}
	for _, spec := range specs {
		one, err := twice(func() (observation, error) { return s.askMetric(ctx, spec.Name) })
		if err != nil {
			return observation{}, err
		}
		obs.values[spec.Name] = one.sum()
		obs.active = obs.active || one.active
	}
	return obs, nil
}

func twice[T any](call func() (T, error)) (T, error) {
	v, err := call()
	if err != nil {
		return call()
	}
	return v, nil
}

func (s *scaledObject) askSpecs(ctx context.Context) ([]Spec, error) {
	client, err := s.op.pool.client()
	if err != nil {
		return nil, err
	}
	s.count(func(c *Counters) { c.SpecCalls++ })
	answer, err := client.GetMetricSpec(ctx, s.ref)
	if err != nil {
		return nil, fmt.Errorf("GetMetricSpec: %w", err)
	}
	if len(answer.GetMetricSpecs()) == 0 {
		return nil, errors.New("GetMetricSpec: got empty metric spec")
	}
	return readSpecs(answer), nil
}

func (s *scaledObject) askMetric(ctx context.Context, name string) (observation, error) {
	client, err := s.op.pool.client()
	if err != nil {
		return observation{}, err
	}
	answer, err := client.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: s.ref, MetricName: name})
	if err != nil {
		return observation{}, fmt.Errorf("GetMetrics: %w", err)
	}
	var sum float64
	for _, v := range answer.GetMetricValues() { // whatever names they have
		sum += number(v.GetMetricValueFloat(), v.GetMetricValue())
	}
	active, err := client.IsActive(ctx, s.ref)
	if err != nil {
		return observation{}, fmt.Errorf("IsActive: %w", err)
	}
	return observation{values: map[string]float64{name: sum}, active: active.GetResult()}, nil
}

func readSpecs(answer *pb.GetMetricSpecResponse) []Spec {
	specs := make([]Spec, 0, len(answer.GetMetricSpecs()))
	for _, m := range answer.GetMetricSpecs() {
		target := number(m.GetTargetSizeFloat(), m.GetTargetSize())
		specs = append(specs, Spec{Name: m.GetMetricName(), Target: target})
	}
	return specs
}

// number is how KEDA reads its pairs of fields: the float if it is above zero, in thousandths, and nothing below zero.
func number(float float64, integer int64) float64 {
	v := float
	if !(v > 0) { // not a number is not above zero either
		v = float64(integer)
	}
	if math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return math.Round(v*1000) / 1000
}

// validateSpecs refuses what KEDA or the API server would refuse in an autoscaler.
func validateSpecs(specs []Spec) error {
	if len(specs) == 0 {
		return errors.New("no metric specs returned from scalers")
	}
	seen := map[string]bool{}
	for _, spec := range specs {
		name := strings.ToLower(spec.Name)
		if seen[name] {
			return fmt.Errorf("metric name %s defined multiple times", spec.Name)
		}
		seen[name] = true
		if !(spec.Target > 0) {
			return fmt.Errorf("metric %s: target %v must be positive", spec.Name, spec.Target)
		}
	}
	return nil
}
