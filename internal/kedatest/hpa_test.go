package kedatest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"

	"github.com/pelton-dev/pelton/internal/kedatest"
)

// replicas lists what an object's replicas were, one after another.
func replicas(op *kedatest.Operator) []int {
	var ns []int
	for _, e := range op.Timeline() {
		if e.Kind == kedatest.KindReplicas {
			ns = append(ns, e.To)
		}
	}
	return ns
}

func TestAutoscalerSumsTheValuesAndGrowsAtItsRate(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.active, s.values, s.spec = true, value(60, 139.5), target(10) }) // 20 replicas
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{ScaleDownStabilization: -1})
	awaitReplicas(t, op, key, 20)
	if have := replicas(op); !slices.Equal(have, []int{1, 5, 10, 20}) {
		t.Errorf("replicas: %v, want 1, 5, 10, 20", have)
	}
	s.set(func() { s.values = value(20) })
	awaitReplicas(t, op, key, 2)
}

func TestAutoscalerKeepsToTheMaximum(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.active, s.values = true, value(1000) })
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{MaxReplicas: 6})
	awaitReplicas(t, op, key, 6)
	st := op.Status(key)
	await(t, op, key, "more syncs", func(now kedatest.Status) bool { return now.HPASyncs > st.HPASyncs+3 })
	if have := replicas(op); !slices.Equal(have, []int{1, 4, 6}) {
		t.Errorf("replicas: %v, want 1, 4, 6", have)
	}
}

func TestAutoscalerAsksOnlyWhileThereAreReplicas(t *testing.T) {
	t.Parallel()
	s := start(t)
	op := operator(t, s, kedatest.Config{HPASync: time.Second})
	key := add(t, op, kedatest.Object{PollingInterval: 10 * time.Second})
	st := await(t, op, key, "polls", func(st kedatest.Status) bool { return st.Polls > 3 })
	if st.HPASyncs != 0 {
		t.Errorf("%d syncs at zero", st.HPASyncs)
	}
	send(t, s.push, true)
	await(t, op, key, "a sync", func(st kedatest.Status) bool { return st.HPASyncs > 0 })
}

func TestFloatCountsOnlyAboveZero(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() {
		s.values = []*pb.MetricValue{
			{MetricValue: 7}, {MetricValue: 9, MetricValueFloat: 2.0004}, {MetricValue: -3}, {MetricValueFloat: -1},
		}
		s.spec.MetricSpecs[0].TargetSize, s.spec.MetricSpecs[0].TargetSizeFloat = 4, 0
	})
	op := operator(t, s, kedatest.Config{})
	key := add(t, op, kedatest.Object{})
	st := await(t, op, key, "a poll", func(st kedatest.Status) bool { return st.Polls > 0 })
	if st.Value != 9 || st.Spec.Target != 4 {
		t.Errorf("value %v, want 7 + 2; target %v, want 4", st.Value, st.Spec.Target)
	}
}

func TestAwaitSaysWhatWasSeen(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.set(func() { s.active, s.values = true, value(1) })
	var seen []kedatest.Event
	op := operator(t, s, kedatest.Config{OnEvent: func(e kedatest.Event) { seen = append(seen, e) }})
	key := add(t, op, kedatest.Object{})
	awaitReplicas(t, op, key, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := op.AwaitReplicas(ctx, key, 9)
	for _, want := range []string{"9 replicas", "Replicas:1", "replicas 0 -> 1: poll"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
	if err := op.AwaitReplicas(ctx, kedatest.Key{Name: "nobody"}, 1); !errors.Is(err, kedatest.ErrUnknownObject) {
		t.Errorf("unknown object: %v", err)
	}
	op.Close()
	if len(seen) != len(op.Timeline()) {
		t.Errorf("observed %d events of %d", len(seen), len(op.Timeline()))
	}
}

func TestNewAndAddRefuse(t *testing.T) {
	t.Parallel()
	if _, err := kedatest.New(kedatest.Config{}); err == nil {
		t.Error("no address was accepted")
	}
	if _, err := kedatest.New(kedatest.Config{Addresses: []string{"x"}, Speed: -1}); err == nil {
		t.Error("a negative speed was accepted")
	}
	op, err := kedatest.New(kedatest.Config{Addresses: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range []kedatest.Object{
		{},
		{Namespace: "n", Name: "f", MinReplicas: 2, MaxReplicas: 1},
		{Namespace: "n", Name: "f", PollingInterval: -1},
	} {
		if err := op.Add(obj); err == nil {
			t.Errorf("%+v was accepted", obj)
		}
	}
	if err := op.Add(kedatest.Object{Namespace: "n", Name: "f"}); err != nil {
		t.Error(err)
	}
	if err := op.Add(kedatest.Object{Namespace: "n", Name: "f"}); err == nil {
		t.Error("the same object was accepted twice")
	}
	op.Close()
	if err := op.Add(kedatest.Object{Namespace: "n", Name: "g"}); err == nil {
		t.Error("a closed operator accepted an object")
	}
}
