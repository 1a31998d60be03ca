package kedatest

import (
	"context"
	"fmt"
	"time"
)

// pollLoop polls at once and then at every interval; a poll that takes longer delays the next.
func (s *scaledObject) pollLoop(ctx context.Context) {
	ticker := time.NewTicker(s.op.real(s.obj.PollingInterval))
	defer ticker.Stop()
	for {
		s.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// poll asks the scaler and scales between zero and one. Pushes wait while it does, however long the scaler takes.
func (s *scaledObject) poll(ctx context.Context) {
	s.scaling.Lock()
	defer s.scaling.Unlock()
	began := time.Now()
	obs, err := s.observation(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.event(KindError, fmt.Sprintf("poll: %v", err), nil)
	}
	s.requestScale(obs.active, err != nil, "poll")
	s.op.update(func() { // last: who has seen a poll counted sees what came of it
		s.status.Polls++
		s.status.Err = err
		if err != nil {
			s.status.PollErrors++
		} else {
			s.status.GoodPollBegan = began
		}
	})
}

// observation is what the autoscaler has seen, where it asks anyway and nothing can scale to zero; else the scaler's answer.
func (s *scaledObject) observation(ctx context.Context) (observation, error) {
	if s.obj.MinReplicas > 0 {
		s.op.mu.Lock()
		record := s.hpaRecord
		s.op.mu.Unlock()
		if record != nil {
			return *record, nil
		}
	}
	return s.observe(ctx)
}

// requestScale is KEDA's executor: what it does with one answer. An error changes nothing. The caller holds scaling.
func (s *scaledObject) requestScale(active, isError bool, by string) {
	now := time.Now()
	s.op.mu.Lock()
	defer s.op.mu.Unlock()
	replicas := s.status.Replicas
	switch {
	case active && replicas == 0:
		s.setReplicas(max(1, s.obj.MinReplicas), by)
		s.status.LastActive = now
	case active:
		s.status.LastActive = now
	case isError:
	case replicas > 0 && s.obj.MinReplicas == 0:
		if s.cooledDown(now) {
			s.setReplicas(0, by+", cooled down")
		}
	case replicas < s.obj.MinReplicas:
		s.setReplicas(s.obj.MinReplicas, by)
	}
	s.op.notify()
}

// cooledDown reports whether the last activity is long enough ago. The caller holds Operator.mu.
func (s *scaledObject) cooledDown(now time.Time) bool {
	if s.status.LastActive.IsZero() {
		return now.After(s.created.Add(s.op.real(s.obj.InitialCooldown)))
	}
	return now.After(s.status.LastActive.Add(s.op.real(s.obj.Cooldown)))
}

// setReplicas writes the scale subresource. The caller holds Operator.mu.
func (s *scaledObject) setReplicas(n int, why string) {
	if n == s.status.Replicas {
		return
	}
	e := Event{Kind: KindReplicas, Text: why, From: s.status.Replicas, To: n}
	s.status.Replicas = n
	s.record(e)
}
