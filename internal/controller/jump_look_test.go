package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// objects plays an apiserver that has one object of each kind, and takes patches of the subresource scale.
type objects struct {
	client.Client

	all     map[schema.GroupVersionKind]*unstructured.Unstructured
	refuse  error
	patches []string
}

// Get implements client.Reader.
func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	have := o.all[into.GetObjectKind().GroupVersionKind()]
	if have == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, key.Name)
	}
	into.(*unstructured.Unstructured).Object = have.DeepCopy().Object
	return nil
}

// SubResource implements client.SubResourceClientConstructor.
func (o *objects) SubResource(name string) client.SubResourceClient {
	if name != "scale" {
		return nil
	}
	return &scaleOf{objects: o}
}

// scaleOf is the subresource.
type scaleOf struct {
	client.SubResourceClient

	objects *objects
}

// Patch implements client.SubResourceWriter.
func (s *scaleOf) Patch(_ context.Context, of client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
	data, err := p.Data(of)
	if err != nil {
		return err
	}
	o := s.objects
	o.patches = append(o.patches, of.GetNamespace()+"/"+of.GetName()+" "+string(data))
	return o.refuse
}

// leap is a function that has just left zero, with so many events that wait.
type leap struct {
	*jumper

	objects *objects
	srv     *natstest.Server
	key     function.Key
}

const leapFunction = `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: thumb, namespace: shop}
spec:
  triggers: [{event: {subjects: [events.thumb]}}]
  handler: {protocol: stream, image: "example.com/thumb:1"}
  concurrency: 2
  scale: {maxReplicas: 5}
status: {conditions: [{type: StreamReady, status: "True"}]}
`

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func newLeap(t *testing.T, manifest string, waiting int) *leap {
	t.Helper()
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	o := parsed(t, manifest)
	fn, err := desired.Read(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
		t.Fatal(err)
	}
	l := &leap{srv: srv, key: fn.Key(), objects: &objects{all: map[schema.GroupVersionKind]*unstructured.Unstructured{
		o.GroupVersionKind():   o,
		desired.DeploymentKind: parsed(t, `{apiVersion: apps/v1, kind: Deployment}`),
		desired.ScaledObjectKind: parsed(t, `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject,
			status: {hpaName: keda-hpa-thumb-pfn}}`),
		hpaKind: parsed(t, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler,
			spec: {metrics: [{external: {target: {averageValue: "10"}}}]}}`),
	}}}
	l.objects.all[desired.DeploymentKind].Object["spec"] = map[string]any{"replicas": int64(1)}
	l.jumper = &jumper{
		client: l.objects, live: l.objects, js: js, log: zap.NewNop(), places: make(chan struct{}, 1),
	}
	publish(t, js, waiting)
	return l
}

func publish(t *testing.T, js jetstream.JetStream, times int) {
	t.Helper()
	for range times {
		if _, err := js.Publish(t.Context(), "events.thumb", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

const toFive = `shop/thumb-pfn ` +
	`[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":5}]`

// TestJumps writes once, the most that the function may have.
func TestJumps(t *testing.T) {
	t.Parallel()
	l := newLeap(t, leapFunction, 100)
	l.woken(t.Context(), l.key)
	if len(l.objects.patches) != 1 || l.objects.patches[0] != toFive {
		t.Errorf("wrote %q, want %q", l.objects.patches, toFive)
	}
}

// TestJumpsByTheHPAsTarget: twenty events wait, and KEDA has told the HPA that a replica is there for ten.
func TestJumpsByTheHPAsTarget(t *testing.T) {
	t.Parallel()
	l := newLeap(t, strings.Replace(leapFunction, "maxReplicas: 5", "maxReplicas: 5, target: {drain: 10s}", 1), 20)
	l.woken(t.Context(), l.key)
	want := strings.Replace(toFive, `"value":5`, `"value":2`, 1)
	if len(l.objects.patches) != 1 || l.objects.patches[0] != want {
		t.Errorf("wrote %q, want %q", l.objects.patches, want)
	}
}

// TestDoesNotJump for each reason that there is.
func TestDoesNotJump(t *testing.T) {
	t.Parallel()
	annotate := func(l *leap, kind schema.GroupVersionKind, name, value string) {
		l.objects.all[kind].SetAnnotations(map[string]string{name: value})
	}
	functionKind := parsed(t, leapFunction).GroupVersionKind()
	for name, c := range map[string]struct {
		manifest string
		change   func(*leap)
	}{
		"one replica at most": {strings.Replace(leapFunction, "maxReplicas: 5", "maxReplicas: 1", 1), nil},
		"streams not ready":   {strings.Replace(leapFunction, `status: "True"`, `status: "False"`, 1), nil},
		"held":                {leapFunction, func(l *leap) { annotate(l, functionKind, desired.HeldAnnotation, "1") }},
		"paused": {leapFunction, func(l *leap) {
			annotate(l, desired.ScaledObjectKind, "autoscaling.keda.sh/paused", "true")
		}},
		"the HPA was faster": {leapFunction, func(l *leap) {
			l.objects.all[desired.DeploymentKind].Object["spec"] = map[string]any{"replicas": int64(5)}
		}},
		"back at zero": {leapFunction, func(l *leap) {
			l.objects.all[desired.DeploymentKind].Object["spec"] = map[string]any{"replicas": int64(0)}
		}},
		"no ScaledObject": {leapFunction, func(l *leap) { delete(l.objects.all, desired.ScaledObjectKind) }},
		"no function":     {leapFunction, func(l *leap) { delete(l.objects.all, functionKind) }},
		"NATS is away":    {leapFunction, func(l *leap) { l.srv.Stop() }},
		"no HPA": {strings.Replace(leapFunction, "maxReplicas: 5", "maxReplicas: 5, target: {drain: 10s}", 1), func(l *leap) {
			delete(l.objects.all, hpaKind)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeap(t, c.manifest, 100)
			if c.change != nil {
				c.change(l)
			}
			l.woken(t.Context(), l.key)
			if len(l.objects.patches) > 0 {
				t.Errorf("wrote %q", l.objects.patches)
			}
		})
	}
}

// TestFewEventsNeedNoJump: one replica is enough for them.
func TestFewEventsNeedNoJump(t *testing.T) {
	t.Parallel()
	l := newLeap(t, leapFunction, 2)
	l.woken(t.Context(), l.key)
	if len(l.objects.patches) > 0 {
		t.Errorf("wrote %q", l.objects.patches)
	}
}

// TestRefusedJump tries again in the next look only: somebody else has written, and the cache will say so.
func TestRefusedJump(t *testing.T) {
	t.Parallel()
	l := newLeap(t, leapFunction, 100)
	l.objects.refuse = errors.New("the server rejected our request")
	w, err := l.wakeup(t.Context(), l.key)
	if w == nil || err != nil {
		t.Fatalf("%v, %v", w, err)
	}
	n, err := l.look(t.Context(), w, 0, false)
	if n != 5 || err == nil || !strings.Contains(err.Error(), "scale Deployment thumb-pfn from 1 to 5") {
		t.Errorf("%d, %v", n, err)
	}
	l.objects.refuse = nil
	if n, err := l.look(t.Context(), w, n, false); n != 0 || err != nil || len(l.objects.patches) != 2 {
		t.Errorf("%d, %v, %v", n, err, fmt.Sprint(l.objects.patches))
	}
}
