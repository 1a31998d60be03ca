package program

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes JSON lines to stderr.
func NewLogger(level zapcore.Level) (*zap.Logger, error) {
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(level)
	cfg.OutputPaths, cfg.Sampling = []string{"stderr"}, nil
	log, err := cfg.Build()
	if err != nil {
		return nil, fmt.Errorf("make logger: %w", err)
	}
	return log, nil
}

// UntilSignal returns a context that ends with the first SIGTERM or SIGINT. By then the next one has its default effect, and
// ends the process at once.
func UntilSignal(ctx context.Context) context.Context {
	signaled, unregister := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(signaled, func() {
		unregister()
		cancel()
	})
	return ctx
}
