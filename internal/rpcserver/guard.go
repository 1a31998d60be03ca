package rpcserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// guard stands before every call: it counts it, and turns a panic into an error of this one call.
type guard struct {
	log     *zap.Logger
	metrics *metrics
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	started := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(info.FullMethod, p)
		}
		g.metrics.ended(info.FullMethod, err)
		g.metrics.seconds.WithLabelValues(info.FullMethod).Observe(time.Since(started).Seconds())
	}()
	return next(ctx, req)
}

func (g *guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	open := g.metrics.open.WithLabelValues(info.FullMethod)
	open.Inc()
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(info.FullMethod, p)
		}
		open.Dec()
		g.metrics.ended(info.FullMethod, err)
	}()
	return next(srv, &leanStream{stream, g.metrics, info.FullMethod})
}

func (g *guard) panicked(method string, p any) error {
	g.log.Error("call panicked", zap.String("method", method), zap.String("panic", fmt.Sprint(p)),
		zap.ByteString("stack", debug.Stack()))
	return status.Error(codes.Internal, "the server made a mistake; its log has more")
}

// leanStream keeps the stack of its handler small, and counts what is sent. A handler that waits for hours keeps the stack
// that it once needed, and coding a message needs much: on goroutines of their own, which end, it costs no memory for long.
type leanStream struct {
	grpc.ServerStream
	metrics *metrics
	method  string
}

func (s *leanStream) RecvMsg(m any) error {
	return Elsewhere(func() error { return s.ServerStream.RecvMsg(m) })
}

func (s *leanStream) SendMsg(m any) error {
	return Elsewhere(func() error {
		err := s.ServerStream.SendMsg(m)
		if err == nil {
			s.metrics.pushes.WithLabelValues(s.method).Inc()
		}
		return err
	})
}

// Elsewhere runs call on a goroutine of its own and waits for it. A panic there is one here. It is for what a stream's
// handler does between its waits: gRPC's own part of the stack leaves it little room in 4 KiB.
func Elsewhere(call func() error) error {
	type result struct {
		err   error
		panic any
	}
	done := make(chan result)
	go func() {
		var r result
		defer func() {
			r.panic = recover()
			done <- r
		}()
		r.err = call()
	}()
	r := <-done
	if r.panic != nil {
		panic(r.panic)
	}
	return r.err
}
