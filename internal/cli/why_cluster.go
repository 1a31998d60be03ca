package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// whyCluster makes the lines of why for a function in a cluster, from what is there.
type whyCluster struct {
	key    function.Key
	now    time.Time
	live   live
	status clusterStatus
	view   clusterView
	events []eventView // warnings about the function's ScaledObject, the newest first
}

// whyInCluster explains a function of a cluster. The scaler is asked at an address, or through the cluster if that is "".
func (a *app) whyInCluster(ctx context.Context, c *kube.Cluster, key function.Key, scaler string) error {
	ctx, cancel := context.WithTimeout(ctx, whyTimeout)
	defer cancel()
	s := whyScaled{key: key, now: time.Now(), diag: &diagnosis{Function: fullName(key)}}
	best, failure := a.diagnoseCluster(ctx, c, &s, scaler)
	if _, ok := errors.AsType[*Error](failure); failure != nil && !ok {
		return failure
	}
	s.diag.conclude(best)
	if err := a.showDiagnosis(s.diag); err != nil {
		return err
	}
	return failure
}

// diagnoseCluster goes the way of an event, and returns the answer for the case that no line fails.
func (a *app) diagnoseCluster(ctx context.Context, c *kube.Cluster, s *whyScaled, scaler string) (best string, err error) {
	o, err := a.getFunction(ctx, c, s.key)
	if e, ok := errors.AsType[*Error](err); ok {
		s.diag.add(check{Name: "cluster", State: checkFail, Detail: e.Error(), Try: e.Hint})
	}
	if err != nil {
		return "", err
	}
	s.diag.add(check{Name: "cluster", State: checkOK, Detail: fmt.Sprintf("context %s, %s", c.Context, c.Server)})
	l := readCluster(ctx, c, o)
	w := whyCluster{key: s.key, now: s.now, live: l, status: readiness(o), view: clusterViewOf(o, l.deployment)}
	w.events = eventsOf(ctx, c, l.scaledObject)
	s.diag.add(w.manifest())
	s.diag.add(w.queues())
	if a.natsURL != "" {
		if err := s.askServer(ctx, a); err != nil {
			return "", err
		}
	}
	if w.view.Held != nil {
		s.diag.add(w.held())
	}
	s.diag.add(w.scaledObject())
	if w.view.Held == nil { // else KEDA asks it nothing
		s.askScalerOf(ctx, c, l.scaledObject, scaler)
	}
	if l.autoscaler != nil {
		s.diag.add(w.autoscaler())
	}
	s.diag.add(w.deployment())
	for _, line := range w.pods() {
		s.diag.add(line)
	}
	if line := w.rests(ctx, c); line != nil {
		s.diag.add(*line)
	}
	for _, note := range l.notes {
		s.diag.add(check{Name: "not seen", State: checkNote, Detail: note})
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return "", ctx.Err()
	}
	return w.best(s.diag.ScaledObjects), nil // what took too long is a note
}

// manifest says whether the controller has taken it.
func (w *whyCluster) manifest() check {
	c := check{Name: "manifest", State: checkOK, Detail: fmt.Sprintf("generation %d; image %s", w.live.function.GetGeneration(), w.view.Image)}
	accepted := w.status.condition(v1alpha1.Accepted)
	const controllerHint = "kubectl get pods -A -l app.kubernetes.io/name=pelton-controller, and its logs"
	switch {
	case w.status.deleted:
		c.State = checkFail
		c.Detail = "its deletion began " + ago(w.live.function.GetDeletionTimestamp().Time, w.now) + ": " + w.status.text()
	case len(w.status.conditions) == 0:
		c.State, c.Detail, c.Try = checkFail, "pelton-controller has never looked at it: does it run, and for this namespace?", controllerHint
	case !w.status.current:
		c.State, c.Detail, c.Try = checkFail, "pelton-controller has not looked at its newest version yet", controllerHint
	case accepted.Status == metav1.ConditionFalse:
		c.State, c.Detail = checkFail, "it is refused, and nothing was changed: "+accepted.Message
		c.Try = "mend it, and apply it again"
	}
	return c
}

// queues says whether NATS keeps events for it.
func (w *whyCluster) queues() check {
	return fromCondition("NATS streams", w.status.condition(v1alpha1.StreamReady))
}

// fromCondition is a line that repeats what the controller says.
func fromCondition(name string, c metav1.Condition) check {
	line := check{Name: name, State: checkOK, Detail: cmp.Or(c.Message, "nothing is known")}
	switch c.Status {
	case metav1.ConditionTrue:
	case metav1.ConditionFalse:
		line.State, line.Detail = checkFail, c.Reason+": "+c.Message
	default:
		line.State = checkNote
	}
	return line
}

