package main
import "context"
func latency(ctx context.Context, r *rig, t *table) error {return nil}
func stall(ctx context.Context, r *rig, t *table) error {return nil}
func coldStart(ctx context.Context, r *rig, t *table) error {return nil}
func wakeUp(ctx context.Context, r *rig, t *table) error {return nil}
func idle(ctx context.Context, r *rig, t *table) error {return nil}
func memory(ctx context.Context, r *rig, t *table) error {return nil}
