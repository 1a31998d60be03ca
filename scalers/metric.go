package scalers

import (
	"fmt"
	"math"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"

	"github.com/pelton-dev/pelton/internal/demand"
)

// MetricName is the one metric of every trigger. KEDA puts the trigger's number before it, and wants it in lower case.
const MetricName = "pelton-work"

// answer is what HPA shall compute with: it wants value/target replicas, rounded up.
type answer struct {
	value, target float64
	decision      demand.Decision
}

// answerOf asks demand, without the bounds that the ScaledObject has. The value is what is due and in flight, exactly, unless
// HPA would make another number of replicas of it.
func answerOf(w *work) answer {
	p := w.policy
	p.Min, p.Max, p.Cooldown = 0, math.MaxInt32, 0
	d := demand.Decide(p, demand.Snapshot{
		Due: w.due, InFlight: w.inFlight, ServiceTime: w.service, Known: true,
	})
	d = w.bounded(d)
	a := answer{value: float64(w.due + w.inFlight), target: targetOf(w), decision: d}
	if int(math.Ceil(a.value/a.target)) != d.Wanted {
		a.value = float64(d.Wanted) * a.target
	}
	return a
}

// bounded wants no replica that would be given nothing: the server gives out only so many before some are acknowledged. Workers
// are thought to be full.
func (w *work) bounded(d demand.Decision) demand.Decision {
	if w.most == 0 {
		return d
	}
	given := max(w.most, w.inFlight) // the bound may have been higher
	if most := (given + w.policy.Concurrency - 1) / w.policy.Concurrency; most < d.Wanted {
		d.Wanted, d.Replicas = most, most
		d.Reason += fmt.Sprintf("; bounded to %d, as at most %d are given out at once (the consumer's max_ack_pending)", most, w.most)
	}
	return d
}

// targetOf is the events that one replica is there for, one while that is not known. KEDA keeps three decimals.
func targetOf(w *work) float64 { return math.Round(max(1, w.policy.PerReplica(w.service))*1000) / 1000 }

func specOf(target float64) *externalscaler.GetMetricSpecResponse {
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{{
		MetricName: MetricName, TargetSizeFloat: target, TargetSize: int64(math.Ceil(target)),
	}}}
}

func valueOf(value float64) *externalscaler.GetMetricsResponse {
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{{
		MetricName: MetricName, MetricValueFloat: value, MetricValue: int64(math.Ceil(value)),
	}}}
}
