package controller_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

// TestScaledByHand writes other numbers of replicas than are wanted, as kubectl scale does: some where nothing waits, none while
// there is work, and more than there may be. KEDA and the HPA bring it to what is wanted each time, the controller leaves the
// number to them, and every event is handled, in its first attempt.
func TestScaledByHand(t *testing.T) {
	r := startScaling(t, "ctl-byhand")
	r.kubectl(sleeper(r.namespace, "{minReplicas: 0, maxReplicas: 3, cooldown: 5s}"), "apply", "-f", "-")
	r.awaitCondition("sleeper", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	r.awaitReplicas("sleeper", 0)
	l := r.watchReplicas("sleeper")
	byHand := func(n int, want int64) {
		t.Helper()
		began := time.Now()
		r.kubectl("", "-n", r.namespace, "scale", "deployment/sleeper-pfn", "--replicas="+strconv.Itoa(n))
		r.awaitReplicas("sleeper", want)
		t.Logf("scaled to %d by hand, settled at %d:%s", n, want, tell(began, l.since(began)))
	}
	byHand(2, 0) // nothing waits

	const events = 45
	r.sleepFor(time.Second, events)
	r.awaitReplicas("sleeper", 3)
	byHand(5, 3)
	r.awaitSlept(1) // calls run
	byHand(0, 3)
	for _, s := range r.awaitSlept(events) {
		if s.Attempt != 1 {
			t.Errorf("an event was begun again: %+v", s)
		}
	}
	r.awaitReplicas("sleeper", 0)
	if message := r.awaitCondition("sleeper", v1alpha1.Ready, "True", v1alpha1.ReasonReady); message == "" {
		t.Error("it is ready without a word")
	}
}
