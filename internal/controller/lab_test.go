package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// hello is the example of functions/examples, as a resource.
func hello(namespace, more string) string {
	return `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: hello, namespace: ` + namespace + `}
spec:
  triggers:
    - event: {subjects: [events.hello]}
  handler: {protocol: stream, image: "pelton.local/hello:dev"}
  concurrency: 16
  timeout: 10s
  reply: {subject: events.greetings}
  scale: {minReplicas: 0, maxReplicas: 4, cooldown: 5s}
` + more
}

// TestFromZeroAndBack applies one manifest, publishes, and sees a pod come, answer and go. Then it deletes the Function.
func TestFromZeroAndBack(t *testing.T) {
	r := start(t, "ctl-hello")
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	t.Log(r.kubectl("", "-n", r.namespace, "get", "pelton", "-o", "wide"))
	if n := r.replicas("hello"); n != 0 {
		t.Errorf("%d replicas before the first event", n)
	}
	if out := r.kubectl("", "-n", r.namespace, "get", "replicasets", "-o", "jsonpath={.items[*].spec.replicas}"); out != "0" {
		t.Errorf("replicas of ReplicaSets before the first event: %q", out)
	}
	s, err := r.js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.js.Publish(t.Context(), "events.hello", []byte(`{"name":"you"}`)); err != nil {
		t.Fatal(err)
	}
	await(t, "the greeting", func() error {
		_, err := s.GetLastMsgForSubject(t.Context(), "events.greetings")
		return err
	})
	if n := r.replicas("hello"); n != 1 {
		t.Errorf("%d replicas while it works", n)
	}
	r.awaitCondition("hello", v1alpha1.Active, "True", v1alpha1.ReasonWorking)
	r.awaitCondition("hello", v1alpha1.Active, "False", v1alpha1.ReasonIdle)
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "True", v1alpha1.ReasonIdle)
	t.Log(r.kubectl("", "-n", r.namespace, "get", "pelton"))
	t.Logf("writes:\n%s", strings.Join(r.writes.all(), "\n"))
	r.deleteAll("hello")
}

// deleteAll deletes a Function and waits until nothing is left of it, neither in the cluster nor on NATS.
func (r *rig) deleteAll(name string) {
	r.t.Helper()
	r.kubectl("", "-n", r.namespace, "delete", "pfn", name, "--wait=true", "--timeout=1m")
	o, err := stream.OwnedBy(r.t.Context(), r.js, function.Key{Namespace: r.namespace, Name: name})
	if err != nil || len(o.Consumers) > 0 || len(o.Schedules) > 0 {
		r.t.Errorf("on NATS after it is gone: %+v, %v", o, err)
	}
	await(r.t, "the objects are gone", func() error {
		out := r.kubectl("", "-n", r.namespace, "get", "deployment,scaledobject,configmap,serviceaccount,networkpolicy,pdb",
			"-l", "pelton.dev/function="+name, "-o", "name")
		if out != "" {
			return fmt.Errorf("there are %s", out)
		}
		return nil
	})
	if _, err := r.get(v1alpha1.FunctionKind, name); !apierrors.IsNotFound(err) {
		r.t.Errorf("function after its deletion: %v", err)
	}
}

// TestUnchangedWritesNothing counts the writes of a controller that starts on what another one made, and of an event that
// changes nothing.
func TestUnchangedWritesNothing(t *testing.T) {
	r := start(t, "ctl-quiet")
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	r.awaitCondition("hello", v1alpha1.Active, "False", v1alpha1.ReasonIdle)
	r.stop()
	before := len(r.writes.all())
	reconciles := reconciled(t)
	r.startController()
	await(t, "it has looked at everything again", func() error {
		if n := reconciled(t) - reconciles; n < 1 {
			return fmt.Errorf("%v reconciliations", n)
		}
		return nil
	})
	r.kubectl("", "-n", r.namespace, "annotate", "deployment", "hello-pfn", "touched=yes")
	r.kubectl("", "-n", r.namespace, "label", "pfn", "hello", "touched=yes")
	reconciles = reconciled(t)
	r.kubectl("", "-n", r.namespace, "annotate", "scaledobject", "hello-pfn", "touched=yes")
	await(t, "and again", func() error {
		if n := reconciled(t) - reconciles; n < 1 {
			return fmt.Errorf("%v reconciliations", n)
		}
		return nil
	})
	if extra := r.writes.all()[before:]; len(extra) > 0 {
		t.Errorf("it wrote:\n%s", strings.Join(extra, "\n"))
	}
}

