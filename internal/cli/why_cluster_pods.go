package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/decision"
)

// pods have one line together, and one for each that has a problem, the newest first: it runs the newest manifest.
func (w *whyCluster) pods() []check {
	ready, starting, stopping, troubled := 0, 0, 0, 0
	var lines []check
	for i := range slices.Backward(w.live.pods) {
		p := viewOfPod(&w.live.pods[i])
		age := w.now.Sub(p.Created)
		if p.Problem == "" && !p.Ready && p.State != podStopping && age > longPodStart {
			p.Problem = "it has been starting for " + short(age)
		}
		switch {
		case p.Ready:
			ready++
		case p.State == podStopping:
			stopping++
		case p.Problem == "":
			starting++
		default:
			if troubled++; troubled <= maxPodLines {
				lines = append(lines, w.troubled(&p))
			}
		}
	}
	all := check{Name: "pods", State: checkOK, Detail: fmt.Sprintf("%d ready, %d starting, %d on their way out", ready, starting, stopping)}
	if troubled > 0 {
		all.Detail += fmt.Sprintf(", %d with a problem", troubled)
	}
	return append([]check{all}, lines...)
}

// maxPodLines is how many pods with a problem are shown: it is mostly the same one.
const maxPodLines = 3

func (w *whyCluster) troubled(p *podView) check {
	c := check{Name: "pod", State: checkFail, Detail: p.Name + ": " + p.Problem, Lines: p.Lines}
	c.Try = fmt.Sprintf("kubectl describe pod -n %s %s", w.key.Namespace, p.Name)
	if p.Started {
		c.Try = "pelton logs " + fullName(w.key) + "; " + c.Try
	}
	return c
}

// longPodStart is how long a pod may take to get ready before that is a reason.
const longPodStart = 30 * time.Second

// best says why nothing runs, or why so much, when nothing is wrong.
func (w *whyCluster) best(objects []decision.Object) string {
	why := ""
	for _, o := range objects {
		if d := newest(o.Decisions, decision.Metrics); d != nil && d.Error == "" && w.view.Wanted > 0 {
			why = d.Reason
		} else if d := newest(o.Decisions, decision.IsActive, decision.ActivityPushed); d != nil && d.Error == "" {
			why = d.Reason
		}
	}
	active := w.status.condition(v1alpha1.Active).Status
	switch {
	case w.view.Held != nil:
		return fmt.Sprintf("it has %s because somebody holds it there", plural(int(w.view.Wanted), "replica"))
	case w.view.Wanted == 0 && active == metav1.ConditionTrue:
		return "it is being started: " + cmp.Or(why, "KEDA knows of work")
	case w.view.Wanted == 0:
		return "nothing is wrong: nothing waits for it, and it runs when an event is due"
	case w.view.fn != nil && int(w.view.Wanted) == w.view.fn.Spec.Scale.MinReplicas && active != metav1.ConditionTrue:
		return fmt.Sprintf("it has %s because its manifest wants so many at all times", plural(int(w.view.Wanted), "replica"))
	case active == metav1.ConditionTrue:
		return fmt.Sprintf("it has %s because there is work: %s", plural(int(w.view.Wanted), "replica"), cmp.Or(why, "KEDA says so"))
	default:
		return fmt.Sprintf("it still has %s, which end after its cooldown: nothing waits any more", plural(int(w.view.Wanted), "replica"))
	}
}
