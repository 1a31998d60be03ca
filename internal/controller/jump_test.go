package controller

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// TestTimeToJump plays the looks of a wake and sees at which one the function jumps, and to how many replicas.
func TestTimeToJump(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wanted []int // in each look
		most   int
		at, to int // to 0 is no jump
	}{
		"one event":                  {[]int{1, 1, 1, 1, 1}, 20, 0, 0},
		"more than all at once":      {[]int{20}, 20, 0, 20},
		"some, and no more come":     {[]int{4, 4}, 20, 1, 4},
		"being published":            {[]int{1, 3, 9, 12}, 20, 3, 12},
		"being published to the top": {[]int{1, 3, 9, 20}, 20, 3, 20},
		"still growing at the end":   {[]int{1, 2, 4, 8, 16}, 20, 4, 16},
		"late":                       {[]int{1, 1, 1, 1, 5}, 20, 4, 5},
		"being worked off":           {[]int{9, 5}, 20, 1, 5},
		"worked off":                 {[]int{9, 1, 1, 1, 1}, 20, 0, 0},
		"a small maximum":            {[]int{2}, 2, 0, 2},
	} {
		before, at, to := 0, 0, 0
		for i, n := range c.wanted {
			if timeToJump(before, n, c.most, i == 4) {
				at, to = i, n
				break
			}
			before = max(n, 1)
		}
		if at != c.at || to != c.to {
			t.Errorf("%s: to %d replicas in look %d, want %d in %d", name, to, at, c.to, c.at)
		}
	}
}

func TestWakeOf(t *testing.T) {
	t.Parallel()
	deployment := func(name string, replicas int64) *unstructured.Unstructured {
		o := object(desired.DeploymentKind)
		o.SetNamespace("shop")
		o.SetName(name)
		o.SetLabels(map[string]string{desired.FunctionLabel: "thumb"})
		o.Object["spec"] = map[string]any{"replicas": replicas}
		return o
	}
	for name, c := range map[string]struct {
		before, now any
		want        bool
	}{
		"wakes":           {deployment("thumb-pfn", 0), deployment("thumb-pfn", 1), true},
		"wakes to many":   {deployment("thumb-pfn", 0), deployment("thumb-pfn", 3), true},
		"goes to sleep":   {deployment("thumb-pfn", 1), deployment("thumb-pfn", 0), false},
		"rests":           {deployment("thumb-pfn", 0), deployment("thumb-pfn", 0), false},
		"grows":           {deployment("thumb-pfn", 1), deployment("thumb-pfn", 2), false},
		"somebody else's": {deployment("other", 0), deployment("other", 1), false},
		"nothing":         {nil, nil, false},
	} {
		key, woke := wakeOf(c.before, c.now)
		if woke != c.want || woke && key != (function.Key{Namespace: "shop", Name: "thumb"}) {
			t.Errorf("%s: %v %v", name, key, woke)
		}
	}
}

// TestMayNotGrow reads annotations as KEDA does.
func TestMayNotGrow(t *testing.T) {
	t.Parallel()
	const at = "autoscaling.keda.sh/"
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"other", "true", false},
		{at + "paused", "true", true},
		{at + "paused", "false", false},
		{at + "paused-replicas", "0", true},
		{at + "paused-scale-out", "true", true},
		{at + "paused-scale-in", "true", false},
	} {
		if got := mayNotGrow(map[string]string{c.name: c.value}); got != c.want {
			t.Errorf("%s=%s: %v", c.name, c.value, got)
		}
	}
}

// TestServiceOf finds the time behind a target, so that demand wants as many replicas as an HPA with that target.
func TestServiceOf(t *testing.T) {
	t.Parallel()
	p := demand.Policy{Max: 1000, Concurrency: 4, Backlog: 4, Drain: 10 * time.Second}
	for _, service := range []time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second, 7 * time.Second, time.Hour} {
		target := p.PerReplica(service)
		for _, due := range []int{1, 99, 1000} {
			want := demand.Decide(p, demand.Snapshot{Due: due, ServiceTime: service, Known: true}).Replicas
			got := demand.Decide(p, demand.Snapshot{Due: due, ServiceTime: serviceOf(p, target), Known: true}).Replicas
			if got != want {
				t.Errorf("%v each, %d due: %d replicas, want %d", service, due, got, want)
			}
		}
	}
	if got := serviceOf(p, 4); got != 0 {
		t.Errorf("nothing was measured, and an event takes %v", got)
	}
	p.Drain = 0
	if got := serviceOf(p, 40); got != 0 {
		t.Errorf("a goal in events, and an event takes %v", got)
	}
}

func TestTargetOf(t *testing.T) {
	t.Parallel()
	hpa := func(targets ...any) *unstructured.Unstructured {
		var metrics []any
		for _, target := range targets {
			of := map[string]any{"target": map[string]any{"averageValue": target}}
			metrics = append(metrics, map[string]any{"type": "External", "external": of})
		}
		o := object(hpaKind)
		o.SetName("keda-hpa-thumb-pfn")
		o.Object["spec"] = map[string]any{"metrics": metrics}
		return o
	}
	for text, want := range map[string]float64{"8": 8, "2500m": 2.5, "1k": 1000} {
		if got, err := targetOf(hpa(text)); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for name, bad := range map[string]*unstructured.Unstructured{
		"none": hpa(), "two": hpa("1", "2"), "nothing": hpa("0"), "no number": hpa("many"), "no text": hpa(int64(3)),
	} {
		if got, err := targetOf(bad); err == nil || !strings.Contains(err.Error(), "keda-hpa-thumb-pfn") {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
