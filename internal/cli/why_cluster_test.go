package cli

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/function"
)

var midday = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// object reads YAML as an apiserver answers.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(body); err != nil {
		t.Fatal(err)
	}
	return o
}

// functionIn is a Function of generation 2 with conditions such as "Ready True Ready".
func functionIn(t *testing.T, observed string, conditions ...string) *unstructured.Unstructured {
	t.Helper()
	var list []string
	for _, c := range conditions {
		words := strings.SplitN(c, " ", 4)
		message := "fine"
		if len(words) == 4 {
			message = words[3]
		}
		list = append(list, `{type: `+words[0]+`, status: "`+words[1]+`", reason: `+words[2]+`, message: "`+message+`"}`)
	}
	return object(t, `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: hello, namespace: shop, generation: 2, creationTimestamp: "2026-05-04T11:00:00Z"}
spec:
  triggers: [{event: {subjects: [events.hello]}}]
  handler: {protocol: stream, image: "example.com/hello:1"}
  scale: {minReplicas: 1, maxReplicas: 3}
status: {observedGeneration: `+observed+`, replicas: 1, conditions: [`+strings.Join(list, ", ")+`]}
`)
}

func healthy(t *testing.T) *whyCluster {
	t.Helper()
	l := live{
		function: functionIn(t, "2", "Ready True Ready", "Accepted True Valid", "StreamReady True Provisioned",
			"WorkloadReady True Available", "ScalerReady True Watched", "Active True Working"),
		deployment: object(t, `{kind: Deployment, apiVersion: apps/v1, metadata: {name: hello-pfn}, spec: {replicas: 2}, status: {readyReplicas: 2}}`),
		scaledObject: object(t, `{kind: ScaledObject, apiVersion: keda.sh/v1alpha1, metadata: {name: hello-pfn},
  status: {conditions: [{type: Ready, status: "True"}, {type: Active, status: "True"}]}}`),
		autoscaler: object(t, `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, metadata: {name: keda-hpa-hello-pfn},
  spec: {maxReplicas: 3}, status: {currentReplicas: 2, desiredReplicas: 2, conditions: [{type: ScalingActive, status: "True"}]}}`),
	}
	w := &whyCluster{key: function.Key{Namespace: "shop", Name: "hello"}, now: midday, live: l}
	w.look()
	return w
}

// look reads the live objects again, as diagnoseCluster does.
func (w *whyCluster) look() {
	w.status, w.view = readiness(w.live.function), clusterViewOf(w.live.function, w.live.deployment)
}

// answer is the one sentence.
func (w *whyCluster) answer() string {
	d := &diagnosis{}
	d.add(w.manifest())
	d.add(w.queues())
	if w.view.Held != nil {
		d.add(w.held())
	}
	d.add(w.scaledObject())
	if w.live.autoscaler != nil {
		d.add(w.autoscaler())
	}
	d.add(w.deployment())
	for _, c := range w.pods() {
		d.add(c)
	}
	d.conclude(w.best([]decision.Object{{Decisions: []decision.Decision{{Call: decision.Metrics, Reason: "9 due at 8 per replica"}}}}))
	return d.Answer
}

