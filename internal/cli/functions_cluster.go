package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// clusterView is a function of a cluster, as list and describe show it.
type clusterView struct {
	Name       string             `json:"name"`
	Namespace  string             `json:"namespace"`
	State      string             `json:"state"`
	Active     string             `json:"active"` // True, False or Unknown
	Ready      int64              `json:"ready"`  // replicas
	Wanted     int64              `json:"wanted"`
	Held       *int               `json:"held,omitempty"`
	Scale      string             `json:"scale,omitempty"`
	Triggers   []string           `json:"triggers"`
	Image      string             `json:"image,omitempty"`
	Created    time.Time          `json:"created"`
	Conditions []metav1.Condition `json:"conditions"`

	fn      *function.Function // nil if the manifest is not valid
	leaving string             // what its deletion waits for; "" if it is not being deleted
}

// clusterViewOf puts together what the Function and its Deployment say. The latter may be missing.
func clusterViewOf(o, deployment *unstructured.Unstructured) clusterView {
	s := readiness(o)
	v := clusterView{
		Name: o.GetName(), Namespace: o.GetNamespace(), State: s.state(), Created: o.GetCreationTimestamp().Time,
		Conditions: s.conditions, Active: string(s.condition(v1alpha1.Active).Status), Triggers: []string{},
	}
	if fn, err := desired.Read(o); err == nil {
		v.fn = fn
		v.Triggers, v.Image = triggersText(fn), fn.Spec.Handler.Image
		v.Scale = fmt.Sprintf("%d-%d", fn.Spec.Scale.MinReplicas, fn.Spec.Scale.MaxReplicas)
	}
	if n, held, err := desired.Held(o.GetAnnotations()); held && err == nil {
		v.Held = &n
	}
	if s.deleted {
		v.leaving = s.text()
	}
	if deployment != nil {
		v.Ready, _, _ = unstructured.NestedInt64(deployment.Object, "status", "readyReplicas")
		v.Wanted, _, _ = unstructured.NestedInt64(deployment.Object, "spec", "replicas")
	}
	return v
}

// listCluster lists the functions of a namespace, of all if it is "".
func (a *app) listCluster(ctx context.Context, c *kube.Cluster, namespace string) error {
	objects, err := c.List(ctx, kube.Functions(), namespace, kube.Selector{})
	if err != nil {
		return explainCluster(c, "list functions", err)
	}
	deployments, err := c.List(ctx, kube.Deployments(), namespace, kube.Selector{Labels: desired.FunctionLabel})
	if err != nil && !apierrors.IsForbidden(err) {
		return explainCluster(c, "list the Deployments of functions", err)
	}
	if err != nil {
		a.say("note: replicas are not shown: %s", oneLine(err.Error(), 200))
	}
	byKey := map[function.Key]*unstructured.Unstructured{}
	for i := range deployments {
		d := &deployments[i]
		byKey[function.Key{Namespace: d.GetNamespace(), Name: d.GetLabels()[desired.FunctionLabel]}] = d
	}
	var views []clusterView
	for i := range objects {
		o := &objects[i]
		views = append(views, clusterViewOf(o, byKey[function.Key{Namespace: o.GetNamespace(), Name: o.GetName()}]))
	}
	slices.SortFunc(views, func(a, b clusterView) int { return compareKeys(a.key(), b.key()) })
	return a.showCluster(c, views, namespace)
}

func (v *clusterView) key() function.Key { return function.Key{Namespace: v.Namespace, Name: v.Name} }

