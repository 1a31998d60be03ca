package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNothingIsLostWhateverRestarts restarts one part after another while events flow.
func TestNothingIsLostWhateverRestarts(t *testing.T) {
	a := deploy(t, "steady", func(s *settings) { s.Cooldown = 5 })
	a.awaitScaledObject()
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
				a.order(fmt.Sprint(i), map[string]any{"workMillis": 200})
			}
		}
	})
	flowing := func(after string) {
		t.Helper()
		since := time.Now()
		a.await("events flow again after "+after, func() string {
			if err := a.collect(); err != nil {
				return err.Error()
			}
			for id, at := range a.published {
				if _, done := a.receipts[id]; done && at.After(since.Add(time.Second)) {
					return ""
				}
			}
			return fmt.Sprintf("%d of %d receipts", len(a.receipts), len(a.published))
		})
		a.logf("%s: events flow %v after", after, time.Since(since).Round(100*time.Millisecond))
	}
	flowing("the start")
	a.kubectl("", "-n", system, "delete", "pods", "--all", "--wait=true")
	if err := a.awaitScaler(a.ctx); err != nil {
		t.Fatal(err)
	}
	flowing("both scalers restarted")
	for _, component := range []string{"keda-operator", "kubelet"} {
		if err := a.cluster.Restart(a.ctx, component); err != nil {
			t.Fatal(err)
		}
		flowing(component + " restarted")
	}
	if err := a.broker.restart(); err != nil {
		t.Fatal(err)
	}
	flowing("NATS restarted")
	close(stop)
	publishing.Wait()
	a.awaitReceipts()
	a.awaitPods(0)
	a.order("last", nil)
	a.awaitReceipts()
	a.logf("%d events, none lost; the last one found no pod and took %v", len(a.receipts),
		a.begun("last").Round(time.Millisecond))
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