// TestUnchangedWritesNothingWithEverything does the same with all that a controller may do: credentials for each function, the first
// jump, deletion costs, and pods that run. What a controller does not know when it starts it writes as it is already: the
// apiserver keeps the version of the secret.
func TestUnchangedWritesNothingWithEverything(t *testing.T) {
	r := start(t, "ctl-quiet-all", withCredentials(24*time.Hour))
	r.kubectl(strings.Replace(hello(r.namespace, ""), "minReplicas: 0", "minReplicas: 1", 1), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "True", v1alpha1.ReasonAvailable)
	r.awaitCondition("hello", v1alpha1.Active, "False", v1alpha1.ReasonIdle)
	secret, err := r.get(secrets, "hello-pfn-nats")
	if err != nil {
		t.Fatal(err)
	}
	touch := func(what ...string) {
		t.Helper()
		before := reconciled(t)
		r.kubectl("", append([]string{"-n", r.namespace, "annotate", "--overwrite"}, what...)...)
		await(t, "it has looked", func() error {
			if n := reconciled(t) - before; n < 1 {
				return fmt.Errorf("%v reconciliations", n)
			}
			return nil
		})
	}
	before := len(r.writes.all())
	for i := range 3 {
		touch("deployment", "hello-pfn", fmt.Sprintf("touched=%d", i))
		touch("pfn", "hello", fmt.Sprintf("touched=%d", i))
	}
	if extra := r.writes.all()[before:]; len(extra) > 0 {
		t.Errorf("it wrote:\n%s", strings.Join(extra, "\n"))
	}
	before = len(r.writes.all())
	reconciles := reconciled(t)
	r.restartController()
	await(t, "the new controller has looked", func() error {
		if n := reconciled(t) - reconciles; n < 1 {
			return fmt.Errorf("%v reconciliations", n)
		}
		return nil
	})
	touch("deployment", "hello-pfn", "touched=again")
	for _, w := range r.writes.all()[before:] {
		if !strings.Contains(w, "/secrets/hello-pfn-nats") {
			t.Errorf("a controller that starts wrote %s", w)
		}
	}
	again, err := r.get(secrets, "hello-pfn-nats")
	if err != nil || again.GetResourceVersion() != secret.GetResourceVersion() {
		t.Errorf("the secret was %s and is %s, %v", secret.GetResourceVersion(), again.GetResourceVersion(), err)
	}
}

