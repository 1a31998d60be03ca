package controller_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/lab"
)

// TestAPIServerAway ends the apiserver while events come: pods that run handle them all. Once it is back, the controller, KEDA and
// the rest are as well: the function goes to zero, and its next event starts it. It disturbs everybody else on the cluster, so it
// runs only where that is allowed.
func TestAPIServerAway(t *testing.T) {
	if os.Getenv("PELTON_LAB_OUTAGE") == "" && os.Getenv("PELTON_LAB_LONG") == "" {
		t.Skip("stops the apiserver for everybody: set PELTON_LAB_OUTAGE=1, or PELTON_LAB_LONG=1 for five minutes of it")
	}
	away := 40 * time.Second
	if os.Getenv("PELTON_LAB_LONG") != "" {
		away = 5 * time.Minute
	}
	r := startScaling(t, "ctl-away")
	if _, err := r.lab.LoadProgram(t.Context(), tellerImage, "internal/controller/testdata/teller"); err != nil {
		t.Fatal(err)
	}
	l := newLedger(r)
	r.kubectl(l.teller(), "apply", "-f", "-")
	r.awaitCondition("teller", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	stop := l.publish(10, "events.a")
	l.awaitFlow("events.a", "one")

	began := time.Now()
	r.stopAPIServer()
	select {
	case <-time.After(away): //nolint:forbidigo // it is away for so long
	case <-t.Context().Done():
	}
	if _, err := r.get(deployments, "teller-pfn"); err == nil {
		t.Error("the apiserver was never away")
	}
	l.awaitFlow("events.a", "one")
	stop()
	again := len(l.awaitAll())
	t.Logf("away for %v: %d events, all handled meanwhile, %d of them twice, no call for %v at most", time.Since(began).Round(time.Second),
		len(l.published), again, l.longest(began))

	r.startAPIServer()
	back := time.Now()
	r.awaitReplicas("teller", 0)
	stop = l.publish(1, "events.a")
	l.awaitFlow("events.a", "one")
	stop()
	l.awaitAll()
	t.Logf("back: from zero again within %v", time.Since(back).Round(time.Second))
	// The controller has not missed anything either.
	r.kubectl("", "-n", r.namespace, "delete", "scaledobject", "teller-pfn")
	await(t, "the ScaledObject is back", func() error {
		_, err := r.get(scaledObjects, "teller-pfn")
		return err
	})
}

// stopAPIServer ends the apiserver. Whatever becomes of the test, everything is up again after it.
func (r *rig) stopAPIServer() {
	r.t.Helper()
	r.t.Cleanup(r.startAPIServer)
	if err := r.lab.Kill(lab.APIServer, syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
}

// startAPIServer starts the apiserver, and what has ended because it was away.
func (r *rig) startAPIServer() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range []string{lab.APIServer, lab.ControllerManager, lab.Scheduler, lab.Kubelet, lab.KEDAOperator, lab.KEDAAdapter} {
		if err := r.lab.Start(ctx, name); err != nil {
			r.t.Errorf("start %s: %v", name, err)
		}
	}
}
