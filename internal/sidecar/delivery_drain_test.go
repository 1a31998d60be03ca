package sidecar_test

import (
	"context"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
)

func TestCutEndsADrain(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
	})
	f.cfg.DrainTimeout = time.Hour
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	r.cancel()
	r.Cut()
	r.stop(t)
	f.awaitOutcomes("returned")
}

func TestDrainFinishesWhatRunsAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	release := make(chan struct{})
	f := setup(t, func(s *function.Spec) { s.Concurrency = 1 },
		func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
			entered <- struct{}{}
			select {
			case <-release:
				return invoke.Outcome{}, nil
			case <-ctx.Done():
				return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
			}
		})
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	f.publish("events.hello", "", ceHeader("2"))
	r.cancel()
	m, err := f.take(20 * time.Second)
	if err != nil {
		t.Fatalf("the second event is not given to another: %v", err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	r.stop(t)
	f.awaitSettled()
	f.awaitOutcomes("done")
}

func TestDrainCutsWhatOutlivesItsTime(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	f := setup(t, nil, func(ctx context.Context, _ *invoke.Call) (invoke.Outcome, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return invoke.Outcome{}, &invoke.Error{Code: invoke.CodeCanceled, Err: ctx.Err()}
	})
	f.cfg.DrainTimeout = 200 * time.Millisecond
	r := f.start()
	f.publish("events.hello", "", ceHeader("1"))
	<-entered
	r.stop(t)
	m, err := f.take(20 * time.Second) // far less than AckWait
	if err != nil {
		t.Fatalf("the cut event is not given to another: %v", err)
	}
	if err := m.Ack(); err != nil {
		t.Fatal(err)
	}
	f.awaitOutcomes("returned")
}
