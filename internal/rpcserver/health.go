package rpcserver

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// healthInterval is how often it is asked whether the services do their work.
const healthInterval = 200 * time.Millisecond

// health is grpc.health.v1 for the whole server, under the empty name.
type health struct {
	*grpchealth.Server
	over chan struct{} // closed by end
	once sync.Once
}

func newHealth() *health {
	h := &health{Server: grpchealth.NewServer(), over: make(chan struct{})}
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	return h
}

func (h *health) register(s *grpc.Server) { healthpb.RegisterHealthServer(s, h) }

// follow sets the status until ctx ends, and logs when it changes.
func (h *health) follow(ctx context.Context, unready func() error, log *zap.Logger) {
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	for before := ""; ; {
		reason := ""
		if err := unready(); err != nil {
			reason = err.Error()
		}
		h.set(reason == "")
		switch {
		case reason == "" && before != "":
			log.Info("it is ready")
		case reason != before:
			log.Warn("it is not ready", zap.String("reason", reason))
		}
		before = reason
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *health) set(serving bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthpb.HealthCheckResponse_SERVING
	}
	h.SetServingStatus("", status)
}

// Watch ends without an error when the server stops: an open one would hold up the end of all others.
func (h *health) Watch(r *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-h.over:
			cancel()
		case <-done:
		}
	}()
	err := h.Server.Watch(r, &endingStream{stream, ctx})
	select {
	case <-h.over:
		return nil
	default:
		return err
	}
}

// end tells that nothing is served any more, and ends all watches.
func (h *health) end() {
	h.Shutdown()
	h.once.Do(func() { close(h.over) })
}

// endingStream is a stream whose context may end before the client ends it.
type endingStream struct {
	grpc.ServerStreamingServer[healthpb.HealthCheckResponse]
	ctx context.Context
}

func (s *endingStream) Context() context.Context { return s.ctx }
