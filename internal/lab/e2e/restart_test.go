package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/lab"
)

// TestNothingIsLostWhateverRestarts restarts one part after another while events flow, lets the function go to zero each
// time, and wakes it again.
func TestNothingIsLostWhateverRestarts(t *testing.T) {
	a := deploy(t, "steady", func(s *settings) { s.Cooldown = 5 })
	a.awaitScaledObject()
	restarts := []struct {
		name string
		do   func() error
	}{
		{"nothing", func() error { return nil }},
		{"one scaler", func() error { return a.restartScaler("--field-selector=metadata.name=" + a.oneScaler()) }},
		{"both scalers", func() error { return a.restartScaler("--all") }},
		{"KEDA operator", func() error { return a.cluster.Restart(a.ctx, lab.KEDAOperator) }},
		{"KEDA metrics adapter", func() error { return a.cluster.Restart(a.ctx, lab.KEDAAdapter) }},
		{"kubelet", func() error { return a.cluster.Restart(a.ctx, lab.Kubelet) }},
		{"NATS", a.broker.restart},
	}
	for i, restart := range restarts {
		stop := a.publishing(fmt.Sprint(i))
		a.awaitFlow()
		began := time.Now()
		if err := restart.do(); err != nil {
			t.Fatalf("%s: %v", restart.name, err)
		}
		restarted := time.Since(began)
		a.awaitFlow()
		stop()
		a.awaitReceipts()
		a.awaitPods(0)
		id := a.order("after "+restart.name, nil)
		a.awaitReceipts()
		a.logf("%s restarted in %v: %d events so far, none lost; the next one found no pod and was handled after %v", restart.name,
			restarted.Round(time.Millisecond), len(a.receipts), a.begun(id).Round(time.Millisecond))
		a.awaitPods(0)
	}
}

// publishing publishes twice a second until stop is called.
func (a *app) publishing(prefix string) (stop func()) {
	end := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(500 * time.Millisecond):
				a.order(fmt.Sprintf("%s-%d", prefix, i), map[string]any{"workMillis": 200})
			}
		}
	})
	return func() {
		close(end)
		publisher.Wait()
	}
}

// awaitFlow waits until an event that was published from now on is done.
func (a *app) awaitFlow() {
	a.t.Helper()
	since := time.Now()
	a.await("events flow", func() string {
		if err := a.collect(); err != nil {
			return err.Error()
		}
		for id, at := range a.published {
			if a.receipts[id] > 0 && at.After(since) {
				return ""
			}
		}
		return fmt.Sprintf("%d of %d receipts", len(a.receipts), len(a.published))
	})
}

func (a *app) oneScaler() string {
	a.t.Helper()
	return a.kubectl("", "-n", system, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
}

// restartScaler deletes replicas and waits for their successors.
func (a *app) restartScaler(which string) error {
	a.kubectl("", "-n", system, "delete", "pods", which, "--wait=true")
	return a.awaitScaler(a.ctx)
}

// TestWrongMetadataSaysSo gives a ScaledObject a key that does not exist.
func TestWrongMetadataSaysSo(t *testing.T) {
	a := deploy(t, "wrong", func(s *settings) { s.Metadata = "funktion: wrong" })
	a.await("the reason", func() string {
		out, err := a.cluster.Kubectl(a.ctx, "", "-n", a.namespace, "describe", "scaledobject", a.name)
		const want = `unknown key "funktion" (did you mean function?)`
		if err != nil || !strings.Contains(string(out), want) {
			return fmt.Sprintf("%v: no %q in\n%s", err, want, out)
		}
		return ""
	})
	a.logf("kubectl describe says why:\n%s", a.kubectl("", "-n", a.namespace, "describe", "scaledobject", a.name))
}
