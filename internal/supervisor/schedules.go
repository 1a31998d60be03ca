package supervisor

import (
	"context"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// pruneSchedules removes the schedules of functions that are not hosted: they would go on collecting events for nobody.
func (s *Supervisor) pruneSchedules() {
	s.schedules.Lock()
	defer s.schedules.Unlock()
	s.mu.Lock()
	keep := make([]function.Key, 0, len(s.units))
	for key := range s.units {
		keep = append(keep, key)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, provisionTimeout)
	defer cancel()
	if err := stream.PruneSchedules(ctx, s.js, keep); err != nil && s.ctx.Err() == nil {
		s.cfg.Logger.Warn("schedules of removed functions not removed", zap.Error(err))
	}
}

// removeSchedules removes the schedules of a function that is not hosted any more, unless it was added again meanwhile.
func (s *Supervisor) removeSchedules(key function.Key) {
	s.schedules.Lock()
	defer s.schedules.Unlock()
	if _, err := s.unit(key); err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, provisionTimeout)
	defer cancel()
	if err := stream.RemoveSchedules(ctx, s.js, key); err != nil && s.ctx.Err() == nil {
		s.cfg.Logger.Warn("schedules of a removed function not removed", zap.String("function", key.String()), zap.Error(err))
	}
}
