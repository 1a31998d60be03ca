package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestFromZeroAndBack publishes to a function that is at zero, then a backlog, and then nothing.
func TestFromZeroAndBack(t *testing.T) {
	a := deploy(t, "updown", nil)
	a.awaitScaledObject()
	a.order("first", nil)
	a.awaitReceipts()
	a.logf("first event handled %v after it was stored", a.begun("first").Round(time.Millisecond))
	for i := range 40 {
		a.order(fmt.Sprintf("backlog-%d", i), map[string]any{"workMillis": 3000})
	}
	a.awaitPods(4)
	a.awaitReceipts()
	a.awaitPods(0)
	a.checkOnce()
	replicas := map[string]int{}
	for _, l := range a.lines("") {
		if l.What == "end" {
			replicas[l.Replica]++
		}
	}
	a.logf("orders per replica: %v", replicas)
}

// TestColdStart measures from the publish to the handler's call, and beside it what a bare scale of the same pod takes.
func TestColdStart(t *testing.T) {
	const rounds = 5
	bare := deploy(t, "bare", func(s *settings) { s.Bare = true })
	woken := deploy(t, "woken", func(s *settings) { s.Cooldown = 5 })
	woken.awaitScaledObject()
	var floor, cold []time.Duration
	for i := range rounds {
		began := time.Now()
		path := "/apis/apps/v1/namespaces/" + bare.namespace + "/deployments/" + bare.name + "/scale"
		if err := bare.api.patch(t.Context(), path, `{"spec":{"replicas":1}}`); err != nil {
			t.Fatal(err)
		}
		bare.awaitPods(1)
		floor = append(floor, time.Since(began))
		if err := bare.api.patch(t.Context(), path, `{"spec":{"replicas":0}}`); err != nil {
			t.Fatal(err)
		}
		bare.awaitPods(0)
		id := woken.order(fmt.Sprint(i), nil)
		woken.awaitReceipts()
		cold = append(cold, woken.begun(id))
		woken.awaitPods(0)
		woken.logf("round %d: bare scale to Ready %v, publish to handler %v", i, floor[i].Round(time.Millisecond),
			cold[i].Round(time.Millisecond))
	}
	slices.Sort(floor)
	slices.Sort(cold)
	more := cold[rounds/2] - floor[rounds/2]
	woken.logf("median of %d: bare scale to Ready %v, publish to handler %v: %v more (goal: at most 300ms)", rounds,
		floor[rounds/2].Round(time.Millisecond), cold[rounds/2].Round(time.Millisecond), more.Round(time.Millisecond))
	woken.checkOnce()
}

// TestParkedRetriesCostNoPod has an event fail with a retry due later than the cooldown.
func TestParkedRetriesCostNoPod(t *testing.T) {
	a := deploy(t, "parked", func(s *settings) { s.Cooldown = 5 })
	a.awaitScaledObject()
	a.order("one", map[string]any{"fail": 1, "retryAfterS": 60})
	a.awaitPods(1)
	a.awaitPods(0)
	zero := time.Now()
	if waited := zero.Sub(a.published["one"]); waited > 55*time.Second {
		t.Fatalf("it took %v to get to zero: too long to see anything", waited)
	}
	a.awaitReceipts()
	lines := a.lines("one")
	if len(lines) != 3 || lines[1].Attempt != 2 || !lines[1].At.After(zero) || lines[1].At.Sub(lines[0].At) < 60*time.Second {
		t.Fatalf("%+v; want two calls, the second 60 s later; zero pods at %v", lines, zero)
	}
	a.logf("retried %v after the first call, which asked for 60 s", lines[1].At.Sub(lines[0].At).Round(time.Millisecond))
}

// TestScaleInInterruptsNobody takes three of four pods away while each runs a handler of 25 s.
func TestScaleInInterruptsNobody(t *testing.T) {
	a := deploy(t, "scalein", func(s *settings) { s.Concurrency, s.Cooldown = 1, 5 })
	a.awaitScaledObject()
	for i := range 4 {
		a.order(fmt.Sprint(i), map[string]any{"workMillis": 25_000})
	}
	a.await("four handlers at work", func() string {
		if n := len(a.lines("")); n < 4 {
			return fmt.Sprintf("%d at work", n)
		}
		return ""
	})
	path := "/apis/keda.sh/v1alpha1/namespaces/" + a.namespace + "/scaledobjects/" + a.name
	if err := a.api.patch(a.ctx, path, `{"spec":{"maxReplicaCount":1}}`); err != nil {
		t.Fatal(err)
	}
	a.await("three pods told to go", func() string {
		going := 0
		for _, p := range a.pods {
			if p.Metadata.DeletedAt != "" {
				going++
			}
		}
		if going < 3 {
			return fmt.Sprintf("%d pods go", going)
		}
		return ""
	})
	if n := len(a.lines("")); n != 4 {
		t.Fatalf("%d lines: the handlers ended too early to show anything", n)
	}
	a.awaitReceipts()
	a.awaitPods(0)
	a.checkOnce()
}
