package controller

import (
	"context"

	"github.com/pelton-dev/pelton/internal/claim"
)

// bodies removes large bodies that no event has a claim to, on the controller that leads.
type bodies struct{ janitor *claim.Janitor }

// Start implements manager.Runnable.
func (b bodies) Start(ctx context.Context) error { return b.janitor.Run(ctx) }