// held says that somebody has fixed the number of replicas.
func (w *whyCluster) held() check {
	c := check{
		Name: "held", State: checkNote, Detail: "somebody holds it at " + plural(*w.view.Held, "replica") + ", whatever waits",
		Try: "pelton functions resume " + fullName(w.key),
	}
	if *w.view.Held == 0 {
		c.State, c.Detail = checkFail, "somebody has paused it: it is held at 0 replicas, whatever waits"
	}
	return c
}

// scaledObject says whether KEDA watches the function, and what it has complained of.
func (w *whyCluster) scaledObject() check {
	c := check{Name: "KEDA", State: checkOK}
	o := w.live.scaledObject
	if o == nil {
		c.State, c.Detail = checkFail, "there is no ScaledObject "+desired.ObjectName(w.key)
		if len(w.live.notes) > 0 {
			c.State = checkNote // it may only be invisible
		}
		return c
	}
	ready, active := v1alpha1.ConditionOf(o, "Ready"), v1alpha1.ConditionOf(o, "Active")
	paused := v1alpha1.ConditionOf(o, "Paused").Status == metav1.ConditionTrue
	switch {
	case paused && w.view.Held == nil:
		c.State, c.Detail = checkFail, "its ScaledObject is paused by hand"
		c.Try = fmt.Sprintf("kubectl annotate scaledobject -n %s %s autoscaling.keda.sh/paused- autoscaling.keda.sh/paused-replicas-",
			w.key.Namespace, o.GetName())
		return c
	case paused:
		c.Detail = "does not scale it while it is held"
		return c
	case ready.Status == metav1.ConditionFalse:
		c.State, c.Detail = checkFail, "does not watch it: "+ready.Message
	case ready.Status != metav1.ConditionTrue:
		c.State, c.Detail, c.Try = checkFail, "has not looked at its ScaledObject: does KEDA run?", "kubectl get pods -n keda"
	case active.Status == metav1.ConditionTrue:
		c.Detail = "watches it, and knows that there is work"
	default:
		c.Detail = "watches it, and knows of no work"
	}
	for _, e := range w.events {
		if w.now.Sub(e.at) < silence {
			c.Lines = append(c.Lines, fmt.Sprintf("%s %s: %s", ago(e.at, w.now), e.reason, e.message))
			if c.State == checkOK {
				c.State = checkNote
			}
		}
	}
	return c
}

// autoscaler says what the HPA makes of what the scaler tells.
func (w *whyCluster) autoscaler() check {
	c := check{Name: "HPA", State: checkOK}
	o := w.live.autoscaler
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(o.Object, fields...)
		return n
	}
	current, wanted, most := number("status", "currentReplicas"), number("status", "desiredReplicas"), number("spec", "maxReplicas")
	scaling := v1alpha1.ConditionOf(o, "ScalingActive")
	limited := v1alpha1.ConditionOf(o, "ScalingLimited")
	able := v1alpha1.ConditionOf(o, "AbleToScale")
	c.Detail = fmt.Sprintf("wants %d, has %d, of at most %d", wanted, current, most)
	switch {
	case w.view.Wanted == 0:
		c.Detail = "rests: at zero replicas KEDA alone decides"
	case able.Status == metav1.ConditionFalse:
		c.State, c.Detail = checkFail, c.Detail+"; it cannot scale: "+able.Message
	case scaling.Status == metav1.ConditionFalse:
		c.State, c.Detail = checkFail, c.Detail+"; it gets no metric: "+scaling.Message
	case limited.Status == metav1.ConditionTrue && limited.Reason == "TooManyReplicas":
		c.State, c.Detail = checkNote, c.Detail+": it would take more if it might"
		c.Try = "raise spec.scale.maxReplicas"
	case able.Reason == "ScaleDownStabilized":
		c.State, c.Detail = checkNote, c.Detail+"; fewer would do, and it waits whether that lasts"
	}
	return c
}

// deployment says whether what is wanted is there.
func (w *whyCluster) deployment() check {
	c := fromCondition("Deployment", w.status.condition(v1alpha1.WorkloadReady))
	d := w.live.deployment
	if d == nil {
		return c
	}
	c.Detail = fmt.Sprintf("%d ready of %d wanted", w.view.Ready, w.view.Wanted)
	failure, progress := v1alpha1.ConditionOf(d, "ReplicaFailure"), v1alpha1.ConditionOf(d, "Progressing")
	switch {
	case failure.Status == metav1.ConditionTrue:
		c.State, c.Detail = checkFail, c.Detail+"; pods are refused: "+failure.Message
	case progress.Status == metav1.ConditionFalse:
		c.State, c.Detail = checkFail, c.Detail+"; "+progress.Message
	case w.view.Ready < w.view.Wanted:
		c.State = checkNote
		if reason := w.status.condition(v1alpha1.WorkloadReady); reason.Status == metav1.ConditionFalse {
			c.Detail += "; " + reason.Message
		}
	default:
		c.State = checkOK
	}
	return c
}
