package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/event"
)

// podCosts returns the deletion cost of each pod of a function that is not about to go.
func (r *rig) podCosts(name string) map[string]string {
	r.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	err := r.client.List(r.t.Context(), list, client.InNamespace(r.namespace),
		client.MatchingLabels{desired.FunctionLabel: name})
	if err != nil {
		r.t.Fatal(err)
	}
	costs := map[string]string{}
	for i := range list.Items {
		if list.Items[i].GetDeletionTimestamp() == nil {
			costs[list.Items[i].GetName()] = list.Items[i].GetAnnotations()[corev1.PodDeletionCost]
		}
	}
	return costs
}

// TestBusyPodStays has four pods, one of them in a call of 40 s, and scales to one: that one stays, and the call is not
// begun anew.
func TestBusyPodStays(t *testing.T) {
	r := startScaling(t, "ctl-scalein")
	r.kubectl(sleeper(r.namespace, "{minReplicas: 0, maxReplicas: 4, cooldown: 2m}"), "apply", "-f", "-")
	r.awaitCondition("sleeper", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	r.sleepFor(40*time.Second, 1)
	r.sleepFor(4*time.Second, 3)
	r.awaitReplicas("sleeper", 4)
	busy := ""
	await(t, "one busy pod, and three that were", func() error {
		costs := r.podCosts("sleeper")
		idle := 0
		for name, cost := range costs {
			switch cost {
			case "2":
				busy = name
			case "0", "": // a pod that was never busy says nothing
				idle++
			}
		}
		if len(costs) != 4 || idle != 3 {
			return fmt.Errorf("costs %v", costs)
		}
		return nil
	})
	before := len(r.writes.all())
	// The HPA keeps what it wanted a moment ago, and would keep four for a minute.
	r.kubectl("", "-n", r.namespace, "annotate", "pfn", "sleeper", desired.HeldAnnotation+"=1")
	await(t, "one pod is left", func() error {
		costs := r.podCosts("sleeper")
		if _, stays := costs[busy]; len(costs) == 1 && !stays {
			t.Fatalf("the busy pod %s goes, %v stays", busy, costs)
		}
		if len(costs) != 1 {
			return fmt.Errorf("costs %v", costs)
		}
		return nil
	})
	for _, s := range r.awaitSlept(4) {
		if s.Attempt != 1 || s.Millis == 40_000 && s.Replica != busy {
			t.Errorf("busy was %s, and a call came to %+v", busy, s)
		}
	}
	t.Logf("writes:\n%s", strings.Join(r.writes.all()[before:], "\n"))
}

// TestOnlyItsOwnPods has one function speak of a pod of another.
func TestOnlyItsOwnPods(t *testing.T) {
	r := startScaling(t, "ctl-forged")
	scale := "{minReplicas: 2, maxReplicas: 2}"
	r.kubectl(sleeper(r.namespace, scale), "apply", "-f", "-")
	r.kubectl(strings.Replace(sleeper(r.namespace, scale), "{name: sleeper,", "{name: other,", 1), "apply", "-f", "-")
	pods := map[string]string{}
	for _, name := range []string{"sleeper", "other"} {
		await(t, "two pods of "+name, func() error {
			costs := r.podCosts(name)
			for pod := range costs {
				pods[name] = pod
			}
			if len(costs) != 2 {
				return fmt.Errorf("pods %v", costs)
			}
			return nil
		})
	}
	say := func(function, pod, text string) {
		subject, err := event.BusySubject(r.namespace, function, pod)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.nats.Conn(t).Publish(subject, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("other", pods["sleeper"], "100")
	await(t, "the apiserver has refused it", func() error {
		for _, w := range r.writes.all() {
			if strings.Contains(w, "/pods/"+pods["sleeper"]) {
				if !strings.HasSuffix(w, ": 422 Unprocessable Entity") {
					t.Fatalf("%s", w)
				}
				return nil
			}
		}
		return fmt.Errorf("no write of the pod in:\n%s", strings.Join(r.writes.all(), "\n"))
	})
	say("other", pods["other"], "100")
	await(t, "what it says of its own pod is written", func() error {
		costs := r.podCosts("other")
		if got := costs[pods["other"]]; got != "65" {
			return fmt.Errorf("cost %q", got)
		}
		return nil
	})
	if costs := r.podCosts("sleeper"); costs[pods["sleeper"]] != "" {
		t.Errorf("the other function's pod: %v", costs)
	}
}