// TestAnswersOfACluster has one thing wrong at a time.
func TestAnswersOfACluster(t *testing.T) {
	t.Parallel()
	set := func(o *unstructured.Unstructured, value any, fields ...string) {
		if err := unstructured.SetNestedField(o.Object, value, fields...); err != nil {
			t.Fatal(err)
		}
	}
	conditions := func(o *unstructured.Unstructured, list ...any) {
		if err := unstructured.SetNestedSlice(o.Object, list, "status", "conditions"); err != nil {
			t.Fatal(err)
		}
	}
	is := func(kind, status, reason, message string) map[string]any {
		return map[string]any{"type": kind, "status": status, "reason": reason, "message": message}
	}
	for name, c := range map[string]struct {
		change func(w *whyCluster)
		want   string
	}{
		"work":      {func(*whyCluster) {}, "it has 2 replicas because there is work: 9 due at 8 per replica"},
		"unlooked":  {func(w *whyCluster) { w.live.function = functionIn(t, "0") }, "manifest: pelton-controller has never looked at it"},
		"unlooked2": {func(w *whyCluster) { set(w.live.function, int64(3), "metadata", "generation") }, "manifest: pelton-controller has not looked at its newest"},
		"refused": {func(w *whyCluster) {
			w.live.function = functionIn(t, "2", "Accepted False Invalid spec.timeout: no")
		}, "manifest: it is refused, and nothing was changed: spec.timeout: no"},
		"deleted": {func(w *whyCluster) {
			set(w.live.function, "2026-05-04T11:59:30Z", "metadata", "deletionTimestamp")
		}, "manifest: its deletion began 30.0s ago: pelton-controller has not looked at its deletion yet"},
		"streams": {func(w *whyCluster) {
			w.live.function = functionIn(t, "2", "Accepted True Valid", "StreamReady False Mismatch no stream ORDERS")
		}, "NATS streams: Mismatch: no stream ORDERS"},
		"paused, and not seen": {func(w *whyCluster) {
			w.live.function.SetAnnotations(map[string]string{"pelton.dev/held-replicas": "0"})
		}, "manifest: pelton-controller has not looked at its newest"},
		"paused": {func(w *whyCluster) {
			w.live.function.SetAnnotations(map[string]string{"pelton.dev/held-replicas": "0"})
			set(w.live.function, int64(0), "status", "heldReplicas")
		}, "held: somebody has paused it"},
		"held": {func(w *whyCluster) {
			w.live.function.SetAnnotations(map[string]string{"pelton.dev/held-replicas": "2"})
			set(w.live.function, int64(2), "status", "heldReplicas")
		}, "it has 2 replicas because somebody holds it there"},
		"no ScaledObject": {func(w *whyCluster) { w.live.scaledObject = nil }, "KEDA: there is no ScaledObject hello-pfn"},
		"paused by hand": {func(w *whyCluster) {
			conditions(w.live.scaledObject, is("Paused", "True", "", ""))
		}, "KEDA: its ScaledObject is paused by hand"},
		"KEDA cannot": {func(w *whyCluster) {
			conditions(w.live.scaledObject, is("Ready", "False", "", "no such target"))
		}, "KEDA: does not watch it: no such target"},
		"KEDA is away": {func(w *whyCluster) { conditions(w.live.scaledObject) }, "KEDA: has not looked at its ScaledObject: does KEDA run?"},
		"no metric": {func(w *whyCluster) {
			conditions(w.live.autoscaler, is("ScalingActive", "False", "FailedGetExternalMetric", "connection refused"))
		}, "HPA: wants 2, has 2, of at most 3; it gets no metric: connection refused"},
		"quota": {func(w *whyCluster) {
			conditions(w.live.deployment, is("ReplicaFailure", "True", "FailedCreate", "exceeded quota"))
		}, "Deployment: 2 ready of 2 wanted; pods are refused: exceeded quota"},
		"unschedulable": {func(w *whyCluster) {
			w.live.pods = append(w.live.pods, *object(t, pendingPod))
		}, "pod: hello-1: no node takes it: Insufficient cpu"},
		"idle": {func(w *whyCluster) {
			w.live.function = functionIn(t, "2", "Accepted True Valid", "StreamReady True Provisioned", "Active False Idle")
			set(w.live.deployment, int64(0), "spec", "replicas")
			set(w.live.deployment, int64(0), "status", "readyReplicas")
		}, "nothing is wrong: nothing waits for it"},
		"least": {func(w *whyCluster) {
			w.live.function = functionIn(t, "2", "Accepted True Valid", "StreamReady True Provisioned", "Active False Idle")
			set(w.live.deployment, int64(1), "spec", "replicas")
			set(w.live.deployment, int64(1), "status", "readyReplicas")
		}, "it has 1 replica because its manifest wants so many at all times"},
		"cooldown": {func(w *whyCluster) {
			w.live.function = functionIn(t, "2", "Accepted True Valid", "StreamReady True Provisioned", "Active False Idle")
		}, "it still has 2 replicas, which end after its cooldown"},
	} {
		w := healthy(t)
		c.change(w)
		w.look()
		if got := w.answer(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

const pendingPod = `{apiVersion: v1, kind: Pod, metadata: {name: hello-1, creationTimestamp: "2026-05-04T11:58:00Z"},
  status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: Insufficient cpu}]}}`

// TestNotesOfAnHPA are no reasons by themselves.
func TestNotesOfAnHPA(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"ScalingLimited True TooManyReplicas":  "it would take more if it might",
		"AbleToScale True ScaleDownStabilized": "fewer would do",
	} {
		w := healthy(t)
		words := strings.Fields(reason)
		w.live.autoscaler.Object["status"].(map[string]any)["conditions"] = []any{
			map[string]any{"type": words[0], "status": words[1], "reason": words[2]},
		}
		if c := w.autoscaler(); c.State != checkNote || !strings.Contains(c.Detail, want) {
			t.Errorf("%s: %+v", reason, c)
		}
	}
}

// TestProblemsOfPods reads what the kubelet says, in the words of why.
func TestProblemsOfPods(t *testing.T) {
	t.Parallel()
	pod := func(status string) string {
		return `{apiVersion: v1, kind: Pod, metadata: {name: hello-1}, status: ` + status + `}`
	}
	for name, c := range map[string]struct{ text, problem, line string }{
		"pending": {text: pendingPod, problem: "no node takes it: Insufficient cpu"},
		"pull": {
			text:    pod(`{containerStatuses: [{name: handler, image: "a:1", state: {waiting: {reason: ImagePullBackOff, message: back-off}}}]}`),
			problem: "image a:1 of container handler cannot be pulled: back-off",
		},
		"crash": {
			text: pod(`{containerStatuses: [{name: handler, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}},
  lastState: {terminated: {exitCode: 3, reason: Error, message: "a\nb\nc\nd\ne\nf"}}}]}`),
			problem: "container handler ends again and again, last with exit code 3", line: "b c d e f",
		},
		"memory": {
			text:    pod(`{containerStatuses: [{name: handler, state: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`),
			problem: "container handler has ended with exit code 137 (OOMKilled)",
		},
		"secret": {
			text:    pod(`{containerStatuses: [{name: sidecar, state: {waiting: {reason: CreateContainerConfigError, message: "secret \"nats\" not found"}}}]}`),
			problem: `container sidecar does not start: secret "nats" not found`,
		},
		"evicted":  {text: pod(`{phase: Failed, reason: Evicted, message: disk pressure}`), problem: "it has failed: Evicted disk pressure"},
		"creating": {text: pod(`{containerStatuses: [{name: handler, state: {waiting: {reason: ContainerCreating}}}]}`)},
		"restarted": {text: pod(`{conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: handler, ready: true, restartCount: 1,
  state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}`)},
	} {
		v := viewOfPod(object(t, c.text))
		if v.Problem != c.problem || strings.Join(v.Lines, " ") != c.line {
			t.Errorf("%s: %q %q, want %q %q", name, v.Problem, v.Lines, c.problem, c.line)
		}
	}
}

// TestScalersOfAScaledObject finds the Service from what KEDA is told.
func TestScalersOfAScaledObject(t *testing.T) {
	t.Parallel()
	o := object(t, `{kind: ScaledObject, apiVersion: keda.sh/v1alpha1, spec: {triggers: [{type: cron}, {metadata: {scalerAddress: "a.b.svc:9090"}}]}}`)
	if host, err := scalerHost(o); host != "a.b.svc" || err != nil {
		t.Errorf("%q, %v", host, err)
	}
	if _, err := scalerHost(object(t, `{kind: ScaledObject, apiVersion: keda.sh/v1alpha1, spec: {}}`)); err == nil {
		t.Error("an address of nothing")
	}
	for _, host := range []string{"localhost", "10.0.0.1", "scaler.example.com"} {
		if _, err := scalerPods(t.Context(), nil, host); err == nil || !strings.Contains(err.Error(), "no Service of the cluster") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestMergedObjects are those of several replicas of a scaler.
func TestMergedObjects(t *testing.T) {
	t.Parallel()
	a := decision.Object{
		Namespace: "shop", Name: "hello-pfn", Source: "function hello", Streams: 1, Asked: midday,
		Decisions: []decision.Decision{{Call: decision.IsActive}},
	}
	b := a
	b.Streams, b.Asked, b.Decisions = 0, midday.Add(time.Second), []decision.Decision{{Call: decision.Metrics}}
	other := a
	other.Name = "other"
	got := mergeObjects([]decision.Object{a, other, b})
	if len(got) != 2 || got[0].Streams != 1 || !got[0].Asked.Equal(b.Asked) || len(got[0].Decisions) != 2 || len(got[1].Decisions) != 1 {
		t.Errorf("%+v", got)
	}
}