func (a *app) showCluster(c *kube.Cluster, views []clusterView, namespace string) error {
	if a.json() {
		return a.writeJSON(listOf(views))
	}
	if len(views) == 0 {
		where := "in namespace " + namespace + " (-A shows all)"
		if namespace == "" {
			where = "in the cluster " + c.Context
		}
		a.say("no functions %s; apply one: pelton apply -f function.yaml", where)
		return nil
	}
	rows := [][]string{{"NAME", "STATE", "ACTIVE", "READY", "WANTED", "SCALE", "AGE", "TRIGGERS"}}
	for _, v := range views {
		scale := v.Scale
		if v.Held != nil {
			scale += ", held at " + strconv.Itoa(*v.Held)
		}
		rows = append(rows, []string{
			fullName(v.key()), v.State, v.Active, strconv.FormatInt(v.Ready, 10), strconv.FormatInt(v.Wanted, 10), scale,
			short(time.Since(v.Created)), strings.Join(v.Triggers, "; "),
		})
	}
	if err := writeTable(a.stdout, rows); err != nil {
		return err
	}
	for _, v := range views {
		if v.leaving != "" {
			a.say("note: %s is being deleted: %s", fullName(v.key()), oneLine(v.leaving, 300))
		}
	}
	return nil
}

// getFunction reads a Function, and says which others there are if it is not there.
func (a *app) getFunction(ctx context.Context, c *kube.Cluster, key function.Key) (*unstructured.Unstructured, error) {
	o, err := c.Get(ctx, kube.Functions(), key.Namespace, key.Name)
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		return nil, a.noSuchFunction(ctx, c, key)
	}
	return o, explainCluster(c, "read function "+fullName(key), err)
}

// describedFunction is describe under -o json.
type describedFunction struct {
	clusterView

	Pods   []podView `json:"pods"`
	Keda   []string  `json:"scaledObject,omitempty"` // its conditions, in words
	Notes  []string  `json:"notes,omitempty"`        // what could not be read
	Reason string    `json:"reason"`
}

func (a *app) describeCluster(ctx context.Context, c *kube.Cluster, key function.Key) error {
	o, err := a.getFunction(ctx, c, key)
	if err != nil {
		return err
	}
	l := readCluster(ctx, c, o)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d := describedFunction{clusterView: clusterViewOf(o, l.deployment), Pods: []podView{}, Notes: l.notes}
	s := readiness(o)
	d.Reason = s.text()
	for i := range l.pods {
		d.Pods = append(d.Pods, viewOfPod(&l.pods[i]))
	}
	if l.scaledObject != nil {
		for _, condition := range v1alpha1.ConditionsOf(l.scaledObject) {
			d.Keda = append(d.Keda, fmt.Sprintf("%s %s: %s", condition.Type, condition.Status, condition.Message))
		}
	}
	if a.json() {
		return a.writeJSON(d)
	}
	return writeTable(a.stdout, d.rows(time.Now()))
}

func (d *describedFunction) rows(now time.Time) [][]string {
	rows := [][]string{{"function", fullName(d.key())}, {"image", d.Image}}
	for _, t := range d.Triggers {
		rows = append(rows, []string{"trigger", t})
	}
	if d.fn != nil {
		spec := d.fn.Spec
		rows = append(rows,
			[]string{"scale", fmt.Sprintf("%s replicas, %s at once in each", d.Scale, plural(spec.InFlight(), "event"))},
			[]string{"timeout", spec.Timeout.String()},
			[]string{"retry", fmt.Sprintf("%s, %s to %s apart", plural(spec.Retry.MaxAttempts, "attempt"),
				spec.Retry.MinBackoff, spec.Retry.MaxBackoff)})
	}
	rows = append(rows, []string{"state", d.State}, []string{"replicas", fmt.Sprintf("%d ready, %d wanted", d.Ready, d.Wanted)})
	if d.Held != nil {
		rows = append(rows, []string{"held", fmt.Sprintf("at %s, whatever waits", plural(*d.Held, "replica"))})
	}
	for _, c := range d.Conditions {
		rows = append(rows, []string{"condition", fmt.Sprintf("%s %s, %s since %s: %s", c.Type, c.Status, c.Reason,
			ago(c.LastTransitionTime.Time, now), oneLine(c.Message, 300))})
	}
	for _, text := range d.Keda {
		rows = append(rows, []string{"KEDA", oneLine(text, 300)})
	}
	for _, p := range d.Pods {
		rows = append(rows, []string{"pod", p.text(now)})
	}
	for _, note := range d.Notes {
		rows = append(rows, []string{"not shown", oneLine(note, 300)})
	}
	return rows
}
