package scalers

import (
	"context"
	"fmt"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ask finds out what one call is about and what waits there. The object is nil if the call makes no sense.
func (s *Scaler) ask(ctx context.Context, ref *externalscaler.ScaledObjectRef) (work, *object, error) {
	q, err := parse(ref)
	if err != nil {
		return work{}, s.refused(&q, err), err
	}
	src, err := s.sourceOf(&q)
	if err != nil {
		return work{}, s.refused(&q, err), err
	}
	src.await(ctx, s.cfg.FirstReading)
	w, err := src.work(time.Now())
	w.ownPolicy(&q)
	return w, s.objectOf(&q), err
}

// ownPolicy puts in what the trigger itself says: several may share a queue and differ in it.
func (w *work) ownPolicy(q *question) {
	if q.policy.Concurrency > 0 {
		w.policy = q.policy
	}
	if q.backlog > 0 && w.policy.Concurrency > 0 {
		w.policy.Backlog, w.policy.Drain = q.backlog, 0
	}
}

// IsActive says whether anything is due or in flight.
func (s *Scaler) IsActive(ctx context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	w, o, err := s.ask(ctx, ref)
	if err != nil && w.due > 0 {
		err = nil // something is due for certain, whatever else could not be read
	}
	o.record(callIsActive, &w, err, nil)
	if err != nil {
		return nil, err
	}
	return &externalscaler.IsActiveResponse{Result: w.active}, nil
}

// GetMetricSpec says how much one replica is there for. It always answers: KEDA tells nobody why this call has failed, and
// makes no HPA, polls nothing and listens to no stream until it succeeds, which it tries ever more seldom. What is wrong is
// said by the calls that follow, whose errors KEDA puts into the events of the ScaledObject.
func (s *Scaler) GetMetricSpec(ctx context.Context, ref *externalscaler.ScaledObjectRef,
) (*externalscaler.GetMetricSpecResponse, error) {
	w, o, err := s.ask(ctx, ref)
	if o.key == (objectKey{}) {
		return nil, err
	}
	target := targetOf(&w)
	if err == nil || w.policy.Concurrency > 0 {
		o.record(callMetricSpec, &w, nil, &answer{target: target})
	} else {
		o.record(callMetricSpec, &w, err, nil)
	}
	return specOf(target), nil
}

// GetMetrics says how much work there is. It returns one value: KEDA adds them up.
func (s *Scaler) GetMetrics(ctx context.Context, req *externalscaler.GetMetricsRequest,
) (*externalscaler.GetMetricsResponse, error) {
	w, o, err := s.ask(ctx, req.GetScaledObjectRef())
	if err == nil && req.GetMetricName() != MetricName {
		err = status.Error(codes.InvalidArgument, fmt.Sprintf("there is no metric %q, the only one is %s", req.GetMetricName(),
			MetricName))
	}
	if err != nil {
		o.record(callMetrics, &w, err, nil)
		return nil, err
	}
	a := answerOf(&w)
	o.record(callMetrics, &w, nil, &a)
	return valueOf(a.value), nil
}
