package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Status is one component as it is now.
type Status struct {
	Name string
	// PID is 0 if it does not run.
	PID    int
	Uptime time.Duration
	// Problem says why it is not ready, nil if it is.
	Problem error
	Log     string
}

// Status looks at every component.
func (c *Cluster) Status(ctx context.Context) []Status {
	if old, err := c.readState(); err == nil && old != nil {
		c.hpa = old.HPASyncPeriod
	}
	all := make([]Status, 0, len(programs))
	for _, part := range c.components() {
		s := Status{Name: part.name, Log: c.keeper.LogPath(part.name)}
		rec, alive, err := c.keeper.Find(part.name)
		switch {
		case err != nil:
			s.Problem = err
		case !alive:
			s.Problem = notRunning(rec.PID)
		default:
			s.PID, s.Uptime, s.Problem = rec.PID, time.Since(rec.Since).Round(time.Second), part.ready(ctx)
		}
		all = append(all, s)
	}
	return all
}

func notRunning(lastPID int) error {
	if lastPID == 0 {
		return errors.New("not started")
	}
	return fmt.Errorf("ended (was pid %d)", lastPID)
}
