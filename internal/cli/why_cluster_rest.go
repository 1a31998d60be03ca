package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pelton-dev/pelton/internal/kube"
	"github.com/pelton-dev/pelton/internal/sidecar"
)

// Replicas that are asked whether they rest, and for how long: what is down behind one handler is down behind the next.
const (
	askedReplicas  = 3
	replicaTimeout = 4 * time.Second
)

// rest is what one replica has answered.
type rest struct {
	pod, why string
	err      error
}

// rests returns a line if a replica asks for no events because its calls have failed one after another, and nil if none does. Its
// pod shows nothing of it: it is ready.
func (w *whyCluster) rests(ctx context.Context, c *kube.Cluster) *check {
	pods := w.readyPods()
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	answers := make([]rest, min(askedReplicas, len(pods)))
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() {
			answers[i].pod = pods[i].Name
			answers[i].why, answers[i].err = askResting(ctx, c, &pods[i])
		})
	}
	asking.Wait()
	return restLine(answers, func(err error) string { return reasonOf(c, err) })
}

// readyPods are those that could have events, the newest last.
func (w *whyCluster) readyPods() (ready []corev1.Pod) {
	for i := range w.live.pods {
		var pod corev1.Pod
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(w.live.pods[i].Object, &pod)
		if err == nil && viewOfPod(&w.live.pods[i]).Ready {
			ready = append(ready, pod)
		}
	}
	return ready
}

// askResting asks the sidecar of a pod over a forwarded port. One of an earlier version does not know the question.
func askResting(ctx context.Context, c *kube.Cluster, pod *corev1.Pod) (why string, err error) {
	client, base, end := forwarded(ctx, c, pod)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+sidecar.RestingPath, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return strings.TrimSpace(string(text)), err
}

// restLine says what the answers come to: the first that rests, or else the first that could not be asked.
func restLine(answers []rest, reason func(error) string) *check {
	var unasked *check
	resting, line := 0, &check{Name: "calls", State: checkFail, Try: "mend what the handler calls; what waits keeps its attempts"}
	for _, a := range answers {
		switch {
		case a.why != "":
			if resting++; resting == 1 {
				line.Detail = a.pod + " asks for no events: " + oneLine(a.why, 300)
			}
		case a.err != nil && unasked == nil:
			unasked = &check{
				Name: "calls", State: checkNote, Detail: fmt.Sprintf("%s cannot be asked whether it rests: %s", a.pod, reason(a.err)),
			}
		}
	}
	switch {
	case resting == 0:
		return unasked
	case resting > 1:
		line.Detail = fmt.Sprintf("%d of %d replicas that were asked rest; %s", resting, len(answers), line.Detail)
	}
	return line
}
