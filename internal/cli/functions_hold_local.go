package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// holdLocal holds a function of the running pelton up, or lets go of it.
func (a *app) holdLocal(ctx context.Context, c *controlClient, key function.Key, n *int) error {
	v, err := c.describe(ctx, key)
	switch {
	case errors.Is(err, errNoFunction):
		return c.unknownFunction(ctx, key)
	case err != nil:
		return err
	case n != nil && v.Manifest != nil && *n > v.Manifest.Spec.Scale.MaxReplicas:
		return tooMany(*n, v.Manifest.Spec.Scale.MaxReplicas, key.String())
	}
	if err := c.hold(ctx, key, n); err != nil {
		return err
	}
	return a.showHeld(key.String(), heldText(n))
}

// waitForLocal is waitFor for a function of the running pelton up. What it says is of now: there is nothing to be behind.
func (a *app) waitForLocal(ctx context.Context, c *controlClient, key function.Key, what string, timeout time.Duration) error {
	err := a.poll(ctx, timeout, func(ctx context.Context) (string, error) {
		v, err := c.describe(ctx, key)
		switch {
		case errors.Is(err, errNoFunction):
			return "", c.unknownFunction(ctx, key)
		case err != nil:
			return "", err
		case isLocally(&v.Status, what):
			return "", nil
		}
		return localText(&v.Status), nil
	})
	if late, ok := errors.AsType[*lateError](err); ok {
		return &Error{
			Exit: ExitTimeout, Hint: "pelton why " + key.String(),
			Message: fmt.Sprintf("function %s is not %s after %s: %s", key, what, timeout.Round(time.Second), late.last),
		}
	}
	if err != nil {
		return err
	}
	return a.showHeld(key.String(), "is "+what)
}

// isLocally reports whether a function is what is waited for, in the sense that it has in a cluster.
func isLocally(s *supervisor.Status, what string) bool {
	busy := s.Due > 0 || s.InFlight > 0
	switch what {
	case forActive:
		return s.QueueError == "" && busy
	case forIdle:
		return s.QueueError == "" && !busy && len(s.Replicas) == 0 && s.Phase == supervisor.PhaseIdle
	}
	there := s.Phase == supervisor.PhaseIdle || s.Phase == supervisor.PhaseReady
	return there && s.SetupError == "" && s.QueueError == "" && (s.Held == nil || s.Ready == *s.Held)
}

func localText(s *supervisor.Status) string {
	text := fmt.Sprintf("%s (%d replicas ready, %d wanted, %d due, %d in flight)", s.Phase, s.Ready, s.Wanted, s.Due, s.InFlight)
	for _, problem := range []string{s.SetupError, s.QueueError, s.Backoff} {
		if problem != "" {
			text += ": " + oneLine(problem, 200)
		}
	}
	return text
}
