package kedatest

import (
	"context"
	"fmt"
	"math"
	"time"
)

// tolerance is how far the ratio of metric and target may be from 1 without a change.
const tolerance = 0.1

// hpaLoop is the HorizontalPodAutoscaler: it asks only while there are replicas.
func (s *scaledObject) hpaLoop(ctx context.Context) {
	scaler := newAutoscaler(s.obj, s.op.real)
	ticker := time.NewTicker(s.op.real(s.op.cfg.HPASync))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.syncHPA(ctx, scaler)
		}
	}
}

func (s *scaledObject) syncHPA(ctx context.Context, scaler *autoscaler) {
	s.op.mu.Lock()
	replicas, specs := s.status.Replicas, s.hpaSpecs
	if replicas == 0 {
		s.hpaRecord = nil // disabled: what it saw is of no use any more
	}
	s.op.mu.Unlock()
	if replicas == 0 {
		return
	}
	obs, err := s.observe(ctx)
	if err == nil {
		err = s.scaleHPA(scaler, obs, specs, replicas)
	}
	if ctx.Err() != nil {
		return
	}
	s.op.update(func() {
		s.status.HPASyncs++
		s.hpaRecord = &obs
		if err != nil {
			s.hpaRecord = nil
			s.status.HPAErrors++
		}
	})
	if err != nil {
		s.event(KindError, fmt.Sprintf("autoscaler: %v", err), nil)
	}
}

// scaleHPA takes the largest wish of all metrics, and writes what the rules make of it.
func (s *scaledObject) scaleHPA(scaler *autoscaler, obs observation, specs []Spec, replicas int) error {
	var wish int
	for _, spec := range specs {
		value, ok := obs.values[spec.Name]
		if !ok {
			return fmt.Errorf("no matching metrics found for %s", spec.Name)
		}
		wish = max(wish, wished(replicas, value, spec.Target))
	}
	want := scaler.decide(time.Now(), replicas, wish)
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	if s.status.Replicas == replicas { // else KEDA has written meanwhile, and the API server refuses
		s.setReplicas(want, fmt.Sprintf("autoscaler, metric %v, wants %d", obs.sum(), wish))
		s.op.notify()
	}
	return nil
}

// wished is the replicas for a metric of type AverageValue.
func wished(replicas int, value, target float64) int {
	ratio := value / (target * float64(replicas))
	if math.Abs(1-ratio) <= tolerance {
		return replicas
	}
	return int(math.Ceil(value / target))
}

// autoscaler keeps what the rules of one autoscaler need to remember.
type autoscaler struct {
	minimum, maximum int
	behavior         bool          // it has one: the rules differ
	window           time.Duration // of scaling down, in real time
	recent           []recommendation
}

type recommendation struct {
	at       time.Time
	replicas int
}

func newAutoscaler(obj Object, realTime func(time.Duration) time.Duration) *autoscaler {
	a := &autoscaler{minimum: max(1, obj.MinReplicas), maximum: obj.MaxReplicas, window: DefaultStabilization}
	if obj.ScaleDownStabilization != 0 {
		a.behavior, a.window = true, max(0, obj.ScaleDownStabilization)
	}
	a.window = realTime(a.window)
	return a
}

// decide makes replicas of a wish: steadied, at the allowed rate, within the bounds.
func (a *autoscaler) decide(now time.Time, replicas, wish int) int {
	want := min(a.steady(now, replicas, wish), a.limit(replicas))
	return min(max(want, a.minimum), a.maximum)
}

// steady does not go below any wish within the window. Without a behaviour it even goes up to it: an autoscaler that wanted
// ten before the target was at zero wants ten again at once, if that is less than a window ago.
func (a *autoscaler) steady(now time.Time, replicas, wish int) int {
	highest := wish
	kept := a.recent[:0]
	for _, r := range a.recent {
		if now.Sub(r.at) < a.window {
			highest = max(highest, r.replicas)
			kept = append(kept, r)
		}
	}
	a.recent = append(kept, recommendation{now, wish})
	if !a.behavior {
		return highest
	}
	return min(max(replicas, wish), highest)
}

// limit is the most that one sync may make of replicas: twice as many, and 4 more with a behaviour, or 4 without one.
func (a *autoscaler) limit(replicas int) int {
	if a.behavior {
		return max(2*replicas, replicas+4)
	}
	return max(2*replicas, 4)
}