// TestDriftIsMended changes an object by hand.
func TestDriftIsMended(t *testing.T) {
	r := start(t, "ctl-drift")
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	r.kubectl("", "-n", r.namespace, "set", "image", "deployment/hello-pfn", "handler=example.com/other:1")
	await(t, "the image is back", func() error {
		out := r.kubectl("", "-n", r.namespace, "get", "deployment", "hello-pfn", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
		if out != "pelton.local/hello:dev" {
			return fmt.Errorf("image %s", out)
		}
		return nil
	})
	if n := r.replicas("hello"); n != 0 {
		t.Errorf("%d replicas after an update", n)
	}
	r.kubectl("", "-n", r.namespace, "delete", "scaledobject", "hello-pfn")
	await(t, "the ScaledObject is back", func() error {
		_, err := r.get(scaledObjects, "hello-pfn")
		return err
	})
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
}

// TestInvalidTouchesNothing applies what only the controller can refuse, to a function that works.
func TestInvalidTouchesNothing(t *testing.T) {
	r := start(t, "ctl-invalid")
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	before, err := r.get(deployments, "hello-pfn")
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.NewReplacer("[events.hello]", "[events..a, events.b, events.>]", "timeout: 10s", "timeout: 0s").
		Replace(hello(r.namespace, ""))
	r.kubectl(bad, "apply", "-f", "-")
	message := r.awaitCondition("hello", v1alpha1.Accepted, "False", v1alpha1.ReasonInvalid)
	for _, want := range []string{"spec.timeout", "subjects[0]", "subjects[2]"} {
		if !strings.Contains(message, want) {
			t.Errorf("%s is not in the message:\n%s", want, message)
		}
	}
	r.awaitCondition("hello", v1alpha1.Ready, "False", v1alpha1.ReasonInvalid)
	if after, err := r.get(deployments, "hello-pfn"); err != nil || after.GetGeneration() != before.GetGeneration() {
		t.Errorf("the Deployment changed: %v", err)
	}
	missing := strings.Replace(hello(r.namespace, ""), "{subjects: [events.hello]}", "{stream: NOWHERE, subjects: [a]}", 1)
	r.kubectl(missing, "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.StreamReady, "False", v1alpha1.ReasonMismatch)
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
}

// TestWhatWaitsIsBuried deletes functions with events that wait.
func TestWhatWaitsIsBuried(t *testing.T) {
	r := start(t, "ctl-buried")
	// An image that never starts: nothing is handled.
	manifest := strings.Replace(hello(r.namespace, "  onDelete: deadLetter\n"), "pelton.local/hello:dev", "pelton.local/none:dev", 1)
	r.kubectl(manifest, "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.StreamReady, "True", v1alpha1.ReasonProvisioned)
	for i := range 300 {
		if _, err := r.js.Publish(t.Context(), "events.hello", fmt.Appendf(nil, `{"name":"%d"}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	r.awaitCondition("hello", v1alpha1.Active, "True", v1alpha1.ReasonWorking)
	began := time.Now()
	r.deleteAll("hello")
	t.Logf("deleted within %v", time.Since(began))
	s, err := r.js.Stream(t.Context(), stream.DeadStream)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 300 {
		t.Errorf("%d dead letters, want 300", n)
	}
}

// TestAHundredAtOnce applies a hundred Functions together and tells how long each part took. How long that may be depends on what
// else the machine does, so the test only says that they get there.
func TestAHundredAtOnce(t *testing.T) {
	r := start(t, "ctl-hundred")
	var all strings.Builder
	for i := range 100 {
		text := strings.Replace(hello(r.namespace, ""), "{name: hello,", fmt.Sprintf("{name: hello-%d,", i), 1)
		all.WriteString(strings.ReplaceAll(text, "events.hello", fmt.Sprintf("events.hello.%d", i)) + "---\n")
	}
	began := time.Now()
	r.kubectl(all.String(), "apply", "--server-side", "-f", "-")
	t.Logf("applied within %v", time.Since(began))
	r.kubectl("", "-n", r.namespace, "wait", "--for=condition=Ready", "pfn", "--all", "--timeout=5m")
	t.Logf("all ready within %v, by %d writes", time.Since(began), len(r.writes.all()))
	for _, kind := range []string{v1alpha1.StreamReady, v1alpha1.WorkloadReady, v1alpha1.ScalerReady} {
		last := r.kubectl("", "-n", r.namespace, "get", "pfn", "-o",
			`jsonpath={range .items[*]}{.status.conditions[?(@.type=="`+kind+`")].lastTransitionTime}{"\n"}{end}`)
		times := strings.Fields(last)
		slices.Sort(times)
		t.Logf("%s: first %s, median %s, last %s (began %s)", kind, times[0], times[len(times)/2], times[len(times)-1],
			began.UTC().Format(time.RFC3339))
	}
}

// TestLeastReplicas begins with as many replicas as there must be, and is ready once they are.
func TestLeastReplicas(t *testing.T) {
	r := start(t, "ctl-least")
	r.kubectl(strings.Replace(hello(r.namespace, "  onDelete: discard\n"), "minReplicas: 0", "minReplicas: 2", 1), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "True", v1alpha1.ReasonAvailable)
	if n := r.replicas("hello"); n != 2 {
		t.Errorf("%d replicas", n)
	}
	// Another manifest leaves the number of replicas alone.
	r.kubectl(strings.NewReplacer("minReplicas: 0", "minReplicas: 2", "concurrency: 16", "concurrency: 8").
		Replace(hello(r.namespace, "  onDelete: discard\n")), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "True", v1alpha1.ReasonAvailable)
	if n := r.replicas("hello"); n != 2 {
		t.Errorf("%d replicas after an update", n)
	}
	await(t, "the ConfigMap of the first manifest is gone", func() error {
		out := r.kubectl("", "-n", r.namespace, "get", "configmaps", "-l", "pelton.dev/function=hello", "-o", "name")
		if n := strings.Count(out, "\n"); n != 1 {
			return fmt.Errorf("there are %s", out)
		}
		return nil
	})
	r.deleteAll("hello")
}
